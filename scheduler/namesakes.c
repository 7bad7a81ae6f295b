/* The line is served by two things: a connection that closes calls one, and a timer calls as many as there are tokens
 * when the first of them is due. A site that is called may find that it has nothing to send any more, and its turn is
 * lost; so the timer looks again after LINE_MS while somebody stands there, and nobody is forgotten.
 *
 * Queues of mail per provider, with a choice of connection by domain, were the other way: then every idle connection
 * would have to search its lane's queue for mail that may go where it leads. */
#include "scheduler/namesakes.h"

#include "scheduler/book.h"

#include "base/check.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MS = 250, CALLS_MAX = 1000, WANTED_MS = 4 * LINE_MS /* who stands in line says it again */ };

static const struct budget *budget_of(const struct namesakes *namesakes, unsigned source)
{
	return &namesakes->sources[source].common->budget;
}

/* When that lane's next recipient may go; 0: now. */
static uint64_t next_of(const struct namesakes *namesakes, unsigned i, uint64_t now_ms)
{
	uint64_t total_ms = budget_next_ms(&namesakes->common->total, now_ms);
	uint64_t own_ms = budget_next_ms(budget_of(namesakes, i), now_ms);

	return total_ms > own_ms ? total_ms : own_ms;
}

/* Whoever waits for a token may have a connection. */
static unsigned room_at(const struct budget *budget, uint64_t now_ms)
{
	unsigned connections = budget_connections_left(budget);

	return budget_left(budget, connections ? connections < CALLS_MAX ? connections : CALLS_MAX : 1, now_ms);
}

/* How many sites can do something now, as far as it goes; if none, when. */
static unsigned room_of(const struct namesakes *namesakes, uint64_t now_ms, uint64_t *next_ms)
{
	unsigned room = 0;

	*next_ms = UINT64_MAX;
	for (unsigned i = 0; i < namesakes->nsources; i++) {
		uint64_t at_ms = next_of(namesakes, i, now_ms);

		if (at_ms > now_ms && at_ms < *next_ms)
			*next_ms = at_ms;
		if (at_ms <= now_ms)
			room += room_at(budget_of(namesakes, i), now_ms);
	}
	return room;
}

static void on_due(struct timer *timer, uint64_t now_ms)
{
	struct namesakes *namesakes = MAP_OWNER(timer, struct namesakes, timer);
	uint64_t next_ms;
	unsigned room = room_of(namesakes, now_ms, &next_ms);

	for (unsigned i = 0; i < room && !list_is_empty(&namesakes->line); i++)
		namesakes_call(namesakes);
	if (list_is_empty(&namesakes->line))
		return;
	if (room || next_ms == UINT64_MAX)
		next_ms = now_ms + LINE_MS;
	timer_set(&namesakes->scheduler->wheel, &namesakes->timer, next_ms);
}

struct namesakes *namesakes_hold(struct scheduler *scheduler, struct slice name, struct list *of_name)
{
	struct map_node *node = map_find(&scheduler->namesakes, name);
	struct namesakes *namesakes =
		node ? MAP_OWNER(node, struct namesakes, node) : calloc(1, sizeof(*namesakes) + name.len);

	CHECK(namesakes != NULL);
	if (!node) {
		namesakes->scheduler = scheduler;
		namesakes->common = common_hold(scheduler->commons, name);
		memcpy(namesakes->text, name.ptr, name.len);
		list_init(&namesakes->line);
		list_init(&namesakes->sites);
		list_init(&namesakes->load.looked_at);
		timer_init(&namesakes->timer, on_due);
		map_add(&scheduler->namesakes, &namesakes->node, (struct slice){namesakes->text, name.len});
	}
	list_push(&namesakes->sites, of_name);
	return namesakes;
}

void namesakes_drop(struct namesakes *namesakes, struct list *of_name)
{
	list_remove(of_name);
	if (!list_is_empty(&namesakes->sites))
		return;
	CHECK(list_is_empty(&namesakes->line));
	load_end(namesakes);
	timer_stop(&namesakes->scheduler->wheel, &namesakes->timer);
	map_remove(&namesakes->scheduler->namesakes, &namesakes->node);
	common_drop(namesakes->scheduler->commons, namesakes->common);
	free(namesakes->sources);
	free(namesakes);
}

static void grow(struct namesakes *namesakes, unsigned nsources)
{
	if (nsources <= namesakes->nsources)
		return;
	namesakes->sources = realloc(namesakes->sources, nsources * sizeof(*namesakes->sources));
	CHECK(namesakes->sources != NULL);
	for (; namesakes->nsources < nsources; namesakes->nsources++)
		namesakes->sources[namesakes->nsources] = (struct namesakes_source){
			common_source_of(namesakes->scheduler->commons, namesakes->common, namesakes->nsources),
			{0, 0}};
}

