/* Whose mail a connection carries, and so to whom it counts (scheduler/tenant.h). The scheduler says that a lane could
 * use one connection more; here it is found out for which delivery, and whether its tenant may have it.
 *
 *     carrier_open(worker, lane, exchanger);                if somebody may have it: conn_open, carrier_begin
 *     carrier_fetch(conn);                                  before a delivery is chosen for it
 *     if (carrier_takes(conn, tenant, &ticket))             this one may go on it
 *             carrier_give(conn, transaction, &ticket);     and goes; or tenant_takes_back(tenant, &ticket, now)
 *     carrier_over(conn, transaction);                      it has ended
 *     carrier_opened(conn);                                 it could have taken what it was opened for
 *     carrier_end(conn);                                    it is gone */
#pragma once

#include "scheduler/tenant.h"

struct conn;
struct delivery;
struct exchanger;
struct lane;
struct transaction;
struct worker;

struct carrier {
	struct tenant *tenant;	  /* counted: whom it is being opened for; NULL: it is open, or opened for nobody */
	struct ticket ticket;	  /* for that */
	struct list transactions; /* under way */
};

/* Does what NEXT_CONNECT asks for. Mail that may have no connection is set aside on the way; if that is all that would
 * need another one, none is opened. */
void carrier_open(struct worker *worker, struct lane *lane, struct exchanger *exchanger);
/* What was found out before there was a connection. */
void carrier_begin(struct carrier *carrier, const struct carrier *found);
/* If it is open by now: it is not being opened for anybody any more. */
void carrier_opened(struct conn *conn);
void carrier_end(struct conn *conn);

/* What was set aside of the tenants it carries comes first again, one message of each. */
void carrier_fetch(struct conn *conn);
bool carrier_takes(struct conn *conn, struct tenant *tenant, struct ticket *ticket);
void carrier_give(struct conn *conn, struct transaction *transaction, struct ticket *ticket);
/* Its deliveries must still be here. */
void carrier_over(struct conn *conn, struct transaction *transaction);
/* It was tried: until it is settled its tenant's other mail need not wait for it. A second time changes nothing. */
void carrier_forget(struct delivery *delivery);
