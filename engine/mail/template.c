/* A scan for "{{" and its closing braces, nothing more. Where a tag stands (line, column) is counted only when somebody
 * asks, from the start of the text: an error happens once, a piece is read for every header of every recipient.
 *
 * A tree of nodes was not built: without sections there is nothing to nest, and with them the pieces will still come in
 * this order. */
#include "mail/template.h"

#include <string.h>

struct template template_of(struct slice text)
{
	return (struct template){text, text};
}

static size_t find_text(struct slice s, struct slice what)
{
	const char *found = s.len >= what.len ? memmem(s.ptr, s.len, what.ptr, what.len) : NULL;

	return found ? (size_t)(found - s.ptr) : s.len;
}

/* "{{" is looked for in every header of every recipient. */
static size_t find_tag(struct slice text)
{
	return slice_find_pair(text, '{', '{');
}

bool template_has_tags(struct slice text)
{
	return find_tag(text) < text.len;
}

void place_advance(struct place *place, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '\n') {
			place->line++;
			place->column = 1;
		} else if (c != '\r' && ((unsigned char)c & 0xc0) != 0x80) {
			place->column++;
		}
	}
}

struct place template_place(struct slice text, const char *at)
{
	struct place place = {1, 1};

	place_advance(&place, slice_head(text, (size_t)(at - text.ptr)));
	return place;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* One tag as written: its inside, and where the text goes on after it. */
struct tag {
	struct slice inside; /* trimmed, with the sigil */
	const char *end;
	bool triple;
};

/* at points to "{{". False when it is not closed. */
static bool tag_read(struct template *template, const char *at, struct tag *tag)
{
	struct slice rest = {at, (size_t)(template->all.ptr + template->all.len - at)};

	tag->triple = slice_starts(rest, SLICE("{{{"));
	struct slice close = tag->triple ? SLICE("}}}") : SLICE("}}");

	rest = slice_skip(rest, close.len);
	size_t n = find_text(rest, close);

	if (n == rest.len)
		return false;
	tag->inside = slice_trim(slice_head(rest, n));
	tag->end = rest.ptr + n + close.len;
	return true;
}

/* If nothing but blanks is on the tag's line: where that line begins and where the next one does. */
static bool tag_is_alone(const struct template *template, const char *at, const char **begin, const char **end)
{
	const char *first = template->all.ptr, *last = first + template->all.len;

	while (at > first && is_blank(at[-1]))
		at--;
	if (at > first && at[-1] != '\n')
		return false;
	*begin = at;
	at = *end;
	while (at < last && is_blank(*at))
		at++;
	if (at < last && *at == '\r')
		at++;
	if (at < last && *at != '\n')
		return false;
	*end = at < last ? at + 1 : last;
	return true;
}

static bool tag_is_comment(const struct tag *tag)
{
	return !tag->triple && tag->inside.len && tag->inside.ptr[0] == '!';
}

static enum template_kind bad(const struct template *template, const char *at, const char *what,
			      struct mail_error *error)
{
	struct place place = template_place(template->all, at);

	mail_fail(error, "E_TEMPLATE", "line %u, column %u: %s", place.line, place.column, what);
	return TEMPLATE_BAD;
}

static enum template_kind not_yet(const struct template *template, const char *at, const char *what,
				  struct mail_error *error)
{
	struct place place = template_place(template->all, at);

	mail_fail(error, "E_NOT_YET",
		  "line %u, column %u: %s not yet possible; only {{name}}, {{{name}}} and {{! comment }} are",
		  place.line, place.column, what);
	return TEMPLATE_BAD;
}

/* What a sigil at the front of a tag would mean; NULL for a name. */
static const char *sigil_meaning(char c)
{
	switch (c) {
	case '#':
	case '^':
	case '/': return "sections are";
	case '>': return "partials are";
	case '<':
	case '$': return "blocks are";
	case '=': return "other delimiters are";
	}
	return NULL;
}

static const char *name_fault(struct slice name)
{
	if (name.len == 0)
		return "a tag without a name; write {{name}}";
	if (name.len > TEMPLATE_NAME_MAX)
		return "a name of more than 255 bytes; is a closing }} missing?";
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] < ' ' || strchr("{}\x7f", name.ptr[i]))
			return "a brace or a line end inside a name; is a closing }} missing?";
	return NULL;
}

static enum template_kind take_name(struct template *template, const struct tag *tag, struct template_piece *piece,
				    struct mail_error *error)
{
	const char *at = template->rest.ptr;
	struct slice name = tag->inside;
	bool ampersand = !tag->triple && slice_starts(name, SLICE("&"));

	if (!tag->triple && name.len && sigil_meaning(name.ptr[0]))
		return not_yet(template, at, sigil_meaning(name.ptr[0]), error);
	if (ampersand)
		name = slice_trim(slice_skip(name, 1));
	if (name_fault(name))
		return bad(template, at, name_fault(name), error);
	*piece = (struct template_piece){.text = name, .at = at, .verbatim = tag->triple || ampersand};
	template->rest = slice_skip(template->rest, (size_t)(tag->end - at));
	return TEMPLATE_NAME;
}

/* Text up to the next tag. Blanks that lead to a comment alone on its line belong to the comment. */
static struct slice text_before(struct template *template, size_t n)
{
	struct slice text = slice_head(template->rest, n);
	const char *at = text.ptr + n, *begin;
	struct tag tag;

	if (n < template->rest.len && tag_read(template, at, &tag) && tag_is_comment(&tag) &&
	    tag_is_alone(template, at, &begin, &tag.end))
		text.len = begin > text.ptr ? (size_t)(begin - text.ptr) : 0;
	template->rest = slice_skip(template->rest, n);
	return text;
}

enum template_kind template_next(struct template *template, struct template_piece *piece, struct mail_error *error)
{
	while (template->rest.len) {
		size_t n = find_tag(template->rest);

		if (n) {
			struct slice text = text_before(template, n);

			if (text.len == 0)
				continue;
			*piece = (struct template_piece){.text = text, .at = text.ptr};
			return TEMPLATE_TEXT;
		}
		const char *at = template->rest.ptr, *begin;
		struct tag tag;

		if (!tag_read(template, at, &tag))
			return bad(template, at, "a {{ that is not closed; write {{name}}", error);
		if (!tag_is_comment(&tag))
			return take_name(template, &tag, piece, error);
		tag_is_alone(template, at, &begin, &tag.end);
		template->rest = slice_skip(template->rest, (size_t)(tag.end - at));
	}
	return TEMPLATE_END;
}
