/* Between reading the values and using them: what config_read.c and config_check.c share. */
#pragma once

#include "config_lint.h"

struct config_reading {
	struct config *config;
	const char *path; /* borrowed; NULL: there is no file */
	struct config_text text;
	struct config_problems problems;
	const struct config_place *written[256]; /* by key, of the sections that are there once: where it was given */
};

/* What can only be told when all is read: names that must exist, files with secrets, limits that contradict each other;
 * and what is worked out from the machine (cores, host name, resolvers). */
void config_check(struct config_reading *reading);
/* The built-in sites behind the configured ones, and all of them ready to be looked up (config_sites.c). */
void config_add_sites(struct config_reading *reading);
/* The relays, and which of them a domain means (config_relays.c). */
void config_check_relays(struct config_reading *reading);
/* The first line of a file that only its owner and group may read. SLICE_NONE, and a problem, if it is not so. */
struct slice config_secret(struct config_reading *reading, struct slice name, const struct config_place *place);
/* Letters, digits, - and _ in labels, with dots between. */
bool config_is_domain(struct slice name);
/* At most 64 letters, digits, - _ and dots: what is part of a name in Redis or of a site's. */
bool config_is_plain_name(struct slice name);
/* The limits of a relay, whatever the domain. */
struct limits config_relay_limits(const struct config *config, const struct config_relay *relay);
/* Its part about limits (config_check_limits.c). */
void config_check_limits(struct config_reading *reading);
/* A problem if there is no pool of that name ("": none is named). */
void config_check_pool(struct config_reading *reading, struct slice pool, const struct config_place *place);
/* Where a key of a section that is there once was written; NULL: nowhere. */
const struct config_place *config_written(const struct config_reading *reading, enum config_section section,
					  const char *name);
/* The rules as the engine asks them, with their patterns compiled; and their end. */
void config_read_local_rules(struct config_reading *reading);
void config_free_local_rules(struct config *config);
/* A problem with the value of a key in a section that is there once ("redis", "server"). */
void config_problem_at(struct config_reading *reading, const struct config_place *place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
