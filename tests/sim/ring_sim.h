/* A world made from a seed: ring.h without a kernel.
 *
 * Whoever is linked with ring_sim.c instead of the real ring runs unmodified, in one thread, against peers that the
 * test writes, with a clock that jumps to whatever happens next. Everything that is left to chance comes from one
 * generator, so a seed is a whole day that can be lived again: the same seed, the same hash.
 *
 *     static void on_bytes(struct sim_peer *peer, struct slice bytes) { sim_peer_send(peer, bytes); }
 *     static const struct sim_peer_kind echo = {.name = "echo", .received = on_bytes};
 *
 *     struct sim_world *world = sim_world_begin(seed, &faults);
 *     sim_listen(world, &address, RING_STREAM, &echo, NULL);
 *     struct ring *ring;
 *     ring_open(&ring, &setup, why);                      opens into the world that was begun
 *     while (!done) ring_turn(ring, 1000);                or the worker's own loop
 *     ring_free(ring);
 *     sim_world_end(world);
 *
 * Several rings (workers) may live in one world: turn each of them, round and round. A turn with nothing to tell
 * moves the clock to the next thing that happens to anybody, and no further, so none of them comes late; so all of
 * them must be turned, or freed. A turn that may not wait moves the clock only now and then.
 *
 * It keeps the rules of ring.h, and CHECKs that its users do: an op used while in flight, two sends or receives on
 * a socket, a socket closed twice or used after, bytes changed while they were sent, sockets left at ring_free.
 * Memory given back too early is the address sanitizer's to find. */
#pragma once

#include "ring/ring.h"

#include <stdio.h>

struct sim_world;

/* Chances out of 1000, each thrown wherever it applies. All zero: a perfect world, with delays of 0 to 3 ms. */
struct sim_faults {
	unsigned refuse;  /* a connect is refused */
	unsigned vanish;  /* a connect is never answered: -ETIMEDOUT after SIM_VANISH_MS */
	unsigned exhaust; /* a connect finds no descriptor left: -EMFILE */
	unsigned reset;	  /* a piece on its way, in either direction, meets a reset instead */
	unsigned mute;	  /* a connection whose peer hears but is never heard */
	unsigned split;	  /* a piece is cut in two, at any byte; the halves may be cut again */
	unsigned pause;	  /* a receive takes nothing for up to 20 ms, as when buffers are out */
	unsigned slow;	  /* a delay is up to slow_ms_max long */
	unsigned lose;	  /* a datagram is lost */
	unsigned repeat;  /* a datagram comes twice */
	unsigned late;	  /* a turn comes up to 50 ms late: a busy machine */
	unsigned slow_ms_max;
};

enum { SIM_VANISH_MS = 130000, SIM_PIECE_MAX = 65536 };

/* Some of the faults, some of them strong: another mix for every seed. */
struct sim_faults sim_faults_random(uint64_t seed);

/* One world at a time. faults may be NULL: none. */
struct sim_world *sim_world_begin(uint64_t seed, const struct sim_faults *faults);
/* All rings must be freed or killed. */
void sim_world_end(struct sim_world *world);
/* Other faults from now on; NULL: none, to see whether what was left behind recovers. */
void sim_world_set_faults(struct sim_world *world, const struct sim_faults *faults);
/* Of all that happened so far, and when. */
uint64_t sim_world_hash(const struct sim_world *world);
/* Writes a line for all that happens from now on; NULL: no more. For the person who replays a seed. */
void sim_world_trace(struct sim_world *world, FILE *file);
uint64_t sim_world_now_ms(const struct sim_world *world);
uint64_t sim_world_wall_ms(const struct sim_world *world);
/* The wall clock jumps (by NTP, or a bad day); the monotonic one does not. */
void sim_world_shift_wall(struct sim_world *world, int64_t ms);
/* The dice of this world, for peers that have moods: 0 <= result < bound. */
uint64_t sim_world_dice(struct sim_world *world, uint64_t bound);
/* Calls act(who) when delay_ms have passed. */
void sim_world_after(struct sim_world *world, uint64_t delay_ms, void (*act)(void *who), void *who);

/* The other end of one connection, or of one datagram socket of the program. It is the world's; what it wants to
 * remember is its state, state_size bytes that start as zero. It may use its functions until closed is called, or
 * until it has closed or reset itself; of its own end it is not told. */
struct sim_peer;
struct sim_peer_kind {
	const char *name; /* for the trace */
	size_t state_size;
	void (*connected)(struct sim_peer *peer); /* may be NULL; not for datagrams */
	void (*received)(struct sim_peer *peer, struct slice bytes);
	void (*closed)(struct sim_peer *peer, bool reset); /* may be NULL; the program closed, or the line broke */
};

/* Peers of that kind answer at the address from now on; a second time replaces the kind. Connects to an address
 * where nobody listens are refused. kind and context are borrowed by all connections made to it. */
void sim_listen(struct sim_world *world, const struct address *address, enum ring_kind ring_kind,
		const struct sim_peer_kind *kind, void *context);
void sim_unlisten(struct sim_world *world, const struct address *address, enum ring_kind ring_kind);
/* An address this machine has. As long as none is named, it has all. */
void sim_own_address(struct sim_world *world, const struct address *address);

void *sim_peer_state(struct sim_peer *peer);
void *sim_peer_context(const struct sim_peer *peer);
struct sim_world *sim_peer_world(const struct sim_peer *peer);
/* Bytes, or one datagram, to the program; copied. */
void sim_peer_send(struct sim_peer *peer, struct slice bytes);
/* An end after what was sent; an end that may overtake it. */
void sim_peer_close(struct sim_peer *peer);
void sim_peer_reset(struct sim_peer *peer);
/* Calls act later, unless the peer is gone by then. */
void sim_peer_after(struct sim_peer *peer, uint64_t delay_ms, void (*act)(struct sim_peer *peer));

/* Ends a ring as kill -9 would: nothing is told any more, its peers see a reset, and ring is freed. */
void sim_ring_kill(struct ring *ring);
