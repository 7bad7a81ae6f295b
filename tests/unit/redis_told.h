/* What the tests of the Redis client share: a client on a real ring that writes down all it is told. */
#pragma once

#include "base/check.h"
#include "queue/redis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ASKS = 64, TURNS_MAX = 2000 };

/* A client that writes down what it is told. */
struct told {
	struct ring *ring;
	struct redis *redis;
	int ups, downs, brokens, closed;
	char broken[RING_WHY_MAX];
	struct redis_ask asks[ASKS];
	int order[ASKS], answered, lost; /* order: which ask came as the nth */
	struct outbuf texts[ASKS];
};

static struct told *told; /* of the test that runs */

static void on_up(void *who)
{
	((struct told *)who)->ups++;
}

static void on_down(void *who, const char *why)
{
	assert_true(why[0] != '\0');
	((struct told *)who)->downs++;
}

static void on_broken(void *who, const char *why)
{
	((struct told *)who)->brokens++;
	snprintf(told->broken, sizeof(told->broken), "%s", why);
}

static void on_closed(void *who)
{
	((struct told *)who)->closed++;
}

static void on_reply(struct redis_ask *ask, const struct redisReply *reply)
{
	int i = (int)(ask - told->asks);

	if (!reply) {
		assert_false(redis_is_up(told->redis));
		told->lost++;
		return;
	}
	told->order[told->answered++] = i;
	outbuf_add(&told->texts[i], resp_text(reply));
}

static void told_open(const struct redis_setup *setup)
{
	char why[RING_WHY_MAX];

	told = calloc(1, sizeof(*told));
	CHECK(told != NULL);
	if (ring_open(&told->ring, &(struct ring_setup){.sockets = 8, .buffers = 16, .buffer_size = 4096}, why) < 0)
		fail_msg("%s", why);
	told->redis = redis_open(told->ring, setup, &(struct redis_owner){on_up, on_down, on_broken, told});
	for (int i = 0; i < ASKS; i++)
		told->asks[i].replied = on_reply;
}

/* Turns until the number has reached a value. */
static void await(const int *number, int value)
{
	for (int turns = 0; *number < value && turns < TURNS_MAX; turns++)
		assert_int_equal(ring_turn(told->ring, 10), 0);
	if (*number < value)
		fail_msg("expected %d of what is waited for, found %d", value, *number);
}

static void told_free(void)
{
	if (!told->closed)
		redis_close(told->redis, on_closed, told);
	await(&told->closed, 1);
	redis_free(told->redis);
	ring_free(told->ring);
	for (int i = 0; i < ASKS; i++)
		outbuf_free(&told->texts[i]);
	free(told);
}

static void ask(int i, struct slice a, struct slice b, struct slice c)
{
	redis_ask(told->redis, &told->asks[i], (struct slice[]){a, b, c}, c.ptr ? 3 : b.ptr ? 2 : 1);
}

static void assert_told(int i, const char *expected)
{
	assert_true(slice_is(outbuf_slice(&told->texts[i]), slice_of(expected)));
}
