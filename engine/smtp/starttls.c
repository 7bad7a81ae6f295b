/* STARTTLS (RFC 3207). Only 220 begins a handshake. From there the owner drives TLS, and the session stands still: what
 * the server says in clear behind its 220 may come from somebody between us, so it ends the session (CVE-2021-38371).
 * Once protected the session begins again with EHLO and knows nothing of before. Where TLS is implicit (RFC 8314 3.3)
 * the session stands still from its start, and the greeting comes then.
 *
 * A refusal is judged by what was demanded: where protection is a matter of course if offered, mail goes on in clear on
 * this connection; where it is a must, the next host is tried, and in the end the mail waits: nothing a server says
 * about TLS says that an address is bad. */
#include "smtp/dialogue.h"

/* The server cannot do what must be done: QUIT, and this is why. */
static void refuse(struct session *session, struct outcome outcome)
{
	outcome.verdict = (struct verdict){ACTION_ELSEWHERE, SCOPE_CONNECTION, CATEGORY_TLS, .rule = "tls-required"};
	outcome.attempted = true;
	dialogue_keep_outcome(session, &outcome);
	session->end = SESSION_INSECURE;
	session->next = STEP_QUIT;
}

bool starttls_is_due(struct session *session)
{
	if (session->secured || session->setup.tls == SESSION_CLEAR)
		return false;
	if (session->caps.starttls) {
		session->next = STEP_STARTTLS;
		return true;
	}
	if (session->setup.tls != SESSION_TLS_MUST)
		return false;
	refuse(session, (struct outcome){.stage = STAGE_STARTTLS,
					 .origin = ORIGIN_LOCAL,
					 .enhanced = "4.7.10",
					 .text = SLICE("TLS is required, and the server does not offer STARTTLS")});
	return true;
}

void starttls_say(struct session *session, struct tx *tx)
{
	(void)tx;
	session->next = STEP_NONE;
	send_text(session, SLICE("STARTTLS\r\n"));
}

void starttls_hear(struct session *session, struct tx *tx, const struct reply *reply)
{
	(void)tx;
	if (reply->code == 220) {
		session->shaking = true;
	} else if (code_class(reply) != 4 && code_class(reply) != 5) {
		dialogue_refused(session, STAGE_STARTTLS, reply);
		session->end = SESSION_PROTOCOL;
	} else if (session->setup.tls == SESSION_TLS_MUST) {
		refuse(session, outcome_of(session, STAGE_STARTTLS, reply));
	} else if (!login_is_due(session)) {
		dialogue_ready(session);
	}
}

bool session_wants_handshake(const struct session *session)
{
	return session->shaking && !session->closed && !session->sending;
}

void session_secured(struct session *session, uint64_t now_ms)
{
	if (session->closed)
		return;
	session->now_ms = now_ms;
	session->shaking = false;
	session->secured = true;
	session->caps = (struct caps){0};
	if (session->setup.implicit_tls) {
		dialogue_expect(session, STEP_GREETING, NULL);
		dialogue_set_deadline(session);
	} else {
		session->next = STEP_EHLO;
	}
	dialogue_turn(session);
}

void session_insecure(struct session *session, const char *what, uint64_t now_ms)
{
	session->now_ms = now_ms;
	dialogue_end(session, SESSION_INSECURE, what);
}
