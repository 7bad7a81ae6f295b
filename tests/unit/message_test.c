/* Whole messages: what is refused and why, what is written, and that no value can do more than stand in its place. */
#include "mail/message.h"

#include "base/random.h"
#include "smtp/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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

static struct mail mail_new(void)
{
	return (struct mail){.merge = {.address = SLICE("bob+x@b.example"),
				       .rcpt = SLICE("4711"),
				       .tenant = SLICE("acme"),
				       .job = SLICE("nov/7"),
				       .hostname = SLICE("mta1.example"),
				       .date_ms = 1795510800000,
				       .nonce = 42}};
}

static void mail_free(struct mail *mail)
{
	message_free(mail->message);
	arena_free(&mail->arena);
	outbuf_free(&mail->vars);
	outbuf_free(&mail->headers);
	outbuf_free(&mail->text);
}

static void set(struct mail *mail, const char *name, struct slice value)
{
	pack_add(&mail->vars, PACK_TEXT, slice_of(name), value);
	mail->merge.vars = outbuf_slice(&mail->vars);
}

static bool compile(struct mail *mail, struct slice stored)
{
	message_free(mail->message);
	mail->message = message_compile(stored, NULL, &mail->error);
	return mail->message != NULL;
}

static void flatten(struct outbuf *out, const struct rendered *rendered)
{
	outbuf_reset(out);
	for (unsigned i = 0; i < rendered->niov; i++)
		outbuf_add(out, (struct slice){rendered->iov[i].iov_base, rendered->iov[i].iov_len});
	assert_int_equal(out->len, rendered->wire_bytes);
}

/* RFC 5321 4.5.2, as a receiver does it: up to the first line with nothing but a dot, which must be the last. */
static void unstuff(struct outbuf *out, struct slice wire)
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

static void check_octets(struct slice text)
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
static bool render(struct mail *mail)
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

static bool has(const struct mail *mail, const char *text)
{
	return memmem(mail->text.ptr, mail->text.len, text, strlen(text)) != NULL;
}

static void expect(const struct mail *mail, const char *text)
{
	if (!has(mail, text))
		fail_msg("\"%s\" is missing in:\n%.*s", text, SLICE_ARG(outbuf_slice(&mail->text)));
}

/* Compiles and renders, for a recipient without variables. */
static void expect_refused(const char *stored, const char *code, const char *field)
{
	struct mail mail = mail_new();
	bool taken = compile(&mail, slice_of(stored)) && render(&mail);

	if (taken)
		fail_msg("was taken: %.60s", stored);
	if (strcmp(mail.error.code, code) != 0 || strcmp(mail.error.field, field) != 0 ||
	    strlen(mail.error.message) < 10)
		fail_msg("%.60s: %s at %s: %s", stored, mail.error.code, mail.error.field, mail.error.message);
	mail_free(&mail);
}

struct refusal {
	const char *stored, *code, *field;
};

static void expect_all_refused(const struct refusal *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		expect_refused(cases[i].stored, cases[i].code, cases[i].field);
}

#define EXPECT_ALL_REFUSED(cases) expect_all_refused(cases, sizeof(cases) / sizeof((cases)[0]))

static void test_bad_raw(void **state)
{
	static const struct refusal cases[] = {
		{"", "E_BODY", "message"},
		{"Xwhat", "E_BODY", "message"},
		{"R", "E_NO_FROM", "raw"},
		{"R\r\nbody", "E_NO_FROM", "raw"},
		{"RSubject: x\r\n\r\nFrom: a@b.example\r\n", "E_NO_FROM", "raw"},
		{"R" FROM FROM "\r\n", "E_HEADER", "raw"},
		{"R" FROM "Date: x\r\ndate: y\r\n\r\n", "E_HEADER", "raw"},
		{"R" FROM "Subject: x\r\nSUBJECT: y\r\n\r\n", "E_HEADER", "raw"},
		{"R" FROM "To: x@y.example\r\nTo: x@y.example\r\n\r\n", "E_HEADER", "raw"},
		{"R" FROM "Message-ID: <a@b>\r\nMessage-ID: <c@d>\r\n\r\n", "E_HEADER", "raw"},
		{"R" FROM "Message-ID: nonsense\r\n\r\n", "E_HEADER", "raw"},
		{"R" FROM "Message-ID: <a b@c>\r\n\r\n", "E_HEADER", "raw"},
		{"R" FROM "no colon here\r\n\r\n", "E_HEADER", "raw"},
		{"R" FROM "Bad Name: x\r\n\r\n", "E_HEADER", "raw"},
		{"R" FROM ": x\r\n\r\n", "E_HEADER", "raw"},
		{"R" FROM "\xc3\xa9: x\r\n\r\n", "E_HEADER", "raw"},
		{"R" FROM "Subject: \xe9\r\n\r\n", "E_UTF8", "raw"},
		{"RFrom a@b.example Mon Jan 1\r\n" FROM "\r\n", "E_HEADER", "raw"},
		{"R folded: first\r\n" FROM "\r\n", "E_HEADER", "raw"},
		{"T" FROM "Subject: {{name}}\r\n\r\nx", "E_VAR_MISSING", "raw"},
		{"T" FROM "\r\n{{name}}", "E_VAR_MISSING", "raw"},
		{"T" FROM "\r\n{{name", "E_TEMPLATE", "raw"},
		{"T" FROM "\r\n{{#name}}", "E_NOT_YET", "raw"},
		{"T" FROM "\r\n{{hk.nonsense}}", "E_TEMPLATE", "raw"},
		{"T" FROM "Content-Type: {{hk.rcpt}}\r\n\r\n", "E_TEMPLATE", "raw"},
		{"T" FROM "X-{{hk.rcpt}}: a\r\n\r\n", "E_TEMPLATE", "raw"},
	};

	(void)state;
	EXPECT_ALL_REFUSED(cases);
}

