/* Written once a second by each worker into Redis, where the command reads it; nobody locks anything for it. Sites are
 * cut at a number that a person still reads; those that wait for something come first. */
#include "status.h"

#include "target.h"

enum { SITES_MAX = 200, EXCHANGERS_MAX = 8 };

/* Those with something to tell: what was learned, and who rests. */
static void write_exchangers(struct outbuf *out, const struct lane *lane, const struct worker *worker)
{
	uint64_t now_ms = worker_now_ms(worker);
	unsigned n = 0;

	outbuf_json_raw(out, "exchangers", SLICE("["));
	LIST_EACH (link, &lane->exchangers) {
		const struct exchanger *exchanger = exchanger_of(link);
		const struct allowance *allowance = exchanger->allowance;

		if (!exchanger_is_choosy(exchanger, now_ms) || n == EXCHANGERS_MAX)
			continue;
		if (n++)
			outbuf_byte(out, ',');
		outbuf_byte(out, '{');
		outbuf_json_text(out, "address", exchanger_address(exchanger));
		outbuf_json_number(out, "connections", exchanger->open + exchanger->opening);
		if (exchanger->crowd.edge)
			outbuf_json_number(out, "connections_learned", exchanger->crowd.edge);
		if (allowance && allowance->count) {
			outbuf_json_number(out, "messages_learned", allowance->count);
			outbuf_json_number(out, "window_learned", allowance->window_ms);
		}
		if (exchanger->told)
			outbuf_json_number(out, "learned", worker_wall_ms(worker) - (now_ms - exchanger->told->at_ms));
		if (exchanger_next_ms(exchanger, now_ms) > now_ms)
			outbuf_json_number(out, "until",
					   worker_wall_ms(worker) + exchanger_next_ms(exchanger, now_ms) - now_ms);
		outbuf_byte(out, '}');
	}
	outbuf_byte(out, ']');
}

static void write_lane(struct outbuf *out, const struct lane *lane, const struct worker *worker)
{
	const struct target *target = lane->site->target;
	const struct config_source *source = target ? target->sources[lane->source] : NULL;
	uint64_t now_ms = worker_now_ms(worker);

	outbuf_byte(out, '{');
	outbuf_json_text(out, "source", source ? source->name : SLICE("any"));
	outbuf_json_text(out, "waits", slice_of(lane_wait_name(lane->wait)));
	outbuf_json_text(out, "waits_for", slice_of(lane_wait_meaning(lane->wait)));
	if (lane->wait_until_ms > now_ms)
		outbuf_json_number(out, "until", worker_wall_ms(worker) + lane->wait_until_ms - now_ms);
	if (lane->why)
		outbuf_json_text(out, "why", slice_of(lane->why));
	outbuf_json_number(out, "connections", lane->open + lane->opening);
	outbuf_json_number(out, "connections_max", lane->limits->connections);
	outbuf_json_number(out, "inflight", lane->inflight);
	outbuf_json_number(out, "ready", lane->nready + lane->aside + lane->preparing);
	outbuf_json_number(out, "rate", now_ms - lane->second_ms < 2000 ? lane->sent_last_second : 0);
	outbuf_json_number(out, "delivered", lane->delivered);
	write_exchangers(out, lane, worker);
	outbuf_byte(out, '}');
}

static bool site_waits(const struct site *site)
{
	for (unsigned i = 0; i < site->nlanes; i++)
		if (site->lanes[i]->wait > LANE_WAITS_NOTHING)
			return true;
	return false;
}

static void write_site(struct outbuf *out, const struct site *site, const struct worker *worker)
{
	if (out->ptr[out->len - 1] != '[')
		outbuf_byte(out, ',');
	outbuf_byte(out, '{');
	outbuf_json_text(out, "site", site_name(site));
	if (site_shares_name(site))
		outbuf_json_text(out, "hosts", slice_skip(site_key(site), site_name(site).len + 1));
	outbuf_json_number(out, "domains", site->ndomains);
	outbuf_json_raw(out, "lanes", SLICE("["));
	for (unsigned i = 0; i < site->nlanes; i++) {
		if (i)
			outbuf_byte(out, ',');
		write_lane(out, site->lanes[i], worker);
	}
	outbuf_add(out, SLICE("]}"));
}

/* Why recipients of this worker were not accepted, since its start, and how many verdicts the breaker holds. */
static void write_refusals(struct outbuf *out, const struct worker *worker)
{
	outbuf_json_raw(out, "refusals", SLICE("{"));
	for (unsigned i = CATEGORY_NONE + 1; i < CATEGORY_COUNT; i++)
		if (worker->refusals[i])
			outbuf_json_number(out, category_name((enum category)i), worker->refusals[i]);
	outbuf_byte(out, '}');
	outbuf_json_number(out, "held_verdicts", worker->breaker.held);
}

void status_write(struct outbuf *out, const struct worker *worker)
{
	const struct map *sites = scheduler_sites(worker->scheduler);
	unsigned written = 0;

	outbuf_byte(out, '{');
	outbuf_json_number(out, "worker", worker->number);
	outbuf_json_number(out, "time", worker_wall_ms(worker));
	outbuf_json_text(out, "state",
			 worker->draining     ? SLICE("draining")
			 : worker->redis_away ? SLICE("redis away")
					      : SLICE("running"));
	outbuf_json_number(out, "sites_total", sites->count);
	outbuf_json_number(out, "unsettled", queue_unsettled(worker->queue));
	write_refusals(out, worker);
	scoreboard_write(&worker->scoreboard, out);
	if (worker->number == 0) /* the counters are the engine's, not one worker's */
		for (unsigned i = 0; i < STAT_COUNT; i++)
			outbuf_json_number(out, stat_name((enum stat)i), stat_read(worker->stats, (enum stat)i));
	outbuf_json_raw(out, "sites", SLICE("["));
	for (int waiting = 1; waiting >= 0; waiting--)
		MAP_EACH (node, sites) {
			const struct site *site = MAP_OWNER(node, struct site, node);

			if (site_waits(site) != (bool)waiting || written >= SITES_MAX)
				continue;
			write_site(out, site, worker);
			written++;
		}
	outbuf_add(out, SLICE("]}"));
}
