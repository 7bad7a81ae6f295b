/* What packets mean. */
#include "tests/unit/dns_wire.h"

#include <stdio.h>

static void question_asks_with_recursion_and_edns(void **state)
{
	char room[PACKET_QUESTION_MAX];
	size_t len = packet_question(room, 0xabcd, SLICE("a.example"), DNS_AAAA, false);

	(void)state;
	header(0xabcd, 0x0100, 1);
	question("a.example", DNS_AAAA);
	put("", 1);
	record(2, OPT, 0, 0);
	wire.bytes[wire.len - 8] = 1232 >> 8; /* the class of an OPT is the size */
	wire.bytes[wire.len - 7] = 1232 & 255;
	assert_int_equal(len, wire.len);
	assert_memory_equal(room, wire.bytes, len);
	len = packet_question(room, 0xabcd, SLICE("a.example"), DNS_AAAA, true);
	wire.bytes[wire.len - 4] = 0x80; /* DO: the first bit of its flags */
	assert_int_equal(len, wire.len);
	assert_memory_equal(room, wire.bytes, len);
}

static void names_that_may_be_asked(void **state)
{
	char longest[254], long_label[65];

	(void)state;
	memset(longest, 'a', 253);
	for (int i = 50; i < 253; i += 50)
		longest[i] = '.';
	longest[253] = '\0';
	memset(long_label, 'b', 64);
	long_label[64] = '\0';
	assert_true(packet_name_is_valid(SLICE("a.example")));
	assert_true(packet_name_is_valid(SLICE("_x.a-b.example")));
	assert_true(packet_name_is_valid(slice_of(longest)));
	assert_true(packet_name_is_valid(slice_head(slice_of(long_label), 63)));
	assert_false(packet_name_is_valid(slice_of(long_label)));
	static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "a b", "a\\b", "a\x80", "[192.0.2.1]x\n", "a@b"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(packet_name_is_valid(slice_of(bad[i])));
	char room[PACKET_QUESTION_MAX];

	assert_int_equal(packet_question(room, 1, slice_of(longest), DNS_A, true), 12 + 255 + 4 + 11);
}

static void mx_records_are_read_in_lower_case(void **state)
{
	(void)state;
	begin(0);
	put_mx("A.Example", 20, "MX2.a.EXAMPLE", 600);
	put16(0xc00c); /* the question's name */
	record(0, DNS_MX, 300, 8);
	put16(10);
	put("\3mx1\xc0\x0c", 6);
	struct answer *answer = read_mx();

	assert_int_equal(answer->state, ANSWER_FOUND);
	assert_int_equal(answer->nrecords, 2);
	assert_int_equal(answer->ttl_s, 300);
	assert_slice(answer->records[0].owner, "a.example");
	assert_slice(answer->records[0].target, "mx2.a.example");
	assert_int_equal(answer->records[0].preference, 20);
	assert_slice(answer->records[1].target, "mx1.a.example");
	assert_int_equal(answer->records[1].preference, 10);
	answer_free(answer);
}

static void addresses_are_read(void **state)
{
	struct answer *answer;

	(void)state;
	header(ID, QR, 1);
	question("mx.a.example", DNS_A);
	put_name("mx.a.example");
	record(0, DNS_CNAME, 60, 6);
	put("\4host\0", 6);
	put_name("host");
	record(0, DNS_A, 90, 4);
	put("\xc0\0\2\1", 4);
	put_name("host");
	record(0, DNS_AAAA, 90, 16); /* not asked for */
	put32(1), put32(2), put32(3), put32(4);
	assert_int_equal(read_as("mx.a.example", DNS_A, &answer), PACKET_OK);
	assert_int_equal(answer->nrecords, 2);
	assert_slice(answer->records[0].target, "host");
	assert_memory_equal(answer->records[1].ip, "\xc0\0\2\1", 4);
	assert_int_equal(answer->ttl_s, 60);
	answer_free(answer);
}

