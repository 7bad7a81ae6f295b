/* A heap of events by time and then by order of making, one generator, one hash. An event names its connection by
 * a counted reference; whether it still means anything is asked when it happens, so nothing has to be searched and
 * taken out when a connection ends. */
#include "sim_world.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { START_MS = 1000000 };

static struct sim_world *begun;

struct sim_world *sim_world_begun(void)
{
	CHECK(begun != NULL);
	return begun;
}

struct sim_faults sim_faults_random(uint64_t seed)
{
	struct random random = random_seeded(seed ^ 0xfa017);
	struct sim_faults faults = {.slow_ms_max = 100};
	unsigned *each[] = {&faults.refuse, &faults.vanish, &faults.exhaust, &faults.reset,
			    &faults.mute,   &faults.split,  &faults.pause,   &faults.slow,
			    &faults.lose,   &faults.repeat, &faults.late};

	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++)
		if (random_below(&random, 3) == 0)
			*each[i] = (unsigned)random_below(&random, random_below(&random, 2) ? 300 : 30);
	if (random_below(&random, 2))
		faults.slow_ms_max = 60000;
	return faults;
}

struct sim_world *sim_world_begin(uint64_t seed, const struct sim_faults *faults)
{
	struct sim_world *world = calloc(1, sizeof(*world));

	CHECK(world != NULL);
	CHECK(begun == NULL);
	begun = world;
	world->now_ms = START_MS;
	world->random = random_seeded(seed);
	sim_world_set_faults(world, faults);
	list_init(&world->listeners);
	list_init(&world->own);
	list_init(&world->rings);
	list_init(&world->peers);
	return world;
}

static void listeners_free(struct list *listeners)
{
	while (!list_is_empty(listeners))
		free(LIST_OWNER(list_pop(listeners), struct sim_listener, link));
}

void sim_world_end(struct sim_world *world)
{
	CHECK(world == begun);
	CHECK(list_is_empty(&world->rings));
	while (world->nheap > 0)
		sim_event_free(world->heap[--world->nheap]);
	while (!list_is_empty(&world->peers))
		free(LIST_OWNER(list_pop(&world->peers), struct sim_peer, world_link));
	listeners_free(&world->listeners);
	listeners_free(&world->own);
	free(world->heap);
	free(world);
	begun = NULL;
}

void sim_world_set_faults(struct sim_world *world, const struct sim_faults *faults)
{
	world->faults = faults ? *faults : (struct sim_faults){0};
}

uint64_t sim_world_hash(const struct sim_world *world)
{
	return world->hash;
}

void sim_world_trace(struct sim_world *world, FILE *file)
{
	world->trace = file;
}

uint64_t sim_world_now_ms(const struct sim_world *world)
{
	return world->now_ms;
}

void sim_world_shift_wall(struct sim_world *world, int64_t ms)
{
	world->wall_shift_ms += ms;
}

uint64_t sim_world_dice(struct sim_world *world, uint64_t bound)
{
	return random_below(&world->random, bound);
}

bool sim_chance(struct sim_world *world, unsigned per_mille)
{
	return per_mille > 0 && sim_world_dice(world, 1000) < per_mille;
}

uint64_t sim_delay_ms(struct sim_world *world)
{
	if (sim_chance(world, world->faults.slow))
		return sim_world_dice(world, world->faults.slow_ms_max + 1u);
	return sim_world_dice(world, 4);
}

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void heap_swap(struct sim_event **heap, size_t a, size_t b)
{
	struct sim_event *was = heap[a];

	heap[a] = heap[b];
	heap[b] = was;
}

static void heap_push(struct sim_world *world, struct sim_event *event)
{
	if (world->nheap == world->heap_size) {
		world->heap_size = world->heap_size ? world->heap_size * 2 : 64;
		world->heap = reallocarray(world->heap, world->heap_size, sizeof(*world->heap));
		CHECK(world->heap != NULL);
	}
	size_t at = world->nheap++;

	world->heap[at] = event;
	for (; at > 0 && is_before(world->heap[at], world->heap[(at - 1) / 2]); at = (at - 1) / 2)
		heap_swap(world->heap, at, (at - 1) / 2);
}

static struct sim_event *heap_pop(struct sim_world *world)
{
	struct sim_event **heap = world->heap, *first = heap[0];
	size_t count = --world->nheap, at = 0;

	heap[0] = heap[count];
	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < count && is_before(heap[child + 1], heap[child]))
			child++;
		if (child >= count || !is_before(heap[child], heap[at]))
			return first;
		heap_swap(heap, at, child);
		at = child;
	}
}

struct sim_event *sim_event_add(struct sim_world *world, enum sim_thing thing, struct sim_peer *peer, uint64_t at_ms)
{
	struct sim_event *event = calloc(1, sizeof(*event));

	CHECK(event != NULL);
	event->at_ms = at_ms > world->now_ms ? at_ms : world->now_ms;
	event->order = world->order++;
	event->thing = thing;
	event->peer = peer;
	if (peer)
		peer->refs++;
	list_init(&event->link);
	heap_push(world, event);
	return event;
}

void sim_event_free(struct sim_event *event)
{
	list_remove(&event->link);
	if (event->peer)
		sim_peer_unref(event->peer);
	free(event->bytes);
	free(event);
}

void sim_world_after(struct sim_world *world, uint64_t delay_ms, void (*act)(void *who), void *who)
{
	struct sim_event *event = sim_event_add(world, SIM_ACT, NULL, world->now_ms + delay_ms);

	event->act = act;
	event->who = who;
}

static void mix(struct sim_world *world, uint64_t value)
{
	struct random random = random_seeded(world->hash ^ value);

	world->hash = random_next(&random);
}

void sim_record(struct sim_world *world, enum sim_thing thing, const struct sim_peer *peer, int result,
		struct slice bytes)
{
	static const char *const names[] = {
#define X(name, text) text,
		SIM_THINGS(X)
#undef X
	};

	mix(world, world->now_ms << 8 | (uint64_t)thing);
	mix(world, (uint64_t)(peer ? peer->id : 0) << 32 | (uint32_t)result);
	mix(world, slice_hash(bytes));
	if (world->trace)
		fprintf(world->trace, "%10.3f #%u %s %s %d %.*s\n", (double)(world->now_ms - START_MS) / 1000,
			peer ? peer->id : 0, peer && peer->kind ? peer->kind->name : "-", names[thing], result,
			(int)(bytes.len < 100 ? bytes.len : 100), bytes.ptr ? bytes.ptr : "");
}

static void happen(struct sim_world *world, struct sim_event *event)
{
	if (event->thing == SIM_ACT) {
		sim_record(world, SIM_ACT, NULL, 0, SLICE_NONE);
		if (event->act)
			event->act(event->who);
		sim_event_free(event);
	} else if (event->ring) {
		list_push(&event->ring->ready, &event->link);
	} else if (event->peer) {
		sim_peer_happen(event->peer, event);
	} else {
		sim_event_free(event); /* its ring was killed */
	}
}

void sim_world_run(struct sim_world *world)
{
	while (world->nheap > 0 && world->heap[0]->at_ms <= world->now_ms)
		happen(world, heap_pop(world));
}

uint64_t sim_world_next_ms(const struct sim_world *world, uint64_t cap_ms)
{
	return world->nheap > 0 && world->heap[0]->at_ms < cap_ms ? world->heap[0]->at_ms : cap_ms;
}
