/* The sink: an SMTP receiver for benches, the demo and tests. On its own code (receiver.c), one thread, epoll: it takes
 * tens of thousands of messages a second over thousands of connections, misbehaves by rule, and counts.
 *
 *     sink --listen 127.0.0.1:2525 --rule '*@slow.test eom delay 200' --remember --report FILE
 *
 * Prints "listening ADDRESS:PORT" for each address when ready (port 0: any). SIGTERM ends it: counts go to stdout as
 * one JSON object, what it remembers to the report, one JSON object an address. SIGUSR1 writes the report at once. It
 * takes connections from this machine's loopback only. */
#include "bench/sink/listener.h"
#include "bench/sink/receiver.h"
#include "bench/sink/report.h"
#include "bench/sink/secure.h"

#include "base/check.h"
#include "base/timer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { READ_MAX = 256 * 1024, EVENTS_MAX = 512, LISTEN_MAX = 64 };

struct peer {
	int fd;
	struct receiver receiver;
	struct secure *secure; /* owned; NULL: in clear */
	struct outbuf out;     /* owned: replies not sent yet */
	size_t sent;
	struct timer timer;  /* until held-back replies may go */
	struct list closing; /* on the list of those to be freed after this turn */
	bool writing, gone;
	bool stalled; /* its handshake is never answered */
};

static struct sink sink = {.name = "sink.test", .pipelining = true, .chunking = true, .size_max = 50000000};
static struct wheel wheel;
static struct list gone;
static int epoll, signals;
static unsigned delay_all_ms;
static bool stall_tls;
static char buffer[READ_MAX];

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void peer_end(struct peer *peer)
{
	if (peer->gone)
		return;
	peer->gone = true;
	sink.open--;
	sink.stalled -= peer->stalled;
	senders_leave(&sink.senders, &peer->receiver.carried);
	timer_stop(&wheel, &peer->timer);
	secure_end(peer->secure);
	close(peer->fd);
	list_push(&gone, &peer->closing);
}

static void free_gone(void)
{
	struct list *link;

	while ((link = list_pop(&gone))) {
		struct peer *peer = LIST_OWNER(link, struct peer, closing);

		receiver_free(&peer->receiver);
		outbuf_free(&peer->out);
		free(peer);
	}
}

static void peer_watch(struct peer *peer, bool writing)
{
	struct epoll_event event = {.events = EPOLLIN | (writing ? (unsigned)EPOLLOUT : 0), .data.ptr = peer};

	if (peer->writing != writing)
		epoll_ctl(epoll, EPOLL_CTL_MOD, peer->fd, &event);
	peer->writing = writing;
}

static void peer_flush(struct peer *peer)
{
	while (!peer->gone && peer->sent < peer->out.len) {
		const char *from = peer->out.ptr + peer->sent;
		size_t left = peer->out.len - peer->sent;
		ssize_t n = peer->secure ? secure_write(peer->secure, from, left)
					 : send(peer->fd, from, left, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			peer_watch(peer, true);
			return;
		}
		if (n < 0) {
			peer_end(peer);
			return;
		}
		peer->sent += (size_t)n;
	}
	if (peer->gone)
		return;
	outbuf_reset(&peer->out);
	peer->sent = 0;
	senders_answered(&sink.senders, &peer->receiver.carried, peer->receiver.has_mail);
	peer_watch(peer, false);
	if (peer->receiver.end == RECEIVER_CLOSE)
		peer_end(peer);
	else if (peer->receiver.protection == RECEIVER_STARTING) {
		peer->receiver.protection = RECEIVER_SECURE;
		peer->stalled = stall_tls;
		sink.stalled += peer->stalled;
		peer->secure = stall_tls ? NULL : secure_begin(peer->fd);
	}
}

static void on_held(struct timer *timer, uint64_t now)
{
	(void)now;
	peer_flush(LIST_OWNER(timer, struct peer, timer));
}

/* Sends the replies, now or after the delay a rule wants. */
static void peer_answer(struct peer *peer)
{
	unsigned wait_ms = peer->receiver.delay_ms > delay_all_ms ? peer->receiver.delay_ms : delay_all_ms;

	peer->receiver.delay_ms = 0;
	if (timer_is_set(&peer->timer))
		return;
	if (wait_ms)
		timer_set(&wheel, &peer->timer, now_ms() + wait_ms);
	else
		peer_flush(peer);
}

/* Records are read one by one, and there may be several in OpenSSL's hands: all of them, or the buffer full. */
static ssize_t peer_receive(struct peer *peer)
{
	ssize_t n, have = 0;

	if (!peer->secure)
		return recv(peer->fd, buffer, sizeof(buffer), 0);
	while ((n = secure_read(peer->secure, buffer + have, sizeof(buffer) - (size_t)have)) > 0) {
		have += n;
		if (have == sizeof(buffer))
			break;
	}
	return have ? have : n;
}