static void test_bad_objects(void **state)
{
	static const struct refusal cases[] = {
		{"M", "E_JSON", "message"},
		{"M[]", "E_SHAPE", "message"},
		{"M{", "E_JSON", "message"},
		{"M{} x", "E_JSON", "message"},
		{"M{\"text\":\"a\",\"text\":\"b\"}", "E_JSON", "message"},
		{"M{\"text\":\"\\u0000\"," JSON_FROM "}", "E_JSON", "message"},
		{"M{\"text\":\"\\ud800\"," JSON_FROM "}", "E_JSON", "message"},
		{"M{\"txt\":\"a\"," JSON_FROM "}", "E_UNKNOWN_FIELD", "message.txt"},
		{"M{\"text\":5," JSON_FROM "}", "E_SHAPE", "message.text"},
		{"M{\"html\":[]," JSON_FROM "}", "E_SHAPE", "message.html"},
		{"M{\"subject\":{},\"text\":\"a\"," JSON_FROM "}", "E_SHAPE", "message.subject"},
		{"M{\"headers\":[],\"text\":\"a\"}", "E_SHAPE", "message.headers"},
		{"M{\"defaults\":[],\"text\":\"a\"," JSON_FROM "}", "E_SHAPE", "message.defaults"},
		{"M{\"attachments\":[{}],\"text\":\"a\"," JSON_FROM "}", "E_NOT_YET", "message.attachments"},
		{"M{" JSON_FROM "}", "E_EMPTY", "message"},
		{"M{\"text\":\"a\"}", "E_NO_FROM", "message.headers"},
		{"M{\"text\":\"a\",\"headers\":{\"From\":\"x\"}}", "E_ADDRESS", "message.headers.From"},
		{"M{\"text\":\"a\",\"headers\":{\"From\":5}}", "E_SHAPE", "message.headers.From"},
		{"M{\"text\":\"a\",\"headers\":{\"From\":[\"a@b.example\",5]}}", "E_SHAPE", "message.headers.From"},
		{"M{\"text\":\"a\",\"headers\":{\"From\":\"a@b.example\",\"from\":\"a@b.example\"}}", "E_HEADER",
		 "message.headers.from"},
		{"M{\"text\":\"a\",\"headers\":{\"From\":\"a@b.example\\r\\nBcc: c@d.example\"}}", "E_CRLF",
		 "message.headers.From"},
		{"M{\"text\":\"a\",\"headers\":{\"From\":\"{{x}} <a@b.example>\\n\"}}", "E_CRLF",
		 "message.headers.From"},
		{"M{\"text\":\"a\",\"headers\":{\"X\\nY\":\"a\"}}", "E_CRLF", "message.headers.X\nY"},
		{"M{\"text\":\"a\",\"headers\":{\"X Y\":\"a\"}}", "E_HEADER", "message.headers.X Y"},
		{"M{\"text\":\"a\",\"headers\":{\"X:\":\"a\"}}", "E_HEADER", "message.headers.X:"},
		{"M{\"text\":\"a\",\"headers\":{\"\":\"a\"}}", "E_HEADER", "message.headers."},
		{"M{\"text\":\"a\",\"headers\":{\"\xc3\xa9\":\"a\"}}", "E_HEADER", "message.headers.\xc3\xa9"},
		{"M{\"text\":\"a\",\"headers\":{\"Content-Type\":\"a\"}}", "E_HEADER", "message.headers.Content-Type"},
		{"M{\"text\":\"a\",\"headers\":{\"content-transfer-encoding\":\"a\"}}", "E_HEADER",
		 "message.headers.content-transfer-encoding"},
		{"M{\"text\":\"a\",\"headers\":{\"MIME-Version\":\"a\"}}", "E_HEADER", "message.headers.MIME-Version"},
		{"M{\"text\":\"a\",\"headers\":{\"Received\":\"a\"}}", "E_HEADER", "message.headers.Received"},
		{"M{\"text\":\"a\",\"headers\":{\"DKIM-Signature\":\"a\"}}", "E_HEADER",
		 "message.headers.DKIM-Signature"},
		{"M{\"text\":\"a\",\"headers\":{\"ARC-Seal\":\"a\"}}", "E_HEADER", "message.headers.ARC-Seal"},
		{"M{\"text\":\"a\",\"headers\":{\"From\":\"a@b.example\",\"Message-ID\":\"x\"}}", "E_HEADER",
		 "message.headers"},
		{"M{\"text\":\"a\",\"headers\":{\"From\":\"a@b.example\",\"Message-ID\":\"<{{hk.message_id}}>\"}}",
		 "E_TEMPLATE", "message.headers"},
		{"M{\"text\":\"a\",\"subject\":\"a\",\"headers\":{\"From\":\"a@b.example\",\"Subject\":\"b\"}}",
		 "E_HEADER", "message.subject"},
		{"M{\"text\":\"a\",\"headers\":{\"From\":\"a@b.example\",\"List-Unsubscribe-Post\":\"List-Unsubscribe="
		 "One-Click\"}}",
		 "E_HEADER", "message.headers"},
		{"M{\"text\":\"a\",\"headers\":{\"From\":\"a@b.example\",\"List-Unsubscribe-Post\":\"List-Unsubscribe="
		 "One-Click\","
		 "\"List-Unsubscribe\":\"<http://a.example>, <mailto:u@a.example>\"}}",
		 "E_HEADER", "message.headers"},
		{"M{\"text\":\"a\",\"headers\":{\"From\":\"a@b.example\",\"List-Unsubscribe\":\"<a>\",\"list-"
		 "unsubscribe\":\"<b>\"}}",
		 "E_HEADER", "message.headers.list-unsubscribe"},
		{"M{\"text\":\"a {{b\"," JSON_FROM "}", "E_TEMPLATE", "message.text"},
		{"M{\"text\":\"a\",\"html\":\"{{#b}}\"," JSON_FROM "}", "E_NOT_YET", "message.html"},
		{"M{\"text\":\"a\",\"subject\":\"{{}}\"," JSON_FROM "}", "E_TEMPLATE", "message.subject"},
		{"M{\"text\":\"a\",\"subject\":\"{{hk.x}}\"," JSON_FROM "}", "E_TEMPLATE", "message.subject"},
		{"M{\"text\":\"{{a}}\"," JSON_FROM "}", "E_VAR_MISSING", "message.text"},
		{"M{\"text\":\"a\",\"subject\":\"{{a}}\"," JSON_FROM "}", "E_VAR_MISSING", "message.subject"},
		{"M{\"text\":\"a\",\"headers\":{\"From\":\"a@b.example\",\"X\":\"{{a}}\"}}", "E_VAR_MISSING",
		 "message.headers.X"},
		{"M{\"text\":\"{{a}}\",\"defaults\":{\"a\":[1]}," JSON_FROM "}", "E_VAR_TYPE", "message.text"},
		{"M{\"text\":\"{{a}}\",\"defaults\":{\"\":1}," JSON_FROM "}", "E_SHAPE", "message.defaults."},
	};

	(void)state;
	EXPECT_ALL_REFUSED(cases);
}

