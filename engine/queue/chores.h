/* The chores of a keeper: what has to be done to a shard again and again, each with its own rhythm.
 *
 *     struct chores chores;
 *     chores_init(&chores, &caller, &setup, epoch);
 *     while (caller_is_up(&caller) && !caller.fenced) wait(chores_turn(&chores, now_ms) - now_ms);
 *     chores_free(&chores);
 *
 * Everything here may be stopped between two turns and repeated. What is found out is published for other threads. */
#pragma once

#include "queue/desk.h"
#include "queue/keeper.h"

#include <stdatomic.h>

enum { CHORES = 7, SEEN_MAX = 64 };

/* Written by the keeper's thread, read by all. */
struct chores_published {
	_Atomic uint64_t beat_ms, level;
	_Atomic uint64_t lists, ready, deferred, held, leased, events, oldest_ms;
};

struct chores {
	struct caller *caller;		    /* borrowed */
	const struct keeper_setup *setup;   /* borrowed */
	struct chores_published *published; /* borrowed */
	uint64_t epoch;
	char seen[SEEN_MAX]; /* what Redis called our last beat */
	uint64_t due_ms[CHORES];
	unsigned alarms; /* events of ours so far */
	struct desk desk;
	struct outbuf words; /* scratch */
};

void chores_init(struct chores *chores, struct caller *caller, const struct keeper_setup *setup, uint64_t epoch,
		 struct chores_published *published);
void chores_free(struct chores *chores);
/* Does what is due; when the next one is. */
uint64_t chores_turn(struct chores *chores, uint64_t now_ms);
