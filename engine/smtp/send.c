/* One send is an iovec: spans of the command buffer and pieces of bodies, which are never copied. The buffer may move
 * while commands are added, so a span has no address until the send is finished; spans follow one another in the
 * buffer, so their lengths are enough to find them.
 *
 * Rejected: a copy of small bodies into the buffer. At 10 KB an iovec costs the same, and above it costs less
 * (FACTS.md), and there would be two ways to send. */
#include "smtp/dialogue.h"

#include "base/check.h"

#include <stdlib.h>

enum { ROOM = 256 /* most groups of commands fit */ };

void send_text(struct session *session, struct slice text)
{
	outbuf_add(&session->commands, text);
}

void send_number(struct session *session, uint64_t n)
{
	outbuf_number(&session->commands, n);
}

/* base NULL: a span of the command buffer. */
static void add_piece(struct session *session, const void *base, size_t len)
{
	if (len == 0)
		return;
	session->send_bytes += len;
	if (!base && session->niov > 0 && !session->iov[session->niov - 1].iov_base) {
		session->iov[session->niov - 1].iov_len += len;
		return;
	}
	if (session->niov == session->iov_size) {
		session->iov_size = session->iov_size ? session->iov_size * 2 : 16;
		session->iov = realloc(session->iov, session->iov_size * sizeof(*session->iov));
		CHECK(session->iov != NULL);
	}
	session->iov[session->niov++] = (struct iovec){(void *)base, len};
}

void send_begin(struct session *session)
{
	outbuf_reset(&session->commands);
	outbuf_room(&session->commands, ROOM);
	session->covered = 0;
	session->niov = 0;
	session->send_bytes = 0;
	session->ngroup = session->nheard = 0;
}

void send_let_go(struct session *session)
{
	outbuf_free(&session->commands);
	free(session->iov);
	session->iov = NULL;
	session->iov_size = 0;
}

static void tell(struct session *session, struct slice lines)
{
	while (lines.len > 0) {
		struct slice line = slice_until(&lines, '\n');

		session->line(session->who, true, slice_head(line, line.len - 1)); /* each ends in CRLF */
	}
}

static void tell_hidden(struct session *session, struct slice shown)
{
	struct outbuf line = {0};

	outbuf_printf(&line, "%.*s****", SLICE_ARG(shown));
	session->line(session->who, true, outbuf_slice(&line));
	outbuf_free(&line);
}

void send_command(struct session *session)
{
	struct slice added = slice_skip(outbuf_slice(&session->commands), session->covered);

	if (session->line && session->hides)
		tell_hidden(session, slice_head(added, session->hidden - session->covered));
	else if (session->line)
		tell(session, added);
	add_piece(session, NULL, added.len);
	session->covered = session->commands.len;
	session->hides = false;
}

static void tell_octets(struct session *session, uint64_t n)
{
	struct outbuf line = {0};

	outbuf_printf(&line, "(%llu octets)", (unsigned long long)n);
	session->line(session->who, true, outbuf_slice(&line));
	outbuf_free(&line);
}

void send_body(struct session *session, struct tx *tx, uint64_t from, uint64_t to)
{
	uint64_t at = 0;

	for (unsigned i = 0; i < tx->nbody && at < to; i++) {
		uint64_t end = at + tx->body[i].iov_len;
		uint64_t first = from > at ? from : at, last = to < end ? to : end;

		if (first < last)
			add_piece(session, (char *)tx->body[i].iov_base + (first - at), last - first);
		at = end;
	}
	CHECK(at >= to); /* wire_bytes says what body has */
	tx->body_handed = to;
	tx->in_send = true;
	if (to == tx->wire_bytes) {
		send_mark_end(session, tx);
		if (session->line)
			tell_octets(session, to);
	}
}

void send_mark_end(struct session *session, struct tx *tx)
{
	tx->end_in_send = session->send_bytes;
}

void send_finish(struct session *session, struct session_send *send)
{
	char *at = session->commands.ptr;

	CHECK(session->covered == session->commands.len);
	for (unsigned i = 0; i < session->niov; i++)
		if (!session->iov[i].iov_base) {
			session->iov[i].iov_base = at;
			at += session->iov[i].iov_len;
		}
	*send = (struct session_send){session->iov, session->niov, session->send_bytes};
}
