/* The book-keeping around turn.c: who gets attention (what a report changes is in report.c).
 *
 * Attention is a list of sites. A site is put on it by whatever may have made something possible, and taken off when it
 * has nothing to do; sites on it take turns, one action each, so that a giant with ten thousand things to do delays
 * nobody. Those with transactional mail to lease have a list of their own, and every second turn: behind a hundred
 * thousand sites with bulk a password mail would wait for as many leases. */
#include "scheduler/book.h"

#include "base/check.h"

#include <limits.h>
#include <stdlib.h>

enum { UNOPENED_MS = 1 /* until a site that may begin no connection is looked at again */ };

struct scheduler *scheduler_new(const struct scheduler_setup *setup, uint64_t now_ms)
{
	struct scheduler *scheduler = calloc(1, sizeof(*scheduler));

	CHECK(scheduler != NULL);
	list_init(&scheduler->attention);
	list_init(&scheduler->hurry);
	list_init(&scheduler->starved);
	list_init(&scheduler->unopened);
	list_init(&scheduler->loads.looked_at);
	list_init(&scheduler->asks);
	wheel_init(&scheduler->wheel, now_ms);
	scheduler->random = random_seeded(setup->seed);
	scheduler->slots_free = setup->slots;
	scheduler->connects_left = UINT_MAX;
	scheduler->records_free = (int)setup->records;
	scheduler->site_gone = setup->site_gone;
	scheduler->commons = setup->commons ? setup->commons : &scheduler->own;
	scheduler->tenant_terms = setup->tenant_terms;
	scheduler->pool_sources = setup->pool_sources;
	scheduler->who = setup->who;
	return scheduler;
}

void scheduler_free(struct scheduler *scheduler)
{
	MAP_EACH (node, &scheduler->lists) {
		struct ready *list = MAP_OWNER(node, struct ready, node);

		if (list->domain->site)
			fair_leave(ready_fair(list), list);
	}
	MAP_EACH (node, &scheduler->lists)
		free(MAP_OWNER(node, struct ready, node));
	MAP_EACH (node, &scheduler->domains)
		free(MAP_OWNER(node, struct domain, node));
	MAP_EACH (node, &scheduler->sites) {
		struct site *site = MAP_OWNER(node, struct site, node);

		if (scheduler->site_gone)
			scheduler->site_gone(site);
		book_free_site(site);
	}
	MAP_EACH (node, &scheduler->tenants)
		free(MAP_OWNER(node, struct tenant, node));
	map_free(&scheduler->lists);
	map_free(&scheduler->domains);
	map_free(&scheduler->tenants);
	map_free(&scheduler->sites);
	map_free(&scheduler->namesakes);
	map_free(&scheduler->lane_limits);
	map_free(&scheduler->site_limits);
	commons_free(&scheduler->own);
	free(scheduler);
}

void book_look(struct scheduler *scheduler, struct site *site)
{
	bool hurries = site->hurries || fair_has_turn(&site->urgent);

	if (site->starves || hurries != site->hurries)
		list_remove(&site->place); /* for a better one */
	site->hurries = hurries;
	site->starves = false;
	if (list_is_empty(&site->place))
		list_push(hurries ? &scheduler->hurry : &scheduler->attention, &site->place);
}

void book_site_due(struct timer *timer, uint64_t now_ms)
{
	struct site *site = MAP_OWNER(timer, struct traffic, timer)->site;
	struct scheduler *scheduler = site->limits->scheduler;

	if (!book_forget_site(scheduler, site, now_ms))
		book_look(scheduler, site);
}

struct site *scheduler_routed(struct scheduler *scheduler, struct slice name, const struct site_spec *spec,
			      uint64_t now_ms)
{
	struct domain *domain = book_domain(scheduler, name);
	struct site *site = book_site(scheduler, spec);

	(void)now_ms;
	site->unroutable = spec->unroutable;
	book_limits(scheduler, site, spec);
	book_routes(site, spec);
	domain->routes_until_ms = spec->routes_until_ms;
	domain->protection = spec->protection;
	domain->sources = spec->sources;
	domain->asked = domain->leaving = false;
	list_remove(&domain->asking);
	book_move_domain(scheduler, domain, site);
	LIST_EACH (link, &domain->lists)
		book_queue_list(scheduler, LIST_OWNER(link, struct ready, of_domain));
	book_look(scheduler, site);
	return site;
}

