/* A client: what most commands begin with: the configuration and a connection to its Redis.
 *
 *     struct client client;
 *     int status = client_open(&client, arguments);
 *     if (status == EXIT_DONE)
 *             status = ... client_ask(&client, (struct slice[]){SLICE("GET"), key}, 2) ...
 *     client_close(&client);                   always
 *
 * What went wrong has been said on stderr by then. */
#pragma once

#include "commands/command.h"
#include "config.h"

#include "queue/redis_sync.h"

#include <hiredis/hiredis.h>

struct client {
	struct config *config;	    /* owned */
	struct redisContext *redis; /* owned; NULL once lost */
	struct outbuf key;	    /* scratch */
	int status;		    /* of the last failure: EXIT_FAILED or EXIT_UNREACHABLE */
};

/* The configuration of -c; NULL, and its problems said, if it is wrong. Warnings are said too. */
struct config *client_config(const struct arguments *arguments);
struct redis_server client_server(const struct config *config);
/* EXIT_DONE, EXIT_USAGE or EXIT_UNREACHABLE. */
int client_open(struct client *client, const struct arguments *arguments);
void client_close(struct client *client);

/* "PREFIX:" and the text; "PREFIX:{0}:" and the text. Valid until the next of these two. */
struct slice client_key(struct client *client, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct slice client_shard_key(struct client *client, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One question. NULL when the connection is lost or Redis refuses; said, and client->status set. Free the reply. */
struct redisReply *client_ask(struct client *client, const struct slice *argv, unsigned argc);
/* The same, but an error is a reply: for those who know what to do about it. */
struct redisReply *client_try(struct client *client, const struct slice *argv, unsigned argc);
/* Name of the instance that holds the shard and has beaten in the last ten seconds into room; false if none has. */
bool client_engine(struct client *client, char *room, size_t size);
/* How many shards there are, by PREFIX:meta; 1 if it does not say. */
unsigned client_shards(struct client *client);

/* Parts of a reply; SLICE_NONE and 0 where there is none. */
struct slice reply_text(const struct redisReply *reply);
struct slice reply_text_at(const struct redisReply *reply, size_t i);
uint64_t reply_number_at(const struct redisReply *reply, size_t i);
