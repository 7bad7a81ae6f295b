/* Storms of refusals in the simulated world, with the engine's own worker: a receiver that suddenly knows nobody, a DNS
 * that has lost a top-level domain. While it lasts nobody may fail and nobody may be suppressed, an alarm tells the
 * numbers once, and when it is over all mail is delivered. And the other way round: what is refused as usual fails at
 * once, and is suppressed. */
#include "notes_sim.h"
#include "queue_sim.h"
#include "receiver_sim.h"

#include "base/check.h"
#include "base/log.h"
#include "worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PEOPLE_MAX = 2000, STORM_MS = 30 * 60000, LATEST_MS = 12 * 3600 * 1000, GRACE_MS = 30000 };

static struct scene {
	struct sim_world *world;
	struct receiver giant, other;
	struct config *config;
	struct engine engine;
	struct worker worker;
	struct sim_recipient *people[PEOPLE_MAX];
	bool unknown[PEOPLE_MAX]; /* really */
	unsigned npeople;
	bool knows_nobody; /* the giant, at the moment */
	bool is_busy;	   /* ... and says 450 */
	bool no_domain;	   /* the DNS says so of all it is asked about */
	unsigned asked;	   /* recipients the giant was asked about */
} scene;

static char state_path[] = "/tmp/hikyaku-alarm.XXXXXX";

static enum receiver_word on_giant_asked(void *who, unsigned number)
{
	(void)who;
	scene.asked++;
	if (scene.is_busy)
		return RECEIVER_LATER;
	return scene.knows_nobody || scene.unknown[number] ? RECEIVER_NEVER : RECEIVER_TAKES;
}

static enum receiver_word on_other_asked(void *who, unsigned number)
{
	(void)who;
	return scene.unknown[number] ? RECEIVER_NEVER : RECEIVER_TAKES;
}

static void on_taken(void *who, unsigned number, struct slice message)
{
	(void)who;
	(void)number;
	assert_true(message.len > 0);
}

static void on_refused(void *who, unsigned number)
{
	(void)who;
	(void)number;
}

static void storm_ends(void *who)
{
	(void)who;
	scene.knows_nobody = scene.no_domain = false;
}

static void storm_begins(void *who)
{
	(void)who;
	scene.knows_nobody = true;
}

/* A DNS of few words: no such domain; or, to A, 10.0.0.1, and to all else that there is none of it. */
static void on_question(struct sim_peer *peer, struct slice bytes)
{
	static const char record[] = "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\1";
	char packet[600];
	size_t end = 12;

	assert_in_range(bytes.len, 18, 512);
	memcpy(packet, bytes.ptr, bytes.len);
	while (packet[end])
		end += (unsigned char)packet[end] + 1u;
	end += 5;
	bool is_a = packet[end - 3] == 1;

	packet[2] = (char)0x81;
	packet[3] = (char)(scene.no_domain ? 0x83 : 0x80);
	memset(packet + 6, 0, 6);
	if (!scene.no_domain && is_a) {
		packet[7] = 1;
		memcpy(packet + end, record, sizeof(record) - 1);
		end += sizeof(record) - 1;
	}
	sim_peer_send(peer, (struct slice){packet, end});
}

static const struct sim_peer_kind nameserver = {.name = "nameserver", .received = on_question};

static void listen_all(void)
{
	struct address giant = address_v4((const char[]){10, 0, 0, 1}, 25);
	struct address other = address_v4((const char[]){10, 0, 0, 2}, 25);
	struct address dns = address_v4((const char[]){10, 0, 0, 53}, 53);

	scene.giant = (struct receiver){.world = scene.world,
					.pipelining = true,
					.asked = on_giant_asked,
					.taken = on_taken,
					.refused = on_refused};
	scene.other = scene.giant;
	scene.other.asked = on_other_asked;
	receiver_listen(&scene.giant, &giant);
	receiver_listen(&scene.other, &other);
	sim_listen(scene.world, &dns, RING_DATAGRAM, &nameserver, NULL);
}

