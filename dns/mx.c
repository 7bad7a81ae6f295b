/* The records are sorted by preference and a random number each, which is RFC 5321's "MUST randomize" with one sort.
 * Whatever is unusable falls out while the list is walked; the own name is looked for before that, because it also
 * drops those equal to it that the dice put in front.
 *
 * Each host gets an even share of ROUTES_MAX, so that one with a thousand addresses does not push out the others. Of a
 * host, IPv4 and IPv6 take turns, IPv4 first: a source without IPv6 then loses nothing, and receivers are stricter
 * about IPv6 senders. The order within a family is the server's (RFC 5321 5.1).
 *
 * "No" is final for the mail, so it is said only when every answer is known: one look-up that failed makes it "later".
 */
#include "dns/mx.h"

#include "base/check.h"
#include "dns/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct candidate {
	const struct record *record;
	uint64_t dice;
};

static bool label_is_usable(struct slice label)
{
	if (label.len == 0 || label.len > 63 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		char c = label.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	return true;
}

bool mx_name_is_usable(struct slice name)
{
	struct slice label = SLICE_NONE;
	uint64_t number;

	if (name.len == 0 || name.len > 253 || name.ptr[name.len - 1] == '.')
		return false;
	while (name.len > 0) {
		label = slice_until(&name, '.');
		if (!label_is_usable(label))
			return false;
	}
	return !slice_number(label, UINT64_MAX, &number); /* 192.0.2.1 is an address, not a name */
}

static int candidate_order(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->record->preference != y->record->preference)
		return x->record->preference < y->record->preference ? -1 : 1;
	return x->dice < y->dice ? -1 : x->dice > y->dice;
}

/* The MX records under the name, in the order to try. */
static unsigned candidates_sort(struct candidate *candidates, const struct answer *answer, struct slice name,
				struct random *random)
{
	unsigned n = 0;

	for (unsigned i = 0; i < answer->nrecords; i++)
		if (answer->records[i].type == DNS_MX && slice_is(answer->records[i].owner, name))
			candidates[n++] = (struct candidate){&answer->records[i], random_next(random)};
	qsort(candidates, n, sizeof(*candidates), candidate_order);
	return n;
}

static bool mx_has_host(const struct mx *mx, struct slice name)
{
	for (unsigned i = 0; i < mx->nhosts; i++)
		if (slice_is(mx->hosts[i].name, name))
			return true;
	return false;
}

/* How many of them come before our own name and its equals; n when it is not there. */
static unsigned candidates_before_us(const struct candidate *candidates, unsigned n, struct slice own_name)
{
	unsigned own = 0;

	while (own < n && !(own_name.len && slice_is_nocase(candidates[own].record->target, own_name)))
		own++;
	if (own == n)
		return n;
	unsigned before = own;

	while (before > 0 && candidates[before - 1].record->preference == candidates[own].record->preference)
		before--;
	return before;
}

static bool candidates_are_null(const struct candidate *candidates, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!slice_is(candidates[i].record->target, SLICE(".")))
			return false;
	return n > 0;
}

static void mx_take(struct mx *mx, const struct record *record)
{
	if (!mx_name_is_usable(record->target) || mx_has_host(mx, record->target))
		return;
	if (mx->nhosts == MX_HOSTS_MAX) {
		mx->nleft++;
		return;
	}
	mx->hosts[mx->nhosts++] = (struct mx_host){.name = record->target, .preference = record->preference};
}

static void mx_end(struct mx *mx, enum routes_result result, const char *what)
{
	char server[ADDRESS_TEXT_MAX];
	struct slice domain = slice_head(mx->domain, 50);

	address_text(&mx->server, server);
	mx->result = result;
	snprintf(mx->reason, sizeof(mx->reason), "%s (MX of %.*s from %.60s)", what, SLICE_ARG(domain), server);
}

