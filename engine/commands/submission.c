/* Jobs go in by hikyaku_submit, which says when there is enough in the stream already. Where no engine has ever been,
 * its functions are missing, and the job is put there plainly, as the contract allows. */
#include "submission.h"

#include "console.h"

#include "base/check.h"
#include "base/log.h"

#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 3600000, RETRY_MS = 1000 };

/* KEY=VALUE options as an object. */
static bool add_pairs(const struct arguments *arguments, const char *option, const char *name, struct outbuf *out)
{
	unsigned at = 0;
	const char *pair;
	struct outbuf object = {0};

	outbuf_byte(&object, '{');
	while ((pair = argument_next(arguments, option, &at))) {
		struct slice value = slice_of(pair), key = slice_until(&value, '=');

		if (key.len == 0 || !strchr(pair, '=')) {
			console_say("%s \"%.60s\": expected KEY=VALUE", option, pair);
			outbuf_free(&object);
			return false;
		}
		char *copy = slice_copy(key);

		outbuf_json_text(&object, copy, value);
		free(copy);
	}
	outbuf_byte(&object, '}');
	if (object.len > 2)
		outbuf_json_raw(out, name, outbuf_slice(&object));
	outbuf_free(&object);
	return true;
}

static bool add_time(const struct arguments *arguments, struct outbuf *out)
{
	const char *text = argument_value(arguments, "--not-before");
	uint64_t ms;

	if (!text)
		return true;
	if (!console_time("--not-before", text, 1, &ms))
		return false;
	outbuf_json_number(out, "not_before", ms);
	return true;
}

bool submission_begin(const struct arguments *arguments, struct outbuf *out)
{
	static const char *const texts[][2] = {{"--from", "from"},
					       {"--campaign", "campaign"},
					       {"--tenant", "tenant"},
					       {"--class", "class"},
					       {"--pool", "pool"}};

	outbuf_byte(out, '{');
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *value = argument_value(arguments, texts[i][0]);

		if (value)
			outbuf_json_text(out, texts[i][1], slice_of(value));
	}
	if (argument_is_given(arguments, "--partial"))
		outbuf_json_raw(out, "partial", SLICE("true"));
	if (argument_is_given(arguments, "--var"))
		outbuf_json_raw(out, "merge", SLICE("true"));
	return add_time(arguments, out) && add_pairs(arguments, "--tag", "tags", out) &&
	       add_pairs(arguments, "--var", "vars", out);
}

/* One try. NULL when the connection is lost. */
static struct redisReply *put(struct submission *submission, struct slice stream, bool plainly)
{
	struct slice job = outbuf_slice(&submission->job), raw = outbuf_slice(&submission->raw);
	struct slice call[] = {SLICE("FCALL"), SLICE("hikyaku_submit"), SLICE("1"), stream, job, raw};
	struct slice add[] = {SLICE("XADD"), stream, SLICE("*"), SLICE("job"), job, SLICE("raw"), raw};

	if (plainly)
		return client_try(submission->client, add, submission->has_raw ? 7 : 5);
	return client_try(submission->client, call, submission->has_raw ? 6 : 5);
}

/* What FULL asks for. */
static unsigned retry_ms(struct slice text)
{
	const char *at = memmem(text.ptr, text.len, "retry_ms=", 9);
	uint64_t ms = 0;
	size_t n = 0;

	if (!at)
		return RETRY_MS;
	struct slice rest = slice_skip(text, (size_t)(at + 9 - text.ptr));

	while (n < rest.len && rest.ptr[n] >= '0' && rest.ptr[n] <= '9')
		n++;
	return slice_number(slice_head(rest, n), 60000, &ms) && ms ? (unsigned)ms : RETRY_MS;
}

static struct redisReply *put_patiently(struct submission *submission, struct slice stream)
{
	unsigned long long end = console_now_ms() + PATIENCE_MS;
	bool plainly = false, told = false;

	for (;;) {
		struct redisReply *reply = put(submission, stream, plainly);
		struct slice text = reply_text(reply);

		if (!reply || reply->type != REDIS_REPLY_ERROR)
			return reply;
		if (slice_starts(text, SLICE("ERR Function not found")) && !plainly) {
			plainly = true;
		} else if (slice_starts(text, SLICE("FULL")) && console_now_ms() < end) {
			if (!told)
				console_say("the stream of jobs is full; waiting until there is room");
			told = true;
			poll(NULL, 0, (int)retry_ms(text));
		} else {
			return reply;
		}
		freeReplyObject(reply);
	}
}

bool submission_put(struct submission *submission, struct slice id, bool transactional, uint64_t recipients)
{
	struct client *client = submission->client;
	struct redisReply *reply = put_patiently(submission, client_key(client, transactional ? "jobs:now" : "jobs"));
	struct slice entry = reply_text(reply);

	if (!reply)
		return false;
	if (reply->type == REDIS_REPLY_ERROR) {
		console_say("the job was not taken: %s", LOG_TEXT(entry));
		client->status = EXIT_FAILED;
		freeReplyObject(reply);
		return false;
	}
	submission->jobs = realloc(submission->jobs, (submission->njobs + 1) * sizeof(*submission->jobs));
	CHECK(submission->jobs != NULL);
	submission->jobs[submission->njobs++] = (struct submitted){
		.id = slice_copy(id.len ? id : entry), .entry = slice_copy(entry), .recipients = recipients};
	submission->recipients += recipients;
	freeReplyObject(reply);
	return true;
}

void submission_free(struct submission *submission)
{
	for (unsigned i = 0; i < submission->njobs; i++) {
		free(submission->jobs[i].id);
		free(submission->jobs[i].entry);
	}
	free(submission->jobs);
	outbuf_free(&submission->job);
	outbuf_free(&submission->raw);
}
