/* What a reply says besides its verdict: when to come again, and what it names.
 *
 *     "Greylisted, try again in 5 minutes"                                  wait 300
 *     "blocked using zen.list.example; see http://list.example/q?192.0.2.1" list "zen.list.example", url "http://..."
 *
 * Pure; the slices are of the reply's own text, and live as long. */
#pragma once

#include "base/slice.h"
#include "smtp/verdict_words.h"

struct verdict_detail {
	struct slice list; /* borrowed: the zone or name of a blocklist, or empty */
	struct slice url;  /* borrowed: the first http or https address, or empty */
};

struct verdict_detail verdict_detail_of(struct slice text);

/* Seconds to wait that the words ask for, at most a week; 0 if they do not. */
uint32_t verdict_wait(const struct verdict_words *words);
