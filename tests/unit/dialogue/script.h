/* A file of dialogues (tests/dialogues/README.md), read into steps.
 *
 *     struct dialogues all;
 *     dialogues_read(&all, "tests/dialogues/a-greeting.txt");
 *     ... all.dialogue[i].part[k].step[n] ...
 *     dialogues_free(&all);
 *
 * All slices are borrowed from the file's text, which dialogues_free gives back, but the bytes of what the server says:
 * they are owned by the step. What cannot be read ends the test with file and line. */
#pragma once

#include "base/outbuf.h"
#include "base/slice.h"

enum { DIALOGUES_MAX = 40, PARTS_MAX = 2, STEPS_MAX = 96, EXPECTED_MAX = 10 };

enum act {
	ACT_SAYS,	   /* S: or S= : bytes */
	ACT_HEARS,	   /* C: verb, and words that must, or must not, follow */
	ACT_MESSAGE,	   /* C: (message) */
	ACT_NOTHING,	   /* C: (nothing) */
	ACT_LONE_DOT,	   /* C: (lone dot) */
	ACT_OCTETS,	   /* C: (n octets of the message) */
	ACT_CLOSES,	   /* (closes) */
	ACT_RESETS,	   /* (resets) */
	ACT_SILENT,	   /* (silent at least n s) */
	ACT_READS_NO_MORE, /* (reads no more) */
	ACT_DRIPS,	   /* (drips every n s) text */
	ACT_TLS_BEGINS,	   /* (TLS begins) */
	ACT_TLS_FAILS	   /* (TLS fails) why */
};

struct script_step {
	enum act act;
	unsigned line; /* in its file */
	unsigned n;
	struct slice text;   /* verb and words; or what drips */
	struct outbuf bytes; /* owned: what is said */
};

/* One connection. */
struct script_part {
	struct script_step step[STEPS_MAX];
	unsigned nsteps;
	struct slice expected[EXPECTED_MAX]; /* "ann: delivered" */
	unsigned nexpected;
};

struct dialogue {
	const char *path;
	struct slice id, title, given;
	struct script_part part[PARTS_MAX];
	unsigned nparts;
};

struct dialogues {
	char *text; /* owned */
	struct dialogue dialogue[DIALOGUES_MAX];
	unsigned n;
};

void dialogues_read(struct dialogues *all, const char *path);
void dialogues_free(struct dialogues *all);
/* Whether one of the things given is this word, or (number not NULL) begins with a number and ends with it, or (rest
 * not NULL) begins with it. */
bool dialogue_given(const struct dialogue *dialogue, struct slice word, unsigned *number, struct slice *rest);
