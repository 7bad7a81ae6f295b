/* Names are made from the prefix here, and only here: PREFIX:jobs:now, PREFIX:jobs, PREFIX:jobs:t:TENANT. */
#include "inlet.h"

#include "arrival.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

enum { PARKED_MAX = 256, CHORES_MS = 10000, GROUP_MS = 1000, WEIGHT_ONE = 1 << 20 };

static struct inlet *inlet_new(struct gate *gate, struct slice label, struct slice tenant)
{
	struct inlet *inlet = calloc(1, sizeof(*inlet));
	char key[256];

	CHECK(inlet != NULL);
	int n = snprintf(key, sizeof(key), "%.*s:jobs%s%.*s", SLICE_ARG(gate->setup.prefix), label.len ? ":" : "",
			 SLICE_ARG(label));

	CHECK(n > 0 && (size_t)n < sizeof(key));
	inlet->gate = gate;
	inlet->stream.key = arena_copy(&inlet->arena, (struct slice){key, (size_t)n});
	inlet->stream.label = arena_copy(&inlet->arena, label);
	inlet->stream.tenant = arena_copy(&inlet->arena, tenant);
	inlet->stream.transactional = gate->setup.transactional;
	inlet->stream.weight = 1;
	stream_again_from_start(&inlet->stream);
	list_init(&inlet->arrivals);
	list_push(&gate->inlets, &inlet->link);
	return inlet;
}

static void inlet_free(struct inlet *inlet)
{
	LIST_EACH (link, &inlet->arrivals) {
		arrival_free(LIST_OWNER(link, struct arrival, link));
	}
	list_remove(&inlet->link);
	arena_free(&inlet->arena);
	free(inlet);
}

struct inlet *inlet_named(const struct gate *gate, struct slice key)
{
	LIST_EACH (link, &gate->inlets) {
		struct inlet *inlet = LIST_OWNER(link, struct inlet, link);

		if (slice_is(inlet->stream.key, key))
			return inlet;
	}
	return NULL;
}

/* There is such a stream, of that weight. */
static void follow_one(struct gate *gate, struct slice label, struct slice tenant, unsigned weight)
{
	struct inlet *found = NULL;

	LIST_EACH (link, &gate->inlets) {
		struct inlet *inlet = LIST_OWNER(link, struct inlet, link);

		if (slice_is(inlet->stream.label, label))
			found = inlet;
	}
	found = found ? found : inlet_new(gate, label, tenant);
	found->retired = false;
	found->stream.weight = weight ? weight : 1;
}

void inlets_follow(struct gate *gate)
{
	const struct rules *rules = gate->rules;

	LIST_EACH (link, &gate->inlets) {
		LIST_OWNER(link, struct inlet, link)->retired = true;
	}
	if (gate->setup.transactional) {
		follow_one(gate, SLICE("now"), SLICE(""), 1);
		return;
	}
	follow_one(gate, SLICE(""), SLICE(""), 1);
	for (unsigned i = 0; i < rules->ntenants; i++) {
		char label[128];
		int n = snprintf(label, sizeof(label), "t:%.*s", SLICE_ARG(rules->tenants[i]));

		if (n > 0 && (size_t)n < sizeof(label))
			follow_one(gate, (struct slice){label, (size_t)n}, rules->tenants[i], rules->weights[i]);
	}
}

void inlets_regroup(struct gate *gate)
{
	LIST_EACH (link, &gate->inlets) {
		struct inlet *inlet = LIST_OWNER(link, struct inlet, link);

		inlet->has_group = false;
		inlet->group_ms = 0;
		stream_again_from_start(&inlet->stream);
	}
}

void inlets_lost(struct gate *gate)
{
	inlets_regroup(gate);
	LIST_EACH (link, &gate->inlets) {
		struct inlet *inlet = LIST_OWNER(link, struct inlet, link);

		inlet->doing_chore = false;
		inlet->gone[0] = '\0';
		inlet->nclaims = 0;
		LIST_EACH (of_inlet, &inlet->arrivals) {
			LIST_OWNER(of_inlet, struct arrival, link)->asking = 0;
		}
	}
}

void inlets_free(struct gate *gate)
{
	LIST_EACH (link, &gate->inlets) {
		inlet_free(LIST_OWNER(link, struct inlet, link));
	}
}

static void hear_group(void *who, const struct redisReply *reply)
{
	struct inlet *inlet = who;

	inlet->has_group = stream_group_is_there(reply);
	if (!inlet->has_group)
		gate_complain(inlet->gate, "making a consumer group", reply);
}

void inlets_say_groups(struct gate *gate)
{
	LIST_EACH (link, &gate->inlets) {
		struct inlet *inlet = LIST_OWNER(link, struct inlet, link);

		if (inlet->retired && inlet->narrivals == 0) {
			inlet_free(inlet);
		} else if (!inlet->has_group && gate->now_ms >= inlet->group_ms) {
			inlet->group_ms = gate->now_ms + GROUP_MS;
			stream_say_group(&gate->pipeline, &inlet->stream, &gate->reader, hear_group, inlet);
		}
	}
}

