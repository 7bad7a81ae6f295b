/* A pool of equal objects, their number decided at the start.
 *
 * Running out is a normal event: pool_take gives NULL and the caller waits. Memory comes in blocks as it is
 * needed and stays until pool_free, so a pointer to an object is valid for the life of the pool. */
#pragma once

#include <stddef.h>

struct pool_block;

struct pool {
	size_t size, limit, taken;
	void *free_list;	   /* owned objects at rest */
	struct pool_block *blocks; /* owned */
};

/* Objects of size bytes, at most limit of them at a time. */
void pool_init(struct pool *pool, size_t size, size_t limit);
/* A cleared object, or NULL when limit of them are out. */
void *pool_take(struct pool *pool);
void pool_give(struct pool *pool, void *object);
/* All objects must be home. */
void pool_free(struct pool *pool);
