/* Orders as strangers write them into the control stream. */
#include "queue/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { FIELDS_MAX = 16 };

static size_t fields_of(const char *const *words, struct slice *fields)
{
	size_t n = 0;

	for (; words[n]; n++)
		fields[n] = slice_of(words[n]);
	return n;
}

#define ORDER(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_read(void **state)
{
	struct slice fields[FIELDS_MAX];
	struct refusal refusal;
	struct control control;
	size_t n = fields_of(ORDER("match", "{\"job\":\"7\"}", "do", "pause", "for", "90m", "by", "Ann B.", "ref",
				   "R-1", "hold-expiry", "yes"),
			     fields);

	(void)state;
	assert_true(control_read(&control, SLICE("1-1"), fields, n, &refusal));
	assert_true(slice_is(control.what, SLICE("pause")) && slice_is(control.match, SLICE("{\"job\":\"7\"}")));
	assert_true(slice_is(control.by, SLICE("Ann B.")) && slice_is(control.ref, SLICE("R-1")));
	assert_true(slice_is(control.entry, SLICE("1-1")) && control.hold_expiry);
	assert_int_equal(control.for_ms, 90 * 60000);
}

static void refuses(const char *const *words, const char *say)
{
	struct slice fields[FIELDS_MAX];
	struct refusal refusal;
	struct control control;

	assert_false(control_read(&control, SLICE("1-1"), fields, fields_of(words, fields), &refusal));
	if (!strstr(refusal.message, say))
		fail_msg("refused with \"%s\", want \"%s\"", refusal.message, say);
}

static void test_refused(void **state)
{
	char longest[CONTROL_TEXT_MAX + 2];

	(void)state;
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	refuses(ORDER("match", "{}"), "expected a field do");
	refuses(ORDER("do", "pause", "mach", "{}"), "unknown field \"mach\", did you mean \"match\"?");
	refuses(ORDER("do", "pause", "for", "2"), "for: expected a duration from 1s to 366d");
	refuses(ORDER("do", "pause", "ref", "two words"),
		"ref: expected at most 128 printable characters without blanks");
	refuses(ORDER("do", "pause", "ref", longest), "ref: expected at most 128");
	refuses(ORDER("do", "pause", "by", "a\nb"), "by: expected at most 128 printable characters");
	refuses(ORDER("do", "pause", "hold-expiry", "maybe"), "expected yes or no, found \"maybe\"");
}

/* Whoever asked hears of it although another field is wrong. */
static void test_refused_reaches(void **state)
{
	struct slice fields[FIELDS_MAX];
	struct refusal refusal;
	struct control control;
	size_t n = fields_of(ORDER("for", "ever", "do", "pause", "ref", "R", "odd"), fields);

	(void)state;
	assert_false(control_read(&control, SLICE("1-1"), fields, n, &refusal));
	assert_true(slice_is(control.ref, SLICE("R")));
	assert_string_equal(refusal.field, "for");
}

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} rows[] = {
		{"1s", 1000}, {"5m", 300000}, {"2h", 7200000}, {"366d", 31622400000},
		{"367d", 0},  {"0s", 0},      {"", 0},	       {"s", 0},
		{"-1s", 0},   {"1.5h", 0},    {"2w", 0},       {"99999999999999999999d", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t ms = 0;

		assert_int_equal(control_duration(slice_of(rows[i].text), &ms), rows[i].ms != 0);
		if (rows[i].ms)
			assert_int_equal(ms, rows[i].ms);
	}
}

static void checks(const char *what, const char *json, const char *field)
{
	struct match match;
	struct refusal refusal;

	assert_true(match_json(&match, slice_of(json), &refusal));
	assert_int_equal(control_check(slice_of(what), &match, &refusal), field == NULL);
	if (field)
		assert_string_equal(refusal.field, field);
	match_free(&match);
}

static void test_check(void **state)
{
	(void)state;
	checks("pause", "{\"campaign\":\"nov\"}", NULL);
	checks("pause", "{\"source\":\"one\",\"site\":\"google\"}", NULL);
	checks("pause", "{\"source\":\"one\",\"job\":\"7\"}", "source");
	checks("pause", "{\"state\":\"held\"}", "state");
	checks("resume", "{\"source\":\"one\",\"job\":\"7\"}", NULL);
	checks("resume", "{\"state\":\"held\"}", "state");
	checks("cancel", "{\"state\":\"held\",\"site\":\"google\"}", NULL);
	checks("cancel", "{\"source\":\"one\"}", NULL);
	checks("retry", "{\"source\":\"one\"}", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),	 cmocka_unit_test(test_refused), cmocka_unit_test(test_refused_reaches),
		cmocka_unit_test(test_duration), cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