static void answers_to_something_else(void **state)
{
	struct answer *answer;

	(void)state;
	begin(0);
	wire.bytes[0] ^= 1;
	assert_int_equal(read_as("a.example", DNS_MX, &answer), PACKET_WRONG_ID);
	begin(0);
	assert_int_equal(read_as("b.example", DNS_MX, &answer), PACKET_WRONG_QUESTION);
	assert_int_equal(read_as("a.example", DNS_A, &answer), PACKET_WRONG_QUESTION);
	wire.bytes[wire.len - 1] = 3; /* class CHAOS */
	assert_int_equal(read_as("a.example", DNS_MX, &answer), PACKET_WRONG_QUESTION);
	header(ID, 0, 1); /* a question, not an answer */
	question("a.example", DNS_MX);
	assert_int_equal(read_as("a.example", DNS_MX, &answer), PACKET_GARBAGE);
	header(ID, QR, 0);
	assert_int_equal(read_as("a.example", DNS_MX, &answer), PACKET_GARBAGE);
	header(ID, QR, 2);
	question("a.example", DNS_MX);
	question("a.example", DNS_MX);
	assert_int_equal(read_as("a.example", DNS_MX, &answer), PACKET_GARBAGE);
	header(ID, QR | 0x2800, 1); /* opcode UPDATE */
	question("a.example", DNS_MX);
	assert_int_equal(read_as("a.example", DNS_MX, &answer), PACKET_GARBAGE);
	assert_null(answer);
}

static void codes_become_states(void **state)
{
	static const struct {
		unsigned rcode;
		enum answer_state state;
		const char *failure;
	} cases[] = {
		{0, ANSWER_EMPTY, ""},
		{1, ANSWER_FAILED, "FORMERR"},
		{2, ANSWER_FAILED, "SERVFAIL"},
		{3, ANSWER_NO_NAME, ""},
		{4, ANSWER_FAILED, "NOTIMP"},
		{5, ANSWER_FAILED, "REFUSED"},
		{11, ANSWER_FAILED, "an unknown code"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(cases[i].rcode);
		struct answer *answer = read_mx();

		assert_int_equal(answer->state, cases[i].state);
		assert_string_equal(answer->failure, cases[i].failure);
		answer_free(answer);
	}
	header(ID, QR | 1, 0); /* a server that could not read the question need not repeat it */
	struct answer *answer = read_mx();

	assert_int_equal(answer->state, ANSWER_FAILED);
	answer_free(answer);
}

static void extended_code_is_a_failure(void **state)
{
	(void)state;
	begin(0);
	put("", 1);
	record(2, OPT, 1u << 24, 0); /* BADVERS: 1 here and 0 in the header */
	struct answer *answer = read_mx();

	assert_int_equal(answer->state, ANSWER_FAILED);
	assert_string_equal(answer->failure, "BADVERS");
	answer_free(answer);
}

static void truncated_is_no_answer(void **state)
{
	(void)state;
	begin(TC);
	put_mx("a.example", 10, "mx.a.example", 300);
	struct answer *answer = read_mx();

	assert_true(answer->truncated);
	assert_int_equal(answer->state, ANSWER_FAILED);
	assert_int_equal(answer->nrecords, 0);
	answer_free(answer);
}

static void soa_says_how_long_nothing_holds(void **state)
{
	static const struct {
		uint32_t ttl_s, minimum, expected;
	} cases[] = {{60, 900, 60}, {900, 60, 60}, {0x80000001, 60, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(3);
		put_soa(cases[i].ttl_s, cases[i].minimum);
		struct answer *answer = read_mx();

		assert_int_equal(answer->state, ANSWER_NO_NAME);
		assert_true(answer->has_soa);
		assert_int_equal(answer->ttl_s, cases[i].expected);
		answer_free(answer);
	}
}

static void referral_is_a_failure(void **state)
{
	(void)state;
	for (int with_soa = 0; with_soa < 2; with_soa++) {
		begin(0);
		put_name("example");
		record(1, NS, 300, 4);
		put("\2ns\0", 4);
		if (with_soa)
			put_soa(60, 60);
		struct answer *answer = read_mx();

		assert_int_equal(answer->state, with_soa ? ANSWER_EMPTY : ANSWER_FAILED);
		answer_free(answer);
	}
}

static void ttl_with_the_highest_bit_is_zero(void **state)
{
	(void)state;
	begin(0);
	put_mx("a.example", 1, "mx", 0x80000000);
	struct answer *answer = read_mx();

	assert_int_equal(answer->ttl_s, 0);
	answer_free(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(question_asks_with_recursion_and_edns),
		cmocka_unit_test(names_that_may_be_asked),
		cmocka_unit_test(mx_records_are_read_in_lower_case),
		cmocka_unit_test(addresses_are_read),
		cmocka_unit_test(answers_to_something_else),
		cmocka_unit_test(codes_become_states),
		cmocka_unit_test(extended_code_is_a_failure),
		cmocka_unit_test(truncated_is_no_answer),
		cmocka_unit_test(soa_says_how_long_nothing_holds),
		cmocka_unit_test(referral_is_a_failure),
		cmocka_unit_test(ttl_with_the_highest_bit_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
