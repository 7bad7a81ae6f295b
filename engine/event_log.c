/* Reading the stream back, rather than writing where events are made: they are made inside Redis, some of them by
 * nobody in this process (expiry, another engine), and only what Redis has is true. A file that cannot be written holds
 * the reading up and loses nothing that the stream still has; mail goes on. */
#include "event_log.h"

#include "base/check.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { ID_MAX = 48, PATIENCE_MS = 5000, AGAIN_MS = 1000, LAST_READS = 100 };

struct event_log {
	struct event_log_setup setup;
	char *path;	     /* owned */
	char *position_path; /* owned */
	char last[ID_MAX];   /* the last entry that is in the file */
	int file, position;
	struct redisContext *redis; /* owned; NULL: not connected */
	struct outbuf key, lines;
	bool complained; /* since something went right */
	atomic_bool reopen;
	int stop; /* eventfd */
	pthread_t thread;
};

static bool pause_log(struct event_log *log, int wait_ms)
{
	struct pollfd stop = {.fd = log->stop, .events = POLLIN};

	return poll(&stop, 1, wait_ms) == 0;
}

static void complain(struct event_log *log, const char *what, const char *why)
{
	if (!log->complained)
		log_error("%s: %s; trying again each second", what, why);
	log->complained = true;
}

static bool open_file(struct event_log *log)
{
	log->file = open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	return log->file >= 0;
}

