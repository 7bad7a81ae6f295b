/* Policies: what domains with mail on this worker ask for by MTA-STS (RFC 8461 5), and whether a connection gives it.
 * DANE comes first: a host that a signed MX names and TLSA records describe needs no policy, and one that DANE refuses
 * is never met. Where the MX is not signed, the policy must name the host; that it is this host, TLSA records prove as
 * well as a certificate.
 *
 *     policies_note(worker, domain, policy);            when the domain is routed
 *     if (!policies_allow(conn, domain)) ...            not a word of its mail on this connection
 *
 * Only `enforce` forbids anything. */
#pragma once

#include "protection.h"
#include "worker.h"

#include "tls/sts.h"

struct conn;

/* Takes the count of policy; NULL: the domain has none. */
void policies_note(struct worker *worker, struct slice domain, struct sts_policy *policy);
/* What a domain asks for; borrowed, NULL: nothing. */
const struct sts_policy *policies_find(const struct worker *worker, struct slice domain);
/* Whether what there is with a host satisfies that policy (NULL: none). mx_signed: its domain named it under DNSSEC. */
bool policies_satisfied(const struct sts_policy *policy, enum protection had, bool mx_signed, struct slice mx);
/* Why not, into room (PROTECTION_WHY_MAX bytes). peer NULL: in clear. */
struct slice policies_explain(const struct sts_policy *policy, struct slice domain, struct slice mx,
			      const struct tls_peer *peer, char *room);
bool policies_allow(const struct conn *conn, const struct domain *domain);
/* Why not, into room (PROTECTION_WHY_MAX bytes). The domain's policy is asked for anew before more is leased: it may
 * have changed (RFC 8461 5.1). */
struct slice policies_refusal(const struct conn *conn, struct domain *domain, char *room);
/* Whether a connection that was just opened had better be one to another host: what waits first may not be said on it,
 * and there are others to try (RFC 8461 5). */
bool policies_pass_on(struct conn *conn);
/* Forgets domains that have no mail. */
void policies_age(struct worker *worker);
void policies_free(struct worker *worker);
