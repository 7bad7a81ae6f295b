/* Packets are written here by hand, byte by byte, so that nothing of ours or of ldns vouches for itself. */
#include "dns/packet.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { ID = 0x1234, QR = 0x8000, TC = 0x0200, NS = 2, SOA = 6, OPT = 41, SIZE = 70000 };

struct wire {
	unsigned char bytes[SIZE];
	size_t len;
};

static struct wire wire;

static void put(const void *bytes, size_t len)
{
	CHECK(wire.len + len <= SIZE);
	memcpy(wire.bytes + wire.len, bytes, len);
	wire.len += len;
}

static void put16(unsigned n)
{
	put((unsigned char[]){(unsigned char)(n >> 8), (unsigned char)n}, 2);
}

static void put32(uint32_t n)
{
	put16(n >> 16);
	put16(n & 0xffff);
}

static void put_name(const char *text)
{
	struct slice rest = slice_of(text);

	while (rest.len > 0) {
		struct slice label = slice_until(&rest, '.');

		put((unsigned char[]){(unsigned char)label.len}, 1);
		put(label.ptr, label.len);
	}
	put("", 1);
}

static void header(unsigned id, unsigned flags, unsigned questions)
{
	wire.len = 0;
	put16(id);
	put16(flags);
	put16(questions);
	put16(0);
	put32(0);
}

static void question(const char *name, unsigned type)
{
	put_name(name);
	put16(type);
	put16(1);
}

/* A whole beginning: the answer to "a.example MX". */
static void begin(unsigned flags)
{
	header(ID, QR | flags, 1);
	question("a.example", DNS_MX);
}

/* The fixed part of a record whose name has been put; section: 0 answer, 1 authority, 2 additional. */
static void record(int section, unsigned type, uint32_t ttl_s, size_t len)
{
	size_t at = 6 + 2 * (size_t)section;
	unsigned n = (unsigned)(wire.bytes[at] << 8 | wire.bytes[at + 1]) + 1;

	wire.bytes[at] = (unsigned char)(n >> 8);
	wire.bytes[at + 1] = (unsigned char)n;
	put16(type);
	put16(1);
	put32(ttl_s);
	put16((unsigned)len);
}

static void put_mx(const char *owner, unsigned preference, const char *target, uint32_t ttl_s)
{
	put_name(owner);
	record(0, DNS_MX, ttl_s, 2 + strlen(target) + 2);
	put16(preference);
	put_name(target);
}

static void put_soa(uint32_t ttl_s, uint32_t minimum)
{
	put_name("example");
	record(1, SOA, ttl_s, 22);
	put("\0\0", 2);
	for (int i = 0; i < 4; i++)
		put32(7);
	put32(minimum);
}

static enum packet_fault read_as(const char *name, enum dns_type type, struct answer **answer)
{
	*answer = NULL;
	return packet_read((struct slice){(char *)wire.bytes, wire.len}, ID, slice_of(name), type, answer);
}

static struct answer *read_mx(void)
{
	struct answer *answer;

	assert_int_equal(read_as("a.example", DNS_MX, &answer), PACKET_OK);
	return answer;
}

static void assert_slice(struct slice s, const char *text)
{
	assert_int_equal(s.len, strlen(text));
	assert_memory_equal(s.ptr, text, s.len);
}

