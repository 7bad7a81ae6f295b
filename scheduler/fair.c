/* Virtual time at every level (stride scheduling): a share's pass is what it has had, divided by its weight; the least
 * pass is next. A newcomer starts at the pass of the last one served, so that it neither waits for the past of others
 * nor has to be waited for. A share that could not use its turns (out of budget, held) may come back with a claim, but
 * never more than CREDIT recipients of it.
 *
 * The heaps are searched as trees: a branch whose root has no less pass than the best found is not looked at, and those
 * who may not send now (their budget, their sources) are passed by without moving them. Rejected: a queue of lists
 * alone, where who has the most lists has the most mail; deficit round robin over campaigns, which makes a newcomer
 * wait for a round of ten thousand. */
#include "scheduler/fair.h"

#include "scheduler/site.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { UNIT = 1 << 20 /* of pass, a recipient at weight 1 */, CREDIT = 256, HEAP_FIRST = 2, CAMPAIGN_MAX = 256 };

/* The root, a tenant of it, or a campaign of that. */
struct share {
	struct map_node node; /* by name, among its parent's */
	struct share *parent; /* NULL: the root */
	uint64_t pass, clock; /* what it has had; the pass of the last one served below it */
	unsigned nlists;
	unsigned at;	       /* its place in the parent's heap, plus 1; 0: nothing of it has a turn */
	unsigned nheap, room;  /* length of heap */
	struct share **heap;   /* owned: shares below that have a turn, the least pass first */
	struct map below;      /* tenants, campaigns */
	struct tenant *tenant; /* of a tenant's share: borrowed */
	struct list turns;     /* of a campaign's: lists, in turn */
	char text[];	       /* the name; of a campaign's: its sources first */
};

/* Its one list; NULL: there is none, or there are shares. */
static struct ready *only_of(const struct fair *fair)
{
	return fair->mail && fair->mail->len ? MAP_OWNER(fair->mail, struct ready, node) : NULL;
}

/* NULL while only_of says it all. */
static struct share *root_of(const struct fair *fair)
{
	return fair->mail && !fair->mail->len ? MAP_OWNER(fair->mail, struct share, node) : NULL;
}

static void heap_put(struct share *parent, unsigned at, struct share *share)
{
	parent->heap[at] = share;
	share->at = at + 1;
}

static void heap_up(struct share *parent, unsigned at, struct share *share)
{
	for (; at > 0 && parent->heap[(at - 1) / 2]->pass > share->pass; at = (at - 1) / 2)
		heap_put(parent, at, parent->heap[(at - 1) / 2]);
	heap_put(parent, at, share);
}

static void heap_down(struct share *parent, unsigned at, struct share *share)
{
	for (unsigned child = 2 * at + 1; child < parent->nheap; child = 2 * at + 1) {
		if (child + 1 < parent->nheap && parent->heap[child + 1]->pass < parent->heap[child]->pass)
			child++;
		if (parent->heap[child]->pass >= share->pass)
			break;
		heap_put(parent, at, parent->heap[child]);
		at = child;
	}
	heap_put(parent, at, share);
}

static void heap_add(struct share *share)
{
	struct share *parent = share->parent;

	if (parent->nheap == parent->room) {
		parent->room = parent->room ? 2 * parent->room : HEAP_FIRST;
		parent->heap = realloc(parent->heap, parent->room * sizeof(*parent->heap));
		CHECK(parent->heap != NULL);
	}
	heap_up(parent, parent->nheap++, share);
}

static void heap_remove(struct share *share)
{
	struct share *parent = share->parent, *last = parent->heap[--parent->nheap];
	unsigned at = share->at - 1;

	share->at = 0;
	if (last == share)
		return;
	if (at > 0 && parent->heap[(at - 1) / 2]->pass > last->pass)
		heap_up(parent, at, last);
	else
		heap_down(parent, at, last);
}

/* Found, or made: below is a tenant's share or a campaign's. */
static struct share *share_below(struct share *parent, struct slice name)
{
	struct map_node *node = map_find(&parent->below, name);

