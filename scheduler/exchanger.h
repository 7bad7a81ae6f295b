/* An exchanger: one MX address as one of our sources sees it, because there is where receivers count. Its connections
 * are counted here, how many it lets us have (crowd.h), how many messages it takes (allowance.h), and how long it is
 * left alone after it would not talk to us.
 *
 * A lane has one for each route of its site. What is learned stays when the routes change and come back; an exchanger
 * nothing leads to any more goes with its last connection, unless it has learned something. */
#pragma once

#include "scheduler/allowance.h"
#include "scheduler/crowd.h"

#include "base/list.h"
#include "base/slice.h"

struct lane;

/* What the routes say of it. */
struct exchanger_spec {
	struct slice address; /* text: the key */
	uint16_t preference;  /* of the MX: the lowest first, equals share */
	uint16_t route;	      /* index in the engine's routes */
	uint16_t family;      /* 4, 6, or 0: not told */
};

/* The same in few bytes, of a site that keeps it: the text is behind all of them. */
struct way {
	uint16_t preference, route, text_at;
	uint8_t text_len, family;
};

/* What there is to remember of one. */
struct exchanger_learned {
	uint32_t count, window_ms; /* so many in so long; 0: not known */
	unsigned edge;		   /* so many connections; 0: not known */
};

/* What the engine was last told of one. */
struct exchanger_told {
	struct exchanger_learned learned;
	uint64_t at_ms;
};

struct exchanger {
	struct list link;	/* on its lane's list, best first */
	struct lane *lane;	/* parent */
	struct list idlers;	/* the engine's idle connections */
	unsigned opening, open; /* connections being made; made */
	unsigned idle;		/* of the open ones, those without a transaction */
	struct crowd crowd;
	struct allowance *allowance; /* owned; NULL while it never said "too much" */
	struct exchanger_told *told; /* owned; NULL while there was nothing to tell */
	uint64_t begin_ms, taken_ms; /* what it has taken at a stretch until then: from, until */
	uint32_t taken;
	unsigned failures;	/* in a row: it would not talk to us */
	uint64_t rest_until_ms; /* 0: does not rest */
	uint64_t turn;		/* when it was last chosen, among its equals */
	uint16_t preference, route;
	uint16_t address_len; /* of text */
	bool gone : 1;	      /* no route leads there now */
	bool recalled : 1;    /* the engine has looked whether it knows something of it from before */
	char text[];	      /* its address; empty where nobody said one */
};

static inline struct slice exchanger_address(const struct exchanger *exchanger)
{
	return (struct slice){exchanger->text, exchanger->address_len};
}

struct exchanger *exchanger_new(struct lane *lane, const struct exchanger_spec *spec);
void exchanger_free(struct exchanger *exchanger);

bool exchanger_rests(const struct exchanger *exchanger, uint64_t now_ms);
/* When it may have the next recipient: 0: now. */
uint64_t exchanger_next_ms(const struct exchanger *exchanger, uint64_t now_ms);
/* It has told us how many it takes, and is not to be crowded with connections that have nothing to send. */
bool exchanger_is_paced(const struct exchanger *exchanger);
/* It will have one more connection. */
bool exchanger_admits(const struct exchanger *exchanger, uint64_t now_ms);
/* It has refused something of late: another one of the same site may take the mail instead. */
bool exchanger_is_choosy(const struct exchanger *exchanger, uint64_t now_ms);

unsigned exchanger_take(struct exchanger *exchanger, unsigned n, uint64_t now_ms);
void exchanger_give(struct exchanger *exchanger, unsigned n, uint64_t now_ms);
/* n recipients were taken, or refused for a reason that is theirs. */
void exchanger_accepted(struct exchanger *exchanger, unsigned n, uint64_t now_ms);
/* "Too much": n recipients were refused for that; hint_ms: the time it named, or 0. */
void exchanger_slower(struct exchanger *exchanger, unsigned n, uint64_t hint_ms, uint64_t now_ms);
/* A connection was not let in or was thrown out; `others` of ours are there or on their way. With none, the exchanger
 * rests: for delay_ms, or (0) by how often that happened in a row. */
void exchanger_refused(struct exchanger *exchanger, unsigned others, uint64_t delay_ms, uint64_t now_ms);

/* True, and what, when something was learned that was not told, or was last told confirm_ms ago; it counts as told. */
bool exchanger_has_news(struct exchanger *exchanger, uint64_t confirm_ms, struct exchanger_learned *news,
			uint64_t now_ms);
/* What was learned of it earlier, taken up again: so many in so long (0: nothing), at most so many connections (0:
 * nothing), trusted by so many per cent. */
void exchanger_recall(struct exchanger *exchanger, uint32_t count, uint32_t window_ms, unsigned edge,
		      unsigned trust_percent, uint64_t now_ms);
