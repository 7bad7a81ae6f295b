/* The three kinds meet here, and a rendering becomes an iovec. Two allocations from the caller's arena, both of exact
 * size: the bytes of this recipient, and the iovec. What is needed while rendering belongs to the message and is kept,
 * so after the first recipients nothing is allocated at all.
 *
 * Sharing that memory is safe because a message belongs to one worker, which renders one at a time. */
#include "mail/message.h"

#include "mail/render.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { BYTES_MAX_DEFAULT = 25 * 1024 * 1024 };

static uint64_t literal_bytes(const struct message *message)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < message->nfields; i++)
		bytes += message->fields[i].bytes.len;
	for (size_t i = 0; i < message->npieces; i++)
		bytes += message->pieces[i].plain.len;
	return bytes;
}

static bool compile(struct message *message, struct slice stored, struct mail_error *error)
{
	struct slice text = slice_skip(stored, 1);
	char kind = stored.len ? stored.ptr[0] : '\0';

	mail_field(error, "message");
	if (kind != 'M' && kind != 'R' && kind != 'T')
		return mail_fail(error, "E_BODY",
				 "the stored message is of no known kind: it begins with neither M, R nor T");
	if (!(kind == 'M' ? compose_compile(message, text, error) : raw_compile(message, text, kind == 'T', error)))
		return false;
	mail_field(error, kind == 'M' ? "message" : "raw");
	uint64_t bytes = literal_bytes(message);

	return bytes <= message->bytes_max ||
	       mail_fail(error, "E_TOO_BIG", "the message has %llu octets; %llu are allowed", (unsigned long long)bytes,
			 (unsigned long long)message->bytes_max);
}

struct message *message_compile(struct slice stored, const struct message_limits *limits, struct mail_error *error)
{
	struct message *message = calloc(1, sizeof(*message));

	CHECK(message != NULL);
	message->references = 1;
	message->bytes_max = limits && limits->bytes_max ? limits->bytes_max : BYTES_MAX_DEFAULT;
	if (compile(message, stored, error)) {
		message->scratch.values.defaults = message->defaults;
		return message;
	}
	message_free(message);
	return NULL;
}

struct message *message_keep(struct message *message)
{
	message->references++;
	return message;
}

void message_free(struct message *message)
{
	if (!message)
		return;
	CHECK(message->references > 0);
	if (--message->references)
		return;
	outbuf_free(&message->source);
	outbuf_free(&message->scratch.bytes);
	outbuf_free(&message->scratch.spans);
	outbuf_free(&message->scratch.line);
	outbuf_free(&message->scratch.text);
	outbuf_free(&message->scratch.message_id);
	values_free(&message->scratch.values);
	arena_free(&message->arena);
	free(message);
}

bool message_is_shared(const struct message *message)
{
	return message->shared;
}

bool message_waives_tls(const struct message *message, struct slice own_headers)
{
	struct pack_entry entry;

	while (pack_next(&own_headers, &entry))
		if (slice_is_nocase(entry.name, SLICE("TLS-Required")))
			return header_waives(entry.name, entry.value);
	return message->waives;
}

static struct render render_of(const struct message *message, const struct merge *merge, enum wire_form form)
{
	return (struct render){
		.message = message,
		.merge = merge,
		.scratch = (struct scratch *)(uintptr_t)&message->scratch,
		.form = form,
	};
}

bool message_accepts(const struct message *message, const struct merge *merge, struct mail_error *error)
{
	struct render render = render_of(message, merge, WIRE_BDAT);

	return render_run(&render, error);
}

static struct iovec *make_iovec(const struct scratch *scratch, struct arena *arena, unsigned *count)
{
	const struct span *spans = (const struct span *)(const void *)scratch->spans.ptr;
	size_t n = scratch->spans.len / sizeof(*spans);

	arena_expect(arena, scratch->bytes.len + 1);
	arena_expect(arena, n * sizeof(struct iovec));
	arena_expect(arena, scratch->message_id.len + 1);
	char *bytes = arena_alloc(arena, scratch->bytes.len + 1);
	struct iovec *iov = arena_alloc(arena, n * sizeof(*iov));

	memcpy(bytes, scratch->bytes.ptr, scratch->bytes.len);
	for (size_t i = 0; i < n; i++) {
		const char *ptr = spans[i].ptr ? spans[i].ptr : bytes + spans[i].at;

		iov[i] = (struct iovec){(void *)(uintptr_t)ptr, spans[i].len};
	}
	*count = (unsigned)n;
	return iov;
}

bool message_render(const struct message *message, const struct merge *merge, enum wire_form form, struct arena *arena,
		    struct rendered *rendered, struct mail_error *error)
{
	struct render render = render_of(message, merge, form);

	if (!render_run(&render, error))
		return false;
	rendered->iov = make_iovec(render.scratch, arena, &rendered->niov);
	rendered->wire_bytes = render.wire_bytes;
	rendered->size = render.size;
	rendered->eight_bit = render.eight_bit;
	rendered->utf8 = render.utf8;
	rendered->message_id = arena_copy(arena, outbuf_slice(&render.scratch->message_id));
	return true;
}
