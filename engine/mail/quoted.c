/* Byte by byte, the usual one first. A soft break comes before the
 * character that would fill column 76, which keeps that column for the "=": sometimes a break earlier than need be, and
 * never a line to take back. Dots and "From " at the start of a line stay: the first is the wire's business, the second
 * was that of mailboxes in one file. */
#include "mail/quoted.h"

#include <string.h>

enum { PIECE = 1024, WIDEST = 6 /* "=XX" after a soft break */ };

static bool is_line_end(char c)
{
	return c == '\r' || c == '\n';
}

/* Stands for itself wherever it is; a blank does too, except before a line end. */
static bool is_graphic(char c)
{
	return c > ' ' && c < 0x7f && c != '=';
}

/* How many bytes in front stand for themselves, at most so many. */
static size_t graphic_run(struct slice text, size_t most)
{
	size_t n = 0;

	while (n < text.len && n < most && is_graphic(text.ptr[n]))
		n++;
	return n;
}

static bool is_plain(struct slice text, size_t i)
{
	char c = text.ptr[i];

	if (c == ' ' || c == '\t')
		return i + 1 < text.len && !is_line_end(text.ptr[i + 1]);
	return is_graphic(c);
}

static char *write_escaped(char *at, unsigned char c)
{
	static const char hex[] = "0123456789ABCDEF";

	*at++ = '=';
	*at++ = hex[c >> 4];
	*at++ = hex[c & 15];
	return at;
}

/* Writes text[from..to) to at; the rest of text is only looked at. */
static char *write_piece(char *at, struct slice text, size_t from, size_t to, size_t *column)
{
	for (size_t i = from; i < to; i++) {
		/* The common case, short: most of a text is words. */
		size_t room = *column < QUOTED_LINE_MAX - 1 ? QUOTED_LINE_MAX - 1 - *column : 0;
		size_t word = graphic_run(slice_skip(slice_head(text, to), i), room);

		memcpy(at, text.ptr + i, word);
		at += word;
		*column += word;
		i += word;
		if (i == to)
			break;
		char c = text.ptr[i];

		if (is_line_end(c)) {
			if (c == '\n' && i > 0 && text.ptr[i - 1] == '\r')
				continue;
			*at++ = '\r';
			*at++ = '\n';
			*column = 0;
			continue;
		}
		bool plain = is_plain(text, i);
		size_t width = plain ? 1 : 3;

		if (*column + width >= QUOTED_LINE_MAX) {
			*at++ = '=';
			*at++ = '\r';
			*at++ = '\n';
			*column = 0;
		}
		if (plain)
			*at++ = c;
		else
			at = write_escaped(at, (unsigned char)c);
		*column += width;
	}
	return at;
}

void quoted_write(struct outbuf *out, struct slice text, size_t *column)
{
	for (size_t from = 0; from < text.len; from += PIECE) {
		size_t to = text.len - from > PIECE ? from + PIECE : text.len;
		char *at = outbuf_room(out, (to - from) * WIDEST);

		out->len += (size_t)(write_piece(at, text, from, to, column) - at);
	}
}
