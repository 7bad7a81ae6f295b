/* A row of the table at the end says for each state what is asked of Redis; the hear function next to it, what the
 * answer means. An answer that is an error moves nothing: the arrival waits a second and asks again, whether Redis is
 * full, loading or misconfigured, because the entry is safe where it is. */
#include "arrival_judge.h"

#include "base/check.h"
#include "domain_order.h"

#include <hiredis/hiredis.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { TROUBLE_MS = 1000, NAME_LOOK_MS = 250, NAME_WAIT_MS = 60000, ERRORS_MAX = 100, KEY_MAX = 320 };

static struct gate *gate_of(const struct arrival *arrival)
{
	return arrival->inlet->gate;
}

/* PREFIX:kind:name, into room of KEY_MAX. */
static struct slice key_of(const struct arrival *arrival, const char *kind, struct slice name, char *room)
{
	int n = snprintf(room, KEY_MAX, "%.*s:%s:%.*s", SLICE_ARG(gate_of(arrival)->setup.prefix), kind,
			 SLICE_ARG(name));

	return (struct slice){room, n < KEY_MAX ? (size_t)n : KEY_MAX - 1};
}

/* What every hear begins with. True when the answer is an error: told, and nothing moves for a while. */
static bool is_trouble(struct arrival *arrival, const struct redisReply *reply, const char *doing)
{
	CHECK(arrival->asking > 0);
	arrival->asking--;
	if (reply->type != REDIS_REPLY_ERROR)
		return arrival->wait_ms > gate_of(arrival)->now_ms; /* an earlier answer of the same state was one */
	gate_complain(gate_of(arrival), doing, reply);
	arrival->wait_ms = gate_of(arrival)->now_ms + TROUBLE_MS;
	return true;
}

/* The message is not there yet: it may be on its way in. */
static void park(struct arrival *arrival)
{
	struct gate *gate = gate_of(arrival);

	if (!arrival->parked) {
		arrival->parked = true;
		arrival->inlet->nparked++;
		arrival->patience_ms = gate->now_ms + NAME_WAIT_MS;
	}
	arrival->wait_ms = gate->now_ms + NAME_LOOK_MS;
	if (gate->now_ms < arrival->patience_ms)
		return;
	refuse(&arrival->refusal, "E_BODY", "message",
	       "there is no stored message \"%.*s\": it was waited for for %d s", SLICE_ARG(arrival->job.message),
	       NAME_WAIT_MS / 1000);
	arrival->refusal.retryable = true;
	arrival_unpark(arrival);
	arrival_message_refused(arrival);
}

static void say(struct arrival *arrival, const struct slice *argv, unsigned argc, pipeline_hear *hear)
{
	pipeline_say(&gate_of(arrival)->pipeline, argv, argc, hear, arrival);
	arrival->asking++;
}

/* meta of a begun job: which body it has. */
static bool read_meta(struct arrival *arrival, struct slice meta)
{
	json_t *root = json_loadb(meta.ptr ? meta.ptr : "", meta.len, 0, NULL);
	const json_t *body = json_object_get(root, "body");
	bool good = json_is_string(body) && json_string_length(body) == DIGEST_HEX - 1;

	if (good)
		memcpy(arrival->sha, json_string_value(body), DIGEST_HEX);
	json_decref(root);
	return good;
}

static void hear_asked(void *who, const struct redisReply *reply)
{
	struct arrival *arrival = who;

	if (is_trouble(arrival, reply, "asking for a job that was read before"))
		return;
	arrival->begun = resp_count(reply) == 2 && slice_is(resp_text(resp_at(reply, 0)), slice_of(arrival->entry)) &&
			 read_meta(arrival, resp_text(resp_at(reply, 1)));
	if (arrival->begun || arrival_judge(arrival, false))
		arrival_route(arrival);
}

static void say_asked(struct arrival *arrival)
{
	char key[KEY_MAX];
	int n = snprintf(key, sizeof(key), "%.*s:job:%.*s:%.*s", SLICE_ARG(gate_of(arrival)->base),
			 SLICE_ARG(arrival->job.tenant), SLICE_ARG(arrival->admission.id));
	const struct slice argv[] = {SLICE("HMGET"), {key, (size_t)n}, SLICE("entry"), SLICE("meta")};

	say(arrival, argv, 4, hear_asked);
}