/* No MX at all: the domain is its own host (RFC 5321 5.1). */
static void mx_choose_implicit(struct mx *mx, struct slice own_name)
{
	mx->implicit = true;
	if (own_name.len && slice_is_nocase(mx->domain, own_name))
		mx_end(mx, ROUTES_LOOP, "no MX, and the domain is our own name");
	else
		mx->hosts[mx->nhosts++] = (struct mx_host){.name = mx->domain};
}

void mx_choose(struct mx *mx, const struct answer *answer, struct slice name, struct slice own_name,
	       struct random *random)
{
	struct candidate candidates[ANSWER_RECORDS_MAX];
	unsigned n = candidates_sort(candidates, answer, name, random);
	unsigned before_us = candidates_before_us(candidates, n, own_name);

	*mx = (struct mx){.result = ROUTES_FOUND, .domain = name, .server = answer->server};
	if (n == 0) {
		mx_choose_implicit(mx, own_name);
		return;
	}
	for (unsigned i = 0; i < before_us; i++)
		mx_take(mx, candidates[i].record);
	if (mx->nhosts > 0)
		return;
	if (candidates_are_null(candidates, n))
		mx_end(mx, ROUTES_NULL_MX, "null MX: the domain takes no mail");
	else if (before_us < n)
		mx_end(mx, ROUTES_LOOP, "the best usable MX is our own name");
	else
		mx_end(mx, ROUTES_NO_ADDRESS, "no MX names a host, only unusable names");
}

/* What the look-ups of all hosts came to. */
struct tally {
	unsigned nfailed, nloops, nprivate;
	const char *failure, *what; /* borrowed: of one that failed, "address" or "TLSA" */
	struct slice failed_host;
	struct address private_one;
	struct slice private_host;
	struct route route[ROUTES_MAX];
	unsigned nroutes;
};

static bool tally_has(const struct tally *tally, const struct address *address)
{
	for (unsigned i = 0; i < tally->nroutes; i++) {
		struct address other = address_of(&tally->route[i].to.sa);

		if (address_is_equal(&other, address))
			return true;
	}
	return false;
}

/* The next address of that family after *at that may be used; false when there is none. */
static bool host_next_address(const struct mx_host *host, unsigned family, unsigned *at, struct tally *tally,
			      const struct mx_setup *setup, struct address *address)
{
	const struct answer *answer = host->answers[family];

	if (!answer || host->followed[family] != FOLLOWED_FOUND)
		return false;
	while (*at < answer->nrecords) {
		const struct record *record = &answer->records[(*at)++];

		if (record->type != answer->type || !slice_is(record->owner, host->owners[family]))
			continue;
		*address = record->type == DNS_A ? address_v4(record->ip, setup->smtp_port)
						 : address_v6(record->ip, setup->smtp_port);
		if (!address_is_private(address) || setup->allow_private)
			return true;
		tally->nprivate++;
		tally->private_one = *address;
		tally->private_host = host->name;
	}
	return false;
}

static void tally_failure(struct tally *tally, const struct mx_host *host, const char *what, const char *failure)
{
	tally->nfailed++;
	tally->what = what;
	tally->failure = failure;
	tally->failed_host = host->name;
}

/* Up to share routes to the host, the families taking turns. */
static void tally_host(struct tally *tally, const struct mx *mx, unsigned index, unsigned share,
		       const struct mx_setup *setup)
{
	const struct mx_host *host = &mx->hosts[index];
	unsigned at[MX_FAMILIES] = {0}, taken = 0;
	bool found = true;

	for (unsigned family = 0; family < MX_FAMILIES; family++) {
		if (host->followed[family] == FOLLOWED_LOOP)
			tally->nloops++;
		if (host->followed[family] == FOLLOWED_FAILED)
			tally_failure(tally, host, "address", host->answers[family]->failure);
	}
	if (host->security.kind == SECURITY_LOST) { /* RFC 7672 2.1.2 */
		tally_failure(tally, host, "TLSA", host->why);
		return;
	}
	while (found && taken < share) {
		found = false;
		for (unsigned family = 0; family < MX_FAMILIES && taken < share; family++) {
			struct address address;

			if (!host_next_address(host, family, &at[family], tally, setup, &address))
				continue;
			found = true;
			if (tally_has(tally, &address))
				continue;
			taken++;
			tally->route[tally->nroutes++] = (struct route){
				.to = endpoint_of(&address), .preference = host->preference, .host = (uint16_t)index};
		}
	}
}

