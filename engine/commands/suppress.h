/* What the four suppress commands share: suppress.c has the command line and the changes, suppress_shown.c what is only
 * read. */
#pragma once

#include "client.h"

#include "queue/mailbox.h"
#include "queue/suppression.h"

struct suppress {
	const struct arguments *arguments;
	struct client client;
	unsigned nshards;
	struct slice tenant;	    /* empty: everybody's list */
	bool has_tenant;	    /* --tenant was given */
	uint64_t keep_s;	    /* add */
	struct slice by, reason;    /* add; list: only those with this reason */
	struct outbuf batch;	    /* "domain\0field\0" for each */
	unsigned nbatch, shard;	    /* addresses in it; the shard of all of them */
	uint64_t asked, changed;    /* addresses; of them, those for which something changed */
	bool wrong;		    /* a bad address was said */
	struct outbuf out, scratch; /* results; a field's name */
};

/* "hikyaku:{N}" and more, of the shard of this domain; valid until the next. */
struct slice suppress_key(struct suppress *suppress, struct slice domain, const char *more);
/* One address: is it on the list? Without a tenant everybody's and all tenants' entries are told. */
bool suppress_check(struct suppress *suppress, const struct mailbox *mailbox);
/* All of them, or the tenant's. EXIT_DONE or what went wrong. */
int suppress_list(struct suppress *suppress);
