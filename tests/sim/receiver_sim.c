/* Each connection is a call: what came and was not read, what is to be said, and where in the dialogue it stands. It
 * reads one command at a time and reads no further while it thinks about a reply, so a client that rides ahead without
 * leave is seen by what lies unread. */
#include "receiver_sim.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RCPT_MAX = 128, SLOW_MS_MAX = 20000, LINE_BYTES_MAX = 2000 };

enum call_state { CALL_COMMANDS, CALL_DATA, CALL_BDAT };

struct call {
	struct list link;
	struct receiver *receiver;
	struct sim_peer *peer; /* NULL: over */
	enum call_state state;
	struct outbuf in, message, reply;
	bool greeted, mail, mail_refused; /* mail: a transaction is open */
	bool thinking, mute, quit, ending;
	bool sure;    /* it has made up its mind: no 421 in place of this reply */
	bool counted; /* as open */
	unsigned nmails, nrcpt, ntaken;
	unsigned taken[RCPT_MAX];
	uint64_t octets; /* of BDAT to come */
	bool last;	 /* ... and then the message is whole */
};

static void call_read(struct call *call);

__attribute__((format(printf, 2, 3))) static void complain(struct call *call, const char *format, ...)
{
	va_list args;

	if (call->receiver->complaint[0])
		return;
	va_start(args, format);
	vsnprintf(call->receiver->complaint, sizeof(call->receiver->complaint), format, args);
	va_end(args);
}

static unsigned dice(const struct call *call, unsigned bound)
{
	return (unsigned)sim_world_dice(call->receiver->world, bound);
}

static bool chance(const struct call *call, unsigned per_mille)
{
	return per_mille && dice(call, 1000) < per_mille;
}

static void call_uncount(struct call *call)
{
	call->receiver->nopen -= call->counted;
	call->counted = false;
}

static void call_end(struct call *call, bool reset)
{
	struct sim_peer *peer = call->peer;

	call->peer = NULL;
	call_uncount(call);
	if (reset)
		sim_peer_reset(peer);
	else
		sim_peer_close(peer);
}

/* Replies */

static void on_thought(struct sim_peer *peer)
{
	struct call *call = *(struct call **)sim_peer_state(peer);

	call->thinking = false;
	if (!call->receiver->pipelining && call->in.len > 0 && !call->ending)
		complain(call, "more before the reply, without PIPELINING: %.*s", SLICE_ARG(outbuf_slice(&call->in)));
	sim_peer_send(peer, outbuf_slice(&call->reply));
	outbuf_reset(&call->reply);
	if (call->ending || chance(call, call->receiver->moods.after))
		call_end(call, false);
	else
		call_read(call);
}

/* True when there will be no reply. */
static bool is_moody(struct call *call)
{
	const struct receiver_moods *moods = &call->receiver->moods;

	if (call->quit)
		return false;
	if (chance(call, moods->drop)) {
		call_end(call, dice(call, 2));
		return true;
	}
	call->mute = chance(call, moods->mute);
	return call->mute;
}

/* A reply, or what the mood makes of it; returns the code that will be said, 0: none. */
static unsigned say(struct call *call, unsigned code, const char *text)
{
	const struct receiver *receiver = call->receiver;

	if (is_moody(call))
		return 0;
	if (!call->quit && !call->sure && chance(call, receiver->moods.say_421)) {
		code = 421;
		call->ending = true;
		outbuf_reset(&call->reply);
	}
	if (chance(call, 100))
		outbuf_printf(&call->reply, "%u-and so on\r\n", code);
	if (receiver->enhanced && code != 354 && code != 220)
		outbuf_printf(&call->reply, "%u %u.0.0 %s\r\n", code, code / 100, text);
	else
		outbuf_printf(&call->reply, "%u %s\r\n", code, text);
	call->thinking = true;
	sim_peer_after(call->peer, chance(call, receiver->moods.slow) ? dice(call, SLOW_MS_MAX) : 0, on_thought);
	return code;
}

