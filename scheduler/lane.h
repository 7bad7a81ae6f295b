/* A lane: one of our sources at one site. What we allow ourselves there is counted here (connections, rates, budgets
 * shared with other lanes), and below it, for each MX address, what the receiver allows (exchanger.h). All of them
 * hold, the tightest binds.
 *
 * Mail that is here waits in two queues: transactional goes first, and has connections that bulk may not take.
 *
 *     lane_put(lane, &delivery->link, urgent);              it is ready to be sent
 *     if (lane_take(lane, exchanger, 1, now))               one may go there now
 *             link = lane_pop(lane);
 *     lane_give(lane, exchanger, 1, now);                   it was not tried after all
 *
 * A lane that is refused as a whole rests: nothing is sent, leased or connected on it until the time is up. What a lane
 * waits for is data with a name, shown by `status`. */
#pragma once

#include "nouns.h"
#include "scheduler/exchanger.h"
#include "scheduler/lane_limits.h"
#include "scheduler/sender_rest.h"
#include "scheduler/tenant.h"

#include "base/list.h"

struct anteroom;
struct site;

/* What counts a lane's mail beside itself: its source over all sites (the first two), its site over all sources, and
 * with namesakes (namesakes.h) all of them over all sources, and their lanes. */
enum { LANE_BUDGETS_MAX = LANE_SOURCE_BUDGETS_MAX + 3 };

#define LANE_WAITS(X)                                                                                    \
	X(LANE_WAITS_MAIL, "mail", "nothing is queued for it")                                           \
	X(LANE_WAITS_NOTHING, "nothing", "it sends as fast as it is let")                                \
	X(LANE_WAITS_CONNECTIONS, "connections", "all it may open are busy")                             \
	X(LANE_WAITS_RATE, "rate", "the configured rate is used up")                                     \
	X(LANE_WAITS_CONNECTION_RATE, "connection-rate", "it has opened as many connections as it may")  \
	X(LANE_WAITS_ALLOWANCE, "allowance", "the receiver takes no more just now")                      \
	X(LANE_WAITS_SOURCE, "source", "a limit of its source over all sites is used up")                \
	X(LANE_WAITS_TOTAL, "total", "a limit over all sources is used up")                              \
	X(LANE_WAITS_SITE, "site", "a limit of its site is used up at other hosts of it")                \
	X(LANE_WAITS_TENANT, "tenant", "mail of a tenant waits for a limit of that tenant")              \
	X(LANE_WAITS_WARM_UP, "warm-up", "its source is young: today's mail for this site is sent")      \
	X(LANE_WAITS_WEIGHT, "weight", "other sources of its pool are to have their part first")         \
	X(LANE_WAITS_FAMILY, "family", "its source has no address of the receiver's kind, IPv4 or IPv6") \
	X(LANE_WAITS_REST, "rest", "the receiver refused us; it rests")                                  \
	X(LANE_WAITS_OPENING, "opening", "this machine opens no more connections at a time")             \
	X(LANE_WAITS_SLOTS, "slots", "this machine's connections are used up")                           \
	X(LANE_WAITS_PAUSED, "paused", "an operator has paused it")

enum lane_wait {
#define X(name, text, meaning) name,
	LANE_WAITS(X)
#undef X
};

const char *lane_wait_name(enum lane_wait wait);
const char *lane_wait_meaning(enum lane_wait wait);

/* What a configured rate, or an operator's rule, has let through. */
struct lane_paces {
	struct pace rate, connections;
	struct pace slow; /* for a while, because a rule of the operator says so */
	uint64_t slow_until_ms;
};

/* There may be one for every domain: it is as small as it can be. */
struct lane {
	struct site *site;		      /* parent */
	const struct lane_limits *limits;     /* borrowed; its scheduler holds them */
	struct lane_paces *paces;	      /* owned; NULL: there never was a rate */
	unsigned connected[LANE_BUDGETS_MAX]; /* connections counted in each budget */

