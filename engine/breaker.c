/* A cell is one party that may be mistaken: a site, a top-level domain, or the DNS as a whole. Its alarm
 * (scheduler/alarm.h) is fed what the party says; its list holds what must not be final yet.
 *
 * Rejected: to fail the first dozen and be wise afterwards (they are somebody's subscribers); to ask about each suspect
 * a second time (receivers count unknown recipients, and would count them twice). */
#include "breaker.h"

#include "outcome.h"

#include "base/check.h"
#include "base/log.h"
#include "dns/dns.h"
#include "queue/notes.h"
#include "scheduler/alarm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	HOLD_MS = 30000,     /* at most so long is a verdict held */
	DNS_QUIET_MS = 2000, /* nothing more is being learned of a top-level domain */
	HELD_MAX = 2048,     /* by one worker; what is over waits in the queue */
	CELLS_MAX = 20000,
	AGAIN_S = 300, /* while it is open the site is asked so often */
};

/* Everybody unknown: three quarters is far too many anywhere. */
static const struct alarm_terms site_terms = {
	.usual = 0.1, .usual_max = 0.4, .far = 0.75, .raise = 25, .calm = 5, .forget_ms = 600000};
static const struct alarm_terms tld_terms = {
	.usual = 0.1, .usual_max = 0.4, .far = 0.75, .raise = 25, .calm = 5, .forget_ms = 600000};
/* The whole DNS: half of what is asked may lie below one top-level domain, and is no evidence against the others. */
static const struct alarm_terms dns_terms = {
	.usual = 0.1, .usual_max = 0.4, .far = 0.9, .raise = 25, .calm = 5, .forget_ms = 600000};

struct cell {
	struct map_node node;
	struct alarm alarm;
	const struct alarm_terms *terms;
	struct list link;   /* of the breaker while it holds something */
	struct list held;   /* the oldest first */
	uint64_t last_hash; /* of the domain last told (of the DNS: the top-level domain); told twice it counts once */
	char name[];
};

/* A verdict that is not final yet, with all that is borrowed in it copied. */
struct held {
	struct list link;
	struct delivery *delivery;
	struct outcome outcome;
	struct attempt attempt;
	uint64_t since_ms;
	struct arena arena; /* owns the texts */
};

void breaker_init(struct breaker *breaker)
{
	*breaker = (struct breaker){0};
	list_init(&breaker->holding);
}

static struct cell *cell_find(const struct breaker *breaker, struct slice name)
{
	struct map_node *node = map_find(&breaker->cells, name);

	return node ? MAP_OWNER(node, struct cell, node) : NULL;
}

/* Cells in which nothing is going on can be made anew any time; they only forget what was usual. */
static void forget_some(struct breaker *breaker)
{
	MAP_EACH (node, &breaker->cells) {
		struct cell *cell = MAP_OWNER(node, struct cell, node);

		if (alarm_is_suspicious(&cell->alarm) || !list_is_empty(&cell->held))
			continue;
		map_remove(&breaker->cells, node);
		free(cell);
	}
}

static struct cell *cell_get(struct breaker *breaker, struct slice name, const struct alarm_terms *terms)
{
	struct cell *cell = cell_find(breaker, name);

	if (cell)
		return cell;
	if (breaker->cells.count >= CELLS_MAX)
		forget_some(breaker);
	cell = calloc(1, sizeof(*cell) + name.len);
	CHECK(cell != NULL);
	memcpy(cell->name, name.ptr, name.len);
	cell->terms = terms;
	list_init(&cell->link);
	list_init(&cell->held);
	map_add(&breaker->cells, &cell->node, (struct slice){cell->name, name.len});
	return cell;
}

enum { NAME_MAX_BYTES = 300 };

static struct slice site_cell(const struct site *site, char room[NAME_MAX_BYTES])
{
	int n = snprintf(room, NAME_MAX_BYTES, "site %.*s",
			 (int)(site_name(site).len < 280 ? site_name(site).len : 280), site_name(site).ptr);

	return (struct slice){room, (size_t)n};
}

