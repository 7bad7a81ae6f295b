/* One structure per domain that has mail, on its home worker: what the DNS said, which site that makes, who has it now.
 * There may be a hundred thousand, most of which wait for their receivers: what only an answer needs is apart, and
 * where no mail has come for a minute the routes go, which whoever has the mail has too.
 *
 * Whoever was granted it is one of its holders until he says that nothing of it is left with him; a holder that was
 * asked something is granted nothing more until he has answered, so that no letter can cross another's meaning. */
#include "home.h"

#include "giants.h"
#include "letters.h"
#include "policies.h"
#include "routing.h"
#include "site_key.h"
#include "sts_ask.h"

#include "base/check.h"
#include "dns/routes.h"

#include <stdlib.h>
#include <string.h>

enum { MOVES_AFTER = 2, COLD_MS = 60 * 1000, FORGET_MS = 10 * 60 * 1000, UNUSED_AT_ONCE = 4096, MERGED_AT_ONCE = 1024 };

/* Holders are bits by the workers' numbers. */
struct home {
	struct map_node node;	   /* by name, of the same memory */
	struct worker *worker;	   /* parent */
	struct asking *asking;	   /* owned; NULL: it asks nobody */
	struct routes *routes;	   /* counted; NULL: not known */
	struct sts_policy *policy; /* counted: by MTA-STS; NULL: none */
	struct waiting *waiting;   /* owned: the last of a ring of lists to offer once it is granted; NULL: none */
	uint64_t holders;	   /* they may have mail of it */
	uint64_t asked;		   /* of them: to let go, or whether they have any */
	uint64_t used_ms;
	uint8_t owner;	      /* of its site, while it has holders */
	uint8_t other_site;   /* answers in a row that led to another owner, as far as they matter */
	bool is_outdated : 1; /* there is another configuration since it asked */
	bool is_moving : 1;   /* its site has another owner: nobody is granted it until nobody holds it */
	bool is_split : 1;    /* it was granted to one of several parts of its site, or to all */
	bool is_due : 1;      /* ... and there are fewer parts now: to be settled */
	bool is_unused : 1;   /* no mail for long: forgotten when its holders have nothing of it either */
	char text[];	      /* its name */
};

/* One question after the other. */
struct asking {
	struct home *home; /* parent */
	struct dns_ask routes;
	struct sts_ask policy;
};

static struct slice home_name(const struct home *home)
{
	return map_key(&home->node);
}

struct waiting {
	struct waiting *next; /* of the last: the first */
	bool for_all;	      /* parts of its site, not for one of them */
	struct slice list;    /* of the same memory */
};

static void waiting_push(struct home *home, struct waiting *waiting)
{
	waiting->next = home->waiting ? home->waiting->next : waiting;
	if (home->waiting)
		home->waiting->next = waiting;
	home->waiting = waiting;
}

/* NULL: none. */
static struct waiting *waiting_pop(struct home *home)
{
	struct waiting *first = home->waiting ? home->waiting->next : NULL;

	if (first == home->waiting)
		home->waiting = NULL;
	else
		home->waiting->next = first->next;
	return first;
}

static struct home *home_find(struct worker *worker, struct slice domain)
{
	struct map_node *node = map_find(&worker->homes, domain);

	return node ? MAP_OWNER(node, struct home, node) : NULL;
}

static uint64_t bit(unsigned worker)
{
	return 1ull << worker;
}

static unsigned home_of(const struct worker *worker, struct slice domain)
{
	return (unsigned)(slice_hash(domain) % worker->engine->nworkers);
}

static struct giant parts_of(const struct home *home)
{
	return giant_of(home->worker, home_name(home), home->routes);
}

/* Who is to hold it. An answer that leads elsewhere for the first time is no reason to have another owner. */
static uint64_t wanted(const struct home *home, const struct giant *parts)
{
	return parts->owner == home->owner ? parts->workers : bit(home->owner);
}

/* This worker last: it answers at once, and the home may be gone then. */
static void ask_holders(struct home *home, uint64_t holders, enum letter_kind kind)
{
	unsigned self = home->worker->number;

	home->asked |= holders;
	for (unsigned i = 0; i < home->worker->engine->nworkers; i++)
		if (holders & bit(i) & ~bit(self))
			letter_send(home->worker, i, kind, home_name(home), SLICE_NONE, NULL, NULL);
	if (holders & bit(self))
		letter_send(home->worker, self, kind, home_name(home), SLICE_NONE, NULL, NULL);
}

/* The letter that grants it, with what is known of it now. */
static void grant_list(struct home *home, uint64_t workers, struct slice list)
{
	home->holders |= workers;
	for (unsigned i = 0; i < home->worker->engine->nworkers; i++)
		if (workers & bit(i))
			letter_send(home->worker, i, LETTER_GRANT, home_name(home), list, home->routes, home->policy);
}

