/* Commands are read by line, bodies by searching for CRLF "." CRLF in what came; neither is copied unless it is cut by
 * the end of a read. Whoever hashes asks for a slower way: the body is unstuffed byte by byte. */
#include "bench/sink/receiver.h"

#include "base/check.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum mode { MODE_COMMAND, MODE_DATA, MODE_CHUNK };
enum { LINE_MAX_BYTES = 4096 };

static void say(struct outbuf *out, const char *text)
{
	outbuf_add(out, slice_of(text));
	outbuf_add(out, SLICE("\r\n"));
}

static struct remembered *remember(struct sink *sink, struct slice address)
{
	struct map_node *node = map_find(&sink->memory, address);

	if (node)
		return MAP_OWNER(node, struct remembered, node);
	struct remembered *seen = calloc(1, sizeof(*seen));

	CHECK(seen != NULL);
	map_add_far(&sink->memory, &seen->node, (struct slice){slice_copy(address), address.len});
	return seen;
}

static struct slice first_recipient(const struct receiver *receiver)
{
	struct slice to = outbuf_slice(&receiver->to);

	return slice_until(&to, '\n');
}

/* Does what the rule says. True when it has answered, so that the plain answer is not given. */
static bool obey(struct receiver *receiver, const struct rule *rule, struct outbuf *out)
{
	if (!rule)
		return false;
	if (rule->delay_ms > receiver->delay_ms)
		receiver->delay_ms = rule->delay_ms;
	switch (rule->kind) {
	case RULE_PASS: return false;
	case RULE_DROP: receiver->end = RECEIVER_CLOSE; return true;
	case RULE_MUTE: receiver->end = RECEIVER_MUTE; return true;
	case RULE_REPLY:
		say(out, rule->reply);
		if (strncmp(rule->reply, "421", 3) == 0)
			receiver->end = RECEIVER_CLOSE;
		return true;
	}
	return false;
}

static void reset(struct receiver *receiver)
{
	receiver->has_mail = false;
	receiver->nrecipients = receiver->nheard = 0;
	outbuf_reset(&receiver->to);
}

void receiver_init(struct receiver *receiver, struct sink *sink, struct quota *quota, struct outbuf *out)
{
	*receiver = (struct receiver){.sink = sink};
	sink->connections++;
	if (!quota_connect(&sink->quotas, quota)) {
		sink->turned_away++;
		say(out, "421 4.7.0 too many connections from your address");
		receiver->end = RECEIVER_CLOSE;
		return;
	}
	receiver->quota = quota;
	if (obey(receiver, rules_find(&sink->rules, RULE_CONNECT, SLICE(""), 0), out))
		return;
	outbuf_printf(out, "220 %s ESMTP\r\n", sink->name);
}

void receiver_free(struct receiver *receiver)
{
	quota_disconnect(receiver->quota);
	outbuf_free(&receiver->line);
	outbuf_free(&receiver->to);
	EVP_MD_CTX_free(receiver->digest);
}

/* How often the first recipient of this transaction was tried before it. */
static unsigned tries_before(const struct receiver *receiver)
{
	struct map_node *node = map_find(&receiver->sink->memory, first_recipient(receiver));

	return node ? MAP_OWNER(node, struct remembered, node)->tries - 1 : 0;
}

static void begin_body(struct receiver *receiver)
{
	receiver->ntail = 2; /* the body begins at the start of a line, as if CRLF had just been read */
	memcpy(receiver->tail, "\r\n", 2);
	receiver->unstuff = (struct wire_tail){.line_start = true};
	if (receiver->sink->hash && !receiver->digest)
		receiver->digest = EVP_MD_CTX_new();
	if (receiver->sink->hash)
		EVP_DigestInit_ex(receiver->digest, EVP_sha256(), NULL);
}