static void hear_name(void *who, const struct redisReply *reply)
{
	struct arrival *arrival = who;
	struct slice sha = resp_text(reply);

	if (is_trouble(arrival, reply, "asking for a stored message"))
		return;
	if (sha.len != DIGEST_HEX - 1) {
		park(arrival);
		return;
	}
	arrival_unpark(arrival);
	memcpy(arrival->sha, sha.ptr, sha.len);
	arrival_find(arrival);
}

static struct slice name_key(const struct arrival *arrival, struct slice name, char *room)
{
	char both[KEY_MAX];
	int n = snprintf(both, sizeof(both), "%.*s:%.*s", SLICE_ARG(arrival->job.tenant), SLICE_ARG(name));

	return key_of(arrival, "name", (struct slice){both, (size_t)n}, room);
}

static void say_name(struct arrival *arrival)
{
	char room[KEY_MAX];

	say(arrival, (struct slice[]){SLICE("GET"), name_key(arrival, arrival->job.message, room)}, 2, hear_name);
}

static void hear_fetched(void *who, const struct redisReply *reply)
{
	struct arrival *arrival = who;
	struct slice stored = resp_text(reply);
	char sha[DIGEST_HEX];

	if (is_trouble(arrival, reply, "fetching a stored message"))
		return;
	digest_hex(sha, &stored, 1);
	if (stored.len == 0 || strcmp(sha, arrival->sha) != 0) {
		park(arrival);
		return;
	}
	arrival_unpark(arrival);
	arrival_take(arrival, stored);
}

static void say_fetch(struct arrival *arrival)
{
	char room[KEY_MAX];

	say(arrival, (struct slice[]){SLICE("GET"), key_of(arrival, "body", slice_of(arrival->sha), room)}, 2,
	    hear_fetched);
}

static void hear_keeping(void *who, const struct redisReply *reply)
{
	is_trouble(who, reply, "storing a message");
}

/* The last of its two answers: how long it is kept, or whether it is there. */
static void hear_kept(void *who, const struct redisReply *reply)
{
	struct arrival *arrival = who;
	struct shelf_message *found = shelf_find(&gate_of(arrival)->shelf, slice_of(arrival->sha));

	if (is_trouble(arrival, reply, "storing a message"))
		return;
	if (arrival->stored.len == 0 && resp_integer(reply) == 0) {
		arrival->state = ARRIVAL_FETCH; /* it expired just now; whoever stores it again may be under way */
		if (arrival->message)
			message_free(arrival->message);
		arrival->message = NULL;
		return;
	}
	if (found)
		found->stored_until_s = arrival_body_until_s(arrival);
	arrival->state = ARRIVAL_BEGIN;
}

/* SET NX and then EXPIREAT GT: the first who brings it sets it, the one who needs it longest says until when. */
static void say_keep(struct arrival *arrival)
{
	char room[KEY_MAX], until[24];
	struct slice key = key_of(arrival, "body", slice_of(arrival->sha), room);
	int n = snprintf(until, sizeof(until), "%llu", (unsigned long long)arrival_body_until_s(arrival));
	struct slice at = {until, (size_t)n};
	const struct slice set[] = {SLICE("SET"), key, outbuf_slice(&arrival->stored), SLICE("NX"), SLICE("EXAT"), at};
	const struct slice extend[] = {SLICE("EXPIREAT"), key, at, SLICE("GT")};

	if (arrival->stored.len) {
		say(arrival, set, 6, hear_keeping);
		say(arrival, extend, 4, hear_kept);
	} else {
		say(arrival, extend, 4, hear_keeping);
		say(arrival, (struct slice[]){SLICE("EXISTS"), key}, 2, hear_kept);
	}
}

static void refuse_conflict(struct arrival *arrival, struct slice first)
{
	refuse(&arrival->refusal, "E_CONFLICT", "id", "this id was used before, by entry %.*s, with other content",
	       SLICE_ARG(first));
	arrival_refused(arrival);
}

static void begun_now(struct arrival *arrival, const struct redisReply *reply)
{
	arrival->admission.accept = resp_integer(resp_at(reply, 1));
	arrival->cursor = (unsigned)resp_integer(resp_at(reply, 2));
	arrival->begun = true;
	if (arrival->job.store.len)
		arrival->state = ARRIVAL_STORE;
	else
		arrival->state = arrival->cursor < arrival->job.nrecipients ? ARRIVAL_EXPAND : ARRIVAL_DONE;
}

