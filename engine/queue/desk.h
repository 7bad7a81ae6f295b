/* The desk: where orders of operators come in and are carried out, as one of the keeper's chores.
 *
 *     desk_init(&desk, &caller, prefix, owner);
 *     wait_ms = desk_turn(&desk);                 again and again
 *     desk_free(&desk);
 *
 * A turn reads PREFIX:control, executes each entry once (its id is remembered in Redis with what it did) and deletes
 * it; goes one step through the mail that some order means; writes down which site a domain's mail goes to; tells the
 * owner when what is in force has changed; and puts answers into PREFIX:control:REF, where they stay for an hour. The
 * command line calls the same functions in Redis itself, so the desk also finds orders there that came by no stream.
 *
 * An order of another kind is a row in desk.c, and a function that carries it out and calls desk_answer. */
#pragma once

#include "queue/caller.h"
#include "queue/control.h"

/* Asked by the keeper's thread. */
struct desk_owner {
	/* In force now: an id and a JSON object in turn (queue.lua, hikyaku_controls); borrowed during the call. */
	void (*changed)(void *who, uint64_t generation, const struct slice *controls, size_t ncontrols);
	/* The generation that all workers have in force. */
	uint64_t (*applied)(void *who);
	/* How many deliveries the workers have ended so far because of the order of that id. */
	uint64_t (*cancelled)(void *who, uint64_t id);
	/* Domains and their sites in turn, learned since it was last asked: at most max slices, in text. How many. */
	unsigned (*sites)(void *who, struct slice *pairs, unsigned max, struct outbuf *text);
	void *who;
};

struct desk {
	struct caller *caller;		/* borrowed */
	const struct desk_owner *owner; /* borrowed; NULL: nobody sends here */
	struct slice prefix;		/* borrowed */
	uint64_t suppression_keep_s;	/* of an address that is suppressed by order, unless that says */
	bool knows;			/* what is in force was told at least once */
	uint64_t generation;		/* what was told last */
	char at_work[24];		/* id of the order whose mail is gone through; empty: none */
	struct outbuf words, more;	/* scratch */
};

void desk_init(struct desk *desk, struct caller *caller, struct slice prefix, const struct desk_owner *owner);
void desk_free(struct desk *desk);
/* In how many milliseconds it wants to be called again. */
uint64_t desk_turn(struct desk *desk);

/* Tells what became of an order: an event `control`, and the answer for whoever asks by its ref. more: JSON members of
 * its own, each with a comma before it: ",\"count\":3", or ",\"error\":\"…\"". Repeated for the same entry it does
 * nothing. */
void desk_answer(struct desk *desk, const struct control *control, struct slice more);
