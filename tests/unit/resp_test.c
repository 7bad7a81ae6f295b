/* RESP in both directions: what arguments look like on the wire, and that a reply is the same however it is cut. */
#include "queue/resp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

static void assert_text(struct slice found, const char *expected)
{
	assert_int_equal(found.len, strlen(expected));
	assert_memory_equal(found.ptr, expected, found.len);
}

static void test_arguments(void **state)
{
	struct outbuf out = {0};

	(void)state;
	resp_argument(&out, SLICE("GET"));
	resp_argument(&out, SLICE_NONE);
	resp_argument(&out, (struct slice){"a\0\r\n", 4});
	resp_number(&out, 0);
	resp_number(&out, UINT64_MAX);
	assert_true(slice_is(outbuf_slice(&out), SLICE("$3\r\nGET\r\n$0\r\n\r\n$4\r\na\0\r\n\r\n$1\r\n0\r\n"
						       "$20\r\n18446744073709551615\r\n")));
	outbuf_free(&out);
}

/* A tree as text, so that two can be compared. */
static void print(struct outbuf *out, const struct redisReply *reply)
{
	outbuf_printf(out, "%d:%llu:", reply->type, (unsigned long long)resp_integer(reply));
	outbuf_add(out, resp_text(reply));
	outbuf_byte(out, '(');
	for (size_t i = 0; i < resp_count(reply); i++)
		print(out, resp_at(reply, i));
	outbuf_byte(out, ')');
}

static void print_all(struct outbuf *out, struct resp_reader *reader)
{
	const struct redisReply *reply;
	int got;

	while ((got = resp_next(reader, &reply)) > 0)
		print(out, reply);
	assert_int_equal(got, 0);
}

static const char stream[] =
	"*5\r\n$9\r\nb:a.x:t:c\r\n:7\r\n:1\r\n:0\r\n$4\r\n\0\r\n\1\r\n+OK\r\n-FENCED engine a holds it\r\n"
	"$-1\r\n*-1\r\n*0\r\n*2\r\n*1\r\n:-5\r\n$0\r\n\r\n:9223372036854775807\r\n";

static void test_every_cut(void **state)
{
	struct slice bytes = {stream, sizeof(stream) - 1};
	struct outbuf whole = {0}, cut = {0};
	struct resp_reader reader;

	(void)state;
	resp_reader_init(&reader);
	resp_feed(&reader, bytes);
	print_all(&whole, &reader);
	resp_reader_free(&reader);
	assert_true(slice_starts(outbuf_slice(&whole), SLICE("2:0:(1:0:b:a.x:t:c()3:7:()3:1:()3:0:()1:0:")));
	for (size_t i = 0; i <= bytes.len; i++) {
		outbuf_reset(&cut);
		resp_reader_init(&reader);
		resp_feed(&reader, slice_head(bytes, i));
		print_all(&cut, &reader);
		resp_feed(&reader, slice_skip(bytes, i));
		print_all(&cut, &reader);
		resp_reader_free(&reader);
		assert_true(slice_is(outbuf_slice(&whole), outbuf_slice(&cut)));
	}
	outbuf_free(&whole);
	outbuf_free(&cut);
}

static void test_not_replies(void **state)
{
	static const char *const rows[] = {"HTTP/1.1 400 Bad Request\r\n", "?3\r\n", "*2000000\r\n", "*-7\r\n",
					   "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"};
	const struct redisReply *reply;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct resp_reader reader;

		resp_reader_init(&reader);
		resp_feed(&reader, slice_of(rows[i]));
		assert_int_equal(resp_next(&reader, &reply), -1);
		assert_true(resp_why(&reader)[0] != '\0');
		resp_reader_free(&reader);
	}
}

static void test_errors(void **state)
{
	static const struct {
		const char *text;
		enum resp_error error;
	} rows[] = {
		{"LOADING Redis is loading the dataset in memory", RESP_WAIT},
		{"BUSY Redis is busy running a script.", RESP_WAIT},
		{"READONLY You can't write against a read only replica.", RESP_WAIT},
		{"MISCONF Errors writing to the AOF file: No space left on device", RESP_WAIT},
		{"NOREPLICAS Not enough good replicas to write.", RESP_WAIT},
		{"ERR Function not found", RESP_MISSING},
		{"NOAUTH Authentication required.", RESP_BROKEN},
		{"WRONGPASS invalid username-password pair or user is disabled.", RESP_BROKEN},
		{"NOPERM this user has no permissions to run the 'fcall' command", RESP_BROKEN},
		{"MOVED 3999 127.0.0.1:6381", RESP_BROKEN},
		{"FENCED engine b holds hikyaku:{0} under epoch 3", RESP_FENCED},
		{"WRONGTYPE Operation against a key holding the wrong kind of value", RESP_ERROR},
		{"ERR unknown command", RESP_ERROR},
		{"FENCE", RESP_ERROR},
		{"", RESP_ERROR},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		redisReply reply = {
			.type = REDIS_REPLY_ERROR, .str = (char *)rows[i].text, .len = strlen(rows[i].text)};

		if (resp_error(&reply) != rows[i].error)
			fail_msg("\"%s\": expected %d, found %d", rows[i].text, rows[i].error, resp_error(&reply));
		reply.type = REDIS_REPLY_STRING; /* the same words as a value are no error */
		assert_int_equal(resp_error(&reply), RESP_FINE);
	}
	assert_int_equal(resp_error(NULL), RESP_FINE);
	assert_null(resp_text(NULL).ptr);
	assert_int_equal(resp_count(NULL), 0);
}

static void test_values(void **state)
{
	const struct redisReply *reply;
	struct resp_reader reader;

	(void)state;
	resp_reader_init(&reader);
	resp_feed(&reader, SLICE(":-3\r\n$3\r\n120\r\n$2\r\n-1\r\n$-1\r\n"));
	assert_int_equal(resp_next(&reader, &reply), 1);
	assert_int_equal(resp_integer(reply), 0);
	assert_int_equal(resp_next(&reader, &reply), 1);
	assert_int_equal(resp_integer(reply), 120);
	assert_text(resp_text(reply), "120");
	assert_int_equal(resp_next(&reader, &reply), 1);
	assert_int_equal(resp_integer(reply), 0);
	assert_int_equal(resp_next(&reader, &reply), 1);
	assert_null(resp_text(reply).ptr);
	resp_reader_free(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments), cmocka_unit_test(test_every_cut), cmocka_unit_test(test_not_replies),
		cmocka_unit_test(test_errors),	  cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