static void hear_begun(void *who, const struct redisReply *reply)
{
	struct arrival *arrival = who;
	bool can_rename = !arrival->job.id.len && !arrival->other_id;

	if (is_trouble(arrival, reply, "beginning a job"))
		return;
	struct slice word = resp_count(reply) == 3 ? resp_text(resp_at(reply, 0)) : SLICE_NONE;

	if (slice_is(word, SLICE("NEW")) || slice_is(word, SLICE("RESUME"))) {
		if (slice_is(word, SLICE("NEW")))
			stat_add(gate_of(arrival)->setup.stats, STAT_ACCEPTED, 1);
		begun_now(arrival, reply);
	} else if (slice_is(word, SLICE("DUP"))) {
		arrival->state = ARRIVAL_DONE;
	} else if (can_rename) {
		arrival->other_id = true;
		arrival_name_job(arrival);
	} else {
		refuse_conflict(arrival, resp_text(resp_at(reply, 1)));
	}
}

static void say_begin(struct arrival *arrival)
{
	const struct admission *admission = &arrival->admission;
	struct outbuf accepted = {0}, duplicate = {0}, meta = {0}, common = {0}, total = {0};

	admission_accepted(admission, &accepted);
	admission_duplicate(admission, &duplicate);
	admission_meta(admission, &meta);
	admission_common(admission, &common);
	outbuf_number(&total, arrival->job.nrecipients);
	const struct slice argv[] = {
		SLICE("FCALL"),		  SLICE("hikyaku_begin"),   SLICE("1"),
		gate_of(arrival)->base,	  arrival->job.tenant,	    admission->id,
		slice_of(arrival->entry), slice_of(arrival->hash),  outbuf_slice(&total),
		outbuf_slice(&accepted),  outbuf_slice(&duplicate), outbuf_slice(&meta),
		outbuf_slice(&common),	  arrival->job.tags,
	};

	say(arrival, argv, sizeof(argv) / sizeof(argv[0]), hear_begun);
	outbuf_free(&accepted);
	outbuf_free(&duplicate);
	outbuf_free(&meta);
	outbuf_free(&common);
	outbuf_free(&total);
}

static void hear_stored(void *who, const struct redisReply *reply)
{
	struct arrival *arrival = who;

	if (!is_trouble(arrival, reply, "naming a stored message"))
		arrival->state = ARRIVAL_DONE;
}

/* After the job began, so that one that conflicts changes nothing. */
static void say_store(struct arrival *arrival)
{
	char room[KEY_MAX], seconds[24];
	int n = snprintf(seconds, sizeof(seconds), "%llu", (unsigned long long)arrival->job.ttl_s);
	const struct slice argv[] = {SLICE("SET"),
				     name_key(arrival, arrival->job.store, room),
				     slice_of(arrival->sha),
				     SLICE("EX"),
				     {seconds, (size_t)n}};

	say(arrival, argv, 5, hear_stored);
}

bool arrival_is_expanding(const struct arrival *arrival)
{
	return arrival->state == ARRIVAL_EXPAND && arrival->asked < arrival->job.nrecipients &&
	       arrival->wait_ms <= gate_of(arrival)->now_ms;
}

static void hear_expanded(void *who, const struct redisReply *reply)
{
	struct arrival *arrival = who;

	if (is_trouble(arrival, reply, "expanding a job")) {
		if (slice_starts(resp_text(reply), SLICE("NOJOB")))
			arrival->state = ARRIVAL_KEEP; /* Redis lost it: a crash without fsync, or a hand */
		return;
	}
	if (arrival->state != ARRIVAL_EXPAND)
		return;
	arrival->cursor = (unsigned)resp_integer(reply);
	if (arrival->cursor >= arrival->job.nrecipients)
		arrival->state = ARRIVAL_DONE;
}

/* The words of n items, their texts behind one another in bytes. */
static struct slice *put_items(const struct admission_item *items, unsigned n, const char *bytes, struct slice *next)
{
	for (unsigned i = 0; i < n; i++) {
		*next++ = items[i].kind;
		for (unsigned text = 0; text < items[i].ntexts; text++) {
			*next++ = (struct slice){bytes, items[i].lengths[text]};
			bytes += items[i].lengths[text];
		}
	}
	return next;
}

