/* Instants as jobs write them: RFC 3339 with a zone, or epoch milliseconds.
 *
 *     uint64_t ms;
 *     const char *why = time_read(SLICE("2026-11-24T09:00:00+01:00"), &ms);
 *     if (why) refuse("not_before", why);
 *
 * A text without a zone is refused rather than guessed: a newsletter an hour early cannot be taken back. */
#pragma once

#include "base/slice.h"

enum { TIME_TEXT_MAX = 32 };

/* 9999-12-31T23:59:59.999Z: no later instant is read or written. */
#define TIME_MS_MAX 253402300799999ULL

/* RFC 3339 date-time, from 1970 on. T and Z may be small, a blank may stand for T, fractions are cut to milliseconds,
 * and a leap second counts as the second before it. NULL when read; else what is wrong with it, as the end of a
 * sentence ("has no zone: end it in Z or an offset like +01:00"). */
const char *time_read(struct slice text, uint64_t *ms);
/* A number of milliseconds. NULL when it is a likely one; a number of seconds is recognised and refused. */
const char *time_read_number(double number, uint64_t *ms);
/* "2026-11-24T09:00:00.000Z" into room of TIME_TEXT_MAX. */
struct slice time_text(uint64_t ms, char *room);
