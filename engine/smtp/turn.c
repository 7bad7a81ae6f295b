/* What is due, and saying it.
 *
 * due() names the next step, and session_say goes on saying steps until nothing is due: that is all there is to
 * pipelining. A step may be said when nothing is owed, or when the server offers PIPELINING and what was said last does
 * not hold (RFC 2920 3.1). The end of a message does not hold, so MAIL, RCPT and DATA of the next ride behind it
 * without a line written for that; what may not ride, and when, is may_ride_behind.
 *
 * Every event ends in dialogue_turn. It promises that something is waited for, because the one fault this form of
 * program has is to stand still after a reply nobody thought of. */
#include "smtp/dialogue.h"

#include "base/check.h"

const struct row *dialogue_row(enum step step)
{
	CHECK(step > STEP_NONE && step < STEP_END);
	return step < STEP_MAIL ? &session_rows[step] : &tx_rows[step - STEP_MAIL];
}

/* ---- the queue of expected replies */

struct expected *dialogue_front(struct session *session)
{
	CHECK(session->nowed > 0);
	return &session->owed[session->owed_first];
}

static const struct expected *latest(const struct session *session)
{
	return &session->owed[(session->owed_first + session->nowed - 1) % SESSION_OWED_MAX];
}

struct tx *dialogue_tx_of(const struct session *session, const struct expected *expected)
{
	return expected->step < STEP_MAIL ? NULL : session->slots[expected->slot];
}

void dialogue_expect(struct session *session, enum step step, struct tx *tx)
{
	unsigned slot = (session->first + session->saying) % SESSION_SLOTS;

	session->ngroup++;
	if (tx)
		tx->nowed++;
	if (step == STEP_RCPT && session->nowed > 0) {
		struct expected *last = &session->owed[latest(session) - session->owed];

		if (last->step == STEP_RCPT && last->slot == slot) {
			last->count++;
			return;
		}
	}
	CHECK(session->nowed < SESSION_OWED_MAX);
	session->nowed++;
	*(struct expected *)latest(session) =
		(struct expected){.count = 1, .slot = (uint8_t)slot, .step = (uint8_t)step};
}

void dialogue_pop(struct session *session)
{
	if (--dialogue_front(session)->count > 0)
		return;
	session->owed_first = (session->owed_first + 1) % SESSION_OWED_MAX;
	session->nowed--;
}

/* A handshake is the host's second word of welcome: who is short with its EHLO is as short with that. */
static uint64_t handshake_ms(const struct session *session)
{
	uint64_t patience_ms = session->setup.limits->ehlo_s * 1000ull;

	return patience_ms < HANDSHAKE_MS ? patience_ms : HANDSHAKE_MS;
}

/* One deadline for a whole reply: bytes of it do not move it (RFC 5321 4.5.3.2, REQUIREMENTS TMO-9). While a send is
 * under way its own progress is what is waited for. */
void dialogue_set_deadline(struct session *session)
{
	const char *limits = (const char *)session->setup.limits;

	session->clock_unsure = false;
	session->deadline_ms = session->shaking ? session->now_ms + handshake_ms(session) : 0;
	if (session->nowed > 0) {
		size_t patience = dialogue_row(dialogue_front(session)->step)->patience;

		session->deadline_ms = session->now_ms + *(const unsigned *)(limits + patience) * 1000ull;
	}
}

/* ---- what is due */

static struct tx *tx_at_hand(const struct session *session)
{
	return session->saying < session->ntx ? dialogue_tx(session, session->saying) : NULL;
}

static bool may_say(const struct session *session)
{
	return session->nowed == 0 || (session->pipelining && !dialogue_row(latest(session)->step)->holds);
}

bool dialogue_is_slowed(const struct session *session)
{
	return session->now_ms < session->slow_until_ms;
}

static unsigned unbegun(const struct session *session)
{
	unsigned n = 0;

	for (unsigned i = session->saying; i < session->ntx; i++)
		n += tx_is_unbegun(dialogue_tx(session, i));
	return n;
}

static unsigned messages_max(const struct session *session)
{
	unsigned ours = session->setup.limits->messages_max, theirs = session->caps.messages_max;

	return ours && (!theirs || ours < theirs) ? ours : theirs;
}

bool dialogue_has_messages_left(const struct session *session)
{
	unsigned max = messages_max(session);

	return max == 0 || session->nmails + unbegun(session) < max;
}

/* Whether this one may begin although replies are owed: behind the end of the one before it. A long body in a window
 * goes alone. */