/* Where the last run came to; the beginning of the stream if there was none. */
static bool open_position(struct event_log *log)
{
	char text[ID_MAX] = "";
	ssize_t n;

	log->position = open(log->position_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (log->position < 0)
		return false;
	n = pread(log->position, text, sizeof(text) - 1, 0);
	text[n > 0 ? strspn(text, "0123456789-") : 0] = '\0';
	snprintf(log->last, sizeof(log->last), "%s", strchr(text, '-') ? text : "0-0");
	return true;
}

/* {"type":…,"job":…,"to":… and what data has. */
static void add_line(struct event_log *log, const struct redisReply *fields)
{
	struct slice data = SLICE_NONE;

	outbuf_byte(&log->lines, '{');
	for (size_t i = 0; i + 1 < resp_count(fields); i += 2) {
		struct slice name = resp_text(resp_at(fields, i)), value = resp_text(resp_at(fields, i + 1));
		bool is_data = slice_is(name, SLICE("data"));

		if (is_data)
			data = slice_trim(value);
		else if (slice_is(name, SLICE("type")) || slice_is(name, SLICE("job")))
			outbuf_json_text(&log->lines, name.len == 4 ? "type" : "job", value);
		else if (slice_is(name, SLICE("to")) && value.len)
			outbuf_json_text(&log->lines, "to", value);
	}
	if (slice_starts(data, SLICE("{\"")) && memchr(data.ptr, '\n', data.len) == NULL) {
		outbuf_byte(&log->lines, ',');
		outbuf_add(&log->lines, slice_skip(data, 1));
	} else { /* written by others */
		outbuf_json_text(&log->lines, "data", data);
		outbuf_byte(&log->lines, '}');
	}
	outbuf_byte(&log->lines, '\n');
}

static bool write_all(int file, struct slice bytes)
{
	while (bytes.len) {
		ssize_t n = write(file, bytes.ptr, bytes.len);

		if (n < 0 && errno != EINTR)
			return false;
		bytes = slice_skip(bytes, n > 0 ? (size_t)n : 0);
	}
	return true;
}

/* The lines, then how far they go. A part of a line that a full disk left is ended by the next try's first byte. */
static bool write_lines(struct event_log *log, struct slice id)
{
	char position[ID_MAX + 1];
	int n;

	if (!write_all(log->file, outbuf_slice(&log->lines))) {
		complain(log, "writing the event log", strerror(errno));
		write_all(log->file, SLICE("\n"));
		return false;
	}
	snprintf(log->last, sizeof(log->last), "%.*s", SLICE_ARG(id));
	n = snprintf(position, sizeof(position), "%s\n", log->last);
	if (pwrite(log->position, position, (size_t)n, 0) != n || ftruncate(log->position, n) < 0)
		complain(log, "writing the position of the event log", strerror(errno));
	else
		log->complained = false;
	return true;
}

static struct redisReply *ask(struct event_log *log, struct slice wait_ms)
{
	struct slice argv[] = {SLICE("XREAD"), SLICE("COUNT"),	 SLICE("1000"),		  SLICE("BLOCK"),
			       wait_ms,	       SLICE("STREAMS"), outbuf_slice(&log->key), slice_of(log->last)};

	if (wait_ms.len)
		return redis_sync_ask(log->redis, argv, 8);
	memmove(argv + 3, argv + 5, 3 * sizeof(argv[0]));
	return redis_sync_ask(log->redis, argv, 6);
}

/* The entries of the one stream that was asked for; NULL when none came. */
static const struct redisReply *entries_of(const struct redisReply *reply)
{
	const struct redisReply *stream = resp_count(reply) == 1 ? resp_at(reply, 0) : NULL;

	return resp_count(stream) == 2 ? resp_at(stream, 1) : NULL;
}

/* One piece of the stream into the file; how many events, -1 when it did not work. */
static int copy_some(struct event_log *log, struct slice wait_ms)
{
	struct redisReply *reply = ask(log, wait_ms);
	const struct redisReply *entries = entries_of(reply), *entry = NULL;
	int n = (int)resp_count(entries);
	char why[RING_WHY_MAX];

	if (!reply || reply->type == REDIS_REPLY_ERROR) {
		complain(log, "reading events for the event log", redis_sync_why(log->redis, reply, why));
		n = -1;
	}
	outbuf_reset(&log->lines);
	for (int i = 0; i < n; i++) {
		entry = resp_at(entries, (size_t)i);
		if (resp_count(entry) == 2)
			add_line(log, resp_at(entry, 1));
	}
	if (resp_count(entry) == 2 && !write_lines(log, resp_text(resp_at(entry, 0))))
		n = -1;
	if (!reply || n < 0) {
		redisFree(log->redis);
		log->redis = NULL;
	}
	if (reply)
		freeReplyObject(reply);
	return n;
}

static bool connect_log(struct event_log *log)
{
	char why[RING_WHY_MAX];

	if (!log->redis)
		log->redis = redis_sync_open(&log->setup.server, PATIENCE_MS, why);
	if (!log->redis)
		complain(log, "connecting for the event log", why);
	return log->redis != NULL;
}

static void heed_reopen(struct event_log *log)
{
	int old = log->file;

	if (!atomic_exchange(&log->reopen, false))
		return;
	if (open_file(log)) {
		close(old);
		return;
	}
	log_error("opening the event log %s again: %s; the old file stays", log->path, strerror(errno));
	log->file = old;
}

static void *follow(void *argument)
{
	struct event_log *log = argument;
	int came = 0;

	while (pause_log(log, came < 0 ? AGAIN_MS : 0)) {
		heed_reopen(log);
		came = connect_log(log) ? copy_some(log, SLICE("250")) : -1;
	}
	/* What was settled last is in the stream by now. */
	for (int i = 0; i < LAST_READS && connect_log(log) && copy_some(log, SLICE_NONE) > 0; i++)
		;
	return NULL;
}

static void free_log(struct event_log *log)
{
	if (log->redis)
		redisFree(log->redis);
	if (log->file >= 0)
		close(log->file);
	if (log->position >= 0)
		close(log->position);
	if (log->stop >= 0)
		close(log->stop);
	outbuf_free(&log->key);
	outbuf_free(&log->lines);
	free(log->path);
	free(log->position_path);
	free(log);
}

struct event_log *event_log_start(const struct event_log_setup *setup, char *why)
{
	struct event_log *log = calloc(1, sizeof(*log));

	CHECK(log != NULL);
	log->setup = *setup;
	log->file = log->position = log->stop = -1;
	log->path = slice_copy(setup->path);
	CHECK(asprintf(&log->position_path, "%s/events.position", setup->state_path) > 0);
	outbuf_printf(&log->key, "%.*s:{%u}:events", SLICE_ARG(setup->prefix), setup->shard);
	if (!open_file(log) || !open_position(log)) {
		snprintf(why, RING_WHY_MAX, "opening %.160s: %s; set log in events to a place this user may write",
			 log->file < 0 ? log->path : log->position_path, strerror(errno));
		free_log(log);
		return NULL;
	}
	log->stop = eventfd(0, EFD_CLOEXEC);
	CHECK(log->stop >= 0);
	CHECK(pthread_create(&log->thread, NULL, follow, log) == 0);
	return log;
}

void event_log_reopen(struct event_log *log)
{
	if (log)
		atomic_store(&log->reopen, true);
}

void event_log_stop(struct event_log *log)
{
	uint64_t one = 1;

	if (!log)
		return;
	CHECK(write(log->stop, &one, sizeof(one)) == sizeof(one));
	pthread_join(log->thread, NULL);
	free_log(log);
}
