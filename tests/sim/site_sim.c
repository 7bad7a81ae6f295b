/* Every connection has at most one thing under way, with a time; the world's next moment is the least of those, of the
 * deferred messages, and of what the scheduler waits for. */
#include "site_sim.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

enum { START_MS = 1000000, CONNECT_MS = 40, IDLE_MS = 2000, IDLE_MS_MAX = 10000, TURN_MS = 4000 };

#define LIST_NAME SLICE("b:a.test::")

static uint64_t some_ms(struct site_sim *sim, uint64_t ms)
{
	return ms + random_below(&sim->random, SITE_LATE_MS);
}

static void report(struct site_sim *sim, struct site_conn *conn, enum report_kind kind, uint64_t delay_ms)
{
	struct report report = {.kind = kind, .exchanger = conn->exchanger, .idle = !conn->busy, .delay_ms = delay_ms};

	report.recipients = kind == REPORT_DELIVERED || kind == REPORT_SLOWER;
	scheduler_report(sim->scheduler, sim->lane, &report, sim->now_ms);
}

/* The queue */

static void offer(struct site_sim *sim, struct site_message *message)
{
	list_push(&sim->queued, &message->link);
	sim->nqueued++;
	scheduler_offer(sim->scheduler, LIST_NAME, sim->now_ms);
}

static void defer(struct site_sim *sim, struct site_message *message)
{
	sim->deferred_ms[message - sim->messages] = sim->now_ms + lane_retry_ms(sim->lane, sim->now_ms);
	list_push(&sim->deferred, &message->link);
	scheduler_drop(sim->scheduler, scheduler_domain(sim->scheduler, SLICE("a.test")));
}

static uint64_t promote(struct site_sim *sim)
{
	uint64_t next_ms = UINT64_MAX;

	LIST_EACH (link, &sim->deferred) {
		struct site_message *message = LIST_OWNER(link, struct site_message, link);
		uint64_t due_ms = sim->deferred_ms[message - sim->messages];

		if (due_ms <= sim->now_ms) {
			list_remove(link);
			offer(sim, message);
		} else if (due_ms < next_ms) {
			next_ms = due_ms;
		}
	}
	return next_ms;
}

static void lease(struct site_sim *sim, const struct next *next)
{
	unsigned got = 0;
	struct list *link;

	while (got < next->count && (link = list_pop(&sim->queued))) {
		scheduler_hold(sim->scheduler, next->domain);
		lane_put(sim->lane, link, false);
		sim->nqueued--;
		got++;
	}
	scheduler_leased(sim->scheduler, next->list, got, sim->nqueued, sim->now_ms);
}

static void give_back(struct site_sim *sim)
{
	struct list *link;

	while ((link = lane_pop(sim->lane))) {
		offer(sim, LIST_OWNER(link, struct site_message, link));
		scheduler_drop(sim->scheduler, scheduler_domain(sim->scheduler, SLICE("a.test")));
	}
}

/* Connections */

static struct site_conn *conn_unused(struct site_sim *sim)
{
	for (unsigned i = 0; i < SITE_CONNS_MAX; i++) {
		if (i >= sim->nconns)
			sim->nconns = i + 1;
		if (!sim->conns[i].used)
			return &sim->conns[i];
	}
	CHECK(!"a connection to spare");
	return NULL;
}

static void conn_open(struct site_sim *sim, struct exchanger *exchanger)
{
	struct site_conn *conn = conn_unused(sim);

	CHECK(exchanger->route < sim->setup.nhosts);
	*conn = (struct site_conn){.used = true, .exchanger = exchanger, .host = &sim->setup.hosts[exchanger->route]};
	list_init(&conn->idle);
	conn->due_ms = some_ms(sim, sim->now_ms + CONNECT_MS / 2);
	sim->connects++;
}

static void conn_end(struct site_sim *sim, struct site_conn *conn)
{
	if (conn->let_in && conn->host->closed)
		conn->host->closed(conn->host, sim->now_ms);
	if (conn->opened)
		report(sim, conn, REPORT_CLOSED, 0);
	list_remove(&conn->idle);
	conn->used = false;
}

