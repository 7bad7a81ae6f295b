/* Every reply goes through judge(), which decides what an error means for the connection: one that passes by itself
 * costs the connection too, because the pause before the next one is the wait that it asks for. */
#include "queue/caller.h"

#include "base/check.h"
#include "base/log.h"
#include "queue/library.h"

#include <hiredis/hiredis.h>
#include <string.h>

enum { TIMEOUT_MS = 5000 };

void caller_init(struct caller *caller, const struct redis_server *server, struct slice base)
{
	*caller = (struct caller){.server = *server, .base = base};
}

static void lose(struct caller *caller)
{
	caller->losses++;
	if (caller->redis)
		redisFree(caller->redis);
	caller->redis = NULL;
}

void caller_free(struct caller *caller)
{
	lose(caller);
}

bool caller_is_up(const struct caller *caller)
{
	return caller->redis != NULL;
}

static void complain(struct caller *caller, const char *doing, const char *why)
{
	if (!caller->complained)
		log_warning("%s: %s; trying again", doing, why);
	caller->complained = true;
}

bool caller_up(struct caller *caller)
{
	char why[RING_WHY_MAX];

	CHECK(!caller->redis);
	caller->redis = redis_sync_open(&caller->server, TIMEOUT_MS, why);
	if (caller->redis && library_sync(caller->redis, why))
		return true;
	complain(caller, "keeping the queue", why);
	lose(caller);
	return false;
}

/* True if the reply is an answer to use. */
static bool judge(struct caller *caller, const char *function, const struct redisReply *reply)
{
	char why[RING_WHY_MAX];
	enum resp_error error = resp_error(reply);

	if (reply && error == RESP_FINE) {
		caller->complained = false;
		return true;
	}
	redis_sync_why(caller->redis, reply, why);
	if (error == RESP_FENCED) {
		caller->fenced = true;
		log_error("%s: %s", function, why);
		return false;
	}
	complain(caller, function, why);
	if (!reply || error == RESP_WAIT || error == RESP_BROKEN)
		lose(caller);
	else if (error == RESP_MISSING && !library_sync(caller->redis, why))
		lose(caller);
	return false;
}

struct redisReply *caller_ask(struct caller *caller, const char *function, const struct slice *arguments, unsigned n)
{
	struct slice argv[4 + CALLER_ARGUMENTS_MAX] = {SLICE("FCALL"), slice_of(function), SLICE("1"), caller->base};

	CHECK(caller->redis != NULL);
	CHECK(n <= CALLER_ARGUMENTS_MAX);
	if (n)
		memcpy(argv + 4, arguments, n * sizeof(*arguments));
	struct redisReply *reply = redis_sync_ask(caller->redis, argv, 4 + n);

	if (judge(caller, function, reply))
		return reply;
	if (reply)
		freeReplyObject(reply);
	return NULL;
}

void caller_append(struct caller *caller, const struct slice *argv, unsigned argc)
{
	CHECK(caller->redis != NULL);
	redis_sync_append(caller->redis, argv, argc);
}

struct redisReply *caller_reply(struct caller *caller)
{
	if (!caller->redis)
		return NULL;
	struct redisReply *reply = redis_sync_reply(caller->redis);

	if (!reply) {
		complain(caller, "keeping the queue", caller->redis->errstr);
		lose(caller);
	}
	return reply;
}
