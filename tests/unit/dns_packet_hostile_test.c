/* Packets of people who mean no good: what they cost is bounded, and what was not read does not count as "no". */
#include "tests/unit/dns_wire.h"

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

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

/* 64 KB in which every name is a chain of thousands of pointers: milliseconds, not seconds. */
static void pointer_chains_cost_little(void **state)
{
	struct answer *answer = NULL;
	struct timespec begin_time, end_time;

	(void)state;
	begin(0);
	put_name("a.example");
	record(0, 65280, 300, 16000); /* a private type whose data are pointers, each to the one before */
	size_t chain = wire.len;

	put("\1x", 3);
	put("\0", 1);
	for (unsigned i = 2; i < 8000; i++)
		put16(0xc000u | (unsigned)(chain + (i == 2 ? 0 : 2 * (i - 1))));
	for (unsigned i = 0; i < 3000; i++) {
		put16(0xc000u | (unsigned)(chain + 2 * 7999));
		record(0, DNS_MX, 300, 4);
		put16(i);
		put16(0xc000u | (unsigned)(chain + 2 * 7999));
	}
	assert_true(wire.len <= PACKET_TCP_MAX);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin_time);
	assert_int_equal(read_as("a.example", DNS_MX, &answer), PACKET_OK);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end_time);
	assert_true(answer->cut);
	assert_true(slice_is(answer->records[0].target, SLICE("x")));
	double took_ms = 1e3 * (double)(end_time.tv_sec - begin_time.tv_sec) +
			 1e-6 * (double)(end_time.tv_nsec - begin_time.tv_nsec);

	assert_true(took_ms < 500); /* about 10; the sanitizers want their share */
	answer_free(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(odd_bytes_in_names_are_written_out),
		cmocka_unit_test(too_many_records_are_cut),
		cmocka_unit_test(too_long_to_read_is_not_empty),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(compression_loop_is_garbage),
		cmocka_unit_test(prefixes_and_flipped_bytes_do_not_crash),
		cmocka_unit_test(pointer_chains_cost_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
