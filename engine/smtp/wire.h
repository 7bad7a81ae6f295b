/* How a message body is written on the wire (RFC 5321 4.5.2, RFC 3030).
 *
 * WIRE_DATA: every line that begins with a dot has one more, and the body ends with CRLF "." CRLF.
 * WIRE_BDAT: the octets as they are, ending in CRLF. Composing makes either; nothing here copies a body. */
#pragma once

#include "base/outbuf.h"
#include "base/slice.h"

enum wire_form { WIRE_DATA, WIRE_BDAT };

/* Walks over body text in pieces and stuffs dots; where a line begins is kept between pieces, so a message may be
 * cut anywhere.
 *
 *     struct wire_stuffing at = WIRE_START;
 *     wire_stuff(&out, first, &at);
 *     wire_stuff(&out, second, &at);
 *     wire_end(&out, &at);                 CRLF if the text did not end in one, then ".\r\n" */
struct wire_stuffing {
	bool line_start;
	bool cr; /* the last byte was CR */
};

#define WIRE_START ((struct wire_stuffing){.line_start = true})

void wire_stuff(struct outbuf *out, struct slice text, struct wire_stuffing *at);
void wire_end(struct outbuf *out, struct wire_stuffing *at);

/* Text with line ends of any kind, as lines that end in CRLF: LF, CR and CRLF each end one line (RFC 5321 2.3.8: no
 * bare CR or LF ever goes out). Appends; returns false when text has a NUL. */
bool wire_normalise(struct outbuf *out, struct slice text);