	struct list exchangers;	    /* owned, best first; empty until it has mail */
	uint64_t turns;		    /* choices made among them */
	unsigned opening, open;	    /* connections being made; made: sums over the exchangers */
	unsigned idle;		    /* of the open ones, those without a transaction */
	unsigned inflight;	    /* recipients in dialogue */
	unsigned asked;		    /* records asked for and not come yet */
	unsigned nready;	    /* deliveries leased, composed and waiting: both queues */
	unsigned preparing;	    /* leased, and waiting for their job or body */
	unsigned nurgent;	    /* of the ready ones, the transactional: length of urgent */
	struct list urgent;	    /* the engine's transactional deliveries, in order */
	struct list ready;	    /* and the others */
	struct anteroom *anterooms; /* owned: of tenants whose mail is set aside (tenant.h); NULL: there are none */
	unsigned aside;		    /* deliveries there, which are not among the ready ones */
	uint64_t pass;		    /* recipients leased, divided by its weight */
	uint64_t leased_ms;	    /* when it last leased some */

	struct sender_rests *senders; /* owned: those it will not have now; NULL: none ever */
	unsigned refusals;	      /* for good and for the lane's sake, in a row */
	unsigned failures;	      /* in a row: times it had to rest as a whole */
	uint64_t rest_until_ms;	      /* 0: does not rest */
	uint64_t wait_until_ms;	      /* 0: not known */
	char *why;		      /* owned: what the receiver said when it was last refused; NULL: nothing */

	uint64_t second_ms; /* the running second */
	unsigned sent_in_second, sent_last_second;
	uint64_t delivered, refused; /* since start, for status */

	uint8_t source; /* index of our source */
	uint8_t depth;	/* records to hold a connection; grows when it ran dry */
	uint8_t wait;	/* enum lane_wait */
	bool plenty;	/* there was more than it asked for in the list it leased from last */
	bool held;	/* by an operator */
	bool ended;	/* its source is gone from the configuration: nothing new goes out on it */
};

/* Limits are borrowed, for as long as they are the lane's. */
void lane_init(struct lane *lane, struct site *site, unsigned source, const struct lane_limits *limits);
void lane_clear(struct lane *lane);
/* New limits after a reload; what was learned stays. */
void lane_limit(struct lane *lane, const struct lane_limits *limits);
/* Where its mail goes now, one a route. What is known of an address stays with it. */
void lane_route(struct lane *lane, const struct exchanger_spec *exchangers, unsigned nexchangers);
/* The same, as its site says. */
void lane_follow(struct lane *lane);
/* It will have mail: makes its exchangers by the routes of its site, if it has none. Their first. */
struct exchanger *lane_prepare(struct lane *lane);
/* There is an exchanger of its site that its source can talk to. */
bool lane_has_route(const struct lane *lane);
static inline struct exchanger *exchanger_of(struct list *link)
{
	return LIST_OWNER(link, struct exchanger, link);
}

/* The two queues. */
void lane_put(struct lane *lane, struct list *link, bool urgent);
void lane_put_back(struct lane *lane, struct list *link, bool urgent); /* it is the first again */
struct list *lane_first(const struct lane *lane);
struct list *lane_pop(struct lane *lane);
struct list *lane_first_of(const struct lane *lane, bool urgent);
/* Is there a message for this connection, and from which queue? counted_idle, behind: it counts as idle; it has a
 * message under way, whose reply the next one would wait for. Transactional mail goes first, but not behind another
 * while an idle connection, or one that is being made, is there for it; bulk leaves the reserved connections alone. */
bool lane_offers(const struct lane *lane, bool counted_idle, bool behind, bool *urgent);
void lane_remove(struct lane *lane, struct list *link, bool urgent);

