/* The loop of a worker: one turn of the ring, then whatever the scheduler has to be done, and again. Everything that
 * happens is told by the ring's turn; nothing waits anywhere else. */
#include "worker.h"

#include "conn.h"
#include "controls.h"
#include "delivery.h"
#include "giants.h"
#include "home.h"
#include "host.h"
#include "mailing.h"
#include "policies.h"
#include "status.h"
#include "sts_ask.h"
#include "target.h"
#include "tls_tally.h"
#include "transaction.h"
#include "underway.h"

#include "base/check.h"
#include "base/log.h"

#include <stdlib.h>

enum {
	SOCKETS_SPARE = 1100, /* for the DNS and Redis, beside connections */
	BUFFERS = 4096,
	BUFFER_SIZE = 2048,
	WAITING_MAX = 32768, /* records leased and in memory, beside one in dialogue on each connection */
	TURN_MS_MAX = 1000,
	DRAIN_TURN_MS_MAX = 20,
	CLOSE_MS = 5000, /* for the last settlements, beyond the grace of a drain */
	CONNECTS_AT_ONCE = 4,
	CONNECTS_A_MS = 2,
	CONNECT_MS_BEHIND = 4, /* one each, while we are behind by more than LAG_MS */
	LAG_MS = 2,
	BEAT_MS_MAX = 10000 /* older than this, nothing is begun or finished (QUEUE.md) */
};

uint64_t worker_now_ms(const struct worker *worker)
{
	return ring_now_ms(worker->ring);
}

uint64_t worker_wall_ms(const struct worker *worker)
{
	return ring_wall_ms(worker->ring);
}

bool worker_may_send(const struct worker *worker)
{
	uint64_t beat_ms = keeper_beat_ms(worker->engine->keeper);

	return !worker->fenced && worker_now_ms(worker) < beat_ms + BEAT_MS_MAX;
}

/* What outlives the engine, and is not settled: by the first worker, for all. */
static void write_memory(struct worker *worker, bool last)
{
	struct notes *notes = queue_notes(worker->queue);

	warm_ups_write(&worker->engine->warm_ups, notes);
	learned_write(&worker->engine->learned, notes, worker_wall_ms(worker), last);
	sts_write(worker->engine->sts, notes);
}

static void on_second(struct timer *timer, uint64_t now_ms)
{
	struct worker *worker = LIST_OWNER(timer, struct worker, second);
	struct outbuf status = {0};

	status_write(&status, worker);
	queue_put_status(worker->queue, outbuf_slice(&status));
	outbuf_free(&status);
	scheduler_pause(worker->scheduler, worker->redis_away || worker->draining || worker->fenced ||
						   keeper_level(worker->engine->keeper) == KEEPER_FULL);
	if (worker->number == 0)
		write_memory(worker, false);
	giants_tick(worker, now_ms);
	breaker_tick(worker);
	tls_tally_write(worker);
	mailings_age(worker, now_ms);
	if (now_ms / 1000 % 60 == 0) {
		hosts_age(worker, now_ms);
		homes_age(worker, now_ms);
		policies_age(worker);
	}
	ring_timer(worker->ring, timer, now_ms + 1000);
}

static bool tenant_terms(void *who, struct slice tenant, struct tenant_terms *terms)
{
	struct worker *worker = who;

	return axes_tenant_terms(&worker->engine->axes, worker->config, tenant, terms);
}

static uint64_t pool_sources(void *who, struct slice pool)
{
	const struct worker *worker = who;

	return axes_pool(worker->config, pool);
}

