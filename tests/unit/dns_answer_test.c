/* Following CNAMEs through an answer. Each case is a list of records and where the chain must end. */
#include "dns/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct record cname(const char *owner, const char *target)
{
	return (struct record){.type = DNS_CNAME, .owner = slice_of(owner), .target = slice_of(target)};
}

static struct record mx(const char *owner, const char *target)
{
	return (struct record){.type = DNS_MX, .owner = slice_of(owner), .target = slice_of(target)};
}

static struct answer *make(enum answer_state state, bool has_soa, const struct record *records, unsigned n)
{
	struct answer head = {.state = state, .type = DNS_MX, .has_soa = has_soa};

	return answer_make(&head, records, n);
}

struct followed_case {
	enum answer_state state;
	bool has_soa;
	struct record records[3];
	unsigned nrecords;
	enum followed expected;
	const char *end;
};

static void chains_end_where_they_should(void **state)
{
	const struct followed_case cases[] = {
		{ANSWER_FOUND, false, {mx("a", "m")}, 1, FOLLOWED_FOUND, "a"},
		{ANSWER_FOUND, false, {cname("a", "b"), mx("b", "m")}, 2, FOLLOWED_FOUND, "b"},
		{ANSWER_FOUND, false, {mx("c", "m"), cname("b", "c"), cname("a", "b")}, 3, FOLLOWED_FOUND, "c"},
		{ANSWER_FOUND, false, {cname("a", "b")}, 1, FOLLOWED_ELSEWHERE, "b"},
		{ANSWER_FOUND, true, {cname("a", "b")}, 1, FOLLOWED_EMPTY, "b"},
		{ANSWER_FOUND, false, {mx("x", "m")}, 1, FOLLOWED_EMPTY, "a"}, /* somebody else's record */
		{ANSWER_EMPTY, false, {{0}}, 0, FOLLOWED_EMPTY, "a"},
		{ANSWER_NO_NAME, false, {{0}}, 0, FOLLOWED_NO_NAME, "a"},
		{ANSWER_NO_NAME, true, {cname("a", "b")}, 1, FOLLOWED_NO_NAME, "b"},
		{ANSWER_FAILED, false, {{0}}, 0, FOLLOWED_FAILED, "a"},
		{ANSWER_FOUND, false, {cname("a", "a")}, 1, FOLLOWED_LOOP, "a"},
		{ANSWER_FOUND, false, {cname("a", "b"), cname("b", "a")}, 2, FOLLOWED_LOOP, "b"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer *answer = make(cases[i].state, cases[i].has_soa, cases[i].records, cases[i].nrecords);
		struct name_chain chain = name_chain_start(SLICE("a"));

		assert_int_equal(answer_follow(answer, &chain), cases[i].expected);
		assert_true(slice_is(chain.name, slice_of(cases[i].end)));
		answer_free(answer);
	}
}

/* Eight CNAMEs are followed, nine are not; spread over several answers as well. */
static void chain_is_bounded(void **state)
{
	char names[10][2] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
	struct record records[10];

	(void)state;
	for (unsigned ncnames = 8; ncnames <= 9; ncnames++) {
		for (unsigned i = 0; i < ncnames; i++)
			records[i] = cname(names[i], names[i + 1]);
		records[ncnames] = mx(names[ncnames], "m");
		struct answer *answer = make(ANSWER_FOUND, false, records, ncnames + 1);
		struct name_chain chain = name_chain_start(SLICE("a"));

		assert_int_equal(answer_follow(answer, &chain), ncnames == 8 ? FOLLOWED_FOUND : FOLLOWED_LOOP);
		answer_free(answer);
	}
	struct name_chain chain = name_chain_start(SLICE("a"));

	for (unsigned i = 0; i < 9; i++) {
		struct answer *answer = make(ANSWER_FOUND, false, &records[i], 1);
		enum followed followed = answer_follow(answer, &chain);

		chain.name = slice_of(i < 8 ? names[i + 1] : names[8]);
		assert_int_equal(followed, i < 8 ? FOLLOWED_ELSEWHERE : FOLLOWED_LOOP);
		answer_free(answer);
	}
}

static void answer_holds_copies(void **state)
{
	char owner[] = "a.example", target[] = "mx.a.example";
	struct record records[] = {mx(owner, target), mx(owner, target)};

	(void)state;
	struct answer *answer = make(ANSWER_FOUND, false, records, 2);

	memset(owner, 'x', sizeof(owner));
	memset(target, 'x', sizeof(target));
	assert_true(slice_is(answer->records[1].owner, SLICE("a.example")));
	assert_true(slice_is(answer->records[1].target, SLICE("mx.a.example")));
	assert_ptr_equal(answer->records[0].owner.ptr, answer->records[1].owner.ptr);
	assert_ptr_equal(answer_keep(answer), answer);
	answer_free(answer);
	assert_int_equal(answer->refs, 1);
	answer_free(answer);
	answer_free(NULL);
}

static void names_of_enums(void **state)
{
	(void)state;
	assert_string_equal(dns_type_name(DNS_AAAA), "AAAA");
	assert_string_equal(answer_state_name(ANSWER_NO_NAME), "NXDOMAIN");
	assert_string_equal(rcode_name(5), "REFUSED");
	assert_string_equal(rcode_name(6), "an unknown code");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_end_where_they_should),
		cmocka_unit_test(chain_is_bounded),
		cmocka_unit_test(answer_holds_copies),
		cmocka_unit_test(names_of_enums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