void namesakes_limit(struct namesakes *namesakes, const struct site_terms *terms)
{
	common_limit(namesakes->scheduler->commons, namesakes->common, terms);
	grow(namesakes, (unsigned)terms->nlanes);
	namesakes->workers = (unsigned)terms->workers;
	if (namesakes->workers)
		load_watch(namesakes);
	namesakes->parts_max = terms->total_connections ? (unsigned)terms->total_connections : UINT_MAX;
	for (unsigned i = 0; i < terms->nlanes; i++)
		if (!terms->lanes[i]->ended && terms->lanes[i]->connections < namesakes->parts_max)
			namesakes->parts_max = terms->lanes[i]->connections;
}

/* Fewer connections than the part's share of that budget; more. */
static bool has_less(const struct namesakes *namesakes, const struct namesakes_count *count,
		     const struct budget *budget)
{
	return count->open < budget_connections_share(budget, common_parts(namesakes->common));
}

static bool has_more(const struct namesakes *namesakes, const struct namesakes_count *count,
		     const struct budget *budget)
{
	return count->open > count->yielding &&
	       count->open - count->yielding > budget_connections_share(budget, common_parts(namesakes->common));
}

static bool is_wanted(const struct namesakes *namesakes, uint64_t now_ms)
{
	uint64_t wanted_ms = atomic_load_explicit(&namesakes->common->wanted_ms, memory_order_relaxed);

	return wanted_ms && now_ms < wanted_ms + WANTED_MS;
}

static unsigned reserve_of(const struct lane *lane, bool urgent)
{
	return urgent ? 0 : lane->limits->connections - lane_bulk_connections(lane);
}

/* One more connection of its source is allowed, as far as its own kind of mail goes. */
static bool has_room(const struct namesakes *namesakes, const struct lane *lane, bool urgent)
{
	return lane->site->standing == SITE_BESIDE ||
	       budget_connections_left(budget_of(namesakes, lane->source)) > reserve_of(lane, urgent);
}

bool namesakes_admits(struct namesakes *namesakes, const struct lane *lane, bool urgent, uint64_t now_ms)
{
	const struct budget *total = &namesakes->common->total;
	bool room = has_room(namesakes, lane, urgent);

	if (common_parts(namesakes->common) < 2)
		return room;
	if (!has_less(namesakes, &namesakes->count, total) ||
	    !has_less(namesakes, &namesakes->sources[lane->source].count, budget_of(namesakes, lane->source)))
		return room && !is_wanted(namesakes, now_ms);
	if (!room || budget_connections_left(total) == 0)
		atomic_store_explicit(&namesakes->common->wanted_ms, now_ms, memory_order_relaxed);
	return room;
}

bool namesakes_yields(struct namesakes *namesakes, const struct lane *lane, uint64_t now_ms)
{
	struct namesakes_count *all = &namesakes->count, *own = &namesakes->sources[lane->source].count;
	const struct budget *total = &namesakes->common->total;
	bool yields;

	if (common_parts(namesakes->common) < 2 || !is_wanted(namesakes, now_ms))
		return false;
	yields = (!has_room(namesakes, lane, false) && has_more(namesakes, own, budget_of(namesakes, lane->source))) ||
		 (budget_connections_left(total) == 0 && has_more(namesakes, all, total));
	own->yielding += yields;
	all->yielding += yields;
	return yields;
}

void namesakes_yielded(struct namesakes *namesakes, const struct lane *lane)
{
	struct namesakes_count *all = &namesakes->count, *own = &namesakes->sources[lane->source].count;

	CHECK(all->yielding > 0 && own->yielding > 0);
	all->yielding--;
	own->yielding--;
}

void namesakes_wait(struct site *site, uint64_t until_ms, uint64_t now_ms)
{
	struct traffic *traffic = site->traffic;
	struct namesakes *namesakes = traffic->namesakes;

	if (until_ms <= now_ms)
		until_ms = now_ms + LINE_MS;
	if (list_is_empty(&traffic->in_line))
		list_push(&namesakes->line, &traffic->in_line);
	if (!timer_is_set(&namesakes->timer) || namesakes->timer.deadline_ms > until_ms)
		timer_set(&namesakes->scheduler->wheel, &namesakes->timer, until_ms);
}

void namesakes_call(struct namesakes *namesakes)
{
	struct list *link = list_pop(&namesakes->line);

	if (link)
		book_look(namesakes->scheduler, LIST_OWNER(link, struct traffic, in_line)->site);
}
