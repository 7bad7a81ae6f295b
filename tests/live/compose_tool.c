/* Renders one message for tests/live/compose_test.py:
 *
 *     compose_tool data|bdat ADDRESS NAME [VARIABLE VALUE]... <stored >mail
 *
 * The stored message, kind first, comes on stdin; the mail, as it goes over the wire, is written to stdout. On refusal
 * the error is written to stderr as JSON and the status is 1. */
#include "mail/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void read_all(struct outbuf *out)
{
	size_t n;

	do {
		n = fread(outbuf_room(out, 65536), 1, 65536, stdin);
		out->len += n;
	} while (n);
}

static int refuse(const struct mail_error *error)
{
	struct outbuf out = {0};

	outbuf_byte(&out, '{');
	outbuf_json_text(&out, "code", slice_of(error->code));
	outbuf_json_text(&out, "field", slice_of(error->field));
	outbuf_json_text(&out, "message", slice_of(error->message));
	fprintf(stderr, "%.*s}\n", SLICE_ARG(outbuf_slice(&out)));
	outbuf_free(&out);
	return 1;
}

static int render(const struct message *message, const struct merge *merge, enum wire_form form)
{
	struct arena arena = {0};
	struct rendered rendered;
	struct mail_error error = {0};

	if (!message_render(message, merge, form, &arena, &rendered, &error))
		return refuse(&error);
	for (unsigned i = 0; i < rendered.niov; i++)
		fwrite(rendered.iov[i].iov_base, 1, rendered.iov[i].iov_len, stdout);
	arena_free(&arena);
	return 0;
}

int main(int argc, char **argv)
{
	struct outbuf stored = {0}, vars = {0};
	struct mail_error error = {0};

	if (argc < 4 || argc % 2) {
		fprintf(stderr, "usage: compose_tool data|bdat ADDRESS NAME [VARIABLE VALUE]... <stored\n");
		return 2;
	}
	for (int i = 4; i < argc; i += 2)
		pack_add(&vars, PACK_TEXT, slice_of(argv[i]), slice_of(argv[i + 1]));
	read_all(&stored);
	struct message *message = message_compile(outbuf_slice(&stored), NULL, &error);
	struct merge merge = {.address = slice_of(argv[2]),
			      .name = slice_of(argv[3]),
			      .rcpt = SLICE("4711"),
			      .job = SLICE("nov/7"),
			      .vars = outbuf_slice(&vars),
			      .hostname = SLICE("mta1.sender.example"),
			      .date_ms = 1795510800000,
			      .nonce = 7};
	int status =
		message ? render(message, &merge, strcmp(argv[1], "data") ? WIRE_BDAT : WIRE_DATA) : refuse(&error);

	message_free(message);
	outbuf_free(&stored);
	outbuf_free(&vars);
	return status;
}
