/* The client against a real redis-server, and what stands on the blocking one: the promise, the library. */
#include "redis_told.h"

#include "queue/library.h"
#include "queue/promise.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { LARGE = 3 << 20 };

static char directory[] = "/tmp/hikyaku-redis-test-XXXXXX";
static struct redis_server place;
static pid_t server_pid;

static void server_spawn(void)
{
	char socket[sizeof(place.address.un.sun_path)], why[RING_WHY_MAX];
	struct redisContext *redis = NULL;

	memcpy(socket, place.address.un.sun_path, sizeof(socket));
	server_pid = fork();
	CHECK(server_pid >= 0);
	if (server_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket, "--dir", directory,
		       "--save", "", "--logfile", "redis.log", "--user", "ann", "on", ">secret", "~*", "&*", "+@all",
		       "--user", "bob", "on", ">secret", "~*", "&*", "+@all", "-get", NULL);
		_exit(127);
	}
	for (int i = 0; i < 500 && !(redis = redis_sync_open(&place, 1000, why)); i++)
		poll(NULL, 0, 10);
	if (!redis)
		fail_msg("%s", why);
	redisFree(redis);
}

static void server_kill(int signal)
{
	kill(server_pid, signal);
	CHECK(waitpid(server_pid, NULL, 0) == server_pid);
}

static int group_setup(void **state)
{
	char text[80];

	(void)state;
	CHECK(mkdtemp(directory) != NULL);
	snprintf(text, sizeof(text), "unix:%s/redis.sock", directory);
	CHECK(address_parse(&place.address, slice_of(text), 0));
	server_spawn();
	return 0;
}

