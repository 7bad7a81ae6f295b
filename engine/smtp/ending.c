/* How things end: one recipient by a reply, and all who are left by the end of a session. The second is where mail is
 * lost or sent twice, so it is one function, and each recipient goes through exactly one of its three branches: its
 * message may have arrived (uncertain), its transaction was the one the server was busy with (attempted), or its turn
 * had not come (not attempted, and it counts for nothing).
 *
 * A connection that dies with the first command of another message has not refused that message: servers close after
 * so many messages or so many seconds, and it would be unjust to count that against whoever happened to be next. */
#include "smtp/dialogue.h"

#include "smtp/verdict.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static void keep_text(char **owned, struct outcome *outcome)
{
	struct slice text = slice_head(outcome->text, OUTCOME_TEXT_MAX);

	free(*owned);
	*owned = text.len ? slice_copy(text) : NULL;
	outcome->text = (struct slice){*owned, text.len};
}

void tx_settle(struct tx *tx, unsigned i, const struct outcome *outcome)
{
	struct recipient *recipient = &tx->recipients[i];

	CHECK(i < tx->nrecipients);
	CHECK(!recipient->settled);
	CHECK(outcome->verdict.action != ACTION_DELIVERED || recipient->accepted);
	recipient->outcome = *outcome;
	recipient->settled = true;
	keep_text(&recipient->text, &recipient->outcome);
}

void tx_settle_rest(struct tx *tx, const struct outcome *outcome)
{
	for (unsigned i = 0; i < tx->nrecipients; i++)
		if (!tx->recipients[i].settled)
			tx_settle(tx, i, outcome);
}

void tx_leave(struct tx *tx, unsigned from)
{
	const struct outcome outcome = {
		.verdict = {ACTION_LATER, SCOPE_CONNECTION, CATEGORY_NONE, .rule = "not-attempted"},
		.stage = STAGE_MAIL,
		.origin = ORIGIN_LOCAL,
	};

	for (unsigned i = from; i < tx->nrecipients; i++)
		if (!tx->recipients[i].settled)
			tx_settle(tx, i, &outcome);
}

static struct verdict judge(struct session *session, const struct heard *heard)
{
	const struct session_setup *setup = &session->setup;

	return setup->judge && heard->code >= 400 ? setup->judge(setup->judge_who, heard) : verdict_of(heard);
}

struct outcome outcome_of(struct session *session, enum stage stage, const struct reply *reply)
{
	const struct heard heard = {
		.stage = stage,
		.code = reply->code,
		.enhanced = reply->enhanced,
		.text = reply->text,
	};
	struct outcome outcome = {
		.verdict = judge(session, &heard),
		.stage = stage,
		.origin = ORIGIN_REMOTE,
		.attempted = true,
		.code = (uint16_t)reply->code,
		.text = reply->text,
	};

	CHECK(reply->enhanced.len < ENHANCED_MAX);
	if (reply->enhanced.len)
		memcpy(outcome.enhanced, reply->enhanced.ptr, reply->enhanced.len);
	if (outcome.verdict.action == ACTION_SLOWER)
		session->slow_until_ms = session->now_ms + SLOWER_MS;
	return outcome;
}

void dialogue_keep_outcome(struct session *session, const struct outcome *outcome)
{
	struct session_aside *aside = dialogue_aside(session);

	aside->outcome = *outcome;
	outbuf_reset(&aside->outcome_text);
	outbuf_add(&aside->outcome_text, slice_head(outcome->text, OUTCOME_TEXT_MAX));
	aside->outcome.text = outbuf_slice(&aside->outcome_text);
}

void dialogue_refused(struct session *session, enum stage stage, const struct reply *reply)
{
	struct outcome outcome = outcome_of(session, stage, reply);

	dialogue_keep_outcome(session, &outcome);
	session->end = code_class(reply) == 3 ? SESSION_PROTOCOL : SESSION_REFUSED;
	session->next = STEP_QUIT;
}

/* The step at which the session is: what is waited for, else what is due. */
static enum step step_at_hand(const struct session *session)
{
	if (session->shaking)
		return STEP_STARTTLS;
	if (session->nowed > 0)
		return session->owed[session->owed_first].step;
	for (unsigned i = session->saying; i < session->ntx; i++)
		if (dialogue_tx(session, i)->say_step != STEP_END)
			return dialogue_tx(session, i)->say_step;
	return session->next ? session->next : STEP_QUIT;
}

static enum category category_of(enum session_end end)
{
	if (end == SESSION_TIMEOUT)
		return CATEGORY_TIMEOUT;
	if (end == SESSION_INSECURE)
		return CATEGORY_TLS;
	return end == SESSION_DESYNC || end == SESSION_PROTOCOL ? CATEGORY_PROTOCOL : CATEGORY_NETWORK;
}

