/* Finding what holds for a domain by MTA-STS (RFC 8461), as the engine would: its TXT record, what the engine keeps in
 * Redis, and the policy's host where that must be asked. Nothing is written down.
 *
 *     struct sts_found found;
 *     sts_find(&found, &finder, domain, routes);
 *     ... found.policy, NULL: none holds ...
 *     sts_print(&found, &out);
 *     sts_found_free(&found); */
#pragma once

#include "commands/route_finder.h"

#include "tls/sts_book.h"

enum { STS_FOUND_WHY_MAX = 600 };

struct sts_found {
	struct sts_policy *policy; /* counted */
	bool kept;		   /* the engine knows it from before; else it was fetched just now */
	int64_t fetched_ms, expires_ms;
	char id[STS_ID_MAX + 1];     /* of the policy */
	char why[STS_FOUND_WHY_MAX]; /* why there is none, or none newer; empty: all is as it should be */
};

/* Waits as long as a policy host may take, a minute. */
void sts_find(struct sts_found *found, struct route_finder *finder, struct slice domain, const struct routes *routes);
void sts_found_free(struct sts_found *found);
/* A line, for people; members of a JSON object "sts". */
void sts_print(const struct sts_found *found, struct outbuf *out);
void sts_print_json(const struct sts_found *found, struct outbuf *out);
