/* Intake: the way of a job into the queue (QUEUE.md, "Intake"). Reads the job streams, checks every job, and has its
 * recipients queued, in threads of its own.
 *
 *     struct intake *intake = intake_start(config, &redis, instance, &stats);
 *     intake_configure(intake, new_config);     any time; what it needs is copied
 *     intake_stop(intake);                      the step at hand is finished, the rest stays pending in Redis
 *
 * The functions of queue.lua must be loaded by somebody else; until then, and while Redis is away or full, jobs wait in
 * their streams. Two engines may take jobs in at once. */
#pragma once

#include "config.h"

#include "base/stat.h"
#include "queue/redis.h"

struct intake;

/* server's texts and instance are borrowed until intake_stop; config during the call only. NULL, and a line in the log,
 * when there can be no thread. */
struct intake *intake_start(const struct config *config, const struct redis_server *server, struct slice instance,
			    struct stats *stats);
void intake_configure(struct intake *intake, const struct config *config);
void intake_stop(struct intake *intake);
