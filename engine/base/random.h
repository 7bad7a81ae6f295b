/* Random numbers as an argument: whoever needs chance is handed a struct random, so that a test can hand it a
 * seeded one and get the same day twice. (Ids that an attacker must not guess, such as those of DNS queries,
 * come from random_secret.) */
#pragma once

#include <stdint.h>

struct random {
	uint64_t state;
};

struct random random_seeded(uint64_t seed);
uint64_t random_next(struct random *random);
/* 0 <= result < bound; bound > 0. */
uint64_t random_below(struct random *random, uint64_t bound);
/* A number from the system's generator. */
uint64_t random_secret(void);
