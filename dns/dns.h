/* DNS for mail: from a recipient's domain to the hosts that take its mail (RFC 5321 5, 7505, 2308), and to what their
 * certificates must be (RFC 7672). DNSSEC is validated by the servers that are asked, if they are trusted.
 *
 * Own UDP and TCP on the ring, ldns for packets only (packet.c), a cache, one question in flight per name and type,
 * several servers, TCP on truncation. An answer is always later, even when it is known.
 *
 *     static void on_routes(struct dns_ask *ask, struct routes *routes) { ... routes_free(routes) ... }
 *     domain->ask.answered = on_routes;
 *     dns_ask(dns, &domain->ask, SLICE("a.example"));
 *
 * Routes are immutable and counted: they may be held while someone tries them, and shared by domains. */
#pragma once

#include "nouns.h"
#include "ring/ring.h"

struct dns;
struct resolver;

struct dns_setup {
	const struct address *servers; /* borrowed during dns_open; at most DNS_SERVERS_MAX; none: 127.0.0.1:53 */
	unsigned nservers;
	uint16_t smtp_port;	/* the port of the addresses in routes */
	bool trusted;		/* what the servers say of DNSSEC counts, though they are not on this host */
	bool allow_private;	/* addresses of this host and of private networks count as routes */
	struct slice own_name;	/* our host name: in an MX list it and all worse are dropped (MX-14) */
	unsigned questions_max; /* packets in flight; 0: 1024 */
	unsigned patience_ms;	/* the first time-out, doubled twice; 0: 1000. Tests shorten it */
	unsigned ttl_ms_min;	/* what is known is known for at least so long; 0: 30000. Tests shorten it */
};

enum { DNS_SERVERS_MAX = 4, ROUTES_MAX = 32, ROUTE_NAME_MAX = 256, ROUTES_REASON_MAX = 160 };

/* What the DNS says of a domain. Only ROUTES_FOUND has routes. */
#define ROUTES_RESULTS(X)                                                                                          \
	X(ROUTES_FOUND, "found", ACTION_DELIVERED, CATEGORY_NONE, "")                                              \
	X(ROUTES_NO_DOMAIN, "no domain", ACTION_NEVER, CATEGORY_BAD_DOMAIN, "5.1.2") /* NXDOMAIN */                \
	X(ROUTES_NULL_MX, "null MX", ACTION_NEVER, CATEGORY_BAD_DOMAIN, "5.1.10")    /* RFC 7505 */                \
	X(ROUTES_NO_ADDRESS, "no address", ACTION_NEVER, CATEGORY_NO_ROUTE, "5.4.4") /* of no MX host */           \
	X(ROUTES_FORBIDDEN, "forbidden", ACTION_NEVER, CATEGORY_NO_ROUTE, "5.4.4")   /* only private ones */       \
	X(ROUTES_LOOP, "loop", ACTION_NEVER, CATEGORY_NO_ROUTE, "5.4.6")	     /* CNAMEs, or we ourselves */ \
	X(ROUTES_LATER, "later", ACTION_LATER, CATEGORY_NETWORK, "4.4.3")	     /* SERVFAIL, time-out, nonsense */

enum routes_result {
#define X(name, text, action, category, enhanced) name,
	ROUTES_RESULTS(X)
#undef X
};

/* What the signed DNS says of a host's TLS (RFC 7672 2.2). Only SECURITY_TLSA has records. A host that is LOST is not
 * to be talked to: no route leads there. */
#define SECURITIES(X)                                                                           \
	X(SECURITY_NOT_ASKED, "not-asked", "the route is not from the DNS")                     \
	X(SECURITY_UNSIGNED, "unsigned", "no trusted resolver calls the host's address signed") \
	X(SECURITY_NO_TLSA, "no-tlsa", "signed, without TLSA records")                          \
	X(SECURITY_TLSA, "tlsa", "signed TLSA records")                                         \
	X(SECURITY_LOST, "tlsa-lost",                                                           \
	  "signed, but whether there are TLSA records could not be found out; the host is "     \
	  "left alone until it can")

enum security {
#define X(name, text, meaning) name,
	SECURITIES(X)
#undef X
};

struct host_security {
	enum security kind;
	unsigned nrecords;
	const struct tlsa *records; /* nrecords, sorted; usable or not */
	struct slice base;	    /* the TLSA base domain: whose certificate it is to be (RFC 7672 2.2.3) */
};