static void test_errors_name_the_variable(void **state)
{
	struct mail mail = mail_new();

	(void)state;
	assert_true(compile(&mail, SLICE("M{\"text\":\"Hello {{first_name}}\"," JSON_FROM "}")));
	assert_false(render(&mail));
	assert_non_null(strstr(mail.error.message, "{{first_name}}"));
	assert_false(compile(&mail, SLICE("M{\"text\":\"a\\nb {{x\"," JSON_FROM "}")));
	assert_non_null(strstr(mail.error.message, "line 2, column 3"));
	mail_free(&mail);
}

static void test_sizes(void **state)
{
	struct outbuf raw = {0};
	struct mail mail = mail_new();

	(void)state;
	outbuf_add(&raw, SLICE("R" FROM "\r\n"));
	for (int i = 0; i < 998; i++)
		outbuf_byte(&raw, 'x');
	assert_true(compile(&mail, outbuf_slice(&raw)) && render(&mail));
	outbuf_byte(&raw, 'x');
	assert_false(compile(&mail, outbuf_slice(&raw)));
	assert_string_equal(mail.error.code, "E_LINE");
	assert_non_null(strstr(mail.error.message, "line 3 has 999"));

	outbuf_reset(&raw);
	outbuf_add(&raw, SLICE("R" FROM "\r\na\0b"));
	assert_false(compile(&mail, outbuf_slice(&raw)));
	assert_string_equal(mail.error.code, "E_NUL");

	struct message_limits limits = {.bytes_max = 1000};

	outbuf_reset(&raw);
	outbuf_add(&raw, SLICE("R" FROM "\r\n"));
	for (int i = 0; i < 500; i++)
		outbuf_add(&raw, SLICE("x\n"));
	assert_null(message_compile(outbuf_slice(&raw), &limits, &mail.error));
	assert_string_equal(mail.error.code, "E_TOO_BIG");
	message_free(mail.message);
	mail.message = message_compile(SLICE("M{\"html\":\"{{x}}\"," JSON_FROM "}"), &limits, NULL);
	outbuf_reset(&raw);
	for (int i = 0; i < 500; i++)
		outbuf_byte(&raw, '&');
	set(&mail, "x", outbuf_slice(&raw));
	assert_false(render(&mail));
	assert_string_equal(mail.error.code, "E_TOO_BIG");
	outbuf_free(&raw);
	mail_free(&mail);
}

static void test_many_fields(void **state)
{
	struct outbuf raw = {0};
	struct mail mail = mail_new();

	(void)state;
	outbuf_add(&raw, SLICE("R" FROM));
	for (int i = 0; i < 999; i++)
		outbuf_printf(&raw, "X-%d: a\r\n", i);
	assert_true(compile(&mail, outbuf_slice(&raw)) && render(&mail));
	outbuf_add(&raw, SLICE("X: a\r\n"));
	assert_false(compile(&mail, outbuf_slice(&raw)));
	assert_string_equal(mail.error.code, "E_TOO_BIG");

	outbuf_reset(&raw);
	outbuf_add(&raw, SLICE("R" FROM));
	for (int i = 0; i < 100; i++)
		outbuf_add(&raw, SLICE("Received: from a\r\n by b; today\r\n"));
	assert_true(compile(&mail, outbuf_slice(&raw)) && render(&mail));
	outbuf_add(&raw, SLICE("Received: x\r\n"));
	assert_false(compile(&mail, outbuf_slice(&raw)));
	assert_string_equal(mail.error.code, "E_HEADER");

	outbuf_reset(&raw);
	outbuf_add(&raw, SLICE("R" FROM "X: a\r\n"));
	for (int i = 0; i < 1100; i++)
		outbuf_add(&raw, SLICE(" " WORDS "\r\n"));
	assert_false(compile(&mail, outbuf_slice(&raw)));
	assert_string_equal(mail.error.code, "E_TOO_BIG");
	outbuf_free(&raw);
	mail_free(&mail);
}

