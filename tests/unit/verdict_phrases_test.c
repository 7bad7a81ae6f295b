/* Phrases found at once: whole words, beginnings, parts in order and near, other scripts, and many that overlap. */
#include "smtp/verdict_phrases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Which of the phrases, as bits of their places in the list. */
static unsigned found_in(const char *const *phrases, unsigned count, const char *text)
{
	struct phrases *book = phrases_new();
	struct phrases_found found;
	struct verdict_words words;
	unsigned bits = 0;

	for (unsigned i = 0; i < count; i++)
		phrases_add(book, i, phrases[i]);
	phrases_build(book);
	verdict_words_of(&words, 550, slice_of(text));
	phrases_find(book, &words, &found);
	for (unsigned i = 0; i < count; i++)
		bits |= (unsigned)phrases_has(&found, i) << i;
	free(book);
	return bits;
}

static bool is_found(const char *phrase, const char *text)
{
	return found_in(&phrase, 1, text);
}

static void test_words(void **state)
{
	(void)state;
	assert_true(is_found("user unknown", "User unknown"));
	assert_true(is_found("user unknown", "<a@b.example>: user-unknown."));
	assert_false(is_found("user unknown", "superuser unknown"));
	assert_false(is_found("user unknown", "user unknowns"));
	assert_true(is_found("a|user|b", "the user"));
	assert_true(is_found("reject-", "was rejected"));
	assert_true(is_found("reject-", "reject"));
	assert_false(is_found("reject-", "we eject"));
	assert_true(is_found("不存在", "用户不存在了"));
	assert_true(is_found("@ unknown", "ann@b.example unknown"));
}

static void test_parts(void **state)
{
	char far[300];

	(void)state;
	assert_true(is_found("user * unknown", "user ann is unknown"));
	assert_true(is_found("user * unknown", "user unknown"));
	assert_false(is_found("user * unknown", "unknown user"));
	assert_true(is_found("user * unknown", "unknown user, unknown"));
	assert_true(is_found("a * b * c", "a b c"));
	assert_false(is_found("a * b * c", "a c b"));
	assert_false(is_found("a * a", "a"));
	assert_true(is_found("a * a", "a a"));
	assert_false(is_found("long word * word", "long word"));
	snprintf(far, sizeof(far), "user %*s unknown", PHRASES_GAP_MAX - 10, "x");
	assert_true(is_found("user * unknown", far));
	memset(far, 'x', sizeof(far) - 1);
	far[sizeof(far) - 1] = '\0';
	memcpy(far, "user ", 5);
	memcpy(far + sizeof(far) - 9, " unknown", 8);
	assert_false(is_found("user * unknown", far));
	memcpy(far + sizeof(far) - 20, " user ", 6);
	assert_true(is_found("user * unknown", far)); /* the latest one counts */
}

static void test_all_at_once(void **state)
{
	static const char *const phrases[] = {"user",  "user unknown", "unknown",     "user unknown here", "her-",
					      "known", "user * here",  "here * user", "用户|использ"};

	(void)state;
	assert_int_equal(found_in(phrases, 9, "user unknown here"), 0x5f & ~0x20);
	assert_int_equal(found_in(phrases, 9, "here: user"), 0x1 | 0x10 | 0x80);
	assert_int_equal(found_in(phrases, 9, "Пользователь"), 0);
	assert_int_equal(found_in(phrases, 9, "использовать"), 0x100);
	assert_int_equal(found_in(phrases, 9, ""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
