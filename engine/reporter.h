/* The reporter: once a day, for each domain that wants to know, what came of TLS with its hosts (RFC 8460). What was
 * counted is in Redis (tls_tally.h); the report goes there too, as a job of our own.
 *
 *     reporter = reporter_start(&setup);
 *     reporter_stop(reporter);
 *
 * A thread with a connection of its own. The reports of a day go within four hours of its end (UTC), at a moment that
 * depends on our name; those of a day when no engine ran then go late, up to a week. What was counted is forgotten
 * when its report is a job; the job's id is made of day and domain, so that one that is asked for twice is one. Not
 * yet: places that are no mail addresses (https:). */
#pragma once

#include "queue/redis.h"

struct reporter;

/* Borrowed for the life of the reporter. */
struct reporter_setup {
	struct redis_server server;
	struct slice prefix, hostname;
	struct slice sender; /* of the reports */
};

struct reporter *reporter_start(const struct reporter_setup *setup);
/* NULL is allowed. */
void reporter_stop(struct reporter *reporter);
