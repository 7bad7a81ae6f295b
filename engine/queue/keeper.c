/* One thread and blocking calls: nothing here is hurried, and a straight line is easier to believe than a machine of
 * states. The thread first wins the shard, then does chores until it is stopped or fenced; whenever the connection is
 * lost it makes another and goes on where it was.
 *
 * Whether another engine is dead is judged by our own clock and a text that Redis gives for its last beat: no wall
 * clock is compared, and any loss of the connection starts the observation again. */
#include "queue/keeper.h"

#include "base/check.h"
#include "base/log.h"
#include "base/random.h"
#include "queue/aof.h"
#include "queue/chores.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
	DEAD_MS = 15000, /* the same beat for so long */
	STANDBY_MS = 1000,
	BACKOFF_MS_MIN = 50,
	BACKOFF_MS_MAX = 2000,
	READY_LOOK_MS = 5,
};

struct keeper {
	struct keeper_setup setup;
	struct outbuf base; /* "hikyaku:{0}" */
	struct caller caller;
	struct chores chores;
	struct chores_published published;
	_Atomic uint64_t epoch; /* 0: we do not hold the shard */
	atomic_bool fenced;
	int stop; /* eventfd */
	pthread_t thread;
	/* Standby: what was seen of the other, since when, at how many losses of ours. */
	char seen[SEEN_MAX];
	uint64_t seen_ms;
	unsigned losses;
	uint64_t backoff_ms;
	struct random random;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* False when it is time to stop. */
static bool keeper_pause(struct keeper *keeper, uint64_t wait_ms)
{
	struct pollfd stop = {.fd = keeper->stop, .events = POLLIN};

	return poll(&stop, 1, (int)wait_ms) == 0;
}

/* Gives back what that engine had leased, a bounded piece a call. True when nothing is left. */
static bool reap(struct keeper *keeper, struct slice instance, struct slice seen, struct slice begun)
{
	struct slice arguments[] = {instance, seen, SLICE("100"), keeper->setup.policy, begun};
	uint64_t back = 0, left = 1;

	while (left > 0) {
		struct redisReply *reply = caller_ask(&keeper->caller, "hikyaku_reap", arguments, 5);

		if (resp_count(reply) < 2) {
			if (reply)
				freeReplyObject(reply);
			return false;
		}
		back += resp_integer(resp_at(reply, 0));
		left = resp_integer(resp_at(reply, 1));
		freeReplyObject(reply);
	}
	if (back > 0)
		log_info("gave back %llu deliveries that engine %s had leased", (unsigned long long)back,
			 LOG_TEXT(instance));
	return true;
}

/* What that engine had under way when it died. */
static struct slice begun_of(const struct keeper *keeper, struct slice instance, struct slice epoch)
{
	uint64_t number;
	bool ours = slice_is(instance, keeper->setup.instance) && slice_number(epoch, UINT64_MAX, &number) &&
		    number == keeper->setup.begun_epoch;

