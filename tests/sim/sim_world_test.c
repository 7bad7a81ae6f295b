/* The simulated world, piece by piece: addresses, datagrams, long sends, several rings, and whether the mistakes of
 * its users are found. */
#include "base/check.h"
#include "ring_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct ring_setup small = {.sockets = 64, .buffers = 16, .buffer_size = 1024};

static void echo_received(struct sim_peer *peer, struct slice bytes)
{
	sim_peer_send(peer, bytes);
}

static const struct sim_peer_kind echo_kind = {.name = "echo", .received = echo_received};

static struct address port(uint16_t number)
{
	return address_v4("\x7f\0\0\1", number);
}

static struct ring *ring_in_world(void)
{
	struct ring *ring;
	char why[RING_WHY_MAX];

	assert_int_equal(ring_open(&ring, &small, why), 0);
	return ring;
}

static void turn(struct ring *ring)
{
	assert_int_equal(ring_turn(ring, 1000), 0);
}

static unsigned told; /* ops that came home */
static int told_last;

static void on_home(struct op *op, int result)
{
	(void)op;
	told++;
	told_last = result;
}

static void test_vanished_peer_times_out(void **state)
{
	struct sim_world *world = sim_world_begin(7, &(struct sim_faults){.vanish = 1000});
	struct ring *ring = ring_in_world();
	struct connecting connecting = {.op.done = on_home};
	struct op closing = {.done = on_home};
	struct socket socket = {0};
	struct address address = port(25);
	uint64_t start_ms = sim_world_now_ms(world);

	(void)state;
	told = 0;
	sim_listen(world, &address, RING_STREAM, &echo_kind, NULL);
	ring_connect(ring, &connecting, &socket, RING_STREAM, &address.sa, NULL);
	while (told == 0)
		turn(ring);
	assert_int_equal(told_last, -ETIMEDOUT);
	assert_true(sim_world_now_ms(world) - start_ms >= SIM_VANISH_MS);
	ring_close(ring, &closing, &socket, false);
	while (told == 1)
		turn(ring);
	ring_free(ring);
	sim_world_end(world);
}

/* What a connect to there from source comes to. */
static int try_connect(struct ring *ring, const struct address *there, const struct address *source)
{
	struct connecting connecting = {.op.done = on_home};
	struct op closing = {.done = on_home};
	struct socket socket = {0};
	int result;

	ring_connect(ring, &connecting, &socket, RING_STREAM, &there->sa, source);
	while (connecting.op.inflight)
		turn(ring);
	result = told_last;
	ring_close(ring, &closing, &socket, false);
	while (closing.inflight)
		turn(ring);
	return result;
}

static void test_addresses(void **state)
{
	struct sim_world *world = sim_world_begin(1, NULL);
	struct ring *ring = ring_in_world();
	struct address ours = address_v4("\x7f\0\0\5", 0), source = address_v4("\x7f\0\0\5", 77), there = port(25);

	(void)state;
	assert_int_equal(try_connect(ring, &there, NULL), -ECONNREFUSED);
	sim_listen(world, &there, RING_STREAM, &echo_kind, NULL);
	assert_int_equal(try_connect(ring, &there, NULL), 0);
	assert_int_equal(try_connect(ring, &there, &there), 0);
	sim_own_address(world, &ours);
	assert_int_equal(try_connect(ring, &there, &source), 0);
	assert_int_equal(try_connect(ring, &there, &there), -EADDRNOTAVAIL);
	sim_unlisten(world, &there, RING_STREAM);
	assert_int_equal(try_connect(ring, &there, NULL), -ECONNREFUSED);
	ring_free(ring);
	sim_world_end(world);
}

static void test_sockets_max(void **state)
{
	struct sim_world *world = sim_world_begin(1, NULL);
	struct ring *ring = ring_in_world();
	struct address there = port(25);
	struct connecting connecting[65] = {0};
	struct op closing[65] = {0};
	struct socket sockets[65] = {0};

	(void)state;
	sim_listen(world, &there, RING_STREAM, &echo_kind, NULL);
	assert_int_equal(ring_sockets_max(ring), 64);
	for (int i = 0; i < 65; i++) {
		connecting[i].op.done = closing[i].done = on_home;
		ring_connect(ring, &connecting[i], &sockets[i], RING_STREAM, &there.sa, NULL);
	}
	while (connecting[64].op.inflight)
		turn(ring);
	assert_int_equal(sockets[64].slot, 0);
	assert_int_not_equal(sockets[63].slot, 0);
	for (int i = 0; i < 65; i++)
		ring_close(ring, &closing[i], &sockets[i], false);
	for (int i = 0; i < 65; i++)
		while (closing[i].inflight)
			turn(ring);
	ring_free(ring);
	sim_world_end(world);
}

/* Datagrams: a question each, answered unless one of the two is lost. */
static unsigned answers;

