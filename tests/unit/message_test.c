/* Whole messages as they leave: what is kept, what is made, what is filled in. */
#include "tests/unit/mail.h"

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
	pack_add(&mail.headers, PACK_TEXT, SLICE("X-New"), SLICE("2"));
	pack_add(&mail.headers, PACK_TEXT, SLICE("Cc"), SLICE("c@x.example"));
	pack_add(&mail.headers, PACK_TEXT, SLICE("Cc"), SLICE("{{hk.local}}@x.example"));
	pack_add(&mail.headers, PACK_TEXT, SLICE("Message-ID"), SLICE("<own@x.example>"));
	mail.merge.headers = outbuf_slice(&mail.headers);
	assert_true(compile(&mail, SLICE("M{\"text\":\"{{hk.message_id}}\",\"subject\":\"All\"," JSON_FROM "}")));
	assert_true(render(&mail));
	expect(&mail,
	       "From: news@news.example\r\nsubject: Yours, bob+x\r\nTo: other@x.example\r\nX-New: 1\r\nX-New: 2\r\n"
	       "Cc: c@x.example, bob+x@x.example\r\n"
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

static void test_tls_waived(void **state)
{
	static const struct {
		const char *stored, *own;
		bool waived;
	} cases[] = {
		{"R" FROM "\r\nTLS-Required: No\r\n", NULL, false}, /* that is its text */
		{"RTLS-Required: No\r\n" FROM "\r\n", NULL, true},
		{"Rtls-required:\r\n  NO \r\n" FROM "\r\n", NULL, true},
		{"RTLS-Required: Yes\r\n" FROM "\r\n", NULL, false},
		{"RTLS-Required: No, thanks\r\n" FROM "\r\n", NULL, false},
		{"RTLS-Required:\r\n" FROM "\r\n", NULL, false},
		{"TTLS-Required: {{x}}\r\n" FROM "\r\n", NULL, false},
		{"M{\"text\":\"a\",\"headers\":{\"From\":\"a@b.example\",\"TLS-Required\":\"No\"}}", NULL, true},
		{"M{\"text\":\"a\",\"headers\":{\"From\":\"a@b.example\",\"TLS-Required\":\"No\"}}", "Yes", false},
		{"M{\"text\":\"a\",\"headers\":{\"From\":\"a@b.example\"}}", "No", true},
		{"M{\"text\":\"a\",\"headers\":{\"From\":\"a@b.example\"}}", NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message *message = message_compile(slice_of(cases[i].stored), NULL, NULL);
		struct outbuf own = {0};

		assert_non_null(message);
		if (cases[i].own)
			pack_add(&own, PACK_TEXT, SLICE("tls-Required"), slice_of(cases[i].own));
		assert_int_equal(message_waives_tls(message, outbuf_slice(&own)), cases[i].waived);
		message_free(message);
		outbuf_free(&own);
	}
	assert_null(message_compile(SLICE("RTLS-Required: No\r\nTLS-Required: No\r\n" FROM "\r\n"), NULL, NULL));
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
		cmocka_unit_test(test_raw_is_kept),
		cmocka_unit_test(test_eight_bit),
		cmocka_unit_test(test_object),
		cmocka_unit_test(test_lookup_order),
		cmocka_unit_test(test_reserved_names),
		cmocka_unit_test(test_own_headers),
		cmocka_unit_test(test_one_click_by_value),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_tls_waived),
		cmocka_unit_test(test_sender),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
