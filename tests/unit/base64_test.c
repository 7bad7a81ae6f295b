/* Base64 there and back, and what is none. */
#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* RFC 4648 10, and bytes that text does not have. */
static const struct {
	struct slice bytes;
	const char *text;
} pairs[] = {
	{{"", 0}, ""},
	{{"f", 1}, "Zg=="},
	{{"fo", 2}, "Zm8="},
	{{"foo", 3}, "Zm9v"},
	{{"foob", 4}, "Zm9vYg=="},
	{{"fooba", 5}, "Zm9vYmE="},
	{{"foobar", 6}, "Zm9vYmFy"},
	{{"\0u\0p", 4}, "AHUAcA=="},
	{{"\xff\xfe\xfb", 3}, "//77"},
};

static void test_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct outbuf out = {0};

		base64_add(&out, pairs[i].bytes);
		assert_true(slice_is(outbuf_slice(&out), slice_of(pairs[i].text)));
		outbuf_reset(&out);
		assert_true(base64_read(&out, slice_of(pairs[i].text)));
		assert_true(slice_is(outbuf_slice(&out), pairs[i].bytes));
		outbuf_free(&out);
	}
}

static void test_what_is_none(void **state)
{
	static const char *const wrong[] = {"!!!",	"Zg",	"Zg=",	       "Z===",	   "====",
					    "Zh==",	"Zm9=", "Zg==Zg==",    "Z=g=",	   "Zm 9v",
					    "Zm9v\r\n", "Zm9-", "VXNlcm5hbWU", "Username:"};
	struct outbuf out = {0};

	(void)state;
	outbuf_add(&out, SLICE("before"));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_false(base64_read(&out, slice_of(wrong[i])));
		assert_true(slice_is(outbuf_slice(&out), SLICE("before")));
	}
	outbuf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