/* One of them, always the same for that list while they are the same. */
static uint64_t one_of(uint64_t workers, struct slice list)
{
	unsigned nth = (unsigned)(slice_hash(list) % (unsigned)__builtin_popcountll(workers));

	while (nth--)
		workers &= workers - 1;
	return workers & -workers;
}

static void grant(struct home *home, uint64_t workers)
{
	struct waiting *waiting;

	if (!home->waiting) /* a renewal: the holders are told what has changed */
		grant_list(home, home->holders ? home->holders & ~home->asked : bit(home->owner), SLICE_NONE);
	while ((waiting = waiting_pop(home))) {
		grant_list(home, waiting->for_all ? workers : one_of(workers, waiting->list), waiting->list);
		free(waiting);
	}
}

/* Twice in a row, a TTL apart: it has moved, it does not flutter. True while somebody holds it still. */
static bool home_moves(struct home *home, unsigned owner)
{
	if (home->holders && owner != home->owner && home->other_site >= MOVES_AFTER)
		home->is_moving = true;
	if (!home->is_moving)
		return false;
	home->is_moving = home->holders != 0;
	if (!(home->holders & ~home->asked))
		return home->is_moving;
	ask_holders(home, home->holders & ~home->asked, LETTER_RELEASE); /* who answers goes on from here */
	return true;
}

static void home_settle(struct home *home)
{
	struct giant parts = parts_of(home);
	uint64_t workers;

	if (home_moves(home, parts.owner))
		return;
	if (!home->holders) {
		home->owner = (uint8_t)parts.owner;
		home->other_site = 0;
	}
	workers = wanted(home, &parts);
	home->is_split = (workers & (workers - 1)) != 0;
	if (workers & ~home->asked)
		grant(home, workers & ~home->asked);
	ask_holders(home, home->holders & ~home->asked & ~workers, LETTER_RELEASE);
}

/* Answers in a row that lead to another owner. One that leads nowhere says nothing of where the domain is. */
static void count_answer(struct home *home)
{
	if (!home->holders || home->is_moving || home->routes->result != ROUTES_FOUND)
		return;
	if (parts_of(home).owner == home->owner)
		home->other_site = 0;
	else if (home->other_site < MOVES_AFTER)
		home->other_site++;
}

static void home_ask(struct home *home);

static void on_policy(struct sts_ask *ask, struct sts_policy *policy)
{
	struct asking *asking = LIST_OWNER(ask, struct asking, policy);
	struct home *home = asking->home;

	home->asking = NULL;
	free(asking);
	sts_policy_free(home->policy);
	home->policy = policy;
	if (home->is_outdated) {
		home_ask(home);
		return;
	}
	count_answer(home);
	home_settle(home);
}

static void home_answered(struct home *home, struct routes *routes)
{
	if (home->routes)
		routes_free(home->routes);
	home->routes = routes;
	stat_add(home->worker->stats, STAT_RESOLVED, 1);
	home->asking->policy.answered = on_policy;
	if (home->worker->engine->sts && routing_asks_policy(home->worker->config, home_name(home), routes))
		sts_ask(home->worker, &home->asking->policy, home_name(home));
	else
		on_policy(&home->asking->policy, NULL);
}

static void on_routes(struct dns_ask *ask, struct routes *routes)
{
	home_answered(LIST_OWNER(ask, struct asking, routes)->home, routes);
}

static struct asking *asking_make(struct home *home)
{
	struct asking *asking = calloc(1, sizeof(*asking));

	CHECK(asking != NULL);
	asking->home = home;
	asking->routes.answered = on_routes;
	list_init(&asking->routes.link);
	return asking;
}

static void home_ask(struct home *home)
{
	const struct config_relay *relay = config_relay_of(home->worker->config, home_name(home));
	struct routes *fixed;

	if (home->asking)
		return;
	home->asking = asking_make(home);
	home->is_outdated = false;
	fixed = routing_fixed(home->worker->config, home_name(home));
	if (fixed) {
		home_answered(home, fixed);
		return;
	}
	if (relay)
		dns_ask_host(home->worker->dns, &home->asking->routes, relay->host_name, (uint16_t)relay->port);
	else
		dns_ask(home->worker->dns, &home->asking->routes, home_name(home));
}

static struct home *home_make(struct worker *worker, struct slice domain)
{
	struct home *home = calloc(1, sizeof(*home) + domain.len);

	CHECK(home != NULL);
	home->worker = worker;
	memcpy(home->text, domain.ptr, domain.len);
	map_add(&worker->homes, &home->node, (struct slice){home->text, domain.len});
	return home;
}

/* To be offered to whom the domain is granted next. */
static void home_keep(struct home *home, struct slice list, bool for_all)
{
	struct waiting *waiting = malloc(sizeof(*waiting) + list.len);

	CHECK(waiting != NULL);
	memcpy(waiting + 1, list.ptr, list.len);
	waiting->list = (struct slice){(char *)(waiting + 1), list.len};
	waiting->for_all = for_all;
	waiting_push(home, waiting);
}

