/* The story of a delivery.
 *
 *   Redis                                                                                       receivers
 *   jobs → intake → domain queues → lease → scheduler → ask → dns → routes → lane → connection → session, transactions
 *                        ▲                                                                           │
 *   events ← settle ← outcome ← verdict ← reply ←────────────────────────────────────────────────────┘
 *
 * One short function an arrow, in this order. Intake has put the recipient's record on a ready list in Redis; here a
 * worker hears of it, learns where the mail goes, leases the record, gets its message, finds a connection, and turns
 * the reply into an outcome that Redis keeps. What is not said here is how each noun does its part: that is in its own
 * file. */
#include "delivery.h"

#include "conn.h"
#include "controls.h"
#include "giants.h"
#include "home.h"
#include "outcome.h"
#include "protection.h"
#include "reaction.h"
#include "target.h"
#include "tls_tally.h"
#include "transaction.h"
#include "underway.h"

#include "base/check.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { ACTIONS_A_TURN = 256 /* some 20 us each: what has come in meanwhile waits no longer than 5 ms for its turn */ };

/* 1. A list has mail. The home of its domain resolves it; the others ignore it. */
static void on_changed(void *who, struct slice list)
{
	home_changed(who, list);
}

/* 2. The home has granted a domain to us, with its routes: they make its site. The list is offered next (home.c). */
void delivery_routed(struct worker *worker, struct slice domain, struct routes *routes)
{
	breaker_routed(worker, domain, routes);
	tls_tally_routed(worker, domain, target_site(worker, domain, routes));
}

/* 3. The scheduler knows what may be done now: ask again, lease, connect, send, or give back. */
static void delivery_lease(struct worker *worker, const struct next *next);
static void delivery_send(const struct next *next);

static void delivery_act(struct worker *worker, const struct next *next)
{
	switch (next->kind) {
	case NEXT_ASK: home_renew(worker, domain_name(next->domain)); break;
	case NEXT_LEASE: delivery_lease(worker, next); break;
	case NEXT_CONNECT: carrier_open(worker, next->lane, next->exchanger); break;
	case NEXT_SEND: delivery_send(next); break;
	case NEXT_RETURN: delivery_return_lane(worker, next->lane); break;
	}
}

static void lease_flush(struct worker *worker)
{
	if (worker->nwants)
		queue_lease(worker->queue, worker->wants, worker->nwants);
	worker->nwants = worker->nrecords = 0;
}

void delivery_work(struct worker *worker)
{
	struct next next;

	controls_follow(worker);
	for (unsigned i = 0; i < ACTIONS_A_TURN && scheduler_next(worker->scheduler, &next, worker_now_ms(worker)); i++)
		delivery_act(worker, &next);
	lease_flush(worker);
}

/* 4. Records are leased, many lists in one call. A list that an operator paused is left alone until resumed. */
static void delivery_lease(struct worker *worker, const struct next *next)
{
	if (controls_hold(worker, next->list, next->lane)) {
		scheduler_leased(worker->scheduler, next->list, 0, 1, worker_now_ms(worker));
		return;
	}
	if (worker->nwants == LEASE_LISTS_MAX || worker->nrecords + next->count > LEASE_RECORDS_MAX)
		lease_flush(worker);
	worker->wants[worker->nwants++] = (struct lease_want){ready_name(next->list), next->count};
	worker->nrecords += next->count;
	worker->nasked += next->count;
}

/* 5. A record is ours: it becomes a delivery. Its job and its message must be here before it can be sent. */
static struct delivery *delivery_make(struct worker *worker, const struct leased *leased)
{
	struct delivery *delivery = pool_take(&worker->deliveries);

	CHECK(delivery != NULL);
	list_init(&delivery->link);
	delivery->worker = worker;
	delivery->lease = leased->lease;
	delivery->position = leased->position;
	delivery->bytes = malloc(leased->record.len + leased->list.len);
	CHECK(delivery->bytes != NULL);
	memcpy(delivery->bytes, leased->record.ptr, leased->record.len);
	memcpy(delivery->bytes + leased->record.len, leased->list.ptr, leased->list.len);
	delivery->list = (struct slice){delivery->bytes + leased->record.len, leased->list.len};
	delivery->urgent = slice_starts(delivery->list, SLICE("t:"));
	return delivery;
}

