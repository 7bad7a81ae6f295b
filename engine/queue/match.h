/* A match: which mail an operator means, as KEY=VALUE words or as a JSON object.
 *
 *     struct match match = {0};
 *     struct refusal refusal;
 *     if (!match_words(&match, words, nwords, &refusal)) say(refusal.message);
 *     struct match_facts facts = {.known = 0};
 *     match_know_list(&facts, SLICE("b:a.example:acme:nov"));
 *     if (match_fits(&match, &facts)) ...
 *     match_free(&match);
 *
 * Different keys must all fit; of several values of one key, one. A value is a glob: * stands for any bytes, ? for one.
 * Facts may be partial: the name of a list tells nothing of jobs. What is not known is not asked, so match_fits answers
 * "as far as is known"; match_tells says whether that is all of it. queue/lua/0_match.lua judges alike, inside Redis.
 */
#pragma once

#include "queue/refusal.h"

#include "base/arena.h"

#define MATCH_KEYS(X)                 \
	X(MATCH_DOMAIN, "domain")     \
	X(MATCH_SITE, "site")         \
	X(MATCH_CAMPAIGN, "campaign") \
	X(MATCH_TENANT, "tenant")     \
	X(MATCH_SOURCE, "source")     \
	X(MATCH_JOB, "job")           \
	X(MATCH_CLASS, "class")       \
	X(MATCH_STATE, "state")

enum match_key {
#define X(name, text) name,
	MATCH_KEYS(X)
#undef X
		MATCH_KEY_COUNT
};

enum { MATCH_VALUES_MAX = 256, MATCH_VALUE_BYTES_MAX = 255 };

/* For sets of keys. */
#define MATCH_BIT(key) (1u << (key))

struct match_value {
	enum match_key key;
	struct slice glob;
};

struct match {
	struct arena arena; /* owns what is below */
	struct match_value *values;
	unsigned nvalues;
	unsigned keys; /* set of those that it has */
};

/* What is known of some mail; borrowed. */
struct match_facts {
	struct slice fact[MATCH_KEY_COUNT];
	unsigned known; /* set of keys */
};

/* False and the refusal, whose message is a sentence: no key at all, an unknown one (with its nearest), a value that
 * could never fit. The match is empty then. */
bool match_words(struct match *match, const char *const *words, unsigned nwords, struct refusal *refusal);
/* {"campaign":"nov","domain":["*.a.example","b.example"]} */
bool match_json(struct match *match, struct slice json, struct refusal *refusal);
void match_free(struct match *match);

/* The same meaning makes the same bytes: keys in the order above, values sorted, none twice. */
void match_write_json(const struct match *match, struct outbuf *out);
/* "campaign=nov domain=*.a.example": for people. */
void match_write_text(const struct match *match, struct outbuf *out);

static inline bool match_has(const struct match *match, enum match_key key)
{
	return match->keys & MATCH_BIT(key);
}
void match_know(struct match_facts *facts, enum match_key key, struct slice fact);
/* Domain, class, tenant and campaign, by the list's name (record.h). False if it is no such name. */
bool match_know_list(struct match_facts *facts, struct slice list);
bool match_fits(const struct match *match, const struct match_facts *facts);
/* All keys of the match are known. */
bool match_tells(const struct match *match, const struct match_facts *facts);
/* * and ?; in time proportional to the product of the lengths at most. */
bool match_glob(struct slice glob, struct slice text);
