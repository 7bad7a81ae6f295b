/* Everything short is copied into one run of bytes, everything long stays where it is: an iovec entry costs the kernel
 * more than the copy of a line. Runs are kept as offsets until the end, because the buffer may move while it grows.
 *
 * Dots: a literal has those inside it doubled already (body.c); only the first byte of a piece needs to know its
 * column. What a recipient brings is doubled here. */
#include "mail/render.h"

#include "mail/fill.h"
#include "mail/guard.h"
#include "mail/html.h"
#include "mail/quoted.h"
#include "mail/stamp.h"

#include "base/utf8.h"

#include <string.h>

enum { COPY_MAX = 127 /* longer literals are referred to */ };

static void add_span(struct render *r, const char *ptr, size_t at, size_t len)
{
	struct outbuf *spans = &r->scratch->spans;
	struct span *last = spans->len ? (struct span *)(void *)(spans->ptr + spans->len) - 1 : NULL;

	r->wire_bytes += len;
	if (!ptr && last && !last->ptr && last->at + last->len == at) {
		last->len += len;
		return;
	}
	struct span span = {ptr, at, len};

	outbuf_add(spans, (struct slice){(const char *)&span, sizeof(span)});
}

/* Bytes of the message, for the wire. */
static void put(struct render *r, struct slice bytes)
{
	if (bytes.len == 0)
		return;
	if (bytes.len > COPY_MAX) {
		add_span(r, bytes.ptr, 0, bytes.len);
		return;
	}
	size_t at = r->scratch->bytes.len;

	outbuf_add(&r->scratch->bytes, bytes);
	add_span(r, NULL, at, bytes.len);
}

/* Most values have no dot at all, or few. */
static bool has_dot_line(struct slice text, size_t column)
{
	for (size_t at = slice_find(text, '.'); at < text.len;) {
		if (at ? text.ptr[at - 1] == '\n' : column == 0)
			return true;
		at += 1 + slice_find(slice_skip(text, at + 1), '.');
	}
	return false;
}

/* Scratch bytes from begin to their end have been written: they go out. column is where they began. */
static void put_written(struct render *r, size_t begin, size_t column)
{
	struct outbuf *bytes = &r->scratch->bytes, *text = &r->scratch->text;
	struct slice written = {bytes->ptr + begin, bytes->len - begin};

	if (written.len == 0)
		return;
	r->size += written.len;
	if (r->form == WIRE_DATA && has_dot_line(written, column)) {
		struct wire_stuffing at = {.line_start = column == 0};

		outbuf_reset(text);
		wire_stuff(text, written, &at);
		bytes->len = begin;
		outbuf_add(bytes, outbuf_slice(text));
	}
	add_span(r, NULL, begin, bytes->len - begin);
}

/* Notes what one-click unsubscribing wants, where only rendering can tell. */
static void note_unsubscribe(struct render *r, struct slice name, struct slice value)
{
	if (!r->message->one_click && !r->merge->headers.len)
		return;
	if (slice_is_nocase(name, SLICE("List-Unsubscribe")))
		r->https = memmem(value.ptr, value.len, "<https://", 9);
	if (slice_is_nocase(name, SLICE("List-Unsubscribe-Post")))
		r->one_click = true;
}

static bool write_tagged(struct render *r, struct slice name, struct slice text, struct mail_error *error)
{
	struct outbuf *line = &r->scratch->line;
	size_t begin = r->scratch->bytes.len;

	outbuf_reset(line);
	if (!fill(line, text, header_rule(name)->kind, &r->scratch->values, error) ||
	    !header_write(&r->scratch->bytes, name, outbuf_slice(line), &r->utf8, error))
		return false;
	note_unsubscribe(r, name, outbuf_slice(line));
	put_written(r, begin, 0);
	return true;
}

/* Where the submitter wrote a header of that name. */
static bool name_field(const struct render *r, struct slice name, struct mail_error *error)
{
	if (r->message->source.len)
		return mail_field(error, "raw");
	if (slice_is_nocase(name, SLICE("Subject")))
		return mail_field(error, "message.subject");
	return mail_field(error, "message.headers.%.*s", SLICE_ARG(name));
}

