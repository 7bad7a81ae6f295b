/* Three passes. Every key by itself (job_keys.c); then what must agree (a message and only one, times in order, sender
 * and pool the tenant's); then the recipients. The tree is given back at the end: a struct job is a tenth of it, and
 * several large ones wait for their turn at a time. */
#include "queue/job_keys.h"

#include "queue/time.h"

#include <limits.h>
#include <stdio.h>

enum { HEADERS_BYTES_MAX = 16384, TTL_S_DEFAULT = 30 * 86400 };

#define DAY_MS		    86400000ULL
#define NOT_BEFORE_MS_MAX   (90 * DAY_MS)
#define EXPIRES_MS_MAX	    (366 * DAY_MS)
#define EXPIRES_AFTER_MS    (5 * DAY_MS)
#define BYTES_MAX	    ((size_t)8 << 20)
#define MESSAGE_BYTES_MAX   ((size_t)25 << 20)
#define VARIABLES_BYTES_MAX ((size_t)16 << 10)

/* What the configuration allows. */
static bool check_rights(struct job_reading *reading)
{
	const struct rights *rights = &reading->limits.rights;
	struct job *job = reading->job;

	if (!rights_check(rights, job->tenant, job->pool, reading->refusal))
		return false;
	if (rights_pool_is_own(rights, job->tenant, job->pool))
		job->pool = SLICE(""); /* it needs no lists of its own */
	if (!job->store.len && !rights_sender(rights_tenant(rights, job->tenant), job->from))
		return refuse(reading->refusal, "E_SENDER", "from", "tenant \"%.*s\" may not send as \"%.*s\"",
			      SLICE_ARG(job->tenant), SLICE_ARG(job->from));
	return true;
}

static bool check_message(struct job_reading *reading)
{
	const struct job *job = reading->job;
	bool has_raw = reading->raw.ptr != NULL;

	if (!has_raw && !reading->has_message)
		return refuse(reading->refusal, "E_NO_MESSAGE", "message",
			      "there is neither a \"message\" in the job nor a raw message beside it");
	if (has_raw && reading->has_message)
		return refuse(reading->refusal, "E_TWO_MESSAGES", "message",
			      "there is a raw message beside the job too: send one of the two");
	if (job->merge && !has_raw)
		return refuse(reading->refusal, "E_MERGE", "merge",
			      "is for raw messages; a message object or a stored one is filled anyway");
	if (has_raw && reading->raw.len == 0)
		return refuse(reading->refusal, "E_EMPTY", "raw", "the raw message is empty");
	if (reading->raw.len > reading->limits.message_bytes_max)
		return refuse(reading->refusal, "E_TOO_BIG", "raw",
			      "the message has %zu bytes, at most %zu are allowed", reading->raw.len,
			      reading->limits.message_bytes_max);
	return true;
}

/* A job that stores stores, and one that sends sends. */
static bool check_purpose(struct job_reading *reading)
{
	const struct job *job = reading->job;

	if (job->store.len && reading->to)
		return refuse(reading->refusal, "E_STORE", "store",
			      "a job with \"to\" sends: store the message in one without");
	if (job->store.len && job->message_kind != JOB_RAW && job->message_kind != JOB_OBJECT)
		return refuse(reading->refusal, "E_STORE", "message",
			      "what is to be stored must be here: an object, or raw");
	if (reading->has_ttl && !job->store.len)
		return refuse(reading->refusal, "E_STORE", "ttl", "is for jobs with \"store\"");
	if (job->store.len)
		return true;
	if (!reading->has_from)
		return refuse(reading->refusal, "E_REQUIRED", "from",
			      "is missing: expected the envelope sender, \"\" for none");
	if (!reading->to)
		return refuse(reading->refusal, "E_NO_RECIPIENTS", "to", "is missing: expected an array of recipients");
	return true;
}

