/* For the tests of whole messages: one recipient, a message compiled for it, rendered in both forms, and the checks
 * that every rendering must pass. */
#pragma once

#include "mail/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define FROM	  "From: News <news@news.example>\r\n"
#define JSON_FROM "\"headers\":{\"From\":\"news@news.example\"}"
#define WORDS	  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* One recipient with the variables it was given, and a message rendered for it in both forms. */
struct mail {
	struct merge merge;
	struct outbuf vars, headers;
	struct message *message;
	struct arena arena;
	struct rendered rendered;
	struct outbuf text; /* the BDAT form */
	struct mail_error error;
};

static inline struct mail mail_new(void)
{
	return (struct mail){.merge = {.address = SLICE("bob+x@b.example"),
				       .rcpt = SLICE("4711"),
				       .tenant = SLICE("acme"),
				       .job = SLICE("nov/7"),
				       .hostname = SLICE("mta1.example"),
				       .date_ms = 1795510800000,
				       .nonce = 42}};
}

static inline void mail_free(struct mail *mail)
{
	message_free(mail->message);
	arena_free(&mail->arena);
	outbuf_free(&mail->vars);
	outbuf_free(&mail->headers);
	outbuf_free(&mail->text);
}

static inline void set(struct mail *mail, const char *name, struct slice value)
{
	pack_add(&mail->vars, PACK_TEXT, slice_of(name), value);
	mail->merge.vars = outbuf_slice(&mail->vars);
}

static inline bool compile(struct mail *mail, struct slice stored)
{
	message_free(mail->message);
	mail->message = message_compile(stored, NULL, &mail->error);
	return mail->message != NULL;
}

static inline void flatten(struct outbuf *out, const struct rendered *rendered)
{
	outbuf_reset(out);
	for (unsigned i = 0; i < rendered->niov; i++)
		outbuf_add(out, (struct slice){rendered->iov[i].iov_base, rendered->iov[i].iov_len});
	assert_int_equal(out->len, rendered->wire_bytes);
}

/* RFC 5321 4.5.2, as a receiver does it: up to the first line with nothing but a dot, which must be the last. */
static inline void unstuff(struct outbuf *out, struct slice wire)
{
	while (wire.len) {
		size_t n = slice_find(wire, '\n') + 1;
		struct slice line = slice_head(wire, n);

		wire = slice_skip(wire, n);
		if (slice_is(line, SLICE(".\r\n"))) {
			assert_int_equal(wire.len, 0);
			return;
		}
		outbuf_add(out, line.ptr[0] == '.' ? slice_skip(line, 1) : line);
	}
	fail_msg("the end of mail is missing");
}

static inline void check_octets(struct slice text)
{
	size_t column = 0;

	for (size_t i = 0; i < text.len; i++) {
		assert_true(text.ptr[i] != '\0');
		if (text.ptr[i] == '\r')
			assert_true(i + 1 < text.len && text.ptr[i + 1] == '\n');
		if (text.ptr[i] == '\n')
			assert_true(i > 0 && text.ptr[i - 1] == '\r');
		column = text.ptr[i] == '\n' || text.ptr[i] == '\r' ? 0 : column + 1;
		assert_true(column <= 998);
	}
	assert_true(text.len > 2 && text.ptr[text.len - 1] == '\n');
}

/* Renders both forms and checks that they agree with each other and with what is said of them. */
static inline bool render(struct mail *mail)
{
	struct outbuf wire = {0}, plain = {0};
	bool accepted = message_accepts(mail->message, &mail->merge, &mail->error);

	arena_reset(&mail->arena);
	assert_int_equal(accepted, message_render(mail->message, &mail->merge, WIRE_DATA, &mail->arena, &mail->rendered,
						  &mail->error));
	if (!accepted)
		return false;
	flatten(&wire, &mail->rendered);
	unstuff(&plain, outbuf_slice(&wire));
	assert_true(message_render(mail->message, &mail->merge, WIRE_BDAT, &mail->arena, &mail->rendered, NULL));
	flatten(&mail->text, &mail->rendered);
	assert_true(slice_is(outbuf_slice(&plain), outbuf_slice(&mail->text)));
	assert_int_equal(mail->rendered.size, mail->text.len);
	check_octets(outbuf_slice(&mail->text));
	outbuf_free(&wire);
	outbuf_free(&plain);
	return true;
}

static inline bool has(const struct mail *mail, const char *text)
{
	return memmem(mail->text.ptr, mail->text.len, text, strlen(text)) != NULL;
}

static inline void expect(const struct mail *mail, const char *text)
{
	if (!has(mail, text))
		fail_msg("\"%s\" is missing in:\n%.*s", text, SLICE_ARG(outbuf_slice(&mail->text)));
}