static void test_raw_is_kept(void **state)
{
	struct mail mail = mail_new();

	(void)state;
	assert_true(compile(
		&mail,
		SLICE("RReceived: x\r\nBCC: hidden@x.example\r\n more\r\nFrom:a@b.example\r\nreturn-path: <x@y>\n"
		      "X-Odd:   kept\t as is \r\n folded\r\n\r\n.dot\n{{not}} a variable\r..\r\n\r\nlast")));
	assert_true(render(&mail));
	static const char head[] =
		"Received: x\r\nFrom:a@b.example\r\nX-Odd:   kept\t as is \r\n folded\r\n"
		"Date: Tue, 24 Nov 2026 09:00:00 +0000\r\nMessage-ID: <000000000001a@mta1.example>\r\n\r\n"
		".dot\r\n{{not}} a variable\r\n..\r\n\r\nlast\r\n";

	assert_true(slice_is(outbuf_slice(&mail.text), SLICE(head)));
	assert_true(slice_is(mail.rendered.message_id, SLICE("<000000000001a@mta1.example>")));
	assert_true(message_is_shared(mail.message));
	assert_false(mail.rendered.eight_bit || mail.rendered.utf8);

	assert_true(compile(&mail, SLICE("RFrom: a@b.example\nDate: d\nMessage-ID:\n <own@id>\n")));
	assert_true(render(&mail));
	assert_true(slice_is(outbuf_slice(&mail.text),
			     SLICE("From: a@b.example\r\nDate: d\r\nMessage-ID:\r\n <own@id>\r\n\r\n")));
	assert_true(slice_is(mail.rendered.message_id, SLICE("<own@id>")));
	mail_free(&mail);
}

static void test_eight_bit(void **state)
{
	struct mail mail = mail_new();

	(void)state;
	assert_true(compile(&mail, SLICE("R" FROM "\r\nbody \xff\r\n")) && render(&mail));
	assert_true(mail.rendered.eight_bit && !mail.rendered.utf8);
	assert_true(compile(&mail, SLICE("R" FROM "Subject: \xc3\xa9\r\n\r\nbody\r\n")) && render(&mail));
	assert_true(mail.rendered.utf8);
	assert_true(compile(&mail, SLICE("T" FROM "\r\n{{x}}\r\n")));
	set(&mail, "x", SLICE("\xc3\xa9"));
	assert_true(render(&mail) && mail.rendered.eight_bit && !mail.rendered.utf8);
	assert_true(compile(&mail, SLICE("M{\"text\":\"\xc3\xa9\",\"subject\":\"\xc3\xa9\"," JSON_FROM "}")) &&
		    render(&mail));
	assert_false(mail.rendered.eight_bit || mail.rendered.utf8);
	mail.merge.address = SLICE("j\xc3\xb6rg@b.example");
	assert_true(render(&mail) && mail.rendered.utf8 && mail.rendered.eight_bit);
	mail_free(&mail);
}

