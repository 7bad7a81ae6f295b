/* A model: a server that answers by dice, a wire that cuts and breaks anywhere, and a session between them, thousands
 * of times. The server knows what it stored and complains of every illegal command; each of its replies names the
 * message it belongs to, so a reply taken for another's shows.
 *
 *   safety       each recipient has exactly one outcome; delivered only what is stored; what is stored is delivered or
 *                uncertain; a refusal in the server's words is that recipient's own
 *   conformance  no command before its turn (RFC 2920), no MAIL inside a transaction, no message for nobody
 *   liveness     without faults all is delivered, the end is QUIT, and each message costs one round trip
 *
 * A failure prints its seed; SEED=n runs only that one. */
#include "smtp/session.h"

#include "base/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MESSAGES_MAX = 16, RECIPIENTS_MAX = 5, BODY_MAX = 200000 };

struct message {
	struct tx tx;
	struct recipient recipients[RECIPIENTS_MAX];
	char addresses[RECIPIENTS_MAX][32], tag[16];
	bool stored[RECIPIENTS_MAX];
	struct outbuf wire;
	struct iovec body[3];
	unsigned times_over;
};

/* How the server, and the wire, behave: in thousandths. */
struct manners {
	bool pipelining, chunking, swallows, helo_only, holds_refused;
	unsigned refuse, say_421, lose, mute, message_to_nobody, quit_early;
	unsigned window;
};

struct world {
	uint64_t seed, now_ms;
	struct random dice;
	struct manners manners;
	struct message messages[MESSAGES_MAX];
	unsigned nmessages, ngiven;

	struct session session;
	struct outbuf in_flight; /* what the session has said and the server has not read */
	size_t taken;		 /* of it, by the kernel */
	size_t send_left;	 /* of the send at hand, not taken */
	size_t send_bytes;
	bool sending, lost;
	unsigned sends, commands;

	/* the server */
	struct outbuf line, data, replies;
	size_t replies_read;
	struct message *message; /* of the transaction at hand */
	bool accepted[RECIPIENTS_MAX], mail_open, mail_refused, in_data, closed, mute;
	bool held;	 /* a refused message, which it takes to be open still */
	uint64_t octets; /* of BDAT still to come */
	bool swallowing;
};

static bool chance(struct world *world, unsigned thousandths)
{
	return random_below(&world->dice, 1000) < thousandths;
}

#define OUCH(world, ...)                                                         \
	do {                                                                     \
		print_message("seed %llu: ", (unsigned long long)(world)->seed); \
		fail_msg(__VA_ARGS__);                                           \
	} while (0)

/* ---- the server */

/* What is said in the end: it may be 421 instead, or nothing at all. */
static unsigned say(struct world *world, unsigned code, const char *tag)
{
	if (world->mute || world->closed)
		return code;
	if (chance(world, world->manners.mute)) {
		world->mute = true;
		return code;
	}
	if (chance(world, world->manners.say_421)) {
		code = 421;
		world->closed = true;
	}
	if (chance(world, 200))
		outbuf_printf(&world->replies, "%u-%u.0.0 of %s\r\n", code, code / 100, tag);
	outbuf_printf(&world->replies, "%u %u.0.0 of %s,%s\n", code, code / 100, tag, chance(world, 50) ? "" : "\r");
	return code;
}

static unsigned refusal(struct world *world)
{
	static const unsigned codes[] = {450, 451, 452, 550, 552, 554, 500};

	return codes[random_below(&world->dice, sizeof(codes) / sizeof(codes[0]))];
}

static unsigned naccepted(const struct world *world)
{
	unsigned n = 0;

	for (unsigned i = 0; i < RECIPIENTS_MAX; i++)
		n += world->accepted[i];
	return n;
}

/* Some servers hold a refused message to be open until RSET. */
static void end_transaction(struct world *world, bool refused)
{
	world->held = refused && world->manners.holds_refused;
	world->mail_open = false;
	memset(world->accepted, 0, sizeof(world->accepted));
}

