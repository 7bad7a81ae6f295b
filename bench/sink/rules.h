/* What the sink answers to whom: rules of one line, the first that fits decides.
 *
 *     PATTERN STAGE [SHARE%] [first N] [delay MS] [ANSWER]
 *
 * PATTERN  a glob over the recipient's address ("*@slow.test"); for the stages connect and ehlo over "" (use *)
 * STAGE    connect, ehlo, mail, rcpt, data, eom
 * SHARE%   only this share of all addresses, chosen by a hash of the address: the same ones every time
 * first N  only the first N times this address is tried (greylisting: first 1)
 * delay MS the reply is held back so long
 * ANSWER   a reply ("550 5.1.1 unknown user"), `drop` (close without a word), `mute` (never answer); without one
 *          only the delay applies
 *
 * A rule for mail, data or eom looks at the first recipient of the transaction (mail: at none, so use *). */
#pragma once

#include "base/slice.h"

enum rule_stage { RULE_CONNECT, RULE_EHLO, RULE_MAIL, RULE_RCPT, RULE_DATA, RULE_EOM, RULE_STAGES };
enum rule_kind { RULE_PASS, RULE_REPLY, RULE_DROP, RULE_MUTE };

enum { RULES_MAX = 64 };

struct rule {
	char pattern[128], reply[256];
	enum rule_stage stage;
	enum rule_kind kind;
	unsigned share_percent, first, delay_ms; /* share 0: all; first 0: always */
};

struct rules {
	struct rule rule[RULES_MAX];
	unsigned count;
	unsigned at_stage[RULE_STAGES]; /* how many there are: most stages have none */
};

/* Adds one line. False with a sentence in why. */
bool rules_add(struct rules *rules, const char *line, char *why, size_t why_size);
/* The rule that decides, or NULL. tries: how often this address was tried before. */
const struct rule *rules_find(const struct rules *rules, enum rule_stage stage, struct slice address, unsigned tries);
/* Does any rule need to know how often an address was tried? */
bool rules_count_tries(const struct rules *rules);
