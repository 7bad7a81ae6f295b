/* One structure per domain that has mail, on its home worker: what the DNS said, which site that makes, who has it now.
 * Letters between workers carry copies; nothing in them points into the sender's memory. What a worker grants itself is
 * one and the same. */
#include "home.h"

#include "delivery.h"
#include "policies.h"
#include "routing.h"
#include "site_key.h"
#include "sts_ask.h"

#include "base/check.h"
#include "dns/routes.h"

#include <stdlib.h>
#include <string.h>

enum { FORGET_MS = 10 * 60 * 1000, UNUSED_AT_ONCE = 4096 };

/* Where a domain's grant stands. NOWHERE: nobody may lease its mail. GRANTED: one worker may. RELEASING: it was asked
 * to stop, or whether it has anything of it, and has not said. */
enum grant { GRANT_NOWHERE, GRANT_GIVEN, GRANT_RELEASING };

struct home {
	struct map_node node;  /* by name, of the same memory */
	struct worker *worker; /* parent */
	struct dns_ask ask;
	struct sts_ask policy_ask;
	bool asking;		   /* the one or the other */
	bool is_outdated;	   /* there is another configuration since it asked */
	struct sts_policy *policy; /* counted: by MTA-STS; NULL: none */
	enum grant grant;
	unsigned owner;	       /* worker number, while not NOWHERE */
	unsigned other_site;   /* answers in a row that led to another owner */
	struct routes *routes; /* counted; NULL: not known */
	struct list waiting;   /* struct waiting: lists to offer once it is granted */
	uint64_t used_ms;
	bool is_unused; /* no mail for long: forgotten when its owner has nothing of it either */
	char text[];	/* its name */
};

static struct slice home_name(const struct home *home)
{
	return map_key(&home->node);
}

struct waiting {
	struct list link;
	struct slice list; /* of the same memory */
};

enum letter_kind {
	LETTER_GRANT,
	LETTER_RENEW,
	LETTER_RELEASE,
	LETTER_WAITS,
	LETTER_RELEASED,
	LETTER_UNUSED,
	LETTER_USED
};

struct letter {
	struct message_to_ring message;
	struct worker *to, *from;
	enum letter_kind kind;
	struct routes *routes;	   /* GRANT: counted */
	struct sts_policy *policy; /* ... counted; NULL: none */
	struct slice domain, list; /* of the same memory; list may be empty */
};

static void letter_open(struct letter *letter);

static void on_letter(struct message_to_ring *message)
{
	letter_open(MAP_OWNER(message, struct letter, message));
}

/* Counts are not for two threads: another worker gets a copy. */
static struct routes *routes_for(struct routes *routes, bool own)
{
	return own ? routes_keep(routes) : routes_make(routes);
}

static void letter_send(struct worker *from, unsigned to, enum letter_kind kind, struct slice domain, struct slice list,
			const struct home *known)
{
	struct letter *letter = malloc(sizeof(*letter) + domain.len + list.len);
	char *bytes = (char *)(letter + 1);

	CHECK(letter != NULL);
	*letter = (struct letter){.message.arrive = on_letter,
				  .to = from->engine->workers[to],
				  .from = from,
				  .kind = kind,
				  .routes = known ? routes_for(known->routes, from->number == to) : NULL,
				  .policy = known ? sts_policy_keep(known->policy) : NULL,
				  .domain = {bytes, domain.len},
				  .list = {bytes + domain.len, list.len}};
	memcpy(bytes, domain.ptr, domain.len);
	if (list.len)
		memcpy(bytes + domain.len, list.ptr, list.len);
	if (to == from->number)
		letter_open(letter);
	else
		ring_wake(from->ring, letter->to->ring, &letter->message);
}

/* Nothing more of it is leased here. Its lists may have mail, of which Redis will not tell again: the home keeps them
 * for the next owner. */
static void release(struct worker *worker, struct worker *home, struct slice name)
{
	struct domain *domain = scheduler_domain(worker->scheduler, name);

	if (domain) {
		LIST_EACH (link, &domain->lists)
			letter_send(worker, home->number, LETTER_WAITS, name,
				    ready_name(LIST_OWNER(link, struct ready, of_domain)), NULL);
		scheduler_release(worker->scheduler, domain);
	}
	if (!scheduler_domain(worker->scheduler, name))
		letter_send(worker, home->number, LETTER_RELEASED, name, SLICE_NONE, NULL);
}

