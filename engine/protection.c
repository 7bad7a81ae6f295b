/* The rules are few. A host with TLSA records is met under TLS, and by those of them that can be used, or not at all;
 * tls = "none" alone overrules that. Any other is offered STARTTLS; its certificate is judged and the judgement kept.
 * Where a handshake fails and nobody demanded it, the next connection to that host goes in clear, for an hour; never
 * the same connection (RFC 7672 2.2, REQUIREMENTS TLS-7). */
#include "protection.h"

#include "conn.h"
#include "policies.h"
#include "target.h"

#include "base/check.h"

#include <stdio.h>

enum { IN_CLEAR_MS = 60 * 60 * 1000 };

static const struct {
	const char *name, *meaning;
} protections[] = {
#define X(name, text, meaning) {text, meaning},
	PROTECTIONS(X)
#undef X
};

const char *protection_name(enum protection protection)
{
	return protections[protection].name;
}

const char *protection_meaning(enum protection protection)
{
	return protections[protection].meaning;
}

static enum protection demand_of(const struct limits *limits)
{
	switch (limits->tls) {
	case TLS_NONE: return PROTECTION_NONE;
	case TLS_REQUIRED: return PROTECTION_ENCRYPTED;
	case TLS_VERIFIED: return PROTECTION_VERIFIED;
	case TLS_DANE: return PROTECTION_DANE;
	default: return PROTECTION_PROMISED;
	}
}

uint8_t protection_demanded(const struct limits *limits, const struct routes *routes)
{
	return (uint8_t)(demand_of(limits) | (routes->mx_signed ? PROTECTION_MX_SIGNED : 0));
}

bool protection_mx_is_signed(const struct domain *domain)
{
	return domain->protection & PROTECTION_MX_SIGNED;
}

static enum protection demanded_by(const struct domain *domain)
{
	return domain->protection & ~PROTECTION_MX_SIGNED;
}

static const struct host_security *security_of(const struct conn *conn)
{
	return routes_security(conn->routes, conn->routes->route[conn->route].host);
}

/* How many of the records can be used, of those with this usage (0: any). */
static unsigned usable_records(const struct host_security *security, unsigned usage)
{
	unsigned n = 0;

	for (unsigned i = 0; i < security->nrecords; i++)
		n += tlsa_is_usable(&security->records[i]) && (!usage || security->records[i].usage == usage);
	return n;
}

bool protection_is_possible(const struct conn *conn)
{
	return target_of(conn->lane->site)->tls != TLS_DANE || usable_records(security_of(conn), 0);
}

enum session_tls protection_wished(const struct conn *conn)
{
	const struct target *target = target_of(conn->lane->site);

	if (target->tls == TLS_NONE)
		return SESSION_CLEAR;
	if (target->tls >= TLS_REQUIRED || security_of(conn)->kind == SECURITY_TLSA)
		return SESSION_TLS_MUST;
	if (conn->host->in_clear_until_ms > worker_now_ms(conn->worker))
		return SESSION_CLEAR;
	return SESSION_TLS_IF_OFFERED;
}

/* Whose certificate it is to be: the MX host's; the domain's own where its route is an address in the configuration. */
static struct slice name_to_verify(const struct conn *conn)
{
	struct address address;

	return address_parse(&address, conn_mx(conn), 0) ? conn->routes->domain : conn_mx(conn);
}

void protection_begin(struct conn *conn)
{
	const struct host_security *security = security_of(conn);
	struct tls_demand demand = {.host = name_to_verify(conn), .check = CHECK_NOTHING};
	struct slice names[] = {conn->routes->domain, conn->routes->expanded};

	if (security->kind == SECURITY_TLSA) {
		demand.check = CHECK_DANE;
		demand.host = security->base;
		demand.records = security->records;
		demand.nrecords = security->nrecords;
	}
	if (conn->routes->mx_signed &&
	    usable_records(security, 2)) { /* RFC 7672 3.2.2; for the others names do not matter */
		demand.names = names;
		demand.nnames = conn->routes->expanded.len ? 2 : 1;
	}
	channel_secure(&conn->channel, conn->worker->tls, &demand, &conn->worker->plain);
}