/* When it or one of its exchangers may be talked to again; 0: it does not rest. */
uint64_t lane_rests_until_ms(const struct lane *lane, uint64_t now_ms);
bool lane_is_resting(const struct lane *lane, uint64_t now_ms);
/* Every exchanger rests, or has had as much as it takes: nothing goes out before lane_exchangers_next_ms. */
bool lane_is_closed(const struct lane *lane, uint64_t now_ms);
/* When our own limits allow the next recipient, and which of them binds; 0: now. */
uint64_t lane_next_ms(const struct lane *lane, enum lane_wait *wait, uint64_t now_ms);
/* The same for the next connection. */
uint64_t lane_connects_ms(const struct lane *lane, enum lane_wait *wait, uint64_t now_ms);
/* When the exchangers do: the first of them. */
uint64_t lane_exchangers_next_ms(const struct lane *lane, uint64_t now_ms);
/* How many recipients may go to this exchanger now (at most n); takes them from everything that counts them. */
unsigned lane_take(struct lane *lane, struct exchanger *exchanger, unsigned n, uint64_t now_ms);
void lane_give(struct lane *lane, struct exchanger *exchanger, unsigned n, uint64_t now_ms);
/* Bulk may have no more connections busy at a time. */
unsigned lane_bulk_connections(const struct lane *lane);

/* How many records the lane should hold in memory: enough not to run dry, no more than about 10 s of its sending. */
unsigned lane_supply_goal(const struct lane *lane, uint64_t now_ms);
/* A connection asked for mail and found none, though more is queued: hold more from now on. */
void lane_ran_dry(struct lane *lane);
/* The exchanger with an idle connection that may have mail now; NULL: none. */
struct exchanger *lane_sends_to(const struct lane *lane, uint64_t now_ms);
/* The exchanger to which one more connection should be opened for what waits; NULL: none. `except` is not asked. */
struct exchanger *lane_connects_to(const struct lane *lane, const struct exchanger *except, uint64_t now_ms);
/* A connection that is being opened goes to another exchanger; it counts there from now on. */
void lane_reroute(struct lane *lane, struct exchanger *from, struct exchanger *to);
/* One more connection is on its way, or gone (idle or not, opened or not). False: a budget has no room. */
bool lane_connect(struct lane *lane, struct exchanger *exchanger, uint64_t now_ms);
/* What lane_connect took from the rates, for one that was not tried. */
void lane_unconnect(struct lane *lane);
void lane_disconnect(struct lane *lane);
/* One of its connections is to take nothing more and to close: another worker that serves the site has fewer than its
 * share and wants one. Asked of each in turn; one that yields is counted until it is reported closed. */
bool lane_yields(struct lane *lane, uint64_t now_ms);

/* The site took a message. */
void lane_succeeded(struct lane *lane, unsigned recipients, uint64_t now_ms);
/* The site as a whole would not have us: the lane rests for delay_ms, or (0) by how often that happened in a row. */
void lane_rest(struct lane *lane, uint64_t delay_ms, uint64_t now_ms);
/* It need not rest any more, nor need its exchangers, and no sender waits. */
void lane_wake(struct lane *lane);
/* The site would not have this envelope sender, and until when; 0: it will. */
void lane_rest_sender(struct lane *lane, struct slice sender, uint64_t delay_ms, uint64_t now_ms);
uint64_t lane_sender_rests_until_ms(const struct lane *lane, struct slice sender, uint64_t now_ms);
/* How long a delivery that was refused for the lane's sake, not its own, waits: until mail may go there again. */
uint64_t lane_retry_ms(const struct lane *lane, uint64_t now_ms);
/* An operator's rule: at most so many recipients in so long, until then. */
void lane_slow(struct lane *lane, uint64_t count, uint64_t period_ms, uint64_t until_ms);
bool lane_is_slowed(const struct lane *lane, uint64_t now_ms);
/* When such a rule lets the next one go, or is over; only while it is slowed. */
uint64_t lane_slow_next_ms(const struct lane *lane, uint64_t now_ms);
/* What the receiver said, for status. */
void lane_remember_why(struct lane *lane, struct slice why);
