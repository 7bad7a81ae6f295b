/* A transaction has one reaction, the widest any of its recipients asks for, since they were refused together. Refusals
 * for good that name the lane are met three times in a row before the lane rests: one may be about the message after
 * all, and the words of servers are no proof. */
#include "reaction.h"

#include "conn.h"
#include "learned.h"

#include "base/check.h"

enum { NEVER_MAX = 3 };

enum reaction reaction_to(const struct verdict *verdict)
{
	bool slower = verdict->action == ACTION_SLOWER;

	if (verdict->action == ACTION_DELIVERED)
		return REACTION_NONE;
	if (verdict->scope == SCOPE_SENDER)
		return verdict->action == ACTION_NEVER ? REACTION_NONE : REACTION_SENDER_RESTS;
	if (slower && verdict->rule && slice_is(slice_of(verdict->rule), SLICE("connections")))
		return REACTION_CROWDED;
	if (verdict->scope == SCOPE_SITE)
		return verdict->action == ACTION_NEVER ? REACTION_NONE : REACTION_SITE_RESTS;
	if (slower && verdict->category != CATEGORY_REPUTATION)
		return REACTION_SLOWER;
	return slower || verdict->scope == SCOPE_LANE ? REACTION_LANE_RESTS : REACTION_NONE;
}

bool reaction_is_of_lane(const struct verdict *verdict)
{
	return verdict->action == ACTION_SLOWER || verdict->action == ACTION_ELSEWHERE ||
	       reaction_to(verdict) >= REACTION_CROWDED;
}

uint64_t reaction_retry_ms(const struct lane *lane, uint64_t now_ms)
{
	uint64_t least_ms = lane_retry_ms(lane, now_ms);

	for (unsigned i = 0; i < lane->site->nlanes; i++) {
		const struct lane *other = lane->site->lanes[i];
		uint64_t retry_ms = lane_retry_ms(other, now_ms);

		if (!other->ended && !other->held && !list_is_empty(&other->exchangers) && retry_ms < least_ms)
			least_ms = retry_ms;
	}
	return least_ms;
}

/* What a transaction came to. */
struct tally {
	unsigned accepted, others, slower, unheard;
	enum reaction reaction;
	const struct outcome *worst; /* whose reaction it is; NULL: nobody's */
};

static void tally_add(struct tally *tally, const struct outcome *outcome)
{
	enum reaction reaction = reaction_to(&outcome->verdict);

	if (!outcome->attempted)
		return;
	if (outcome->verdict.action == ACTION_DELIVERED && !outcome->uncertain)
		tally->accepted++;
	else if (outcome->code == 0)
		tally->unheard++;
	else if (reaction == REACTION_SLOWER)
		tally->slower++;
	else
		tally->others++;
	if (reaction > tally->reaction) {
		tally->reaction = reaction;
		tally->worst = outcome;
	}
}

static void rest_site(struct worker *worker, struct site *site, const struct report *report)
{
	for (unsigned i = 0; i < site->nlanes; i++)
		scheduler_report(worker->scheduler, site->lanes[i], report, worker_now_ms(worker));
}

static void react(struct conn *conn, const struct tally *tally, struct slice sender)
{
	struct worker *worker = conn->worker;
	struct lane *lane = conn->lane;
	uint64_t now_ms = worker_now_ms(worker);
	struct report report = {.exchanger = conn->exchanger,
				.recipients = tally->slower,
				.delay_ms = (uint64_t)tally->worst->verdict.retry_after_s * 1000,
				.why = tally->worst->text};

	switch (tally->reaction) {
	case REACTION_NONE: return;
	case REACTION_SENDER_RESTS: lane_rest_sender(lane, sender, report.delay_ms, now_ms); return;
	case REACTION_SLOWER: report.kind = REPORT_SLOWER; break;
	case REACTION_CROWDED: report.kind = REPORT_CROWDED; break;
	case REACTION_LANE_RESTS: report.kind = REPORT_REST; break;
	case REACTION_SITE_RESTS:
		report.kind = REPORT_REST;
		report.exchanger = NULL;
		rest_site(worker, lane->site, &report);
		return;
	}
	scheduler_report(worker->scheduler, lane, &report, now_ms);
}

/* An operator's rule has said at what rate the lane goes on: it neither learns one nor rests, whatever the category. */
static bool is_ruled(const struct lane *lane, const struct tally *tally, uint64_t now_ms)
{
	return lane_is_slowed(lane, now_ms) && tally->worst->verdict.action == ACTION_SLOWER &&
	       (tally->reaction == REACTION_SLOWER || tally->reaction == REACTION_LANE_RESTS);
}

void reaction_report(struct conn *conn, const struct tx *tx, struct slice sender)
{
	struct worker *worker = conn->worker;
	struct tally tally = {0};

	for (unsigned i = 0; i < tx->nrecipients; i++)
		tally_add(&tally, &tx->recipients[i].outcome);
	if (tally.accepted + tally.others) {
		struct report report = {.kind = REPORT_DELIVERED,
					.exchanger = conn->exchanger,
					.recipients = tally.accepted,
					.others = tally.others};

		scheduler_report(worker->scheduler, conn->lane, &report, worker_now_ms(worker));
	}
	if (tally.unheard)
		exchanger_give(conn->exchanger, tally.unheard, worker_now_ms(worker));
	if (tally.accepted) {
		conn->accepted += tally.accepted;
		conn->lane->refusals = 0;
	}
	if (tally.worst && tally.worst->verdict.action == ACTION_NEVER && ++conn->lane->refusals < NEVER_MAX)
		return;
	conn->refused |= tally.reaction >= REACTION_SLOWER;
	if (tally.worst && is_ruled(conn->lane, &tally, worker_now_ms(worker)))
		exchanger_give(conn->exchanger, tally.slower,
			       worker_now_ms(worker)); /* how much is an operator's word */
	else if (tally.reaction != REACTION_NONE)
		react(conn, &tally, sender);
	learned_note(conn);
}
