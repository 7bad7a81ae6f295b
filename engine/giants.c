/* A list is told to all parts when a lease has left enough for another one; what is less is not worth the asking. That
 * a worker is too slow is told by the processor time of its thread: a longer queue, or turns that take longer, would
 * also come from a receiver that is. */
#include "giants.h"

#include "home.h"
#include "site_key.h"

#include "base/log.h"

enum {
	SHARED_FROM = 64, /* records left in a list */
	BUSY_PERCENT = 90,
	BUSY_S = 5,
	CALM_PERCENT = 50,
	CALM_S = 60,
	CHOOSY_MS = 60000 /* a site that was choosy has one part for so long */
};

struct giant giant_of(const struct worker *worker, struct slice domain, const struct routes *routes)
{
	unsigned nworkers = worker->engine->nworkers, parts;
	struct outbuf name = {0};
	struct giant giant;

	site_key_name(worker->config, domain, routes, &name);
	giant.owner = (unsigned)(slice_hash(outbuf_slice(&name)) % nworkers);
	giant.workers = 1ull << giant.owner;
	parts = commons_parts(&worker->engine->commons, outbuf_slice(&name));
	outbuf_free(&name);
	if (parts > 1 && site_key_standing(worker->config, domain, routes) != SITE_ORDINARY)
		parts = 1; /* it has limits of its own, which are counted by one */
	for (unsigned i = 1; i < parts; i++)
		giant.workers |= 1ull << (giant.owner + i) % nworkers;
	return giant;
}

void giants_share(struct worker *worker, struct ready *list, uint64_t remaining)
{
	const struct site *site = list->domain->site;
	const struct namesakes *namesakes = site->traffic ? site->traffic->namesakes : NULL; /* none: it has moved */
	unsigned parts = namesakes && site->standing == SITE_ORDINARY ? common_parts(namesakes->common) : 1;

	if (parts <= list->parts_told)
		list->parts_told = (uint8_t)parts;
	else if (parts > 1 && remaining >= SHARED_FROM && !list->domain->leaving) {
		list->parts_told = (uint8_t)parts;
		home_share(worker, domain_name(list->domain), ready_name(list));
	}
}

static unsigned most_parts(const struct worker *worker, const struct namesakes *namesakes)
{
	return worker->engine->nworkers < namesakes->parts_max ? worker->engine->nworkers : namesakes->parts_max;
}

/* By how busy we are. */
static unsigned parts_needed(struct load *load, unsigned parts, unsigned cpu_percent, uint64_t sent_by_all)
{
	bool busy = load->plenty && cpu_percent >= BUSY_PERCENT && load->sent * 2 >= sent_by_all;
	bool calm = !load->plenty || cpu_percent < CALM_PERCENT;

	load->busy_s = busy ? load->busy_s + 1 : 0;
	load->calm_s = calm ? load->calm_s + 1 : 0;
	if (load->busy_s >= BUSY_S) {
		load->busy_s = 0;
		return parts * 2;
	}
	return load->calm_s >= CALM_S ? 1 : parts;
}

static void decide(struct worker *worker, struct namesakes *namesakes, unsigned cpu_percent, uint64_t sent_by_all,
		   uint64_t now_ms)
{
	struct common *common = namesakes->common;
	unsigned parts = common_parts(common), most = most_parts(worker, namesakes);
	unsigned goal = parts_needed(&namesakes->load, parts, cpu_percent, sent_by_all);
	uint64_t choosy_ms = atomic_load(&common->choosy_ms);

	if (namesakes->workers)
		goal = namesakes->workers;
	if (choosy_ms && now_ms < choosy_ms + CHOOSY_MS)
		goal = 1;
	if (goal > most)
		goal = most;
	if (goal == parts)
		return;
	common_split(&worker->engine->commons, common, goal);
	log_info("site %s: served by %u worker%s from now on", LOG_TEXT(map_key(&namesakes->node)), goal,
		 goal == 1 ? "" : "s");
}

static unsigned percent_of(uint64_t part, uint64_t whole)
{
	return whole ? (unsigned)(part * 100 / whole) : 0;
}

/* Of its thread, since the last look. */
static unsigned cpu_percent(struct worker *worker, uint64_t now_ms)
{
	uint64_t cpu_ms = ring_cpu_ms(worker->ring);
	unsigned percent = percent_of(cpu_ms - worker->look_cpu_ms, now_ms - worker->look_ms);

	worker->look_cpu_ms = cpu_ms;
	worker->look_ms = now_ms;
	return percent;
}

void giants_tick(struct worker *worker, uint64_t now_ms)
{
	unsigned merges = atomic_load(&worker->engine->commons.merges), percent = cpu_percent(worker, now_ms);
	uint64_t sent;

	if (worker->engine->nworkers == 1 || worker->draining)
		return;
	sent = loads_look(worker->scheduler, now_ms);
	LIST_EACH (link, loads(worker->scheduler)) {
		struct namesakes *namesakes = LIST_OWNER(link, struct namesakes, load.looked_at);

		if (slice_hash(map_key(&namesakes->node)) % worker->engine->nworkers == worker->number)
			decide(worker, namesakes, percent, sent, now_ms);
	}
	homes_merge(worker, merges != worker->merges_seen);
	worker->merges_seen = merges;
}
