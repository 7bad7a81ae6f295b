/* The delay line: a proxy that makes a receiver as far away as one likes, where the kernel has no netem.
 *
 *     delay --round-trip 20 --from 127.0.0.1:2525 --to 127.0.0.1:2526 [--from … --to …]
 *
 * What comes in on either side goes out on the other half a round trip later, byte for byte; a connection is made one
 * and a half round trips after it came, so that the greeting arrives after two, as over a real way. Since all that
 * waits waits equally long, one queue in the order of arrival holds everything that is under way, and only its head is
 * looked at. It stands on base and epoll, as the sink does: the ring has no way to accept. Not simulated: loss, limits
 * of a line, and TCP's own windows (at most WAITING_MAX bytes are under way each way on a connection, then it is not
 * read). SIGTERM ends it and prints how much it carried. */
#include "bench/sink/listener.h"

#include "base/address.h"
#include "base/check.h"
#include "base/list.h"
#include "base/outbuf.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PAIRS_MAX = 64, EVENTS_MAX = 512, READ_MAX = 256 * 1024, WAITING_MAX = 4 << 20 };

struct line;

/* One end of a connection. */
struct end {
	struct line *line; /* parent */
	struct end *other;
	int fd;		   /* -1: not connected yet, or closed */
	struct outbuf out; /* owned: arrived, and not taken by the kernel yet */
	size_t sent;
	size_t waiting; /* bytes under way to the other end, and not taken there */
	unsigned watched;
	bool read_over, out_over; /* nothing more is read; when out is gone the writing side is shut */
};

struct line {
	struct end near, far;
	unsigned pair, under_way; /* parcels that name it: it is freed after the last */
	bool broken;
};

enum parcel_kind { PARCEL_OPEN, PARCEL_BYTES, PARCEL_END };

/* Something on its way. */
struct parcel {
	struct list link;
	enum parcel_kind kind;
	struct end *to;
	uint64_t due_us;
	size_t len;
	char bytes[];
};

static struct {
	struct address to[PAIRS_MAX];
	int listeners[PAIRS_MAX];
	unsigned nlisteners, nto;
	uint64_t half_us;
} setup;

static struct list ways[2]; /* parcels by arrival: of connections, which take three halves, and of all else */
static int epoll, signals;
static char buffer[READ_MAX];
static struct {
	uint64_t connections, bytes, late_us_most;
} carried;

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void post(struct end *to, enum parcel_kind kind, const char *bytes, size_t len)
{
	struct parcel *parcel = malloc(sizeof(*parcel) + len);

	CHECK(parcel != NULL);
	*parcel = (struct parcel){.kind = kind, .to = to, .len = len};
	parcel->due_us = now_us() + setup.half_us * (kind == PARCEL_OPEN ? 3 : 1);
	memcpy(parcel->bytes, bytes, len);
	list_init(&parcel->link);
	list_push(&ways[kind != PARCEL_OPEN], &parcel->link);
	to->line->under_way++;
}

/* An end of which nothing is wanted is not watched at all: the kernel would go on telling that it hung up. */
static void end_watch(struct end *end)
{
	bool full = end->waiting >= WAITING_MAX;
	unsigned wanted = (end->read_over || full ? 0 : (unsigned)EPOLLIN) | (end->out.len ? (unsigned)EPOLLOUT : 0);
	struct epoll_event event = {.events = wanted, .data.ptr = end};

	if (end->fd < 0 || wanted == end->watched)
		return;
	epoll_ctl(epoll, !wanted ? EPOLL_CTL_DEL : end->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, end->fd, &event);
	end->watched = wanted;
}

static void end_open(struct end *end, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = end};

	end->fd = fd;
	end->watched = EPOLLIN;
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void end_close(struct end *end)
{
	if (end->fd >= 0)
		close(end->fd);
	end->fd = -1;
	outbuf_free(&end->out);
}

/* Closes both ends. What is under way is thrown away when it arrives, and with the last of it the line. */
static void line_break(struct line *line)
{
	line->broken = true;
	end_close(&line->near);
	end_close(&line->far);
	if (line->under_way == 0)
		post(&line->near, PARCEL_END, "", 0);
}

static bool line_is_over(const struct line *line)
{
	return line->near.read_over && line->far.read_over && line->near.out_over && line->far.out_over &&
	       line->near.out.len == 0 && line->far.out.len == 0;
}

