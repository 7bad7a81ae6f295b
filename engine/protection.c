/* The rules are few. A host with TLSA records is met under TLS, and by those of them that can be used, or not at all;
 * tls = "none" alone overrules that. Any other is offered STARTTLS; its certificate is judged and the judgement kept.
 * Where a handshake fails and nobody demanded it, the next connection to that host goes in clear, for an hour; never
 * the same connection (RFC 7672 2.2, REQUIREMENTS TLS-7). A message with TLS-Required: No goes all the same (RFC 8689):
 * to a host that TLSA records keep closed on a lenient connection of its own, which nothing else may use. */
#include "protection.h"

#include "conn.h"
#include "policies.h"
#include "requirement.h"
#include "target.h"
#include "tls_tally.h"

#include "base/check.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

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

static enum protection demand_of(int tls)
{
	switch (tls) {
	case TLS_NONE: return PROTECTION_NONE;
	case TLS_REQUIRED: return PROTECTION_ENCRYPTED;
	case TLS_VERIFIED: return PROTECTION_VERIFIED;
	case TLS_DANE: return PROTECTION_DANE;
	default: return PROTECTION_PROMISED;
	}
}

uint8_t protection_demanded(const struct limits *limits, const struct routes *routes)
{
	return (uint8_t)(demand_of(limits->tls) | (routes->mx_signed ? PROTECTION_MX_SIGNED : 0) |
			 (routes->fixed || routes->implicit ? PROTECTION_NO_MX : 0));
}

bool protection_mx_is_signed(const struct domain *domain)
{
	return domain->protection & PROTECTION_MX_SIGNED;
}

bool protection_needs_no_mx(const struct domain *domain)
{
	return domain->protection & PROTECTION_NO_MX;
}

static enum protection demanded_by(const struct domain *domain)
{
	return domain->protection & PROTECTION_DEMAND;
}

unsigned protection_records(const struct host_security *security, unsigned usage)
{
	unsigned n = 0;

	for (unsigned i = 0; i < security->nrecords; i++)
		n += tlsa_is_usable(&security->records[i]) && (!usage || security->records[i].usage == usage);
	return n;
}

enum session_tls protection_wish(int tls, const struct host_security *security)
{
	if (tls == TLS_NONE)
		return SESSION_CLEAR;
	return tls >= TLS_REQUIRED || security->kind == SECURITY_TLSA ? SESSION_TLS_MUST : SESSION_TLS_IF_OFFERED;
}

const char *protection_plan(int tls, const struct routes *routes, unsigned host, const struct sts_policy *sts)
{
	const struct host_security *security = routes_security(routes, host);
	bool has_records = protection_records(security, 0);

	if (security->kind == SECURITY_LOST)
		return "left alone until its TLSA records can be found out";
	if (tls == TLS_NONE)
		return "in clear";
	if (tls == TLS_DANE && !has_records)
		return "passed over: no TLSA record that can be used";
	if (tls == TLS_DANE && !routes->mx_signed)
		return "mail waits: its MX is not signed";
	if (has_records && routes->mx_signed)
		return "TLS with a certificate that its TLSA records describe";
	if (sts && sts->mode == STS_ENFORCE && !sts_policy_names(sts, routes->hosts[host]))
		return "passed over: the MTA-STS policy does not name it";
	if (has_records)
		return "TLS with a certificate that its TLSA records describe";
	if (sts && sts->mode == STS_ENFORCE)
		return "TLS with a certificate for its name, as the MTA-STS policy demands";
	if (tls == TLS_VERIFIED)
		return "TLS with a certificate for its name";
	if (tls == TLS_REQUIRED || security->kind == SECURITY_TLSA)
		return "TLS, whoever is at the other end";
	return "TLS if it is offered, whoever is at the other end";
}

/* Whose certificate it is to be: the MX host's; the domain's own where its route is an address in the configuration. */
static struct slice name_to_verify(const struct routes *routes, unsigned host)
{
	struct address address;

	return host < routes->nhosts && !address_parse(&address, routes->hosts[host], 0) ? routes->hosts[host]
											 : routes->domain;
}