/* The next message, if there is one and it may go; else it is idle. */
static void conn_next(struct site_sim *sim, struct site_conn *conn, bool was_idle)
{
	struct lane *lane = sim->lane;

	if (conn->given >= lane->limits->messages_per_connection) {
		conn_end(sim, conn);
		return;
	}
	if (lane->nready && lane_take(lane, conn->exchanger, 1, sim->now_ms)) {
		if (was_idle)
			report(sim, conn, REPORT_BUSY, 0);
		conn->busy = true;
		list_remove(&conn->idle);
		conn->message = LIST_OWNER(lane_pop(lane), struct site_message, link);
		conn->there = false;
		conn->given++;
		sim->attempts++;
		lane->inflight++;
		conn->due_ms = some_ms(sim, sim->now_ms + sim->setup.message_ms / 2);
		return;
	}
	if (!was_idle)
		report(sim, conn, REPORT_IDLE, 0);
	conn->busy = false;
	list_remove(&conn->idle);
	list_push_front(&conn->exchanger->idlers, &conn->idle);
	conn->due_ms = conn->idle_until_ms = sim->now_ms + IDLE_MS;
}

static void conn_refused(struct site_sim *sim, struct site_conn *conn)
{
	struct exchanger *other;

	sim->connects_refused++;
	report(sim, conn, REPORT_CROWDED, 0);
	other = scheduler_reroute(sim->scheduler, sim->lane, conn->exchanger, sim->now_ms);
	if (!other)
		report(sim, conn, REPORT_UNOPENED, 0);
	conn->used = false;
	if (other)
		conn_open(sim, other);
}

static void conn_greeted(struct site_sim *sim, struct site_conn *conn)
{
	if (!conn->there) {
		conn->word = conn->host->connected ? conn->host->connected(conn->host, sim->now_ms) : SITE_YES;
		conn->let_in = conn->word == SITE_YES;
		conn->there = true;
		conn->due_ms = some_ms(sim, sim->now_ms + CONNECT_MS / 2);
	} else if (conn->word != SITE_YES) {
		conn_refused(sim, conn);
	} else {
		conn->opened = true;
		report(sim, conn, REPORT_OPENED, 0);
		conn_next(sim, conn, true);
	}
}

static void conn_answered(struct site_sim *sim, struct site_conn *conn)
{
	struct site_message *message = conn->message;

	if (!conn->there) {
		conn->word = conn->host->asked ? conn->host->asked(conn->host, sim->now_ms) : SITE_YES;
		conn->there = true;
		conn->due_ms = some_ms(sim, sim->now_ms + sim->setup.message_ms / 2);
		return;
	}
	sim->lane->inflight--;
	if (conn->word == SITE_YES) {
		sim->delivered++;
		sim->last_ms = sim->now_ms;
		report(sim, conn, REPORT_DELIVERED, 0);
		scheduler_drop(sim->scheduler, scheduler_domain(sim->scheduler, SLICE("a.test")));
	} else {
		sim->refused++;
		report(sim, conn, REPORT_SLOWER, (uint64_t)conn->host->hint_s * 1000);
		defer(sim, message);
	}
	conn->message = NULL;
	conn_next(sim, conn, false);
}

/* Nothing came for a while: it stays if something will come soon. */
static void conn_idled(struct site_sim *sim, struct site_conn *conn)
{
	uint64_t next_ms = exchanger_next_ms(conn->exchanger, sim->now_ms);

	if (sim->lane->nready && next_ms < sim->now_ms + IDLE_MS_MAX)
		conn->due_ms = sim->now_ms + IDLE_MS;
	else
		conn_end(sim, conn);
}

static void conn_due(struct site_sim *sim, struct site_conn *conn)
{
	conn->due_ms = 0;
	if (!conn->opened)
		conn_greeted(sim, conn);
	else if (conn->message)
		conn_answered(sim, conn);
	else
		conn_idled(sim, conn);
}

