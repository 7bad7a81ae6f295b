/* The turn, and nothing else: what an entry needs is in arrival.c and arrival_steps.c.
 *
 * Fairness is by stride: the stream with the least pass has the next slice, and a slice moves its pass by the inverse
 * of its weight; a stream that was idle starts where the others are. Within a stream its jobs take turns. SLICES_MAX a
 * turn bound how long anything else waits. A lost connection takes nothing away: states are kept, and what Redis gave
 * us but whose answer was lost is read again as what is ours already. */
#include "gate.h"

#include "arrival.h"
#include "inlet.h"

#include "base/check.h"
#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	SLICES_MAX = 4,
	SLICES_LONG_MAX = 40,
	LOOK_BYTES = 256 << 10,
	COUNTS_MS = 50,
	COUNTS_REPLY = 7,
	BACKOFF_MS_MAX = 2000,
	TIMEOUT_MS = 15000
};
enum { BYTES_MAX = 256 << 20, READ_BYTES = 4 << 20, READ_STREAMS_MAX = 32, COMPLAIN_MS = 10000 };

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void rules_free(struct rules *rules)
{
	struct arena arena = rules->arena;

	arena_free(&arena); /* they are in it */
}

void gate_complain(struct gate *gate, const char *doing, const struct redisReply *reply)
{
	if (gate->complained_ms && gate->now_ms - gate->complained_ms < COMPLAIN_MS)
		return;
	gate->complained_ms = gate->now_ms;
	log_warning("intake: %s: Redis answers \"%s\"; the job stays in its stream and is tried again each second",
		    doing, LOG_TEXT(resp_text(reply)));
}

/* Waits for at most ms, or until somebody wants something. */
static void gate_wait(struct gate *gate, uint64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += (time_t)(ms / 1000) + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&gate->lock);
	if (!gate->stopping && !gate->next)
		pthread_cond_timedwait(&gate->wake, &gate->lock, &until);
	pthread_mutex_unlock(&gate->lock);
}

/* The rules of this turn; false when there shall be no further turn. */
static bool gate_take_rules(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	struct rules *next = gate->next;
	bool stopping = gate->stopping;

	gate->next = NULL;
	pthread_mutex_unlock(&gate->lock);
	if (next) {
		if (gate->rules)
			rules_free(gate->rules);
		gate->rules = next;
		inlets_follow(gate);
	}
	return !stopping;
}

static void gate_lost(struct gate *gate, const char *why)
{
	if (gate->backoff_ms == 0)
		log_warning("intake: Redis is away: %s; jobs wait in their streams", why);
	gate->backoff_ms = gate->backoff_ms ? 2 * gate->backoff_ms : 50;
	if (gate->backoff_ms > BACKOFF_MS_MAX)
		gate->backoff_ms = BACKOFF_MS_MAX;
	gate->connect_ms = gate->now_ms + gate->backoff_ms;
	gate->counted_ms = 0;
	gate->reading = 0;
	shelf_forget(&gate->shelf);
	inlets_lost(gate);
}

static bool gate_connect(struct gate *gate)
{
	char why[RING_WHY_MAX];

	if (gate->now_ms < gate->connect_ms) {
		gate_wait(gate, gate->connect_ms - gate->now_ms);
		return false;
	}
	if (pipeline_open(&gate->pipeline, &gate->setup.server, TIMEOUT_MS, why))
		return true;
	gate_lost(gate, why);
	return false;
}

static void hear_counts(void *who, const struct redisReply *reply)
{
	struct gate *gate = who;

	if (resp_count(reply) == COUNTS_REPLY)
		gate->ready = resp_integer(resp_at(reply, 1)) + gate->placed;
}

static void say_counts(struct gate *gate)
{
	if (gate->setup.transactional || gate->arrivals.count == 0 ||
	    (gate->counted_ms && gate->now_ms - gate->counted_ms < COUNTS_MS))
		return;
	gate->counted_ms = gate->now_ms;
	gate->placed = 0;
	pipeline_say(&gate->pipeline, (struct slice[]){SLICE("FCALL"), SLICE("hikyaku_counts"), SLICE("1"), gate->base},
		     4, hear_counts, gate);
}

/* Says what every arrival needs, and frees those that need nothing any more. */
static void say_arrivals(struct gate *gate)
{
	LIST_EACH (of_gate, &gate->inlets) {
		struct inlet *inlet = LIST_OWNER(of_gate, struct inlet, link);

		LIST_EACH (link, &inlet->arrivals) {
			struct arrival *arrival = LIST_OWNER(link, struct arrival, link);

			if (arrival->asking)
				continue;
			arrival->asked = arrival->cursor;
			if (arrival->state == ARRIVAL_OVER)
				arrival_free(arrival);
			else if (arrival->state != ARRIVAL_EXPAND && arrival->state != ARRIVAL_READ)
				arrival_say(arrival);
		}
	}
}

