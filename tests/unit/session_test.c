/* A model: a server that answers by dice, a wire that cuts and breaks anywhere, and a session between them, thousands
 * of times. The server knows what it stored and complains of every illegal command; each of its replies names the
 * message it belongs to, so a reply taken for another's shows.
 *
 *   safety       each recipient has exactly one outcome; delivered only what is stored; what is stored is delivered or
 *                uncertain; a refusal in the server's words is that recipient's own
 *   conformance  no command before its turn (RFC 2920), no MAIL inside a transaction, no message for nobody
 *   thrift       what a send or a reply needed is given back when that is over
 *   liveness     without faults all is delivered, the end is QUIT, and each message costs one round trip
 *
 * A failure prints its seed; SEED=n runs only that one. */
#include "tests/unit/session/world.h"

#include <errno.h>
#include <stdlib.h>

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

/* The kernel had all of it, or may have had when the connection broke: it was in a send, and more followed it. */
static bool may_have_arrived(const struct world *world, const struct message *message)
{
	return message->end &&
	       (world->stream_taken >= message->end || (world->lost_in_flight && message->end < world->stream_said));
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
	if (outcome->uncertain && !may_have_arrived(world, message))
		OUCH(world, "%s: uncertain, but it never left", message->addresses[i]);
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
		if (world->sending && message->last_send == world->sends)
			OUCH(world, "%s is given back, and the kernel still reads it", message->tag);
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

/* Which message a piece of a send is of, if it is of one. */
static void note_piece(struct world *world, const struct iovec *piece, uint64_t stream_end)
{
	for (unsigned m = 0; m < world->ngiven; m++) {
		struct message *message = &world->messages[m];
		const char *from = message->wire.ptr, *at = piece->iov_base;

		if (message->times_over || at < from || at >= from + message->wire.len)
			continue;
		message->last_send = world->sends;
		if (at + piece->iov_len == from + message->wire.len)
			message->end = stream_end;
	}
}

static void session_speaks(struct world *world)
{
	struct session_send send;

	if (world->sending || !session_say(&world->session, &send))
		return;
	size_t from = world->in_flight.len, bytes = 0;

	world->sends++;
	for (unsigned i = 0; i < send.niov; i++) {
		outbuf_add(&world->in_flight, (struct slice){send.iov[i].iov_base, send.iov[i].iov_len});
		bytes += send.iov[i].iov_len;
		note_piece(world, &send.iov[i], world->stream_said + bytes);
	}
	if (bytes != send.bytes || bytes == 0)
		OUCH(world, "a send of %zu bytes has %zu", send.bytes, bytes);
	check_group(world, slice_skip(outbuf_slice(&world->in_flight), from));
	world->stream_said += bytes;
	world->sending = true;
	world->send_left = world->send_bytes = bytes;
}

static void kernel_takes(struct world *world, size_t n)
{
	world->taken += n;
	world->stream_taken += n;
	world->send_left -= n;
}

static void send_comes_home(struct world *world)
{
	world->sending = false;
	session_said(&world->session, world->send_bytes - world->send_left, world->now_ms);
	if (world->session.commands.ptr || world->session.iov)
		OUCH(world, "the memory of a send is kept beyond it");
}

static void session_hears(struct world *world, size_t n)
{
	struct slice bytes = {world->replies.ptr + world->replies_read, n};

	if (world->sending && world->send_left == 0)
		send_comes_home(world); /* told before what was received: ring.h */
	world->replies_read += n;
	session_hear(&world->session, bytes, world->now_ms);
	if (world->session.parser.whole && world->session.parser.text.ptr && !world->session.is_holding)
		OUCH(world, "the memory of a reply is kept beyond it");
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
	world->lost_in_flight = world->sending;
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
	server_says(world, 220, "greeting");
	for (unsigned i = 0; !session_is_closed(&world->session); i++) {
		if (i > 2000000)
			OUCH(world, "it does not end");
		exchange(world);
		session_speaks(world);
		step(world);
	}
	world->lost_in_flight |= world->sending;
	exchange(world); /* what is still in a send must not come back yet */
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