static struct message *named(struct world *world, struct slice line)
{
	for (unsigned m = 0; m < world->nmessages; m++)
		if (memmem(line.ptr, line.len, world->messages[m].tag, strlen(world->messages[m].tag)))
			return &world->messages[m];
	return NULL;
}

static void hear_mail(struct world *world, struct slice line)
{
	world->message = named(world, line);
	if (!world->message)
		OUCH(world, "MAIL from a stranger: %.*s", SLICE_ARG(line));
	if (world->held) {
		world->mail_refused = true;
		say(world, 503, world->message->tag);
		return;
	}
	if (world->mail_open)
		OUCH(world, "MAIL inside a transaction: %.*s", SLICE_ARG(line));
	world->mail_refused = chance(world, world->manners.refuse);
	world->mail_open = !world->mail_refused;
	say(world, world->mail_refused ? refusal(world) : 250, world->message->tag);
}

static void hear_rcpt(struct world *world, struct slice line)
{
	struct message *message = world->message;

	if (!world->mail_open) {
		if (!world->mail_refused)
			OUCH(world, "RCPT without MAIL");
		say(world, 503, message->tag);
		return;
	}
	for (unsigned i = 0; i < message->tx.nrecipients; i++) {
		if (!memmem(line.ptr, line.len, message->addresses[i], strlen(message->addresses[i])))
			continue;
		world->accepted[i] = !chance(world, world->manners.refuse);
		say(world, world->accepted[i] ? 250 : refusal(world), message->addresses[i]);
		return;
	}
	OUCH(world, "RCPT to a stranger: %.*s", SLICE_ARG(line));
}

static void hear_data(struct world *world)
{
	bool anybody = world->mail_open && naccepted(world) > 0;

	if (!anybody && world->mail_open && !world->manners.pipelining)
		OUCH(world, "DATA for nobody");
	if (anybody ? !chance(world, world->manners.refuse) : chance(world, world->manners.message_to_nobody)) {
		say(world, chance(world, 100) ? 351 : 354, world->message->tag);
		world->in_data = true;
		outbuf_reset(&world->data);
	} else {
		say(world, anybody ? refusal(world) : 503, world->message->tag);
		/* the transaction stays open: RFC 5321 4.1.4 wants RSET */
	}
}

static void end_of_message(struct world *world, bool complete)
{
	struct message *message = world->message;
	bool anybody = world->mail_open && naccepted(world) > 0,
	     taken = anybody && !chance(world, world->manners.refuse);

	if (anybody && !complete)
		OUCH(world, "%s arrived changed", message->tag);
	unsigned said = say(world, taken || (!anybody && chance(world, 300)) ? 250 : refusal(world), message->tag);

	for (unsigned i = 0; said == 250 && i < message->tx.nrecipients; i++)
		message->stored[i] |= world->accepted[i];
	world->in_data = false;
	end_transaction(world, said != 250);
}

static void hear_bdat(struct world *world, struct slice line)
{
	uint64_t n = strtoull(line.ptr + strlen("BDAT "), NULL, 10);

	if (!world->mail_open && !world->mail_refused)
		OUCH(world, "BDAT without MAIL");
	if (world->mail_open && naccepted(world) > 0) {
		world->octets = n;
	} else {
		say(world, 503, world->message->tag);
		world->octets = world->manners.swallows ? n : 0;
		world->swallowing = true;
		end_transaction(world, true);
	}
	outbuf_reset(&world->data);
}

static void hear_ehlo(struct world *world, bool helo)
{
	if (!helo && world->manners.helo_only) {
		say(world, 502, "ehlo");
		return;
	}
	outbuf_printf(&world->replies, "250%cmx\r\n", helo ? ' ' : '-');
	if (helo)
		return;
	if (world->manners.pipelining)
		outbuf_printf(&world->replies, "250-PIPELINING\r\n");
	if (world->manners.chunking)
		outbuf_printf(&world->replies, "250-CHUNKING\r\n");
	outbuf_printf(&world->replies, "250 SIZE 1000000\r\n");
}

