/* JSON is written, not built: a tree for each of ten thousand recipients would cost more than all the rest. */
#include "admission.h"

#include "queue/record.h"

#include <stdio.h>

enum { ERRORS_MAX = 100 };

static struct merge merge_for(const struct admission *admission, const struct addressee *recipient, char *index)
{
	const struct job *job = admission->job;
	int n = snprintf(index, 16, "%u", recipient->index);

	return (struct merge){
		.address = recipient->address,
		.name = recipient->name,
		.rcpt = recipient->id.len ? recipient->id : (struct slice){index, (size_t)n},
		.tenant = job->tenant,
		.job = admission->id,
		.vars = recipient->vars,
		.job_vars = job->vars_pack,
		.headers = recipient->headers,
		.hostname = admission->hostname,
		.date_ms = admission->created_ms,
		.nonce = recipient->index,
	};
}

/* In the words of whoever compiled the message; the field is the recipient's, and the message's own behind it. */
static void refuse_recipient(struct admission *admission, struct addressee *recipient, const struct mail_error *error)
{
	struct refusal refusal;
	char field[32];

	snprintf(field, sizeof(field), "to[%u]", recipient->index);
	refuse(&refusal, error->code, field, "%s%s%s", error->field, *error->field ? ": " : "", error->message);
	addressee_refuse(recipient, &refusal, &admission->job->arena);
	admission->job->nrefused++;
}

static bool sender_accepts(struct slice from, const struct merge *merge, struct outbuf *scratch,
			   struct mail_error *error)
{
	outbuf_reset(scratch);
	return !sender_has_variables(from) || sender_render(from, merge, scratch, error);
}

bool admission_check(struct admission *admission, bool partial, struct refusal *refusal)
{
	struct job *job = admission->job;
	struct outbuf scratch = {0};
	const struct refusal *first = NULL;
	char index[16];

	for (unsigned i = 0; i < job->nrecipients && (partial || job->nrefused < ERRORS_MAX); i++) {
		struct addressee *recipient = &job->recipients[i];
		struct merge merge = merge_for(admission, recipient, index);
		struct slice from = recipient->has_from ? recipient->from : job->from;
		struct mail_error error = {0};

		if (!recipient->refusal && (!message_accepts(admission->message, &merge, &error) ||
					    !sender_accepts(from, &merge, &scratch, &error)))
			refuse_recipient(admission, recipient, &error);
		first = first ? first : recipient->refusal;
	}
	outbuf_free(&scratch);
	if (first)
		*refusal = *first;
	return !first || partial;
}

static void put_text(struct outbuf *out, const char *name, struct slice text)
{
	if (text.len)
		outbuf_json_text(out, name, text);
}

static void put_object(struct outbuf *out, const char *name, struct slice json)
{
	if (json.len)
		outbuf_json_raw(out, name, json);
}

static struct slice class_of(const struct job *job)
{
	return job->transactional ? SLICE("transactional") : SLICE("bulk");
}

void admission_meta(const struct admission *admission, struct outbuf *out)
{
	const struct job *job = admission->job;

	outbuf_byte(out, '{');
	outbuf_json_number(out, "v", 1);
	outbuf_json_text(out, "id", admission->id);
	outbuf_json_text(out, "tenant", job->tenant);
	outbuf_json_text(out, "campaign", job->campaign);
	outbuf_json_text(out, "class", class_of(job));
	put_text(out, "pool", job->pool);
	outbuf_json_text(out, "from", job->from);
	outbuf_json_text(out, "body", admission->sha);
	if (job->require_tls)
		outbuf_json_raw(out, "require_tls", SLICE("true"));
	put_object(out, "vars", job->vars);
	put_object(out, "tags", job->tags);
	outbuf_json_number(out, "created", admission->created_ms);
	outbuf_json_number(out, "expires", job->expires_ms);
	outbuf_json_text(out, "entry", admission->entry);
	outbuf_byte(out, '}');
}

static void put_common(const struct admission *admission, struct outbuf *out)
{
	put_text(out, "tenant", admission->job->tenant);
	put_text(out, "campaign", admission->job->campaign);
	outbuf_json_text(out, "class", class_of(admission->job));
}

void admission_common(const struct admission *admission, struct outbuf *out)
{
	struct outbuf object = {0};

	outbuf_byte(&object, '{');
	put_common(admission, &object);
	outbuf_add(out, slice_skip(outbuf_slice(&object), 1));
	outbuf_free(&object);
}

/* The beginning of an event, up to its own members. */
static void put_event(const struct admission *admission, struct outbuf *out, uint64_t now_ms, const char *suffix,
		      unsigned number)
{
	outbuf_printf(out, "{\"v\":1,\"event\":\"%.*s%s%u\",\"time\":%llu", SLICE_ARG(admission->event), suffix, number,
		      (unsigned long long)now_ms);
	put_common(admission, out);
}

void admission_accepted(const struct admission *admission, struct outbuf *out)
{
	const struct job *job = admission->job;

	put_event(admission, out, admission->created_ms, "a", 0);
	outbuf_json_text(out, "entry", admission->entry);
	outbuf_json_number(out, "total", job->nrecipients);
	if (job->nrefused)
		outbuf_json_number(out, "rejected", job->nrefused);
	put_text(out, "store", job->store);
	outbuf_json_text(out, "body", admission->sha);
	put_object(out, "tags", job->tags);
	outbuf_byte(out, '}');
}

