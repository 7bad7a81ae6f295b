/* The watch: alarms about what we send ourselves. A campaign or tenant whose recipients are unknown to clearly more
 * than a configured share, or whose mail is called spam, and a source that is refused for its reputation at several
 * sites, are paused by themselves, with an event `alarm` that says the numbers. A campaign that most receivers take is
 * never paused by one of them (scheduler/alarm.h, polls).
 *
 * A worker has one, and watches what it sends; the pause is an order like an operator's, lifted by `resume`. */
#pragma once

#include "base/map.h"
#include "nouns.h"

struct delivery;

struct watch {
	struct map polls; /* owned entries */
};

/* What became of an attempt, once it is certain. */
void watch_meet(const struct delivery *delivery, const struct outcome *outcome);
void watch_free(struct watch *watch);
