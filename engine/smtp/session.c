/* The session's calls. Every event (heard, said, given, lost, late) does its part here and ends in dialogue_turn, which
 * decides what is due next.
 *
 * A reply goes to the front of one queue: the oldest step that waits for one has it, whatever its code and text. What
 * is heard while the end of a message is still in a send is held back until the send is done, for only then is it known
 * whether the reply came after the message or before it. Rejected: taking such a success at its word (a server that
 * answers too early has not got the message), and calling it a breach (over a slow line the kernel tells of a send
 * later than the server does of the message). */
#include "smtp/dialogue.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name, *sentence;
	bool is_error;
} ends[] = {
#define X(name, text, is_error, sentence) {text, sentence, is_error},
	SESSION_ENDS(X)
#undef X
};

const char *session_end_name(enum session_end end)
{
	return ends[end].name;
}

bool session_end_is_error(enum session_end end)
{
	return ends[end].is_error;
}

const char *session_end_sentence(enum session_end end)
{
	return ends[end].sentence;
}

/* ---- hearing */

static bool is_of_message(enum step step)
{
	return step == STEP_BODY || step == STEP_BDAT;
}

/* The reply to a message whose last byte is in the send at hand: whether it came in time is not known yet. */
static bool is_before_its_turn(const struct session *session, const struct expected *expected)
{
	const struct tx *tx = dialogue_tx_of(session, expected);

	return is_of_message(expected->step) && tx->end_in_send && !tx->last_byte_sent;
}

/* 421 may come at any time (RFC 5321 3.8): then it is about what we were going to say. */
static void take_unasked(struct session *session, const struct reply *reply)
{
	struct tx *tx = session->saying < session->ntx ? dialogue_tx(session, session->saying) : NULL;

	if (reply->code != 421)
		dialogue_end(session, SESSION_DESYNC, NULL);
	else if (tx && !tx_is_unbegun(tx))
		dialogue_end_421(session, tx->say_step, tx, reply);
	else
		dialogue_end_421(session, STEP_NONE, NULL, reply);
}

/* The oldest step that waits for a reply has this one. */
static void take(struct session *session, const struct reply *reply)
{
	if (session->nowed == 0) {
		take_unasked(session, reply);
		return;
	}
	enum step step = dialogue_front(session)->step;
	struct tx *tx = dialogue_tx_of(session, dialogue_front(session));

	if (reply->code == 421 && step != STEP_QUIT) {
		dialogue_end_421(session, step, tx, reply);
		return;
	}
	if (session->suspect && !window_fits(step, tx, reply)) {
		dialogue_end(session, SESSION_DESYNC, "a reply in a suspect window did not fit");
		return;
	}
	dialogue_pop(session);
	session->nheard++;
	if (tx) {
		tx->nowed--;
		tx->nheard++;
	}
	dialogue_row(step)->hear(session, tx, reply);
	session->nfinished += tx && tx_is_over(tx);
	dialogue_advance(session);
	if (!session->closed && !session->sending)
		dialogue_set_deadline(session);
}

static void keep_for_later(struct session *session, struct slice bytes)
{
	struct outbuf *pending = &dialogue_aside(session)->pending;

	outbuf_add(pending, bytes);
	if (pending->len > PENDING_MAX)
		dialogue_end(session, SESSION_DESYNC, "it said too much while a message was being sent");
}

static void consume(struct session *session, struct slice bytes)
{
	struct reply reply;

	while (!session->closed && reply_feed(&session->parser, &bytes, &reply)) {
		if (session->nowed > 0 && is_before_its_turn(session, dialogue_front(session))) {
			dialogue_aside(session)->held = reply; /* the parser keeps its text until it is fed again */
			session->is_holding = true;
			keep_for_later(session, bytes);
			return;
		}
		take(session, &reply);
		if (session->shaking && !session->closed)
			break;
	}
	if (!session->is_holding)
		reply_let_go(&session->parser);
	if (session->shaking && (bytes.len > 0 || reply_is_partial(&session->parser)))
		dialogue_end(session, SESSION_INSECURE, "it said more in clear behind its reply to STARTTLS");
	if (!session->closed && session->parser.broken)
		dialogue_end(session, SESSION_PROTOCOL, session->parser.why);
}

static void release_held(struct session *session)
{
	struct outbuf pending = session->aside->pending;
	struct reply held = session->aside->held;

	session->is_holding = false;
	session->aside->pending = (struct outbuf){0};
	take(session, &held);
	consume(session, outbuf_slice(&pending));
	outbuf_free(&pending);
}