static void on_answer(struct receive *receive, struct slice bytes)
{
	(void)receive;
	assert_true(slice_is(bytes, SLICE("query")));
	answers++;
}

static unsigned ask_times(uint64_t seed, const struct sim_faults *faults, bool listens)
{
	struct sim_world *world = sim_world_begin(seed, faults);
	struct ring *ring = ring_in_world();
	struct address server = port(53);
	struct connecting connecting = {.op.done = on_home};
	struct sending sending = {.op.done = on_home};
	struct receive receive = {.op.done = on_home, .data = on_answer};
	struct op closing = {.done = on_home};
	struct socket socket = {0};
	struct iovec iov = {"query", 5};

	answers = told = 0;
	if (listens)
		sim_listen(world, &server, RING_DATAGRAM, &echo_kind, NULL);
	ring_connect(ring, &connecting, &socket, RING_DATAGRAM, &server.sa, NULL);
	while (told == 0)
		turn(ring);
	ring_receive(ring, &receive, &socket);
	for (int i = 0; i < 100 && receive.op.inflight; i++) {
		ring_send(ring, &sending, &socket, &iov, 1);
		for (int turns = 0; turns < 20 || sending.op.inflight; turns++)
			turn(ring);
	}
	ring_close(ring, &closing, &socket, false);
	while (closing.inflight)
		turn(ring);
	ring_free(ring);
	sim_world_end(world);
	return answers;
}

static void test_datagrams(void **state)
{
	(void)state;
	assert_int_equal(ask_times(1, NULL, true), 100);
	assert_int_equal(ask_times(1, NULL, false), 0); /* and the receive ended, or it would not be over */
	assert_in_range(ask_times(2, &(struct sim_faults){.lose = 300}, true), 20, 80);
	assert_true(ask_times(3, &(struct sim_faults){.repeat = 300}, true) > 120);
}

/* A talker that pushes a megabyte, to a peer that answers early and closes. */
static void rude_received(struct sim_peer *peer, struct slice bytes)
{
	(void)bytes;
	sim_peer_send(peer, SLICE("552 too much\r\n"));
	sim_peer_close(peer);
}

static const struct sim_peer_kind rude_kind = {.name = "rude", .received = rude_received};
static int big_sent;
static uint64_t big_sent_ms, big_heard_ms;
static struct ring *big_ring;

static void on_big_sent(struct op *op, int result)
{
	(void)op;
	big_sent = result;
	big_sent_ms = ring_now_ms(big_ring);
}

static void on_big_heard(struct receive *receive, struct slice bytes)
{
	(void)receive;
	(void)bytes;
	big_heard_ms = ring_now_ms(big_ring);
}

static void test_answer_before_sent(void **state)
{
	unsigned early = 0, broken = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct sim_world *world = sim_world_begin(seed, NULL);
		struct address address = port(25);
		struct connecting connecting = {.op.done = on_home};
		struct sending sending = {.op.done = on_big_sent};
		struct receive receive = {.op.done = on_home, .data = on_big_heard};
		struct op closing = {.done = on_home};
		struct socket socket = {0};
		struct iovec iov = {calloc(1, 1 << 20), 1 << 20};

		big_ring = ring_in_world();
		big_sent_ms = big_heard_ms = 0;
		sim_listen(world, &address, RING_STREAM, &rude_kind, NULL);
		ring_connect(big_ring, &connecting, &socket, RING_STREAM, &address.sa, NULL);
		while (connecting.op.inflight)
			turn(big_ring);
		ring_receive(big_ring, &receive, &socket);
		ring_send(big_ring, &sending, &socket, &iov, 1);
		while (sending.op.inflight || receive.op.inflight)
			turn(big_ring);
		early += big_heard_ms < big_sent_ms;
		broken += big_sent != 1 << 20;
		ring_close(big_ring, &closing, &socket, false);
		while (closing.inflight)
			turn(big_ring);
		free(iov.iov_base);
		ring_free(big_ring);
		sim_world_end(world);
	}
	assert_true(early > 10);
	assert_true(broken > 10); /* the peer closed: the rest met a reset */
}

struct ball {
	struct message_to_ring message;
	struct ring *here, *there;
	unsigned bounces;
};

static void on_ball(struct message_to_ring *message)
{
	struct ball *ball = (struct ball *)message;
	struct ring *was = ball->here;

	ball->bounces++;
	ball->here = ball->there;
	ball->there = was;
	ring_wake(ball->here, ball->there, message);
}

struct mark {
	struct timer timer;
	uint64_t deadline_ms, fired_ms;
};

static void on_mark(struct timer *timer, uint64_t now_ms)
{
	LIST_OWNER(timer, struct mark, timer)->fired_ms = now_ms;
}

