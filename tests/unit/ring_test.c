/* The real ring against the kernel, over loopback: connecting, sending, receiving and every way to end. Run twice,
 * with the ring's own descriptors and with the process's. */
#include "ring_conn.h"

#include <stdio.h>

/* One ring, one listener, one connection with its peer: what most tests need. */
struct pair {
	struct ring *ring;
	int listener, peer;
	struct address address;
	struct conn *conn;
};

static struct pair pair_open(void)
{
	struct pair pair = {.ring = ring_for(16, 64, 4096)};

	pair.listener = peer_listen(&pair.address, 16);
	pair.conn = conn_new(pair.ring);
	conn_connect(pair.conn, &pair.address);
	assert_int_equal(pair.conn->connected, 0);
	pair.peer = peer_accept(pair.listener);
	return pair;
}

static void pair_free(struct pair *pair)
{
	if (pair->conn->closed == UNTOLD)
		conn_close(pair->conn, false);
	close(pair->peer);
	close(pair->listener);
	conn_free(pair->conn);
	ring_free(pair->ring);
}

static void test_connect_and_close(void **state)
{
	struct pair pair = pair_open();

	(void)state;
	assert_int_equal(pair.conn->closed, UNTOLD);
	conn_close(pair.conn, false);
	assert_int_equal(peer_drain(pair.peer), 0);
	pair_free(&pair);
}

static void test_refused(void **state)
{
	struct pair pair = pair_open();
	struct conn *conn = conn_new(pair.ring);
	struct address nobody;
	int bound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	nobody = address_v4("\x7f\0\0\1", 0);
	assert_int_equal(bind(bound, &nobody.sa, nobody.len), 0); /* bound, not listening: nobody else gets it */
	assert_int_equal(getsockname(bound, &nobody.sa, &nobody.len), 0);
	conn_connect(conn, &nobody);
	assert_int_equal(conn->connected, -ECONNREFUSED);
	conn_close(conn, false);
	close(bound);
	conn_free(conn);
	pair_free(&pair);
}

static void test_source_address(void **state)
{
	struct pair pair = pair_open();
	struct conn *conn = conn_new(pair.ring);
	struct address ours = address_v4("\x7f\0\0\2", 999), foreign = address_v4("\xc0\0\2\1", 0), seen = {0};
	socklen_t len = sizeof(seen.in);

	(void)state;
	ring_connect(pair.ring, &conn->connecting, &conn->socket, RING_STREAM, &pair.address.sa, &foreign);
	assert_int_equal(conn->connected, UNTOLD);
	TURN_UNTIL(pair.ring, conn->connected != UNTOLD);
	assert_int_equal(conn->connected, -EADDRNOTAVAIL);
	conn_close(conn, false);

	conn->connected = UNTOLD;
	ring_connect(pair.ring, &conn->connecting, &conn->socket, RING_STREAM, &pair.address.sa, &ours);
	TURN_UNTIL(pair.ring, conn->connected != UNTOLD);
	assert_int_equal(conn->connected, 0);
	int peer = accept(pair.listener, &seen.sa, &len);

	assert_int_equal(seen.in.sin_addr.s_addr, ours.in.sin_addr.s_addr);
	assert_int_not_equal(ntohs(seen.in.sin_port), 999);
	close(peer);
	conn_close(conn, false);
	conn_free(conn);
	pair_free(&pair);
}

static void check_send(size_t size)
{
	struct pair pair = pair_open();
	char *bytes = malloc(size + 1), *got = malloc(size + 1);
	size_t third = size / 3, ngot = 0;
	struct iovec iov[3] = {{bytes, third}, {bytes + third, third}, {bytes + 2 * third, size - 2 * third}}, was[3];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	memcpy(was, iov, sizeof(iov));
	ring_send(pair.ring, &pair.conn->sending, &pair.conn->socket, iov, 3);
	assert_int_equal(pair.conn->sent, UNTOLD);
	fcntl(pair.peer, F_SETFL, O_NONBLOCK);
	for (int idle = 0; ngot < size && idle < 5000;) {
		ssize_t n = read(pair.peer, got + ngot, size - ngot < 200000 ? size - ngot : 200000);

		assert_int_equal(ring_turn(pair.ring, n > 0 ? 0 : 1), 0);
		ngot += n > 0 ? (size_t)n : 0;
		idle = n > 0 ? 0 : idle + 1;
	}
	TURN_UNTIL(pair.ring, pair.conn->sent != UNTOLD);
	assert_int_equal(pair.conn->sent, size);
	assert_int_equal(ngot, size);
	assert_memory_equal(bytes, got, size);
	assert_memory_equal(was, iov, sizeof(iov));
	free(bytes);
	free(got);
	pair_free(&pair);
}

