/* Outcomes are turned into settlements here and nowhere else. Whatever is not final keeps the record, with its attempt
 * counted; the reply travels in it, cut to 80 bytes, so that an event of expiry can still say what the receiver said.
 */
#include "outcome.h"

#include "controls.h"
#include "reaction.h"
#include "suppressor.h"

#include "base/check.h"

#include <stdio.h>

enum { LAST_REPLY_MAX = 80, LANE_REFUSALS_MAX = 20 };

struct change {
	enum settle_verb verb;
	const char *type; /* of the event */
	uint64_t delay_ms;
	const struct outcome *in_doubt; /* an event `uncertain` about it comes first; NULL: none */
};

/* The extras with what the last attempt left in place of what an older one did: the reply, and the source, under the
 * name that says whether it must come from there again. */
static void extras_after(struct outbuf *out, struct slice extras, struct slice reply, struct slice source,
			 struct slice source_name)
{
	struct pack_entry entry;

	while (pack_next(&extras, &entry))
		if (!slice_is(entry.name, SLICE("e")) && !slice_is(entry.name, SLICE("s")) &&
		    !slice_is(entry.name, SLICE("l")))
			pack_add(out, entry.kind, entry.name, entry.value);
	if (reply.len)
		pack_add(out, PACK_TEXT, SLICE("e"), slice_head(reply, LAST_REPLY_MAX));
	if (source.len)
		pack_add(out, PACK_TEXT, source_name, source);
}

/* The record as it goes on waiting: one attempt more. */
static struct slice record_after(struct delivery *delivery, const struct outcome *outcome,
				 const struct attempt *attempt)
{
	struct worker *worker = delivery->worker;
	struct record next = delivery->record;
	struct outbuf extras = {0};
	char reply[LAST_REPLY_MAX + 32];
	int n = snprintf(reply, sizeof(reply), "%u%s%s %.*s", outcome->code, outcome->enhanced[0] ? " " : "",
			 outcome->enhanced,
			 (int)(outcome->text.len < LAST_REPLY_MAX ? outcome->text.len : LAST_REPLY_MAX),
			 outcome->text.len ? outcome->text.ptr : "");

	bool same_source = outcome->verdict.category == CATEGORY_GREYLISTED;

	extras_after(
		&extras, next.extras, (struct slice){reply, (size_t)n < sizeof(reply) ? (size_t)n : sizeof(reply) - 1},
		attempt ? attempt->source : record_source(&delivery->record), same_source ? SLICE("s") : SLICE("l"));
	next.extras = outbuf_slice(&extras);
	outbuf_reset(&worker->settled);
	record_encode(&worker->settled, &next);
	outbuf_free(&extras);
	return outbuf_slice(&worker->settled);
}

/* No later than it expires: its end is told when it comes, not with the next attempt that would have been. */
static uint64_t not_beyond_expiry_ms(const struct delivery *delivery, uint64_t delay_ms)
{
	uint64_t ends_ms = controls_expiry_ms(delivery), wall_ms = worker_wall_ms(delivery->worker);

	if (ends_ms <= wall_ms)
		return 0;
	return ends_ms - wall_ms < delay_ms ? ends_ms - wall_ms : delay_ms;
}

static void settle(struct delivery *delivery, const struct change *change, const struct outcome *outcome,
		   const struct attempt *attempt)
{
	struct worker *worker = delivery->worker;
	struct settlement settlement = delivery_settlement(delivery, change->verb);
	bool later = change->verb == SETTLE_LATER;
	uint64_t delay_ms = later ? not_beyond_expiry_ms(delivery, change->delay_ms) : change->delay_ms;
	uint64_t next_ms = later ? worker_wall_ms(worker) + delay_ms : 0;
	unsigned attempts = delivery->record.attempt;
	struct outbuf before = {0};

	settlement.delay_ms = delay_ms;
	settlement.type = slice_of(change->type);
	settlement.to = delivery->record.address;
	if (change->in_doubt) {
		event_write(&before, delivery, change->in_doubt, attempt, attempts, 0);
		settlement.before_type = SLICE("uncertain");
		settlement.before_data = outbuf_slice(&before);
	}
	if (later || change->verb == SETTLE_HOLD)
		settlement.record = record_after(delivery, outcome, attempt);
	outbuf_reset(&worker->event);
	event_write(&worker->event, delivery, outcome, attempt, attempts, next_ms);
	settlement.data = outbuf_slice(&worker->event);
	queue_settle(worker->queue, &settlement);
	outbuf_free(&before);
	delivery_free(delivery);
}

