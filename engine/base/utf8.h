/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#pragma once

#include "base/slice.h"

/* How many bytes the first character of s has; 0 if it is not valid (or s is empty). */
size_t utf8_width(struct slice s);
bool utf8_is_valid(struct slice s);
bool utf8_is_ascii(struct slice s);
