/* What is cut off an append-only file, and what is left alone: every length of a file that ends in a transaction. */
#include "queue/aof.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SELECT "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
#define SET    "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\n\0*1\r\n\r\n"
#define MULTI  "*1\r\n$5\r\nMULTI\r\n"
#define EXEC   "*1\r\n$4\r\nEXEC\r\n"
#define NOTE   "#TS:1795494335\r\n"

static char directory[] = "/tmp/hikyaku-aof-test-XXXXXX";

static void path_of(char *path, const char *name)
{
	snprintf(path, 256, "%s/appendonlydir/%s", directory, name);
}

static void write_file(const char *name, struct slice bytes)
{
	char path[256];

	path_of(path, name);
	FILE *file = fopen(path, "w");

	CHECK(file != NULL);
	CHECK(fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len);
	CHECK(fclose(file) == 0);
}

static size_t size_of(const char *name)
{
	char path[256];
	struct stat stat;

	path_of(path, name);
	CHECK(lstat(path, &stat) == 0);
	return (size_t)stat.st_size;
}

static int group_setup(void **state)
{
	char path[256];

	(void)state;
	CHECK(mkdtemp(directory) != NULL);
	path_of(path, "");
	CHECK(mkdir(path, 0700) == 0);
	return 0;
}

static int group_teardown(void **state)
{
	char command[80];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

static int test_setup(void **state)
{
	(void)state;
	write_file("appendonly.aof.manifest",
		   SLICE("file base.rdb seq 1 type b\nfile a.aof seq 1 type i\nfile b.aof seq 2 type i\n"));
	write_file("a.aof", SLICE(MULTI SET)); /* not the one that is appended to: not ours to judge */
	return 0;
}

/* What is left of a file of these bytes, once mended. */
static size_t mended(struct slice bytes)
{
	char why[RING_WHY_MAX] = "";

	write_file("b.aof", bytes);
	int64_t cut = aof_mend(directory, why);

	assert_string_equal(why, "");
	assert_int_equal(size_of("b.aof") + (size_t)cut, bytes.len);
	return size_of("b.aof");
}

static void test_every_length(void **state)
{
	static const struct slice file = {SELECT SET MULTI SET SET EXEC SET NOTE MULTI SET EXEC,
					  sizeof(SELECT SET MULTI SET SET EXEC SET NOTE MULTI SET EXEC) - 1};
	static const size_t ends[] = {0,
				      sizeof(SELECT) - 1,
				      sizeof(SELECT SET) - 1,
				      sizeof(SELECT SET MULTI SET SET EXEC) - 1,
				      sizeof(SELECT SET MULTI SET SET EXEC SET) - 1,
				      sizeof(SELECT SET MULTI SET SET EXEC SET NOTE) - 1,
				      sizeof(SELECT SET MULTI SET SET EXEC SET NOTE MULTI SET EXEC) - 1,
				      SIZE_MAX};
	size_t end = 0;

	(void)state;
	for (size_t len = 0; len <= file.len; len++) {
		if (len == ends[end + 1])
			end++;
		if (mended(slice_head(file, len)) != ends[end])
			fail_msg("of %zu bytes: expected %zu left, found %zu", len, ends[end], size_of("b.aof"));
	}
	assert_int_equal(end, 6);
	assert_int_equal(size_of("a.aof"), sizeof(MULTI SET) - 1);
}

static void test_left_alone(void **state)
{
	static const struct slice rows[] = {
		{SET "garbage that Redis shall refuse" SET, sizeof(SET "garbage that Redis shall refuse" SET) - 1},
		{SET MULTI SET "*3\r\n$x\r\n", sizeof(SET MULTI SET "*3\r\n$x\r\n") - 1},
		{SET "*3\r\n+3\r\nSET\r\n", sizeof(SET "*3\r\n+3\r\nSET\r\n") - 1},
		{"REDIS0010\xfa\tredis-ver", 20},
		{SET "*11111111111111111111111111111111111\r\n",
		 sizeof(SET "*11111111111111111111111111111111111\r\n") - 1},
		{SET EXEC SET, sizeof(SET EXEC SET) - 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(mended(rows[i]), rows[i].len);
}

static void test_zeros(void **state)
{
	(void)state;
	assert_int_equal(mended(SLICE(SET MULTI SET "\0\0\0\0\0")), sizeof(SET) - 1);
	assert_int_equal(mended(SLICE(SET "\0\0\0\0\0")), sizeof(SET) - 1);
	assert_int_equal(mended(SLICE(SET "\0\0\0\0\0x")), sizeof(SET "\0\0\0\0\0x") - 1);
}

static void test_no_file(void **state)
{
	char why[RING_WHY_MAX] = "";

	(void)state;
	assert_int_equal(aof_mend("/nowhere", why), 0);
	write_file("appendonly.aof.manifest", SLICE("file ../b.aof seq 2 type i\n"));
	assert_int_equal(aof_mend(directory, why), 0);
	write_file("appendonly.aof.manifest", SLICE("\0\0\0\0"));
	assert_int_equal(aof_mend(directory, why), 0);
	assert_string_equal(why, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_every_length, test_setup),
		cmocka_unit_test_setup(test_left_alone, test_setup),
		cmocka_unit_test_setup(test_zeros, test_setup),
		cmocka_unit_test(test_no_file),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
