/* The record's bytes are shared with queue.lua, so one of them is written out here; the rest is round trips, and bytes
 * that are no record. */
#include "queue/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define assert_slice(have, want) assert_memory(have, SLICE(want))

static void assert_memory(struct slice have, struct slice want)
{
	assert_int_equal(have.len, want.len);
	if (want.len)
		assert_memory_equal(have.ptr, want.ptr, want.len);
}

static const struct record example = {
	.index = 0x01020304,
	.attempt = 0x0506,
	.recoveries = 2,
	.expires_ms = 1795000000001,
	.queued_ms = 1794000000123,
	.accept = 0x1122334455667788,
	.first_attempt_ms = 1794000005200,
	.tenant = SLICE("acme"),
	.job = SLICE("nov/7"),
	.address = SLICE("ann@a.example"),
	.extras = SLICE("t\001\002\0\0\0vab"),
};

static void test_layout(void **state)
{
	struct outbuf out = {0};

	(void)state;
	record_encode(&out, &example);
	assert_slice(outbuf_slice(&out), "\001\002\006\005\004\003\002\001"
					 "\xc1\x86\xfd\x6a"		/* 1795000001 s: rounded up */
					 "\x7b\x94\xbb\xb2\xa1\x01\0\0" /* 1794000000123 */
					 "\x88\x77\x66\x55\x44\x33\x22\x11"
					 "\006\0\0\0" /* after 5 s, plus 1 */
					 "\004\005\015\0"
					 "acmenov/7ann@a.examplet\001\002\0\0\0vab");
	outbuf_free(&out);
}

static void test_round_trip(void **state)
{
	struct outbuf out = {0};
	struct record back;

	(void)state;
	record_encode(&out, &example);
	assert_true(record_decode(outbuf_slice(&out), &back));
	assert_int_equal(back.index, example.index);
	assert_int_equal(back.attempt, example.attempt);
	assert_int_equal(back.recoveries, example.recoveries);
	assert_int_equal(back.expires_ms, 1795000001000);
	assert_int_equal(back.queued_ms, example.queued_ms);
	assert_int_equal(back.accept, example.accept);
	assert_int_equal(back.first_attempt_ms, 1794000005123); /* to the second after queueing */
	assert_slice(back.tenant, "acme");
	assert_slice(back.job, "nov/7");
	assert_slice(back.address, "ann@a.example");
	assert_slice(pack_get(back.extras, SLICE("v")), "ab");
	outbuf_free(&out);
}

/* Encoded again, what was decoded gives the same bytes: no instant creeps. */
static void test_stable(void **state)
{
	struct outbuf once = {0}, twice = {0};
	struct record back;

	(void)state;
	record_encode(&once, &example);
	assert_true(record_decode(outbuf_slice(&once), &back));
	record_encode(&twice, &back);
	assert_memory(outbuf_slice(&twice), outbuf_slice(&once));
	outbuf_free(&once);
	outbuf_free(&twice);
}

static void check_instants(uint64_t expires_ms, uint64_t expires_back, uint64_t first_ms, uint64_t first_back)
{
	struct record record = {.expires_ms = expires_ms, .queued_ms = 10000, .first_attempt_ms = first_ms}, back;
	struct outbuf out = {0};

	record_encode(&out, &record);
	assert_int_equal(out.len, RECORD_FRONT);
	assert_true(record_decode(outbuf_slice(&out), &back));
	assert_int_equal(back.expires_ms, expires_back);
	assert_int_equal(back.first_attempt_ms, first_back);
	outbuf_free(&out);
}

static void test_instants(void **state)
{
	(void)state;
	check_instants(0, 0, 0, 0);
	check_instants(1, 1000, 10000, 10000);
	check_instants(1000, 1000, 10999, 10000);
	check_instants(1001, 2000, 11000, 11000);
	check_instants(UINT64_MAX, (uint64_t)UINT32_MAX * 1000, 9999, 10000); /* the clock was set back */
	check_instants(5000, 5000, UINT64_MAX, 10000 + (uint64_t)(UINT32_MAX - 1) * 1000);
}

