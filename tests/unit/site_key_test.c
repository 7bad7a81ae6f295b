/* What a domain's routes make of it: the name of its site, and which mail may share a connection with its own. */
#include "site_key.h"

#include "dns/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config_reading.h"

/* Hosts as "10 mx1.a.test, 20 mx2.a.test"; each has an address. */
static struct routes *routes_to(const char *text)
{
	struct slice rest = slice_of(text), hosts[ROUTES_MAX];
	struct route route[ROUTES_MAX] = {0};
	unsigned n = 0;

	for (; rest.len; n++) {
		struct slice host = slice_trim(slice_until(&rest, ','));
		struct address address;
		uint64_t preference;

		assert_true(address_parse(&address, SLICE("192.0.2.1"), 25));
		assert_true(slice_number(slice_until(&host, ' '), 100, &preference));
		hosts[n] = host;
		route[n].host = (uint16_t)n;
		route[n].preference = (uint16_t)preference;
		route[n].to = endpoint_of(&address);
	}
	return routes_make(
		&(struct routes){.result = ROUTES_FOUND, .hosts = hosts, .nhosts = n, .route = route, .nroutes = n});
}

static void expect(const struct config *config, const char *domain, const char *hosts, const char *name,
		   const char *rest)
{
	struct routes *routes = routes_to(hosts);
	struct outbuf key = {0};
	size_t len = site_key_write(config, slice_of(domain), routes, &key);
	struct slice found = slice_head(outbuf_slice(&key), len), more = slice_skip(outbuf_slice(&key), len);

	if (!slice_is(found, slice_of(name)) || !slice_is(more, slice_of(rest)))
		fail_msg("%s by %s is \"%.*s\" and \"%.*s\"", domain, hosts, SLICE_ARG(found), SLICE_ARG(more));
	outbuf_reset(&key);
	site_key_name(config, slice_of(domain), routes, &key);
	assert_true(slice_is(outbuf_slice(&key), slice_of(name)));
	outbuf_free(&key);
	routes_free(routes);
}

static void hosts_of_one_name_are_told_apart(void **state)
{
	struct config *config = accepted("site \"big\" { mx = { \"*.big.example\" } }\n");

	(void)state;
	expect(config, "a.test", "10 mx1.big.example, 10 mx2.big.example", "big", " mx1.big.example,mx2.big.example");
	expect(config, "b.test", "10 mx2.big.example, 20 mx1.big.example", "big", " mx1.big.example,mx2.big.example");
	expect(config, "c.test", "10 tenant-c.big.example", "big", " tenant-c.big.example");
	expect(config, "d.test", "10 mx1.host.example", "host.example", " mx1.host.example");
	expect(config, "e.test", "10 mx2.host.example", "host.example", " mx2.host.example");
	expect(config, "f.test", "10 mx.one.example, 10 mx.two.example", "mx.one.example,mx.two.example", "");
	config_free(config);
}

static void limits_of_a_domain_are_for_it_alone(void **state)
{
	struct config *config = accepted("site \"big\" { mx = { \"*.big.example\" }  connections = 10 }\n"
					 "domain \"x.test\" { connections = 2 }\n"
					 "domain \"*.y.test\" { rate = \"1/s\"  connections = 20 }\n"
					 "domain \"p.y.test\" { tls = \"required\" }\n"
					 "domain \"z.test\" { tls = \"required\" }\n");

	(void)state;
	expect(config, "a.test", "10 mx1.big.example", "big", " mx1.big.example");
	expect(config, "x.test", "10 mx1.big.example", "big", " mx1.big.example within x.test");
	expect(config, "b.y.test", "10 mx1.big.example", "big", " mx1.big.example beside *.y.test");
	expect(config, "p.y.test", "10 mx1.big.example", "big", " mx1.big.example beside *.y.test");
	expect(config, "z.test", "10 mx1.big.example", "big", " mx1.big.example");
	expect(config, "x.test", "10 a.one.example, 10 b.two.example", "a.one.example,b.two.example", " within x.test");
	config_free(config);
}

static void a_stranger_is_not_the_provider_whose_host_he_names(void **state)
{
	struct config *config = accepted("site \"big\" { mx = { \"*.big.example\" } }\n");

	(void)state;
	expect(config, "s.test", "10 mx.stranger.example, 20 mx1.big.example", "stranger.example",
	       " mx.stranger.example,mx1.big.example");
	expect(config, "s.test", "10 mx.stranger.example, 10 mx1.big.example", "mx.stranger.example,mx1.big.example",
	       "");
	expect(config, "s.test", "10 mx1.big.example, 20 mx.stranger.example", "big",
	       " mx.stranger.example,mx1.big.example");
	config_free(config);
}

static void routes_of_the_configuration_are_their_addresses(void **state)
{
	struct config *config = accepted("domain \"a.test\" { route = { 192.0.2.1, 192.0.2.2 } }\n"
					 "domain \"b.test\" { route = { 192.0.2.1, 192.0.2.3 } }\n"
					 "domain \"c.test\" { route = { 192.0.2.1 } }\n");

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		const char *domains[] = {"a.test", "b.test", "c.test"};
		const char *rests[] = {" 192.0.2.1:25,192.0.2.2:25", " 192.0.2.1:25,192.0.2.3:25", " 192.0.2.1:25"};
		const struct config_domain *section = config_route(config, slice_of(domains[i]));
		struct routes *routes = routes_fixed(slice_of(domains[i]), section->routes, section->nroutes);
		struct outbuf key = {0};
		size_t len = site_key_write(config, slice_of(domains[i]), routes, &key);

		assert_true(slice_is(slice_head(outbuf_slice(&key), len), SLICE("192.0.2.1:25")));
		assert_true(slice_is(slice_skip(outbuf_slice(&key), len), slice_of(rests[i])));
		outbuf_free(&key);
		routes_free(routes);
	}
	config_free(config);
}

/* Whatever hosts it has now: another host or port in the configuration is another site, and not the old one's
 * connections. */
static void a_relay_is_its_host(void **state)
{
	struct config *config = accepted("relay \"ses\" { host = \"smtp.relay.example\" }\n"
					 "site \"big\" { domains = { a.test } }\n"
					 "domain \"*\" { relay = \"ses\" }\n");

	(void)state;
	expect(config, "a.test", "0 smtp.relay.example", "relay ses", " smtp.relay.example:587");
	expect(config, "b.test", "0 old.relay.example", "relay ses", " smtp.relay.example:587");
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_of_one_name_are_told_apart),
		cmocka_unit_test(limits_of_a_domain_are_for_it_alone),
		cmocka_unit_test(a_stranger_is_not_the_provider_whose_host_he_names),
		cmocka_unit_test(routes_of_the_configuration_are_their_addresses),
		cmocka_unit_test(a_relay_is_its_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
