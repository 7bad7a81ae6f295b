/* The text of a message behind its header, as pieces: literals that all recipients share, already encoded, and places
 * for variables. Built once, when a message is compiled.
 *
 *     body_add(&body, SLICE("\r\nHello "));
 *     body_variable(&body, &(struct piece){.name = name, .use = BODY_QUOTED});
 *     body_quoted(&body, SLICE(", how are you?"));
 *     pieces = body_end(&body, &npieces);
 *
 * Columns. What stands behind a variable begins at a column nobody knows yet. In quoted-printable such a literal is
 * encoded as if it began a line; when it is rendered and its first line does not fit any more, a soft break goes before
 * it. So literals stay the same for everybody, and no line is too long. */
#pragma once

#include "mail/template.h"

#include "base/arena.h"
#include "base/outbuf.h"

/* BODY_HTML: escape & < > " and '. BODY_QUOTED: quoted-printable. BODY_LINE: in the header of a part; no line end, no
 * character that means something there. */
enum body_use { BODY_HTML = 1, BODY_QUOTED = 2, BODY_LINE = 4 };

struct piece {
	struct slice plain;   /* literal bytes; empty for a variable */
	struct slice stuffed; /* the same with dots doubled, but for the first byte, which only its place can tell */
	struct slice name;    /* of a variable */
	size_t head, tail;    /* octets before the first line end, and behind the last one */
	bool broken;	      /* has a line end */
	bool joins;	      /* stands behind a variable in quoted-printable */
	uint8_t use;	      /* bits of enum body_use */
	const char *field;    /* static: where the variable was used, for errors */
	struct place place;
};

struct body {
	struct arena *arena; /* borrowed: where pieces and what they point to will live */
	struct outbuf pieces, literal;
	size_t column;
	size_t bytes; /* of all literals */
	bool after_quoted;
};

/* Literal bytes with CRLF line ends, as they are. */
void body_add(struct body *body, struct slice bytes);
/* The same, but borrowed: they must live as long as the pieces. */
void body_borrow(struct body *body, struct slice bytes);
/* Literal text, to be written in quoted-printable. */
void body_quoted(struct body *body, struct slice text);
/* A place for a variable; the name is copied. */
void body_variable(struct body *body, const struct piece *variable);
/* A text with tags, written in quoted-printable. False with error when it is no template. */
bool body_template(struct body *body, struct slice text, unsigned use, const char *field, struct mail_error *error);
/* The pieces, in the arena. The body is empty then. */
struct piece *body_end(struct body *body, size_t *count);
/* Frees what a body holds that was not ended. */
void body_free(struct body *body);
