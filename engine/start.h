/* Starting and stopping: the steps between the command line and running workers, each undone in reverse.
 *
 *     struct start start = {.config = config};
 *     if (start_redis(&start) && start_keeper(&start) ...) */
#pragma once

#include "engine.h"

#include "queue/desk.h"
#include "queue/server.h"
#include "queue/state.h"

struct event_log;
struct intake;
struct reporter;

struct start {
	struct engine engine;
	struct state *state;   /* owned, like what follows; NULL: not reached */
	struct server *server; /* NULL: Redis is somebody else's */
	struct intake *intake;
	struct event_log *event_log; /* NULL: none is configured */
	struct reporter *reporter;
	struct outbuf begun; /* what the last run had under way, and which run that was */
	uint64_t begun_epoch;
	struct desk_owner desk;	    /* borrowed by the keeper, too */
	struct keeper_setup keeper; /* borrowed by the keeper for its life */
	int exit_status;	    /* of a failed start: 1, 2 or 3 */
};

/* The state directory, locked; Redis, started if it is ours; its promise told and held against `require`; the functions
 * loaded. False, with lines in the log and exit_status set, when one of them does not work. */
bool start_redis(struct start *start, struct config *config);
/* Holds the shard: waits as a standby as long as another engine does and wanted() says true. */
bool start_keeper(struct start *start, bool (*wanted)(void));
/* What was learned of receivers, and what sources that are warmed up have sent today. */
bool start_memory(struct start *start);
/* Who reports on TLS, once the configuration says in whose name. */
void start_reporter(struct start *start);
bool start_intake(struct start *start);
/* The event log, if there is to be one. */
bool start_event_log(struct start *start);
/* Stops whatever was started: intake, event log, keeper, the embedded Redis, the lock. Workers must be gone. */
void start_undo(struct start *start);
