/* The book of policies: what each domain's MTA-STS policy was when it was fetched, for how long it holds, and when it
 * may be fetched again (RFC 8461 3.3, 5.1, 10.2). Pure: time is an argument, in milliseconds of the wall clock, for
 * policies outlive the process.
 *
 *     switch (sts_book_need(&book, domain, id, now_ms, &policy)) {
 *     case STS_WAIT:    fetch it and wait: the domain says it has a policy that we do not know
 *     case STS_REFRESH: fetch it, and go on with policy meanwhile
 *     case STS_GO_ON:   policy is what holds; NULL: none
 *     }
 *     sts_book_fetched(&book, domain, id, policy, now_ms);     or sts_book_failed
 *
 * A policy holds until max_age is over, whatever becomes of its TXT record or its host. No lock: the owner's. */
#pragma once

#include "tls/sts.h"

#include "base/list.h"
#include "base/map.h"

enum sts_need { STS_GO_ON, STS_REFRESH, STS_WAIT };

enum {
	STS_DAY_MS = 24 * 3600 * 1000,
	STS_AGAIN_MS = 5 * 60 * 1000,	    /* after a fetch that failed, for the same id (RFC 8461 3.3) */
	STS_REFRESH_AGAIN_MS = 3600 * 1000, /* ... where a policy holds meanwhile */
	STS_REFRESH_ALARM = 3		    /* refreshes that failed in a row before somebody should know */
};

struct sts_entry {
	struct map_node node;	   /* by domain, which is of the same memory */
	struct sts_policy *policy; /* counted; NULL: none was ever fetched */
	char id[STS_ID_MAX + 1];   /* of the policy */
	int64_t fetched_ms, expires_ms;
	char tried_id[STS_ID_MAX + 1]; /* of the last fetch that failed */
	int64_t tried_ms;
	unsigned failures;   /* in a row */
	const char *fault;   /* of the last fetch, as RFC 8460 4.3.2.2 has it; static, NULL: it was good. The owner's */
	bool fetching;	     /* the owner's: a fetch is under way ... */
	struct list waiting; /* ... and these wait for it */
};

struct sts_book {
	struct map entries;
};

void sts_book_free(struct sts_book *book);
/* The entry of a domain; made if there is none. */
struct sts_entry *sts_book_entry(struct sts_book *book, struct slice domain);
/* id: what the domain's TXT record says now; empty: it says nothing, or cannot be asked. *policy is borrowed, and NULL
 * unless one holds. */
enum sts_need sts_book_need(struct sts_book *book, struct slice domain, struct slice id, int64_t now_ms,
			    struct sts_policy **policy);
/* The policy of that id; takes its count. */
void sts_book_fetched(struct sts_book *book, struct slice domain, struct slice id, struct sts_policy *policy,
		      int64_t now_ms);
/* True when somebody should know: a policy that demands something could not be refreshed time and again (RFC 8461
 * 3.3). */
bool sts_book_failed(struct sts_book *book, struct slice domain, struct slice id, int64_t now_ms);
/* What holds now; borrowed, NULL: nothing. */
struct sts_policy *sts_entry_policy(const struct sts_entry *entry, int64_t now_ms);

/* An entry as text, for keeping: "ID FETCHED_MS\n" and the file; and back. False: it is no such text, or is over. */
struct outbuf;
void sts_entry_write(const struct sts_entry *entry, struct outbuf *out);
bool sts_book_restore(struct sts_book *book, struct slice domain, struct slice text, int64_t now_ms);
