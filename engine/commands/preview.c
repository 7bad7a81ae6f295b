/* The first recipient is shown, all of them are checked, since the one whose variable is missing is rarely the first.
 * This file does not see the configuration: what it needs of it comes in its setup. */
#include "preview.h"

#include "commands/command.h"
#include "commands/console.h"

#include "mail/message.h"
#include "queue/job.h"

#include <stdio.h>

static bool refused(const char *code, const char *field, const char *message)
{
	console_say("%s%s%s: %s", code, field[0] ? " " : "", field, message);
	return false;
}

/* The message as intake would store it; see mail/message.h. */
static bool stored_form(const struct job *job, struct slice raw, struct outbuf *out)
{
	if (job->message_kind == JOB_RAW) {
		outbuf_byte(out, job->merge ? 'T' : 'R');
		outbuf_add(out, raw);
	} else if (job->message_kind == JOB_OBJECT) {
		outbuf_byte(out, 'M');
		outbuf_add(out, job->message);
	} else {
		console_say("the message is one that is stored in Redis; a dry run does not fetch it");
		return false;
	}
	return true;
}

static struct merge merge_of(const struct job *job, const struct addressee *recipient, struct slice hostname,
			     char *index)
{
	struct slice rcpt = recipient->id;

	if (rcpt.len == 0)
		rcpt = (struct slice){index, (size_t)snprintf(index, 16, "%u", recipient->index)};
	return (struct merge){
		.address = recipient->address,
		.name = recipient->name,
		.rcpt = rcpt,
		.tenant = job->tenant,
		.job = job->id.len ? job->id : SLICE("dry-run"),
		.vars = recipient->vars,
		.job_vars = job->vars_pack,
		.headers = recipient->headers,
		.hostname = hostname,
		.date_ms = console_wall_ms(),
		.nonce = 1,
	};
}

static void print_rendered(const struct rendered *rendered, struct slice sender, const struct job *job)
{
	console_say("MAIL FROM:<%.*s>", SLICE_ARG(sender));
	console_say("RCPT TO:<%.*s>, the first of %u; the mail:", SLICE_ARG(job->recipients[0].address),
		    job->nrecipients);
	for (unsigned i = 0; i < rendered->niov; i++)
		fwrite(rendered->iov[i].iov_base, 1, rendered->iov[i].iov_len, stdout);
}

static bool show_first(const struct job *job, const struct message *message, struct slice hostname)
{
	const struct addressee *first = &job->recipients[0];
	struct arena arena = {0};
	struct outbuf sender = {0};
	struct rendered rendered;
	struct mail_error error;
	char index[16];
	struct merge merge = merge_of(job, first, hostname, index);
	bool good = sender_render(first->has_from ? first->from : job->from, &merge, &sender, &error) &&
		    message_render(message, &merge, WIRE_BDAT, &arena, &rendered, &error);

	if (good)
		print_rendered(&rendered, outbuf_slice(&sender), job);
	else
		refused(error.code, error.field, error.message);
	outbuf_free(&sender);
	arena_free(&arena);
	return good;
}

static bool check_all(const struct job *job, const struct message *message, struct slice hostname)
{
	struct mail_error error;
	char index[16];

	for (unsigned i = 0; i < job->nrecipients; i++) {
		const struct addressee *recipient = &job->recipients[i];
		struct merge merge = merge_of(job, recipient, hostname, index);

		if (recipient->refusal)
			refused(recipient->refusal->code, recipient->refusal->field, recipient->refusal->message);
		else if (!message_accepts(message, &merge, &error)) {
			console_say("recipient %u, %.*s:", recipient->index, SLICE_ARG(recipient->address));
			return refused(error.code, error.field, error.message);
		}
	}
	return true;
}

static bool show(const struct job *job, struct slice raw, const struct preview_setup *setup)
{
	struct message_limits limits = {.bytes_max = setup->message_bytes_max};
	struct outbuf stored = {0};
	struct mail_error error;
	struct message *message = NULL;
	bool good = false;

	if (job->nrecipients == 0)
		console_say("the job stores a message and has no recipients; there is nothing to show");
	else if (stored_form(job, raw, &stored) && !(message = message_compile(outbuf_slice(&stored), &limits, &error)))
		refused(error.code, error.field, error.message);
	if (message)
		good = check_all(job, message, setup->hostname) && show_first(job, message, setup->hostname);
	if (message)
		message_free(message);
	outbuf_free(&stored);
	return good;
}

int preview_job(struct slice text, struct slice raw, const struct preview_setup *setup)
{
	struct job_limits limits = {
		.recipients_max = setup->recipients_max,
		.message_bytes_max = setup->message_bytes_max,
		.variables_bytes_max = setup->variables_bytes_max,
		.expires_after_ms = setup->expires_after_ms,
		.rights = {.pools = setup->pools, .npools = setup->npools},
	};
	struct job_origin origin = {.submitted_ms = console_wall_ms()};
	struct refusal refusal;
	struct job job;
	bool good = job_read(&job, text, raw, &limits, &origin, &refusal);

	if (good)
		good = show(&job, raw, setup);
	else
		refused(refusal.code, refusal.field, refusal.message);
	job_free(&job);
	return good ? EXIT_DONE : EXIT_FAILED;
}
