/* Whole transactions in a row, N deep, without waiting: MAIL, RCPT, BDAT LAST and its octets, and the next, and the
 * next. It rests on one promise of RFC 3030 2: a server that refuses MAIL or RCPT still swallows the octets of the BDAT
 * behind it. One that does not reads a newsletter as commands, and its complaints about them are counted as replies to
 * later transactions. Two guards:
 *
 * The probe, before the first window: BDAT after a refused recipient that cannot exist, and RSET behind it. Its octets
 * are words no server knows, so a server that reads them as commands gives RSET's place in the count to an error.
 *
 * Suspicion, after any refusal in a window: nothing more is said but QUIT, and what comes for later transactions
 * counts only if every reply fits the grammar, and QUIT is the one that gets 221 (or the connection ends there):
 * then no reply was too many. Otherwise all later ones are uncertain, and the host loses its window. */
#include "smtp/dialogue.h"

#define PROBE_TEXT "Is-this-swallowed?\r\nIt-should-be.\r\n"

static const struct slice probe_octets = {PROBE_TEXT, sizeof(PROBE_TEXT) - 1};

static unsigned window_max(const struct session *session)
{
	unsigned max = session->setup.limits->window_max;

	return max < SESSION_WINDOW_MAX ? max : SESSION_WINDOW_MAX;
}

bool window_is_possible(const struct session *session)
{
	return window_max(session) > 1 && session->pipelining && session->caps.chunking &&
	       (session->setup.window_proved || session->setup.probe_recipient.len > 0);
}

static void open_window(struct session *session)
{
	session->windowed = true;
	session->window = 1;
	session->nclean = 0;
}

void window_begin(struct session *session)
{
	if (!window_is_possible(session))
		return;
	if (session->setup.window_proved) {
		open_window(session);
		return;
	}
	session->ready = false;
	session->next = STEP_PROBE_MAIL;
}

void window_grow(struct session *session)
{
	if (++session->nclean < session->window || session->suspect)
		return;
	session->nclean = 0;
	session->window *= 2;
	if (session->window > window_max(session))
		session->window = window_max(session);
}

void window_shrink(struct session *session)
{
	session->window = 1;
	session->nclean = 0;
}

/* ---- the probe */

void window_say_probe_mail(struct session *session, struct tx *tx)
{
	(void)tx;
	session->next = STEP_PROBE_RCPT;
	session->nmails++;
	send_text(session, SLICE("MAIL FROM:<>\r\n"));
}

void window_say_probe_rcpt(struct session *session, struct tx *tx)
{
	(void)tx;
	session->next = STEP_PROBE_RSET; /* unless the recipient is refused */
	send_text(session, SLICE("RCPT TO:<"));
	send_text(session, session->setup.probe_recipient);
	send_text(session, SLICE(">\r\n"));
}

void window_say_probe_bdat(struct session *session, struct tx *tx)
{
	(void)tx;
	session->next = STEP_PROBE_RSET;
	send_text(session, SLICE("BDAT "));
	send_number(session, probe_octets.len);
	send_text(session, SLICE(" LAST\r\n"));
	send_text(session, probe_octets);
}

void window_say_probe_rset(struct session *session, struct tx *tx)
{
	(void)tx;
	session->next = STEP_NONE;
	send_text(session, SLICE("RSET\r\n"));
}

void window_hear_probe_mail(struct session *session, struct tx *tx, const struct reply *reply)
{
	(void)tx;
	session->probe_refused = code_class(reply) == 2; /* so far so good */
}

/* An accepted one gets no message: RSET, and no window on this connection. */
void window_hear_probe_rcpt(struct session *session, struct tx *tx, const struct reply *reply)
{
	(void)tx;
	session->probe_refused &= code_class(reply) == 5;
	if (session->probe_refused)
		session->next = STEP_PROBE_BDAT;
}

void window_hear_probe_bdat(struct session *session, struct tx *tx, const struct reply *reply)
{
	(void)tx;
	if (code_class(reply) < 4)
		session->probe_refused = false; /* it took a message for nobody */
}

void window_hear_probe_rset(struct session *session, struct tx *tx, const struct reply *reply)
{
	(void)tx;
	if (code_class(reply) != 2) {
		session->found_window_broken = true;
		dialogue_end(session, SESSION_DESYNC, "it read the octets of a refused BDAT as commands");
		return;
	}
	session->ready = true;
	session->found_window_proved = session->probe_refused;
	if (session->probe_refused)
		open_window(session);
}

/* ---- suspicion */

void window_suspect(struct session *session, const struct tx *tx)
{
	bool later = false;

	if (session->suspect)
		return;
	session->suspect = true;
	for (unsigned i = 0; i < session->ntx; i++) {
		struct tx *other = dialogue_tx(session, i);

		other->provisional = later;
		later |= other == tx;
	}
}

bool window_fits(enum step step, const struct tx *tx, const struct reply *reply)
{
	bool refused = code_class(reply) >= 4;

	if (reply->code == 500 || reply->code == 502 || code_class(reply) == 3)
		return false; /* no command of ours is unknown to it, nor has one asked for more */
	if (step == STEP_RCPT && tx->refused)
		return refused;
	if (step == STEP_BDAT && (tx->refused || tx->naccepted == 0))
		return refused;
	return step != STEP_QUIT || reply->code == 221;
}

/* Back to what we know: the message went out, and no reply can be trusted. */
static void take_back(struct tx *tx)
{
	const struct outcome uncertain = {
		.verdict = {ACTION_LATER, SCOPE_CONNECTION, CATEGORY_PROTOCOL, .rule = "window-broken"},
		.stage = STAGE_EOM,
		.origin = ORIGIN_LOCAL,
		.attempted = true,
		.uncertain = true,
		.text = SLICE("replies after a refusal could not be told apart"),
	};
	bool sent = tx->last_byte_sent || tx->recipients[0].outcome.uncertain;

	for (unsigned i = 0; i < tx->nrecipients; i++) {
		tx->recipients[i].settled = false;
		tx->recipients[i].accepted = false;
	}
	if (sent)
		tx_settle_rest(tx, &uncertain);
	else
		tx_leave(tx, 0);
}

void window_resolve(struct session *session)
{
	if (session->exact)
		return;
	session->found_window_broken = true;
	for (unsigned i = 0; i < session->ntx; i++)
		if (dialogue_tx(session, i)->provisional)
			take_back(dialogue_tx(session, i));
}
