/* The lists of queue.lua and what becomes of their records, without their bytes: a recipient is one structure for life,
 * and its place says where it lies. Nothing is freed before the end, so that a late settlement meets its lease. */
#include "store_sim.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_lease {
	struct map_node node; /* by number */
	char number[24];
	struct sim_recipient *records[LEASE_RECORDS_MAX]; /* NULL: settled */
	unsigned nrecords;
};

/* A text by name: what a job says, a body. */
struct sim_value {
	struct map_far node;
	char *name; /* owned */
	struct outbuf text;
};

static struct store {
	struct sim_world *world;
	struct map lists, leases, values;
	struct list recipients;
	uint64_t nleases;
} store;

/* Lists */

const struct map *store_lists(void)
{
	return &store.lists;
}

struct sim_list *store_list(struct slice name)
{
	struct map_node *node = map_find(&store.lists, name);
	struct sim_list *list;

	if (node)
		return MAP_OWNER(node, struct sim_list, node);
	list = calloc(1, sizeof(*list));
	CHECK(list != NULL);
	list->name = slice_copy(name);
	list_init(&list->ready);
	map_add_far(&store.lists, &list->node, slice_of(list->name));
	return list;
}

static void put_ready(struct sim_recipient *recipient, bool at_head)
{
	struct sim_list *list = recipient->list;

	recipient->place = SIM_READY;
	if (at_head)
		list_push_front(&list->ready, &recipient->link);
	else
		list_push(&list->ready, &recipient->link);
	if (list->count++ == 0)
		queue_sim_changed(list);
}

static void make_final(struct sim_recipient *recipient, struct slice type)
{
	recipient->place = SIM_FINAL;
	recipient->finals++;
	snprintf(recipient->final, sizeof(recipient->final), "%.*s", SLICE_ARG(type));
}

/* What was put off is due. */
static void promote(void *who)
{
	struct sim_recipient *recipient = who;

	CHECK(recipient->place == SIM_DEFERRED);
	if (recipient->expires_ms <= sim_world_wall_ms(store.world))
		make_final(recipient, SLICE("expired"));
	else
		put_ready(recipient, false);
}

/* Leases */

uint64_t store_lease(void)
{
	struct sim_lease *lease = calloc(1, sizeof(*lease));

	CHECK(lease != NULL);
	snprintf(lease->number, sizeof(lease->number), "%llu", (unsigned long long)++store.nleases);
	map_add(&store.leases, &lease->node, slice_of(lease->number));
	return store.nleases;
}

static struct sim_lease *lease_numbered(uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	struct map_node *node = map_find(&store.leases, slice_of(text));

	CHECK(node != NULL);
	return MAP_OWNER(node, struct sim_lease, node);
}

unsigned store_take(uint64_t number, struct sim_list *list, unsigned count, const struct queue_owner *owner)
{
	struct sim_lease *lease = lease_numbered(number);
	unsigned got = 0;

	for (struct list *link; got < count && (link = list_pop(&list->ready)); got++) {
		struct sim_recipient *recipient = LIST_OWNER(link, struct sim_recipient, link);
		struct leased leased = {number, lease->nrecords, slice_of(list->name),
					outbuf_slice(&recipient->record)};

		CHECK(lease->nrecords < LEASE_RECORDS_MAX);
		lease->records[lease->nrecords++] = recipient;
		recipient->place = SIM_LEASED;
		list->count--;
		owner->leased(owner->who, &leased);
	}
	return got;
}

/* Settlements */

static bool is_final(struct slice type)
{
	static const char *const finals[] = {"delivered", "failed", "expired", "cancelled", "suppressed", "rejected"};

	for (unsigned i = 0; i < sizeof(finals) / sizeof(finals[0]); i++)
		if (slice_is(type, slice_of(finals[i])))
			return true;
	return false;
}

static struct sim_recipient *take_settled(const struct settlement *settlement)
{
	struct sim_lease *lease = lease_numbered(settlement->lease);

	CHECK(settlement->position < lease->nrecords);
	struct sim_recipient *recipient = lease->records[settlement->position];

	CHECK(recipient != NULL); /* settled once */
	CHECK(recipient->place == SIM_LEASED);
	lease->records[settlement->position] = NULL;
	CHECK(slice_is(settlement->list, slice_of(recipient->list->name)));
	CHECK(slice_is(settlement->tenant, slice_of(recipient->tenant)));
	CHECK(slice_is(settlement->job, slice_of(recipient->job)));
	CHECK(settlement->index == recipient->index);
	return recipient;
}

/* The record it goes on with is its own, one attempt later at most. */
static void take_record(struct sim_recipient *recipient, struct slice bytes)
{
	struct record before, after;

	CHECK(record_decode(outbuf_slice(&recipient->record), &before));
	CHECK(record_decode(bytes, &after));
	CHECK(after.index == before.index && slice_is(after.address, before.address));
	CHECK(slice_is(after.tenant, before.tenant) && slice_is(after.job, before.job));
	CHECK(after.attempt == before.attempt || after.attempt == before.attempt + 1);
	CHECK(after.expires_ms == before.expires_ms && after.queued_ms == before.queued_ms);
	recipient->attempts += after.attempt - before.attempt;
	outbuf_reset(&recipient->record);
	outbuf_add(&recipient->record, bytes);
}