static bool put_field(struct render *r, const struct field *field, struct mail_error *error)
{
	if (field->text.len)
		return write_tagged(r, field->name, field->text, error) || name_field(r, field->name, error);
	note_unsubscribe(r, field->name, field->bytes);
	r->size += field->bytes.len;
	put(r, field->bytes);
	return true;
}

/* The recipient's own header of that name. */
static bool own_header(const struct render *r, struct slice name, struct slice *value)
{
	struct slice headers = r->merge->headers;
	struct pack_entry entry;

	while (pack_next(&headers, &entry))
		if (slice_is_nocase(entry.name, name)) {
			*value = entry.value;
			return true;
		}
	return false;
}

static bool has_own(const struct render *r, struct slice name)
{
	struct slice ignored;

	return r->merge->headers.len && own_header(r, name, &ignored);
}

static bool put_own_header(struct render *r, const struct pack_entry *entry, uint32_t *seen, struct mail_error *error)
{
	const struct header_rule *rule = header_rule(entry->name);
	uint32_t bit = rule->once ? 1u << header_once_bit(rule) : 0;

	if (!header_name_check(entry->name, error))
		return false;
	if (rule->origin == HEADER_DROPPED)
		return true;
	if (rule->origin == HEADER_MADE)
		return mail_fail(error, "E_HEADER", "%.*s is written by the engine and cannot be given",
				 SLICE_ARG(entry->name));
	if (entry->kind != PACK_TEXT)
		return mail_fail(error, "E_SHAPE", "a header's value is text");
	if (*seen & bit)
		return mail_fail(error, "E_HEADER",
				 "there is more than one %.*s; a message has one at most (RFC 5322 3.6)",
				 SLICE_ARG(rule->name));
	*seen |= bit;
	return write_tagged(r, entry->name, entry->value, error);
}

/* A list came as an entry for each value: where the header allows one field only, they become one. */
static struct slice join_list(struct render *r, const struct pack_entry *first, struct slice *headers)
{
	struct slice joint = header_rule(first->name)->joint, rest = *headers;
	struct outbuf *text = &r->scratch->text;
	struct pack_entry next;

	if (!joint.len || !pack_next(&rest, &next) || !slice_is(next.name, first->name))
		return first->value;
	outbuf_reset(text);
	outbuf_add(text, first->value);
	do {
		outbuf_add(text, joint);
		outbuf_add(text, next.value);
		*headers = rest;
	} while (pack_next(&rest, &next) && slice_is(next.name, first->name));
	return outbuf_slice(text);
}

/* Rare: a recipient has headers of its own. They stand for the message's of the same name. */
static bool put_fields_with_own(struct render *r, struct mail_error *error)
{
	const struct message *message = r->message;
	struct slice headers = r->merge->headers;
	struct pack_entry entry;
	uint32_t seen = 0;

	if (message->raw) {
		mail_fail(error, "E_HEADER", "a raw message goes out as it is and takes no headers of a recipient");
		return mail_field(error, "headers");
	}
	for (size_t i = 0; i < message->nfields; i++)
		if (!has_own(r, message->fields[i].name) && !put_field(r, &message->fields[i], error))
			return false;
	while (pack_next(&headers, &entry)) {
		entry.value = join_list(r, &entry, &headers);
		if (!put_own_header(r, &entry, &seen, error))
			return mail_field(error, "headers.%.*s", SLICE_ARG(entry.name));
	}
	return true;
}

static bool put_fields(struct render *r, struct mail_error *error)
{
	if (r->merge->headers.len) {
		if (!put_fields_with_own(r, error))
			return false;
	} else {
		for (size_t i = 0; i < r->message->nfields; i++)
			if (!put_field(r, &r->message->fields[i], error))
				return false;
	}
	if (!r->one_click || r->https)
		return true;
	mail_fail(error, "E_HEADER",
		  "List-Unsubscribe-Post wants a List-Unsubscribe with <https://...> (RFC 8058 3.1)");
	return name_field(r, SLICE("List-Unsubscribe"), error);
}