static void hear_line(struct world *world, struct slice line)
{
	world->commands++;
	if (slice_starts(line, SLICE("EHLO ")) || slice_starts(line, SLICE("HELO "))) {
		hear_ehlo(world, line.ptr[0] == 'H');
	} else if (slice_starts(line, SLICE("MAIL FROM:<"))) {
		hear_mail(world, line);
	} else if (slice_starts(line, SLICE("RCPT TO:<"))) {
		hear_rcpt(world, line);
	} else if (slice_is(line, SLICE("DATA"))) {
		hear_data(world);
	} else if (slice_starts(line, SLICE("BDAT "))) {
		hear_bdat(world, line);
	} else if (slice_is(line, SLICE("RSET"))) {
		end_transaction(world, false);
		say(world, 250, "rset");
	} else if (slice_is(line, SLICE("QUIT"))) {
		say(world, 221, "quit");
		world->closed = true;
	} else if (world->manners.swallows) {
		OUCH(world, "an unknown command: %.*s", SLICE_ARG(line));
	} else {
		say(world, 500, "octets");
	}
}

static void read_octet(struct world *world, char c)
{
	outbuf_byte(&world->data, c);
	if (--world->octets > 0)
		return;
	if (world->swallowing)
		world->swallowing = false;
	else
		end_of_message(world, slice_is(outbuf_slice(&world->data), outbuf_slice(&world->message->wire)));
}

static void read_data(struct world *world, char c)
{
	outbuf_byte(&world->data, c);
	struct slice data = outbuf_slice(&world->data);
	bool lone = slice_is(data, SLICE(".\r\n"));

	if (!lone && (data.len < 5 || memcmp(data.ptr + data.len - 5, "\r\n.\r\n", 5) != 0))
		return;
	if (!lone && (!world->mail_open || naccepted(world) == 0))
		OUCH(world, "a message for nobody");
	end_of_message(world, slice_is(data, outbuf_slice(&world->message->wire)));
}

static void server_reads(struct world *world, size_t n)
{
	for (size_t i = 0; i < n && !world->closed; i++) {
		char c = world->in_flight.ptr[i];

		if (world->octets > 0) {
			read_octet(world, c);
		} else if (world->in_data) {
			read_data(world, c);
		} else if (c != '\n') {
			outbuf_byte(&world->line, c);
		} else {
			struct slice line = outbuf_slice(&world->line);

			world->swallowing = false;
			hear_line(world, slice_head(line, line.len - 1));
			outbuf_reset(&world->line);
		}
	}
	memmove(world->in_flight.ptr, world->in_flight.ptr + n, world->in_flight.len - n);
	world->in_flight.len -= n;
	world->taken -= n;
}

/* ---- the messages */

static void compose(struct world *world, struct message *message, enum wire_form form)
{
	struct wire_stuffing at = WIRE_START;
	size_t lines = chance(world, 10) ? random_below(&world->dice, 3000) : random_below(&world->dice, 8);
	struct outbuf text = {0};

	outbuf_printf(&text, "Subject: %s\r\n\r\n", message->tag);
	for (size_t i = 0; i < lines; i++)
		outbuf_add(&text,
			   chance(world, 200) ? SLICE(".dot\r\n") : SLICE("a line of newsletter, nicely said\r\n"));
	outbuf_reset(&message->wire);
	if (form == WIRE_DATA) {
		wire_stuff(&message->wire, outbuf_slice(&text), &at);
		wire_end(&message->wire, &at);
	} else {
		outbuf_add(&message->wire, outbuf_slice(&text));
	}
	message->tx.size = text.len;
	outbuf_free(&text);
	size_t third = message->wire.len / 3;

	for (unsigned i = 0; i < 3; i++)
		message->body[i] = (struct iovec){message->wire.ptr + i * third, third};
	message->body[2].iov_len = message->wire.len - 2 * third;
}

static struct tx *next_message(struct world *world)
{
	struct message *message = &world->messages[world->ngiven++];
	unsigned max = session_recipients_max(&world->session);