const struct tls_demand *protection_demand(struct protection_demand *demand, const struct routes *routes,
					   unsigned route)
{
	unsigned host = routes->route[route].host;
	const struct host_security *security = routes_security(routes, host);

	*demand = (struct protection_demand){.tls = {.host = name_to_verify(routes, host), .check = CHECK_NOTHING},
					     .names = {routes->domain, routes->expanded}};
	if (security->kind == SECURITY_TLSA) {
		demand->tls.check = CHECK_DANE;
		demand->tls.host = security->base;
		demand->tls.records = security->records;
		demand->tls.nrecords = security->nrecords;
	}
	if (routes->mx_signed && protection_records(security, 2)) { /* RFC 7672 3.2.2; else names do not matter */
		demand->tls.names = demand->names;
		demand->tls.nnames = routes->expanded.len ? 2 : 1;
	}
	return &demand->tls;
}

enum protection protection_had(const struct tls_peer *peer, const struct host_security *security)
{
	if (!peer || !peer->protocol)
		return security->kind == SECURITY_TLSA ? PROTECTION_NONE : PROTECTION_PROMISED;
	if (!peer->verified)
		return PROTECTION_ENCRYPTED;
	return slice_is(slice_of(peer->by), SLICE("dane")) ? PROTECTION_DANE : PROTECTION_VERIFIED;
}

void protection_describe(const struct tls_peer *peer, char text[PROTECTION_TEXT_MAX])
{
	if (peer && peer->protocol)
		snprintf(text, PROTECTION_TEXT_MAX, "%s %s %s", peer->protocol, peer->cipher,
			 peer->verified ? peer->by : "unverified");
	else
		memcpy(text, "none", sizeof("none")); /* for each message sent in clear */
}

/* ---- of a connection */

static const struct host_security *security_of(const struct conn *conn)
{
	return routes_security(conn->routes, conn->routes->route[conn->route].host);
}

bool protection_is_possible(const struct conn *conn)
{
	return target_of(conn->lane->site)->tls != TLS_DANE || protection_records(security_of(conn), 0);
}

bool protection_lets_log_in(const struct conn *conn)
{
	return protection_of(conn) >= demand_of(target_of(conn->lane->site)->tls);
}

/* What a recipient's domain asks for can be waived by a message, what the operator or the job does cannot. */
static bool is_waived(const struct delivery *delivery)
{
	return !delivery->mailing->require_tls && demanded_by(delivery->domain) <= PROTECTION_PROMISED &&
	       message_waives_tls(delivery->mailing->body->message, pack_get(delivery->record.extras, SLICE("h")));
}

enum session_tls protection_wished(const struct conn *conn)
{
	enum session_tls wish = protection_wish(target_of(conn->lane->site)->tls, security_of(conn));

	if (conn->lenient)
		wish = SESSION_TLS_IF_OFFERED;
	if (wish == SESSION_TLS_IF_OFFERED && conn->host->in_clear_until_ms > worker_now_ms(conn->worker))
		return SESSION_CLEAR;
	return wish;
}

void protection_begin(struct conn *conn)
{
	struct protection_demand demand;

	protection_demand(&demand, conn->routes, conn->route);
	if (conn->lenient)
		demand.tls = (struct tls_demand){.host = demand.tls.host, .check = CHECK_NOTHING};
	channel_secure(&conn->channel, conn->worker->tls, &demand.tls, &conn->worker->plain);
}

enum protection protection_of(const struct conn *conn)
{
	return protection_had(channel_peer(&conn->channel), security_of(conn));
}

void protection_write(const struct conn *conn, const struct domain *domain, char text[PROTECTION_TEXT_MAX])
{
	protection_describe(channel_peer(&conn->channel), text);
	if (protection_of(conn) == PROTECTION_DANE && !protection_mx_is_signed(domain))
		strncat(text, "-host", PROTECTION_TEXT_MAX - strlen(text) - 1);
}

static void tell_distrust(const struct conn *conn)
{
	const struct tls_peer *peer = channel_peer(&conn->channel);
	struct outbuf text = {0};

	outbuf_printf(&text,
		      "site %.*s: its certificates were verified till now, those of the last %d connections were not "
		      "(%s); see whether the certificates we trust have changed, or theirs",
		      SLICE_ARG(site_name(conn->lane->site)), TRUST_MANY, peer && peer->why[0] ? peer->why : "no TLS");
	event_alarm(conn, "certificates", CATEGORY_TLS, outbuf_slice(&text));
	outbuf_free(&text);
}

