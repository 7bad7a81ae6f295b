/* The state directory: what this engine keeps on its own disk, and the proof that it is the only one to use it.
 *
 *     struct state *state = state_open(config->state_dir, why);
 *     if (!state) fail(why);
 *     ... state_instance(state) ...
 *     state_close(state);
 *
 * lock        held (flock) as long as the engine lives; has its process id
 * instance    this engine's name among others: made once, host name and a random number
 * redis/      the files of the embedded redis-server; redis.sock, redis.log, redis.lock beside it
 *
 * Whoever holds the lock knows that an earlier engine of the same instance is dead. */
#pragma once

#include "ring/ring.h"

struct state;

/* Makes the directory (0700) where it does not exist, and takes the lock. NULL with a sentence in why (RING_WHY_MAX
 * bytes): who holds the lock, or what cannot be written. */
struct state *state_open(struct slice path, char *why);
void state_close(struct state *state);

/* The path, without a slash at its end; our name. Borrowed, C strings. */
const char *state_path(const struct state *state);
struct slice state_instance(const struct state *state);
