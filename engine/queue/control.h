/* A control: one order of an operator, as an entry of the control stream has it (CONTRACT.md, "Control from Redis").
 *
 *     XADD hikyaku:control * do pause match '{"campaign":"nov"}' for 2h by alice ref R
 *
 *     struct control control;
 *     struct refusal refusal;
 *     if (!control_read(&control, entry, fields, nfields, &refusal)) answer(&control, refusal.message);
 *
 * Fields in any order: do, match; for, by, ref, hold-expiry where they mean something. What do and match may be is for
 * whoever carries the order out: control_check says it for pause, resume, cancel and retry. */
#pragma once

#include "queue/match.h"

enum { CONTROL_TEXT_MAX = 128 };

/* All borrowed from the entry. */
struct control {
	struct slice entry;   /* its id in the stream; empty: it came from elsewhere */
	struct slice what;    /* the word after do */
	struct slice match;   /* JSON, as written */
	struct slice by, ref; /* who asked; what the answer is to be found under; may be empty */
	uint64_t for_ms;      /* how long it holds; 0: for good */
	bool hold_expiry;
};

/* fields: names and values in turn. False and the refusal when it is no order; what could be read is in control then,
 * so that the answer reaches whoever asked. */
bool control_read(struct control *control, struct slice entry, const struct slice *fields, size_t nfields,
		  struct refusal *refusal);
/* May an order of this word be about this mail? False and the refusal if not: pauses know no states, and hold a source
 * back as a whole. Of mail that waits, a source is that of its last attempt (record_source): a cancel and a retry mean
 * what it tried and could not bring; what was never tried may come from anywhere yet. */
bool control_check(struct slice what, const struct match *match, struct refusal *refusal);
/* "90s", "5m", "2h", "3d": at most a year. */
bool control_duration(struct slice text, uint64_t *ms);
