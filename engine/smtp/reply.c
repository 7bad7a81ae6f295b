/* A line has a front of four bytes, taken one by one, and a text, taken as far as the next LF at a stroke. What a
 * cut may separate is kept in the parser: where in the line we are, and a CR that may or may not belong to the line's
 * end. So a reply cut after every byte costs the same as a whole one and gives the same.
 *
 * The text is always copied into the parser's own memory, though a reply that came whole could be borrowed: thirty
 * bytes cost nothing, and a reply may have to outlive the bytes it came in (session.c holds one back while its message
 * is still being sent). Second digits are not looked at: 299 is a 2yz to us (RFC 5321 4.3.2). */
#include "smtp/reply.h"

#include "smtp/verdict.h"

#include <string.h>

void reply_reset(struct reply_parser *parser)
{
	struct outbuf text = parser->text;

	outbuf_reset(&text);
	*parser = (struct reply_parser){.text = text};
}

void reply_free(struct reply_parser *parser)
{
	outbuf_free(&parser->text);
	*parser = (struct reply_parser){0};
}

void reply_let_go(struct reply_parser *parser)
{
	if (parser->whole)
		outbuf_free(&parser->text);
}

bool reply_is_partial(const struct reply_parser *parser)
{
	return !parser->whole && parser->bytes > 0;
}

static void broken(struct reply_parser *parser, const char *why)
{
	parser->broken = true;
	parser->why = why;
}

static void keep(struct reply_parser *parser, struct slice text)
{
	size_t line_room = REPLY_LINE_MAX - parser->line_bytes;
	size_t text_room = REPLY_TEXT_MAX - parser->text.len;
	struct slice kept = slice_head(text, line_room < text_room ? line_room : text_room);

	outbuf_add(&parser->text, kept);
	parser->line_bytes += kept.len;
	parser->dropped += text.len - kept.len;
}

static void line_begins(struct reply_parser *parser)
{
	if (parser->line_code < 200 || parser->line_code > 599)
		broken(parser, "a reply code that is not between 200 and 599");
	else if (parser->lines > 0 && parser->line_code != parser->code)
		broken(parser, "lines of one reply with different codes");
	else if (parser->lines == REPLY_LINES_MAX)
		broken(parser, "a reply of too many lines");
	parser->code = parser->line_code;
	if (parser->lines > 0 && parser->text.len < REPLY_TEXT_MAX)
		outbuf_byte(&parser->text, '\n');
	parser->lines++;
	parser->line_bytes = 0;
}

/* The line is over; true when the reply is, too. */
static bool line_ends(struct reply_parser *parser)
{
	parser->position = 0;
	parser->line_code = 0;
	parser->cr = false;
	return parser->last_line;
}

/* One byte of a line's front: three digits, then a blank, a hyphen, or the end (RFC 5321 4.2). */
static bool take_front(struct reply_parser *parser, char c)
{
	if (parser->position < 3) {
		if (c < '0' || c > '9')
			broken(parser, "a line that does not begin with three digits");
		parser->line_code = parser->line_code * 10 + (unsigned)(c - '0');
		parser->position++;
		return false;
	}
	parser->last_line = c != '-';
	if (c != ' ' && c != '-' && c != '\r' && c != '\n')
		broken(parser, "a reply code that is not followed by a blank or a hyphen");
	line_begins(parser);
	parser->cr = c == '\r';
	parser->position++;
	return c == '\n' && line_ends(parser);
}

/* Text up to the end of the line, or all there is. The CR before LF is no part of it. */
static bool take_text(struct reply_parser *parser, struct slice *bytes)
{
	size_t n = slice_find(*bytes, '\n');
	struct slice text = slice_head(*bytes, n);
	bool ends = n < bytes->len;

	*bytes = slice_skip(*bytes, ends ? n + 1 : n);
	parser->bytes += text.len + ends;
	if (parser->cr && text.len > 0)
		keep(parser, SLICE("\r"));
	if (text.len > 0) {
		parser->cr = text.ptr[text.len - 1] == '\r';
		keep(parser, slice_head(text, text.len - parser->cr));
	}
	return ends && line_ends(parser);
}

/* Servers repeat the enhanced code on every line (RFC 2034 4); in the text it is wanted on none. */
static size_t without_codes(char *text, size_t len, struct slice enhanced)
{
	size_t to = 0;

	for (size_t from = 0; from < len;) {
		struct slice rest = {text + from, len - from};
		size_t n = slice_find(rest, '\n') + 1;

		if (enhanced.len && from > 0 && slice_starts(rest, enhanced) && rest.len > enhanced.len &&
		    rest.ptr[enhanced.len] == ' ')
			from += enhanced.len + 1, n -= enhanced.len + 1;
		if (n > len - from)
			n = len - from;
		memmove(text + to, text + from, n);
		to += n;
		from += n;
	}
	return to;
}

static struct reply whole(struct reply_parser *parser)
{
	struct reply reply = {.code = parser->code};

	verdict_split(reply.code, outbuf_slice(&parser->text), &reply.enhanced, &reply.text);
	if (reply.enhanced.len && slice_find(reply.text, '\n') < reply.text.len)
		reply.text.len = without_codes(parser->text.ptr + (reply.text.ptr - parser->text.ptr), reply.text.len,
					       reply.enhanced);
	return reply;
}

static void begin_another(struct reply_parser *parser)
{
	parser->whole = false;
	outbuf_reset(&parser->text);
	parser->code = parser->lines = 0;
	parser->bytes = parser->dropped = 0;
}

bool reply_feed(struct reply_parser *parser, struct slice *bytes, struct reply *reply)
{
	while (bytes->len > 0 && !parser->broken) {
		bool ends;

		if (parser->whole)
			begin_another(parser);
		if (parser->position < 4) {
			parser->bytes++;
			ends = take_front(parser, bytes->ptr[0]);
			*bytes = slice_skip(*bytes, 1);
		} else {
			ends = take_text(parser, bytes);
		}
		if (parser->bytes > REPLY_BYTES_MAX)
			broken(parser, "a reply that does not end");
		if (ends && !parser->broken) {
			parser->whole = true;
			*reply = whole(parser);
			return true;
		}
	}
	return false;
}