static void test_object(void **state)
{
	struct mail mail = mail_new();

	(void)state;
	mail.merge.name = SLICE("Bob, B.");
	set(&mail, "token", SLICE("a b>"));
	set(&mail, "shop", SLICE("Ann, \"Bob\" & Co"));
	assert_true(compile(
		&mail,
		SLICE("M{\"headers\":{\"From\":\"{{shop}} "
		      "<n@n.example>\",\"Bcc\":\"x@y.example\",\"X-A\":[\"1\",\"2\"],"
		      "\"Cc\":[\"c@c.example\",\"d@d.example\"],\"List-Unsubscribe\":\"<https://n.example/{{token}}>\","
		      "\"List-Unsubscribe-Post\":\"List-Unsubscribe=One-Click\"},\"subject\":\"Hi {{name}}\","
		      "\"text\":\"{{name}} {{n}} {{t}} {{nothing}}.\",\"html\":\"{{shop}}{{{shop}}}\","
		      "\"defaults\":{\"name\":\"friend\",\"n\":1.5,\"t\":true,\"nothing\":null}}")));
	assert_true(render(&mail));
	expect(&mail, "From: \"Ann, \\\"Bob\\\" & Co\" <n@n.example>\r\nX-A: 1\r\nX-A: 2\r\n"
		      "Cc: c@c.example, d@d.example\r\nList-Unsubscribe: <https://n.example/a%20b%3E>\r\n");
	expect(&mail,
	       "Subject: Hi friend\r\nTo: \"Bob, B.\" <bob+x@b.example>\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\n"
	       "Message-ID: <000000000001a@mta1.example>\r\nMIME-Version: 1.0\r\n"
	       "Content-Type: multipart/alternative; boundary=\"=_alternative\"\r\n\r\n--=_alternative\r\n"
	       "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	       "friend=201.5=20true=20.\r\n--=_alternative\r\n");
	expect(&mail, "Ann, &quot;Bob&quot; &amp; CoAnn, \"Bob\" & Co\r\n--=_alternative--\r\n");
	assert_false(has(&mail, "y.example"));
	assert_false(message_is_shared(mail.message));
	mail_free(&mail);
}

static void test_lookup_order(void **state)
{
	struct mail mail = mail_new();
	struct outbuf job = {0};

	(void)state;
	assert_true(compile(
		&mail,
		SLICE("M{\"text\":\"{{a}}|{{b}}|{{c}}|{{d}}|\",\"defaults\":{\"a\":\"d\",\"b\":\"d\",\"c\":\"d\","
		      "\"d\":\"x\"}," JSON_FROM "}")));
	set(&mail, "a", SLICE("r"));
	pack_add(&mail.vars, PACK_NULL, SLICE("d"), SLICE_NONE);
	mail.merge.vars = outbuf_slice(&mail.vars);
	pack_add(&job, PACK_TEXT, SLICE("a"), SLICE("j"));
	pack_add(&job, PACK_TEXT, SLICE("b"), SLICE("j"));
	mail.merge.job_vars = outbuf_slice(&job);
	assert_true(render(&mail));
	expect(&mail, "\r\n\r\nr|j|d||\r\n");
	outbuf_free(&job);
	mail_free(&mail);
}

static void test_reserved_names(void **state)
{
	struct mail mail = mail_new();

	(void)state;
	set(&mail, "hk.address", SLICE("forged"));
	assert_true(compile(
		&mail,
		SLICE("M{\"text\":\"{{hk.address}} {{hk.local}} {{hk.domain}}\\n{{hk.rcpt}} {{hk.job}} {{hk.verp}}\\n"
		      "{{hk.message_id}}\"," JSON_FROM "}")));
	assert_true(render(&mail));
	expect(&mail, "bob+x@b.example=20bob+x=20b.example\r\n4711=20nov/7=20bob+2Bx=3Db.example\r\n"
		      "000000000001a@mta1.example\r\n");
	mail_free(&mail);
}

static void test_own_headers(void **state)
{
	struct mail mail = mail_new();

	(void)state;
	pack_add(&mail.headers, PACK_TEXT, SLICE("subject"), SLICE("Yours, {{hk.local}}"));
	pack_add(&mail.headers, PACK_TEXT, SLICE("To"), SLICE("other@x.example"));
	pack_add(&mail.headers, PACK_TEXT, SLICE("X-New"), SLICE("1"));
	pack_add(&mail.headers, PACK_TEXT, SLICE("Message-ID"), SLICE("<own@x.example>"));
	mail.merge.headers = outbuf_slice(&mail.headers);
	assert_true(compile(&mail, SLICE("M{\"text\":\"{{hk.message_id}}\",\"subject\":\"All\"," JSON_FROM "}")));
	assert_true(render(&mail));
	expect(&mail, "From: news@news.example\r\nsubject: Yours, bob+x\r\nTo: other@x.example\r\nX-New: 1\r\n"
		      "Message-ID: <own@x.example>\r\nDate: ");
	expect(&mail, "\r\n\r\nown@x.example\r\n");
	assert_false(has(&mail, "All"));
	assert_true(slice_is(mail.rendered.message_id, SLICE("<own@x.example>")));

	static const char *const bad[][3] = {
		{"Content-Type", "x", "E_HEADER"}, {"X", "a\r\nb", "E_CRLF"},
		{"X Y", "a", "E_HEADER"},	   {"From", "nobody", "E_ADDRESS"},
		{"X", "{{#a}}", "E_NOT_YET"},	   {"X", "{{none}}", "E_VAR_MISSING"},
		{"Message-ID", "x", "E_HEADER"},   {"List-Unsubscribe-Post", "x", "E_HEADER"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		outbuf_reset(&mail.headers);
		pack_add(&mail.headers, PACK_TEXT, slice_of(bad[i][0]), slice_of(bad[i][1]));
		mail.merge.headers = outbuf_slice(&mail.headers);
		assert_false(render(&mail));
		assert_string_equal(mail.error.code, bad[i][2]);
	}
	outbuf_reset(&mail.headers);
	pack_add(&mail.headers, PACK_TEXT, SLICE("X"), SLICE("a"));
	mail.merge.headers = outbuf_slice(&mail.headers);
	assert_true(compile(&mail, SLICE("R" FROM "\r\nx")));
	assert_false(render(&mail));
	assert_string_equal(mail.error.field, "headers");
	mail_free(&mail);
}

static void test_one_click_by_value(void **state)
{
	struct mail mail = mail_new();

	(void)state;
	assert_true(compile(
		&mail, SLICE("M{\"text\":\"a\",\"headers\":{\"From\":\"a@b.example\",\"List-Unsubscribe\":\"<{{u}}>\","
			     "\"List-Unsubscribe-Post\":\"List-Unsubscribe=One-Click\"}}")));
	set(&mail, "u", SLICE("http://x.example/"));
	assert_false(render(&mail));
	assert_string_equal(mail.error.field, "message.headers.List-Unsubscribe");
	outbuf_reset(&mail.vars);
	set(&mail, "u", SLICE("https://x.example/?a=b,c&d=%20"));
	assert_true(render(&mail));
	expect(&mail, "List-Unsubscribe: <https://x.example/?a=b,c&d=%20>\r\n");
	mail_free(&mail);
}

static void test_shared(void **state)
{
	static const struct {
		const char *stored;
		bool shared;
	} cases[] = {
		{"R" FROM "\r\nx", true},
		{"T" FROM "\r\nx", true},
		{"T" FROM "\r\n{{x}}", false},
		{"T" FROM "Subject: {{x}}\r\n\r\n", false},
		{"M{\"text\":\"a\"," JSON_FROM "}", false},
		{"M{\"text\":\"a\",\"headers\":{\"From\":\"a@b.example\",\"To\":\"list@b.example\"}}", true},
		{"M{\"text\":\"{{x}}\",\"headers\":{\"From\":\"a@b.example\",\"To\":\"list@b.example\"}}", false},
		{"M{\"text\":\"a\",\"headers\":{\"From\":\"a@b.example\",\"To\":\"{{x}}@b.example\"}}", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message *message = message_compile(slice_of(cases[i].stored), NULL, NULL);

		assert_non_null(message);
		assert_int_equal(message_is_shared(message), cases[i].shared);
		message_free(message);
	}
}

#define MULTIPART                                                                                                \
	"T" FROM "Content-Type: multipart/mixed;\r\n boundary=\"b1\"\r\n\r\n--b1\r\n"                            \
	"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>{{x}}</p>\r\n--b1\r\n" \
	"Content-Type: multipart/alternative; boundary=b2\r\n\r\n--b2\r\nX: "                                    \
	"{{y}}\r\n\r\n{{x}}--b2\r\n--b2--\r\n--b1--\r\n"

static void test_raw_parts(void **state)
{
	static const char *const bad[] = {"\n--b1", "\r--b2--", "\n--b1--\n", "\n"};
	struct mail mail = mail_new();

	(void)state;
	assert_true(compile(&mail, SLICE(MULTIPART)));
	set(&mail, "y", SLICE("1"));
	set(&mail, "x", SLICE("a<\xc3\xa9=>\n.b"));
	assert_true(render(&mail));
	expect(&mail, "<p>a&lt;=C3=A9=3D&gt;\r\n.b</p>\r\n");
	expect(&mail, "X: 1\r\n\r\na<\xc3\xa9=>\r\n.b--b2\r\n--b2--\r\n");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		outbuf_reset(&mail.vars);
		set(&mail, "y", SLICE("1"));
		set(&mail, "x", slice_of(bad[i]));
		assert_false(render(&mail));
		assert_string_equal(mail.error.code, "E_VAR_VALUE");
	}
	outbuf_reset(&mail.vars);
	set(&mail, "x", SLICE("a"));
	set(&mail, "y", SLICE("1\r\n\r\n"));
	assert_false(render(&mail));
	outbuf_reset(&mail.vars);
	set(&mail, "x", SLICE(""));
	set(&mail, "y", SLICE("1"));
	assert_false(render(&mail));

	assert_false(compile(
		&mail,
		SLICE("T" FROM "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{{x}}\r\n\r\n--b--\r\n")));
	assert_false(compile(&mail, SLICE("T" FROM "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
					  "Content-Type: text/plain;\r\n name={{x}}\r\n\r\n--b--\r\n")));
	assert_false(compile(&mail, SLICE("T" FROM "Content-Transfer-Encoding: base64\r\n\r\n{{x}}")));
	mail_free(&mail);
}

static void test_long_lines_by_value(void **state)
{
	struct mail mail = mail_new();
	char value[990];

	(void)state;
	memset(value, 'x', sizeof(value));
	assert_true(compile(&mail, SLICE("T" FROM "\r\nHello {{x}}{{y}}!!\r\n")));
	set(&mail, "x", (struct slice){value, sizeof(value)});
	set(&mail, "y", SLICE(""));
	assert_true(render(&mail));
	outbuf_reset(&mail.vars);
	set(&mail, "x", (struct slice){value, sizeof(value)});
	set(&mail, "y", SLICE("y"));
	assert_false(render(&mail));
	assert_string_equal(mail.error.code, "E_LINE");
	outbuf_reset(&mail.vars);
	set(&mail, "x", (struct slice){value, sizeof(value)});
	set(&mail, "y", SLICE("yyy\n"));
	assert_false(render(&mail));
	mail_free(&mail);
}

/* From here on: texts and values by seed. */

static void random_text(struct outbuf *out, struct random *random, size_t max)
{
	static const char *const words[] = {"a",
					    "b",
					    ".",
					    "..",
					    " ",
					    "\t",
					    "\n",
					    "\r\n",
					    "\r",
					    "=",
					    "=20",
					    "&",
					    "<",
					    ">",
					    "\"",
					    "'",
					    "\xc3\xa9",
					    "\xf0\x9f\x98\x80",
					    "--",
					    "--=_alternative",
					    "--=_alternative--",
					    "From ",
					    "}}",
					    "{ ",
					    ":",
					    ",",
					    "the quick brown fox jumps over the lazy dog",
					    "\\"};
	size_t n = random_below(random, max);

	for (size_t i = 0; i < n; i++)
		outbuf_add(out, slice_of(words[random_below(random, sizeof(words) / sizeof(words[0]))]));
}

static void add_escaped(struct outbuf *out, struct slice value, bool html)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];
		const char *entity = !html ? NULL : c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : NULL;

		if (html && c == '"')
			entity = "&quot;";
		if (html && c == '\'')
			entity = "&#39;";
		entity ? outbuf_add(out, slice_of(entity)) : outbuf_byte(out, c);
	}
}