/* The message is complete: counted, remembered, answered. */
static void end_body(struct receiver *receiver, struct outbuf *out)
{
	struct sink *sink = receiver->sink;
	struct slice to = outbuf_slice(&receiver->to);
	unsigned char sha256[32] = {0};

	if (sink->hash)
		EVP_DigestFinal_ex(receiver->digest, sha256, NULL);
	if (obey(receiver, rules_find(&sink->rules, RULE_EOM, first_recipient(receiver), tries_before(receiver)),
		 out)) {
		sink->refused += receiver->nrecipients;
		reset(receiver);
		return;
	}
	sink->messages++;
	sink->recipients += receiver->nrecipients;
	while (sink->remember && to.len) {
		struct remembered *seen = remember(sink, slice_until(&to, '\n'));

		seen->copies++;
		memcpy(seen->sha256, sha256, sizeof(sha256));
	}
	say(out, "250 2.0.0 queued");
	reset(receiver);
}

static struct slice path_of(struct slice line)
{
	size_t from = slice_find(line, '<'), to = slice_find_last(line, '>');

	return from < to && to < line.len ? (struct slice){line.ptr + from + 1, to - from - 1} : SLICE_NONE;
}

static void on_ehlo(struct receiver *receiver, struct slice line, bool more, struct outbuf *out)
{
	struct sink *sink = receiver->sink;

	if (more)
		sink->breaches++;
	reset(receiver);
	receiver->greeted = true;
	if (obey(receiver, rules_find(&sink->rules, RULE_EHLO, SLICE(""), 0), out))
		return;
	if (slice_starts_nocase(line, SLICE("EHLO")) && sink->helo_only)
		say(out, "502 5.5.1 EHLO is not known here");
	else if (slice_starts_nocase(line, SLICE("EHLO")))
		outbuf_printf(out, "250-%s\r\n%s%s250 HELP\r\n", sink->name, sink->ehlo,
			      sink->starttls && receiver->protection == RECEIVER_CLEAR ? "250-STARTTLS\r\n" : "");
	else
		outbuf_printf(out, "250 %s\r\n", sink->name);
}

/* What was learned in clear is forgotten (RFC 3207, 4.2). */
static void on_starttls(struct receiver *receiver, bool more, struct outbuf *out)
{
	if (more || receiver->protection != RECEIVER_CLEAR) {
		receiver->sink->breaches++;
		say(out, "503 5.5.1 not now");
		return;
	}
	reset(receiver);
	receiver->greeted = false;
	receiver->protection = RECEIVER_STARTING;
	say(out, "220 2.0.0 go on");
}

static void on_mail(struct receiver *receiver, struct slice line, struct outbuf *out)
{
	if (receiver->has_mail || !receiver->greeted) {
		receiver->sink->breaches++;
		say(out, "503 5.5.1 not now");
		return;
	}
	if (obey(receiver, rules_find(&receiver->sink->rules, RULE_MAIL, SLICE(""), 0), out))
		return;
	if (!quota_message(&receiver->sink->quotas, receiver->quota, receiver->sink->now_ms)) {
		receiver->sink->refused++;
		say(out, "450 4.7.1 too many messages from your address, slow down");
		return;
	}
	receiver->has_mail = true;
	senders_begin(&receiver->sink->senders, &receiver->carried, path_of(line));
	say(out, "250 2.1.0 ok");
}

static void on_rcpt(struct receiver *receiver, struct slice line, struct outbuf *out)
{
	struct sink *sink = receiver->sink;
	struct slice address = path_of(line);
	struct remembered *seen = sink->remember || rules_count_tries(&sink->rules) ? remember(sink, address) : NULL;
	const struct rule *rule;

	if (!receiver->has_mail) {
		say(out, "503 5.5.1 MAIL comes first");
		return;
	}
	receiver->nheard++;
	rule = rules_find(&sink->rules, RULE_RCPT, address, seen ? seen->tries : 0);
	if (seen)
		seen->tries++;
	if (obey(receiver, rule, out)) {
		sink->refused++;
		return;
	}
	if (sink->recipients_max && receiver->nrecipients >= sink->recipients_max) {
		say(out, "452 4.5.3 too many recipients");
		return;
	}
	receiver->nrecipients++;
	outbuf_add(&receiver->to, address);
	outbuf_byte(&receiver->to, '\n');
	say(out, "250 2.1.5 ok");
}

