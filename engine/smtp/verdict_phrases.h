/* Many phrases looked for at once in the words of a reply.
 *
 *     user unknown        these whole words, one after the other
 *     reject-             a word that begins so
 *     user * unknown      both, in this order, not far apart
 *     a|b                 either
 *
 * A rule's phrases are added under its number, all rules in the order of their numbers; then the book is built, once,
 * and never changes. It belongs to the process and is read by all threads. */
#pragma once

#include "base/slice.h"
#include "smtp/verdict_words.h"

enum { PHRASES_RULES_MAX = 512, PHRASES_GAP_MAX = 96 };

struct phrases;

/* Which numbers have a phrase that was found. */
struct phrases_found {
	uint64_t bits[PHRASES_RULES_MAX / 64];
};

static inline bool phrases_has(const struct phrases_found *found, unsigned number)
{
	return found->bits[number / 64] >> (number % 64) & 1;
}

/* The caller owns it; once built it is one block of memory, and free() ends it. */
struct phrases *phrases_new(void);
void phrases_add(struct phrases *phrases, unsigned number, const char *alternatives);
void phrases_build(struct phrases *phrases);
void phrases_find(const struct phrases *phrases, const struct verdict_words *words, struct phrases_found *found);
