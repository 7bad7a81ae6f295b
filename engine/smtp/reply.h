/* Replies out of a stream of bytes (RFC 5321 4.2).
 *
 * Fed with whatever the network brings, in any pieces, it gives one complete reply at a time: code, and the texts of
 * all lines joined by '\n'. Bounded: a line's text is cut at 4 KB and the whole text at 64 KB without losing step; a
 * reply of 256 KB or 512 lines is an error. LF alone ends a line too. Bytes of any value are kept in the text.
 *
 *     while (reply_feed(parser, &bytes, &reply)) hear(&reply);
 *     if (parser->broken) desync; */
#pragma once

#include "base/outbuf.h"
#include "base/slice.h"

enum { REPLY_LINE_MAX = 4096, REPLY_TEXT_MAX = 65536, REPLY_BYTES_MAX = 262144, REPLY_LINES_MAX = 512 };

struct reply {
	unsigned code;	       /* 200 to 599; anything else is broken */
	struct slice enhanced; /* "5.1.1", or empty; borrowed from the parser until the next feed */
	struct slice text;     /* without the codes; borrowed likewise */
};

struct reply_parser {
	struct outbuf text;    /* owned: the reply so far; kept from one reply to the next */
	unsigned code, lines;  /* of the reply so far */
	unsigned line_code;    /* of the line at hand */
	size_t line_bytes;     /* of text, in the line at hand */
	size_t bytes, dropped; /* of the reply so far; those of them that were cut off */
	uint8_t position;      /* within a line: 0 to 2 its digits, 3 what follows them, 4 its text */
	bool last_line;	       /* the line at hand ends the reply */
	bool cr;	       /* its latest byte was CR, and is not in the text yet */
	bool whole;	       /* the reply was given; the next byte begins another */
	bool broken;	       /* mixed codes, no digits, too long; nothing more is read */
	const char *why;       /* static: what was wrong */
};

/* Takes one reply from the front of *bytes; false when there is none yet (all bytes are taken in) or it broke. */
bool reply_feed(struct reply_parser *parser, struct slice *bytes, struct reply *reply);
/* True when the front of a reply is there but not its end. */
bool reply_is_partial(const struct reply_parser *parser);
/* The text of a reply that was given is not needed any more: its memory is for others. */
void reply_let_go(struct reply_parser *parser);
/* For another connection: forgets all but its memory. */
void reply_reset(struct reply_parser *parser);
void reply_free(struct reply_parser *parser);