static void begin(unsigned seed, const char *more)
{
	static const char body[] = "RFrom: News <news@sim.test>\r\nSubject: one\r\n\r\nto all\r\n";
	char sha[65], meta[300];
	struct outbuf text = {0}, problems = {0};

	memset(sha, 'a', 64);
	sha[64] = '\0';
	scene = (struct scene){.world = sim_world_begin(seed, NULL)};
	queue_sim_begin(scene.world);
	notes_sim_begin();
	listen_all();
	outbuf_printf(&text,
		      "hostname = \"mta.sim.test\"\nallow-private-addresses = true\nworkers = 1\n"
		      "dns { servers = { \"10.0.0.53:53\" } }\nqueue { retry = { \"20m\", \"40m\" } }\n"
		      "domain \"giant.test\" { route = { \"10.0.0.1:25\" } }\n"
		      "domain \"other.test\" { route = { \"10.0.0.2:25\" } }\n%s%s",
		      strstr(more, "alarms") ? "" : "alarms { invalid-recipient = 0% }\n", more);
	scene.config = config_read_text(outbuf_slice(&text), "sim.conf", &problems);
	if (!scene.config)
		print_error("%.*s\n", SLICE_ARG(outbuf_slice(&problems)));
	CHECK(scene.config != NULL);
	queue_sim_add_body(sha, SLICE(body));
	snprintf(meta, sizeof(meta),
		 "{\"from\":\"b@sim.test\",\"campaign\":\"c\",\"class\":\"bulk\",\"created\":1,\"body\":\"%s\"}", sha);
	queue_sim_add_job("acme", "j", slice_of(meta));
	scene.engine = (struct engine){.instance = SLICE("sim"), .state_path = state_path, .epoch = 1, .nworkers = 1};
	scene.worker = (struct worker){
		.engine = &scene.engine, .config = scene.config, .stats = &scene.engine.stats, .seed = seed + 1};
	scene.engine.workers[0] = &scene.worker;
	CHECK(worker_open(&scene.worker));
	outbuf_free(&text);
	outbuf_free(&problems);
}

static void add(const char *domain, unsigned n, unsigned unknown_percent)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned number = scene.npeople++;
		char list[80], address[80];

		CHECK(number < PEOPLE_MAX);
		scene.unknown[number] = sim_world_dice(scene.world, 100) < unknown_percent;
		snprintf(list, sizeof(list), "b:%s:acme:c", domain);
		snprintf(address, sizeof(address), "r%u@%s", number, domain);
		scene.people[number] = queue_sim_add(list, "acme", "j", number, address,
						     sim_world_wall_ms(scene.world) + 5ull * 86400000);
	}
}

static bool is_settled(void)
{
	return queue_sim_count(SIM_READY) + queue_sim_count(SIM_LEASED) + queue_sim_count(SIM_DEFERRED) == 0;
}

static void live(uint64_t ms)
{
	uint64_t until_ms = sim_world_now_ms(scene.world) + ms;

	while (worker_turn(&scene.worker) && !is_settled() && sim_world_now_ms(scene.world) < until_ms)
		;
}

static void end(void)
{
	worker_drain(&scene.worker, scene.worker.ring, GRACE_MS);
	while (worker_turn(&scene.worker))
		;
	for (unsigned i = 0; i < 100; i++)
		ring_turn(scene.worker.ring, 1);
	assert_int_equal(scene.worker.breaker.held, 0);
	assert_int_equal(scene.worker.deliveries.taken, 0);
	worker_close(&scene.worker);
	sim_world_end(scene.world);
	queue_sim_end();
	receiver_free(&scene.giant);
	receiver_free(&scene.other);
	config_free(scene.config);
}

