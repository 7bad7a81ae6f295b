/* Judging is done at once and without Redis as far as it can be.
 *
 * Two ids. A job without an id of its own has its entry's, which its submitter knows. Entries of two streams can have
 * the same id in the same millisecond; the second then takes one with its stream's label behind it. That this is told
 * by CONFLICT is sure because such jobs' hash includes their entry. */
#include "arrival_judge.h"

#include "base/check.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOUR_S = 3600, BODY_GRACE_S = 7 * 86400 };

/* An entry's id says when it was submitted, if it is one that Redis gave. */
#define ID_LIKELY_MS (30ULL * 86400000)

static struct gate *gate_of(const struct arrival *arrival)
{
	return arrival->inlet->gate;
}

static struct slice raw_of(const struct arrival *arrival)
{
	return arrival->stored.len ? slice_skip(outbuf_slice(&arrival->stored), 1) : SLICE_NONE;
}

static uint64_t submitted_ms(const struct arrival *arrival)
{
	struct slice id = slice_of(arrival->id);
	uint64_t now_ms = gate_of(arrival)->wall_ms, ms;

	if (slice_number(slice_until(&id, '-'), UINT64_MAX, &ms) && ms <= now_ms && now_ms - ms < ID_LIKELY_MS)
		return ms;
	return now_ms;
}

void arrival_refused(struct arrival *arrival)
{
	log_debug("intake: refused entry %s of %s: %s at \"%s\": %s", arrival->id, LOG_TEXT(arrival->inlet->stream.key),
		  arrival->refusal.code, arrival->refusal.field, arrival->refusal.message);
	arrival->state = ARRIVAL_REJECT;
}

/* Its message cannot be had or used. A job that began answers for each recipient that is left. */
void arrival_message_refused(struct arrival *arrival)
{
	if (!arrival->begun) {
		arrival_refused(arrival);
		return;
	}
	for (unsigned i = 0; i < arrival->job.nrecipients; i++)
		addressee_refuse(&arrival->job.recipients[i], &arrival->refusal, &arrival->job.arena);
	arrival->state = ARRIVAL_BEGIN;
}

/* The bytes of the submission; a job without an id is like no other. */
static void hash_job(struct arrival *arrival)
{
	char lengths[64];
	struct slice raw = raw_of(arrival);
	int n = snprintf(lengths, sizeof(lengths), "%zu %zu %d ", arrival->text.len, raw.len, raw.ptr != NULL);
	const struct slice parts[] = {
		{lengths, (size_t)n},
		outbuf_slice(&arrival->text),
		raw,
		arrival->job.id.len ? SLICE_NONE : slice_of(arrival->entry),
	};

	digest_hex(arrival->hash, parts, 4);
}

void arrival_name_job(struct arrival *arrival)
{
	struct slice label = arrival->inlet->stream.label, id = slice_of(arrival->id);
	char room[sizeof(arrival->entry)];

	if (arrival->job.id.len) {
		id = arrival->job.id;
	} else if (arrival->other_id) {
		int n = snprintf(room, sizeof(room), "%s.%.*s", arrival->id,
				 SLICE_ARG(label.len ? label : SLICE("jobs")));

		id = arena_copy(&arrival->job.arena, (struct slice){room, (size_t)n});
	}
	arrival->admission.id = id;
}

uint64_t arrival_body_until_s(const struct arrival *arrival)
{
	const struct job *job = &arrival->job;
	uint64_t until_ms = job->store.len ? gate_of(arrival)->wall_ms + job->ttl_s * 1000 : job->expires_ms;

	for (unsigned i = 0; i < job->nrecipients; i++)
		if (job->recipients[i].expires_ms > until_ms)
			until_ms = job->recipients[i].expires_ms;
	/* Up to the hour: jobs of one campaign then agree, and the body is stored once an hour. */
	return (until_ms / 1000 + BODY_GRACE_S) / HOUR_S * HOUR_S + HOUR_S;
}

/* Its message is here: may its recipients have it? */
static void admit(struct arrival *arrival, struct shelf_message *found)
{
	struct gate *gate = gate_of(arrival);
	struct admission *admission = &arrival->admission;

	if (arrival->message)
		message_free(arrival->message);
	arrival->message = message_keep(found->message);
	admission->message = arrival->message;
	admission->hostname = gate->rules->hostname;
	if (!admission_check(admission, arrival->job.partial || arrival->begun, &arrival->refusal))
		arrival_refused(arrival);
	else
		arrival->state = found->stored_until_s >= arrival_body_until_s(arrival) ? ARRIVAL_BEGIN : ARRIVAL_KEEP;
	admission->hostname = SLICE_NONE; /* the rules may go before we do */
}

/* The stored form of its message, to be compiled unless it is on the shelf. */
void arrival_take(struct arrival *arrival, struct slice stored)
{
	struct gate *gate = gate_of(arrival);
	struct shelf_message *found = shelf_find(&gate->shelf, slice_of(arrival->sha));
	struct message_limits limits = {.bytes_max = arrival->begun ? SIZE_MAX : gate->rules->limits.message_bytes_max};
	struct mail_error error = {0};

	if (!found) {
		struct message *message = message_compile(stored, &limits, &error);

		if (!message) {
			refuse(&arrival->refusal, error.code, error.field, "%s", error.message);
			arrival_message_refused(arrival);
			return;
		}
		found = shelf_put(&gate->shelf, slice_of(arrival->sha), message, stored.len);
	}
	admit(arrival, found);
}

