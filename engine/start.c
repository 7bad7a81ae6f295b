/* The order is the one in which things depend on each other: the lock proves that a dead engine of this name is dead,
 * so the keeper may take its leases over at once; workers need the epoch the keeper got. */
#include "start.h"

#include "controls.h"
#include "directory.h"
#include "event_log.h"
#include "intake.h"
#include "reporter.h"
#include "sts.h"
#include "underway.h"

#include "base/log.h"
#include "queue/library.h"
#include "queue/promise.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <time.h>

enum { REDIS_MS = 10000, STANDBY_MS = 500 };

/* For an embedded Redis: one call of a function makes some thousand small objects, and then frees them all. Of a kind
 * jemalloc keeps at most 200 at hand unless told otherwise, and goes the long way for the others. */
static const char allocator[] = "lg_tcache_nslots_mul:6,tcache_nslots_small_max:8192,tcache_max:4194304";

static const char *policy_name(enum uncertain_policy policy)
{
	switch (policy) {
	case UNCERTAIN_HOLD: return "hold";
	case UNCERTAIN_ASSUME_DELIVERED: return "assume-delivered";
	case UNCERTAIN_RETRY: break;
	}
	return "retry";
}

static bool start_failed(struct start *start, int exit_status, const char *what, const char *why)
{
	log_error("%s: %s", what, why);
	start->exit_status = exit_status;
	return false;
}

static bool tell_promise(struct start *start, struct redisContext *redis)
{
	const struct config *config = start->engine.config;
	struct redis_promise promise = promise_of(redis);

	if (promise.error[0])
		return start_failed(start, 2, "checking Redis", promise.error);
	log_info("promise: %s (Redis at %.*s)", promise_name(promise.kind), SLICE_ARG(config->redis.text));
	if (slice_is(config->require, SLICE("durable")) && promise.kind != PROMISE_DURABLE)
		return start_failed(
			start, 2, "checking the promise",
			"the configuration says require = \"durable\", but this Redis may lose what it has "
			"acknowledged; set appendonly yes and appendfsync always there, or require = \"none\"");
	return true;
}

static bool start_server(struct start *start)
{
	const struct config *config = start->engine.config;
	char why[RING_WHY_MAX];

	if (!config->redis.embedded) {
		start->engine.redis = (struct redis_server){.address = config->redis.server,
							    .user = config->redis.user,
							    .password = config->redis.password,
							    .database = config->redis.database};
		return true;
	}
	setenv("MALLOC_CONF", allocator, 0); /* whoever has set it knows better */
	start->server = server_start(state_path(start->state), config->redis.fsync, why);
	if (!start->server)
		return start_failed(start, 3, "starting the embedded redis-server", why);
	start->engine.redis = server_place(start->server);
	return true;
}

bool start_redis(struct start *start, struct config *config)
{
	char why[RING_WHY_MAX];
	struct redisContext *redis;
	bool ok;

	start->engine.config = config;
	axes_follow(&start->engine.axes, config);
	start->state = state_open(config->state_dir, why);
	if (!start->state)
		return start_failed(start, 1, "opening the state directory", why);
	start->engine.instance = state_instance(start->state);
	start->engine.state_path = state_path(start->state);
	if (!start_server(start))
		return false;
	redis = redis_sync_open(&start->engine.redis, REDIS_MS, why);
	if (!redis)
		return start_failed(start, 3, "connecting to Redis", why);
	ok = tell_promise(start, redis) &&
	     ((library_sync(redis, why) && library_agree(redis, config->redis.prefix, config->redis.shards, why)) ||
	      start_failed(start, 3, "preparing Redis", why));
	redisFree(redis);
	return ok;
}

bool start_keeper(struct start *start, bool (*wanted)(void))
{
	const struct config *config = start->engine.config;
	bool told = false;

	underway_read(start->engine.state_path, &start->begun_epoch, &start->begun);
	start->engine.controls = controls_new();
	start->engine.directory = directory_new();
	start->desk = controls_owner(start->engine.controls, start->engine.directory);
	start->keeper = (struct keeper_setup){
		.server = start->engine.redis,
		.prefix = config->redis.prefix,
		.instance = start->engine.instance,
		.sure = true,
		.own_server = start->server != NULL,
		.policy = slice_of(policy_name(config->queue.uncertain)),
		.begun = outbuf_slice(&start->begun),
		.begun_epoch = start->begun_epoch,
		.groups = config->events.groups,
		.ngroups = config->events.ngroups,
		.keep_ms = config->events.keep_ms,
		.suppression_keep_ms = config->suppression.keep_ms,
		.max = config->events.max,
		.desk = &start->desk,
	};
	start->engine.keeper = keeper_start(&start->keeper);
	while (!keeper_ready(start->engine.keeper, STANDBY_MS)) {
		if (!wanted())
			return false;
		if (!told)
			log_info("another engine holds the queue, or Redis is still loading; standing by");
		told = true;
	}
	start->engine.epoch = keeper_epoch(start->engine.keeper);
	return true;
}

static uint64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool start_memory(struct start *start)
{
	char why[RING_WHY_MAX];
	struct redisContext *redis = redis_sync_open(&start->engine.redis, REDIS_MS, why);
	struct slice prefix = start->engine.config->redis.prefix;
	bool ok = redis && warm_ups_read(&start->engine.warm_ups, redis, prefix) &&
		  learned_read(&start->engine.learned, redis, prefix, wall_ms()) &&
		  trusted_read(&start->engine.trusted, redis, prefix, wall_ms());

	start->engine.sts = ok ? sts_start() : NULL;
	ok = ok && start->engine.sts && sts_read(start->engine.sts, redis, prefix);

	if (redis && !ok)
		redis_sync_why(redis, NULL, why);
	if (redis)
		redisFree(redis);
	return ok || start_failed(start, 3,
				  "reading what was learned of receivers, and what young sources have sent today", why);
}

void start_reporter(struct start *start)
{
	start->reporter = reporter_start(&start->engine.redis, start->engine.config);
}

bool start_intake(struct start *start)
{
	start->intake =
		intake_start(start->engine.config, &start->engine.redis, start->engine.instance, &start->engine.stats);
	return start->intake != NULL;
}

bool start_event_log(struct start *start)
{
	const struct config *config = start->engine.config;
	struct event_log_setup setup = {
		.server = start->engine.redis,
		.prefix = config->redis.prefix,
		.path = config->events.log,
		.state_path = state_path(start->state),
	};
	char why[RING_WHY_MAX];

	if (setup.path.len == 0)
		return true;
	start->event_log = event_log_start(&setup, why);
	return start->event_log || start_failed(start, 1, "starting the event log", why);
}

void start_undo(struct start *start)
{
	if (start->intake)
		intake_stop(start->intake);
	reporter_stop(start->reporter);
	event_log_stop(start->event_log);
	if (start->engine.keeper)
		keeper_stop(start->engine.keeper);
	controls_free(start->engine.controls);
	directory_free(start->engine.directory);
	if (start->server)
		server_stop(start->server);
	if (start->state)
		state_close(start->state);
	axes_free(&start->engine.axes);
	commons_free(&start->engine.commons);
	warm_ups_free(&start->engine.warm_ups);
	learned_free(&start->engine.learned);
	trusted_free(&start->engine.trusted);
	sts_free(start->engine.sts);
	outbuf_free(&start->begun);
}
