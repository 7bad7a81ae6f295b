/* The words of a reply, in the one form the rules are written in.
 *
 *     "<ann@a.example>: Mailbox-Full! See http://a.example/"  →  " @ mailbox full see http a example "
 *
 * Letters are small and without accents ("boîte" is "boite", "überfüllt" is "uberfullt"; valid UTF-8 or Latin-1);
 * an apostrophe is nothing ("doesn't" is "doesnt"), all other marks and line ends are one blank; "e-mail" is "email".
 * An address is "@" and an IP address "#": a mailbox named spam@ or a host named virus must not judge itself.
 * Enhanced codes are taken out, the first is kept. Other scripts stay as they are, small, apart from ASCII by blanks.
 * The text begins and ends with a blank, so that a whole word is a substring with a blank on both sides. */
#pragma once

#include "base/slice.h"

enum { VERDICT_WORDS_MAX = 2048 };

struct verdict_words {
	size_t len;
	size_t run;	       /* where the word began that may be the local part of an address */
	struct slice enhanced; /* borrowed: the first "5.1.1" inside the text of the code's class, or empty */
	char text[VERDICT_WORDS_MAX];
};

/* Takes as much of the text as there is room for: what a server says after two kilobytes changes no verdict. */
void verdict_words_of(struct verdict_words *words, unsigned code, struct slice text);
