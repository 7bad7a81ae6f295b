/* One blocking connection with a short patience: a person waits, and a script wants to know soon that nobody is there.
 */
#include "client.h"

#include "console.h"

#include "base/log.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 5000 };

struct config *client_config(const struct arguments *arguments)
{
	struct outbuf problems = {0};
	struct config *config = config_read(arguments->config, &problems);

	if (problems.len)
		fwrite(problems.ptr, 1, problems.len, stderr);
	outbuf_free(&problems);
	return config;
}

struct redis_server client_server(const struct config *config)
{
	return (struct redis_server){
		.address = config->redis.server,
		.user = config->redis.user,
		.password = config->redis.password,
		.database = config->redis.database,
	};
}

int client_open(struct client *client, const struct arguments *arguments)
{
	char why[RING_WHY_MAX];

	*client = (struct client){.config = client_config(arguments)};
	if (!client->config)
		return EXIT_USAGE;
	struct redis_server server = client_server(client->config);

	client->redis = redis_sync_open(&server, PATIENCE_MS, why);
	if (client->redis)
		return EXIT_DONE;
	console_say("%s%s", why,
		    client->config->redis.embedded ? "; the embedded Redis runs as long as hikyaku run does" : "");
	return EXIT_UNREACHABLE;
}

void client_close(struct client *client)
{
	if (client->redis)
		redisFree(client->redis);
	config_free(client->config);
	outbuf_free(&client->key);
}

static struct slice key(struct client *client, const char *front, const char *format, va_list args)
{
	char text[512];

	vsnprintf(text, sizeof(text), format, args);
	outbuf_reset(&client->key);
	outbuf_printf(&client->key, "%.*s:%s%s", SLICE_ARG(client->config->redis.prefix), front, text);
	return outbuf_slice(&client->key);
}

struct slice client_key(struct client *client, const char *format, ...)
{
	va_list args;
	struct slice made;

	va_start(args, format);
	made = key(client, "", format, args);
	va_end(args);
	return made;
}

struct slice client_shard_key(struct client *client, const char *format, ...)
{
	va_list args;
	struct slice made;

	va_start(args, format);
	made = key(client, "{0}:", format, args);
	va_end(args);
	return made;
}

struct redisReply *client_try(struct client *client, const struct slice *argv, unsigned argc)
{
	char why[RING_WHY_MAX];
	struct redisReply *reply = client->redis ? redis_sync_ask(client->redis, argv, argc) : NULL;

	if (reply || !client->redis)
		return reply;
	console_say("asking Redis: %s", redis_sync_why(client->redis, NULL, why));
	client->status = EXIT_UNREACHABLE;
	redisFree(client->redis);
	client->redis = NULL;
	return NULL;
}

struct redisReply *client_ask(struct client *client, const struct slice *argv, unsigned argc)
{
	struct redisReply *reply = client_try(client, argv, argc);

	if (!reply || reply->type != REDIS_REPLY_ERROR)
		return reply;
	console_say("Redis refuses %.*s: %s", SLICE_ARG(argv[0]), LOG_TEXT(reply_text(reply)));
	client->status = EXIT_FAILED;
	freeReplyObject(reply);
	return NULL;
}

bool client_engine(struct client *client, char *room, size_t size)
{
	struct redisReply *holder = client_try(
		client, (struct slice[]){SLICE("HGET"), client_shard_key(client, "holder"), SLICE("instance")}, 3);
	struct redisReply *beat = NULL;
	bool alive = false;

	snprintf(room, size, "%.*s", SLICE_ARG(reply_text(holder)));
	if (room[0])
		beat = client_try(client,
				  (struct slice[]){SLICE("EXISTS"), client_key(client, "status:%s:keeper", room)}, 2);
	alive = beat && beat->type == REDIS_REPLY_INTEGER && beat->integer > 0;
	if (holder)
		freeReplyObject(holder);
	if (beat)
		freeReplyObject(beat);
	return alive;
}

unsigned client_shards(struct client *client)
{
	struct redisReply *reply =
		client_try(client, (struct slice[]){SLICE("HGET"), client_key(client, "meta"), SLICE("shards")}, 3);
	uint64_t shards = 1;

	if (!slice_number(reply_text(reply), 4096, &shards) || shards == 0)
		shards = 1;
	if (reply)
		freeReplyObject(reply);
	return (unsigned)shards;
}

struct slice reply_text(const struct redisReply *reply)
{
	if (!reply || !reply->str)
		return SLICE_NONE;
	return (struct slice){reply->str, reply->len};
}

struct slice reply_text_at(const struct redisReply *reply, size_t i)
{
	return reply && reply->type == REDIS_REPLY_ARRAY && i < reply->elements ? reply_text(reply->element[i])
										: SLICE_NONE;
}

uint64_t reply_number_at(const struct redisReply *reply, size_t i)
{
	uint64_t n = 0;

	if (!reply || reply->type != REDIS_REPLY_ARRAY || i >= reply->elements)
		return 0;
	if (reply->element[i]->type == REDIS_REPLY_INTEGER)
		return reply->element[i]->integer > 0 ? (uint64_t)reply->element[i]->integer : 0;
	return slice_number(reply_text(reply->element[i]), UINT64_MAX, &n) ? n : 0;
}
