/* Tickets are counted in the tenant's budget, so that all workers' connections are; everything else is one worker's.
 *
 * Why mail is set aside: a lane's queue serves all tenants, and everything that decides about connections counts what
 * is in it. Mail that may not go would have connections opened for it, and would have to be searched past at each
 * transaction. Rejected: a ticket for each delivery, taken before it joins its lane (a lane that waits for its rate
 * would hold tickets that another could use, and no two recipients could share a transaction). */
#include "scheduler/tenant.h"

#include "scheduler/book.h"

#include "base/check.h"

#include <stdlib.h>

enum {
	ROOM = 256, /* records here whatever the limit is: enough for a transaction of many recipients */
	ROOM_A_TICKET = 16,
	CALL_MS = 100,
	TURN_MS = 1000,
	TRIES = 16,	 /* anterooms looked at in one call */
	LISTS_A_MS = 10, /* that ask again, in all */
};

/* A tenant's mail that was set aside on one lane. */
struct anteroom {
	struct anteroom *next; /* of its lane */
	struct list in_line;   /* on its tenant's */
	struct tenant *tenant; /* parent */
	struct lane *lane;
	struct list urgent, bulk;
	unsigned n, nurgent; /* of both; of urgent */
	uint64_t called_ms;  /* 0: not called */
};

static struct anteroom *anteroom_at(const struct list *link)
{
	return LIST_OWNER(link, struct anteroom, in_line);
}

static struct anteroom *first_in_line(const struct tenant *tenant)
{
	const struct list *link = list_first(&tenant->line);

	return link ? anteroom_at(link) : NULL;
}

static struct anteroom *anteroom_of(const struct tenant *tenant, const struct lane *lane)
{
	struct anteroom *room = lane->anterooms;

	while (room && room->tenant != tenant)
		room = room->next;
	return room;
}

/* Waiting is counted where the tickets are, once a worker. */
static void want(struct tenant *tenant, struct budget *budget)
{
	if (tenant->wanted == budget)
		return;
	if (tenant->wanted)
		budget_want(tenant->wanted, -1);
	tenant->wanted = budget;
	if (budget)
		budget_want(budget, 1);
}

static void anteroom_free(struct anteroom *room)
{
	struct anteroom **at = &room->lane->anterooms;

	CHECK(room->n == 0);
	while (*at != room)
		at = &(*at)->next;
	*at = room->next;
	list_remove(&room->in_line);
	if (list_is_empty(&room->tenant->line))
		want(room->tenant, NULL);
	free(room);
}

static struct anteroom *anteroom_new(struct tenant *tenant, struct lane *lane)
{
	struct anteroom *room = calloc(1, sizeof(*room));

	CHECK(room != NULL);
	*room = (struct anteroom){.next = lane->anterooms, .tenant = tenant, .lane = lane};
	list_init(&room->urgent);
	list_init(&room->bulk);
	lane->anterooms = room;
	list_push(&tenant->line, &room->in_line);
	return room;
}

static bool others_want(const struct tenant *tenant)
{
	return tenant->terms.budget && budget_wanted(tenant->terms.budget) > (tenant->wanted == tenant->terms.budget);
}

static bool is_modest(const struct tenant *tenant, uint64_t now_ms)
{
	return tenant->modest_until_ms > now_ms && others_want(tenant);
}

static bool has_tickets(const struct tenant *tenant)
{
	return !tenant->terms.budget || budget_connections_left(tenant->terms.budget) > 0;
}

/* Nothing but a ticket keeps this lane from sending it: it has a connection, or may open one. */
static bool can_use_one(const struct anteroom *room, uint64_t now_ms)
{
	const struct budget *connects = room->tenant->terms.connects;

	return room->n && (room->lane->open + room->lane->opening || !connects || budget_left(connects, 1, now_ms));
}

static void to_the_end(struct anteroom *room)
{
	struct tenant *tenant = room->tenant;

	room->called_ms = 0;
	list_remove(&room->in_line);
	list_push(&tenant->line, &room->in_line);
	if (room->n == 0)
		anteroom_free(room);
}

static void fetch_one(struct anteroom *room)
{
	struct lane *lane = room->lane;
	bool urgent = room->nurgent > 0;
	struct list *link = list_pop(urgent ? &room->urgent : &room->bulk);

	CHECK(link != NULL);
	room->n--;
	room->nurgent -= urgent;
	room->tenant->aside--;
	lane->aside--;
	lane_put_back(lane, link, urgent);
}

/* The first that can use a ticket, if there is one. */
static struct anteroom *next_in_line(const struct tenant *tenant, uint64_t now_ms)
{
	unsigned tries = 0;

	LIST_EACH (link, &tenant->line) {
		if (can_use_one(anteroom_at(link), now_ms))
			return anteroom_at(link);
		if (++tries == TRIES)
			break;
	}
	return NULL;
}

/* It is the first from now on, and gets the chance. */
static void call(struct tenant *tenant, uint64_t now_ms)
{
	struct anteroom *room = first_in_line(tenant);

	if (!room || room->called_ms || !has_tickets(tenant) || is_modest(tenant, now_ms) ||
	    !(room = next_in_line(tenant, now_ms)))
		return;
	list_remove(&room->in_line);
	list_push_front(&tenant->line, &room->in_line);
	room->called_ms = now_ms;
	fetch_one(room);
	scheduler_look(tenant->scheduler, room->lane);
}

static void on_due(struct timer *timer, uint64_t now_ms)
{
	struct tenant *tenant = MAP_OWNER(timer, struct tenant, timer);
	struct anteroom *room = first_in_line(tenant);

	if (room && room->called_ms && room->called_ms + CALL_MS <= now_ms)
		to_the_end(room);
	call(tenant, now_ms);
	if (!list_is_empty(&tenant->line))
		timer_set(&tenant->scheduler->wheel, &tenant->timer, now_ms + BUDGET_PATIENCE_MS);
}

