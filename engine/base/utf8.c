/* One function knows the byte patterns; the rest is built on it. */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

static bool is_tail(struct slice s, size_t i)
{
	return i < s.len && ((unsigned char)s.ptr[i] & 0xc0) == 0x80;
}

size_t utf8_width(struct slice s)
{
	if (s.len == 0)
		return 0;
	unsigned char a = (unsigned char)s.ptr[0], b = s.len > 1 ? (unsigned char)s.ptr[1] : 0;

	if (a < 0x80)
		return 1;
	if (a >= 0xc2 && a <= 0xdf)
		return is_tail(s, 1) ? 2 : 0;
	if (a >= 0xe0 && a <= 0xef) {
		if ((a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f))
			return 0;
		return is_tail(s, 1) && is_tail(s, 2) ? 3 : 0;
	}
	if (a >= 0xf0 && a <= 0xf4) {
		if ((a == 0xf0 && b < 0x90) || (a == 0xf4 && b > 0x8f))
			return 0;
		return is_tail(s, 1) && is_tail(s, 2) && is_tail(s, 3) ? 4 : 0;
	}
	return 0;
}

bool utf8_is_valid(struct slice s)
{
	while (s.len) {
		size_t width = utf8_width(s);

		if (width == 0)
			return false;
		s = slice_skip(s, width);
	}
	return true;
}

/* Asked of every value of every recipient: eight bytes at a time. */
bool utf8_is_ascii(struct slice s)
{
	const uint64_t high_bits = 0x8080808080808080;
	uint64_t word, odd = 0;
	size_t i = 0;

	for (; i + sizeof(word) <= s.len; i += sizeof(word)) {
		memcpy(&word, s.ptr + i, sizeof(word));
		odd |= word;
	}
	for (; i < s.len; i++)
		odd |= (unsigned char)s.ptr[i];
	return !(odd & high_bits);
}
