/* Watches the lines that a value has a part in: none of them may become the delimiter of a MIME part.
 *
 *     guard_literal(&guard, piece);      for literal pieces, in order
 *     guard_value(&guard, bytes);        for what a variable became
 *     if (guard.broken) refuse; */
#pragma once

#include "mail/body.h"
#include "mail/mime.h"

struct guard {
	const struct slice *boundaries; /* borrowed */
	unsigned nboundaries;
	bool touched; /* a value has a part in this line */
	bool broken;  /* one of them is a delimiter now */
	unsigned len;
	char line[MIME_BOUNDARY_MAX + 4]; /* how it begins */
};

void guard_literal(struct guard *guard, const struct piece *piece);
void guard_value(struct guard *guard, struct slice bytes);
/* The end of the message ends a line too. */
void guard_end(struct guard *guard);
