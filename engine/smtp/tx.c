/* The steps of a transaction. say moves tx->say_step on to what follows when all goes well; hear moves it to the end
 * when it does not. Two things follow from replies that come after more has been said. A refused MAIL speaks for all
 * its recipients, so what the server answers to RCPT and DATA behind it is taken in and means nothing, 503 least of
 * all. And a server that says 354 although nobody was accepted waits for a message: it gets a lone dot, whose reply
 * delivers nobody (RFC 2920 3.1). */
#include "smtp/dialogue.h"

#include "base/check.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

void tx_clear(struct tx *tx)
{
	for (unsigned i = 0; i < tx->nrecipients; i++) {
		free(tx->recipients[i].text);
		tx->recipients[i].text = NULL;
	}
}

bool tx_is_mid_body(const struct tx *tx)
{
	return tx->body_handed > 0 && tx->body_handed < tx->wire_bytes;
}

void tx_restart(struct tx *tx)
{
	CHECK(tx->nowed == 0 && !tx->bare);
	tx->say_step = STEP_MAIL;
	tx->say_rcpt = tx->hear_rcpt = tx->naccepted = 0;
	tx->body_handed = tx->end_in_send = 0;
	tx->mail_accepted = tx->data_open = tx->refused = tx->again = tx->lone_dot = tx->last_byte_sent = false;
	tx->bare = true;
	for (unsigned i = 0; i < tx->nrecipients; i++)
		tx->recipients[i].accepted = false;
}

/* Nothing more is said of it, but for a message that DATA has asked for already. */
static void stop(struct tx *tx)
{
	if (tx->say_step != STEP_BODY)
		tx->say_step = STEP_END;
}

/* ---- what cannot be sent here */

/* No command can have a line end in it, nor NUL: such an address was never valid, and must not reach the wire. */
static bool is_speakable(struct slice address)
{
	for (size_t i = 0; i < address.len; i++)
		if ((unsigned char)address.ptr[i] < 32 || address.ptr[i] == 127)
			return false;
	return true;
}

static bool are_speakable(const struct tx *tx)
{
	for (unsigned i = 0; i < tx->nrecipients; i++)
		if (!is_speakable(tx->recipients[i].address))
			return false;
	return is_speakable(tx->sender);
}

static void refuse(struct tx *tx, enum category category, const char *enhanced, const char *text)
{
	struct outcome outcome = {
		.verdict = {ACTION_NEVER, SCOPE_MESSAGE, category, .rule = "local"},
		.stage = STAGE_MAIL,
		.origin = ORIGIN_LOCAL,
		.attempted = true,
		.text = slice_of(text),
	};

	memcpy(outcome.enhanced, enhanced, strlen(enhanced) + 1);
	tx_settle_rest(tx, &outcome);
	tx->say_step = STEP_END;
}

void tx_refuse_here(struct session *session, struct tx *tx)
{
	const struct caps *caps = &session->caps;

	if (!are_speakable(tx))
		refuse(tx, CATEGORY_CONTENT, "5.1.3", "an address has a control character and was not sent");
	else if (tx->require_tls && !(session->secured && caps->requiretls))
		refuse(tx, CATEGORY_TLS, "5.7.30",
		       "the message requires TLS on its whole way, and the server does not offer REQUIRETLS under TLS");
	else if (caps->size_max && tx->size > caps->size_max)
		refuse(tx, CATEGORY_MESSAGE_TOO_LARGE, "5.3.4", "the message is larger than the server takes");
	else if (tx->utf8 && !caps->smtputf8)
		refuse(tx, CATEGORY_CONTENT, "5.6.7",
		       "an address or header needs SMTPUTF8, which the server does not offer");
	else if (tx->eight_bit && !caps->eight_bit && !caps->smtputf8)
		refuse(tx, CATEGORY_CONTENT, "5.6.3", "the message needs 8BITMIME, which the server does not offer");
}

/* ---- MAIL */

/* A parameter that only helps, and can be left out: SIZE. */
static bool has_optional_parameter(const struct session *session, const struct tx *tx)
{
	return session->caps.size && !tx->bare;
}

static void say_mail(struct session *session, struct tx *tx)
{
	tx->say_step = STEP_RCPT;
	session->nmails++;
	session->rset_said = false;
	send_text(session, SLICE("MAIL FROM:<"));
	send_text(session, tx->sender);
	send_text(session, SLICE(">"));
	if (has_optional_parameter(session, tx)) {
		send_text(session, SLICE(" SIZE="));
		send_number(session, tx->size);
	}
	if (tx->eight_bit && session->caps.eight_bit)
		send_text(session, SLICE(" BODY=8BITMIME"));
	if (tx->utf8)
		send_text(session, SLICE(" SMTPUTF8"));
	if (tx->require_tls)
		send_text(session, SLICE(" REQUIRETLS"));
	send_text(session, SLICE("\r\n"));
}

static bool is_about_parameters(const struct reply *reply)
{
	return reply->code == 555 || reply->code == 501 || reply->code == 504;
}