	message->tx.form = session_form(&world->session);
	compose(world, message, message->tx.form);
	message->tx.sender = slice_of(message->tag);
	message->tx.body = message->body;
	message->tx.nbody = 3;
	message->tx.wire_bytes = message->wire.len;
	message->tx.recipients = message->recipients;
	message->tx.nrecipients = 1 + (unsigned)random_below(&world->dice, max ? 1 : RECIPIENTS_MAX);
	for (unsigned i = 0; i < message->tx.nrecipients; i++)
		message->recipients[i].address = slice_of(message->addresses[i]);
	return &message->tx;
}

static void check_outcome(struct world *world, const struct message *message, unsigned i)
{
	const struct outcome *outcome = &message->recipients[i].outcome;
	bool delivered = outcome->verdict.action == ACTION_DELIVERED;

	if (delivered && !message->stored[i])
		OUCH(world, "%s: delivered, but not stored", message->addresses[i]);
	if (message->stored[i] && !delivered && !outcome->uncertain)
		OUCH(world, "%s: stored, but %s (%.*s)", message->addresses[i], action_name(outcome->verdict.action),
		     SLICE_ARG(outcome->text));
	if (outcome->uncertain && (!outcome->attempted || delivered))
		OUCH(world, "%s: uncertain, but not attempted or delivered", message->addresses[i]);
	if (outcome->origin == ORIGIN_REMOTE && !memmem(outcome->text.ptr, outcome->text.len, message->tag, 4))
		OUCH(world, "%s: has another's reply: %.*s", message->addresses[i], SLICE_ARG(outcome->text));
	if (!outcome->attempted && outcome->verdict.action == ACTION_NEVER)
		OUCH(world, "%s: failed without an attempt", message->addresses[i]);
}

static void exchange(struct world *world)
{
	struct tx *tx;

	while ((tx = session_over(&world->session))) {
		struct message *message = LIST_OWNER(tx, struct message, tx);

		message->times_over++;
		for (unsigned i = 0; i < tx->nrecipients; i++)
			check_outcome(world, message, i);
	}
	while (session_wants(&world->session) && world->ngiven < world->nmessages)
		session_give(&world->session, next_message(world));
	if ((world->ngiven == world->nmessages && world->session.ntx == 0) || chance(world, world->manners.quit_early))
		session_quit(&world->session, world->now_ms);
}

/* ---- the wire */

/* Conformance of one send: without PIPELINING one command and nothing owed; with it, what RFC 2920 wants to be last
 * is last. */
static void check_group(struct world *world, struct slice said)
{
	unsigned owed = world->session.nowed;

	if (world->manners.pipelining && !world->manners.helo_only)
		return;
	if (owed > 1)
		OUCH(world, "%u replies owed without PIPELINING: %.*s", owed, SLICE_ARG(said));
}

static void session_speaks(struct world *world)
{
	struct session_send send;

	if (world->sending || !session_say(&world->session, &send))
		return;
	size_t from = world->in_flight.len, bytes = 0;

	for (unsigned i = 0; i < send.niov; i++) {
		outbuf_add(&world->in_flight, (struct slice){send.iov[i].iov_base, send.iov[i].iov_len});
		bytes += send.iov[i].iov_len;
	}
	if (bytes != send.bytes || bytes == 0)
		OUCH(world, "a send of %zu bytes has %zu", send.bytes, bytes);
	check_group(world, slice_skip(outbuf_slice(&world->in_flight), from));
	world->sends++;
	world->sending = true;
	world->send_left = world->send_bytes = bytes;
}

static void kernel_takes(struct world *world, size_t n)
{
	world->taken += n;
	world->send_left -= n;
}

static void send_comes_home(struct world *world)
{
	world->sending = false;
	session_said(&world->session, world->send_bytes - world->send_left, world->now_ms);
}

static void session_hears(struct world *world, size_t n)
{
	struct slice bytes = {world->replies.ptr + world->replies_read, n};

	if (world->sending && world->send_left == 0)
		send_comes_home(world); /* told before what was received: ring.h */
	world->replies_read += n;
	session_hear(&world->session, bytes, world->now_ms);
}