/* How long until the next attempt: by the lane's schedule, not before the receiver's own word. What was refused for the
 * lane's sake, not its own, waits for the lane; where that happens again and again to the same one, for both. */
static uint64_t delay_ms(const struct delivery *delivery, const struct outcome *outcome)
{
	uint64_t hint_ms = (uint64_t)outcome->verdict.retry_after_s * 1000;
	struct retry_reason reason = {outcome->verdict.category, delivery->urgent};

	if (reaction_is_of_lane(&outcome->verdict) && delivery->record.attempt < LANE_REFUSALS_MAX)
		return reaction_retry_ms(delivery->lane, worker_now_ms(delivery->worker));
	return retry_delay_ms(&delivery->lane->limits->retry, &reason, delivery->record.attempt, hint_ms,
			      scheduler_random(delivery->worker->scheduler));
}

/* The connection died between the last byte and the reply: perhaps it was taken (RFC 1047). */
static void outcome_uncertain(struct delivery *delivery, const struct outcome *outcome, const struct attempt *attempt)
{
	struct outcome assumed = *outcome;

	stat_add(delivery->worker->stats, STAT_UNCERTAIN, 1);
	assumed.origin = ORIGIN_ASSUMED;
	switch (delivery->worker->config->queue.uncertain) {
	case UNCERTAIN_RETRY:
		settle(delivery, &(struct change){SETTLE_LATER, "uncertain", delay_ms(delivery, outcome), NULL},
		       outcome, attempt);
		return;
	case UNCERTAIN_HOLD:
		settle(delivery, &(struct change){SETTLE_HOLD, "held", 0, outcome}, &assumed, attempt);
		return;
	case UNCERTAIN_ASSUME_DELIVERED:
		assumed.verdict = (struct verdict){.action = ACTION_DELIVERED, .scope = SCOPE_RECIPIENT};
		settle(delivery, &(struct change){SETTLE_FINAL, "delivered", 0, outcome}, &assumed, attempt);
		return;
	}
	CHECK(!"a policy that exists");
}

static void count(const struct delivery *delivery, const struct outcome *outcome, const struct attempt *attempt)
{
	struct worker *worker = delivery->worker;

	if (outcome->verdict.action != ACTION_DELIVERED)
		worker->refusals[outcome->verdict.category]++;
	if (delivery->mailing->campaign.len)
		scoreboard_count(&worker->scoreboard, SCORE_CAMPAIGN, delivery->record.tenant,
				 delivery->mailing->campaign, outcome);
	if (attempt && attempt->site.len)
		scoreboard_count(&worker->scoreboard, SCORE_SITE, SLICE_NONE, attempt->site, outcome);
	if (attempt && attempt->source.len)
		scoreboard_count(&worker->scoreboard, SCORE_SOURCE, SLICE_NONE, attempt->source, outcome);
}

void outcome_settle(struct delivery *delivery, const struct outcome *outcome, const struct attempt *attempt)
{
	struct stats *stats = delivery->worker->stats;
	struct slice by;

	CHECK(outcome->attempted);
	delivery->record.attempt++;
	if (delivery->record.first_attempt_ms == 0)
		delivery->record.first_attempt_ms = worker_wall_ms(delivery->worker);
	if (outcome->uncertain) {
		outcome_uncertain(delivery, outcome, attempt);
		return;
	}
	watch_meet(delivery, outcome);
	count(delivery, outcome, attempt);
	switch (outcome->verdict.action) {
	case ACTION_DELIVERED:
		stat_add(stats, STAT_DELIVERED, 1);
		settle(delivery, &(struct change){SETTLE_FINAL, "delivered", 0, NULL}, outcome, attempt);
		return;
	case ACTION_NEVER:
		stat_add(stats, STAT_FAILED, 1);
		suppressor_learn(delivery, outcome);
		settle(delivery, &(struct change){SETTLE_FINAL, "failed", 0, NULL}, outcome, attempt);
		return;
	case ACTION_LATER:
	case ACTION_ELSEWHERE:
	case ACTION_SLOWER:
		if (controls_meet(delivery, &by) == FATE_CANCELLED) { /* while it was in dialogue */
			outcome_cancelled(delivery, by);
			return;
		}
		stat_add(stats, STAT_DEFERRED, 1);
		settle(delivery, &(struct change){SETTLE_LATER, "deferred", delay_ms(delivery, outcome), NULL}, outcome,
		       attempt);
		return;
	case ACTION_COUNT: break;
	}
	CHECK(!"an action that exists");
}

