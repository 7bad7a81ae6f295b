/* Local rules: what an operator knows about certain replies, asked before the built-in rules (verdict.h).
 *
 * A rule says which replies it is for (sites, stages, a pattern) and what they mean (action, scope, category, whether
 * to suppress); what it leaves open stays as the built-in rules have it. It may act only after the same was heard
 * several times on a lane, and may say what the lane should do meanwhile and for how long.
 *
 *     struct local_rule rule = {.name = "yahoo-ts", .stages = 1u << STAGE_EOM, .action = LOCAL_SLOWER, ...};
 *     if (!local_rule_compile(&rule, SLICE("^421 .*TS0[234]"), why)) refuse(why);
 *     ...
 *     const struct local_rule *found = local_rules_find(&rules, &heard, reached, who);
 *     struct verdict verdict = found ? local_rule_verdict(found, &heard) : verdict_of(&heard);
 *     local_rule_free(&rule);
 *
 * The pattern is a PCRE2 one and is tried on the reply as one line: code, enhanced code, text, with every line end as a
 * blank, LOCAL_SUBJECT_MAX bytes at most. Bytes are bytes: a reply need not be UTF-8. Case counts unless the pattern
 * begins with (?i). What a pattern may cost is bounded; one that costs more does not fit.
 *
 * Rules are only read once they are made, so threads may share them. */
#pragma once

#include "smtp/verdict.h"

enum { LOCAL_SUBJECT_MAX = 4096, LOCAL_WHY_MAX = 256, LOCAL_AFTER_MAX = 100 };

/* What a rule may say to do: the verdicts, and three things with a lane. The name is the contract's. */
#define LOCAL_ACTIONS(X)                                                                                  \
	X(LOCAL_AS_BUILT_IN, "")                                                                          \
	X(LOCAL_LATER, "later")                                                                           \
	X(LOCAL_ELSEWHERE, "elsewhere")                                                                   \
	X(LOCAL_SLOWER, "slower")                                                                         \
	X(LOCAL_NEVER, "never")                                                                           \
	X(LOCAL_PAUSE, "pause")		    /* the site, or what `scope` says, rests for a while */       \
	X(LOCAL_OTHER_MX, "other-mx")	    /* this connection ends; another host of the site is tried */ \
	X(LOCAL_REST_SOURCE, "rest-source") /* this source rests at this site; others go on */

#define LOCAL_ENUM(name, text) name,
enum local_action { LOCAL_ACTIONS(LOCAL_ENUM) LOCAL_ACTION_COUNT };
#undef LOCAL_ENUM

const char *local_action_name(enum local_action action);

/* What is zero or empty is not said. */
struct local_rule {
	const char *name;	   /* borrowed, as long as anybody has a verdict of it */
	const struct slice *sites; /* borrowed: names; empty: any */
	unsigned nsites;
	unsigned stages; /* bits; 0: any */
	enum local_action action;
	enum scope scope;	/* SCOPE_COUNT: not said */
	enum category category; /* CATEGORY_NONE: not said */
	enum { LOCAL_SUPPRESS_AS_BUILT_IN, LOCAL_SUPPRESS_NOT, LOCAL_SUPPRESS } suppress;
	uint64_t rate_count, rate_period_ms; /* of the lane while it is slowed down */
	uint64_t for_ms;		     /* how long the action holds */
	unsigned after_count;		     /* so often within after_ms, before it acts */
	uint64_t after_ms;
	struct slice pattern;	 /* borrowed, for people */
	struct local_code *code; /* owned: the compiled pattern; NULL: any reply fits */
};

struct local_rules {
	struct local_rule *rule; /* borrowed */
	unsigned count;
};

/* False, and why, if the pattern is none. An empty one fits every reply. */
bool local_rule_compile(struct local_rule *rule, struct slice pattern, char why[LOCAL_WHY_MAX]);
void local_rule_free(struct local_rule *rule);

/* The first rule that fits and has been met often enough: reached is asked about each that fits and has `after`; NULL:
 * all are. Only refusals (4yz and 5yz) have rules. NULL if there is none. */
const struct local_rule *local_rules_find(const struct local_rules *rules, const struct heard *heard,
					  bool (*reached)(void *who, const struct local_rule *rule), void *who);
/* What the reply means by this rule. An address is suppressed only where it is refused for good. */
struct verdict local_rule_verdict(const struct local_rule *rule, const struct heard *heard);

/* How often one rule was met on one lane lately: the times of the last `after` meetings. */
struct local_tally {
	unsigned n, next;  /* kept; where the next one goes, over the oldest when all are */
	uint64_t met_ms[]; /* after_count of them */
};

/* An empty one for a rule with `after`; free(). */
struct local_tally *local_tally_new(const struct local_rule *rule);
/* Counts a meeting; true if that makes enough of them. */
bool local_tally_meet(struct local_tally *tally, const struct local_rule *rule, uint64_t now_ms);
