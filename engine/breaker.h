/* The breaker: it holds back final verdicts that come too thick to be true. A site that suddenly calls everybody
 * unknown has lost its directory, not its users; a top-level domain without any domain is an accident of the DNS. While
 * that lasts nobody fails and nobody is suppressed: the mail waits, and an event `alarm` says the numbers.
 *
 * Suspicion comes before certainty: from the first verdict that might be the beginning of such a storm, such verdicts
 * are held here for a moment, unsettled, until others have confirmed or belied them. That ends when the suspicion does,
 * when nothing more is under way that could tell, or after half a minute.
 *
 *     if (breaker_takes(delivery, &outcome, &attempt)) return;      it is held, and will be settled
 *     outcome_settle(delivery, &outcome, &attempt);                 whose verdict may have become `later`
 *
 * A worker has one: all mail of a site goes through one worker. */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "nouns.h"

struct attempt;
struct delivery;
struct routes;
struct site;
struct worker;

struct breaker {
	struct map cells;    /* owned: by "site NAME", "tld NAME", "dns" */
	struct list holding; /* those of them that hold verdicts */
	unsigned held;
};

void breaker_init(struct breaker *breaker);
/* What became of an attempted recipient. True: the breaker has the delivery now. False: settle it; the verdict is as it
 * was, or `later` while the breaker is open. */
bool breaker_takes(struct delivery *delivery, struct outcome *outcome, const struct attempt *attempt);
/* What the DNS said of a domain. */
void breaker_routed(struct worker *worker, struct slice domain, const struct routes *routes);
/* A transaction of the site is over: if nothing more is under way there, nothing more will be learned. */
void breaker_look(struct worker *worker, const struct site *site);
/* Once a second. */
void breaker_tick(struct worker *worker);
/* All that is held waits in the queue again. */
void breaker_drain(struct worker *worker);
void breaker_free(struct breaker *breaker);