	return ours ? keeper->setup.begun : SLICE("all");
}

/* We hold the shard; the engines before us are named in pairs. Their leases first, then we are ready. */
static void take_over(struct keeper *keeper, const struct redisReply *reply)
{
	uint64_t epoch = resp_integer(resp_at(reply, 1));

	for (size_t i = 2; i + 1 < resp_count(reply); i += 2)
		if (!reap(keeper, resp_text(resp_at(reply, i)), resp_text(resp_at(reply, i + 1)),
			  begun_of(keeper, resp_text(resp_at(reply, i)), resp_text(resp_at(reply, i + 1)))))
			return; /* lost: register again, they are named again */
	chores_init(&keeper->chores, &keeper->caller, &keeper->setup, epoch, &keeper->published);
	chores_turn(&keeper->chores, now_ms()); /* beats, among others: no worker starts before */
	if (!keeper->published.beat_ms)
		return;
	log_info("holding shard %u as %s, epoch %llu", keeper->setup.shard, LOG_TEXT(keeper->setup.instance),
		 (unsigned long long)epoch);
	keeper->epoch = epoch;
}

/* Another engine holds the shard; takes it for dead when its beat has not changed for long enough. */
static void observe(struct keeper *keeper, struct slice holder, struct slice seen)
{
	bool same = slice_is(seen, slice_of(keeper->seen)) && keeper->losses == keeper->caller.losses;

	if (!keeper->seen[0])
		log_info("standby: engine %s holds shard %u", LOG_TEXT(holder), keeper->setup.shard);
	if (!same) {
		snprintf(keeper->seen, sizeof(keeper->seen), "%.*s", SLICE_ARG(seen));
		keeper->losses = keeper->caller.losses;
		keeper->seen_ms = now_ms();
	} else if (now_ms() - keeper->seen_ms >= DEAD_MS) {
		log_warning("engine %s has not beaten for %d seconds: taking its shard over", LOG_TEXT(holder),
			    DEAD_MS / 1000);
		reap(keeper, holder, seen, SLICE("all"));
		keeper->seen[0] = '\0';
	}
}

/* One try to hold the shard; how long to wait before the next thing. */
static uint64_t enter(struct keeper *keeper)
{
	struct slice arguments[] = {keeper->setup.instance, keeper->setup.sure ? SLICE("1") : SLICE("0")};
	struct redisReply *reply = caller_ask(&keeper->caller, "hikyaku_register", arguments, 2);
	uint64_t wait_ms = STANDBY_MS;

	if (resp_count(reply) >= 2 && slice_is(resp_text(resp_at(reply, 0)), SLICE("OK"))) {
		take_over(keeper, reply);
		wait_ms = keeper->epoch ? 0 : BACKOFF_MS_MIN;
	} else if (resp_count(reply) >= 3) {
		observe(keeper, resp_text(resp_at(reply, 1)), resp_text(resp_at(reply, 2)));
	}
	if (reply)
		freeReplyObject(reply);
	return wait_ms;
}

static uint64_t reconnect(struct keeper *keeper)
{
	if (caller_up(&keeper->caller)) {
		if (!keeper->setup.own_server)
			aof_renew(keeper->caller.redis, outbuf_slice(&keeper->base));
		keeper->backoff_ms = BACKOFF_MS_MIN;
		return 0;
	}
	uint64_t wait_ms = keeper->backoff_ms / 2 + random_below(&keeper->random, keeper->backoff_ms / 2 + 1);

	keeper->backoff_ms = keeper->backoff_ms * 2 > BACKOFF_MS_MAX ? BACKOFF_MS_MAX : keeper->backoff_ms * 2;
	return wait_ms;
}

static uint64_t work(struct keeper *keeper)
{
	uint64_t begin_ms = now_ms(), next_ms = chores_turn(&keeper->chores, begin_ms), end_ms = now_ms();

	if (!caller_is_up(&keeper->caller))
		return BACKOFF_MS_MIN;
	return next_ms > end_ms ? next_ms - end_ms : 0;
}

/* Fences ourselves, so that the next engine need not wait for our beat to be old. */
static void keeper_leave(struct keeper *keeper)
{
	if (keeper->epoch == 0 || keeper->fenced || (!caller_is_up(&keeper->caller) && !caller_up(&keeper->caller)))
		return;
	memset(keeper->chores.due_ms, 0,
	       sizeof(keeper->chores.due_ms)); /* all chores once more: what they publish lasts */
	chores_turn(&keeper->chores, now_ms());
	if (caller_is_up(&keeper->caller) && !keeper->caller.fenced)
		reap(keeper, keeper->setup.instance, slice_of(keeper->chores.seen), SLICE(""));
}

static void *keep(void *argument)
{
	struct keeper *keeper = argument;
	uint64_t wait_ms = 0;

	while (keeper_pause(keeper, wait_ms)) {
		if (keeper->caller.fenced) {
			keeper->fenced = true;
			wait_ms = STANDBY_MS;
		} else if (!caller_is_up(&keeper->caller)) {
			wait_ms = reconnect(keeper);
		} else if (keeper->epoch == 0) {
			wait_ms = enter(keeper);
		} else {
			wait_ms = work(keeper);
		}
	}
	keeper_leave(keeper);
	return NULL;
}

struct keeper *keeper_start(const struct keeper_setup *setup)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));

	CHECK(keeper != NULL);
	CHECK(setup->instance.len > 0);
	keeper->setup = *setup;
	if (setup->policy.len == 0)
		keeper->setup.policy = SLICE("retry");
	outbuf_printf(&keeper->base, "%.*s:{%u}", SLICE_ARG(setup->prefix), setup->shard);
	caller_init(&keeper->caller, &setup->server, outbuf_slice(&keeper->base));
	keeper->backoff_ms = BACKOFF_MS_MIN;
	keeper->random = random_seeded(random_secret());
	keeper->stop = eventfd(0, EFD_CLOEXEC);
	CHECK(keeper->stop >= 0);
	CHECK(pthread_create(&keeper->thread, NULL, keep, keeper) == 0);
	return keeper;
}

void keeper_stop(struct keeper *keeper)
{
	uint64_t one = 1;

	if (!keeper)
		return;
	CHECK(write(keeper->stop, &one, sizeof(one)) == sizeof(one));
	pthread_join(keeper->thread, NULL);
	caller_free(&keeper->caller);
	chores_free(&keeper->chores);
	close(keeper->stop);
	outbuf_free(&keeper->base);
	free(keeper);
}

bool keeper_ready(struct keeper *keeper, unsigned wait_ms)
{
	uint64_t end_ms = now_ms() + wait_ms;

	while (keeper->epoch == 0 && !keeper->fenced && now_ms() < end_ms)
		poll(NULL, 0, READY_LOOK_MS);
	return keeper->epoch != 0 && !keeper->fenced;
}

uint64_t keeper_epoch(const struct keeper *keeper)
{
	return keeper->epoch;
}

bool keeper_is_fenced(const struct keeper *keeper)
{
	return keeper->fenced;
}

uint64_t keeper_beat_ms(const struct keeper *keeper)
{
	return keeper->published.beat_ms;
}

enum keeper_level keeper_level(const struct keeper *keeper)
{
	return (enum keeper_level)keeper->published.level;
}

struct keeper_counts keeper_counts(const struct keeper *keeper)
{
	const struct chores_published *p = &keeper->published;

	return (struct keeper_counts){p->lists, p->ready, p->deferred, p->held, p->leased, p->events, p->oldest_ms};
}
