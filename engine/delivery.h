/* A delivery: one recipient of one job on its way through this worker. delivery.c is the story, from "a list has mail"
 * to "its outcome is in Redis"; read it first. */
#pragma once

#include "mailing.h"
#include "requirement.h"
#include "worker.h"

#include "smtp/session.h"

struct conn;
struct transaction;

struct delivery {
	struct list link; /* on its mailing's list while that is fetched, then on its lane's; then in a transaction */
	struct worker *worker;	 /* parent */
	struct lane *lane;	 /* it was leased for */
	struct domain *domain;	 /* counted as outstanding */
	struct tenant *tenant;	 /* counted; NULL: it was tried, and is nobody's concern any more */
	struct mailing *mailing; /* counted */
	uint64_t lease;		 /* its place in Redis */
	uint32_t position;
	uint32_t mark;	   /* while its dialogue is under way (underway.h); 0: it is not */
	struct slice list; /* of the same memory as record */
	struct record record;
	char *bytes; /* owned */
	bool urgent; /* transactional */
	struct requirement requirement;
};

static inline struct delivery *delivery_of(struct list *link)
{
	return LIST_OWNER(link, struct delivery, link);
}

/* The worker's end of the queue: hand this to queue_open. */
struct queue_owner delivery_queue_owner(struct worker *worker);

/* Where a domain's mail goes; from home.c, on the worker that owns its site. */
void delivery_routed(struct worker *worker, struct slice domain, struct routes *routes);
/* Does whatever the scheduler has to be done now. Once a turn of the ring. */
void delivery_work(struct worker *worker);
/* What its job says and its message are here, or known to be missing. */
void delivery_prepared(struct delivery *delivery);

/* A connection asks for its next transaction: NULL when its lane has none to give now. */
struct tx *delivery_next(struct conn *conn);
/* A connection gives one back: every recipient has an outcome. */
void delivery_over(struct conn *conn, struct tx *tx);
/* A lane could not connect anywhere: outcome says why. One delivery bears it, the others wait. */
void delivery_unreachable(struct lane *lane, const struct outcome *outcome, const struct conn *conn);

/* The envelope sender it has, the recipient's own or its job's, as written there: with its variables. Borrowed. */
struct slice delivery_sender(const struct delivery *delivery);
/* When it is given up: as its job says, else as its domain or site does. A pause may hold that back (controls.h). */
uint64_t delivery_expires_ms(const struct delivery *delivery);
/* Which record it is, for settling: the verb's own fields are left empty. Borrows from the delivery. */
struct settlement delivery_settlement(const struct delivery *delivery, enum settle_verb verb);
/* Gives it back to its list as it was. Frees it. */
void delivery_return(struct delivery *delivery);
/* It is settled, or its lease is lost: frees it, and tells the scheduler that there is room. */
void delivery_free(struct delivery *delivery);
/* Gives back all that waits on any lane (drain, or the lane rests). */
void delivery_return_lane(struct worker *worker, struct lane *lane);
