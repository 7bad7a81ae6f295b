/* Domains and their ready lists: small things that come and go with the mail. A list is forgotten when it is drained
 * (Redis tells us when it fills again), a domain when it has no list and nothing outstanding. */
#include "scheduler/book.h"

#include "base/check.h"

#include <stdlib.h>

struct domain *book_domain(struct scheduler *scheduler, struct slice name)
{
	struct map_node *node = map_find(&scheduler->domains, name);

	if (node)
		return MAP_OWNER(node, struct domain, node);
	struct domain *domain = calloc(1, sizeof(*domain));

	CHECK(domain != NULL);
	domain->name = (struct slice){slice_copy(name), name.len};
	list_init(&domain->lists);
	list_init(&domain->asking);
	map_add(&scheduler->domains, &domain->node, domain->name);
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
	free((char *)domain->name.ptr);
	free(domain);
}

/* "t:a.example:acme:nov": the class, then the domain. */
static struct slice domain_of(struct slice list)
{
	struct slice rest = list;

	slice_until(&rest, ':');
	return slice_until(&rest, ':');
}

struct ready *book_list(struct scheduler *scheduler, struct slice name)
{
	struct map_node *node = map_find(&scheduler->lists, name);

	if (node)
		return MAP_OWNER(node, struct ready, node);
	struct ready *list = calloc(1, sizeof(*list));

	CHECK(list != NULL);
	list->name = (struct slice){slice_copy(name), name.len};
	list->transactional = slice_starts(name, SLICE("t:"));
	list->domain = book_domain(scheduler, domain_of(name));
	list_init(&list->turn);
	list_push(&list->domain->lists, &list->of_domain);
	map_add(&scheduler->lists, &list->node, list->name);
	return list;
}

void book_forget_list(struct scheduler *scheduler, struct ready *list)
{
	struct domain *domain = list->domain;

	CHECK(list->leasing == NULL);
	list_remove(&list->turn);
	list_remove(&list->of_domain);
	map_remove(&scheduler->lists, &list->node);
	free((char *)list->name.ptr);
	free(list);
	book_forget_domain(scheduler, domain);
}

/* Into its site's queue, at the end: lists take turns. */
void book_queue_list(struct scheduler *scheduler, struct ready *list)
{
	struct domain *domain = list->domain;

	if (!domain->site || domain->leaving || list->leasing)
		return;
	list_remove(&list->turn);
	list_push(list->transactional ? &domain->site->urgent : &domain->site->bulk, &list->turn);
	book_look(scheduler, domain->site);
}
