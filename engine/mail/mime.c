/* Boundaries are gathered as they are declared and never forgotten: a line with an outer boundary ends inner parts, and
 * one that is closed already still ends a part for a careless reader. Depth is not tracked, so nothing recurses.
 *
 * GMime was not used: it builds a tree and writes it anew, and a raw message must go out as it came. */
#include "mail/mime.h"

#include "mail/body.h"

enum { KEPT_MAX = 1000 /* of a line; delimiters and types are shorter */ };

/* The value of a parameter, without its quotes; empty if it is not there. */
static struct slice parameter(struct slice value, struct slice name)
{
	while (value.len) {
		slice_until(&value, ';');
		value = slice_trim(value);
		if (!slice_starts_nocase(value, name))
			continue;
		struct slice rest = slice_trim(slice_skip(value, name.len));

		if (rest.len == 0 || rest.ptr[0] != '=')
			continue;
		rest = slice_trim(slice_skip(rest, 1));
		if (rest.len && rest.ptr[0] == '"') {
			rest = slice_skip(rest, 1);
			return slice_until(&rest, '"');
		}
		return slice_trim(slice_until(&rest, ';'));
	}
	return SLICE_NONE;
}

static void content_type(struct mime *mime, struct slice value)
{
	mime->html = slice_starts_nocase(value, SLICE("text/html"));
	mime->nested = slice_starts_nocase(value, SLICE("message/rfc822")) ||
		       slice_starts_nocase(value, SLICE("message/global"));
	if (slice_starts_nocase(value, SLICE("multipart/")))
		mime->boundary = arena_copy(mime->arena, parameter(value, SLICE("boundary")));
}

void mime_field(struct mime *mime, struct slice name, struct slice value)
{
	value = slice_trim(value);
	if (slice_is_nocase(name, SLICE("Content-Type")))
		content_type(mime, value);
	if (slice_is_nocase(name, SLICE("Content-Transfer-Encoding"))) {
		mime->quoted = slice_starts_nocase(value, SLICE("quoted-printable"));
		mime->base64 = slice_starts_nocase(value, SLICE("base64"));
	}
}

static void header_begin(struct mime *mime)
{
	mime->in_header = true;
	mime->html = mime->quoted = mime->base64 = mime->nested = false;
	mime->boundary = SLICE_NONE;
}

void mime_begin(struct mime *mime)
{
	mime->in_header = false;
	if (mime->boundary.len && mime->boundary.len <= MIME_BOUNDARY_MAX) {
		if (mime->nboundaries < MIME_BOUNDARIES_MAX)
			mime->boundaries[mime->nboundaries++] = mime->boundary;
		else
			mime->overfull = true;
	}
	if (mime->nested)
		header_begin(mime);
}

bool mime_is_delimiter(const struct slice *boundaries, unsigned nboundaries, struct slice line)
{
	if (!slice_starts(line, SLICE("--")))
		return false;
	for (unsigned i = 0; i < nboundaries; i++)
		if (slice_starts(slice_skip(line, 2), boundaries[i]))
			return true;
	return false;
}

static void field_end(struct mime *mime)
{
	struct slice value = outbuf_slice(&mime->field), name = slice_until(&value, ':');

	mime_field(mime, name, value);
	outbuf_reset(&mime->field);
}

static void header_line(struct mime *mime, struct slice line)
{
	bool folded = line.len && (line.ptr[0] == ' ' || line.ptr[0] == '\t');

	if (!folded)
		field_end(mime);
	if (line.len == 0)
		mime_begin(mime);
	else if (mime->field.len < KEPT_MAX)
		outbuf_add(&mime->field, line);
}

static void line_end(struct mime *mime)
{
	struct slice line = outbuf_slice(&mime->line);

	if (mime_is_delimiter(mime->boundaries, mime->nboundaries, line)) {
		outbuf_reset(&mime->field);
		header_begin(mime);
	} else if (mime->in_header) {
		header_line(mime, line);
	}
	outbuf_reset(&mime->line);
}

void mime_text(struct mime *mime, struct slice text)
{
	while (text.len) {
		size_t n = slice_find(text, '\r');

		if (mime->line.len < KEPT_MAX)
			outbuf_add(&mime->line, slice_head(text, n < KEPT_MAX ? n : KEPT_MAX));
		if (n == text.len)
			return;
		line_end(mime);
		text = slice_skip(text, n + 2);
	}
}

void mime_mark(struct mime *mime)
{
	outbuf_byte(&mime->line, '\0');
}

unsigned mime_use(const struct mime *mime)
{
	if (mime->in_header)
		return BODY_LINE;
	return (mime->html ? BODY_HTML : 0) | (mime->quoted ? BODY_QUOTED : 0);
}

struct slice mime_field_name(const struct mime *mime)
{
	struct slice line = outbuf_slice(&mime->line);

	if (!mime->in_header)
		return SLICE_NONE;
	if (line.len == 0 || line.ptr[0] == ' ' || line.ptr[0] == '\t')
		line = outbuf_slice(&mime->field);
	return slice_until(&line, ':');
}

void mime_free(struct mime *mime)
{
	outbuf_free(&mime->line);
	outbuf_free(&mime->field);
}