static void test_send_sizes(void **state)
{
	(void)state;
	check_send(0);
	check_send(1);
	check_send(100 * 1024);
	check_send(20 << 20);
}

static void test_send_one_piece(void **state)
{
	struct pair pair = pair_open();
	struct iovec iov = {"EHLO a.example\r\n", 16};
	char got[32];

	(void)state;
	for (int i = 0; i < 3; i++) {
		pair.conn->sent = UNTOLD;
		ring_send(pair.ring, &pair.conn->sending, &pair.conn->socket, &iov, 1);
		TURN_UNTIL(pair.ring, pair.conn->sent != UNTOLD);
		assert_int_equal(pair.conn->sent, 16);
		assert_int_equal(read(pair.peer, got, sizeof(got)), 16);
		assert_memory_equal(got, "EHLO a.example\r\n", 16);
	}
	pair_free(&pair);
}

static void test_receive_pieces_and_end(void **state)
{
	struct pair pair = pair_open();

	(void)state;
	ring_receive(pair.ring, &pair.conn->receive, &pair.conn->socket);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(write(pair.peer, &"220 hello there\r\nxyz"[i], 1), 1);
		TURN_UNTIL(pair.ring, pair.conn->heard.len == i + 1);
	}
	assert_int_equal(pair.conn->pieces, 20);
	assert_memory_equal(pair.conn->heard.ptr, "220 hello there\r\nxyz", 20);
	assert_int_equal(pair.conn->ended, UNTOLD);
	shutdown(pair.peer, SHUT_WR);
	TURN_UNTIL(pair.ring, pair.conn->ended != UNTOLD);
	assert_int_equal(pair.conn->ended, 0);
	pair_free(&pair);
}

static void test_receive_reset(void **state)
{
	struct pair pair = pair_open();
	struct linger now = {1, 0};
	struct iovec iov = {"x", 1};

	(void)state;
	ring_receive(pair.ring, &pair.conn->receive, &pair.conn->socket);
	assert_int_equal(ring_turn(pair.ring, 0), 0);
	setsockopt(pair.peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(pair.peer);
	TURN_UNTIL(pair.ring, pair.conn->ended != UNTOLD);
	assert_int_equal(pair.conn->ended, -ECONNRESET);
	ring_send(pair.ring, &pair.conn->sending, &pair.conn->socket, &iov, 1);
	TURN_UNTIL(pair.ring, pair.conn->sent != UNTOLD);
	assert_int_equal(pair.conn->sent, -EPIPE); /* and no SIGPIPE */
	pair.peer = -1;
	pair_free(&pair);
}

/* Two small buffers and a lot of data: the kernel runs out of them in nearly every turn. */
static void test_receive_out_of_buffers(void **state)
{
	struct pair pair = pair_open();
	struct ring *ring = ring_for(4, 2, 64);
	struct conn *conn = conn_new(ring);
	char bytes[100000];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 13 + i / 64);
	conn_connect(conn, &pair.address);
	int peer = peer_accept(pair.listener);

	assert_int_equal(write(peer, bytes, sizeof(bytes)), sizeof(bytes));
	close(peer);
	ring_receive(ring, &conn->receive, &conn->socket);
	TURN_UNTIL(ring, conn->ended != UNTOLD);
	assert_int_equal(conn->ended, 0);
	assert_int_equal(conn->heard.len, sizeof(bytes));
	assert_memory_equal(conn->heard.ptr, bytes, sizeof(bytes));
	conn_close(conn, false);
	conn_free(conn);
	ring_free(ring);
	pair_free(&pair);
}

