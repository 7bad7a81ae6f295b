/* Every event of a connection ends in conn_turn, which gives and takes transactions, sends what the session says, and
 * sets the one timer. A connection that could not be used tells the scheduler so and asks it for another exchanger;
 * only when the whole lane has to rest does a delivery bear the news. */
#include "conn.h"

#include "approach.h"
#include "policies.h"
#include "protection.h"
#include "relay.h"
#include "requirement.h"
#include "target.h"

#include "base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROBE_MAX = 320 };

static void conn_try(struct conn *conn);
static void conn_turn(struct conn *conn);
static void conn_exchange(struct conn *conn);

void conn_report(struct conn *conn, enum report_kind kind, uint64_t delay_ms, struct slice why)
{
	struct report report = {.kind = kind, .exchanger = conn->exchanger, .delay_ms = delay_ms, .why = why};

	report.idle = conn->idle;
	report.yields = conn->yields;
	scheduler_report(conn->worker->scheduler, conn->lane, &report, worker_now_ms(conn->worker));
}

struct slice conn_mx(const struct conn *conn)
{
	const struct routes *routes = conn->routes;

	return conn->route < routes->nroutes && routes->nhosts ? routes->hosts[routes->route[conn->route].host]
							       : SLICE_NONE;
}

struct slice conn_remote(const struct conn *conn)
{
	return conn->host ? host_ip(conn->host) : SLICE_NONE;
}

struct slice conn_local(const struct conn *conn)
{
	return conn->source ? conn->source->ip : SLICE_NONE;
}

struct conn_failure *conn_failure(struct conn *conn)
{
	if (!conn->failure)
		conn->failure = calloc(1, sizeof(*conn->failure));
	CHECK(conn->failure != NULL);
	return conn->failure;
}

static void conn_free(struct conn *conn)
{
	CHECK(conn->ntransactions == 0);
	carrier_end(conn);
	list_remove(&conn->idle_link);
	list_remove(&conn->all);
	if (conn->host)
		host_release(conn->worker, conn->host);
	routes_free(conn->routes);
	session_free(&conn->session);
	free(conn->login);
	free(conn->probe);
	free(conn->failure);
	pool_give(&conn->worker->conns, conn);
}

static void conn_give_up(struct conn *conn)
{
	approach_end(conn);
	conn_free(conn);
}

/* An open one was thrown out before it could deliver anything, without a word about mail: there are too many of us. */
static void conn_thrown_out(struct conn *conn)
{
	if (session_end(&conn->session) == SESSION_421 && conn->given && !conn->accepted && !conn->refused)
		conn_report(conn, REPORT_CROWDED, 0, session_outcome(&conn->session)->text);
}

static void on_closed(struct op *op, int result)
{
	struct conn *conn = LIST_OWNER(op, struct conn, closed);

	(void)result;
	channel_free(&conn->channel);
	conn_exchange(conn); /* what the session kept while the kernel was still reading it */
	if (conn->opened) {
		stat_take(conn->worker->stats, STAT_OPEN, 1);
		conn_thrown_out(conn);
		conn_report(conn, REPORT_CLOSED, 0, SLICE_NONE);
		conn_free(conn);
		return;
	}
	if (approach_again(conn) && !conn->worker->draining)
		conn_try(conn);
	else
		conn_give_up(conn);
}

static void conn_close(struct conn *conn)
{
	CHECK(conn->state != CONN_CLOSING);
	conn->state = CONN_CLOSING;
	ring_timer_stop(conn->worker->ring, &conn->timer);
	conn->closed.done = on_closed;
	channel_close(&conn->channel, conn->worker->ring, &conn->closed);
}

static void on_said(void *who, size_t n, int error)
{
	struct conn *conn = who;

	session_said(&conn->session, n, worker_now_ms(conn->worker));
	if (error && conn->state == CONN_TALKING)
		session_lost(&conn->session, error, worker_now_ms(conn->worker));
	conn_turn(conn);
}

static void on_heard(void *who, struct slice bytes)
{
	struct conn *conn = who;

	session_hear(&conn->session, bytes, worker_now_ms(conn->worker));
	conn_turn(conn);
}

static void on_lost(void *who, int error)
{
	struct conn *conn = who;

	session_lost(&conn->session, error, worker_now_ms(conn->worker));
	conn_turn(conn);
}

static void on_secured(void *who)
{
	struct conn *conn = who;
	const char *why = relay_distrusts(conn);

	if (why)
		session_insecure(&conn->session, why, worker_now_ms(conn->worker));
	else
		session_secured(&conn->session, worker_now_ms(conn->worker));
	conn_turn(conn);
}

static void on_insecure(void *who, const char *why)
{
	struct conn *conn = who;

	session_insecure(&conn->session, why, worker_now_ms(conn->worker));
	conn_turn(conn);
}

static const struct channel_owner channel_owner = {
	.heard = on_heard,
	.said = on_said,
	.lost = on_lost,
	.secured = on_secured,
	.insecure = on_insecure,
};

