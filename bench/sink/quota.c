/* The times of the latest messages in a ring; a fixed window only needs its beginning, which is the first of them. */
#include "bench/sink/quota.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool quotas_read(struct quotas *quotas, const char *text)
{
	unsigned long long window_ms;

	if (sscanf(text, "%u/%llu", &quotas->messages, &window_ms) != 2 || quotas->messages == 0 ||
	    quotas->messages > QUOTA_MESSAGES_MAX / 2 || window_ms == 0)
		return false;
	quotas->window_ms = window_ms;
	quotas->slides = strstr(text, " sliding") != NULL;
	quotas->counts_refusals = strstr(text, " counted") != NULL;
	return true;
}

struct quota *quotas_find(struct quotas *quotas, unsigned listener, uint32_t client)
{
	if (quotas->messages == 0 && quotas->connections == 0)
		return NULL;
	if (!quotas->quota)
		quotas->quota = calloc(QUOTAS_MAX, sizeof(struct quota));
	CHECK(quotas->quota != NULL);
	for (unsigned i = 0; i < quotas->count; i++)
		if (quotas->quota[i].listener == listener && quotas->quota[i].client == client)
			return &quotas->quota[i];
	if (quotas->count == QUOTAS_MAX)
		return NULL;
	quotas->quota[quotas->count] = (struct quota){.listener = listener, .client = client};
	return &quotas->quota[quotas->count++];
}

bool quota_connect(const struct quotas *quotas, struct quota *quota)
{
	if (!quota)
		return true;
	if (quotas->connections && quota->open >= quotas->connections)
		return false;
	quota->open++;
	return true;
}

void quota_disconnect(struct quota *quota)
{
	if (quota)
		quota->open--;
}

static void pass_time(const struct quotas *quotas, struct quota *quota, uint64_t now_ms)
{
	if (!quotas->slides && quota->n && quota->at_ms[quota->first] + quotas->window_ms <= now_ms)
		quota->n = 0;
	while (quota->n && quota->at_ms[quota->first] + quotas->window_ms <= now_ms) {
		quota->first = (quota->first + 1) % QUOTA_MESSAGES_MAX;
		quota->n--;
	}
}

bool quota_message(const struct quotas *quotas, struct quota *quota, uint64_t now_ms)
{
	bool takes;

	if (!quota || quotas->messages == 0)
		return true;
	pass_time(quotas, quota, now_ms);
	takes = quota->n < quotas->messages;
	if ((takes || quotas->counts_refusals) && quota->n < QUOTA_MESSAGES_MAX) {
		quota->at_ms[(quota->first + quota->n) % QUOTA_MESSAGES_MAX] = now_ms;
		quota->n++;
	}
	return takes;
}
