/* A message that somebody else composed. Its line ends are made CRLF, Bcc and Return-Path are taken out, Date and
 * Message-ID are added if it has none; everything else leaves as it came. What would not arrive (no From, two of what
 * there may be one of, a line no server must take) is refused here, while the submitter can still do something.
 *
 * With variables, its MIME structure is followed line by line (mime.h) so that a value is written the way its part is;
 * a header field with a variable is unfolded and written anew, the others stay. */
#include "mail/parts.h"

#include "mail/mime.h"
#include "mail/template.h"
#include "smtp/wire.h"

#include "base/utf8.h"

static bool lines_check(struct slice text, struct mail_error *error)
{
	for (size_t line = 1; text.len; line++) {
		size_t n = slice_find(text, '\r');

		if (n > HEADER_LINE_MAX)
			return mail_fail(error, "E_LINE",
					 "line %zu has %zu octets; mail can have %d (RFC 5322 2.1.1), so it must be "
					 "encoded or wrapped",
					 line, n, HEADER_LINE_MAX);
		text = slice_skip(text, n + 2);
	}
	return true;
}

/* The first field of a header with all its lines, taken off the text; empty at the end of the header. */
static struct slice take_field(struct slice *text)
{
	size_t n = 0;

	if (text->len == 0 || text->ptr[0] == '\r')
		return SLICE_NONE;
	do {
		struct slice rest = slice_skip(*text, n);
		size_t line = slice_find(rest, '\n');

		n += line < rest.len ? line + 1 : rest.len;
	} while (n < text->len && (text->ptr[n] == ' ' || text->ptr[n] == '\t'));
	struct slice field = slice_head(*text, n);

	*text = slice_skip(*text, n);
	return field;
}

/* RFC 5322 2.2.3: the value with its CRLFs left out. */
static void unfold(struct outbuf *out, struct slice value)
{
	while (value.len) {
		outbuf_add(out, slice_until(&value, '\r'));
		value = slice_skip(value, value.len > 0);
	}
}

static bool add_tagged(struct fields *fields, struct slice name, struct slice value, struct mail_error *error)
{
	if (header_rule(name)->origin == HEADER_MADE)
		return mail_fail(error, "E_TEMPLATE", "%.*s cannot have variables: it says how the message is built",
				 SLICE_ARG(name));
	return fields_add(fields, name, value, error);
}

/* One field. Its value, unfolded, tells the MIME reader what the body is. */
static bool add_field(struct fields *fields, struct mime *mime, struct slice bytes, bool merge, struct outbuf *value,
		      struct mail_error *error)
{
	struct slice rest = bytes, name = slice_until(&rest, ':');

	if (name.len == bytes.len)
		return mail_fail(error, "E_HEADER",
				 "\"%.*s\" is no header field: there is no colon; the header ends with an empty line",
				 SLICE_ARG(slice_head(slice_trim(bytes), 60)));
	if (!header_name_check(name, error))
		return false;
	outbuf_reset(value);
	unfold(value, rest);
	mime_field(mime, name, outbuf_slice(value));
	if (merge && template_has_tags(bytes))
		return add_tagged(fields, name, slice_trim(outbuf_slice(value)), error);
	return fields_add_raw(fields, name, bytes, error);
}

static bool add_header(struct fields *fields, struct mime *mime, struct slice *text, bool merge,
		       struct mail_error *error)
{
	struct slice all = *text, bytes;
	struct outbuf value = {0};
	bool ok = true;

	while (ok && (bytes = take_field(text)).len) {
		ok = add_field(fields, mime, bytes, merge, &value, error);
		if (!ok && error) {
			struct mail_error fault = *error;

			mail_fail(error, fault.code, "line %u: %s", template_place(all, bytes.ptr).line, fault.message);
		}
	}
	outbuf_free(&value);
	return ok;
}

/* Nothing of a recipient goes into it: the fields become one run of bytes. */
static void join_fields(struct message *message)
{
	struct outbuf all = {0};

	for (size_t i = 0; i < message->nfields; i++)
		outbuf_add(&all, message->fields[i].bytes);
	message->fields[0] = (struct field){.bytes = arena_copy(&message->arena, outbuf_slice(&all))};
	message->nfields = 1;
	outbuf_free(&all);
}