static void on_data(struct receiver *receiver, bool more, struct outbuf *out)
{
	if (more) /* DATA must be the last of its group (RFC 2920 3.1) */
		receiver->sink->breaches++;
	if (receiver->nrecipients == 0) {
		say(out, receiver->has_mail ? "554 5.5.1 no valid recipients" : "503 5.5.1 MAIL comes first");
		return;
	}
	if (obey(receiver,
		 rules_find(&receiver->sink->rules, RULE_DATA, first_recipient(receiver), tries_before(receiver)), out))
		return;
	receiver->mode = MODE_DATA;
	begin_body(receiver);
	say(out, "354 go on");
}

static void on_bdat(struct receiver *receiver, struct slice line)
{
	struct slice words = slice_skip(line, 4);

	words = slice_trim(words);
	if (!slice_number(slice_until(&words, ' '), UINT32_MAX, &receiver->chunk_left))
		receiver->chunk_left = 0;
	receiver->last_chunk = slice_is_nocase(slice_trim(words), SLICE("LAST"));
	receiver->mode = MODE_CHUNK;
	begin_body(receiver);
}

static void chunk_over(struct receiver *receiver, struct outbuf *out)
{
	receiver->mode = MODE_COMMAND;
	if (receiver->nrecipients == 0)
		say(out, receiver->has_mail ? "554 5.5.1 no valid recipients" : "503 5.5.1 MAIL comes first");
	else if (receiver->last_chunk)
		end_body(receiver, out);
	else
		say(out, "250 2.0.0 ok");
}

static void on_command(struct receiver *receiver, struct slice line, bool more, struct outbuf *out)
{
	if (!receiver->sink->pipelining && more)
		receiver->sink->breaches++;
	if (slice_starts_nocase(line, SLICE("MAIL")))
		on_mail(receiver, line, out);
	else if (slice_starts_nocase(line, SLICE("RCPT")))
		on_rcpt(receiver, line, out);
	else if (slice_is_nocase(line, SLICE("DATA")))
		on_data(receiver, more, out);
	else if (slice_starts_nocase(line, SLICE("BDAT")) && receiver->sink->chunking)
		on_bdat(receiver, line);
	else if (slice_starts_nocase(line, SLICE("EHLO")) || slice_starts_nocase(line, SLICE("HELO")))
		on_ehlo(receiver, line, more, out);
	else if (slice_is_nocase(line, SLICE("STARTTLS")) && receiver->sink->starttls)
		on_starttls(receiver, more, out);
	else if (slice_is_nocase(line, SLICE("QUIT"))) {
		say(out, "221 2.0.0 bye");
		receiver->end = RECEIVER_CLOSE;
	} else if (slice_is_nocase(line, SLICE("RSET"))) {
		reset(receiver);
		say(out, "250 2.0.0 ok");
	} else if (slice_is_nocase(line, SLICE("NOOP")))
		say(out, "250 2.0.0 ok");
	else
		say(out, "500 5.5.1 what was that");
}

/* One line off the front of bytes; false when its end has not come yet. */
static bool take_line(struct receiver *receiver, struct slice *bytes, struct outbuf *out)
{
	size_t end = slice_find(*bytes, '\n');
	struct slice piece = slice_head(*bytes, end), line = piece;
	bool cut = receiver->line.len > 0;

	if (end == bytes->len || cut)
		outbuf_add(&receiver->line, piece);
	if (receiver->line.len > LINE_MAX_BYTES)
		receiver->end = RECEIVER_CLOSE;
	if (end == bytes->len) {
		*bytes = SLICE_NONE;
		return false;
	}
	if (cut)
		line = outbuf_slice(&receiver->line);
	*bytes = slice_skip(*bytes, end + 1);
	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	else
		receiver->sink->breaches++; /* a bare LF */
	on_command(receiver, line, bytes->len > 0, out);
	if (cut)
		outbuf_reset(&receiver->line);
	return true;
}

