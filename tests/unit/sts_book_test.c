/* The book of policies by a clock that jumps: when one is fetched, when it is refreshed, how long it holds. */
#include "tls/sts_book.h"

#include "base/outbuf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };

#define DOMAIN SLICE("a.example")
#define T0     1000000000000ll

static struct sts_policy *policy_of(const char *mode, unsigned age_s)
{
	struct outbuf file = {0};
	char why[STS_WHY_MAX];

	outbuf_printf(&file, "version: STSv1\nmode: %s\nmx: mx.a.example\nmax_age: %u\n", mode, age_s);
	struct sts_policy *policy = sts_policy_read(outbuf_slice(&file), why);

	outbuf_free(&file);
	assert_non_null(policy);
	return policy;
}

static void expect(struct sts_book *book, const char *id, int64_t now_ms, enum sts_need need, bool has_policy)
{
	struct sts_policy *policy;

	assert_int_equal(sts_book_need(book, DOMAIN, slice_of(id), now_ms, &policy), need);
	assert_int_equal(policy != NULL, has_policy);
}

static void test_first_fetch(void **state)
{
	struct sts_book book = {0};

	(void)state;
	expect(&book, "", T0, STS_GO_ON, false);
	expect(&book, "1", T0, STS_WAIT, false);
	assert_false(sts_book_failed(&book, DOMAIN, SLICE("1"), T0));
	expect(&book, "1", T0 + 5 * MINUTE - 1, STS_GO_ON, false);
	expect(&book, "2", T0 + 1, STS_WAIT, false); /* another one may be tried at once */
	expect(&book, "1", T0 + 5 * MINUTE, STS_WAIT, false);
	sts_book_fetched(&book, DOMAIN, SLICE("1"), policy_of("enforce", 7 * 86400), T0);
	expect(&book, "1", T0, STS_GO_ON, true);
	sts_book_free(&book);
}

static void test_outlives_its_record(void **state)
{
	struct sts_book book = {0};

	(void)state;
	sts_book_fetched(&book, DOMAIN, SLICE("1"), policy_of("enforce", 7 * 86400), T0);
	expect(&book, "", T0 + 7ll * STS_DAY_MS - 1, STS_GO_ON, true);
	expect(&book, "", T0 + 7ll * STS_DAY_MS, STS_GO_ON, false);
	expect(&book, "1", T0 + 7ll * STS_DAY_MS, STS_WAIT, false);
	sts_book_free(&book);
}

static void test_another_id(void **state)
{
	struct sts_book book = {0};

	(void)state;
	sts_book_fetched(&book, DOMAIN, SLICE("1"), policy_of("enforce", 7 * 86400), T0);
	expect(&book, "2", T0 + 1, STS_WAIT, true);
	sts_book_failed(&book, DOMAIN, SLICE("2"), T0 + 1);
	expect(&book, "2", T0 + 2, STS_GO_ON, true); /* the old one goes on holding */
	expect(&book, "2", T0 + 1 + 5 * MINUTE, STS_WAIT, true);
	sts_book_fetched(&book, DOMAIN, SLICE("2"), policy_of("none", 86400), T0 + 5 * MINUTE);
	expect(&book, "2", T0 + 6 * MINUTE, STS_GO_ON, true);
	sts_book_free(&book);
}

static void test_refresh(void **state)
{
	struct sts_book book = {0};
	int64_t day = T0 + STS_DAY_MS;

	(void)state;
	sts_book_fetched(&book, DOMAIN, SLICE("1"), policy_of("enforce", 7 * 86400), T0);
	expect(&book, "1", day - 1, STS_GO_ON, true);
	expect(&book, "1", day, STS_REFRESH, true);
	assert_false(sts_book_failed(&book, DOMAIN, SLICE("1"), day));
	expect(&book, "1", day + HOUR - 1, STS_GO_ON, true);
	expect(&book, "1", day + HOUR, STS_REFRESH, true);
	assert_false(sts_book_failed(&book, DOMAIN, SLICE("1"), day + HOUR));
	assert_true(sts_book_failed(&book, DOMAIN, SLICE("1"), day + 2 * HOUR));
	assert_false(sts_book_failed(&book, DOMAIN, SLICE("1"), day + 3 * HOUR));
	sts_book_fetched(&book, DOMAIN, SLICE("1"), policy_of("enforce", 100), day + 4 * HOUR);
	expect(&book, "1", day + 4 * HOUR + 49999, STS_GO_ON, true);
	expect(&book, "1", day + 4 * HOUR + 50000, STS_REFRESH, true); /* half of a short life */
	sts_book_free(&book);
}

static void test_nobody_is_told_of_none(void **state)
{
	struct sts_book book = {0};

	(void)state;
	sts_book_fetched(&book, DOMAIN, SLICE("1"), policy_of("none", 7 * 86400), T0);
	for (int i = 0; i < 2 * STS_REFRESH_ALARM; i++)
		assert_false(sts_book_failed(&book, DOMAIN, SLICE("1"), T0 + STS_DAY_MS + i * HOUR));
	sts_book_free(&book);
}

static void test_kept_as_text(void **state)
{
	struct sts_book book = {0}, again = {0};
	struct outbuf text = {0};

	(void)state;
	sts_book_fetched(&book, DOMAIN, SLICE("1a"), policy_of("enforce", 86400), T0);
	sts_entry_write(sts_book_entry(&book, DOMAIN), &text);
	assert_false(sts_book_restore(&again, DOMAIN, outbuf_slice(&text), T0 + STS_DAY_MS));
	assert_true(sts_book_restore(&again, DOMAIN, outbuf_slice(&text), T0 + STS_DAY_MS - 1));
	expect(&again, "1a", T0 + HOUR, STS_GO_ON, true);
	expect(&again, "", T0 + STS_DAY_MS, STS_GO_ON, false);
	assert_false(sts_book_restore(&again, DOMAIN, SLICE("1a x\nversion: STSv1"), T0));
	assert_false(sts_book_restore(&again, DOMAIN, SLICE(""), T0));
	outbuf_free(&text);
	sts_book_free(&book);
	sts_book_free(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_fetch),
		cmocka_unit_test(test_outlives_its_record),
		cmocka_unit_test(test_another_id),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_nobody_is_told_of_none),
		cmocka_unit_test(test_kept_as_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