/* The next one to look at, of those that have waited longest in their stream; NULL if there is none. */
static struct arrival *next_unread(struct gate *gate)
{
	if (gate->unread == 0)
		return NULL;
	LIST_EACH (of_gate, &gate->inlets) {
		struct inlet *inlet = LIST_OWNER(of_gate, struct inlet, link);

		LIST_EACH (link, &inlet->arrivals) {
			struct arrival *arrival = LIST_OWNER(link, struct arrival, link);

			if (arrival->state == ARRIVAL_READ)
				return arrival;
		}
	}
	return NULL;
}

/* Looks at a few small arrivals or one large, while Redis works on what was said. */
static void look_at_some(struct gate *gate)
{
	struct arrival *arrival;

	for (size_t bytes = 0; bytes < LOOK_BYTES && (arrival = next_unread(gate));) {
		bytes += arrival->bytes;
		gate->unread--;
		arrival_look(arrival);
	}
}

static bool may_expand(const struct gate *gate, const struct arrival *arrival)
{
	return arrival_is_expanding(arrival) &&
	       (arrival->job.transactional || !gate->rules->high_water || gate->ready < gate->rules->high_water);
}

/* The next job of this stream that has recipients to queue; its jobs take turns. */
static struct arrival *next_of(struct gate *gate, struct inlet *inlet)
{
	LIST_EACH (link, &inlet->arrivals) {
		struct arrival *arrival = LIST_OWNER(link, struct arrival, link);

		if (may_expand(gate, arrival))
			return arrival;
	}
	return NULL;
}

static struct arrival *fairest(struct gate *gate)
{
	struct arrival *best = NULL;

	LIST_EACH (link, &gate->inlets) {
		struct inlet *inlet = LIST_OWNER(link, struct inlet, link);
		struct arrival *next = !best || inlet->pass < best->inlet->pass ? next_of(gate, inlet) : NULL;

		if (next)
			best = next;
	}
	return best;
}

/* Before a large job is looked at, Redis is given as much to do. */
static void say_slices(struct gate *gate)
{
	const struct arrival *next = next_unread(gate);
	unsigned most = next && next->bytes >= LOOK_BYTES ? SLICES_LONG_MAX : SLICES_MAX;

	for (unsigned i = 0; i < most; i++) {
		struct arrival *arrival = fairest(gate);

		if (!arrival)
			return;
		struct inlet *inlet = arrival->inlet;
		unsigned before = arrival->asked;

		arrival_say_slice(arrival);
		gate->ready += arrival->asked - before;
		gate->placed += arrival->asked - before;
		inlet_took_turn(inlet);
		list_remove(&arrival->link);
		list_push(&inlet->arrivals, &arrival->link);
	}
}

struct reading {
	struct gate *gate;
	size_t bytes, largest;
};

static void on_entry(void *who, struct slice key, const struct stream_entry *entry)
{
	struct reading *reading = who;
	struct inlet *inlet = inlet_named(reading->gate, key);
	size_t bytes = entry->job.len + entry->raw.len;

	reading->bytes += bytes;
	if (bytes > reading->largest)
		reading->largest = bytes;
	if (inlet)
		inlet_take(inlet, entry);
}

/* New entries, or ours again. How many the next time depends on how large these were. */
static void hear_entries(void *who, const struct redisReply *reply)
{
	struct reading reading = {.gate = who};
	struct gate *gate = who;

	gate->reading--;
	if (resp_error(reply) != RESP_FINE) {
		gate_complain(gate, "reading jobs", reply);
		inlets_regroup(gate); /* the stream or its group is gone */
		gate->connect_ms = gate->now_ms + 100;
		return;
	}
	if (stream_entries(reply, on_entry, &reading) == 0)
		return;
	size_t fit = READ_BYTES / (reading.largest + 1), most = 4 * gate->count;

	most = most < INLET_ARRIVALS_MAX ? most : INLET_ARRIVALS_MAX;
	gate->count = fit > most ? (unsigned)most : fit ? (unsigned)fit : 1;
}

