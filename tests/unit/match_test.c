/* What operators may write, what it means, and what is refused with which words. The globs are judged by the same rows
 * here and, in tests/live/functions_controls_test.py, inside Redis. */
#include "queue/match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct match words(const char *const *words, unsigned n)
{
	struct match match;
	struct refusal refusal;

	if (!match_words(&match, words, n, &refusal))
		fail_msg("%s", refusal.message);
	return match;
}

#define WORDS(...) words((const char *const[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

static void assert_json(struct match *match, const char *want)
{
	struct outbuf out = {0};

	match_write_json(match, &out);
	outbuf_byte(&out, '\0');
	assert_string_equal(out.ptr, want);
	outbuf_free(&out);
	match_free(match);
}

static void test_words(void **state)
{
	struct match match = WORDS("campaign=nov", "domain=B.example", "domain=*.A.example", "domain=b.example");
	struct outbuf text = {0};

	(void)state;
	match_write_text(&match, &text);
	outbuf_byte(&text, '\0');
	assert_string_equal(text.ptr, "domain=*.a.example domain=b.example campaign=nov");
	outbuf_free(&text);
	assert_json(&match, "{\"domain\":[\"*.a.example\",\"b.example\"],\"campaign\":\"nov\"}");
	match = WORDS("tenant=", "job=a=b");
	assert_json(&match, "{\"tenant\":\"\",\"job\":\"a=b\"}");
}

static void test_json(void **state)
{
	struct match match;
	struct refusal refusal;

	(void)state;
	assert_true(match_json(&match, SLICE("{\"class\":\"bulk\", \"job\":[\"z\",\"a\\\"\"]}"), &refusal));
	assert_json(&match, "{\"job\":[\"a\\\"\",\"z\"],\"class\":\"bulk\"}");
}

static void refuses_json(const char *json, const char *say)
{
	struct match match;
	struct refusal refusal;

	assert_false(match_json(&match, slice_of(json), &refusal));
	if (!strstr(refusal.message, say))
		fail_msg("%s: refused with \"%s\", want \"%s\"", json, refusal.message, say);
	match_free(&match);
}

static void test_refused_json(void **state)
{
	(void)state;
	refuses_json("", "expected a JSON object");
	refuses_json("[]", "expected a JSON object");
	refuses_json("{}", "at least one KEY=VALUE");
	refuses_json("{\"job\":[]}", "at least one KEY=VALUE");
	refuses_json("{\"job\":3}", "expected a string or a list of strings, found");
	refuses_json("{\"job\":[[\"a\"]]}", "expected a string or a list of strings, found");
	refuses_json("{\"campain\":\"nov\"}", "did you mean \"campaign\"?");
	refuses_json("{\"job\":\"a\",\"job\":\"b\"}", "stands twice");
	refuses_json("{\"job\":\"\"}", "found nothing");
	refuses_json("{\"job\":\"a\\nb\"}", "control characters");
}

static void refuses(const char *word, const char *say)
{
	struct match match;
	struct refusal refusal;

	assert_false(match_words(&match, &word, word ? 1 : 0, &refusal));
	if (!strstr(refusal.message, say))
		fail_msg("%s: refused with \"%s\", want \"%s\"", word ? word : "", refusal.message, say);
	assert_null(match.values);
}

static void test_refused_words(void **state)
{
	char longest[400];

	(void)state;
	refuses(NULL, "expected at least one KEY=VALUE");
	refuses("nov", "found \"nov\", expected KEY=VALUE");
	refuses("campain=nov", "unknown key \"campain\", did you mean \"campaign\"?");
	refuses("=nov", "unknown key \"\"");
	refuses("domain=", "expected a value after it");
	refuses("class=bulky", "expected bulk or transactional; did you mean \"bulk\"?");
	refuses("state=helt", "expected queued, deferred or held; did you mean \"held\"?");
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "job=", 4);
	longest[399] = '\0';
	refuses(longest, "at most 255 bytes, found 395");
}

static void test_globs(void **state)
{
	static const struct {
		const char *glob, *text;
		bool fits;
	} rows[] = {
		{"a", "a", true},	 {"a", "b", false},	  {"", "", true},	{"", "a", false},
		{"*", "", true},	 {"*", "abc", true},	  {"a*", "a", true},	{"a*", "ba", false},
		{"*.x", "a.x", true},	 {"*.x", "x", false},	  {"a?c", "abc", true}, {"a?c", "ac", false},
		{"*a*b*", "xaxb", true}, {"*a*b*", "bxa", false}, {"**", "", true},	{"a*b", "ab", true},
		{"a*bc", "abbc", true},	 {"[a]", "a", false},	  {"*?", "", false},	{"*", "*", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (match_glob(slice_of(rows[i].glob), slice_of(rows[i].text)) != rows[i].fits)
			fail_msg("%s and %s: expected %d", rows[i].glob, rows[i].text, rows[i].fits);
}

static void test_fits(void **state)
{
	struct match match = WORDS("campaign=nov", "campaign=dec", "domain=*.example", "job=7");
	struct match_facts facts = {.known = 0};

	(void)state;
	assert_true(match_know_list(&facts, SLICE("b:a.example:acme:dec")));
	assert_true(match_fits(&match, &facts));
	assert_false(match_tells(&match, &facts));
	match_know(&facts, MATCH_JOB, SLICE("7"));
	assert_true(match_fits(&match, &facts) && match_tells(&match, &facts));
	match_know(&facts, MATCH_JOB, SLICE("8"));
	assert_false(match_fits(&match, &facts));
	match_know(&facts, MATCH_JOB, SLICE("7"));
	assert_true(match_know_list(&facts, SLICE("t:a.example:acme:jan")));
	assert_false(match_fits(&match, &facts));
	assert_false(match_know_list(&facts, SLICE("nonsense")));
	assert_true(match_has(&match, MATCH_JOB));
	assert_false(match_has(&match, MATCH_STATE));
	match_free(&match);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),	      cmocka_unit_test(test_json),  cmocka_unit_test(test_refused_json),
		cmocka_unit_test(test_refused_words), cmocka_unit_test(test_globs), cmocka_unit_test(test_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
