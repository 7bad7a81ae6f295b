/* Addresses: every row of the table of bad jobs, group C, and those that look wrong and are not. */
#include "queue/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define A63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
#define L64 A63 "l"

static const struct {
	const char *text, *address; /* NULL: refused */
	enum mailbox_fault fault;
} rows[] = {
	{"ann@a.example", "ann@a.example", 0},
	{"JoHn@A.Example", "JoHn@a.example", 0},
	{"a+b{c}=d'e/f!#$%&*-?^_`|~@x-y.example", "a+b{c}=d'e/f!#$%&*-?^_`|~@x-y.example", 0},
	{"\"a@b c\"@d.test", "\"a@b c\"@d.test", 0},
	{"\"a\\\"b\\\\\"@d.test", "\"a\\\"b\\\\\"@d.test", 0},
	{"\"<x>\"@d.test", "\"<x>\"@d.test", 0},
	{"\"..\"@d.test", "\"..\"@d.test", 0},
	{"\"\"@d.test", "\"\"@d.test", 0},
	{"a@1.2.3.example", "a@1.2.3.example", 0},
	{"a@9.example", "a@9.example", 0},
	{L64 "@d.test", L64 "@d.test", 0},
	{"u@" A63 ".test", "u@" A63 ".test", 0},
	{"u@xn--mx-xka.test", "u@xn--mx-xka.test", 0},
	{"u@XN--MX-XKA.test", "u@xn--mx-xka.test", 0},
	{"u@m\xc3\xbcx.test", "u@xn--mx-xka.test", 0},
	{"u@M\xc3\x9cX.test", "u@xn--mx-xka.test", 0},
	{"u@mu\xcc\x88x.test", "u@xn--mx-xka.test", 0}, /* not composed: NFC makes it so */
	{"u@stra\xc3\x9f"
	 "e.example",
	 "u@xn--strae-oqa.example", 0},
	{"u@\xe4\xbe\x8b\xe3\x81\x88\xe3\x80\x82\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88", "u@xn--r8jz45g.xn--zckzah", 0},
	{"\xe7\x94\xa8\xe6\x88\xb7@a.example", "\xe7\x94\xa8\xe6\x88\xb7@a.example", 0},

	{"", NULL, MAILBOX_EMPTY},
	{"nobody", NULL, MAILBOX_NO_AT},
	{"\"nobody\"", NULL, MAILBOX_QUOTES},
	{"@a.example", NULL, MAILBOX_NO_LOCAL},
	{"a@", NULL, MAILBOX_NO_DOMAIN},
	{"a@b@c.test", NULL, MAILBOX_TWO_AT},
	{"\"a@b@c.test", NULL, MAILBOX_QUOTES},
	{"\"a\"b@c.test", NULL, MAILBOX_QUOTES},
	{"\"a\\", NULL, MAILBOX_QUOTES},
	{"\"a\\\xc3\xbc\"@c.test", NULL, MAILBOX_QUOTES},
	{"a\"b\"@c.test", NULL, MAILBOX_LOCAL},
	{"a,b@c.test", NULL, MAILBOX_LOCAL},
	{"a(comment)@c.test", NULL, MAILBOX_LOCAL},
	{"a@c.test(comment)", NULL, MAILBOX_LABEL},
	{"(c)@c.test", NULL, MAILBOX_LOCAL},
	{"a\\b@c.test", NULL, MAILBOX_LOCAL},
	{"a;b:c@c.test", NULL, MAILBOX_LOCAL},
	{L64 "m@d.test", NULL, MAILBOX_LOCAL_LONG},
	{"\"" A63 "\"@d.test", NULL, MAILBOX_LOCAL_LONG},
	{".a@d.test", NULL, MAILBOX_LOCAL_DOTS},
	{"a.@d.test", NULL, MAILBOX_LOCAL_DOTS},
	{"a..b@d.test", NULL, MAILBOX_LOCAL_DOTS},
	{"u@d..test", NULL, MAILBOX_EMPTY_LABEL},
	{"u@.d.test", NULL, MAILBOX_EMPTY_LABEL},
	{"u@d.test.", NULL, MAILBOX_TRAILING_DOT},
	{"u@d.test..", NULL, MAILBOX_TRAILING_DOT},
	{"u@" A63 "l.test", NULL, MAILBOX_LABEL_LONG},
	{"u@" A63 "." A63 "." A63 "." A63 ".test", NULL, MAILBOX_DOMAIN_LONG},
	{L64 "@" A63 "." A63 "." A63 ".test", NULL, MAILBOX_LONG},
	{"u@-d.test", NULL, MAILBOX_LABEL},
	{"u@d-.test", NULL, MAILBOX_LABEL},
	{"u@d_e.test", NULL, MAILBOX_LABEL},
	{"u@d/e.test", NULL, MAILBOX_LABEL},
	{"u@d,test.example", NULL, MAILBOX_LABEL},
	{"u@[192.0.2.1]", NULL, MAILBOX_LITERAL},
	{"u@[IPv6:2001:db8::1]", NULL, MAILBOX_LITERAL},
	{"u@192.0.2.1", NULL, MAILBOX_NUMERIC},
	{"u@d.123", NULL, MAILBOX_NUMERIC},
	{"u@localhost", NULL, MAILBOX_LOCALHOST},
	{"u@mail.LOCALHOST", NULL, MAILBOX_LOCALHOST},
	{"u@mail", NULL, MAILBOX_SINGLE},
	{"<@a:b@c.test>", NULL, MAILBOX_BRACKET},
	{"@a.test:b@c.test", NULL, MAILBOX_NO_LOCAL},
	{"<a@c.test>", NULL, MAILBOX_BRACKET},
	{"Ann <a@c.test>", NULL, MAILBOX_BRACKET},
	{"a@c.test>", NULL, MAILBOX_BRACKET},
	{"\"a\"@c.test>", NULL, MAILBOX_BRACKET},
	{"a b@c.test", NULL, MAILBOX_BLANK},
	{" a@c.test", NULL, MAILBOX_BLANK},
	{"a@c.test ", NULL, MAILBOX_BLANK},
	{"a@c.test SIZE=1", NULL, MAILBOX_BLANK},
	{"\"a\"@c.test BODY=8BITMIME", NULL, MAILBOX_BLANK},
	{"a@c.test\r\nRCPT TO:<evil@d.test>", NULL, MAILBOX_CRLF},
	{"a@c.test\n", NULL, MAILBOX_CRLF},
	{"\"a\rb\"@c.test", NULL, MAILBOX_CRLF},
	{"a\tb@c.test", NULL, MAILBOX_CONTROL},
	{"a\x1b[0m@c.test", NULL, MAILBOX_CONTROL},
	{"a\x7f@c.test", NULL, MAILBOX_CONTROL},
	{"a\xff@c.test", NULL, MAILBOX_UTF8},
	{"a\xc0\xae@c.test", NULL, MAILBOX_UTF8},     /* overlong */
	{"a\xed\xa0\x80@c.test", NULL, MAILBOX_UTF8}, /* surrogate */
	{"a\xe2\x80\xae"
	 "b@c.test",
	 NULL, MAILBOX_INVISIBLE},			   /* right to left override */
	{"a\xe2\x80\x8b@c.test", NULL, MAILBOX_INVISIBLE}, /* zero width space */
	{"a@c\xe2\x80\x8b.test", NULL, MAILBOX_INVISIBLE},
	{"\xef\xbb\xbf"
	 "a@c.test",
	 NULL, MAILBOX_INVISIBLE},			   /* byte order mark */
	{"a\xc2\xa0@c.test", NULL, MAILBOX_INVISIBLE},	   /* no-break space */
	{"a\xc2\x85@c.test", NULL, MAILBOX_INVISIBLE},	   /* next line */
	{"a\xe2\x80\xa8@c.test", NULL, MAILBOX_INVISIBLE}, /* line separator */
	{"a\xc2\xad@c.test", NULL, MAILBOX_INVISIBLE},	   /* soft hyphen */
	{"u@\xcc\x88x.test", NULL, MAILBOX_IDN},	   /* leading combining mark */
	{"u@a\xe2\x99\xa5.test", NULL, MAILBOX_IDN},	   /* a heart: disallowed */
	{"u@\xc3\xbc---a.test", NULL, MAILBOX_IDN},	   /* hyphens in 3 and 4 of a U-label */
	{"u@xn--\xc3\xbc.test", NULL, MAILBOX_IDN},
	{"u@xn--zzzzzzzz999999999.test", NULL, MAILBOX_IDN}, /* no Punycode */
	{"u@xn--a.test", NULL, MAILBOX_IDN},
	{"u@\xe2\x84\x80.test", NULL, MAILBOX_LABEL}, /* folds to a/c */
};

