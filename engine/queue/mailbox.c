/* One look at every character first (what may stand nowhere), then the local part up to its @, then the domain. The
 * last @ is not searched for: in a quoted local part it may be anywhere, and a parser that guesses has sent mail for
 * "a@b c"@d.test to b (GHSA-mm7p-fcc7-pg87). ASCII domains, which are nearly all, never reach libidn2; labels that
 * look like A-labels do, because a wrong one must not get as far as DNS. */
#include "queue/mailbox.h"

#include "base/utf8.h"

#include <idn2.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *code, *sentence;
} faults[] = {[MAILBOX_FINE] = {"", "is fine"},
#define X(name, code, sentence) [name] = {code, sentence},
	      MAILBOX_FAULTS(X)
#undef X
};

const char *mailbox_fault_code(enum mailbox_fault fault)
{
	return faults[fault].code;
}

const char *mailbox_fault_sentence(enum mailbox_fault fault)
{
	return faults[fault].sentence;
}

/* The code point of a valid sequence. */
static uint32_t code_point(const char *bytes, size_t width)
{
	const unsigned char *p = (const unsigned char *)bytes;
	static const unsigned char first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t point = p[0] & first_bits[width];

	for (size_t i = 1; i < width; i++)
		point = point << 6 | (p[i] & 0x3f);
	return point;
}

/* Characters that a person cannot see, or that turn the text around them: an address with one of them is a mistake of
 * copying, or a deception. Unicode 15: Default_Ignorable_Code_Point, Bidi_Control, separators, C1, noncharacters. */
static bool is_invisible(uint32_t point)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0x80, 0xa0},	    {0xad, 0xad},     {0x34f, 0x34f},	{0x61c, 0x61c},	  {0x115f, 0x1160},
		{0x1680, 0x1680},   {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x2000, 0x200f}, {0x2028, 0x202f},
		{0x205f, 0x206f},   {0x2800, 0x2800}, {0x3000, 0x3000}, {0x3164, 0x3164}, {0xfdd0, 0xfdef},
		{0xfe00, 0xfe0f},   {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xffff}, {0x1bca0, 0x1bca3},
		{0x1d173, 0x1d17a},
	};

	if (point >= 0xe0000 || (point & 0xfffe) == 0xfffe)
		return true;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (point >= ranges[i].first && point <= ranges[i].last)
			return true;
	return false;
}

