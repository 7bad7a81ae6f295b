/* What the program tells the person who runs it: one line an event, to stderr or a file.
 *
 * A line says what was being done, what was expected, what was found, and what to do. Bytes of strangers are
 * made printable before they get here: use LOG_TEXT for slices from the network. */
#pragma once

#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Lines below the level are dropped. INFO until told otherwise. */
void log_set_level(enum log_level level);
/* To this file instead of stderr (NULL: stderr). False, and no change, if it cannot be opened. */
bool log_open(const char *path);
/* Opens the same path again, after it was moved away (SIGUSR1). */
void log_reopen(void);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...)	 log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_error(...)	 log_line(LOG_ERROR, __VA_ARGS__)

/* Printable ASCII of at most size - 1 bytes: everything else becomes \xNN. Returns room. */
const char *log_printable(char *room, size_t size, struct slice text);
#define LOG_TEXT(text) log_printable((char[256]){0}, 256, (text))
