/* Blocks of about 64 KB, a size that malloc does not round up; a free object's first word is the link to the next free
 * one. */
#include "base/pool.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 65536, ALIGN = 16 };

struct pool_block {
	struct pool_block *older; /* owned */
	_Alignas(ALIGN) char bytes[];
};

void pool_init(struct pool *pool, size_t size, size_t limit)
{
	CHECK(size >= sizeof(void *));
	*pool = (struct pool){.size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1), .limit = limit};
}

static void pool_grow(struct pool *pool)
{
	size_t room = (BLOCK - sizeof(struct pool_block)) / pool->size, count = room ? room : 1;
	struct pool_block *block = malloc(sizeof(*block) + count * pool->size);

	CHECK(block != NULL);
	block->older = pool->blocks;
	pool->blocks = block;
	for (size_t i = count; i-- > 0;) {
		void **object = (void **)(block->bytes + i * pool->size);

		*object = pool->free_list;
		pool->free_list = object;
	}
}

void *pool_take(struct pool *pool)
{
	if (pool->taken >= pool->limit)
		return NULL;
	if (!pool->free_list)
		pool_grow(pool);
	void *object = pool->free_list;

	pool->free_list = *(void **)object;
	pool->taken++;
	return memset(object, 0, pool->size);
}

void pool_give(struct pool *pool, void *object)
{
	CHECK(pool->taken > 0);
	pool->taken--;
	*(void **)object = pool->free_list;
	pool->free_list = object;
}

void pool_free(struct pool *pool)
{
	CHECK(pool->taken == 0);
	while (pool->blocks) {
		struct pool_block *block = pool->blocks;

		pool->blocks = block->older;
		free(block);
	}
	pool->free_list = NULL;
}