void arrival_say_slice(struct arrival *arrival)
{
	struct gate *gate = gate_of(arrival);
	struct slice argv[8 + 5 * GATE_SLICE] = {SLICE("FCALL"), SLICE("hikyaku_expand"), SLICE("1"),
						 gate->base,	 arrival->job.tenant,	  arrival->admission.id};
	struct admission_item items[GATE_SLICE];
	struct outbuf bytes = {0};
	const struct addressee *before = NULL, *recipients = arrival->job.recipients;
	unsigned from = arrival->asked, left = arrival->job.nrecipients - from,
		 n = left < GATE_SLICE ? left : GATE_SLICE;
	char first[16], end[16];

	if (!arrival->order)
		arrival->order = domain_order(&arrival->job);
	for (unsigned i = 0; i < n; i++) {
		const struct addressee *recipient = &recipients[arrival->order[from + i]];

		admission_item(&arrival->admission, before, recipient, gate->wall_ms, &bytes, &items[i]);
		before = recipient;
	}
	argv[6] = (struct slice){first, (size_t)snprintf(first, sizeof(first), "%u", from)};
	argv[7] = (struct slice){end, (size_t)snprintf(end, sizeof(end), "%u", from + n)};
	struct slice *next = put_items(items, n, bytes.ptr, argv + 8);

	say(arrival, argv, (unsigned)(next - argv), hear_expanded);
	outbuf_free(&bytes);
	arrival->asked = from + n;
}

static void hear_rejected(void *who, const struct redisReply *reply)
{
	struct arrival *arrival = who;

	if (is_trouble(arrival, reply, "noting a refused job"))
		return;
	stat_add(gate_of(arrival)->setup.stats, STAT_REJECTED, 1);
	arrival->state = ARRIVAL_DONE;
}

static void put_errors(const struct arrival *arrival, struct outbuf *out)
{
	if (arrival->has_job && arrival->job.nrefused) {
		job_refusals_json(out, &arrival->job, ERRORS_MAX);
		return;
	}
	outbuf_byte(out, '[');
	refusal_json(out, &arrival->refusal);
	outbuf_byte(out, ']');
}

static void say_reject(struct arrival *arrival)
{
	const struct refusal *refusal = &arrival->refusal;
	struct outbuf errors = {0}, time = {0};
	struct slice tenant = arrival->has_job ? arrival->job.tenant : arrival->inlet->stream.tenant;
	char room[KEY_MAX];
	int n = snprintf(room, sizeof(room), "%.*s:rejected", SLICE_ARG(gate_of(arrival)->setup.prefix));

	put_errors(arrival, &errors);
	outbuf_number(&time, gate_of(arrival)->wall_ms);
	const struct slice argv[] = {
		SLICE("XADD"),	    {room, (size_t)n},
		SLICE("MAXLEN"),    SLICE("~"),
		SLICE("100000"),    SLICE("*"),
		SLICE("entry"),	    slice_of(arrival->id),
		SLICE("tenant"),    tenant,
		SLICE("time"),	    outbuf_slice(&time),
		SLICE("job"),	    arrival->has_job ? arrival->job.id : SLICE(""),
		SLICE("code"),	    slice_of(refusal->code),
		SLICE("field"),	    slice_of(refusal->field),
		SLICE("message"),   slice_of(refusal->message),
		SLICE("errors"),    outbuf_slice(&errors),
		SLICE("retryable"), refusal->retryable ? SLICE("true") : SLICE("false"),
	};

	say(arrival, argv, sizeof(argv) / sizeof(argv[0]), hear_rejected);
	outbuf_free(&errors);
	outbuf_free(&time);
}

static void hear_deleted(void *who, const struct redisReply *reply)
{
	is_trouble(who, reply, "deleting an entry");
}

static void hear_done(void *who, const struct redisReply *reply)
{
	struct arrival *arrival = who;

	if (!is_trouble(arrival, reply, "acknowledging an entry"))
		arrival->state = ARRIVAL_OVER;
}

static void say_done(struct arrival *arrival)
{
	struct gate *gate = gate_of(arrival);

	arrival->asking += 2;
	stream_say_done(&gate->pipeline, &arrival->inlet->stream, &gate->reader, slice_of(arrival->id), hear_deleted,
			hear_done, arrival);
}

void arrival_say(struct arrival *arrival)
{
	static void (*const says[])(struct arrival *) = {
		[ARRIVAL_ASK] = say_asked,     [ARRIVAL_NAME] = say_name,   [ARRIVAL_FETCH] = say_fetch,
		[ARRIVAL_KEEP] = say_keep,     [ARRIVAL_BEGIN] = say_begin, [ARRIVAL_STORE] = say_store,
		[ARRIVAL_REJECT] = say_reject, [ARRIVAL_DONE] = say_done,   [ARRIVAL_OVER] = NULL,
	};

	CHECK(says[arrival->state] != NULL);
	if (arrival->asking == 0 && arrival->wait_ms <= gate_of(arrival)->now_ms)
		says[arrival->state](arrival);
}
