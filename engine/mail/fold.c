/* Greedy: a word that does not fit goes to the next line. The first word stays behind the name even when it is long,
 * because a first line with nothing but a name is a form some receivers stumble over.
 *
 * Encoded words are Q, which people and filters can read, unless that is half as long again as B for the whole text.
 * They fill what is left of the line first, so a short name in another script costs no fold. */
#include "mail/fold.h"

#include "mail/header.h"

#include "base/base64.h"
#include "base/utf8.h"

enum { ENCODED_MAX = 75, FRAME = 12 /* "=?utf-8?Q?" and "?=" */, ROOM_MIN = 12 /* one character of four bytes in Q */ };

struct fold fold_start(struct outbuf *out, struct slice name)
{
	outbuf_add(out, name);
	outbuf_byte(out, ':');
	return (struct fold){.out = out, .column = name.len + 1};
}

static void line_break(struct fold *fold)
{
	outbuf_add(fold->out, SLICE("\r\n"));
	fold->column = 0;
}

void fold_wrapped(struct fold *fold, struct slice blanks, struct slice before, struct slice word, struct slice after)
{
	size_t limit = fold->begun ? FOLD_AT : HEADER_LINE_MAX, width = blanks.len + before.len + word.len + after.len;

	if (fold->column + width > limit)
		line_break(fold);
	fold->overlong |= fold->column + width > HEADER_LINE_MAX;
	outbuf_add(fold->out, blanks);
	outbuf_add(fold->out, before);
	outbuf_add(fold->out, word);
	outbuf_add(fold->out, after);
	fold->column += width;
	fold->begun = true;
}

void fold_word(struct fold *fold, struct slice blanks, struct slice word)
{
	fold_wrapped(fold, blanks, SLICE_NONE, word, SLICE_NONE);
}

void fold_end(struct fold *fold)
{
	outbuf_add(fold->out, SLICE("\r\n"));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool fold_next(struct slice *text, struct slice *blanks, struct slice *word)
{
	size_t n = 0;

	while (n < text->len && is_blank(text->ptr[n]))
		n++;
	*blanks = slice_head(*text, n);
	*word = slice_skip(*text, n);
	*word = slice_head(*word, slice_find(*word, ' '));
	*word = slice_head(*word, slice_find(*word, '\t'));
	*text = slice_skip(*text, n + word->len);
	return word->len > 0;
}

void fold_words(struct fold *fold, struct slice text)
{
	struct slice blanks, word;

	if (text.len && fold->column + 1 + text.len <= FOLD_AT && !is_blank(text.ptr[0]) &&
	    !is_blank(text.ptr[text.len - 1])) { /* mostly: nothing will be folded */
		fold_word(fold, SLICE(" "), text);
		return;
	}
	while (fold_next(&text, &blanks, &word))
		fold_word(fold, blanks.len ? blanks : SLICE(" "), word);
}

/* RFC 2047 5 (3): what may stand in a Q word even inside a display name. */
static bool is_q_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static size_t q_width(struct slice character)
{
	if (character.len > 1)
		return 3 * character.len;
	return is_q_plain((unsigned char)character.ptr[0]) || character.ptr[0] == ' ' ? 1 : 3;
}

static void q_write(struct outbuf *out, struct slice text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (is_q_plain(c) || c == ' ') {
			outbuf_byte(out, c == ' ' ? '_' : (char)c);
			continue;
		}
		outbuf_byte(out, '=');
		outbuf_byte(out, hex[c >> 4]);
		outbuf_byte(out, hex[c & 15]);
	}
}

static size_t b_width(size_t bytes)
{
	return (bytes + 2) / 3 * 4;
}

static size_t character_width(struct slice text)
{
	size_t width = utf8_width(text);

	return width ? width : 1;
}

static bool is_q_better(struct slice text)
{
	size_t q = 0, bytes = text.len;

	while (text.len) {
		size_t n = character_width(text);

		q += q_width(slice_head(text, n));
		text = slice_skip(text, n);
	}
	return q <= b_width(bytes) * 3 / 2;
}

/* How many bytes of text, in whole characters, encode into room characters. */
static size_t bytes_for(struct slice text, bool q, size_t room)
{
	size_t bytes = 0, used = 0;

	while (bytes < text.len) {
		struct slice character = slice_skip(text, bytes);

		character = slice_head(character, character_width(character));
		used = q ? used + q_width(character) : b_width(bytes + character.len);
		if (used > room)
			break;
		bytes += character.len;
	}
	return bytes;
}

void fold_encoded(struct fold *fold, struct slice blanks, struct slice text)
{
	bool q = is_q_better(text);

	while (text.len) {
		size_t taken = fold->column + blanks.len + FRAME;

		if (taken + ROOM_MIN > FOLD_AT - 2) {
			line_break(fold);
			taken = blanks.len + FRAME;
		}
		/* Blanks can be so many that nothing else fits: the word goes out all the same, and is too long. */
		size_t room = taken + ROOM_MIN > FOLD_AT - 2 ? ROOM_MIN : FOLD_AT - 2 - taken;
		struct slice part =
			slice_head(text, bytes_for(text, q, room < ENCODED_MAX - FRAME ? room : ENCODED_MAX - FRAME));
		size_t begin = fold->out->len;

		outbuf_add(fold->out, blanks);
		outbuf_add(fold->out, q ? SLICE("=?utf-8?Q?") : SLICE("=?utf-8?B?"));
		q ? q_write(fold->out, part) : base64_add(fold->out, part);
		outbuf_add(fold->out, SLICE("?="));
		fold->column += fold->out->len - begin;
		fold->overlong |= fold->column > HEADER_LINE_MAX;
		fold->begun = true;
		blanks = SLICE(" ");
		text = slice_skip(text, part.len);
	}
}
