/* The home of a domain: the one worker that resolves it and grants it to the owner of its site (DESIGN.md, decision 1).
 *
 *     hash(domain) is at home on worker h; hash(site) is owned by worker o
 *     h: a list of the domain has mail → asks the DNS, or knows → grant to o: domain, routes, list
 *     o: leases and sends; when the routes have aged → renew to h
 *     h: the site has changed twice in a row → release to o; o says which lists may have mail, finishes what it has →
 *        released to h; h grants anew, those lists with it
 *     h: no mail of the domain for ten minutes → unused to o; o has nothing of it → released to h, which forgets it; o
 *        has some yet → used to h
 *
 * A site that is too large for its owner is served by several workers, its parts (giants.h). Each list is granted to
 * one of them, and to all when the one has found more in it than it sends soon; Redis gives each record to one of those
 * who lease from a list. When there are fewer parts, the home asks those that are none any more to release.
 *
 * Between two workers each arrow is one message by the kernel's MSG_RING; within one, a call. Mail never crosses. */
#pragma once

#include "worker.h"

/* A list became non-empty. If its domain is not at home here, nothing happens: its home hears of it too. */
void home_changed(struct worker *worker, struct slice list);
/* The owner wants fresh routes of a domain. */
void home_renew(struct worker *worker, struct slice domain);
/* Called by a holder when a lease or a delivery of a domain that leaves is over: if no lease of it is under way any
 * more and nothing of it is here, its home waits to hear it. */
void home_released(struct worker *worker, struct slice domain);
/* A holder has a list with more mail than it sends soon: the other parts of its site are to have it too. */
void home_share(struct worker *worker, struct slice domain, struct slice list);
/* For letters.c, at home: a list may have mail, for whom its domain is granted to next, or for all parts of its site.
 */
void home_waits(struct worker *worker, struct slice domain, struct slice list, bool for_all);
/* ...: what a holder answers to whatever it was asked: it has something of the domain still, or nothing. */
void home_told(struct worker *worker, unsigned holder, struct slice domain, bool is_used);
/* The worker has another configuration: what is known is asked for again, with the next mail. */
void homes_reload(struct worker *worker);
/* For once a second. is_news: since the last time some site has fewer parts. */
void homes_merge(struct worker *worker, bool is_news);
/* Forgets domains that have had no mail for long, as soon as their holders say that they have none left. For once a
 * minute: a few thousand are asked about. */
void homes_age(struct worker *worker, uint64_t now_ms);
void homes_free(struct worker *worker);
