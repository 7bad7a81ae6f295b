/* The client of a dialogue: a session with a small owner around it. It has mail for ann, bob, cat and so on, and gives
 * it as long as the session wants any. The kernel takes what is said at once, as long as the server keeps reading. */
#include "tests/unit/dialogue/play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const people[PEOPLE_MAX] = {"ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal"};

static const struct session_limits patience = {
	.greeting_s = 300,
	.ehlo_s = 300,
	.mail_s = 300,
	.rcpt_s = 300,
	.data_s = 120,
	.body_s = 180,
	.eom_s = 600,
	.rset_s = 20,
	.quit_s = 5,
	.window_max = 1,
};

const char *client_name(unsigned i)
{
	return people[i];
}

static void listen(void *who, bool ours, struct slice line)
{
	struct play *play = who;

	outbuf_printf(&play->transcript, "    %s %.*s\n", ours ? "C:" : "S:", SLICE_ARG(slice_head(line, 200)));
}

static struct slice submitted(const struct play *play, struct outbuf *room, unsigned message)
{
	unsigned octets = 0;

	outbuf_printf(room, "Subject: message %u\r\n\r\n", message);
	if (dialogue_given(play->dialogue, SLICE("dots"), NULL, NULL)) {
		outbuf_reset(room);
		outbuf_add(room, SLICE(".\r\n..\r\n.x\r\n\r\n.\r\nend\r\n.\r\n"));
	} else if (dialogue_given(play->dialogue, SLICE("no last line end"), NULL, NULL)) {
		outbuf_add(room, SLICE("the last line"));
	} else if (dialogue_given(play->dialogue, SLICE("bare line ends"), NULL, NULL)) {
		outbuf_add(room, SLICE("a\n.\nb\n.\r\nc\r.\rd\r.\r\ne\r\n.\nQUIT\r"));
	} else if (dialogue_given(play->dialogue, SLICE("8-bit"), NULL, NULL)) {
		outbuf_add(room, SLICE("caf\xe9\r\n"));
	} else if (dialogue_given(play->dialogue, SLICE("folded lines"), NULL, NULL)) {
		for (unsigned i = 0; i < 998 * 3; i++)
			outbuf_add(room, i % 998 == 997 ? SLICE("x\r\n") : SLICE("x"));
	}
	dialogue_given(play->dialogue, SLICE("octets"), &octets, NULL);
	while (room->len < octets)
		outbuf_add(room, SLICE("one more line of a long letter, of sixty octets, as agreed.\r\n"));
	return outbuf_slice(room);
}

/* As the wire wants it: CRLF only, an end of line at the end. */
static void compose(struct play *play, struct mail *mail, unsigned message, enum wire_form form)
{
	struct wire_stuffing at = WIRE_START;
	struct outbuf room = {0};

	assert_true(wire_normalise(&mail->text, submitted(play, &room, message)));
	if (!slice_ends_nocase(outbuf_slice(&mail->text), SLICE("\r\n")))
		outbuf_add(&mail->text, SLICE("\r\n"));
	if (form == WIRE_DATA) {
		wire_stuff(&mail->wire, outbuf_slice(&mail->text), &at);
		wire_end(&mail->wire, &at);
	} else {
		outbuf_add(&mail->wire, outbuf_slice(&mail->text));
	}
	mail->body = (struct iovec){mail->wire.ptr, mail->wire.len};
	outbuf_free(&room);
}

static struct mail *unused_mail(struct play *play)
{
	for (unsigned i = 0; i < PEOPLE_MAX * 2; i++)
		if (!play->mail[i].used)
			return &play->mail[i];
	play_fails(play, "more transactions than mail", SLICE_NONE);
}

/* Whoever waits first, and who else gets the same message. */
static struct tx *next_mail(struct play *play)
{
	struct mail *mail = NULL;
	unsigned max = session_recipients_max(&play->session);

	for (unsigned i = 0; i < play->npeople; i++) {
		struct person *person = &play->person[i];

		if (person->given || person->done ||
		    (mail && (person->message != play->person[mail->person[0]].message)))
			continue;
		if (mail && max && mail->tx.nrecipients == max)
			break;
		if (!mail)
			mail = unused_mail(play);
		mail->used = person->given = true;
		mail->person[mail->tx.nrecipients] = i;
		mail->recipients[mail->tx.nrecipients++].address = person->address;
	}
	if (!mail)
		return NULL;
	mail->tx.form = session_form(&play->session);
	compose(play, mail, play->person[mail->person[0]].message, mail->tx.form);
	mail->tx.sender = SLICE("news@sender.test");
	mail->tx.body = &mail->body;
	mail->tx.nbody = 1;
	mail->tx.wire_bytes = mail->wire.len;
	mail->tx.size = mail->text.len;
	mail->tx.recipients = mail->recipients;
	mail->tx.utf8 = dialogue_given(play->dialogue, SLICE("utf8"), NULL, NULL);
	mail->tx.eight_bit = dialogue_given(play->dialogue, SLICE("8-bit"), NULL, NULL);
	return &mail->tx;
}