static bool may_ride_behind(const struct session *session, const struct tx *tx)
{
	if (session->saying == 0 || dialogue_is_slowed(session))
		return false;
	const struct tx *before = dialogue_tx(session, session->saying - 1);

	if (tx->form == WIRE_BDAT)
		return tx->wire_bytes <= SEND_MAX && before->wire_bytes <= SEND_MAX && !session->suspect;
	return !before->again;
}

static bool needs_rset(const struct session *session)
{
	bool always = session->setup.always_rset || session->found_rset_needed;

	return session->rset_due || (always && session->nmails > 0);
}

/* Of the transaction at hand. A long BDAT waits for the replies to MAIL and RCPT (RFC 3030 2). */
static enum step due_of(const struct session *session, const struct tx *tx)
{
	if (tx->say_step == STEP_BDAT && tx->wire_bytes > SEND_MAX && session->nowed > 0)
		return STEP_NONE;
	if (tx->say_step == STEP_END)
		return STEP_NONE; /* it will be said again when all is heard */
	if (!tx_is_unbegun(tx))
		return tx->say_step;
	if (session->rset_said)
		return STEP_MAIL;
	if (session->nowed > 0 && !may_ride_behind(session, tx))
		return STEP_NONE;
	return needs_rset(session) ? STEP_RSET : STEP_MAIL;
}

static enum step due(const struct session *session)
{
	const struct tx *tx = tx_at_hand(session);

	if (session->closed || session->sending || session->shaking)
		return STEP_NONE;
	if (tx && tx_is_mid_body(tx))
		return tx->say_step;
	if (!may_say(session))
		return STEP_NONE;
	if (session->next && (session->nowed > 0 || !session->quit_asked))
		return session->next;
	if (tx)
		return due_of(session, tx);
	return session->quit_asked && session->nowed == 0 ? STEP_QUIT : STEP_NONE;
}

/* ---- turning */

/* Given and not begun, and now they will not be. */
static void return_unbegun(struct session *session)
{
	for (unsigned i = session->saying; i < session->ntx; i++) {
		struct tx *tx = dialogue_tx(session, i);

		if (!tx_is_unbegun(tx))
			continue;
		tx_leave(tx, 0);
		tx->say_step = STEP_END;
	}
}

void dialogue_advance(struct session *session)
{
	struct tx *tx;

	while ((tx = tx_at_hand(session)) && tx->say_step == STEP_END) {
		if (tx->again && tx->nowed > 0)
			return;
		if (tx->again)
			tx_restart(tx);
		else
			session->saying++;
	}
}

static bool all_are_over(const struct session *session)
{
	return session->saying == session->ntx && session->nowed == 0;
}

/* Every event ends here. What is waited for afterwards is a reply, a send, the owner's next call of session_say, or,
 * in an idle session, another transaction; a session that waits for nothing would stand still for ever. */
void dialogue_turn(struct session *session)
{
	if (session->closed)
		return;
	if (session->quit_asked || session->suspect)
		return_unbegun(session);
	dialogue_advance(session);
	if (session->ready && all_are_over(session) && (session->suspect || !dialogue_has_messages_left(session)))
		session->quit_asked = true;
	if (session->nowed == 0 && due(session) != STEP_NONE && reply_is_partial(&session->parser)) {
		dialogue_end(session, SESSION_DESYNC, "it began to speak before it was spoken to");
		return;
	}
	CHECK(session->sending || session->nowed > 0 || session->shaking || due(session) != STEP_NONE ||
	      (session->ready && all_are_over(session)));
}

/* ---- saying */

static void say(struct session *session, enum step step)
{
	struct tx *tx = step < STEP_MAIL ? NULL : tx_at_hand(session);

	if (!tx || !tx_is_mid_body(tx))
		dialogue_expect(session, step, tx);
	dialogue_row(step)->say(session, tx);
	send_command(session);
	dialogue_advance(session);
}

bool session_say(struct session *session, struct session_send *send)
{
	enum step step;

	CHECK(!session->sending || session->closed);
	if (due(session) == STEP_NONE)
		return false;
	send_begin(session);
	while (session->send_bytes < SEND_MAX && (step = due(session)) != STEP_NONE) {
		say(session, step);
		if (tx_at_hand(session) && tx_is_mid_body(tx_at_hand(session)))
			break;
	}
	send_finish(session, send);
	session->sending = true;
	session->clock_unsure = session->was_idle;
	session->was_idle = false;
	session->deadline_ms = session->now_ms + session->setup.limits->body_s * 1000ull;
	return true;
}