static void on_leased(void *who, const struct leased *leased)
{
	struct worker *worker = who;
	struct ready *list = scheduler_list(worker->scheduler, leased->list);
	struct delivery *delivery;

	if (!list || !list->leasing)
		return; /* not asked for by this scheduler: its lease ends with our beat */
	delivery = delivery_make(worker, leased);
	if (!record_decode((struct slice){delivery->bytes, leased->record.len}, &delivery->record)) {
		log_error("reading a record of list %s: expected version %d of the format, found something else; it "
			  "stays "
			  "leased until this engine ends",
			  LOG_TEXT(leased->list), RECORD_VERSION);
		free(delivery->bytes);
		pool_give(&worker->deliveries, delivery);
		return;
	}
	delivery->lane = list->lease.lane;
	delivery->domain = list->domain;
	delivery->tenant = tenant_keep(list->tenant);
	delivery->mailing = mailing_hold(worker, delivery->record.tenant, delivery->record.job);
	delivery->lane->preparing++;
	scheduler_hold(worker->scheduler, delivery->domain);
	stat_add(worker->stats, STAT_LEASED, 1);
	if (delivery->mailing->state == MAILING_COMING)
		mailing_wait(delivery->mailing, &delivery->link);
	else
		delivery_prepared(delivery);
}

static void on_lease_over(void *who, struct slice name, unsigned got, uint64_t remaining)
{
	struct worker *worker = who;
	struct ready *list = scheduler_list(worker->scheduler, name);
	struct list_parts parts;

	if (!list || !list->leasing)
		return;
	bool leaving = list->domain->leaving && list_parse(name, &parts);

	worker->nasked -= list->lease.asked;
	giants_share(worker, list, remaining);
	scheduler_leased(worker->scheduler, list, got, remaining, worker_now_ms(worker));
	if (leaving)
		home_released(worker, parts.domain);
}

struct slice delivery_sender(const struct delivery *delivery)
{
	struct pack_entry own;

	return pack_find(delivery->record.extras, SLICE("f"), &own) ? own.value : delivery->mailing->sender;
}

uint64_t delivery_expires_ms(const struct delivery *delivery)
{
	const struct record *record = &delivery->record;
	uint64_t after_ms = delivery->lane->limits->expires_after_ms, start_ms = record->queued_ms, not_before_ms;

	if (!after_ms || pack_get(record->extras, SLICE("x")).len)
		return record->expires_ms;
	if (slice_number(pack_get(record->extras, SLICE("nb")), UINT64_MAX, &not_before_ms) && not_before_ms > start_ms)
		start_ms = not_before_ms;
	return start_ms + after_ms < record->expires_ms ? start_ms + after_ms : record->expires_ms;
}

/* 6. Everything is here: the delivery joins its lane, unless it need not be sent at all. */
static void delivery_refuse_route(struct delivery *delivery);
static void delivery_join(struct delivery *delivery);

/* Whoever was greylisted comes again from the same address (RFC 6647 5.1), if that may send. */
static struct lane *lane_of_its_source(const struct delivery *delivery)
{
	struct slice source = pack_get(delivery->record.extras, SLICE("s"));
	const struct site *site = delivery->lane->site;
	const struct target *target = target_of(site);

	for (unsigned i = 0; source.len && i < site->nlanes; i++) {
		struct lane *lane = site->lanes[i];

		if (target->sources[i] && slice_is(target->sources[i]->name, source) && !lane->ended && !lane->held &&
		    !lane_is_resting(lane, worker_now_ms(delivery->worker))) {
			lane_prepare(lane);
			return lane;
		}
	}
	return delivery->lane;
}

void delivery_prepared(struct delivery *delivery)
{
	struct worker *worker = delivery->worker;
	struct lane *lane = delivery->lane;
	const struct mailing *mailing = delivery->mailing;
	struct slice by;
	enum control_fate fate = controls_meet(delivery, &by);

	CHECK(lane->preparing > 0);
	lane->preparing--;
	lane = delivery->lane = lane_of_its_source(delivery);
	if (fate == FATE_CANCELLED) {
		outcome_cancelled(delivery, by);
	} else if (worker->draining || fate == FATE_WAIT) {
		delivery_return(delivery);
	} else if (controls_expiry_ms(delivery) <= worker_wall_ms(worker)) {
		outcome_expired(delivery);
	} else if (mailing->state != MAILING_READY) {
		log_error("preparing job %s: %s; its recipients are held", LOG_TEXT(mailing->key), mailing->why);
		outcome_held(delivery, slice_of(mailing->why));
	} else if (worker->config->divert == DIVERT_DISCARD) {
		outcome_discarded(delivery);
	} else if (target_of(lane->site)->unroutable) {
		delivery_refuse_route(delivery);
	} else {
		delivery_join(delivery);
	}
	scheduler_look(worker->scheduler, lane);
}

