/* Lists are searched from the front: there are few pools, and a search among a thousand tenants costs less than parsing
 * the job that names one. Patterns are the C library's, so that they mean what they mean in a shell. */
#include "queue/rights.h"

#include <fnmatch.h>
#include <stdio.h>
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

/* "bulk, fast", as many as there is room for. */
static const char *names_of(const struct slice *list, unsigned n, char *room, size_t size)
{
	size_t at = 0;

	snprintf(room, size, "none");
	for (unsigned i = 0; i < n; i++) {
		int wrote = snprintf(room + at, size - at, "%s\"%.*s\"", i ? ", " : "", SLICE_ARG(list[i]));

		if (wrote < 0 || at + (size_t)wrote >= size) {
			room[at] = '\0';
			break;
		}
		at += (size_t)wrote;
	}
	return room;
}

bool rights_pool_is_own(const struct rights *rights, struct slice tenant, struct slice pool)
{
	const struct rights_tenant *found = rights_tenant(rights, tenant);

	return found && found->npools && slice_is(found->pools[0], pool);
}

bool rights_check(const struct rights *rights, struct slice tenant, struct slice pool, struct refusal *refusal)
{
	const struct rights_tenant *found = rights_tenant(rights, tenant);
	char names[160];

	if (tenant.len && rights->ntenants && !found)
		return refuse(refusal, "E_TENANT", "tenant", "there is no tenant \"%.*s\" in the configuration",
			      SLICE_ARG(tenant));
	if (pool.len && !is_listed(pool, rights->pools, rights->npools))
		return refuse(refusal, "E_POOL", "pool",
			      "there is no pool \"%.*s\" in the configuration; expected one of: %s", SLICE_ARG(pool),
			      names_of(rights->pools, rights->npools, names, sizeof(names)));
	if (found && pool.len && found->npools && !is_listed(pool, found->pools, found->npools))
		return refuse(refusal, "E_POOL", "pool",
			      "tenant \"%.*s\" may not use pool \"%.*s\"; expected one of: %s", SLICE_ARG(tenant),
			      SLICE_ARG(pool), names_of(found->pools, found->npools, names, sizeof(names)));
	return true;
}
