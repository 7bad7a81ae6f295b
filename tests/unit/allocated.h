/* How many bytes are allocated, for tests that ask what a thing takes. */
#pragma once

#include <malloc.h>
#include <stddef.h>
#include <stdint.h>

/* Where the allocator is jemalloc it says what is allocated; the other is asked otherwise. */
int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len) __attribute__((weak));

/* 0: neither tells. */
static inline size_t allocated(void)
{
	uint64_t epoch = 1;
	size_t bytes, len = sizeof(bytes);

	if (!mallctl)
		return mallinfo2().uordblks;
	mallctl("thread.tcache.flush", NULL, NULL, NULL, 0); /* what it keeps for us counts as allocated */
	mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
	return mallctl("stats.allocated", &bytes, &len, NULL, 0) ? 0 : bytes;
}
