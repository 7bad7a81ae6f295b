/* Plays the dialogues of tests/dialogues: the script is the server, the client is a session with a small owner around
 * it (mail for ann, bob, cat ..., given as long as it is wanted). Each is played as written and once more with
 * PIPELINING offered, and each of these with the server's bytes whole, byte by byte, and byte by byte with a word of
 * the client allowed after each. The clock moves only where the script is silent.
 *
 * The script is strict: a command that it does not name is a failure. One thing is understood: when PIPELINING was
 * added, RCPT and DATA that ride behind a refusal get 503. */
#include "tests/unit/dialogue/play.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const split_names[] = {"whole", "byte by byte", "byte by byte, in turns"};

_Noreturn void play_fails(struct play *play, const char *what, struct slice about)
{
	const struct script_step *step = &play->part->step[play->at];

	print_message("%.*s", SLICE_ARG(outbuf_slice(&play->transcript)));
	fail_msg("%s:%u: %.*s (%s, %s): %s: %.*s", play->dialogue->path, play->at < play->part->nsteps ? step->line : 0,
		 SLICE_ARG(play->dialogue->id), play->pipelined ? "pipelined" : "as written", split_names[play->split],
		 what, SLICE_ARG(about));
	abort();
}

static const struct script_step *step_at(const struct play *play)
{
	return play->at < play->part->nsteps ? &play->part->step[play->at] : NULL;
}

/* ---- what the server hears */

/* A line of the client, without its CRLF; it is taken off when it is used. */
static struct slice client_line(struct play *play)
{
	struct slice in = outbuf_slice(&play->in_flight);
	size_t n = slice_find(in, '\n');

	if (n == in.len)
		play_fails(play, "the client says nothing; wanted", step_at(play)->text);
	if (n == 0 || in.ptr[n - 1] != '\r')
		play_fails(play, "a line without CR", slice_head(in, n));
	return slice_head(in, n - 1);
}

static void read_octets(struct play *play, size_t n)
{
	struct outbuf *in = &play->in_flight;

	memmove(in->ptr, in->ptr + n, in->len - n);
	in->len -= n;
	client_turn(play);
}

static struct mail *mail_of(struct play *play, struct slice rcpt)
{
	for (unsigned i = 0; i < PEOPLE_MAX * 2; i++)
		for (unsigned k = 0; k < play->mail[i].tx.nrecipients; k++) {
			struct slice address = play->mail[i].recipients[k].address;

			if (memmem(rcpt.ptr, rcpt.len, address.ptr, address.len))
				return &play->mail[i];
		}
	return NULL;
}

static void note_command(struct play *play, struct slice line)
{
	struct slice rest = line, verb = slice_until(&rest, ' ');

	memset(play->verb, 0, sizeof(play->verb));
	memcpy(play->verb, verb.ptr, verb.len < 7 ? verb.len : 7);
	if (slice_is(verb, SLICE("MAIL"))) {
		play->mail_refused = false;
		play->nasked = play->naccepted = 0;
	} else if (slice_is(verb, SLICE("RCPT"))) {
		play->message = mail_of(play, line);
		play->nasked++;
	} else if (slice_is(verb, SLICE("BDAT"))) {
		play->octets = strtoull(rest.ptr, NULL, 10);
	}
}

/* What a single reply to MAIL and RCPT means for what rides behind them. */
static void note_reply(struct play *play, struct slice reply)
{
	bool good = slice_starts(reply, SLICE("2"));

	if (strcmp(play->verb, "MAIL") == 0)
		play->mail_refused = !good;
	else if (strcmp(play->verb, "RCPT") == 0)
		play->naccepted += good;
	play->verb[0] = '\0';
}

static bool rides_behind_a_refusal(const struct play *play, struct slice line)
{
	bool is_rcpt = slice_starts(line, SLICE("RCPT ")), is_data = slice_is(line, SLICE("DATA"));

	return play->pipelined && ((play->mail_refused && (is_rcpt || is_data)) || (is_data && play->naccepted == 0));
}

/* "MAIL SIZE= !BODY=": the verb, words that must be in the line, and after "!" those that must not. */
static bool line_fits(struct slice line, struct slice want)
{
	struct slice rest = line, verb = slice_until(&want, ' ');

	if (!slice_is(slice_until(&rest, ' '), verb))
		return false;
	while (want.len > 0) {
		struct slice word = slice_until(&want, ' ');
		bool must_not = slice_starts(word, SLICE("!"));

		word = slice_skip(word, must_not);
		if ((memmem(line.ptr, line.len, word.ptr, word.len) != NULL) == must_not)
			return false;
	}
	return true;
}

static void server_says(struct play *play, struct slice bytes);

static void hear_command(struct play *play, const struct script_step *step)
{
	for (;;) {
		struct slice line = client_line(play);

		if (line_fits(line, step->text)) {
			note_command(play, line);
			read_octets(play, line.len + 2);
			return;
		}
		if (!rides_behind_a_refusal(play, line)) {
			outbuf_printf(&play->transcript, "    wanted: %.*s\n", SLICE_ARG(step->text));
			play_fails(play, "the client said", line);
		}
		read_octets(play, line.len + 2);
		server_says(play, SLICE("503 5.5.1 nothing to do\r\n"));
	}
}

