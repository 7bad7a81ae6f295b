/* Asking for a domain's MTA-STS policy, on a worker: its TXT record first; then, where that names a policy which is not
 * known, the addresses of its policy host, and a fetch (sts.h).
 *
 *     home->policy_ask.answered = on_policy;
 *     sts_ask(worker, &home->policy_ask, home->name);      later, or from inside
 *     static void on_policy(struct sts_ask *ask, struct sts_policy *policy) { ... sts_policy_free(policy) ... }
 *
 * The answer comes in about a minute at the latest. What is known and only wants to be fetched again is told at once,
 * and fetched behind the back. */
#pragma once

#include "sts.h"

struct sts_ask {
	void (*answered)(struct sts_ask *ask, struct sts_policy *policy); /* the callee gets one count; NULL: none */
	struct sts_question *question;					  /* under way; NULL: none */
};

void sts_ask(struct worker *worker, struct sts_ask *ask, struct slice domain);
/* All that is under way is never answered. After sts_stop, before dns_free. */
void sts_asks_free(struct worker *worker);
