/* The reply is written out as a server would have sent it, every line with its code, and then fed to the engine's own
 * parser: so bounds, enhanced codes and odd bytes are what they are in earnest. A reader of its own was rejected,
 * because it would agree with the parser until the day it mattered.
 *
 * Files of replies come from logs, and logs join lines: with "\n" spelt out, or with a blank and the code again. The
 * latter is taken apart only where the first line says by its hyphen that others follow (RFC 5321 4.2.1). */
#include "heard_line.h"

#include "base/log.h"
#include "queue/document.h"

#include <stdio.h>
#include <string.h>

enum { SITE_MAX = 64 };

static bool says(char why[HEARD_WHY_MAX], const char *sentence)
{
	snprintf(why, HEARD_WHY_MAX, "%s", sentence);
	return false;
}

static bool read_stage(struct slice text, enum stage *stage, char why[HEARD_WHY_MAX])
{
	const char *names[STAGE_EOM + 1], *nearest;
	char found[40];

	if (stage_parse(stage, text) && *stage <= STAGE_EOM)
		return true;
	for (enum stage at = STAGE_CONNECT; at <= STAGE_EOM; at++)
		names[at] = stage_name(at);
	log_printable(found, sizeof(found), text);
	nearest = document_nearest(found, names, STAGE_EOM + 1);
	snprintf(why, HEARD_WHY_MAX,
		 "found \"%s\" before the tab, expected a stage: connect, ehlo, starttls, auth, mail, rcpt, data or "
		 "eom%s%s%s",
		 found, nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
	return false;
}

/* A site's name looks like one; anything else behind a tab is what the server said. */
static bool is_site(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-._", text.ptr[i]))
			return false;
	return text.len > 0 && text.len <= SITE_MAX;
}

/* "550", and behind it a blank, a hyphen, or nothing. */
static bool begins_with_code(struct slice text)
{
	uint64_t code;

	return text.len >= 3 && slice_number(slice_head(text, 3), 599, &code) && code >= 200 &&
	       (text.len == 3 || text.ptr[3] == ' ' || text.ptr[3] == '-');
}

/* Where the line at the front ends, and how many bytes lie between it and the next one. */
static size_t line_end(struct slice rest, struct slice code, bool joined, size_t *gap)
{
	for (size_t i = 0; i < rest.len; i++) {
		struct slice here = slice_skip(rest, i);

		if (slice_starts(here, SLICE("\\n")) || slice_starts(here, SLICE("\\r\\n"))) {
			*gap = here.ptr[1] == 'n' ? 2 : 4;
			return i;
		}
		if (joined && i > 0 && here.ptr[0] == ' ' && slice_starts(slice_skip(here, 1), code) &&
		    begins_with_code(slice_skip(here, 1))) {
			*gap = 1;
			return i;
		}
	}
	*gap = 0;
	return rest.len;
}

static void write_wire(struct outbuf *wire, struct slice reply)
{
	struct slice code = slice_head(reply, 3), rest = reply;
	bool joined = reply.len > 3 && reply.ptr[3] == '-';
	size_t gap;

	outbuf_reset(wire);
	do {
		size_t n = line_end(rest, code, joined, &gap);
		struct slice one = slice_head(rest, n);
		bool last = slice_skip(rest, n + gap).len == 0;

		if (slice_starts(one, code) && begins_with_code(one))
			one = slice_skip(one, 4);
		outbuf_add(wire, code);
		outbuf_byte(wire, last ? ' ' : '-');
		outbuf_add(wire, one);
		outbuf_add(wire, SLICE("\r\n"));
		rest = slice_skip(rest, n + gap);
	} while (rest.len);
}

static bool read_reply(struct heard_line *line, struct slice text, struct heard *heard, char why[HEARD_WHY_MAX])
{
	struct slice wire;
	struct reply reply;

	if (text.len == 0)
		return says(why, "found nothing after the tab, expected a reply such as 550 5.1.1 No such user");
	if (!begins_with_code(text)) {
		snprintf(why, HEARD_WHY_MAX, "found \"%s\", expected a reply that begins with a code from 200 to 599",
			 log_printable((char[40]){0}, 40, text));
		return false;
	}
	write_wire(&line->wire, text);
	wire = outbuf_slice(&line->wire);
	reply_reset(&line->parser);
	if (!reply_feed(&line->parser, &wire, &reply))
		return says(why, line->parser.why ? line->parser.why : "the reply has no end");
	heard->code = reply.code;
	heard->enhanced = reply.enhanced;
	heard->text = reply.text;
	return true;
}

bool heard_line_read(struct heard_line *line, struct slice text, struct heard *heard, char why[HEARD_WHY_MAX])
{
	struct slice rest = slice_trim(text), stage;
	size_t tab;

	if (rest.len == 0)
		return says(why, "the line is empty, expected a stage, a tab and a reply");
	*heard = (struct heard){0};
	tab = slice_find(rest, '\t');
	stage = slice_head(rest, tab);
	rest = slice_trim(slice_skip(rest, tab + 1));
	if (!read_stage(stage, &heard->stage, why))
		return false;
	tab = slice_find_last(rest, '\t');
	if (tab < rest.len && is_site(slice_skip(rest, tab + 1))) {
		heard->provider = slice_skip(rest, tab + 1);
		rest = slice_trim(slice_head(rest, tab));
	}
	return read_reply(line, rest, heard, why);
}

void heard_line_free(struct heard_line *line)
{
	outbuf_free(&line->wire);
	reply_free(&line->parser);
}
