/* The suppression list: addresses to which nothing is sent any more, because verdicts or people said so.
 *
 * It lies in Redis, in the shard of the address's domain, in one HASH a domain (lua/1_suppression.lua). An entry is a
 * tenant's, or everybody's (no tenant), and is over some day. Local parts are compared in lower case; the domain is in
 * the form of mailbox.h. An entry may also only count: verdicts that are not enough yet.
 *
 *     suppression_field(&field, tenant, address);                   "acme:ann", the field of its domain's HASH
 *     if (suppression_read(value, &entry) && !entry.counts) say(entry.reason);
 *
 * Which verdicts suppress is policy and in suppressor.h of the engine. */
#pragma once

#include "base/outbuf.h"

enum { SUPPRESSION_REASON_MAX = 100, SUPPRESSION_BATCH_MAX = 500 };

struct suppression {
	struct slice reason;	   /* borrowed from the value, like by; of one that counts: the category */
	struct slice by;	   /* "verdict", or who put it there */
	uint64_t since_s, until_s; /* until 0: for good */
	bool counts;		   /* it only counts; since_s is the first verdict */
	uint64_t verdicts;	   /* of one that counts: how many so far */
};

/* Appends "TENANT:local". The address must have an @. */
void suppression_field(struct outbuf *out, struct slice tenant, struct slice address);
/* What is behind the last @. */
struct slice suppression_domain(struct slice address);
/* The value of a field; false if it is none. */
bool suppression_read(struct slice value, struct suppression *entry);
/* A reason or a name as it may stand in an entry: printable, short, by without blanks. */
bool suppression_reason_is_fine(struct slice reason);
bool suppression_by_is_fine(struct slice by);

/* A verdict that counts against an address, as hikyaku_suppress takes it. */
struct suppression_verdict {
	struct slice tenant, address; /* borrowed for the call; tenant empty: everybody's list */
	struct slice category;
	unsigned need;	  /* so many suppress, */
	uint64_t apart_s; /* the first and the last at least so far apart */
	uint64_t keep_s, window_s;
};
