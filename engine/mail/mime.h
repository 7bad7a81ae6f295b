/* Where in a MIME body some text is: in a part's header or in its text, and how that text is written (RFC 2046 5.1).
 *
 * Read so that values put into a raw message can be escaped and encoded as their part is, and cannot begin a part of
 * their own. The text is fed in order; a variable is a mark in its line.
 *
 *     mime_field(&mime, SLICE("Content-Type"), SLICE("multipart/mixed; boundary=x"));
 *     mime_begin(&mime);
 *     mime_text(&mime, literal);
 *     use = mime_use(&mime);       what a variable at this place is
 *     mime_mark(&mime); */
#pragma once

#include "base/arena.h"
#include "base/outbuf.h"

enum { MIME_BOUNDARIES_MAX = 64, MIME_BOUNDARY_MAX = 70 /* RFC 2046 5.1.1 */ };

struct mime {
	struct arena *arena; /* borrowed: keeps the boundaries */
	struct slice boundaries[MIME_BOUNDARIES_MAX];
	unsigned nboundaries;
	bool in_header;		   /* of a part */
	bool html, quoted, base64; /* the text of this part */
	bool nested;		   /* this part is a message: its text begins with a header */
	bool overfull;		   /* more boundaries than are kept */
	struct slice boundary;	   /* of the part whose header is being read */
	struct outbuf line, field; /* owned: the line so far, the unfolded field so far */
};

/* A field of the header, or of a part's; those that are not MIME's are passed over. The value is unfolded. */
void mime_field(struct mime *mime, struct slice name, struct slice value);
/* The header is over. */
void mime_begin(struct mime *mime);
/* Literal text, lines end in CRLF. */
void mime_text(struct mime *mime, struct slice text);
/* Something of unknown content. */
void mime_mark(struct mime *mime);
/* How a variable is to be written here: bits of enum body_use. */
unsigned mime_use(const struct mime *mime);
/* The name of the part's field that is being read; empty in a text. */
struct slice mime_field_name(const struct mime *mime);
/* Whether the line is "--" and one of the boundaries, whatever follows. */
bool mime_is_delimiter(const struct slice *boundaries, unsigned nboundaries, struct slice line);
void mime_free(struct mime *mime);
