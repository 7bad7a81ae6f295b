/* A line is built whole and written with one write(2), so lines of several threads do not mix. A target that
 * blocks or fails must not stop the mail: the file is non-blocking, and what it does not take is dropped. */
#include "base/log.h"

#include "base/check.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_int log_fd = STDERR_FILENO;
static atomic_int log_threshold = LOG_INFO;
static char log_path[4096];

void log_set_level(enum log_level level)
{
	log_threshold = (int)level;
}

bool log_open(const char *path)
{
	int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640) : STDERR_FILENO;

	if (fd < 0)
		return false;
	if (path && path != log_path)
		snprintf(log_path, sizeof(log_path), "%s", path);
	int old = atomic_exchange(&log_fd, fd);

	if (old != STDERR_FILENO && old != fd)
		close(old);
	return true;
}

void log_reopen(void)
{
	if (log_path[0])
		log_open(log_path);
}

void log_line(enum log_level level, const char *format, ...)
{
	static const char *const names[] = {"debug", "info", "warning", "error"};
	char line[1024];
	struct timespec now;
	struct tm utc;
	va_list args;

	if ((int)level < log_threshold)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	size_t n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &utc);

	n += (size_t)snprintf(line + n, sizeof(line) - n, ".%03ldZ %s ", now.tv_nsec / 1000000, names[level]);
	va_start(args, format);
	n += (size_t)vsnprintf(line + n, sizeof(line) - n, format, args);
	va_end(args);
	if (n > sizeof(line) - 1)
		n = sizeof(line) - 1;
	line[n++] = '\n';
	if (write(log_fd, line, n) < 0)
		return; /* nobody to tell */
}

const char *log_printable(char *room, size_t size, struct slice text)
{
	size_t n = 0;

	CHECK(size > 0);
	for (size_t i = 0; i < text.len && n + 5 < size; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c >= 0x20 && c < 0x7f)
			room[n++] = (char)c;
		else
			n += (size_t)snprintf(room + n, size - n, "\\x%02x", c);
	}
	room[n] = '\0';
	return room;
}
