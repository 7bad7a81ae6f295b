/* Domains and their ready lists: small things that come and go with the mail. A list is forgotten when it is drained
 * (Redis tells us when it fills again), a domain when it has no list and nothing outstanding. */
#include "scheduler/book.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

struct domain *book_domain(struct scheduler *scheduler, struct slice name)
{
	struct map_node *node = map_find(&scheduler->domains, name);

	if (node)
		return MAP_OWNER(node, struct domain, node);
	struct domain *domain = calloc(1, offsetof(struct domain, text) + name.len);

	CHECK(domain != NULL);
	memcpy(domain->text, name.ptr, name.len);
	list_init(&domain->lists);
	list_init(&domain->asking);
	map_add(&scheduler->domains, &domain->node, (struct slice){domain->text, name.len});
	return domain;
}

void book_forget_domain(struct scheduler *scheduler, struct domain *domain)
{
	if (domain->outstanding || !list_is_empty(&domain->lists))
		return;
	list_remove(&domain->asking);
	if (domain->site) {
		CHECK(domain->site->ndomains > 0);
		if (--domain->site->ndomains == 0)
			book_look(scheduler, domain->site);
	}
	map_remove(&scheduler->domains, &domain->node);
	free(domain);
}

void book_move_domain(struct scheduler *scheduler, struct domain *domain, struct site *site)
{
	struct site *before = domain->site;

	if (before == site)
		return;
	LIST_EACH (link, &domain->lists) {
		struct ready *list = LIST_OWNER(link, struct ready, of_domain);

		if (before)
			fair_leave(ready_fair(list), list);
	}
	site->ndomains++;
	domain->site = site;
	if (before && --before->ndomains == 0)
		book_look(scheduler, before);
}

/* Up to the next colon; an address literal's own colons are between brackets. */
static struct slice take_domain(struct slice *rest)
{
	size_t skip = slice_starts(*rest, SLICE("[")) ? slice_find(*rest, ']') : 0;
	size_t end = skip + slice_find(slice_skip(*rest, skip), ':');
	struct slice domain = slice_head(*rest, end);

	*rest = slice_skip(*rest, end + 1);
	return domain;
}

/* "t:a.example:acme:nov": class, domain, tenant, campaign; or "t:a.example:acme/fast:nov", with a pool. */
static void read_name(struct scheduler *scheduler, struct ready *list)
{
	struct slice name = ready_name(list), rest = name, pool;

	list->transactional = slice_is(slice_until(&rest, ':'), SLICE("t"));
	list->domain = book_domain(scheduler, take_domain(&rest));
	pool = slice_until(&rest, ':');
	list->tenant = book_tenant(scheduler, slice_until(&pool, '/'));
	list->campaign_at = (uint16_t)(name.len - rest.len);
	list->pool_at = pool.len ? (uint16_t)(pool.ptr - name.ptr) : 0;
}

struct ready *book_list(struct scheduler *scheduler, struct slice name)
{
	struct map_node *node = map_find(&scheduler->lists, name);

	if (node)
		return MAP_OWNER(node, struct ready, node);
	struct ready *list = calloc(1, offsetof(struct ready, text) + name.len);

	CHECK(list != NULL && name.len > 0 && name.len <= UINT16_MAX);
	memcpy(list->text, name.ptr, name.len);
	list->sources = UINT64_MAX;
	map_add(&scheduler->lists, &list->node, (struct slice){list->text, name.len});
	read_name(scheduler, list);
	list->tenant->nlists++;
	list_push(&list->domain->lists, &list->of_domain);
	return list;
}

void book_forget_list(struct scheduler *scheduler, struct ready *list)
{
	struct domain *domain = list->domain;

	CHECK(!list->leasing);
	if (domain->site)
		fair_leave(ready_fair(list), list);
	list_remove(&list->of_domain);
	map_remove(&scheduler->lists, &list->node);
	list->tenant->nlists--;
	book_forget_tenant(scheduler, list->tenant);
	free(list);
	book_forget_domain(scheduler, domain);
}

/* And those who send what is over for one of them. */
static uint64_t with_overflow(const struct site *site, uint64_t sources)
{
	uint64_t all = sources;

	for (unsigned i = 0; site && i < site->limits->terms.nlanes; i++)
		if (sources >> i & 1)
			all |= site->limits->terms.lanes[i]->overflow;
	return all;
}

/* What its owner says of the pool in the list's name, if there is one. */
static uint64_t pool_of(const struct scheduler *scheduler, const struct ready *list)
{
	struct slice pool = slice_skip(ready_name(list), list->pool_at);

	if (list->pool_at == 0 || !scheduler->pool_sources)
		return 0;
	return scheduler->pool_sources(scheduler->who, slice_until(&pool, ':'));
}

/* The nearest that says it: the job, else the tenant, else the domain; 0 says nothing. */
static uint64_t sources_of(const struct scheduler *scheduler, const struct ready *list)
{
	uint64_t sources = list->tenant->terms.sources ? list->tenant->terms.sources : list->domain->sources;
	uint64_t pool = pool_of(scheduler, list);

	sources = pool ? pool : sources;
	return with_overflow(list->domain->site, sources ? sources : UINT64_MAX);
}

void book_queue_list(struct scheduler *scheduler, struct ready *list)
{
	struct domain *domain = list->domain;
	uint64_t sources;

	if (!domain->site || domain->leaving || list->leasing || list->held)
		return;
	sources = sources_of(scheduler, list);
	if (sources != list->sources)
		fair_leave(ready_fair(list), list); /* the share it had was for others */
	list->sources = sources;
	fair_join(ready_fair(list), list);
	book_look(scheduler, domain->site);
}

struct tenant *book_tenant(struct scheduler *scheduler, struct slice name)
{
	struct map_node *node = map_find(&scheduler->tenants, name);

	if (node)
		return MAP_OWNER(node, struct tenant, node);
	struct tenant *tenant = calloc(1, sizeof(*tenant) + name.len);

	CHECK(tenant != NULL);
	memcpy(tenant + 1, name.len ? name.ptr : "", name.len);
	tenant_init(tenant, scheduler);
	map_add(&scheduler->tenants, &tenant->node, (struct slice){(char *)(tenant + 1), name.len});
	book_tenant_terms(scheduler, tenant);
	return tenant;
}

void book_forget_tenant(struct scheduler *scheduler, struct tenant *tenant)
{
	if (tenant->nlists || tenant->kept || tenant->asked)
		return;
	tenant_clear(tenant);
	map_remove(&scheduler->tenants, &tenant->node);
	free(tenant);
}

void book_tenant_terms(struct scheduler *scheduler, struct tenant *tenant)
{
	struct tenant_terms terms = {.weight = 1};

	if (scheduler->tenant_terms && !scheduler->tenant_terms(scheduler->who, map_key(&tenant->node), &terms))
		terms = (struct tenant_terms){.weight = 1};
	tenant->terms = terms;
}