/* A long one comes piece by piece, as far as the wire has it. */
static void hear_chunk(struct play *play)
{
	struct slice want = outbuf_slice(&play->message->text);

	if (want.len != play->octets)
		play_fails(play, "BDAT announces another size than the message has", want);
	while (play->octets > 0) {
		struct slice in = slice_head(outbuf_slice(&play->in_flight), play->octets);

		if (in.len == 0 || !slice_is(in, slice_head(want, in.len)))
			play_fails(play, "the octets of BDAT are not the message", slice_head(in, 80));
		want = slice_skip(want, in.len);
		play->octets -= in.len;
		read_octets(play, in.len);
	}
}

/* Up to the dot, unstuffed, the same as was submitted, with CRLF only. */
static void hear_message(struct play *play)
{
	struct outbuf got = {0};

	while (play->octets == 0) {
		struct slice line = client_line(play);
		bool ends = slice_is(line, SLICE("."));
		struct slice text = slice_skip(line, slice_starts(line, SLICE(".")));

		if (memchr(text.ptr, '\r', text.len))
			play_fails(play, "a bare CR in the message", text);
		if (!ends) {
			outbuf_add(&got, text);
			outbuf_add(&got, SLICE("\r\n"));
		}
		read_octets(play, line.len + 2);
		if (ends) {
			if (!slice_is(outbuf_slice(&got), outbuf_slice(&play->message->text)))
				play_fails(play, "the message arrived changed", slice_head(outbuf_slice(&got), 80));
			outbuf_free(&got);
			return;
		}
	}
	hear_chunk(play);
}

static void hear_octets(struct play *play, unsigned n)
{
	if (play->in_flight.len < n)
		play_fails(play, "the client sends less of the message than is read", SLICE_NONE);
	read_octets(play, n);
}

/* ---- what the server says */

/* Whether all lines of the last reply are here: before that the client has no reason to speak. */
static bool is_whole(struct slice heard)
{
	size_t last = slice_find_last(slice_head(heard, heard.len - 1), '\n');
	struct slice line = slice_skip(heard, last < heard.len - 1 ? last + 1 : 0);

	return heard.ptr[heard.len - 1] == '\n' && (line.len < 4 || line.ptr[3] != '-');
}

static void server_says(struct play *play, struct slice bytes)
{
	size_t piece = play->split == WHOLE ? bytes.len : 1;

	note_reply(play, bytes);
	for (size_t at = 0; at < bytes.len; at += piece) {
		session_hear(&play->session, slice_head(slice_skip(bytes, at), piece), play->now_ms);
		if (play->split == TURNS && client_turn(play) && !is_whole(slice_head(bytes, at + 1)))
			play_fails(play, "the client spoke before the reply was whole", slice_head(bytes, at + 1));
	}
	client_turn(play);
}

/* The script's steps that follow one another without waiting are one packet; to EHLO, PIPELINING is added if wanted. */
static void say_packet(struct play *play)
{
	struct outbuf packet = {0};
	bool is_ehlo = strcmp(play->verb, "EHLO") == 0;
	const struct script_step *step;

	for (; (step = step_at(play)) && step->act == ACT_SAYS; play->at++) {
		size_t from = packet.len;

		outbuf_add(&packet, outbuf_slice(&step->bytes));
		if (is_ehlo && play->pipelined && from == 0 && slice_starts(outbuf_slice(&packet), SLICE("250"))) {
			bool only = packet.ptr[3] == ' ';

			packet.ptr[3] = '-';
			outbuf_add(&packet, only ? SLICE("250 PIPELINING\r\n") : SLICE("250-PIPELINING\r\n"));
		}
	}
	server_says(play, outbuf_slice(&packet));
	outbuf_free(&packet);
}

/* ---- silence, and the end */

static void drip(struct play *play, const struct script_step *step)
{
	for (size_t i = 0; i < step->text.len && !session_is_closed(&play->session); i++) {
		uint64_t deadline_ms = session_deadline_ms(&play->session);

		play->now_ms += step->n * 1000ull;
		if (deadline_ms && play->now_ms >= deadline_ms)
			session_expire(&play->session, play->now_ms);
		else
			session_hear(&play->session, slice_head(slice_skip(step->text, i), 1), play->now_ms);
	}
	client_turn(play);
}

static void be_silent(struct play *play, unsigned seconds)
{
	uint64_t deadline_ms = session_deadline_ms(&play->session);

	if (deadline_ms < play->now_ms + seconds * 1000ull)
		play_fails(play, "the client does not wait long enough", SLICE_NONE);
	play->now_ms = deadline_ms;
	session_expire(&play->session, play->now_ms);
	client_turn(play);
	if (!session_is_closed(&play->session))
		play_fails(play, "the client waits for ever", SLICE_NONE);
}

static void lose(struct play *play, int error)
{
	session_lost(&play->session, error, play->now_ms);
	client_turn(play);
}

