/* Templates of strangers: pieces lie in the text, in order, and what was filled in is one line without controls. The
 * first byte chooses the kind of header. */
#include "mail/fill.h"
#include "mail/template.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void walk(struct slice text)
{
	struct template template = template_of(text);
	struct template_piece piece;
	struct mail_error error = {0};
	const char *last = text.ptr;
	enum template_kind kind;

	while ((kind = template_next(&template, &piece, &error)) != TEMPLATE_END) {
		if (kind == TEMPLATE_BAD) {
			CHECK(error.code[0] != '\0');
			CHECK(error.message[0] != '\0');
			return;
		}
		CHECK(piece.text.len > 0);
		CHECK(piece.at >= last);
		CHECK(piece.text.ptr >= piece.at);
		last = piece.text.ptr + piece.text.len;
		CHECK(last <= text.ptr + text.len);
		CHECK(kind == TEMPLATE_TEXT || piece.text.len <= TEMPLATE_NAME_MAX);
	}
}

/* The whole of it as a header: what comes out has no line end but folds. */
static void write(struct slice name, struct slice text, struct values *values)
{
	struct outbuf line = {0}, out = {0};
	bool utf8 = false;

	if (fill(&line, text, header_rule(name)->kind, values, NULL) &&
	    header_write(&out, name, outbuf_slice(&line), &utf8, NULL)) {
		CHECK(out.ptr[out.len - 1] == '\n');
		for (size_t i = 0; i + 1 < out.len; i++) {
			CHECK((out.ptr[i] == '\r') == (out.ptr[i + 1] == '\n'));
			CHECK(i + 2 >= out.len || out.ptr[i + 1] != '\n' || out.ptr[i + 2] == ' ' ||
			      out.ptr[i + 2] == '\t');
		}
	}
	outbuf_free(&line);
	outbuf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct slice names[] = {{"Subject", 7}, {"From", 4}, {"List-Unsubscribe", 16}, {"References", 10}};
	struct outbuf vars = {0};
	struct merge merge = {.address = SLICE("bob@b.example"), .hostname = SLICE("mta1.example")};
	struct values values = {0};

	if (len < 1)
		return 0;
	struct slice text = {(const char *)bytes + 1, len - 1};

	pack_add(&vars, PACK_TEXT, SLICE("a"), SLICE("Ann, \"A\" <x@y.example>"));
	pack_add(&vars, PACK_TEXT, SLICE("b"), SLICE("\xc3\xa9 "));
	pack_add(&vars, PACK_TEXT, SLICE("c"), slice_head(text, 8));
	merge.vars = outbuf_slice(&vars);
	values_reset(&values, &merge);
	walk(text);
	fill_check(text, NULL);
	write(names[bytes[0] % 4], text, &values);
	values_free(&values);
	outbuf_free(&vars);
	return 0;
}
