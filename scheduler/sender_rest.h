/* Sender rests: which envelope senders a receiver will not have from us for a while, on one lane. Their mail waits, the
 * others' goes on.
 *
 * A few are remembered by their hash; when there are more, the one whose rest ends first is forgotten. */
#pragma once

#include "base/slice.h"

enum { SENDER_RESTS_MAX = 8 };

struct sender_rest {
	uint64_t hash, until_ms;
	unsigned failures; /* in a row */
};

struct sender_rests {
	struct sender_rest rest[SENDER_RESTS_MAX];
};

/* For delay_ms, or (0) by how often that happened in a row. */
void sender_rests_add(struct sender_rests *rests, struct slice sender, uint64_t delay_ms, uint64_t now_ms);
/* 0: it does not rest. */
uint64_t sender_rests_until_ms(const struct sender_rests *rests, struct slice sender, uint64_t now_ms);
