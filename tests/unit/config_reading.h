/* Reading a configuration from a text, for the three tests of it: what was read, or the problems. */
#pragma once

#include "config.h"

static struct outbuf problems;

static inline struct config *reading(const char *text)
{
	outbuf_reset(&problems);
	return config_read_text(slice_of(text), "test.conf", &problems);
}

static inline const char *problem_text(void)
{
	outbuf_byte(&problems, '\0');
	problems.len--;
	return problems.ptr;
}

static inline struct config *accepted(const char *text)
{
	struct config *config = reading(text);

	if (!config)
		print_error("refused: %s\n%s", text, problem_text());
	assert_non_null(config);
	return config;
}

static inline void is(struct slice text, const char *expected)
{
	if (!slice_is(text, slice_of(expected)))
		print_error("expected %s, found %.*s\n", expected, SLICE_ARG(text));
	assert_true(slice_is(text, slice_of(expected)));
}
