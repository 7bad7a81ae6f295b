/* The calendar is computed here because gmtime_r takes a lock that all threads of a process share, to look at a time
 * zone that UTC has no need of. */
#include "mail/stamp.h"

#include <string.h>

enum { DAY_MS = 24 * 60 * 60 * 1000, ROOM = 32 /* more than a date without zone, or the left of an id */ };

#define YEAR_10000_MS 253402300800000ull

static bool is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned month_days(unsigned year, unsigned month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month] + (month == 1 && is_leap(year));
}

/* Days before the first of January of that year, counted from 1970. */
static unsigned days_before(unsigned year)
{
	unsigned past = year - 1;

	return past * 365 + past / 4 - past / 100 + past / 400 - 719162;
}

static char *digits(char *at, unsigned n, unsigned count)
{
	for (unsigned i = count; i-- > 0; n /= 10)
		at[i] = (char)('0' + n % 10);
	return at + count;
}

static char *word(char *at, const char *text)
{
	memcpy(at, text, 3);
	return at + 3;
}

static char *time_of_day(char *at, unsigned second)
{
	at = digits(at, second / 3600, 2);
	*at++ = ':';
	at = digits(at, second / 60 % 60, 2);
	*at++ = ':';
	return digits(at, second % 60, 2);
}

void stamp_date(struct outbuf *out, uint64_t wall_ms)
{
	static const char weekdays[] = "ThuFriSatSunMonTueWed", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	if (wall_ms >= YEAR_10000_MS)
		wall_ms = YEAR_10000_MS - 1;
	unsigned day = (unsigned)(wall_ms / DAY_MS), second = (unsigned)(wall_ms % DAY_MS / 1000);
	unsigned weekday = day % 7, year = 1970 + day / 366, month = 0;
	char *at = outbuf_room(out, ROOM), *begin = at;

	while (days_before(year + 1) <= day)
		year++;
	day -= days_before(year);
	for (; day >= month_days(year, month); month++)
		day -= month_days(year, month);
	at = word(at, weekdays + 3 * weekday);
	*at++ = ',';
	*at++ = ' ';
	at = digits(at, day + 1, day + 1 < 10 ? 1 : 2);
	*at++ = ' ';
	at = word(at, months + 3 * month);
	*at++ = ' ';
	at = digits(at, year, 4);
	*at++ = ' ';
	at = time_of_day(at, second);
	out->len += (size_t)(at - begin);
	outbuf_add(out, SLICE(" +0000"));
}

void stamp_message_id(struct outbuf *out, uint64_t nonce, struct slice hostname)
{
	static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
	char *at = outbuf_room(out, ROOM), *begin = at;

	*at++ = '<';
	for (int shift = 60; shift >= 0; shift -= 5)
		*at++ = letters[nonce >> shift & 31];
	*at++ = '@';
	out->len += (size_t)(at - begin);
	outbuf_add(out, hostname);
	outbuf_byte(out, '>');
}
