/* A name server for benches, the demo and tests: answers for any number of made-up domains, well or badly, by rule
 * (nameserver/rules.c; `nameserver --help` is the language).
 *
 * It stands on base and plain sockets and shares nothing with dns/, so that it does not share its mistakes. One thread,
 * one poll loop; datagrams are read and answered in batches and nothing is allocated once the rules are read. Like an
 * authoritative server it does not follow CNAMEs. */
#include "base/address.h"
#include "base/check.h"
#include "bench/nameserver/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, QUESTION_MAX = 1024, STREAMS = 32, DELAYED_MAX = 1024, IDLE_MS = 10000, TICK_MS = 5 };

/* A datagram that waits for its time. */
struct delayed {
	uint64_t due_ms; /* 0: none */
	struct sockaddr_storage to;
	socklen_t to_len;
	size_t len;
	unsigned char bytes[REPLY_UDP_MAX];
};

/* A TCP connection: one question, one reply, again. */
struct stream {
	int fd; /* 0: none */
	uint64_t heard_ms;
	size_t have, out_len, out_sent;
	unsigned char in[2 + QUESTION_MAX], out[2 + REPLY_MAX];
};

static struct delayed delayed[DELAYED_MAX];
static unsigned ndelayed;
static struct stream streams[STREAMS];
static unsigned char questions[BATCH][QUESTION_MAX], replies[BATCH][REPLY_UDP_MAX];
static struct sockaddr_storage peers[BATCH];
static struct iovec iovs[BATCH];
static struct mmsghdr messages[BATCH];
static struct reply reply;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

_Noreturn static void fail(const char *doing, const char *what)
{
	fprintf(stderr, "nameserver: %s %s: %s\n", doing, what, strerror(errno));
	exit(1);
}

static void delay(const struct reply *r, const struct msghdr *header)
{
	for (unsigned i = 0; i < DELAYED_MAX; i++) {
		struct delayed *d = &delayed[i];

		if (d->due_ms != 0)
			continue;
		d->due_ms = now_ms() + r->delay_ms;
		memcpy(&d->to, header->msg_name, header->msg_namelen);
		d->to_len = header->msg_namelen;
		d->len = r->len;
		memcpy(d->bytes, r->bytes, r->len);
		ndelayed++;
		return;
	}
	reply_counts.dropped++;
}

static void delayed_send(int udp)
{
	uint64_t now = ndelayed ? now_ms() : 0;

	for (unsigned i = 0; ndelayed > 0 && i < DELAYED_MAX; i++) {
		struct delayed *d = &delayed[i];

		if (d->due_ms == 0 || d->due_ms > now)
			continue;
		sendto(udp, d->bytes, d->len, 0, (struct sockaddr *)&d->to, d->to_len);
		d->due_ms = 0;
		ndelayed--;
	}
}

static void batch_prepare(void)
{
	for (unsigned i = 0; i < BATCH; i++) {
		iovs[i] = (struct iovec){questions[i], QUESTION_MAX};
		messages[i].msg_hdr = (struct msghdr){
			.msg_name = &peers[i], .msg_namelen = sizeof(peers[i]), .msg_iov = &iovs[i], .msg_iovlen = 1};
	}
}

/* One batch of datagrams; false when there was none. */
static bool udp_turn(int udp)
{
	unsigned nreplies = 0;

	batch_prepare();
	int n = recvmmsg(udp, messages, BATCH, MSG_DONTWAIT, NULL);

	for (int i = 0; i < n; i++) {
		if (!reply_make(&reply, questions[i], messages[i].msg_len, false))
			continue;
		if (reply.delay_ms) {
			delay(&reply, &messages[i].msg_hdr);
			continue;
		}
		memcpy(replies[nreplies], reply.bytes, reply.len);
		iovs[nreplies] = (struct iovec){replies[nreplies], reply.len};
		messages[nreplies].msg_hdr.msg_name = &peers[i];
		messages[nreplies].msg_hdr.msg_namelen = messages[i].msg_hdr.msg_namelen;
		nreplies++;
	}
	for (unsigned sent = 0; sent < nreplies;) {
		int taken = sendmmsg(udp, messages + sent, nreplies - sent, 0);

		sent += taken > 0 ? (unsigned)taken : 1; /* one that cannot be sent is lost, as datagrams are */
	}
	return n == BATCH;
}

static void stream_close(struct stream *stream)
{
	close(stream->fd);
	stream->fd = 0;
}

static struct stream *stream_free(void)
{
	for (unsigned i = 0; i < STREAMS; i++)
		if (streams[i].fd == 0)
			return &streams[i];
	return NULL;
}

static void stream_accept(int listener)
{
	struct stream *stream = stream_free();
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	CHECK(stream != NULL);
	if (fd < 0)
		return;
	stream->fd = fd;
	stream->heard_ms = now_ms();
	stream->have = stream->out_len = stream->out_sent = 0;
}

/* The reply to the first question in the buffer, if it is all there. */
static void stream_answer(struct stream *stream)
{
	size_t len = stream->have < 2 ? 0 : (size_t)(stream->in[0] << 8 | stream->in[1]);

	if (stream->have < 2 || stream->have < 2 + len || stream->out_len > 0)
		return;
	if (reply_make(&reply, stream->in + 2, len, true)) {
		stream->out[0] = (unsigned char)(reply.len >> 8);
		stream->out[1] = (unsigned char)reply.len;
		memcpy(stream->out + 2, reply.bytes, reply.len);
		stream->out_len = 2 + reply.len;
		stream->out_sent = 0;
	}
	stream->have -= 2 + len;
	memmove(stream->in, stream->in + 2 + len, stream->have);
}

