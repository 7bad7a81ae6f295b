/* An alarm: has something that happens now and then come to happen far more often than it usually does?
 *
 * It is fed one meeting after the other, met or not: a recipient was unknown, or was not; a domain did not exist, or
 * did. It learns what share is usual, and adds up how much more likely what it sees is under "far too often" than under
 * "as usual" (a CUSUM, Page 1954): so that a few bad ones among few are no alarm, a small excess in many is, and how
 * soon depends on how clear it is, not on where a window happens to begin.
 *
 *     static const struct alarm_terms terms = {.usual = 0.1, .usual_max = 0.4, .far = 0.75, .raise = 25, .calm = 5};
 *     switch (alarm_meet(&alarm, &terms, is_unknown, now_ms)) {
 *     case ALARM_RAISED: tell(alarm.met, alarm.seen); break;
 *     case ALARM_CALMED: ...
 *     }
 *     if (alarm_is_suspicious(&alarm)) do nothing that cannot be undone;
 *
 * Pure: time is an argument. All zero is a fresh one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct alarm_terms {
	double usual;	    /* what share is taken for usual before anything is known; at least 1 % is */
	double usual_max;   /* what it may learn at most */
	double far;	    /* what share is far too much */
	double raise;	    /* raised when far is e^raise times as likely as usual */
	double calm;	    /* raised, it is calm again when usual is e^calm times as likely */
	uint64_t forget_ms; /* after so long without a meeting suspicion is forgotten, and an alarm calm; 0: never */
};

struct alarm {
	double usual; /* learned; 0: nothing yet */
	double score; /* towards raised, or, once it is, towards calm */
	bool raised;
	uint32_t met, seen; /* since the score last was zero */
	uint64_t last_ms, raised_ms;
};

enum alarm_change { ALARM_SAME, ALARM_RAISED, ALARM_CALMED };

enum alarm_change alarm_meet(struct alarm *alarm, const struct alarm_terms *terms, bool met, uint64_t now_ms);
/* There is reason to doubt what was met: it is raised, or might come to be. */
bool alarm_is_suspicious(const struct alarm *alarm);
/* The share that is usual, in percent. */
unsigned alarm_usual_percent(const struct alarm *alarm, const struct alarm_terms *terms);

enum { POLL_VOICES = 16 };

/* A poll: the same, where the answers come from several sides and one side alone must not decide: a campaign that most
 * receivers take is not bad because one of them says so. Sides are told apart by a hash; many share a voice, which only
 * makes the poll slower to agree. It is raised when the score is, and more than half of the voices that have been heard
 * (and not fewer than voices_min) each have met it too often themselves. */
struct poll_terms {
	double bound;	     /* a share that is still all right */
	double raise;	     /* as in alarm_terms; far is twice the bound, or half of what is left */
	unsigned voices_min; /* 1: one side may decide if there is no other */
	unsigned heard_min;  /* meetings before a voice counts */
	uint64_t window_ms;  /* what is older counts half, and half again */
};

struct poll {
	double score;
	struct {
		uint32_t met, seen;
	} voices[POLL_VOICES];
	uint64_t since_ms; /* of the window */
	bool raised;
};

/* True when it is raised by this meeting. It stays raised until poll_calm. */
bool poll_meet(struct poll *poll, const struct poll_terms *terms, uint64_t side_hash, bool met, uint64_t now_ms);
void poll_calm(struct poll *poll);
/* All meetings in the window; of them, how many it was met in; voices that say too often, of how many. */
struct poll_figures {
	uint32_t met, seen;
	unsigned against, heard;
};
struct poll_figures poll_figures(const struct poll *poll, const struct poll_terms *terms);
