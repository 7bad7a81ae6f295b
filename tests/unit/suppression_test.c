/* The texts of the suppression list: fields, values, reasons. */
#include "queue/suppression.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void field_is(const char *tenant, const char *address, const char *field, const char *domain)
{
	struct outbuf out = {0};

	suppression_field(&out, slice_of(tenant), slice_of(address));
	assert_true(slice_is(outbuf_slice(&out), slice_of(field)));
	assert_true(slice_is(suppression_domain(slice_of(address)), slice_of(domain)));
	outbuf_free(&out);
}

static void test_fields(void **state)
{
	(void)state;
	field_is("acme", "Ann.B@a.test", "acme:ann.b", "a.test");
	field_is("", "\"a@B c\"@a.test", ":\"a@b c\"", "a.test");
	field_is("", "J\xc3\x96RG@a.test", ":j\xc3\x96rg", "a.test");
}

static void test_values(void **state)
{
	struct suppression entry;

	(void)state;
	assert_true(suppression_read(SLICE("2000 1000 verdict invalid-recipient"), &entry));
	assert_false(entry.counts);
	assert_int_equal(entry.until_s, 2000);
	assert_int_equal(entry.since_s, 1000);
	assert_true(slice_is(entry.by, SLICE("verdict")));
	assert_true(slice_is(entry.reason, SLICE("invalid-recipient")));
	assert_true(suppression_read(SLICE("0 1000 ann asked by phone"), &entry));
	assert_int_equal(entry.until_s, 0);
	assert_true(slice_is(entry.reason, SLICE("asked by phone")));
	assert_true(suppression_read(SLICE("?3000 inactive-mailbox 1000 2000 2"), &entry));
	assert_true(entry.counts);
	assert_int_equal(entry.until_s, 3000);
	assert_int_equal(entry.since_s, 1000);
	assert_int_equal(entry.verdicts, 2);
	assert_true(slice_is(entry.reason, SLICE("inactive-mailbox")));
}

/* What somebody else may have put there. */
static void test_no_values(void **state)
{
	static const char *const bad[] = {"",	   "?",		"x",	 "10",	      "10 x",
					  "10 10", "10 -1 a b", "?10 c", "?10 c 1 2", "?x c 1 2 3"};
	struct suppression entry;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(suppression_read(slice_of(bad[i]), &entry));
}

static void test_reasons(void **state)
{
	char longest[SUPPRESSION_REASON_MAX + 2];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	assert_true(suppression_reason_is_fine(SLICE("asked by phone")));
	assert_true(suppression_reason_is_fine((struct slice){longest, SUPPRESSION_REASON_MAX}));
	assert_false(suppression_reason_is_fine((struct slice){longest, SUPPRESSION_REASON_MAX + 1}));
	assert_false(suppression_reason_is_fine(SLICE_NONE));
	assert_false(suppression_reason_is_fine(SLICE(" a")));
	assert_false(suppression_reason_is_fine(SLICE("a ")));
	assert_false(suppression_reason_is_fine(SLICE("a\nb")));
	assert_true(suppression_by_is_fine(SLICE("ann")));
	assert_false(suppression_by_is_fine(SLICE("ann b")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_no_values),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
