/* SplitMix64: eight bytes of state, passes the usual batteries, and any seed will do. */
#include "base/random.h"

#include "base/check.h"

#include <sys/random.h>

struct random random_seeded(uint64_t seed)
{
	return (struct random){seed};
}

uint64_t random_next(struct random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t random_below(struct random *random, uint64_t bound)
{
	CHECK(bound > 0);
	return (uint64_t)(((__uint128_t)random_next(random) * bound) >> 64);
}

uint64_t random_secret(void)
{
	uint64_t n;

	CHECK(getrandom(&n, sizeof(n), 0) == sizeof(n));
	return n;
}
