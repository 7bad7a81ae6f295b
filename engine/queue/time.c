/* Positions, not scanf: RFC 3339 has fixed widths up to the seconds, and strptime would take a day "32" from some and a
 * locale from others. The calendar is the C library's timegm, which knows neither zone nor locale; its tolerance (the
 * 31st of February is the 3rd of March) is undone by comparing what came back. */
#include "queue/time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { FRONT = 19 }; /* 2026-11-24T09:00:00 */

/* Epoch milliseconds of 2001: whatever is smaller was meant as seconds (until the year 33658 of those). */
#define MS_LIKELY_MIN 1000000000000.0

/* The digits at a place as a number; -1 if one of them is none. */
static int digits(struct slice text, size_t at, size_t n)
{
	int value = 0;

	if (at + n > text.len)
		return -1;
	for (size_t i = at; i < at + n; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return -1;
		value = value * 10 + (text.ptr[i] - '0');
	}
	return value;
}

static bool has_shape(struct slice text)
{
	return text.len >= FRONT && text.ptr[4] == '-' && text.ptr[7] == '-' && strchr("Tt ", text.ptr[10]) &&
	       text.ptr[13] == ':' && text.ptr[16] == ':';
}

/* Seconds of the date and clock in front; -1 if there is no such day or hour. */
static int64_t read_front(struct slice text)
{
	int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
	int hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);

	if (year < 1970 || month < 1 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
	    second > 60)
		return -1;
	struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
	time_t midnight = timegm(&tm);

	if (tm.tm_mon != month - 1)
		return -1;
	return midnight + hour * 3600 + minute * 60 + (second == 60 ? 59 : second);
}

/* ".25" to milliseconds, cut; the rest without it. -1 if there is a dot and no digit. */
static int read_fraction(struct slice *rest)
{
	int ms = 0, weight = 100;
	size_t at = 1;

	if (rest->len == 0 || rest->ptr[0] != '.')
		return 0;
	for (; at < rest->len && rest->ptr[at] >= '0' && rest->ptr[at] <= '9'; at++, weight /= 10)
		ms += (rest->ptr[at] - '0') * weight;
	*rest = slice_skip(*rest, at);
	return at == 1 ? -1 : ms;
}

/* "Z" or "+hh:mm" to the seconds it is ahead of UTC. */
static bool read_zone(struct slice rest, int *offset)
{
	int hours = digits(rest, 1, 2), minutes = digits(rest, 4, 2);

	*offset = 0;
	if (slice_is_nocase(rest, SLICE("Z")))
		return true;
	if (rest.len != 6 || rest.ptr[3] != ':' || (rest.ptr[0] != '+' && rest.ptr[0] != '-') || hours < 0 ||
	    hours > 23 || minutes < 0 || minutes > 59)
		return false;
	*offset = (hours * 3600 + minutes * 60) * (rest.ptr[0] == '-' ? -1 : 1);
	return true;
}

const char *time_read(struct slice text, uint64_t *ms)
{
	if (!has_shape(text))
		return "is not a time: expected RFC 3339 like 2026-11-24T09:00:00Z, or epoch milliseconds";
	int64_t seconds = read_front(text);
	struct slice rest = slice_skip(text, FRONT);
	int fraction = read_fraction(&rest), offset;

	if (seconds < 0 || fraction < 0)
		return "names a day or an hour that does not exist (years from 1970)";
	if (rest.len == 0)
		return "has no zone: end it in Z or an offset like +01:00";
	if (!read_zone(rest, &offset))
		return "ends in something that is not a zone: expected Z or an offset like +01:00";
	if (seconds < offset || (uint64_t)(seconds - offset) > TIME_MS_MAX / 1000)
		return "lies outside the years 1970 to 9999";
	*ms = (uint64_t)(seconds - offset) * 1000 + (uint64_t)fraction;
	return NULL;
}

const char *time_read_number(double number, uint64_t *ms)
{
	if (number < MS_LIKELY_MIN)
		return "is too small for epoch milliseconds: multiply seconds by 1000";
	if (number > (double)TIME_MS_MAX)
		return "lies beyond the year 9999: expected epoch milliseconds";
	*ms = (uint64_t)number;
	return NULL;
}

struct slice time_text(uint64_t ms, char *room)
{
	time_t seconds = (time_t)((ms > TIME_MS_MAX ? TIME_MS_MAX : ms) / 1000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	size_t n = strftime(room, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);

	n += (size_t)snprintf(room + n, TIME_TEXT_MAX - n, ".%03uZ", (unsigned)(ms % 1000));
	return (struct slice){room, n};
}
