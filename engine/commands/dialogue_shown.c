/* The loop is the one that smtp/session.h asks of every owner. A dialogue without a message goes in lock-step, and when
 * the recipient has been taken the session is given up and QUIT is said by hand: a session has no way to stop between
 * RCPT and DATA, since nobody who delivers mail needs one. */
#include "dialogue_shown.h"

#include "base/check.h"
#include "base/list.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TURN_MS = 200, QUIT_PATIENCE_MS = 5000 };

struct dialogue {
	const struct dialogue_setup *setup;
	struct dialogue_result *result;
	struct connecting connecting;
	struct receive receive;
	struct sending sending;
	struct op closing;
	struct socket socket;
	struct session session;
	struct session_send send;
	struct tx tx;
	struct recipient recipient;
	struct arena arena;
	struct rendered rendered;
	struct iovec quit;
	uint64_t deadline_ms; /* of connecting, and of our own QUIT */
	bool connected, sending_now, given, by_hand, over, ended, closed;
};

static void on_connected(struct op *op, int result)
{
	struct dialogue *d = LIST_OWNER(op, struct dialogue, connecting.op);

	d->connected = result == 0;
	d->result->error = -result;
	d->ended = result != 0;
}

static void on_data(struct receive *receive, struct slice bytes)
{
	struct dialogue *d = LIST_OWNER(receive, struct dialogue, receive);

	if (!d->by_hand) {
		session_hear(&d->session, bytes, ring_now_ms(d->setup->ring));
		return;
	}
	while (bytes.len)
		d->setup->line(d->setup->who, false, slice_trim(slice_until(&bytes, '\n')));
}

static void on_received(struct op *op, int result)
{
	struct dialogue *d = LIST_OWNER(op, struct dialogue, receive.op);

	if (d->by_hand || result == -ECANCELED)
		d->ended = true;
	else
		session_lost(&d->session, -result, ring_now_ms(d->setup->ring));
}

static void on_sent(struct op *op, int result)
{
	struct dialogue *d = LIST_OWNER(op, struct dialogue, sending.op);

	d->sending_now = false;
	if (d->by_hand)
		return;
	session_said(&d->session, result > 0 ? (size_t)result : 0, ring_now_ms(d->setup->ring));
	if (result < 0)
		session_lost(&d->session, -result, ring_now_ms(d->setup->ring));
}

static void on_closed(struct op *op, int result)
{
	(void)result;
	LIST_OWNER(op, struct dialogue, closing)->closed = true;
}

static void begin(struct dialogue *d)
{
	struct session_setup setup = {
		.helo = d->setup->helo,
		.limits = d->setup->limits,
		.no_pipelining = !d->setup->message,
	};

	d->deadline_ms = 0;
	session_start(&d->session, &setup, ring_now_ms(d->setup->ring));
	session_listen(&d->session, d->setup->line, d->setup->who);
	d->receive.op.done = on_received;
	d->receive.data = on_data;
	ring_receive(d->setup->ring, &d->receive, &d->socket);
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
	result->outcome.text = slice_of(result->text);
}

static void send_bytes(struct dialogue *d, struct iovec *iov, unsigned niov)
{
	d->sending_now = true;
	d->sending.op.done = on_sent;
	ring_send(d->setup->ring, &d->sending, &d->socket, iov, niov);
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
	send_bytes(d, &d->quit, 1);
}

/* Whatever happened: the order of smtp/session.h. */
static void turn(struct dialogue *d)
{
	uint64_t now_ms = ring_now_ms(d->setup->ring), deadline_ms = session_deadline_ms(&d->session);

	if (deadline_ms && now_ms >= deadline_ms)
		session_expire(&d->session, now_ms);
	if (session_wants(&d->session) && !d->given)
		give(d);
	if (session_over(&d->session)) {
		d->over = true;
		d->result->told = true;
		note(d, &d->recipient.outcome);
		session_quit(&d->session, now_ms);
	}
	if (d->given && !d->over && !d->setup->message && d->tx.naccepted > 0 && !d->sending_now) {
		leave(d);
		return;
	}
	if (!d->sending_now && session_say(&d->session, &d->send))
		send_bytes(d, d->send.iov, d->send.niov);
	if (session_is_closed(&d->session)) {
		d->ended = true;
		if (!d->over)
			note(d, session_outcome(&d->session));
	}
}

static void finish(struct dialogue *d)
{
	d->closing.done = on_closed;
	ring_close(d->setup->ring, &d->closing, &d->socket, false);
	while (!d->closed && ring_turn(d->setup->ring, TURN_MS) == 0)
		;
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
	ring_connect(setup->ring, &d.connecting, &d.socket, RING_STREAM, setup->to, setup->from);
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