static unsigned refusal(struct call *call)
{
	static const unsigned codes[] = {450, 451, 452, 550, 552, 554};

	return codes[dice(call, sizeof(codes) / sizeof(codes[0]))];
}

static void forget_mail(struct call *call)
{
	call->mail = call->mail_refused = false;
	call->nrcpt = call->ntaken = 0;
	outbuf_reset(&call->message);
}

static void refuse_all(struct call *call, unsigned code)
{
	for (unsigned i = 0; code >= 500 && i < call->ntaken; i++)
		call->receiver->refused(call->receiver->who, call->taken[i]);
}

/* Commands */

static void hear_hello(struct call *call, struct slice line)
{
	const struct receiver *receiver = call->receiver;
	bool extended = slice_starts_nocase(line, SLICE("EHLO"));

	if (line.len < 6 || memchr(line.ptr + 5, ' ', line.len - 5))
		complain(call, "a strange name: %.*s", SLICE_ARG(line));
	if (extended && receiver->helo_only) {
		say(call, 502, "not known here");
		return;
	}
	forget_mail(call);
	if (extended) {
		outbuf_printf(
			&call->reply, "250-8BITMIME\r\n%s%s%s%s", receiver->pipelining ? "250-PIPELINING\r\n" : "",
			receiver->chunking ? "250-CHUNKING\r\n" : "", receiver->size ? "250-SIZE 1000000\r\n" : "",
			receiver->enhanced ? "250-ENHANCEDSTATUSCODES\r\n" : "");
	}
	call->greeted = say(call, 250, "receiver.test") == 250;
}

static void hear_mail(struct call *call, struct slice line)
{
	struct receiver *receiver = call->receiver;

	if (!call->greeted)
		complain(call, "MAIL before EHLO");
	if (call->mail)
		complain(call, "MAIL inside a transaction");
	if (receiver->messages_max && ++call->nmails > receiver->messages_max)
		complain(call, "%u messages on a connection", call->nmails);
	if (memmem(line.ptr, line.len, " SIZE=", 6) && (!receiver->size || receiver->helo_only))
		complain(call, "SIZE was not offered");
	if (memmem(line.ptr, line.len, " BODY=", 6) && receiver->helo_only)
		complain(call, "8BITMIME was not offered");
	if (!slice_starts(line, SLICE("MAIL FROM:<")) || !memchr(line.ptr, '>', line.len))
		complain(call, "what is this: %.*s", SLICE_ARG(line));
	forget_mail(call);
	bool slower = chance(call, receiver->moods.slower);
	unsigned code = slower ? say(call, 450, "you send too fast, slow down")
			       : say(call, chance(call, receiver->moods.refuse) ? refusal(call) : 250, "of MAIL");

	call->mail = code == 250;
	call->mail_refused = !call->mail;
	if (code >= 500)
		receiver->refused(receiver->who, RECEIVER_WHOM);
}

static void hear_rcpt(struct call *call, struct slice line)
{
	static const unsigned codes[] = {[RECEIVER_TAKES] = 250, [RECEIVER_LATER] = 450, [RECEIVER_NEVER] = 550};
	struct receiver *receiver = call->receiver;
	unsigned number = 0;
	char text[64];
	bool probe = slice_starts(line, SLICE("RCPT TO:<window-probe-"));

	snprintf(text, sizeof(text), "%.*s", SLICE_ARG(line));
	if (!probe && sscanf(text, "RCPT TO:<r%u@", &number) != 1)
		complain(call, "what is this: %s", text);
	if (!call->mail) {
		if (!call->mail_refused || !receiver->pipelining)
			complain(call, "RCPT without MAIL");
		say(call, 503, "MAIL first");
		return;
	}
	if (receiver->rcpt_max && ++call->nrcpt > receiver->rcpt_max)
		complain(call, "%u recipients of a message", call->nrcpt);
	if (probe) { /* nobody has that address */
		say(call, 550, "of RCPT");
		return;
	}
	enum receiver_word word = receiver->asked(receiver->who, number);
	unsigned code = say(call, codes[word], word == RECEIVER_NEVER ? "no such user here" : "of RCPT");

	if (code == 250 && call->ntaken < RCPT_MAX)
		call->taken[call->ntaken++] = number;
	if (code == 550)
		receiver->refused(receiver->who, number);
}

