/* An entry is deleted only after it was executed, and Redis executes none twice, so a crash between the two does no
 * harm. A blocking read was rejected: the keeper's thread has a beat to keep, and five questions a second cost nothing.
 */
#include "queue/desk.h"

#include "base/check.h"
#include "base/log.h"
#include "queue/document.h"
#include "queue/suppress_order.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 200, SOON_MS = 10, ENTRIES_MAX = 16, FIELDS_MAX = 32, ANSWERS_MAX = 100, SITES_MAX = 500 };

void desk_init(struct desk *desk, struct caller *caller, struct slice prefix, const struct desk_owner *owner)
{
	*desk = (struct desk){.caller = caller, .prefix = prefix, .owner = owner};
}

void desk_free(struct desk *desk)
{
	outbuf_free(&desk->words);
	outbuf_free(&desk->more);
}

static struct slice key(struct desk *desk, const char *name, struct slice more)
{
	outbuf_reset(&desk->words);
	outbuf_printf(&desk->words, "%.*s:%s%.*s", SLICE_ARG(desk->prefix), name, SLICE_ARG(more));
	return outbuf_slice(&desk->words);
}

static struct slice number(char *room, uint64_t n)
{
	return (struct slice){room, (size_t)snprintf(room, 24, "%llu", (unsigned long long)n)};
}

/* One question; NULL when the connection is lost. Errors are replies. */
static struct redisReply *ask(struct desk *desk, const struct slice *argv, unsigned argc)
{
	if (!caller_is_up(desk->caller))
		return NULL;
	caller_append(desk->caller, argv, argc);
	return caller_reply(desk->caller);
}

static void done_with(struct redisReply *reply)
{
	if (reply)
		freeReplyObject(reply);
}

void desk_answer(struct desk *desk, const struct control *control, struct slice more)
{
	struct match match;
	struct refusal refusal;
	struct outbuf canonical = {0};

	if (match_json(&match, control->match, &refusal)) {
		match_write_json(&match, &canonical);
		match_free(&match);
	}
	struct slice arguments[] = {control->entry, control->what, outbuf_slice(&canonical),
				    control->by,    control->ref,  more};

	done_with(caller_ask(desk->caller, "hikyaku_control_answer", arguments, 6));
	outbuf_free(&canonical);
}

/* Pause, resume, cancel, retry: all of it is done inside Redis. */
static bool run_order(struct desk *desk, const struct control *control, struct refusal *refusal)
{
	struct match match;
	char room[24];

	if (control->for_ms && !slice_is(control->what, SLICE("pause")))
		return refuse(refusal, "E_CONTROL", "for", "for: only a pause ends by itself");
	if (!match_json(&match, control->match, refusal))
		return false;
	bool ok = control_check(control->what, &match, refusal);

	outbuf_reset(&desk->more);
	match_write_json(&match, &desk->more);
	match_free(&match);
	if (!ok)
		return false;
	struct slice argv[] = {SLICE("FCALL"),
			       SLICE("hikyaku_control"),
			       SLICE("1"),
			       desk->caller->base,
			       control->entry,
			       control->what,
			       outbuf_slice(&desk->more),
			       number(room, control->for_ms),
			       control->by,
			       control->ref,
			       control->hold_expiry ? SLICE("1") : SLICE("")};
	struct redisReply *reply = ask(desk, argv, sizeof(argv) / sizeof(argv[0]));

	if (reply && resp_error(reply) == RESP_ERROR)
		ok = refuse(refusal, "E_CONTROL", "", "%.*s", SLICE_ARG(slice_head(resp_text(reply), 200)));
	done_with(reply);
	return ok;
}