static uint64_t start_of(uint64_t not_before_ms, const struct job_origin *origin)
{
	return not_before_ms > origin->submitted_ms ? not_before_ms : origin->submitted_ms;
}

/* One pair of times, of the job or of a recipient; 0 where it does not say. */
static bool check_times(const char *prefix, uint64_t not_before_ms, uint64_t expires_ms,
			const struct job_origin *origin, struct refusal *refusal)
{
	char field[64], at[TIME_TEXT_MAX], than[TIME_TEXT_MAX];
	uint64_t submitted_ms = origin->submitted_ms, start = start_of(not_before_ms, origin);

	snprintf(field, sizeof(field), "%snot_before", prefix);
	if (not_before_ms > submitted_ms + NOT_BEFORE_MS_MAX)
		return refuse(refusal, "E_RANGE", field, "%.*s is more than 90 days after submission (%.*s)",
			      SLICE_ARG(time_text(not_before_ms, at)), SLICE_ARG(time_text(submitted_ms, than)));
	snprintf(field, sizeof(field), "%sexpires", prefix);
	if (expires_ms && expires_ms <= start)
		return refuse(
			refusal, "E_RANGE", field, "%.*s is not after %s (%.*s)", SLICE_ARG(time_text(expires_ms, at)),
			start == submitted_ms ? "the submission" : "not_before", SLICE_ARG(time_text(start, than)));
	if (expires_ms > start + EXPIRES_MS_MAX)
		return refuse(refusal, "E_RANGE", field, "%.*s is more than a year ahead",
			      SLICE_ARG(time_text(expires_ms, at)));
	return true;
}

/* Its times, from the job where it does not say. One that starts later than the job would by default end with it gets
 * the same time from its own start. */
static bool settle_times(const struct job_reading *reading, struct addressee *recipient, const char *prefix,
			 struct refusal *refusal)
{
	const struct job *job = reading->job;

	recipient->has_expires = recipient->expires_ms || reading->has_expires;
	if (!recipient->not_before_ms)
		recipient->not_before_ms = job->not_before_ms;
	else if (!recipient->expires_ms && !reading->has_expires)
		recipient->expires_ms = recipient->not_before_ms + reading->limits.expires_after_ms;
	if (!recipient->expires_ms)
		recipient->expires_ms = job->expires_ms;
	return check_times(prefix, recipient->not_before_ms, recipient->expires_ms, reading->origin, refusal);
}

/* What a recipient may have in this job only. */
static void check_recipient(struct job_reading *reading, struct addressee *recipient)
{
	const struct job *job = reading->job;
	const struct rights_tenant *tenant = rights_tenant(&reading->limits.rights, job->tenant);
	struct refusal refusal;
	char field[48];

	snprintf(field, sizeof(field), "to[%u].", recipient->index);
	bool good = settle_times(reading, recipient, field, &refusal);

	if (good && recipient->has_from && !reading->origin->begun && !rights_sender(tenant, recipient->from)) {
		snprintf(field, sizeof(field), "to[%u].from", recipient->index);
		good = refuse(&refusal, "E_SENDER", field, "tenant \"%.*s\" may not send as \"%.*s\"",
			      SLICE_ARG(job->tenant), SLICE_ARG(recipient->from));
	}
	if (!good)
		addressee_refuse(recipient, &refusal, &reading->job->arena);
}

static void read_recipients(struct job_reading *reading)
{
	struct job *job = reading->job;
	struct map addresses = {0};
	struct addressee_limits limits = {.variables_bytes_max = reading->limits.variables_bytes_max,
					  .tags_bytes_max = TAGS_BYTES_MAX,
					  .headers_bytes_max = HEADERS_BYTES_MAX};
	size_t count = json_array_size(reading->to);

	job->recipients = arena_alloc(&job->arena, count * sizeof(*job->recipients));
	for (size_t i = 0; i < count; i++) {
		struct addressee *recipient = &job->recipients[job->nrecipients];

		if (addressee_read(recipient, json_array_get(reading->to, i), (uint32_t)i, &limits, &job->arena,
				   &reading->scratch))
			check_recipient(reading, recipient);
		if (!recipient->refusal && job->dedupe) {
			if (map_find(&addresses, recipient->address))
				continue;
			map_add_far(&addresses, &recipient->node, recipient->address);
		}
		job->nrecipients++;
		job->nrefused += recipient->refusal != NULL;
	}
	map_free(&addresses);
}

