/* Jobs from a command line. Recipients stream through: a job is filled until it is full, put into Redis, and the next
 * one begins, so that a list of millions takes no more memory than ten thousand. All of a submission share one message,
 * which Redis keeps once, by its hash. */
#include "console.h"
#include "event_reader.h"
#include "preview.h"
#include "recipients.h"
#include "submission.h"

#include "base/check.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { JOB_BYTES = 6 << 20 /* of the 8 MB a job may have */, READ_MAX = 64 << 20 };

/* A file whole, or standard input for "-". */
static bool read_file(const char *path, struct outbuf *out)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	size_t n;
	bool good;

	if (!file) {
		console_say("opening %s: %s", path, strerror(errno));
		return false;
	}
	while ((n = fread(outbuf_room(out, 65536), 1, 65536, file)) > 0 && out->len <= READ_MAX)
		out->len += n;
	good = !ferror(file) && out->len <= READ_MAX;
	if (!good)
		console_say("reading %s: %s", path, ferror(file) ? strerror(errno) : "it is larger than any message");
	if (file != stdin)
		fclose(file);
	return good;
}

/* What does not go together, before anything is done. */
static bool check_usage(const struct arguments *arguments)
{
	static const char *const alone[] = {"--from", "--to",  "--to-file", "--id",	    "--campaign", "--class",
					    "--pool", "--tag", "--var",	    "--not-before", "--partial"};
	const char *file = argument_value(arguments, "--to-file"), *job = argument_value(arguments, "--job");
	bool from_stdin = arguments->nwords && strcmp(arguments->words[0], "-") == 0;

	for (size_t i = 0; job && i < sizeof(alone) / sizeof(alone[0]); i++)
		if (argument_is_given(arguments, alone[i])) {
			console_say("--job is a whole job: %s cannot stand beside it", alone[i]);
			return false;
		}
	if ((file && job) || (from_stdin && ((file && strcmp(file, "-") == 0) || (job && strcmp(job, "-") == 0)))) {
		console_say("standard input can be read once only");
		return false;
	}
	if (job)
		return true;
	if (!argument_is_given(arguments, "--from"))
		console_say("--from is missing: expected the envelope sender, or \"\" for none");
	else if (!arguments->nwords)
		console_say("the message is missing: expected MESSAGE.eml, or - for standard input");
	else
		return true;
	return false;
}

static int preview(const struct submission *submission, const struct config *config)
{
	struct slice *pools = calloc(config->npools + 1, sizeof(*pools));
	struct preview_setup setup = {
		.hostname = config->hostname,
		.pools = pools,
		.npools = config->npools,
		.recipients_max = config->queue.recipients_max,
		.message_bytes_max = config->queue.message_bytes_max,
		.variables_bytes_max = config->queue.variables_bytes_max,
		.expires_after_ms = config->queue.expires_after_ms,
	};
	int status;

	CHECK(pools != NULL);
	for (unsigned i = 0; i < config->npools; i++)
		pools[i] = config->pools[i].name;
	status = preview_job(outbuf_slice(&submission->job),
			     submission->has_raw ? outbuf_slice(&submission->raw) : SLICE_NONE, &setup);
	free(pools);
	return status;
}

/* The job at hand goes into Redis, or is shown. */
static bool finish_job(struct submission *submission, const struct config *config, struct slice id, bool transactional,
		       uint64_t recipients)
{
	if (argument_is_given(submission->arguments, "--dry-run")) {
		submission->client->status = preview(submission, config);
		return submission->client->status == EXIT_DONE;
	}
	return submission_put(submission, id, transactional, recipients);
}

/* Recipients of one job into the job at hand, as many as it takes; next holds the one after the last. */
static uint64_t fill_job(struct submission *submission, struct recipients *recipients, struct outbuf *next,
			 uint64_t most)
{
	uint64_t n = 0;

	while (next->len && n < most && submission->job.len + next->len < JOB_BYTES) {
		if (n++)
			outbuf_byte(&submission->job, ',');
		outbuf_add(&submission->job, outbuf_slice(next));
		outbuf_reset(next);
		recipients_next(recipients, next);
	}
	return n;
}

/* --id as it is where one job is enough, else with a number; the same submission gives the same ids again. */
static void add_id(const struct arguments *arguments, struct submission *submission, bool is_only, struct outbuf *id)
{
	const char *given = argument_value(arguments, "--id");

	outbuf_reset(id);
	if (!given)
		return;
	outbuf_printf(id, is_only ? "%s" : "%s/%u", given, submission->njobs + 1);
	outbuf_json_text(&submission->job, "id", outbuf_slice(id));
}

static bool put_all(struct submission *submission, const struct config *config, struct recipients *recipients,
		    struct slice head)
{
	const char *class = argument_value(submission->arguments, "--class");
	struct outbuf next = {0}, id = {0};
	bool good = true;

