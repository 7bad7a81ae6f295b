/* What is refused in a configuration: a row each, with the line that is named and words of the sentence. The rows may
 * be as many as there are mistakes. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config_reading.h"

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
	{"workers = 5000\n", 1, "from 0 to 64"},
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
	{"queue {\n\n expires-after = \"5\" }\n", 3, "a duration ends in"},
	{"queue { expires-after = \"0d\" }\n", 1, "0 makes no sense"},
	{"domain \"a\" { expires-after = \"6d\" }\n", 1, "longer than that of queue"},
	{"domain \"a\" { expires-after = \"10m\" }\n", 1, "before its second attempt"},
	{"domain \"a\" { timeout-data = \"forever\" }\n", 1, "expected a duration"},
	{"queue { retry = { \"20m\",\n \"soon\" } }", 2, "retry = \"soon\""},
	{"queue { retry = { 1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m } }", 1, "16"},
	{"queue { message-size = big }", 1, "expected a size"},
	{"domain \"a\" { jitter = 200% }", 1, "expected a percentage"},
	{"domain \"a\" { burst = 5 }", 1, "burst without a rate"},
	{"domain \"a\" { window = 8\nmessages-per-connection = 4 }", 1, "contradict"},
	{"queue { expires-after = 1d }\ndomain \"a\" { retry = { 2d } }", 2, "contradict"},
	{"queue { retry = { 6d } }", 1, "contradict"},
	{"require = durable\nredis { fsync = everysec }", 1, "contradict"},
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
	{"source \"a\" { address = 192.0.2.1 }\npool \"p/q\" { source \"a\" { } }", 2, "expected a name"},
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
	{"tls-reports = \"nobody\"", 1, "expected an address"},
	{"tls-reports = \"a b@c.example\"", 1, "expected an address"},
	{"http { listen = \"127.0.0.1:8025\" }", 1, "later version"},
	{"workers = 1\nrelay \"a\" { host = \"smtp.relay.example:0\" }", 2, "the host of the relay \"a\""},
	{"relay \"a\" { host = \"smtp.relay.example:x\" }", 1, "expected a name or an address"},
	{"relay \"a\" { host = \"smtp relay\" }", 1, "expected a name or an address"},
	{"relay \"a\" { host = \"unix:/run/smtp\" }", 1, "expected a name or an address"},
	{"relay \"a\" { }", 1, "expected a name or an address"},
	{"relay \"a b\" { host = \"r.test\" }", 1, "expected a name of at most 64"},
	{"relay \"a\" { host = \"r.test\" user = \"u\" }", 1, "has no password-file"},
	{"relay \"a\" { host = \"r.test\" user = \"u\" password-file = \"/nonexistent/file\" }", 1,
	 "cannot open /nonexistent/file"},
	{"relay \"a\" { host = \"r.test\" user = \"u\" password-file = \"/etc/passwd\" }", 1, "others may use it"},
	{"relay \"a\" { host = \"r.test\" user = \"u\" password-file = \"x\" tls = \"opportunistic\" }", 1,
	 "would go in clear"},
	{"relay \"a\" { host = \"r.test:465\" tls = \"none\" }", 1, "from the first byte on"},
	{"relay \"a\" { host = \"r.test\" implicit-tls = true tls = \"opportunistic\" }", 1, "from the first byte on"},
	{"relay \"a\" { host = \"192.0.2.1:587\" }", 1, "certificates name hosts"},
	{"relay \"a\" { host = \"r.test\" rate = 10/s burst = 100000 }", 1, "contradict each other"},
	{"relay \"a\" { host = \"r.test\" pool = \"p\" }", 1, "unknown pool \"p\""},
	{"relay \"a\" { host = \"r.test\" }\ndomain \"b\" { relay = \"c\" }", 2, "unknown relay \"c\""},
	{"relay \"a\" { host = \"r.test\" }\ndomain \"b\" { relay = \"a\" route = { \"192.0.2.1\" } }", 2,
	 "a route and a relay"},
	{"rule \"y\" { site = { \"yahoo\" }\nmatch = '^421 .*TS0[234]' }", 1, "changes nothing"},
	{"rule \"y\" { action = later\n\nmatch = '^421 (' }", 3, "match = '^421 (' in the rule \"y\": missing"},
	{"suppression { invalid-recipient = 0 }", 1, "0 makes no sense"},
	{"suppression { invalid-recipient = \"1/1h\" }", 1, "one verdict is not apart"},
	{"suppression { inactive-mailbox = \"2/often\" }", 1, "a duration ends"},
	{"suppression { bad-domain = often }", 1, "or never"},
	{"suppression { scope = mine }", 1, "tenant global"},
	{"suppression { breaker = 60d }", 1, "out of bounds"},
	{"alarms { spam-content = 95% }", 1, "out of bounds"},
	{"rule \"y\" { action = later }", 1, "fits every reply"},
	{"rule \"y\" { match = x\naction = sometimes }", 2, "later elsewhere slower"},
	{"rule \"y\" { match = x\naction = delivered }", 2, "it is none of them"},
	{"rule \"y\" { match = x\nstage = { eof }\naction = later }", 1, "expected connect"},
	{"rule \"y\" { match = x\ncategory = spam }", 2, "spam-content"},
	{"rule \"y\" { match = x\naction = later\nrate = 1/m }", 1, "goes with action"},
	{"rule \"y\" { match = x\naction = never\nfor = 1h }", 1, "goes with the actions"},
	{"rule \"y\" { match = x\naction = later\nafter = 3 }", 3, "a rate looks like"},
	{"rule \"y\" { match = x\naction = later\nafter = 300/1h }", 1, "100 at most"},
	{"rule \"y\" { match = x\naction = later\nsuppress = true }", 1, "refused for good"},
	{"rule \"y\" { match = x\nsuppress = true\nscope = message }", 1, "refused for good"},
	{"rule \"y\" { match = x\naction = pause\nscope = recipient }", 1, "a site or a lane"},
	{"rule \"y\" { match = x\naction = later }\nrule \"y\" { match = z\naction = later }", 3, "is there already"},
	{"dkim \"n\" { domain = \"news.example\" }", 1, "later version"},
	{"source \"a\" { address = 192.0.2.1\nwarm-up { daily = { 50, 100 } } }", 2, "has no start"},
	{"source \"a\" { address = 192.0.2.1\nwarm-up { start = \"2026-12-01\" } }", 2, "has no daily"},
	{"source \"a\" { address = 192.0.2.1\nwarm-up { start = \"2026-02-30\" daily = { 5 } } }", 2, "not a day"},
	{"source \"a\" { address = 192.0.2.1\nwarm-up { start = \"1.12.2026\" daily = { 5 } } }", 2, "not a day"},
	{"source \"a\" { address = 192.0.2.1\nwarm-up { start = \"2026-12-01\"\ndaily = { 5, 0 } } }", 3,
	 "0 makes no sense"},
	{"source \"a\" { address = 192.0.2.1\nwarm-up { start = \"2026-12-01\" daily = { 5 } overflow = p } }", 2,
	 "unknown pool \"p\""},
	{"source \"a\" { address = 192.0.2.1\nwarm-up { start = \"2026-12-01\" daily = { 5 } overflow = p } }\n"
	 "pool \"p\" { source \"a\" { } }",
	 2, "has no source but"},
	{"source \"a\" { address = 192.0.2.1 warm-up { daly = { 5 } } }", 1, "did you mean \"daily\"?"},
	{"domain \"a\" { relay = \"ses\" }", 1, "unknown relay"},
	{"domain \"a\" { connection-rate = 0/s }", 1, "0 makes no sense"},
	{"domain \"a\" { total-connections = 0 }", 1, "0 makes no sense"},
	{"domain \"a\" { total-rate = \"-5/s\" }", 1, "negative"},
	{"domain \"a\" { learning = 1 }", 1, "expected one of: false true"},
	{"domain \"a\" { connections = 5\ntotal-connections = 2 }", 2, "contradict"},
	{"domain \"a\" { rate = 5/s\ntotal-rate = 100/m }", 2, "contradict"},
	{"domain \"a\" { connections = 4\nreserved-connections = 4 }", 2, "nothing would be left"},
	{"domain \"*\" { connections = 4 }\ndomain \"a\" { reserved-connections = 6 }", 2, "contradict"},
	{"domain \"a\" { rate = 1/d\nburst = 1000 }", 2, "so many in 24000 hours"},
	{"source \"a\" { address = 192.0.2.1 rate = 1/m burst = 61 }", 1, "contradict"},
	{"tenant \"a\" { burst = 5 }", 1, "burst without a rate"},
	{"tenant \"a\" { connections = 0 }", 1, "connections"},
	{"tenant \"a\" { window = 2 }", 1, "window"},
	{"source \"a\" { address = 192.0.2.1 }\nsite \"s\" { mx = { s } total-connections = 3\n"
	 "source \"a\" { connections = 4 } }",
	 3, "contradict"},
	{"source \"a\" { address = 192.0.2.1 window = 2 }", 1, "it stands in: site, site source, domain"},
	{"source \"a\" { address = 192.0.2.1 total-rate = 1/s }", 1, "it stands in: site, domain"},
	{"tenant \"a\" { conections = 5 }", 1, "did you mean \"connections\"?"},
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

/* More sources than a worker has lanes for. */
static void test_many_sources(void **state)
{
	struct outbuf text = {0};

	(void)state;
	for (int i = 1; i <= CONFIG_SOURCES_MAX + 1; i++)
		outbuf_printf(&text, "source \"s%d\" { address = 192.0.2.%d }\n", i, i);
	outbuf_byte(&text, '\0');
	refused(text.ptr, CONFIG_SOURCES_MAX + 1, "at most 64");
	outbuf_free(&text);
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
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_all_told),
		cmocka_unit_test(test_many_sources),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
