/* MTA-STS for the whole engine (RFC 8461): the book of policies, the one thread that fetches them, and the memory of
 * both in Redis: PREFIX:{0}:sts, a HASH of domain → "ID FETCHED_MS" and the file, so that a policy outlives restarts.
 *
 *     engine->sts = sts_start();                     before the workers
 *     sts_read(engine->sts, redis, prefix);          what was known
 *     ...                                            workers ask (sts_ask.h)
 *     sts_write(engine->sts, notes);                 each second, by one worker: what is new, and alarms
 *     sts_stop(engine->sts);                         after the workers' threads, before their rings are gone
 *     sts_free(engine->sts);
 *
 * A fetch takes a minute at most; mail for the domain waits for it only where no policy is known. For tests,
 * $HIKYAKU_STS_PORT is the port of all policy hosts. */
#pragma once

#include "tls/sts_book.h"

#include "base/address.h"
#include "ring/ring.h"

struct https_request;
struct notes;
struct redisContext;
struct sts;
struct worker;

/* One that waits for a fetch: told on its worker's ring. */
struct sts_wait {
	struct message_to_ring message; /* its arrive is the waiter's */
	struct list link;
	struct worker *worker;
	struct sts_policy *policy; /* counted, the waiter's; NULL: none holds */
};

/* NULL, with a line in the log: there is no libcurl, or no thread. */
struct sts *sts_start(void);
void sts_stop(struct sts *sts);
/* NULL is allowed. */
void sts_free(struct sts *sts);
/* False: Redis did not answer. */
bool sts_read(struct sts *sts, struct redisContext *redis, struct slice prefix);
void sts_write(struct sts *sts, struct notes *notes);

/* What is to be done for a domain whose TXT record has this id (empty: none). *policy gets a count of what holds. */
enum sts_need sts_need(struct sts *sts, struct slice domain, struct slice id, struct sts_policy **policy);
/* Fetches the policy from one of these addresses, unless that is under way. wait, if not NULL, is told when it is
 * over. Without an address the fetch fails at once. */
void sts_fetch(struct sts *sts, struct slice domain, struct slice id, const struct address *addresses,
	       unsigned naddresses, struct sts_wait *wait);
/* What was wrong with the last fetch of the domain's policy, as a result type of RFC 8460; NULL: nothing, or it has
 * none. */
const char *sts_fault(struct sts *sts, struct slice domain);
uint16_t sts_port(void);
/* How a policy is asked for (RFC 8461 3.3): all but done and the addresses. host, mta-sts.DOMAIN, is borrowed. */
void sts_request(struct https_request *request, const char *host);
