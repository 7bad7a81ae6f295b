/* Literal text moves the state machine of address lists (party.h) on, so that it is known where a value stands: a value
 * never moves it, because it is escaped, quoted or refused. Expanding first and parsing the result was rejected: then
 * the value decides what the text means. */
#include "mail/fill.h"

#include "mail/party.h"
#include "mail/template.h"

#include <stdio.h>
#include <string.h>

static bool refuse(struct slice name, const char *why, struct mail_error *error)
{
	return mail_fail(error, "E_VAR_VALUE", "the value of {{%.*s}} %s", SLICE_ARG(slice_head(name, 100)), why);
}

static bool value_check(struct slice name, struct slice value, struct mail_error *error)
{
	char who[64];

	if (header_text_check(value, "", NULL))
		return true;
	snprintf(who, sizeof(who), "the value of {{%.*s}}", SLICE_ARG(slice_head(name, 40)));
	return header_text_check(value, who, error);
}

/* What a URI cannot have (RFC 3986 2). */
static const bool escaped_in_uri[256] = {
	[0 ... ' '] = true, ['"'] = true, ['<'] = true, ['>'] = true, ['\\'] = true,	     ['^'] = true,
	['`'] = true,	    ['{'] = true, ['|'] = true, ['}'] = true, [0x7f ... 255] = true,
};

static bool add_to_uris(struct outbuf *out, const struct party_place *state, struct slice name, struct slice value,
			struct mail_error *error)
{
	static const char hex[] = "0123456789ABCDEF";

	if (!state->angle)
		return refuse(name, "would stand outside of < and >; write <{{name}}>", error);

	while (value.len) {
		size_t n = 0;

		while (n < value.len && !escaped_in_uri[(unsigned char)value.ptr[n]])
			n++;
		outbuf_add(out, slice_head(value, n));
		if (n == value.len)
			break;
		outbuf_byte(out, '%');
		outbuf_byte(out, hex[(unsigned char)value.ptr[n] >> 4]);
		outbuf_byte(out, hex[(unsigned char)value.ptr[n] & 15]);
		value = slice_skip(value, n + 1);
	}
	return true;
}

/* Whether an address in brackets follows in this item: then what stands here is a display name. */
static bool is_before_angle(struct slice rest)
{
	struct party_place state = {0};

	for (size_t i = 0; i < rest.len; i++) {
		char c = rest.ptr[i];
		bool outside = !state.quoted && !state.comment;

		if (outside && slice_starts(slice_skip(rest, i), SLICE("{{"))) {
			i += slice_find(slice_skip(rest, i), '}') - 1;
			continue;
		}
		if (outside && (c == '<' || c == ','))
			return c == '<';
		party_step(&state, c);
	}
	return false;
}

static bool is_one_party(struct slice value)
{
	struct party party;

	return party_next(&value, &party, NULL) == PARTY_ONE && slice_trim(value).len == 0;
}

static bool is_address_part(struct slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.ptr[i] <= ' ' || strchr("<>()[]\\,;:\"", value.ptr[i]))
			return false;
	return true;
}

static bool add_to_parties(struct outbuf *out, const struct party_place *state, struct slice name, struct slice value,
			   struct slice rest, struct mail_error *error)
{
	if (state->comment)
		return refuse(name, "stands in a comment, where none is possible", error);
	if (state->quoted) {
		party_escape(out, value);
		return true;
	}
	if (state->angle) {
		if (!is_address_part(value))
			return refuse(name, "is not an address, nor part of one", error);
		outbuf_add(out, value);
		return true;
	}
	if (is_before_angle(rest)) {
		outbuf_byte(out, '"');
		party_escape(out, value);
		outbuf_byte(out, '"');
		return true;
	}
	if (!is_one_party(value))
		return refuse(name, "is not one address", error);
	outbuf_add(out, value);
	return true;
}

static bool add_value(struct outbuf *out, const struct party_place *state, enum header_kind kind, struct slice name,
		      struct slice value, struct slice rest, struct mail_error *error)
{
	if (!value_check(name, value, error))
		return false;
	switch (kind) {
	case HEADER_PARTIES: return add_to_parties(out, state, name, value, rest, error);
	case HEADER_URIS: return add_to_uris(out, state, name, value, error);
	case HEADER_TEXT:
	case HEADER_TOKENS: break;
	}
	outbuf_add(out, value);
	return true;
}

bool fill(struct outbuf *out, struct slice text, enum header_kind kind, struct values *values, struct mail_error *error)
{
	struct template template = template_of(text);
	struct template_piece piece;
	struct party_place state = {0};
	bool has_places = kind == HEADER_PARTIES || kind == HEADER_URIS;
	enum template_kind found;

	while ((found = template_next(&template, &piece, error)) != TEMPLATE_END) {
		struct slice value;

		if (found == TEMPLATE_BAD)
			return false;
		if (found == TEMPLATE_TEXT) {
			for (size_t i = 0; has_places && i < piece.text.len; i++)
				party_step(&state, piece.text.ptr[i]);
			outbuf_add(out, piece.text);
			continue;
		}
		if (!values_find(values, piece.text, &value, error) ||
		    !add_value(out, &state, kind, piece.text, value, template.rest, error))
			return false;
	}
	return true;
}

bool fill_check(struct slice text, struct mail_error *error)
{
	struct template template = template_of(text);
	struct template_piece piece;
	enum template_kind found;

	if (!header_text_check(text, "the value", error))
		return false;
	while ((found = template_next(&template, &piece, error)) != TEMPLATE_END)
		if (found == TEMPLATE_BAD || (found == TEMPLATE_NAME && !values_name_check(piece.text, error)))
			return false;
	return true;
}
