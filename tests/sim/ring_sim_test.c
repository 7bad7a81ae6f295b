/* The simulated world judged by a small conversation: does it keep the rules of ring.h, is a seed a seed, do all the
 * faults come? */
#include "base/check.h"
#include "ring_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

enum { TALKERS = 4, ROUNDS = 3, PATIENCE_MS = 60000 };

/* What a batch of worlds has shown. */
static struct sights {
	unsigned echoed, refused, timed_out, no_descriptor, reset, short_sends, impatient, pieces;
} seen;

/* A client that says a line, waits for its echo, and so on; it closes at the end or at the first trouble. */
struct talker {
	struct ring *ring;
	struct socket socket;
	struct connecting connecting;
	struct sending sending;
	struct receive receive;
	struct op closing;
	struct timer patience;
	struct iovec iov[2];
	char line[32];
	unsigned round;
	size_t heard;
	bool inside, closing_now, closed, trouble, done;
	uint64_t heard_turn;
};

static uint64_t turn_now; /* number of the turn at hand */

static void talker_close(struct talker *t, bool abort)
{
	if (t->closing_now)
		return;
	t->closing_now = true;
	t->inside = true;
	ring_timer_stop(t->ring, &t->patience);
	ring_close(t->ring, &t->closing, &t->socket, abort);
	t->inside = false;
}

static void talker_say(struct talker *t)
{
	int len = snprintf(t->line, sizeof(t->line), "line %u of this\r\n", t->round);

	t->heard = 0;
	t->iov[0] = (struct iovec){t->line, 5};
	t->iov[1] = (struct iovec){t->line + 5, (size_t)len - 5};
	t->inside = true;
	ring_send(t->ring, &t->sending, &t->socket, t->iov, 2);
	t->inside = false;
	ring_timer(t->ring, &t->patience, ring_now_ms(t->ring) + PATIENCE_MS);
}

static void count_trouble(struct talker *t, int result)
{
	t->trouble = true;
	seen.refused += result == -ECONNREFUSED;
	seen.timed_out += result == -ETIMEDOUT;
	seen.no_descriptor += result == -EMFILE;
	seen.reset += result == -ECONNRESET || result == -EPIPE;
}

static void on_connected(struct op *op, int result)
{
	struct talker *t = LIST_OWNER(op, struct talker, connecting.op);

	CHECK(!t->inside && !op->inflight);
	if (t->closing_now)
		return;
	if (result < 0) {
		count_trouble(t, result);
		talker_close(t, false);
		return;
	}
	ring_receive(t->ring, &t->receive, &t->socket);
	talker_say(t);
}

static void on_sent(struct op *op, int result)
{
	struct talker *t = LIST_OWNER(op, struct talker, sending.op);

	CHECK(!t->inside && !op->inflight);
	CHECK(result != 0);
	CHECK(t->heard == 0 || t->heard_turn < turn_now); /* in one turn, sent is told before heard */
	if (result == (int)strlen(t->line))
		return;
	if (result > 0)
		seen.short_sends++;
	else if (result != -ECANCELED)
		count_trouble(t, result);
	t->trouble = true;
	talker_close(t, true);
}

static void on_data(struct receive *receive, struct slice bytes)
{
	struct talker *t = LIST_OWNER(receive, struct talker, receive);

	CHECK(!t->inside && !t->closing_now);
	CHECK(t->heard + bytes.len <= strlen(t->line));
	CHECK(memcmp(t->line + t->heard, bytes.ptr, bytes.len) == 0);
	t->heard += bytes.len;
	t->heard_turn = turn_now;
	seen.pieces++;
	if (t->heard < strlen(t->line) || t->sending.op.inflight)
		return;
	seen.echoed++;
	if (++t->round < ROUNDS) {
		talker_say(t);
	} else {
		t->done = true;
		talker_close(t, false);
	}
}

static void on_ended(struct op *op, int result)
{
	struct talker *t = LIST_OWNER(op, struct talker, receive.op);

	CHECK(!t->inside && !op->inflight);
	if (t->closing_now) {
		CHECK(result == -ECANCELED);
		return;
	}
	count_trouble(t, result);
	talker_close(t, false);
}