/* ... or unless the receiver will not have its sender now. */
static void delivery_join(struct delivery *delivery)
{
	struct lane *lane = delivery->lane;
	uint64_t now_ms = worker_now_ms(delivery->worker);
	uint64_t rest_ms = lane_sender_rests_until_ms(lane, delivery_sender(delivery), now_ms);

	if (rest_ms)
		outcome_postponed(delivery, rest_ms - now_ms);
	else
		lane_put(lane, &delivery->link, delivery->urgent);
}

/* The DNS says that there is nowhere to go, for good or for now. */
static void delivery_refuse_route(struct delivery *delivery)
{
	struct worker *worker = delivery->worker;
	struct lane *lane = delivery->lane;
	struct outcome outcome = routes_outcome(target_of(lane->site)->routes);
	struct attempt attempt = {.site = site_name(lane->site), .sender = delivery->mailing->sender};
	struct report rest = {.kind = REPORT_REST, .why = outcome.text};

	if (lane_is_resting(lane, worker_now_ms(worker))) {
		delivery_return(delivery); /* another one bears the news */
		return;
	}
	outcome.attempted = true;
	if (target_of(lane->site)->routes->result == ROUTES_NO_DOMAIN && breaker_takes(delivery, &outcome, &attempt))
		return;
	if (outcome.verdict.action != ACTION_NEVER)
		scheduler_report(worker->scheduler, lane, &rest, worker_now_ms(worker));
	outcome_settle(delivery, &outcome, &attempt);
}

/* 7. Mail is ready on a lane, and one of its connections is idle. (If none is, the scheduler has one opened.) */
static void delivery_send(const struct next *next)
{
	struct list *link = list_first(&next->exchanger->idlers);

	CHECK(link != NULL);
	conn_feed(conn_idle(link));
}

/* 8. A connection takes its next transaction. */
struct tx *delivery_next(struct conn *conn)
{
	struct worker *worker = conn->worker;
	struct transaction *transaction;

	if ((conn->lane->nready == 0 && conn->lane->aside == 0) || worker->draining || worker->redis_away ||
	    !worker_may_send(worker))
		return NULL;
	conn->yields = conn->yields || (conn->opened && lane_yields(conn->lane, worker_now_ms(worker)));
	if (conn->yields)
		return NULL;
	transaction = transaction_compose(conn);
	if (!transaction)
		return NULL;
	conn->lane->inflight += transaction->tx.nrecipients;
	stat_add(worker->stats, STAT_INFLIGHT, transaction->tx.nrecipients);
	stat_add(worker->stats, STAT_ATTEMPTED, transaction->tx.nrecipients);
	return &transaction->tx;
}

/* 9. It comes back: each recipient has an outcome, made from the reply by smtp/verdict.c. Those whose turn did not come
 *    wait at the front of the lane again. */
static void delivery_wait_again(struct delivery *delivery, struct exchanger *exchanger)
{
	underway_end(delivery->worker->underway, delivery->mark);
	delivery->mark = 0;
	lane_put_back(delivery->lane, &delivery->link, delivery->urgent);
	lane_give(delivery->lane, exchanger, 1, worker_now_ms(delivery->worker));
}

