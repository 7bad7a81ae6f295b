/* The ground floor, function by function: slices, lists, maps, arenas, pools, buffers and their JSON, packs, UTF-8,
 * chance. What is printed to the log is for log_printable only. */
#include "base/arena.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/outbuf.h"
#include "base/pack.h"
#include "base/pool.h"
#include "base/random.h"
#include "base/slice.h"
#include "base/stat.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define assert_slice(s, text) assert_true(slice_is((s), SLICE(text)))

static void test_slice_compare(void **state)
{
	(void)state;
	assert_true(slice_is(SLICE("a\0b"), SLICE("a\0b")));
	assert_false(slice_is(SLICE("a\0b"), SLICE("a\0c")));
	assert_false(slice_is(SLICE("a"), SLICE("ab")));
	assert_true(slice_is(SLICE_NONE, SLICE("")));
	assert_slice(slice_of(NULL), "");
	assert_slice(slice_of("text"), "text");
	assert_true(slice_is_nocase(SLICE("EhLo"), SLICE("ehlo")));
	assert_false(slice_is_nocase(SLICE("ehl@"), SLICE("ehl`"))); /* letters only */
	assert_false(slice_is_nocase(SLICE("\xc4"), SLICE("\xe4"))); /* of ASCII */
	assert_true(slice_starts(SLICE("abc"), SLICE("ab")) && slice_starts(SLICE("abc"), SLICE("")));
	assert_false(slice_starts(SLICE("ab"), SLICE("abc")) || slice_starts(SLICE("abc"), SLICE("b")));
	assert_true(slice_starts_nocase(SLICE("Return-Path:"), SLICE("return-")));
	assert_false(slice_starts_nocase(SLICE("Re"), SLICE("return-")));
	assert_true(slice_ends_nocase(SLICE("mx.A.Example"), SLICE(".a.example")));
	assert_false(slice_ends_nocase(SLICE("example"), SLICE("a.example")));
	assert_true(slice_order(SLICE("a"), SLICE("ab")) < 0 && slice_order(SLICE("b"), SLICE("ab")) > 0);
	assert_true(slice_order(SLICE("\xff"), SLICE("a")) > 0 && slice_order(SLICE_NONE, SLICE("")) == 0);
}

static void test_slice_cut(void **state)
{
	struct slice line = SLICE("MAIL FROM:<a@b.example> SIZE=1"), word;

	(void)state;
	assert_int_equal(slice_find(SLICE("a.b.c"), '.'), 1);
	assert_int_equal(slice_find_pair(SLICE("a{b{{c"), '{', '{'), 3);
	assert_int_equal(slice_find_pair(SLICE("{.{"), '{', '{'), 3);
	assert_int_equal(slice_find_pair(SLICE("\n.x\n."), '\n', '.'), 0);
	assert_int_equal(slice_find_pair(SLICE_NONE, '{', '{'), 0);
	assert_int_equal(slice_find_last(SLICE("a.b.c"), '.'), 3);
	assert_int_equal(slice_find(SLICE("abc"), '.'), 3);
	assert_int_equal(slice_find_last(SLICE_NONE, '.'), 0);
	assert_slice(slice_skip(SLICE("abc"), 1), "bc");
	assert_slice(slice_skip(SLICE("abc"), 9), "");
	assert_slice(slice_head(SLICE("abc"), 2), "ab");
	assert_slice(slice_head(SLICE("abc"), 9), "abc");
	assert_int_equal(slice_skip(SLICE_NONE, 5).len, 0);
	assert_slice(slice_trim(SLICE(" \t a b \r\n")), "a b");
	assert_slice(slice_trim(SLICE(" \r\n")), "");
	word = slice_until(&line, ' ');
	assert_slice(word, "MAIL");
	assert_slice(slice_until(&line, ':'), "FROM");
	assert_slice(slice_until(&line, '|'), "<a@b.example> SIZE=1");
	assert_slice(slice_until(&line, ' '), "");
	line = SLICE("x ");
	slice_until(&line, ' ');
	assert_int_equal(line.len, 0);
}

