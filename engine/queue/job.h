/* A job as it was handed in: JSON text and perhaps a raw message, read and checked (CONTRACT.md, "Submitting").
 *
 *     struct job job;
 *     struct refusal refusal;
 *     if (!job_read(&job, text, raw, &limits, &origin, &refusal)) reject(job.tenant, job.id, &refusal, &job);
 *     ...
 *     job_free(&job);      always, also after a refusal
 *
 * Pure: the same bytes give the same answer, and time is an argument. A refusal names one place; with several bad
 * recipients the others are found in job.recipients. What a message or a variable may be is checked later, by whoever
 * compiles the message: here it is only known which message is meant. */
#pragma once

#include "queue/addressee.h"
#include "queue/rights.h"

enum { JOB_ID_MAX = 128, JOB_TENANT_MAX = 64, JOB_NAME_MAX = 128 };

/* Where one is 0, the contract's default holds. */
struct job_limits {
	size_t bytes_max;	    /* of the JSON text: 8 MB */
	unsigned recipients_max;    /* 10,000 */
	size_t message_bytes_max;   /* of raw: 25 MB */
	size_t variables_bytes_max; /* of one recipient, and of the job: 16 KB */
	uint64_t expires_after_ms;  /* of a job that does not say: 5 days */
	struct rights rights;
};

/* How it came. */
struct job_origin {
	struct slice tenant;   /* the stream belongs to this one; empty: the job says */
	bool transactional;    /* the stream is for transactional jobs */
	bool begun;	       /* it was accepted before: what the configuration allows now is not asked again */
	uint64_t submitted_ms; /* wall clock: times in the job are compared with this */
};

enum job_message { JOB_RAW, JOB_OBJECT, JOB_STORED, JOB_SHA };

struct job {
	struct arena arena; /* owns what is below */
	struct slice id;    /* empty: the entry's */
	struct slice from, tenant, campaign, pool;
	struct slice tags; /* JSON object, or empty */
	struct slice vars; /* JSON object, or empty */
	struct slice vars_pack;
	bool transactional, partial, dedupe, merge;
	bool require_tls; /* every host on the way is to be known, and to ask the same of the next (RFC 8689) */
	enum job_message message_kind;
	struct slice message; /* RAW: empty; OBJECT: its JSON; STORED: the name; SHA: 64 hex digits */
	struct slice store;   /* the name to store the message under; then there are no recipients */
	uint64_t ttl_s;
	uint64_t not_before_ms;	      /* 0: at once */
	uint64_t expires_ms;	      /* always set */
	struct addressee *recipients; /* without those that "dedupe" removed; their times are set, the job's where
					 they had none */
	unsigned nrecipients, nrefused;
};

/* False and the refusal when the job as a whole cannot be taken; job.id and job.tenant are set as far as they were
 * understood. raw.ptr is NULL when there is none. Nothing of text or raw is borrowed afterwards. */
bool job_read(struct job *job, struct slice text, struct slice raw, const struct job_limits *limits,
	      const struct job_origin *origin, struct refusal *refusal);
void job_free(struct job *job);
/* The refusals of recipients as a JSON list, at most max of them. */
void job_refusals_json(struct outbuf *out, const struct job *job, unsigned max);
