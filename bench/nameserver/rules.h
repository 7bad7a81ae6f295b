/* The rules of the name server: which names there are, and what is said of them.
 *
 *     rules_add(SLICE("*.test mx 10 mx.$ 127.0.0.1"));
 *     struct match match = rules_match(SLICE("d1.test"));
 *
 * The language is in rules_help, which is what the program prints. */
#pragma once

#include "base/slice.h"

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_SOA = 6, TYPE_MX = 15, TYPE_TXT = 16, TYPE_AAAA = 28, TYPE_OPT = 41 };
enum { RULES_MAX = 512, ENTRIES_MAX = 16, ADDRESSES_MAX = 4 };

struct entry {
	uint16_t type, preference;
	unsigned times, naddresses;
	struct slice name, addresses[ADDRESSES_MAX]; /* templates; borrowed from the rule's text. TXT: name is it */
};

struct rule {
	struct slice pattern;
	struct entry entries[ENTRIES_MAX];
	unsigned nentries, rcode, delay_ms, lose_percent, ttl_s;
	bool drop, truncate, wrong_id, wrong_question, garbage;
};

/* What a name is: a domain that a rule's pattern fits, or (host) the made-up host of such a domain. */
struct match {
	const struct rule *rule;  /* NULL: no rule fits */
	const struct entry *host; /* the entry that makes up this host; NULL: it is a domain */
	struct slice domain;	  /* borrowed from the name */
	unsigned index;		  /* what # in the host's name was */
};

extern const char rules_help[];

/* A rule, behind those there are. The text must live on. One that is wrong ends the program with a sentence. */
void rules_add(struct slice text);
void rules_read(const char *path);
/* The name in lower case. */
struct match rules_match(struct slice name);
