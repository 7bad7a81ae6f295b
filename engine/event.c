/* Written field by field into a buffer that is used again: no tree, no allocation. A field that means nothing is left
 * out. */
#include "event.h"

#include "conn.h"

#include "base/log.h"
#include "queue/document.h"
#include "queue/notes.h"
#include "smtp/verdict_detail.h"

static void put_text(struct outbuf *out, const char *name, struct slice text)
{
	if (text.len)
		outbuf_json_text(out, name, text);
}

static void put_number(struct outbuf *out, const char *name, uint64_t n)
{
	if (n)
		outbuf_json_number(out, name, n);
}

/* Unique among all events of this shard: epochs are never given twice. */
static void put_id(struct outbuf *out, struct worker *worker)
{
	outbuf_json_raw(out, "event", SLICE("\""));
	outbuf_number(out, worker->engine->epoch);
	outbuf_byte(out, '.');
	outbuf_number(out, worker->number);
	outbuf_byte(out, '.');
	outbuf_number(out, ++worker->events);
	outbuf_byte(out, '"');
}

void event_begin(struct outbuf *out, struct worker *worker)
{
	outbuf_add(out, SLICE("{\"v\":1"));
	put_id(out, worker);
	outbuf_json_number(out, "time", worker_wall_ms(worker));
}

void event_alarm(const struct conn *conn, const char *alarm, enum category category, struct slice text)
{
	struct outbuf data = {0};

	log_warning("%s", LOG_TEXT(text));
	event_begin(&data, conn->worker);
	outbuf_json_text(&data, "alarm", slice_of(alarm));
	outbuf_json_text(&data, "site", site_name(conn->lane->site));
	outbuf_json_text(&data, "category", slice_of(category_name(category)));
	outbuf_json_text(&data, "mx", conn_mx(conn));
	outbuf_json_text(&data, "text", text);
	outbuf_byte(&data, '}');
	notes_event(queue_notes(conn->worker->queue), SLICE("alarm"), outbuf_slice(&data));
	outbuf_free(&data);
}

static void put_tags(struct outbuf *out, struct slice of_job, struct slice own)
{
	struct outbuf both = {0};

	if (of_job.len && own.len) { /* rare, and the only case that costs more than a copy */
		document_union(&both, of_job, own);
		own = outbuf_slice(&both);
	}
	if (of_job.len || own.len)
		outbuf_json_raw(out, "tags", own.len ? own : of_job);
	outbuf_free(&both);
}

static void put_whose(struct outbuf *out, const struct delivery *delivery, const struct attempt *attempt)
{
	const struct mailing *mailing = delivery->mailing;
	const struct record *record = &delivery->record;
	struct slice rcpt = pack_get(record->extras, SLICE("r"));

	put_text(out, "tenant", record->tenant);
	put_text(out, "campaign", mailing->campaign);
	outbuf_json_text(out, "class", mailing->transactional ? SLICE("transactional") : SLICE("bulk"));
	if (rcpt.len) {
		outbuf_json_text(out, "rcpt", rcpt);
	} else {
		outbuf_json_raw(out, "rcpt", SLICE("\""));
		outbuf_number(out, record->index);
		outbuf_byte(out, '"');
	}
	if (attempt)
		outbuf_json_text(out, "from", attempt->sender);
	if (attempt)
		put_text(out, "message_id", attempt->message_id);
	outbuf_json_text(out, "domain", domain_name(delivery->domain));
	if (attempt)
		put_text(out, "site", attempt->site);
	put_tags(out, mailing->tags, pack_get(record->extras, SLICE("t")));
}

static void put_where(struct outbuf *out, const struct attempt *attempt)
{
	put_text(out, "source", attempt->source);
	put_text(out, "source_ip", attempt->source_ip);
	put_text(out, "mx", attempt->mx);
	put_text(out, "remote_ip", attempt->remote_ip);
}

/* The blocklist and the page that a refusal names. */
static void put_detail(struct outbuf *out, struct slice reply)
{
	struct verdict_detail detail = verdict_detail_of(reply);

	put_text(out, "blocklist", detail.list);
	put_text(out, "url", detail.url);
}

static void put_what(struct outbuf *out, const struct outcome *outcome)
{
	outbuf_json_text(out, "stage", slice_of(stage_name(outcome->stage)));
	outbuf_json_text(out, "origin", slice_of(origin_name(outcome->origin)));
	put_number(out, "code", outcome->code);
	put_text(out, "enhanced", slice_of(outcome->enhanced));
	put_text(out, "reply", slice_head(outcome->text, OUTCOME_TEXT_MAX));
	put_text(out, "category", slice_of(category_name(outcome->verdict.category)));
	if (outcome->verdict.action != ACTION_DELIVERED)
		outbuf_json_text(out, "scope", slice_of(scope_name(outcome->verdict.scope)));
	put_text(out, "rule", slice_of(outcome->verdict.rule));
	if (outcome->origin == ORIGIN_REMOTE && outcome->verdict.action != ACTION_DELIVERED)
		put_detail(out, outcome->text);
}

void event_write(struct outbuf *out, const struct delivery *delivery, const struct outcome *outcome,
		 const struct attempt *attempt, unsigned number, uint64_t next_ms)
{
	const struct record *record = &delivery->record;

	event_begin(out, delivery->worker);
	put_whose(out, delivery, attempt);
	put_number(out, "attempt", number);
	if (attempt && attempt->connected)
		put_where(out, attempt);
	if (outcome)
		put_what(out, outcome);
	outbuf_json_number(out, "queued", record->queued_ms);
	put_number(out, "first_attempt", record->first_attempt_ms);
	if (attempt && attempt->connected) {
		put_text(out, "tls", slice_of(attempt->tls));
		outbuf_json_number(out, "took_ms", attempt->took_ms);
	}
	if (delivery->mailing->require_tls)
		outbuf_json_raw(out, "require_tls", SLICE("true"));
	put_number(out, "next", next_ms);
	if (attempt) {
		put_number(out, "size", attempt->size);
		put_number(out, "connection", attempt->connection);
		put_number(out, "nth", attempt->nth);
	}
	outbuf_byte(out, '}');
}
