/* The home of a domain: the one worker that resolves it and grants it to the owner of its site (DESIGN.md, decision 1).
 *
 *     hash(domain) is at home on worker h; hash(site) is owned by worker o
 *     h: a list of the domain has mail → asks the DNS, or knows → grant to o: domain, routes, list
 *     o: leases and sends; when the routes have aged → renew to h
 *     h: the site has changed twice in a row → release to o; o says which lists may have mail, finishes what it has →
 *        released to h; h grants anew, those lists with it
 *     h: no mail of the domain for ten minutes → unused to o; o has nothing of it → released to h, which forgets it; o
 * has some yet → used to h
 *
 * Between two workers each arrow is one message by the kernel's MSG_RING; within one, a call. Mail never crosses. */
#pragma once

#include "worker.h"

/* A list became non-empty. If its domain is not at home here, nothing happens: its home hears of it too. */
void home_changed(struct worker *worker, struct slice list);
/* The owner wants fresh routes of a domain. */
void home_renew(struct worker *worker, struct slice domain);
/* Called by the owner when nothing of a released domain is left with it. */
void home_released(struct worker *worker, struct slice domain);
/* The worker has another configuration: what is known is asked for again, with the next mail. */
void homes_reload(struct worker *worker);
/* Forgets domains that have had no mail for long, as soon as their owners say that they have none left. For once a
 * minute: a few thousand are asked about. */
void homes_age(struct worker *worker, uint64_t now_ms);
void homes_free(struct worker *worker);