static void test_slice_number(void **state)
{
	uint64_t n = 77;

	(void)state;
	assert_true(slice_number(SLICE("0"), 0, &n) && n == 0);
	assert_true(slice_number(SLICE("0042"), 100, &n) && n == 42);
	assert_true(slice_number(SLICE("18446744073709551615"), UINT64_MAX, &n) && n == UINT64_MAX);
	assert_true(slice_number(SLICE("65535"), 65535, &n) && n == 65535);
	n = 77;
	assert_false(slice_number(SLICE("18446744073709551616"), UINT64_MAX, &n));
	assert_false(slice_number(SLICE("99999999999999999999999"), UINT64_MAX, &n));
	assert_false(slice_number(SLICE("65536"), 65535, &n) || slice_number(SLICE("9"), 5, &n));
	assert_false(slice_number(SLICE(""), 10, &n) || slice_number(SLICE("-1"), 10, &n));
	assert_false(slice_number(SLICE("+1"), 10, &n) || slice_number(SLICE("1 "), 10, &n));
	assert_false(slice_number(SLICE("1\0"), 10, &n) || slice_number(SLICE("\xb1"), 10, &n));
	assert_int_equal(n, 77); /* untouched when it says no */
}

/* The hash decides which shard a domain lives in: it may never change. */
static void test_slice_hash_is_for_ever(void **state)
{
	unsigned shards[8] = {0};
	char name[32], *copy;

	(void)state;
	assert_int_equal(slice_hash(SLICE("")), 0xfdbdf6ac4fc52e7fu);
	assert_int_equal(slice_hash(SLICE("a.example")), 0xefa60918665ffde3u);
	for (unsigned i = 0; i < 8000; i++) {
		int len = snprintf(name, sizeof(name), "domain%u.example", i);

		shards[slice_hash((struct slice){name, (size_t)len}) % 8]++;
	}
	for (unsigned i = 0; i < 8; i++)
		assert_in_range(shards[i], 800, 1200);
	copy = slice_copy(SLICE("ab"));
	assert_string_equal(copy, "ab");
	free(copy);
}

struct thing {
	struct list link;
	struct map_node node;
	char name[16];
};

static void test_list(void **state)
{
	struct list head;
	struct thing things[5];
	unsigned walked = 0;

	(void)state;
	list_init(&head);
	assert_null(list_first(&head));
	assert_null(list_pop(&head));
	for (int i = 0; i < 4; i++)
		list_push(&head, &things[i].link);
	list_push_front(&head, &things[4].link);
	assert_ptr_equal(LIST_OWNER(list_first(&head), struct thing, link), &things[4]);
	LIST_EACH (link, &head) {
		if (walked++ % 2)
			list_remove(link);
	}
	assert_int_equal(walked, 5);
	list_remove(&things[0].link); /* already off: no harm */
	assert_ptr_equal(list_pop(&head), &things[4].link);
	assert_ptr_equal(list_pop(&head), &things[1].link);
	assert_ptr_equal(list_pop(&head), &things[3].link);
	assert_true(list_is_empty(&head));
}

static void test_map(void **state)
{
	enum { MANY = 5000 };
	struct thing *things = calloc(MANY, sizeof(*things));
	struct map map = {0};
	size_t seen = 0;

	(void)state;
	assert_null(map_find(&map, SLICE("x")));
	MAP_EACH (node, &map)
		seen += node != NULL;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(things[i].name, sizeof(things[i].name), "key%u", i);
		map_add(&map, &things[i].node, slice_of(things[i].name));
	}
	assert_int_equal(map.count, MANY);
	for (unsigned i = 0; i < MANY; i++)
		assert_ptr_equal(MAP_OWNER(map_find(&map, slice_of(things[i].name)), struct thing, node), &things[i]);
	assert_null(map_find(&map, SLICE("key5000")));
	MAP_EACH (node, &map) {
		if (++seen % 2)
			map_remove(&map, node);
	}
	assert_int_equal(seen, MANY);
	assert_int_equal(map.count, MANY / 2);
	seen = 0;
	for (unsigned i = 0; i < MANY; i++)
		seen += map_find(&map, slice_of(things[i].name)) != NULL;
	assert_int_equal(seen, MANY / 2);
	map_free(&map);
	assert_null(map_find(&map, SLICE("key1")));
	free(things);
}