static void addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailbox mailbox;
		enum mailbox_fault fault = mailbox_read(slice_of(rows[i].text), &mailbox);

		if (fault != rows[i].fault)
			fail_msg("\"%s\": %s; expected: %s", rows[i].text, mailbox_fault_sentence(fault),
				 mailbox_fault_sentence(rows[i].fault));
		if (!fault && !slice_is(mailbox_address(&mailbox), slice_of(rows[i].address)))
			fail_msg("\"%s\" became \"%.*s\"", rows[i].text, SLICE_ARG(mailbox_address(&mailbox)));
	}
}

static void parts(void **state)
{
	struct mailbox mailbox;

	(void)state;
	assert_int_equal(mailbox_read(SLICE("\"a@b c\"@D.Test"), &mailbox), 0);
	assert_true(slice_is(mailbox_local(&mailbox), SLICE("\"a@b c\"")));
	assert_true(slice_is(mailbox_domain(&mailbox), SLICE("d.test")));
	assert_false(mailbox.utf8);
	assert_int_equal(mailbox_read(SLICE("\xc3\xa4@d.test"), &mailbox), 0);
	assert_true(mailbox.utf8);
	assert_int_equal(mailbox_read(SLICE("a@d\xc3\xa4.test"), &mailbox), 0);
	assert_false(mailbox.utf8); /* only the domain: it goes as an A-label */
	assert_int_equal(mailbox_read((struct slice){"a\0b@c.test", 10}, &mailbox), MAILBOX_CONTROL);
}

static void codes(void **state)
{
	(void)state;
	assert_string_equal(mailbox_fault_code(MAILBOX_CRLF), "E_CRLF");
	assert_string_equal(mailbox_fault_code(MAILBOX_UTF8), "E_UTF8");
	assert_string_equal(mailbox_fault_code(MAILBOX_NO_AT), "E_ADDRESS");
}

/* Whatever is taken can be written into a command and read back as itself. */
static void taken_is_stable(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailbox mailbox, again;

		if (mailbox_read(slice_of(rows[i].text), &mailbox))
			continue;
		assert_int_equal(mailbox_read(mailbox_address(&mailbox), &again), 0);
		assert_true(slice_is(mailbox_address(&again), mailbox_address(&mailbox)));
		assert_true(sizeof("RCPT TO:<>\r\n") + mailbox.len <= 512);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(parts),
		cmocka_unit_test(codes),
		cmocka_unit_test(taken_is_stable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
