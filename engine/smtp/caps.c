/* One line, one keyword: a table of flags, and three keywords with values. Keywords are compared without case; the
 * first line is the host's name even when it reads like a keyword. What does not parse is as if it were not there,
 * for a wrong SIZE or LIMITS is no reason to keep mail back. */
#include "smtp/caps.h"

#include <stddef.h>

#define NUMBER_MAX 999999 /* RFC 9422 2.1: one to six digits */

static const struct caps_flag {
	struct slice keyword;
	size_t offset;
} flags[] = {
#define FLAG(keyword, field)                                                 \
	{                                                                    \
		{keyword, sizeof(keyword) - 1}, offsetof(struct caps, field) \
	}
	FLAG("PIPELINING", pipelining),	       /* RFC 2920 */
	FLAG("CHUNKING", chunking),	       /* RFC 3030 */
	FLAG("BINARYMIME", binary),	       /* RFC 3030 */
	FLAG("8BITMIME", eight_bit),	       /* RFC 6152 */
	FLAG("STARTTLS", starttls),	       /* RFC 3207 */
	FLAG("DSN", dsn),		       /* RFC 3461 */
	FLAG("SMTPUTF8", smtputf8),	       /* RFC 6531 */
	FLAG("ENHANCEDSTATUSCODES", enhanced), /* RFC 2034 */
	FLAG("REQUIRETLS", requiretls),	       /* RFC 8689 */
	FLAG("SIZE", size),		       /* RFC 1870; its value below */
#undef FLAG
};

static struct slice word(struct slice *line)
{
	*line = slice_trim(*line);
	return slice_until(line, ' ');
}

/* Too many digits, none, and zero all mean "no limit" (REQUIREMENTS: SIZ-2). */
static void read_size(struct caps *caps, struct slice value)
{
	uint64_t max = 0;

	caps->size_max = slice_number(slice_trim(value), UINT64_MAX, &max) ? max : 0;
}

static void read_auth(struct caps *caps, struct slice values)
{
	while (values.len > 0) {
		struct slice mechanism = word(&values);

		caps->auth_plain |= slice_is_nocase(mechanism, SLICE("PLAIN"));
		caps->auth_login |= slice_is_nocase(mechanism, SLICE("LOGIN"));
		caps->auth_scram |= slice_is_nocase(mechanism, SLICE("SCRAM-SHA-256"));
	}
}

static void read_limits(struct caps *caps, struct slice values)
{
	while (values.len > 0) {
		struct slice value = word(&values), name = slice_until(&value, '=');
		uint64_t n;

		if (slice_starts(value, SLICE("0")) || !slice_number(value, NUMBER_MAX, &n))
			continue;
		if (slice_is_nocase(name, SLICE("RCPTMAX")))
			caps->recipients_max = (unsigned)n;
		else if (slice_is_nocase(name, SLICE("MAILMAX")))
			caps->messages_max = (unsigned)n;
		else if (slice_is_nocase(name, SLICE("RCPTDOMAINMAX")))
			caps->domains_max = (unsigned)n;
	}
}

static void read_line(struct caps *caps, struct slice line)
{
	struct slice keyword = word(&line);

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (slice_is_nocase(keyword, flags[i].keyword))
			*(bool *)((char *)caps + flags[i].offset) = true;
	if (slice_is_nocase(keyword, SLICE("SIZE")))
		read_size(caps, line);
	else if (slice_is_nocase(keyword, SLICE("LIMITS")))
		read_limits(caps, line);
	else if (slice_is_nocase(keyword, SLICE("AUTH")))
		read_auth(caps, line);
	else if (slice_starts_nocase(keyword, SLICE("AUTH="))) { /* as it was before RFC 2554 */
		read_auth(caps, slice_skip(keyword, 5));
		read_auth(caps, line);
	}
}

struct caps caps_parse(struct slice text)
{
	struct caps caps = {.esmtp = true};

	slice_until(&text, '\n');
	while (text.len > 0)
		read_line(&caps, slice_until(&text, '\n'));
	return caps;
}
