/* Quoted-printable: known encodings, and random text that must come back. */
#include "mail/quoted.h"

#include "base/random.h"
#include "smtp/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* RFC 2045 6.7 read the other way, by other means than the writer's. */
static void decode(struct outbuf *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] != '=') {
			outbuf_byte(out, text.ptr[i]);
			continue;
		}
		assert_true(i + 2 < text.len);
		if (text.ptr[i + 1] != '\r') {
			char hex[] = {text.ptr[i + 1], text.ptr[i + 2], '\0'};

			outbuf_byte(out, (char)strtol(hex, NULL, 16));
		}
		i += 2;
	}
}

static void check_lines(struct slice text)
{
	size_t column = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		assert_true(c == '\r' || c == '\n' || c == '\t' || (c >= ' ' && c < 0x7f));
		if (c == '\r') {
			assert_true(i + 1 < text.len && text.ptr[i + 1] == '\n');
			assert_true(i == 0 || (text.ptr[i - 1] != ' ' && text.ptr[i - 1] != '\t'));
		}
		column = c == '\n' || c == '\r' ? 0 : column + 1;
		assert_true(column <= QUOTED_LINE_MAX);
	}
	assert_true(text.len == 0 || (text.ptr[text.len - 1] != ' ' && text.ptr[text.len - 1] != '\t'));
}

static void test_known(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"plain", "plain"},
		{"a=b", "a=3Db"},
		{"caf\xc3\xa9", "caf=C3=A9"},
		{"a b", "a b"},
		{"a ", "a=20"},
		{"a\t", "a=09"},
		{"a \r\nb", "a=20\r\nb"},
		{"a  \nb", "a =20\r\nb"},
		{"a\rb\nc\r\nd", "a\r\nb\r\nc\r\nd"},
		{"\n\n", "\r\n\r\n"},
		{"\n\r", "\r\n\r\n"},
		{".\n..", ".\r\n.."},
		{"From here", "From here"},
		{"\x1b\x7f\x01", "=1B=7F=01"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outbuf out = {0};
		size_t column = 0;

		quoted_write(&out, slice_of(cases[i][0]), &column);
		outbuf_byte(&out, '\0');
		assert_string_equal(out.ptr, cases[i][1]);
		outbuf_free(&out);
	}
}

static void test_soft_breaks(void **state)
{
	struct outbuf out = {0}, text = {0};

	(void)state;
	for (int i = 0; i < 75; i++)
		outbuf_byte(&text, 'x');
	for (size_t start = 0; start < 90; start++) {
		size_t column = start;

		outbuf_reset(&out);
		quoted_write(&out, outbuf_slice(&text), &column);
		size_t first = slice_find(outbuf_slice(&out), '\r');

		assert_int_equal(first, start == 0 ? 75 : start <= 75 ? 76 - start : 1);
	}
	outbuf_free(&out);
	outbuf_free(&text);
}

static void test_random_text_comes_back(void **state)
{
	struct random random = random_seeded(2045);
	struct outbuf text = {0}, normal = {0}, coded = {0}, decoded = {0};

	(void)state;
	for (int round = 0; round < 3000; round++) {
		size_t len = random_below(&random, round % 100 ? 300 : 5000), column = 0;
		bool any = random_below(&random, 2);

		outbuf_reset(&text);
		for (size_t i = 0; i < len; i++)
			outbuf_byte(&text, any ? (char)(1 + random_below(&random, 255))
					       : " \t\r\n.=abcdefghijklmnopqr\xc3\xa9"[random_below(&random, 26)]);
		outbuf_reset(&normal);
		assert_true(wire_normalise(&normal, outbuf_slice(&text)));
		outbuf_reset(&coded);
		quoted_write(&coded, outbuf_slice(&text), &column);
		check_lines(outbuf_slice(&coded));
		outbuf_reset(&decoded);
		decode(&decoded, outbuf_slice(&coded));
		assert_true(slice_is(outbuf_slice(&decoded), outbuf_slice(&normal)));
	}
	outbuf_free(&text);
	outbuf_free(&normal);
	outbuf_free(&coded);
	outbuf_free(&decoded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_soft_breaks),
		cmocka_unit_test(test_random_text_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