/* One bad recipient refuses the job, in its own words, unless the good ones shall go. */
static bool check_recipients(struct job_reading *reading)
{
	const struct job *job = reading->job;

	if (job->nrefused == 0 || job->partial || reading->origin->begun)
		return true;
	for (unsigned i = 0; i < job->nrecipients; i++)
		if (job->recipients[i].refusal) {
			*reading->refusal = *job->recipients[i].refusal;
			break;
		}
	return false;
}

static bool read_all(struct job_reading *reading)
{
	struct job *job = reading->job;

	if (!job_read_keys(reading) || !check_purpose(reading))
		return false;
	if (!check_times("", job->not_before_ms, job->expires_ms, reading->origin, reading->refusal))
		return false;
	if (!reading->origin->begun && !check_rights(reading))
		return false;
	if (!check_message(reading))
		return false;
	if (!job->expires_ms)
		job->expires_ms = start_of(job->not_before_ms, reading->origin) + reading->limits.expires_after_ms;
	read_recipients(reading);
	return check_recipients(reading);
}

/* What was accepted once is within any limit. */
static struct job_limits with_defaults(const struct job_limits *limits, bool begun)
{
	struct job_limits full = *limits;

	if (begun) {
		full.bytes_max = full.message_bytes_max = full.variables_bytes_max = SIZE_MAX;
		full.recipients_max = UINT_MAX;
	}
	full.bytes_max = full.bytes_max ? full.bytes_max : BYTES_MAX;
	full.recipients_max = full.recipients_max ? full.recipients_max : 10000;
	full.message_bytes_max = full.message_bytes_max ? full.message_bytes_max : MESSAGE_BYTES_MAX;
	full.variables_bytes_max = full.variables_bytes_max ? full.variables_bytes_max : VARIABLES_BYTES_MAX;
	full.expires_after_ms = full.expires_after_ms ? full.expires_after_ms : EXPIRES_AFTER_MS;
	return full;
}

bool job_read(struct job *job, struct slice text, struct slice raw, const struct job_limits *limits,
	      const struct job_origin *origin, struct refusal *refusal)
{
	struct job_reading reading = {.job = job,
				      .limits = with_defaults(limits, origin->begun),
				      .origin = origin,
				      .raw = raw,
				      .refusal = refusal};

	*job = (struct job){.ttl_s = TTL_S_DEFAULT, .transactional = origin->transactional};
	job->id = job->from = job->campaign = job->pool = job->message = job->store = job->tags = job->vars = SLICE("");
	job->vars_pack = SLICE("");
	job->tenant = origin->tenant.len ? arena_copy(&job->arena, origin->tenant) : SLICE("");
	json_t *root = document_read(text, reading.limits.bytes_max, refusal);

	if (!root)
		return false;
	reading.root = root;
	bool good = read_all(&reading);

	json_decref(root);
	outbuf_free(&reading.scratch);
	return good;
}

void job_free(struct job *job)
{
	arena_free(&job->arena);
	*job = (struct job){0};
}

void job_refusals_json(struct outbuf *out, const struct job *job, unsigned max)
{
	const char *before = "[";

	for (unsigned i = 0; i < job->nrecipients && max; i++) {
		if (!job->recipients[i].refusal)
			continue;
		outbuf_add(out, slice_of(before));
		refusal_json(out, job->recipients[i].refusal);
		before = ",";
		max--;
	}
	outbuf_add(out, *before == '[' ? SLICE("[]") : SLICE("]"));
}
