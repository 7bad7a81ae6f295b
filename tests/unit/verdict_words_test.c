/* The one form of a reply's words: each rule of verdict_words.h by texts that show it, and then bytes at its bounds. */
#include "smtp/verdict_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void has_form(struct slice text, const char *form, const char *enhanced)
{
	struct verdict_words words;

	verdict_words_of(&words, 550, text);
	if (!slice_is((struct slice){words.text, words.len}, slice_of(form)))
		fail_msg("\"%.*s\": expected \"%s\", found \"%.*s\"", SLICE_ARG(text), form, (int)words.len,
			 words.text);
	if (!slice_is(words.enhanced, slice_of(enhanced)))
		fail_msg("\"%.*s\": expected %s, found %.*s", SLICE_ARG(text), enhanced, SLICE_ARG(words.enhanced));
}

static void test_marks_and_letters(void **state)
{
	(void)state;
	has_form(SLICE(""), " ", "");
	has_form(SLICE("User Unknown"), " user unknown ", "");
	has_form(SLICE("Mailbox-Full!\r\n\tAnd_closed..."), " mailbox full and closed ", "");
	has_form(SLICE("doesn't isn\xe2\x80\x99t 'quoted'"), " doesnt isnt quoted ", "");
	has_form(SLICE("E-Mail e-mail the-mail"), " email email the mail ", "");
	has_form(SLICE("boîte ÜBERFÜLLT żółć Schránka"), " boite uberfullt zolc schranka ", "");
	has_form(SLICE("bo\xeete\xff pleine"), " boitey pleine ", "");
	has_form(SLICE("Ящик ЁЛКА переполнен"), " ящик елка переполнен ", "");
	has_form(SLICE("您的IP地址：被拒绝。ＡＢ１"), " 您的 ip 地址 被拒绝 ab1 ", "");
}

static void test_addresses(void **state)
{
	(void)state;
	has_form(SLICE("<spam@virus.example>: unknown"), " @ unknown ", "");
	has_form(SLICE("no box first.last+tag@b.example, sorry"), " no box @ sorry ", "");
	has_form(SLICE("rejected:ann@b.example"), " rejected @ ", "");
	has_form(SLICE("a @ b, @ c@"), " a b c ", "");
	has_form(SLICE("from [192.0.2.10]:25 and 2001:db8::1"), " from # 25 and # ", "");
	has_form(SLICE("at 12:30:05, 1.2.3.4.5 and 300.1"), " at 12 30 05 1 2 3 4 5 and 300 1 ", "");
}

static void test_codes(void **state)
{
	(void)state;
	has_form(SLICE("sorry (#5.1.1)"), " sorry ", "5.1.1");
	has_form(SLICE("one\n550-5.7.1 two\n550 5.7.1 three"), " one two three ", "5.7.1");
	has_form(SLICE("said: 450 4.2.0 busy"), " said busy ", "");
	has_form(SLICE("#id-5.9.4 v5.1.1x"), " id 5 9 4 v5 1 1x ", "");
	has_form(SLICE("5.7.26 then 5.1.1"), " then ", "5.7.26");
}

/* No more than its room is written, whatever step comes last. */
static void test_bounds(void **state)
{
	static const char *const pieces[] = {"a",	 "界",	   "ж", "é",	" a", "a@b ",
					     "1.2.3.4 ", "5.1.1 ", "-", "\xff", "（"};
	char text[8192];

	(void)state;
	for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++)
		for (size_t shift = 0; shift < 8; shift++) {
			struct verdict_words words;
			size_t len = strlen(pieces[p]);

			memset(text, 'x', sizeof(text));
			for (size_t at = shift; at + len <= sizeof(text); at += len)
				memcpy(text + at, pieces[p], len);
			verdict_words_of(&words, 550, (struct slice){text, sizeof(text)});
			assert_true(words.len <= VERDICT_WORDS_MAX);
			assert_true(words.text[0] == ' ' && words.text[words.len - 1] == ' ');
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marks_and_letters),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