bool inlet_has_room(const struct inlet *inlet)
{
	unsigned parked = inlet->nparked < PARKED_MAX ? inlet->nparked : PARKED_MAX;

	return inlet->has_group && !inlet->retired && inlet->narrivals - parked < INLET_ARRIVALS_MAX;
}

static void take(struct inlet *inlet, const struct stream_entry *entry, bool again)
{
	char key[STREAM_ID_MAX + 160];
	int n = snprintf(key, sizeof(key), "%.*s %.*s", SLICE_ARG(inlet->stream.key), SLICE_ARG(entry->id));

	if (n < 0 || (size_t)n >= sizeof(key) || entry->id.len >= STREAM_ID_MAX)
		return;
	if (!map_find(&inlet->gate->arrivals, (struct slice){key, (size_t)n}))
		inlet->gate->unread += arrival_new(inlet, entry, again)->state == ARRIVAL_READ;
}

void inlet_take(struct inlet *inlet, const struct stream_entry *entry)
{
	take(inlet, entry, false);
}

/* A stream that was idle does not make up for it. */
void inlet_took_turn(struct inlet *inlet)
{
	uint64_t least = UINT64_MAX;

	LIST_EACH (link, &inlet->gate->inlets) {
		struct inlet *other = LIST_OWNER(link, struct inlet, link);

		if (other != inlet && other->narrivals && other->pass < least)
			least = other->pass;
	}
	inlet->pass += WEIGHT_ONE / inlet->stream.weight;
	LIST_EACH (link, &inlet->gate->inlets) {
		struct inlet *other = LIST_OWNER(link, struct inlet, link);

		if (other->narrivals == 0 && other->pass < inlet->pass)
			other->pass = inlet->pass;
	}
}

static void on_entry_again(void *who, struct slice key, const struct stream_entry *entry)
{
	struct inlet *inlet = who;

	(void)key;
	take(inlet, entry, true);
	stream_again_moved(&inlet->stream, entry->id);
}

void inlet_hear_again(void *who, const struct redisReply *reply)
{
	struct inlet *inlet = who;

	inlet->gate->reading--;
	if (resp_error(reply) != RESP_FINE)
		inlet->has_group = false;
	else if (stream_entries(reply, on_entry_again, inlet) == 0)
		inlet->stream.again_over = true;
}

static void hear_nothing(void *who, const struct redisReply *reply)
{
	(void)who;
	(void)reply;
}

static void hear_consumers(void *who, const struct redisReply *reply)
{
	struct inlet *inlet = who;

	inlet->doing_chore = false;
	snprintf(inlet->gone, sizeof(inlet->gone), "%.*s", SLICE_ARG(stream_gone(reply, &inlet->gate->reader)));
}

static void hear_pending(void *who, const struct redisReply *reply)
{
	struct inlet *inlet = who;

	inlet->doing_chore = false;
	inlet->gone[0] = '\0';
	for (size_t i = 0; i < resp_count(reply) && inlet->nclaims < STREAM_CLAIM_MAX; i++)
		if (resp_count(resp_at(reply, i)) == 4)
			snprintf(inlet->claims[inlet->nclaims++], STREAM_ID_MAX, "%.*s",
				 SLICE_ARG(resp_text(resp_at(resp_at(reply, i), 0))));
}

static void hear_claimed(void *who, const struct redisReply *reply)
{
	struct inlet *inlet = who;

	(void)reply;
	inlet->doing_chore = false;
	inlet->nclaims = 0;
	inlet->chores_ms = 0; /* perhaps there are more */
	stream_again_from_start(&inlet->stream);
}

static void say_claim(struct inlet *inlet)
{
	struct slice ids[STREAM_CLAIM_MAX];

	for (unsigned i = 0; i < inlet->nclaims; i++)
		ids[i] = slice_of(inlet->claims[i]);
	stream_say_claim(&inlet->gate->pipeline, &inlet->stream, &inlet->gate->reader, ids, inlet->nclaims,
			 hear_claimed, inlet);
}

void inlets_say_chores(struct gate *gate)
{
	LIST_EACH (link, &gate->inlets) {
		struct inlet *inlet = LIST_OWNER(link, struct inlet, link);

		if (!inlet->has_group || inlet->doing_chore)
			continue;
		inlet->doing_chore = true;
		if (inlet->nclaims) {
			say_claim(inlet);
		} else if (inlet->gone[0]) {
			stream_say_pending(&gate->pipeline, &inlet->stream, &gate->reader, slice_of(inlet->gone),
					   hear_pending, inlet);
		} else if (gate->now_ms >= inlet->chores_ms) {
			inlet->chores_ms = gate->now_ms + CHORES_MS;
			stream_say_alive(&gate->pipeline, &inlet->stream, &gate->reader, hear_nothing, inlet);
			stream_say_consumers(&gate->pipeline, &inlet->stream, &gate->reader, hear_consumers, inlet);
		} else {
			inlet->doing_chore = false;
		}
	}
}
