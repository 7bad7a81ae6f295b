/* Letters: what homes and owners of domains say to each other (home.h), by the kernel's MSG_RING; within one worker, a
 * call. They carry copies; nothing in them points into the sender's memory. What a worker grants itself is one and the
 * same. Between two workers they arrive in the order in which they were sent. */
#pragma once

#include "worker.h"

struct routes;
struct sts_policy;

enum letter_kind {
	LETTER_GRANT,	 /* from the home: the domain's mail may be leased; with a list that has some, or none */
	LETTER_RELEASE,	 /* lease nothing more of it */
	LETTER_UNUSED,	 /* is anything of it left? */
	LETTER_RENEW,	 /* to the home: its routes have aged */
	LETTER_WAITS,	 /* the list may have mail, for whom it is granted to next */
	LETTER_SHARE,	 /* the list has more mail than one worker sends soon */
	LETTER_RELEASED, /* nothing of it is left, after RELEASE or UNUSED */
	LETTER_USED	 /* something is, after UNUSED */
};

/* Copies domain, list and, for another worker, routes; the rest is counted once more. Routes and policy: of a GRANT,
 * else NULL. */
void letter_send(struct worker *from, unsigned to, enum letter_kind kind, struct slice domain, struct slice list,
		 struct routes *routes, struct sts_policy *policy);
