/* A table of keys with a function each. Each looks at its own value only. */
#include "queue/job_keys.h"

#include "queue/variables.h"

#include <string.h>

enum { CAMPAIGN_MAX = 128, POOL_MAX = 64 };
enum { TTL_S_MIN = 60, TTL_S_MAX = 366 * 86400 };

static bool has_only(struct slice text, const char *others, bool printable)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!alphanumeric && !(printable ? c > ' ' && c <= '~' : c && strchr(others, c)))
			return false;
	}
	return true;
}

/* A name of printable ASCII without blanks, not empty. */
static bool read_word(struct job_reading *reading, const json_t *value, const char *field, size_t max,
		      struct slice *word)
{
	struct slice text;

	if (!document_text(value, field, max, &text, reading->refusal))
		return false;
	if (text.len == 0 || !has_only(text, "", true))
		return refuse(reading->refusal, "E_NAME", field,
			      "expected 1 to %zu printable ASCII characters without blanks", max);
	*word = arena_copy(&reading->job->arena, text);
	return true;
}

static bool read_id(struct job_reading *reading, const json_t *value)
{
	return read_word(reading, value, "id", JOB_ID_MAX, &reading->job->id);
}

static bool read_from(struct job_reading *reading, const json_t *value)
{
	reading->has_from = true;
	return sender_read(value, "from", &reading->job->from, &reading->job->arena, reading->refusal);
}

static bool read_to(struct job_reading *reading, const json_t *value)
{
	reading->to = value;
	if (!json_is_array(value))
		return refuse(reading->refusal, "E_TYPE", "to", "expected an array of recipients, found %s",
			      document_kind(value));
	if (json_array_size(value) == 0)
		return refuse(reading->refusal, "E_NO_RECIPIENTS", "to", "has no recipients");
	if (json_array_size(value) > reading->limits.recipients_max)
		return refuse(reading->refusal, "E_TOO_MANY", "to",
			      "has %zu recipients, at most %u are allowed in a job: split it", json_array_size(value),
			      reading->limits.recipients_max);
	return true;
}

/* A stored message's name, or "sha256:" and its digest. */
static bool read_message_name(struct job_reading *reading, const json_t *value)
{
	struct job *job = reading->job;

	if (!read_word(reading, value, "message", JOB_NAME_MAX, &job->message))
		return false;
	job->message_kind = JOB_STORED;
	if (!slice_starts(job->message, SLICE("sha256:")))
		return true;
	job->message_kind = JOB_SHA;
	job->message = slice_skip(job->message, 7);
	if (job->message.len == 64 && strspn(job->message.ptr, "0123456789abcdef") == 64)
		return true;
	return refuse(reading->refusal, "E_NAME", "message", "expected sha256: and 64 small hexadecimal digits");
}

static bool read_message(struct job_reading *reading, const json_t *value)
{
	reading->has_message = true;
	if (json_is_string(value))
		return read_message_name(reading, value);
	if (!json_is_object(value))
		return refuse(reading->refusal, "E_TYPE", "message",
			      "expected an object, or the name of a stored message, found %s", document_kind(value));
	if (json_array_size(json_object_get(value, "attachments")))
		return refuse(reading->refusal, "E_NOT_YET", "message.attachments",
			      "attachments are not supported yet: compose the message yourself and submit it as raw");
	outbuf_reset(&reading->scratch);
	document_write(&reading->scratch, value);
	reading->job->message_kind = JOB_OBJECT;
	reading->job->message = arena_copy(&reading->job->arena, outbuf_slice(&reading->scratch));
	return true;
}

static bool read_vars(struct job_reading *reading, const json_t *value)
{
	struct job *job = reading->job;

	outbuf_reset(&reading->scratch);
	if (!variables_pack(value, "vars", reading->limits.variables_bytes_max, &reading->scratch, reading->refusal))
		return false;
	job->vars_pack = arena_copy(&job->arena, outbuf_slice(&reading->scratch));
	outbuf_reset(&reading->scratch);
	document_write(&reading->scratch, value);
	job->vars = arena_copy(&job->arena, outbuf_slice(&reading->scratch));
	return true;
}

static bool read_campaign(struct job_reading *reading, const json_t *value)
{
	struct slice text;

	if (!document_text(value, "campaign", CAMPAIGN_MAX, &text, reading->refusal))
		return false;
	reading->job->campaign = arena_copy(&reading->job->arena, text);
	return true;
}

static bool read_tenant(struct job_reading *reading, const json_t *value)
{
	struct slice text, forced = reading->origin->tenant;

	if (!document_text(value, "tenant", JOB_TENANT_MAX, &text, reading->refusal))
		return false;
	if (!has_only(text, "._-", false))
		return refuse(reading->refusal, "E_NAME", "tenant",
			      "expected letters, digits, \".\", \"_\" and \"-\" only");
	if (forced.len && text.len && !slice_is(text, forced))
		return refuse(reading->refusal, "E_TENANT", "tenant",
			      "this stream belongs to tenant \"%.*s\": leave it out", SLICE_ARG(forced));
	if (!forced.len)
		reading->job->tenant = arena_copy(&reading->job->arena, text);
	return true;
}

