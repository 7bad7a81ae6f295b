/* A table of chores: each does a bounded piece and says in how many milliseconds it wants to be called again, sooner
 * while it finds work. So no chore keeps the beat waiting, and an idle shard costs Redis about forty calls a second.
 *
 * Jobs' public hashes are written outside the functions because they lie in other slots of a cluster. A job stays dirty
 * until its hash is written, and a change that comes in between keeps it dirty, so the hash may trail but not go wrong.
 */
#include "queue/chores.h"

#include "base/check.h"
#include "base/log.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	BEAT_MS = 2000,
	PROMOTE_MS_MIN = 10, /* also while records are due */
	PROMOTE_MS_MAX = 50, /* something due sooner may be deferred meanwhile */
	SWEEP_MS = 200,
	PUBLISH_MS = 250,
	SECOND_MS = 1000,
	SOON_MS = 10,
	JOBS_MAX = 100, /* published in a turn */
	JOB_FIELDS = 13,
	JOB_KEPT_SECONDS = 7 * 86400,
	STATUS_SECONDS = 10,
	GROUPS_MAX = 64,
};

static uint64_t now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* A number as an argument; room has 24 bytes. */
static struct slice number(char *room, uint64_t n)
{
	return (struct slice){room, (size_t)snprintf(room, 24, "%llu", (unsigned long long)n)};
}

static uint64_t beat(struct chores *chores)
{
	char epoch[24];
	uint64_t begun_ms = now(CLOCK_MONOTONIC); /* of the two ends of the call, the careful one */
	struct slice arguments[] = {chores->setup->instance, number(epoch, chores->epoch)};
	struct redisReply *reply = caller_ask(chores->caller, "hikyaku_beat", arguments, 2);

	if (resp_count(reply) >= 3) {
		struct slice seen = resp_text(resp_at(reply, 2));

		snprintf(chores->seen, sizeof(chores->seen), "%.*s", SLICE_ARG(seen));
		chores->published->beat_ms = begun_ms;
	}
	if (reply)
		freeReplyObject(reply);
	return BEAT_MS;
}

static uint64_t promote(struct chores *chores)
{
	struct redisReply *reply = caller_ask(chores->caller, "hikyaku_promote", (struct slice[]){SLICE("256")}, 1);
	uint64_t wait_ms = PROMOTE_MS_MAX;

	if (resp_count(reply) == 2 && resp_at(reply, 1)->integer >= 0 && resp_integer(resp_at(reply, 1)) < wait_ms)
		wait_ms = resp_integer(resp_at(reply, 1));
	if (reply)
		freeReplyObject(reply);
	return wait_ms < PROMOTE_MS_MIN ? PROMOTE_MS_MIN : wait_ms;
}

static uint64_t sweep(struct chores *chores)
{
	struct redisReply *reply = caller_ask(chores->caller, "hikyaku_sweep", (struct slice[]){SLICE("256")}, 1);
	bool found = resp_count(reply) == 2 && resp_integer(resp_at(reply, 0)) > 0;

	if (reply)
		freeReplyObject(reply);
	return found ? SOON_MS : SWEEP_MS;
}

/* An event of our own. It may be lost with the connection: the log has it too. */
static void alarm_event(struct chores *chores, const char *about, const char *text, uint64_t length)
{
	struct outbuf data = {0};
	char key[128], event[160];

	log_warning("%s", text);
	snprintf(key, sizeof(key), "%.*s:events", SLICE_ARG(slice_head(chores->caller->base, 100)));
	snprintf(event, sizeof(event), "%.*s-%llu-%u", SLICE_ARG(slice_head(chores->setup->instance, 100)),
		 (unsigned long long)chores->epoch, ++chores->alarms);
	outbuf_byte(&data, '{');
	outbuf_json_number(&data, "v", 1);
	outbuf_json_text(&data, "event", slice_of(event));
	outbuf_json_number(&data, "time", now(CLOCK_REALTIME));
	outbuf_json_text(&data, "alarm", slice_of(about));
	outbuf_json_text(&data, "text", slice_of(text));
	outbuf_json_number(&data, "events", length);
	outbuf_byte(&data, '}');
	caller_append(chores->caller,
		      (struct slice[]){SLICE("XADD"), slice_of(key), SLICE("*"), SLICE("type"), SLICE("alarm"),
				       SLICE("job"), SLICE(""), SLICE("to"), SLICE(""), SLICE("data"),
				       outbuf_slice(&data)},
		      11);
	struct redisReply *reply = caller_reply(chores->caller);

	if (reply)
		freeReplyObject(reply);
	outbuf_free(&data);
}

