/* The queue without Redis: queue.h and what a worker asks of the keeper, in memory and in a simulated world.
 *
 * Linked before the engine's own queue.c and keeper.c, it takes their place (the linker never looks for those). Lists,
 * leases, what is deferred and held are kept as the functions in Redis keep them; answers come from the ring's turn, in
 * order, after a delay by the world's dice.
 *
 *     queue_sim_begin(world);
 *     queue_sim_add_body(sha, stored);
 *     queue_sim_add_job("acme", "nov", meta);
 *     struct sim_recipient *r = queue_sim_add("b:a.test:acme:c", "acme", "nov", 0, "ann@a.test", expires_ms);
 *     ... workers turn ...
 *     assert(r->place == SIM_FINAL && r->finals == 1);
 *     queue_sim_end();                               after the world
 *
 * It is the judge of its users: a settlement of a record that is not leased, settled twice, under another name, with a
 * record that is not this one's with one attempt more, or a final that is none, ends the process by CHECK. So a record
 * is always in exactly one place. */
#pragma once

#include "queue/queue.h"

#include "ring_sim.h"

enum sim_place { SIM_READY, SIM_LEASED, SIM_DEFERRED, SIM_HELD, SIM_FINAL };

struct sim_list;

/* One recipient of one job, wherever it is. */
struct sim_recipient {
	struct list link; /* in its list while ready */
	struct list all;
	struct sim_list *list;
	enum sim_place place;
	char address[64], tenant[32], job[32];
	uint32_t index;
	uint64_t expires_ms;
	struct outbuf record;	   /* owned: the bytes it has now */
	struct outbuf events;	   /* owned: the data of its events, a line each */
	char final[16];		   /* the event that made it final */
	unsigned attempts, finals; /* attempts settled; final events */
	unsigned uncertain;	   /* events `uncertain` */
};

void queue_sim_begin(struct sim_world *world);
/* After sim_world_end. */
void queue_sim_end(void);
void queue_sim_add_job(const char *tenant, const char *job, struct slice meta);
/* sha: 64 hex digits; stored: as Redis keeps it (mail/message.h). */
void queue_sim_add_body(const char *sha, struct slice stored);
/* Puts a recipient at the end of a list; it is the queue's. */
struct sim_recipient *queue_sim_add(const char *list, const char *tenant, const char *job, uint32_t index,
				    const char *address, uint64_t expires_ms);
unsigned queue_sim_count(enum sim_place place);

/* The queue goes away (nothing is answered, the keeper's beat grows old), or comes back. */
void queue_sim_go_away(bool away);