void tenant_init(struct tenant *tenant, struct scheduler *scheduler)
{
	tenant->scheduler = scheduler;
	list_init(&tenant->line);
	timer_init(&tenant->timer, on_due);
}

void tenant_clear(struct tenant *tenant)
{
	CHECK(tenant->aside == 0);
	LIST_EACH (link, &tenant->line)
		anteroom_free(anteroom_at(link));
	timer_stop(&tenant->scheduler->wheel, &tenant->timer);
}

struct tenant *tenant_keep(struct tenant *tenant)
{
	tenant->kept++;
	return tenant;
}

void tenant_leave(struct tenant *tenant)
{
	CHECK(tenant->kept > 0);
	tenant->kept--;
	book_forget_tenant(tenant->scheduler, tenant);
}

unsigned tenant_room(const struct tenant *tenant, unsigned n)
{
	unsigned most = tenant->terms.budget ? budget_connections_most(tenant->terms.budget) : 0;
	uint64_t room = ROOM + (uint64_t)most * ROOM_A_TICKET, have = tenant->kept + tenant->asked;

	if (most == 0) { /* then at most connections that may not be opened are waited for */
		room = ROOM;
		have = tenant->aside;
	}
	if (have >= room)
		return 0;
	return n < room - have ? n : (unsigned)(room - have);
}

uint64_t tenant_patience_ms(const struct tenant *tenant)
{
	uint64_t crowd_ms = tenant->nlists / LISTS_A_MS;

	return crowd_ms > BUDGET_PATIENCE_MS ? crowd_ms : BUDGET_PATIENCE_MS;
}

/* Nobody who waits is overtaken. */
static bool is_its_turn(const struct tenant *tenant, const struct lane *lane, uint64_t now_ms)
{
	const struct anteroom *first = first_in_line(tenant);

	return (!first || first->lane == lane) && !is_modest(tenant, now_ms);
}

/* It has had its turn: the next one is called, if there are tickets left. */
static void served(struct tenant *tenant, const struct lane *lane, uint64_t now_ms)
{
	struct anteroom *first = first_in_line(tenant);

	if (first && first->lane == lane)
		to_the_end(first);
	call(tenant, now_ms);
}

bool tenant_grants(struct tenant *tenant, const struct lane *lane, struct ticket *ticket, uint64_t now_ms)
{
	struct budget *budget = tenant->terms.budget;

	*ticket = (struct ticket){.since_ms = now_ms};
	if (!is_its_turn(tenant, lane, now_ms) || (budget && !budget_connect(budget)))
		return false;
	ticket->budget = budget;
	served(tenant, lane, now_ms);
	return true;
}

bool tenant_grants_opening(struct tenant *tenant, const struct lane *lane, struct ticket *ticket, uint64_t now_ms)
{
	struct budget *connects = tenant->terms.connects;

	if (connects && budget_take(connects, 1, now_ms) == 0)
		return false;
	if (tenant_grants(tenant, lane, ticket, now_ms))
		return true;
	if (connects)
		budget_give(connects, 1);
	return false;
}

bool tenant_yields(const struct tenant *tenant, const struct lane *lane, const struct ticket *ticket, uint64_t now_ms)
{
	const struct anteroom *first = first_in_line(tenant);
	bool others = first && first->lane != lane;

	if (!ticket->budget || budget_connections_left(ticket->budget) > 0)
		return false;
	if (others && first->nurgent)
		return true;
	return ticket->since_ms + TURN_MS <= now_ms && (others || others_want(tenant));
}

void tenant_takes_back(struct tenant *tenant, struct ticket *ticket, uint64_t now_ms)
{
	if (!ticket->budget)
		return;
	if (ticket->since_ms + TURN_MS <= now_ms && others_want(tenant))
		tenant->modest_until_ms = now_ms + 2 * BUDGET_PATIENCE_MS;
	budget_disconnect(ticket->budget);
	*ticket = (struct ticket){.budget = NULL};
	call(tenant, now_ms);
}

void tenant_set_aside(struct tenant *tenant, struct lane *lane, struct list *link, bool urgent, uint64_t now_ms)
{
	struct anteroom *room = anteroom_of(tenant, lane);

	if (!room)
		room = anteroom_new(tenant, lane);
	lane_remove(lane, link, urgent);
	list_push(urgent ? &room->urgent : &room->bulk, link);
	if (urgent && room->nurgent == 0) {
		list_remove(&room->in_line);
		list_push_front(&tenant->line, &room->in_line);
	}
	room->n++;
	room->nurgent += urgent;
	tenant->aside++;
	lane->aside++;
	want(tenant, tenant->terms.budget);
	if (!timer_is_set(&tenant->timer))
		timer_set(&tenant->scheduler->wheel, &tenant->timer, now_ms + BUDGET_PATIENCE_MS);
}

bool tenant_fetch(struct tenant *tenant, struct lane *lane)
{
	struct anteroom *room = anteroom_of(tenant, lane);

	if (!room || room->n == 0)
		return false;
	fetch_one(room);
	if (room->n == 0 && !room->called_ms)
		anteroom_free(room);
	return true;
}

struct list *lane_pop_aside(struct lane *lane)
{
	while (lane->anterooms && lane->anterooms->n == 0)
		anteroom_free(lane->anterooms);
	if (!lane->anterooms || !tenant_fetch(lane->anterooms->tenant, lane))
		return NULL;
	return lane_pop(lane);
}

void lane_clear_aside(struct lane *lane)
{
	while (lane->anterooms) {
		lane->anterooms->n = 0;
		anteroom_free(lane->anterooms);
	}
}