/* How many ended as the word says; "" for not at all. */
static unsigned ended(const char *word)
{
	unsigned n = 0;

	for (unsigned i = 0; i < scene.npeople; i++)
		n += strcmp(scene.people[i]->final, word) == 0;
	return n;
}

static unsigned unknown(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < scene.npeople; i++)
		n += scene.unknown[i];
	return n;
}

/* From the first word on it knows nobody, for half an hour. */
static void test_giant_knows_nobody(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 5; seed++) {
		begin(seed, seed % 2 ? "" : "domain \"*\" { recipients-per-message = 3 }\n");
		scene.knows_nobody = true;
		sim_world_after(scene.world, STORM_MS, storm_ends, NULL);
		add("giant.test", 600, 0);
		add("other.test", 100, 2);
		live(STORM_MS - 60000);
		assert_int_equal(ended("failed"), unknown());
		assert_int_equal(ended("delivered"), 100 - unknown());
		assert_int_equal(notes_sim_suppressed(), unknown());
		assert_int_equal(notes_sim_count("alarm", "\"site\":\"10.0.0.1:25\""), 1);
		assert_true(scene.asked < 600 * 4); /* and it is not bothered all the time */
		live(LATEST_MS);
		assert_int_equal(ended("delivered"), 700 - unknown());
		assert_int_equal(notes_sim_suppressed(), unknown());
		assert_int_equal(notes_sim_count("alarm", "\"alarm\":\"breaker\""), 1);
		assert_int_equal(notes_sim_count("alarm", "\"alarm\":\"breaker-over\""), 1);
		end();
	}
}

/* In the middle of a mailing, with some who are really unknown: they fail before and after, the others never. */
static void test_giant_forgets(void **state)
{
	(void)state;
	for (unsigned seed = 11; seed <= 15; seed++) {
		begin(seed, "site \"giant\" { domains = { \"giant.test\" }  rate = \"10/s\" }\n");
		sim_world_after(scene.world, 30000, storm_begins, NULL);
		sim_world_after(scene.world, 30000 + STORM_MS, storm_ends, NULL);
		add("giant.test", 1000, 3);
		live(LATEST_MS);
		assert_int_equal(ended("failed"), unknown());
		assert_int_equal(ended("delivered"), 1000 - unknown());
		assert_int_equal(notes_sim_suppressed(), unknown());
		assert_int_equal(notes_sim_count("alarm", "\"site\":\"giant\""), 2); /* its begin and its end */
		end();
	}
}

/* Nothing unusual: who is unknown fails, and soon, be it one, or every tenth of many. */
static void test_as_usual(void **state)
{
	(void)state;
	begin(21, "");
	add("giant.test", 1, 100);
	live(5000);
	assert_int_equal(ended("failed"), 1);
	end();
	begin(22, "");
	add("giant.test", 500, 10);
	add("other.test", 8, 100);
	live(60000);
	assert_int_equal(ended("failed"), unknown());
	assert_int_equal(notes_sim_suppressed(), unknown());
	assert_int_equal(notes_sim_lines().len, 0);
	end();
	begin(23, "site \"giant\" { domains = { \"giant.test\" }  rate = \"10/s\" }\n");
	add("giant.test", 600, 10);
	live(15000);
	assert_in_range(ended("failed"), 5, 40); /* others have spoken for the site long before it is done */
	end();
}

/* So long it was not believed; then it is. */
static void test_believed_in_the_end(void **state)
{
	(void)state;
	begin(31, "suppression { breaker = \"2h\" }\n");
	add("other.test", 60, 100);
	live(3600000);
	assert_int_equal(ended("failed"), 0);
	live(LATEST_MS);
	assert_int_equal(ended("failed"), 60);
	assert_int_equal(notes_sim_suppressed(), 60);
	end();
	begin(32, "suppression { breaker = \"0s\" }\n");
	add("other.test", 60, 100);
	live(60000);
	assert_int_equal(ended("failed"), 60);
	assert_int_equal(notes_sim_lines().len, 0);
	end();
}

