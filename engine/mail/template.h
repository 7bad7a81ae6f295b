/* Text with {{name}} in it, taken apart. The language is Mustache's; of it, as yet:
 *
 *     {{name}}               the value, escaped where the text is HTML
 *     {{{name}}} {{& name}}  the value as it is
 *     {{! words }}           a comment; alone on its line, the line goes too
 *
 * Sections, partials and other delimiters are refused by name, so that no text means something else later. Dotted names
 * (hk.address) are names like others. There is no way to write a literal "{{" yet.
 *
 *     struct template template = template_of(text);
 *     struct template_piece piece;
 *     enum template_kind kind;
 *
 *     while ((kind = template_next(&template, &piece, error)) != TEMPLATE_END) {
 *             if (kind == TEMPLATE_BAD)
 *                     return false;
 *             kind == TEMPLATE_TEXT ? add(piece.text) : look_up(piece.text);
 *     }
 *
 * Nothing is allocated; pieces point into the text. */
#pragma once

#include "mail/error.h"

#include "base/slice.h"

enum { TEMPLATE_NAME_MAX = 255 }; /* what a pack can hold */

/* TEMPLATE_BAD: not a template; error has code and sentence, with line and column. */
enum template_kind { TEMPLATE_TEXT, TEMPLATE_NAME, TEMPLATE_END, TEMPLATE_BAD };

struct template
{
	struct slice all, rest; /* borrowed; private */
};

struct template_piece {
	struct slice text; /* borrowed: literal text, never empty; or the name, without blanks around it */
	const char *at;	   /* where it begins in the text: for template_place */
	bool verbatim;	   /* of a name: not to be escaped */
};

struct template template_of(struct slice text);
enum template_kind template_next(struct template *template, struct template_piece *piece, struct mail_error *error);
/* Has any tag at all: no means that the text is what it says. */
bool template_has_tags(struct slice text);

/* Line and column, from 1, of a place in a text; columns count characters of UTF-8. */
struct place {
	unsigned line, column;
};
struct place template_place(struct slice text, const char *at);
/* Moves a place on over text that follows it. */
void place_advance(struct place *place, struct slice text);