/* Asks for new entries of those with room. More streams than fit come first the next time. */
static void say_read_new(struct gate *gate, unsigned block_ms)
{
	struct stream *streams[READ_STREAMS_MAX];
	struct inlet *last = NULL;
	unsigned n = 0;

	LIST_EACH (link, &gate->inlets) {
		struct inlet *inlet = LIST_OWNER(link, struct inlet, link);

		if (n == READ_STREAMS_MAX || !inlet_has_room(inlet) || !inlet->stream.again_over)
			continue;
		streams[n++] = &inlet->stream;
		last = inlet;
	}
	if (n == 0)
		return;
	stream_say_read(&gate->pipeline, streams, n, &gate->reader, gate->count, block_ms, hear_entries, gate);
	gate->reading++;
	while (n == READ_STREAMS_MAX && list_first(&gate->inlets) != &last->link) {
		struct list *first = list_pop(&gate->inlets);

		list_push(&gate->inlets, first);
	}
}

/* Asks for entries where there is room for them. idle: nothing else is under way, so it may wait in Redis. False when
 * there was nobody to ask for. */
static bool say_read(struct gate *gate, bool idle)
{
	if (gate->bytes > BYTES_MAX || gate->unread > gate->count || gate->reading)
		return gate->reading > 0;
	LIST_EACH (link, &gate->inlets) {
		struct inlet *inlet = LIST_OWNER(link, struct inlet, link);

		if (inlet->stream.again_over || !inlet_has_room(inlet))
			continue;
		stream_say_again(&gate->pipeline, &inlet->stream, &gate->reader, gate->count, inlet_hear_again, inlet);
		gate->reading++;
	}
	say_read_new(gate, idle && !gate->reading ? GATE_BLOCK_MS : 0);
	return gate->reading > 0;
}

static void gate_turn(struct gate *gate)
{
	char why[RING_WHY_MAX];

	gate->now_ms = clock_ms(CLOCK_MONOTONIC);
	gate->wall_ms = clock_ms(CLOCK_REALTIME);
	if (!pipeline_is_open(&gate->pipeline) && !gate_connect(gate))
		return;
	inlets_say_groups(gate);
	say_arrivals(gate);
	say_slices(gate);
	bool idle = pipeline_is_idle(&gate->pipeline) && gate->unread == 0;

	say_counts(gate);
	inlets_say_chores(gate);
	if (!say_read(gate, idle) && idle)
		gate_wait(gate, GATE_BLOCK_MS);
	pipeline_send(&gate->pipeline);
	look_at_some(gate);
	if (!pipeline_flow(&gate->pipeline, why)) {
		gate_lost(gate, why);
	} else if (gate->backoff_ms) {
		log_info("intake: Redis is back");
		gate->backoff_ms = 0;
	}
}

static void *gate_run(void *argument)
{
	struct gate *gate = argument;
	sigset_t none;

	sigfillset(&none); /* signals are the main thread's; and hiredis writes to sockets that may have been closed */
	pthread_sigmask(SIG_BLOCK, &none, NULL);
	while (gate_take_rules(gate))
		gate_turn(gate);
	return NULL;
}

static void gate_free(struct gate *gate)
{
	inlets_free(gate);
	shelf_free(&gate->shelf);
	map_free(&gate->arrivals);
	pipeline_close(&gate->pipeline);
	if (gate->rules)
		rules_free(gate->rules);
	if (gate->next)
		rules_free(gate->next);
	pthread_cond_destroy(&gate->wake);
	pthread_mutex_destroy(&gate->lock);
	free(gate);
}

struct gate *gate_start(const struct gate_setup *setup, struct rules *rules)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	pthread_condattr_t monotonic;

	CHECK(gate != NULL && rules != NULL);
	gate->setup = *setup;
	gate->next = rules;
	gate->count = 1;
	gate->reader = (struct stream_reader){.group = setup->prefix, .consumer = setup->instance};
	int n = snprintf(gate->base_text, sizeof(gate->base_text), "%.*s:{0}", SLICE_ARG(setup->prefix));

	CHECK(n > 0 && (size_t)n < sizeof(gate->base_text));
	gate->base = slice_of(gate->base_text);
	list_init(&gate->inlets);
	shelf_init(&gate->shelf);
	pthread_mutex_init(&gate->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&gate->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	int failed = pthread_create(&gate->thread, NULL, gate_run, gate);

	if (!failed)
		return gate;
	log_error("intake: no thread for it: %s", strerror(failed));
	gate_free(gate);
	return NULL;
}

void gate_configure(struct gate *gate, struct rules *rules)
{
	pthread_mutex_lock(&gate->lock);
	if (gate->next)
		rules_free(gate->next);
	gate->next = rules;
	pthread_cond_signal(&gate->wake);
	pthread_mutex_unlock(&gate->lock);
}

void gate_stop(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->stopping = true;
	pthread_cond_signal(&gate->wake);
	pthread_mutex_unlock(&gate->lock);
	pthread_join(gate->thread, NULL);
	gate_free(gate);
}
