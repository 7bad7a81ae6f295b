/* A straight line over the day, and a count below it. A bucket that is refilled was rejected: a mailing that is done in
 * a minute would find one token in it and leave the day's part of a young address unsent. */
#include "scheduler/warm_up.h"

#define DAY_MS	86400000ull
#define HOUR_MS 3600000ull

struct moment {
	int64_t day;
	uint64_t elapsed_ms; /* of the day */
};

static struct moment moment_of(const struct warm_up *warm_up, uint64_t now_ms)
{
	int64_t wall_ms = (int64_t)now_ms + warm_up->wall_ahead_ms;

	if (wall_ms < 0)
		wall_ms = 0;
	return (struct moment){wall_ms / (int64_t)DAY_MS, (uint64_t)wall_ms % DAY_MS};
}

static bool has_limit(const struct warm_up *warm_up, int64_t day)
{
	return day < warm_up->start_day + (int64_t)warm_up->ndaily && warm_up->ndaily > 0;
}

static uint64_t limit_of(const struct warm_up *warm_up, int64_t day)
{
	return day < warm_up->start_day ? 0 : warm_up->daily[day - warm_up->start_day];
}

static unsigned used_on(uint64_t count, int64_t day)
{
	return (int64_t)(count >> 32) == day ? (unsigned)count : 0;
}

/* As many may have gone by now: the part of the day that has passed and an hour, rounded up. */
static uint64_t allowed(const struct warm_up *warm_up, struct moment moment)
{
	uint64_t limit = limit_of(warm_up, moment.day), by_ms = moment.elapsed_ms + HOUR_MS;

	return by_ms >= DAY_MS ? limit : (limit * by_ms + DAY_MS - 1) / DAY_MS;
}

void warm_up_plan(struct warm_up *warm_up, int64_t start_day, const unsigned *daily, unsigned ndaily)
{
	warm_up->ndaily = 0; /* while the two do not belong together */
	warm_up->daily = daily;
	warm_up->start_day = start_day;
	warm_up->ndaily = ndaily;
}

void warm_up_clock(struct warm_up *warm_up, int64_t wall_ahead_ms)
{
	warm_up->wall_ahead_ms = wall_ahead_ms;
}

void warm_up_restore(struct warm_up *warm_up, int64_t day, unsigned used)
{
	uint64_t count = warm_up->count;

	if (day > (int64_t)(count >> 32) || (day == (int64_t)(count >> 32) && used > (unsigned)count))
		warm_up->count = (uint64_t)day << 32 | used;
}

unsigned warm_up_left(const struct warm_up *warm_up, uint64_t now_ms)
{
	struct moment moment = moment_of(warm_up, now_ms);
	uint64_t used = used_on(warm_up->count, moment.day), most;

	if (!has_limit(warm_up, moment.day))
		return UINT32_MAX;
	most = allowed(warm_up, moment);
	return most > used ? (unsigned)(most - used) : 0;
}

unsigned warm_up_take(struct warm_up *warm_up, unsigned n, uint64_t now_ms)
{
	struct moment moment = moment_of(warm_up, now_ms);
	uint64_t count = warm_up->count, most, got;
	unsigned used;

	most = has_limit(warm_up, moment.day) ? allowed(warm_up, moment) : UINT32_MAX;
	do {
		used = used_on(count, moment.day);
		got = most > used ? most - used : 0;
		if (got > n)
			got = n;
		if (got == 0)
			return 0;
	} while (!atomic_compare_exchange_weak(&warm_up->count, &count, (uint64_t)moment.day << 32 | (used + got)));
	return (unsigned)got;
}

void warm_up_give(struct warm_up *warm_up, unsigned n)
{
	uint64_t count = warm_up->count;

	while (!atomic_compare_exchange_weak(&warm_up->count, &count,
					     (unsigned)count > n ? count - n : count >> 32 << 32))
		;
}

uint64_t warm_up_next_ms(const struct warm_up *warm_up, uint64_t now_ms)
{
	struct moment moment = moment_of(warm_up, now_ms);
	uint64_t used = used_on(warm_up->count, moment.day), limit, due_ms;

	if (!has_limit(warm_up, moment.day) || allowed(warm_up, moment) > used)
		return 0;
	limit = limit_of(warm_up, moment.day);
	if (used >= limit)
		return now_ms + DAY_MS - moment.elapsed_ms; /* midnight, when it is asked again */
	due_ms = used * DAY_MS / limit + 1;
	return now_ms + (due_ms > moment.elapsed_ms + HOUR_MS ? due_ms - moment.elapsed_ms - HOUR_MS : 1);
}

bool warm_up_is_on(const struct warm_up *warm_up, uint64_t now_ms)
{
	return has_limit(warm_up, moment_of(warm_up, now_ms).day);
}

int64_t warm_up_used(const struct warm_up *warm_up, unsigned *used)
{
	uint64_t count = warm_up->count;

	*used = (unsigned)count;
	return (int64_t)(count >> 32);
}