void scheduler_offer(struct scheduler *scheduler, struct slice name, uint64_t now_ms)
{
	struct ready *list = book_list(scheduler, name);
	struct domain *domain = list->domain;

	(void)now_ms;
	if (list->leasing)
		list->more = true;
	else
		book_queue_list(scheduler, list);
	if (!domain->site && !domain->asked && list_is_empty(&domain->asking))
		list_push(&scheduler->asks, &domain->asking);
}

void scheduler_release(struct scheduler *scheduler, struct domain *domain)
{
	domain->leaving = true;
	LIST_EACH (link, &domain->lists) {
		struct ready *list = LIST_OWNER(link, struct ready, of_domain);

		if (!list->leasing) {
			book_forget_list(scheduler, list);
			if (link_next == &domain->lists)
				return; /* the domain may be gone with its last list */
		}
	}
}

static bool next_ask(struct scheduler *scheduler, struct next *next)
{
	struct list *link = list_pop(&scheduler->asks);

	if (!link)
		return false;
	struct domain *domain = LIST_OWNER(link, struct domain, asking);

	domain->asked = true;
	*next = (struct next){.kind = NEXT_ASK, .domain = domain};
	return true;
}

/* One that hurries and one that does not, in turn: neither waits for more than as many of the others. */
static struct site *next_site(struct scheduler *scheduler)
{
	struct list *first = scheduler->hurried ? &scheduler->attention : &scheduler->hurry;
	struct list *second = scheduler->hurried ? &scheduler->hurry : &scheduler->attention;
	struct list *link = list_pop(first);

	if (!link)
		link = list_pop(second);
	if (!link)
		return NULL;
	struct site *site = LIST_OWNER(link, struct site, place);

	scheduler->hurried = site->hurries;
	site->hurries = false;
	return site;
}

bool scheduler_next(struct scheduler *scheduler, struct next *next, uint64_t now_ms)
{
	struct site *site;

	while (!next_ask(scheduler, next)) {
		if (!(site = next_site(scheduler)))
			return false;
		if (site_next(scheduler, site, next, now_ms)) {
			book_look(scheduler, site); /* again, after the others */
			return true;
		}
	}
	return true;
}

/* They were asked for, and are not needed. */
static void give_back(struct ready *list, unsigned recipients)
{
	if (recipients == 0)
		return;
	fair_refund(list, recipients);
	if (list->tenant->terms.budget)
		budget_give(list->tenant->terms.budget, recipients);
}

void scheduler_leased(struct scheduler *scheduler, struct ready *list, unsigned got, uint64_t remaining,
		      uint64_t now_ms)
{
	struct lane *lane = list->lease.lane;
	unsigned asked = list->lease.asked;

	(void)now_ms;
	CHECK(list->leasing && lane->asked >= asked && list->tenant->asked >= asked);
	lane->asked -= asked;
	list->tenant->asked -= asked;
	list->leasing = false;
	give_back(list, got < asked ? asked - got : 0);
	lane->plenty = remaining > 0;
	if (got && remaining && got == asked && lane->nready == 0)
		lane_ran_dry(lane);
	book_look(scheduler, lane->site);
	if (list->domain->leaving || (remaining == 0 && !list->more))
		book_forget_list(scheduler, list);
	else
		book_queue_list(scheduler, list);
}

/* One who waited for a slot or for room gets attention. */
void book_feed_starved(struct scheduler *scheduler)
{
	struct list *link = list_pop(&scheduler->starved);

	if (link)
		book_look(scheduler, LIST_OWNER(link, struct site, place));
}

void scheduler_allow_connects(struct scheduler *scheduler, unsigned most)
{
	struct list *link;

	most += scheduler->connects_owed / CONNECTS_REPLACED_OF;
	scheduler->connects_owed %= CONNECTS_REPLACED_OF;
	scheduler->connects_left = most;
	while (most-- > 0 && (link = list_pop(&scheduler->unopened)))
		book_look(scheduler, LIST_OWNER(link, struct traffic, unopened)->site);
}