/* Its home has heard nothing of it for long. Mail may wait here that long for a receiver. */
static void answer_unused(struct worker *worker, struct worker *home, struct slice name)
{
	bool used = scheduler_domain(worker->scheduler, name) != NULL;

	letter_send(worker, home->number, used ? LETTER_USED : LETTER_RELEASED, name, SLICE_NONE, NULL);
}

static void home_waits(struct worker *worker, struct slice domain, struct slice list);
static void home_used(struct worker *worker, struct slice domain);

static void letter_open(struct letter *letter)
{
	struct worker *worker = letter->to;

	switch (letter->kind) {
	case LETTER_GRANT:
		if (!routing_fits(worker->config, letter->domain, letter->routes)) {
			routes_free(letter->routes);
			home_renew(worker, letter->domain);
		} else if (letter->list.len || scheduler_domain(worker->scheduler, letter->domain)) {
			policies_note(worker, letter->domain, sts_policy_keep(letter->policy));
			delivery_routed(worker, letter->domain, letter->routes);
		} else
			routes_free(letter->routes);
		if (letter->list.len)
			scheduler_offer(worker->scheduler, letter->list, worker_now_ms(worker));
		break;
	case LETTER_RENEW: home_renew(worker, letter->domain); break;
	case LETTER_RELEASE: release(worker, letter->from, letter->domain); break;
	case LETTER_WAITS: home_waits(worker, letter->domain, letter->list); break;
	case LETTER_RELEASED: home_released(worker, letter->domain); break;
	case LETTER_UNUSED: answer_unused(worker, letter->from, letter->domain); break;
	case LETTER_USED: home_used(worker, letter->domain); break;
	}
	sts_policy_free(letter->policy);
	free(letter);
}

static struct home *home_find(struct worker *worker, struct slice domain)
{
	struct map_node *node = map_find(&worker->homes, domain);

	return node ? MAP_OWNER(node, struct home, node) : NULL;
}

static unsigned worker_of(const struct worker *worker, struct slice name)
{
	return (unsigned)(slice_hash(name) % worker->engine->nworkers);
}

static unsigned owner_of(struct home *home)
{
	struct outbuf name = {0};

	site_key_name(home->worker->config, home_name(home), home->routes, &name);
	unsigned owner = worker_of(home->worker, outbuf_slice(&name));

	outbuf_free(&name);
	return owner;
}

/* The letter that grants it, with what is known of it now. */
static void grant_list(const struct home *home, struct slice list)
{
	letter_send(home->worker, home->owner, LETTER_GRANT, home_name(home), list, home);
}

static void grant(struct home *home)
{
	struct list *link;

	if (list_is_empty(&home->waiting)) /* a renewal: the owner is told what has changed */
		grant_list(home, SLICE_NONE);
	while ((link = list_pop(&home->waiting))) {
		struct waiting *waiting = LIST_OWNER(link, struct waiting, link);

		grant_list(home, waiting->list);
		free(waiting);
	}
}

static void home_settle(struct home *home)
{
	unsigned owner = owner_of(home);

	if (home->grant == GRANT_RELEASING)
		return;
	if (home->grant == GRANT_GIVEN && owner != home->owner && home->other_site >= 2) {
		/* Twice in a row, a TTL apart: it has moved, it does not flutter. */
		home->grant = GRANT_RELEASING;
		letter_send(home->worker, home->owner, LETTER_RELEASE, home_name(home), SLICE_NONE, NULL);
		return;
	}
	if (home->grant == GRANT_NOWHERE) {
		home->grant = GRANT_GIVEN;
		home->owner = owner;
	}
	grant(home);
}

/* Answers in a row that lead to another owner. One that leads nowhere says nothing of where the domain is. */
static void count_answer(struct home *home)
{
	if (home->grant != GRANT_GIVEN || home->routes->result != ROUTES_FOUND)
		return;
	if (owner_of(home) == home->owner)
		home->other_site = 0;
	else
		home->other_site++;
}

static void home_ask(struct home *home);

static void on_policy(struct sts_ask *ask, struct sts_policy *policy)
{
	struct home *home = LIST_OWNER(ask, struct home, policy_ask);

	home->asking = false;
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
	home->policy_ask.answered = on_policy;
	if (home->worker->engine->sts && routing_asks_policy(home->worker->config, home_name(home), routes))
		sts_ask(home->worker, &home->policy_ask, home_name(home));
	else
		on_policy(&home->policy_ask, NULL);
}

static void on_routes(struct dns_ask *ask, struct routes *routes)
{
	home_answered(LIST_OWNER(ask, struct home, ask), routes);
}

