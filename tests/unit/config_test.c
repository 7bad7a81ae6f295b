/* The configuration as its readers see it: what is accepted and what it becomes, what is refused and on which line, and
 * which of several limits holds. */
#include "config.h"

#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config_reading.h"

static void test_defaults(void **state)
{
	struct config *config = accepted("");
	struct limits limits = config_limits(config, SLICE("a.example"), SLICE_NONE, SLICE_NONE, NULL);

	(void)state;
	assert_int_equal(config->smtp_port, 25);
	assert_true(config->workers >= 1);
	assert_false(config->allow_private);
	assert_int_equal(config->divert, DIVERT_NONE);
	assert_false(config->is_default);
	assert_true(config->redis.embedded);
	is(config->redis.prefix, "hikyaku");
	is(config->redis.fsync, "always");
	is(config->require, "none");
	assert_int_equal(config->redis.shards, 1);
	assert_true(config->dns.nservers >= 1);
	assert_int_equal(config->queue.recipients_max, 10000);
	assert_int_equal(config->queue.message_bytes_max, 25 << 20);
	assert_int_equal(config->queue.variables_bytes_max, 16 << 10);
	assert_int_equal(config->queue.uncertain, UNCERTAIN_RETRY);
	assert_int_equal(config->events.keep_ms, 86400000);
	assert_int_equal(config->events.max, 5000000);
	assert_int_equal(config->events.ngroups, 0);
	assert_int_equal(config->suppression.keep_ms, 180 * 86400000ull);
	assert_int_equal(config->suppression.scope, 0);
	assert_int_equal(config->suppression.invalid_recipient.count, 1);
	assert_int_equal(config->suppression.invalid_recipient.over_ms, 0);
	assert_int_equal(config->suppression.inactive_mailbox.count, 2);
	assert_int_equal(config->suppression.inactive_mailbox.over_ms, 86400000);
	assert_int_equal(config->suppression.bad_domain.count, 3);
	assert_int_equal(config->suppression.bad_domain.over_ms, 3 * 86400000);
	assert_int_equal(config->alarms.spam_percent, 20);
	assert_true(config->alarms.pause);
	assert_int_equal(limits.connections, 10);
	assert_int_equal(limits.messages_per_connection, 100);
	assert_int_equal(limits.recipients_per_message, 100);
	assert_int_equal(limits.window, 1);
	assert_int_equal(limits.rate.count, 0);
	assert_int_equal(limits.total_connections, LIMIT_UNLIMITED);
	assert_int_equal(limits.tls, TLS_OPPORTUNISTIC);
	assert_int_equal(limits.jitter_percent, 20);
	assert_int_equal(limits.retry.nsteps, 5);
	assert_int_equal(limits.retry.step_ms[0], 20 * 60000);
	assert_int_equal(limits.retry.step_ms[4], 4 * 3600000);
	assert_int_equal(limits.expires_after_ms, 5 * 86400000);
	assert_int_equal(limits.timeout_s[TIMEOUT_CONNECT], 30);
	assert_int_equal(limits.timeout_s[TIMEOUT_DATA], 120);
	assert_int_equal(limits.timeout_s[TIMEOUT_EOM], 600);
	assert_int_equal(limits.timeout_s[TIMEOUT_QUIT], 5);
	config_free(config);
}

