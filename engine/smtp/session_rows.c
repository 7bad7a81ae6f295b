/* The steps of a session. The greeting is never said, only heard; what is due after it is session->next. */
#include "smtp/dialogue.h"

/* After HELO no extension may be used, not even one the server is known for (RFC 5321 4.1.4). */
void dialogue_ready(struct session *session)
{
	session->pipelining = session->caps.pipelining && !session->setup.no_pipelining;
	session->ready = true;
	window_begin(session);
}

static void hear_greeting(struct session *session, struct tx *tx, const struct reply *reply)
{
	(void)tx;
	if (code_class(reply) == 2)
		session->next = STEP_EHLO;
	else
		dialogue_refused(session, STAGE_CONNECT, reply);
}

static void say_hello(struct session *session, struct slice verb)
{
	session->next = STEP_NONE;
	send_text(session, verb);
	send_text(session, session->setup.helo);
	send_text(session, SLICE("\r\n"));
}

static void say_ehlo(struct session *session, struct tx *tx)
{
	(void)tx;
	say_hello(session, SLICE("EHLO "));
}

/* Any 5yz but 421 sends us back to HELO: servers that do not know EHLO do not know its codes either. */
static void hear_ehlo(struct session *session, struct tx *tx, const struct reply *reply)
{
	(void)tx;
	if (code_class(reply) == 2) {
		session->caps = caps_parse(reply->text);
		if (!starttls_is_due(session) && !login_is_due(session))
			dialogue_ready(session);
	} else if (code_class(reply) == 5) {
		session->next = STEP_HELO;
	} else {
		dialogue_refused(session, STAGE_EHLO, reply);
	}
}

static void say_helo(struct session *session, struct tx *tx)
{
	(void)tx;
	say_hello(session, SLICE("HELO "));
}

static void hear_helo(struct session *session, struct tx *tx, const struct reply *reply)
{
	(void)tx;
	if (code_class(reply) == 2) {
		session->caps = (struct caps){0};
		if (!starttls_is_due(session) && !login_is_due(session))
			dialogue_ready(session);
	} else {
		dialogue_refused(session, STAGE_EHLO, reply);
	}
}

static void say_rset(struct session *session, struct tx *tx)
{
	(void)tx;
	session->rset_due = false;
	session->rset_said = true;
	send_text(session, SLICE("RSET\r\n"));
}

/* A server that will not let go of a transaction is of no use (REQUIREMENTS SES-12). */
static void hear_rset(struct session *session, struct tx *tx, const struct reply *reply)
{
	(void)tx;
	if (code_class(reply) != 2)
		dialogue_end(session, SESSION_PROTOCOL, "RSET was refused");
}

static void say_quit(struct session *session, struct tx *tx)
{
	(void)tx;
	session->next = STEP_NONE;
	send_text(session, SLICE("QUIT\r\n"));
}

/* 221 is the only reply that no command but QUIT has: it proves that nothing was counted wrong. */
static void hear_quit(struct session *session, struct tx *tx, const struct reply *reply)
{
	(void)tx;
	session->exact = reply->code == 221;
	dialogue_end(session, SESSION_QUIT, NULL);
}

const struct row session_rows[STEP_MAIL] = {
	[STEP_GREETING] = {"the greeting", STAGE_CONNECT, PATIENCE(greeting_s), true, NULL, hear_greeting},
	[STEP_EHLO] = {"EHLO", STAGE_EHLO, PATIENCE(ehlo_s), true, say_ehlo, hear_ehlo},
	[STEP_HELO] = {"HELO", STAGE_EHLO, PATIENCE(ehlo_s), true, say_helo, hear_helo},
	[STEP_STARTTLS] = {"STARTTLS", STAGE_STARTTLS, PATIENCE(ehlo_s), true, starttls_say, starttls_hear},
	[STEP_AUTH] = {"AUTH", STAGE_AUTH, PATIENCE(ehlo_s), true, login_say, login_hear},
	[STEP_AUTH_ANSWER] = {"AUTH", STAGE_AUTH, PATIENCE(ehlo_s), true, login_say_answer, login_hear},
	[STEP_AUTH_CANCEL] = {"AUTH", STAGE_AUTH, PATIENCE(ehlo_s), true, login_say_cancel, login_hear_cancel},
	[STEP_PROBE_MAIL] = {"MAIL", STAGE_MAIL, PATIENCE(mail_s), false, window_say_probe_mail,
			     window_hear_probe_mail},
	[STEP_PROBE_RCPT] = {"RCPT", STAGE_RCPT, PATIENCE(rcpt_s), true, window_say_probe_rcpt, window_hear_probe_rcpt},
	[STEP_PROBE_BDAT] = {"BDAT", STAGE_EOM, PATIENCE(data_s), false, window_say_probe_bdat, window_hear_probe_bdat},
	[STEP_PROBE_RSET] = {"RSET", STAGE_MAIL, PATIENCE(rset_s), true, window_say_probe_rset, window_hear_probe_rset},
	[STEP_RSET] = {"RSET", STAGE_MAIL, PATIENCE(rset_s), false, say_rset, hear_rset},
	[STEP_QUIT] = {"QUIT", STAGE_EOM, PATIENCE(quit_s), true, say_quit, hear_quit},
};
