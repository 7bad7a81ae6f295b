/* The rules of verdict.c as rows of tables, and the tables in their order: the first row that fits decides.
 *
 *     {"mailbox-full", ANYWHERE, "4 5", "", "", "mailbox * full|over quota", ...}
 *
 * stages    bits; ANYWHERE means any
 * codes     first digits and whole codes, by blanks: "4 552"
 * enhanced  "x.2.2" (x: either class), "x.7.*"; several by blanks; empty means any or none
 * site      who must be speaking, by the name of the site or by its marks in the text; empty means anybody
 * words     phrases in the form of verdict_phrases.h; empty means any
 * action, scope   BY_STAGE: as stage and code have it (verdict.c). Before MAIL only SLOWER counts, and only
 *           scopes that outlive a connection
 * suppress  only where the category is invalid-recipient
 * example   a stage and a reply, made up; tests/unit/verdict_test.c fails when it does not meet exactly this row, or
 *           when one of the phrases, said in its place, meets another */
#pragma once

#include "nouns.h"

enum {
	ANYWHERE = 0,
	AT_CONNECT = 1 << STAGE_CONNECT,
	AT_EHLO = 1 << STAGE_EHLO,
	AT_TLS = 1 << STAGE_STARTTLS,
	AT_AUTH = 1 << STAGE_AUTH,
	AT_MAIL = 1 << STAGE_MAIL,
	AT_RCPT = 1 << STAGE_RCPT,
	AT_DATA = 1 << STAGE_DATA,
	AT_END = 1 << STAGE_EOM,
};

#define ACTION_BY_STAGE ACTION_COUNT
#define SCOPE_BY_STAGE	SCOPE_COUNT

/* What a rule says of the address. In effect at RCPT and with 5yz only. */
enum suppress {
	SUPPRESS_NOT,
	SUPPRESS_IF_CODED, /* where the enhanced code says too that nobody has that name: x.1.1, x.1.6, x.1.10 */
	SUPPRESS,
};

struct verdict_rule {
	const char *name;
	unsigned stages;
	const char *codes, *enhanced, *site, *words;
	enum action action;
	enum scope scope;
	enum category category;
	enum suppress suppress;
	const char *example;
};

struct verdict_table {
	const char *about;
	const struct verdict_rule *rules;
	unsigned count;
};

/* A party that speaks in its own way, and phrases it is known by. */
struct verdict_site {
	const char *name, *marks;
};

extern const struct verdict_table *const verdict_tables[];
extern const unsigned verdict_tables_count;
extern const struct verdict_site verdict_sites[];
extern const unsigned verdict_sites_count;

/* Of each file: what has one meaning; what sites say in words of their own; about us; about the message; about the way;
 * about the mailbox; codes, and words that say little. */
extern const struct verdict_table verdict_rules_sure, verdict_rules_sites, verdict_rules_source, verdict_rules_message,
	verdict_rules_way, verdict_rules_mailbox, verdict_rules_codes;

#define VERDICT_TABLE(about, rules)                              \
	{                                                        \
		about, rules, sizeof(rules) / sizeof((rules)[0]) \
	}
