/* Protection: what TLS there is on a connection, what each domain demands, and what is done where the two differ
 * (RFC 3207, 7672, 8461).
 *
 * A connection belongs to a site and serves all its domains, so it is protected as well as its host lets it, and each
 * message is held against its own domain's demand before MAIL. Nothing that demands protection is ever said without:
 * that is one test, protection_suffices, in one place. */
#pragma once

#include "channel.h"
#include "event.h"

struct conn;
struct delivery;
struct domain;
struct routes;
struct sts_policy;

/* In order: each is worth what those before it are. */
#define PROTECTIONS(X)                                                                      \
	X(PROTECTION_NONE, "none", "anything will do")                                      \
	X(PROTECTION_PROMISED, "opportunistic", "what the signed DNS promises of the host") \
	X(PROTECTION_ENCRYPTED, "required", "TLS, whoever is at the other end")             \
	X(PROTECTION_VERIFIED, "verified", "TLS with a certificate for the host's name")    \
	X(PROTECTION_DANE, "dane", "TLS with a certificate that the signed DNS describes")

enum protection {
#define X(name, text, meaning) name,
	PROTECTIONS(X)
#undef X
};

const char *protection_name(enum protection protection);
const char *protection_meaning(enum protection protection);

/* What a domain with these limits and routes demands, for struct domain.protection: an enum protection, and whether it
 * is the domain itself that names these hosts. Else a certificate says who a host is, but not that it is the right one,
 * unless no MX is believed: the configuration names the host, or it has the domain's own name. */
enum { PROTECTION_MX_SIGNED = 0x80, PROTECTION_NO_MX = 0x40, PROTECTION_DEMAND = 0x3f };
uint8_t protection_demanded(const struct limits *limits, const struct routes *routes);
bool protection_mx_is_signed(const struct domain *domain);
bool protection_needs_no_mx(const struct domain *domain);
/* The same of any connection: what is to be tried with such a host under that policy; and in words, for people. sts:
 * the domain's policy by MTA-STS, or NULL. */
enum session_tls protection_wish(int tls, const struct host_security *security);
const char *protection_plan(int tls, const struct routes *routes, unsigned host, const struct sts_policy *sts);
/* How many TLSA records of a host can be used, of those with this usage (0: any). */
unsigned protection_records(const struct host_security *security, unsigned usage);
/* Who the host of a route must be, as TLS wants it: borrowed from routes and demand. */
struct protection_demand {
	struct tls_demand tls;
	struct slice names[2];
};
const struct tls_demand *protection_demand(struct protection_demand *demand, const struct routes *routes,
					   unsigned route);
/* What there is with that peer (NULL: in clear). */
enum protection protection_had(const struct tls_peer *peer, const struct host_security *security);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384 dane", "... pkix", "... unverified" or "none". */
void protection_describe(const struct tls_peer *peer, char text[PROTECTION_TEXT_MAX]);

/* Whether the host at hand has proved what its relay demands, so that a password may be said. */
bool protection_lets_log_in(const struct conn *conn);
/* What a connection to this route is to try: for session_setup. */
enum session_tls protection_wished(const struct conn *conn);
/* STARTTLS was taken: the handshake with the host at hand begins. */
void protection_begin(struct conn *conn);
/* What the connection has. One in clear has what was promised, unless TLSA records promise TLS (RFC 7672 2.2). */
enum protection protection_of(const struct conn *conn);
/* Whether the route at hand can have what its site demands: tls = "dane" needs TLSA records that can be used. */
bool protection_is_possible(const struct conn *conn);
/* For the event of a domain's mail: "TLSv1.3 TLS_AES_256_GCM_SHA384 dane", "... dane-host" if the domain's MX is not
 * signed, "... pkix", "... unverified", or "none". */
void protection_write(const struct conn *conn, const struct domain *domain, char text[PROTECTION_TEXT_MAX]);

/* Whether this delivery is one the connection was made for. One that is lenient (its host was met as if it had no TLSA
 * records) is for mail that waives TLS, and ends when other mail is next: that gets another, and not a refusal. */
bool protection_takes(const struct conn *conn, const struct delivery *delivery);
/* A certificate for the name of one domain says nothing to another that has the same hosts. */
bool protection_is_for_another(const struct conn *conn, const struct delivery *delivery);
/* Whether mail to this delivery's domain may be said on the connection. If not, why holds the outcome's text. */
bool protection_suffices(const struct conn *conn, const struct delivery *delivery);
/* The outcome of a delivery that may not; its text is in room. */
enum { PROTECTION_WHY_MAX = 400 };
struct outcome protection_refusal(const struct conn *conn, const struct delivery *delivery, char *room);

/* Counts a connection that is ready for mail by what it has, for status and metrics. */
void protection_count(const struct conn *conn);
/* A session is over before it was ready; a handshake that failed is counted. True if the same host may be tried once
 * more in clear (RFC 7435): nothing demanded more of it, and the connection is a new one. It is remembered for an hour.
 * Where TLSA records did, and something that waits waives TLS (RFC 8689 4.2.2), the new one is lenient: TLS with
 * whoever is there, and if that fails in clear. */
bool protection_falls_back(struct conn *conn);
