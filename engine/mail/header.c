/* A table says what each field is; four small writers, one for each kind, do the rest through fold.h.
 *
 * Pre-encoded values are let through (an all-ASCII value is written as it stands), because many submitters send what
 * another library composed. In a value with other characters, a word that looks encoded is encoded once more: there the
 * text is plainly text, and its reader sees what was given. */
#include "mail/header.h"

#include "mail/fold.h"
#include "mail/party.h"

#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

enum { NAME_MAX_BYTES = 255 /* what a pack can hold */ };

#define COMMA .joint = {", ", 2}
#define BLANK .joint = {" ", 1}

static const struct header_rule rules[] = {
	{.name = {"From", 4}, .kind = HEADER_PARTIES, .once = true, .needs_address = true, COMMA},
	{.name = {"Sender", 6}, .kind = HEADER_PARTIES, .once = true, .needs_address = true, COMMA},
	{.name = {"Reply-To", 8}, .kind = HEADER_PARTIES, .once = true, .needs_address = true, COMMA},
	{.name = {"To", 2}, .kind = HEADER_PARTIES, .once = true, .needs_address = true, COMMA},
	{.name = {"Cc", 2}, .kind = HEADER_PARTIES, .once = true, .needs_address = true, COMMA},
	{.name = {"Bcc", 3}, .origin = HEADER_DROPPED},
	{.name = {"Return-Path", 11}, .origin = HEADER_DROPPED},
	{.name = {"Subject", 7}, .once = true},
	{.name = {"Date", 4}, .kind = HEADER_TOKENS, .once = true},
	{.name = {"Message-ID", 10}, .kind = HEADER_TOKENS, .once = true},
	{.name = {"In-Reply-To", 11}, .kind = HEADER_TOKENS, .once = true, BLANK},
	{.name = {"References", 10}, .kind = HEADER_TOKENS, .once = true, BLANK},
	{.name = {"List-ID", 7}, .kind = HEADER_PARTIES, .once = true},
	{.name = {"List-Unsubscribe", 16}, .kind = HEADER_URIS, .once = true, COMMA},
	{.name = {"List-Unsubscribe-Post", 21}, .kind = HEADER_TOKENS, .once = true},
	{.name = {"List-Help", 9}, .kind = HEADER_URIS, .once = true, COMMA},
	{.name = {"List-Subscribe", 14}, .kind = HEADER_URIS, .once = true, COMMA},
	{.name = {"List-Post", 9}, .kind = HEADER_URIS, .once = true, COMMA},
	{.name = {"List-Owner", 10}, .kind = HEADER_URIS, .once = true, COMMA},
	{.name = {"List-Archive", 12}, .kind = HEADER_URIS, .once = true, COMMA},
	{.name = {"TLS-Required", 12}, .kind = HEADER_TOKENS, .once = true},
	{.name = {"MIME-Version", 12}, .kind = HEADER_TOKENS, .origin = HEADER_MADE, .once = true},
	{.name = {"Content-Type", 12}, .origin = HEADER_MADE, .once = true},
	{.name = {"Content-Transfer-Encoding", 25}, .kind = HEADER_TOKENS, .origin = HEADER_MADE, .once = true},
	{.name = {"Content-Disposition", 19}, .origin = HEADER_MADE, .once = true},
	{.name = {"Content-ID", 10}, .origin = HEADER_MADE, .once = true},
	{.name = {"Received", 8}, .origin = HEADER_MADE},
	{.name = {"DKIM-Signature", 14}, .origin = HEADER_MADE},
	{.name = {"Authentication-Results", 22}, .origin = HEADER_MADE},
	{.name = {"ARC-Seal", 8}, .origin = HEADER_MADE},
	{.name = {"ARC-Message-Signature", 21}, .origin = HEADER_MADE},
	{.name = {"ARC-Authentication-Results", 26}, .origin = HEADER_MADE},
};

static const struct header_rule free_text = {.name = {"", 0}};

enum { NRULES = sizeof(rules) / sizeof(rules[0]) };

_Static_assert(NRULES <= 32, "header_once_bit gives a bit of 32");

const struct header_rule *header_rule(struct slice name)
{
	for (size_t i = 0; i < NRULES; i++)
		if (rules[i].name.len == name.len && slice_is_nocase(rules[i].name, name))
			return &rules[i];
	return &free_text;
}

