/* A table so small that it is searched from end to end. A rest that is over stays until its place is wanted, so that
 * the next one of the same sender is longer; two hours after its end it counts as the first again. */
#include "scheduler/sender_rest.h"

enum { REST_FIRST_MS = 10 * 60 * 1000, REST_MAX_MS = 4 * 3600 * 1000, FORGIVEN_MS = 2 * 3600 * 1000 };

static const struct sender_rest *find(const struct sender_rests *rests, uint64_t hash)
{
	for (unsigned i = 0; i < SENDER_RESTS_MAX; i++)
		if (rests->rest[i].until_ms && rests->rest[i].hash == hash)
			return &rests->rest[i];
	return NULL;
}

static struct sender_rest *place_for(struct sender_rests *rests, uint64_t hash)
{
	struct sender_rest *first = &rests->rest[0];

	for (unsigned i = 0; i < SENDER_RESTS_MAX; i++) {
		struct sender_rest *rest = &rests->rest[i];

		if (rest->until_ms && rest->hash == hash)
			return rest;
		if (rest->until_ms < first->until_ms)
			first = rest;
	}
	*first = (struct sender_rest){.hash = hash};
	return first;
}

void sender_rests_add(struct sender_rests *rests, struct slice sender, uint64_t delay_ms, uint64_t now_ms)
{
	struct sender_rest *rest = place_for(rests, slice_hash(sender));
	uint64_t rest_ms = REST_FIRST_MS;

	if (rest->until_ms > now_ms)
		return; /* it was on its way when the first was refused */
	if (rest->until_ms + FORGIVEN_MS < now_ms)
		rest->failures = 0;
	for (unsigned i = 0; i < rest->failures && rest_ms < REST_MAX_MS; i++)
		rest_ms *= 2;
	if (rest_ms > REST_MAX_MS)
		rest_ms = REST_MAX_MS;
	rest->failures++;
	rest->until_ms = now_ms + (delay_ms ? delay_ms : rest_ms);
}

uint64_t sender_rests_until_ms(const struct sender_rests *rests, struct slice sender, uint64_t now_ms)
{
	const struct sender_rest *rest = find(rests, slice_hash(sender));

	return rest && rest->until_ms > now_ms ? rest->until_ms : 0;
}
