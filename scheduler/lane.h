/* A lane: one of our sources at one site. What the receiver allows and how it is doing are counted here.
 *
 * Concurrency has a configured upper bound and, inside it, a window that is learned: it opens by one with every message
 * the site takes and closes by half with every refusal to talk to us. The rate is a bucket. A lane that is refused
 * rests: nothing is sent, leased or connected on it until the time is up, and then one connection tries.
 *
 * What a lane waits for is data with a name, shown by `status`. */
#pragma once

#include "nouns.h"
#include "scheduler/budget.h"
#include "scheduler/pace.h"
#include "scheduler/retry.h"

#include "base/list.h"

struct site;
struct warm_up;

enum { LANE_BUDGETS_MAX = 4 };

struct lane_limits {
	unsigned connections; /* at a time */
	unsigned messages_per_connection;
	unsigned recipients_per_message;
	unsigned window;				 /* transactions under way on a connection; 1: no window */
	uint64_t rate_count, rate_period_ms, rate_burst; /* recipients attempted; count 0: unlimited */
	struct pace_limit connection_rate;		 /* connections opened; count 0: unlimited */
	struct budget *budgets[LANE_BUDGETS_MAX];	 /* borrowed: limits shared with other lanes; never fewer */
	unsigned nbudgets;
	struct budget *connects;   /* borrowed: connections its source opens anywhere, in a time; NULL: no such limit */
	uint64_t expires_after_ms; /* since it was queued, where its job does not say; 0: its record says */
	unsigned weight;	   /* of its source in the pool */
	unsigned reserved;	   /* connections kept for transactional mail */
	uint64_t overflow;	   /* bit i: lane i sends what is over while the source is warmed up */
	struct warm_up *warm_up;   /* borrowed; NULL: none */
	bool learning;		   /* inside these limits; off: they are all there is */
	bool ended;		   /* its source is gone from the configuration: nothing new goes out on it */
	struct retry retry;
};

#define LANE_WAITS(X)                                                        \
	X(LANE_WAITS_MAIL, "mail", "nothing is queued for it")               \
	X(LANE_WAITS_NOTHING, "nothing", "it sends as fast as it is let")    \
	X(LANE_WAITS_CONNECTIONS, "connections", "all it may open are busy") \
	X(LANE_WAITS_RATE, "rate", "the configured rate is used up")         \
	X(LANE_WAITS_REST, "rest", "the receiver refused us; it rests")      \
	X(LANE_WAITS_SLOTS, "slots", "this machine's connections are used up") \
	X(LANE_WAITS_PAUSED, "paused", "an operator paused it")

enum lane_wait {
#define X(name, text, meaning) name,
	LANE_WAITS(X)
#undef X
};

const char *lane_wait_name(enum lane_wait wait);
const char *lane_wait_meaning(enum lane_wait wait);

struct lane {
	struct site *site; /* parent */
	unsigned source;   /* index of our source */
	struct lane_limits limits;
	struct pace pace;

	unsigned window;	/* connections it may have now; 1 .. limits.connections */
	unsigned opening, open; /* connections being made; made */
	unsigned idle;		/* of the open ones, those without a transaction */
	unsigned inflight;	/* recipients in dialogue */
	unsigned asked;		/* records asked for and not come yet */
	unsigned nready;	/* deliveries leased, composed and waiting: length of ready */
	unsigned preparing;	/* leased, and waiting for their job or body */
	unsigned depth;		/* records to hold a connection; grows when it ran dry */
	struct list ready;	/* the engine's deliveries, in order */
	struct list idlers;	/* the engine's idle connections */

	bool held;		/* by an operator */
	unsigned failures;	/* in a row */
	uint64_t rest_until_ms; /* 0: does not rest */
	enum lane_wait wait;
	uint64_t wait_until_ms; /* 0: not known */
	char why[128];		/* what the receiver said when it was last refused */

	uint64_t second_ms; /* the running second */
	unsigned sent_in_second, sent_last_second;
	uint64_t delivered, refused; /* since start, for status */
};

void lane_init(struct lane *lane, struct site *site, unsigned source, const struct lane_limits *limits);
/* New limits after a reload; what was learned stays. */
void lane_limit(struct lane *lane, const struct lane_limits *limits);

bool lane_is_resting(const struct lane *lane, uint64_t now_ms);
/* How many recipients may be sent now (at most n); takes them from the bucket. */
unsigned lane_take(struct lane *lane, unsigned n, uint64_t now_ms);
/* How many records the lane should hold in memory: enough not to run dry, no more than about 10 s of its sending. */
unsigned lane_supply_goal(const struct lane *lane);
/* A connection asked for mail and found none, though more is queued: hold more from now on. */
void lane_ran_dry(struct lane *lane);
/* True if one more connection should be opened for what waits. */
bool lane_wants_connection(const struct lane *lane);

/* The site took a message. */
void lane_succeeded(struct lane *lane, unsigned recipients, uint64_t now_ms);
/* The site would not talk to us, or said "slower": the window halves, the lane rests for delay_ms. */
void lane_failed(struct lane *lane, uint64_t delay_ms, struct slice why, uint64_t now_ms);
