/* Line ends are looked for; everything between them is copied as it stands, so the cost is that of memcpy.
 *
 * Only CRLF makes a line here. A bare CR or LF is no line end to this module, though some receivers take it for one:
 * such bytes never get this far, because everything that is sent has been through wire_normalise. That, not the
 * stuffing, is what makes smuggled ends of mail (LF "." LF and its cousins, CVE-2023-51764) harmless. */
#include "smtp/wire.h"

/* The number of bytes up to and with the first LF, or all of them. */
static size_t line_length(struct slice text)
{
	size_t at = slice_find(text, '\n');

	return at < text.len ? at + 1 : at;
}

void wire_stuff(struct outbuf *out, struct slice text, struct wire_stuffing *at)
{
	while (text.len) {
		size_t n = line_length(text);

		if (at->line_start && text.ptr[0] == '.')
			outbuf_byte(out, '.');
		outbuf_add(out, slice_head(text, n));
		at->line_start = text.ptr[n - 1] == '\n' && (n > 1 ? text.ptr[n - 2] == '\r' : at->cr);
		at->cr = text.ptr[n - 1] == '\r';
		text = slice_skip(text, n);
	}
}

void wire_end(struct outbuf *out, struct wire_stuffing *at)
{
	if (!at->line_start)
		outbuf_add(out, at->cr ? SLICE("\n") : SLICE("\r\n"));
	outbuf_add(out, SLICE(".\r\n"));
	*at = WIRE_START;
}

/* The number of bytes before the first CR or LF. Byte by byte: two memchr would read a text of CRs alone again and
 * again to its end. */
static size_t run_length(struct slice text)
{
	size_t n = 0;

	while (n < text.len && text.ptr[n] != '\r' && text.ptr[n] != '\n')
		n++;
	return n;
}

bool wire_normalise(struct outbuf *out, struct slice text)
{
	if (slice_find(text, '\0') < text.len)
		return false;
	while (text.len) {
		size_t n = run_length(text);

		outbuf_add(out, slice_head(text, n));
		text = slice_skip(text, n);
		if (text.len == 0)
			break;
		outbuf_add(out, SLICE("\r\n"));
		text = slice_skip(text, slice_starts(text, SLICE("\r\n")) ? 2 : 1);
	}
	return true;
}
