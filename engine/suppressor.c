/* A domain that the DNS does not know is a verdict on a site, and yet there is nothing behind the address: it counts as
 * one of the recipient. Everything else that is not said of the recipient alone says nothing of the address.
 *
 * Redis looks at its list when it leases. What was leased before is looked for on the lanes, which are short, and in
 * few such verdicts; a set of addresses to be asked before each message was the other way. */
#include "suppressor.h"

#include "outcome.h"

#include "queue/notes.h"

static const struct threshold *threshold_for(const struct config *config, const struct outcome *outcome)
{
	const struct verdict *verdict = &outcome->verdict;
	bool of_domain = verdict->category == CATEGORY_BAD_DOMAIN && outcome->stage == STAGE_DNS;

	if (verdict->spare || (verdict->scope != SCOPE_RECIPIENT && !of_domain))
		return NULL;
	if (verdict->suppress)
		return &config->suppression.invalid_recipient;
	if (verdict->category == CATEGORY_INACTIVE_MAILBOX)
		return &config->suppression.inactive_mailbox;
	return verdict->category == CATEGORY_BAD_DOMAIN ? &config->suppression.bad_domain : NULL;
}

static bool is_meant(const struct delivery *refused, const struct delivery *other)
{
	bool by_tenant = refused->worker->config->suppression.scope == 0 && refused->record.tenant.len;

	return other->domain == refused->domain && slice_is_nocase(other->record.address, refused->record.address) &&
	       (!by_tenant || slice_is(other->record.tenant, refused->record.tenant));
}

static void end_waiting(struct lane *lane, struct list *waiting, const struct delivery *refused, enum category category)
{
	LIST_EACH (link, waiting) {
		struct delivery *other = delivery_of(link);

		if (!is_meant(refused, other))
			continue;
		lane_remove(lane, link, other->urgent);
		outcome_suppressed(other, category);
	}
}

/* Suppressed from now on, with what was leased already and is not in dialogue. */
static void end_all_waiting(const struct delivery *refused, enum category category)
{
	const struct site *site = refused->lane->site;

	for (unsigned i = 0; i < site->nlanes; i++) {
		end_waiting(site->lanes[i], &site->lanes[i]->urgent, refused, category);
		end_waiting(site->lanes[i], &site->lanes[i]->ready, refused, category);
	}
}

void suppressor_learn(const struct delivery *delivery, const struct outcome *outcome)
{
	const struct config *config = delivery->worker->config;
	const struct threshold *threshold = threshold_for(config, outcome);
	struct suppression_verdict verdict = {
		.tenant = config->suppression.scope == 0 ? delivery->record.tenant : SLICE_NONE,
		.address = delivery->record.address,
		.category = slice_of(category_name(outcome->verdict.category)),
		.keep_s = config->suppression.keep_ms / 1000,
		.window_s = config->suppression.window_ms / 1000,
	};

	if (!threshold || threshold->count == 0)
		return;
	verdict.need = threshold->count;
	verdict.apart_s = threshold->over_ms / 1000;
	notes_suppress(queue_notes(delivery->worker->queue), &verdict);
	if (threshold->count == 1 && threshold->over_ms == 0)
		end_all_waiting(delivery, outcome->verdict.category);
}