struct route {
	struct endpoint to;
	uint16_t preference;
	uint16_t host; /* index into routes->hosts */
};

struct routes {
	unsigned refs; /* counted */
	enum routes_result result;
	struct slice domain; /* as asked, lower case */
	const char *reason;  /* for the event and the operator: "NXDOMAIN from 127.0.0.1:53"; owned by routes */
	uint64_t expires_ms; /* monotonic: by TTL, clamped (30 s to 24 h; negative to 5 min; later to 30 s) */
	bool implicit;	     /* there was no MX: the domain's own address (RFC 5321 5.1) */
	bool fixed;	     /* not of the DNS: as the configuration has them */
	unsigned nhosts, nroutes;
	const struct slice *hosts; /* nhosts MX names, lower case, by preference, equals shuffled; owned by routes */
	const struct host_security *security; /* nhosts; NULL: all SECURITY_NOT_ASKED */
	struct slice expanded;		      /* the domain after CNAMEs: where its MX is. Empty: as the domain */
	bool mx_signed;		   /* the hosts are the domain's own choice: its MX, or that it has none, is signed */
	const struct route *route; /* nroutes, in the order to try; both families of a host interleaved */
};

struct dns_ask {
	void (*answered)(struct dns_ask *ask, struct routes *routes); /* the callee gets one count */
	struct list link;					      /* the resolver's */
};

struct dns *dns_open(struct ring *ring, const struct dns_setup *setup);
/* Asks still open are never answered. Not from inside answered. What is in flight comes home in the next turns of the
 * ring, and its memory goes then. */
void dns_free(struct dns *dns);
/* Lets go of what is in flight and asks no server any more: what is not known by then is never answered. To be called
 * again after each turn of the ring, until it says true: no socket is left, and the ring may go after dns_free. */
bool dns_leave(struct dns *dns);
/* The domain must be an A-label name in lower case (intake sees to that). */
void dns_ask(struct dns *dns, struct dns_ask *ask, struct slice domain);
/* The addresses of a host that somebody has named, whatever the DNS says of its mail, and its TLSA records for that
 * port: a relay. Private addresses count. Without any the result is ROUTES_LATER: whether there is mail to lose is not
 * the DNS's to say. The host's name is the domain of the routes, and counts as signed for. */
void dns_ask_host(struct dns *dns, struct dns_ask *ask, struct slice host, uint16_t port);
/* Takes the ask back; its callback will not be called. */
void dns_unask(struct dns *dns, struct dns_ask *ask);
/* Who puts its questions: for dns/inquiry.h. */
struct resolver *dns_resolver(struct dns *dns);
/* For status and tests. asked: calls of dns_ask; cached: those answered without a packet. coalesced: asks that joined
 * one for the same domain, and questions that joined an equal one in flight. sent: questions put to a server; resent:
 * further tries; over_tcp: repeated over TCP. bad_answers: packets dropped (wrong id, wrong question, garbage). */
struct dns_counts {
	uint64_t asked, cached, coalesced, sent, resent, over_tcp, bad_answers;
};
struct dns_counts dns_counts(const struct dns *dns);

/* Routes that do not come from the DNS: a configured `route`, or `divert`. */
struct routes *routes_fixed(struct slice domain, const struct address *addresses, unsigned naddresses);
struct routes *routes_keep(struct routes *routes);
void routes_free(struct routes *routes);
const char *routes_result_name(enum routes_result result);
/* Where the route leads. */
struct address routes_address(const struct routes *routes, unsigned route);
/* Of the host of a route; never NULL. */
const struct host_security *routes_security(const struct routes *routes, unsigned host);
const char *security_name(enum security security);
const char *security_meaning(enum security security);
/* What it means for the mail: scope site, stage dns. ROUTES_FOUND has no outcome. */
struct outcome routes_outcome(const struct routes *routes);

/* Servers of a resolv.conf text; how many were found (0 to max). Port 53 unless given as addr:port or addr#port. */
unsigned dns_read_resolv_conf(struct slice text, struct address *servers, unsigned max);
/* A server on this host: nobody can change its words on their way, so that it is trusted with DNSSEC (RFC 7672 2.1.1).
 */
bool dns_server_is_near(const struct address *server);
