/* Fixed room, because a job of ten thousand recipients may be refused ten thousand times, and because nobody reads more
 * than a sentence. Text is cut between characters, never inside one. */
#include "queue/refusal.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Printable characters of text that fit into room; others become '?'. */
static void copy_printable(char *room, size_t size, const char *text)
{
	struct slice rest = slice_of(text);
	size_t len = 0;

	while (rest.len) {
		size_t width = utf8_width(rest), take = width ? width : 1;

		if (len + take >= size)
			break;
		if (width > 1 || (width == 1 && (unsigned char)*rest.ptr >= 0x20 && *rest.ptr != 0x7f))
			memcpy(room + len, rest.ptr, take);
		else
			memset(room + len, '?', take);
		len += take;
		rest = slice_skip(rest, take);
	}
	room[len] = '\0';
}

bool refuse(struct refusal *refusal, const char *code, const char *field, const char *format, ...)
{
	char text[2 * REFUSAL_MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	refusal->retryable = false;
	copy_printable(refusal->code, sizeof(refusal->code), code);
	copy_printable(refusal->field, sizeof(refusal->field), field);
	copy_printable(refusal->message, sizeof(refusal->message), text);
	return false;
}

void refusal_json(struct outbuf *out, const struct refusal *refusal)
{
	outbuf_byte(out, '{');
	outbuf_json_text(out, "code", slice_of(refusal->code));
	outbuf_json_text(out, "field", slice_of(refusal->field));
	outbuf_json_text(out, "message", slice_of(refusal->message));
	outbuf_json_raw(out, "retryable", refusal->retryable ? SLICE("true") : SLICE("false"));
	outbuf_byte(out, '}');
}