void admission_duplicate(const struct admission *admission, struct outbuf *out)
{
	put_event(admission, out, admission->created_ms, "d", 0);
	outbuf_json_text(out, "entry", admission->entry);
	put_object(out, "tags", admission->job->tags);
	outbuf_byte(out, '}');
}

static void put_tags(struct outbuf *out, struct slice job_tags, struct slice own_tags)
{
	struct outbuf tags = {0};

	document_union(&tags, job_tags, own_tags);
	put_object(out, "tags", outbuf_slice(&tags));
	outbuf_free(&tags);
}

static void put_rejected(const struct admission *admission, const struct addressee *recipient, uint64_t now_ms,
			 struct outbuf *out)
{
	char index[16];
	int n = snprintf(index, sizeof(index), "%u", recipient->index);

	put_event(admission, out, now_ms, "r", recipient->index);
	outbuf_json_text(out, "rcpt", recipient->id.len ? recipient->id : (struct slice){index, (size_t)n});
	put_text(out, "domain", recipient->domain);
	outbuf_json_text(out, "stage", SLICE("queue"));
	outbuf_json_text(out, "origin", SLICE("local"));
	outbuf_json_text(out, "error", slice_of(recipient->refusal->code));
	outbuf_json_text(out, "field", slice_of(recipient->refusal->field));
	outbuf_json_text(out, "reply", slice_of(recipient->refusal->message));
	put_tags(out, admission->job->tags, recipient->tags);
	outbuf_byte(out, '}');
}

static void put_extras(const struct addressee *recipient, struct outbuf *out)
{
	char digits[24];

	if (recipient->vars.len)
		pack_add(out, PACK_TEXT, SLICE("v"), recipient->vars);
	if (recipient->id.len)
		pack_add(out, PACK_TEXT, SLICE("r"), recipient->id);
	if (recipient->name.len)
		pack_add(out, PACK_TEXT, SLICE("n"), recipient->name);
	if (recipient->tags.len)
		pack_add(out, PACK_JSON, SLICE("t"), recipient->tags);
	if (recipient->has_from)
		pack_add(out, PACK_TEXT, SLICE("f"), recipient->from);
	if (recipient->headers.len)
		pack_add(out, PACK_TEXT, SLICE("h"), recipient->headers);
	if (recipient->has_expires)
		pack_add(out, PACK_LITERAL, SLICE("x"), SLICE("1"));
	if (recipient->not_before_ms) {
		int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)recipient->not_before_ms);

		pack_add(out, PACK_LITERAL, SLICE("nb"), (struct slice){digits, (size_t)n});
	}
}

static void put_record(const struct admission *admission, const struct addressee *recipient, struct outbuf *out)
{
	struct outbuf extras = {0};
	struct record record = {
		.index = recipient->index,
		.expires_ms = recipient->expires_ms,
		.queued_ms = admission->created_ms,
		.accept = admission->accept,
		.tenant = admission->job->tenant,
		.job = admission->id,
		.address = recipient->address,
	};

	put_extras(recipient, &extras);
	record.extras = outbuf_slice(&extras);
	record_encode(out, &record);
	outbuf_free(&extras);
}

/* What was appended since mark is the item's next text. */
static void end_text(struct admission_item *item, const struct outbuf *bytes, size_t *mark)
{
	item->lengths[item->ntexts++] = bytes->len - *mark;
	*mark = bytes->len;
}

static bool waits_as(const struct addressee *recipient, const struct addressee *before)
{
	return before && !before->refusal && before->not_before_ms == recipient->not_before_ms &&
	       before->expires_ms == recipient->expires_ms && slice_is(before->domain, recipient->domain);
}

static void put_queued(const struct admission *admission, const struct addressee *before,
		       const struct addressee *recipient, uint64_t now_ms, struct outbuf *bytes,
		       struct admission_item *item)
{
	const struct job *job = admission->job;
	uint64_t delay_ms = recipient->not_before_ms > now_ms ? recipient->not_before_ms - now_ms : 0;
	size_t mark = bytes->len;

	item->kind = SLICE("+");
	if (!waits_as(recipient, before)) {
		item->kind = SLICE("q");
		list_name(bytes, &(struct list_parts){job->transactional, recipient->domain, job->tenant, job->pool,
						      job->campaign});
		end_text(item, bytes, &mark);
		outbuf_number(bytes, delay_ms);
		end_text(item, bytes, &mark);
		outbuf_number(bytes, recipient->expires_ms);
		end_text(item, bytes, &mark);
	}
	put_record(admission, recipient, bytes);
	end_text(item, bytes, &mark);
}

static void put_refused(const struct admission *admission, const struct addressee *recipient, uint64_t now_ms,
			struct outbuf *bytes, struct admission_item *item)
{
	size_t mark = bytes->len;

	item->kind = SLICE("rejected");
	outbuf_add(bytes, recipient->address);
	end_text(item, bytes, &mark);
	outbuf_number(bytes, recipient->index);
	end_text(item, bytes, &mark);
	outbuf_byte(bytes, '0');
	end_text(item, bytes, &mark);
	put_rejected(admission, recipient, now_ms, bytes);
	end_text(item, bytes, &mark);
}

void admission_item(const struct admission *admission, const struct addressee *before,
		    const struct addressee *recipient, uint64_t now_ms, struct outbuf *bytes,
		    struct admission_item *item)
{
	item->ntexts = 0;
	if (recipient->refusal)
		put_refused(admission, recipient, now_ms, bytes, item);
	else
		put_queued(admission, before, recipient, now_ms, bytes, item);
}
