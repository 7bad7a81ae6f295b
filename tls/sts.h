/* MTA-STS, the words of it (RFC 8461): the TXT record that says whether a domain has a policy and which, the policy's
 * file, and whether a host is one that it names. No DNS, no HTTPS, no clock: engine/sts.h fetches and keeps them.
 *
 *     struct slice id;
 *     if (sts_id(texts, ntexts, &id)) ...                       the domain has a policy, and this one
 *     struct sts_policy *policy = sts_policy_read(file, why);   NULL, with a sentence in why: it is none
 *     if (policy->mode == STS_ENFORCE && !sts_policy_names(policy, host)) ... not this host
 *     sts_policy_free(policy);
 *
 * A policy is immutable and counted; the count is atomic, for policies go from thread to thread. */
#pragma once

#include "base/slice.h"

#include <stdatomic.h>

#define STS_MODES(X)              \
	X(STS_NONE, "none")       \
	X(STS_TESTING, "testing") \
	X(STS_ENFORCE, "enforce")

enum sts_mode {
#define X(name, text) name,
	STS_MODES(X)
#undef X
};

enum { STS_ID_MAX = 32, STS_FILE_MAX = 64 * 1024, STS_AGE_S_MAX = 31557600, STS_WHY_MAX = 200 };

struct sts_policy {
	_Atomic unsigned refs; /* counted */
	enum sts_mode mode;
	uint32_t max_age_s;	/* cut to STS_AGE_S_MAX */
	struct slice file;	/* as it was read; owned, like what follows */
	const struct slice *mx; /* nmx patterns, lower case */
	unsigned nmx;
};

/* The id in the TXT records of _mta-sts.DOMAIN, strings joined (RFC 8461 3.1): borrowed from texts. False: there is not
 * exactly one record of this kind, or it is malformed; then the domain says nothing of a policy. */
bool sts_id(const struct slice *texts, unsigned ntexts, struct slice *id);

/* Reads a policy's file (RFC 8461 3.2). The caller has the one count. NULL with a sentence in why (STS_WHY_MAX bytes)
 * when it is not valid. */
struct sts_policy *sts_policy_read(struct slice file, char *why);
struct sts_policy *sts_policy_keep(struct sts_policy *policy);
/* NULL is allowed. */
void sts_policy_free(struct sts_policy *policy);

/* Whether the host, a name in lower case, is one the policy allows mail to go to (4.1): a `*` is one label. */
bool sts_policy_names(const struct sts_policy *policy, struct slice host);
const char *sts_mode_name(enum sts_mode mode);