static void test_two_rings(void **state)
{
	struct sim_world *world = sim_world_begin(5, NULL);
	struct ring *one = ring_in_world(), *two = ring_in_world();
	struct ball ball = {{on_ball}, two, one, 0};
	struct mark marks[20] = {0};

	(void)state;
	ring_wake(one, two, &ball.message);
	for (unsigned i = 0; i < 20; i++) {
		marks[i].timer.fire = on_mark;
		marks[i].deadline_ms = sim_world_now_ms(world) + 1 + i * i * 700;
		ring_timer(i % 2 ? one : two, &marks[i].timer, marks[i].deadline_ms);
	}
	while (marks[19].fired_ms == 0) {
		turn(one);
		turn(two);
	}
	assert_true(ball.bounces > 1000);
	for (unsigned i = 0; i < 20; i++) {
		assert_true(marks[i].fired_ms >= marks[i].deadline_ms);
		assert_true(marks[i].fired_ms <= marks[i].deadline_ms + TIMER_TICK_MS);
	}
	uint64_t wall_ms = ring_wall_ms(one), now_ms = ring_now_ms(one);

	sim_world_shift_wall(world, -86400000);
	assert_int_equal(ring_wall_ms(one), wall_ms - 86400000);
	assert_int_equal(ring_now_ms(one), now_ms);
	ring_free(one);
	ring_free(two);
	sim_world_end(world);
}

/* Each of these breaks one rule of ring.h. */
static struct ring *broken_ring;
static struct socket broken_socket;
static struct connecting broken_connecting = {.op.done = on_home};
static struct sending broken_sending = {.op.done = on_home}, second_sending = {.op.done = on_home};
static struct receive broken_receive = {.op.done = on_home, .data = on_answer},
		      second_receive = {.op.done = on_home, .data = on_answer};
static struct op broken_closing = {.done = on_home}, second_closing = {.done = on_home};
static char broken_bytes[] = "bytes";
static struct iovec broken_iov = {broken_bytes, 5};

static void break_op_in_flight(void)
{
	ring_receive(broken_ring, &broken_receive, &broken_socket);
	ring_receive(broken_ring, &broken_receive, &broken_socket);
}

static void break_two_sends(void)
{
	ring_send(broken_ring, &broken_sending, &broken_socket, &broken_iov, 1);
	ring_send(broken_ring, &second_sending, &broken_socket, &broken_iov, 1);
}

static void break_two_receives(void)
{
	ring_receive(broken_ring, &broken_receive, &broken_socket);
	ring_receive(broken_ring, &second_receive, &broken_socket);
}

static void break_bytes(void)
{
	ring_send(broken_ring, &broken_sending, &broken_socket, &broken_iov, 1);
	broken_bytes[2] = '!';
	for (int i = 0; i < 50; i++)
		turn(broken_ring);
}

static void break_close_twice(void)
{
	ring_close(broken_ring, &broken_closing, &broken_socket, false);
	ring_close(broken_ring, &second_closing, &broken_socket, false);
}

static void break_send_after_close(void)
{
	ring_close(broken_ring, &broken_closing, &broken_socket, false);
	ring_send(broken_ring, &broken_sending, &broken_socket, &broken_iov, 1);
}

static void break_socket_connected(void)
{
	struct address address = port(25);

	ring_connect(broken_ring, &broken_connecting, &broken_socket, RING_STREAM, &address.sa, NULL);
}

static void break_socket_left(void)
{
	ring_free(broken_ring);
}

static void no_break(void)
{
	ring_receive(broken_ring, &broken_receive, &broken_socket);
	ring_send(broken_ring, &broken_sending, &broken_socket, &broken_iov, 1);
	ring_close(broken_ring, &broken_closing, &broken_socket, false);
	for (int i = 0; i < 50; i++)
		turn(broken_ring);
	ring_free(broken_ring);
}

/* In a child; whether it was ended by a CHECK. */
static bool is_caught(void (*act)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct address address = port(25);
		struct sim_world *world = sim_world_begin(1, NULL);

		signal(SIGABRT, SIG_DFL);
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		if (!freopen("/dev/null", "w", stderr))
			_exit(2);
		sim_listen(world, &address, RING_STREAM, &echo_kind, NULL);
		broken_ring = ring_in_world();
		ring_connect(broken_ring, &broken_connecting, &broken_socket, RING_STREAM, &address.sa, NULL);
		while (broken_connecting.op.inflight)
			turn(broken_ring);
		act();
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_broken_rules_are_caught(void **state)
{
	(void)state;
	assert_false(is_caught(no_break));
	assert_true(is_caught(break_op_in_flight));
	assert_true(is_caught(break_two_sends));
	assert_true(is_caught(break_two_receives));
	assert_true(is_caught(break_bytes));
	assert_true(is_caught(break_close_twice));
	assert_true(is_caught(break_send_after_close));
	assert_true(is_caught(break_socket_left));
	assert_true(is_caught(break_socket_connected));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vanished_peer_times_out),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_sockets_max),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_answer_before_sent),
		cmocka_unit_test(test_two_rings),
		cmocka_unit_test(test_broken_rules_are_caught),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