static bool put_to(struct render *r, struct mail_error *error)
{
	size_t begin = r->scratch->bytes.len;
	struct slice name = slice_trim(r->merge->name);

	if (!header_text_check(r->merge->name, "the name", error) ||
	    !header_write_party(&r->scratch->bytes, SLICE("To"), name, r->merge->address, &r->utf8, error))
		return mail_field(error, "name");
	put_written(r, begin, 0);
	return true;
}

/* What the engine writes. */
static bool put_made(struct render *r, bool make_id, struct mail_error *error)
{
	struct outbuf *bytes = &r->scratch->bytes;

	if (r->message->add_to && !has_own(r, SLICE("To")) && !put_to(r, error))
		return false;
	size_t begin = bytes->len;

	if (r->message->add_date && !has_own(r, SLICE("Date"))) {
		outbuf_add(bytes, SLICE("Date: "));
		stamp_date(bytes, r->merge->date_ms);
		outbuf_add(bytes, SLICE("\r\n"));
	}
	if (make_id) {
		outbuf_add(bytes, SLICE("Message-ID: "));
		outbuf_add(bytes, r->scratch->values.message_id);
		outbuf_add(bytes, SLICE("\r\n"));
	}
	put_written(r, begin, 0);
	return true;
}

/* The id comes first: a variable may ask for it. made is set when the header is still to be written. */
static bool find_message_id(struct render *r, bool *made, struct mail_error *error)
{
	struct outbuf *id = &r->scratch->message_id;
	struct slice given = r->message->message_id;
	bool own = r->merge->headers.len && own_header(r, SLICE("Message-ID"), &given);

	*made = !own && given.len == 0;
	if (*made)
		stamp_message_id(id, r->merge->nonce, r->merge->hostname);
	else if (!fill(id, given, HEADER_TOKENS, &r->scratch->values, error) ||
		 !message_id_check(outbuf_slice(id), error))
		return own ? mail_field(error, "headers.Message-ID") : name_field(r, SLICE("Message-ID"), error);
	r->scratch->values.message_id = outbuf_slice(id);
	return true;
}

/* In the header of a part no value may mean anything. */
static bool is_plain_word(struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		if (c < ' ' || c >= 0x7f || strchr("\"\\;()<>", c))
			return false;
	}
	return true;
}

static bool value_check(const struct piece *piece, struct slice value, struct mail_error *error)
{
	if (slice_find(value, '\0') < value.len)
		return mail_fail(error, "E_NUL",
				 "line %u, column %u: the value of {{%.*s}} has a NUL; no mail can have one",
				 piece->place.line, piece->place.column, SLICE_ARG(slice_head(piece->name, 60)));
	if (piece->use & BODY_LINE && !is_plain_word(value))
		return mail_fail(
			error, "E_VAR_VALUE",
			"line %u, column %u: the value of {{%.*s}} stands in a part's header and may have printable "
			"ASCII without \" \\ ; ( ) < > only",
			piece->place.line, piece->place.column, SLICE_ARG(slice_head(piece->name, 60)));
	return true;
}

/* A value as its place wants it; the column moves with it. */
static void write_value(struct render *r, const struct piece *piece, struct slice value)
{
	struct outbuf *bytes = &r->scratch->bytes, *text = &r->scratch->text;
	size_t begin = bytes->len;

	if (piece->use & BODY_HTML) {
		outbuf_reset(text);
		html_escape(text, value);
		value = outbuf_slice(text);
	}
	if (piece->use & BODY_QUOTED) {
		quoted_write(bytes, value, &r->column);
		return;
	}
	wire_normalise(bytes, value);
	struct slice written = {bytes->ptr + begin, bytes->len - begin};
	size_t last = slice_find_last(written, '\n');

	r->column = last < written.len ? written.len - last - 1 : r->column + written.len;
	r->eight_bit |= !utf8_is_ascii(written);
}