static void home_ask(struct home *home)
{
	const struct config_relay *relay = config_relay_of(home->worker->config, home_name(home));
	struct routes *fixed;

	if (home->asking)
		return;
	home->asking = true;
	home->is_outdated = false;
	fixed = routing_fixed(home->worker->config, home_name(home));
	if (fixed) {
		home_answered(home, fixed);
		return;
	}
	home->ask.answered = on_routes;
	if (relay)
		dns_ask_host(home->worker->dns, &home->ask, relay->host_name, (uint16_t)relay->port);
	else
		dns_ask(home->worker->dns, &home->ask, home_name(home));
}

static struct home *home_make(struct worker *worker, struct slice domain)
{
	struct home *home = calloc(1, sizeof(*home) + domain.len);

	CHECK(home != NULL);
	home->worker = worker;
	memcpy(home->text, domain.ptr, domain.len);
	list_init(&home->waiting);
	list_init(&home->ask.link);
	map_add(&worker->homes, &home->node, (struct slice){home->text, domain.len});
	return home;
}

/* To be offered to whom the domain is granted next. */
static void home_keep(struct home *home, struct slice list)
{
	struct waiting *waiting = malloc(sizeof(*waiting) + list.len);

	CHECK(waiting != NULL);
	memcpy(waiting + 1, list.ptr, list.len);
	waiting->list = (struct slice){(char *)(waiting + 1), list.len};
	list_push(&home->waiting, &waiting->link);
}

static void home_waits(struct worker *worker, struct slice domain, struct slice list)
{
	struct home *home = home_find(worker, domain);

	if (home)
		home_keep(home, list);
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

	if (!list_parse(list, &parts) || worker_of(worker, parts.domain) != worker->number)
		return;
	home = home_find(worker, parts.domain);
	if (!home)
		home = home_make(worker, parts.domain);
	touch(home);
	home_keep(home, list);
	if (!home->routes || home->is_outdated || home->routes->expires_ms <= worker_now_ms(worker))
		home_ask(home);
	else if (home->grant != GRANT_RELEASING)
		home_settle(home);
}

void home_renew(struct worker *worker, struct slice domain)
{
	struct home *home;

	if (worker_of(worker, domain) != worker->number) {
		letter_send(worker, worker_of(worker, domain), LETTER_RENEW, domain, SLICE_NONE, NULL);
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
	struct list *link;

	map_remove(&home->worker->homes, &home->node);
	dns_unask(home->worker->dns, &home->ask);
	while ((link = list_pop(&home->waiting)))
		free(LIST_OWNER(link, struct waiting, link));
	if (home->routes)
		routes_free(home->routes);
	sts_policy_free(home->policy);
	free(home);
}

void home_released(struct worker *worker, struct slice domain)
{
	struct home *home;

	if (worker_of(worker, domain) != worker->number) {
		letter_send(worker, worker_of(worker, domain), LETTER_RELEASED, domain, SLICE_NONE, NULL);
		return;
	}
	home = home_find(worker, domain);
	if (!home || home->grant != GRANT_RELEASING)
		return;
	home->grant = GRANT_NOWHERE;
	home->other_site = 0;
	if (home->is_unused && !home->asking)
		home_free(home);
	else
		home_settle(home);
}

/* What was learned since the question is told, too. */
static void home_used(struct worker *worker, struct slice domain)
{
	struct home *home = home_find(worker, domain);

	if (!home || home->grant != GRANT_RELEASING)
		return;
	home->grant = GRANT_GIVEN;
	touch(home);
	home_settle(home);
}

void homes_reload(struct worker *worker)
{
	MAP_EACH (node, &worker->homes)
		MAP_OWNER(node, struct home, node)->is_outdated = true;
}

/* The owner is asked first, even if it is this worker: a second grant would not wait for what it has of the domain. */
void homes_age(struct worker *worker, uint64_t now_ms)
{
	unsigned asked = 0;

	MAP_EACH (node, &worker->homes) {
		struct home *home = MAP_OWNER(node, struct home, node);

		if (home->asking || home->grant != GRANT_GIVEN || now_ms < home->used_ms + FORGET_MS ||
		    asked++ >= UNUSED_AT_ONCE)
			continue;
		home->is_unused = true;
		home->grant = GRANT_RELEASING;
		letter_send(worker, home->owner, LETTER_UNUSED, home_name(home), SLICE_NONE, NULL);
	}
}

void homes_free(struct worker *worker)
{
	MAP_EACH (node, &worker->homes)
		home_free(MAP_OWNER(node, struct home, node));
	map_free(&worker->homes);
}