/* What we say ourselves when the server says nothing: what happened, and what was being done. */
static struct outcome outcome_of_end(struct session *session, enum session_end end, const char *what)
{
	const struct row *row = dialogue_row(step_at_hand(session));
	bool before_mail = !session->ready;
	struct outcome outcome = {
		.verdict = {before_mail ? ACTION_ELSEWHERE : ACTION_LATER, SCOPE_CONNECTION, category_of(end),
			    .rule = "connection-ended"},
		.stage = row->stage,
		.origin = ORIGIN_LOCAL,
		.attempted = true,
	};

	struct outbuf *text = &dialogue_aside(session)->outcome_text;

	outbuf_reset(text);
	outbuf_printf(text, "%s%s%s, at %s", session_end_sentence(end), what ? ": " : "", what ? what : "",
		      session->shaking && session->setup.implicit_tls ? "the handshake" : row->name);
	outcome.text = outbuf_slice(text);
	return outcome;
}

/* All of the message is with the kernel, or may be: it is in a send that has not come back, and more follows it. */
static bool may_have_arrived(const struct session *session, const struct tx *tx)
{
	if (tx->lone_dot)
		return false;
	return tx->last_byte_sent || (session->sending && tx->end_in_send && tx->end_in_send < session->send_bytes);
}

/* Whether the transaction the server was busy with is to bear the end of the session. */
static bool bears_it(const struct session *session, const struct tx *tx, enum session_end end)
{
	if (end == SESSION_ABANDONED || end == SESSION_QUIT || end == SESSION_421 || tx_is_unbegun(tx))
		return false;
	return end == SESSION_TIMEOUT || tx->nheard > 0 || session->nfinished == 0;
}

/* A transaction whose last reply ends the session is over, and may not be settled. */
static bool is_settled(const struct tx *tx)
{
	for (unsigned i = 0; i < tx->nrecipients; i++)
		if (!tx->recipients[i].settled)
			return false;
	return true;
}

static void end_tx(struct session *session, struct tx *tx, struct outcome outcome, bool attempted)
{
	if (may_have_arrived(session, tx) && session->end != SESSION_421) {
		outcome.stage = STAGE_EOM;
		outcome.attempted = outcome.uncertain = true;
		tx_settle_rest(tx, &outcome);
	} else if (attempted) {
		if (outcome.stage == STAGE_EOM)
			outcome.stage = STAGE_DATA; /* "end of mail" is after the last byte only */
		tx_settle_rest(tx, &outcome);
	} else {
		tx_leave(tx, 0);
	}
	tx->say_step = STEP_END;
	tx->nowed = 0;
	tx->again = false;
}

/* The probe asks for something odd. Who ends the session over it is asked no more. */
static bool is_probing(const struct session *session)
{
	enum step step = step_at_hand(session);

	return step >= STEP_PROBE_MAIL && step <= STEP_PROBE_RSET;
}

void dialogue_end(struct session *session, enum session_end end, const char *what)
{
	bool first = true;

	if (session->closed)
		return;
	bool is_news = session->end == SESSION_OPEN;

	if (is_news)
		session->end = end;
	struct outcome outcome = {
		.verdict = {ACTION_LATER, SCOPE_CONNECTION, CATEGORY_NONE, .rule = "connection-ended"}};

	if (is_news && session_end_is_error(end))
		session->found_window_broken |= is_probing(session);
	if (is_news && session_end_is_error(end) && end != SESSION_421)
		outcome = dialogue_aside(session)->outcome = outcome_of_end(session, end, what);
	for (unsigned i = 0; i < session->ntx; i++) {
		struct tx *tx = dialogue_tx(session, i);

		if (tx_is_over(tx) && is_settled(tx))
			continue;
		end_tx(session, tx, outcome, first && bears_it(session, tx, end));
		first = false;
	}
	if (session->suspect)
		window_resolve(session);
	session->closed = true;
	session->nowed = 0;
	session->deadline_ms = 0;
}

void dialogue_end_421(struct session *session, enum step step, struct tx *tx, const struct reply *reply)
{
	enum stage stage = step == STEP_NONE ? STAGE_MAIL : dialogue_row(step)->stage;
	struct outcome outcome = outcome_of(session, stage, reply);

	dialogue_keep_outcome(session, &outcome);
	if (tx) {
		if (step == STEP_MAIL && session->nfinished > 0)
			tx_leave(tx, 0);
		else
			tx_settle_rest(tx, &outcome);
	}
	dialogue_end(session, SESSION_421, NULL);
}
