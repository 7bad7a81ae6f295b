/* The scoreboard: each name has its own numbers, and there are never more than so many names. */
#include "scoreboard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct outcome delivered = {.verdict = {.action = ACTION_DELIVERED}};
static const struct outcome unknown = {.verdict = {.action = ACTION_NEVER, .category = CATEGORY_INVALID_RECIPIENT}};
static const struct outcome limited = {.verdict = {.action = ACTION_SLOWER, .category = CATEGORY_RATE_LIMITED}};

static bool says(const struct scoreboard *scoreboard, const char *text)
{
	struct outbuf out = {0};
	bool found;

	outbuf_byte(&out, '{');
	scoreboard_write(scoreboard, &out);
	outbuf_add(&out, SLICE("}"));
	outbuf_byte(&out, '\0');
	found = strstr(out.ptr, text) != NULL;
	if (!found)
		print_error("%s\n", out.ptr);
	outbuf_free(&out);
	return found;
}

static void each_name_has_its_numbers(void **state)
{
	struct scoreboard scoreboard = {0};

	(void)state;
	assert_true(says(&scoreboard, "{\"scoreboard\":{\"site\":[],\"source\":[],\"campaign\":[]}}"));
	scoreboard_count(&scoreboard, SCORE_CAMPAIGN, SLICE("acme"), SLICE("nov"), &delivered);
	scoreboard_count(&scoreboard, SCORE_CAMPAIGN, SLICE("acme"), SLICE("nov"), &delivered);
	scoreboard_count(&scoreboard, SCORE_CAMPAIGN, SLICE("acme"), SLICE("nov"), &unknown);
	scoreboard_count(&scoreboard, SCORE_CAMPAIGN, SLICE("other"), SLICE("nov"), &limited);
	scoreboard_count(&scoreboard, SCORE_SITE, SLICE_NONE, SLICE("google"), &limited);
	assert_true(says(&scoreboard, "{\"tenant\":\"acme\",\"name\":\"nov\",\"delivered\":2,\"refusals\":"
				      "{\"invalid-recipient\":1}}"));
	assert_true(says(&scoreboard, "{\"tenant\":\"other\",\"name\":\"nov\",\"delivered\":0,\"refusals\":"
				      "{\"rate-limited\":1}}"));
	assert_true(says(&scoreboard,
			 "\"site\":[{\"name\":\"google\",\"delivered\":0,\"refusals\":{\"rate-limited\":1}}]"));
	scoreboard_free(&scoreboard);
}

static void only_the_latest_are_kept(void **state)
{
	struct scoreboard scoreboard = {0};
	char name[32];

	(void)state;
	scoreboard_count(&scoreboard, SCORE_SOURCE, SLICE_NONE, SLICE("busy"), &delivered);
	for (unsigned i = 0; i < 3 * SCORES_MAX; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		scoreboard_count(&scoreboard, SCORE_SOURCE, SLICE_NONE, slice_of(name), &delivered);
		scoreboard_count(&scoreboard, SCORE_SOURCE, SLICE_NONE, SLICE("busy"), &delivered);
	}
	assert_int_equal(scoreboard.books[SCORE_SOURCE].by_name.count, SCORES_MAX);
	assert_true(says(&scoreboard, "{\"name\":\"busy\",\"delivered\":1501,"));
	scoreboard_free(&scoreboard);
}

static void long_names_are_cut(void **state)
{
	struct scoreboard scoreboard = {0};
	char name[500];

	(void)state;
	memset(name, 'x', sizeof(name));
	for (size_t len = 300; len <= 500; len += 100)
		scoreboard_count(&scoreboard, SCORE_CAMPAIGN, (struct slice){name, len}, (struct slice){name, len},
				 &delivered);
	assert_int_equal(scoreboard.books[SCORE_CAMPAIGN].by_name.count, 1);
	scoreboard_free(&scoreboard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_name_has_its_numbers),
		cmocka_unit_test(only_the_latest_are_kept),
		cmocka_unit_test(long_names_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