static void end_flush(struct end *end)
{
	while (end->sent < end->out.len) {
		ssize_t n = send(end->fd, end->out.ptr + end->sent, end->out.len - end->sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			line_break(end->line);
		if (n < 0)
			break;
		end->sent += (size_t)n;
		end->other->waiting -= (size_t)n;
	}
	if (end->fd < 0)
		return;
	if (end->sent == end->out.len) {
		outbuf_reset(&end->out);
		end->sent = 0;
		if (end->out_over)
			shutdown(end->fd, SHUT_WR);
	}
	end_watch(end);
	end_watch(end->other);
	if (line_is_over(end->line))
		line_break(end->line);
}

static void end_read(struct end *end)
{
	ssize_t n = recv(end->fd, buffer, sizeof(buffer), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0) {
		end->waiting += (size_t)n;
		carried.bytes += (uint64_t)n;
		post(end->other, PARCEL_BYTES, buffer, (size_t)n);
	} else {
		end->read_over = true;
		post(end->other, PARCEL_END, "", 0);
	}
	end_watch(end);
}

static void open_far(struct end *far)
{
	const struct address *to = &setup.to[far->line->pair];
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* blocking: on loopback a listener answers at once or refuses */
	if (fd < 0 || connect(fd, &to->sa, to->len) < 0) {
		fprintf(stderr, "delay: connecting on: %s\n", strerror(errno));
		if (fd >= 0)
			close(fd);
		line_break(far->line);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	end_open(far, fd);
}

static void arrive(struct parcel *parcel)
{
	struct end *to = parcel->to;

	to->line->under_way--;
	if (to->line->broken)
		return;
	switch (parcel->kind) {
	case PARCEL_OPEN: open_far(to); break;
	case PARCEL_BYTES: outbuf_add(&to->out, (struct slice){parcel->bytes, parcel->len}); break;
	case PARCEL_END: to->out_over = true; break;
	}
	if (to->fd >= 0)
		end_flush(to);
}

/* What has come to its time; returns how long until the next, in microseconds. */
static uint64_t deliver_due(void)
{
	uint64_t next_us = 1000000;

	for (unsigned i = 0; i < 2; i++) {
		struct list *link;

		while ((link = list_first(&ways[i]))) {
			struct parcel *parcel = LIST_OWNER(link, struct parcel, link);
			struct line *line = parcel->to->line;
			uint64_t now = now_us();

			if (parcel->due_us > now) {
				next_us = parcel->due_us - now < next_us ? parcel->due_us - now : next_us;
				break;
			}
			if (now - parcel->due_us > carried.late_us_most)
				carried.late_us_most = now - parcel->due_us;
			list_remove(link);
			arrive(parcel);
			free(parcel);
			if (line->broken && line->under_way == 0)
				free(line);
		}
	}
	return next_us;
}

static void take_connections(unsigned pair)
{
	struct sockaddr_in from;
	int fd;

	while ((fd = listener_take(setup.listeners[pair], &from)) >= 0) {
		struct line *line = calloc(1, sizeof(*line));

		CHECK(line != NULL);
		line->pair = pair;
		line->near = (struct end){.line = line, .other = &line->far, .fd = -1};
		line->far = (struct end){.line = line, .other = &line->near, .fd = -1};
		carried.connections++;
		end_open(&line->near, fd);
		post(&line->far, PARCEL_OPEN, "", 0);
	}
}

static void on_event(const struct epoll_event *event)
{
	struct end *end = event->data.ptr;

	if (end->fd < 0)
		return;
	if (event->events & EPOLLOUT)
		end_flush(end);
	if (end->fd >= 0 && !end->read_over && (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		end_read(end);
	else if (end->fd >= 0 && (event->events & EPOLLERR))
		line_break(end->line);
}

/* False when it is over. */
static bool turn(void)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t wait_us = deliver_due();
	struct timespec wait = {.tv_sec = (time_t)(wait_us / 1000000), .tv_nsec = (long)(wait_us % 1000000) * 1000};
	int n = epoll_pwait2(epoll, events, EVENTS_MAX, &wait, NULL);

	for (int i = 0; i < n; i++) {
		int *listener = events[i].data.ptr;

		if (events[i].data.ptr == &signals)
			return false;
		if (listener >= setup.listeners && listener < setup.listeners + setup.nlisteners)
			take_connections((unsigned)(listener - setup.listeners));
		else
			on_event(&events[i]);
	}
	return true;
}

static void watch(int fd, void *what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	watch(signals, &signals);
}

static bool read_options(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		const char *value = argv[i + 1];

		if (strcmp(argv[i], "--round-trip") == 0)
			setup.half_us = strtoul(value, NULL, 10) * 500;
		else if (strcmp(argv[i], "--from") == 0 && setup.nlisteners < PAIRS_MAX) {
			int fd = listener_open(value);

			if (fd < 0)
				return false;
			setup.listeners[setup.nlisteners++] = fd;
		} else if (strcmp(argv[i], "--to") == 0 && setup.nto < PAIRS_MAX) {
			if (!address_parse(&setup.to[setup.nto++], slice_of(value), 0))
				return false;
		} else {
			return false;
		}
	}
	return argc % 2 == 1 && setup.nlisteners && setup.nlisteners == setup.nto && setup.half_us;
}

int main(int argc, char **argv)
{
	list_init(&ways[0]);
	list_init(&ways[1]);
	if (!read_options(argc, argv)) {
		fprintf(stderr,
			"usage: delay --round-trip MS --from ADDRESS:PORT --to ADDRESS:PORT [--from ... --to ...]\n");
		return 2;
	}
	epoll = epoll_create1(EPOLL_CLOEXEC);
	watch_signals();
	for (unsigned i = 0; i < setup.nlisteners; i++)
		watch(setup.listeners[i], &setup.listeners[i]);
	fflush(stdout);
	while (turn())
		;
	printf("{\"connections\":%llu,\"bytes\":%llu,\"late_us_most\":%llu}\n", (unsigned long long)carried.connections,
	       (unsigned long long)carried.bytes, (unsigned long long)carried.late_us_most);
	return 0;
}