/* What a server says of SCRAM is enough to guess the password by, for whoever has time. */
static bool is_secret(const struct session *session, struct slice line)
{
	return session->mechanism == AUTH_SCRAM && !session->logged_in && slice_starts(line, SLICE("334"));
}

static void tell_heard(struct session *session, struct slice bytes)
{
	struct outbuf *heard = &dialogue_aside(session)->line_heard;

	while (bytes.len > 0) {
		bool ends = slice_find(bytes, '\n') < bytes.len;

		outbuf_add(heard, slice_until(&bytes, '\n'));
		if (!ends && heard->len < REPLY_LINE_MAX)
			return;
		struct slice line = outbuf_slice(heard);

		line.len -= line.len > 0 && line.ptr[line.len - 1] == '\r';
		session->line(session->who, false, is_secret(session, line) ? SLICE("334 ****") : line);
		outbuf_reset(heard);
	}
}

void session_hear(struct session *session, struct slice bytes, uint64_t now_ms)
{
	session->now_ms = now_ms;
	if (session->closed)
		return;
	if (session->line)
		tell_heard(session, bytes);
	if (session->is_holding)
		keep_for_later(session, bytes);
	else
		consume(session, bytes);
	dialogue_turn(session);
}

/* Nothing more will come, so what was held back is judged by what is known: a refusal counts, a success does only if
 * all of its message had gone. */
void session_lost(struct session *session, int error, uint64_t now_ms)
{
	session->now_ms = now_ms;
	if (session->is_holding && !session->closed)
		release_held(session);
	if (session->closed)
		return;
	bool only_quit = session->nowed == 0 || dialogue_front(session)->step == STEP_QUIT;

	if (session->nowed > 0 && only_quit) {
		session->exact = !error && !reply_is_partial(&session->parser);
		dialogue_end(session, SESSION_QUIT, NULL);
	} else {
		session->exact = session->suspect && only_quit && !error && !reply_is_partial(&session->parser);
		dialogue_end(session, error ? SESSION_LOST : SESSION_CLOSED, error ? strerror(error) : NULL);
	}
}

static bool has_lost_pipelined_input(const struct session *session)
{
	return !session->sending && session->pipelining && session->nheard > 0 && session->nheard < session->ngroup;
}

void session_expire(struct session *session, uint64_t now_ms)
{
	session->now_ms = now_ms;
	if (session->closed || session->deadline_ms == 0 || now_ms < session->deadline_ms)
		return;
	if (session->clock_unsure) { /* it spoke after a silence, when the time was not known: from now, then */
		session->deadline_ms = now_ms + session->setup.limits->body_s * 1000ull;
		session->clock_unsure = false;
		return;
	}
	if (session->is_holding)
		release_held(session);
	if (session->closed)
		return;
	if (session->nowed > 0 && dialogue_front(session)->step == STEP_QUIT) {
		dialogue_end(session, SESSION_QUIT, NULL);
		return;
	}
	session->found_pipelining_broken = has_lost_pipelined_input(session);
	dialogue_end(session, SESSION_TIMEOUT, NULL);
}

void session_said(struct session *session, size_t bytes, uint64_t now_ms)
{
	CHECK(session->sending);
	CHECK(bytes <= session->send_bytes);
	session->now_ms = now_ms;
	session->sending = false;
	for (unsigned i = 0; i < session->ntx; i++) {
		struct tx *tx = dialogue_tx(session, i);

		tx->last_byte_sent |= tx->end_in_send && bytes >= tx->end_in_send;
		tx->end_in_send = 0;
		tx->in_send = false;
	}
	send_let_go(session);
	if (session->closed)
		return;
	dialogue_set_deadline(session);
	if (session->is_holding && bytes == session->send_bytes)
		release_held(session);
	dialogue_turn(session);
}

/* ---- the rest of the calls */

void session_start(struct session *session, const struct session_setup *setup, uint64_t now_ms)
{
	struct session fresh = {
		.setup = *setup,
		.parser = session->parser,
		.commands = session->commands,
		.iov = session->iov,
		.iov_size = session->iov_size,
		.aside = session->aside,
		.now_ms = now_ms,
		.window = 1,
	};

	CHECK(session->ntx == 0);
	*session = fresh;
	reply_reset(&session->parser);
	aside_reset(session->aside);
	if (setup->login && setup->login->user.len)
		session->setup.tls = SESSION_TLS_MUST;
	session->shaking = setup->implicit_tls;
	if (!setup->implicit_tls)
		dialogue_expect(session, STEP_GREETING, NULL);
	dialogue_set_deadline(session);
	dialogue_turn(session);
}

