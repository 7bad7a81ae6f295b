/* A domain that the DNS does not know is a verdict on a site, and yet there is nothing behind the address: it counts as
 * one of the recipient. Everything else that is not said of the recipient alone says nothing of the address. */
#include "suppressor.h"

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
}