	if (node)
		return MAP_OWNER(node, struct share, node);
	struct share *share = calloc(1, sizeof(*share) + name.len);

	CHECK(share != NULL);
	memcpy(share->text, name.len ? name.ptr : "", name.len);
	share->parent = parent;
	share->pass = parent->clock;
	list_init(&share->turns);
	map_add(&parent->below, &share->node, (struct slice){share->text, name.len});
	return share;
}

static void share_free(struct share *share)
{
	CHECK(share->at == 0 && share->nheap == 0);
	if (share->parent)
		map_remove(&share->parent->below, &share->node);
	map_free(&share->below);
	free(share->heap);
	free(share);
}

/* Something below has a turn: so have all above. */
static void share_wake(struct share *share)
{
	for (; share->parent && share->at == 0; share = share->parent)
		heap_add(share);
}

/* Nothing may have a turn below. */
static void share_rest(struct share *share)
{
	for (; share->parent && share->at && share->nheap == 0 && list_is_empty(&share->turns); share = share->parent)
		heap_remove(share);
}

/* A campaign of which some lists may go other ways than the rest counts as two. */
static struct share *campaign_below(struct share *tenant, const struct ready *list)
{
	struct slice name = slice_head(ready_campaign(list), CAMPAIGN_MAX);
	char key[CAMPAIGN_MAX + sizeof(list->sources)];

	memcpy(key, &list->sources, sizeof(list->sources));
	if (name.len)
		memcpy(key + sizeof(list->sources), name.ptr, name.len);
	return share_below(tenant, (struct slice){key, sizeof(list->sources) + name.len});
}

static void tree_join(struct share *root, struct ready *list)
{
	struct share *tenant = share_below(root, map_key(&list->tenant->node));
	struct share *campaign = campaign_below(tenant, list);

	tenant->tenant = list->tenant;
	list->share = campaign;
	campaign->nlists++;
	tenant->nlists++;
	root->nlists++;
}

/* A second list comes: from now on there are shares. */
static void tree_make(struct fair *fair)
{
	struct ready *first = only_of(fair);
	struct share *root = calloc(1, sizeof(*root));
	bool in_turn = first->in_turn;

	CHECK(root != NULL);
	list_init(&root->turns);
	fair->mail = &root->node;
	first->in_turn = false;
	tree_join(root, first);
	if (in_turn)
		fair_join(fair, first);
}

void fair_join(struct fair *fair, struct ready *list)
{
	if (list->in_turn)
		return;
	CHECK(!list->leasing);
	if (!fair->mail)
		fair->mail = &list->node;
	if (only_of(fair) && only_of(fair) != list)
		tree_make(fair);
	list->in_turn = true;
	if (only_of(fair))
		return;
	if (!list->share)
		tree_join(root_of(fair), list);
	list_push(&list->share->turns, &list->turn);
	share_wake(list->share);
}

void fair_rest(struct fair *fair, struct ready *list)
{
	if (!list->in_turn)
		return;
	list->in_turn = false;
	if (only_of(fair))
		return;
	list_remove(&list->turn);
	share_rest(list->share);
}

void fair_leave(struct fair *fair, struct ready *list)
{
	struct share *share = list->share, *parent;

	fair_rest(fair, list);
	if (only_of(fair) == list)
		fair->mail = NULL;
	list->share = NULL;
	for (; share; share = parent) {
		parent = share->parent;
		CHECK(share->nlists > 0);
		if (--share->nlists == 0) {
			if (!parent)
				fair->mail = NULL;
			share_free(share);
		}
	}
}

struct choice {
	unsigned lane;
	bool bulk;
	uint64_t now_ms, wake_ms;
};