unsigned header_once_bit(const struct header_rule *rule)
{
	return (unsigned)(rule - rules);
}

bool header_name_check(struct slice name, struct mail_error *error)
{
	if (name.len == 0 || name.len > NAME_MAX_BYTES)
		return mail_fail(error, "E_HEADER", "a header's name has %zu bytes; it must have 1 to %d", name.len,
				 NAME_MAX_BYTES);
	if (name.ptr[0] == '.')
		return mail_fail(error, "E_HEADER", "a header's name begins with a dot");
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];

		if (c == '\r' || c == '\n')
			return mail_fail(error, "E_CRLF", "a header's name has a line end; it must be one word");
		if (c <= ' ' || c >= 0x7f || c == ':')
			return mail_fail(error, "E_HEADER",
					 "a header's name has the byte 0x%02x; printable ASCII without blank and colon "
					 "is possible",
					 c);
	}
	return true;
}

#define EACH_BYTE(byte) ((byte)*0x0101010101010101u)

/* The high bit of each byte that is below ' ' or above '~'. */
static uint64_t unprintable(uint64_t bytes)
{
	uint64_t below = ~((bytes | EACH_BYTE(0x80)) - EACH_BYTE(0x20)); /* no borrow crosses a byte */
	uint64_t del = ((bytes & EACH_BYTE(0x7f)) + EACH_BYTE(1));	 /* 0x7f alone reaches the high bit */

	return (below | del | bytes) & EACH_BYTE(0x80);
}

/* The usual value: printable ASCII and nothing else; eight bytes at a time. */
static bool is_plain(struct slice text)
{
	uint64_t bytes, odd = 0;
	size_t i = 0;

	for (; i + sizeof(bytes) <= text.len; i += sizeof(bytes)) {
		memcpy(&bytes, text.ptr + i, sizeof(bytes));
		odd |= unprintable(bytes);
	}
	for (; i < text.len; i++)
		odd |= (unsigned char)(text.ptr[i] - ' ') >= 0x7f - ' ';
	return !odd;
}

bool header_text_check(struct slice text, const char *who, struct mail_error *error)
{
	if (is_plain(text))
		return true;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c == '\r' || c == '\n')
			return mail_fail(error, "E_CRLF", "%s has a line end; a header's value is one line", who);
		if (c == '\0')
			return mail_fail(error, "E_NUL", "%s has a NUL; no mail can have one", who);
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return mail_fail(error, "E_HEADER",
					 "%s has the control character 0x%02x; a header's value is text", who, c);
	}
	return utf8_is_valid(text) || mail_fail(error, "E_UTF8", "%s is not valid UTF-8", who);
}

/* In a value that is not all ASCII. */
static bool needs_encoding(struct slice word)
{
	return !utf8_is_ascii(word) || (word.len >= 2 && memmem(word.ptr, word.len, "=?", 2));
}

/* Words that follow each other and need it are encoded as one text, the blanks between them too: a reader drops
 * blanks between encoded-words (RFC 2047 6.2). */
static void write_text(struct fold *fold, struct slice value)
{
	struct slice blanks, word;

	while (fold_next(&value, &blanks, &word)) {
		struct slice next = value, gap, other;

		if (!blanks.len)
			blanks = SLICE(" ");
		if (!needs_encoding(word)) {
			fold_word(fold, blanks, word);
			continue;
		}
		while (fold_next(&next, &gap, &other) && needs_encoding(other)) {
			word.len = (size_t)(other.ptr + other.len - word.ptr);
			value = next;
		}
		fold_encoded(fold, blanks, word);
	}
}

static void write_name(struct fold *fold, struct slice name)
{
	struct outbuf text = {0};

	if (!needs_encoding(
		    name)) { /* a name that looks like an encoded-word is made one: some readers decode it anywhere */
		fold_words(fold, name);
		return;
	}
	party_name_text(&text, name);
	fold_encoded(fold, SLICE(" "), slice_trim(outbuf_slice(&text)));
	outbuf_free(&text);
}

static void write_address(struct fold *fold, const struct party *party, bool comma)
{
	if (party->angle)
		fold_wrapped(fold, SLICE(" "), SLICE("<"), party->address, comma ? SLICE(">,") : SLICE(">"));
	else
		fold_wrapped(fold, SLICE(" "), SLICE_NONE, party->address, comma ? SLICE(",") : SLICE_NONE);
}