void session_free(struct session *session)
{
	CHECK(session->ntx == 0);
	reply_free(&session->parser);
	outbuf_free(&session->commands);
	aside_free(session->aside);
	free(session->iov);
	*session = (struct session){0};
}

void session_quit(struct session *session, uint64_t now_ms)
{
	session->now_ms = now_ms;
	session->quit_asked = true;
	if (session->shaking)
		dialogue_end(session, SESSION_ABANDONED, NULL); /* QUIT would have to wait for the handshake */
	dialogue_turn(session);
}

void session_abandon(struct session *session)
{
	dialogue_end(session, SESSION_ABANDONED, NULL);
}

bool session_is_ready(const struct session *session)
{
	return session->ready && !session->closed && session->end == SESSION_OPEN && !session->quit_asked &&
	       !session->suspect;
}

static unsigned running(const struct session *session)
{
	unsigned n = 0;

	for (unsigned i = 0; i < session->ntx; i++)
		n += !tx_is_over(dialogue_tx(session, i));
	return n;
}

bool session_wants(const struct session *session)
{
	unsigned n = running(session);

	if (!session_is_ready(session) || session->ntx == SESSION_SLOTS || !dialogue_has_messages_left(session))
		return false;
	if (n == 0)
		return true;
	if (session->windowed)
		return n < session->window && !dialogue_is_slowed(session);
	if (n > 1 || !session->pipelining || dialogue_is_slowed(session))
		return false;
	const struct tx *last = dialogue_tx(session, session->ntx - 1);

	return last->data_open && last->say_step == STEP_BODY && !last->again;
}

enum wire_form session_form(const struct session *session)
{
	return session->windowed ? WIRE_BDAT : WIRE_DATA;
}

const struct caps *session_caps(const struct session *session)
{
	return &session->caps;
}

unsigned session_recipients_max(const struct session *session)
{
	unsigned theirs = session->caps.recipients_max, learned = session->recipients_learned;

	if (session->windowed)
		return 1;
	return learned && (!theirs || learned < theirs) ? learned : theirs;
}

void session_give(struct session *session, struct tx *tx)
{
	CHECK(session_wants(session));
	CHECK(tx->nrecipients > 0);
	CHECK(tx->form == WIRE_BDAT || tx->wire_bytes >= strlen(".\r\n"));
	session->was_idle = session->nowed == 0 && !session->sending;
	session->slots[(session->first + session->ntx++) % SESSION_SLOTS] = tx;
	tx->say_step = STEP_MAIL;
	tx->say_rcpt = tx->hear_rcpt = tx->naccepted = tx->nowed = tx->nheard = 0;
	tx->body_handed = tx->end_in_send = 0;
	tx->in_send = tx->mail_accepted = tx->data_open = tx->refused = tx->again = tx->bare = false;
	tx->lone_dot = tx->last_byte_sent = tx->provisional = false;
	for (unsigned i = 0; i < tx->nrecipients; i++)
		tx->recipients[i].accepted = tx->recipients[i].settled = false;
	tx_refuse_here(session, tx);
	dialogue_turn(session);
}

struct tx *session_over(struct session *session)
{
	if (session->ntx == 0)
		return NULL;
	struct tx *tx = dialogue_tx(session, 0);

	if (!tx_is_over(tx) || tx->in_send || (tx->provisional && !session->closed))
		return NULL;
	for (unsigned i = 0; i < tx->nrecipients; i++)
		CHECK(tx->recipients[i].settled);
	session->first = (session->first + 1) % SESSION_SLOTS;
	session->ntx--;
	session->saying -= session->saying > 0;
	return tx;
}

uint64_t session_deadline_ms(const struct session *session)
{
	return session->deadline_ms;
}

bool session_is_closed(const struct session *session)
{
	return session->closed;
}

enum session_end session_end(const struct session *session)
{
	return session->end;
}

const struct outcome *session_outcome(const struct session *session)
{
	static const struct outcome none;

	return session->aside ? &session->aside->outcome : &none;
}

bool session_found_rset_needed(const struct session *session)
{
	return session->found_rset_needed;
}

bool session_found_pipelining_broken(const struct session *session)
{
	return session->found_pipelining_broken;
}

bool session_found_window_broken(const struct session *session)
{
	return session->found_window_broken;
}

bool session_found_window_proved(const struct session *session)
{
	return session->found_window_proved;
}

void session_listen(struct session *session, void (*line)(void *who, bool ours, struct slice line), void *who)
{
	session->line = line;
	session->who = who;
}
