/* The event log: every event as a line of JSON in a file (events.log), for those who have no consumer of the stream,
 * and for whoever wants to know years later.
 *
 *     struct event_log *log = event_log_start(&setup, why);
 *     if (!log) fail(why);
 *     event_log_reopen(log);           the file was moved away (SIGUSR1)
 *     event_log_stop(log);             after the last settlement: writes what is there still
 *
 * A thread with a connection of its own follows the stream; where it has come to is kept in the state directory, so
 * that a restart goes on there. A crash between the two may write some lines twice: readers de-duplicate on "event". */
#pragma once

#include "queue/redis_sync.h"

struct event_log;

/* Borrowed for the life of the log. */
struct event_log_setup {
	struct redis_server server;
	struct slice prefix;
	unsigned shard;
	struct slice path;
	const char *state_path;
};

/* NULL with a sentence in why (RING_WHY_MAX bytes) when the file cannot be opened. */
struct event_log *event_log_start(const struct event_log_setup *setup, char *why);
/* From any thread. */
void event_log_reopen(struct event_log *log);
void event_log_stop(struct event_log *log);