/* A window is only tried where the configuration allows it, and only opens when a refused recipient's message was
 * swallowed as it should be; so the probe needs an address that nobody can have (DESIGN: the ladder). */
static struct slice probe_address(struct conn *conn)
{
	struct list *link = lane_first(conn->lane);

	if (conn->limits.window_max <= 1 || conn->host->window_proved || !link)
		return SLICE_NONE;
	const struct domain *domain = delivery_of(link)->domain;

	if (!conn->probe)
		conn->probe = malloc(PROBE_MAX);
	CHECK(conn->probe != NULL);
	int n = snprintf(conn->probe, PROBE_MAX, "window-probe-%016llx@%.*s",
			 (unsigned long long)random_next(scheduler_random(conn->worker->scheduler)),
			 SLICE_ARG(domain_name(domain)));

	return n > 0 && n < PROBE_MAX ? (struct slice){conn->probe, (size_t)n} : SLICE_NONE;
}

static void conn_greet(struct conn *conn)
{
	struct worker *worker = conn->worker;
	const struct target *target = target_of(conn->lane->site);
	struct session_setup setup = {
		.helo = conn->source && conn->source->helo.len ? conn->source->helo : worker->config->hostname,
		.limits = &conn->limits,
		.no_pipelining = conn->host->pipelining_broken,
		.always_rset = conn->host->rset_needed,
		.window_proved = conn->host->window_proved,
		.judge = judge_hear,
		.judge_who = conn,
	};

	conn->limits = target->limits;
	conn->limits.messages_max = conn->lane->limits->messages_per_connection;
	conn->limits.window_max = conn->host->window_broken ? 1 : conn->lane->limits->window;
	setup.tls = protection_wished(conn);
	relay_set_up(conn, &setup);
	setup.probe_recipient = probe_address(conn);
	conn->state = CONN_TALKING;
	conn->greeted++;
	stat_add(worker->stats, STAT_CONNECTED, 1);
	session_free(&conn->session);
	session_start(&conn->session, &setup, worker_now_ms(worker));
	channel_begin(&conn->channel, worker->ring, &channel_owner, conn);
	conn_turn(conn);
}

static void on_connected(struct op *op, int result)
{
	struct conn *conn = LIST_OWNER(op, struct conn, connecting.op);

	if (conn->state == CONN_CLOSING)
		return; /* it took too long, and is being closed */
	if (result == 0) {
		if (conn->source)
			axes_source_away(&conn->worker->engine->axes, conn->source, false);
		conn_greet(conn);
		return;
	}
	/* Without a socket it was our end that could not be had, not a port of it. */
	if (result == -EADDRNOTAVAIL && conn->source && conn->channel.socket.slot == 0)
		approach_homeless(conn);
	else if (result == -EMFILE || result == -EADDRNOTAVAIL || result == -ENOBUFS)
		conn_failure(conn)->outcome = (struct outcome){.text = SLICE("our own limits")};
	else
		approach_failed(conn, CATEGORY_NETWORK, "4.4.1", "connecting to", -result);
	conn_close(conn);
}

/* It said nothing for a while: it stays if the lane will have something for it soon. */
static void conn_idled(struct conn *conn, uint64_t now_ms)
{
	enum lane_wait wait;
	uint64_t own_ms = lane_next_ms(conn->lane, &wait, now_ms);
	uint64_t next_ms = exchanger_next_ms(conn->exchanger, now_ms);

	next_ms = own_ms > next_ms ? own_ms : next_ms;
	if (conn->lane->nready && next_ms > now_ms && next_ms < now_ms + CONN_PATIENCE_MS)
		conn->idle_until_ms = next_ms + CONN_IDLE_MS;
	else
		session_quit(&conn->session, now_ms);
}

static void on_timer(struct timer *timer, uint64_t now_ms)
{
	struct conn *conn = LIST_OWNER(timer, struct conn, timer);

	if (conn->state == CONN_CONNECTING) {
		approach_failed(conn, CATEGORY_TIMEOUT, "4.4.1", "connecting to", 0);
		conn_close(conn);
		return;
	}
	uint64_t deadline_ms = session_deadline_ms(&conn->session);

	if (deadline_ms && deadline_ms <= now_ms)
		session_expire(&conn->session, now_ms);
	else if (conn->idle && conn->idle_until_ms <= now_ms)
		conn_idled(conn, now_ms);
	conn_turn(conn);
}

static void conn_try(struct conn *conn)
{
	struct worker *worker = conn->worker;
	const struct target *target = target_of(conn->lane->site);

	if (!approach_begin(conn)) {
		conn_give_up(conn);
		return;
	}
	const struct route *route = &conn->routes->route[conn->route];

	conn->state = CONN_CONNECTING;
	conn->tried++;
	conn->connecting.op.done = on_connected;
	ring_connect(worker->ring, &conn->connecting, &conn->channel.socket, RING_STREAM, &route->to.sa,
		     conn->source ? &conn->source->address : NULL);
	ring_timer(worker->ring, &conn->timer, worker_now_ms(worker) + (uint64_t)target->connect_s * 1000);
}