static void on_closed(struct op *op, int result)
{
	struct talker *t = LIST_OWNER(op, struct talker, closing);

	CHECK(!t->inside && result == 0 && !t->closed);
	CHECK(!t->connecting.op.inflight && !t->sending.op.inflight && !t->receive.op.inflight);
	t->closed = true;
}

static void on_patience_over(struct timer *timer, uint64_t now_ms)
{
	struct talker *t = LIST_OWNER(timer, struct talker, patience);

	CHECK(now_ms == ring_now_ms(t->ring));
	seen.impatient++;
	t->trouble = true;
	talker_close(t, true);
}

static void talker_start(struct talker *t, struct ring *ring, const struct address *to)
{
	*t = (struct talker){.ring = ring};
	t->connecting.op.done = on_connected;
	t->sending.op.done = on_sent;
	t->receive.op.done = on_ended;
	t->receive.data = on_data;
	t->closing.done = on_closed;
	t->patience.fire = on_patience_over;
	t->inside = true;
	ring_connect(ring, &t->connecting, &t->socket, RING_STREAM, &to->sa, NULL);
	t->inside = false;
	ring_timer(ring, &t->patience, ring_now_ms(ring) + PATIENCE_MS);
}

/* The echo; it counts its connections and their ends in its context. */
struct echo {
	unsigned connected, closed, reset;
};

static void echo_connected(struct sim_peer *peer)
{
	((struct echo *)sim_peer_context(peer))->connected++;
}

static void echo_received(struct sim_peer *peer, struct slice bytes)
{
	sim_peer_send(peer, bytes);
}

static void echo_closed(struct sim_peer *peer, bool reset)
{
	struct echo *echo = sim_peer_context(peer);

	echo->closed++;
	echo->reset += reset;
}

static const struct sim_peer_kind echo_kind = {"echo", 0, echo_connected, echo_received, echo_closed};
static const struct ring_setup small = {.sockets = 64, .buffers = 16, .buffer_size = 1024};

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
	turn_now++;
	assert_int_equal(ring_turn(ring, 1000), 0);
}

/* One world, all talkers to their end; its hash. */
static uint64_t converse(uint64_t seed, const struct sim_faults *faults, struct echo *echo)
{
	struct sim_world *world = sim_world_begin(seed, faults);
	struct ring *ring = ring_in_world();
	struct address address = port(25);
	struct talker talkers[TALKERS];
	unsigned turns = 0, closed = 0;

	sim_listen(world, &address, RING_STREAM, &echo_kind, echo);
	for (unsigned i = 0; i < TALKERS; i++)
		talker_start(&talkers[i], ring, &address);
	while (closed < TALKERS) {
		if (++turns > 20000)
			fail_msg("seed %llu does not end", (unsigned long long)seed);
		turn(ring);
		closed = 0;
		for (unsigned i = 0; i < TALKERS; i++)
			closed += talkers[i].closed;
	}
	for (unsigned i = 0; i < TALKERS; i++)
		assert_true(talkers[i].done != talkers[i].trouble);
	for (turns = 0; turns < 100; turns++) /* what is still on its way to the peers */
		turn(ring);
	ring_free(ring);
	uint64_t hash = sim_world_hash(world);

	sim_world_end(world);
	return hash;
}

static void test_perfect_world(void **state)
{
	struct echo echo = {0};

	(void)state;
	seen = (struct sights){0};
	for (uint64_t seed = 0; seed < 50; seed++)
		converse(seed, NULL, &echo);
	assert_int_equal(seen.echoed, 50 * TALKERS * ROUNDS);
	assert_int_equal(echo.connected, 50 * TALKERS);
	assert_int_equal(echo.closed, 50 * TALKERS);
	assert_int_equal(echo.reset, 0);
}

static void test_a_seed_is_a_seed(void **state)
{
	struct echo echo = {0};
	uint64_t before = 0;

	(void)state;
	for (uint64_t seed = 1; seed < 30; seed++) {
		struct sim_faults faults = sim_faults_random(seed);
		uint64_t hash = converse(seed, &faults, &echo);

		assert_int_equal(hash, converse(seed, &faults, &echo));
		assert_int_not_equal(hash, before);
		before = hash;
	}
}