static void tell_level(struct chores *chores, enum keeper_level level, uint64_t length)
{
	static const char *const texts[] = {
		[KEEPER_OK] = "the stream of events is below 80 % of events.max again",
		[KEEPER_HIGH] = "the stream of events is above 80 % of events.max: a group named in events.groups does "
				"not keep up",
		[KEEPER_FULL] =
			"the stream of events has reached events.max: no mail is started until the groups named in "
			"events.groups have acknowledged events",
	};
	static const char *const names[] = {"events-ok", "events-high", "events-full"};

	if (chores->published->level == level)
		return;
	chores->published->level = level;
	alarm_event(chores, names[level], texts[level], length);
}

static uint64_t trim(struct chores *chores)
{
	const struct keeper_setup *setup = chores->setup;
	char max[24], keep[24];
	struct slice arguments[2 + GROUPS_MAX] = {number(max, setup->max), number(keep, setup->keep_ms)};
	uint64_t trimmed = 0;

	CHECK(setup->ngroups <= GROUPS_MAX);
	if (setup->ngroups)
		memcpy(arguments + 2, setup->groups, setup->ngroups * sizeof(*arguments));
	struct redisReply *reply = caller_ask(chores->caller, "hikyaku_trim", arguments, 2 + setup->ngroups);

	if (resp_count(reply) >= 4) {
		struct slice level = resp_text(resp_at(reply, 3));

		trimmed = resp_integer(resp_at(reply, 2));
		tell_level(chores,
			   slice_is(level, SLICE("full"))   ? KEEPER_FULL
			   : slice_is(level, SLICE("high")) ? KEEPER_HIGH
							    : KEEPER_OK,
			   resp_integer(resp_at(reply, 0)));
	}
	if (reply)
		freeReplyObject(reply);
	return trimmed > 1000 ? SOON_MS : SECOND_MS;
}

static void put_status(struct chores *chores)
{
	const struct chores_published *p = chores->published;
	const struct keeper_setup *setup = chores->setup;
	struct outbuf key = {0}, json = {0};
	char seconds[24];

	outbuf_printf(&key, "%.*s:status:%.*s:keeper", SLICE_ARG(setup->prefix), SLICE_ARG(setup->instance));
	outbuf_byte(&json, '{');
	outbuf_json_text(&json, "instance", setup->instance);
	outbuf_json_number(&json, "epoch", chores->epoch);
	outbuf_json_number(&json, "shard", setup->shard);
	outbuf_json_number(&json, "time", now(CLOCK_REALTIME));
	outbuf_json_number(&json, "lists", p->lists);
	outbuf_json_number(&json, "ready", p->ready);
	outbuf_json_number(&json, "deferred", p->deferred);
	outbuf_json_number(&json, "held", p->held);
	outbuf_json_number(&json, "leased", p->leased);
	outbuf_json_number(&json, "events", p->events);
	outbuf_json_number(&json, "oldest", p->oldest_ms);
	outbuf_byte(&json, '}');
	caller_append(chores->caller,
		      (struct slice[]){SLICE("SET"), outbuf_slice(&key), outbuf_slice(&json), SLICE("EX"),
				       number(seconds, STATUS_SECONDS)},
		      5);
	struct redisReply *reply = caller_reply(chores->caller);

	if (reply)
		freeReplyObject(reply);
	outbuf_free(&key);
	outbuf_free(&json);
}

static uint64_t count(struct chores *chores)
{
	struct chores_published *p = chores->published;
	_Atomic uint64_t *const counts[] = {&p->lists,	&p->ready,  &p->deferred, &p->held,
					    &p->leased, &p->events, &p->oldest_ms};
	struct redisReply *reply = caller_ask(chores->caller, "hikyaku_counts", NULL, 0);

	if (resp_count(reply) >= 7) {
		for (size_t i = 0; i < 7; i++)
			*counts[i] = resp_integer(resp_at(reply, i));
		put_status(chores);
	}
	if (reply)
		freeReplyObject(reply);
	return SECOND_MS;
}

/* A job of hikyaku_dirty: its elements begin at place. */
enum {
	DIRTY_TENANT,
	DIRTY_ID,
	DIRTY_SEQUENCE,
	DIRTY_FIELDS,
	DIRTY_FINISHED = DIRTY_FIELDS + JOB_FIELDS - 1,
	DIRTY_SIZE
};