static const char contract[] =
	"hostname = \"mta1.sender.example\"        # EHLO name and Message-ID domain\n"
	"workers = 2                             # 0: one per core\n"
	"smtp-port = 2525\n"
	"allow-private-addresses = true /* here\n too */\n"
	"state-dir = \"/tmp/hikyaku\"          // not root\n"
	"require = \"none\"\n"
	"divert = \"[127.0.0.1]:2626\"\n"
	"redis { server = \"unix:/run/redis.sock\"  prefix = \"courier\"  shards = 1  fsync = \"always\" }\n"
	"dns   { servers = { \"127.0.0.1:53\", 192.0.2.53 } }\n"
	"queue { expires-after = \"2d\"  retry = { \"5m\", # soon\n \"4h\" }  uncertain = \"hold\" }\n"
	"events { groups = { \"platform\", \"audit\" }  keep = \"12h\"  max = 1000000  log = \"/tmp/events.jsonl\" }\n"
	"source \"ip1\" { address = \"192.0.2.10\"  helo = \"mta1.sender.example\" }\n"
	"source \"ip2\" { address = 2001:db8::1 }\n"
	"pool \"bulk\"  { source \"ip1\" { weight = 3 }  source \"ip2\" { weight = 1 } }\n"
	"site \"google\" { mx = { \"*.google.com\", '*.googlemail.com' }  connections = 20  rate = \"100/s\"\n"
	"	messages-per-connection = unlimited  source \"ip1\" { rate = \"500/h\" } }\n"
	"domain \"Partner.example\" { route = { \"[192.0.2.25]:2525\", 192.0.2.26 }  tls = none  window = 8 }\n"
	"domain \"*\"               { connections = 10  recipients-per-message = 50 }\n"
	"tenant \"acme\" { weight = 10  jobs = true  from = { \"*@acme.example\" }  pool = { \"bulk\" } }\n";

static void test_contract(void **state)
{
	struct config *config = accepted(contract);
	char room[ADDRESS_TEXT_MAX];
	const struct config_domain *domain;

	(void)state;
	is(config->hostname, "mta1.sender.example");
	assert_int_equal(config->workers, 2);
	assert_true(config->allow_private);
	assert_int_equal(config->divert, DIVERT_ADDRESS);
	is(address_text(&config->divert_to, room), "127.0.0.1:2626");
	is(address_text(&config->redis.server, room), "unix:/run/redis.sock");
	is(config->redis.prefix, "courier");
	assert_int_equal(config->dns.nservers, 2);
	is(address_text(&config->dns.servers[1], room), "192.0.2.53:53");
	assert_int_equal(config->queue.retry.nsteps, 2);
	assert_int_equal(config->queue.retry.step_ms[0], 300000);
	assert_int_equal(config->queue.uncertain, UNCERTAIN_HOLD);
	assert_int_equal(config->events.ngroups, 2);
	is(config->events.groups[1], "audit");
	assert_int_equal(config->nsources, 2);
	is(config->sources[1].helo, "mta1.sender.example");
	assert_int_equal(config_source_named(config, SLICE("ip1"))->place->line, 14);
	assert_int_equal(config_pool_named(config, SLICE("bulk"))->sources[0].weight, 3);
	assert_null(config_pool_named(config, SLICE("other")));
	domain = config_route(config, SLICE("partner.example"));
	assert_non_null(domain);
	assert_int_equal(domain->nroutes, 2);
	is(address_text(&domain->routes[0], room), "192.0.2.25:2525");
	is(address_text(&domain->routes[1], room), "192.0.2.26:2525");
	assert_null(config_route(config, SLICE("a.partner.example")));
	assert_true(config_tenant_named(config, SLICE("acme"))->jobs);
	is(config_tenant_named(config, SLICE("acme"))->from[0], "*@acme.example");
	config_free(config);
}

static void test_divert_and_embedded(void **state)
{
	struct config *config = accepted("divert = discard\nstate-dir = /tmp/x\n");
	char room[ADDRESS_TEXT_MAX];

	(void)state;
	assert_int_equal(config->divert, DIVERT_DISCARD);
	is(address_text(&config->redis.server, room), "unix:/tmp/x/redis.sock");
	config_free(config);
	config = accepted("redis { server = \"127.0.0.1\" }");
	is(address_text(&config->redis.server, room), "127.0.0.1:6379");
	config_free(config);
}

static void test_warnings(void **state)
{
	struct config *config = accepted("state-dir = \"/tmp/\\d\"\n");

	(void)state;
	assert_non_null(strstr(problem_text(), "test.conf:1: warning: found \"\\d\" in double quotes"));
	config_free(config);
	config = accepted("state-dir = \"/tmp/\\b\"\n");
	assert_non_null(strstr(problem_text(), "warning: found \"\\b\""));
	config_free(config);
	config = accepted("source \"a\" { address = 192.0.2.1 }\nsource \"b\" { address = 192.0.2.1 }\n");
	assert_non_null(
		strstr(problem_text(), "test.conf:2: warning: the sources \"a\" and \"b\" have the same address"));
	config_free(config);
	config = accepted("state-dir = '/tmp/\\d\\b'\n");
	assert_string_equal(problem_text(), "");
	is(config->state_dir, "/tmp/\\d\\b");
	config_free(config);
}

