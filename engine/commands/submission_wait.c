/* Waiting: the event stream is read from where it stood before the first job went in, and each final event of our jobs
 * is counted. A job that is refused has no event; the stream of rejections is asked for its entry every second. */
#include "console.h"
#include "event_reader.h"
#include "submission.h"

#include "base/log.h"

#include <string.h>

enum { LOOK_MS = 1000, REJECTED_LOOKED_AT = 1000 };

struct waiting {
	struct submission *submission;
	uint64_t delivered, not_delivered;
	unsigned finished, refused;
};

static struct submitted *submitted_of(struct submission *submission, struct slice id)
{
	for (unsigned i = 0; i < submission->njobs; i++)
		if (slice_is(slice_of(submission->jobs[i].id), id))
			return &submission->jobs[i];
	return NULL;
}

static bool is_ours(const struct submission *submission, const struct event_read *event)
{
	const char *tenant = argument_value(submission->arguments, "--tenant");
	const char *other = json_string_value(json_object_get(event->all, "tenant"));

	return !tenant || !other || strcmp(tenant, other) == 0;
}

static bool is_final_failure(struct slice type)
{
	static const char *const types[] = {"failed", "expired", "cancelled", "suppressed", "rejected"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (slice_is(type, slice_of(types[i])))
			return true;
	return false;
}

static bool on_event(void *who, const struct event_read *event)
{
	struct waiting *waiting = who;
	struct submitted *job = submitted_of(waiting->submission, event->job);

	if (!job || !is_ours(waiting->submission, event))
		return true;
	if (slice_is(event->type, SLICE("delivered")))
		waiting->delivered++;
	waiting->not_delivered += is_final_failure(event->type);
	if (slice_is(event->type, SLICE("finished")) || slice_is(event->type, SLICE("duplicate"))) {
		waiting->finished += !job->finished;
		job->finished = true;
	}
	return true;
}

static struct slice field(const struct redisReply *entry, const char *name)
{
	const struct redisReply *fields = entry->elements == 2 ? entry->element[1] : NULL;

	for (size_t i = 0; fields && i + 1 < fields->elements; i += 2)
		if (slice_is(reply_text_at(fields, i), slice_of(name)))
			return reply_text_at(fields, i + 1);
	return SLICE_NONE;
}

/* One entry of the stream of rejections: is it about a job of ours? */
static void note_rejection(struct waiting *waiting, const struct redisReply *entry)
{
	struct submission *submission = waiting->submission;

	for (unsigned i = 0; i < submission->njobs; i++) {
		struct submitted *job = &submission->jobs[i];

		if (job->finished || !slice_is(slice_of(job->entry), field(entry, "entry")))
			continue;
		console_say("job %s was rejected: %s %s: %s", job->id, LOG_TEXT(field(entry, "code")),
			    LOG_TEXT(field(entry, "field")), LOG_TEXT(field(entry, "message")));
		job->finished = true;
		waiting->finished++;
		waiting->refused++;
	}
}

static void look_for_rejections(struct waiting *waiting)
{
	struct client *client = waiting->submission->client;
	struct slice argv[] = {SLICE("XREVRANGE"), client_key(client, "rejected"),
			       SLICE("+"),	   SLICE("-"),
			       SLICE("COUNT"),	   SLICE("1000")};
	struct redisReply *reply = client_ask(client, argv, 6);

	for (size_t i = 0; reply && reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
		note_rejection(waiting, reply->element[i]);
	if (reply)
		freeReplyObject(reply);
}

int submission_wait(struct submission *submission, struct event_reader *reader)
{
	struct waiting waiting = {.submission = submission};
	unsigned long long looked = 0;

	while (waiting.finished < submission->njobs) {
		if (event_reader_next(reader, LOOK_MS / 2, on_event, &waiting) < 0)
			break;
		if (console_now_ms() - looked >= LOOK_MS) {
			looked = console_now_ms();
			look_for_rejections(&waiting);
		}
		if (submission->client->status)
			break;
		console_progress("delivering", waiting.delivered + waiting.not_delivered, submission->recipients);
	}
	console_progress_end();
	if (submission->client->status)
		return submission->client->status;
	console_say("%llu delivered, %llu not, %u jobs rejected", (unsigned long long)waiting.delivered,
		    (unsigned long long)waiting.not_delivered, waiting.refused);
	return waiting.not_delivered || waiting.refused ? EXIT_UNDELIVERED : EXIT_DONE;
}