void conn_open(struct worker *worker, struct lane *lane, struct exchanger *exchanger, const struct carrier *carrier)
{
	const struct target *target = target_of(lane->site);
	struct conn *conn = pool_take(&worker->conns);

	CHECK(conn != NULL); /* the scheduler has as many slots as this pool */
	carrier_begin(&conn->carrier, carrier);
	conn->worker = worker;
	conn->lane = lane;
	conn->exchanger = exchanger;
	conn->routes = routes_keep(target->routes);
	conn->source = target->sources[lane->source];
	conn->number = ++worker->connections;
	list_init(&conn->idle_link);
	list_push(&worker->open_conns, &conn->all);
	timer_init(&conn->timer, on_timer);
	requirement_steer(conn);
	conn_try(conn);
}

/* It has, or has not, a transaction: the lane counts. */
static void conn_set_idle(struct conn *conn, bool idle)
{
	if (conn->idle == idle)
		return;
	conn->idle = idle;
	list_remove(&conn->idle_link);
	if (idle) {
		conn->idle_until_ms = worker_now_ms(conn->worker) + CONN_IDLE_MS;
		list_push_front(&conn->exchanger->idlers, &conn->idle_link); /* the warmest first */
	}
	conn_report(conn, idle ? REPORT_IDLE : REPORT_BUSY, 0, SLICE_NONE);
}

/* Greeted, and through EHLO: it counts as open. */
static void conn_set_opened(struct conn *conn)
{
	conn->opened = true;
	free(conn->failure);
	conn->failure = NULL;
	host_answered(conn->host);
	stat_add(conn->worker->stats, STAT_OPEN, 1);
	protection_count(conn);
	conn->idle = true;
	conn->idle_until_ms = worker_now_ms(conn->worker) + CONN_IDLE_MS;
	list_push_front(&conn->exchanger->idlers, &conn->idle_link);
	conn_report(conn, REPORT_OPENED, 0, SLICE_NONE);
}

/* Transactions that are over go home; as long as the session wants, the lane is asked for more. */
static void conn_exchange(struct conn *conn)
{
	struct tx *tx;
	bool moved;

	do {
		moved = false;
		while ((tx = session_over(&conn->session))) {
			conn->ntransactions--;
			delivery_over(conn, tx);
		}
		while (session_wants(&conn->session) && (tx = delivery_next(conn))) {
			conn_set_idle(conn, false);
			conn->ntransactions++;
			session_give(&conn->session, tx);
			moved = true;
		}
	} while (moved);
	carrier_opened(conn);
}

static void conn_speak(struct conn *conn)
{
	struct session_send send;
	uint64_t deadline_ms;

	if (session_wants_handshake(&conn->session) && !channel_peer(&conn->channel))
		protection_begin(conn);
	if (channel_is_free(&conn->channel) && session_say(&conn->session, &send))
		channel_say(&conn->channel, send.iov, send.niov);
	deadline_ms = session_deadline_ms(&conn->session);
	if (!deadline_ms && conn->idle)
		deadline_ms = conn->idle_until_ms;
	if (deadline_ms)
		ring_timer(conn->worker->ring, &conn->timer, deadline_ms);
}

static void conn_turn(struct conn *conn)
{
	struct worker *worker = conn->worker;

	if (conn->state == CONN_CLOSING)
		return;
	if (!worker_may_send(worker))
		session_abandon(&conn->session);
	if (!conn->opened && !conn->passing_on && session_is_ready(&conn->session)) {
		if (!requirement_is_first(conn) && policies_pass_on(conn)) {
			session_abandon(&conn->session);
			conn_close(conn);
			return;
		}
		if (requirement_passes_on(conn)) {
			conn->passing_on = true;
			session_quit(&conn->session, worker_now_ms(worker));
		} else {
			conn_set_opened(conn);
		}
	}
	conn_exchange(conn);
	if (conn->ntransactions == 0 &&
	    (worker->draining || conn->yields || lane_is_resting(conn->lane, worker_now_ms(worker))))
		session_quit(&conn->session, worker_now_ms(worker));
	conn_set_idle(conn, conn->opened && conn->ntransactions == 0 && session_is_ready(&conn->session));
	if (session_is_closed(&conn->session)) {
		host_learn(conn->host, &conn->session);
		if (!conn->opened && !conn->passing_on && session_end_is_error(session_end(&conn->session)))
			approach_refused(conn);
		conn_close(conn);
		return;
	}
	conn_speak(conn);
}

void conn_feed(struct conn *conn)
{
	CHECK(conn->idle);
	conn_turn(conn);
}

void conn_quit(struct conn *conn)
{
	if (conn->state == CONN_TALKING) {
		session_quit(&conn->session, worker_now_ms(conn->worker));
		conn_turn(conn);
	}
}

void conn_abandon(struct conn *conn)
{
	if (conn->state == CONN_TALKING) {
		session_abandon(&conn->session);
		conn_turn(conn);
	} else if (conn->state == CONN_CONNECTING) {
		if (conn->failure)
			conn->failure->outcome.attempted = false;
		conn_close(conn);
	}
}
