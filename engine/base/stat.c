/* The names beside the numbers, from the one list in stat.h. */
#include "base/stat.h"

#include "base/check.h"

static const char *const names[] = {
#define X(name, text, meaning) text,
	STATS(X)
#undef X
};

static const char *const meanings[] = {
#define X(name, text, meaning) meaning,
	STATS(X)
#undef X
};

const char *stat_name(enum stat stat)
{
	CHECK(stat < STAT_COUNT);
	return names[stat];
}

const char *stat_meaning(enum stat stat)
{
	CHECK(stat < STAT_COUNT);
	return meanings[stat];
}