static void add_domains(const char *tld, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char domain[32];

		snprintf(domain, sizeof(domain), "d%u.%s", i, tld);
		add(domain, 3, 0);
	}
}

/* A whole top-level domain does not exist, for half an hour. */
static void test_no_domain(void **state)
{
	(void)state;
	for (unsigned seed = 41; seed <= 43; seed++) {
		begin(seed, "");
		scene.no_domain = true;
		sim_world_after(scene.world, STORM_MS, storm_ends, NULL);
		add_domains("lost", 80);
		add("other.test", 50, 0);
		live(STORM_MS - 60000);
		assert_int_equal(ended("failed"), 0);
		assert_int_equal(ended("delivered"), 50);
		assert_int_equal(notes_sim_count("alarm", "\"domain\":\"lost\""), 1);
		live(LATEST_MS);
		assert_int_equal(ended("delivered"), 240 + 50);
		assert_int_equal(notes_sim_suppressed(), 0);
		assert_int_equal(notes_sim_count("alarm", "\"alarm\":\"breaker\""), 1);
		assert_int_equal(notes_sim_count("alarm", "\"alarm\":\"breaker-over\""), 1);
		end();
	}
}

/* Everywhere at once: it is the DNS. */
static void test_no_domain_anywhere(void **state)
{
	static const char *const tlds[] = {"aa", "bb", "cc", "dd", "ee", "ff", "gg", "hh"};

	(void)state;
	begin(51, "");
	scene.no_domain = true;
	sim_world_after(scene.world, STORM_MS, storm_ends, NULL);
	for (unsigned i = 0; i < 8; i++)
		add_domains(tlds[i], 5);
	live(STORM_MS - 60000);
	assert_int_equal(ended("failed"), 0);
	assert_true(notes_sim_count("alarm", "the DNS: ") == 1);
	live(LATEST_MS);
	assert_int_equal(ended("delivered"), 8 * 5 * 3);
	end();
}

/* A few domains that do not exist are none of that. */
static void test_a_dead_domain(void **state)
{
	(void)state;
	begin(61, "");
	scene.no_domain = true;
	add_domains("dead", 3);
	add("giant.test", 20, 0);
	live(10000);
	assert_int_equal(ended("failed"), 9);
	assert_int_equal(notes_sim_suppressed(), 9); /* counted: three of them suppress */
	assert_int_equal(notes_sim_lines().len, 0);
	end();
}

/* A drain in the first moments: what is held then waits in the queue, and is nobody's failure. */
static void test_drained(void **state)
{
	(void)state;
	for (unsigned ms = 2; ms < 40; ms += 4) {
		begin(70 + ms, "");
		scene.knows_nobody = true;
		add("giant.test", 200, 0);
		live(ms);
		end();
		assert_int_equal(notes_sim_suppressed(), 0);
	}
}

/* A list full of strangers: the campaign is paused by itself, its tenant too; once. */
static void test_bad_campaign(void **state)
{
	(void)state;
	begin(91, "alarms { invalid-recipient = 15% }\n");
	add("giant.test", 200, 35);
	add("other.test", 200, 35);
	live(600000);
	assert_int_equal(notes_sim_count("alarm", "\"alarm\":\"campaign\""), 1);
	assert_int_equal(notes_sim_count("alarm", "\"paused\":true"), 2);
	assert_int_equal(notes_sim_count("pause", "{\"campaign\":\"c\",\"tenant\":\"acme\"}"), 1);
	assert_int_equal(notes_sim_count("pause", "{\"tenant\":\"acme\"}"), 1);
	end();
	begin(92, "alarms { invalid-recipient = 15%  pause = false }\n");
	add("giant.test", 300, 35);
	live(600000);
	assert_int_equal(notes_sim_count("alarm", "\"alarm\":\"campaign\""), 1);
	assert_int_equal(notes_sim_count("pause", ""), 0);
	end();
	begin(93, "alarms { invalid-recipient = 0% }\n");
	add("giant.test", 300, 35);
	live(600000);
	assert_int_equal(notes_sim_lines().len, 0);
	end();
}

