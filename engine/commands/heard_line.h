/* A heard line: a server's reply as people keep it in a file, STAGE<TAB>REPLY, read the way the engine reads it off a
 * connection.
 *
 *     rcpt<TAB>550 5.1.1 No such user here
 *     eom<TAB>554-5.7.1 first line\n554 5.7.1 second line<TAB>google
 *
 * The stages are those of a dialogue: connect, ehlo, starttls, auth, mail, rcpt, data, eom. Lines of a reply are
 * separated by a backslash and an n; they may repeat the code or not, and "550-one 550 two" is two lines as well. A
 * third column is the name of the site.
 *
 *     struct heard_line line = {0};
 *     if (heard_line_read(&line, text, &heard, why)) verdict_of(&heard);
 *     heard_line_free(&line); */
#pragma once

#include "smtp/reply.h"
#include "smtp/verdict.h"

enum { HEARD_WHY_MAX = 256 };

struct heard_line {
	struct outbuf wire; /* owned: the reply as it would have come */
	struct reply_parser parser;
};

/* False, and a sentence in why, if the line is none. heard borrows from line and text until the next call. */
bool heard_line_read(struct heard_line *line, struct slice text, struct heard *heard, char why[HEARD_WHY_MAX]);
void heard_line_free(struct heard_line *line);