/* A piece of what there is: all of it, one byte, or some. */
static size_t piece(struct world *world, size_t n)
{
	if (chance(world, 500))
		return n;
	return 1 + random_below(&world->dice, chance(world, 300) ? 1 : n);
}

/* The connection breaks. What the kernel had taken may still arrive or not; what the server said may be heard or not.
 */
static void lose(struct world *world)
{
	bool home_first = world->send_left == 0 || chance(world, 700);

	world->lost = true;
	if (world->sending && home_first)
		send_comes_home(world);
	if (chance(world, 500) && world->replies.len > world->replies_read && !session_is_closed(&world->session))
		session_hears(world, 1 + random_below(&world->dice, world->replies.len - world->replies_read));
	if (chance(world, 500) && world->taken > 0 && home_first)
		server_reads(world, 1 + random_below(&world->dice, world->taken));
	session_lost(&world->session, chance(world, 500) ? ECONNRESET : 0, world->now_ms);
	if (world->sending)
		send_comes_home(world);
}

/* Nothing moves any more: somebody must be silent, or all is done. */
static void stand_still(struct world *world)
{
	uint64_t deadline_ms = session_deadline_ms(&world->session);

	if (world->closed) {
		session_lost(&world->session, 0, world->now_ms);
	} else if (world->mute && deadline_ms) {
		world->now_ms = deadline_ms;
		session_expire(&world->session, world->now_ms);
	} else if (!session_wants(&world->session)) {
		OUCH(world, "it stands still, %u owed, %u messages given", world->session.nowed, world->ngiven);
	}
}

static void step(struct world *world)
{
	size_t unheard = world->replies.len - world->replies_read;

	world->now_ms += random_below(&world->dice, 20);
	if (!world->lost && chance(world, world->manners.lose)) {
		lose(world);
		return;
	}
	switch (random_below(&world->dice, 4)) {
	case 0:
		if (world->send_left > 0)
			kernel_takes(world, piece(world, world->send_left));
		break;
	case 1:
		if (world->sending && world->send_left == 0)
			send_comes_home(world);
		break;
	case 2:
		if (world->taken > 0)
			server_reads(world, piece(world, world->taken));
		break;
	default:
		if (unheard > 0)
			session_hears(world, piece(world, unheard));
		else if (!world->sending && world->taken == 0)
			stand_still(world);
	}
}

static void world_free(struct world *world)
{
	for (unsigned m = 0; m < MESSAGES_MAX; m++) {
		tx_clear(&world->messages[m].tx);
		outbuf_free(&world->messages[m].wire);
	}
	outbuf_free(&world->in_flight);
	outbuf_free(&world->line);
	outbuf_free(&world->data);
	outbuf_free(&world->replies);
	session_free(&world->session);
}

static const struct session_limits limits = {
	.greeting_s = 300,
	.ehlo_s = 300,
	.mail_s = 300,
	.rcpt_s = 300,
	.data_s = 120,
	.body_s = 180,
	.eom_s = 600,
	.rset_s = 20,
	.quit_s = 5,
	.messages_max = 0,
	.window_max = 1,
};

static uint64_t only_seed(void)
{
	const char *text = getenv("SEED");

	return text ? strtoull(text, NULL, 10) : 0;
}

static void show(void *who, bool ours, struct slice line)
{
	(void)who;
	print_message("%s %.*s\n", ours ? "C:" : "S:", SLICE_ARG(line));
}

static void live(struct world *world)
{
	struct session_limits own = limits;
	struct session_setup setup = {.helo = SLICE("mta.example"), .limits = &own, .window_proved = true};

	own.window_max = world->manners.window;
	world->now_ms = 1000;
	for (unsigned m = 0; m < world->nmessages; m++) {
		struct message *message = &world->messages[m];

		snprintf(message->tag, sizeof(message->tag), "m%02u,", m);
		for (unsigned i = 0; i < RECIPIENTS_MAX; i++)
			snprintf(message->addresses[i], sizeof(message->addresses[i]), "r%u.m%02u,", i, m);
	}
	session_start(&world->session, &setup, world->now_ms);
	if (only_seed())
		session_listen(&world->session, show, NULL);
	say(world, 220, "greeting");
	for (unsigned i = 0; !session_is_closed(&world->session); i++) {
		if (i > 2000000)
			OUCH(world, "it does not end");
		exchange(world);
		session_speaks(world);
		step(world);
	}
	if (world->sending)
		send_comes_home(world);
	exchange(world);
	for (unsigned m = 0; m < world->ngiven; m++)
		if (world->messages[m].times_over != 1)
			OUCH(world, "%s was over %u times", world->messages[m].tag, world->messages[m].times_over);
}