static void decode_quoted(struct outbuf *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '=' && text.ptr[i + 1] == '\r') {
			i += 2;
		} else if (text.ptr[i] == '=') {
			outbuf_byte(out, (char)strtol((char[]){text.ptr[i + 1], text.ptr[i + 2], '\0'}, NULL, 16));
			i += 2;
		} else {
			outbuf_byte(out, text.ptr[i]);
		}
	}
}

static struct slice part_of(struct slice text, const char *type, const char *end)
{
	const char *begin = memmem(text.ptr, text.len, type, strlen(type));

	assert_non_null(begin);
	text = slice_skip(text, (size_t)(begin - text.ptr));
	begin = memmem(text.ptr, text.len, "\r\n\r\n", 4);
	assert_non_null(begin);
	text = slice_skip(text, (size_t)(begin + 4 - text.ptr));
	const char *found = memmem(text.ptr, text.len, end, strlen(end));

	assert_non_null(found);
	return slice_head(text, (size_t)(found - text.ptr));
}

/* From begin on, line ends as CRLF: every piece of a template is text of its own, so a CR at its end is a line end
 * whatever comes behind it. */
static void end_lines(struct outbuf *text, size_t begin)
{
	struct outbuf normal = {0};

	assert_true(wire_normalise(&normal, slice_skip(outbuf_slice(text), begin)));
	text->len = begin;
	outbuf_add(text, outbuf_slice(&normal));
	outbuf_free(&normal);
}

