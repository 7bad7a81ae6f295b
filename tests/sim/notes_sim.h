/* What workers of a simulated world wrote down beside settling (queue/notes.h), instead of telling Redis.
 *
 *     notes_sim_begin();
 *     ... the world turns ...
 *     assert(notes_sim_suppressed() == 0);
 *     assert(notes_sim_count("alarm", "\"alarm\":\"breaker\"") == 1);
 *     notes_sim_end(); */
#pragma once

#include "queue/notes.h"

void notes_sim_begin(void);
void notes_sim_end(void);
/* Verdicts that counted against addresses. */
unsigned notes_sim_suppressed(void);
/* Events of a type, or orders to do something, that have these words. */
unsigned notes_sim_count(const char *what, const char *words);
/* All events and orders, a line each: "alarm {…}", "pause {…}". */
struct slice notes_sim_lines(void);