static void stream_turn(struct stream *stream, short events)
{
	if (events & (POLLIN | POLLHUP | POLLERR)) {
		ssize_t n = read(stream->fd, stream->in + stream->have, sizeof(stream->in) - stream->have);

		if (n <= 0) { /* the end, or a question longer than any */
			stream_close(stream);
			return;
		}
		stream->have += (size_t)n;
		stream->heard_ms = now_ms();
	}
	stream_answer(stream);
	if (stream->out_len == 0)
		return;
	ssize_t n = send(stream->fd, stream->out + stream->out_sent, stream->out_len - stream->out_sent, MSG_NOSIGNAL);

	if (n > 0)
		stream->out_sent += (size_t)n;
	else if (errno != EAGAIN)
		stream_close(stream);
	if (stream->out_sent == stream->out_len)
		stream->out_len = stream->out_sent = 0;
}

static int socket_bind(int type, struct address *address)
{
	int fd = socket(address->sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, size = 4 << 20;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, &address->sa, address->len) < 0 || (type == SOCK_STREAM && listen(fd, 256) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* UDP and TCP on the same port; with port 0 a few ports are tried until both are free. */
static void listen_both(const struct address *wanted, int *udp, int *tcp)
{
	char text[ADDRESS_TEXT_MAX];
	struct address address;

	for (int tries = 0; tries < 16; tries++) {
		address = *wanted;
		if ((*tcp = socket_bind(SOCK_STREAM, &address)) < 0)
			break;
		CHECK(getsockname(*tcp, &address.sa, &address.len) == 0);
		if ((*udp = socket_bind(SOCK_DGRAM, &address)) >= 0) {
			address_text(&address, text);
			printf("listening %s\n", text);
			fflush(stdout);
			return;
		}
		close(*tcp);
	}
	address_text(wanted, text);
	fail("cannot listen on", text);
}

static void counts_print(void)
{
	const struct reply_counts *c = &reply_counts;

	printf("questions %lu\nmx %lu\na %lu\naaaa %lu\nother %lu\n", c->questions, c->mx, c->a, c->aaaa, c->other);
	printf("tcp %lu\nanswered %lu\ntruncated %lu\ndropped %lu\nbad %lu\n", c->tcp, c->answered, c->truncated,
	       c->dropped, c->bad);
}

static void serve(int udp, int tcp, int signals)
{
	struct pollfd polled[3 + STREAMS] = {{.fd = signals, .events = POLLIN}, {.fd = udp, .events = POLLIN}};

	while (!(polled[0].revents & POLLIN)) {
		bool has_streams = false;

		polled[2] = (struct pollfd){.fd = stream_free() ? tcp : -1, .events = POLLIN};
		for (unsigned i = 0; i < STREAMS; i++) {
			struct stream *stream = &streams[i];

			if (stream->fd > 0 && now_ms() - stream->heard_ms > IDLE_MS)
				stream_close(stream);
			polled[3 + i].fd = stream->fd > 0 ? stream->fd : -1;
			polled[3 + i].events = stream->out_len ? POLLOUT : POLLIN;
			has_streams = has_streams || stream->fd > 0;
		}
		if (poll(polled, 3 + STREAMS, ndelayed ? TICK_MS : has_streams ? 1000 : -1) < 0 && errno != EINTR)
			fail("cannot poll", "");
		for (int batches = 0; polled[1].revents && batches < 16 && udp_turn(udp); batches++)
			;
		delayed_send(udp);
		for (unsigned i = 0; i < STREAMS; i++)
			if (polled[3 + i].fd > 0 && polled[3 + i].revents)
				stream_turn(&streams[i], polled[3 + i].revents);
		if (polled[2].revents & POLLIN)
			stream_accept(tcp);
	}
}

_Noreturn static void usage(FILE *to, int status)
{
	fputs(rules_help, to);
	exit(status);
}

int main(int argc, char **argv)
{
	struct address address = {0};
	bool has_rules = false, has_counts = false;
	sigset_t ends;
	int udp, tcp;

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--help") == 0)
			usage(stdout, 0);
		else if (strcmp(argv[i], "--counts") == 0)
			has_counts = true;
		else if (value && strcmp(argv[i], "--rule") == 0)
			has_rules = true, rules_add(slice_of(argv[++i]));
		else if (value && strcmp(argv[i], "--rules") == 0)
			has_rules = true, rules_read(argv[++i]);
		else if (!value || strcmp(argv[i], "--listen") != 0 || !address_parse(&address, slice_of(argv[++i]), 0))
			usage(stderr, 2);
	}
	if (address.len == 0 || address.sa.sa_family == AF_UNIX)
		usage(stderr, 2);
	if (!has_rules)
		rules_add(SLICE("* mx 10 mx.$ 127.0.0.1"));
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	listen_both(&address, &udp, &tcp);
	serve(udp, tcp, signalfd(-1, &ends, SFD_CLOEXEC));
	if (has_counts)
		counts_print();
	return 0;
}
