/* An arena: memory for things that die together.
 *
 *     struct arena arena = {0};
 *     char *p = arena_alloc(&arena, n);
 *     ...
 *     arena_reset(&arena);     keeps the first chunk for the next use
 *     arena_free(&arena);      gives all back */
#pragma once

#include "base/slice.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunk; /* owned: newest first */
	size_t used;		   /* of the newest */
	size_t expected;	   /* bytes announced and not allocated */
};

/* n bytes will be asked for: a new chunk is no larger than what was announced. For what is held by the ten thousand. */
void arena_expect(struct arena *arena, size_t n);

/* n bytes, aligned for anything, not cleared. Never NULL: out of memory ends the process. */
void *arena_alloc(struct arena *arena, size_t n);
/* Copies of bytes, as a slice and as a C string. */
struct slice arena_copy(struct arena *arena, struct slice s);
char *arena_string(struct arena *arena, struct slice s);
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);