static bool read_class(struct job_reading *reading, const json_t *value)
{
	struct slice text;

	if (!document_text(value, "class", 32, &text, reading->refusal))
		return false;
	reading->job->transactional = slice_is(text, SLICE("transactional"));
	if (!reading->job->transactional && !slice_is(text, SLICE("bulk")))
		return refuse(reading->refusal, "E_RANGE", "class",
			      "expected \"bulk\" or \"transactional\", found \"%.*s\"", SLICE_ARG(text));
	if (!reading->job->transactional && reading->origin->transactional)
		return refuse(reading->refusal, "E_RANGE", "class",
			      "this stream takes transactional jobs only: submit bulk mail to the ordinary stream");
	return true;
}

static bool read_pool(struct job_reading *reading, const json_t *value)
{
	struct slice text;

	if (!document_text(value, "pool", POOL_MAX, &text, reading->refusal))
		return false;
	reading->job->pool = arena_copy(&reading->job->arena, text);
	return true;
}

static bool read_not_before(struct job_reading *reading, const json_t *value)
{
	return document_time(value, "not_before", &reading->job->not_before_ms, reading->refusal);
}

static bool read_expires(struct job_reading *reading, const json_t *value)
{
	reading->has_expires = true;
	return document_time(value, "expires", &reading->job->expires_ms, reading->refusal);
}

static bool read_tags(struct job_reading *reading, const json_t *value)
{
	outbuf_reset(&reading->scratch);
	if (!document_object(value, "tags", TAGS_BYTES_MAX, &reading->scratch, reading->refusal))
		return false;
	reading->job->tags = arena_copy(&reading->job->arena, outbuf_slice(&reading->scratch));
	return true;
}

static bool read_partial(struct job_reading *reading, const json_t *value)
{
	return document_flag(value, "partial", &reading->job->partial, reading->refusal);
}

static bool read_dedupe(struct job_reading *reading, const json_t *value)
{
	return document_flag(value, "dedupe", &reading->job->dedupe, reading->refusal);
}

static bool read_merge(struct job_reading *reading, const json_t *value)
{
	return document_flag(value, "merge", &reading->job->merge, reading->refusal);
}

static bool read_require_tls(struct job_reading *reading, const json_t *value)
{
	return document_flag(value, "require_tls", &reading->job->require_tls, reading->refusal);
}

static bool read_store(struct job_reading *reading, const json_t *value)
{
	if (!read_word(reading, value, "store", JOB_NAME_MAX, &reading->job->store))
		return false;
	if (slice_starts(reading->job->store, SLICE("sha256:")))
		return refuse(reading->refusal, "E_NAME", "store", "may not begin with sha256:, which names a content");
	return true;
}

static bool read_ttl(struct job_reading *reading, const json_t *value)
{
	long long ttl = json_integer_value(value);

	reading->has_ttl = true;
	if (!json_is_integer(value))
		return refuse(reading->refusal, "E_TYPE", "ttl", "expected a whole number of seconds, found %s",
			      document_kind(value));
	if (ttl < TTL_S_MIN || ttl > TTL_S_MAX)
		return refuse(reading->refusal, "E_RANGE", "ttl", "expected %d to %d seconds, found %lld", TTL_S_MIN,
			      TTL_S_MAX, ttl);
	reading->job->ttl_s = (uint64_t)ttl;
	return true;
}

/* Identity first: a refusal of anything further on can then be told to the right tenant, under the right id. */
static const struct {
	const char *name;
	bool (*read)(struct job_reading *reading, const json_t *value);
} keys[] = {
	{"id", read_id},
	{"tenant", read_tenant},
	{"from", read_from},
	{"to", read_to},
	{"message", read_message},
	{"vars", read_vars},
	{"campaign", read_campaign},
	{"class", read_class},
	{"pool", read_pool},
	{"not_before", read_not_before},
	{"expires", read_expires},
	{"tags", read_tags},
	{"partial", read_partial},
	{"dedupe", read_dedupe},
	{"merge", read_merge},
	{"require_tls", read_require_tls},
	{"store", read_store},
	{"ttl", read_ttl},
};
enum { NKEYS = sizeof(keys) / sizeof(keys[0]) };

static bool refuse_unknown(struct job_reading *reading, const char *key)
{
	const char *names[NKEYS];

	for (unsigned i = 0; i < NKEYS; i++)
		names[i] = keys[i].name;
	return document_unknown(key, key, names, NKEYS, reading->refusal);
}

bool job_read_keys(struct job_reading *reading)
{
	const char *key;
	json_t *value;

	for (unsigned i = 0; i < NKEYS; i++) {
		value = json_object_get(reading->root, keys[i].name);
		if (value && !keys[i].read(reading, value))
			return false;
	}
	json_object_foreach((json_t *)reading->root, key, value)
	{
		unsigned i = 0;

		while (i < NKEYS && strcmp(key, keys[i].name) != 0)
			i++;
		if (i == NKEYS)
			return refuse_unknown(reading, key);
	}
	return true;
}
