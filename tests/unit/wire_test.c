/* Dots, line ends, and the end of a message, cut anywhere. */
#include "smtp/wire.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void expect(const struct outbuf *out, const char *text)
{
	assert_int_equal(out->len, strlen(text));
	assert_memory_equal(out->ptr, text, out->len);
}

static const struct {
	const char *plain, *wire;
} bodies[] = {
	{"", ".\r\n"},
	{"a", "a\r\n.\r\n"},
	{"a\r\n", "a\r\n.\r\n"},
	{".", "..\r\n.\r\n"},
	{".\r\n", "..\r\n.\r\n"},
	{"..\r\n", "...\r\n.\r\n"},
	{"a.\r\nb", "a.\r\nb\r\n.\r\n"},
	{"a\r\n.b\r\n..c\r\n\r\n.", "a\r\n..b\r\n...c\r\n\r\n..\r\n.\r\n"},
	{"\r\n", "\r\n.\r\n"},
	{"\r\n\r\n", "\r\n\r\n.\r\n"},
	{"a\r", "a\r\n.\r\n"},
};

static void test_stuffing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct outbuf out = {0};
		struct wire_stuffing at = WIRE_START;

		wire_stuff(&out, slice_of(bodies[i].plain), &at);
		wire_end(&out, &at);
		expect(&out, bodies[i].wire);
		outbuf_free(&out);
	}
}

/* Every cut into three pieces gives the same bytes as the whole. */
static void test_stuffing_in_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct slice plain = slice_of(bodies[i].plain);

		for (size_t a = 0; a <= plain.len; a++)
			for (size_t b = a; b <= plain.len; b++) {
				struct outbuf out = {0};
				struct wire_stuffing at = WIRE_START;

				wire_stuff(&out, slice_head(plain, a), &at);
				wire_stuff(&out, slice_skip(slice_head(plain, b), a), &at);
				wire_stuff(&out, slice_skip(plain, b), &at);
				wire_end(&out, &at);
				expect(&out, bodies[i].wire);
				outbuf_free(&out);
			}
	}
}

static void test_line_ends(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"a", "a"},
		{"a\n", "a\r\n"},
		{"a\r", "a\r\n"},
		{"a\r\n", "a\r\n"},
		{"\n\n", "\r\n\r\n"},
		{"\r\r", "\r\n\r\n"},
		{"\n\r", "\r\n\r\n"},
		{"\r\r\n", "\r\n\r\n"},
		{"a\n.\nb", "a\r\n.\r\nb"},
		{"a\r.\rb", "a\r\n.\r\nb"},
		{"a\r\n.\rb\n", "a\r\n.\r\nb\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outbuf out = {0};

		assert_true(wire_normalise(&out, slice_of(cases[i][0])));
		expect(&out, cases[i][1]);
		outbuf_free(&out);
	}
}

static void test_nul_is_refused(void **state)
{
	struct outbuf out = {0};

	(void)state;
	assert_false(wire_normalise(&out, SLICE("a\0b")));
	assert_false(wire_normalise(&out, SLICE("\0")));
	assert_int_equal(out.len, 0);
	outbuf_free(&out);
}

/* A receiver of any taste in line ends must find one end of mail, at the end. */
static bool ends_early(struct slice wire, const char *end)
{
	const char *found = memmem(wire.ptr, wire.len, end, strlen(end));

	return found && found + strlen(end) < wire.ptr + wire.len;
}

static void test_no_body_smuggles(void **state)
{
	static const char *const ends[] = {"\r\n.\r\n", "\n.\n", "\r.\r", "\n.\r\n", "\r.\r\n"};
	struct random random = random_seeded(20231218);

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char text[24];
		size_t len = random_below(&random, sizeof(text));
		struct outbuf plain = {0}, wire = {0};
		struct wire_stuffing at = WIRE_START;

		for (size_t j = 0; j < len; j++)
			text[j] = "\r\n.\r\n.a"[random_below(&random, 7)];
		assert_true(wire_normalise(&plain, (struct slice){text, len}));
		wire_stuff(&wire, outbuf_slice(&plain), &at);
		wire_end(&wire, &at);
		for (size_t j = 0; j < sizeof(ends) / sizeof(ends[0]); j++)
			assert_false(ends_early(outbuf_slice(&wire), ends[j]));
		for (size_t j = 0; j + 1 < wire.len; j++)
			assert_int_equal(wire.ptr[j] == '\r', wire.ptr[j + 1] == '\n');
		outbuf_free(&plain);
		outbuf_free(&wire);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stuffing),	 cmocka_unit_test(test_stuffing_in_pieces),
		cmocka_unit_test(test_line_ends),	 cmocka_unit_test(test_nul_is_refused),
		cmocka_unit_test(test_no_body_smuggles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
