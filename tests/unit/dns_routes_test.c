/* Routes that do not come from the DNS, what their results mean, and resolv.conf. */
#include "dns/dns.h"
#include "dns/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void fixed_routes_keep_their_order(void **state)
{
	struct address addresses[2];

	(void)state;
	assert_true(address_parse(&addresses[0], SLICE("[192.0.2.25]:2525"), 25));
	assert_true(address_parse(&addresses[1], SLICE("[2001:db8::1]"), 25));
	struct routes *routes = routes_fixed(SLICE("partner.example"), addresses, 2);

	assert_int_equal(routes->result, ROUTES_FOUND);
	assert_int_equal(routes->nroutes, 2);
	for (unsigned i = 0; i < 2; i++) {
		struct address address = routes_address(routes, i);

		assert_true(address_is_equal(&address, &addresses[i]));
	}
	assert_true(slice_is(routes->hosts[routes->route[0].host], SLICE("192.0.2.25")));
	assert_true(slice_is(routes->domain, SLICE("partner.example")));
	assert_ptr_equal(routes_keep(routes), routes);
	routes_free(routes);
	assert_int_equal(routes->refs, 1);
	routes_free(routes);
}

static void results_have_outcomes(void **state)
{
	static const struct {
		enum routes_result result;
		enum action action;
		enum category category;
		const char *enhanced;
	} cases[] = {
		{ROUTES_NO_DOMAIN, ACTION_NEVER, CATEGORY_BAD_DOMAIN, "5.1.2"},
		{ROUTES_NULL_MX, ACTION_NEVER, CATEGORY_BAD_DOMAIN, "5.1.10"},
		{ROUTES_NO_ADDRESS, ACTION_NEVER, CATEGORY_NO_ROUTE, "5.4.4"},
		{ROUTES_FORBIDDEN, ACTION_NEVER, CATEGORY_NO_ROUTE, "5.4.4"},
		{ROUTES_LOOP, ACTION_NEVER, CATEGORY_NO_ROUTE, "5.4.6"},
		{ROUTES_LATER, ACTION_LATER, CATEGORY_NETWORK, "4.4.3"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct routes head = {.result = cases[i].result, .domain = SLICE("a.example"), .reason = "because"};
		struct routes *routes = routes_make(&head);
		struct outcome outcome = routes_outcome(routes);

		assert_int_equal(outcome.verdict.action, cases[i].action);
		assert_int_equal(outcome.verdict.scope, SCOPE_SITE);
		assert_int_equal(outcome.verdict.category, cases[i].category);
		assert_false(outcome.verdict.suppress);
		assert_int_equal(outcome.stage, STAGE_DNS);
		assert_true(outcome.attempted);
		assert_string_equal(outcome.enhanced, cases[i].enhanced);
		assert_true(slice_is(outcome.text, SLICE("because")));
		routes_free(routes);
	}
	assert_string_equal(routes_result_name(ROUTES_NULL_MX), "null MX");
}

static void resolv_conf_gives_servers(void **state)
{
	static const char text[] = "# nameserver 192.0.2.9\n"
				   "search example\n"
				   "nameserver 192.0.2.1\r\n"
				   "nameservers 192.0.2.8\n"
				   "nameserver\n"
				   "nameserver nonsense\n"
				   "  nameserver\t2001:db8::1  # second\n"
				   "nameserver 127.0.0.1:5353\n"
				   "nameserver 127.0.0.1#5354\n"
				   "nameserver 127.0.0.1#99999\n"
				   "nameserver 192.0.2.5";
	static const char *const expected[] = {"192.0.2.1:53", "[2001:db8::1]:53", "127.0.0.1:5353", "127.0.0.1:5354",
					       "192.0.2.5:53"};
	struct address servers[8];
	char room[ADDRESS_TEXT_MAX];

	(void)state;
	assert_int_equal(dns_read_resolv_conf(slice_of(text), servers, 8), 5);
	for (size_t i = 0; i < 5; i++)
		assert_true(slice_is(address_text(&servers[i], room), slice_of(expected[i])));
	assert_int_equal(dns_read_resolv_conf(slice_of(text), servers, 2), 2);
	assert_int_equal(dns_read_resolv_conf(SLICE_NONE, servers, 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixed_routes_keep_their_order),
		cmocka_unit_test(results_have_outcomes),
		cmocka_unit_test(resolv_conf_gives_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
