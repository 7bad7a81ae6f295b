/* The reporter: once a day, for each domain that wants to know, what came of TLS with its hosts (RFC 8460). What was
 * counted is in Redis (tls_tally.h); the report goes there too, as a job of our own, or is posted by HTTPS.
 *
 *     reporter = reporter_start(&redis, config);
 *     reporter_configure(reporter, other);          read again; who sends the reports, if anybody does, is in it
 *     reporter_stop(reporter);
 *
 * A thread with a connection of its own. The reports of a day go within four hours of its end (UTC), at a moment that
 * depends on our name; those of a day when no engine ran then go late, up to a week. What was counted is forgotten
 * when its report is a job, and was posted wherever it had to be; the job's id is made of day and domain, so that one
 * that is asked for twice is one. A post that fails is tried again for a day. */
#pragma once

#include "queue/redis.h"

struct config;
struct reporter;

/* Configurations are borrowed for the life of the reporter; Redis is what it is in the first. */
struct reporter *reporter_start(const struct redis_server *server, const struct config *config);
void reporter_configure(struct reporter *reporter, const struct config *config);
/* NULL is allowed. */
void reporter_stop(struct reporter *reporter);