static void test_longest(void **state)
{
	static char text[UINT16_MAX];
	struct record record = {.tenant = {text, UINT8_MAX}, .job = {text, UINT8_MAX}, .address = {text, UINT16_MAX}},
		      back;
	struct outbuf out = {0};

	(void)state;
	memset(text, 'x', sizeof(text));
	record_encode(&out, &record);
	assert_true(record_decode(outbuf_slice(&out), &back));
	assert_int_equal(back.tenant.len, UINT8_MAX);
	assert_int_equal(back.job.len, UINT8_MAX);
	assert_int_equal(back.address.len, UINT16_MAX);
	assert_int_equal(back.extras.len, 0);
	outbuf_free(&out);
}

/* Cut anywhere before the pack it is no record; cut in the pack it is one, whose pack ends earlier. */
static void test_no_record(void **state)
{
	struct outbuf out = {0};
	struct record back;

	(void)state;
	record_encode(&out, &example);
	size_t texts = out.len - example.extras.len;

	for (size_t n = 0; n < out.len; n++)
		assert_int_equal(record_decode(slice_head(outbuf_slice(&out), n), &back), n >= texts);
	out.ptr[0] = RECORD_VERSION + 1;
	assert_false(record_decode(outbuf_slice(&out), &back));
	assert_false(record_decode(SLICE_NONE, &back));
	outbuf_free(&out);
}

static void check_list(struct list_parts written, struct slice name)
{
	struct outbuf out = {0};
	struct list_parts parts;

	list_name(&out, &written);
	assert_memory(outbuf_slice(&out), name);
	assert_true(list_parse(name, &parts));
	assert_int_equal(parts.transactional, written.transactional);
	assert_memory(parts.domain, written.domain);
	assert_memory(parts.tenant, written.tenant);
	assert_memory(parts.pool, written.pool);
	assert_memory(parts.campaign, written.campaign);
	outbuf_free(&out);
}

static void test_lists(void **state)
{
	struct list_parts parts;

	(void)state;
	const struct slice a = SLICE("a.example"), literal = SLICE("[IPv6:2001:db8::1]"), none = SLICE("");

	check_list((struct list_parts){true, a, SLICE("acme"), none, SLICE("nov")}, SLICE("t:a.example:acme:nov"));
	check_list((struct list_parts){false, a, none, none, none}, SLICE("b:a.example::"));
	check_list((struct list_parts){false, a, SLICE("acme"), none, SLICE("x:y")}, SLICE("b:a.example:acme:x:y"));
	check_list((struct list_parts){false, literal, SLICE("acme"), none, none}, SLICE("b:[IPv6:2001:db8::1]:acme:"));
	check_list((struct list_parts){true, a, SLICE("acme"), SLICE("fast"), SLICE("x/y:z")},
		   SLICE("t:a.example:acme/fast:x/y:z"));
	check_list((struct list_parts){false, literal, none, SLICE("fast"), none},
		   SLICE("b:[IPv6:2001:db8::1]:/fast:"));
	assert_false(list_parse(SLICE_NONE, &parts));
	assert_false(list_parse(SLICE("a.example"), &parts));
	assert_false(list_parse(SLICE("x:a.example:acme:nov"), &parts));
	assert_false(list_parse(SLICE("b:a.example"), &parts));
	assert_false(list_parse(SLICE("b:a.example:acme"), &parts));
	assert_false(list_parse(SLICE("b:[IPv6:2001:db8::1"), &parts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),	 cmocka_unit_test(test_round_trip), cmocka_unit_test(test_stable),
		cmocka_unit_test(test_instants), cmocka_unit_test(test_longest),    cmocka_unit_test(test_no_record),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