static void test_warm_up(void **state)
{
	struct config *config = accepted("source \"a\" { address = 192.0.2.1  rate = 500/h  connections = 20\n"
					 "	warm-up { site = { \"google\", \"*.jp\" }  start = \"2026-12-01\"\n"
					 "		daily = { 50, 100, 200 }  overflow = \"p\" } }\n"
					 "source \"b\" { address = 2001:db8::1\n"
					 "	warm-up { start = \"2024-02-29\"  daily = { 5 } } }\n"
					 "source \"c\" { address = 192.0.2.3 }\n"
					 "pool \"p\" { source \"c\" { } }\n");
	const struct config_warm_up *warm_up = &config->sources[0].warm_up;

	(void)state;
	assert_int_equal(warm_up->place->line, 2);
	assert_int_equal(warm_up->nsites, 2);
	is(warm_up->sites[1], "*.jp");
	assert_int_equal(warm_up->start_day, 20788);
	assert_int_equal(warm_up->ndaily, 3);
	assert_int_equal(warm_up->daily[2], 200);
	is(warm_up->overflow, "p");
	assert_int_equal(config->sources[0].limits.connections, 20);
	assert_int_equal(config->sources[0].limits.rate.count, 500);
	assert_int_equal(config->sources[1].warm_up.start_day, 19782);
	is(config->sources[1].warm_up.sites[0], "*");
	assert_null(config->sources[2].warm_up.place);
	config_free(config);
}

/* --- files --- */

static char directory[] = "/tmp/config-test.XXXXXX";

static void put(const char *name, const char *text, mode_t mode)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static struct config *read_file(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	outbuf_reset(&problems);
	return config_read(path, &problems);
}

static void test_includes(void **state)
{
	struct config *config;

	(void)state;
	put("main.conf", "workers = 3\ninclude(\"part.conf\")\nsmtp-port = 26\n", 0600);
	put("part.conf", "\nhostname = \"part.example\"\ndomain \"a\" { connections = 4 }\n", 0600);
	config = read_file("main.conf");
	assert_non_null(config);
	is(config->hostname, "part.example");
	assert_int_equal(config->workers, 3);
	assert_int_equal(config->smtp_port, 26);
	assert_true(slice_ends_nocase(config->domains[0].place->file, SLICE("/part.conf")));
	assert_int_equal(config->domains[0].place->line, 3);
	config_free(config);

	put("part.conf", "\nhostnam = \"part.example\"\n", 0600);
	assert_null(read_file("main.conf"));
	assert_non_null(strstr(problem_text(), "/part.conf:2: unknown key hostnam"));
	put("part.conf", "\n\nworkers = 2\n", 0600);
	assert_null(read_file("main.conf"));
	assert_non_null(strstr(problem_text(), "/part.conf:3: the key workers is there already, in"));
	put("part.conf", "include(\"main.conf\")\n", 0600);
	assert_null(read_file("main.conf"));
	assert_non_null(strstr(problem_text(), "/part.conf:1: "));
	assert_non_null(strstr(problem_text(), "includes itself"));
	assert_null(read_file("none.conf"));
	assert_non_null(strstr(problem_text(), "none.conf: cannot open"));
	assert_null(read_file("."));
	assert_non_null(strstr(problem_text(), "is a directory"));
}

static void test_too_large(void **state)
{
	char *text = malloc((5 << 20) + 1);

	(void)state;
	memset(text, '\n', 5 << 20);
	text[5 << 20] = '\0';
	put("large.conf", text, 0600);
	free(text);
	assert_null(read_file("large.conf"));
	assert_non_null(strstr(problem_text(), "is larger than"));
}