static void hear_mail(struct session *session, struct tx *tx, const struct reply *reply)
{
	bool after_refused_body = session->body_refused;

	session->body_refused = false;
	if (code_class(reply) == 2) {
		tx->mail_accepted = true;
		return;
	}
	if (code_class(reply) == 3) {
		dialogue_end(session, SESSION_DESYNC, "MAIL was answered like DATA");
		return;
	}
	tx->refused = true;
	if (tx->form == WIRE_BDAT && tx->say_step == STEP_END)
		window_suspect(session, tx);
	else if (is_about_parameters(reply) && has_optional_parameter(session, tx))
		tx->again = true;
	stop(tx);
	if (tx->again)
		return;
	if (reply->code == 503 && (after_refused_body || tx->provisional)) {
		session->found_rset_needed = true; /* it holds the refused message to be still open */
		tx_leave(tx, 0);
		return;
	}
	struct outcome outcome = outcome_of(session, STAGE_MAIL, reply);

	tx_settle_rest(tx, &outcome);
}

/* ---- RCPT */

static void end_of_rcpts(struct tx *tx)
{
	tx->say_step = tx->form == WIRE_BDAT ? STEP_BDAT : STEP_DATA;
}

static void say_rcpt(struct session *session, struct tx *tx)
{
	unsigned max = session_recipients_max(session);

	send_text(session, SLICE("RCPT TO:<"));
	send_text(session, tx->recipients[tx->say_rcpt].address);
	send_text(session, SLICE(">\r\n"));
	tx->say_rcpt++;
	if (max && tx->say_rcpt >= max)
		tx_leave(tx, tx->say_rcpt);
	if (tx->say_rcpt == tx->nrecipients || (max && tx->say_rcpt >= max))
		end_of_rcpts(tx);
}

/* "Enough for one transaction" (RFC 5321 4.5.3.1.10): nothing against this recipient, unless the enhanced code speaks
 * of a mailbox. 552 is an old way to say it. */
static bool is_too_many(const struct tx *tx, const struct reply *reply)
{
	if (tx->naccepted == 0 || (reply->code != 452 && reply->code != 552))
		return false;
	return reply->enhanced.len == 0 || slice_starts(slice_skip(reply->enhanced, 1), SLICE(".5."));
}

static void hear_too_many(struct session *session, struct tx *tx, unsigned i)
{
	const struct outcome outcome = {
		.verdict = {ACTION_LATER, SCOPE_MESSAGE, CATEGORY_RATE_LIMITED, .rule = "too-many-recipients"},
		.stage = STAGE_RCPT,
		.origin = ORIGIN_LOCAL,
	};

	if (!session->recipients_learned || tx->naccepted < session->recipients_learned)
		session->recipients_learned = tx->naccepted;
	tx_settle(tx, i, &outcome); /* not attempted: the next transaction may have it at once */
	if (tx->say_step == STEP_RCPT) {
		tx_leave(tx, tx->say_rcpt);
		end_of_rcpts(tx);
	}
}

/* All have been heard and nobody was accepted: there is nobody to send to, and the server's transaction is open. */
static void hear_last_rcpt(struct session *session, struct tx *tx)
{
	if (tx->form == WIRE_BDAT && tx->say_step == STEP_END)
		window_suspect(session, tx);
	else if (tx->say_step != STEP_BODY)
		session->rset_due = true;
	stop(tx);
}

static void hear_rcpt(struct session *session, struct tx *tx, const struct reply *reply)
{
	unsigned i = tx->hear_rcpt++;

	if (tx->refused)
		return;
	if (code_class(reply) == 3) {
		dialogue_end(session, SESSION_DESYNC, "RCPT was answered like DATA");
		return;
	}
	if (code_class(reply) == 2) {
		tx->recipients[i].accepted = true;
		tx->naccepted++;
	} else if (is_too_many(tx, reply)) {
		hear_too_many(session, tx, i);
	} else {
		struct outcome outcome = outcome_of(session, STAGE_RCPT, reply);

		tx_settle(tx, i, &outcome);
	}
	if (tx->hear_rcpt == tx->say_rcpt && tx->say_step != STEP_RCPT && tx->naccepted == 0)
		hear_last_rcpt(session, tx);
}

/* ---- DATA */

static void say_data(struct session *session, struct tx *tx)
{
	tx->say_step = STEP_BODY;
	send_text(session, SLICE("DATA\r\n"));
}

static void hear_data(struct session *session, struct tx *tx, const struct reply *reply)
{
	bool nobody = tx->refused || tx->naccepted == 0, wide = session->wide_verdict;

	session->wide_verdict = false;
	if (code_class(reply) == 2) {
		dialogue_end(session, SESSION_DESYNC, "DATA was answered like MAIL");
	} else if (code_class(reply) == 3 && wide) {
		dialogue_end(session, SESSION_ABANDONED, "the message before was refused for more than itself");
	} else if (code_class(reply) == 3) {
		tx->data_open = true;
		tx->lone_dot = nobody;
	} else {
		tx->say_step = STEP_END;
		session->rset_due |= tx->mail_accepted;
		if (!nobody) {
			struct outcome outcome = outcome_of(session, STAGE_DATA, reply);

			tx_settle_rest(tx, &outcome);
		}
	}
}