static void test_thousand_seeds(void **state)
{
	struct echo echo = {0};

	(void)state;
	seen = (struct sights){0};
	for (uint64_t seed = 1000; seed < 2000; seed++) {
		struct sim_faults faults = sim_faults_random(seed);

		converse(seed, &faults, &echo);
	}
	assert_true(seen.echoed > 1000);
	assert_true(seen.refused > 0);
	assert_true(seen.timed_out == 0); /* our patience is shorter */
	assert_true(seen.impatient > 0);
	assert_true(seen.no_descriptor > 0);
	assert_true(seen.reset > 0);
	assert_true(seen.short_sends > 0);
	assert_true(seen.pieces > seen.echoed + 100); /* lines in several pieces */
	assert_true(echo.reset > 0 && echo.closed > echo.reset);
}

static void test_kill(void **state)
{
	unsigned resets = 0;

	(void)state;
	for (unsigned when = 0; when < 40; when++) {
		struct sim_world *world = sim_world_begin(when, NULL);
		struct ring *ring = ring_in_world(), *after;
		struct address address = port(25);
		struct talker talkers[TALKERS];
		struct echo echo = {0};

		sim_listen(world, &address, RING_STREAM, &echo_kind, &echo);
		for (unsigned i = 0; i < TALKERS; i++)
			talker_start(&talkers[i], ring, &address);
		for (unsigned i = 0; i < when; i++)
			turn(ring);
		sim_ring_kill(ring);
		memset(talkers, 0x5a, sizeof(talkers)); /* whoever still calls them will not get far */
		after = ring_in_world();
		for (unsigned i = 0; i < 100; i++)
			turn(after);
		assert_int_equal(echo.connected, echo.closed);
		resets += echo.reset;
		ring_free(after);
		sim_world_end(world);
	}
	assert_true(resets > TALKERS);
}

/* A long send cut off by a close at any moment: the peer gets exactly what the send was told to be. */
static int cut_result;

static void on_cut(struct op *op, int result)
{
	(void)op;
	cut_result = result;
}

static void on_cut_other(struct op *op, int result)
{
	(void)op;
	(void)result;
}

static void count_received(struct sim_peer *peer, struct slice bytes)
{
	*(size_t *)sim_peer_context(peer) += bytes.len;
}

static const struct sim_peer_kind counter_kind = {.name = "counter", .received = count_received};

static void test_cut_short(void **state)
{
	static char megabyte[1 << 20];
	unsigned partly = 0;

	(void)state;
	for (unsigned when = 0; when < 60; when++) {
		struct sim_world *world = sim_world_begin(when, &(struct sim_faults){.split = 300});
		struct ring *ring = ring_in_world();
		struct address address = port(25);
		struct connecting connecting = {.op.done = on_cut_other};
		struct sending sending = {.op.done = on_cut};
		struct op closing = {.done = on_cut_other};
		struct socket socket = {0};
		struct iovec iov = {megabyte, sizeof(megabyte)};
		size_t received = 0;

		sim_listen(world, &address, RING_STREAM, &counter_kind, &received);
		ring_connect(ring, &connecting, &socket, RING_STREAM, &address.sa, NULL);
		while (connecting.op.inflight)
			turn(ring);
		ring_send(ring, &sending, &socket, &iov, 1);
		for (unsigned i = 0; i < when; i++)
			turn(ring);
		ring_close(ring, &closing, &socket, false);
		for (unsigned i = 0; i < 200; i++)
			turn(ring);
		assert_false(closing.inflight || sending.op.inflight);
		assert_int_equal(received, cut_result > 0 ? cut_result : 0);
		partly += received > 0 && received < sizeof(megabyte);
		ring_free(ring);
		sim_world_end(world);
	}
	assert_true(partly > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_perfect_world),  cmocka_unit_test(test_a_seed_is_a_seed),
		cmocka_unit_test(test_thousand_seeds), cmocka_unit_test(test_kill),
		cmocka_unit_test(test_cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
