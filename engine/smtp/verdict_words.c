/* One pass over the bytes, one byte in and at most three out, so a bound is checked once a byte. Addresses are found at
 * their '@', when their local part is out already: it is taken back. Any bytes may come; what is neither ASCII, nor
 * UTF-8, nor a lone Latin-1 letter is copied as it is, and no rule knows it.
 *
 * Rejected: to decode into code points and fold by Unicode's tables. The rules know a dozen languages, and three small
 * scripts have all their capitals. */
#include "smtp/verdict_words.h"

#include "base/utf8.h"

#include <string.h>

enum { AT_ONCE_MAX = 8 }; /* most that one step may write */

/* U+00C0 to U+017F as the letter below the accent. */
static const char latin[] = "aaaaaaaceeeeiiiidnooooo ouuuuytsaaaaaaaceeeeiiiidnooooo ouuuuyty"
			    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllll"
			    "lllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_plain(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_foreign(char c)
{
	return (unsigned char)c >= 0x80;
}

/* A mark that may stand in the local part of an address unquoted (RFC 5322 atext and the dot). */
static bool is_atom_mark(char c)
{
	return c > ' ' && !strchr("\"'(),:;<>@[\\]", c);
}

static void put_break(struct verdict_words *words)
{
	if (words->text[words->len - 1] != ' ')
		words->text[words->len++] = ' ';
}

/* ASCII and other scripts stand apart: "ip" in a Chinese sentence is a word too. */
static void put(struct verdict_words *words, char c)
{
	char last = words->text[words->len - 1];

	if (last != ' ' && is_foreign(last) != is_foreign(c))
		words->text[words->len++] = ' ';
	words->text[words->len++] = c;
}

static void put_word(struct verdict_words *words, char c)
{
	put_break(words);
	words->text[words->len++] = c;
	put_break(words);
	words->run = words->len;
}