static void peer_read(struct peer *peer)
{
	ssize_t n = peer_receive(peer);

	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		peer_end(peer);
		return;
	}
	if (n < 0 || peer->receiver.end != RECEIVER_OPEN || peer->stalled)
		return;
	receiver_take(&peer->receiver, (struct slice){buffer, (size_t)n}, &peer->out);
	peer_answer(peer);
}

static void take_connections(int listener, unsigned number)
{
	struct sockaddr_in from;
	int fd;

	while ((fd = listener_take(listener, &from)) >= 0) {
		struct peer *peer = calloc(1, sizeof(*peer));
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};

		CHECK(peer != NULL);
		peer->fd = fd;
		sink.open++;
		if (sink.open > sink.most_open)
			sink.most_open = sink.open;
		timer_init(&peer->timer, on_held);
		list_init(&peer->closing);
		receiver_init(&peer->receiver, &sink, quotas_find(&sink.quotas, number, from.sin_addr.s_addr),
			      &peer->out);
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
		peer_answer(peer);
	}
}

/* True: go on. */
static bool heed_signal(const char *report)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return true;
	sink_write_report(&sink, report);
	if (info.ssi_signo == SIGUSR1)
		sink_write_counts(&sink);
	return info.ssi_signo == SIGUSR1;
}

