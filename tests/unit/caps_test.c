/* EHLO replies and what is read out of them (RFC 5321 4.1.1.1, 1870, 9422). */
#include "smtp/caps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct caps parse(const char *text)
{
	return caps_parse(slice_of(text));
}

static void test_all_keywords(void **state)
{
	struct caps caps = parse("mx.test\nPIPELINING\nCHUNKING\n8BITMIME\nSIZE 1000\nSTARTTLS\nDSN\nSMTPUTF8\n"
				 "ENHANCEDSTATUSCODES\nBINARYMIME\nREQUIRETLS\nAUTH PLAIN LOGIN\nLIMITS RCPTMAX=5");

	(void)state;
	assert_true(caps.esmtp && caps.pipelining && caps.chunking && caps.eight_bit && caps.size && caps.starttls);
	assert_true(caps.dsn && caps.smtputf8 && caps.enhanced && caps.binary && caps.requiretls);
	assert_true(caps.auth_plain && caps.auth_login);
	assert_int_equal(caps.size_max, 1000);
	assert_int_equal(caps.recipients_max, 5);
}

static void test_the_first_line_is_a_name(void **state)
{
	struct caps caps = parse("PIPELINING");

	(void)state;
	assert_true(caps.esmtp);
	assert_false(caps.pipelining);
	assert_false(parse("").pipelining);
}

static void test_odd_case_and_old_forms(void **state)
{
	struct caps caps = parse("mx\npipelining\n8BitMime\nAUTH=LOGIN PLAIN\nsize 5000000\n\n   \nX-pipelining2");

	(void)state;
	assert_true(caps.pipelining && caps.eight_bit && caps.auth_login && caps.auth_plain && caps.size);
	assert_int_equal(caps.size_max, 5000000);
	assert_false(parse("mx\nXPIPELINING\nPIPELININGX\n8BITMIMES").pipelining);
	assert_false(parse("mx\n8BITMIMES").eight_bit);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *line;
		uint64_t max;
	} sizes[] = {
		{"mx\nSIZE 1000", 1000}, {"mx\nSIZE", 0},    {"mx\nSIZE 0", 0},	 {"mx\nSIZE  77 ", 77},
		{"mx\nSIZE 10 20", 0},	 {"mx\nSIZE -1", 0}, {"mx\nSIZE 1k", 0}, {"mx\nSIZE 99999999999999999999", 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_true(parse(sizes[i].line).size);
		assert_int_equal(parse(sizes[i].line).size_max, sizes[i].max);
	}
}

static void test_limits(void **state)
{
	struct caps caps = parse("mx\nLIMITS RCPTMAX=2 mailmax=30 RCPTDOMAINMAX=1 FOO=9 BAR");

	(void)state;
	assert_int_equal(caps.recipients_max, 2);
	assert_int_equal(caps.messages_max, 30);
	assert_int_equal(caps.domains_max, 1);
	caps = parse("mx\nLIMITS RCPTMAX=abc MAILMAX=0 FOO\nLIMITS RCPTDOMAINMAX=01 MAILMAX=1000000 RCPTMAX=");
	assert_int_equal(caps.recipients_max, 0);
	assert_int_equal(caps.messages_max, 0);
	assert_int_equal(caps.domains_max, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_keywords),
		cmocka_unit_test(test_the_first_line_is_a_name),
		cmocka_unit_test(test_odd_case_and_old_forms),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