static void hear_data(struct call *call)
{
	const struct receiver *receiver = call->receiver;

	if (call->ntaken == 0 && !receiver->pipelining)
		complain(call, "DATA for nobody");
	if (call->in.len)
		complain(call, "something rides behind DATA");
	if (call->ntaken == 0) {
		say(call, call->mail ? 554 : 503, "nobody to send it to");
		return;
	}
	unsigned code = say(call, chance(call, receiver->moods.refuse) ? refusal(call) : 354, "of DATA");

	if (code == 354)
		call->state = CALL_DATA;
	refuse_all(call, code);
}

/* Taken before it is said: who hangs up, or is cut off, after this has the message. A 421 means that he has not. */
static void end_of_message(struct call *call)
{
	struct receiver *receiver = call->receiver;
	unsigned code = chance(call, receiver->moods.refuse) ? refusal(call) : 250;

	call->ending = chance(call, receiver->moods.say_421);
	if (call->ending)
		code = 421;
	else if (call->ntaken == 0)
		code = 554;
	for (unsigned i = 0; code == 250 && i < call->ntaken; i++)
		receiver->taken(receiver->who, call->taken[i], outbuf_slice(&call->message));
	call->sure = true;
	refuse_all(call, say(call, code, "of the message"));
	call->sure = false;
	forget_mail(call);
}

static void hear_bdat(struct call *call, struct slice line)
{
	unsigned long long octets = 0;
	char text[64];

	snprintf(text, sizeof(text), "%.*s", SLICE_ARG(line));
	if (!call->receiver->chunking || sscanf(text, "BDAT %llu", &octets) != 1)
		complain(call, "BDAT, which was not offered, or: %s", text);
	call->octets = octets;
	call->last = strstr(text, " LAST") != NULL;
	call->state = CALL_BDAT;
}

static void hear_quit(struct call *call)
{
	call->quit = call->ending = true;
	call->receiver->nquits++;
	call_uncount(call);
	say(call, 221, "until soon");
}

static void hear_command(struct call *call, struct slice line)
{
	if (slice_starts(line, SLICE("EHLO ")) || slice_starts(line, SLICE("HELO "))) {
		hear_hello(call, line);
	} else if (slice_starts(line, SLICE("MAIL "))) {
		hear_mail(call, line);
	} else if (slice_starts(line, SLICE("RCPT "))) {
		hear_rcpt(call, line);
	} else if (slice_is(line, SLICE("DATA"))) {
		hear_data(call);
	} else if (slice_starts(line, SLICE("BDAT "))) {
		hear_bdat(call, line);
	} else if (slice_is(line, SLICE("RSET"))) {
		forget_mail(call);
		say(call, 250, "forgotten");
	} else if (slice_is(line, SLICE("QUIT"))) {
		hear_quit(call);
	} else {
		complain(call, "unknown: %.*s", SLICE_ARG(line));
		say(call, 500, "what?");
	}
}

/* Reading */

static void take_off(struct outbuf *in, size_t n)
{
	memmove(in->ptr, in->ptr + n, in->len - n);
	in->len -= n;
}

/* The message of DATA: lines until one that is a dot (RFC 5321 4.5.2). */
static void read_data_line(struct call *call, struct slice line)
{
	if (slice_is(line, SLICE(".\r\n"))) {
		call->state = CALL_COMMANDS;
		end_of_message(call);
		return;
	}
	outbuf_add(&call->message, line.ptr[0] == '.' ? slice_skip(line, 1) : line);
}