	recipients_next(recipients, &next);
	while (good && next.len) {
		outbuf_reset(&submission->job);
		outbuf_add(&submission->job, head);
		outbuf_json_raw(&submission->job, "to", SLICE("["));
		uint64_t n = fill_job(submission, recipients, &next, config->queue.recipients_max);

		outbuf_byte(&submission->job, ']');
		add_id(submission->arguments, submission, submission->njobs == 0 && next.len == 0, &id);
		outbuf_byte(&submission->job, '}');
		good = n > 0 && !recipients->failed &&
		       finish_job(submission, config, outbuf_slice(&id), class && strcmp(class, "transactional") == 0,
				  n);
		console_progress("submitting", submission->recipients, recipients->total);
		if (argument_is_given(submission->arguments, "--dry-run"))
			break;
	}
	console_progress_end();
	if (recipients->failed && submission->recipients)
		console_say("%llu recipients before it were submitted", (unsigned long long)submission->recipients);
	outbuf_free(&next);
	outbuf_free(&id);
	return good && !recipients->failed;
}

static int submit_recipients(struct submission *submission, const struct config *config)
{
	struct recipients recipients;
	struct outbuf head = {0};
	int status = EXIT_USAGE;

	if (recipients_open(&recipients, submission->arguments) && submission_begin(submission->arguments, &head)) {
		status = EXIT_DONE;
		if (!put_all(submission, config, &recipients, outbuf_slice(&head)))
			status = submission->client->status ? submission->client->status : EXIT_FAILED;
	}
	recipients_close(&recipients);
	outbuf_free(&head);
	return status;
}

/* --job: as it is, but for a look whether it is JSON at all, so that a typo is told here and not in a stream. */
static int submit_file(struct submission *submission, const struct config *config)
{
	const char *path = argument_value(submission->arguments, "--job");
	json_error_t error;
	json_t *job;
	int status = EXIT_USAGE;

	if (!read_file(path, &submission->job))
		return EXIT_FAILED;
	job = json_loadb(submission->job.ptr, submission->job.len, JSON_REJECT_DUPLICATES, &error);
	if (!job) {
		console_say("%s:%d:%d: not JSON: %s", path, error.line, error.column, error.text);
	} else {
		const char *class = json_string_value(json_object_get(job, "class"));
		const char *id = json_string_value(json_object_get(job, "id"));
		size_t n = json_array_size(json_object_get(job, "to"));

		status = EXIT_DONE;
		if (!finish_job(submission, config, slice_of(id), class && strcmp(class, "transactional") == 0, n))
			status = submission->client->status;
	}
	json_decref(job);
	return status;
}

static void print_ids(const struct submission *submission)
{
	struct outbuf out = {0};

	for (unsigned i = 0; i < submission->njobs; i++) {
		const struct submitted *job = &submission->jobs[i];

		if (!submission->arguments->json) {
			outbuf_printf(&out, "%s\n", job->id);
			continue;
		}
		outbuf_byte(&out, '{');
		outbuf_json_text(&out, "job", slice_of(job->id));
		outbuf_json_text(&out, "entry", slice_of(job->entry));
		outbuf_json_number(&out, "recipients", job->recipients);
		outbuf_add(&out, SLICE("}\n"));
	}
	console_print(&out);
	outbuf_free(&out);
}

/* True if the header of the message has a field of that name. */
static bool has_field(struct slice raw, struct slice name)
{
	while (raw.len) {
		struct slice line = slice_until(&raw, '\n');

		if (!slice_trim(line).len)
			return false;
		if (line.len > name.len && line.ptr[name.len] == ':' && slice_starts_nocase(line, name))
			return true;
	}
	return false;
}

/* A message typed at a prompt has no From; it gets the sender's, as with sendmail (RFC 6409 8). */
static void add_from(struct outbuf *raw, const char *from)
{
	struct outbuf whole = {0};

	if (!from || !from[0] || has_field(outbuf_slice(raw), SLICE("From")))
		return;
	outbuf_printf(&whole, "From: %s\n", from);
	outbuf_add(&whole, outbuf_slice(raw));
	outbuf_free(raw);
	*raw = whole;
}

static int submit(struct client *client, const struct arguments *arguments)
{
	struct submission submission = {.arguments = arguments, .client = client};
	bool wait = argument_is_given(arguments, "--wait") && !argument_is_given(arguments, "--dry-run");
	struct event_reader reader;
	char engine[128];
	int status = EXIT_DONE;

	if (wait)
		event_reader_at_end(&reader, client);
	submission.has_raw = arguments->nwords > 0;
	if (submission.has_raw && !read_file(arguments->words[0], &submission.raw))
		status = EXIT_FAILED;
	add_from(&submission.raw, submission.has_raw ? argument_value(arguments, "--from") : NULL);
	if (status != EXIT_DONE)
		console_say("nothing was submitted");
	else if (argument_is_given(arguments, "--job"))
		status = submit_file(&submission, client->config);
	else
		status = submit_recipients(&submission, client->config);
	print_ids(&submission);
	if (client->redis && submission.njobs && !client_engine(client, engine, sizeof(engine)))
		console_say("no engine has beaten for 10 seconds; the mail waits until one runs");
	if (status == EXIT_DONE && wait)
		status = submission_wait(&submission, &reader);
	if (wait)
		event_reader_close(&reader);
	submission_free(&submission);
	return status;
}

int command_submit(const struct arguments *arguments)
{
	struct client client = {.config = NULL};
	int status;

	if (!check_usage(arguments))
		return EXIT_USAGE;
	if (argument_is_given(arguments, "--dry-run")) {
		client.config = client_config(arguments);
		status = client.config ? EXIT_DONE : EXIT_USAGE;
	} else {
		status = client_open(&client, arguments);
	}
	if (status == EXIT_DONE)
		status = submit(&client, arguments);
	client_close(&client);
	return status;
}
