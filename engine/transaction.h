/* A transaction as the engine holds it: the session's struct tx, the deliveries it is for, and the memory their message
 * is written in. It lives from composing until its outcomes are settled. */
#pragma once

#include "event.h"

#include "mail/message.h"
#include "scheduler/tenant.h"

struct transaction {
	struct tx tx;
	struct arena arena;	      /* owns the body's iovec, the sender, the arrays below */
	struct delivery **deliveries; /* one a recipient, in order */
	struct slice message_id;      /* of the arena */
	struct list of_conn;	      /* on its connection's, while it is under way there */
	struct ticket ticket;	      /* its tenant's, if this is the one that has it (carrier.h) */
	uint64_t begun_ms;	      /* monotonic */
	unsigned nth;		      /* on its connection */
};

static inline struct transaction *transaction_of(struct tx *tx)
{
	return LIST_OWNER(tx, struct transaction, tx);
}

/* Composes the next transaction for this connection from what is ready on its lane: one delivery, or several of the
 * same message if all get the same bytes. NULL when nothing may go now. Deliveries whose message cannot be made are
 * settled on the way. */
struct transaction *transaction_compose(struct conn *conn);
/* Gives its memory back; the deliveries must be gone. */
void transaction_free(struct worker *worker, struct transaction *transaction);
/* What the event says of how it was tried. */
struct attempt transaction_attempt(const struct transaction *transaction, const struct conn *conn);