unsigned scheduler_connects_left(const struct scheduler *scheduler)
{
	return list_is_empty(&scheduler->unopened) ? scheduler->connects_left : 0;
}

void scheduler_look(struct scheduler *scheduler, struct lane *lane)
{
	book_look(scheduler, lane->site);
}

void scheduler_hold(struct scheduler *scheduler, struct domain *domain)
{
	domain->outstanding++;
	scheduler->records_free--;
}

void scheduler_drop(struct scheduler *scheduler, struct domain *domain)
{
	CHECK(domain->outstanding > 0);
	domain->outstanding--;
	scheduler->records_free++;
	book_feed_starved(scheduler);
	book_forget_domain(scheduler, domain);
}

void scheduler_take_room(struct scheduler *scheduler, unsigned records)
{
	scheduler->records_free -= (int)records;
}

void scheduler_give_room(struct scheduler *scheduler, unsigned records)
{
	scheduler->records_free += (int)records;
	for (unsigned i = 0; i < records && !list_is_empty(&scheduler->starved); i++)
		book_feed_starved(scheduler);
}

void scheduler_hold_list(struct scheduler *scheduler, struct ready *list, bool held)
{
	list->held = held;
	if (held && list->domain->site)
		fair_rest(ready_fair(list), list);
	else if (!held)
		book_queue_list(scheduler, list);
}

void scheduler_hold_lane(struct scheduler *scheduler, struct lane *lane, bool held)
{
	if (lane->held == held)
		return;
	lane->held = held;
	book_look(scheduler, lane->site);
}

void scheduler_wake(struct scheduler *scheduler, struct lane *lane)
{
	lane_wake(lane);
	book_look(scheduler, lane->site);
}

void scheduler_untried(struct scheduler *scheduler, struct slice tenant, unsigned recipients)
{
	struct map_node *node = map_find(&scheduler->tenants, tenant);
	struct budget *budget = node ? MAP_OWNER(node, struct tenant, node)->terms.budget : NULL;

	if (budget)
		budget_give(budget, recipients);
}

void scheduler_terms(struct scheduler *scheduler)
{
	MAP_EACH (node, &scheduler->tenants)
		book_tenant_terms(scheduler, MAP_OWNER(node, struct tenant, node));
	MAP_EACH (node, &scheduler->lists)
		book_queue_list(scheduler, MAP_OWNER(node, struct ready, node));
}

void scheduler_pause(struct scheduler *scheduler, bool paused)
{
	if (scheduler->paused == paused)
		return;
	scheduler->paused = paused;
	if (!paused)
		MAP_EACH (node, &scheduler->sites)
			book_look(scheduler, MAP_OWNER(node, struct site, node));
}

void scheduler_tick(struct scheduler *scheduler, uint64_t now_ms)
{
	wheel_turn(&scheduler->wheel, now_ms);
}

uint64_t scheduler_wait_ms(const struct scheduler *scheduler, uint64_t now_ms, uint64_t cap_ms)
{
	if (!list_is_empty(&scheduler->attention) || !list_is_empty(&scheduler->hurry) ||
	    !list_is_empty(&scheduler->asks))
		return 0;
	if (!list_is_empty(&scheduler->unopened) && cap_ms > UNOPENED_MS)
		cap_ms = UNOPENED_MS;
	return wheel_wait_ms(&scheduler->wheel, now_ms, cap_ms);
}

struct domain *scheduler_domain(struct scheduler *scheduler, struct slice name)
{
	struct map_node *node = map_find(&scheduler->domains, name);

	return node ? MAP_OWNER(node, struct domain, node) : NULL;
}

struct ready *scheduler_list(struct scheduler *scheduler, struct slice name)
{
	struct map_node *node = map_find(&scheduler->lists, name);

	return node ? MAP_OWNER(node, struct ready, node) : NULL;
}

const struct map *scheduler_namesakes(const struct scheduler *scheduler)
{
	return &scheduler->namesakes;
}

const struct map *scheduler_sites(const struct scheduler *scheduler)
{
	return &scheduler->sites;
}

const struct map *scheduler_domains(const struct scheduler *scheduler)
{
	return &scheduler->domains;
}

struct random *scheduler_random(struct scheduler *scheduler)
{
	return &scheduler->random;
}
