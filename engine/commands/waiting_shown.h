/* What `queue` and `find` show alike of one that waits. */
#pragma once

#include "reasons.h"

/* A time that is known: some have none, and what waits for a person is due at the end of all times. */
bool waiting_is_due(uint64_t ms);
/* Foreign text on a line of the terminal: controls become blanks. */
void waiting_clean(struct outbuf *out, struct slice text);
/* The members of its JSON object, from the opening brace; the caller adds its own and closes it. */
void waiting_json(struct outbuf *out, const struct waiting *waiting, const struct reason *reason);
