/* The line is served by two things: a connection that closes calls one, and a timer calls as many as there are tokens
 * when the first of them is due. A site that is called may find that it has nothing to send any more, and its turn is
 * lost; so the timer looks again after LINE_MS while somebody stands there, and nobody is forgotten.
 *
 * Queues of mail per provider, with a choice of connection by domain, were the other way: then every idle connection
 * would have to search its lane's queue for mail that may go where it leads. */
#include "scheduler/namesakes.h"

#include "scheduler/book.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { LINE_MS = 250, CALLS_MAX = 1000 };

/* When that lane's next recipient may go; 0: now. */
static uint64_t next_of(const struct namesakes *namesakes, unsigned i, uint64_t now_ms)
{
	uint64_t total_ms = budget_next_ms(&namesakes->total, now_ms);
	uint64_t own_ms = budget_next_ms(namesakes->sources[i], now_ms);

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
			room += room_at(namesakes->sources[i], now_ms);
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

struct namesakes *namesakes_hold(struct scheduler *scheduler, struct slice name)
{
	struct map_node *node = map_find(&scheduler->namesakes, name);
	struct namesakes *namesakes =
		node ? MAP_OWNER(node, struct namesakes, node) : calloc(1, sizeof(*namesakes) + name.len);

	CHECK(namesakes != NULL);
	if (!node) {
		namesakes->scheduler = scheduler;
		memcpy(namesakes->text, name.ptr, name.len);
		list_init(&namesakes->line);
		timer_init(&namesakes->timer, on_due);
		budget_init(&namesakes->total, 0, 0, 0, 0);
		map_add(&scheduler->namesakes, &namesakes->node, (struct slice){namesakes->text, name.len});
	}
	namesakes->nsites++;
	return namesakes;
}

void namesakes_drop(struct namesakes *namesakes)
{
	if (--namesakes->nsites)
		return;
	CHECK(list_is_empty(&namesakes->line));
	timer_stop(&namesakes->scheduler->wheel, &namesakes->timer);
	map_remove(&namesakes->scheduler->namesakes, &namesakes->node);
	for (unsigned i = 0; i < namesakes->nsources; i++)
		free(namesakes->sources[i]);
	free(namesakes->sources);
	free(namesakes);
}

static void grow(struct namesakes *namesakes, unsigned nsources)
{
	if (nsources <= namesakes->nsources)
		return;
	namesakes->sources = realloc(namesakes->sources, nsources * sizeof(*namesakes->sources));
	CHECK(namesakes->sources != NULL);
	for (; namesakes->nsources < nsources; namesakes->nsources++) {
		struct budget *budget = malloc(sizeof(*budget));

		CHECK(budget != NULL);
		budget_init(budget, 0, 0, 0, 0);
		namesakes->sources[namesakes->nsources] = budget;
	}
}

void namesakes_limit(struct namesakes *namesakes, const struct site_terms *terms)
{
	budget_limit(&namesakes->total, terms->total_rate.count, terms->total_rate.period_ms, terms->total_rate.burst,
		     (unsigned)terms->total_connections);
	grow(namesakes, (unsigned)terms->nlanes);
	for (unsigned i = 0; i < terms->nlanes; i++) {
		const struct lane_limits *limits = terms->lanes[i];

		budget_limit(namesakes->sources[i], limits->rate_count, limits->rate_period_ms, limits->rate_burst,
			     limits->connections);
	}
}

bool namesakes_admits(const struct namesakes *namesakes, const struct lane *lane, bool urgent)
{
	unsigned bulk = lane_bulk_connections(lane), all = lane->limits->connections;

	return lane->site->standing == SITE_BESIDE ||
	       budget_connections_left(namesakes->sources[lane->source]) > (urgent ? 0 : all - bulk);
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
