/* The cache, with a clock that is an argument. */
#include "dns/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct cache cache;

static void open_cache(unsigned answers_max, size_t bytes_max)
{
	cache_init(&cache, &(struct cache_setup){answers_max, bytes_max, TTL_MS_MIN, 42});
}

/* Puts an answer there, and keeps no count of it. */
static void put(const char *name, enum dns_type type, enum answer_state state, uint32_t ttl_s, uint64_t now_ms)
{
	struct answer head = {.state = state, .type = type, .ttl_s = ttl_s};
	struct answer *answer = answer_make(&head, NULL, 0);

	cache_put(&cache, slice_of(name), answer, now_ms);
	answer_free(answer);
}

static struct answer *find(const char *name, enum dns_type type, uint64_t now_ms)
{
	return cache_find(&cache, slice_of(name), type, now_ms);
}

static void answers_are_found_by_name_and_type(void **state)
{
	(void)state;
	open_cache(100, 1 << 20);
	put("a.example", DNS_MX, ANSWER_FOUND, 300, 1000);
	assert_non_null(find("a.example", DNS_MX, 1000));
	assert_null(find("a.example", DNS_A, 1000));
	assert_null(find("b.example", DNS_MX, 1000));
	put("a.example", DNS_A, ANSWER_EMPTY, 300, 1000);
	assert_int_equal(find("a.example", DNS_A, 1000)->state, ANSWER_EMPTY);
	assert_int_equal(find("a.example", DNS_MX, 1000)->state, ANSWER_FOUND);
	cache_free(&cache);
}

/* RFC 2308 5 and REQUIREMENTS MX-16: 30 s to 24 h; negative up to 5 min; failures 30 s. */
static void ttl_is_clamped(void **state)
{
	static const struct {
		enum answer_state state;
		uint32_t ttl_s;
		uint64_t lives_ms;
	} cases[] = {
		{ANSWER_FOUND, 0, 30000},	 {ANSWER_FOUND, 30, 30000},	      {ANSWER_FOUND, 31, 31000},
		{ANSWER_FOUND, 86400, 86400000}, {ANSWER_FOUND, INT32_MAX, 86400000}, {ANSWER_EMPTY, 0, 30000},
		{ANSWER_EMPTY, 120, 120000},	 {ANSWER_EMPTY, 86400, 300000},	      {ANSWER_NO_NAME, 299, 299000},
		{ANSWER_NO_NAME, 301, 300000},	 {ANSWER_FAILED, 3600, 30000},
	};

	(void)state;
	open_cache(100, 1 << 20);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put("a.example", DNS_MX, cases[i].state, cases[i].ttl_s, 5000);
		struct answer *answer = find("a.example", DNS_MX, 5000 + cases[i].lives_ms - 1);

		assert_non_null(answer);
		assert_int_equal(answer->expires_ms, 5000 + cases[i].lives_ms);
		assert_null(find("a.example", DNS_MX, 5000 + cases[i].lives_ms));
	}
	assert_int_equal(cache.entries.count, 0);
	assert_int_equal(cache.bytes, 0);
	cache_free(&cache);
}

static void newer_takes_the_place_of_older(void **state)
{
	(void)state;
	open_cache(100, 1 << 20);
	put("a.example", DNS_MX, ANSWER_FAILED, 0, 1000);
	put("a.example", DNS_MX, ANSWER_FOUND, 600, 2000);
	assert_int_equal(find("a.example", DNS_MX, 3000)->state, ANSWER_FOUND);
	assert_int_equal(cache.entries.count, 1);
	cache_free(&cache);
}

static void oldest_goes_when_the_number_is_reached(void **state)
{
	char name[32];

	(void)state;
	open_cache(10, 1 << 20);
	for (int i = 0; i < 25; i++) {
		snprintf(name, sizeof(name), "d%d.test", i);
		put(name, DNS_MX, ANSWER_FOUND, 3600, 1000);
		assert_true(cache.entries.count <= 10);
	}
	assert_null(find("d14.test", DNS_MX, 1000));
	assert_non_null(find("d15.test", DNS_MX, 1000));
	assert_non_null(find("d24.test", DNS_MX, 1000));
	cache_free(&cache);
}

static void oldest_goes_when_the_memory_is_used(void **state)
{
	char name[32];

	(void)state;
	open_cache(1000, 4096);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "d%d.test", i);
		put(name, DNS_MX, ANSWER_FOUND, 3600, 1000);
		assert_true(cache.bytes <= 4096);
	}
	assert_in_range(cache.entries.count, 2, 30);
	assert_non_null(find("d99.test", DNS_MX, 1000));
	cache_free(&cache);
}

static void kept_answer_outlives_its_entry(void **state)
{
	(void)state;
	open_cache(1, 1 << 20);
	put("a.example", DNS_MX, ANSWER_FOUND, 300, 1000);
	struct answer *answer = answer_keep(find("a.example", DNS_MX, 1000));

	put("b.example", DNS_MX, ANSWER_FOUND, 300, 1000);
	assert_null(find("a.example", DNS_MX, 1000));
	assert_int_equal(answer->refs, 1);
	answer_free(answer);
	cache_free(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_found_by_name_and_type),
		cmocka_unit_test(ttl_is_clamped),
		cmocka_unit_test(newer_takes_the_place_of_older),
		cmocka_unit_test(oldest_goes_when_the_number_is_reached),
		cmocka_unit_test(oldest_goes_when_the_memory_is_used),
		cmocka_unit_test(kept_answer_outlives_its_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
