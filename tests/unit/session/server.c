/* The server of the model: RFC 5321 as it stands, and a complaint for whatever a client may not do. What it refuses,
 * and with which code, is up to the dice. */
#include "tests/unit/session/world.h"

#include <stdlib.h>

unsigned server_says(struct world *world, unsigned code, const char *tag)
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
		server_says(world, 503, world->message->tag);
		return;
	}
	if (world->mail_open)
		OUCH(world, "MAIL inside a transaction: %.*s", SLICE_ARG(line));
	world->mail_refused = chance(world, world->manners.refuse);
	world->mail_open = !world->mail_refused;
	server_says(world, world->mail_refused ? refusal(world) : 250, world->message->tag);
}

static void hear_rcpt(struct world *world, struct slice line)
{
	struct message *message = world->message;

	if (!world->mail_open) {
		if (!world->mail_refused)
			OUCH(world, "RCPT without MAIL");
		server_says(world, 503, message->tag);
		return;
	}
	for (unsigned i = 0; i < message->tx.nrecipients; i++) {
		if (!memmem(line.ptr, line.len, message->addresses[i], strlen(message->addresses[i])))
			continue;
		world->accepted[i] = !chance(world, world->manners.refuse);
		server_says(world, world->accepted[i] ? 250 : refusal(world), message->addresses[i]);
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
		server_says(world, chance(world, 100) ? 351 : 354, world->message->tag);
		world->in_data = true;
		outbuf_reset(&world->data);
	} else {
		server_says(world, anybody ? refusal(world) : 503, world->message->tag);
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
	unsigned said =
		server_says(world, taken || (!anybody && chance(world, 300)) ? 250 : refusal(world), message->tag);

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
		server_says(world, 503, world->message->tag);
		world->octets = world->manners.swallows ? n : 0;
		world->swallowing = true;
		end_transaction(world, true);
	}
	outbuf_reset(&world->data);
}

static void hear_ehlo(struct world *world, bool helo)
{
	if (!helo && world->manners.helo_only) {
		server_says(world, 502, "ehlo");
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
		server_says(world, 250, "rset");
	} else if (slice_is(line, SLICE("QUIT"))) {
		server_says(world, 221, "quit");
		world->closed = true;
	} else if (world->manners.swallows) {
		OUCH(world, "an unknown command: %.*s", SLICE_ARG(line));
	} else {
		server_says(world, 500, "octets");
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

void server_reads(struct world *world, size_t n)
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