void delivery_over(struct conn *conn, struct tx *tx)
{
	struct transaction *transaction = transaction_of(tx);
	struct worker *worker = conn->worker;
	struct attempt attempt = transaction_attempt(transaction, conn);

	CHECK(conn->lane->inflight >= tx->nrecipients);
	conn->lane->inflight -= tx->nrecipients;
	carrier_over(conn, transaction);
	stat_take(worker->stats, STAT_INFLIGHT, tx->nrecipients);
	reaction_report(conn, tx, attempt.sender);
	for (unsigned i = tx->nrecipients; i-- > 0;) { /* backwards, so that those that wait again keep their order */
		struct outcome *outcome = &tx->recipients[i].outcome;

		if (!outcome->attempted) {
			delivery_wait_again(transaction->deliveries[i], conn->exchanger);
			continue;
		}
		carrier_forget(transaction->deliveries[i]);
		if (!breaker_takes(transaction->deliveries[i], outcome, &attempt))
			outcome_settle(transaction->deliveries[i], outcome, &attempt);
	}
	breaker_look(worker, conn->lane->site);
	scheduler_look(worker->scheduler, conn->lane);
	transaction_free(worker, transaction);
}

/* 9b. No host of the site would talk to us. The delivery that was to go first bears it as an attempt; the others wait
 * in the queue until the lane has rested. */
void delivery_unreachable(struct lane *lane, const struct outcome *outcome, const struct conn *conn)
{
	struct list *link = lane_pop(lane);
	struct attempt attempt = {.site = site_name(lane->site),
				  .mx = conn_mx(conn),
				  .remote_ip = conn_remote(conn),
				  .connection = conn->number,
				  .connected = true};
	char why[PROTECTION_WHY_MAX];
	struct delivery *delivery;
	struct outcome lost;

	if (!link)
		return;
	delivery = delivery_of(link);
	attempt.sender = delivery->mailing->sender;
	memcpy(attempt.tls, conn->failure->tls, sizeof(attempt.tls));
	if (requirement_is_lost(conn, delivery)) {
		lost = requirement_refusal(conn, delivery, why);
		outcome = &lost;
	}
	outcome_settle(delivery, outcome, &attempt);
}

/* 10. The outcome is in Redis' hands (outcome.c, queue/): the delivery ends here. */
void delivery_free(struct delivery *delivery)
{
	struct worker *worker = delivery->worker;
	struct domain *domain = delivery->domain;
	bool leaving = domain->leaving;
	char name[256];
	struct slice released = {name, domain_name(domain).len < sizeof(name) ? domain_name(domain).len : 0};

	memcpy(name, domain_name(domain).ptr, released.len);
	carrier_forget(delivery);
	mailing_release(delivery->mailing);
	free(delivery->bytes);
	pool_give(&worker->deliveries, delivery);
	scheduler_drop(worker->scheduler, domain);
	if (leaving)
		home_released(worker, released);
}

struct settlement delivery_settlement(const struct delivery *delivery, enum settle_verb verb)
{
	return (struct settlement){
		.lease = delivery->lease,
		.position = delivery->position,
		.verb = verb,
		.mark = delivery->mark,
		.list = delivery->list,
		.tenant = delivery->record.tenant,
		.job = delivery->record.job,
		.index = delivery->record.index,
	};
}

void delivery_return(struct delivery *delivery)
{
	struct settlement settlement = delivery_settlement(delivery, SETTLE_BACK);

	queue_settle(delivery->worker->queue, &settlement);
	stat_add(delivery->worker->stats, STAT_RETURNED, 1);
	scheduler_untried(delivery->worker->scheduler, delivery->record.tenant, 1);
	delivery_free(delivery);
}

void delivery_return_lane(struct worker *worker, struct lane *lane)
{
	struct list *link;
	bool any = lane->nready > 0 || lane->aside > 0;

	while ((link = lane_pop(lane)) || (link = lane_pop_aside(lane)))
		delivery_return(delivery_of(link));
	if (any) /* else nothing has changed, and a drain, which comes here every turn, would never wait */
		scheduler_look(worker->scheduler, lane);
}

static void on_acknowledged(void *who, uint32_t mark)
{
	const struct worker *worker = who;

	underway_end(worker->underway, mark);
}

static void on_away(void *who, bool away)
{
	struct worker *worker = who;

	worker->redis_away = away;
	scheduler_pause(worker->scheduler, away || worker->draining);
}

static void on_fenced(void *who)
{
	struct worker *worker = who;

	worker->fenced = true;
	scheduler_pause(worker->scheduler, true);
}

struct queue_owner delivery_queue_owner(struct worker *worker)
{
	return (struct queue_owner){
		.changed = on_changed,
		.leased = on_leased,
		.lease_over = on_lease_over,
		.acknowledged = on_acknowledged,
		.away = on_away,
		.fenced = on_fenced,
		.who = worker,
	};
}
