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

static struct outbuf problems;

static struct config *reading(const char *text)
{
	outbuf_reset(&problems);
	return config_read_text(slice_of(text), "test.conf", &problems);
}

static const char *problem_text(void)
{
	outbuf_byte(&problems, '\0');
	problems.len--;
	return problems.ptr;
}

/* Must be refused, on this line, with these words. */
static void refused(const char *text, unsigned line, const char *words)
{
	struct config *config = reading(text);
	char place[64];

	snprintf(place, sizeof(place), line ? "test.conf:%u: " : "test.conf: ", line);
	if (config)
		print_error("accepted: %s\n", text);
	assert_null(config);
	if (!strstr(problem_text(), place) || !strstr(problem_text(), words))
		print_error("of: %s\nexpected %s%s\nfound    %s\n", text, place, words, problem_text());
	assert_non_null(strstr(problem_text(), place));
	assert_non_null(strstr(problem_text(), words));
}

static struct config *accepted(const char *text)
{
	struct config *config = reading(text);

	if (!config)
		print_error("refused: %s\n%s", text, problem_text());
	assert_non_null(config);
	return config;
}

static void is(struct slice text, const char *expected)
{
	if (!slice_is(text, slice_of(expected)))
		print_error("expected %s, found %.*s\n", expected, SLICE_ARG(text));
	assert_true(slice_is(text, slice_of(expected)));
}

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

/* --- what is refused --- */

