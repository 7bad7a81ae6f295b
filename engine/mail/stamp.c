/* The calendar is computed here because gmtime_r takes a lock that all threads of a process share, to look at a time
 * zone that UTC has no need of. */
#include "mail/stamp.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

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

static void two_digits(struct outbuf *out, unsigned n)
{
	outbuf_byte(out, (char)('0' + n / 10));
	outbuf_byte(out, (char)('0' + n % 10));
}

void stamp_date(struct outbuf *out, uint64_t wall_ms)
{
	static const char weekdays[] = "ThuFriSatSunMonTueWed", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	if (wall_ms >= YEAR_10000_MS)
		wall_ms = YEAR_10000_MS - 1;
	unsigned day = (unsigned)(wall_ms / DAY_MS), second = (unsigned)(wall_ms % DAY_MS / 1000);
	unsigned weekday = day % 7, year = 1970 + day / 366, month = 0;

	while (days_before(year + 1) <= day)
		year++;
	day -= days_before(year);
	for (; day >= month_days(year, month); month++)
		day -= month_days(year, month);
	outbuf_add(out, (struct slice){weekdays + 3 * weekday, 3});
	outbuf_add(out, SLICE(", "));
	outbuf_number(out, day + 1);
	outbuf_byte(out, ' ');
	outbuf_add(out, (struct slice){months + 3 * month, 3});
	outbuf_byte(out, ' ');
	outbuf_number(out, year);
	outbuf_byte(out, ' ');
	two_digits(out, second / 3600);
	outbuf_byte(out, ':');
	two_digits(out, second / 60 % 60);
	outbuf_byte(out, ':');
	two_digits(out, second % 60);
	outbuf_add(out, SLICE(" +0000"));
}

void stamp_message_id(struct outbuf *out, uint64_t nonce, struct slice hostname)
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

	outbuf_byte(out, '<');
	for (int shift = 60; shift >= 0; shift -= 5)
		outbuf_byte(out, digits[nonce >> shift & 31]);
	outbuf_byte(out, '@');
	outbuf_add(out, hostname);
	outbuf_byte(out, '>');
}
