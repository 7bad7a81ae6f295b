/* A header line being written, word by word: where to fold, and words that must be encoded (RFC 2047).
 *
 *     struct fold fold = fold_start(&out, SLICE("Subject"));
 *     fold_word(&fold, SLICE(" "), SLICE("Hello"));
 *     fold_encoded(&fold, SLICE(" "), SLICE("Jörg Müller"));
 *     fold_end(&fold);
 *
 * A fold goes before the blanks that part two words, so unfolding gives back exactly what was written. */
#pragma once

#include "base/outbuf.h"

enum { FOLD_AT = 78 };

struct fold {
	struct outbuf *out; /* borrowed */
	size_t column;	    /* characters in the line so far */
	bool begun;	    /* a word was written */
	bool overlong;	    /* a word did not fit into 998 characters; the header is to be taken back */
};

/* Writes the name and a colon. */
struct fold fold_start(struct outbuf *out, struct slice name);
/* blanks: one or more of blank and tab. */
void fold_word(struct fold *fold, struct slice blanks, struct slice word);
/* The same with something before and after that belongs to the word: the < and > of an address, quotes. */
void fold_wrapped(struct fold *fold, struct slice blanks, struct slice before, struct slice word, struct slice after);
/* text: valid UTF-8, of any length; as many encoded-words as it takes, none cut inside a character. */
void fold_encoded(struct fold *fold, struct slice blanks, struct slice text);
/* All words of an ASCII text, at its own blanks. */
void fold_words(struct fold *fold, struct slice text);
void fold_end(struct fold *fold);

/* Takes blanks, then the word behind them off the text; false when there is none. The first may have no blanks. */
bool fold_next(struct slice *text, struct slice *blanks, struct slice *word);
