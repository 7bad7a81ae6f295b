/* The client and its errands against a listener of this test's own, which says what a Redis says when it is not well.
 * Nothing here waits for a clock longer than a back-off. */
#include "redis_told.h"

#include "queue/errand.h"

#include <netinet/tcp.h>
#include <poll.h>

static int listener = -1, peer = -1;

static struct redis_server peer_listen(void)
{
	struct redis_server server = {0};
	struct sockaddr_in *in = &server.address.in;

	server.address = address_v4("\x7f\0\0\1", 0);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(listener >= 0);
	assert_int_equal(bind(listener, &server.address.sa, server.address.len), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)in, &server.address.len), 0);
	assert_int_equal(listen(listener, 8), 0);
	return server;
}

/* The client's next connection. */
static void peer_accept(void)
{
	struct pollfd waited = {.fd = listener, .events = POLLIN};

	for (int turns = 0; poll(&waited, 1, 0) == 0 && turns < TURNS_MAX; turns++)
		ring_turn(told->ring, 10);
	if (peer >= 0)
		close(peer);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(peer >= 0);
	assert_int_equal(setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), 0);
}

static void peer_say(const char *text)
{
	assert_int_equal(send(peer, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void peer_free(void)
{
	close(peer);
	close(listener);
	peer = listener = -1;
}

static void told_open_peer(uint64_t patience_ms)
{
	told_open(&(struct redis_setup){.server = peer_listen(), .probe = SLICE("probe"), .patience_ms = patience_ms});
	peer_accept();
	peer_say(":0\r\n");
	await(&told->ups, 1);
}

static void test_byte_by_byte(void **state)
{
	static const char said[] = "$5\r\nhello\r\n:12\r\n";

	(void)state;
	told_open_peer(0);
	ask(0, SLICE("GET"), SLICE("a"), SLICE_NONE);
	ask(1, SLICE("GET"), SLICE("b"), SLICE_NONE);
	for (size_t i = 0; i < sizeof(said) - 1; i++) {
		peer_say((char[]){said[i], '\0'});
		for (int turns = 0; turns < 3; turns++)
			ring_turn(told->ring, 1);
		assert_int_equal(told->answered, i < 10 ? 0 : i < 15 ? 1 : 2);
	}
	assert_told(0, "hello");
	told_free();
	peer_free();
}

/* Whatever this is, it costs the connection and nothing else. */
static void assert_loss(const char *said, int asks)
{
	told_open_peer(0);
	for (int i = 0; i < asks; i++)
		ask(i, SLICE("GET"), SLICE("a"), SLICE_NONE);
	peer_say(said);
	await(&told->downs, 1);
	assert_int_equal(told->lost, asks);
	assert_int_equal(told->answered, 0);
	assert_int_equal(told->brokens, 0);
	peer_accept();
	peer_say(":0\r\n");
	await(&told->ups, 2);
	told_free();
	peer_free();
}

static void test_losses(void **state)
{
	(void)state;
	assert_loss("-LOADING Redis is loading the dataset in memory\r\n", 3);
	assert_loss("-BUSY Redis is busy running a script.\r\n", 2);
	assert_loss("-READONLY You can't write against a read only replica.\r\n", 2);
	assert_loss("-ERR Function not found\r\n", 2);
	assert_loss("HTTP/1.1 400 Bad Request\r\n", 2);
	assert_loss("+what nobody asked for\r\n", 0);
}

/* A Redis that is up and loading is asked again after longer and longer waits. */
static void test_backs_off(void **state)
{
	uint64_t last_ms, waited_ms = 0;

	(void)state;
	told_open(&(struct redis_setup){.server = peer_listen(), .probe = SLICE("probe")});
	peer_accept();
	for (int i = 0; i < 5; i++) {
		last_ms = ring_now_ms(told->ring);
		peer_say("-LOADING Redis is loading the dataset in memory\r\n");
		peer_accept();
		waited_ms = ring_now_ms(told->ring) - last_ms;
		assert_true(waited_ms + 5 >= (uint64_t)(50 << i) / 2);
	}
	assert_true(waited_ms >= 390);
	assert_int_equal(told->ups + told->downs + told->brokens, 0);
	peer_say(":0\r\n");
	await(&told->ups, 1);
	told_free();
	peer_free();
}

/* An ask may be asked again from its own answer. */
static void on_chain(struct redis_ask *ask, const struct redisReply *reply)
{
	if (!reply)
		return;
	if (told->answered++ < 3)
		redis_ask(told->redis, ask, (struct slice[]){SLICE("PING")}, 1);
}

static void test_asked_again(void **state)
{
	(void)state;
	told_open_peer(0);
	told->asks[0].replied = on_chain;
	ask(0, SLICE("PING"), SLICE_NONE, SLICE_NONE);
	for (int i = 1; i <= 4; i++) {
		peer_say("+PONG\r\n");
		await(&told->answered, i);
	}
	assert_int_equal(told->downs, 0);
	told_free();
	peer_free();
}

/* A password that is wrong is tried again, and complained of once until it is right. */
static void test_refused_again(void **state)
{
	(void)state;
	told_open(&(struct redis_setup){.server = peer_listen(), .probe = SLICE("probe")});
	peer_accept();
	peer_say("-NOAUTH Authentication required.\r\n");
	peer_accept();
	peer_say("-NOAUTH Authentication required.\r\n");
	peer_accept();
	assert_int_equal(told->brokens, 1);
	peer_say(":0\r\n");
	await(&told->ups, 1);
	ask(0, SLICE("GET"), SLICE("a"), SLICE_NONE);
	peer_say("-NOPERM this user has no permissions\r\n");
	await(&told->brokens, 2);
	told_free();
	peer_free();
}

static void test_silence(void **state)
{
	(void)state;
	told_open_peer(40);
	for (int turns = 0; turns < 10; turns++)
		ring_turn(told->ring, 10); /* nothing is asked: silence is no loss */
	assert_int_equal(told->downs, 0);
	ask(0, SLICE("GET"), SLICE("a"), SLICE_NONE);
	await(&told->downs, 1);
	assert_int_equal(told->lost, 1);
	told_free();
	peer_free();
}

static void test_close_with_asks(void **state)
{
	(void)state;
	told_open_peer(0);
	ask(0, SLICE("GET"), SLICE("a"), SLICE_NONE);
	redis_close(told->redis, on_closed, told);
	assert_int_equal(told->closed + told->lost, 0); /* later, not now */
	await(&told->closed, 1);
	assert_int_equal(told->lost, 1);
	told_free();
	peer_free();
}

static void test_close_while_away(void **state)
{
	struct redis_server nobody = {0};

	(void)state;
	assert_true(address_parse(&nobody.address, SLICE("unix:/nowhere/redis.sock"), 0));
	told_open(&(struct redis_setup){.server = nobody});
	for (int turns = 0; turns < 5; turns++)
		ring_turn(told->ring, 5);
	told_free();
	assert_true(true);
}

static struct errand errands_of_test[3];
static int errand_order[8], errands_answered;

static void on_errand(struct errand *errand, const struct redisReply *reply)
{
	if (reply && resp_error(reply) != RESP_FINE)
		errand_postpone(errand);
	else if (reply)
		errand_order[errands_answered++] = (int)(errand - errands_of_test);
}

static void errand_make(int i, const char *text)
{
	errand_init(&errands_of_test[i], on_errand);
	errand_word(&errands_of_test[i], SLICE("ECHO"));
	errand_word(&errands_of_test[i], slice_of(text));
}

static void test_errands(void **state)
{
	struct errands errands;

	(void)state;
	told_open(&(struct redis_setup){.server = peer_listen(), .probe = SLICE("probe")});
	errands_init(&errands, told->ring, told->redis);
	errands_answered = 0;
	errand_make(0, "a");
	errand_send(&errands, &errands_of_test[0]); /* before there is a connection */
	for (int round = 1; round <= 3; round++) {
		peer_accept();
		peer_say(":0\r\n");
		await(&told->ups, round);
		errands_up(&errands);
		if (round == 1) {
			errand_make(1, "b");
			errand_make(2, "c");
			errand_send(&errands, &errands_of_test[1]);
			errand_send(&errands, &errands_of_test[2]);
		}
		if (round < 3)
			shutdown(peer, SHUT_RDWR); /* nothing was answered: all three again */
	}
	peer_say("$1\r\na\r\n-ERR something odd\r\n$1\r\nc\r\n"); /* b is asked again in a second */
	await(&errands_answered, 2);
	assert_false(errands_are_over(&errands));
	while (list_is_empty(&errands.asked))
		assert_int_equal(ring_turn(told->ring, 50), 0);
	peer_say("$1\r\nb\r\n");
	await(&errands_answered, 3);
	assert_int_equal(errand_order[0] * 100 + errand_order[1] * 10 + errand_order[2], 21);
	assert_true(errands_are_over(&errands));
	told_free();
	errands_end(&errands);
	for (int i = 0; i < 3; i++)
		outbuf_free(&errands_of_test[i].words);
	peer_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_byte_by_byte),	cmocka_unit_test(test_losses),
		cmocka_unit_test(test_backs_off),	cmocka_unit_test(test_asked_again),
		cmocka_unit_test(test_refused_again),	cmocka_unit_test(test_silence),
		cmocka_unit_test(test_close_with_asks), cmocka_unit_test(test_close_while_away),
		cmocka_unit_test(test_errands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
