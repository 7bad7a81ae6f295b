/* A slice: some bytes of somebody else's memory, by value.
 *
 * Slices are how text travels in this program: never owned, never NUL-terminated, any byte allowed.
 * C strings appear only where a library or the system wants one.
 *
 *     struct slice word = slice_until(&line, ' ');
 *     if (slice_is_nocase(word, SLICE("EHLO"))) ... */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
	const char *ptr; /* borrowed */
	size_t len;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
#define SLICE_NONE     ((struct slice){NULL, 0})

/* For printf: printf("%.*s", SLICE_ARG(s)). */
#define SLICE_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

/* The slice of a C string; of NULL, SLICE_NONE. */
struct slice slice_of(const char *text);

/* Equal bytes. The nocase form folds ASCII letters only. */
bool slice_is(struct slice a, struct slice b);
bool slice_is_nocase(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_starts_nocase(struct slice s, struct slice prefix);
bool slice_ends_nocase(struct slice s, struct slice suffix);

/* <0, 0, >0 as memcmp, the shorter first where one begins the other. */
int slice_order(struct slice a, struct slice b);

/* Position of the first byte equal to c, or s.len. */
size_t slice_find(struct slice s, char c);

/* Position of the first byte equal to first that is followed by one equal to then, or s.len. Several times as fast as
 * memmem as long as the first is not in every word. */
size_t slice_find_pair(struct slice s, char first, char then);

/* Position of the last byte equal to c, or s.len. */
size_t slice_find_last(struct slice s, char c);

/* Without the first n bytes; the first n bytes. n is cut to the length. */
struct slice slice_skip(struct slice s, size_t n);
struct slice slice_head(struct slice s, size_t n);

/* Without blanks, tabs, CR and LF at both ends. */
struct slice slice_trim(struct slice s);

/* Takes from the front of *s all up to c, and removes it and c from *s. */
struct slice slice_until(struct slice *s, char c);

/* A decimal number of digits only. False if empty, with other bytes, or above max. */
bool slice_number(struct slice s, uint64_t max, uint64_t *value);

/* A 64-bit hash, the same in every process and on every machine: it decides which worker and shard a domain
 * belongs to. */
uint64_t slice_hash(struct slice s);

/* A copy as a C string, owned by the caller (free). Ends the process when memory is out. */
char *slice_copy(struct slice s);
