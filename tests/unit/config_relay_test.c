/* Relays as they are read, whose mail they take, and which limits hold for it. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/config_reading.h"

static char password_file[] = "/tmp/hikyaku-password-XXXXXX";

static const char text[] = "hostname = mta.test\n"
			   "relay \"ses\" { host = \"SMTP.Relay.example:2587\" user = \"u\" password-file = \"%s\"\n"
			   "  rate = 14/s connections = 3 }\n"
			   "relay \"first\" { host = \"smtps.example:465\" tls = required }\n"
			   "relay \"inner\" { host = \"[2001:db8::1]\" tls = opportunistic implicit-tls = false }\n"
			   "domain \"*\" { relay = \"ses\" connections = 7 window = 2 }\n"
			   "domain \"a.test\" { relay = \"first\" tls = none connections = 5 }\n"
			   "domain \"*.b.test\" { relay = \"inner\" }\n"
			   "domain \"c.b.test\" { route = { 192.0.2.1 } }\n"
			   "domain \"d.b.test\" { tls = none }\n%s";

static struct config *relays(const char *more)
{
	char all[2048];

	snprintf(all, sizeof(all), text, password_file, more);
	return accepted(all);
}

static void test_reading(void **state)
{
	struct config *config = relays("");
	char room[ADDRESS_TEXT_MAX];

	(void)state;
	assert_int_equal(config->nrelays, 3);
	is(config->relays[0].host_name, "smtp.relay.example");
	assert_int_equal(config->relays[0].port, 2587);
	assert_int_equal(config->relays[0].address.len, 0);
	is(config->relays[0].user, "u");
	is(config->relays[0].password, "pass word");
	assert_false(config->relays[0].implicit_tls);
	assert_int_equal(config->relays[1].port, 465);
	assert_true(config->relays[1].implicit_tls);
	is(config->relays[1].user, "");
	is(address_text(&config->relays[2].address, room), "[2001:db8::1]:587");
	config_free(config);
}

static void relayed(const struct config *config, struct slice domain, const char *expected)
{
	const struct config_relay *relay = config_relay_of(config, domain);

	is(relay ? relay->name : SLICE("none"), expected);
}

static void test_whose_mail(void **state)
{
	struct config *config = relays(""), *diverted = relays("divert = \"[127.0.0.1]:2525\"\n");

	(void)state;
	relayed(config, SLICE("anything.example"), "ses");
	relayed(config, SLICE("a.test"), "first");
	relayed(config, SLICE("x.b.test"), "inner");
	relayed(config, SLICE("c.b.test"), "none");
	relayed(config, SLICE("d.b.test"), "inner");
	relayed(diverted, SLICE("a.test"), "none");
	config_free(config);
	config_free(diverted);
}

static struct limits of(const struct config *config, struct slice domain)
{
	return config_limits(config, domain, SLICE_NONE, SLICE_NONE, NULL);
}

/* What a relay demands of a connection is not a domain's to change: its password is at stake. */
static void test_limits(void **state)
{
	struct config *config = relays("");

	(void)state;
	assert_int_equal(of(config, SLICE("anything.example")).tls, TLS_VERIFIED);
	assert_int_equal(of(config, SLICE("anything.example")).sts, 0);
	assert_int_equal(of(config, SLICE("anything.example")).connections, 3);
	assert_int_equal(of(config, SLICE("anything.example")).window, 2);
	assert_int_equal(of(config, SLICE("anything.example")).rate.count, 14);
	assert_int_equal(of(config, SLICE("a.test")).tls, TLS_REQUIRED);
	assert_int_equal(of(config, SLICE("a.test")).connections, 5);
	assert_int_equal(of(config, SLICE("a.test")).rate.count, 0);
	assert_int_equal(of(config, SLICE("d.b.test")).tls, TLS_OPPORTUNISTIC);
	assert_int_equal(of(config, SLICE("c.b.test")).tls, TLS_OPPORTUNISTIC);
	assert_int_equal(of(config, SLICE("c.b.test")).sts, 1);
	config_free(config);
}

static void test_why(void **state)
{
	struct config *config = relays("");
	struct outbuf why = {0};

	(void)state;
	config_limits(config, SLICE("a.test"), SLICE_NONE, SLICE_NONE, &why);
	outbuf_byte(&why, '\0');
	assert_non_null(strstr(why.ptr, "tls required: test.conf:4 relay \"first\"\n"));
	assert_non_null(strstr(why.ptr, "connections 5: test.conf:7 domain \"a.test\"\n"));
	outbuf_free(&why);
	config_free(config);
}

static int begin(void **state)
{
	int fd = mkstemp(password_file);
	bool good = fd >= 0 && write(fd, "pass word\nand no more\n", 22) == 22;

	(void)state;
	close(fd);
	return good ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	unlink(password_file);
	outbuf_free(&problems);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_whose_mail),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_why),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