static void take_back(struct play *play, struct tx *tx)
{
	struct mail *mail = LIST_OWNER(tx, struct mail, tx);

	for (unsigned i = 0; i < tx->nrecipients; i++) {
		struct person *person = &play->person[mail->person[i]];

		person->outcome = mail->recipients[i].outcome;
		struct slice text = person->outcome.text;

		memcpy(person->text, text.len ? text.ptr : "", text.len);
		person->outcome.text.ptr = person->text;
		person->given = false;
		person->done = person->outcome.attempted;
	}
	tx_clear(tx);
	outbuf_free(&mail->text);
	outbuf_free(&mail->wire);
	*mail = (struct mail){0};
}

static bool nobody_waits(const struct play *play)
{
	for (unsigned i = 0; i < play->npeople; i++)
		if (!play->person[i].done)
			return false;
	return true;
}

static void send_comes_home(struct play *play)
{
	if (!play->sending || play->stopped || play->in_flight.len > IN_FLIGHT_MAX)
		return;
	play->sending = false;
	session_said(&play->session, play->send_bytes, play->now_ms);
}

static bool client_says(struct play *play)
{
	struct session_send send;

	if (play->sending || !session_say(&play->session, &send))
		return false;
	for (unsigned i = 0; i < send.niov; i++)
		outbuf_add(&play->in_flight, (struct slice){send.iov[i].iov_base, send.iov[i].iov_len});
	play->sending = true;
	play->send_bytes = send.bytes;
	send_comes_home(play);
	return true;
}

/* True when something moved. */
static bool exchange(struct play *play)
{
	struct tx *tx;
	bool moved = false;

	for (; (tx = session_over(&play->session)); moved = true)
		take_back(play, tx);
	for (; session_wants(&play->session) && (tx = next_mail(play)); moved = true)
		session_give(&play->session, tx);
	return moved;
}

bool client_turn(struct play *play)
{
	for (bool spoke = false;; spoke = true) {
		send_comes_home(play);
		while (exchange(play)) {
		}
		if (nobody_waits(play))
			session_quit(&play->session, play->now_ms);
		if (!client_says(play))
			return spoke;
	}
}

static void introduce(struct play *play, unsigned i, bool messages, struct slice address)
{
	struct person *person = &play->person[i];

	person->message = messages ? i : 0;
	person->address = address;
	if (address.len > 0)
		return;
	snprintf(person->address_text, sizeof(person->address_text), "%s@mx.test", people[i]);
	person->address = slice_of(person->address_text);
}

void client_gathers(struct play *play)
{
	struct slice address = SLICE_NONE;
	unsigned n = 1;
	bool messages = dialogue_given(play->dialogue, SLICE("messages"), &n, NULL);

	if (play->npeople == 0) {
		dialogue_given(play->dialogue, SLICE("recipients"), &n, NULL);
		dialogue_given(play->dialogue, SLICE("address "), NULL, &address);
		play->npeople = n;
		for (unsigned i = 0; i < n; i++)
			introduce(play, i, messages, address);
	}
	for (unsigned i = 0; i < play->npeople; i++)
		play->person[i].done = play->person[i].outcome.attempted &&
				       (play->person[i].outcome.verdict.action == ACTION_DELIVERED ||
					play->person[i].outcome.verdict.action == ACTION_NEVER);
}

void client_connects(struct play *play)
{
	static const struct login login = {.user = SLICE("ma.sender"), .password = SLICE("a secret")};
	const struct dialogue *dialogue = play->dialogue;
	struct session_setup setup = {.helo = SLICE("mta.sender.test"), .limits = &play->limits};

	play->limits = patience;
	if (dialogue_given(dialogue, SLICE("at most 1"), NULL, NULL))
		play->limits.messages_max = 1;
	if (dialogue_given(dialogue, SLICE("window 8"), NULL, NULL))
		play->limits.window_max = 8;
	setup.window_proved = !dialogue_given(dialogue, SLICE("probe "), NULL, &setup.probe_recipient);
	setup.always_rset = dialogue_given(dialogue, SLICE("always RSET"), NULL, NULL);
	setup.tls = dialogue_given(dialogue, SLICE("TLS required"), NULL, NULL)	    ? SESSION_TLS_MUST
		    : dialogue_given(dialogue, SLICE("TLS if offered"), NULL, NULL) ? SESSION_TLS_IF_OFFERED
										    : SESSION_CLEAR;
	if (dialogue_given(dialogue, SLICE("login"), NULL, NULL))
		setup.login = &login;
	setup.no_pipelining = dialogue_given(dialogue, SLICE("no pipelining"), NULL, NULL);
	session_start(&play->session, &setup, play->now_ms);
	session_listen(&play->session, listen, play);
}

void client_hangs_up(struct play *play)
{
	if (play->sending) {
		play->sending = false;
		session_said(&play->session, 0, play->now_ms);
	}
	client_turn(play);
}

void client_leaves(struct play *play)
{
	session_free(&play->session);
	outbuf_reset(&play->in_flight);
}
