/* Replies as servers send them, whole, cut in two at every place, and byte by byte: all must give the same. The input
 * ends at an unmapped page, so a byte too far is a crash. */
#include "smtp/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* All replies of a stream, one a line: "code|enhanced|text", the text's line ends as "/"; "!why" when it broke and
 * "..." when the front of one is left. */
static void describe(struct reply_parser *parser, struct slice bytes, size_t piece, struct outbuf *out)
{
	while (bytes.len > 0) {
		struct slice one = slice_head(bytes, piece);
		struct reply reply;

		bytes = slice_skip(bytes, piece);
		while (reply_feed(parser, &one, &reply)) {
			outbuf_printf(out, "%u|%.*s|", reply.code, SLICE_ARG(reply.enhanced));
			for (size_t i = 0; i < reply.text.len; i++)
				outbuf_byte(out, reply.text.ptr[i] == '\n' ? '/' : reply.text.ptr[i]);
			outbuf_byte(out, '\n');
		}
		if (parser->broken)
			break;
		assert_int_equal(one.len, 0);
	}
	if (parser->broken)
		outbuf_printf(out, "!%s\n", parser->why);
	else if (reply_is_partial(parser))
		outbuf_printf(out, "...\n");
}

/* The bytes at the end of a page with nothing behind it. */
static char *at_the_edge(struct slice bytes, char **page, size_t *size)
{
	size_t unit = (size_t)sysconf(_SC_PAGESIZE);

	*size = (bytes.len / unit + 2) * unit;
	*page = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(*page, MAP_FAILED);
	assert_int_equal(mprotect(*page + *size - unit, unit, PROT_NONE), 0);
	char *to = *page + *size - unit - bytes.len;

	memcpy(to, bytes.ptr, bytes.len);
	return to;
}

static void expect(struct slice bytes, struct slice want)
{
	char *page;
	size_t size;
	struct slice edge = {at_the_edge(bytes, &page, &size), bytes.len};
	struct reply_parser parser = {0};
	struct outbuf got = {0};

	for (size_t piece = 1; piece <= bytes.len; piece = piece < 64 ? piece + 1 : piece * 3) {
		reply_reset(&parser);
		outbuf_reset(&got);
		describe(&parser, edge, piece, &got);
		if (!slice_is(outbuf_slice(&got), want))
			fail_msg("in pieces of %zu: got \"%.*s\", want \"%.*s\"", piece, SLICE_ARG(outbuf_slice(&got)),
				 SLICE_ARG(want));
	}
	outbuf_free(&got);
	reply_free(&parser);
	munmap(page, size);
}

#define EXPECT(bytes, want) expect(SLICE(bytes), SLICE(want))

static void test_replies_of_the_standard(void **state)
{
	(void)state;
	EXPECT("220 mx.test ESMTP\r\n", "220||mx.test ESMTP\n");
	EXPECT("220\r\n", "220||\n");
	EXPECT("220 \r\n", "220||\n");
	EXPECT("250-mx.test\r\n250-SIZE 1000\r\n250 DSN\r\n", "250||mx.test/SIZE 1000/DSN\n");
	EXPECT("250-\r\n250\r\n", "250||/\n");
	EXPECT("550 5.1.1 no\r\n250 2.0.0 ok\r\n", "550|5.1.1|no\n250|2.0.0|ok\n");
	EXPECT("550-5.1.1 no\r\n550-5.1.1 such\r\n550 5.1.1 user\r\n", "550|5.1.1|no/such/user\n");
	EXPECT("550-5.1.1 no\r\n550 5.1.10 user\r\n", "550|5.1.1|no/5.1.10 user\n");
	EXPECT("299 ok\r\n459 later\r\n599 no\r\n", "299||ok\n459||later\n599||no\n");
}

static void test_replies_of_the_world(void **state)
{
	(void)state;
	EXPECT("220 mx.test\n", "220||mx.test\n");
	EXPECT("250-a\n250 b\r\n", "250||a/b\n");
	EXPECT("220 a\rb\r\r\n", "220||a\rb\r\n");
	EXPECT("220 m\0x\xff ready\r\n", "220||m\0x\xff ready\n");
	EXPECT("250 5.1.1 fine\r\n", "250||5.1.1 fine\n");
	EXPECT("250 2.0.0 que", "...\n");
	EXPECT("250 ok\r", "...\n");
	EXPECT("2", "...\n");
	EXPECT("250-more to come\r\n", "...\n");
}