void outcome_postponed(struct delivery *delivery, uint64_t delay_ms)
{
	struct worker *worker = delivery->worker;
	struct settlement settlement = delivery_settlement(delivery, SETTLE_LATER);

	outbuf_reset(&worker->settled);
	record_encode(&worker->settled, &delivery->record);
	settlement.record = outbuf_slice(&worker->settled);
	settlement.delay_ms = delay_ms;
	queue_settle(worker->queue, &settlement);
	delivery_free(delivery);
}

void outcome_expired(struct delivery *delivery)
{
	struct slice last = pack_get(delivery->record.extras, SLICE("e"));
	struct outcome outcome = {
		.verdict = {.action = ACTION_NEVER, .scope = SCOPE_RECIPIENT, .category = CATEGORY_EXPIRED},
		.stage = STAGE_QUEUE,
		.origin = ORIGIN_LOCAL,
		.enhanced = "4.4.7",
		.text = last.len ? last : SLICE("its time was up before it could be sent"),
	};

	stat_add(delivery->worker->stats, STAT_EXPIRED, 1);
	settle(delivery, &(struct change){SETTLE_FINAL, "expired", 0, NULL}, &outcome, NULL);
}

void outcome_cancelled(struct delivery *delivery, struct slice by)
{
	char text[160];
	int n = snprintf(text, sizeof(text), "cancelled by %.*s", SLICE_ARG(by.len ? by : SLICE("an operator")));
	struct outcome outcome = {
		.verdict = {.action = ACTION_NEVER, .scope = SCOPE_RECIPIENT},
		.stage = STAGE_QUEUE,
		.origin = ORIGIN_LOCAL,
		.text = {text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1},
	};

	settle(delivery, &(struct change){SETTLE_FINAL, "cancelled", 0, NULL}, &outcome, NULL);
}

void outcome_suppressed(struct delivery *delivery, enum category category)
{
	char text[100];
	int n = snprintf(text, sizeof(text), "on the suppression list: %s, by verdict", category_name(category));
	struct outcome outcome = {
		.verdict = {.action = ACTION_NEVER,
			    .scope = SCOPE_RECIPIENT,
			    .category = category,
			    .rule = "suppression"},
		.stage = STAGE_QUEUE,
		.origin = ORIGIN_LOCAL,
		.text = {text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1},
	};

	settle(delivery, &(struct change){SETTLE_FINAL, "suppressed", 0, NULL}, &outcome, NULL);
}

void outcome_held(struct delivery *delivery, struct slice why)
{
	struct outcome outcome = {
		.verdict = {.action = ACTION_LATER, .scope = SCOPE_MESSAGE, .category = CATEGORY_CONTENT},
		.stage = STAGE_QUEUE,
		.origin = ORIGIN_LOCAL,
		.text = why,
	};

	settle(delivery, &(struct change){SETTLE_HOLD, "held", 0, NULL}, &outcome, NULL);
}

void outcome_discarded(struct delivery *delivery)
{
	struct attempt attempt = {.sender = delivery->mailing->sender, .site = SLICE("discard")};
	struct outcome outcome = {
		.verdict = {.action = ACTION_DELIVERED, .scope = SCOPE_RECIPIENT},
		.stage = STAGE_QUEUE,
		.origin = ORIGIN_LOCAL,
		.attempted = true,
		.text = SLICE("discarded: the configuration says divert = \"discard\""),
	};

	outcome_settle(delivery, &outcome, &attempt);
}
