/* Texts and values by seed: what was put in comes back, and no value does more than stand in its place. */
#include "tests/unit/mail.h"

#include "base/random.h"
#include "smtp/wire.h"

#include <stdlib.h>

static void random_text(struct outbuf *out, struct random *random, size_t max)
{
	static const char *const words[] = {"a",
					    "b",
					    ".",
					    "..",
					    " ",
					    "\t",
					    "\n",
					    "\r\n",
					    "\r",
					    "=",
					    "=20",
					    "&",
					    "<",
					    ">",
					    "\"",
					    "'",
					    "\xc3\xa9",
					    "\xf0\x9f\x98\x80",
					    "--",
					    "--=_alternative",
					    "--=_alternative--",
					    "From ",
					    "}}",
					    "{ ",
					    ":",
					    ",",
					    "the quick brown fox jumps over the lazy dog",
					    "\\"};
	size_t n = random_below(random, max);

	for (size_t i = 0; i < n; i++)
		outbuf_add(out, slice_of(words[random_below(random, sizeof(words) / sizeof(words[0]))]));
}

static void add_escaped(struct outbuf *out, struct slice value, bool html)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];
		const char *entity = !html ? NULL : c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : NULL;

		if (html && c == '"')
			entity = "&quot;";
		if (html && c == '\'')
			entity = "&#39;";
		entity ? outbuf_add(out, slice_of(entity)) : outbuf_byte(out, c);
	}
}

static void decode_quoted(struct outbuf *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '=' && text.ptr[i + 1] == '\r') {
			i += 2;
		} else if (text.ptr[i] == '=') {
			outbuf_byte(out, (char)strtol((char[]){text.ptr[i + 1], text.ptr[i + 2], '\0'}, NULL, 16));
			i += 2;
		} else {
			outbuf_byte(out, text.ptr[i]);
		}
	}
}

static struct slice part_of(struct slice text, const char *type, const char *end)
{
	const char *begin = memmem(text.ptr, text.len, type, strlen(type));

	assert_non_null(begin);
	text = slice_skip(text, (size_t)(begin - text.ptr));
	begin = memmem(text.ptr, text.len, "\r\n\r\n", 4);
	assert_non_null(begin);
	text = slice_skip(text, (size_t)(begin + 4 - text.ptr));
	const char *found = memmem(text.ptr, text.len, end, strlen(end));

	assert_non_null(found);
	return slice_head(text, (size_t)(found - text.ptr));
}

/* From begin on, line ends as CRLF: every piece of a template is text of its own, so a CR at its end is a line end
 * whatever comes behind it. */
static void end_lines(struct outbuf *text, size_t begin)
{
	struct outbuf normal = {0};

	assert_true(wire_normalise(&normal, slice_skip(outbuf_slice(text), begin)));
	text->len = begin;
	outbuf_add(text, outbuf_slice(&normal));
	outbuf_free(&normal);
}

/* A template of random text and {{v0}}..{{v3}}, and what it must become. */
static void random_template(struct outbuf *template, struct outbuf *wanted, struct random *random,
			    const struct outbuf *values, bool html)
{
	for (uint64_t pieces = random_below(random, 12); pieces > 0; pieces--) {
		size_t begin = template->len, value = random_below(random, 4);
		bool verbatim = random_below(random, 4) == 0;

		random_text(template, random, 12);
		outbuf_add(wanted, slice_skip(outbuf_slice(template), begin));
		end_lines(wanted, wanted->len - (template->len - begin));
		outbuf_printf(template, verbatim ? "{{{v%zu}}}" : "{{v%zu}}", value);
		add_escaped(wanted, outbuf_slice(&values[value]), html && !verbatim);
	}
}

static void check_part(struct slice part, struct slice wanted)
{
	struct outbuf decoded = {0}, normal = {0};

	for (struct slice rest = part; rest.len;) {
		struct slice line = slice_until(&rest, '\n');

		if (rest.len)
			line.len--; /* the CR */
		assert_true(line.len <= 76);
		assert_true(line.len == 0 || (line.ptr[line.len - 1] != ' ' && line.ptr[line.len - 1] != '\t'));
	}
	decode_quoted(&decoded, part);
	assert_true(wire_normalise(&normal, wanted));
	if (!slice_is(outbuf_slice(&decoded), outbuf_slice(&normal)))
		fail_msg("wanted:\n%.*s\ngot:\n%.*s", SLICE_ARG(outbuf_slice(&normal)), SLICE_ARG(part));
	outbuf_free(&decoded);
	outbuf_free(&normal);
}