/* A template of random text and {{v0}}..{{v3}}, and what it must become. */
static void random_template(struct outbuf *template, struct outbuf *wanted, struct random *random,
			    const struct outbuf *values, bool html)
{
	for (uint64_t pieces = random_below(random, 12); pieces > 0; pieces--) {
		size_t begin = template->len, value = random_below(random, 4);
		bool verbatim = random_below(random, 4) == 0;

		random_text(template, random, 12);
		outbuf_add(wanted, slice_skip(outbuf_slice(template), begin));
		end_lines(wanted, wanted->len - (template->len - begin));
		outbuf_printf(template, verbatim ? "{{{v%zu}}}" : "{{v%zu}}", value);
		add_escaped(wanted, outbuf_slice(&values[value]), html && !verbatim);
	}
}

static void check_part(struct slice part, struct slice wanted)
{
	struct outbuf decoded = {0}, normal = {0};

	for (struct slice rest = part; rest.len;) {
		struct slice line = slice_until(&rest, '\n');

		if (rest.len)
			line.len--; /* the CR */
		assert_true(line.len <= 76);
		assert_true(line.len == 0 || (line.ptr[line.len - 1] != ' ' && line.ptr[line.len - 1] != '\t'));
	}
	decode_quoted(&decoded, part);
	assert_true(wire_normalise(&normal, wanted));
	if (!slice_is(outbuf_slice(&decoded), outbuf_slice(&normal)))
		fail_msg("wanted:\n%.*s\ngot:\n%.*s", SLICE_ARG(outbuf_slice(&normal)), SLICE_ARG(part));
	outbuf_free(&decoded);
	outbuf_free(&normal);
}

static void test_text_comes_back(void **state)
{
	struct random random = random_seeded(5322);
	struct outbuf values[4] = {0}, text = {0}, html = {0}, want_text = {0}, want_html = {0}, json = {0};

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct mail mail = mail_new();

		for (size_t i = 0; i < 4; i++) {
			outbuf_reset(&values[i]);
			random_text(&values[i], &random, random_below(&random, 4) ? 10 : 40);
			end_lines(&values[i], 0);
			set(&mail, (char[]){'v', (char)('0' + i), '\0'}, outbuf_slice(&values[i]));
		}
		outbuf_reset(&text), outbuf_reset(&html), outbuf_reset(&want_text), outbuf_reset(&want_html),
			outbuf_reset(&json);
		random_template(&text, &want_text, &random, values, false);
		random_template(&html, &want_html, &random, values, true);
		outbuf_add(&json, SLICE("M{" JSON_FROM));
		outbuf_json_text(&json, "text", outbuf_slice(&text));
		outbuf_json_text(&json, "html", outbuf_slice(&html));
		outbuf_add(&json, SLICE("}"));
		if (!compile(&mail, outbuf_slice(&json)) || !render(&mail))
			fail_msg("%s: %s\n%.*s", mail.error.code, mail.error.message, SLICE_ARG(outbuf_slice(&json)));
		check_part(part_of(outbuf_slice(&mail.text), "Content-Type: text/plain", "\r\n--=_alternative\r\n"),
			   outbuf_slice(&want_text));
		check_part(part_of(outbuf_slice(&mail.text), "Content-Type: text/html", "\r\n--=_alternative--\r\n"),
			   outbuf_slice(&want_html));
		mail_free(&mail);
	}
	for (size_t i = 0; i < 4; i++)
		outbuf_free(&values[i]);
	outbuf_free(&text), outbuf_free(&html), outbuf_free(&want_text), outbuf_free(&want_html), outbuf_free(&json);
}

/* The names of all fields, in order, as a receiver sees them. */
static void field_names(struct outbuf *out, struct slice text)
{
	while (text.len) {
		struct slice line = slice_until(&text, '\n');

		if (slice_is(line, SLICE("\r")))
			return;
		if (line.len && (line.ptr[0] == ' ' || line.ptr[0] == '\t')) {
			assert_true(slice_trim(line).len > 0);
			continue;
		}
		assert_true(slice_find(line, ':') < line.len);
		outbuf_add(out, slice_until(&line, ':'));
		outbuf_byte(out, ' ');
	}
}

