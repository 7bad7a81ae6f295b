/* A set of controls: all that operators have in force at one time, read from what Redis says of it. */
#pragma once

#include "queue/match.h"

enum control_kind { CONTROL_PAUSE, CONTROL_CANCEL, CONTROL_GRACE, CONTROL_RETRY };

struct control_entry {
	enum control_kind kind;
	uint64_t id, accept, since_ms, until_ms; /* until 0: still */
	struct match match;
	char *by; /* owned */
};

struct control_set {
	unsigned refs; /* its owner's */
	uint64_t generation;
	struct control_entry *entries; /* owned */
	size_t nentries;
	bool pauses;
	uint64_t retried;	   /* the latest retry's id; 0: none */
	uint64_t accept, since_ms; /* the highest of all cancels */
};

/* texts: pairs of an id and its JSON (hikyaku_controls). What workers do not heed is left out; what cannot be read is
 * logged and left out. Owned by the caller. */
struct control_set *control_set_read(uint64_t generation, const struct slice *texts, size_t n);
void control_set_free(struct control_set *set);