static bool serve(const char *report, const int *listeners, unsigned nlisteners)
{
	struct epoll_event events[EVENTS_MAX];
	int wait_ms = (int)wheel_wait_ms(&wheel, now_ms(), 1000);
	int n = epoll_wait(epoll, events, EVENTS_MAX, wait_ms);
	bool go_on = true;

	sink.now_ms = now_ms();
	for (int i = 0; i < n; i++) {
		struct peer *peer = events[i].data.ptr;
		unsigned at = 0;

		while (at < nlisteners && events[i].data.ptr != &listeners[at])
			at++;
		if (at < nlisteners)
			take_connections(listeners[at], at);
		else if (events[i].data.ptr == &signals)
			go_on = heed_signal(report);
		else if (!peer->gone && (events[i].events & EPOLLOUT))
			peer_flush(peer);
		if (at == nlisteners && events[i].data.ptr != &signals && !peer->gone &&
		    (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
			peer_read(peer);
	}
	wheel_turn(&wheel, now_ms());
	free_gone();
	return go_on;
}

static void usage(void)
{
	puts("usage: sink --listen ADDRESS:PORT... [options]\n"
	     "  --rule 'PATTERN STAGE [SHARE%] [first N] [delay MS] [ANSWER]'  what is answered to whom "
	     "(bench/sink/rules.h)\n"
	     "  --delay MS          hold every reply back\n"
	     "  --no-pipelining, --no-chunking, --no-8bitmime, --no-size, --helo-only   offer less\n"
	     "  --size N            offer SIZE N\n"
	     "  --recipients N      452 after N recipients\n"
	     "  --messages 'N/MS [sliding] [counted]'  450 beyond so many in a window, from one address to one of "
	     "ours\n"
	     "  --connections N     421 beyond so many at a time, likewise\n"
	     "  --ehlo LINE         offer one more\n"
	     "  --tls CRT KEY       offer STARTTLS with this certificate\n"
	     "  --stall-tls         offer it, and say nothing once it was begun\n"
	     "  --no-tickets        and let no session be resumed\n"
	     "  --name NAME         the host name it says\n"
	     "  --remember          count tries and copies per address\n"
	     "  --hash              SHA-256 of every message (with --remember)\n"
	     "  --report FILE       where what is remembered goes at the end");
}

struct options {
	bool no_eight_bit, no_size, no_tickets;
	const char *certificate, *key;
	const char *report;
	struct outbuf more;
	int listeners[LISTEN_MAX];
	unsigned nlisteners;
};

enum choice {
	O_LISTEN = 1,
	O_RULE,
	O_DELAY,
	O_PIPELINING,
	O_CHUNKING,
	O_EIGHT,
	O_NOSIZE,
	O_HELO,
	O_SIZE,
	O_RECIPIENTS,
	O_MESSAGES,
	O_CONNECTIONS,
	O_EHLO,
	O_TLS,
	O_STALL,
	O_TICKETS,
	O_NAME,
	O_REMEMBER,
	O_HASH,
	O_REPORT,
	O_HELP
};

static const struct option_row {
	const char *name;
	uint8_t values;
	enum choice option;
} option_rows[] = {
	{"listen", 1, O_LISTEN},
	{"rule", 1, O_RULE},
	{"delay", 1, O_DELAY},
	{"no-pipelining", 0, O_PIPELINING},
	{"no-chunking", 0, O_CHUNKING},
	{"no-8bitmime", 0, O_EIGHT},
	{"no-size", 0, O_NOSIZE},
	{"helo-only", 0, O_HELO},
	{"size", 1, O_SIZE},
	{"recipients", 1, O_RECIPIENTS},
	{"messages", 1, O_MESSAGES},
	{"connections", 1, O_CONNECTIONS},
	{"ehlo", 1, O_EHLO},
	{"tls", 2, O_TLS},
	{"stall-tls", 0, O_STALL},
	{"no-tickets", 0, O_TICKETS},
	{"name", 1, O_NAME},
	{"remember", 0, O_REMEMBER},
	{"hash", 0, O_HASH},
	{"report", 1, O_REPORT},
	{"help", 0, O_HELP},
};

/* Returns false with a line on stderr when the option or its value is not right. */
static bool set_option(struct options *options, enum choice option, char **value)
{
	char why[512];

	switch (option) {
	case O_LISTEN:
		if (options->nlisteners == LISTEN_MAX)
			return false;
		return (options->listeners[options->nlisteners++] = listener_open(*value)) >= 0;
	case O_RULE:
		if (rules_add(&sink.rules, *value, why, sizeof(why)))
			return true;
		fprintf(stderr, "sink: %s\n", why);
		return false;
	case O_DELAY: delay_all_ms = (unsigned)strtoul(*value, NULL, 10); return true;
	case O_PIPELINING: sink.pipelining = false; return true;
	case O_CHUNKING: sink.chunking = false; return true;
	case O_EIGHT: options->no_eight_bit = true; return true;
	case O_NOSIZE: options->no_size = true; return true;
	case O_HELO: sink.helo_only = true; return true;
	case O_SIZE: sink.size_max = strtoull(*value, NULL, 10); return true;
	case O_RECIPIENTS: sink.recipients_max = (unsigned)strtoul(*value, NULL, 10); return true;
	case O_MESSAGES: return quotas_read(&sink.quotas, *value);
	case O_CONNECTIONS: sink.quotas.connections = (unsigned)strtoul(*value, NULL, 10); return true;
	case O_EHLO: outbuf_printf(&options->more, "250-%s\r\n", *value); return true;
	case O_TLS:
		options->certificate = value[0];
		options->key = value[1];
		return true;
	case O_STALL: stall_tls = true; return true;
	case O_TICKETS: options->no_tickets = true; return true;
	case O_NAME: sink.name = *value; return true;
	case O_REMEMBER: sink.remember = true; return true;
	case O_HASH: sink.hash = sink.remember = true; return true;
	case O_REPORT: options->report = *value; return true;
	case O_HELP: usage(); exit(0);
	}
	return false;
}

static bool read_options(struct options *options, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const struct option_row *row = option_rows, *end = row + sizeof(option_rows) / sizeof(*row);

		while (row < end && (strncmp(argv[i], "--", 2) != 0 || strcmp(argv[i] + 2, row->name) != 0))
			row++;
		if (row == end || i + row->values >= argc) {
			fprintf(stderr, "sink: %s: no such option, or its value is missing; see --help\n", argv[i]);
			return false;
		}
		if (!set_option(options, row->option, argv + i + 1))
			return false;
		i += row->values;
	}
	sink.starttls = options->certificate || stall_tls;
	return options->nlisteners > 0 &&
	       (!options->certificate || secure_setup(options->certificate, options->key, !options->no_tickets));
}

static void offer(struct options *options)
{
	struct outbuf *more = &options->more;

	if (sink.pipelining)
		outbuf_add(more, SLICE("250-PIPELINING\r\n"));
	if (sink.chunking)
		outbuf_add(more, SLICE("250-CHUNKING\r\n"));
	if (!options->no_eight_bit)
		outbuf_add(more, SLICE("250-8BITMIME\r\n"));
	if (!options->no_size)
		outbuf_printf(more, "250-SIZE %llu\r\n", (unsigned long long)sink.size_max);
	outbuf_add(more, SLICE("250-ENHANCEDSTATUSCODES\r\n"));
	outbuf_byte(more, '\0');
	sink.ehlo = more->ptr;
}

static void watch_signals(void)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &signals};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	epoll_ctl(epoll, EPOLL_CTL_ADD, signals, &event);
}

int main(int argc, char **argv)
{
	struct options options = {0};

	epoll = epoll_create1(EPOLL_CLOEXEC);
	list_init(&gone);
	wheel_init(&wheel, now_ms());
	if (!read_options(&options, argc, argv)) {
		usage();
		return 2;
	}
	offer(&options);
	watch_signals();
	for (unsigned i = 0; i < options.nlisteners; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &options.listeners[i]};

		epoll_ctl(epoll, EPOLL_CTL_ADD, options.listeners[i], &event);
	}
	fflush(stdout);
	while (serve(options.report, options.listeners, options.nlisteners))
		;
	sink_write_counts(&sink);
	outbuf_free(&options.more);
	sink_free_memory(&sink);
	return 0;
}
