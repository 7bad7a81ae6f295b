/* Doubling memory. The JSON half is a table of what needs escaping and a UTF-8 walk that stops at the first
 * byte that does not fit; it was written because Jansson's tree for an event cost four times as much. */
#include "base/outbuf.h"

#include "base/check.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void outbuf_grow(struct outbuf *out, size_t n)
{
	size_t size = out->size ? out->size : 128;

	CHECK(n <= SIZE_MAX / 4 && out->len <= SIZE_MAX / 4);
	while (size - out->len < n)
		size *= 2;
	out->ptr = realloc(out->ptr, size);
	CHECK(out->ptr != NULL);
	out->size = size;
}

void outbuf_add(struct outbuf *out, struct slice bytes)
{
	if (bytes.len == 0)
		return;
	memcpy(outbuf_room(out, bytes.len), bytes.ptr, bytes.len);
	out->len += bytes.len;
}

void outbuf_byte(struct outbuf *out, char c)
{
	*outbuf_room(out, 1) = c;
	out->len++;
}

void outbuf_printf(struct outbuf *out, const char *format, ...)
{
	va_list args;
	size_t room = 160;

	for (;;) {
		char *at = outbuf_room(out, room);

		va_start(args, format);
		int n = vsnprintf(at, room, format, args);

		va_end(args);
		CHECK(n >= 0);
		if ((size_t)n < room) {
			out->len += (size_t)n;
			return;
		}
		room = (size_t)n + 1;
	}
}

void outbuf_number(struct outbuf *out, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	outbuf_add(out, (struct slice){digits + at, sizeof(digits) - at});
}

void outbuf_reset(struct outbuf *out)
{
	out->len = 0;
}

void outbuf_free(struct outbuf *out)
{
	free(out->ptr);
	*out = (struct outbuf){0};
}

static void json_escape(struct outbuf *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	switch (c) {
	case '"': outbuf_add(out, SLICE("\\\"")); return;
	case '\\': outbuf_add(out, SLICE("\\\\")); return;
	case '\n': outbuf_add(out, SLICE("\\n")); return;
	case '\r': outbuf_add(out, SLICE("\\r")); return;
	case '\t': outbuf_add(out, SLICE("\\t")); return;
	}
	outbuf_add(out, c < 0x80 ? SLICE("\\u00") : SLICE("\\\\x"));
	outbuf_byte(out, hex[c >> 4]);
	outbuf_byte(out, hex[c & 15]);
}

/* ASCII that a JSON string has as it is. */
static const bool plain_in_json[256] = {
	[' ' ... '!'] = true,
	['#' ... '['] = true,
	[']' ... '~'] = true,
};

void outbuf_json_string(struct outbuf *out, struct slice text)
{
	size_t plain = 0;

	outbuf_room(out, text.len + 2);
	outbuf_byte(out, '"');
	for (size_t i = 0; i < text.len;) {
		unsigned char c = (unsigned char)text.ptr[i];
		size_t width = plain_in_json[c] ? 1 : c < 0x80 ? 0 : utf8_width(slice_skip(text, i));

		if (width) {
			i += width;
			continue;
		}
		outbuf_add(out, (struct slice){text.ptr + plain, i - plain});
		json_escape(out, c);
		plain = ++i;
	}
	outbuf_add(out, (struct slice){text.ptr ? text.ptr + plain : "", text.len - plain});
	outbuf_byte(out, '"');
}

static void json_name(struct outbuf *out, const char *name)
{
	size_t len = strlen(name);
	char *at = outbuf_room(out, len + 4), *begin = at;

	if (out->len && at[-1] != '{')
		*at++ = ',';
	*at++ = '"';
	memcpy(at, name, len);
	at += len;
	*at++ = '"';
	*at++ = ':';
	out->len += (size_t)(at - begin);
}

void outbuf_json_text(struct outbuf *out, const char *name, struct slice text)
{
	json_name(out, name);
	outbuf_json_string(out, text);
}

void outbuf_json_number(struct outbuf *out, const char *name, uint64_t n)
{
	json_name(out, name);
	outbuf_number(out, n);
}

void outbuf_json_raw(struct outbuf *out, const char *name, struct slice json)
{
	json_name(out, name);
	outbuf_add(out, json);
}
