/* hiredis as it is meant to be used, with slices in front and sentences behind. A timeout on every read and write keeps
 * a Redis that hangs from hanging us: the connection is given up then, and the caller makes another.
 *
 * hiredis 0.14 writes with write(2), which raises SIGPIPE when Redis has just died. A program may need that signal for
 * its own output, so it is held off here, per thread, rather than ignored for everybody. */
#include "queue/redis_sync.h"

#include "base/check.h"
#include "base/log.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static redisContext *dial(const struct address *address, struct timeval timeout)
{
	char ip[ADDRESS_TEXT_MAX];

	if (address->sa.sa_family == AF_UNIX)
		return redisConnectUnixWithTimeout(address->un.sun_path, timeout);
	address_ip_text(address, ip);
	return redisConnectWithTimeout(ip, address_port(address), timeout);
}

/* One step of the greeting; false with a sentence in why. */
static bool greet(redisContext *redis, const struct slice *argv, unsigned argc, const char *place, char *why)
{
	char cause[RING_WHY_MAX];
	struct redisReply *reply = redis_sync_ask(redis, argv, argc);
	enum resp_error error = resp_error(reply);
	bool fine = reply && error == RESP_FINE;

	if (!fine)
		snprintf(why, RING_WHY_MAX, "Redis at %.80s answers \"%.80s\" to %.*s%s", place,
			 redis_sync_why(redis, reply, cause), SLICE_ARG(argv[0]),
			 error == RESP_WAIT ? "" : "; check user, password-file and database in redis { }");
	if (reply)
		freeReplyObject(reply);
	return fine;
}

static bool introduce(redisContext *redis, const struct redis_server *server, const char *place, char *why)
{
	char digits[16];

	snprintf(digits, sizeof(digits), "%u", server->database);
	if (server->password.len && server->user.len &&
	    !greet(redis, (struct slice[]){SLICE("AUTH"), server->user, server->password}, 3, place, why))
		return false;
	if (server->password.len && !server->user.len &&
	    !greet(redis, (struct slice[]){SLICE("AUTH"), server->password}, 2, place, why))
		return false;
	if (server->database && !greet(redis, (struct slice[]){SLICE("SELECT"), slice_of(digits)}, 2, place, why))
		return false;
	return greet(redis, (struct slice[]){SLICE("ECHO"), SLICE("hikyaku")}, 2, place, why);
}

struct redisContext *redis_sync_open(const struct redis_server *server, unsigned timeout_ms, char *why)
{
	struct timeval timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
	char place[ADDRESS_TEXT_MAX];
	redisContext *redis = dial(&server->address, timeout);

	CHECK(redis != NULL);
	address_text(&server->address, place);
	if (redis->err) {
		snprintf(why, RING_WHY_MAX, "no connection to Redis at %.80s: %.100s; is redis-server running there?",
			 place, redis->errstr);
		redisFree(redis);
		return NULL;
	}
	redisSetTimeout(redis, timeout);
	if (introduce(redis, server, place, why))
		return redis;
	redisFree(redis);
	return NULL;
}

void redis_sync_append(struct redisContext *redis, const struct slice *argv, unsigned argc)
{
	struct outbuf command = {0};

	outbuf_byte(&command, '*');
	outbuf_number(&command, argc);
	outbuf_add(&command, SLICE("\r\n"));
	for (unsigned i = 0; i < argc; i++)
		resp_argument(&command, argv[i]);
	redisAppendFormattedCommand(redis, command.ptr, command.len);
	outbuf_free(&command);
}

struct redisReply *redis_sync_reply(struct redisContext *redis)
{
	static const struct timespec now = {0};
	sigset_t pipe, before, pending;
	void *reply = NULL;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe, &before);
	bool replied = redisGetReply(redis, &reply) == REDIS_OK;

	if (!replied && !sigismember(&pending, SIGPIPE))
		sigtimedwait(&pipe, NULL, &now); /* takes the one that this write made, if it did */
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return replied ? reply : NULL;
}

struct redisReply *redis_sync_ask(struct redisContext *redis, const struct slice *argv, unsigned argc)
{
	redis_sync_append(redis, argv, argc);
	return redis_sync_reply(redis);
}

const char *redis_sync_why(const struct redisContext *redis, const struct redisReply *reply, char *room)
{
	if (reply)
		return log_printable(room, RING_WHY_MAX, resp_text(reply));
	snprintf(room, RING_WHY_MAX, "%s", redis->err ? redis->errstr : "no answer");
	return room;
}

struct slice redis_sync_info(struct slice info, const char *name)
{
	struct slice key = slice_of(name);

	while (info.len) {
		struct slice line = slice_trim(slice_until(&info, '\n'));

		if (slice_starts(line, key) && line.len > key.len && line.ptr[key.len] == ':')
			return slice_skip(line, key.len + 1);
	}
	return SLICE_NONE;
}