static void test_secrets(void **state)
{
	char text[512];
	struct config *config;

	(void)state;
	snprintf(text, sizeof(text), "\nredis { server = \"127.0.0.1:1\"\npassword-file = \"%s/secret\" }", directory);
	put("redis.conf", text, 0644);
	put("secret", "open sesame\n", 0600);
	config = read_file("redis.conf");
	assert_non_null(config);
	is(config->redis.password, "open sesame");
	config_free(config);
	put("secret", "open sesame\n", 0604);
	assert_null(read_file("redis.conf"));
	assert_non_null(strstr(problem_text(), "redis.conf:3: "));
	assert_non_null(strstr(problem_text(), "holds a secret and others may use it (mode 604)"));
	assert_null(strstr(problem_text(), "sesame"));
	put("secret", "", 0600);
	assert_null(read_file("redis.conf"));
	assert_non_null(strstr(problem_text(), "is empty"));
}

static void test_environment(void **state)
{
	struct config *config;
	char path[256];

	(void)state;
	put("env.conf", "workers = 7\n", 0600);
	snprintf(path, sizeof(path), "%s/env.conf", directory);
	setenv("HIKYAKU_CONF", path, 1);
	config = config_read(NULL, &problems);
	assert_non_null(config);
	assert_int_equal(config->workers, 7);
	config_free(config);
	unsetenv("HIKYAKU_CONF");
	if (access("/etc/hikyaku/hikyaku.conf", F_OK) == 0)
		return;
	config = config_read(NULL, &problems);
	assert_non_null(config);
	assert_true(config->is_default);
	assert_int_equal(config->divert, DIVERT_DISCARD);
	config_free(config);
}

static void test_values(void **state)
{
	const char *why = NULL;
	uint64_t n;
	struct rate rate;

	(void)state;
	assert_true(config_duration(SLICE("90s"), &n, &why) && n == 90000);
	assert_true(config_duration(SLICE("0s"), &n, &why) && n == 0);
	assert_false(config_duration(SLICE("s"), &n, &why));
	assert_false(config_duration(SLICE(""), &n, &why));
	assert_false(config_duration(SLICE("1 m"), &n, &why));
	assert_false(config_duration(SLICE("1.5h"), &n, &why));
	assert_true(config_size(SLICE("64k"), &n, &why) && n == 65536);
	assert_true(config_size(SLICE("2M"), &n, &why) && n == 2 << 20);
	assert_true(config_size(SLICE("17"), &n, &why) && n == 17);
	assert_false(config_size(SLICE("k"), &n, &why));
	assert_false(config_size(SLICE("1t"), &n, &why));
	assert_true(config_rate(SLICE("100/s"), &rate, &why));
	assert_true(rate.count == 100 && rate.period_ms == 1000 && rate.burst == 100);
	assert_true(config_rate(SLICE("20/5m"), &rate, &why));
	assert_true(rate.count == 20 && rate.period_ms == 300000 && rate.burst == 1);
	assert_false(config_rate(SLICE("20"), &rate, &why));
	assert_false(config_rate(SLICE("/s"), &rate, &why));
	assert_false(config_rate(SLICE("20/"), &rate, &why));
}

static void test_manual(void **state)
{
	struct outbuf out = {0};

	(void)state;
	config_print_keys(&out, false);
	outbuf_byte(&out, '\0');
	assert_non_null(strstr(out.ptr, "recipients-per-message"));
	assert_non_null(strstr(out.ptr, "default 20m,40m,80m,160m,4h"));
	outbuf_reset(&out);
	config_print_keys(&out, true);
	outbuf_byte(&out, '\0');
	assert_non_null(strstr(out.ptr, "{\"section\":\"redis\",\"key\":\"prefix\""));
	outbuf_free(&out);
}

static int begin(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int end(void **state)
{
	static const char *const names[] = {"main.conf", "part.conf", "large.conf", "redis.conf", "secret", "env.conf"};
	char path[256];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	outbuf_free(&problems);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_contract),
		cmocka_unit_test(test_divert_and_embedded),

		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_warm_up),
		cmocka_unit_test(test_includes),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_manual),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