static bool overlong(const struct piece *piece, struct mail_error *error)
{
	mail_fail(error, "E_LINE",
		  "line %u, column %u: {{%.*s}} makes a line of more than %d octets; mail cannot have one",
		  piece->place.line, piece->place.column, SLICE_ARG(slice_head(piece->name, 60)), HEADER_LINE_MAX);
	return mail_field(error, "%s", piece->field);
}

static bool put_variable(struct render *r, const struct piece *piece, struct guard *guard, struct mail_error *error)
{
	size_t begin = r->scratch->bytes.len, column = r->column;
	struct slice value;

	if (!values_find(&r->scratch->values, piece->name, &value, error) || !value_check(piece, value, error))
		return mail_field(error, "%s", piece->field);
	write_value(r, piece, value);
	struct slice written = {r->scratch->bytes.ptr + begin, r->scratch->bytes.len - begin};

	if (guard->nboundaries)
		guard_value(guard, written);
	size_t first = slice_find(written, '\r');

	if (column + first > HEADER_LINE_MAX || r->column > HEADER_LINE_MAX)
		return overlong(piece, error);
	put_written(r, begin, column);
	return true;
}

static bool put_literal(struct render *r, const struct piece *piece, struct guard *guard, struct mail_error *error)
{
	if (piece->joins && r->column && r->column + piece->head + !piece->broken > QUOTED_LINE_MAX) {
		r->size += 3;
		put(r, SLICE("=\r\n"));
		r->column = 0;
	}
	if (r->column + piece->head > HEADER_LINE_MAX) {
		mail_fail(error, "E_LINE",
			  "the variables of a line make it longer than %d octets; mail cannot have one",
			  HEADER_LINE_MAX);
		return mail_field(error, "raw");
	}
	if (r->form == WIRE_DATA && r->column == 0 && piece->plain.ptr[0] == '.')
		put(r, SLICE("."));
	if (guard->nboundaries)
		guard_literal(guard, piece);
	r->size += piece->plain.len;
	put(r, r->form == WIRE_DATA ? piece->stuffed : piece->plain);
	r->column = piece->broken ? piece->tail : r->column + piece->plain.len;
	return true;
}

static bool put_pieces(struct render *r, struct mail_error *error)
{
	const struct message *message = r->message;
	struct guard guard = {.boundaries = message->boundaries,
			      .nboundaries = message->shared ? 0 : message->nboundaries};

	for (size_t i = 0; i < message->npieces; i++) {
		const struct piece *piece = &message->pieces[i];

		if (!(piece->name.len ? put_variable(r, piece, &guard, error) : put_literal(r, piece, &guard, error)))
			return false;
	}
	guard_end(&guard);
	if (!guard.broken)
		return true;
	mail_fail(error, "E_VAR_VALUE", "a value would begin a part of its own: a line of it is a boundary");
	return mail_field(error, "raw");
}

static void put_end(struct render *r)
{
	if (r->column) {
		r->size += 2;
		put(r, SLICE("\r\n"));
	}
	if (r->form == WIRE_DATA)
		put(r, SLICE(".\r\n"));
}

bool render_run(struct render *r, struct mail_error *error)
{
	struct scratch *scratch = r->scratch;
	bool make_id;

	outbuf_reset(&scratch->bytes);
	outbuf_reset(&scratch->spans);
	outbuf_reset(&scratch->message_id);
	values_reset(&scratch->values, r->merge);
	r->utf8 = r->message->utf8;
	r->eight_bit = r->message->eight_bit;
	if (!find_message_id(r, &make_id, error) || !put_fields(r, error) || !put_made(r, make_id, error) ||
	    !put_pieces(r, error))
		return false;
	put_end(r);
	r->eight_bit |= r->utf8;
	if (r->size <= r->message->bytes_max)
		return true;
	mail_fail(error, "E_TOO_BIG", "the message has %llu octets with its variables; %llu are allowed",
		  (unsigned long long)r->size, (unsigned long long)r->message->bytes_max);
	return mail_field(error, "message");
}