static int group_teardown(void **state)
{
	char command[80];

	(void)state;
	server_kill(SIGKILL);
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

static void test_answers_in_order(void **state)
{
	(void)state;
	told_open(&(struct redis_setup){.server = place, .probe = SLICE("probe")});
	assert_false(redis_is_up(told->redis));
	await(&told->ups, 1);
	assert_true(redis_is_up(told->redis));
	ask(0, SLICE("SET"), SLICE("a"), SLICE("1"));
	ask(1, SLICE("GET"), SLICE("a"), SLICE_NONE);
	ask(2, SLICE("NOSUCH"), SLICE_NONE, SLICE_NONE);
	ask(3, SLICE("ECHO"), (struct slice){"x\0\r\ny", 5}, SLICE_NONE);
	assert_int_equal(told->answered, 0); /* never from inside */
	await(&told->answered, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(told->order[i], i);
	assert_told(1, "1");
	assert_true(slice_starts(outbuf_slice(&told->texts[2]), SLICE("ERR unknown command")));
	assert_true(slice_is(outbuf_slice(&told->texts[3]), (struct slice){"x\0\r\ny", 5}));
	assert_int_equal(told->downs, 0);
	told_free();
}

/* More than a socket takes at once, in both directions, with asks made while a send is in flight. */
static void test_large(void **state)
{
	char *large = malloc(LARGE);

	(void)state;
	CHECK(large != NULL);
	for (size_t i = 0; i < LARGE; i++)
		large[i] = (char)(i * 31 + i / 4096);
	told_open(&(struct redis_setup){.server = place});
	await(&told->ups, 1);
	for (int i = 0; i < 20; i += 2) {
		ask(i, SLICE("SET"), SLICE("large"), (struct slice){large, LARGE});
		ask(i + 1, SLICE("GET"), SLICE("large"), SLICE_NONE);
		ring_turn(told->ring, 0);
	}
	await(&told->answered, 20);
	for (int i = 1; i < 20; i += 2)
		assert_true(slice_is(outbuf_slice(&told->texts[i]), (struct slice){large, LARGE}));
	free(large);
	told_free();
}

static void test_killed_and_back(void **state)
{
	(void)state;
	told_open(&(struct redis_setup){.server = place, .probe = SLICE("probe")});
	for (int round = 1; round <= 3; round++) {
		await(&told->ups, round);
		kill(server_pid, SIGSTOP);
		for (int i = 0; i < 10; i++)
			ask(i, SLICE("PING"), SLICE_NONE, SLICE_NONE);
		ring_turn(told->ring, 0);
		assert_int_equal(told->downs, round - 1);
		server_kill(SIGKILL);
		await(&told->downs, round);
		assert_int_equal(told->lost, 10 * round);
		assert_int_equal(told->answered, 0);
		server_spawn();
	}
	await(&told->ups, 4);
	ask(0, SLICE("ECHO"), SLICE("back"), SLICE_NONE);
	await(&told->answered, 1);
	assert_told(0, "back");
	told_free();
}

static void test_users_and_databases(void **state)
{
	struct redis_server server = place;

	(void)state;
	server.user = SLICE("ann");
	server.password = SLICE("secret");
	server.database = 3;
	told_open(&(struct redis_setup){.server = server, .probe = SLICE("probe")});
	await(&told->ups, 1);
	ask(0, SLICE("ACL"), SLICE("WHOAMI"), SLICE_NONE);
	ask(1, SLICE("CLIENT"), SLICE("INFO"), SLICE_NONE);
	await(&told->answered, 2);
	assert_told(0, "ann");
	outbuf_byte(&told->texts[1], '\0');
	assert_non_null(strstr(told->texts[1].ptr, " db=3 "));
	told_free();
}

/* One sentence, not one a try. */
static void assert_broken(struct redis_server server, const char *expected)
{
	told_open(&(struct redis_setup){.server = server});
	await(&told->brokens, 1);
	if (!strstr(told->broken, expected))
		fail_msg("expected \"%s\" in \"%s\"", expected, told->broken);
	for (int turns = 0; turns < 10; turns++)
		ring_turn(told->ring, 5);
	assert_int_equal(told->brokens, 1);
	assert_int_equal(told->ups, 0);
	told_free();
}

static void test_refused(void **state)
{
	struct redis_server wrong = place, nowhere = place;

	(void)state;
	wrong.user = SLICE("ann");
	wrong.password = SLICE("guess");
	assert_broken(wrong, "WRONGPASS");
	nowhere.database = 5000;
	assert_broken(nowhere, "DB index is out of range");
}

static void test_not_permitted(void **state)
{
	struct redis_server server = place;

	(void)state;
	server.user = SLICE("bob");
	server.password = SLICE("secret");
	told_open(&(struct redis_setup){.server = server});
	await(&told->ups, 1);
	ask(0, SLICE("GET"), SLICE("a"), SLICE_NONE);
	await(&told->brokens, 1);
	assert_non_null(strstr(told->broken, "NOPERM"));
	await(&told->downs, 1);
	assert_int_equal(told->lost, 1);
	told_free();
}

static void test_blocking(void **state)
{
	struct redis_server server = place;
	char why[RING_WHY_MAX];
	struct redisContext *redis = redis_sync_open(&place, 1000, why);
	struct redisReply *reply;

	(void)state;
	assert_non_null(redis);
	redis_sync_append(redis, (struct slice[]){SLICE("SET"), SLICE("k"), SLICE("v\0w")}, 3);
	redis_sync_append(redis, (struct slice[]){SLICE("GET"), SLICE("k")}, 2);
	freeReplyObject(redis_sync_reply(redis));
	reply = redis_sync_reply(redis);
	assert_true(slice_is(resp_text(reply), SLICE("v\0w")));
	freeReplyObject(reply);
	/* A write to a connection that is closed is an error, and no signal. */
	freeReplyObject(redis_sync_ask(redis, (struct slice[]){SLICE("QUIT")}, 1));
	poll(NULL, 0, 20);
	assert_null(redis_sync_ask(redis, (struct slice[]){SLICE("PING")}, 1));
	assert_string_not_equal(redis_sync_why(redis, NULL, why), "");
	redisFree(redis);
	server.password = SLICE("wrong");
	server.user = SLICE("ann");
	assert_null(redis_sync_open(&server, 1000, why));
	assert_non_null(strstr(why, "WRONGPASS"));
	assert_true(address_parse(&server.address, SLICE("unix:/nowhere/redis.sock"), 0));
	assert_null(redis_sync_open(&server, 1000, why));
	assert_non_null(strstr(why, "No such file"));
}

static void configure(struct redisContext *redis, const char *name, const char *value)
{
	struct slice argv[] = {SLICE("CONFIG"), SLICE("SET"), slice_of(name), slice_of(value)};
	struct redisReply *reply = redis_sync_ask(redis, argv, 4);

	assert_true(slice_is(resp_text(reply), SLICE("OK")));
	freeReplyObject(reply);
}

static void assert_promise(struct redisContext *redis, enum promise kind, const char *error)
{
	struct redis_promise promise = promise_of(redis);

	if (error)
		assert_non_null(strstr(promise.error, error));
	else
		assert_string_equal(promise.error, "");
	assert_string_equal(promise_name(promise.kind), promise_name(kind));
}

static void test_promise(void **state)
{
	struct redis_server server = place;
	char why[RING_WHY_MAX];
	struct redisContext *redis = redis_sync_open(&place, 1000, why);
	struct slice deny[] = {SLICE("ACL"), SLICE("SETUSER"), SLICE("ann"), SLICE("-config")};

	(void)state;
	assert_promise(redis, PROMISE_NONE, NULL);
	configure(redis, "appendonly", "yes");
	configure(redis, "appendfsync", "everysec");
	assert_promise(redis, PROMISE_SECOND, NULL);
	configure(redis, "appendfsync", "no");
	assert_promise(redis, PROMISE_NONE, NULL);
	configure(redis, "appendfsync", "always");
	assert_promise(redis, PROMISE_DURABLE, NULL);
	freeReplyObject(redis_sync_ask(redis, deny, 4));
	server.user = SLICE("ann");
	server.password = SLICE("secret");
	struct redisContext *ann = redis_sync_open(&server, 1000, why);

	assert_promise(ann, PROMISE_UNKNOWN, NULL);
	redisFree(ann);
	configure(redis, "maxmemory-policy", "allkeys-lru");
	assert_promise(redis, PROMISE_UNKNOWN, "allkeys-lru");
	configure(redis, "maxmemory-policy", "noeviction");
	configure(redis, "appendonly", "no");
	redisFree(redis);
}

static void test_library(void **state)
{
	char why[RING_WHY_MAX] = "";
	struct redisContext *redis = redis_sync_open(&place, 1000, why);
	struct slice newer = SLICE("#!lua name=hikyaku\nredis.register_function{function_name='hikyaku_version', "
				   "callback=function() return 999999 end, flags={'no-writes'}}");
	struct slice load[] = {SLICE("FUNCTION"), SLICE("LOAD"), SLICE("REPLACE"), newer};

	(void)state;
	assert_true(library_version() > 0);
	if (!library_sync(redis, why) || !library_sync(redis, why))
		fail_msg("%s", why);
	freeReplyObject(redis_sync_ask(redis, load, 4));
	assert_false(library_sync(redis, why));
	assert_non_null(strstr(why, "999999"));
	freeReplyObject(redis_sync_ask(redis, (struct slice[]){SLICE("FUNCTION"), SLICE("FLUSH")}, 2));
	assert_true(library_sync(redis, why));
	assert_true(library_agree(redis, SLICE("p"), 1, why));
	assert_true(library_agree(redis, SLICE("p"), 1, why));
	assert_false(library_agree(redis, SLICE("p"), 2, why));
	assert_non_null(strstr(why, "p:meta in Redis says shards = 1"));
	redisFree(redis);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_in_order), cmocka_unit_test(test_large),
		cmocka_unit_test(test_killed_and_back),	 cmocka_unit_test(test_users_and_databases),
		cmocka_unit_test(test_refused),		 cmocka_unit_test(test_not_permitted),
		cmocka_unit_test(test_blocking),	 cmocka_unit_test(test_promise),
		cmocka_unit_test(test_library),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