static void test_map_with_keys_elsewhere(void **state)
{
	static const char *const names[] = {"a.example", "b.example", ""};
	struct map_far things[3];
	struct thing near = {.name = "c.example"};
	struct map map = {0};

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		map_add_far(&map, &things[i], slice_of(names[i]));
	map_add(&map, &near.node, slice_of(near.name));
	for (unsigned i = 0; i < 3; i++) {
		assert_ptr_equal(map_find(&map, slice_of(names[i])), &things[i].node);
		assert_ptr_equal(map_key(&things[i].node).ptr, names[i]);
	}
	assert_ptr_equal(map_find(&map, SLICE("c.example")), &near.node);
	map_remove(&map, &things[1].node);
	assert_null(map_find(&map, SLICE("b.example")));
	assert_int_equal(map.count, 3);
	map_free(&map);
}

static void test_arena(void **state)
{
	struct arena arena = {0};
	char *first, *parts[200];

	(void)state;
	arena_reset(&arena);
	first = arena_alloc(&arena, 1);
	for (unsigned i = 0; i < 200; i++) {
		size_t n = i * 101 % 9000;

		parts[i] = arena_alloc(&arena, n);
		assert_int_equal((uintptr_t)parts[i] % 16, 0);
		memset(parts[i], (int)i, n);
	}
	for (unsigned i = 0; i < 200; i++)
		for (size_t j = 0; j < i * 101 % 9000; j++)
			assert_int_equal((unsigned char)parts[i][j], i);
	assert_string_equal(arena_string(&arena, SLICE("text")), "text");
	assert_string_equal(arena_string(&arena, SLICE_NONE), "");
	assert_slice(arena_copy(&arena, SLICE("a\0b")), "a\0b");
	arena_reset(&arena);
	assert_ptr_equal(arena_alloc(&arena, 1), first); /* the first chunk was kept */
	arena_free(&arena);
	assert_null(arena.chunk);
	arena_free(&arena);
}

static void test_arena_of_what_was_announced(void **state)
{
	struct arena arena = {0};

	(void)state;
	arena_expect(&arena, 100);
	arena_expect(&arena, 1000);
	char *first = arena_alloc(&arena, 1000), *second = arena_alloc(&arena, 100);

	assert_in_range(malloc_usable_size(arena.chunk), 1100, 1400);
	assert_ptr_equal(second, first + 1008); /* of the same chunk */
	memset(first, 1, 1100);
	arena_alloc(&arena, 1); /* nobody said anything of this one */
	assert_in_range(malloc_usable_size(arena.chunk), 4000, 5000);
	arena_free(&arena);
}

static void test_pool(void **state)
{
	enum { LIMIT = 150 };
	struct pool pool;
	char *objects[LIMIT];

	(void)state;
	pool_init(&pool, 24, LIMIT);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < LIMIT; i++) {
			objects[i] = pool_take(&pool);
			assert_non_null(objects[i]);
			for (int j = 0; j < 24; j++)
				assert_int_equal(objects[i][j], 0); /* cleared each time */
			memset(objects[i], i, 24);
		}
		assert_null(pool_take(&pool));
		for (int i = 0; i < LIMIT; i++)
			for (int j = 0; j < 24; j++)
				assert_int_equal((unsigned char)objects[i][j], i); /* none overlaps */
		for (int i = 0; i < LIMIT; i++)
			pool_give(&pool, objects[i]);
	}
	assert_int_equal(pool.taken, 0);
	pool_free(&pool);
}