/* What may stand nowhere in an address. */
static enum mailbox_fault look_at_characters(struct slice text)
{
	while (text.len) {
		size_t width = utf8_width(text);

		if (width == 0)
			return MAILBOX_UTF8;
		if (*text.ptr == '\r' || *text.ptr == '\n')
			return MAILBOX_CRLF;
		if ((width == 1 && (unsigned char)*text.ptr < 0x20) || *text.ptr == 0x7f)
			return MAILBOX_CONTROL;
		if (width > 1 && is_invisible(code_point(text.ptr, width)))
			return MAILBOX_INVISIBLE;
		text = slice_skip(text, width);
	}
	return MAILBOX_FINE;
}

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* atext, or a byte of a character beyond ASCII. */
static bool is_atom(char c)
{
	return is_alphanumeric(c) || (unsigned char)c >= 0x80 || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* Dot-string: up to the @. */
static enum mailbox_fault read_dot_string(struct slice text, size_t *local_len)
{
	size_t at = slice_find(text, '@');

	if (memchr(text.ptr, '<', text.len) || memchr(text.ptr, '>', text.len))
		return MAILBOX_BRACKET;
	if (memchr(text.ptr, ' ', text.len))
		return MAILBOX_BLANK;
	if (at == text.len)
		return MAILBOX_NO_AT;
	if (at == 0)
		return MAILBOX_NO_LOCAL;
	for (size_t i = 0; i < at; i++) {
		bool dot = text.ptr[i] == '.';

		if (dot && (i == 0 || i == at - 1 || text.ptr[i + 1] == '.'))
			return MAILBOX_LOCAL_DOTS;
		if (!dot && !is_atom(text.ptr[i]))
			return MAILBOX_LOCAL;
	}
	*local_len = at;
	return MAILBOX_FINE;
}

/* Quoted-string: up to its closing quote, which must have the @ behind it. Controls were refused before. */
static enum mailbox_fault read_quoted(struct slice text, size_t *local_len)
{
	for (size_t i = 1; i < text.len; i++) {
		if (text.ptr[i] == '\\') {
			if (++i < text.len && (unsigned char)text.ptr[i] >= 0x80)
				return MAILBOX_QUOTES; /* RFC 5321: only 32 to 126 may be behind a backslash */
		} else if (text.ptr[i] == '"') {
			*local_len = i + 1;
			return i + 1 < text.len && text.ptr[i + 1] == '@' ? MAILBOX_FINE : MAILBOX_QUOTES;
		}
	}
	return MAILBOX_QUOTES;
}

/* One label of lower-case ASCII. */
static enum mailbox_fault check_label(struct slice label)
{
	if (label.len == 0)
		return MAILBOX_EMPTY_LABEL;
	if (label.len > MAILBOX_LABEL_MAX)
		return MAILBOX_LABEL_LONG;
	if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		return MAILBOX_LABEL;
	for (size_t i = 0; i < label.len; i++)
		if (!is_alphanumeric(label.ptr[i]) && label.ptr[i] != '-')
			return MAILBOX_LABEL;
	return MAILBOX_FINE;
}

/* The finished domain. Nothing beyond ASCII can be left in it: check_label refuses it. */
static enum mailbox_fault check_domain(struct slice domain)
{
	struct slice rest = domain, label = SLICE_NONE;
	uint64_t number;

	if (domain.ptr[domain.len - 1] == '.')
		return MAILBOX_TRAILING_DOT;
	if (domain.ptr[0] == '.')
		return MAILBOX_EMPTY_LABEL;
	while (rest.len) {
		label = slice_until(&rest, '.');
		enum mailbox_fault fault = check_label(label);

		if (fault)
			return fault;
	}
	if (domain.len > MAILBOX_DOMAIN_MAX)
		return MAILBOX_DOMAIN_LONG;
	if (slice_is(label, SLICE("localhost")))
		return MAILBOX_LOCALHOST;
	if (label.len == domain.len)
		return MAILBOX_SINGLE;
	return slice_number(label, UINT64_MAX, &number) ? MAILBOX_NUMERIC : MAILBOX_FINE;
}

/* Does a label begin with "xn--"? */
static bool has_ace_label(struct slice domain)
{
	while (domain.len)
		if (slice_starts_nocase(slice_until(&domain, '.'), SLICE("xn--")))
			return true;
	return false;
}

/* By libidn2 into room (MAILBOX_DOMAIN_MAX + 1 bytes). Without transitional processing: "ß" stays itself. */
static enum mailbox_fault fold_international(struct slice domain, char *room, size_t *len)
{
	char *in = slice_copy(domain), *out = NULL;
	int got = idn2_lookup_u8((const uint8_t *)in, (uint8_t **)&out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);

	free(in);
	if (got == IDN2_TOO_BIG_LABEL)
		return MAILBOX_LABEL_LONG;
	if (got == IDN2_TOO_BIG_DOMAIN)
		return MAILBOX_DOMAIN_LONG;
	if (got != IDN2_OK)
		return MAILBOX_IDN;
	*len = strlen(out);
	bool fits = *len <= MAILBOX_DOMAIN_MAX;

	if (fits)
		memcpy(room, out, *len + 1);
	idn2_free(out);
	return fits ? MAILBOX_FINE : MAILBOX_DOMAIN_LONG;
}

/* The domain as it will be looked up, into room (MAILBOX_DOMAIN_MAX + 1 bytes). */
static enum mailbox_fault read_domain(struct slice domain, char *room, size_t *len)
{
	if (domain.len == 0)
		return MAILBOX_NO_DOMAIN;
	if (domain.ptr[0] == '[')
		return MAILBOX_LITERAL;
	if (memchr(domain.ptr, '@', domain.len))
		return MAILBOX_TWO_AT;
	if (memchr(domain.ptr, ' ', domain.len))
		return MAILBOX_BLANK;
	if (memchr(domain.ptr, '<', domain.len) || memchr(domain.ptr, '>', domain.len))
		return MAILBOX_BRACKET;
	if (domain.len > 4 * MAILBOX_DOMAIN_MAX) /* more characters than any form of it could have */
		return MAILBOX_DOMAIN_LONG;
	if (!utf8_is_ascii(domain) || has_ace_label(domain)) {
		enum mailbox_fault fault = fold_international(domain, room, len);

		if (fault)
			return fault;
	} else {
		if (domain.len > MAILBOX_DOMAIN_MAX)
			return MAILBOX_DOMAIN_LONG;
		for (size_t i = 0; i < domain.len; i++)
			room[i] = domain.ptr[i] >= 'A' && domain.ptr[i] <= 'Z' ? domain.ptr[i] | 0x20 : domain.ptr[i];
		*len = domain.len;
	}
	return *len ? check_domain((struct slice){room, *len}) : MAILBOX_NO_DOMAIN;
}

enum mailbox_fault mailbox_read(struct slice text, struct mailbox *mailbox)
{
	char domain[MAILBOX_DOMAIN_MAX + 1];
	size_t local_len = 0, domain_len = 0;

	if (text.len == 0)
		return MAILBOX_EMPTY;
	enum mailbox_fault fault = look_at_characters(text);

	if (!fault)
		fault = text.ptr[0] == '"' ? read_quoted(text, &local_len) : read_dot_string(text, &local_len);
	if (!fault && local_len > MAILBOX_LOCAL_MAX)
		fault = MAILBOX_LOCAL_LONG;
	if (!fault)
		fault = read_domain(slice_skip(text, local_len + 1), domain, &domain_len);
	if (!fault && local_len + 1 + domain_len > MAILBOX_MAX)
		fault = MAILBOX_LONG;
	if (fault)
		return fault;
	memcpy(mailbox->text, text.ptr, local_len + 1);
	memcpy(mailbox->text + local_len + 1, domain, domain_len);
	mailbox->len = (uint16_t)(local_len + 1 + domain_len);
	mailbox->local_len = (uint16_t)local_len;
	mailbox->utf8 = !utf8_is_ascii(mailbox_local(mailbox));
	return MAILBOX_FINE;
}
