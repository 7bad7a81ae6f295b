/* A lookup: one domain on its way to routes. MX first, then A and AAAA of every host it names, all at once, then TLSA
 * where those were signed; CNAMEs are followed on the way, each with a further question where an answer does not go to
 * the end.
 *
 *     struct lookup *lookup = lookup_make(&setup, SLICE("a.example"));
 *     lookup_start(lookup);          finished may be called from inside: what is cached is known at once
 *     ...
 *     lookup_free(lookup);           at any time
 *
 * Sources: RFC 5321 5.1, RFC 7672 2. */
#pragma once

#include "base/arena.h"
#include "base/map.h"
#include "dns/mx.h"
#include "dns/resolver.h"
#include "dns/tlsa.h"

struct lookup;

struct lookup_setup {
	struct resolver *resolver; /* parent */
	struct ring *ring;	   /* parent */
	struct random *random;	   /* borrowed: the parent's */
	struct slice own_name;	   /* borrowed: the parent's */
	uint16_t smtp_port;
	bool allow_private;
	void (*finished)(struct lookup *lookup, struct routes *routes); /* the callee gets the count */
};

/* One question of the lookup: the MX, one family of one host's addresses, or of its search for TLSA. */
struct want {
	struct query query;
	struct lookup *lookup; /* parent */
	enum dns_type type;
	struct name_chain chain;
	struct answer *answer; /* one count; NULL: not known yet */
	enum followed followed;
	bool secure; /* every answer on the way was */
};

/* The search of one host for TLSA records, with its question at hand. */
struct seeking {
	struct want want;
	struct tlsa_search search;
};

struct lookup {
	/* The owner's: */
	struct map_node node;
	struct list link;
	struct list asks;
	struct routes *routes; /* owned, once finished */

	/* Its own. */
	const struct lookup_setup *setup; /* borrowed: the parent's */
	struct slice domain;		  /* in room */
	struct slice key;		  /* in room too: the domain, and of a host's look-up its port */
	uint16_t port;			  /* of that host; 0: of a domain */
	struct arena arena;		  /* names beyond the life of an answer */
	unsigned pending;		  /* wants not done */
	uint64_t expires_ms;
	struct mx mx;
	struct want mail;		       /* the MX question */
	struct want (*addresses)[MX_FAMILIES]; /* owned: of each host */
	struct seeking *seeking;	       /* owned: of each host; NULL until all addresses are known */
	char room[DNS_NAME_MAX + sizeof(":65535")];
};

/* The domain is copied, in lower case, and cut to DNS_NAME_MAX. With a port it is a host and no domain: it has no MX,
 * is at home wherever its addresses are, and is asked for again where it has none. */
struct lookup *lookup_make(const struct lookup_setup *setup, struct slice domain, uint16_t port);
void lookup_start(struct lookup *lookup);
void lookup_free(struct lookup *lookup);
