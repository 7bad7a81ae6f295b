/* hiredis connects and reads; this writes, and keeps who asked.
 *
 * Writing has a thread because a socket takes two hundred kilobytes and no more until Redis has read them: whoever
 * wrote ten thousand recipients himself would stand still while Redis queues them, and Redis would while he parses the
 * next.
 *
 * Whoever asked is not told of a loss: each of them has a state from which the same question comes again, and a second
 * way to hear "unknown" would be a second way to be wrong. */
#include "queue/pipeline.h"

#include "base/check.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct pipeline_ask {
	pipeline_hear *hear;
	void *who;
};

struct pipeline_sender {
	pthread_t thread;
	pthread_mutex_t lock; /* of what is below */
	pthread_cond_t wake;
	struct outbuf waiting;
	bool stopping;
	int socket;
};

/* Takes all that waits; false when there is nothing any more. */
static bool take_waiting(struct pipeline_sender *sender, struct outbuf *bytes)
{
	pthread_mutex_lock(&sender->lock);
	while (sender->waiting.len == 0 && !sender->stopping)
		pthread_cond_wait(&sender->wake, &sender->lock);
	struct outbuf taken = sender->waiting;
	bool stopping = sender->stopping;

	sender->waiting = *bytes;
	*bytes = taken;
	pthread_mutex_unlock(&sender->lock);
	return !stopping;
}

static bool write_all(int socket, struct slice bytes)
{
	while (bytes.len) {
		ssize_t n = send(socket, bytes.ptr, bytes.len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		bytes = slice_skip(bytes, (size_t)n);
	}
	return true;
}

/* Writes until it is stopped. A socket that takes nothing is shut, which the reading side hears as the end. */
static void *sender_run(void *argument)
{
	struct pipeline_sender *sender = argument;
	struct outbuf bytes = {0};
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (take_waiting(sender, &bytes)) {
		if (!write_all(sender->socket, outbuf_slice(&bytes)))
			shutdown(sender->socket, SHUT_RDWR);
		outbuf_reset(&bytes);
	}
	outbuf_free(&bytes);
	return NULL;
}

/* NULL when there can be no thread. */
static struct pipeline_sender *sender_start(int socket)
{
	struct pipeline_sender *sender = calloc(1, sizeof(*sender));

	CHECK(sender != NULL);
	sender->socket = socket;
	pthread_mutex_init(&sender->lock, NULL);
	pthread_cond_init(&sender->wake, NULL);
	if (pthread_create(&sender->thread, NULL, sender_run, sender) == 0)
		return sender;
	free(sender);
	return NULL;
}

/* What still waits is not written. */
static void sender_stop(struct pipeline_sender *sender)
{
	pthread_mutex_lock(&sender->lock);
	sender->stopping = true;
	pthread_cond_signal(&sender->wake);
	pthread_mutex_unlock(&sender->lock);
	shutdown(sender->socket, SHUT_RDWR);
	pthread_join(sender->thread, NULL);
	pthread_cond_destroy(&sender->wake);
	pthread_mutex_destroy(&sender->lock);
	outbuf_free(&sender->waiting);
	free(sender);
}

bool pipeline_open(struct pipeline *pipeline, const struct redis_server *server, unsigned timeout_ms, char *why)
{
	CHECK(!pipeline->redis && pipeline->nasks == 0);
	pipeline->redis = redis_sync_open(server, timeout_ms, why);
	if (!pipeline->redis)
		return false;
	pipeline->sender = sender_start(pipeline->redis->fd);
	if (pipeline->sender)
		return true;
	memcpy(why, "no thread to write to Redis", sizeof("no thread to write to Redis"));
	pipeline_close(pipeline);
	return false;
}

void pipeline_close(struct pipeline *pipeline)
{
	if (pipeline->sender)
		sender_stop(pipeline->sender);
	if (pipeline->redis)
		redisFree(pipeline->redis);
	outbuf_free(&pipeline->saying);
	free(pipeline->asks);
	*pipeline = (struct pipeline){0};
}

void pipeline_say(struct pipeline *pipeline, const struct slice *argv, unsigned argc, pipeline_hear *hear, void *who)
{
	CHECK(pipeline->redis != NULL);
	if (pipeline->nasks == pipeline->size) {
		pipeline->size = pipeline->size ? 2 * pipeline->size : 64;
		pipeline->asks = realloc(pipeline->asks, pipeline->size * sizeof(*pipeline->asks));
		CHECK(pipeline->asks != NULL);
	}
	pipeline->asks[pipeline->nasks++] = (struct pipeline_ask){hear, who};
	outbuf_byte(&pipeline->saying, '*');
	outbuf_number(&pipeline->saying, argc);
	outbuf_add(&pipeline->saying, SLICE("\r\n"));
	for (unsigned i = 0; i < argc; i++)
		resp_argument(&pipeline->saying, argv[i]);
}

void pipeline_send(struct pipeline *pipeline)
{
	struct pipeline_sender *sender = pipeline->sender;

	if (pipeline->saying.len == 0)
		return;
	pthread_mutex_lock(&sender->lock);
	if (sender->waiting.len == 0) {
		struct outbuf empty = sender->waiting;

		sender->waiting = pipeline->saying;
		pipeline->saying = empty;
	} else {
		outbuf_add(&sender->waiting, outbuf_slice(&pipeline->saying));
	}
	pthread_cond_signal(&sender->wake);
	pthread_mutex_unlock(&sender->lock);
	outbuf_reset(&pipeline->saying);
}

/* Hears the first n of those outstanding. */
static bool hear_some(struct pipeline *pipeline, unsigned n)
{
	unsigned nasks = pipeline->nasks;

	for (unsigned i = 0; i < n; i++) {
		struct redisReply *reply = redis_sync_reply(pipeline->redis);

		if (!reply)
			return false;
		pipeline->asks[i].hear(pipeline->asks[i].who, reply);
		freeReplyObject(reply);
		CHECK(pipeline->nasks == nasks);
	}
	pipeline->nasks -= n;
	memmove(pipeline->asks, pipeline->asks + n, pipeline->nasks * sizeof(*pipeline->asks));
	return true;
}

bool pipeline_flow(struct pipeline *pipeline, char *why)
{
	unsigned before = pipeline->nsent;

	pipeline_send(pipeline);
	if (!hear_some(pipeline, before < pipeline->nasks ? before : pipeline->nasks)) {
		redis_sync_why(pipeline->redis, NULL, why);
		pipeline_close(pipeline);
		return false;
	}
	pipeline->nsent = pipeline->nasks;
	return true;
}
