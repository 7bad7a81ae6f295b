/* Which of several limits holds, and the line that is said to have decided it; which site and route a domain has. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config_reading.h"

static const char layers[] =
	"domain \"*\" { connections = 1  rate = 10/m }\n"
	"domain \"*.example\" { connections = 2 }\n"
	"domain \"*.b.example\" { connections = 3 }\n"
	"domain \"a.b.example\" { connections = 4 }\n"
	"source \"ip1\" { address = 192.0.2.1 }\n"
	"source \"ip2\" { address = 192.0.2.2 }\n"
	"site \"big\" { mx = { \"*.big.example\" }  connections = 5  window = 2  rate = unlimited\n"
	"	source \"ip1\" { connections = 6 } }\n";

static void test_precedence(void **state)
{
	static const struct {
		const char *domain, *site, *source;
		int connections;
		uint64_t rate;
		int window;
	} rows[] = {
		{"other.test", "", "", 1, 10, 1},	{"x.example", "", "", 2, 10, 1},
		{"example", "", "", 1, 10, 1},		{"x.b.example", "", "", 3, 10, 1},
		{"y.x.b.example", "", "", 3, 10, 1},	{"a.b.example", "", "", 4, 10, 1},
		{"other.test", "big", "", 5, 0, 2},	{"other.test", "big", "ip2", 5, 0, 2},
		{"other.test", "big", "ip1", 6, 0, 2},	{"a.b.example", "big", "ip2", 4, 0, 2},
		{"a.b.example", "big", "ip1", 6, 0, 2}, {"x.example", "big", "ip2", 2, 0, 2},
	};
	struct config *config = accepted(layers);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct limits limits = config_limits(config, slice_of(rows[i].domain), slice_of(rows[i].site),
						     slice_of(rows[i].source), NULL);

		assert_int_equal(limits.connections, rows[i].connections);
		assert_int_equal(limits.rate.count, rows[i].rate);
		assert_int_equal(limits.window, rows[i].window);
	}
	config_free(config);
}

static void test_why(void **state)
{
	struct config *config = accepted("domain \"*\" { connections = 1 }\n"
					 "queue { retry = { 5m } }\n"
					 "source \"ip1\" { address = 192.0.2.1 }\n"
					 "site \"big\" { domains = { a.test }\n"
					 "	rate = 20/5m  burst = 7\n"
					 "	source \"ip1\" { window = 4 } }\n");
	struct outbuf why = {0};
	struct limits limits = config_limits(config, SLICE("a.test"), SLICE("big"), SLICE("ip1"), &why);

	(void)state;
	outbuf_byte(&why, '\0');
	assert_non_null(strstr(why.ptr, "connections 1: test.conf:1 domain \"*\"\n"));
	assert_non_null(strstr(why.ptr, "retry 5m: test.conf:2 queue\n"));
	assert_non_null(strstr(why.ptr, "rate 20/5m: test.conf:5 site \"big\"\n"));
	assert_non_null(strstr(why.ptr, "window 4: test.conf:6 site \"big\" source \"ip1\"\n"));
	assert_non_null(strstr(why.ptr, "expires-after 5d: built-in\n"));
	assert_int_equal(limits.rate.burst, 7);
	assert_int_equal(limits.rate.period_ms, 300000);
	outbuf_free(&why);
	config_free(config);
}

/* A tenant's limits are an axis of their own: nothing is merged into them, and they into nothing. */
static void test_tenants(void **state)
{
	struct config *config = accepted("domain \"*\" { connections = 1  connection-rate = 3/s }\n"
					 "tenant \"acme\" { connections = 20\n"
					 "	connection-rate = 5/m }\n"
					 "tenant \"free\" { connections = unlimited }\n"
					 "tenant \"none\" { }\n");
	const struct limits *limits = &config_tenant_named(config, SLICE("acme"))->limits;
	struct outbuf why = {0};

	(void)state;
	assert_int_equal(limits->connections, 20);
	assert_int_equal(limits->connection_rate.count, 5);
	assert_int_equal(limits->connection_rate.period_ms, 60000);
	assert_int_equal(config_tenant_named(config, SLICE("free"))->limits.connections, LIMIT_UNLIMITED);
	assert_int_equal(config_tenant_named(config, SLICE("none"))->limits.connections, LIMIT_UNSET);
	assert_int_equal(config_limits(config, SLICE("a.test"), SLICE_NONE, SLICE_NONE, NULL).connections, 1);
	config_axis_explain(limits, "tenant", SLICE("acme"), &why);
	outbuf_byte(&why, '\0');
	assert_string_equal(why.ptr, "connections 20: test.conf:2 tenant \"acme\"\n"
				     "connection-rate 5/1m: test.conf:3 tenant \"acme\"\n");
	outbuf_free(&why);
	config_free(config);
}

static void test_sites(void **state)
{
	struct config *config =
		accepted("site \"one\" { mx = { \"*.one.example\", 'mx?one' } }\n"
			 "site \"two\" { mx = { \"*.two.example\" }  domains = { a.test, \"*.b.test\" } }\n"
			 "domain \"*.test\" { route = { 192.0.2.1 } }\n"
			 "domain \"x.y.test\" { connections = 2 }\n"
			 "domain \"y.test\" { route = { 192.0.2.2 } }\n");
	struct slice hosts[] = {SLICE("mx.elsewhere.example"), SLICE("MX1.two.Example"), SLICE("mx.one.example")};

	(void)state;
	assert_null(config_site_of(config, SLICE("c.test"), hosts, 3)); /* all must be of one site */
	assert_null(config_site_of(config, SLICE("c.test"), hosts + 1, 2));
	is(config_site_of(config, SLICE("c.test"), hosts + 1, 1)->name, "two");
	is(config_site_of(config, SLICE("c.test"), hosts + 2, 1)->name, "one");
	is(config_site_of(config, SLICE("a.test"), hosts + 2, 1)->name, "two");
	is(config_site_of(config, SLICE("x.b.test"), NULL, 0)->name, "two");
	assert_null(config_site_of(config, SLICE("b.test"), hosts, 1));
	assert_null(config_site_of(config, SLICE("b.test"), NULL, 0));
	is(config_route(config, SLICE("x.y.test"))->name, "*.test");
	is(config_route(config, SLICE("y.test"))->name, "y.test");
	assert_null(config_route(config, SLICE("test")));
	config_free(config);
}

static int end(void **state)
{
	(void)state;
	outbuf_free(&problems);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_why),
		cmocka_unit_test(test_tenants),
		cmocka_unit_test(test_sites),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
