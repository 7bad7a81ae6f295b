/* A caller: asks the functions of one shard over a blocking connection that comes back by itself. For the keeper's
 * thread.
 *
 *     struct caller caller;
 *     caller_init(&caller, &server, base);
 *     if (!caller_is_up(&caller) && !caller_up(&caller)) wait and try again;
 *     struct redisReply *reply = caller_ask(&caller, "hikyaku_promote", (struct slice[]){SLICE("256")}, 1);
 *     if (reply) ... freeReplyObject(reply);
 *
 * No reply (NULL) means that the call did nothing, or that it is not known: repeat it. What went wrong was logged, once
 * until something goes right again; caller.fenced says that Redis answered FENCED. A missing library is loaded. */
#pragma once

#include "queue/redis_sync.h"

struct caller {
	struct redis_server server; /* its texts are borrowed */
	struct slice base;	    /* "hikyaku:{0}"; borrowed */
	struct redisContext *redis; /* owned; NULL: not connected */
	bool fenced;
	bool complained; /* since the last success */
	unsigned losses; /* connections lost or not made so far */
};

enum { CALLER_ARGUMENTS_MAX = 600 };

void caller_init(struct caller *caller, const struct redis_server *server, struct slice base);
void caller_free(struct caller *caller);
bool caller_is_up(const struct caller *caller);
bool caller_up(struct caller *caller);
/* FCALL function 1 base argument... */
struct redisReply *caller_ask(struct caller *caller, const char *function, const struct slice *arguments, unsigned n);
/* Any command, appended; as many caller_reply take the answers, errors among them. NULL: the connection is lost. */
void caller_append(struct caller *caller, const struct slice *argv, unsigned argc);
struct redisReply *caller_reply(struct caller *caller);
