/* Replies as people meet them, and what each means: the files in tests/unit/verdict, whose form is told in the first of
 * them. Then replies nobody should send: of 64 KB, with NULs and bytes of no alphabet, of ten thousand lines. */
#include "smtp/verdict.h"
#include "smtp/verdict_detail.h"

#include "base/outbuf.h"
#include "tests/unit/verdict_reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROW_MAX_BYTES = 4096, ROWS_LEAST = 400 };

/* What a row expects: words that must all be true, and whether "suppress" is among them. */
struct expected {
	struct slice words;
	struct slice wait; /* empty: anything */
};

static bool has_word(struct slice words, const char *word)
{
	while (words.len > 0)
		if (slice_is(slice_until(&words, ' '), slice_of(word)))
			return true;
	return false;
}

static bool is_as_expected(const struct verdict *verdict, const struct expected *expected)
{
	uint64_t wait;

	if (expected->wait.len && (!slice_number(expected->wait, UINT32_MAX, &wait) || wait != verdict->retry_after_s))
		return false;
	return has_word(expected->words, action_name(verdict->action)) &&
	       has_word(expected->words, scope_name(verdict->scope)) &&
	       has_word(expected->words, category_name(verdict->category)) &&
	       has_word(expected->words, "suppress") == verdict->suppress;
}

/* "\n" in a row is the end of a line of the reply. */
static void unfold(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++, to++)
		if (from[0] == '\\' && from[1] == 'n') {
			*to = '\n';
			from++;
		} else {
			*to = *from;
		}
	*to = '\0';
}

/* STAGE or STAGE/SITE, a colon, the reply; perhaps " -> ", the wait, and words in the place of the heading's. */
static bool row_holds(struct slice row, struct expected expected)
{
	struct slice place = slice_until(&row, ':'), stage = slice_until(&place, '/');
	struct heard heard = {.provider = place};
	const char *arrow = memmem(row.ptr, row.len, " -> ", 4);
	struct verdict verdict;

	if (arrow) {
		struct slice rest = slice_skip(row, (size_t)(arrow - row.ptr) + 4);

		row = slice_head(row, (size_t)(arrow - row.ptr));
		expected.wait = slice_until(&rest, ' ');
		if (rest.len > 0)
			expected.words = rest;
	}
	if (!stage_parse(&heard.stage, stage) || !heard_read(&heard, row)) {
		print_message("not a row: %.*s\n", SLICE_ARG(row));
		return false;
	}
	verdict = verdict_of(&heard);
	if (is_as_expected(&verdict, &expected))
		return true;
	print_message("%.*s:%.*s\n    expected %.*s %.*s\n    it is    %s %s %s%s %u by %s\n", SLICE_ARG(stage),
		      SLICE_ARG(row), SLICE_ARG(expected.words), SLICE_ARG(expected.wait), action_name(verdict.action),
		      scope_name(verdict.scope), category_name(verdict.category), verdict.suppress ? " suppress" : "",
		      verdict.retry_after_s, verdict.rule);
	return false;
}

static unsigned play_file(const char *path, unsigned *wrong)
{
	static char line[ROW_MAX_BYTES], heading[ROW_MAX_BYTES];
	FILE *file = fopen(path, "re");
	unsigned rows = 0;

	if (!file)
		fail_msg("cannot read %s; run this from the project's root", path);
	while (fgets(line, sizeof(line), file)) {
		struct slice row = slice_trim(slice_of(line));

		if (row.len == 0 || row.ptr[0] == '#')
			continue;
		if (slice_starts(row, SLICE("== "))) {
			memcpy(heading, line + 3, sizeof(line) - 3);
			continue;
		}
		line[row.len] = '\0';
		unfold(line);
		*wrong += !row_holds(slice_of(line), (struct expected){slice_trim(slice_of(heading)), SLICE_NONE});
		rows++;
	}
	fclose(file);
	return rows;
}

static void test_examples(void **state)
{
	unsigned wrong = 0, rows = 0;

	(void)state;
	rows += play_file("tests/unit/verdict/mailbox.txt", &wrong);
	rows += play_file("tests/unit/verdict/sender.txt", &wrong);
	print_message("%u replies, %u judged otherwise\n", rows, wrong);
	assert_true(rows >= ROWS_LEAST);
	assert_int_equal(wrong, 0);
}

