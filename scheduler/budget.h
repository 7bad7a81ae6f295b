/* A budget: a limit that several lanes share, over all workers: what a source may send in all, a tenant over
 * everything, a site over all our sources. A rate (a bucket as in pace.h) and a number of connections.
 *
 *     struct budget ip1;
 *     budget_init(&ip1, 500, 3600000, 0, 100);                   500 an hour, 100 connections at a time
 *     n = budget_take(&ip1, 32, now_ms);                         how many of 32 may go now
 *     budget_give(&ip1, n - sent);                               what was not used
 *     if (n == 0) look again at budget_next_ms(&ip1, now_ms);
 *     if (!budget_connect(&ip1)) look again in BUDGET_PATIENCE_MS; else ... budget_disconnect(&ip1);
 *
 * Any thread may call anything at any time: the bucket is one atomic word, and a take is one compare-and-exchange. All
 * workers read the same monotonic clock, so inside one process nothing needs to be handed out in blocks; one whose
 * now_ms is a turn older than another's is served a little later, never more. budget_next_ms is when one may go if
 * nobody else takes it first: who comes then and finds nothing asks again.
 *
 * Between engines the same words would be a block: each engine leases tokens for about a second from Redis, as many as
 * it used in the last one, and calls budget_limit with its share; a block dies with its lease, and nothing here
 * changes. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { BUDGET_PATIENCE_MS = 50 };

struct budget {
	_Atomic uint64_t full_ns;	  /* when the bucket is full again, on the clock of now_ms */
	_Atomic uint64_t cost_ns;	  /* of one token; 0: no limit */
	_Atomic uint64_t ahead_ns;	  /* how far full_ns may run ahead: the burst */
	_Atomic unsigned connections;	  /* open or being opened */
	_Atomic unsigned connections_max; /* 0: no limit */
	_Atomic unsigned wanted;	  /* who waits for one of them, where that is told */
};

/* count 0: no rate; burst 0: one second's worth, at least 1; connections 0: as many as one likes. */
void budget_init(struct budget *budget, uint64_t count, uint64_t period_ms, uint64_t burst, unsigned connections);
/* New limits for one in use: what was taken and what is open stay counted. */
void budget_limit(struct budget *budget, uint64_t count, uint64_t period_ms, uint64_t burst, unsigned connections);

/* How many of n may go now; takes them. */
unsigned budget_take(struct budget *budget, unsigned n, uint64_t now_ms);
/* Gives n back that were taken and not used. */
void budget_give(struct budget *budget, unsigned n);
/* How many of n may go now; takes none. */
unsigned budget_left(const struct budget *budget, unsigned n, uint64_t now_ms);
/* 0 if one may go now, else the monotonic time at which one may. */
uint64_t budget_next_ms(const struct budget *budget, uint64_t now_ms);

/* False if all connections it allows are in use. */
bool budget_connect(struct budget *budget);
void budget_disconnect(struct budget *budget);
/* UINT_MAX: as many as one likes. */
unsigned budget_connections_left(const struct budget *budget);
/* 0: as many as one likes. */
unsigned budget_connections_most(const struct budget *budget);
/* One more waits for a connection (1), or one less (-1); how many do. */
void budget_want(struct budget *budget, int change);
unsigned budget_wanted(const struct budget *budget);
/* What each of so many parts may have of them, at least one; UINT_MAX: as many as it likes. */
unsigned budget_connections_share(const struct budget *budget, unsigned parts);
