/* The main thread of `run`: it starts everything, then waits for signals and for the workers' end.
 *
 * SIGTERM and SIGINT drain (a second one ends at once), SIGHUP reads the configuration again, SIGUSR1 opens the log
 * again. Signals are blocked in every thread and taken here by sigtimedwait, so no handler ever runs. */
#include "engine.h"

#include "controls.h"
#include "event_log.h"
#include "intake.h"
#include "reporter.h"
#include "start.h"
#include "sts.h"
#include "worker.h"

#include "base/check.h"
#include "base/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { GRACE_MS = 30000, LOOK_MS = 200 };

static void *worker_thread(void *argument)
{
	struct worker *worker = argument;
	bool ok = worker_run(worker);

	atomic_store(&worker->is_over, true);
	return ok ? worker : NULL;
}

static bool stop_wanted; /* a signal came before the workers ran */

/* Those the engine heeds. */
static sigset_t heeded(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	return set;
}

static int next_signal(unsigned wait_ms)
{
	struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000l};
	sigset_t set = heeded();

	return sigtimedwait(&set, NULL, &wait);
}

static void block_signals(void)
{
	sigset_t set = heeded();

	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* While we stand by, a signal to stop is honoured. */
static bool is_wanted(void)
{
	int signal = next_signal(1);

	if (signal == SIGTERM || signal == SIGINT)
		stop_wanted = true;
	return !stop_wanted;
}

struct running {
	struct start start;
	struct worker workers[WORKERS_MAX];
	pthread_t threads[WORKERS_MAX];
	struct ring *ring;	  /* owned: to wake the workers from this thread */
	const char *path;	  /* borrowed: of the configuration */
	unsigned stops;		  /* SIGTERMs */
	struct config **reloaded; /* owned: configurations read since the start */
	unsigned nreloaded;
	bool failed;
};

static bool workers_start(struct running *running)
{
	struct engine *engine = &running->start.engine;
	char why[RING_WHY_MAX];

	if (ring_open(&running->ring, &(struct ring_setup){.sockets = 1, .buffers = 2, .buffer_size = 64}, why) < 0) {
		log_error("starting: %s", why);
		return false;
	}
	for (unsigned i = 0; i < engine->nworkers; i++) {
		struct worker *worker = &running->workers[i];

		*worker = (struct worker){
			.number = i, .engine = engine, .config = engine->config, .stats = &engine->stats};
		engine->workers[i] = worker;
	}
	controls_followed(engine->controls, engine->nworkers);
	pthread_barrier_init(&engine->together, NULL, engine->nworkers + 1);
	for (unsigned i = 0; i < engine->nworkers; i++)
		CHECK(pthread_create(&running->threads[i], NULL, worker_thread, &running->workers[i]) == 0);
	pthread_barrier_wait(&engine->together); /* every ring is open, or has failed */
	return true;
}

static void workers_drain(struct running *running, uint64_t grace_ms)
{
	for (unsigned i = 0; i < running->start.engine.nworkers; i++)
		if (atomic_load(&running->workers[i].is_running))
			worker_drain(&running->workers[i], running->ring, grace_ms);
	ring_turn(running->ring, 0);
}

static void stop(struct running *running)
{
	running->stops++;
	if (running->stops == 1)
		log_info("stopping: what is in dialogue may finish, at most %d s; a second signal ends at once",
			 GRACE_MS / 1000);
	workers_drain(running, running->stops == 1 ? GRACE_MS : 0);
}

/* Older configurations stay: lanes and connections point into them, and a reload is rare. */
static void reload(struct running *running)
{
	struct outbuf problems = {0};
	struct config *config = config_read(running->path, &problems);

	if (problems.len)
		log_warning("reading the configuration again:\n%.*s", SLICE_ARG(outbuf_slice(&problems)));
	outbuf_free(&problems);
	if (!config) {
		log_error("the configuration has errors; the one in force stays");
		return;
	}
	running->reloaded = realloc(running->reloaded, (running->nreloaded + 1) * sizeof(struct config *));
	CHECK(running->reloaded != NULL);
	running->reloaded[running->nreloaded++] = config;
	axes_follow(&running->start.engine.axes, config);
	for (unsigned i = 0; i < running->start.engine.nworkers; i++)
		if (atomic_load(&running->workers[i].is_running))
			worker_configure(&running->workers[i], running->ring, config);
	ring_turn(running->ring, 0);
	intake_configure(running->start.intake, config);
	reporter_configure(running->start.reporter, config);
	log_info("the configuration was read again");
}

static bool all_over(const struct running *running)
{
	for (unsigned i = 0; i < running->start.engine.nworkers; i++)
		if (!atomic_load(&running->workers[i].is_over))
			return false;
	return true;
}

static bool any_over(const struct running *running)
{
	for (unsigned i = 0; i < running->start.engine.nworkers; i++)
		if (atomic_load(&running->workers[i].is_over))
			return true;
	return false;
}

static void heed_signal(struct running *running, int signal)
{
	if (signal == SIGTERM || signal == SIGINT)
		stop(running);
	else if (signal == SIGHUP)
		reload(running);
	else if (signal == SIGUSR1) {
		log_reopen();
		event_log_reopen(running->start.event_log);
	}
}

static void watch(struct running *running)
{
	struct engine *engine = &running->start.engine;

	while (!all_over(running)) {
		heed_signal(running, next_signal(LOOK_MS));
		if (keeper_is_fenced(engine->keeper) && !running->failed) {
			log_error("another engine has taken the queue over; this one ends without sending more");
			running->failed = true;
			workers_drain(running, 0);
		}
		if (!running->stops && !running->failed && any_over(running)) {
			log_error("a worker has ended; the engine stops");
			running->failed = true;
			workers_drain(running, GRACE_MS);
		}
	}
}

static int run(struct running *running, struct config *config)
{
	if (!start_redis(&running->start, config))
		return running->start.exit_status;
	if (!start_keeper(&running->start, is_wanted))
		return 0;
	if (!start_event_log(&running->start) || !start_memory(&running->start))
		return running->start.exit_status;
	start_reporter(&running->start);
	running->start.engine.nworkers = config->workers < WORKERS_MAX ? config->workers : WORKERS_MAX;
	if (!workers_start(running))
		return 1;
	if (!start_intake(&running->start)) {
		running->failed = true;
		workers_drain(running, 0);
	}
	log_info("running: %u worker%s, queue %.*s", running->start.engine.nworkers,
		 running->start.engine.nworkers == 1 ? "" : "s", SLICE_ARG(config->redis.prefix));
	if (config->divert == DIVERT_DISCARD)
		log_warning("nothing leaves this machine: divert = \"discard\"%s",
			    config->is_default ? ", because there is no configuration file" : "");
	watch(running);
	for (unsigned i = 0; i < running->start.engine.nworkers; i++)
		pthread_join(running->threads[i], NULL);
	sts_stop(running->start.engine.sts);
	for (unsigned i = 0; i < running->start.engine.nworkers; i++)
		worker_close(&running->workers[i]); /* only now: no worker sends letters to another any more */
	return running->failed ? 1 : 0;
}

int engine_run(struct config *config, const char *path)
{
	struct running *running = calloc(1, sizeof(*running));
	int status;

	CHECK(running != NULL);
	running->path = path;
	block_signals();
	status = run(running, config);
	start_undo(&running->start);
	if (running->ring)
		ring_free(running->ring);
	for (unsigned i = 0; i < running->nreloaded; i++)
		config_free(running->reloaded[i]);
	free(running->reloaded);
	free(running);
	config_free(config);
	return status;
}
