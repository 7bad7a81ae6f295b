/* MX: which hosts take a domain's mail, and in which order their addresses are tried. Pure: answers in, decisions out.
 *
 *     struct mx mx;
 *     mx_choose(&mx, answer, SLICE("a.example"), own_name, &random);
 *     if (mx.result == ROUTES_FOUND)
 *             ... look up A and AAAA of mx.hosts[i].name, into mx.hosts[i].answers ...
 *             routes = mx_routes(&mx, &setup);
 *
 * mx_choose decides from the MX answer alone: by preference, equals in random order; the implicit MX only when the
 * answer is empty; null MX; ourselves in the list. mx_routes then decides from the addresses.
 *
 * Sources: RFC 5321 5.1, RFC 7505, RFC 2181 10.3. */
#pragma once

#include "base/random.h"
#include "dns/answer.h"
#include "dns/dns.h"

enum { MX_HOSTS_MAX = 10, MX_FAMILIES = 2 };

struct mx_host {
	struct slice name; /* borrowed from the answer or the caller */
	uint16_t preference;
	/* What the look-up of its addresses gave, A and AAAA; the caller's, NULL where nothing is known. */
	const struct answer *answers[MX_FAMILIES];
	struct slice owners[MX_FAMILIES]; /* the name the addresses are under, after CNAMEs */
	enum followed followed[MX_FAMILIES];
	/* What the look-up of its TLSA records gave. LOST: why says the reason. */
	struct host_security security;
	const char *why;
};

struct mx {
	enum routes_result result; /* ROUTES_FOUND: hosts are to be looked up. Others are final */
	bool implicit;
	struct slice domain;   /* borrowed: the name the MX records are under, after CNAMEs */
	struct address server; /* who said it */
	unsigned nleft;	       /* usable hosts beyond MX_HOSTS_MAX, not looked up */
	unsigned nhosts;
	struct mx_host hosts[MX_HOSTS_MAX]; /* in the order to try */
	char reason[ROUTES_REASON_MAX];	    /* for the final ones */
};

struct mx_setup {
	struct slice domain; /* as asked; mx->domain is where CNAMEs led from there */
	uint16_t smtp_port;
	bool allow_private;
};

/* The answer must have been followed to its end: FOLLOWED_FOUND or FOLLOWED_EMPTY at name. */
void mx_choose(struct mx *mx, const struct answer *answer, struct slice name, struct slice own_name,
	       struct random *random);
/* Routes with one count; expires_ms is the caller's to set. mx.result must be ROUTES_FOUND. To a host whose security
 * is LOST there are none. */
struct routes *mx_routes(const struct mx *mx, const struct mx_setup *setup);
/* Can this be the name of a host that takes mail? Letters, digits and hyphens, no literal address (RFC 1123 2.1). */
bool mx_name_is_usable(struct slice name);
