/* Addresses: text in, text out, equal, and which of them no mail may go to. */
#include "base/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static struct address parsed(const char *text)
{
	struct address address;

	if (!address_parse(&address, slice_of(text), 25))
		fail_msg("not an address: %s", text);
	return address;
}

static void test_parse_and_text(void **state)
{
	static const struct {
		const char *text, *full, *ip;
		uint16_t port;
	} cases[] = {
		{"192.0.2.1", "192.0.2.1:25", "192.0.2.1", 25},
		{"192.0.2.1:2525", "192.0.2.1:2525", "192.0.2.1", 2525},
		{"[192.0.2.1]", "192.0.2.1:25", "192.0.2.1", 25},
		{"[192.0.2.1]:65535", "192.0.2.1:65535", "192.0.2.1", 65535},
		{"2001:db8::1", "[2001:db8::1]:25", "2001:db8::1", 25},
		{"[2001:DB8:0::1]:587", "[2001:db8::1]:587", "2001:db8::1", 587},
		{"[::]", "[::]:25", "::", 25},
		{"::ffff:192.0.2.1", "[::ffff:192.0.2.1]:25", "::ffff:192.0.2.1", 25},
		{"unix:/run/redis.sock", "unix:/run/redis.sock", "unix:/run/redis.sock", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address address = parsed(cases[i].text), again;
		char room[ADDRESS_TEXT_MAX];

		assert_string_equal(address_text(&address, room).ptr, cases[i].full);
		assert_true(address_parse(&again, slice_of(room), 1));
		assert_true(address_is_equal(&address, &again));
		assert_string_equal(address_ip_text(&address, room).ptr, cases[i].ip);
		assert_int_equal(address_port(&address), cases[i].port);
	}
}

static void test_parse_refuses(void **state)
{
	static const char *const bad[] = {
		"",
		"host.example",
		"192.0.2",
		"192.0.2.256",
		"192.0.2.1:",
		"192.0.2.1:x",
		"192.0.2.1:65536",
		"192.0.2.1:-1",
		"192.0.2.1 ",
		"[192.0.2.1",
		"[192.0.2.1]x",
		"[192.0.2.1]25",
		"[192.0.2.1]:",
		"[]",
		"[",
		"[]:25",
		"2001:db8:::1",
		"fe80::1%eth0",
		"unix:",
		"12345",
		"1.2.3.4.5",
		":25",
		"[2001:db8::1]:1:2",
		"1.2.3.4:25:26",
		"0x7f.0.0.1",
	};
	char path[200] = "unix:/";
	struct address address;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (address_parse(&address, slice_of(bad[i]), 25))
			fail_msg("taken for an address: %s", bad[i]);
	assert_false(address_parse(&address, SLICE("192.0.2.1\0.example"), 25));
	assert_false(address_parse(&address, SLICE("unix:/run\0/x"), 25));
	assert_false(address_parse(&address, SLICE_NONE, 25));
	memset(path + 6, 'x', sizeof(path) - 7);
	assert_false(address_parse(&address, (struct slice){path, 5 + 108}, 25));
	assert_true(address_parse(&address, (struct slice){path, 5 + 107}, 25));
	assert_int_equal(strlen(address.un.sun_path), 107);
	char room[ADDRESS_TEXT_MAX];

	assert_int_equal(address_text(&address, room).len, 5 + 107);
}

static void test_none(void **state)
{
	struct address none = {0}, some = parsed("192.0.2.1");
	char room[ADDRESS_TEXT_MAX];

	(void)state;
	assert_int_equal(address_text(&none, room).len, 0);
	assert_int_equal(address_ip_text(&none, room).len, 0);
	assert_int_equal(address_port(&none), 0);
	assert_true(address_is_equal(&none, &none));
	assert_false(address_is_equal(&none, &some));
	assert_true(address_is_private(&none));
}

static void test_endpoint(void **state)
{
	static const char *const texts[] = {"192.0.2.1:2525", "[2001:db8::1]:25"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct address before, after;

		assert_true(address_parse(&before, slice_of(texts[i]), 1));
		struct endpoint endpoint = endpoint_of(&before);

		after = address_of(&endpoint.sa);
		assert_true(address_is_equal(&before, &after));
		assert_int_equal(address_port(&after), i ? 25 : 2525);
	}
}

static void test_equal(void **state)
{
	static const char *const all[] = {"192.0.2.1:25",     "192.0.2.1:26",	  "192.0.2.2:25", "[2001:db8::1]:25",
					  "[2001:db8::2]:25", "[2001:db8::1]:26", "unix:/a",	  "unix:/b"};

	(void)state;
	for (size_t i = 0; i < 8; i++)
		for (size_t j = 0; j < 8; j++) {
			struct address a = parsed(all[i]), b = parsed(all[j]);

			assert_int_equal(address_is_equal(&a, &b), i == j);
		}
}

/* First and last of each range. */
static const char *const private[] = {
	"0.0.0.0",
	"0.255.255.255",
	"10.0.0.0",
	"10.255.255.255",
	"100.64.0.0",
	"100.127.255.255",
	"127.0.0.1",
	"127.255.255.255",
	"169.254.0.0",
	"169.254.255.255",
	"172.16.0.0",
	"172.31.255.255",
	"192.0.0.0",
	"192.0.0.255",
	"192.168.0.0",
	"192.168.255.255",
	"198.18.0.0",
	"198.19.255.255",
	"224.0.0.1",
	"239.255.255.255",
	"240.0.0.0",
	"255.255.255.255",
	"::",
	"::1",
	"fc00::",
	"fdff:ffff::1",
	"fe80::1",
	"febf::1",
	"fec0::1",
	"feff::1",
	"ff02::1",
	"100::1",
	"::ffff:127.0.0.1",
	"::ffff:10.1.2.3",
	"::ffff:0:127.0.0.1",
	"64:ff9b::10.0.0.1",
	"64:ff9b:1::1",
	"2002:7f00:1::1",
	"2002:a00:1::1",
	"::127.0.0.1",
	"::10.0.0.1",
	"unix:/run/x",
};
/* And their neighbours outside. */
static const char *const public[] = {
	"1.0.0.0",	   "9.255.255.255",    "11.0.0.0",
	"100.63.255.255",  "100.128.0.0",      "126.255.255.255",
	"128.0.0.0",	   "169.253.255.255",  "169.255.0.0",
	"172.15.255.255",  "172.32.0.0",       "192.0.1.0",
	"192.167.255.255", "192.169.0.0",      "198.17.255.255",
	"198.20.0.0",	   "223.255.255.255",  "192.0.2.1",
	"198.51.100.1",	   "203.0.113.1",      "2001:db8::1",
	"2a00::1",	   "fbff::1",	       "fe00::1",
	"100:0:0:1::1",	   "::ffff:192.0.2.1", "64:ff9b::192.0.2.1",
	"64:ff9b:2::1",	   "2002:c000:201::1", "::192.0.2.1",
};

static void test_private(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(private) / sizeof(private[0]); i++) {
		struct address address = parsed(private[i]);

		if (!address_is_private(&address))
			fail_msg("should be private: %s", private[i]);
	}
	for (size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++) {
		struct address address = parsed(public[i]);

		if (address_is_private(&address))
			fail_msg("should be public: %s", public[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_and_text), cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_none),	       cmocka_unit_test(test_equal),
		cmocka_unit_test(test_private),	       cmocka_unit_test(test_endpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
