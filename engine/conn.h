/* A connection: one TCP stream to one host of a site, and the session spoken on it.
 *
 * It lives in a slot from conn_open until the last of its operations is home. It tries the exchanger the scheduler
 * chose and, when that will not have us, the next one (RFC 5321 5.1: at most CONN_ADDRESSES_MAX addresses,
 * CONN_SESSIONS_MAX greetings); when one of them greets it, it takes transactions from its lane as long as there are
 * some, stays idle a little, longer if the lane will have something to send soon, and says QUIT. */
#pragma once

#include "carrier.h"
#include "channel.h"
#include "delivery.h"
#include "event.h"
#include "host.h"

enum { CONN_ADDRESSES_MAX = 5, CONN_SESSIONS_MAX = 2, CONN_IDLE_MS = 2000, CONN_PATIENCE_MS = 10000 };

/* CONNECTING → TALKING → CLOSING → CONNECTING (next route) or gone. */
enum conn_state { CONN_CONNECTING, CONN_TALKING, CONN_CLOSING };

struct conn_failure {
	struct outcome outcome;
	char text[256];
	char tls[PROTECTION_TEXT_MAX]; /* what it had; empty: there was no session */
	uint64_t own_fault_ms;	       /* the lane rests so long for a reason of ours; 0: a moment */
};

/* There may be tens of thousands that wait for a slow server: what few of them need is held apart. */
struct conn {
	struct worker *worker;	     /* parent */
	struct lane *lane;	     /* it belongs to; counted there */
	struct exchanger *exchanger; /* of the lane: whom it talks to, or tries to; counted there too */
	enum conn_state state;
	struct list all;		    /* on its worker's list */
	struct list idle_link;		    /* on its exchanger's idlers while idle */
	struct routes *routes;		    /* counted */
	const struct config_source *source; /* NULL: the system chooses the address */
	unsigned route;			    /* the one being tried: index */
	unsigned tried, greeted;	    /* addresses connected to, sessions begun */
	bool once_more;			    /* the same route comes next, with less asked of it */
	bool passing_on;		    /* another route comes next, for the sake of what waits first */
	bool lenient;			    /* less than its TLSA records do: for mail that waives TLS only */
	struct host *host;		    /* counted */

	struct channel channel;
	struct connecting connecting;
	struct op closed;
	struct timer timer;

	struct login *login; /* owned: to a relay; NULL: none */
	struct session session;
	struct session_limits limits;
	bool opened;		/* the lane counts it as open */
	bool idle;		/* ... and idle */
	unsigned ntransactions; /* with the session now */
	struct carrier carrier; /* whose they are */
	unsigned given;		/* in all */
	unsigned accepted;	/* recipients */
	bool refused;		/* the lane has heard why it was not wanted */
	bool yields;		/* it takes nothing more: another worker is to have one (lane_yields) */
	uint64_t number, idle_until_ms;
	char *probe;		      /* owned: the address a window is probed with; NULL: none */
	struct conn_failure *failure; /* owned: why the last route did not work; NULL: none has failed */
};

/* Opens one for a lane and for whom the carrier says, to this exchanger or, if that will not have us, to another;
 * reports to the scheduler what comes of it. */
void conn_open(struct worker *worker, struct lane *lane, struct exchanger *exchanger, const struct carrier *carrier);
/* An idle one is offered mail. */
void conn_feed(struct conn *conn);
/* QUIT when what it has is over; at once. */
void conn_quit(struct conn *conn);
void conn_abandon(struct conn *conn);
/* Tells the scheduler what happened to it. */
void conn_report(struct conn *conn, enum report_kind kind, uint64_t delay_ms, struct slice why);
/* The MX it talks to, and both ends' addresses without a port; empty: none yet, or one that the system chooses. */
struct slice conn_mx(const struct conn *conn);
struct slice conn_remote(const struct conn *conn);
struct slice conn_local(const struct conn *conn);
/* Where it is to be said why a route did not work; as it was left, or zeroes. */
struct conn_failure *conn_failure(struct conn *conn);

static inline struct conn *conn_idle(struct list *link)
{
	return LIST_OWNER(link, struct conn, idle_link);
}