static bool read_bdat(struct call *call)
{
	size_t n = call->octets < call->in.len ? call->octets : call->in.len;

	outbuf_add(&call->message, slice_head(outbuf_slice(&call->in), n));
	take_off(&call->in, n);
	call->octets -= n;
	if (call->octets)
		return false;
	call->state = CALL_COMMANDS;
	if (call->last)
		end_of_message(call);
	else
		say(call, 250, "more");
	return true;
}

static bool read_line(struct call *call)
{
	struct slice in = outbuf_slice(&call->in);
	size_t n = slice_find(in, '\n') + 1;
	char line[LINE_BYTES_MAX];

	if (n > in.len && in.len < sizeof(line))
		return false;
	if (n > sizeof(line) || n < 2 || in.ptr[n - 2] != '\r' || memchr(in.ptr, '\r', n - 2)) {
		complain(call, "a bare CR or LF, or a long line");
		n = n > sizeof(line) ? sizeof(line) : n;
	}
	memcpy(line, in.ptr, n);
	take_off(&call->in, n);
	if (call->state == CALL_DATA)
		read_data_line(call, (struct slice){line, n});
	else
		hear_command(call, (struct slice){line, n >= 2 ? n - 2 : 0});
	return true;
}

static void call_read(struct call *call)
{
	bool more = true;

	while (more && call->peer && !call->thinking && !call->mute && (call->in.len || call->state == CALL_BDAT))
		more = call->state == CALL_BDAT ? read_bdat(call) : read_line(call);
}

/* The world's side */

static void on_connected(struct sim_peer *peer)
{
	struct receiver *receiver = sim_peer_context(peer);
	struct call *call = calloc(1, sizeof(*call));

	CHECK(call != NULL);
	*(struct call **)sim_peer_state(peer) = call;
	call->receiver = receiver;
	call->peer = peer;
	list_push(&receiver->calls, &call->link);
	receiver->ncalls++;
	call->counted = true;
	if (++receiver->nopen > receiver->nopen_max)
		receiver->nopen_max = receiver->nopen;
	if (receiver->calls_max && receiver->nopen > receiver->calls_max) {
		call->ending = call->sure = true;
		say(call, 421, "too many connections");
		return;
	}
	call->ending = chance(call, receiver->moods.greet);
	say(call, call->ending ? (dice(call, 2) ? 554 : 421) : 220, "receiver.test");
}

static void on_received(struct sim_peer *peer, struct slice bytes)
{
	struct call *call = *(struct call **)sim_peer_state(peer);

	if (call->quit)
		complain(call, "more after QUIT: %.*s", SLICE_ARG(bytes));
	if (call->ending)
		return; /* what crosses a 421 is nobody's fault */
	outbuf_add(&call->in, bytes);
	call_read(call);
}

static void on_closed(struct sim_peer *peer, bool reset)
{
	struct call *call = *(struct call **)sim_peer_state(peer);

	(void)reset;
	call->peer = NULL;
	call_uncount(call);
}

static const struct sim_peer_kind receiver_kind = {.name = "receiver",
						   .state_size = sizeof(struct call *),
						   .connected = on_connected,
						   .received = on_received,
						   .closed = on_closed};

void receiver_listen(struct receiver *receiver, const struct address *address)
{
	list_init(&receiver->calls);
	sim_listen(receiver->world, address, RING_STREAM, &receiver_kind, receiver);
}

void receiver_free(struct receiver *receiver)
{
	struct list *link;

	while ((link = list_pop(&receiver->calls))) {
		struct call *call = LIST_OWNER(link, struct call, link);

		outbuf_free(&call->in);
		outbuf_free(&call->message);
		outbuf_free(&call->reply);
		free(call);
	}
}
