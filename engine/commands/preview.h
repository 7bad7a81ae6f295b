/* A preview: the mail that a job would become, for `submit --dry-run`. It goes the way of a job through intake and
 * composing, with the same functions, and stops where the engine would connect: what is refused here would be refused
 * there. */
#pragma once

#include "base/slice.h"

/* What the configuration has to say about it; borrowed. */
struct preview_setup {
	struct slice hostname;
	const struct slice *pools; /* their names */
	unsigned npools, recipients_max;
	uint64_t message_bytes_max, variables_bytes_max, expires_after_ms;
};

/* Prints the first recipient's mail to stdout, its envelope to stderr. raw.ptr is NULL when there is none. EXIT_DONE,
 * or EXIT_FAILED with what is wrong said. */
int preview_job(struct slice job, struct slice raw, const struct preview_setup *setup);