static void test_no_value_adds_to_a_header(void **state)
{
	static const char names[] =
		"From Reply-To X-A List-Unsubscribe Subject To Date Message-ID MIME-Version Content-Type "
		"Content-Transfer-Encoding ";
	struct random random = random_seeded(93);
	struct mail mail = mail_new();
	struct outbuf value = {0}, found = {0}, sender = {0};
	unsigned taken = 0;

	(void)state;
	assert_true(compile(
		&mail,
		SLICE("M{\"headers\":{\"From\":\"{{v}} <a@b.example>\",\"Reply-To\":\"\\\"{{v}}\\\" "
		      "<{{w}}@b.example>\","
		      "\"X-A\":\"{{v}}\",\"List-Unsubscribe\":\"<https://x.example/{{v}}>\"},\"subject\":\"{{v}}\","
		      "\"text\":\"{{v}}\"}")));
	for (int round = 0; round < 20000; round++) {
		static const char *const evil[] = {"\r\nBcc: x@y.example",
						   "\n",
						   "\r",
						   "\0",
						   "a",
						   "b",
						   " ",
						   "\xc3\xa9",
						   "\xff",
						   ">",
						   "<",
						   ",",
						   "\"",
						   "\\",
						   "(",
						   ")",
						   ":",
						   ";",
						   "=?utf-8?Q?=0D=0A?=",
						   "@"};

		outbuf_reset(&value);
		for (uint64_t n = random_below(&random, 6); n > 0; n--)
			outbuf_add(&value, slice_of(evil[random_below(&random, sizeof(evil) / sizeof(evil[0]))]));
		if (random_below(&random, 2))
			outbuf_byte(&value, (char)random_below(&random, 256));
		outbuf_reset(&mail.vars);
		set(&mail, "v", outbuf_slice(&value));
		set(&mail, "w", SLICE("w"));
		mail.merge.name = outbuf_slice(&value);
		bool ok = render(&mail);

		if (memmem(value.ptr, value.len, "\n", 1) || memmem(value.ptr, value.len, "\r", 1))
			assert_false(ok);
		taken += ok;
		if (ok) {
			outbuf_reset(&found);
			field_names(&found, outbuf_slice(&mail.text));
			outbuf_byte(&found, '\0');
			assert_string_equal(found.ptr, names);
			expect(&mail, " <a@b.example>\r\n");
		}
		outbuf_reset(&sender);
		if (sender_render(SLICE("b+{{v}}@news.example"), &mail.merge, &sender, NULL))
			for (size_t i = 0; i < sender.len; i++)
				assert_true((unsigned char)sender.ptr[i] > ' ' && !strchr("<>\x7f", sender.ptr[i]));
	}
	assert_true(taken > 2000);
	outbuf_free(&value);
	outbuf_free(&found);
	outbuf_free(&sender);
	mail_free(&mail);
}

static void test_sender(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"a@b.example", "a@b.example"},
		{"b+{{hk.verp}}@news.example", "b+bob+2Bx=b.example@news.example"},
		{"{{hk.local}}@{{hk.domain}}", "bob+x@b.example"},
		{"{{x}}", "x@y.example"},
	};
	static const char *const bad[] = {"a",
					  "{{none}}@b.example",
					  "{{empty}}",
					  "{{hk.address}}@c.example",
					  "a b@c.example",
					  "{{crlf}}@b.example",
					  "<a@b.example>",
					  "{{#x}}@b.example"};
	struct mail mail = mail_new();

	(void)state;
	set(&mail, "x", SLICE("x@y.example"));
	set(&mail, "empty", SLICE(""));
	set(&mail, "crlf", SLICE("a\r\nRCPT TO:<x@y>"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outbuf out = {0};

		outbuf_add(&out, SLICE("kept:"));
		assert_true(sender_render(slice_of(cases[i][0]), &mail.merge, &out, &mail.error));
		assert_true(slice_is(slice_skip(outbuf_slice(&out), 5), slice_of(cases[i][1])));
		outbuf_free(&out);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct outbuf out = {0};

		outbuf_add(&out, SLICE("kept:"));
		if (sender_render(slice_of(bad[i]), &mail.merge, &out, &mail.error))
			fail_msg("%s was taken", bad[i]);
		assert_string_equal(mail.error.field, "from");
		assert_int_equal(out.len, 5);
		outbuf_free(&out);
	}
	assert_true(sender_has_variables(SLICE("b+{{hk.verp}}@x")));
	assert_false(sender_has_variables(SLICE("b@x")));
	mail_free(&mail);
}

static void test_references(void **state)
{
	struct message *message = message_compile(SLICE("R" FROM "\r\n"), NULL, NULL);

	(void)state;
	assert_ptr_equal(message_keep(message), message);
	message_free(message);
	assert_true(message_is_shared(message));
	message_free(message);
	message_free(NULL);
}

static void test_dates(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} cases[] = {
		{0, "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"},
		{951782399999, "Date: Mon, 28 Feb 2000 23:59:59 +0000\r\n"},
		{951782400000, "Date: Tue, 29 Feb 2000 00:00:00 +0000\r\n"},
		{1798761599000, "Date: Thu, 31 Dec 2026 23:59:59 +0000\r\n"},
		{4107542400000, "Date: Mon, 1 Mar 2100 00:00:00 +0000\r\n"},
		{UINT64_MAX, "Date: Fri, 31 Dec 9999 23:59:59 +0000\r\n"},
	};
	struct mail mail = mail_new();

	(void)state;
	assert_true(compile(&mail, SLICE("R" FROM "\r\n")));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		mail.merge.date_ms = cases[i].ms;
		assert_true(render(&mail));
		expect(&mail, cases[i].text);
	}
	mail_free(&mail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_raw),
		cmocka_unit_test(test_bad_objects),
		cmocka_unit_test(test_errors_name_the_variable),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_many_fields),
		cmocka_unit_test(test_raw_is_kept),
		cmocka_unit_test(test_eight_bit),
		cmocka_unit_test(test_object),
		cmocka_unit_test(test_lookup_order),
		cmocka_unit_test(test_reserved_names),
		cmocka_unit_test(test_own_headers),
		cmocka_unit_test(test_one_click_by_value),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_raw_parts),
		cmocka_unit_test(test_long_lines_by_value),
		cmocka_unit_test(test_text_comes_back),
		cmocka_unit_test(test_no_value_adds_to_a_header),
		cmocka_unit_test(test_sender),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
