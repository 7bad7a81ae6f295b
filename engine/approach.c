/* The scheduler chooses among exchangers, here one is only passed over when it is known from other lanes to be silent.
 * Whatever an exchanger does not like is reported before the next is asked for, so that the choice knows of it. Only
 * when the whole lane has to rest does a delivery bear the news; else the mail just waits for a better connection. */
#include "approach.h"

#include "learned.h"
#include "protection.h"
#include "relay.h"
#include "requirement.h"
#include "target.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

enum { OWN_FAULT_MS = 1000, HOMELESS_MS = 30000 };

void approach_failed(struct conn *conn, enum category category, const char *enhanced, const char *what, int error)
{
	struct conn_failure *failure = conn_failure(conn);
	struct address address = routes_address(conn->routes, conn->route);
	char remote[ADDRESS_TEXT_MAX];

	snprintf(failure->text, sizeof(failure->text), "%s %s: %s", what, address_text(&address, remote).ptr,
		 error ? strerror(error) : "no answer in time");
	failure->outcome = (struct outcome){
		.verdict = {.action = ACTION_ELSEWHERE, .scope = SCOPE_SITE, .category = category},
		.stage = STAGE_CONNECT,
		.origin = ORIGIN_LOCAL,
		.attempted = true,
		.text = slice_of(failure->text),
	};
	memcpy(failure->outcome.enhanced, enhanced, strlen(enhanced) + 1);
	failure->tls[0] = '\0';
	if (conn->exchanger->open == 0) /* else it is alive, and has enough of us */
		host_failed(conn->host, worker_now_ms(conn->worker));
}

void approach_homeless(struct conn *conn)
{
	struct conn_failure *failure = conn_failure(conn);

	axes_source_away(&conn->worker->engine->axes, conn->source, true);
	snprintf(failure->text, sizeof(failure->text), "source %.*s: %.*s is not an address of this machine",
		 SLICE_ARG(conn->source->name), SLICE_ARG(conn->source->ip));
	failure->outcome = (struct outcome){.text = slice_of(failure->text)};
	failure->own_fault_ms = HOMELESS_MS;
}

/* What the server said is kept beyond the session. */
void approach_refused(struct conn *conn)
{
	struct conn_failure *failure = conn_failure(conn);
	struct outcome *outcome = &failure->outcome;

	*outcome = *session_outcome(&conn->session);
	struct slice text = slice_head(outcome->text, sizeof(failure->text) - 1);

	if (text.len)
		memcpy(failure->text, text.ptr, text.len);
	failure->text[text.len] = '\0';
	outcome->text = (struct slice){failure->text, text.len};
	outcome->attempted = true;
	if (outcome->verdict.action == ACTION_DELIVERED || outcome->verdict.action == ACTION_NEVER)
		outcome->verdict.action = ACTION_ELSEWHERE;
	protection_describe(channel_peer(&conn->channel), failure->tls);
	if (session_end(&conn->session) == SESSION_INSECURE)
		requirement_note_insecure(conn);
	conn->once_more = session_found_window_broken(&conn->session) || protection_falls_back(conn);
}

/* The scheduler names another exchanger; false: there is none. */
static bool move_on(struct conn *conn)
{
	struct worker *worker = conn->worker;
	struct exchanger *other =
		scheduler_reroute(worker->scheduler, conn->lane, conn->exchanger, worker_now_ms(worker));

	if (other)
		conn->exchanger = other;
	return other != NULL;
}

/* The routes of now, and in them that of the exchanger. */
static bool find_route(struct conn *conn)
{
	const struct target *target = target_of(conn->lane->site);

	if (conn->routes != target->routes) {
		routes_free(conn->routes);
		conn->routes = routes_keep(target->routes);
	}
	conn->route = conn->exchanger->route;
	return conn->route < conn->routes->nroutes;
}

static bool is_dead(const struct conn *conn)
{
	struct address address = routes_address(conn->routes, conn->route);

	return host_is_dead(conn->worker, &address, worker_now_ms(conn->worker));
}

static void hold_host(struct conn *conn)
{
	struct address address = routes_address(conn->routes, conn->route);

	if (conn->host)
		host_release(conn->worker, conn->host);
	conn->host = host_hold(conn->worker, &address);
}

bool approach_begin(struct conn *conn)
{
	for (unsigned passed = 0; find_route(conn); passed++) {
		learned_recall(conn);
		if ((is_dead(conn) || !protection_is_possible(conn)) && passed < CONN_ADDRESSES_MAX && move_on(conn))
			continue;
		hold_host(conn);
		return true;
	}
	return false;
}

/* A host that failed the probe of a window takes mail one message at a time, one whose TLS does not work may take it
 * in clear: it is asked again, at once and once, for that is remembered. That greeting does not count. */
bool approach_again(struct conn *conn)
{
	const struct conn_failure *failure = conn->failure;
	bool once_more = conn->once_more;

	conn->once_more = false;
	if (once_more) {
		conn->greeted--;
		return true;
	}
	conn->lenient = false;
	if (conn->passing_on) {
		conn->passing_on = false;
		conn->greeted--;
		requirement_steer(conn);
		return true;
	}
	if (!failure || !failure->outcome.attempted)
		return false;
	stat_add(conn->worker->stats, STAT_REFUSED, 1);
	if (relay_rests(conn))
		return false;
	conn_report(conn, REPORT_CROWDED, (uint64_t)failure->outcome.verdict.retry_after_s * 1000,
		    failure->outcome.text);
	learned_note(conn);
	return conn->tried < CONN_ADDRESSES_MAX && conn->greeted < CONN_SESSIONS_MAX && move_on(conn);
}

void approach_end(struct conn *conn)
{
	const struct conn_failure *failure = conn->failure;
	bool attempted = failure && failure->outcome.attempted;

	conn_report(conn, REPORT_UNOPENED, 0, SLICE_NONE);
	if (!attempted && failure && failure->own_fault_ms)
		conn_report(conn, REPORT_REST, failure->own_fault_ms, failure->outcome.text);
	else if (!attempted)
		conn_report(conn, REPORT_REST, OWN_FAULT_MS, SLICE("this machine could not open a connection"));
	else if (lane_is_resting(conn->lane, worker_now_ms(conn->worker)))
		delivery_unreachable(conn->lane, &failure->outcome, conn);
}