static struct slice tld_cell(struct slice domain, char room[NAME_MAX_BYTES])
{
	struct slice tld = slice_skip(domain, slice_find_last(domain, '.') + 1);
	int n = snprintf(room, NAME_MAX_BYTES, "tld %.*s", (int)(tld.len < 280 ? tld.len : 280), tld.ptr);

	return (struct slice){room, (size_t)n};
}

static bool is_believed(const struct worker *worker, const struct cell *cell)
{
	uint64_t breaker_ms = worker->config->suppression.breaker_ms;

	return breaker_ms == 0 || (cell->alarm.raised && worker_now_ms(worker) - cell->alarm.raised_ms >= breaker_ms);
}

static bool is_open(const struct worker *worker, const struct cell *cell)
{
	return cell->alarm.raised && !is_believed(worker, cell);
}

static void tell(struct worker *worker, const struct cell *cell, bool raised)
{
	struct slice what = map_key(&cell->node), kind = slice_until(&what, ' ');
	struct outbuf text = {0}, data = {0};
	bool is_site = slice_is(kind, SLICE("site"));

	if (is_site)
		outbuf_printf(&text, "site %.*s: ", SLICE_ARG(what));
	else if (what.len)
		outbuf_printf(&text, "the DNS, below .%.*s: ", SLICE_ARG(what));
	else
		outbuf_printf(&text, "the DNS: ");
	if (raised)
		outbuf_printf(&text,
			      "%u of the last %u %s do not exist, %u %% do usually; nobody fails or is suppressed for "
			      "it, the mail waits",
			      cell->alarm.met, cell->alarm.seen, is_site ? "recipients" : "domains",
			      alarm_usual_percent(&cell->alarm, cell->terms));
	else
		outbuf_printf(&text, "what it says of %s is as usual again", is_site ? "recipients" : "domains");
	log_warning("%s", LOG_TEXT(outbuf_slice(&text)));
	event_begin(&data, worker);
	outbuf_json_text(&data, "alarm", raised ? SLICE("breaker") : SLICE("breaker-over"));
	if (is_site)
		outbuf_json_text(&data, "site", what);
	else if (what.len)
		outbuf_json_text(&data, "domain", what);
	outbuf_json_text(&data, "category", is_site ? SLICE("invalid-recipient") : SLICE("bad-domain"));
	if (raised) {
		outbuf_json_number(&data, "met", cell->alarm.met);
		outbuf_json_number(&data, "seen", cell->alarm.seen);
		outbuf_json_number(&data, "usual_percent", alarm_usual_percent(&cell->alarm, cell->terms));
	}
	outbuf_json_text(&data, "text", outbuf_slice(&text));
	outbuf_byte(&data, '}');
	notes_event(queue_notes(worker->queue), SLICE("alarm"), outbuf_slice(&data));
	outbuf_free(&text);
	outbuf_free(&data);
}

/* "No" becomes "later": the words stay as they were said. While the storm lasts the site is not asked again soon. */
static void put_off(struct delivery *delivery, struct outcome *outcome, bool storm)
{
	struct worker *worker = delivery->worker;
	struct site *site = delivery->lane->site;
	struct report rest = {.kind = REPORT_REST, .delay_ms = AGAIN_S * 1000, .why = SLICE("the breaker is open")};

	outcome->verdict.action = ACTION_LATER;
	outcome->verdict.suppress = false;
	outcome->verdict.rule = "breaker";
	if (!storm)
		return;
	outcome->verdict.scope = SCOPE_SITE;
	if (outcome->verdict.retry_after_s < AGAIN_S)
		outcome->verdict.retry_after_s = AGAIN_S;
	for (unsigned i = 0; i < site->nlanes; i++)
		if (!lane_is_resting(site->lanes[i], worker_now_ms(worker)))
			scheduler_report(worker->scheduler, site->lanes[i], &rest, worker_now_ms(worker));
}

/* --- holding --- */

static struct slice keep(struct held *held, struct slice text)
{
	return text.len ? arena_copy(&held->arena, text) : SLICE_NONE;
}

