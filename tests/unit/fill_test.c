/* What a value may do, by the place it stands in: rows of a template, the value of {{v}}, and what comes out. */
#include "mail/fill.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	enum header_kind kind;
	const char *text, *value, *wanted; /* wanted: with "!", the code of the error */
} rows[] = {
	{HEADER_TEXT, "a {{v}} b", "x, <y> \"z\"", "a x, <y> \"z\" b"},
	{HEADER_TEXT, "{{v}}", "", ""},
	{HEADER_TEXT, "{{v}}{{{v}}}{{& v}}", "<", "<<<"},
	{HEADER_TEXT, "{{v}}", "a\tb", "a\tb"},
	{HEADER_TEXT, "{{v}}", "a\nb", "!E_CRLF"},
	{HEADER_TEXT, "{{v}}", "a\rb", "!E_CRLF"},
	{HEADER_TEXT, "{{v}}", "\x1b", "!E_HEADER"},
	{HEADER_TEXT, "{{v}}", "\xc3", "!E_UTF8"},
	{HEADER_TEXT, "{{w}}", "", "!E_VAR_MISSING"},
	{HEADER_TEXT, "{{hk.w}}", "", "!E_TEMPLATE"},
	{HEADER_TOKENS, "<{{v}}@x>", "1", "<1@x>"},
	{HEADER_TOKENS, "<{{v}}@x>", "1\r\nBcc: x", "!E_CRLF"},
	{HEADER_PARTIES, "{{v}} <a@b>", "Ann, Bob <x@y>", "\"Ann, Bob <x@y>\" <a@b>"},
	{HEADER_PARTIES, "{{v}} <a@b>", "the \"A\" \\", "\"the \\\"A\\\" \\\\\" <a@b>"},
	{HEADER_PARTIES, "{{v}} {{v}} <a@b>", "A", "\"A\" \"A\" <a@b>"},
	{HEADER_PARTIES, "\"The {{v}}\" <a@b>", "\"A\" \\", "\"The \\\"A\\\" \\\\\" <a@b>"},
	{HEADER_PARTIES, "\"x\\\"{{v}}\" <a@b>", "\"", "\"x\\\"\\\"\" <a@b>"},
	{HEADER_PARTIES, "x <{{v}}@b>", "a+1", "x <a+1@b>"},
	{HEADER_PARTIES, "x <{{v}}>", "a@b>, <c@d", "!E_VAR_VALUE"},
	{HEADER_PARTIES, "x <{{v}}>", "a b@c", "!E_VAR_VALUE"},
	{HEADER_PARTIES, "{{v}}", "Ann <a@b>", "Ann <a@b>"},
	{HEADER_PARTIES, "{{v}}", "a@b, c@d", "!E_VAR_VALUE"},
	{HEADER_PARTIES, "{{v}}", "\"a@b", "!E_VAR_VALUE"},
	{HEADER_PARTIES, "{{v}}", "", "!E_VAR_VALUE"},
	{HEADER_PARTIES, "{{v}}, x <a@b>", "a@b, c@d", "!E_VAR_VALUE"},
	{HEADER_PARTIES, "a@b ({{v}})", "x", "!E_VAR_VALUE"},
	{HEADER_URIS, "<https://x/{{v}}>", "a b>, <y", "<https://x/a%20b%3E,%20%3Cy>"},
	{HEADER_URIS, "<{{v}}>", "https://x/?a=b&c=d,%20#e", "<https://x/?a=b&c=d,%20#e>"},
	{HEADER_URIS, "<https://x/{{v}}>", "\xc3\xa9", "<https://x/%C3%A9>"},
	{HEADER_URIS, "{{v}}", "<https://x/>", "!E_VAR_VALUE"},
};

static void run(size_t i)
{
	struct outbuf vars = {0}, out = {0};
	struct merge merge = {.address = SLICE("bob@b.example")};
	struct values values = {0};
	struct mail_error error = {0};

	pack_add(&vars, PACK_TEXT, SLICE("v"), slice_of(rows[i].value));
	merge.vars = outbuf_slice(&vars);
	values_reset(&values, &merge);
	if (!fill(&out, slice_of(rows[i].text), rows[i].kind, &values, &error)) {
		outbuf_reset(&out);
		outbuf_printf(&out, "!%s", error.code);
	}
	outbuf_byte(&out, '\0');
	if (strcmp(out.ptr, rows[i].wanted) != 0)
		fail_msg("%s with %s: wanted %s, got %s", rows[i].text, rows[i].value, rows[i].wanted, out.ptr);
	values_free(&values);
	outbuf_free(&vars);
	outbuf_free(&out);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run(i);
}

static void test_nul(void **state)
{
	struct outbuf vars = {0}, out = {0};
	struct merge merge = {.address = SLICE("bob@b.example")};
	struct values values = {0};
	struct mail_error error = {0};

	(void)state;
	pack_add(&vars, PACK_TEXT, SLICE("v"), SLICE("a\0b"));
	merge.vars = outbuf_slice(&vars);
	values_reset(&values, &merge);
	assert_false(fill(&out, SLICE("{{v}}"), HEADER_TEXT, &values, &error));
	assert_string_equal(error.code, "E_NUL");
	assert_non_null(strstr(error.message, "{{v}}"));
	values_free(&values);
	outbuf_free(&vars);
	outbuf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
