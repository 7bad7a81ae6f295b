/* Each row of the rules is met by its own example, and the examples are the tests: a row that never decides, or that
 * an earlier one takes everything from, fails here. Then what must hold whatever the rows say. */
#include "smtp/verdict.h"
#include "smtp/verdict_rules.h"
#include "smtp/verdict_words.h"

#include "base/outbuf.h"
#include "tests/unit/verdict_reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct verdict judge(enum stage stage, const char *reply)
{
	struct heard heard = {.stage = stage};

	assert_true(heard_read(&heard, slice_of(reply)));
	return verdict_of(&heard);
}

static struct verdict judge_example(const char *example)
{
	struct slice rest = slice_of(example);
	enum stage stage;

	assert_true(stage_parse(&stage, slice_until(&rest, ' ')));
	return judge(stage, rest.ptr);
}

static const struct verdict_rule *rule_at(unsigned number)
{
	for (unsigned t = 0; t < verdict_tables_count; number -= verdict_tables[t++]->count)
		if (number < verdict_tables[t]->count)
			return &verdict_tables[t]->rules[number];
	return NULL;
}

static void test_every_rule_meets_its_example(void **state)
{
	unsigned wrong = 0;
	const struct verdict_rule *rule;

	(void)state;
	for (unsigned i = 0; (rule = rule_at(i)); i++) {
		struct verdict verdict = judge_example(rule->example);

		if (strcmp(verdict.rule, rule->name) == 0)
			continue;
		print_message("rule %s: its example \"%s\" met rule %s\n", rule->name, rule->example, verdict.rule);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

/* A phrase as somebody might say it: parts apart, stems as words. */
static void say_phrase(struct outbuf *out, struct slice phrase)
{
	while (phrase.len > 0) {
		struct slice part = slice_trim(slice_until(&phrase, '*'));

		for (size_t i = 0; i < part.len; i++)
			if (part.ptr[i] != '-')
				outbuf_add(out, part.ptr[i] == '@'   ? SLICE("<ann@b.example>")
						: part.ptr[i] == '#' ? SLICE("192.0.2.10")
								     : slice_head(slice_skip(part, i), 1));
		if (phrase.len > 0)
			outbuf_add(out, SLICE(" ann "));
	}
}

/* The phrase in the place of the example's words, and a mark of the site where the row has one. */
static const char *rule_met_by(const struct verdict_rule *rule, struct slice phrase)
{
	struct slice rest = slice_of(rule->example), word = slice_until(&rest, ' ');
	struct outbuf out = {0};
	struct heard heard = {0};
	struct verdict verdict;

	assert_true(stage_parse(&heard.stage, word));
	assert_true(heard_read(&heard, rest));
	say_phrase(&out, phrase);
	heard.provider = slice_of(rule->site);
	heard.text = outbuf_slice(&out);
	verdict = verdict_of(&heard);
	outbuf_free(&out);
	return verdict.rule;
}

/* A phrase that an earlier row takes everything from is dead weight, and hides what its row is believed to do. */
static void test_every_phrase_can_decide(void **state)
{
	unsigned wrong = 0;
	const struct verdict_rule *rule;

	(void)state;
	for (unsigned i = 0; (rule = rule_at(i)); i++)
		for (struct slice rest = slice_of(rule->words); rest.len > 0;) {
			struct slice phrase = slice_until(&rest, '|');
			const char *met = rule_met_by(rule, phrase);

			if (strcmp(met, rule->name) == 0)
				continue;
			print_message("rule %s: its phrase \"%.*s\" meets rule %s\n", rule->name, SLICE_ARG(phrase),
				      met);
			wrong++;
		}
	assert_int_equal(wrong, 0);
}

/* A phrase can be found only if its words have the form that the words of a reply are given. */
static void test_phrases_are_in_the_form_of_words(void **state)
{
	const struct verdict_rule *rule;

	(void)state;
	for (unsigned i = 0; (rule = rule_at(i)); i++)
		for (struct slice rest = slice_of(rule->words); rest.len > 0;) {
			struct slice part = slice_trim(slice_until(&rest, '|'));
			struct verdict_words words;
			struct outbuf plain = {0};

			for (size_t k = 0; k < part.len; k++)
				if (part.ptr[k] != '@' && part.ptr[k] != '#' && part.ptr[k] != '*' &&
				    part.ptr[k] != '-')
					outbuf_byte(&plain, part.ptr[k]);
			verdict_words_of(&words, 550, outbuf_slice(&plain));
			for (size_t from = 0, to = 1; from < plain.len; from++)
				if (plain.ptr[from] != ' ') {
					to += words.text[to] == ' ';
					if (words.text[to++] != plain.ptr[from])
						fail_msg("rule %s: \"%.*s\" can never be found", rule->name,
							 SLICE_ARG(part));
				}
			outbuf_free(&plain);
		}
}

static void test_rules_are_well_formed(void **state)
{
	const struct verdict_rule *rule;

	(void)state;
	for (unsigned i = 0; (rule = rule_at(i)); i++) {
		assert_true(rule->codes[0] != '\0');
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(rule->name, rule_at(k)->name);
		assert_null(strstr(rule->words, "||"));
		assert_null(strstr(rule->words, "**"));
		if (rule->suppress != SUPPRESS_NOT)
			assert_true(rule->category == CATEGORY_INVALID_RECIPIENT &&
				    (rule->scope == SCOPE_RECIPIENT || rule->scope == SCOPE_BY_STAGE) &&
				    rule->action == ACTION_NEVER);
	}
}

static void promises_hold(const struct heard *heard)
{
	struct verdict verdict = verdict_of(heard);

	assert_true(verdict.action != ACTION_DELIVERED);
	if (verdict.suppress)
		assert_true(heard->stage == STAGE_RCPT && heard->code >= 500 && verdict.scope == SCOPE_RECIPIENT &&
			    verdict.category == CATEGORY_INVALID_RECIPIENT && verdict.action == ACTION_NEVER);
	if (heard->stage < STAGE_MAIL || heard->code == 421)
		assert_true(verdict.action != ACTION_NEVER);
	if (heard->code < 500 && verdict.action == ACTION_NEVER)
		assert_true(heard->stage == STAGE_RCPT && verdict.category == CATEGORY_INVALID_RECIPIENT);
	if (heard->code == 421)
		assert_true(verdict.scope == SCOPE_CONNECTION || verdict.action == ACTION_SLOWER);
}

/* The words of every row, said at every stage with every class of code: the promises hold. */
static void test_promises_hold_for_all_words(void **state)
{
	static const unsigned codes[] = {421, 450, 451, 452, 500, 550, 552, 554, 599};

	(void)state;
	for (unsigned i = 0; rule_at(i); i++)
		for (enum stage stage = STAGE_CONNECT; stage <= STAGE_EOM; stage++)
			for (unsigned c = 0; c < sizeof(codes) / sizeof(codes[0]); c++) {
				struct slice text = slice_of(rule_at(i)->example);
				struct heard heard = {.stage = stage, .code = codes[c]};

				slice_until(&text, ' ');
				slice_until(&text, ' ');
				verdict_split(heard.code, text, &heard.enhanced, &heard.text);
				promises_hold(&heard);
			}
}

static void test_only_the_end_of_data_delivers(void **state)
{
	(void)state;
	for (enum stage stage = STAGE_CONNECT; stage <= STAGE_EOM; stage++)
		for (unsigned code = 200; code < 600; code++) {
			struct heard heard = {.stage = stage, .code = code};

			assert_int_equal(verdict_of(&heard).action == ACTION_DELIVERED,
					 stage == STAGE_EOM && code < 300);
		}
}

/* What an administrator would look up, and the dialogues depend on. */
static void test_known_replies(void **state)
{
	static const struct {
		enum stage stage;
		const char *reply;
		enum action action;
		enum scope scope;
		enum category category;
		bool suppress;
	} known[] = {
		{STAGE_CONNECT, "554 5.7.1 go away", ACTION_ELSEWHERE, SCOPE_CONNECTION, CATEGORY_POLICY, false},
		{STAGE_CONNECT, "421 4.3.2 restarting", ACTION_ELSEWHERE, SCOPE_CONNECTION, CATEGORY_REMOTE_ERROR,
		 false},
		{STAGE_EHLO, "550 no", ACTION_ELSEWHERE, SCOPE_CONNECTION, CATEGORY_POLICY, false},
		{STAGE_MAIL, "550 5.7.1 not this one", ACTION_NEVER, SCOPE_MESSAGE, CATEGORY_POLICY, false},
		{STAGE_MAIL, "552 5.3.4 no", ACTION_NEVER, SCOPE_MESSAGE, CATEGORY_MESSAGE_TOO_LARGE, false},
		{STAGE_MAIL, "530 5.7.0 Must issue a STARTTLS command first", ACTION_LATER, SCOPE_SITE, CATEGORY_TLS,
		 false},
		{STAGE_RCPT, "550 5.1.1 unknown", ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, true},
		{STAGE_RCPT, "550 5.7.1 no", ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_POLICY, false},
		{STAGE_RCPT, "550 5.1.1 Client host blocked using list.example", ACTION_NEVER, SCOPE_LANE,
		 CATEGORY_REPUTATION, false},
		{STAGE_RCPT, "550", ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_UNDETERMINED, false},
		{STAGE_RCPT, "450 4.7.1 Greylisted, try again in 300 s", ACTION_LATER, SCOPE_RECIPIENT,
		 CATEGORY_GREYLISTED, false},
		{STAGE_RCPT, "552 5.2.2 full", ACTION_LATER, SCOPE_RECIPIENT, CATEGORY_MAILBOX_FULL, false},
		{STAGE_RCPT, "599 no", ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_UNDETERMINED, false},
		{STAGE_DATA, "421 4.7.0 closing", ACTION_LATER, SCOPE_CONNECTION, CATEGORY_POLICY, false},
		{STAGE_EOM, "554 5.7.1 spam", ACTION_NEVER, SCOPE_MESSAGE, CATEGORY_SPAM_CONTENT, false},
		{STAGE_EOM, "451 4.7.1 Too many messages from your address", ACTION_SLOWER, SCOPE_LANE,
		 CATEGORY_RATE_LIMITED, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct verdict verdict = judge(known[i].stage, known[i].reply);

		if (verdict.action != known[i].action || verdict.scope != known[i].scope ||
		    verdict.category != known[i].category || verdict.suppress != known[i].suppress)
			fail_msg("%s: %s %s %s by %s", known[i].reply, action_name(verdict.action),
				 scope_name(verdict.scope), category_name(verdict.category), verdict.rule);
	}
}

static void test_waits_are_read(void **state)
{
	static const struct {
		const char *reply;
		unsigned seconds;
	} waits[] = {
		{"450 Greylisted, try again in 300 s", 300},	  {"450 greylisted for 5 minutes", 300},
		{"451 4.7.1 slow down for 2 hours", 7200},	  {"450 greylisted for 60 seconds by us", 60},
		{"450 greylisted, see rule 12 of x3 seconds", 0}, {"450 greylisted", 0},
		{"550 user unknown for 20 minutes", 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		assert_int_equal(judge(STAGE_RCPT, waits[i].reply).retry_after_s, waits[i].seconds);
}

static void test_enhanced_codes_are_split(void **state)
{
	static const struct {
		unsigned code;
		const char *line, *enhanced, *text;
	} lines[] = {
		{550, "5.1.1 no", "5.1.1", "no"},
		{550, "5.1.1", "5.1.1", ""},
		{250, "2.0.0 ok", "2.0.0", "ok"},
		{550, "5.7.26 a", "5.7.26", "a"},
		{550, "5.123.456 a", "5.123.456", "a"},
		{550, "5.1234.1 a", "", "5.1234.1 a"},
		{250, "5.1.1 fine", "", "5.1.1 fine"},
		{354, "3.0.0 go", "", "3.0.0 go"},
		{550, "5.1 no", "", "5.1 no"},
		{550, "5..1 no", "", "5..1 no"},
		{550, "5.1.1no", "", "5.1.1no"},
		{550, "5.1.1\nmore", "5.1.1", "\nmore"},
		{550, "", "", ""},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct slice enhanced, text;

		verdict_split(lines[i].code, slice_of(lines[i].line), &enhanced, &text);
		assert_true(slice_is(enhanced, slice_of(lines[i].enhanced)));
		assert_true(slice_is(text, slice_of(lines[i].text)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_rule_meets_its_example),
		cmocka_unit_test(test_every_phrase_can_decide),
		cmocka_unit_test(test_phrases_are_in_the_form_of_words),
		cmocka_unit_test(test_rules_are_well_formed),
		cmocka_unit_test(test_promises_hold_for_all_words),
		cmocka_unit_test(test_only_the_end_of_data_delivers),
		cmocka_unit_test(test_known_replies),
		cmocka_unit_test(test_waits_are_read),
		cmocka_unit_test(test_enhanced_codes_are_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
