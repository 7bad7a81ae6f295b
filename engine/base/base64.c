/* Three bytes are four digits. Reading is strict: whole groups, padding at the end only, no bits that mean nothing;
 * what is not written so was not meant as base64. */
#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void add_group(struct outbuf *out, const unsigned char *bytes, size_t n)
{
	uint32_t bits = (uint32_t)bytes[0] << 16;

	if (n > 1)
		bits |= (uint32_t)bytes[1] << 8;
	if (n > 2)
		bits |= bytes[2];
	for (size_t i = 0; i < 4; i++)
		outbuf_byte(out, i <= n ? digits[bits >> (18 - 6 * i) & 63] : '=');
}

void base64_add(struct outbuf *out, struct slice bytes)
{
	for (size_t at = 0; at < bytes.len; at += 3) {
		size_t left = bytes.len - at;

		add_group(out, (const unsigned char *)bytes.ptr + at, left < 3 ? left : 3);
	}
}

static bool read_group(struct outbuf *out, struct slice group, size_t padding)
{
	const struct slice all = {digits, sizeof(digits) - 1};
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		size_t digit = i < 4 - padding ? slice_find(all, group.ptr[i]) : 0;

		if (digit == all.len)
			return false;
		bits = bits << 6 | (uint32_t)digit;
	}
	if (bits & ((1u << 8 * padding) - 1))
		return false;
	for (size_t i = 0; i < 3 - padding; i++)
		outbuf_byte(out, (char)(bits >> (16 - 8 * i)));
	return true;
}

static size_t padding_of(struct slice text)
{
	size_t n = 0;

	while (n < 2 && n < text.len && text.ptr[text.len - 1 - n] == '=')
		n++;
	return n;
}

bool base64_read(struct outbuf *out, struct slice text)
{
	size_t before = out->len, padding = padding_of(text);
	bool good = text.len % 4 == 0;

	for (size_t at = 0; good && at < text.len; at += 4)
		good = read_group(out, slice_skip(text, at), at + 4 == text.len ? padding : 0);
	if (!good)
		out->len = before;
	return good;
}
