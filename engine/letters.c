/* What a worker does when it hears from another one about a domain; what its home does about it is in home.c. */
#include "letters.h"

#include "delivery.h"
#include "home.h"
#include "policies.h"
#include "routing.h"

#include "base/check.h"
#include "dns/routes.h"

#include <stdlib.h>
#include <string.h>

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

void letter_send(struct worker *from, unsigned to, enum letter_kind kind, struct slice domain, struct slice list,
		 struct routes *routes, struct sts_policy *policy)
{
	struct letter *letter = malloc(sizeof(*letter) + domain.len + list.len);
	char *bytes = (char *)(letter + 1);

	CHECK(letter != NULL);
	*letter = (struct letter){.message.arrive = on_letter,
				  .to = from->engine->workers[to],
				  .from = from,
				  .kind = kind,
				  .routes = routes ? routes_for(routes, from->number == to) : NULL,
				  .policy = policy ? sts_policy_keep(policy) : NULL,
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

/* Takes the routes. */
static void open_grant(struct worker *worker, struct letter *letter)
{
	if (!routing_fits(worker->config, letter->domain, letter->routes)) {
		routes_free(letter->routes);
		home_renew(worker, letter->domain);
	} else if (letter->list.len || scheduler_domain(worker->scheduler, letter->domain)) {
		policies_note(worker, letter->domain, sts_policy_keep(letter->policy));
		delivery_routed(worker, letter->domain, letter->routes);
	} else {
		routes_free(letter->routes);
	}
	if (letter->list.len)
		scheduler_offer(worker->scheduler, letter->list, worker_now_ms(worker));
}

/* Nothing more of it is leased here. Its lists may have mail, of which Redis will not tell again: the home keeps them
 * for the next owner. */
static void release(struct worker *worker, struct worker *home, struct slice name)
{
	struct domain *domain = scheduler_domain(worker->scheduler, name);

	if (domain) {
		LIST_EACH (link, &domain->lists)
			letter_send(worker, home->number, LETTER_WAITS, name,
				    ready_name(LIST_OWNER(link, struct ready, of_domain)), NULL, NULL);
		scheduler_release(worker->scheduler, domain);
	}
	if (!scheduler_domain(worker->scheduler, name))
		letter_send(worker, home->number, LETTER_RELEASED, name, SLICE_NONE, NULL, NULL);
}

/* Its home has heard nothing of it for long. Mail may wait here that long for a receiver. */
static void answer_unused(struct worker *worker, struct worker *home, struct slice name)
{
	bool used = scheduler_domain(worker->scheduler, name) != NULL;

	letter_send(worker, home->number, used ? LETTER_USED : LETTER_RELEASED, name, SLICE_NONE, NULL, NULL);
}

static void letter_open(struct letter *letter)
{
	struct worker *worker = letter->to;

	switch (letter->kind) {
	case LETTER_GRANT: open_grant(worker, letter); break;
	case LETTER_RELEASE: release(worker, letter->from, letter->domain); break;
	case LETTER_UNUSED: answer_unused(worker, letter->from, letter->domain); break;
	case LETTER_RENEW: home_renew(worker, letter->domain); break;
	case LETTER_WAITS: home_waits(worker, letter->domain, letter->list, false); break;
	case LETTER_SHARE: home_waits(worker, letter->domain, letter->list, true); break;
	case LETTER_RELEASED: home_told(worker, letter->from->number, letter->domain, false); break;
	case LETTER_USED: home_told(worker, letter->from->number, letter->domain, true); break;
	}
	sts_policy_free(letter->policy);
	free(letter);
}