static void write_reason(char *reason, size_t room, enum routes_result result, const struct mx *mx,
			 const struct tally *tally)
{
	char server[ADDRESS_TEXT_MAX], ip[ADDRESS_TEXT_MAX];
	struct slice first = slice_head(mx->hosts[0].name, 60), failed = slice_head(tally->failed_host, 60);

	address_text(&mx->server, server);
	switch (result) {
	case ROUTES_FOUND:
		snprintf(reason, room, "%s from %.60s: hosts %u, addresses %u",
			 mx->implicit ? "no MX, own address" : "MX", server, mx->nhosts, tally->nroutes);
		break;
	case ROUTES_LATER:
		if (tally->failure)
			snprintf(reason, room, "%s of %.*s: %s", tally->what, SLICE_ARG(failed), tally->failure);
		else
			snprintf(reason, room, "no address at the first %u of %u MX hosts from %.60s", mx->nhosts,
				 mx->nhosts + mx->nleft, server);
		break;
	case ROUTES_FORBIDDEN:
		address_ip_text(&tally->private_one, ip);
		snprintf(reason, room,
			 "only private addresses, such as %.45s of %.*s; allow-private-addresses is false", ip,
			 SLICE_ARG(slice_head(tally->private_host, 50)));
		break;
	case ROUTES_LOOP:
		snprintf(reason, room, "CNAMEs of %.*s go round in a circle or over %d names", SLICE_ARG(first),
			 CNAMES_MAX);
		break;
	default:
		snprintf(reason, room, "%s %.*s%s (from %.60s)",
			 mx->implicit ? "neither MX nor address at" : "no address at MX", SLICE_ARG(first),
			 mx->nhosts > 1 ? " nor any other" : "", server);
	}
}

static enum routes_result tally_result(const struct tally *tally, const struct mx *mx)
{
	if (tally->nroutes > 0)
		return ROUTES_FOUND;
	if (tally->nfailed > 0 || mx->nleft > 0)
		return ROUTES_LATER;
	if (tally->nprivate > 0)
		return ROUTES_FORBIDDEN;
	return tally->nloops == MX_FAMILIES * mx->nhosts ? ROUTES_LOOP : ROUTES_NO_ADDRESS;
}

struct routes *mx_routes(const struct mx *mx, const struct mx_setup *setup)
{
	CHECK(mx->result == ROUTES_FOUND);
	CHECK(mx->nhosts > 0);
	struct slice hosts[MX_HOSTS_MAX];
	struct host_security security[MX_HOSTS_MAX];
	struct tally tally = {0};
	char reason[ROUTES_REASON_MAX];

	for (unsigned i = 0; i < mx->nhosts; i++) {
		hosts[i] = mx->hosts[i].name;
		security[i] = mx->hosts[i].security;
		tally_host(&tally, mx, i, ROUTES_MAX / mx->nhosts, setup);
	}
	struct routes head = {
		.result = tally_result(&tally, mx),
		.domain = setup->domain,
		.implicit = mx->implicit,
		.nhosts = mx->nhosts,
		.nroutes = tally.nroutes,
		.hosts = hosts,
		.security = security,
		.expanded = slice_is(mx->domain, setup->domain) ? SLICE_NONE : mx->domain,
		.route = tally.route,
		.reason = reason,
	};

	write_reason(reason, sizeof(reason), head.result, mx, &tally);
	return routes_make(&head);
}
