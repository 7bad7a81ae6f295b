/* AUTH in the dialogue (RFC 4954): after EHLO, under TLS, before any mail. A relay that does not let us in says nothing
 * about mail, whatever its code: nothing is refused for good, and what it means for the relay is the owner's to decide.
 *
 * A challenge that is none is answered by "*", after which the server must give its reply to AUTH; how many challenges
 * there may be is bounded by the mechanism. What we say is hidden from whoever listens. */
#include "smtp/dialogue.h"

#include <stdio.h>

enum { COMMAND_MAX = 512 }; /* RFC 5321 4.5.3.1.4 */

/* No mail on this connection, and perhaps on none: QUIT, and this is why. Words about a bad user are about us and no
 * recipient. */
static void refuse(struct session *session, struct outcome outcome)
{
	outcome.verdict.action = ACTION_LATER;
	outcome.verdict.scope = SCOPE_SITE;
	outcome.verdict.rule = SESSION_LOGIN_REFUSED;
	outcome.verdict.suppress = false;
	outcome.verdict.category = CATEGORY_RELAY_DENIED;
	dialogue_keep_outcome(session, &outcome);
	session->end = SESSION_REFUSED;
	session->next = STEP_QUIT;
}

static void refuse_here(struct session *session, struct slice why)
{
	refuse(session, (struct outcome){.stage = STAGE_AUTH,
					 .origin = ORIGIN_LOCAL,
					 .attempted = true,
					 .enhanced = "4.7.0",
					 .text = why});
}

bool login_is_due(struct session *session)
{
	const struct login *login = session->setup.login;

	if (!login || !login->user.len || session->logged_in)
		return false;
	session->mechanism = auth_choose(&session->caps, login);
	if (!session->secured)
		refuse_here(session, SLICE("we do not log in without TLS"));
	else if (session->mechanism == AUTH_NONE)
		refuse_here(session, SLICE("it offers no way to log in that we know: neither AUTH PLAIN nor LOGIN nor "
					   "SCRAM-SHA-256"));
	else
		session->next = STEP_AUTH;
	return true;
}

/* What was appended from here on is for the server only. */
static void say_hidden(struct session *session, struct slice answer)
{
	session->hides = true;
	session->hidden = session->commands.len;
	send_text(session, answer);
	send_text(session, SLICE("\r\n"));
}

/* What begins with our words is said at once where the line may be so long; a challenge is empty then, and need not be
 * waited for. */
void login_say(struct session *session, struct tx *tx)
{
	struct outbuf answer = {0};

	(void)tx;
	session->next = STEP_NONE;
	session->nchallenges = 0;
	outbuf_printf(&answer, "AUTH %s", auth_name(session->mechanism));
	send_text(session, outbuf_slice(&answer));
	outbuf_reset(&answer);
	if (session->mechanism != AUTH_LOGIN &&
	    auth_answer(session->mechanism, session->setup.login, 0, SLICE_NONE, &dialogue_aside(session)->scram,
			&answer) &&
	    sizeof("AUTH SCRAM-SHA-256 \r\n") - 1 + answer.len <= COMMAND_MAX) {
		session->nchallenges = 1;
		send_text(session, SLICE(" "));
		say_hidden(session, outbuf_slice(&answer));
	} else {
		send_text(session, SLICE("\r\n"));
	}
	outbuf_free(&answer);
}

static void hear_challenge(struct session *session, struct slice challenge)
{
	struct session_aside *aside = dialogue_aside(session);

	outbuf_reset(&aside->answer);
	session->next = auth_answer(session->mechanism, session->setup.login, session->nchallenges++, challenge,
				    &aside->scram, &aside->answer)
				? STEP_AUTH_ANSWER
				: STEP_AUTH_CANCEL;
}

void login_hear(struct session *session, struct tx *tx, const struct reply *reply)
{
	(void)tx;
	if (reply->code == 334) {
		hear_challenge(session, reply->text);
	} else if (code_class(reply) == 2 && !auth_is_mutual(session->mechanism, &dialogue_aside(session)->scram)) {
		refuse_here(session, SLICE("it lets us in without having proved that it knows the password"));
	} else if (code_class(reply) == 2) {
		session->logged_in = true;
		dialogue_ready(session);
	} else if (code_class(reply) == 5) {
		refuse(session, outcome_of(session, STAGE_AUTH, reply));
	} else {
		dialogue_refused(session, STAGE_AUTH, reply);
	}
}

void login_say_answer(struct session *session, struct tx *tx)
{
	(void)tx;
	session->next = STEP_NONE;
	say_hidden(session, outbuf_slice(&session->aside->answer));
}

void login_say_cancel(struct session *session, struct tx *tx)
{
	(void)tx;
	session->next = STEP_NONE;
	send_text(session, SLICE("*\r\n"));
}

/* Whatever it says to that: even 235 would be for somebody who gave no password. */
void login_hear_cancel(struct session *session, struct tx *tx, const struct reply *reply)
{
	char why[128];

	(void)tx;
	(void)reply;
	snprintf(why, sizeof(why), "its challenge is none that AUTH %s has; the login was cancelled",
		 auth_name(session->mechanism));
	refuse_here(session, slice_of(why));
}
