/* The keys of a job, each by itself: the first half of job_read, for job.c only. */
#pragma once

#include "queue/job.h"

enum { TAGS_BYTES_MAX = 4096 };

struct job_reading {
	struct job *job;
	struct job_limits limits; /* defaults filled in */
	const struct job_origin *origin;
	const json_t *root, *to; /* borrowed; to is NULL when there is none */
	struct slice raw;
	bool has_from, has_message, has_expires, has_ttl;
	struct outbuf scratch;
	struct refusal *refusal;
};

/* Fills in reading->job and what was there. False, and the refusal, at the first key that is wrong. */
bool job_read_keys(struct job_reading *reading);
