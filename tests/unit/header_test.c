/* Headers as they are written, and those that are refused. */
#include "mail/fold.h"
#include "mail/header.h"
#include "mail/party.h"

#include "base/random.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_written(void **state)
{
	static const char *const cases[][3] = {
		{"Subject", "Hello", "Subject: Hello\r\n"},
		{"Subject", "", "Subject:\r\n"},
		{"Subject", "  two  blanks\there  ", "Subject: two  blanks\there\r\n"},
		{"Subject",
		 "Gr\xc3\xbc\xc3\x9f"
		 "e",
		 "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n"},
		{"Subject", "Hello J\xc3\xb6rg and all", "Subject: Hello =?utf-8?Q?J=C3=B6rg?= and all\r\n"},
		{"Subject", "\xc3\xa9 \xc3\xa9 a", "Subject: =?utf-8?B?w6kgw6k=?= a\r\n"},
		{"Subject", "=?utf-8?Q?coded?=", "Subject: =?utf-8?Q?coded?=\r\n"},
		{"Subject", "=?x?= \xc3\xa9", "Subject: =?utf-8?B?PT94Pz0gw6k=?=\r\n"},
		{"From", "ann@a.example", "From: ann@a.example\r\n"},
		{"From", "Ann <ann@a.example>", "From: Ann <ann@a.example>\r\n"},
		{"From", "\"B., Bob\" <b@b.example>", "From: \"B., Bob\" <b@b.example>\r\n"},
		{"From", "J\xc3\xb6rg <j@a.example>", "From: =?utf-8?Q?J=C3=B6rg?= <j@a.example>\r\n"},
		{"From", "\"J\xc3\xb6rg, X\" <j@a.example>", "From: =?utf-8?Q?J=C3=B6rg=2C_X?= <j@a.example>\r\n"},
		{"To", "a@b.example,\xc3\x89lo <c@d.example>",
		 "To: a@b.example, =?utf-8?Q?=C3=89lo?= <c@d.example>\r\n"},
		{"To", "Undisclosed recipients:;", "To: Undisclosed recipients:;\r\n"},
		{"To", "<a@b.example> (a note)", "To: <a@b.example> (a note)\r\n"},
		{"List-ID", "News <news.example>", "List-ID: News <news.example>\r\n"},
		{"List-Unsubscribe", "<https://u.example/\xc3\xa9>",
		 "List-Unsubscribe: <https://u.example/%C3%A9>\r\n"},
		{"X-Long",
		 "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 01234 0123456789 0123456789",
		 "X-Long: 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789\r\n"
		 " 01234 0123456789 0123456789\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outbuf out = {0};
		struct mail_error error = {0};
		bool utf8 = false;

		if (!header_write(&out, slice_of(cases[i][0]), slice_of(cases[i][1]), &utf8, &error))
			fail_msg("%s: %s: %s", cases[i][0], error.code, error.message);
		outbuf_byte(&out, '\0');
		assert_string_equal(out.ptr, cases[i][2]);
		assert_false(utf8);
		outbuf_free(&out);
	}
}

static void test_utf8_addresses_stay(void **state)
{
	struct outbuf out = {0};
	bool utf8 = false;

	(void)state;
	assert_true(header_write(&out, SLICE("To"), SLICE("j\xc3\xb6@a.example"), &utf8, NULL));
	assert_true(slice_is(outbuf_slice(&out), SLICE("To: j\xc3\xb6@a.example\r\n")));
	assert_true(utf8);
	outbuf_free(&out);
}

static void test_refused(void **state)
{
	static const char *const cases[][3] = {
		{"Subject", "a\r\nBcc: x@y.example", "E_CRLF"},
		{"Subject", "a\nb", "E_CRLF"},
		{"Subject", "a\rb", "E_CRLF"},
		{"Subject", "a\x1b[0m", "E_HEADER"},
		{"Subject", "a\x7f", "E_HEADER"},
		{"Subject", "a\xff", "E_UTF8"},
		{"From", "", "E_ADDRESS"},
		{"From", "Ann", "E_ADDRESS"},
		{"From", "News, Inc <n@a.example>", "E_ADDRESS"},
		{"From", "Ann <a@b.example", "E_ADDRESS"},
		{"From", "\"Ann <a@b.example>", "E_ADDRESS"},
		{"From", "Ann <a@b.example> <c@d.example>", "E_ADDRESS"},
		{"From", "Ann <a@b.example> more", "E_ADDRESS"},
		{"From", "a > b@c.example", "E_ADDRESS"},
		{"To", "Team: a@b.example, c@d.example;", "E_ADDRESS"},
		{"Message-ID", "<\xc3\xa9@x>", "E_HEADER"},
		{"Date", "m\xc3\xa4rz", "E_HEADER"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outbuf out = {0};
		struct mail_error error = {0};
		bool utf8 = false;

		if (header_write(&out, slice_of(cases[i][0]), slice_of(cases[i][1]), &utf8, &error))
			fail_msg("%s: %s was taken", cases[i][0], cases[i][1]);
		assert_string_equal(error.code, cases[i][2]);
		assert_true(strlen(error.message) > 10);
		outbuf_free(&out);
	}
}

static void test_long_words(void **state)
{
	char word[1200];
	struct outbuf out = {0};
	struct mail_error error = {0};
	bool utf8 = false;

	(void)state;
	memset(word, 'x', sizeof(word));
	assert_true(header_write(&out, SLICE("X-A"), (struct slice){word, 993}, &utf8, &error));
	assert_int_equal(out.len, 4 + 1 + 993 + 2);
	outbuf_reset(&out);
	assert_true(header_write(&out, SLICE("X-A"), (struct slice){word, 997}, &utf8, &error));
	assert_int_equal(out.len, 4 + 2 + 1 + 997 + 2);
	outbuf_reset(&out);
	assert_false(header_write(&out, SLICE("X-A"), (struct slice){word, 998}, &utf8, &error));
	assert_string_equal(error.code, "E_LINE");
	outbuf_free(&out);
}

static void test_names(void **state)
{
	static const char *const bad[] = {"", "a b", "a:", "\xc3\xa9", "a\tb", ".a", "a\x7f", "a\r\nb"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(header_name_check(slice_of(bad[i]), NULL));
	assert_true(header_name_check(SLICE("X-a_b!"), NULL));
	assert_ptr_equal(header_rule(SLICE("message-id")), header_rule(SLICE("Message-ID")));
	assert_int_equal(header_rule(SLICE("bcc"))->origin, HEADER_DROPPED);
	assert_int_equal(header_rule(SLICE("received"))->origin, HEADER_MADE);
	assert_int_equal(header_rule(SLICE("X-Any"))->origin, HEADER_GIVEN);
}

static void test_one_party(void **state)
{
	static const char *const cases[][2] = {
		{"", "To: bob@b.example\r\n"},
		{"Bob B", "To: Bob B <bob@b.example>\r\n"},
		{"Bob B.", "To: \"Bob B.\" <bob@b.example>\r\n"},
		{"Bob \"B\" \\", "To: \"Bob \\\"B\\\" \\\\\" <bob@b.example>\r\n"},
		{"a, <x@y.example>", "To: \"a, <x@y.example>\" <bob@b.example>\r\n"},
		{"=?x?=", "To: =?utf-8?B?PT94Pz0=?= <bob@b.example>\r\n"},
		{"B\xc3\xb3"
		 "b",
		 "To: =?utf-8?Q?B=C3=B3b?= <bob@b.example>\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outbuf out = {0};
		bool utf8 = false;

		assert_true(header_write_party(&out, SLICE("To"), slice_of(cases[i][0]), SLICE("bob@b.example"), &utf8,
					       NULL));
		outbuf_byte(&out, '\0');
		assert_string_equal(out.ptr, cases[i][1]);
		outbuf_free(&out);
	}
}

/* Lines that fit, encoded-words of at most 75 characters, nothing but ASCII, for any text. */
static void check_lines(struct slice header)
{
	assert_true(utf8_is_ascii(header));
	while (header.len) {
		struct slice line = slice_until(&header, '\r');

		assert_true(line.len <= FOLD_AT);
		assert_true(slice_trim(line).len > 0);
		assert_true(slice_starts(header, SLICE("\n")));
		header = slice_skip(header, 1);
		while (line.len) {
			struct slice word = slice_until(&line, ' ');

			assert_true(!slice_starts(word, SLICE("=?")) || word.len <= 75);
		}
	}
}

static void test_random_text_folds(void **state)
{
	static const char *const characters[] = {"a", "b", "c", " ", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
						 "=", "?"};
	struct random random = random_seeded(2047);
	struct outbuf text = {0}, out = {0};

	(void)state;
	for (int round = 0; round < 5000; round++) {
		uint64_t kinds = 4 + random_below(&random, 6), len = random_below(&random, 200);
		bool utf8 = false;

		outbuf_reset(&text);
		outbuf_reset(&out);
		for (uint64_t i = 0; i < len; i++) {
			outbuf_add(&text, slice_of(characters[random_below(&random, kinds)]));
			if (i % 25 == 0)
				outbuf_byte(&text, ' ');
		}
		assert_true(header_write(&out, SLICE("Subject"), outbuf_slice(&text), &utf8, NULL));
		check_lines(outbuf_slice(&out));
	}
	outbuf_free(&text);
	outbuf_free(&out);
}

static void test_addresses(void **state)
{
	static const char *const good[] = {
		"a@b",		 "a.b+c@d.example",	 "\"a@b\"@c.example",	       "\"a\\\"\"@c.example",
		"x@[192.0.2.1]", "x@[IPv6:2001:db8::1]", "j\xc3\xb6@b\xc3\xbc.example"};
	static const char *const bad[] = {"",	       "a",	   "@b",   "a@",     "a b@c",  "a@b c",
					  "a@b@c",     ".a@b",	   "a.@b", "a..b@c", "a@b..c", "a@.b",
					  "a@b.",      "a@-b",	   "a@b-", "<a@b>",  "a@b>",   "a,b@c",
					  "\"a@b",     "\"a\"b@c", "a@[",  "a@[1",   "a@b\n",  "a@b\r\nRCPT TO:<x@y>",
					  "\"a b\"@c", "a@b_!c"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!party_address_is_valid(slice_of(good[i])))
			fail_msg("%s was refused", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (party_address_is_valid(slice_of(bad[i])))
			fail_msg("%s was taken", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_utf8_addresses_stay),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_one_party),
		cmocka_unit_test(test_random_text_folds),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