static const struct row {
	const char *what;
	/* Carries it out, or refuses it; answers by itself if it does. */
	bool (*run)(struct desk *desk, const struct control *control, struct refusal *refusal);
} rows[] = {
	{"pause", run_order}, {"resume", run_order},	    {"cancel", run_order},
	{"retry", run_order}, {"suppress", suppress_order}, {"unsuppress", suppress_order},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static bool run(struct desk *desk, const struct control *control, struct refusal *refusal)
{
	const char *names[ROWS];

	for (unsigned i = 0; i < ROWS; i++) {
		names[i] = rows[i].what;
		if (slice_is(control->what, slice_of(rows[i].what)))
			return rows[i].run(desk, control, refusal);
	}
	char *found = slice_copy(slice_head(control->what, 60));
	const char *nearest = document_nearest(found, names, ROWS);

	refuse(refusal, "E_CONTROL", "do", "do %s: there is no such order%s%s%s", found,
	       nearest ? ", did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
	free(found);
	return false;
}

static void execute(struct desk *desk, struct slice entry, const struct redisReply *told)
{
	struct slice fields[FIELDS_MAX];
	size_t n = resp_count(told) < FIELDS_MAX ? resp_count(told) : FIELDS_MAX;
	struct control control;
	struct refusal refusal;

	for (size_t i = 0; i < n; i++)
		fields[i] = resp_text(resp_at(told, i));
	if (control_read(&control, entry, fields, n, &refusal) && run(desk, &control, &refusal))
		return;
	if (!caller_is_up(desk->caller))
		return; /* it is read again */
	log_warning("an order in %.*s:control is refused: %s", SLICE_ARG(desk->prefix), refusal.message);
	outbuf_reset(&desk->more);
	outbuf_add(&desk->more, SLICE(",\"error\":"));
	outbuf_json_string(&desk->more, slice_of(refusal.message));
	desk_answer(desk, &control, outbuf_slice(&desk->more));
}

/* Each entry is executed, then deleted. True if there may be more. */
static bool read_stream(struct desk *desk)
{
	struct slice control = key(desk, "control", SLICE_NONE);
	struct redisReply *reply = ask(
		desk,
		(struct slice[]){SLICE("XREAD"), SLICE("COUNT"), SLICE("16"), SLICE("STREAMS"), control, SLICE("0")},
		6);
	const struct redisReply *stream = resp_count(reply) == 1 ? resp_at(reply, 0) : NULL;
	const struct redisReply *entries = resp_count(stream) == 2 ? resp_at(stream, 1) : NULL;
	size_t n = resp_count(entries);

	for (size_t i = 0; i < n && caller_is_up(desk->caller); i++) {
		const struct redisReply *entry = resp_at(entries, i);

		if (resp_count(entry) != 2)
			continue;
		execute(desk, resp_text(resp_at(entry, 0)), resp_at(entry, 1));
		control = key(desk, "control", SLICE_NONE);
		if (caller_is_up(desk->caller))
			done_with(ask(desk, (struct slice[]){SLICE("XDEL"), control, resp_text(resp_at(entry, 0))}, 3));
	}
	if (reply && resp_error(reply) != RESP_FINE)
		log_debug("reading %.*s:control: %s", SLICE_ARG(desk->prefix), LOG_TEXT(resp_text(reply)));
	done_with(reply);
	return n == ENTRIES_MAX;
}

static void learn(struct desk *desk, uint64_t generation)
{
	char room[24];
	struct slice known = desk->knows ? number(room, desk->generation) : SLICE("");
	struct redisReply *reply;

	if (desk->knows && generation == desk->generation)
		return;
	reply = caller_ask(desk->caller, "hikyaku_controls", &known, 1);
	if (resp_count(reply) >= 1) {
		size_t n = resp_count(reply) - 1;
		struct slice *told = calloc(n + 1, sizeof(*told));

		CHECK(told != NULL);
		for (size_t i = 0; i < n; i++)
			told[i] = resp_text(resp_at(reply, 1 + i));
		desk->generation = resp_integer(resp_at(reply, 0));
		desk->knows = true;
		if (desk->owner)
			desk->owner->changed(desk->owner->who, desk->generation, told, n);
		free(told);
	}
	done_with(reply);
}

/* Answers lie with the shard until they are where whoever asked looks. */
static void put_answers(struct desk *desk, const struct redisReply *reply, size_t first)
{
	struct slice refs[ANSWERS_MAX];
	unsigned n = 0;

	for (size_t i = first; i + 1 < resp_count(reply) && n < ANSWERS_MAX && caller_is_up(desk->caller); i += 2) {
		struct slice ref = resp_text(resp_at(reply, i));
		struct redisReply *put =
			ask(desk,
			    (struct slice[]){SLICE("SET"), key(desk, "control:", ref), resp_text(resp_at(reply, i + 1)),
					     SLICE("EX"), SLICE("3600")},
			    5);

		if (put && resp_error(put) == RESP_FINE)
			refs[n++] = ref;
		done_with(put);
	}
	if (n && caller_is_up(desk->caller))
		done_with(caller_ask(desk->caller, "hikyaku_control_answered", refs, n));
}

/* One piece of the mail that some order means. True if there is more of it. */
static bool step(struct desk *desk)
{
	const struct desk_owner *owner = desk->owner;
	char applied[24], counted[24];
	uint64_t id = 0;
	bool at_work = false;

	slice_number(slice_of(desk->at_work), UINT64_MAX, &id);
	struct slice arguments[] = {SLICE("256"), number(applied, owner ? owner->applied(owner->who) : INT64_MAX),
				    slice_of(desk->at_work),
				    number(counted, owner ? owner->cancelled(owner->who, id) : 0)};
	struct redisReply *reply = caller_ask(desk->caller, "hikyaku_control_step", arguments, 4);

	if (resp_count(reply) >= 3) {
		struct slice next = resp_text(resp_at(reply, 2));

		snprintf(desk->at_work, sizeof(desk->at_work), "%.*s", SLICE_ARG(next));
		at_work = next.len > 0;
		learn(desk, resp_integer(resp_at(reply, 0)));
		if (caller_is_up(desk->caller))
			put_answers(desk, reply, 3);
	}
	done_with(reply);
	return at_work;
}

/* True if there may be more. */
static bool put_sites(struct desk *desk)
{
	const struct desk_owner *owner = desk->owner;
	struct slice pairs[SITES_MAX];
	unsigned n = owner ? owner->sites(owner->who, pairs, SITES_MAX, &desk->more) : 0;

	if (n)
		done_with(caller_ask(desk->caller, "hikyaku_sites", pairs, n));
	return n == SITES_MAX;
}

uint64_t desk_turn(struct desk *desk)
{
	bool more = read_stream(desk);

	if (caller_is_up(desk->caller))
		more = put_sites(desk) || more;

	if (caller_is_up(desk->caller))
		more = step(desk) || more;
	return more ? SOON_MS : LOOK_MS;
}
