/* SHA-256 in hex: the name of a body, and what tells two submissions apart.
 *
 *     char hex[DIGEST_HEX];
 *     digest_hex(hex, (struct slice[]){kind, raw}, 2);      of the parts, one behind the other */
#pragma once

#include "base/slice.h"

enum { DIGEST_HEX = 65 };

/* 64 hex digits and a NUL. */
void digest_hex(char hex[DIGEST_HEX], const struct slice *parts, unsigned nparts);
