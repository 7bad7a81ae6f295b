/* Messages of strangers, compiled and rendered: both forms say the same, sizes are right, no bare CR or LF, no line
 * over 998 octets, no end of mail before the end. The input is a stored message, kind first. */
#include "mail/message.h"

#include "base/check.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void flatten(struct outbuf *out, const struct rendered *rendered)
{
	for (unsigned i = 0; i < rendered->niov; i++) {
		CHECK(rendered->iov[i].iov_len > 0);
		outbuf_add(out, (struct slice){rendered->iov[i].iov_base, rendered->iov[i].iov_len});
	}
	CHECK(out->len == rendered->wire_bytes);
}

static void unstuff(struct outbuf *out, struct slice wire)
{
	while (wire.len) {
		size_t n = slice_find(wire, '\n') + 1;
		struct slice line = slice_head(wire, n);

		wire = slice_skip(wire, n);
		if (slice_is(line, SLICE(".\r\n"))) {
			CHECK(wire.len == 0);
			return;
		}
		outbuf_add(out, line.ptr[0] == '.' ? slice_skip(line, 1) : line);
	}
	CHECK(!"the end of mail is there");
}

static void check_text(struct slice text)
{
	size_t column = 0;

	CHECK(memmem(text.ptr, text.len, "\r\n\r\n", 4));
	CHECK(text.ptr[text.len - 1] == '\n');
	for (size_t i = 0; i < text.len; i++) {
		CHECK(text.ptr[i] != '\0');
		CHECK(text.ptr[i] != '\r' || text.ptr[i + 1] == '\n');
		CHECK(text.ptr[i] != '\n' || (i > 0 && text.ptr[i - 1] == '\r'));
		column = text.ptr[i] == '\r' || text.ptr[i] == '\n' ? 0 : column + 1;
		CHECK(column <= 998);
	}
}

static void render(const struct message *message, const struct merge *merge)
{
	struct arena arena = {0};
	struct rendered data, bdat;
	struct mail_error error = {0};
	struct outbuf wire = {0}, plain = {0}, text = {0};
	bool accepted = message_accepts(message, merge, &error);

	CHECK(accepted == message_render(message, merge, WIRE_DATA, &arena, &data, &error));
	CHECK(accepted == message_render(message, merge, WIRE_BDAT, &arena, &bdat, &error));
	CHECK(accepted || (error.code[0] && error.field[0] && error.message[0]));
	if (accepted) {
		flatten(&wire, &data);
		flatten(&text, &bdat);
		unstuff(&plain, outbuf_slice(&wire));
		CHECK(slice_is(outbuf_slice(&plain), outbuf_slice(&text)));
		CHECK(data.size == text.len);
		CHECK(bdat.size == text.len);
		check_text(outbuf_slice(&text));
	}
	outbuf_free(&wire);
	outbuf_free(&plain);
	outbuf_free(&text);
	arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice stored = {(const char *)bytes, len};
	struct mail_error error = {0};
	struct message *message = message_compile(stored, NULL, &error);
	struct outbuf vars = {0};
	struct merge merge = {
		.address = SLICE("bob+x@b.example"), .rcpt = SLICE("1"), .hostname = SLICE("mta1.example")};

	if (!message) {
		CHECK(error.code[0] && error.field[0] && error.message[0]);
		return 0;
	}
	pack_add(&vars, PACK_TEXT, SLICE("a"), SLICE("plain"));
	pack_add(&vars, PACK_TEXT, SLICE("b"), SLICE(".\n..\r\n--b1\n\xc3\xa9 & <"));
	pack_add(&vars, PACK_TEXT, SLICE("c"), slice_skip(stored, len / 2));
	pack_add(&vars, PACK_NULL, SLICE("d"), SLICE_NONE);
	merge.vars = outbuf_slice(&vars);
	merge.name = slice_skip(stored, len - len / 8);
	render(message, &merge);
	outbuf_free(&vars);
	message_free(message);
	return 0;
}