bool worker_open(struct worker *worker)
{
	const struct config *config = worker->config;
	char why[RING_WHY_MAX];

	if (ring_open(&worker->ring,
		      &(struct ring_setup){.sockets = RING_SOCKETS_MAX, .buffers = BUFFERS, .buffer_size = BUFFER_SIZE},
		      why) < 0) {
		log_error("starting worker %u: %s", worker->number, why);
		return false;
	}
	worker->tls = tls_new(NULL, why);
	if (!worker->tls) {
		log_error("starting worker %u: %s", worker->number, why);
		return false;
	}
	worker->underway = underway_open(worker->engine->state_path, worker->number, worker->engine->epoch);
	if (!worker->underway)
		return false;
	unsigned sockets = ring_sockets_max(worker->ring);
	unsigned slots = sockets > 2 * SOCKETS_SPARE ? sockets - SOCKETS_SPARE : sockets / 2;
	unsigned records = WAITING_MAX + slots;

	pool_init(&worker->conns, sizeof(struct conn), slots);
	pool_init(&worker->transactions, sizeof(struct transaction), (size_t)slots * 10);
	pool_init(&worker->deliveries, sizeof(struct delivery), (size_t)records * 4);
	list_init(&worker->idle_mailings);
	list_init(&worker->open_conns);
	list_init(&worker->sts_questions);
	worker->dns = dns_open(worker->ring, &(struct dns_setup){
						     .servers = config->dns.servers,
						     .nservers = config->dns.nservers,
						     .trusted = config->dns.trusted,
						     .smtp_port = (uint16_t)config->smtp_port,
						     .allow_private = config->allow_private,
						     .own_name = config->hostname,
					     });
	if (!worker->seed)
		worker->seed = random_secret();
	worker->scheduler = scheduler_new(&(struct scheduler_setup){.slots = slots,
								    .records = records,
								    .seed = worker->seed,
								    .commons = &worker->engine->commons,
								    .site_gone = target_free,
								    .tenant_terms = tenant_terms,
								    .pool_sources = pool_sources,
								    .who = worker},
					  worker_now_ms(worker));
	scheduler_allow_connects(worker->scheduler, CONNECTS_AT_ONCE);
	struct queue_owner owner = delivery_queue_owner(worker);

	worker->queue = queue_open(worker->ring,
				   &(struct queue_setup){
					   .server = worker->engine->redis,
					   .prefix = config->redis.prefix,
					   .instance = worker->engine->instance,
					   .epoch = worker->engine->epoch,
					   .worker = worker->number,
				   },
				   &owner);
	breaker_init(&worker->breaker);
	timer_init(&worker->second, on_second);
	ring_timer(worker->ring, &worker->second, worker_now_ms(worker) + 1000);
	return true;
}

void worker_close(struct worker *worker)
{
	if (!worker->queue || worker->conns.taken || worker->deliveries.taken)
		return;
	controls_leave(worker);
	ring_timer_stop(worker->ring, &worker->second);
	mailings_free(worker);
	scheduler_free(worker->scheduler);
	sts_asks_free(worker);
	homes_free(worker);
	policies_free(worker);
	tls_tally_free(worker);
	hosts_free(worker);
	queue_free(worker->queue);
	dns_free(worker->dns);
	ring_free(worker->ring);
	underway_close(worker->underway);
	judge_free(&worker->judge);
	breaker_free(&worker->breaker);
	watch_free(&worker->watch);
	scoreboard_free(&worker->scoreboard);
	pool_free(&worker->conns);
	pool_free(&worker->transactions);
	pool_free(&worker->deliveries);
	tls_free(worker->tls);
	outbuf_free(&worker->plain);
	outbuf_free(&worker->event);
	outbuf_free(&worker->settled);
}

/* Everything that waits goes back to the queue; what is in dialogue may finish. */
static void drain_begin(struct worker *worker)
{
	breaker_drain(worker);
	scheduler_pause(worker->scheduler, true);
	MAP_EACH (node, scheduler_sites(worker->scheduler)) {
		struct site *site = MAP_OWNER(node, struct site, node);

		for (unsigned i = 0; i < site->nlanes; i++)
			delivery_return_lane(worker, site->lanes[i]);
	}
	LIST_EACH (link, &worker->open_conns) {
		struct conn *conn = LIST_OWNER(link, struct conn, all);

		if (conn->state == CONN_CONNECTING)
			conn_abandon(conn);
		else
			conn_quit(conn);
	}
}

static void on_queue_closed(void *who)
{
	struct worker *worker = who;

	worker->queue_closed = true;
}