static void question_asks_with_recursion_and_edns(void **state)
{
	char room[PACKET_QUESTION_MAX];
	size_t len = packet_question(room, 0xabcd, SLICE("a.example"), DNS_AAAA);

	(void)state;
	header(0xabcd, 0x0100, 1);
	question("a.example", DNS_AAAA);
	put("", 1);
	record(2, OPT, 0, 0);
	wire.bytes[wire.len - 8] = 1232 >> 8; /* the class of an OPT is the size */
	wire.bytes[wire.len - 7] = 1232 & 255;
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

	assert_int_equal(packet_question(room, 1, slice_of(longest), DNS_A), 12 + 255 + 4 + 11);
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

static void odd_bytes_in_names_are_written_out(void **state)
{
	char label[64];

	(void)state;
	memset(label, 0xff, sizeof(label));
	label[0] = 61;
	begin(0);
	put_name("a.example");
	record(0, DNS_MX, 300, 2 + 7);
	put16(1);
	put("\5a b\0.\0", 7);
	put_name("a.example");
	record(0, DNS_MX, 300, 2 + 4 * 62 + 1);
	put16(2);
	for (int i = 0; i < 4; i++)
		put(label, 62);
	put("", 1);
	put_name("a.example");
	record(0, DNS_MX, 300, 3);
	put16(3);
	put("", 1);
	struct answer *answer = read_mx();

	assert_int_equal(answer->nrecords, 3);
	assert_slice(answer->records[0].target, "a\\032b\\000\\046");
	assert_slice(answer->records[1].target, "\\");
	assert_slice(answer->records[2].target, ".");
	answer_free(answer);
}

static void too_many_records_are_cut(void **state)
{
	(void)state;
	begin(0);
	for (unsigned i = 0; i < 500; i++)
		put_mx("a.example", i, "mx.example", 300);
	struct answer *answer = read_mx();

	assert_int_equal(answer->nrecords, ANSWER_RECORDS_MAX);
	assert_true(answer->cut);
	assert_int_equal(answer->state, ANSWER_FOUND);
	answer_free(answer);
}

/* 256 records of others, then what was asked for: what was not read must not count as "no MX". */
static void too_long_to_read_is_not_empty(void **state)
{
	(void)state;
	begin(0);
	for (unsigned i = 0; i < 300; i++) {
		put_name("a.example");
		record(0, DNS_A, 300, 4);
		put32(i);
	}
	put_mx("a.example", 1, "mx", 300);
	struct answer *answer = read_mx();

	assert_int_equal(answer->state, ANSWER_FAILED);
	answer_free(answer);
}

static void long_names_are_cut(void **state)
{
	char name[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
		      "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
		      "bbbbbbbbbbbbb.cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc."
		      "dddddddddddddddddddddddddddd";

	(void)state;
	begin(0);
	for (unsigned i = 0; i < 200; i++)
		put_mx("a.example", i, name, 300);
	struct answer *answer = read_mx();

	assert_true(answer->cut);
	assert_in_range(answer->nrecords, 100, ANSWER_NAMES_MAX / strlen(name));
	answer_free(answer);
}

static void compression_loop_is_garbage(void **state)
{
	struct answer *answer;

	(void)state;
	begin(0);
	size_t here = wire.len;

	put16(0xc000u | (unsigned)here);
	record(0, DNS_MX, 300, 4);
	put32(0);
	assert_int_equal(read_as("a.example", DNS_MX, &answer), PACKET_GARBAGE);
}

/* Every prefix of a good answer, and every byte of it turned round, at the edge of memory: reading goes not past it. */
static void prefixes_and_flipped_bytes_do_not_crash(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned read = 0;

	(void)state;
	assert_true(memory != MAP_FAILED);
	assert_int_equal(mprotect(memory + page, page, PROT_NONE), 0);
	begin(0);
	put_mx("a.example", 20, "mx2.a.example", 600);
	put16(0xc00c);
	record(0, DNS_MX, 300, 8);
	put16(10);
	put("\3mx1\xc0\x0c", 6);
	for (size_t len = 0; len <= wire.len; len++)
		for (size_t flip = 0; flip < len; flip++) {
			char *bytes = memory + page - len;
			struct answer *answer = NULL;

			memcpy(bytes, wire.bytes, len);
			bytes[flip] = (char)~bytes[flip];
			if (packet_read((struct slice){bytes, len}, ID, SLICE("a.example"), DNS_MX, &answer) ==
			    PACKET_OK)
				read++;
			answer_free(answer);
		}
	assert_true(read > 0);
	munmap(memory, 2 * page);
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
		cmocka_unit_test(odd_bytes_in_names_are_written_out),
		cmocka_unit_test(too_many_records_are_cut),
		cmocka_unit_test(too_long_to_read_is_not_empty),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(compression_loop_is_garbage),
		cmocka_unit_test(prefixes_and_flipped_bytes_do_not_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
