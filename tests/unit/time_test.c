/* Instants: what jobs may write, and what is refused with which words. */
#include "queue/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *text;
	uint64_t ms; /* 0: refused */
	const char *why;
} rows[] = {
	{"1970-01-01T00:00:00Z", 0, NULL},
	{"2026-11-24T09:00:00Z", 1795510800000, NULL},
	{"2026-11-24t09:00:00z", 1795510800000, NULL},
	{"2026-11-24 09:00:00Z", 1795510800000, NULL},
	{"2026-11-24T10:30:00+01:30", 1795510800000, NULL},
	{"2026-11-24T01:00:00-08:00", 1795510800000, NULL},
	{"2026-11-24T09:00:00-00:00", 1795510800000, NULL},
	{"2026-11-24T09:00:00.5Z", 1795510800500, NULL},
	{"2026-11-24T09:00:00.123456789Z", 1795510800123, NULL},
	{"2024-02-29T00:00:00Z", 1709164800000, NULL},
	{"2016-12-31T23:59:60Z", 1483228799000, NULL},
	{"9999-12-31T23:59:59.999Z", TIME_MS_MAX, NULL},
	{"2026-11-24T09:00:00", 0, "no zone"},
	{"2026-11-24T09:00:00.25", 0, "no zone"},
	{"2026-11-24T09:00:00CET", 0, "not a zone"},
	{"2026-11-24T09:00:00+0100", 0, "not a zone"},
	{"2026-11-24T09:00:00+24:00", 0, "not a zone"},
	{"2026-11-24T09:00:00Z ", 0, "not a zone"},
	{"2025-02-29T00:00:00Z", 0, "does not exist"},
	{"2026-13-01T00:00:00Z", 0, "does not exist"},
	{"2026-04-31T00:00:00Z", 0, "does not exist"},
	{"2026-11-24T24:00:00Z", 0, "does not exist"},
	{"2026-11-24T09:61:00Z", 0, "does not exist"},
	{"2026-11-24T09:00:61Z", 0, "does not exist"},
	{"2026-11-24T09:00:00.Z", 0, "does not exist"},
	{"2026-1a-24T09:00:00Z", 0, "does not exist"},
	{"1969-12-31T23:59:59Z", 0, "does not exist"},
	{"1970-01-01T00:00:00+01:00", 0, "outside"},
	{"9999-12-31T23:59:59-01:00", 0, "outside"},
	{"tomorrow", 0, "not a time"},
	{"2026-11-24", 0, "not a time"},
	{"20261124T090000Z", 0, "not a time"},
	{"", 0, "not a time"},
	{"1795510800000", 0, "not a time"},
};

static void texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t ms = 1;
		const char *why = time_read(slice_of(rows[i].text), &ms);

		if (rows[i].why ? !why || !strstr(why, rows[i].why) : why || ms != rows[i].ms)
			fail_msg("\"%s\": %s, %llu", rows[i].text, why ? why : "fine", (unsigned long long)ms);
	}
}

static void numbers(void **state)
{
	uint64_t ms = 0;

	(void)state;
	assert_null(time_read_number(1795510800000.0, &ms));
	assert_int_equal(ms, 1795510800000);
	assert_null(time_read_number(1795510800000.75, &ms));
	assert_int_equal(ms, 1795510800000);
	assert_non_null(strstr(time_read_number(1795510800, &ms), "1000")); /* seconds */
	assert_non_null(time_read_number(-1, &ms));
	assert_non_null(time_read_number(1e300, &ms));
}

static void written(void **state)
{
	char room[TIME_TEXT_MAX];
	uint64_t ms;

	(void)state;
	assert_true(slice_is(time_text(1795510800123, room), SLICE("2026-11-24T09:00:00.123Z")));
	assert_true(slice_is(time_text(0, room), SLICE("1970-01-01T00:00:00.000Z")));
	assert_null(time_read(time_text(TIME_MS_MAX, room), &ms));
	assert_int_equal(ms, TIME_MS_MAX);
	time_text(UINT64_MAX, room); /* must not write past its room */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(numbers),
		cmocka_unit_test(written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
