/* A message is not said on a connection that has less protection than its domain demands, as little as the engine
 * would; to come again with less, on a new connection, is for who calls.
 *
 * The loop is the one that smtp/session.h asks of every owner. A dialogue without a message goes in lock-step, and when
 * the recipient has been taken the session is given up and QUIT is said by hand: a session has no way to stop between
 * RCPT and DATA, since nobody who delivers mail needs one. */
#include "dialogue_shown.h"

#include "policies.h"
#include "relay.h"

#include "base/check.h"
#include "base/list.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TURN_MS = 200, QUIT_PATIENCE_MS = 5000 };

struct dialogue {
	const struct dialogue_setup *setup;
	struct dialogue_result *result;
	struct channel channel;
	struct connecting connecting;
	struct op closing;
	struct login login; /* to a relay */
	struct session session;
	struct session_send send;
	struct tx tx;
	struct recipient recipient;
	struct arena arena;
	struct rendered rendered;
	struct outbuf plain;
	struct iovec quit;
	uint64_t deadline_ms; /* of connecting, and of our own QUIT */
	bool connected, given, by_hand, over, ended, closed;
};

static uint64_t now(const struct dialogue *d)
{
	return ring_now_ms(d->setup->ring);
}

static void on_connected(struct op *op, int result)
{
	struct dialogue *d = LIST_OWNER(op, struct dialogue, connecting.op);

	d->connected = result == 0;
	d->result->error = -result;
	d->ended = result != 0;
}

static void on_heard(void *who, struct slice bytes)
{
	struct dialogue *d = who;

	if (!d->by_hand) {
		session_hear(&d->session, bytes, now(d));
		return;
	}
	while (bytes.len)
		d->setup->line(d->setup->who, false, slice_trim(slice_until(&bytes, '\n')));
}

static void on_lost(void *who, int error)
{
	struct dialogue *d = who;

	if (d->by_hand)
		d->ended = true;
	else
		session_lost(&d->session, error, now(d));
}

static void on_said(void *who, size_t n, int error)
{
	struct dialogue *d = who;

	if (d->by_hand || d->ended)
		return;
	session_said(&d->session, n, now(d));
	if (error)
		session_lost(&d->session, error, now(d));
}

static struct slice mx_of(const struct dialogue *d)
{
	const struct routes *routes = d->setup->protection.routes;

	return routes->nhosts ? routes->hosts[routes->route[d->setup->protection.route].host] : SLICE_NONE;
}

static enum protection had(const struct dialogue *d)
{
	const struct protection_setup *protection = &d->setup->protection;

	return protection_had(channel_peer(&d->channel),
			      routes_security(protection->routes, protection->routes->route[protection->route].host));
}

static bool is_as_policy_says(const struct dialogue *d)
{
	const struct protection_setup *protection = &d->setup->protection;

	return policies_satisfied(protection->sts, had(d), protection->demands & PROTECTION_MX_SIGNED, mx_of(d));
}

/* What there is, and whether it is what is demanded. */
static bool is_protected(struct dialogue *d)
{
	const struct protection_setup *protection = &d->setup->protection;
	enum protection demanded = protection->demands & PROTECTION_DEMAND;

	if (demanded == PROTECTION_DANE && !(protection->demands & PROTECTION_MX_SIGNED))
		return false;
	protection_describe(channel_peer(&d->channel), d->result->tls);
	if (protection->waived)
		return true;
	return had(d) >= demanded && is_as_policy_says(d);
}

/* Before a relay hears who we are. */
static void on_secured(void *who)
{
	struct dialogue *d = who;

	if (d->setup->relay && !is_protected(d))
		session_insecure(&d->session, channel_peer(&d->channel)->why, now(d));
	else
		session_secured(&d->session, now(d));
}

static void on_insecure(void *who, const char *why)
{
	struct dialogue *d = who;

	session_insecure(&d->session, why, now(d));
}

static const struct channel_owner owner = {
	.heard = on_heard, .said = on_said, .lost = on_lost, .secured = on_secured, .insecure = on_insecure};

static void on_closed(struct op *op, int result)
{
	(void)result;
	LIST_OWNER(op, struct dialogue, closing)->closed = true;
}

static void begin(struct dialogue *d)
{
	const struct routes *routes = d->setup->protection.routes;
	unsigned route = d->setup->protection.route;
	struct session_setup setup = {
		.helo = d->setup->helo,
		.limits = d->setup->limits,
		.no_pipelining = !d->setup->message,
		.tls = protection_wish(d->setup->protection.tls, routes_security(routes, routes->route[route].host)),
	};

	if (d->setup->protection.manner != MEET_AS_PLANNED)
		setup.tls = d->setup->protection.manner == MEET_IN_CLEAR ? SESSION_CLEAR : SESSION_TLS_IF_OFFERED;
	if (d->setup->relay) {
		d->login = relay_login(d->setup->relay);
		setup.login = &d->login;
		setup.implicit_tls = d->setup->relay->implicit_tls;
	}
	d->deadline_ms = 0;
	session_start(&d->session, &setup, ring_now_ms(d->setup->ring));
	session_listen(&d->session, d->setup->line, d->setup->who);
	channel_begin(&d->channel, d->setup->ring, &owner, d);
}

