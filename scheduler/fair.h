/* Fair share: which ready list of a site is leased from next.
 *
 * A site's capacity is shared among the tenants that have mail for it, by their weights; a tenant's share among its
 * campaigns, evenly; a campaign's among its lists, in turn. What is counted is recipients leased, so that a campaign
 * of five million delays nobody: a newcomer starts where the others are, not behind what they have queued, and nobody
 * saves up a claim while he has nothing to send.
 *
 *     fair_join(&site->bulk, list);                      it has mail
 *     list = fair_choose(&site->bulk, lane, true, now, &wake);   whose turn it is; NULL: nobody's before wake
 *     fair_rest(&site->bulk, list);                      a lease is under way, or it is held: it has no turn
 *     fair_charge(list, 32);                             so many were asked for
 *     fair_refund(list, 20);                             and so many of them were not there
 *     fair_join(&site->bulk, list);                      it has its turn again
 *     fair_leave(&site->bulk, list);                     it is drained, or goes to another site
 *
 * A site mostly has one list; the tree of shares is made when a second one comes and goes with the last. Choosing is
 * O(log n) in tenants and in campaigns and O(1) in lists, plus one step for each tenant that is out of budget and each
 * campaign that this lane may not send. */
#pragma once

#include "scheduler/tenant.h"

struct ready;
struct share;

/* All zero when empty. */
struct fair {
	struct map_node *mail; /* of its one list, while it never had two; else of the root, owned, which has no name */
};

/* It may be chosen. Joins if it is not a member yet. */
void fair_join(struct fair *fair, struct ready *list);
/* It may not be chosen, and stays a member. */
void fair_rest(struct fair *fair, struct ready *list);
/* It is no member any more. */
void fair_leave(struct fair *fair, struct ready *list);

/* The list whose turn it is among those that lane may send; nothing is changed by asking. With `bulk` there must be
 * room for its tenant's mail, too. NULL if there is none now; *wake_ms is then moved forward to when a tenant's limits
 * may allow the next, if that is what is waited for. */
struct ready *fair_choose(const struct fair *fair, unsigned lane, bool bulk, uint64_t now_ms, uint64_t *wake_ms);
/* A list that is no member has nothing to share, and nothing to be given back. */
void fair_charge(struct ready *list, unsigned recipients);
void fair_refund(struct ready *list, unsigned recipients);

/* Some list may be chosen, as far as it goes without asking lanes and budgets. */
bool fair_has_turn(const struct fair *fair);
/* No other list is a member. */
bool fair_is_alone(const struct fair *fair);