static void shake_hands(struct play *play, struct slice failure)
{
	char *why = slice_copy(failure);

	if (!session_wants_handshake(&play->session))
		play_fails(play, "the client does not begin a handshake", SLICE_NONE);
	play->verb[0] = '\0';
	if (failure.len)
		session_insecure(&play->session, why, play->now_ms);
	else
		session_secured(&play->session, play->now_ms);
	free(why);
	client_turn(play);
}

static void do_step(struct play *play, const struct script_step *step)
{
	switch (step->act) {
	case ACT_SAYS: say_packet(play); return; /* it moves on by itself */
	case ACT_HEARS: hear_command(play, step); break;
	case ACT_MESSAGE: hear_message(play); break;
	case ACT_NOTHING:
		if (play->in_flight.len > 0)
			play_fails(play, "the client should wait, but it said", outbuf_slice(&play->in_flight));
		break;
	case ACT_LONE_DOT:
		if (!slice_is(client_line(play), SLICE(".")))
			play_fails(play, "not a lone dot", client_line(play));
		read_octets(play, 3);
		break;
	case ACT_OCTETS: hear_octets(play, step->n); break;
	case ACT_CLOSES: lose(play, 0); break;
	case ACT_RESETS: lose(play, ECONNRESET); break;
	case ACT_SILENT: be_silent(play, step->n); break;
	case ACT_READS_NO_MORE: play->stopped = true; break;
	case ACT_DRIPS: drip(play, step); break;
	case ACT_TLS_BEGINS: shake_hands(play, SLICE_NONE); break;
	case ACT_TLS_FAILS: shake_hands(play, step->text); break;
	}
	play->at++;
}

/* ---- playing */

static void play_part(struct play *play)
{
	const struct script_step *step;

	play->at = 0;
	play->stopped = play->mail_refused = false;
	play->verb[0] = '\0';
	client_gathers(play);
	client_connects(play);
	if (client_turn(play))
		play_fails(play, "the client spoke first", outbuf_slice(&play->in_flight));
	while ((step = step_at(play)) && (!session_is_closed(&play->session) || step->act == ACT_CLOSES))
		do_step(play, step);
	if (step)
		play_fails(play, "the client has closed before the script was over", SLICE_NONE);
	if (!session_is_closed(&play->session))
		play_fails(play, "the client goes on when the script is over", outbuf_slice(&play->in_flight));
	client_hangs_up(play);
	play_expects(play);
	client_leaves(play);
}

static void play_dialogue(const struct dialogue *dialogue, bool pipelined, enum split split)
{
	struct play *play = calloc(1, sizeof(*play));

	assert_non_null(play);
	play->dialogue = dialogue;
	play->pipelined = pipelined;
	play->split = split;
	play->now_ms = 1000;
	for (unsigned i = 0; i < dialogue->nparts; i++) {
		play->part = &dialogue->part[i];
		play_part(play);
	}
	outbuf_free(&play->in_flight);
	outbuf_free(&play->transcript);
	free(play);
}

static unsigned play_both(const struct dialogue *dialogue)
{
	bool as_written = dialogue_given(dialogue, SLICE("as written"), NULL, NULL);
	bool not_in_turns = dialogue_given(dialogue, SLICE("not in turns"), NULL, NULL);
	bool in_one_piece = dialogue_given(dialogue, SLICE("in one piece"), NULL, NULL);
	unsigned n = 0;

	assert_true(dialogue->part[0].nexpected > 0);
	for (unsigned pipelined = 0; pipelined <= !as_written; pipelined++)
		for (enum split split = WHOLE; split < SPLITS; split++) {
			if ((split != WHOLE && in_one_piece) || (split == TURNS && not_in_turns))
				continue;
			play_dialogue(dialogue, pipelined, split);
			n++;
		}
	return n;
}

static void play_file(const char *path)
{
	struct dialogues all;
	unsigned played = 0;

	dialogues_read(&all, path);
	assert_true(all.n > 0);
	for (unsigned i = 0; i < all.n; i++)
		played += play_both(&all.dialogue[i]);
	print_message("%s: %u dialogues, played %u times\n", path, all.n, played);
	dialogues_free(&all);
}

#define PLAYS(name, path)                           \
	static void name(void **state)              \
	{                                           \
		(void)state;                        \
		play_file("tests/dialogues/" path); \
	}

PLAYS(test_greeting, "a-greeting.txt")
PLAYS(test_ehlo, "b-ehlo.txt")
PLAYS(test_starttls, "c-starttls.txt")
PLAYS(test_transaction, "d-transaction.txt")
PLAYS(test_end_of_data, "e-end-of-data.txt")
PLAYS(test_reuse, "f-reuse.txt")
PLAYS(test_chunking, "g-chunking.txt")
PLAYS(test_parameters, "h-parameters.txt")
PLAYS(test_behind, "i-behind.txt")

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greeting),    cmocka_unit_test(test_ehlo),	cmocka_unit_test(test_starttls),
		cmocka_unit_test(test_transaction), cmocka_unit_test(test_end_of_data), cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_chunking),    cmocka_unit_test(test_parameters),	cmocka_unit_test(test_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