/* The world */

static void route(struct site_sim *sim)
{
	struct exchanger_spec exchangers[8];
	char names[8][24];

	CHECK(sim->setup.nhosts <= 8);
	for (unsigned i = 0; i < sim->setup.nhosts; i++) {
		snprintf(names[i], sizeof(names[i]), "10.0.0.%u:25", i + 1);
		exchangers[i] = (struct exchanger_spec){slice_of(names[i]), sim->setup.hosts[i].preference, i, 0};
	}
	struct site *site = scheduler_routed(sim->scheduler, SLICE("a.test"),
					     &(struct site_spec){.name = SLICE("site"),
								 .limits = &sim->setup.limits,
								 .nlanes = 1,
								 .sources = UINT64_MAX,
								 .exchangers = exchangers,
								 .nexchangers = sim->setup.nhosts,
								 .routes_until_ms = UINT64_MAX},
					     sim->now_ms);

	site_open(site);
	sim->lane = site->lanes[0];
}

static void act(struct site_sim *sim, const struct next *next)
{
	struct list *link;

	switch (next->kind) {
	case NEXT_ASK: route(sim); break;
	case NEXT_LEASE: lease(sim, next); break;
	case NEXT_CONNECT: conn_open(sim, next->exchanger); break;
	case NEXT_SEND:
		link = list_first(&next->exchanger->idlers);
		CHECK(link != NULL);
		conn_next(sim, LIST_OWNER(link, struct site_conn, idle), true);
		break;
	case NEXT_RETURN: give_back(sim); break;
	}
}

static void turn(struct site_sim *sim)
{
	uint64_t next_ms = promote(sim);
	struct next next;

	while (scheduler_next(sim->scheduler, &next, sim->now_ms))
		act(sim, &next);
	for (unsigned i = 0; i < sim->nconns; i++)
		if (sim->conns[i].used && sim->conns[i].due_ms < next_ms)
			next_ms = sim->conns[i].due_ms;
	uint64_t wait_ms = scheduler_wait_ms(sim->scheduler, sim->now_ms, TURN_MS);

	if (next_ms > sim->now_ms + wait_ms)
		next_ms = sim->now_ms + wait_ms;
	sim->now_ms = next_ms;
	scheduler_tick(sim->scheduler, sim->now_ms);
	for (unsigned i = 0; i < sim->nconns; i++)
		if (sim->conns[i].used && sim->conns[i].due_ms <= sim->now_ms)
			conn_due(sim, &sim->conns[i]);
}

void site_sim_begin(struct site_sim *sim, const struct site_sim_setup *setup)
{
	*sim = (struct site_sim){.setup = *setup, .random = random_seeded(setup->seed), .now_ms = START_MS};
	sim->begun_ms = START_MS;
	list_init(&sim->queued);
	list_init(&sim->deferred);
	sim->scheduler = scheduler_new(
		&(struct scheduler_setup){.slots = SITE_CONNS_MAX, .records = 10000, .seed = setup->seed}, START_MS);
	sim->messages = calloc(setup->messages, sizeof(*sim->messages));
	sim->deferred_ms = calloc(setup->messages, sizeof(*sim->deferred_ms));
	CHECK(sim->messages != NULL && sim->deferred_ms != NULL);
	route(sim);
	for (unsigned i = 0; i < setup->messages; i++)
		offer(sim, &sim->messages[i]);
	if (setup->recall)
		setup->recall(sim->lane, sim->now_ms);
}

void site_sim_run(struct site_sim *sim, uint64_t most_ms)
{
	uint64_t end_ms = sim->now_ms + most_ms;

	while (sim->delivered < sim->setup.messages && sim->now_ms < end_ms)
		turn(sim);
}

void site_sim_end(struct site_sim *sim)
{
	scheduler_free(sim->scheduler);
	free(sim->messages);
	free(sim->deferred_ms);
}