static void hold(struct worker *worker, struct cell *cell, struct delivery *delivery, const struct outcome *outcome,
		 const struct attempt *attempt)
{
	struct held *held = calloc(1, sizeof(*held));

	CHECK(held != NULL);
	held->delivery = delivery;
	held->outcome = *outcome;
	held->outcome.text = keep(held, outcome->text);
	held->attempt = *attempt;
	held->since_ms = worker_now_ms(worker);
	struct slice *const texts[] = {&held->attempt.source,	 &held->attempt.source_ip, &held->attempt.mx,
				       &held->attempt.remote_ip, &held->attempt.site,	   &held->attempt.message_id,
				       &held->attempt.sender};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*texts[i] = keep(held, *texts[i]);
	list_push(&cell->held, &held->link);
	list_remove(&cell->link);
	list_push(&worker->breaker.holding, &cell->link);
	worker->breaker.held++;
}

static void release_one(struct worker *worker, struct held *held, bool later, bool storm)
{
	list_remove(&held->link);
	worker->breaker.held--;
	if (later)
		put_off(held->delivery, &held->outcome, storm);
	outcome_settle(held->delivery, &held->outcome, &held->attempt);
	arena_free(&held->arena);
	free(held);
}

/* Those held since before a time: final, or later. */
static void release(struct worker *worker, struct cell *cell, bool later, uint64_t before_ms)
{
	LIST_EACH (link, &cell->held) {
		struct held *held = LIST_OWNER(link, struct held, link);

		if (held->since_ms > before_ms)
			break;
		release_one(worker, held, later, cell->alarm.raised);
	}
	if (list_is_empty(&cell->held))
		list_remove(&cell->link);
}

static void meet(struct worker *worker, struct cell *cell, bool met)
{
	enum alarm_change change = alarm_meet(&cell->alarm, cell->terms, met, worker_now_ms(worker));

	if (change != ALARM_SAME && worker->config->suppression.breaker_ms)
		tell(worker, cell, change == ALARM_RAISED);
	if (change == ALARM_RAISED)
		release(worker, cell, !is_believed(worker, cell), UINT64_MAX);
	else if (!alarm_is_suspicious(&cell->alarm))
		release(worker, cell, false, UINT64_MAX);
}

/* --- sites --- */

/* 1: it says that there is nobody of that name; 0: that there is; -1: neither. */
static int says_nobody(const struct outcome *outcome)
{
	if (outcome->verdict.action == ACTION_DELIVERED && !outcome->uncertain)
		return 0;
	if (outcome->verdict.action != ACTION_NEVER || outcome->origin != ORIGIN_REMOTE ||
	    outcome->verdict.scope != SCOPE_RECIPIENT)
		return -1;
	return outcome->verdict.suppress || outcome->verdict.category == CATEGORY_INVALID_RECIPIENT;
}

/* Whether anything is under way at the site that will tell more soon. */
static bool is_busy(const struct site *site, uint64_t now_ms)
{
	for (unsigned i = 0; i < site->nlanes; i++) {
		const struct lane *lane = site->lanes[i];
		bool has_mail = lane->nready || lane->aside || lane->preparing || lane->asked;

		if (lane->inflight || (has_mail && lane->open + lane->opening > 0 && !lane_is_resting(lane, now_ms)))
			return true;
	}
	return false;
}

static bool site_takes(struct delivery *delivery, struct outcome *outcome, const struct attempt *attempt)
{
	struct worker *worker = delivery->worker;
	int nobody = says_nobody(outcome);
	char room[NAME_MAX_BYTES];
	struct slice name = site_cell(delivery->lane->site, room);
	struct cell *cell =
		nobody == 1 ? cell_get(&worker->breaker, name, &site_terms) : cell_find(&worker->breaker, name);

	if (nobody < 0 || !cell)
		return false;
	meet(worker, cell, nobody == 1);
	if (nobody == 0 || is_believed(worker, cell))
		return false;
	if (cell->alarm.raised || worker->draining || worker->breaker.held >= HELD_MAX) {
		put_off(delivery, outcome, cell->alarm.raised);
		return false;
	}
	hold(worker, cell, delivery, outcome, attempt);
	return true;
}