/* What is kept is granted, after another question if what is known is too old for that. */
static void home_go_on(struct home *home)
{
	if (!home->routes || home->is_outdated || home->routes->expires_ms <= worker_now_ms(home->worker))
		home_ask(home);
	else
		home_settle(home);
}

void home_waits(struct worker *worker, struct slice domain, struct slice list, bool for_all)
{
	struct home *home = home_find(worker, domain);

	if (!home)
		return;
	home_keep(home, list, for_all);
	home_go_on(home);
}

/* Mail comes, or is told to be there yet. */
static void touch(struct home *home)
{
	home->used_ms = worker_now_ms(home->worker);
	home->is_unused = false;
}

void home_changed(struct worker *worker, struct slice list)
{
	struct list_parts parts;
	struct home *home;

	if (!list_parse(list, &parts) || home_of(worker, parts.domain) != worker->number)
		return;
	home = home_find(worker, parts.domain);
	if (!home)
		home = home_make(worker, parts.domain);
	touch(home);
	home_keep(home, list, false);
	home_go_on(home);
}

void home_renew(struct worker *worker, struct slice domain)
{
	struct home *home;

	if (home_of(worker, domain) != worker->number) {
		letter_send(worker, home_of(worker, domain), LETTER_RENEW, domain, SLICE_NONE, NULL, NULL);
		return;
	}
	home = home_find(worker, domain);
	if (!home)
		home = home_make(worker, domain);
	touch(home);
	home_ask(home);
}

static void home_free(struct home *home)
{
	struct waiting *waiting;

	map_remove(&home->worker->homes, &home->node);
	if (home->asking)
		dns_unask(home->worker->dns, &home->asking->routes);
	free(home->asking);
	while ((waiting = waiting_pop(home)))
		free(waiting);
	if (home->routes)
		routes_free(home->routes);
	sts_policy_free(home->policy);
	free(home);
}

void home_released(struct worker *worker, struct slice domain)
{
	if (!scheduler_domain(worker->scheduler, domain))
		letter_send(worker, home_of(worker, domain), LETTER_RELEASED, domain, SLICE_NONE, NULL, NULL);
}

void home_share(struct worker *worker, struct slice domain, struct slice list)
{
	letter_send(worker, home_of(worker, domain), LETTER_SHARE, domain, list, NULL, NULL);
}

/* What was learned since the question is told, too. */
void home_told(struct worker *worker, unsigned holder, struct slice domain, bool is_used)
{
	struct home *home = home_find(worker, domain);

	if (!home || !(home->asked & bit(holder)))
		return;
	home->asked &= ~bit(holder);
	if (is_used)
		touch(home);
	else
		home->holders &= ~bit(holder);
	if (home->is_unused && !home->asking && !home->holders)
		home_free(home);
	else if (home->routes || home->waiting || home->is_moving)
		home_go_on(home);
}

/* Names of sites take a while to be found, so not all at once. */
void homes_merge(struct worker *worker, bool is_news)
{
	unsigned settled = 0;

	worker->merging |= is_news;
	if (!worker->merging)
		return;
	MAP_EACH (node, &worker->homes) {
		struct home *home = MAP_OWNER(node, struct home, node);

		home->is_due |= is_news && home->is_split;
		if (!home->is_due || settled++ >= MERGED_AT_ONCE)
			continue;
		home->is_due = false;
		home_go_on(home);
	}
	worker->merging = settled > MERGED_AT_ONCE;
}

void homes_reload(struct worker *worker)
{
	MAP_EACH (node, &worker->homes)
		MAP_OWNER(node, struct home, node)->is_outdated = true;
}

/* Not while something is to come of them. */
static void home_cool(struct home *home, uint64_t now_ms)
{
	if (!home->routes || home->asking || home->waiting || home->asked || home->is_due ||
	    now_ms < home->used_ms + COLD_MS)
		return;
	routes_free(home->routes);
	home->routes = NULL;
}

/* Holders are asked first, even if it is this worker: a second grant would not wait for what they have of the domain.
 */
void homes_age(struct worker *worker, uint64_t now_ms)
{
	unsigned asked = 0;

	MAP_EACH (node, &worker->homes) {
		struct home *home = MAP_OWNER(node, struct home, node);

		home_cool(home, now_ms);
		if (home->asking || home->asked || !home->holders || now_ms < home->used_ms + FORGET_MS ||
		    asked++ >= UNUSED_AT_ONCE)
			continue;
		home->is_unused = true;
		ask_holders(home, home->holders, LETTER_UNUSED);
	}
}

void homes_free(struct worker *worker)
{
	MAP_EACH (node, &worker->homes)
		home_free(MAP_OWNER(node, struct home, node));
	map_free(&worker->homes);
}
