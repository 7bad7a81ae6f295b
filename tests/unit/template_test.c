/* Templates taken apart: each case is a text and its pieces, written back with [names]. */
#include "mail/template.h"

#include "base/outbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* "Hello {{name}}" as "Hello [name]", {{{name}}} as "[=name]"; or the error. */
static void write_pieces(struct outbuf *out, struct slice text, struct mail_error *error)
{
	struct template template = template_of(text);
	struct template_piece piece;

	for (;;) {
		switch (template_next(&template, &piece, error)) {
		case TEMPLATE_TEXT:
			assert_true(piece.text.len > 0);
			outbuf_add(out, piece.text);
			break;
		case TEMPLATE_NAME:
			outbuf_printf(out, "[%s%.*s]", piece.verbatim ? "=" : "", SLICE_ARG(piece.text));
			break;
		case TEMPLATE_BAD: outbuf_printf(out, "!%s", error->code); return;
		case TEMPLATE_END: return;
		}
	}
}

static void test_pieces(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"plain", "plain"},
		{"{ {x} } }}", "{ {x} } }}"},
		{"{{name}}", "[name]"},
		{"a{{b}}c{{d}}", "a[b]c[d]"},
		{"{{a}}{{b}}", "[a][b]"},
		{"{{ name }}", "[name]"},
		{"{{\tname\n}}", "[name]"},
		{"{{hk.address}}", "[hk.address]"},
		{"{{first name}}", "[first name]"},
		{"{{prénom}}", "[prénom]"},
		{"{{{name}}}", "[=name]"},
		{"{{{ name }}}", "[=name]"},
		{"{{&name}} {{& name }}", "[=name] [=name]"},
		{"a{{! note }}b", "ab"},
		{"a\n{{! note }}\nb", "a\nb"},
		{"a\r\n  {{! note }}  \r\nb", "a\r\nb"},
		{"{{! note }}\nb", "b"},
		{"a\n{{! note }}", "a\n"},
		{"a\n{{! two\nlines }}\nb", "a\nb"},
		{"{{x}} {{! note }}\nb", "[x] \nb"},
		{"{{! a }}{{! b }}\nc", "\nc"},
		{"a {{! note }}\nb", "a \nb"},
		{"}}{{x}}{{", "}}[x]!E_TEMPLATE"},
		{"{{x", "!E_TEMPLATE"},
		{"{{x}", "!E_TEMPLATE"},
		{"{{}}", "!E_TEMPLATE"},
		{"{{ }}", "!E_TEMPLATE"},
		{"{{&}}", "!E_TEMPLATE"},
		{"{{{}}}", "!E_TEMPLATE"},
		{"{{{x}}", "!E_TEMPLATE"},
		{"{{a{{b}}", "!E_TEMPLATE"},
		{"{{na=\r\nme}}", "!E_TEMPLATE"},
		{"{{! note", "!E_TEMPLATE"},
		{"{{#list}}x{{/list}}", "!E_NOT_YET"},
		{"{{^list}}", "!E_NOT_YET"},
		{"{{/list}}", "!E_NOT_YET"},
		{"{{>part}}", "!E_NOT_YET"},
		{"{{=<% %>=}}", "!E_NOT_YET"},
		{"{{$block}}", "!E_NOT_YET"},
		{"{{<parent}}", "!E_NOT_YET"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outbuf out = {0};
		struct mail_error error = {0};

		write_pieces(&out, slice_of(cases[i][0]), &error);
		outbuf_byte(&out, '\0');
		assert_string_equal(out.ptr, cases[i][1]);
		outbuf_free(&out);
	}
}

static void test_error_says_where(void **state)
{
	struct outbuf out = {0};
	struct mail_error error = {0};

	(void)state;
	write_pieces(&out, SLICE("one\r\nétwo {{x}} {{"), &error);
	assert_non_null(strstr(error.message, "line 2, column 12:"));
	outbuf_free(&out);
}

static void test_long_name(void **state)
{
	char text[TEMPLATE_NAME_MAX + 6];
	struct outbuf out = {0};
	struct mail_error error = {0};

	(void)state;
	memset(text, 'n', sizeof(text));
	memcpy(text, "{{", 2);
	memcpy(text + 2 + TEMPLATE_NAME_MAX, "}}", 2);
	write_pieces(&out, (struct slice){text, TEMPLATE_NAME_MAX + 4}, &error);
	assert_int_equal(out.len, TEMPLATE_NAME_MAX + 2);
	outbuf_reset(&out);
	memcpy(text + 2 + TEMPLATE_NAME_MAX, "n}}", 3);
	write_pieces(&out, (struct slice){text, TEMPLATE_NAME_MAX + 5}, &error);
	assert_string_equal(error.code, "E_TEMPLATE");
	outbuf_free(&out);
}

static void test_has_tags(void **state)
{
	(void)state;
	assert_false(template_has_tags(SLICE("")));
	assert_false(template_has_tags(SLICE("{ {")));
	assert_true(template_has_tags(SLICE("a{{")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_error_says_where),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_has_tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