/* One step of a drain; true when the worker is done. */
static bool drain_step(struct worker *worker)
{
	uint64_t now_ms = worker_now_ms(worker);
	bool late = now_ms >= worker->drain_until_ms;

	if (late)
		LIST_EACH (link, &worker->open_conns)
			conn_abandon(LIST_OWNER(link, struct conn, all));
	MAP_EACH (node, scheduler_sites(worker->scheduler)) {
		struct site *site = MAP_OWNER(node, struct site, node);

		for (unsigned i = 0; i < site->nlanes; i++)
			delivery_return_lane(worker, site->lanes[i]);
	}
	if (worker->closing_queue)
		return worker->queue_closed && dns_leave(worker->dns);
	if (worker->conns.taken || ((worker->deliveries.taken || worker->nasked) && !late))
		return false;
	worker->closing_queue = true;
	if (worker->number == 0)
		write_memory(worker, true);
	queue_close(worker->queue, now_ms + CLOSE_MS, on_queue_closed, worker);
	return false;
}

/* A connection takes some ten steps until it is open, a lookup in the DNS three each, and the ring tells what has
 * happened in its order: whoever begins five thousand at once makes mail that needs none of them wait for all, most of
 * a second (2026-11-24, 5,000 receivers that stall in the handshake). So they are begun a few a millisecond, and hardly
 * any while we are behind. A limit on how many are being opened would not do: the silent ones would take all of it. */
static void allow_connects(struct worker *worker)
{
	uint64_t now_ms = worker_now_ms(worker), passed_ms = now_ms - worker->connects_ms;
	unsigned left = scheduler_connects_left(worker->scheduler);

	if (left == CONNECTS_AT_ONCE || passed_ms == 0)
		return; /* the kernel is asked how late we are only when it matters */
	if (ring_lag_ms(worker->ring) <= LAG_MS)
		left = passed_ms * CONNECTS_A_MS + left < CONNECTS_AT_ONCE ? (unsigned)passed_ms * CONNECTS_A_MS + left
									   : CONNECTS_AT_ONCE;
	else
		left = passed_ms >= CONNECT_MS_BEHIND;
	scheduler_allow_connects(worker->scheduler, left);
	if (left)
		worker->connects_ms = now_ms;
}

bool worker_turn(struct worker *worker)
{
	uint64_t wait_ms = scheduler_wait_ms(worker->scheduler, worker_now_ms(worker), TURN_MS_MAX);

	worker->error =
		ring_turn(worker->ring, worker->draining && wait_ms > DRAIN_TURN_MS_MAX ? DRAIN_TURN_MS_MAX : wait_ms);
	if (worker->error)
		return false;
	scheduler_tick(worker->scheduler, worker_now_ms(worker));
	allow_connects(worker);
	delivery_work(worker);
	return !(worker->draining && drain_step(worker));
}

bool worker_run(struct worker *worker)
{
	bool ok = worker_open(worker);

	atomic_store(&worker->is_running, ok);
	pthread_barrier_wait(&worker->engine->together);
	if (!ok) {
		controls_leave(worker);
		return false;
	}
	while (worker_turn(worker))
		;
	if (worker->error)
		log_error("worker %u: the kernel would not turn its io_uring any more (errno %d); the engine has to be "
			  "restarted",
			  worker->number, -worker->error);
	controls_leave(worker);
	atomic_store(&worker->is_running, false);
	return worker->error == 0;
}

struct order {
	struct message_to_ring message;
	struct worker *worker;
	const struct config *config; /* use this; NULL: drain */
	uint64_t grace_ms;
};

static void on_order(struct message_to_ring *message)
{
	struct order *order = MAP_OWNER(message, struct order, message);
	struct worker *worker = order->worker;

	if (order->config) {
		worker->config = order->config;
		homes_reload(worker);
		target_reload(worker);
	} else {
		bool first = !worker->draining;

		worker->draining = true;
		worker->drain_until_ms = worker_now_ms(worker) + order->grace_ms;
		if (first)
			drain_begin(worker);
	}
	free(order);
}

static void worker_order(struct worker *worker, struct ring *from, const struct config *config, uint64_t grace_ms)
{
	struct order *order = malloc(sizeof(*order));

	CHECK(order != NULL);
	*order = (struct order){{on_order}, worker, config, grace_ms};
	ring_wake(from, worker->ring, &order->message);
}

void worker_drain(struct worker *worker, struct ring *from, uint64_t grace_ms)
{
	worker_order(worker, from, NULL, grace_ms);
}

void worker_configure(struct worker *worker, struct ring *from, const struct config *config)
{
	worker_order(worker, from, config, 0);
}
