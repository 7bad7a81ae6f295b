/* An arrival: one entry of a job stream on its way into the queue.
 *
 *     read → (name → fetch) → keep → begin → expand… → done          a job is accepted
 *     read → … → reject → done                                        or told why not
 *     read → ask → …                                                  one that was ours before a crash
 *
 * Each state asks one thing of Redis and moves on when it hears the answer, so every step may be repeated: after a lost
 * connection the state is what it was. A begun job is never rejected, whatever the configuration says by then. */
#pragma once

#include "admission.h"
#include "gate.h"

enum arrival_state {
	ARRIVAL_READ,	/* nobody has looked at it */
	ARRIVAL_ASK,	/* was it begun before? */
	ARRIVAL_NAME,	/* which body has this name? */
	ARRIVAL_FETCH,	/* the body itself */
	ARRIVAL_KEEP,	/* the body lies in Redis long enough */
	ARRIVAL_BEGIN,	/* the job has begun, or did before */
	ARRIVAL_STORE,	/* the name points to the body */
	ARRIVAL_EXPAND, /* recipients are queued; in turn with other jobs */
	ARRIVAL_REJECT, /* the refusal is noted */
	ARRIVAL_DONE,	/* the entry is gone */
	ARRIVAL_OVER	/* may be freed */
};

struct arrival {
	struct list link;     /* on its inlet's list */
	struct map_node node; /* by stream and id */
	struct inlet *inlet;  /* parent */
	enum arrival_state state;
	bool again, begun; /* it was read before; and had begun then */
	bool parked;	   /* it waits for a message to be stored */
	bool other_id;	   /* the id without a name of its own was taken: see arrival_id */
	bool deleted;	   /* only its id is left: to be acknowledged */
	char id[STREAM_ID_MAX], entry[STREAM_ID_MAX + 80], key[STREAM_ID_MAX + 160];
	const char *fault;    /* static: it has not the fields of a job; NULL: it has */
	struct outbuf text;   /* of the job, until it is judged */
	struct outbuf stored; /* of the message, a byte for its kind in front; empty when it lies in Redis */
	size_t bytes;	      /* of both, for the gate's sum */
	struct job job;
	bool has_job;
	char sha[DIGEST_HEX], hash[DIGEST_HEX], event[24];
	struct message *message; /* counted */
	struct admission admission;
	struct refusal refusal;
	unsigned asking;	/* answers outstanding */
	uint64_t wait_ms;	/* do nothing before */
	uint64_t patience_ms;	/* give up waiting for a message then; 0: not waiting */
	unsigned *order;	/* owned, once it expands: domain_order.h */
	unsigned cursor, asked; /* recipients queued, in that order; and asked to be */
};

/* In state READ; or DONE, where there is nothing left to look at. */
struct arrival *arrival_new(struct inlet *inlet, const struct stream_entry *entry, bool again);
void arrival_free(struct arrival *arrival);
/* Parses and checks it, which may take long: its next state says what became of it. */
void arrival_look(struct arrival *arrival);
/* Says what its state needs, if it is time and nothing is outstanding. Not for READ and EXPAND. */
void arrival_say(struct arrival *arrival);
/* It has recipients to queue, now. */
bool arrival_is_expanding(const struct arrival *arrival);
/* Says the next GATE_SLICE of them. */
void arrival_say_slice(struct arrival *arrival);