static bool parties_check(const struct header_rule *rule, struct slice list, struct mail_error *error)
{
	struct party party;
	enum party_kind kind;
	unsigned count = 0;

	while ((kind = party_next(&list, &party, error)) == PARTY_ONE) {
		bool group = !party.angle && slice_ends_nocase(party.address, SLICE(";"));

		if (rule->needs_address && !group && slice_find(party.address, '@') == party.address.len)
			return mail_fail(error, "E_ADDRESS", "\"%.*s\" is no address: it has no @",
					 SLICE_ARG(slice_head(party.address, 100)));
		count++;
	}
	if (kind == PARTY_END && count == 0)
		return mail_fail(error, "E_ADDRESS", "there is no address");
	return kind == PARTY_END;
}

static void write_parties(struct fold *fold, struct slice list, bool *utf8)
{
	struct party party;

	while (party_next(&list, &party, NULL) == PARTY_ONE) {
		list = slice_trim(list);
		write_name(fold, party.name);
		write_address(fold, &party, list.len > 0);
		if (!utf8_is_ascii(party.address))
			*utf8 = true;
	}
}

static void write_uris(struct fold *fold, struct slice value)
{
	static const char hex[] = "0123456789ABCDEF";
	struct outbuf text = {0};

	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		if (c < 0x80) {
			outbuf_byte(&text, (char)c);
			continue;
		}
		outbuf_byte(&text, '%');
		outbuf_byte(&text, hex[c >> 4]);
		outbuf_byte(&text, hex[c & 15]);
	}
	fold_words(fold, outbuf_slice(&text));
	outbuf_free(&text);
}

static bool value_check(const struct header_rule *rule, struct slice value, struct mail_error *error)
{
	if (!header_text_check(value, "the value", error))
		return false;
	if (value.len > HEADER_VALUE_MAX)
		return mail_fail(error, "E_TOO_BIG", "the value has %zu bytes; a header may have %d", value.len,
				 HEADER_VALUE_MAX);
	if (rule->kind == HEADER_PARTIES && !parties_check(rule, value, error))
		return false;
	if (rule->kind == HEADER_TOKENS && !utf8_is_ascii(value))
		return mail_fail(error, "E_HEADER",
				 "the value has characters other than ASCII, which this header cannot");
	return true;
}

static bool end_check(struct fold *fold, struct mail_error *error)
{
	fold_end(fold);
	if (fold->overlong)
		return mail_fail(error, "E_LINE", "a word in it would make a line of more than %d octets",
				 HEADER_LINE_MAX);
	return true;
}

bool header_write(struct outbuf *out, struct slice name, struct slice value, bool *utf8, struct mail_error *error)
{
	const struct header_rule *rule = header_rule(name);

	value = slice_trim(value);
	if (!value_check(rule, value, error))
		return false;
	struct fold fold = fold_start(out, name);

	if (utf8_is_ascii(value))
		fold_words(&fold, value);
	else if (rule->kind == HEADER_PARTIES)
		write_parties(&fold, value, utf8);
	else if (rule->kind == HEADER_URIS)
		write_uris(&fold, value);
	else
		write_text(&fold, value);
	return end_check(&fold, error);
}

/* Quoted where atoms do not do. The common case, nothing to escape, takes no memory. */
static void write_plain_name(struct fold *fold, struct slice name)
{
	struct outbuf escaped = {0};

	if (party_name_is_atoms(name)) {
		fold_words(fold, name);
		return;
	}
	if (slice_find(name, '"') < name.len || slice_find(name, '\\') < name.len) {
		party_escape(&escaped, name);
		name = outbuf_slice(&escaped);
	}
	fold_wrapped(fold, SLICE(" "), SLICE("\""), name, SLICE("\""));
	outbuf_free(&escaped);
}

bool header_write_party(struct outbuf *out, struct slice header, struct slice name, struct slice address, bool *utf8,
			struct mail_error *error)
{
	struct party party = {.address = address, .angle = name.len > 0};
	struct fold fold = fold_start(out, header);

	if (needs_encoding(name))
		fold_encoded(&fold, SLICE(" "), name);
	else if (name.len)
		write_plain_name(&fold, name);
	write_address(&fold, &party, false);
	if (!utf8_is_ascii(address))
		*utf8 = true;
	return end_check(&fold, error);
}
