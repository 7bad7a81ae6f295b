/* A growing buffer for text and bytes on their way out.
 *
 *     struct outbuf out = {0};
 *     outbuf_printf(&out, "SIZE=%llu", size);
 *     send(outbuf_slice(&out));
 *     outbuf_reset(&out);                      keeps the memory
 *     outbuf_free(&out);
 *
 * It also writes JSON, because every event is JSON and a tree per event would cost more than the mail. */
#pragma once

#include "base/slice.h"

struct outbuf {
	char *ptr; /* owned */
	size_t len, size;
};

void outbuf_add(struct outbuf *out, struct slice bytes);
void outbuf_byte(struct outbuf *out, char c);
void outbuf_printf(struct outbuf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The decimal digits of n: the hot path does without printf. */
void outbuf_number(struct outbuf *out, uint64_t n);
/* For outbuf_room: there is less room than n. */
void outbuf_grow(struct outbuf *out, size_t n);
/* Room for n bytes, its address; the caller writes them and adds to len. */
static inline char *outbuf_room(struct outbuf *out, size_t n)
{
	if (out->size - out->len < n)
		outbuf_grow(out, n);
	return out->ptr + out->len;
}
static inline struct slice outbuf_slice(const struct outbuf *out)
{
	return (struct slice){out->ptr, out->len};
}
void outbuf_reset(struct outbuf *out);
void outbuf_free(struct outbuf *out);

/* A JSON string with its quotes. Bytes that are not valid UTF-8, and controls, are written so that the result
 * is always valid: controls as \u00XX, stray bytes as the four characters \\xNN (a reader sees \xNN). */
void outbuf_json_string(struct outbuf *out, struct slice text);
/* Members of an object: a comma goes before all but the first, so the last byte decides. Text and numbers.
 * outbuf_json_raw takes a value that is JSON already. */
void outbuf_json_text(struct outbuf *out, const char *name, struct slice text);
void outbuf_json_number(struct outbuf *out, const char *name, uint64_t n);
void outbuf_json_raw(struct outbuf *out, const char *name, struct slice json);
