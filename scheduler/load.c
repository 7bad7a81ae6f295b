/* The name with the most is found as it is counted: what is compared only grows while a second lasts. */
#include "scheduler/load.h"

#include "scheduler/book.h"

void load_count(struct site *site, unsigned recipients)
{
	struct loads *loads = &site->limits->scheduler->loads;
	struct namesakes *namesakes = site->traffic->namesakes;

	loads->sent += recipients;
	if (!namesakes)
		return;
	if (namesakes->load.second != loads->second)
		namesakes->load.sent = 0;
	namesakes->load.second = loads->second;
	namesakes->load.sent += recipients;
	if (!loads->most || namesakes->load.sent > loads->most->load.sent)
		loads->most = namesakes;
}

void load_watch(struct namesakes *namesakes)
{
	if (list_is_empty(&namesakes->load.looked_at))
		list_push(&namesakes->scheduler->loads.looked_at, &namesakes->load.looked_at);
}

void load_end(struct namesakes *namesakes)
{
	struct loads *loads = &namesakes->scheduler->loads;

	list_remove(&namesakes->load.looked_at);
	if (loads->most == namesakes)
		loads->most = NULL;
}

const struct list *loads(const struct scheduler *scheduler)
{
	return &scheduler->loads.looked_at;
}

/* It rests, is slowed down, or has shown how much it takes. One exchanger that cannot be reached has others beside it.
 */
static bool is_choosy(const struct lane *lane, uint64_t now_ms)
{
	if (lane_is_resting(lane, now_ms) || lane_is_slowed(lane, now_ms))
		return true;
	LIST_EACH (link, &lane->exchangers)
		if (exchanger_is_paced(exchanger_of(link)) || exchanger_of(link)->crowd.edge)
			return true;
	return false;
}

static void look_at_site(struct namesakes *namesakes, const struct site *site, uint64_t now_ms)
{
	for (unsigned i = 0; i < site->nlanes; i++) {
		namesakes->load.plenty |= site->lanes[i]->plenty || fair_has_turn(&site->bulk);
		if (is_choosy(site->lanes[i], now_ms))
			atomic_store_explicit(&namesakes->common->choosy_ms, now_ms, memory_order_relaxed);
	}
}

static void look_at(struct namesakes *namesakes, uint64_t second, uint64_t now_ms)
{
	namesakes->load.plenty = false;
	if (namesakes->load.second != second)
		namesakes->load.sent = 0;
	LIST_EACH (link, &namesakes->sites)
		look_at_site(namesakes, LIST_OWNER(link, struct traffic, of_name)->site, now_ms);
}

static void on_split(void *who, struct slice name)
{
	struct scheduler *scheduler = who;
	struct map_node *node = map_find(&scheduler->namesakes, name);

	if (node)
		load_watch(MAP_OWNER(node, struct namesakes, node));
}

static bool is_of_interest(const struct namesakes *namesakes)
{
	return namesakes->workers || namesakes->load.busy_s || common_parts(namesakes->common) > 1;
}

uint64_t loads_look(struct scheduler *scheduler, uint64_t now_ms)
{
	struct loads *loads = &scheduler->loads;
	uint64_t sent = loads->sent;

	LIST_EACH (link, &loads->looked_at)
		if (!is_of_interest(LIST_OWNER(link, struct namesakes, load.looked_at)))
			list_remove(link);
	commons_each_split(scheduler->commons, on_split, scheduler);
	if (loads->most && loads->most->load.sent * 2 >= sent)
		load_watch(loads->most);
	LIST_EACH (link, &loads->looked_at)
		look_at(LIST_OWNER(link, struct namesakes, load.looked_at), loads->second, now_ms);
	loads->second++;
	loads->sent = 0;
	loads->most = NULL;
	return sent;
}
