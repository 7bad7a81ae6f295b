/* The tally of TLS: what came of connections to domains that want to be told (RFC 8460). Counted by each worker, in
 * Redis from then on, for the reporter (reporter.h): PREFIX:{0}:tlsrpt:DAY, a HASH of
 *
 *     "r DOMAIN"                                          where the report is to go, with blanks between: mail
 * addresses, URLs "p DOMAIN POLICY"                                   what the policy says, as members of a JSON object
 *     "c DOMAIN POLICY"                                   sessions that were as they should be
 *     "c DOMAIN POLICY RESULT FROM-IP MX TO-IP REASON"    those that were not; FROM-IP "-": any of ours;
 *                                                         TO-IP "-": it was not connected to
 *
 * Nothing is counted unless the configuration names a sender of reports (tls-reports), and of a domain only what it
 * published an address for: that is asked of the DNS once a day, with the first connection. A connection is one of the
 * domain whose mail waited for it. Hosts that the configuration names have no policy but ours. */
#pragma once

#include "base/map.h"

#include "base/slice.h"

struct conn;
struct site;
struct worker;

/* A connection is ready for mail, or its session is over because it could not be protected. */
void tls_tally_note(const struct conn *conn);
/* A domain was routed: hosts that are left alone because nobody knows whether they have TLSA records are failures. */
void tls_tally_routed(struct worker *worker, struct slice domain, const struct site *site);
/* Each second: what is new, to Redis. */
void tls_tally_write(struct worker *worker);
void tls_tally_free(struct worker *worker);
/* How long a day is: for tests, $HIKYAKU_REPORT_DAY_S says it. */
uint64_t tls_tally_day_ms(void);