static const enum stat refusals[] = {
	[TLS_RESULT_HOST] = STAT_TLS_HOST_MISMATCH,	[TLS_RESULT_EXPIRED] = STAT_TLS_EXPIRED,
	[TLS_RESULT_UNTRUSTED] = STAT_TLS_UNTRUSTED,	[TLS_RESULT_TLSA] = STAT_TLS_TLSA_INVALID,
	[TLS_RESULT_HANDSHAKE] = STAT_TLS_NO_HANDSHAKE,
};

static void note_trust(const struct conn *conn)
{
	struct worker *worker = conn->worker;
	struct trust *trust = &target_of(conn->lane->site)->trust;
	const struct tls_peer *peer = channel_peer(&conn->channel);

	if (peer && peer->result != TLS_RESULT_FINE)
		stat_add(worker->stats, refusals[peer->result], 1);
	if (trust_note(trust, protection_of(conn) >= PROTECTION_VERIFIED, worker_now_ms(worker)))
		tell_distrust(conn);
	else if (trust_is_established(trust))
		trusted_note(queue_notes(worker->queue), site_name(conn->lane->site), worker_wall_ms(worker));
}

void protection_count(const struct conn *conn)
{
	static const enum stat stats[] = {
		[PROTECTION_NONE] = STAT_TLS_NONE,	     [PROTECTION_PROMISED] = STAT_TLS_NONE,
		[PROTECTION_ENCRYPTED] = STAT_TLS_ENCRYPTED, [PROTECTION_VERIFIED] = STAT_TLS_VERIFIED,
		[PROTECTION_DANE] = STAT_TLS_DANE,
	};

	stat_add(conn->worker->stats, stats[protection_of(conn)], 1);
	tls_tally_note(conn);
	note_trust(conn);
}

bool protection_is_for_another(const struct conn *conn, const struct delivery *delivery)
{
	const struct tls_peer *peer = channel_peer(&conn->channel);

	return peer && peer->by_other_name && !slice_is(conn->routes->domain, domain_name(delivery->domain));
}

bool protection_takes(const struct conn *conn, const struct delivery *delivery)
{
	return !conn->lenient || is_waived(delivery);
}

/* Whether it is what is asked for, by the recipient's domain and by the operator. */
static bool is_as_asked(const struct conn *conn, const struct delivery *delivery)
{
	enum protection demanded = demanded_by(delivery->domain);

	if (conn->lenient || !policies_allow(conn, delivery->domain))
		return false;
	if (demanded > PROTECTION_NONE && protection_is_for_another(conn, delivery))
		return false;
	if (demanded == PROTECTION_DANE && !protection_mx_is_signed(delivery->domain))
		return false; /* RFC 7672 2.2.1 */
	return protection_of(conn) >= demanded;
}

bool protection_suffices(const struct conn *conn, const struct delivery *delivery)
{
	return is_waived(delivery) || (is_as_asked(conn, delivery) && requirement_is_met(conn, delivery));
}

struct outcome protection_refusal(const struct conn *conn, const struct delivery *delivery, char *room)
{
	if (!requirement_is_met(conn, delivery))
		return requirement_refusal(conn, delivery, room);
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
			 SLICE_ARG(domain_name(delivery->domain)), protection_name(demanded),
			 protection_meaning(demanded), SLICE_ARG(conn_mx(conn)), peer ? "TLS, but " : "none",
			 peer ? peer->why : "",
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

/* Whether any that waits here waives TLS: it is to be the next. */
static bool bring_waived(struct lane *lane)
{
	bool urgent = lane->nurgent > 0;

	LIST_EACH (link, urgent ? &lane->urgent : &lane->ready)
		if (is_waived(delivery_of(link))) {
			lane_remove(lane, link, urgent);
			lane_put_back(lane, link, urgent);
			return true;
		}
	return false;
}

bool protection_falls_back(struct conn *conn)
{
	if (session_end(&conn->session) != SESSION_INSECURE)
		return false;
	stat_add(conn->worker->stats, STAT_TLS_FAILED, 1);
	tls_tally_note(conn);
	note_trust(conn);
	if (protection_wished(conn) != SESSION_TLS_IF_OFFERED) {
		conn->lenient = target_of(conn->lane->site)->tls == TLS_OPPORTUNISTIC && bring_waived(conn->lane);
		return conn->lenient;
	}
	conn->host->in_clear_until_ms = worker_now_ms(conn->worker) + IN_CLEAR_MS;
	return true;
}
