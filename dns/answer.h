/* An answer: what a name server said to one question, reduced to what mail needs.
 *
 * Immutable once made, and counted: the cache, and everybody who asked the same, hold the same one. The names in it
 * are lower case without a dot at the end (the root is "."), with any byte a host name has no use for written as
 * \DDD, so that such a name can be shown but is never taken for a host's.
 *
 *     struct name_chain chain = name_chain_start(SLICE("a.example"));
 *     switch (answer_follow(answer, &chain)) {
 *     case FOLLOWED_FOUND: ... records of the type whose owner is chain.name
 *
 * Sources: RFC 1034 3.6.2 (CNAME), RFC 2308 (no data, no name). */
#pragma once

#include "nouns.h"

#include "base/address.h"

/* The types asked for; the numbers are the protocol's. */
#define DNS_TYPES(X)             \
	X(DNS_A, 1, "A")         \
	X(DNS_CNAME, 5, "CNAME") \
	X(DNS_MX, 15, "MX")      \
	X(DNS_TXT, 16, "TXT")    \
	X(DNS_AAAA, 28, "AAAA")  \
	X(DNS_TLSA, 52, "TLSA")

enum dns_type {
#define X(name, number, text) name = number,
	DNS_TYPES(X)
#undef X
};

/* ANSWER_FOUND and ANSWER_EMPTY: NOERROR, with and without a record of the type or a CNAME. ANSWER_NO_NAME: NXDOMAIN
 * (after the CNAMEs that are there). ANSWER_FAILED: nothing is known; `failure` says why. */
#define ANSWER_STATES(X)              \
	X(ANSWER_FOUND, "found")      \
	X(ANSWER_EMPTY, "empty")      \
	X(ANSWER_NO_NAME, "NXDOMAIN") \
	X(ANSWER_FAILED, "failed")

enum answer_state {
#define X(name, text) name,
	ANSWER_STATES(X)
#undef X
};

enum { ANSWER_RECORDS_MAX = 256, DNS_NAME_MAX = 256, CNAMES_MAX = 8, ANSWER_FAILURE_MAX = 96 };

struct record {
	uint16_t type;
	uint16_t preference; /* MX */
	uint32_t ttl_s;
	struct slice owner;  /* borrowed from the answer */
	struct slice target; /* MX, CNAME; of TXT its strings, joined: borrowed from the answer */
	union {
		unsigned char ip[16]; /* A: the first four; AAAA */
		struct tlsa tlsa;     /* TLSA: data is borrowed from the answer */
	};
};

struct answer {
	unsigned refs; /* counted */
	enum answer_state state;
	enum dns_type type; /* what was asked for; all records are of it, or CNAMEs */
	uint8_t rcode;
	bool truncated;	       /* ask again over TCP; no records */
	bool cut;	       /* there was more than we read */
	bool secure;	       /* the whole of it was validated by a resolver we trust (AD, RFC 4035 3.2.3) */
	bool has_soa;	       /* an empty answer that is complete (RFC 2308 2.2) */
	uint32_t ttl_s;	       /* the smallest of the records; of a negative answer, by its SOA; 0: not said */
	uint64_t expires_ms;   /* monotonic; set by who keeps it */
	struct address server; /* who said it */
	char failure[ANSWER_FAILURE_MAX];
	size_t size; /* bytes of memory */
	unsigned nrecords;
	struct record records[]; /* the names lie behind */
};

/* A new answer with copies of the records and of all they borrow; head gives the other fields. The caller has the one
 * count. */
struct answer *answer_make(const struct answer *head, const struct record *records, unsigned nrecords);
struct answer *answer_keep(struct answer *answer);
void answer_free(struct answer *answer);

/* The name a question is about, while CNAMEs move it. */
struct name_chain {
	struct slice name; /* borrowed from where it came from: the caller, or an answer */
	unsigned ncnames;
	uint64_t seen[CNAMES_MAX]; /* hashes of the names left behind */
};

/* FOLLOWED_FOUND: records are there, owned by chain->name. FOLLOWED_EMPTY, FOLLOWED_NO_NAME: it is known that there
 * are none. FOLLOWED_ELSEWHERE: the answer ends with a CNAME: chain->name must be asked for. FOLLOWED_LOOP: a
 * circle, or more than CNAMES_MAX. FOLLOWED_FAILED: as the answer. */
enum followed { FOLLOWED_FOUND, FOLLOWED_EMPTY, FOLLOWED_NO_NAME, FOLLOWED_ELSEWHERE, FOLLOWED_LOOP, FOLLOWED_FAILED };

struct name_chain name_chain_start(struct slice name);
/* Moves the chain along the answer's CNAMEs, from the name the question was about. chain->name then borrows from the
 * answer. */
enum followed answer_follow(const struct answer *answer, struct name_chain *chain);

const char *dns_type_name(enum dns_type type);
const char *answer_state_name(enum answer_state state);
/* "NXDOMAIN", "SERVFAIL", ... of RFC 1035 4.1.1; "RCODE 11" has no name and is "an unknown code". */
const char *rcode_name(uint8_t rcode);
