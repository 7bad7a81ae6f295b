/* The scoreboard (engine/scoreboard.h) as people read it: what became of attempts, by campaign, source and site. */
#pragma once

#include "base/outbuf.h"

#include <jansson.h>

/* workers: the array of their status objects. A table for each kind that has something to tell, those with the most
 * refusals first; nothing if nobody was refused. Appends. */
void scores_show(const json_t *workers, struct outbuf *out);
