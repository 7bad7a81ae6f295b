/* What is refused, with the code and the field it is blamed on; tables that may be as long as it likes. */
#include "tests/unit/mail.h"

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

static void test_bad_shapes(void **state)
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
	};

	(void)state;
	EXPECT_ALL_REFUSED(cases);
}

static void test_bad_headers(void **state)
{
	static const struct refusal cases[] = {
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
	};

	(void)state;
	EXPECT_ALL_REFUSED(cases);
}

static void test_bad_templates(void **state)
{
	static const struct refusal cases[] = {
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_raw),
		cmocka_unit_test(test_bad_shapes),
		cmocka_unit_test(test_bad_headers),
		cmocka_unit_test(test_bad_templates),
		cmocka_unit_test(test_errors_name_the_variable),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_many_fields),
		cmocka_unit_test(test_raw_parts),
		cmocka_unit_test(test_long_lines_by_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