/* ---- the message */

/* How far the next send goes. The dot of a long body and what rides behind it go by themselves, so that the reply to
 * the dot never has to wait for a send that is half done. */
static uint64_t piece_end(const struct tx *tx)
{
	uint64_t last = tx->wire_bytes - (tx->form == WIRE_DATA ? strlen(".\r\n") : 0);

	if (tx->wire_bytes <= SEND_MAX || tx->body_handed >= last)
		return tx->wire_bytes;
	return last - tx->body_handed > SEND_MAX ? tx->body_handed + SEND_MAX : last;
}

static void say_body(struct session *session, struct tx *tx)
{
	if (tx->lone_dot) {
		send_text(session, SLICE(".\r\n"));
		send_command(session);
		tx->body_handed = tx->wire_bytes;
		send_mark_end(session, tx);
	} else {
		send_body(session, tx, tx->body_handed, piece_end(tx));
	}
	if (tx->body_handed == tx->wire_bytes)
		tx->say_step = STEP_END;
}

static void say_bdat(struct session *session, struct tx *tx)
{
	if (tx->body_handed == 0) {
		send_text(session, SLICE("BDAT "));
		send_number(session, tx->wire_bytes);
		send_text(session, SLICE(" LAST\r\n"));
		send_command(session);
	}
	send_body(session, tx, tx->body_handed, piece_end(tx));
	if (tx->body_handed == tx->wire_bytes)
		tx->say_step = STEP_END;
}

/* Before its last byte was sent, no reply can be success; a refusal counts, but what is half said cannot be taken back
 * except by closing (REQUIREMENTS TXN-13, TXN-14). */
static void hear_too_early(struct session *session, struct tx *tx, const struct reply *reply)
{
	if (code_class(reply) < 4) {
		dialogue_end(session, SESSION_DESYNC, "the message was answered before it was sent");
		return;
	}
	if (!tx->lone_dot) {
		struct outcome outcome = outcome_of(session, STAGE_EOM, reply);

		tx_settle_rest(tx, &outcome);
	}
	dialogue_end(session, SESSION_STOPPED, NULL);
}

static bool is_wide(const struct verdict *verdict)
{
	return verdict->action != ACTION_DELIVERED &&
	       (verdict->scope == SCOPE_CONNECTION || verdict->scope == SCOPE_LANE || verdict->scope == SCOPE_SITE);
}

/* The end of mail was answered: the one place where anything is delivered. */
static void hear_end(struct session *session, struct tx *tx, const struct reply *reply)
{
	struct outcome outcome = outcome_of(session, STAGE_EOM, reply);

	session->body_refused = code_class(reply) != 2;
	session->wide_verdict = session->nowed > 0 && is_wide(&outcome.verdict); /* of those behind it */
	for (unsigned i = 0; i < tx->nrecipients; i++)
		if (tx->recipients[i].accepted && !tx->recipients[i].settled)
			tx_settle(tx, i, &outcome);
}

static void hear_body(struct session *session, struct tx *tx, const struct reply *reply)
{
	if (!tx->last_byte_sent)
		hear_too_early(session, tx, reply);
	else if (code_class(reply) == 3)
		dialogue_end(session, SESSION_PROTOCOL, "a message was answered like DATA");
	else if (tx->lone_dot)
		session->body_refused = code_class(reply) != 2;
	else
		hear_end(session, tx, reply);
}

static void hear_bdat(struct session *session, struct tx *tx, const struct reply *reply)
{
	if (!tx->last_byte_sent) {
		hear_too_early(session, tx, reply);
		return;
	}
	if (code_class(reply) == 3) {
		dialogue_end(session, SESSION_PROTOCOL, "a message was answered like DATA");
		return;
	}
	if (tx->refused || tx->naccepted == 0)
		return; /* its octets were swallowed, as RFC 3030 2 wants */
	hear_end(session, tx, reply);
	if (code_class(reply) == 2) {
		window_grow(session);
	} else {
		window_shrink(session);
		session->rset_due = true; /* "indeterminate" without it: RFC 3030 2 */
	}
}

const struct row tx_rows[STEP_END - STEP_MAIL] = {
	[STEP_MAIL - STEP_MAIL] = {"MAIL", STAGE_MAIL, PATIENCE(mail_s), false, say_mail, hear_mail},
	[STEP_RCPT - STEP_MAIL] = {"RCPT", STAGE_RCPT, PATIENCE(rcpt_s), false, say_rcpt, hear_rcpt},
	[STEP_DATA - STEP_MAIL] = {"DATA", STAGE_DATA, PATIENCE(data_s), true, say_data, hear_data},
	[STEP_BODY - STEP_MAIL] = {"the message", STAGE_EOM, PATIENCE(eom_s), false, say_body, hear_body},
	[STEP_BDAT - STEP_MAIL] = {"BDAT", STAGE_EOM, PATIENCE(eom_s), false, say_bdat, hear_bdat},
};
