/* Literal bytes gather until a variable or the end comes, then become a piece: a copy in the arena, its shape, and,
 * only if a dot begins one of its lines, a second copy with that dot doubled. */
#include "mail/body.h"

#include "mail/quoted.h"
#include "mail/values.h"
#include "smtp/wire.h"

static void shape(struct piece *piece)
{
	struct slice text = piece->plain;
	size_t last = slice_find_last(text, '\n');

	piece->broken = last < text.len;
	piece->head = slice_find(text, '\r');
	piece->tail = piece->broken ? text.len - last - 1 : text.len;
}

/* Dots at the start of inner lines; whether the first byte begins a line is not known yet. */
static struct slice stuffed(struct arena *arena, struct slice plain)
{
	struct wire_stuffing at = {.line_start = false};
	struct outbuf out = {0};

	if (slice_find_pair(plain, '\n', '.') == plain.len)
		return plain;
	wire_stuff(&out, plain, &at);
	struct slice copy = arena_copy(arena, outbuf_slice(&out));

	outbuf_free(&out);
	return copy;
}

static void add_piece(struct body *body, struct piece piece)
{
	outbuf_add(&body->pieces, (struct slice){(const char *)&piece, sizeof(piece)});
	body->after_quoted = piece.name.len && piece.use & BODY_QUOTED;
}

void body_borrow(struct body *body, struct slice bytes)
{
	struct piece piece = {.plain = bytes, .joins = body->after_quoted};

	if (bytes.len == 0)
		return;
	piece.stuffed = stuffed(body->arena, bytes);
	shape(&piece);
	body->bytes += bytes.len;
	add_piece(body, piece);
}

static void flush(struct body *body)
{
	if (body->literal.len == 0)
		return;
	body_borrow(body, arena_copy(body->arena, outbuf_slice(&body->literal)));
	outbuf_reset(&body->literal);
}

void body_add(struct body *body, struct slice bytes)
{
	size_t last = slice_find_last(bytes, '\n');

	outbuf_add(&body->literal, bytes);
	body->column = last < bytes.len ? bytes.len - last - 1 : body->column + bytes.len;
}

void body_quoted(struct body *body, struct slice text)
{
	quoted_write(&body->literal, text, &body->column);
}

void body_variable(struct body *body, const struct piece *variable)
{
	struct piece piece = *variable;

	flush(body);
	piece.name = arena_copy(body->arena, variable->name);
	add_piece(body, piece);
	body->column = 0;
}

bool body_template(struct body *body, struct slice text, unsigned use, const char *field, struct mail_error *error)
{
	struct template template = template_of(text);
	struct template_piece found;
	enum template_kind kind;
	struct place place = {1, 1};
	const char *counted = text.ptr;

	mail_field(error, "%s", field);
	while ((kind = template_next(&template, &found, error)) != TEMPLATE_END) {
		if (kind == TEMPLATE_BAD || (kind == TEMPLATE_NAME && !values_name_check(found.text, error)))
			return false;
		if (kind == TEMPLATE_TEXT) {
			body_quoted(body, found.text);
			continue;
		}
		place_advance(&place, (struct slice){counted, (size_t)(found.at - counted)});
		counted = found.at;
		struct piece variable = {.name = found.text, .field = field, .place = place};

		variable.use = BODY_QUOTED | (found.verbatim ? 0 : use & BODY_HTML);
		body_variable(body, &variable);
	}
	return true;
}

struct piece *body_end(struct body *body, size_t *count)
{
	flush(body);
	struct slice pieces = arena_copy(body->arena, outbuf_slice(&body->pieces));

	*count = pieces.len / sizeof(struct piece);
	body_free(body);
	return (struct piece *)(uintptr_t)pieces.ptr;
}

void body_free(struct body *body)
{
	outbuf_free(&body->pieces);
	outbuf_free(&body->literal);
}
