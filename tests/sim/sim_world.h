/* The inside of the simulated world, shared by its three files:
 *
 * sim_world.c   the clock, the queue of what is to happen, chance, the trace
 * sim_peer.c    connections: what is on its way, and the peers' end of it
 * ring_sim.c    ring.h: the program's end of it */
#pragma once

#include "base/outbuf.h"
#include "base/random.h"
#include "ring_sim.h"

/* What can happen. The first ones are told to the program, in ring_turn; the others happen by themselves. */
#define SIM_THINGS(X)                                                                         \
	X(SIM_CONNECTED, "connected")                                                         \
	X(SIM_SENT, "sent")                                                                   \
	X(SIM_ENDED, "ended") /* a receive */                                                 \
	X(SIM_CLOSED, "closed")                                                               \
	X(SIM_MESSAGE, "message")                                                             \
	X(SIM_HEARD, "heard")	  /* a piece is told; never queued */                         \
	X(SIM_PIECE_IN, "in")	  /* a piece arrives at the program's socket */               \
	X(SIM_END_IN, "end in")	  /* the peer's FIN (result 0) or a reset arrives */          \
	X(SIM_RESUME, "resume")	  /* a paused receive goes on */                              \
	X(SIM_ARRIVE, "arrive")	  /* a connection reaches the peer */                         \
	X(SIM_PIECE_OUT, "out")	  /* a piece arrives at the peer */                           \
	X(SIM_END_OUT, "end out") /* the program's FIN (result 0) or a reset arrives there */ \
	X(SIM_PEER_ACT, "peer acts")                                                          \
	X(SIM_ACT, "act")

enum sim_thing {
#define X(name, text) name,
	SIM_THINGS(X)
#undef X
		SIM_THING_COUNT
};

struct sim_event {
	uint64_t at_ms, order;
	enum sim_thing thing;
	struct ring *ring;     /* borrowed; whom it is told to; NULL: nobody */
	struct sim_peer *peer; /* counted; or NULL */
	unsigned serial;       /* of the telling; an older one than the peer's is void */
	uint64_t taken_ms;     /* SIM_PIECE_OUT: when the program's kernel took it */
	int result;
	void (*act)(void *who);
	void (*peer_act)(struct sim_peer *peer);
	void *who; /* borrowed: of act, or the message */
	size_t len;
	char *bytes; /* owned */
	struct list link;
};

struct sim_listener {
	struct list link;
	struct address address;
	enum ring_kind ring_kind;
	const struct sim_peer_kind *kind; /* borrowed */
	void *context;			  /* borrowed */
};

struct sim_world {
	uint64_t now_ms, order, hash, turns, stalled;
	int64_t wall_shift_ms;
	struct random random;
	struct sim_faults faults;
	struct sim_event **heap; /* owned */
	size_t nheap, heap_size;
	struct list listeners, own, rings, peers;
	unsigned npeers; /* made so far */
	FILE *trace;	 /* borrowed */
};

struct ring {
	struct list link; /* in its world */
	struct sim_world *world;
	struct ring_setup setup;
	unsigned nsockets;
	uint64_t now_ms;
	uint64_t message_ms; /* no message arrives before: they keep their order */
	bool turning;
	struct list ready;   /* events to tell, in order */
	struct list hearing; /* peers with something for a receive */
	struct list peers;   /* all that have an end here */
	struct wheel wheel;
};

/* A connection. The program's end: ring, socket, its ops. The peer's end: kind, context, state. */
struct sim_peer {
	struct sim_world *world;
	unsigned id, refs; /* refs: events, either end while it is open */
	bool datagram;
	struct list world_link;

	struct ring *ring;     /* borrowed; NULL when the program's end is closed */
	struct socket *socket; /* borrowed, like the ops */
	struct connecting *connecting;
	struct sending *sending;
	struct receive *receive;
	unsigned serial[SIM_THING_COUNT]; /* of the telling that is valid */
	size_t send_planned;		  /* bytes of the send under way that will be taken, if nothing comes between */
	uint64_t send_hash;
	uint64_t cut_ms;		     /* what the kernel took later than this never leaves */
	struct list inbox;		     /* events SIM_PIECE_IN that arrived and were not told */
	bool ended, paused, snapped, broken; /* snapped: a reset is on its way; broken: it came */
	int end;			     /* when ended: 0 or -errno */
	uint64_t in_ms;			     /* nothing arrives at the program before: streams keep their order */
	struct list ring_link, hearing_link;

	const struct sim_peer_kind *kind; /* borrowed; NULL: nobody there */
	void *context;
	bool open, mute; /* the peer's end */
	uint64_t out_ms; /* as in_ms, towards the peer */
	_Alignas(16) char state[];
};

/* sim_world.c */
struct sim_world *sim_world_begun(void);
bool sim_chance(struct sim_world *world, unsigned per_mille);
uint64_t sim_delay_ms(struct sim_world *world);
/* Queued for at_ms; the caller may fill in more of it right away. */
struct sim_event *sim_event_add(struct sim_world *world, enum sim_thing thing, struct sim_peer *peer, uint64_t at_ms);
void sim_event_free(struct sim_event *event);
/* Something happened: into the hash, and the trace. */
void sim_record(struct sim_world *world, enum sim_thing thing, const struct sim_peer *peer, int result,
		struct slice bytes);
/* Lets all happen that is due; what is for a ring goes to its ready list. */
void sim_world_run(struct sim_world *world);
/* When the next thing happens, at most cap_ms. */
uint64_t sim_world_next_ms(const struct sim_world *world, uint64_t cap_ms);

/* sim_peer.c */
struct sim_peer *sim_peer_new(struct sim_world *world, struct ring *ring, struct socket *socket,
			      const struct sim_listener *listener);
void sim_peer_unref(struct sim_peer *peer);
struct sim_listener *sim_listener_find(const struct sim_world *world, const struct address *address,
				       enum ring_kind ring_kind);
/* A telling of the program's end; it makes the one queued before for the same thing void. */
void sim_tell_at(struct sim_peer *peer, enum sim_thing thing, uint64_t at_ms, int result);
/* Sends the program's bytes on their way and says when and with what result the send is over. */
void sim_peer_take(struct sim_peer *peer, struct slice bytes);
/* How much of the send under way the kernel has taken by now. */
size_t sim_peer_taken(const struct sim_peer *peer);
/* The program's end of the line is over: what is not taken never leaves, and the peer will see the end. */
void sim_peer_cut(struct sim_peer *peer, bool reset);
/* Something that is not told to the program happens to its connection; the event is consumed. */
void sim_peer_happen(struct sim_peer *peer, struct sim_event *event);
/* On its ring's list if there is something for its receive. */
void sim_peer_look(struct sim_peer *peer);
/* The program has let go of its end. */
void sim_peer_forget(struct sim_peer *peer);
