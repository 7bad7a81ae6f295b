/* Quoted-printable (RFC 2045 6.7), for text whose line ends are of any kind.
 *
 * Every CR, LF or CRLF becomes the CRLF that ends a line; everything else comes back byte for byte when decoded. No
 * line is longer than 76 characters, none ends in a blank. A blank at the end of a piece is encoded, because what
 * follows it is not known.
 *
 *     size_t column = 0;
 *     quoted_write(&out, SLICE("caf\xc3\xa9 "), &column);     caf=C3=A9=20
 *     quoted_write(&out, next, &column);                      goes on in the same line */
#pragma once

#include "base/outbuf.h"

enum { QUOTED_LINE_MAX = 76 };

/* column: characters already in the line; moved on. */
void quoted_write(struct outbuf *out, struct slice text, size_t *column);
