/* Line ends are looked for; everything between wrong ones is copied as it stands, so the cost is that of memcpy.
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

/* The first CR or LF at or after `at`. The LF that was found last is asked for again only once it is passed, so that a
 * text of CRs alone is read twice, and not once for each of them. */
static size_t find_end(struct slice text, size_t at, size_t *lf)
{
	if (*lf < at || at == 0)
		*lf = at + slice_find(slice_skip(text, at), '\n');
	return at + slice_find(slice_head(slice_skip(text, at), *lf - at), '\r');
}

bool wire_normalise(struct outbuf *out, struct slice text)
{
	size_t begin = 0, at = 0, lf = 0; /* from begin on nothing was copied yet */

	if (slice_find(text, '\0') < text.len)
		return false;
	while ((at = find_end(text, at, &lf)) < text.len) {
		if (at + 1 == lf && lf < text.len) { /* a line end as it should be */
			at += 2;
			continue;
		}
		outbuf_add(out, slice_head(slice_skip(text, begin), at - begin));
		outbuf_add(out, SLICE("\r\n"));
		begin = ++at;
	}
	outbuf_add(out, slice_skip(text, begin));
	return true;
}
