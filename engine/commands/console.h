/* The console: how commands speak to people. Results go to stdout, messages to stderr; colour and progress only on a
 * terminal and not with NO_COLOR. */
#pragma once

#include "base/outbuf.h"

#include <stdio.h>

enum colour { COLOUR_PLAIN, COLOUR_GOOD, COLOUR_WARN, COLOUR_BAD, COLOUR_FAINT };

/* "hikyaku: sentence" to stderr. */
void console_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What switches the colour on and off on this stream; "" where there is none. */
const char *console_colour(FILE *stream, enum colour colour);
/* One line on stderr that is written over by the next one; nothing if stderr is no terminal. done of total (0: not
 * known). console_progress_end clears it. */
void console_progress(const char *what, unsigned long long done, unsigned long long total);
void console_progress_end(void);
/* A span of time for people: "0.4 s", "12 s", "3 min", "2 h", "5 d". */
const char *console_span(unsigned long long ms, char *room, size_t size);
/* Wall clock and monotonic milliseconds. */
unsigned long long console_wall_ms(void);
unsigned long long console_now_ms(void);
/* A time as an option has it: RFC 3339 with zone, epoch milliseconds, or a duration, which is added to now (sign 1) or
 * taken from it (-1). False, and said so, when it is none of them. */
bool console_time(const char *option, const char *text, int sign, uint64_t *ms);
/* Writes the whole buffer to stdout. False when nobody reads it any more. */
bool console_print(const struct outbuf *out);
