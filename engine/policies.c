/* A map a worker, by domain, beside the scheduler's: few domains have a policy, and those without cost one look-up in a
 * map that is mostly empty. Hosts are not sorted out beforehand (RFC 8461 8.4): each is connected to in its order, and
 * judged when it is known who it is. */
#include "policies.h"

#include "conn.h"
#include "protection.h"
#include "target.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct promise {
	struct map_node node;	   /* by domain, which is of the same memory */
	struct sts_policy *policy; /* counted */
};

static struct promise *promise_find(const struct worker *worker, struct slice domain)
{
	struct map_node *node = worker->policies.count ? map_find(&worker->policies, domain) : NULL;

	return node ? MAP_OWNER(node, struct promise, node) : NULL;
}

static void promise_free(struct worker *worker, struct promise *promise)
{
	map_remove(&worker->policies, &promise->node);
	sts_policy_free(promise->policy);
	free(promise);
}

void policies_note(struct worker *worker, struct slice domain, struct sts_policy *policy)
{
	struct promise *promise = promise_find(worker, domain);

	if (promise)
		promise_free(worker, promise);
	if (!policy)
		return;
	promise = calloc(1, sizeof(*promise) + domain.len);
	CHECK(promise != NULL);
	memcpy(promise + 1, domain.ptr, domain.len);
	promise->policy = policy;
	map_add(&worker->policies, &promise->node, (struct slice){(char *)(promise + 1), domain.len});
}

const struct sts_policy *policies_find(const struct worker *worker, struct slice domain)
{
	const struct promise *promise = promise_find(worker, domain);

	return promise ? promise->policy : NULL;
}

bool policies_satisfied(const struct sts_policy *policy, enum protection had, bool mx_signed, struct slice mx)
{
	if (!policy || policy->mode != STS_ENFORCE)
		return true;
	switch (had) {
	case PROTECTION_DANE: /* where anybody could have named the host, it must be one of the policy's all the same */
		return mx_signed || sts_policy_names(policy, mx);
	case PROTECTION_VERIFIED: return sts_policy_names(policy, mx);
	default: return false;
	}
}

struct slice policies_explain(const struct sts_policy *policy, struct slice domain, struct slice mx,
			      const struct tls_peer *peer, char *room)
{
	bool named = policy && sts_policy_names(policy, mx);
	int n = snprintf(
		room, PROTECTION_WHY_MAX,
		"%.*s says by MTA-STS (mode enforce) that its mail goes only to hosts it names, under TLS with "
		"a certificate for their name; %.*s %s",
		SLICE_ARG(domain), SLICE_ARG(mx),
		!named	       ? "is none of them"
		: !peer	       ? "does not offer STARTTLS"
		: peer->why[0] ? peer->why
			       : "could not prove its name");

	return (struct slice){room, n < PROTECTION_WHY_MAX ? (size_t)n : PROTECTION_WHY_MAX - 1};
}

bool policies_allow(const struct conn *conn, const struct domain *domain)
{
	return policies_satisfied(policies_find(conn->worker, domain_name(domain)), protection_of(conn),
				  protection_mx_is_signed(domain), conn_mx(conn));
}

struct slice policies_refusal(const struct conn *conn, struct domain *domain, char *room)
{
	domain->routes_until_ms = worker_now_ms(conn->worker);
	return policies_explain(policies_find(conn->worker, domain_name(domain)), domain_name(domain), conn_mx(conn),
				channel_peer(&conn->channel), room);
}

static bool has_others(const struct conn *conn)
{
	return conn->greeted < CONN_SESSIONS_MAX && conn->tried < CONN_ADDRESSES_MAX && conn->routes->nhosts > 1;
}

bool policies_pass_on(struct conn *conn)
{
	struct list *link = lane_first(conn->lane);
	struct domain *domain = link ? delivery_of(link)->domain : NULL;
	char why[PROTECTION_WHY_MAX];

	if (!domain || !has_others(conn) || policies_allow(conn, domain))
		return false;
	struct conn_failure *failure = conn_failure(conn);
	struct slice text = slice_head(policies_refusal(conn, domain, why), sizeof(failure->text) - 1);

	memcpy(failure->text, text.ptr, text.len);
	failure->text[text.len] = '\0';
	protection_describe(channel_peer(&conn->channel), failure->tls);
	failure->outcome = (struct outcome){
		.verdict = {ACTION_ELSEWHERE, SCOPE_SITE, CATEGORY_TLS, .rule = "sts"},
		.stage = STAGE_STARTTLS,
		.origin = ORIGIN_LOCAL,
		.attempted = true,
		.enhanced = "4.7.10",
		.text = slice_of(failure->text),
	};
	return true;
}

void policies_age(struct worker *worker)
{
	MAP_EACH (node, &worker->policies)
		if (!scheduler_domain(worker->scheduler, map_key(node)))
			promise_free(worker, MAP_OWNER(node, struct promise, node));
}

void policies_free(struct worker *worker)
{
	MAP_EACH (node, &worker->policies)
		promise_free(worker, MAP_OWNER(node, struct promise, node));
	map_free(&worker->policies);
}
