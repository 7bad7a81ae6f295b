/* Reasons: why a recipient waits, and until when, in words.
 *
 *     struct reasons reasons;
 *     reasons_read(&reasons, &client);
 *     struct reason reason = reason_of(&reasons, &waiting, &text);
 *     reasons_free(&reasons);
 *
 * By the place it is in, the pauses in force, its last reply, and what engines say of the lanes of its site. */
#pragma once

#include "pauses.h"
#include "queue_reader.h"

#include <jansson.h>

struct reasons {
	struct pauses pauses;
	bool alive;	 /* an engine runs */
	json_t *workers; /* owned: an array of what each put into Redis */
	uint64_t now_ms;
};

struct reason {
	struct slice text;  /* in the buffer, or borrowed from the waiting one */
	struct slice reply; /* the last one, where that is the reason; else empty */
	uint64_t until_ms;  /* 0: not known */
};

void reasons_read(struct reasons *reasons, struct client *client);
void reasons_free(struct reasons *reasons);
/* The buffer is used for text and overwritten. */
struct reason reason_of(const struct reasons *reasons, const struct waiting *waiting, struct outbuf *buffer);