/* Asks for the hash of this job to be written; how many replies will come. */
static unsigned put_job(struct chores *chores, const struct redisReply *dirty, size_t place)
{
	static const char *const names[JOB_FIELDS] = {
		"state",   "total",	"queued",     "deferred", "held",    "delivered", "failed",
		"expired", "cancelled", "suppressed", "rejected", "created", "finished",
	};
	struct slice argv[2 + 2 * JOB_FIELDS] = {SLICE("HSET")};
	char seconds[24];
	unsigned n = 2;

	outbuf_reset(&chores->words);
	outbuf_printf(&chores->words, "%.*s:job:", SLICE_ARG(chores->setup->prefix));
	outbuf_add(&chores->words, resp_text(resp_at(dirty, place + DIRTY_TENANT)));
	outbuf_byte(&chores->words, ':');
	outbuf_add(&chores->words, resp_text(resp_at(dirty, place + DIRTY_ID)));
	argv[1] = outbuf_slice(&chores->words);
	for (size_t i = 0; i < JOB_FIELDS; i++) {
		argv[n++] = slice_of(names[i]);
		argv[n++] = resp_text(resp_at(dirty, place + DIRTY_FIELDS + i));
	}
	caller_append(chores->caller, argv, n);
	if (resp_text(resp_at(dirty, place + DIRTY_FINISHED)).len == 0)
		return 1;
	caller_append(chores->caller, (struct slice[]){SLICE("EXPIRE"), argv[1], number(seconds, JOB_KEPT_SECONDS)}, 3);
	return 2;
}

/* Takes n replies; false if Redis would not write (memory is out), or is lost. A key that a stranger has made
 * something else of is logged and left. */
static bool put_replies(struct chores *chores, unsigned n)
{
	bool fine = true;

	while (n--) {
		struct redisReply *reply = caller_reply(chores->caller);

		if (!reply)
			return false;
		if (resp_error(reply) != RESP_FINE) {
			struct slice said = resp_text(reply);

			fine = fine && slice_starts(said, SLICE("WRONGTYPE"));
			log_debug("writing the public state of a job: %s", LOG_TEXT(said));
		}
		freeReplyObject(reply);
	}
	return fine;
}

/* These are written; those that have not changed meanwhile are clean. */
static void clean(struct chores *chores, const struct redisReply *dirty)
{
	struct slice arguments[2 * JOBS_MAX];
	size_t starts[JOBS_MAX], jobs = resp_count(dirty) / DIRTY_SIZE;

	outbuf_reset(&chores->words);
	for (size_t i = 0; i < jobs; i++) {
		starts[i] = chores->words.len;
		outbuf_add(&chores->words, resp_text(resp_at(dirty, i * DIRTY_SIZE + DIRTY_TENANT)));
		outbuf_byte(&chores->words, ':');
		outbuf_add(&chores->words, resp_text(resp_at(dirty, i * DIRTY_SIZE + DIRTY_ID)));
		arguments[2 * i].len = chores->words.len - starts[i];
		arguments[2 * i + 1] = resp_text(resp_at(dirty, i * DIRTY_SIZE + DIRTY_SEQUENCE));
	}
	for (size_t i = 0; i < jobs; i++)
		arguments[2 * i].ptr = chores->words.ptr + starts[i];
	struct redisReply *reply = caller_ask(chores->caller, "hikyaku_clean", arguments, (unsigned)(2 * jobs));

	if (reply)
		freeReplyObject(reply);
}

static uint64_t publish(struct chores *chores)
{
	char max[24];
	struct redisReply *dirty =
		caller_ask(chores->caller, "hikyaku_dirty", (struct slice[]){number(max, JOBS_MAX)}, 1);
	size_t jobs = resp_count(dirty) / DIRTY_SIZE;
	unsigned replies = 0;

	for (size_t i = 0; i < jobs && i < JOBS_MAX; i++)
		replies += put_job(chores, dirty, i * DIRTY_SIZE);
	if (jobs > 0 && jobs <= JOBS_MAX && put_replies(chores, replies))
		clean(chores, dirty);
	if (dirty)
		freeReplyObject(dirty);
	return jobs == JOBS_MAX ? SOON_MS : PUBLISH_MS;
}

static uint64_t heed_orders(struct chores *chores)
{
	return desk_turn(&chores->desk);
}

static uint64_t (*const rows[CHORES])(struct chores *chores) = {beat, promote, sweep,	   publish,
								trim, count,   heed_orders};

void chores_init(struct chores *chores, struct caller *caller, const struct keeper_setup *setup, uint64_t epoch,
		 struct chores_published *published)
{
	*chores = (struct chores){.caller = caller, .setup = setup, .epoch = epoch, .published = published};
	desk_init(&chores->desk, caller, setup->prefix, setup->desk);
	chores->desk.suppression_keep_s = setup->suppression_keep_ms / 1000;
}

void chores_free(struct chores *chores)
{
	desk_free(&chores->desk);
	outbuf_free(&chores->words);
}

uint64_t chores_turn(struct chores *chores, uint64_t now_ms)
{
	uint64_t next_ms = now_ms + SECOND_MS;

	for (size_t i = 0; i < CHORES; i++) {
		if (!caller_is_up(chores->caller) || chores->caller->fenced)
			return now_ms;
		if (chores->due_ms[i] <= now_ms)
			chores->due_ms[i] = now_ms + rows[i](chores);
		if (chores->due_ms[i] < next_ms)
			next_ms = chores->due_ms[i];
	}
	return next_ms;
}
