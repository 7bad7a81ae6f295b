/* The rules are few. A host with usable TLSA records is met with them or not at all. Any other is offered STARTTLS; its
 * certificate is judged and the judgement kept. Where a handshake fails and nobody demanded it, the next connection to
 * that host goes in clear, for an hour; never the same connection (RFC 7672 2.2, REQUIREMENTS TLS-7). */
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

enum protection protection_demanded(const struct limits *limits)
{
	switch (limits->tls) {
	case TLS_REQUIRED: return PROTECTION_ENCRYPTED;
	case TLS_VERIFIED: return PROTECTION_VERIFIED;
	case TLS_DANE: return PROTECTION_DANE;
	default: return PROTECTION_NONE;
	}
}

enum session_tls protection_wished(const struct conn *conn)
{
	const struct target *target = target_of(conn->lane->site);

	if (target->tls >= TLS_REQUIRED)
		return SESSION_TLS_MUST;
	if (target->tls == TLS_NONE || conn->host->in_clear_until_ms > worker_now_ms(conn->worker))
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
	struct tls_demand demand = {.host = name_to_verify(conn), .check = CHECK_NOTHING};

	channel_secure(&conn->channel, conn->worker->tls, &demand, &conn->worker->plain);
}

enum protection protection_of(const struct conn *conn)
{
	const struct tls_peer *peer = channel_peer(&conn->channel);

	if (!peer || !peer->protocol)
		return PROTECTION_NONE;
	if (!peer->verified)
		return PROTECTION_ENCRYPTED;
	return slice_is(slice_of(peer->by), SLICE("dane")) ? PROTECTION_DANE : PROTECTION_VERIFIED;
}

void protection_write(const struct conn *conn, char text[PROTECTION_TEXT_MAX])
{
	const struct tls_peer *peer = channel_peer(&conn->channel);

	if (peer && peer->protocol)
		snprintf(text, PROTECTION_TEXT_MAX, "%s %s %s", peer->protocol, peer->cipher,
			 peer->verified ? peer->by : "unverified");
	else
		snprintf(text, PROTECTION_TEXT_MAX, "none");
}

bool protection_suffices(const struct conn *conn, const struct delivery *delivery)
{
	if (!policies_allow(conn, delivery->domain))
		return false;
	return protection_of(conn) >= delivery->domain->protection;
}

struct outcome protection_refusal(const struct conn *conn, const struct delivery *delivery, char *room)
{
	const struct tls_peer *peer = channel_peer(&conn->channel);
	enum protection demanded = delivery->domain->protection;
	struct outcome outcome = {
		.verdict = {ACTION_LATER, SCOPE_SITE, CATEGORY_TLS, .rule = "tls-required"},
		.stage = STAGE_STARTTLS,
		.origin = ORIGIN_LOCAL,
		.attempted = true,
		.enhanced = "4.7.10",
	};
	int n = snprintf(room, PROTECTION_WHY_MAX,
			 "%.*s is to be reached with tls = \"%s\" (%s); the connection to %.*s has %s%s%s",
			 SLICE_ARG(delivery->domain->name), protection_name(demanded), protection_meaning(demanded),
			 SLICE_ARG(conn_mx(conn)), peer ? "TLS, but " : "none", peer ? peer->why : "",
			 peer && !peer->why[0] ? "its certificate is vouched for by other means" : "");

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