static char small(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* A mark between words. In "e-mail" it is none. */
static void put_mark(struct verdict_words *words, struct slice rest)
{
	bool email = rest.ptr[0] == '-' && words->len >= 2 && memcmp(words->text + words->len - 2, " e", 2) == 0 &&
		     slice_starts_nocase(slice_skip(rest, 1), SLICE("mail"));

	if (!email)
		put_break(words);
	if (!is_atom_mark(rest.ptr[0]))
		words->run = words->len;
}

static void put_latin(struct verdict_words *words, unsigned letter)
{
	if (latin[letter] == ' ')
		put_break(words);
	else
		put(words, latin[letter]);
}

/* Cyrillic: two bytes, capitals 0x20 below; io without its dots. */
static void put_cyrillic(struct verdict_words *words, unsigned lead, unsigned next)
{
	if ((lead == 0xD0 && next == 0x81) || (lead == 0xD1 && next == 0x91)) {
		lead = 0xD0;
		next = 0xB5;
	} else if (lead == 0xD0 && next >= 0x90 && next <= 0x9F) {
		next += 0x20;
	} else if (lead == 0xD0 && next >= 0xA0 && next <= 0xAF) {
		lead = 0xD1;
		next -= 0x20;
	}
	put(words, (char)lead);
	words->text[words->len++] = (char)next;
}

/* Punctuation of U+2000 to U+206F, U+3000 to U+303F and the full width forms; true if it was one of them. */
static bool put_wide(struct verdict_words *words, const unsigned char *c)
{
	if (c[0] == 0xE2 && c[1] <= 0x81) {
		if (c[1] != 0x80 || (c[2] != 0x98 && c[2] != 0x99)) /* an apostrophe is nothing */
			put_break(words);
		return true;
	}
	if (c[0] == 0xE3 && c[1] == 0x80) {
		put_break(words);
		return true;
	}
	if (c[0] != 0xEF || (c[1] != 0xBC && c[1] != 0xBD))
		return false;
	unsigned ascii = (c[1] == 0xBC ? 0x20 : 0x60) + c[2] - 0x80u;

	if (ascii <= 0x7E && is_plain((char)ascii))
		put(words, small((char)ascii));
	else if (ascii <= 0x7E)
		put_break(words);
	return ascii <= 0x7E;
}

/* One character that is not ASCII; how many bytes it had. */
static size_t put_foreign(struct verdict_words *words, struct slice rest)
{
	const unsigned char *c = (const unsigned char *)rest.ptr;
	size_t width = utf8_width(slice_head(rest, 4));

	if (width == 0) {
		if (c[0] >= 0xC0 && (rest.len == 1 || c[1] < 0x80))
			put_latin(words, c[0] - 0xC0u);
		else
			put(words, rest.ptr[0]);
		return 1;
	}
	if (width == 2 && c[0] >= 0xC3 && c[0] <= 0xC5) {
		put_latin(words, (c[0] - 0xC3u) * 64 + (c[1] - 0x80u));
	} else if (width == 2 && c[0] == 0xC2) {
		put_break(words);
	} else if (width == 2 && (c[0] == 0xD0 || c[0] == 0xD1)) {
		put_cyrillic(words, c[0], c[1]);
	} else if (width != 3 || !put_wide(words, c)) {
		put(words, rest.ptr[0]);
		for (size_t i = 1; i < width; i++)
			words->text[words->len++] = rest.ptr[i];
	}
	return width;
}

static size_t digits_of(struct slice s, size_t most)
{
	size_t n = 0;

	while (n < s.len && n < most && is_digit(s.ptr[n]))
		n++;
	return n;
}

/* How long "192.0.2.1" or "5.1.1" is, numbers joined by dots, and how many numbers it has. */
static size_t dotted(struct slice s, unsigned *numbers)
{
	size_t len = 0, n;

	for (*numbers = 0; *numbers < 5; len++) {
		n = digits_of(slice_skip(s, len), 3);
		if (n == 0)
			return 0;
		len += n;
		++*numbers;
		if (len >= s.len || s.ptr[len] != '.' || len + 1 >= s.len || !is_digit(s.ptr[len + 1]))
			break;
	}
	return len < s.len && is_plain(s.ptr[len]) ? 0 : len;
}

/* A word of hexadecimal digits and colons that cannot be a time of day. */
static size_t ipv6(struct slice s)
{
	size_t len = 0, colons = 0;
	bool twice = false;

	for (; len < s.len && len < 45 && (s.ptr[len] == ':' || s.ptr[len] == '.' || is_plain(s.ptr[len])); len++) {
		if (is_plain(s.ptr[len]) && !is_digit(s.ptr[len]) && small(s.ptr[len]) > 'f')
			return 0;
		if (s.ptr[len] == ':') {
			colons++;
			twice |= len > 0 && s.ptr[len - 1] == ':';
		}
	}
	return colons >= 7 || (twice && colons >= 2) ? len : 0;
}

/* The text of the reply that another server gave comes with its code: "550 5.1.1". Neither is a word. */
static void forget_code(struct verdict_words *words, char class)
{
	size_t len = words->len;

	if (len >= 5 && words->text[len - 1] == ' ' && words->text[len - 5] == ' ' && words->text[len - 4] == class)
		words->len = digits_of((struct slice){words->text + len - 4, 3}, 3) == 3 ? len - 4 : len;
	words->run = words->len;
}

/* What a number at the beginning of a word is the beginning of; how many bytes were taken. */
static size_t put_number(struct verdict_words *words, unsigned code, struct slice rest, char before)
{
	unsigned numbers;
	size_t len = ipv6(rest);

	if (len == 0 && is_digit(rest.ptr[0])) {
		len = dotted(rest, &numbers);
		if (len > 0 && numbers == 3 && rest.ptr[1] == '.' &&
		    (rest.ptr[0] == '2' || rest.ptr[0] == '4' || rest.ptr[0] == '5') &&
		    (before != '-' || (words->len > 1 && is_digit(words->text[words->len - 2])))) {
			if (words->enhanced.len == 0 && rest.ptr[0] == (char)('0' + code / 100))
				words->enhanced = slice_head(rest, len);
			forget_code(words, rest.ptr[0]);
			return len;
		}
		len = len > 0 && numbers == 4 ? len : 0;
	}
	if (len > 0)
		put_word(words, '#');
	return len;
}

/* From the '@' on; the local part is taken back. */
static size_t put_address(struct verdict_words *words, struct slice rest)
{
	size_t len = 1;

	words->len = words->run;
	put_word(words, '@');
	while (len < rest.len && (is_plain(rest.ptr[len]) || is_foreign(rest.ptr[len]) || rest.ptr[len] == '-' ||
				  rest.ptr[len] == '_' || rest.ptr[len] == '.'))
		len++;
	return len;
}

static bool begins_domain(char c)
{
	return is_plain(c) || is_foreign(c);
}

/* One step: at least one byte is taken. */
static size_t put_next(struct verdict_words *words, unsigned code, struct slice rest, char before)
{
	char c = rest.ptr[0];
	size_t n;

	if (!is_foreign(before) && !is_plain(before) && before != '.' && (is_digit(c) || c == ':' || (c | 32) <= 'f')) {
		n = is_plain(c) || c == ':' ? put_number(words, code, rest, before) : 0;
		if (n > 0)
			return n;
	}
	if (is_plain(c)) {
		put(words, small(c));
	} else if (is_foreign(c)) {
		return put_foreign(words, rest);
	} else if (c == '@' && words->len > words->run && rest.len > 1 && begins_domain(rest.ptr[1])) {
		return put_address(words, rest);
	} else if (c == '\'' && words->text[words->len - 1] != ' ') {
		return 1;
	} else {
		put_mark(words, rest);
	}
	return 1;
}

void verdict_words_of(struct verdict_words *words, unsigned code, struct slice text)
{
	size_t at = 0;

	words->text[0] = ' ';
	words->len = words->run = 1;
	words->enhanced = SLICE_NONE;
	while (at < text.len && words->len + AT_ONCE_MAX < VERDICT_WORDS_MAX)
		at += put_next(words, code, slice_skip(text, at), at > 0 ? text.ptr[at - 1] : ' ');
	put_break(words);
}