static void test_outbuf(void **state)
{
	struct outbuf out = {0};
	char big[1000];

	(void)state;
	memset(big, 'b', sizeof(big) - 1);
	big[999] = '\0';
	outbuf_add(&out, SLICE_NONE);
	assert_int_equal(out.len, 0);
	outbuf_printf(&out, "%s-%d", "a", 7);
	outbuf_byte(&out, '\0');
	outbuf_number(&out, 0);
	outbuf_number(&out, 18446744073709551615u);
	assert_slice(outbuf_slice(&out), "a-7\0"
					 "0"
					 "18446744073709551615");
	outbuf_reset(&out);
	outbuf_printf(&out, "<%s>", big);
	assert_int_equal(out.len, 1001);
	assert_int_equal(out.ptr[1000], '>');
	outbuf_reset(&out);
	for (unsigned i = 0; i < 100000; i++)
		outbuf_byte(&out, (char)i);
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(out.ptr[i], (char)i);
	memcpy(outbuf_room(&out, 3), "xyz", 3);
	out.len += 3;
	assert_slice(slice_skip(outbuf_slice(&out), 100000), "xyz");
	outbuf_free(&out);
	assert_int_equal(out.size, 0);
}

static void test_json(void **state)
{
	static const struct {
		struct slice text, json;
	} cases[] = {
		{SLICE(""), SLICE("\"\"")},
		{SLICE_NONE, SLICE("\"\"")},
		{SLICE("plain"), SLICE("\"plain\"")},
		{SLICE("\"q\" \\ /"), SLICE("\"\\\"q\\\" \\\\ /\"")},
		{SLICE("a\r\n\tb"), SLICE("\"a\\r\\n\\tb\"")},
		{SLICE("\0\x1f\x7f"), SLICE("\"\\u0000\\u001f\\u007f\"")},
		{SLICE("z\xc3\xbcrich \xf0\x9f\x93\xa7"), SLICE("\"z\xc3\xbcrich \xf0\x9f\x93\xa7\"")},
		{SLICE("\xfcml\xe4ut"), SLICE("\"\\\\xfcml\\\\xe4ut\"")},    /* Latin-1 */
		{SLICE("\xc3"), SLICE("\"\\\\xc3\"")},			     /* cut short */
		{SLICE("\xed\xa0\x80"), SLICE("\"\\\\xed\\\\xa0\\\\x80\"")}, /* surrogate */
		{SLICE("\xc0\xaf"), SLICE("\"\\\\xc0\\\\xaf\"")},	     /* overlong */
	};
	struct outbuf out = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		outbuf_reset(&out);
		outbuf_json_string(&out, cases[i].text);
		assert_int_equal(out.len, cases[i].json.len);
		assert_memory_equal(out.ptr, cases[i].json.ptr, out.len);
	}
	outbuf_reset(&out);
	outbuf_byte(&out, '{');
	outbuf_json_text(&out, "to", SLICE("{"));
	outbuf_json_number(&out, "n", 12);
	outbuf_json_raw(&out, "tags", SLICE("{\"a\":1}"));
	outbuf_json_raw(&out, "list", SLICE("[]"));
	outbuf_byte(&out, '}');
	assert_slice(outbuf_slice(&out), "{\"to\":\"{\",\"n\":12,\"tags\":{\"a\":1},\"list\":[]}");
	outbuf_free(&out);
}

static void test_pack(void **state)
{
	struct outbuf out = {0};
	struct pack_entry entry;
	char long_name[255], big[70000] = {0};

	(void)state;
	memset(long_name, 'n', sizeof(long_name));
	pack_add(&out, PACK_TEXT, SLICE("name"), SLICE("Ann"));
	pack_add(&out, PACK_NULL, SLICE(""), SLICE_NONE);
	pack_add(&out, PACK_JSON, (struct slice){long_name, 255}, (struct slice){big, sizeof(big)});
	pack_add(&out, PACK_LITERAL, SLICE("name"), SLICE("2"));
	struct slice pack = outbuf_slice(&out);

	assert_int_equal((unsigned char)pack.ptr[2], 3); /* little endian */
	assert_slice(pack_get(pack, SLICE("name")), "Ann");
	assert_true(pack_find(pack, SLICE(""), &entry) && entry.kind == PACK_NULL && entry.value.len == 0);
	assert_int_equal(pack_get(pack, (struct slice){long_name, 255}).len, sizeof(big));
	assert_null(pack_get(pack, SLICE("nam")).ptr);
	for (size_t cut = 0; cut < pack.len; cut += cut < 300 || cut > pack.len - 20 ? 1 : 997) {
		struct slice part = slice_head(pack, cut), copy = {malloc(cut + 1), cut};
		unsigned entries = 0;

		memcpy((char *)(uintptr_t)copy.ptr, part.ptr, cut);
		part = copy;
		while (pack_next(&part, &entry))
			entries++;
		assert_true(entries < 4);
		free((char *)(uintptr_t)copy.ptr);
	}
	assert_false(pack_next(&(struct slice){"t\x01\xff\xff\xff\xffxxxx", 10}, &entry));
	assert_false(pack_next(&SLICE_NONE, &entry));
	outbuf_free(&out);
}

