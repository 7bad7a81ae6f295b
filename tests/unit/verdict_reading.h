/* Reads a reply as it is written in a table: "550-5.1.1 no 550 5.1.1 such user", code, enhanced code and text of it. */
#pragma once

#include "smtp/verdict.h"

/* The stage and the provider stay; borrowed from the line. False if it does not begin with a code. */
static inline bool heard_read(struct heard *heard, struct slice line)
{
	struct slice rest = slice_trim(line);
	uint64_t code;

	if (rest.len < 3 || !slice_number(slice_head(rest, 3), 599, &code) || code < 200)
		return false;
	rest = slice_skip(rest, 3);
	if (rest.len > 0 && rest.ptr[0] != ' ' && rest.ptr[0] != '-')
		return false;
	heard->code = (unsigned)code;
	verdict_split(heard->code, slice_skip(rest, 1), &heard->enhanced, &heard->text);
	return true;
}