static void test_text_comes_back(void **state)
{
	struct random random = random_seeded(5322);
	struct outbuf values[4] = {0}, text = {0}, html = {0}, want_text = {0}, want_html = {0}, json = {0};

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct mail mail = mail_new();

		for (size_t i = 0; i < 4; i++) {
			outbuf_reset(&values[i]);
			random_text(&values[i], &random, random_below(&random, 4) ? 10 : 40);
			end_lines(&values[i], 0);
			set(&mail, (char[]){'v', (char)('0' + i), '\0'}, outbuf_slice(&values[i]));
		}
		outbuf_reset(&text), outbuf_reset(&html), outbuf_reset(&want_text), outbuf_reset(&want_html),
			outbuf_reset(&json);
		random_template(&text, &want_text, &random, values, false);
		random_template(&html, &want_html, &random, values, true);
		outbuf_add(&json, SLICE("M{" JSON_FROM));
		outbuf_json_text(&json, "text", outbuf_slice(&text));
		outbuf_json_text(&json, "html", outbuf_slice(&html));
		outbuf_add(&json, SLICE("}"));
		if (!compile(&mail, outbuf_slice(&json)) || !render(&mail))
			fail_msg("%s: %s\n%.*s", mail.error.code, mail.error.message, SLICE_ARG(outbuf_slice(&json)));
		check_part(part_of(outbuf_slice(&mail.text), "Content-Type: text/plain", "\r\n--=_alternative\r\n"),
			   outbuf_slice(&want_text));
		check_part(part_of(outbuf_slice(&mail.text), "Content-Type: text/html", "\r\n--=_alternative--\r\n"),
			   outbuf_slice(&want_html));
		mail_free(&mail);
	}
	for (size_t i = 0; i < 4; i++)
		outbuf_free(&values[i]);
	outbuf_free(&text), outbuf_free(&html), outbuf_free(&want_text), outbuf_free(&want_html), outbuf_free(&json);
}

/* The names of all fields, in order, as a receiver sees them. */
static void field_names(struct outbuf *out, struct slice text)
{
	while (text.len) {
		struct slice line = slice_until(&text, '\n');

		if (slice_is(line, SLICE("\r")))
			return;
		if (line.len && (line.ptr[0] == ' ' || line.ptr[0] == '\t')) {
			assert_true(slice_trim(line).len > 0);
			continue;
		}
		assert_true(slice_find(line, ':') < line.len);
		outbuf_add(out, slice_until(&line, ':'));
		outbuf_byte(out, ' ');
	}
}

/* Bytes that mean something somewhere. */
static void random_value(struct outbuf *value, struct random *random)
{
	static const char *const evil[] = {"\r\nBcc: x@y.example",
					   "\n",
					   "\r",
					   "\0",
					   "a",
					   "b",
					   " ",
					   "\xc3\xa9",
					   "\xff",
					   ">",
					   "<",
					   ",",
					   "\"",
					   "\\",
					   "(",
					   ")",
					   ":",
					   ";",
					   "=?utf-8?Q?=0D=0A?=",
					   "@"};

	outbuf_reset(value);
	for (uint64_t n = random_below(random, 6); n > 0; n--)
		outbuf_add(value, slice_of(evil[random_below(random, sizeof(evil) / sizeof(evil[0]))]));
	if (random_below(random, 2))
		outbuf_byte(value, (char)random_below(random, 256));
}

static void check_fields(const struct mail *mail)
{
	static const char names[] = "From Reply-To X-A List-Unsubscribe Subject To Date Message-ID MIME-Version "
				    "Content-Type Content-Transfer-Encoding ";
	struct outbuf found = {0};

	field_names(&found, outbuf_slice(&mail->text));
	outbuf_byte(&found, '\0');
	assert_string_equal(found.ptr, names);
	expect(mail, " <a@b.example>\r\n");
	outbuf_free(&found);
}

static void check_sender(const struct mail *mail)
{
	struct outbuf sender = {0};

	if (sender_render(SLICE("b+{{v}}@news.example"), &mail->merge, &sender, NULL))
		for (size_t i = 0; i < sender.len; i++)
			assert_true((unsigned char)sender.ptr[i] > ' ' && !strchr("<>\x7f", sender.ptr[i]));
	outbuf_free(&sender);
}

static void test_no_value_adds_to_a_header(void **state)
{
	struct random random = random_seeded(93);
	struct mail mail = mail_new();
	struct outbuf value = {0};
	unsigned taken = 0;

	(void)state;
	assert_true(compile(&mail, SLICE("M{\"headers\":{\"From\":\"{{v}} <a@b.example>\","
					 "\"Reply-To\":\"\\\"{{v}}\\\" <{{w}}@b.example>\",\"X-A\":\"{{v}}\","
					 "\"List-Unsubscribe\":\"<https://x.example/{{v}}>\"},\"subject\":\"{{v}}\","
					 "\"text\":\"{{v}}\"}")));
	for (int round = 0; round < 20000; round++) {
		random_value(&value, &random);
		outbuf_reset(&mail.vars);
		set(&mail, "v", outbuf_slice(&value));
		set(&mail, "w", SLICE("w"));
		mail.merge.name = outbuf_slice(&value);
		bool ok = render(&mail);

		assert_true(!ok || !memchr(value.ptr, '\n', value.len));
		assert_true(!ok || !memchr(value.ptr, '\r', value.len));
		taken += ok;
		if (ok)
			check_fields(&mail);
		check_sender(&mail);
	}
	assert_true(taken > 2000);
	outbuf_free(&value);
	mail_free(&mail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_comes_back),
		cmocka_unit_test(test_no_value_adds_to_a_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