static void test_utf8(void **state)
{
	static const char *const good[] = {"",
					   "a",
					   "\xc2\x80",
					   "\xdf\xbf",
					   "\xe0\xa0\x80",
					   "\xed\x9f\xbf",
					   "\xee\x80\x80",
					   "\xef\xbf\xbf",
					   "\xf0\x90\x80\x80",
					   "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {
		"\x80",		"\xc0\x80",	    "\xc1\xbf",		"\xc2",		"\xc2\x41",
		"\xe0\x9f\xbf", "\xe1\x80",	    "\xed\xa0\x80",	"\xed\xbf\xbf", "\xf0\x8f\xbf\xbf",
		"\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",		"a\xfe"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(utf8_is_valid(slice_of(good[i])));
		assert_int_equal(utf8_width(slice_of(good[i])), strlen(good[i]));
		assert_int_equal(utf8_is_ascii(slice_of(good[i])), strlen(good[i]) < 2);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(utf8_is_valid(slice_of(bad[i])));
	assert_int_equal(utf8_width((struct slice){"\xe2\x82\xac", 2}), 0); /* ends inside a character */
}

static void test_random(void **state)
{
	struct random one = random_seeded(1), same = random_seeded(1), other = random_seeded(2);
	unsigned faces[6] = {0};

	(void)state;
	assert_int_equal(random_next(&one), random_next(&same));
	assert_int_not_equal(random_next(&one), random_next(&other));
	for (unsigned i = 0; i < 60000; i++)
		faces[random_below(&one, 6)]++;
	for (unsigned i = 0; i < 6; i++)
		assert_in_range(faces[i], 9500, 10500);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(random_below(&one, 1), 0);
	assert_int_not_equal(random_secret(), random_secret());
}

static void test_printable(void **state)
{
	char room[20];

	(void)state;
	assert_string_equal(log_printable(room, sizeof(room), SLICE("250 ok\r\n\xff")), "250 ok\\x0d\\x0a\\xff");
	assert_string_equal(log_printable(room, sizeof(room), SLICE("")), "");
	assert_string_equal(log_printable(room, 1, SLICE("abc")), "");
	assert_true(strlen(log_printable(room, sizeof(room), SLICE("a long line of many words"))) < sizeof(room));
	assert_string_equal(LOG_TEXT(SLICE("x\x1b[31m")), "x\\x1b[31m");
}

static void test_stat(void **state)
{
	static struct stats stats;

	(void)state;
	stat_add(&stats, STAT_OPEN, 5);
	stat_take(&stats, STAT_OPEN, 2);
	assert_int_equal(stat_read(&stats, STAT_OPEN), 3);
	assert_int_equal(stat_read(&stats, STAT_DELIVERED), 0);
	assert_string_equal(stat_name(STAT_DELIVERED), "delivered");
	for (enum stat stat = 0; stat < STAT_COUNT; stat++)
		assert_true(strlen(stat_meaning(stat)) > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slice_compare),
		cmocka_unit_test(test_slice_cut),
		cmocka_unit_test(test_slice_number),
		cmocka_unit_test(test_slice_hash_is_for_ever),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_map_with_keys_elsewhere),
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_arena_of_what_was_announced),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_outbuf),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_pack),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_printable),
		cmocka_unit_test(test_stat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