/* How many bytes of the front belong to the body, with its end found or not. */
static size_t find_end(struct receiver *receiver, struct slice bytes, bool *found)
{
	static const char end[] = "\r\n.\r\n";
	char seam[10];
	size_t head = bytes.len < 4 ? bytes.len : 4, n = receiver->ntail;

	memcpy(seam, receiver->tail, n);
	memcpy(seam + n, bytes.ptr, head);
	const char *at = memmem(seam, n + head, end, 5);

	*found = true;
	if (at)
		return (size_t)(at - seam) + 5 - n;
	at = memmem(bytes.ptr, bytes.len, end, 5);
	if (at)
		return (size_t)(at - bytes.ptr) + 5;
	*found = false;
	if (bytes.len >= 4) {
		memcpy(receiver->tail, bytes.ptr + bytes.len - 4, 4);
		receiver->ntail = 4;
	} else {
		size_t keep = n + head > 4 ? 4 : n + head;

		memcpy(receiver->tail, seam + n + head - keep, keep);
		receiver->ntail = (unsigned)keep;
	}
	return bytes.len;
}

/* Hashes a stuffed body as the message it is: the added dots and the last line left out. */
static void hash_data(struct receiver *receiver, struct slice bytes)
{
	struct wire_tail *at = &receiver->unstuff;

	for (size_t i = 0; i < bytes.len; i++) {
		char c = bytes.ptr[i];

		if (at->line_start && c == '.') {
			at->line_start = false;
			at->dot = true;
			continue;
		}
		if (at->dot && c == '\r')
			return; /* ".\r\n": the end */
		at->dot = false;
		EVP_DigestUpdate(receiver->digest, &c, 1);
		at->line_start = c == '\n';
	}
}

static void take_data(struct receiver *receiver, struct slice *bytes, struct outbuf *out)
{
	bool found;
	size_t n = find_end(receiver, *bytes, &found);

	receiver->sink->bytes += n;
	if (receiver->sink->hash)
		hash_data(receiver, slice_head(*bytes, n));
	*bytes = slice_skip(*bytes, n);
	if (found) {
		receiver->mode = MODE_COMMAND;
		end_body(receiver, out);
	}
}

static void take_chunk(struct receiver *receiver, struct slice *bytes, struct outbuf *out)
{
	size_t n = bytes->len < receiver->chunk_left ? bytes->len : (size_t)receiver->chunk_left;

	receiver->sink->bytes += n;
	if (receiver->sink->hash)
		EVP_DigestUpdate(receiver->digest, bytes->ptr, n);
	receiver->chunk_left -= n;
	*bytes = slice_skip(*bytes, n);
	if (receiver->chunk_left == 0)
		chunk_over(receiver, out);
}

void receiver_take(struct receiver *receiver, struct slice bytes, struct outbuf *out)
{
	while (receiver->end == RECEIVER_OPEN) {
		if (receiver->mode == MODE_CHUNK)
			take_chunk(receiver, &bytes, out);
		else if (bytes.len == 0)
			return;
		else if (receiver->mode == MODE_DATA)
			take_data(receiver, &bytes, out);
		else
			take_line(receiver, &bytes, out);
		if (bytes.len == 0 && receiver->mode != MODE_COMMAND)
			return;
	}
}

void sink_write_memory(const struct sink *sink, struct outbuf *out)
{
	MAP_EACH (node, &sink->memory) {
		const struct remembered *seen = MAP_OWNER(node, struct remembered, node);

		outbuf_byte(out, '{');
		outbuf_json_text(out, "to", map_key(node));
		outbuf_json_number(out, "tries", seen->tries);
		outbuf_json_number(out, "copies", seen->copies);
		if (sink->hash) {
			outbuf_json_raw(out, "sha256", SLICE("\""));
			for (int i = 0; i < 32; i++)
				outbuf_printf(out, "%02x", seen->sha256[i]);
			outbuf_byte(out, '"');
		}
		outbuf_add(out, SLICE("}\n"));
	}
}

void sink_free_memory(struct sink *sink)
{
	MAP_EACH (node, &sink->memory) {
		struct remembered *seen = MAP_OWNER(node, struct remembered, node);

		free((char *)seen->node.key);
		free(seen);
	}
	map_free(&sink->memory);
}