void breaker_look(struct worker *worker, const struct site *site)
{
	char room[NAME_MAX_BYTES];
	struct cell *cell;

	if (worker->breaker.held == 0 || is_busy(site, worker_now_ms(worker)))
		return;
	cell = cell_find(&worker->breaker, site_cell(site, room));
	if (cell)
		release(worker, cell, false, UINT64_MAX);
}

/* --- the DNS --- */

static void meet_domain(struct worker *worker, struct cell *cell, struct slice domain, bool met)
{
	uint64_t hash = slice_hash(domain);

	if (cell->last_hash == hash)
		return;
	cell->last_hash = hash;
	meet(worker, cell, met);
}

void breaker_routed(struct worker *worker, struct slice domain, const struct routes *routes)
{
	bool met = routes->result == ROUTES_NO_DOMAIN;
	char room[NAME_MAX_BYTES];
	struct slice tld = tld_cell(domain, room);

	if (routes->result == ROUTES_LATER) /* it said nothing */
		return;
	meet_domain(worker, cell_get(&worker->breaker, tld, &tld_terms), domain, met);
	meet_domain(worker, cell_get(&worker->breaker, SLICE("dns"), &dns_terms), tld, met);
}

/* The cell in whose hands this domain's fate is: that which is open, else that which is suspicious. */
static struct cell *dns_cell(struct worker *worker, struct slice domain)
{
	char room[NAME_MAX_BYTES];
	struct cell *tld = cell_find(&worker->breaker, tld_cell(domain, room));
	struct cell *all = cell_find(&worker->breaker, SLICE("dns"));

	if (all && is_open(worker, all))
		return all;
	return tld && alarm_is_suspicious(&tld->alarm) ? tld : NULL;
}

static bool dns_takes(struct delivery *delivery, struct outcome *outcome, const struct attempt *attempt)
{
	struct worker *worker = delivery->worker;
	struct cell *cell = dns_cell(worker, domain_name(delivery->domain));

	if (!cell || is_believed(worker, cell))
		return false;
	if (cell->alarm.raised || worker->draining || worker->breaker.held >= HELD_MAX) {
		put_off(delivery, outcome, cell->alarm.raised);
		return false;
	}
	hold(worker, cell, delivery, outcome, attempt);
	return true;
}

bool breaker_takes(struct delivery *delivery, struct outcome *outcome, const struct attempt *attempt)
{
	if (outcome->stage != STAGE_DNS)
		return site_takes(delivery, outcome, attempt);
	return outcome->verdict.action == ACTION_NEVER && outcome->verdict.category == CATEGORY_BAD_DOMAIN &&
	       dns_takes(delivery, outcome, attempt);
}

/* A cell that holds something knows its site by that: the site lives as long as mail of it is out. */
static bool is_quiet(const struct cell *cell, uint64_t now_ms)
{
	const struct held *held = LIST_OWNER(list_first(&cell->held), struct held, link);

	if (cell->terms != &site_terms)
		return now_ms - cell->alarm.last_ms >= DNS_QUIET_MS;
	return !is_busy(held->delivery->lane->site, now_ms);
}

void breaker_tick(struct worker *worker)
{
	uint64_t now_ms = worker_now_ms(worker);

	LIST_EACH (link, &worker->breaker.holding) {
		struct cell *cell = LIST_OWNER(link, struct cell, link);

		if (is_quiet(cell, now_ms))
			release(worker, cell, false, UINT64_MAX);
		else if (now_ms > HOLD_MS)
			release(worker, cell, false, now_ms - HOLD_MS);
	}
}

void breaker_drain(struct worker *worker)
{
	LIST_EACH (link, &worker->breaker.holding)
		release(worker, LIST_OWNER(link, struct cell, link), true, UINT64_MAX);
}

void breaker_free(struct breaker *breaker)
{
	CHECK(breaker->held == 0);
	MAP_EACH (node, &breaker->cells)
		free(MAP_OWNER(node, struct cell, node));
	map_free(&breaker->cells);
}
