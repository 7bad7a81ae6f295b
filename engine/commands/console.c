/* Escape sequences are written out here and nowhere else; eight colours are enough, and every terminal has them. */
#include "console.h"

#include "config.h"

#include "queue/time.h"

#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void console_say(const char *format, ...)
{
	va_list args;

	console_progress_end();
	fprintf(stderr, "hikyaku: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static bool has_colour(FILE *stream)
{
	const char *no = getenv("NO_COLOR");

	return isatty(fileno(stream)) && (!no || !*no);
}

const char *console_colour(FILE *stream, enum colour colour)
{
	static const char *const codes[] = {"\033[0m", "\033[32m", "\033[33m", "\033[31m", "\033[2m"};

	return has_colour(stream) ? codes[colour] : "";
}

static bool progress_is_shown;

void console_progress(const char *what, unsigned long long done, unsigned long long total)
{
	enum { WIDTH = 30 };
	char bar[WIDTH + 1] = "";

	if (!has_colour(stderr))
		return;
	progress_is_shown = true;
	if (total == 0) {
		fprintf(stderr, "\r%s %llu\033[K", what, done);
		return;
	}
	for (int i = 0; i < WIDTH; i++)
		bar[i] = (unsigned long long)i * total < done * WIDTH ? '#' : '.';
	fprintf(stderr, "\r%s [%s] %llu of %llu\033[K", what, bar, done, total);
	fflush(stderr);
}

void console_progress_end(void)
{
	if (progress_is_shown)
		fprintf(stderr, "\r\033[K");
	progress_is_shown = false;
}

const char *console_span(unsigned long long ms, char *room, size_t size)
{
	if (ms < 10000)
		snprintf(room, size, "%llu.%llu s", ms / 1000, ms % 1000 / 100);
	else if (ms < 120000)
		snprintf(room, size, "%llu s", ms / 1000);
	else if (ms < 2 * 3600000ull)
		snprintf(room, size, "%llu min", ms / 60000);
	else if (ms < 2 * 86400000ull)
		snprintf(room, size, "%llu h", ms / 3600000);
	else
		snprintf(room, size, "%llu d", ms / 86400000);
	return room;
}

static unsigned long long clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000;
}

unsigned long long console_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

unsigned long long console_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

bool console_time(const char *option, const char *text, int sign, uint64_t *ms)
{
	struct slice slice = slice_of(text);
	const char *why;
	uint64_t n;

	if (config_duration(slice, &n, &why)) {
		uint64_t now = console_wall_ms();

		*ms = sign > 0 ? now + n : now > n ? now - n : 0;
		return true;
	}
	why = slice_number(slice, TIME_MS_MAX, &n) ? time_read_number((double)n, ms) : time_read(slice, ms);
	if (!why)
		return true;
	console_say(
		"%s \"%.60s\": the time %s; expected RFC 3339 with zone, epoch milliseconds, or a duration such as 2h",
		option, text, why);
	return false;
}

bool console_print(const struct outbuf *out)
{
	if (out->len && fwrite(out->ptr, 1, out->len, stdout) != out->len)
		return false;
	return fflush(stdout) == 0;
}
