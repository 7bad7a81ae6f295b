/* From a reply to a verdict: what it means, and for whom.
 *
 * Pure, one pass, no allocation but for the book of rules, which is made at the first refusal. Structure first (stage,
 * code, enhanced code), then the text, then the provider. The rules are rows of tables (verdict_rules.h), each with a
 * comment and an example that is also its test. What else a reply says, when to come again and which list it names, is
 * in verdict_detail.h. */
#pragma once

#include "nouns.h"

/* What was heard: everything the judgement may use. */
struct heard {
	enum stage stage;
	unsigned code;	       /* 0: none, the connection ended */
	struct slice enhanced; /* "5.1.1" or empty; only if its class is the code's (RFC 2034 4) */
	struct slice text;     /* after the codes, lines joined by '\n'; any bytes */
	struct slice provider; /* name of the site, "google", or empty */
};

struct verdict verdict_of(const struct heard *heard);

/* "5.1.1 rest" → enhanced "5.1.1", text "rest"; without one, empty and the whole. Taken only if well formed and of
 * the class of code. */
void verdict_split(unsigned code, struct slice line, struct slice *enhanced, struct slice *text);