static const struct bad {
	const char *text;
	unsigned line;
	const char *words;
} bads[] = {
	{"hostname = \"a\"\nconections = 3\n", 2, "did you mean \"connections\""},
	{"hostnmae = a", 1, "did you mean \"hostname\"?"},
	{"\nredsi { }", 2, "did you mean \"redis\"?"},
	{"redis { workers = 1 }", 1, "unknown key workers; it stands in: the top level"},
	{"connections = 3", 1, "it stands in: source, site, site source, domain"},
	{"zzzzzzzzzzzz = 1", 1, "unknown key zzzzzzzzzzzz"},
	{"zzzz { a = 1\nb { c = 2 } }\nworkers = x", 1, "unknown section zzzz"},
	{"domain \"a\" { connections = 1 }\ndomain \"a\" { connections = 2 }\n", 2, "is there already, in test.conf:1"},
	{"domain \"a.b\" { }\n\ndomain \"A.B\" { }\n", 3, "is there already"},
	{"source \"a\" { address = 192.0.2.1 }\nsource 'a' { address = 192.0.2.1 }", 2, "is there already"},
	{"pool \"p\" { source \"a\" { }\nsource \"a\" { } }", 2, "is there already"},
	{"redis { }\nredis { }", 2, "is there already"},
	{"workers = 1\nworkers = 2", 2, "the key workers is there already, in test.conf:1"},
	{"redis { prefix = a\nprefix = b }", 2, "is there already"},
	{"site \"g\" { connections = 5\n", 1, "not closed"},
	{"site \"g\" { mx = { a, b }\n source \"x\" { rate = 1/s }\n\n", 1, "not closed"},
	{"\n\nsite \"g\" {\n mx = { \"a\",\n \"b\"\n", 6, "found the end of the file"},
	{"hostname = \"abc\nworkers = 1\n", 1, "not closed in its line"},
	{"hostname = 'abc", 1, "not closed in its line"},
	{"workers = 1\n/* a comment\n\n", 2, "never closed"},
	{"workers = 1 }", 1, "found }"},
	{"workers 1", 1, "found the end of the file, expected {"},
	{"workers =", 1, "found the end of the file"},
	{"workers = = 1", 1, "found ="},
	{"workers = { 1 }", 1, "found a list"},
	{"workers += 1", 1, "not a list"},
	{"= 1", 1, "expected the name of a key"},
	{"\"workers\" = 1", 1, "expected the name of a key"},
	{"site \"a\" { mx = { *.a.example } }", 1, "found the character *"},
	{"workers = 1;", 1, "found the character ;"},
	{"workers = 1 \\ ", 1, "found the character \\"},
	{"dns { servers = { 192.0.2.1 192.0.2.2 } }", 1, "expected a value, a comma, or }"},
	{"site { mx = { a } }", 1, "needs a title"},
	{"site \"\" { mx = { a } }", 1, "empty title"},
	{"redis \"a\" { }", 1, "found a title"},
	{"workers = 010\n", 1, "leading zeros"},
	{"workers = -1\n", 1, "negative"},
	{"workers = 0x10\n", 1, "leading zeros"},
	{"workers = 1x", 1, "not a whole number"},
	{"workers = 99999999999999999999\n", 1, "too large"},
	{"workers = 5000\n", 1, "from 0 to 1024"},
	{"smtp-port = 0\n", 1, "0 makes no sense"},
	{"smtp-port = 65536", 1, "out of bounds"},
	{"allow-private-addresses = maybe", 1, "neither true nor false"},
	{"require = \"always\"", 1, "none durable"},
	{"divert = \"nowhere\"", 1, "neither discard nor an IP address"},
	{"hostname = \"two words\"", 1, "expected a domain name"},
	{"domain \"a\" { connections = 0 }", 1, "0 makes no sense"},
	{"domain \"a\" { connections = ten }", 1, "expected unlimited or a whole number"},
	{"domain \"a\" { window = unlimited }", 1, "expected a whole number, from 1 to 8"},
	{"domain \"a\" { rate = \"fast\" }\n", 1, "a rate looks like"},
	{"domain \"a\" { rate = \"0/s\" }\n", 1, "0 makes no sense"},
	{"domain \"a\" { rate = \"10/0m\" }\n", 1, "0 makes no sense"},
	{"domain \"a\" { rate = \"010/s\" }\n", 1, "leading zeros"},
	{"domain \"a\" { rate = \"10/5\" }\n", 1, "a rate looks like"},
	{"domain \"a\" { rate = \"10/5w\" }\n", 1, "a rate looks like"},
	{"domain \"a\" {\n\n expires-after = \"5\" }\n", 3, "a duration ends in"},
	{"domain \"a\" { expires-after = \"0d\" }\n", 1, "0 makes no sense"},
	{"domain \"a\" { timeout-data = \"forever\" }\n", 1, "expected a duration"},
	{"queue { retry = { \"20m\",\n \"soon\" } }", 2, "retry = \"soon\""},
	{"queue { retry = { 1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m } }", 1, "16"},
	{"queue { message-size = big }", 1, "expected a size"},
	{"domain \"a\" { jitter = 200% }", 1, "expected a percentage"},
	{"domain \"a\" { burst = 5 }", 1, "burst without a rate"},
	{"domain \"a\" { window = 8\nmessages-per-connection = 4 }", 1, "contradict"},
	{"domain \"a\" { retry = { 2d }\nexpires-after = 1d }", 1, "contradict"},
	{"queue { retry = { 6d } }", 1, "contradict"},
	{"require = durable\nredis { fsync = everysec }", 1, "contradict"},
	{"domain \"a\" { tls = verified }", 1, "needs TLS"},
	{"domain \"a\" { tls = required }", 1, "needs TLS"},
	{"domain \"a\" { tls = dane }", 1, "needs TLS"},
	{"domain \"a\" { tls = maybe }", 1, "none opportunistic"},
	{"domain \"a..b\" { }", 1, "expected a domain name"},
	{"domain \"*a\" { }", 1, "expected a domain name"},
	{"domain \"a\" { pool = p }", 1, "unknown pool \"p\""},
	{"site \"a\" { mx = { a }\npool = p }", 2, "unknown pool \"p\""},
	{"tenant \"a\" { pool = { p } }", 1, "unknown pool \"p\""},
	{"tenant \"a:b\" { }", 1, "expected a name"},
	{"pool \"p\" { source \"nobody\" { } }", 1, "unknown source \"nobody\""},
	{"site \"a\" { mx = { a }\nsource \"nobody\" { } }", 2, "unknown source \"nobody\""},
	{"pool \"p\" { }", 1, "has no sources"},
	{"site \"a\" { connections = 1 }", 1, "neither mx nor domains"},
	{"source \"a\" { }", 1, "has no address"},
	{"source \"a\" { address = \"host.example\" }", 1, "not an IP address"},
	{"source \"a\" { address = \"192.0.2.1:25\" }", 1, "without a port"},
	{"domain \"a\" { route = { \"mx.example:25\" } }", 1, "not an IP address"},
	{"redis { server = \"redis.example\" }", 1, "embedded"},
	{"redis { prefix = \"a{b}\" }", 1, "prefix"},
	{"redis { shards = 2 }", 1, "later version"},
	{"redis { tls = true }", 1, "later version"},
	{"redis {\npassword-file = \"/nonexistent/file\" }", 2, "cannot open /nonexistent/file"},
	{"http { listen = \"127.0.0.1:8025\" }", 1, "later version"},
	{"workers = 1\nrelay \"ses\" { host = \"smtp.relay.example:587\" }", 2, "later version"},
	{"rule \"y\" { site = { \"yahoo\" } match = '^421 .*TS0[234]' }", 1, "later version"},
	{"dkim \"n\" { domain = \"news.example\" }", 1, "later version"},
	{"source \"a\" { address = 192.0.2.1\nwarm-up { start = \"2026-12-01\" daily = { 50, 100 } } }", 2,
	 "later version"},
	{"domain \"a\" { relay = \"ses\" }", 1, "later version"},
	{"domain \"a\" { connection-rate = 1/s }", 1, "later version"},
	{"events { transcript = failed }", 1, "later version"},
	{"events { groups = { \"a b\" } }", 1, "the group \"a b\""},
	{"events { groups = { \"\" } }", 1, "empty text"},
	{"include(\"nothing-of-that-name.conf\")", 1, "cannot open nothing-of-that-name.conf"},
	{"include(nothing)", 1, "the name of a file in quotes"},
	{"redis { include(\"a\") }", 1, "at the top level"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++)
		refused(bads[i].text, bads[i].line, bads[i].words);
}

/* Several mistakes are all told, each on its line. */
static void test_all_told(void **state)
{
	(void)state;
	refused("hostnam = a\n\nredis { x = 1 }\n", 1, "hostname");
	assert_non_null(strstr(problem_text(), "test.conf:3: "));
	refused("workers = 010\nsmtp-port = 0\n", 1, "leading zeros");
	assert_non_null(strstr(problem_text(), "test.conf:2: "));
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
	config = accepted("state-dir = '/tmp/\\d\\b'\n");
	assert_string_equal(problem_text(), "");
	is(config->state_dir, "/tmp/\\d\\b");
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

/* --- precedence --- */

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
	is(config_site_of(config, SLICE("c.test"), hosts, 3)->name, "two");
	is(config_site_of(config, SLICE("c.test"), hosts + 2, 1)->name, "one");
	is(config_site_of(config, SLICE("a.test"), hosts + 2, 1)->name, "two");
	is(config_site_of(config, SLICE("x.b.test"), NULL, 0)->name, "two");
	assert_null(config_site_of(config, SLICE("b.test"), hosts, 1));
	is(config_route(config, SLICE("x.y.test"))->name, "*.test");
	is(config_route(config, SLICE("y.test"))->name, "y.test");
	assert_null(config_route(config, SLICE("test")));
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
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_all_told),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_includes),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_why),
		cmocka_unit_test(test_sites),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_manual),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