/* The message in the form that this server takes; without one, any. */
static void give(struct dialogue *d)
{
	static const struct iovec nothing = {".\r\n", 3};
	struct mail_error error;

	d->given = true;
	d->recipient.address = d->setup->recipient;
	d->tx = (struct tx){.sender = d->setup->sender, .recipients = &d->recipient, .nrecipients = 1};
	d->tx.form = session_form(&d->session);
	d->tx.body = &nothing; /* never said, but a transaction has one */
	d->tx.nbody = 1;
	d->tx.wire_bytes = nothing.iov_len;
	if (d->setup->message) {
		CHECK(message_render(d->setup->message, d->setup->merge, d->tx.form, &d->arena, &d->rendered, &error));
		d->tx.body = d->rendered.iov;
		d->tx.nbody = d->rendered.niov;
		d->tx.wire_bytes = d->rendered.wire_bytes;
		d->tx.size = d->rendered.size;
		d->tx.eight_bit = d->rendered.eight_bit;
		d->tx.utf8 = d->rendered.utf8;
	}
	session_give(&d->session, &d->tx);
}

static void note(struct dialogue *d, const struct outcome *outcome)
{
	struct dialogue_result *result = d->result;

	result->outcome = *outcome;
	snprintf(result->text, sizeof(result->text), "%.*s", SLICE_ARG(outcome->text));
	result->outcome.text = SLICE_NONE; /* the result travels by value, and would leave its text behind */
}

static void secure(struct dialogue *d)
{
	const struct protection_setup *protection = &d->setup->protection;
	struct protection_demand demand;

	protection_demand(&demand, protection->routes, protection->route);
	if (protection->manner == MEET_LENIENTLY)
		demand.tls = (struct tls_demand){.host = demand.tls.host, .check = CHECK_NOTHING};
	channel_secure(&d->channel, d->setup->tls, &demand.tls, &d->plain);
}

/* The recipient has waited in vain. */
static void refuse(struct dialogue *d)
{
	struct outcome outcome = {.verdict = {ACTION_LATER, SCOPE_SITE, CATEGORY_TLS, .rule = "tls-required"},
				  .stage = STAGE_STARTTLS,
				  .origin = ORIGIN_LOCAL,
				  .enhanced = "4.7.10",
				  .text = SLICE("the connection has less protection than is demanded")};
	char why[PROTECTION_WHY_MAX];

	if (!is_as_policy_says(d)) {
		outcome.verdict.rule = "sts";
		outcome.text = policies_explain(d->setup->protection.sts, d->setup->protection.domain, mx_of(d),
						channel_peer(&d->channel), why);
		d->result->passed_over = true;
	}
	note(d, &outcome);
	d->over = true;
	d->result->told = true;
	session_quit(&d->session, now(d));
}

/* RCPT was taken and there is nothing to send: the session is given up, and we say QUIT. */
static void leave(struct dialogue *d)
{
	d->by_hand = true;
	d->result->taken = true;
	session_abandon(&d->session);
	while (session_over(&d->session))
		;
	d->setup->line(d->setup->who, true, SLICE("QUIT"));
	d->quit = (struct iovec){"QUIT\r\n", 6};
	d->deadline_ms = ring_now_ms(d->setup->ring) + QUIT_PATIENCE_MS;
	channel_say(&d->channel, &d->quit, 1);
}

/* Whatever happened: the order of smtp/session.h. */
static void turn(struct dialogue *d)
{
	uint64_t now_ms = ring_now_ms(d->setup->ring), deadline_ms = session_deadline_ms(&d->session);

	if (deadline_ms && now_ms >= deadline_ms)
		session_expire(&d->session, now_ms);
	if (session_wants_handshake(&d->session) && !channel_peer(&d->channel))
		secure(d);
	if (session_wants(&d->session) && !d->given && !d->over) {
		if (is_protected(d)) /* else not a word of the mail is said */
			give(d);
		else
			refuse(d);
	}
	if (session_over(&d->session)) {
		d->over = true;
		d->result->told = true;
		note(d, &d->recipient.outcome);
		session_quit(&d->session, now_ms);
	}
	if (d->given && !d->over && !d->setup->message && d->tx.naccepted > 0 && channel_is_free(&d->channel)) {
		leave(d);
		return;
	}
	if (channel_is_free(&d->channel) && session_say(&d->session, &d->send))
		channel_say(&d->channel, d->send.iov, d->send.niov);
	if (session_is_closed(&d->session)) {
		d->ended = true;
		d->result->insecure = session_end(&d->session) == SESSION_INSECURE;
		if (!d->over)
			note(d, session_outcome(&d->session));
	}
}

static void finish(struct dialogue *d)
{
	d->closing.done = on_closed;
	channel_close(&d->channel, d->setup->ring, &d->closing);
	while (!d->closed && ring_turn(d->setup->ring, TURN_MS) == 0)
		;
	channel_free(&d->channel);
	outbuf_free(&d->plain);
	while (!d->by_hand && d->connected && session_over(&d->session))
		;
	tx_clear(&d->tx);
	if (d->connected)
		session_free(&d->session);
	arena_free(&d->arena);
}

struct dialogue_result dialogue_show(const struct dialogue_setup *setup)
{
	struct dialogue_result result = {.error = 0};
	struct dialogue d = {.setup = setup, .result = &result};
	bool begun = false;

	d.connecting.op.done = on_connected;
	d.deadline_ms = ring_now_ms(setup->ring) + 1000ull * setup->connect_s;
	ring_connect(setup->ring, &d.connecting, &d.channel.socket, RING_STREAM, &setup->to->sa, setup->from);
	while (!d.ended && ring_turn(setup->ring, TURN_MS) == 0) {
		if (d.connected && !begun)
			begin(&d);
		begun = d.connected;
		if (begun && !d.by_hand && !d.ended)
			turn(&d);
		if (d.deadline_ms && ring_now_ms(setup->ring) >= d.deadline_ms) {
			result.error = begun ? 0 : ETIMEDOUT;
			d.ended = true;
		}
	}
	finish(&d);
	return result;
}