static struct verdict judge_text(enum stage stage, struct slice text)
{
	struct heard heard = {.stage = stage, .code = 550, .text = text};

	return verdict_of(&heard);
}

/* What is said within the first two kilobytes counts, however much follows. */
static void test_long_replies(void **state)
{
	struct outbuf text = {0};

	(void)state;
	outbuf_add(&text, SLICE("user unknown"));
	while (text.len < 65536)
		outbuf_add(&text, SLICE(" blacklisted\n"));
	assert_int_equal(judge_text(STAGE_RCPT, outbuf_slice(&text)).category, CATEGORY_INVALID_RECIPIENT);
	outbuf_reset(&text);
	for (unsigned i = 0; i < 10000; i++)
		outbuf_add(&text, SLICE("no\n"));
	outbuf_add(&text, SLICE("user unknown"));
	assert_int_equal(judge_text(STAGE_RCPT, outbuf_slice(&text)).category, CATEGORY_UNDETERMINED);
	outbuf_free(&text);
}

/* Each byte 3000 times, alone and before each other: nothing but a verdict comes of it. */
static void test_bytes_of_no_alphabet(void **state)
{
	char text[3000];

	(void)state;
	for (unsigned first = 0; first < 256; first++)
		for (unsigned second = 0; second < 256; second += 5) {
			for (size_t i = 0; i < sizeof(text); i += 2) {
				text[i] = (char)first;
				text[i + 1] = (char)second;
			}
			assert_false(judge_text(STAGE_RCPT, (struct slice){text, sizeof(text)}).suppress);
		}
}

static void test_nul_hides_nothing(void **state)
{
	(void)state;
	assert_true(judge_text(STAGE_RCPT, SLICE("\0user unknown\0")).suppress);
	assert_true(judge_text(STAGE_RCPT, SLICE("user\0unknown")).suppress);
	assert_false(judge_text(STAGE_RCPT, SLICE("\0\0\0")).suppress);
	assert_false(judge_text(STAGE_RCPT, SLICE_NONE).suppress);
}

/* Bytes of GBK and of ISO-2022-JP: read as nothing in particular. */
static void test_other_encodings(void **state)
{
	(void)state;
	assert_int_equal(judge_text(STAGE_RCPT, SLICE("\xd3\xc3\xbb\xa7\xb2\xbb\xb4\xe6\xd4\xda")).action,
			 ACTION_NEVER);
	assert_int_equal(judge_text(STAGE_RCPT, SLICE("\x1b$B%f!<%6!<\x1b(B")).action, ACTION_NEVER);
	assert_int_equal(judge_text(STAGE_RCPT, SLICE("bo\xeete pleine")).category, CATEGORY_MAILBOX_FULL);
	assert_int_equal(judge_text(STAGE_RCPT, SLICE("boîte pleine")).category, CATEGORY_MAILBOX_FULL);
	assert_int_equal(judge_text(STAGE_RCPT, SLICE("BOÎTE PLEINE")).category, CATEGORY_MAILBOX_FULL);
}

static void test_what_is_named(void **state)
{
	static const struct {
		const char *text, *list, *url;
	} named[] = {
		{"Client host [192.0.2.10] blocked using zen.list.example; see https://list.example/q?ip=192.0.2.10.",
		 "zen.list.example", "https://list.example/q?ip=192.0.2.10"},
		{"listed at Spamhaus, see <http://www.spamhaus.org>", "Spamhaus", "http://www.spamhaus.org"},
		{"see HTTPS://www.spamhaus.org/query/ip/192.0.2.10", "www.spamhaus.org",
		 "HTTPS://www.spamhaus.org/query/ip/192.0.2.10"},
		{"rejected, b.barracudacentral.org has you", "b.barracudacentral.org", ""},
		{"No such user", "", ""},
		{"http://", "", ""},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		struct verdict_detail detail = verdict_detail_of(slice_of(named[i].text));

		if (!slice_is(detail.list, slice_of(named[i].list)) || !slice_is(detail.url, slice_of(named[i].url)))
			fail_msg("%s: list \"%.*s\", url \"%.*s\"", named[i].text, SLICE_ARG(detail.list),
				 SLICE_ARG(detail.url));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_long_replies),
		cmocka_unit_test(test_bytes_of_no_alphabet),
		cmocka_unit_test(test_nul_hides_nothing),
		cmocka_unit_test(test_other_encodings),
		cmocka_unit_test(test_what_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
