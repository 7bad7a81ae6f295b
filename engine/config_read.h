/* Between reading the values and using them: what config_read.c and config_check.c share. */
#pragma once

#include "config_lint.h"

struct config_reading {
	struct config *config;
	const char *path; /* borrowed; NULL: there is no file */
	struct config_text text;
	struct config_problems problems;
	const struct config_place *written[128]; /* by key, of the sections that are there once: where it was given */
};

/* What can only be told when all is read: names that must exist, files with secrets, limits that contradict each other;
 * and what is worked out from the machine (cores, host name, resolvers). */
void config_check(struct config_reading *reading);
/* A problem with the value of a key in a section that is there once ("redis", "server"). */
void config_problem_at(struct config_reading *reading, const struct config_place *place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
