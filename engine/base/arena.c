/* A list of chunks, each at least 4 KB, or as large as was announced; a large request gets a chunk of its own size. */
#include "base/arena.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_MIN = 4096 - 32, ALIGN = 16 };

struct arena_chunk {
	struct arena_chunk *older; /* owned */
	size_t size;
	_Alignas(ALIGN) char bytes[];
};

static void arena_grow(struct arena *arena, size_t n)
{
	size_t least = arena->expected ? arena->expected : CHUNK_MIN, size = n > least ? n : least;
	struct arena_chunk *chunk = malloc(sizeof(*chunk) + size);

	CHECK(chunk != NULL);
	chunk->older = arena->chunk;
	chunk->size = size;
	arena->chunk = chunk;
	arena->used = 0;
}

static size_t aligned(size_t n)
{
	CHECK(n <= SIZE_MAX / 2);
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

void arena_expect(struct arena *arena, size_t n)
{
	arena->expected += aligned(n);
}

void *arena_alloc(struct arena *arena, size_t n)
{
	n = aligned(n);
	if (!arena->chunk || arena->chunk->size - arena->used < n)
		arena_grow(arena, n);
	void *p = arena->chunk->bytes + arena->used;

	arena->used += n;
	arena->expected -= n < arena->expected ? n : arena->expected;
	return p;
}

struct slice arena_copy(struct arena *arena, struct slice s)
{
	return (struct slice){arena_string(arena, s), s.len};
}

char *arena_string(struct arena *arena, struct slice s)
{
	char *copy = arena_alloc(arena, s.len + 1);

	if (s.len)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return copy;
}

void arena_reset(struct arena *arena)
{
	while (arena->chunk && arena->chunk->older) {
		struct arena_chunk *newest = arena->chunk;

		arena->chunk = newest->older;
		free(newest);
	}
	arena->used = arena->expected = 0;
}

void arena_free(struct arena *arena)
{
	arena_reset(arena);
	free(arena->chunk);
	*arena = (struct arena){0};
}