/* Most take it; and one that is as good as others is left alone. */
static void test_good_campaign(void **state)
{
	(void)state;
	begin(95, "alarms { invalid-recipient = 15% }\n");
	add("giant.test", 400, 30);
	add("other.test", 200, 1);
	live(600000);
	assert_int_equal(notes_sim_lines().len, 0);
	end();
	begin(96, "alarms { invalid-recipient = 15% }\n");
	add("giant.test", 500, 9);
	live(600000);
	assert_int_equal(notes_sim_lines().len, 0);
	end();
}

/* Called bad at several sites, a source is paused; at one of them, that site has its reasons. */
static void test_refused_source(void **state)
{
	static const char more[] = "alarms { invalid-recipient = 0%  reputation = 40% }\n"
				   "source \"ip1\" { address = \"10.0.0.100\" }\n"
				   "rule \"listed\" { match = '^450 of RCPT'  action = later  category = reputation }\n"
				   "domain \"third.test\" { route = { \"10.0.0.3:25\" } }\n"
				   "domain \"fourth.test\" { route = { \"10.0.0.4:25\" } }\n";
	struct address third = address_v4((const char[]){10, 0, 0, 3}, 25);
	struct address fourth = address_v4((const char[]){10, 0, 0, 4}, 25);

	(void)state;
	for (unsigned several = 0; several <= 1; several++) {
		begin(101 + several, more);
		receiver_listen(several ? &scene.giant : &scene.other, &third);
		receiver_listen(several ? &scene.giant : &scene.other, &fourth);
		scene.is_busy = true;
		add("giant.test", 60, 0);
		add("third.test", 60, 0);
		add("fourth.test", 60, 0);
		add("other.test", 60, 0);
		live(600000);
		assert_int_equal(notes_sim_count("alarm", "\"alarm\":\"source\""), several);
		assert_int_equal(notes_sim_count("pause", "{\"source\":\"ip1\"}"), several);
		end();
	}
}

/* An operator's rule slows the lane down to its rate for its time, after it was met often enough; then it is over. */
static void test_rule_slows_down(void **state)
{
	unsigned asked;

	(void)state;
	begin(97,
	      "domain \"*\" { recipients-per-message = 1 }\nrule \"busy\" { match = '^450 of RCPT'  action = slower\n"
	      "rate = 1/m  for = 10m  after = \"3/1h\"  category = reputation }\n");
	scene.is_busy = true;
	add("giant.test", 200, 0);
	live(10000);
	asked = scene.asked;
	assert_in_range(asked, 3, 60); /* what was in dialogue already */
	live(300000);
	assert_in_range(scene.asked - asked, 4, 6);
	scene.is_busy = false;
	live(240000);
	assert_in_range(ended("delivered"), 2, 5);
	live(4 * 3600000);
	assert_int_equal(ended("delivered"), 200);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_giant_knows_nobody), cmocka_unit_test(test_giant_forgets),
		cmocka_unit_test(test_as_usual),	   cmocka_unit_test(test_believed_in_the_end),
		cmocka_unit_test(test_no_domain),	   cmocka_unit_test(test_no_domain_anywhere),
		cmocka_unit_test(test_a_dead_domain),	   cmocka_unit_test(test_drained),
		cmocka_unit_test(test_rule_slows_down),	   cmocka_unit_test(test_bad_campaign),
		cmocka_unit_test(test_good_campaign),	   cmocka_unit_test(test_refused_source),
	};
	char command[128];

	CHECK(mkdtemp(state_path) != NULL);
	log_set_level(LOG_ERROR);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	notes_sim_end();
	snprintf(command, sizeof(command), "rm -rf %s", state_path);
	return system(command) == 0 ? failed : 1;
}
