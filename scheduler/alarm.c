/* The sum of log likelihood ratios, never below zero. What is usual is learned too slowly for a storm to become usual
 * while it is being noticed, and not at all while an alarm is raised.
 *
 * Rejected: a share in a window. A window that begins in the middle sees half of it, one with few meetings raises
 * alarms of chance, one with many is late. */
#include "scheduler/alarm.h"

#include <math.h>
#include <string.h>

#define USUAL_MIN 0.01
#define LEARN	  (1.0 / 256)

static double usual_of(const struct alarm *alarm, const struct alarm_terms *terms)
{
	double usual = alarm->usual > 0 ? alarm->usual : terms->usual;

	if (usual < USUAL_MIN)
		return USUAL_MIN;
	return usual < terms->usual_max ? usual : terms->usual_max;
}

/* How much more likely this is where far holds than where usual does, as a logarithm. */
static double evidence(double usual, double far, bool met)
{
	return met ? log(far / usual) : log((1 - far) / (1 - usual));
}

static void forget(struct alarm *alarm)
{
	alarm->score = 0;
	alarm->met = alarm->seen = 0;
}

static enum alarm_change meet_raised(struct alarm *alarm, const struct alarm_terms *terms, double step)
{
	alarm->score -= step;
	if (alarm->score < 0)
		alarm->score = 0;
	if (alarm->score < terms->calm)
		return ALARM_SAME;
	alarm->raised = false;
	forget(alarm);
	return ALARM_CALMED;
}

enum alarm_change alarm_meet(struct alarm *alarm, const struct alarm_terms *terms, bool met, uint64_t now_ms)
{
	double usual = usual_of(alarm, terms);
	bool quiet = terms->forget_ms && alarm->last_ms && now_ms - alarm->last_ms > terms->forget_ms;

	alarm->last_ms = now_ms;
	if (quiet && !alarm->raised)
		forget(alarm);
	alarm->seen++;
	alarm->met += met;
	if (alarm->raised)
		return meet_raised(alarm, terms, evidence(usual, terms->far, met));
	alarm->score += evidence(usual, terms->far, met);
	if (alarm->score <= 0) {
		forget(alarm);
		alarm->usual = usual;
	}
	alarm->usual = usual + (met - usual) * LEARN;
	if (alarm->score < terms->raise)
		return ALARM_SAME;
	alarm->raised = true;
	alarm->raised_ms = now_ms;
	alarm->score = 0;
	return ALARM_RAISED;
}

bool alarm_is_suspicious(const struct alarm *alarm)
{
	return alarm->raised || alarm->score > 0;
}

unsigned alarm_usual_percent(const struct alarm *alarm, const struct alarm_terms *terms)
{
	return (unsigned)(usual_of(alarm, terms) * 100 + 0.5);
}

static double far_of(double bound)
{
	return bound < 0.5 ? 2 * bound : bound + (1 - bound) / 2;
}

static void grow_old(struct poll *poll, const struct poll_terms *terms, uint64_t now_ms)
{
	if (poll->since_ms == 0)
		poll->since_ms = now_ms;
	for (; now_ms - poll->since_ms >= terms->window_ms; poll->since_ms += terms->window_ms) {
		if (now_ms - poll->since_ms >= 32 * terms->window_ms) {
			memset(poll->voices, 0, sizeof(poll->voices));
			poll->score = 0;
			poll->since_ms = now_ms;
			return;
		}
		for (unsigned i = 0; i < POLL_VOICES; i++) {
			poll->voices[i].met /= 2;
			poll->voices[i].seen /= 2;
		}
		poll->score /= 2;
	}
}

struct poll_figures poll_figures(const struct poll *poll, const struct poll_terms *terms)
{
	struct poll_figures figures = {0};

	for (unsigned i = 0; i < POLL_VOICES; i++) {
		uint32_t met = poll->voices[i].met, seen = poll->voices[i].seen;

		figures.met += met;
		figures.seen += seen;
		if (seen == 0 || seen < terms->heard_min)
			continue;
		figures.heard++;
		figures.against += met > terms->bound * seen;
	}
	return figures;
}

bool poll_meet(struct poll *poll, const struct poll_terms *terms, uint64_t side_hash, bool met, uint64_t now_ms)
{
	struct poll_figures figures;

	grow_old(poll, terms, now_ms);
	poll->voices[side_hash % POLL_VOICES].seen++;
	poll->voices[side_hash % POLL_VOICES].met += met;
	poll->score += evidence(terms->bound, far_of(terms->bound), met);
	if (poll->score < 0)
		poll->score = 0;
	if (poll->score < terms->raise || poll->raised || !met)
		return false;
	poll->score = terms->raise; /* it waits here for others to agree */
	figures = poll_figures(poll, terms);
	poll->raised = figures.against >= terms->voices_min && figures.against * 2 > figures.heard;
	return poll->raised;
}

void poll_calm(struct poll *poll)
{
	*poll = (struct poll){0};
}