/* ---- the tests */

static struct world *world_of(uint64_t seed)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->seed = seed;
	world->dice = random_seeded(seed);
	world->nmessages = 1 + (unsigned)random_below(&world->dice, MESSAGES_MAX);
	world->manners.pipelining = chance(world, 700);
	world->manners.helo_only = chance(world, 100);
	world->manners.holds_refused = chance(world, 200);
	world->manners.swallows = true;
	world->manners.window = 1;
	return world;
}

static void test_faults(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6000; seed++) {
		if (only_seed() && seed != only_seed())
			continue;
		struct world *world = world_of(seed);

		world->manners.refuse = (unsigned)random_below(&world->dice, 300);
		world->manners.say_421 = (unsigned)random_below(&world->dice, 20);
		world->manners.lose = (unsigned)random_below(&world->dice, 20);
		world->manners.mute = (unsigned)random_below(&world->dice, 10);
		world->manners.message_to_nobody = 500;
		world->manners.quit_early = 2;
		live(world);
		world_free(world);
		free(world);
	}
}

static void test_faults_in_a_window(void **state)
{
	(void)state;
	for (uint64_t seed = 10001; seed <= 14000; seed++) {
		if (only_seed() && seed != only_seed())
			continue;
		struct world *world = world_of(seed);

		world->manners.pipelining = world->manners.chunking = true;
		world->manners.swallows = chance(world, 500);
		world->manners.window = 2 + (unsigned)random_below(&world->dice, 10);
		world->manners.refuse = (unsigned)random_below(&world->dice, 150);
		world->manners.say_421 = (unsigned)random_below(&world->dice, 10);
		world->manners.lose = (unsigned)random_below(&world->dice, 10);
		world->manners.mute = (unsigned)random_below(&world->dice, 5);
		live(world);
		world_free(world);
		free(world);
	}
}

static void check_all_delivered(struct world *world)
{
	if (session_end(&world->session) != SESSION_QUIT)
		OUCH(world, "a good day ended with %s", session_end_name(session_end(&world->session)));
	if (world->ngiven != world->nmessages)
		OUCH(world, "%u of %u were given", world->ngiven, world->nmessages);
	for (unsigned m = 0; m < world->nmessages; m++)
		for (unsigned i = 0; i < world->messages[m].tx.nrecipients; i++)
			if (world->messages[m].recipients[i].outcome.verdict.action != ACTION_DELIVERED)
				OUCH(world, "%s was not delivered on a good day: %.*s", world->messages[m].addresses[i],
				     SLICE_ARG(world->messages[m].recipients[i].outcome.text));
}

static bool has_long_body(const struct world *world)
{
	for (unsigned m = 0; m < world->nmessages; m++)
		if (world->messages[m].wire.len > 65536)
			return true;
	return false;
}

static void test_good_days(void **state)
{
	(void)state;
	for (uint64_t seed = 20001; seed <= 22000; seed++) {
		if (only_seed() && seed != only_seed())
			continue;
		struct world *world = world_of(seed);
		bool behind = world->manners.pipelining && !world->manners.helo_only;

		world->manners.chunking = chance(world, 300);
		world->manners.window = chance(world, 300) ? 8 : 1;
		live(world);
		check_all_delivered(world);
		if (behind && world->manners.window == 1 && !has_long_body(world) &&
		    world->sends != world->nmessages + 3)
			OUCH(world, "%u messages took %u round trips", world->nmessages, world->sends);
		world_free(world);
		free(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_days),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_faults_in_a_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