static bool variable_check(const struct mime *mime, struct slice name, struct mail_error *error)
{
	struct slice field = mime_field_name(mime);

	if (!values_name_check(name, error))
		return false;
	if (mime->overfull)
		return mail_fail(error, "E_TOO_BIG", "there are more than %d boundaries", MIME_BOUNDARIES_MAX);
	if (!mime->in_header && mime->base64)
		return mail_fail(error, "E_TEMPLATE", "{{%.*s}} stands in a part that is base64", SLICE_ARG(name));
	if (mime->in_header && !header_name_check(field, NULL))
		return mail_fail(error, "E_TEMPLATE", "{{%.*s}} stands in a part's header, but not in a field's value",
				 SLICE_ARG(name));
	if (mime->in_header && (slice_is_nocase(field, SLICE("Content-Type")) ||
				slice_is_nocase(field, SLICE("Content-Transfer-Encoding"))))
		return mail_fail(error, "E_TEMPLATE", "%.*s cannot have variables: it says how the message is built",
				 SLICE_ARG(field));
	return true;
}

/* text: behind the empty line; all: the whole message, for places. */
static bool add_template(struct body *body, struct mime *mime, struct slice text, struct slice all,
			 struct mail_error *error)
{
	struct template template = template_of(text);
	struct template_piece found;
	enum template_kind kind;
	struct place place = {1, 1};
	const char *counted = all.ptr;

	while ((kind = template_next(&template, &found, error)) != TEMPLATE_END) {
		if (kind == TEMPLATE_BAD)
			return false;
		if (kind == TEMPLATE_TEXT) {
			mime_text(mime, found.text);
			body_borrow(body, found.text);
			continue;
		}
		if (!variable_check(mime, found.text, error))
			return false;
		place_advance(&place, (struct slice){counted, (size_t)(found.at - counted)});
		counted = found.at;
		unsigned use = mime_use(mime) & (found.verbatim ? ~(unsigned)BODY_HTML : ~0u);

		body_variable(body,
			      &(struct piece){.name = found.text, .field = "raw", .place = place, .use = (uint8_t)use});
		mime_mark(mime);
	}
	return true;
}

static bool add_body(struct message *message, struct mime *mime, struct slice text, bool merge,
		     struct mail_error *error)
{
	struct body body = {.arena = &message->arena};
	bool ok = true;

	mime_begin(mime);
	body_borrow(&body, SLICE("\r\n"));
	text = slice_skip(text, 2);
	if (merge)
		ok = add_template(&body, mime, text, outbuf_slice(&message->source), error);
	else
		body_borrow(&body, text);
	message->pieces = body_end(&body, &message->npieces);
	struct slice boundaries = {(const char *)mime->boundaries, mime->nboundaries * sizeof(struct slice)};

	message->boundaries = (const struct slice *)(const void *)arena_copy(&message->arena, boundaries).ptr;
	message->nboundaries = mime->nboundaries;
	for (size_t i = 0; i < message->npieces; i++)
		message->shared &= message->pieces[i].name.len == 0;
	return ok;
}

static bool add_all(struct message *message, struct fields *fields, struct mime *mime, bool merge,
		    struct mail_error *error)
{
	struct slice text = outbuf_slice(&message->source);

	if (!lines_check(text, error) || !add_header(fields, mime, &text, merge, error) ||
	    !fields_end(fields, message, error))
		return false;
	if (message->raw)
		join_fields(message);
	message->eight_bit |= !utf8_is_ascii(text);
	return add_body(message, mime, text, merge, error);
}

bool raw_compile(struct message *message, struct slice text, bool merge, struct mail_error *error)
{
	struct fields fields = {.arena = &message->arena};
	struct mime mime = {.arena = &message->arena};

	mail_field(error, "raw");
	message->raw = !merge;
	if (!wire_normalise(&message->source, text))
		return mail_fail(error, "E_NUL", "octet %zu is a NUL; no mail can have one", slice_find(text, '\0'));
	bool ok = add_all(message, &fields, &mime, merge, error);

	fields_free(&fields);
	mime_free(&mime);
	return ok;
}