static void test_what_is_no_reply(void **state)
{
	(void)state;
	EXPECT("SSH-2.0-Open\r\n", "!a line that does not begin with three digits\n");
	EXPECT("\r\n", "!a line that does not begin with three digits\n");
	EXPECT("25\r\n", "!a line that does not begin with three digits\n");
	EXPECT("2200 mx.test\r\n", "!a reply code that is not followed by a blank or a hyphen\n");
	EXPECT("850 rubbish\r\n", "!a reply code that is not between 200 and 599\n");
	EXPECT("150 soon\r\n", "!a reply code that is not between 200 and 599\n");
	EXPECT("250-a\r\n500 b\r\n", "!lines of one reply with different codes\n");
	EXPECT("250 ok\r\nwhat\r\n", "250||ok\n!a line that does not begin with three digits\n");
}

static void add_times(struct outbuf *out, const char *text, unsigned n)
{
	while (n--)
		outbuf_add(out, slice_of(text));
}

/* The text is cut at the caps, the step is kept: the next reply is read right. */
static void test_long_lines_are_cut(void **state)
{
	struct outbuf in = {0}, want = {0};

	(void)state;
	add_times(&in, "550 5.1.1 ", 1);
	add_times(&in, "x", 8000);
	add_times(&in, "\r\n250 ok\r\n", 1);
	add_times(&want, "550|5.1.1|", 1);
	add_times(&want, "x", REPLY_LINE_MAX - 6);
	add_times(&want, "\n250||ok\n", 1);
	expect(outbuf_slice(&in), outbuf_slice(&want));
	outbuf_free(&in);
	outbuf_free(&want);
}

static void test_many_lines_are_bounded(void **state)
{
	struct outbuf in = {0}, got = {0};
	struct reply_parser parser = {0};

	(void)state;
	add_times(&in, "250-X-KEYWORD\r\n", REPLY_LINES_MAX - 1);
	add_times(&in, "250 X-END\r\n", 1);
	describe(&parser, outbuf_slice(&in), in.len, &got);
	assert_true(slice_ends_nocase(outbuf_slice(&got), SLICE("/X-END\n")));

	reply_reset(&parser);
	outbuf_reset(&in);
	outbuf_reset(&got);
	add_times(&in, "220-line\r\n", 10000);
	describe(&parser, outbuf_slice(&in), 100, &got);
	assert_true(slice_is(outbuf_slice(&got), SLICE("!a reply of too many lines\n")));
	outbuf_free(&in);
	outbuf_free(&got);
	reply_free(&parser);
}

static void test_endless_lines_are_bounded(void **state)
{
	struct reply_parser parser = {0};
	struct outbuf in = {0}, got = {0};

	(void)state;
	add_times(&in, "220 ", 1);
	add_times(&in, "x", 2 * REPLY_BYTES_MAX);
	describe(&parser, outbuf_slice(&in), 1000, &got);
	assert_true(slice_is(outbuf_slice(&got), SLICE("!a reply that does not end\n")));
	assert_true(parser.text.size <= 2 * REPLY_LINE_MAX);
	assert_int_equal(parser.text.len, REPLY_LINE_MAX);

	/* And text that fits by lines but not as a whole is cut, not refused. */
	reply_reset(&parser);
	outbuf_reset(&in);
	outbuf_reset(&got);
	for (unsigned i = 0; i < 40; i++) {
		add_times(&in, "250-", 1);
		add_times(&in, "y", 4000);
		add_times(&in, "\r\n", 1);
	}
	add_times(&in, "250 end\r\n220 next\r\n", 1);
	describe(&parser, outbuf_slice(&in), 333, &got);
	assert_true(slice_ends_nocase(outbuf_slice(&got), SLICE("\n220||next\n")));
	outbuf_free(&in);
	outbuf_free(&got);
	reply_free(&parser);
}

static void test_a_reply_is_let_go_when_it_is_whole(void **state)
{
	struct reply_parser parser = {0};
	struct slice front = SLICE("250-one\r\n250 two"), end = SLICE("\r\n");
	struct reply reply;

	(void)state;
	assert_false(reply_feed(&parser, &front, &reply));
	reply_let_go(&parser);
	assert_true(reply_feed(&parser, &end, &reply));
	assert_true(slice_is(reply.text, SLICE("one\ntwo")));
	reply_let_go(&parser);
	assert_null(parser.text.ptr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies_of_the_standard),
		cmocka_unit_test(test_replies_of_the_world),
		cmocka_unit_test(test_what_is_no_reply),
		cmocka_unit_test(test_long_lines_are_cut),
		cmocka_unit_test(test_many_lines_are_bounded),
		cmocka_unit_test(test_endless_lines_are_bounded),
		cmocka_unit_test(test_a_reply_is_let_go_when_it_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
