/* The recipients of a submission, one after the other: those of --to, then the lines of --to-file.
 *
 *     struct recipients recipients;
 *     if (!recipients_open(&recipients, arguments)) return EXIT_USAGE;
 *     while (recipients_next(&recipients, &out)) ...       appends an element of the job's "to"
 *     if (recipients.failed) ...
 *     recipients_close(&recipients); */
#pragma once

#include "commands/command.h"

#include "base/outbuf.h"

#include <stdio.h>

struct recipients {
	const struct arguments *arguments; /* borrowed */
	const char *path;		   /* borrowed; NULL: no file */
	unsigned at;			   /* among --to */
	FILE *file;			   /* owned */
	char *text;			   /* owned: the line at hand */
	size_t size;
	uint64_t line, total; /* total: 0 when it cannot be known beforehand */
	bool is_lax;	      /* --partial: bad addresses are the engine's business */
	bool failed;	      /* a bad one, or the file could not be read: said */
};

/* Opens the file; one that can be read twice is checked to its end first, so that a mistake on its last line does not
 * leave half a mailing sent. False when something is wrong: said. */
bool recipients_open(struct recipients *recipients, const struct arguments *arguments);
void recipients_close(struct recipients *recipients);
/* Appends the next one as JSON; false at the end, or when it failed. */
bool recipients_next(struct recipients *recipients, struct outbuf *out);
