/* Quotas: what the sink takes from one address of a client at one of its own, as receivers count.
 *
 *     struct quota *quota = quotas_find(&quotas, listener, client);         NULL: there is no rule
 *     if (!quota_connect(&quotas, quota)) say 421;      else quota_disconnect(quota) at the end
 *     if (!quota_message(&quotas, quota, now_ms)) say 450;
 *
 * A window is fixed from its first message on, or slides. Messages that are refused count too, if so asked. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { QUOTAS_MAX = 64, QUOTA_MESSAGES_MAX = 4096 };

struct quota {
	unsigned listener;
	uint32_t client; /* IPv4 */
	unsigned open;
	uint64_t at_ms[QUOTA_MESSAGES_MAX]; /* a ring: when the latest were */
	unsigned first, n;
};

struct quotas {
	unsigned messages; /* in window_ms; 0: any number */
	uint64_t window_ms;
	bool slides, counts_refusals;
	unsigned connections; /* at a time; 0: any number */
	struct quota *quota;  /* owned */
	unsigned count;
};

/* "20/60000", then " sliding" and " counted" as wanted. */
bool quotas_read(struct quotas *quotas, const char *text);
struct quota *quotas_find(struct quotas *quotas, unsigned listener, uint32_t client);
bool quota_connect(const struct quotas *quotas, struct quota *quota);
void quota_disconnect(struct quota *quota);
bool quota_message(const struct quotas *quotas, struct quota *quota, uint64_t now_ms);
