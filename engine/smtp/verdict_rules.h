/* The rules of verdict.c as rows of a table; the first that fits decides.
 *
 *     {"mailbox-full", AT_RCPT | AT_END, "45", "x.2.2", "", ...}
 *
 * stages    bits; 0 means any
 * codes     first digits and whole codes, by blanks: "4 552"; empty means any of 4yz and 5yz
 * enhanced  "x.2.2" (x: either class), "x.7.*"; several by blanks; empty means any or none
 * words     alternatives by '|', in each the parts that must follow one another by '*'; lower case; empty means any.
 *           The text is compared with ASCII letters folded and with all line ends and tabs as blanks
 * action, scope   ACTION_COUNT, SCOPE_COUNT mean: as stage and code have it (verdict.c)
 * example   a stage and a reply, made up; tests/unit/verdict_test.c fails when it does not meet exactly this row */
#pragma once

#include "nouns.h"

struct verdict_rule {
	const char *name;
	unsigned stages;
	const char *codes, *enhanced, *words;
	enum action action;
	enum scope scope;
	enum category category;
	bool suppress; /* only a refusal of scope recipient and category invalid-recipient may have it */
	const char *example;
};

extern const struct verdict_rule verdict_rules[];
extern const unsigned verdict_rules_count;
