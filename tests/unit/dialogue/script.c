/* Line by line, by the first bytes: "A01." begins a dialogue, a tab is a step, what stands after the steps is expected,
 * and the lines before them are for the reader, but for "Given:". */
#include "tests/unit/dialogue/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void unreadable(const char *path, unsigned line, const char *what, struct slice text)
{
	fprintf(stderr, "%s:%u: %s: \"%.*s\"\n", path, line, what, SLICE_ARG(text));
	exit(1);
}

static unsigned number_at(struct slice text)
{
	unsigned n = 0;

	for (size_t i = 0; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
		n = n * 10 + (unsigned)(text.ptr[i] - '0');
	return n;
}

static size_t digits(struct slice text)
{
	size_t n = 0;

	while (n < text.len && text.ptr[n] >= '0' && text.ptr[n] <= '9')
		n++;
	return n;
}

static char escaped(struct slice *text)
{
	char hex[3] = {0}, c = text->len ? text->ptr[0] : '\\';

	if (c == 'x' && text->len >= 3) {
		memcpy(hex, text->ptr + 1, 2);
		*text = slice_skip(*text, 3);
		return (char)strtoul(hex, NULL, 16);
	}
	*text = slice_skip(*text, 1);
	return c == 'r' ? '\r' : c == 'n' ? '\n' : c;
}

/* Writes raw text: \r \n \xNN, and {N*text}, which may have another in it. What is repeated ends at its
 * closing brace; any other brace is a brace. */
static void expand(struct outbuf *out, struct slice *text, bool repeated)
{
	while (text->len > 0) {
		char c = text->ptr[0];
		struct slice rest = slice_skip(*text, 1);
		size_t n = digits(rest);

		*text = rest;
		if (c == '}' && repeated)
			return;
		if (c == '\\') {
			outbuf_byte(out, escaped(text));
		} else if (c == '{' && n > 0 && rest.len > n && rest.ptr[n] == '*') {
			struct slice body = slice_skip(rest, n + 1);

			for (unsigned i = number_at(rest); i > 0; i--) {
				*text = body;
				expand(out, text, true);
			}
		} else {
			outbuf_byte(out, c);
		}
	}
}

static void read_client(struct script_step *step, struct slice text)
{
	step->text = text;
	step->act = ACT_HEARS;
	if (slice_is(text, SLICE("(message)")))
		step->act = ACT_MESSAGE;
	else if (slice_is(text, SLICE("(lone dot)")))
		step->act = ACT_LONE_DOT;
	else if (slice_is(text, SLICE("(nothing)")))
		step->act = ACT_NOTHING;
	else if (slice_starts(text, SLICE("("))) {
		step->act = ACT_OCTETS;
		step->n = number_at(slice_skip(text, 1));
	}
}

static bool read_event(struct script_step *step, struct slice text)
{
	static const struct {
		struct slice begins;
		enum act act;
	} events[] = {
		{{"(closes)", 8}, ACT_CLOSES},		 {{"(resets)", 8}, ACT_RESETS},
		{{"(silent at least ", 17}, ACT_SILENT}, {{"(reads no more)", 15}, ACT_READS_NO_MORE},
		{{"(drips every ", 13}, ACT_DRIPS},	 {{"(TLS begins)", 12}, ACT_TLS_BEGINS},
		{{"(TLS fails)", 11}, ACT_TLS_FAILS},
	};

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (slice_starts(text, events[i].begins)) {
			step->act = events[i].act;
			step->n = number_at(slice_skip(text, events[i].begins.len));
			step->text = slice_skip(text, slice_find(text, ')') + 2);
			return true;
		}
	return false;
}

static void read_step(struct dialogue *dialogue, unsigned line, struct slice text)
{
	struct script_part *part = &dialogue->part[dialogue->nparts - 1];

	if (part->nsteps == STEPS_MAX)
		unreadable(dialogue->path, line, "too many steps", text);
	struct script_step *step = &part->step[part->nsteps++];

	step->line = line;
	if (slice_starts(text, SLICE("S: "))) {
		outbuf_add(&step->bytes, slice_skip(text, 3));
		outbuf_add(&step->bytes, SLICE("\r\n"));
	} else if (slice_starts(text, SLICE("S= "))) {
		struct slice raw = slice_skip(text, 3);

		expand(&step->bytes, &raw, false);
	} else if (slice_starts(text, SLICE("C: "))) {
		read_client(step, slice_skip(text, 3));
	} else if (!read_event(step, text)) {
		unreadable(dialogue->path, line, "neither S:, S=, C: nor an event in parentheses", text);
	}
}

static bool is_title(struct slice line)
{
	return line.len > 5 && line.ptr[0] >= 'A' && line.ptr[0] <= 'Z' && digits(slice_skip(line, 1)) == 2 &&
	       line.ptr[3] == '.';
}

static struct dialogue *begin(struct dialogues *all, const char *path, unsigned line, struct slice text)
{
	if (all->n == DIALOGUES_MAX)
		unreadable(path, line, "too many dialogues in a file", text);
	struct dialogue *dialogue = &all->dialogue[all->n++];

	dialogue->path = path;
	dialogue->id = slice_head(text, 3);
	dialogue->title = slice_skip(text, 5);
	dialogue->nparts = 1;
	return dialogue;
}

static void read_words(struct dialogue *dialogue, unsigned line, struct slice text)
{
	struct script_part *part = &dialogue->part[dialogue->nparts - 1];

	if (slice_starts(text, SLICE("Given: "))) {
		dialogue->given = slice_skip(text, 7);
	} else if (slice_is(text, SLICE("Next connection:"))) {
		if (dialogue->nparts == PARTS_MAX)
			unreadable(dialogue->path, line, "too many connections", text);
		dialogue->nparts++;
	} else if (part->nsteps > 0) {
		if (part->nexpected == EXPECTED_MAX)
			unreadable(dialogue->path, line, "too much is expected", text);
		part->expected[part->nexpected++] = text;
	}
}

static char *file_text(const char *path)
{
	FILE *file = fopen(path, "r");
	struct outbuf text = {0};
	size_t n;

	if (!file)
		unreadable(path, 0, "cannot be read (run from the project's root)", SLICE_NONE);
	while ((n = fread(outbuf_room(&text, 4096), 1, 4096, file)) > 0)
		text.len += n;
	fclose(file);
	outbuf_byte(&text, '\0');
	return text.ptr;
}

void dialogues_read(struct dialogues *all, const char *path)
{
	struct dialogue *dialogue = NULL;
	unsigned line = 0;

	memset(all, 0, sizeof(*all));
	all->text = file_text(path);
	for (struct slice rest = slice_of(all->text); rest.len > 0;) {
		struct slice text = slice_until(&rest, '\n');

		line++;
		if (text.len == 0 || text.ptr[0] == '#')
			continue;
		if (is_title(text))
			dialogue = begin(all, path, line, text);
		else if (!dialogue)
			unreadable(path, line, "before the first dialogue", text);
		else if (text.ptr[0] == '\t')
			read_step(dialogue, line, slice_skip(text, 1));
		else
			read_words(dialogue, line, text);
	}
}

void dialogues_free(struct dialogues *all)
{
	for (unsigned i = 0; i < all->n; i++)
		for (unsigned k = 0; k < all->dialogue[i].nparts; k++)
			for (unsigned n = 0; n < all->dialogue[i].part[k].nsteps; n++)
				outbuf_free(&all->dialogue[i].part[k].step[n].bytes);
	free(all->text);
}

bool dialogue_given(const struct dialogue *dialogue, struct slice word, unsigned *number, struct slice *rest)
{
	for (struct slice given = dialogue->given; given.len > 0;) {
		struct slice one = slice_trim(slice_until(&given, ','));

		if (slice_is(one, word))
			return true;
		if (number && digits(one) > 0 && slice_is(slice_skip(one, digits(one) + 1), word)) {
			*number = number_at(one);
			return true;
		}
		if (rest && slice_starts(one, word)) {
			*rest = slice_trim(slice_skip(one, word.len));
			return true;
		}
	}
	return false;
}