/* A send that is stuck and a receive that waits: both come home, then the close, and the peer reads to a clean end. */
static void check_close_in_flight(bool abort)
{
	struct pair pair = pair_open();
	struct conn *conn = pair.conn;
	size_t size = 30 << 20;
	struct iovec iov = {calloc(1, size), size};

	ring_receive(pair.ring, &conn->receive, &conn->socket);
	ring_send(pair.ring, &conn->sending, &conn->socket, &iov, 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(ring_turn(pair.ring, 1), 0);
	assert_int_equal(conn->sent, UNTOLD);
	conn_close(conn, abort);
	assert_int_equal(conn->ended, -ECANCELED);
	assert_true(conn->sent == -ECANCELED || (conn->sent > 0 && conn->sent < (int)size));
	assert_true(conn->closed_at > conn->sent_at && conn->closed_at > conn->ended_at);
	ssize_t got = peer_drain(pair.peer);

	if (abort)
		assert_int_equal(got, -ECONNRESET);
	else
		assert_true(got > 0 && got < (ssize_t)size);
	free(iov.iov_base);
	pair_free(&pair);
}

static void test_close_in_flight(void **state)
{
	(void)state;
	check_close_in_flight(false);
}

static void test_abort_in_flight(void **state)
{
	(void)state;
	check_close_in_flight(true);
}

static void test_close_while_receiving_sends_fin(void **state)
{
	struct pair pair = pair_open();

	(void)state;
	ring_receive(pair.ring, &pair.conn->receive, &pair.conn->socket);
	assert_int_equal(ring_turn(pair.ring, 0), 0);
	conn_close(pair.conn, false);
	assert_int_equal(pair.conn->ended, -ECANCELED);
	assert_int_equal(peer_drain(pair.peer), 0);
	pair_free(&pair);
}

static void test_abort_resets(void **state)
{
	struct pair pair = pair_open();

	(void)state;
	conn_close(pair.conn, true);
	assert_int_equal(peer_drain(pair.peer), -ECONNRESET);
	pair_free(&pair);
}

/* Closed from inside data: nothing more is told but the end; not even when the receive was out of buffers just then,
 * and would have been begun anew. */
static void test_close_when_heard(void **state)
{
	(void)state;
	for (unsigned buffers = 1; buffers <= 64; buffers *= 2) {
		struct pair pair = pair_open();
		struct ring *ring = ring_for(4, buffers, 256);
		struct conn *conn = conn_new(ring);
		char bytes[20000] = {0};

		conn_connect(conn, &pair.address);
		int peer = peer_accept(pair.listener);

		conn->close_when_heard = true;
		assert_int_equal(write(peer, bytes, sizeof(bytes)), sizeof(bytes));
		ring_receive(ring, &conn->receive, &conn->socket);
		TURN_UNTIL(ring, conn->closed != UNTOLD);
		assert_int_equal(conn->pieces, 1);
		assert_int_equal(conn->ended, -ECANCELED);
		close(peer);
		conn_free(conn);
		ring_free(ring);
		pair_free(&pair);
	}
}

static void on_patience_over(struct timer *timer, uint64_t now_ms);

struct patience {
	struct timer timer;
	struct conn *conn;
};

static void on_patience_over(struct timer *timer, uint64_t now_ms)
{
	struct conn *conn = LIST_OWNER(timer, struct patience, timer)->conn;

	assert_true(now_ms >= ring_now_ms(conn->ring));
	ring_close(conn->ring, &conn->closing, &conn->socket, true);
}

/* A listener whose queue is full lets a SYN fall: the connect hangs until the timer ends it. */
static void test_connect_times_out(void **state)
{
	struct ring *ring = ring_for(16, 16, 1024);
	struct address address;
	int listener = peer_listen(&address, 0);
	struct conn *first = conn_new(ring), *hung = conn_new(ring);
	struct patience patience = {.timer.fire = on_patience_over, .conn = hung};

	(void)state;
	conn_connect(first, &address);
	assert_int_equal(first->connected, 0);
	ring_connect(ring, &hung->connecting, &hung->socket, RING_STREAM, &address.sa, NULL);
	ring_timer(ring, &patience.timer, ring_now_ms(ring) + 40);
	TURN_UNTIL(ring, hung->closed != UNTOLD);
	assert_int_equal(hung->connected, -ECANCELED);
	assert_int_equal(hung->closed, 0);
	conn_close(first, false);
	close(listener);
	conn_free(first);
	conn_free(hung);
	ring_free(ring);
}

static void test_datagrams(void **state)
{
	struct ring *ring = ring_for(4, 16, 2048);
	struct conn *conn = conn_new(ring);
	struct address address = address_v4("\x7f\0\0\1", 0), seen = {0};
	socklen_t len = sizeof(seen.in);
	int peer = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct iovec iov = {"question", 8};
	char got[32];

	(void)state;
	assert_int_equal(bind(peer, &address.sa, address.len), 0);
	getsockname(peer, &address.sa, &address.len);
	ring_connect(ring, &conn->connecting, &conn->socket, RING_DATAGRAM, &address.sa, NULL);
	TURN_UNTIL(ring, conn->connected == 0);
	ring_receive(ring, &conn->receive, &conn->socket);
	ring_send(ring, &conn->sending, &conn->socket, &iov, 1);
	TURN_UNTIL(ring, conn->sent == 8);
	assert_int_equal(recvfrom(peer, got, sizeof(got), 0, &seen.sa, &len), 8);
	assert_int_equal(sendto(peer, "", 0, 0, &seen.sa, len), 0); /* an empty one ends nothing */
	assert_int_equal(sendto(peer, "answer", 6, 0, &seen.sa, len), 6);
	TURN_UNTIL(ring, conn->heard.len == 6);
	assert_memory_equal(conn->heard.ptr, "answer", 6);
	assert_int_equal(conn->ended, UNTOLD);
	close(peer);
	conn->sent = UNTOLD;
	ring_send(ring, &conn->sending, &conn->socket, &iov, 1);
	TURN_UNTIL(ring, conn->ended != UNTOLD);
	assert_int_equal(conn->ended, -ECONNREFUSED); /* ICMP says nobody is there */
	TURN_UNTIL(ring, conn->sent != UNTOLD);
	conn_close(conn, false);
	conn_free(conn);
	ring_free(ring);
}

static void test_unix_socket(void **state)
{
	char dir[] = "/tmp/ring_test.XXXXXX", path[64];
	struct ring *ring = ring_for(4, 16, 1024);
	struct conn *conn = conn_new(ring);
	struct address address = {.len = sizeof(address.un)};
	struct iovec iov = {"PING\r\n", 6};
	char got[8];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/redis.sock", dir);
	address.un.sun_family = AF_UNIX;
	memcpy(address.un.sun_path, path, strlen(path) + 1);
	conn_connect(conn, &address);
	assert_int_equal(conn->connected, -ENOENT);
	conn_close(conn, false);

	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, &address.sa, address.len), 0);
	assert_int_equal(listen(listener, 1), 0);
	conn->connected = UNTOLD;
	conn_connect(conn, &address);
	assert_int_equal(conn->connected, 0);
	int peer = peer_accept(listener);

	ring_receive(ring, &conn->receive, &conn->socket);
	ring_send(ring, &conn->sending, &conn->socket, &iov, 1);
	TURN_UNTIL(ring, conn->sent == 6);
	assert_int_equal(read(peer, got, 6), 6);
	assert_int_equal(write(peer, "+PONG\r\n", 7), 7);
	TURN_UNTIL(ring, conn->heard.len == 7);
	conn_close(conn, true); /* there is no RST here; it ends all the same */
	assert_int_equal(conn->ended, -ECANCELED);
	assert_int_equal(peer_drain(peer), 0);
	close(peer);
	close(listener);
	unlink(path);
	rmdir(dir);
	conn_free(conn);
	ring_free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect_and_close),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_source_address),
		cmocka_unit_test(test_send_sizes),
		cmocka_unit_test(test_send_one_piece),
		cmocka_unit_test(test_receive_pieces_and_end),
		cmocka_unit_test(test_receive_reset),
		cmocka_unit_test(test_receive_out_of_buffers),
		cmocka_unit_test(test_close_in_flight),
		cmocka_unit_test(test_abort_in_flight),
		cmocka_unit_test(test_close_while_receiving_sends_fin),
		cmocka_unit_test(test_abort_resets),
		cmocka_unit_test(test_close_when_heard),
		cmocka_unit_test(test_connect_times_out),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_unix_socket),
	};

	return cmocka_run_group_tests_name("direct descriptors", tests, use_direct, NULL) +
	       cmocka_run_group_tests_name("ordinary descriptors", tests, use_ordinary, NULL);
}
