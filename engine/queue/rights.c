/* Lists are searched from the front: there are few pools, and a search among a thousand tenants costs less than parsing
 * the job that names one. Patterns are the C library's, so that they mean what they mean in a shell. */
#include "queue/rights.h"

#include <fnmatch.h>
#include <stdlib.h>

const struct rights_tenant *rights_tenant(const struct rights *rights, struct slice name)
{
	for (unsigned i = 0; i < rights->ntenants; i++)
		if (slice_is(rights->tenants[i].name, name))
			return &rights->tenants[i];
	return NULL;
}

bool rights_sender(const struct rights_tenant *tenant, struct slice from)
{
	if (!tenant || tenant->nfrom == 0)
		return true;
	char *text = slice_copy(from);
	bool fits = false;

	for (unsigned i = 0; i < tenant->nfrom && !fits; i++) {
		char *pattern = slice_copy(tenant->from[i]);

		fits = fnmatch(pattern, text, FNM_NOESCAPE | FNM_CASEFOLD) == 0;
		free(pattern);
	}
	free(text);
	return fits;
}

static bool is_listed(struct slice name, const struct slice *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (slice_is(name, list[i]))
			return true;
	return false;
}

bool rights_check(const struct rights *rights, struct slice tenant, struct slice pool, struct refusal *refusal)
{
	const struct rights_tenant *found = rights_tenant(rights, tenant);

	if (tenant.len && rights->ntenants && !found)
		return refuse(refusal, "E_TENANT", "tenant", "there is no tenant \"%.*s\" in the configuration",
			      SLICE_ARG(tenant));
	if (pool.len && !is_listed(pool, rights->pools, rights->npools))
		return refuse(refusal, "E_POOL", "pool", "there is no pool \"%.*s\" in the configuration",
			      SLICE_ARG(pool));
	if (found && pool.len && found->npools && !is_listed(pool, found->pools, found->npools))
		return refuse(refusal, "E_POOL", "pool", "tenant \"%.*s\" may not use pool \"%.*s\"", SLICE_ARG(tenant),
			      SLICE_ARG(pool));
	if (pool.len) /* ignored, its mail would leave from addresses that were not asked for */
		return refuse(refusal, "E_NOT_YET", "pool",
			      "a job cannot choose its pool yet; leave it out, and the pool of the tenant, domain or "
			      "site holds");
	return true;
}
