/* The engine: the threads of `hikyaku run` and what they share.
 *
 * One worker a core, each with a ring of its own; a thread that takes jobs in (intake), and one that keeps the shard in
 * Redis (keeper). They share this structure, which is written before they start, and counters. */
#pragma once

#include "axes.h"
#include "config.h"
#include "learned.h"
#include "trusted.h"
#include "warm_ups.h"

#include "base/stat.h"
#include "queue/keeper.h"
#include "scheduler/common.h"

#include <pthread.h>

enum { WORKERS_MAX = 64 };

struct sts;
struct worker;

struct engine {
	const struct config *config; /* at the start; workers hold the current one */
	struct stats stats;
	struct axes axes;
	struct commons commons; /* limits of sites, over all workers */
	struct warm_ups warm_ups;
	struct learned learned;
	struct trusted trusted; /* read at the start */
	struct keeper *keeper;
	struct controls *controls;   /* NULL: nobody controls (tests/sim) */
	struct directory *directory; /* NULL: nobody asks for it */
	struct sts *sts;	     /* NULL: no MTA-STS */
	struct slice instance;
	const char *state_path;
	uint64_t epoch;
	struct redis_server redis;
	unsigned nworkers;
	struct worker *workers[WORKERS_MAX];
	pthread_barrier_t together; /* no worker wakes another before all rings are open */
};

/* The foreground engine: returns its exit status (CONTRACT.md: 0 after a drain, 1, 2, 3). path is what -c said, to read
 * again on SIGHUP. Takes the configuration over. */
int engine_run(struct config *config, const char *path);
