/* Which hosts will not do is remembered by the delivery, not by the host: whether a name is known by secure means
 * differs from domain to domain, and the next attempt asks anew. Among hosts the scheduler chooses, but it would choose
 * the best again; so the first in its order that is not known to be unfit is taken here. */
#include "requirement.h"

#include "conn.h"
#include "policies.h"
#include "protection.h"
#include "target.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

_Static_assert(ROUTES_MAX <= 64, "a bit a host");

/* In the order in which they are looked for. */
enum shortfall { NOTHING_MISSING, NO_TLS, UNVERIFIED, UNKNOWN_HOST, NO_KEYWORD };

/* Its name is the domain's own word, or the configuration's (step 2). */
static bool is_known_host(const struct conn *conn, const struct domain *domain)
{
	const struct sts_policy *policy = policies_find(conn->worker, domain_name(domain));

	return protection_mx_is_signed(domain) || protection_needs_no_mx(domain) ||
	       (policy && policy->mode != STS_NONE && sts_policy_names(policy, conn_mx(conn)));
}

static enum shortfall shortfall_of(const struct conn *conn, const struct delivery *delivery)
{
	if (!channel_peer(&conn->channel))
		return NO_TLS;
	if (conn->lenient || protection_of(conn) < PROTECTION_VERIFIED || protection_is_for_another(conn, delivery))
		return UNVERIFIED;
	if (!is_known_host(conn, delivery->domain))
		return UNKNOWN_HOST;
	if (delivery_sender(delivery).len && !session_caps(&conn->session)->requiretls)
		return NO_KEYWORD;
	return NOTHING_MISSING;
}

bool requirement_is_met(const struct conn *conn, const struct delivery *delivery)
{
	return !delivery->mailing->require_tls || shortfall_of(conn, delivery) == NOTHING_MISSING;
}

bool requirement_is_said(const struct conn *conn, const struct delivery *delivery)
{
	return delivery->mailing->require_tls &&
	       (delivery_sender(delivery).len || session_caps(&conn->session)->requiretls);
}

/* ---- the hosts */

static uint64_t hash_of(const struct routes *routes)
{
	uint64_t hash = routes->nhosts;

	for (unsigned i = 0; i < routes->nhosts; i++)
		hash = hash * 31 + slice_hash(routes->hosts[i]);
	return hash;
}

/* The routes of now: a connection may be older than they are. */
static const struct routes *routes_of(const struct conn *conn)
{
	return target_of(conn->lane->site)->routes;
}

static void mark(const struct conn *conn, struct delivery *delivery)
{
	struct requirement *requirement = &delivery->requirement;
	const struct routes *routes = routes_of(conn);
	uint64_t hash = hash_of(routes);

	if (requirement->of != hash)
		*requirement = (struct requirement){.of = hash};
	for (unsigned i = 0; i < routes->nhosts; i++)
		if (slice_is(routes->hosts[i], conn_mx(conn)))
			requirement->unfit |= 1ull << i;
	requirement->lacks_keyword |= shortfall_of(conn, delivery) == NO_KEYWORD;
}

static bool is_unfit(const struct conn *conn, const struct delivery *delivery, const struct exchanger *exchanger)
{
	const struct requirement *requirement = &delivery->requirement;
	const struct routes *routes = routes_of(conn);

	return requirement->of == hash_of(routes) && exchanger->route < routes->nroutes &&
	       requirement->unfit >> routes->route[exchanger->route].host & 1;
}

bool requirement_is_lost(const struct conn *conn, const struct delivery *delivery)
{
	if (!delivery->mailing->require_tls)
		return false;
	LIST_EACH (link, &conn->lane->exchangers)
		if (!exchanger_of(link)->gone && !is_unfit(conn, delivery, exchanger_of(link)))
			return false;
	return true;
}

/* The best host that may be asked now and is not known to be unfit. */
static struct exchanger *another(const struct conn *conn, const struct delivery *delivery)
{
	uint64_t now_ms = worker_now_ms(conn->worker);

	LIST_EACH (link, &conn->lane->exchangers) {
		struct exchanger *exchanger = exchanger_of(link);

		if (!exchanger->gone && !is_unfit(conn, delivery, exchanger) && !exchanger_rests(exchanger, now_ms) &&
		    exchanger_admits(exchanger, now_ms))
			return exchanger;
	}
	return NULL;
}

bool requirement_goes_elsewhere(const struct conn *conn, struct delivery *delivery)
{
	if (requirement_is_met(conn, delivery))
		return false;
	mark(conn, delivery);
	return another(conn, delivery) != NULL;
}

/* ---- what waits first */

static struct delivery *first_of(const struct conn *conn)
{
	struct list *link = lane_first(conn->lane);

	return link && delivery_of(link)->mailing->require_tls ? delivery_of(link) : NULL;
}

bool requirement_is_first(const struct conn *conn)
{
	return first_of(conn) != NULL;
}

bool requirement_passes_on(const struct conn *conn)
{
	struct delivery *delivery = first_of(conn);

	return delivery && requirement_goes_elsewhere(conn, delivery);
}

void requirement_note_insecure(const struct conn *conn)
{
	struct delivery *delivery = first_of(conn);

	if (delivery)
		mark(conn, delivery);
}

void requirement_steer(struct conn *conn)
{
	const struct delivery *delivery = first_of(conn);
	struct exchanger *other =
		delivery && is_unfit(conn, delivery, conn->exchanger) ? another(conn, delivery) : NULL;

	if (!other)
		return;
	lane_reroute(conn->lane, conn->exchanger, other);
	conn->exchanger = other;
}

/* ---- the end of it */

static const char *why_not(const struct conn *conn, const struct delivery *delivery)
{
	const struct tls_peer *peer = channel_peer(&conn->channel);

	switch (shortfall_of(conn, delivery)) {
	case UNVERIFIED: return peer && peer->why[0] ? peer->why : "its certificate is not one for its name";
	case UNKNOWN_HOST: return "its MX is not signed, and no MTA-STS policy names it";
	case NO_KEYWORD: return "it does not offer REQUIRETLS";
	default: return "it does not speak TLS with us";
	}
}

struct outcome requirement_refusal(const struct conn *conn, const struct delivery *delivery, char *room)
{
	bool lost = requirement_is_lost(conn, delivery);
	struct outcome outcome = {
		.verdict = {lost ? ACTION_NEVER : ACTION_LATER, SCOPE_MESSAGE, CATEGORY_TLS, .rule = "require-tls"},
		.stage = STAGE_STARTTLS,
		.origin = ORIGIN_LOCAL,
		.attempted = true,
	};
	int n = snprintf(room, PROTECTION_WHY_MAX,
			 "its job requires TLS on the whole way (RFC 8689); %s host of %.*s %s; the last one asked is "
			 "%.*s: %s",
			 lost ? "no" : "another", SLICE_ARG(domain_name(delivery->domain)),
			 lost ? "gives it" : "cannot be asked now", SLICE_ARG(conn_mx(conn)), why_not(conn, delivery));

	CHECK(n > 0);
	snprintf(outcome.enhanced, sizeof(outcome.enhanced), "%c.7.%d", lost ? '5' : '4',
		 delivery->requirement.lacks_keyword ? 30 : 10);
	outcome.text = (struct slice){room, n < PROTECTION_WHY_MAX ? (size_t)n : PROTECTION_WHY_MAX - 1};
	return outcome;
}
