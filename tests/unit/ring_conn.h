/* What the tests of the real ring share: a connection that writes down all it is told, and plain sockets at the
 * other end. The peers live in the test's own thread: the kernel completes a loopback connection without accept. */
#pragma once

#include "base/check.h"
#include "base/outbuf.h"
#include "ring/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { UNTOLD = 1 << 30 };

/* Every telling gets the next number, so that a test can ask what came first. */
struct conn {
	struct socket socket;
	struct connecting connecting;
	struct sending sending;
	struct receive receive;
	struct op closing;
	int connected, sent, ended, closed; /* results; UNTOLD */
	unsigned sent_at, ended_at, closed_at, heard_at;
	unsigned pieces;
	struct outbuf heard;
	bool close_when_heard;
	struct ring *ring;
};

static bool conn_ordinary; /* which kind of descriptors this run is about */
static unsigned conn_told; /* tellings so far */

static inline void conn_on_connected(struct op *op, int result)
{
	struct conn *conn = LIST_OWNER(op, struct conn, connecting.op);

	conn_told++;
	conn->connected = result;
}

static inline void conn_on_sent(struct op *op, int result)
{
	struct conn *conn = LIST_OWNER(op, struct conn, sending.op);

	conn->sent_at = ++conn_told;
	conn->sent = result;
}

static inline void conn_on_ended(struct op *op, int result)
{
	struct conn *conn = LIST_OWNER(op, struct conn, receive.op);

	conn->ended_at = ++conn_told;
	conn->ended = result;
}

static inline void conn_on_closed(struct op *op, int result)
{
	struct conn *conn = LIST_OWNER(op, struct conn, closing);

	conn->closed_at = ++conn_told;
	conn->closed = result;
}

static inline void conn_on_data(struct receive *receive, struct slice bytes)
{
	struct conn *conn = LIST_OWNER(receive, struct conn, receive);

	conn->heard_at = ++conn_told;
	conn->pieces++;
	outbuf_add(&conn->heard, bytes);
	if (conn->close_when_heard)
		ring_close(conn->ring, &conn->closing, &conn->socket, false);
}

static inline struct conn *conn_new(struct ring *ring)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	conn->ring = ring;
	conn->connected = conn->sent = conn->ended = conn->closed = UNTOLD;
	conn->connecting.op.done = conn_on_connected;
	conn->sending.op.done = conn_on_sent;
	conn->receive.op.done = conn_on_ended;
	conn->receive.data = conn_on_data;
	conn->closing.done = conn_on_closed;
	return conn;
}

static inline void conn_free(struct conn *conn)
{
	outbuf_free(&conn->heard);
	free(conn);
}

static inline struct ring *ring_for(unsigned sockets, unsigned buffers, unsigned buffer_size)
{
	struct ring_setup setup = {sockets, buffers, buffer_size, conn_ordinary};
	struct ring *ring = NULL;
	char why[RING_WHY_MAX] = "";

	if (ring_open(&ring, &setup, why) < 0)
		fail_msg("%s", why);
	return ring;
}

/* Turns until condition holds; at most about ten seconds. */
#define TURN_UNTIL(ring, condition)                                                           \
	do {                                                                                  \
		for (int turns = 0; !(condition); turns++) {                                  \
			if (turns > 2000)                                                     \
				fail_msg("%s:%d: never: %s", __FILE__, __LINE__, #condition); \
			assert_int_equal(ring_turn(ring, 5), 0);                              \
		}                                                                             \
	} while (0)

static inline void conn_connect(struct conn *conn, const struct address *to)
{
	ring_connect(conn->ring, &conn->connecting, &conn->socket, RING_STREAM, &to->sa, NULL);
	assert_int_equal(conn->connected, UNTOLD); /* never from inside */
	TURN_UNTIL(conn->ring, conn->connected != UNTOLD);
}

static inline void conn_close(struct conn *conn, bool abort)
{
	conn->closed = UNTOLD;
	ring_close(conn->ring, &conn->closing, &conn->socket, abort);
	assert_int_equal(conn->closed, UNTOLD);
	TURN_UNTIL(conn->ring, conn->closed != UNTOLD);
	assert_int_equal(conn->closed, 0);
	assert_int_equal(conn->socket.slot, 0);
}

/* A listening socket on a free loopback port; its address. */
static inline int peer_listen(struct address *address, int backlog)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = address_v4("\x7f\0\0\1", 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &address->sa, address->len), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, &address->sa, &address->len), 0);
	return fd;
}

static inline int peer_accept(int listener)
{
	struct pollfd ready = {.fd = listener, .events = POLLIN};

	assert_int_equal(poll(&ready, 1, 5000), 1);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Reads to the end: how many bytes came, or -errno. Waits for each piece, within bounds. */
static inline ssize_t peer_drain(int fd)
{
	static char bytes[1 << 16];
	ssize_t total = 0;

	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};

		if (poll(&ready, 1, 5000) != 1)
			return -ETIMEDOUT;
		ssize_t n = read(fd, bytes, sizeof(bytes));

		if (n <= 0)
			return n < 0 ? -errno : total;
		total += n;
	}
}

static inline int use_direct(void **state)
{
	(void)state;
	conn_ordinary = false;
	return 0;
}

static inline int use_ordinary(void **state)
{
	(void)state;
	conn_ordinary = true;
	return 0;
}