/* Until its next attempt, but never beyond its expiry. */
static void put_off(struct sim_recipient *recipient, uint64_t delay_ms)
{
	uint64_t now_ms = sim_world_wall_ms(store.world);
	uint64_t left_ms = recipient->expires_ms > now_ms ? recipient->expires_ms - now_ms : 0;

	recipient->place = SIM_DEFERRED;
	sim_world_after(store.world, delay_ms < left_ms ? delay_ms : left_ms, promote, recipient);
}

void store_settle(const struct settlement *settlement)
{
	struct sim_recipient *recipient = take_settled(settlement);

	recipient->uncertain += slice_is(settlement->type, SLICE("uncertain"));
	recipient->uncertain += slice_is(settlement->before_type, SLICE("uncertain"));
	CHECK(!settlement->type.len == !settlement->data.len);
	if (settlement->type.len)
		outbuf_printf(&recipient->events, "%.*s %.*s\n", SLICE_ARG(settlement->type),
			      SLICE_ARG(settlement->data));
	CHECK(!settlement->type.len || slice_is(settlement->to, slice_of(recipient->address)));
	switch (settlement->verb) {
	case SETTLE_FINAL:
		CHECK(is_final(settlement->type));
		make_final(recipient, settlement->type);
		return;
	case SETTLE_LATER:
		CHECK(settlement->type.len && !is_final(settlement->type));
		take_record(recipient, settlement->record);
		put_off(recipient, settlement->delay_ms);
		return;
	case SETTLE_BACK:
		CHECK(!settlement->record.len && !settlement->type.len);
		put_ready(recipient, true);
		return;
	case SETTLE_HOLD:
		CHECK(slice_is(settlement->type, SLICE("held")));
		take_record(recipient, settlement->record);
		recipient->place = SIM_HELD;
		return;
	}
	CHECK(!"a verb that exists");
}

/* Values */

struct slice store_value(struct slice name)
{
	struct map_node *node = map_find(&store.values, name);

	return node ? outbuf_slice(&MAP_OWNER(node, struct sim_value, node)->text) : SLICE_NONE;
}

/* For the test */

void queue_sim_begin(struct sim_world *world)
{
	store = (struct store){.world = world};
	list_init(&store.recipients);
	queue_sim_reset(world);
}

static void values_free(void)
{
	MAP_EACH (node, &store.values) {
		struct sim_value *value = MAP_OWNER(node, struct sim_value, node);

		outbuf_free(&value->text);
		free(value->name);
		free(value);
	}
	map_free(&store.values);
}

void queue_sim_end(void)
{
	struct list *link;

	CHECK(queue_sim_is_idle());
	while ((link = list_pop(&store.recipients))) {
		struct sim_recipient *recipient = LIST_OWNER(link, struct sim_recipient, all);

		outbuf_free(&recipient->record);
		outbuf_free(&recipient->events);
		free(recipient);
	}
	MAP_EACH (node, &store.lists) {
		struct sim_list *list = MAP_OWNER(node, struct sim_list, node);

		free(list->name);
		free(list);
	}
	map_free(&store.lists);
	MAP_EACH (node, &store.leases)
		free(MAP_OWNER(node, struct sim_lease, node));
	map_free(&store.leases);
	values_free();
}

static void add_value(const char *name, struct slice text)
{
	struct sim_value *value = calloc(1, sizeof(*value));

	CHECK(value != NULL);
	value->name = slice_copy(slice_of(name));
	outbuf_add(&value->text, text);
	map_add_far(&store.values, &value->node, slice_of(value->name));
}

void queue_sim_add_job(const char *tenant, const char *job, struct slice meta)
{
	char name[80];

	snprintf(name, sizeof(name), "job:%s:%s", tenant, job);
	add_value(name, meta);
}

void queue_sim_add_body(const char *sha, struct slice stored)
{
	char name[80];

	snprintf(name, sizeof(name), "body:%s", sha);
	add_value(name, stored);
}

struct sim_recipient *queue_sim_add(const char *list, const char *tenant, const char *job, uint32_t index,
				    const char *address, uint64_t expires_ms)
{
	struct sim_recipient *recipient = calloc(1, sizeof(*recipient));
	struct record record = {.index = index,
				.expires_ms = expires_ms,
				.queued_ms = sim_world_wall_ms(store.world),
				.accept = 1,
				.tenant = slice_of(tenant),
				.job = slice_of(job),
				.address = slice_of(address)};

	CHECK(recipient != NULL);
	list_push(&store.recipients, &recipient->all);
	recipient->list = store_list(slice_of(list));
	snprintf(recipient->address, sizeof(recipient->address), "%s", address);
	snprintf(recipient->tenant, sizeof(recipient->tenant), "%s", tenant);
	snprintf(recipient->job, sizeof(recipient->job), "%s", job);
	recipient->index = index;
	recipient->expires_ms = expires_ms;
	record_encode(&recipient->record, &record);
	put_ready(recipient, false);
	return recipient;
}

unsigned queue_sim_count(enum sim_place place)
{
	unsigned n = 0;

	LIST_EACH (link, &store.recipients)
		n += LIST_OWNER(link, struct sim_recipient, all)->place == place;
	return n;
}