/* False, and when to look again, if the tenant's budget is used up, or enough of its mail is here. */
static bool may_spend(const struct tenant *tenant, struct choice *choice)
{
	uint64_t free_ms = tenant->terms.budget ? budget_next_ms(tenant->terms.budget, choice->now_ms) : 0;

	if (!free_ms && choice->bulk && tenant_room(tenant, 1) == 0)
		free_ms = choice->now_ms + tenant_patience_ms(tenant);
	if (free_ms && (choice->wake_ms == 0 || free_ms < choice->wake_ms))
		choice->wake_ms = free_ms;
	return free_ms == 0;
}

static bool may_carry(uint64_t sources, const struct choice *choice)
{
	return sources >> choice->lane & 1;
}

/* Of a campaign's: who may send it, which all its lists agree on. */
static uint64_t sources_of(const struct share *campaign)
{
	uint64_t sources;

	memcpy(&sources, campaign->text, sizeof(sources));
	return sources;
}

static struct ready *share_choose(const struct share *share, struct choice *choice);

/* The best of the branch at `at`, if it has less pass than *best. */
static void heap_choose(const struct share *parent, unsigned at, struct choice *choice, const struct share **best,
			struct ready **found)
{
	if (at >= parent->nheap || (*best && parent->heap[at]->pass >= (*best)->pass))
		return;
	struct ready *list = share_choose(parent->heap[at], choice);

	if (list) {
		*best = parent->heap[at];
		*found = list;
		return;
	}
	heap_choose(parent, 2 * at + 1, choice, best, found);
	heap_choose(parent, 2 * at + 2, choice, best, found);
}

static struct ready *share_choose(const struct share *share, struct choice *choice)
{
	const struct share *best = NULL;
	struct ready *found = NULL;
	struct list *link = list_first(&share->turns);

	if (share->tenant && !may_spend(share->tenant, choice))
		return NULL;
	if (link)
		return may_carry(sources_of(share), choice) ? LIST_OWNER(link, struct ready, turn) : NULL;
	heap_choose(share, 0, choice, &best, &found);
	return found;
}

struct ready *fair_choose(const struct fair *fair, unsigned lane, bool bulk, uint64_t now_ms, uint64_t *wake_ms)
{
	struct choice choice = {lane, bulk, now_ms, *wake_ms};
	struct ready *found = NULL, *only = only_of(fair);

	CHECK(lane < 64);
	if (only && only->in_turn && may_carry(only->sources, &choice) && may_spend(only->tenant, &choice))
		found = only;
	else if (root_of(fair))
		found = share_choose(root_of(fair), &choice);
	if (!found)
		*wake_ms = choice.wake_ms;
	return found;
}

/* What so many recipients cost a share, of pass. */
static uint64_t cost(const struct share *share, unsigned recipients)
{
	unsigned weight = share->tenant && share->tenant->terms.weight ? share->tenant->terms.weight : 1;

	return (uint64_t)recipients * UNIT / weight;
}

void fair_charge(struct ready *list, unsigned recipients)
{
	if (!list->share)
		return;
	for (struct share *share = list->share, *parent; (parent = share->parent); share = parent) {
		uint64_t credit = (uint64_t)CREDIT * UNIT, least = parent->clock > credit ? parent->clock - credit : 0;

		if (share->pass > parent->clock)
			parent->clock = share->pass;
		else if (share->pass < least)
			share->pass = least;
		share->pass += cost(share, recipients);
		if (share->at)
			heap_down(parent, share->at - 1, share);
	}
}

void fair_refund(struct ready *list, unsigned recipients)
{
	if (!list->share)
		return;
	for (struct share *share = list->share; share->parent; share = share->parent) {
		uint64_t back = cost(share, recipients);

		share->pass -= back < share->pass ? back : share->pass;
		if (share->at)
			heap_up(share->parent, share->at - 1, share);
	}
}

bool fair_has_turn(const struct fair *fair)
{
	const struct ready *only = only_of(fair);

	return only ? only->in_turn : fair->mail && root_of(fair)->nheap > 0;
}

bool fair_is_alone(const struct fair *fair)
{
	return !root_of(fair) || root_of(fair)->nlists == 1;
}