/* The body is known by its digest; perhaps it is on the shelf. */
void arrival_find(struct arrival *arrival)
{
	struct shelf_message *found = shelf_find(&gate_of(arrival)->shelf, slice_of(arrival->sha));

	arrival->state = ARRIVAL_FETCH;
	if (found)
		admit(arrival, found);
}

/* The job is read: where is its message? */
void arrival_route(struct arrival *arrival)
{
	struct job *job = &arrival->job;

	outbuf_free(&arrival->text); /* nobody reads it again */
	if (job->message_kind == JOB_STORED) {
		arrival->state = ARRIVAL_NAME;
		if (arrival->begun)
			arrival_find(arrival); /* with the digest it began with: the name may mean another by now */
		return;
	}
	if (job->message_kind == JOB_SHA) {
		snprintf(arrival->sha, sizeof(arrival->sha), "%.*s", SLICE_ARG(job->message));
		arrival_find(arrival);
		return;
	}
	if (job->message_kind == JOB_OBJECT) {
		outbuf_reset(&arrival->stored);
		outbuf_byte(&arrival->stored, 'M');
		outbuf_add(&arrival->stored, job->message);
	} else {
		arrival->stored.ptr[0] = job->merge ? 'T' : 'R';
	}
	struct slice stored = outbuf_slice(&arrival->stored);

	digest_hex(arrival->sha, &stored, 1);
	arrival_take(arrival, stored);
}

/* Reads the job. begun: as one that was accepted before. */
bool arrival_judge(struct arrival *arrival, bool begun)
{
	struct gate *gate = gate_of(arrival);
	const struct stream *stream = &arrival->inlet->stream;
	struct job_origin origin = {.tenant = stream->tenant,
				    .transactional = stream->transactional,
				    .begun = begun,
				    .submitted_ms = submitted_ms(arrival)};

	if (arrival->has_job)
		job_free(&arrival->job);
	free(arrival->order);
	arrival->order = NULL;
	arrival->has_job = true;
	bool good = job_read(&arrival->job, outbuf_slice(&arrival->text), raw_of(arrival), &gate->rules->limits,
			     &origin, &arrival->refusal);

	arrival->admission = (struct admission){.job = &arrival->job,
						.entry = slice_of(arrival->id),
						.event = slice_of(arrival->event),
						.sha = slice_of(arrival->sha),
						.created_ms = gate->wall_ms};
	arrival->admission.sha.len = DIGEST_HEX - 1; /* known by the time it is used */
	arrival_name_job(arrival);
	if (!good)
		arrival_refused(arrival);
	else
		hash_job(arrival);
	return good;
}

/* The words of an entry that name it: in the gate, in Redis, and in front of its events' ids. */
static void name_arrival(struct arrival *arrival, struct slice id)
{
	const struct stream *stream = &arrival->inlet->stream;

	snprintf(arrival->id, sizeof(arrival->id), "%.*s", SLICE_ARG(id));
	snprintf(arrival->entry, sizeof(arrival->entry), "%.*s%s%s", SLICE_ARG(stream->label),
		 stream->label.len ? ":" : "", arrival->id);
	snprintf(arrival->key, sizeof(arrival->key), "%.*s %s", SLICE_ARG(stream->key), arrival->id);
	snprintf(arrival->event, sizeof(arrival->event), "%016llx",
		 (unsigned long long)slice_hash(slice_of(arrival->entry)));
}

struct arrival *arrival_new(struct inlet *inlet, const struct stream_entry *entry, bool again)
{
	struct arrival *arrival = calloc(1, sizeof(*arrival));

	CHECK(arrival != NULL);
	arrival->inlet = inlet;
	arrival->again = again;
	name_arrival(arrival, entry->id);
	outbuf_add(&arrival->text, entry->job);
	if (entry->raw.ptr) {
		outbuf_byte(&arrival->stored, 'R');
		outbuf_add(&arrival->stored, entry->raw);
	}
	arrival->bytes = arrival->text.len + arrival->stored.len;
	list_push(&inlet->arrivals, &arrival->link);
	inlet->narrivals++;
	map_add(&inlet->gate->arrivals, &arrival->node, slice_of(arrival->key));
	inlet->gate->bytes += arrival->bytes;
	arrival->state = entry->deleted ? ARRIVAL_DONE : ARRIVAL_READ;
	arrival->fault = entry->fault;
	return arrival;
}

void arrival_look(struct arrival *arrival)
{
	CHECK(arrival->state == ARRIVAL_READ);
	if (arrival->fault) {
		refuse(&arrival->refusal, "E_ENTRY", "", "%s", arrival->fault);
		arrival_refused(arrival);
		return;
	}
	if (!arrival_judge(arrival, arrival->again))
		return;
	arrival->state = ARRIVAL_ASK;
	if (!arrival->again)
		arrival_route(arrival);
}

void arrival_unpark(struct arrival *arrival)
{
	if (arrival->parked)
		arrival->inlet->nparked--;
	arrival->parked = false;
	arrival->patience_ms = 0;
}

void arrival_free(struct arrival *arrival)
{
	arrival_unpark(arrival);
	list_remove(&arrival->link);
	arrival->inlet->narrivals--;
	gate_of(arrival)->bytes -= arrival->bytes;
	map_remove(&gate_of(arrival)->arrivals, &arrival->node);
	if (arrival->message)
		message_free(arrival->message);
	if (arrival->has_job)
		job_free(&arrival->job);
	outbuf_free(&arrival->text);
	outbuf_free(&arrival->stored);
	free(arrival->order);
	free(arrival);
}
