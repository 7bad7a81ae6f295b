/* Rights: which tenants, pools and envelope senders the configuration knows, as intake needs them. All borrowed. */
#pragma once

#include "queue/refusal.h"

struct rights_tenant {
	struct slice name;
	const struct slice *from;  /* patterns of envelope senders, "*@acme.example"; none: any */
	const struct slice *pools; /* names; none: any */
	unsigned nfrom, npools;
};

struct rights {
	const struct slice *pools;
	const struct rights_tenant *tenants; /* none: every name will do */
	unsigned npools, ntenants;
};

/* NULL if there is none of that name. */
const struct rights_tenant *rights_tenant(const struct rights *rights, struct slice name);
/* May this sender be used by the tenant (NULL: anybody)? Letters of either case are alike; * and ? stand for others. */
bool rights_sender(const struct rights_tenant *tenant, struct slice from);
/* Is it the pool that the tenant's jobs use anyway? */
bool rights_pool_is_own(const struct rights *rights, struct slice tenant, struct slice pool);
/* May a job of this tenant ("": none) use this pool ("": whatever is configured)? E_TENANT or E_POOL if not. */
bool rights_check(const struct rights *rights, struct slice tenant, struct slice pool, struct refusal *refusal);
