/* A want asks the cache first and goes on as long as that knows the answer, so a domain that is known costs no turn of
 * the ring. Everything that decides is in mx.c and answer.c; here is only who waits for what.
 *
 * All hosts are looked up, not the best alone: the routes are held for minutes, by many connections, and "no" may only
 * be said when every host was asked. */
#include "dns/lookup.h"

#include "base/check.h"
#include "base/log.h"
#include "dns/cache.h"
#include "dns/packet.h"
#include "dns/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_answer(struct query *query, struct answer *answer);

struct lookup *lookup_make(const struct lookup_setup *setup, struct slice domain, uint16_t port)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	CHECK(lookup != NULL);
	domain = slice_head(domain, DNS_NAME_MAX);
	for (size_t i = 0; i < domain.len; i++) {
		char c = domain.ptr[i];

		lookup->room[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	lookup->domain = lookup->key = (struct slice){lookup->room, domain.len};
	lookup->port = port;
	if (port)
		lookup->key.len +=
			(size_t)snprintf(lookup->room + domain.len, sizeof(lookup->room) - domain.len, ":%u", port);
	lookup->setup = setup;
	lookup->expires_ms = UINT64_MAX;
	list_init(&lookup->link);
	list_init(&lookup->asks);
	return lookup;
}

static void want_free(struct want *want)
{
	if (!want->lookup)
		return;
	resolver_unask(want->lookup->setup->resolver, &want->query);
	answer_free(want->answer);
}

void lookup_free(struct lookup *lookup)
{
	want_free(&lookup->mail);
	for (unsigned i = 0; lookup->addresses && i < lookup->mx.nhosts; i++)
		for (unsigned family = 0; family < MX_FAMILIES; family++)
			want_free(&lookup->addresses[i][family]);
	for (unsigned i = 0; lookup->seeking && i < lookup->mx.nhosts; i++)
		want_free(&lookup->seeking[i].want);
	free(lookup->addresses);
	free(lookup->seeking);
	routes_free(lookup->routes);
	arena_free(&lookup->arena);
	free(lookup);
}

static void lookup_finish(struct lookup *lookup, struct routes *routes)
{
	uint64_t soon_ms = ring_now_ms(lookup->setup->ring) + TTL_MS_MIN;

	routes->expires_ms = lookup->expires_ms == UINT64_MAX ? soon_ms : lookup->expires_ms;
	if (lookup->port && routes->result != ROUTES_FOUND)
		routes->result = ROUTES_LATER;
	lookup->setup->finished(lookup, routes);
}

/* An end without routes. */
static void lookup_end(struct lookup *lookup, enum routes_result result, const char *reason)
{
	struct routes head = {.result = result, .domain = lookup->domain, .reason = reason};

	lookup_finish(lookup, routes_make(&head));
}

static void want_init(struct want *want, struct lookup *lookup, enum dns_type type, struct slice name)
{
	*want = (struct want){.lookup = lookup, .type = type, .chain = name_chain_start(name), .secure = true};
	want->query.answered = on_answer;
	list_init(&want->query.link);
}

/* Who asks for a CNAME wants it, and not what it leads to. */
static enum followed follow_none(const struct answer *answer)
{
	if (answer->state == ANSWER_FAILED)
		return FOLLOWED_FAILED;
	return answer->nrecords > 0 ? FOLLOWED_FOUND : FOLLOWED_EMPTY;
}

/* Takes an answer in; false when a CNAME at its end must be asked for. */
static bool want_hear(struct want *want, struct answer *answer)
{
	struct answer *before = want->answer;

	want->answer = answer_keep(answer);
	if (answer->expires_ms < want->lookup->expires_ms)
		want->lookup->expires_ms = answer->expires_ms;
	want->secure = want->secure && answer->secure;
	want->followed = want->type == DNS_CNAME ? follow_none(answer) : answer_follow(answer, &want->chain);
	if (want->followed == FOLLOWED_ELSEWHERE) /* the answer will be replaced, the name stays */
		want->chain.name = arena_copy(&want->lookup->arena, want->chain.name);
	answer_free(before);
	return want->followed != FOLLOWED_ELSEWHERE;
}

/* Goes on until the want is done (true) or waits for a server (false). A name that cannot be asked for does not
 * exist. */
static bool want_advance(struct want *want)
{
	struct resolver *resolver = want->lookup->setup->resolver;
	struct answer *answer;

	do {
		if (!packet_name_is_valid(want->chain.name)) {
			want->followed = FOLLOWED_NO_NAME;
			return true;
		}
		answer = resolver_known(resolver, want->chain.name, want->type);
		if (!answer) {
			resolver_ask(resolver, &want->query, want->chain.name, want->type);
			return false;
		}
	} while (!want_hear(want, answer));
	return true;
}

static uint16_t smtp_port(const struct lookup *lookup)
{
	return lookup->port ? lookup->port : lookup->setup->smtp_port;
}

/* In the place of words about MX. What failed is said as of any host. */
static struct routes *explain_host(struct routes *routes)
{
	struct slice host = slice_head(routes->domain, 60);
	char reason[ROUTES_REASON_MAX];
	struct routes head = *routes, *explained;

	if (routes->result == ROUTES_LATER)
		return routes;
	if (routes->result == ROUTES_FOUND)
		snprintf(reason, sizeof(reason), "host named in the configuration: addresses %u", routes->nroutes);
	else
		snprintf(reason, sizeof(reason), "%.*s, named in the configuration, has no address", SLICE_ARG(host));
	head.reason = reason;
	explained = routes_make(&head);
	routes_free(routes);
	return explained;
}

static void lookup_all_known(struct lookup *lookup)
{
	struct mx *mx = &lookup->mx;

	for (unsigned i = 0; lookup->seeking && i < mx->nhosts; i++) {
		mx->hosts[i].security = lookup->seeking[i].search.found;
		mx->hosts[i].why = lookup->seeking[i].search.why;
	}
	struct routes *routes = mx_routes(mx, &(struct mx_setup){
						      .domain = lookup->domain,
						      .smtp_port = smtp_port(lookup),
						      .allow_private = lookup->setup->allow_private || lookup->port,
					      });

	routes->mx_signed = lookup->port || lookup->mail.secure;
	if (lookup->port)
		routes = explain_host(routes);
	lookup_finish(lookup, routes);
}

/* Asks until the search is over (true) or waits for a server (false). */
static bool seeking_advance(struct seeking *seeking, struct lookup *lookup)
{
	struct want *want = &seeking->want;
	enum dns_type type;
	struct slice name;

	while (tlsa_next(&seeking->search, smtp_port(lookup), &name, &type)) {
		want_free(want);
		want_init(want, lookup, type, name);
		if (!want_advance(want))
			return false;
		tlsa_hear(&seeking->search, want->followed, want->secure, want->answer);
	}
	return true;
}

/* What a host's certificate must be is asked where its address was found signed (RFC 7672 2.2.2), though the MX that
 * named it be not (2.2.1 lets us): domains share connections to a host, and the host is protected for those of them
 * whose MX is signed. */
static bool seeking_begin(struct seeking *seeking, struct lookup *lookup, unsigned index)
{
	const struct mx_host *host = &lookup->mx.hosts[index];
	struct slice name = lookup->mx.implicit ? lookup->domain : host->name, owner = host->name;
	bool secure = false, found = false;

	for (unsigned family = 0; family < MX_FAMILIES; family++) {
		const struct want *want = &lookup->addresses[index][family];

		if (want->followed != FOLLOWED_FOUND || (found && !want->secure))
			continue;
		found = true;
		secure = want->secure;
		owner = want->chain.name;
	}
	tlsa_begin(&seeking->search, name, found ? owner : name, secure, &lookup->arena);
	return seeking_advance(seeking, lookup);
}

static void lookup_addresses_known(struct lookup *lookup)
{
	struct mx *mx = &lookup->mx;

	for (unsigned i = 0; i < mx->nhosts; i++)
		for (unsigned family = 0; family < MX_FAMILIES; family++) {
			const struct want *want = &lookup->addresses[i][family];

			mx->hosts[i].answers[family] = want->answer;
			mx->hosts[i].owners[family] = want->chain.name;
			mx->hosts[i].followed[family] = want->followed;
		}
	lookup->seeking = calloc(mx->nhosts, sizeof(*lookup->seeking));
	CHECK(lookup->seeking != NULL);
	lookup->pending = mx->nhosts;
	for (unsigned i = 0; i < mx->nhosts; i++)
		if (seeking_begin(&lookup->seeking[i], lookup, i))
			lookup->pending--;
	if (lookup->pending == 0)
		lookup_all_known(lookup);
}

static void seeking_heard(struct seeking *seeking, struct lookup *lookup)
{
	tlsa_hear(&seeking->search, seeking->want.followed, seeking->want.secure, seeking->want.answer);
	if (seeking_advance(seeking, lookup) && --lookup->pending == 0)
		lookup_all_known(lookup);
}

static void lookup_want_addresses(struct lookup *lookup)
{
	static const enum dns_type types[MX_FAMILIES] = {DNS_A, DNS_AAAA};

	lookup->addresses = calloc(lookup->mx.nhosts, sizeof(*lookup->addresses));
	CHECK(lookup->addresses != NULL);
	lookup->pending = lookup->mx.nhosts * MX_FAMILIES;
	for (unsigned i = 0; i < lookup->mx.nhosts; i++)
		for (unsigned family = 0; family < MX_FAMILIES; family++) {
			struct want *want = &lookup->addresses[i][family];

			want_init(want, lookup, types[family], lookup->mx.hosts[i].name);
			if (want_advance(want))
				lookup->pending--;
		}
	if (lookup->pending == 0)
		lookup_addresses_known(lookup);
}

static void lookup_mx_failed(struct lookup *lookup)
{
	char reason[ROUTES_REASON_MAX], server[ADDRESS_TEXT_MAX] = "";
	const struct want *want = &lookup->mail;
	struct slice name = slice_head(want->chain.name, 60);

	if (want->answer)
		address_text(&want->answer->server, server);
	switch (want->followed) {
	case FOLLOWED_FAILED:
		snprintf(reason, sizeof(reason), "MX of %.*s: %s", SLICE_ARG(name), want->answer->failure);
		lookup_end(lookup, ROUTES_LATER, reason);
		break;
	case FOLLOWED_LOOP:
		snprintf(reason, sizeof(reason),
			 "CNAMEs go round in a circle or over more than %d names at %.*s, from %.48s", CNAMES_MAX,
			 SLICE_ARG(name), server);
		lookup_end(lookup, ROUTES_LOOP, reason);
		break;
	default:
		if (want->answer && want->answer->state == ANSWER_NO_NAME)
			snprintf(reason, sizeof(reason), "NXDOMAIN for %.*s from %.48s", SLICE_ARG(name), server);
		else
			snprintf(reason, sizeof(reason), "no name that DNS could have: %s", LOG_TEXT(name));
		lookup_end(lookup, ROUTES_NO_DOMAIN, reason);
	}
}

static void lookup_mx_known(struct lookup *lookup)
{
	const struct want *want = &lookup->mail;
	const struct lookup_setup *setup = lookup->setup;

	if (want->followed != FOLLOWED_FOUND && want->followed != FOLLOWED_EMPTY) {
		lookup_mx_failed(lookup);
		return;
	}
	mx_choose(&lookup->mx, want->answer, want->chain.name, setup->own_name, setup->random);
	if (lookup->mx.result != ROUTES_FOUND)
		lookup_end(lookup, lookup->mx.result, lookup->mx.reason);
	else
		lookup_want_addresses(lookup);
}

static void lookup_want_host(struct lookup *lookup)
{
	lookup->mx = (struct mx){.result = ROUTES_FOUND, .domain = lookup->domain, .nhosts = 1};
	lookup->mx.hosts[0].name = lookup->domain;
	lookup_want_addresses(lookup);
}

void lookup_start(struct lookup *lookup)
{
	if (lookup->port) {
		lookup_want_host(lookup);
		return;
	}
	want_init(&lookup->mail, lookup, DNS_MX, lookup->domain);
	if (want_advance(&lookup->mail))
		lookup_mx_known(lookup);
}

static void on_answer(struct query *query, struct answer *answer)
{
	struct want *want = LIST_OWNER(query, struct want, query);
	struct lookup *lookup = want->lookup;

	if (!want_hear(want, answer) && !want_advance(want))
		return;
	if (want == &lookup->mail)
		lookup_mx_known(lookup);
	else if (lookup->seeking)
		seeking_heard(LIST_OWNER(want, struct seeking, want), lookup);
	else if (--lookup->pending == 0)
		lookup_addresses_known(lookup);
}