enum protection protection_of(const struct conn *conn)
{
	const struct tls_peer *peer = channel_peer(&conn->channel);

	if (!peer || !peer->protocol)
		return security_of(conn)->kind == SECURITY_TLSA ? PROTECTION_NONE : PROTECTION_PROMISED;
	if (!peer->verified)
		return PROTECTION_ENCRYPTED;
	return slice_is(slice_of(peer->by), SLICE("dane")) ? PROTECTION_DANE : PROTECTION_VERIFIED;
}

void protection_write(const struct conn *conn, const struct domain *domain, char text[PROTECTION_TEXT_MAX])
{
	const struct tls_peer *peer = channel_peer(&conn->channel);
	bool host_only = protection_of(conn) == PROTECTION_DANE && !protection_mx_is_signed(domain);

	if (peer && peer->protocol)
		snprintf(text, PROTECTION_TEXT_MAX, "%s %s %s%s", peer->protocol, peer->cipher,
			 peer->verified ? peer->by : "unverified", host_only ? "-host" : "");
	else
		snprintf(text, PROTECTION_TEXT_MAX, "none");
}

/* A certificate for the name of one domain says nothing to another that has the same hosts. */
static bool is_for_another(const struct conn *conn, const struct delivery *delivery)
{
	const struct tls_peer *peer = channel_peer(&conn->channel);

	return peer && peer->by_other_name && !slice_is(conn->routes->domain, delivery->domain->name);
}

bool protection_suffices(const struct conn *conn, const struct delivery *delivery)
{
	enum protection demanded = demanded_by(delivery->domain);

	if (!policies_allow(conn, delivery->domain))
		return false;
	if (demanded > PROTECTION_NONE && is_for_another(conn, delivery))
		return false;
	if (demanded == PROTECTION_DANE && !protection_mx_is_signed(delivery->domain))
		return false; /* RFC 7672 2.2.1 */
	return protection_of(conn) >= demanded;
}

struct outcome protection_refusal(const struct conn *conn, const struct delivery *delivery, char *room)
{
	const struct tls_peer *peer = channel_peer(&conn->channel);
	enum protection demanded = demanded_by(delivery->domain);
	bool names_unsigned = demanded == PROTECTION_DANE && !protection_mx_is_signed(delivery->domain);
	struct outcome outcome = {
		.verdict = {ACTION_LATER, SCOPE_SITE, CATEGORY_TLS, .rule = "tls-required"},
		.stage = STAGE_STARTTLS,
		.origin = ORIGIN_LOCAL,
		.attempted = true,
		.enhanced = "4.7.10",
	};
	int n = snprintf(room, PROTECTION_WHY_MAX,
			 "%.*s is to be reached with tls = \"%s\" (%s); the connection to %.*s has %s%s%s; DNSSEC: %s",
			 SLICE_ARG(delivery->domain->name), protection_name(demanded), protection_meaning(demanded),
			 SLICE_ARG(conn_mx(conn)), peer ? "TLS, but " : "none", peer ? peer->why : "",
			 peer && !peer->why[0] ? "its certificate is vouched for by other means" : "",
			 names_unsigned ? "the MX is not signed" : security_meaning(security_of(conn)->kind));

	if (!policies_allow(conn, delivery->domain)) {
		outcome.verdict.rule = "sts";
		outcome.text = policies_refusal(conn, delivery->domain, room);
		return outcome;
	}
	outcome.text = (struct slice){room, n < PROTECTION_WHY_MAX ? (size_t)n : PROTECTION_WHY_MAX - 1};
	return outcome;
}

bool protection_falls_back(struct conn *conn)
{
	if (session_end(&conn->session) != SESSION_INSECURE || protection_wished(conn) != SESSION_TLS_IF_OFFERED)
		return false;
	conn->host->in_clear_until_ms = worker_now_ms(conn->worker) + IN_CLEAR_MS;
	return true;
}
