/* A receiver lets in so many connections and says 421 to the next. Nobody tells us the number. How much of what it
 * could take does it get, and how often is it asked for a connection it will not give?
 *
 * For 1, 3, 10 and 50 connections, each over SEEDS seeds: an hour of mail without end, judged after the first ten
 * minutes (issue 3, judgement 2). Attempts are messages tried and connections refused. */
#include "site_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEEDS = 20, MESSAGE_MS = 2000, FIRST_MS = 600 * 1000, LAST_MS = 3600 * 1000, CHANGE_MS = 1200 * 1000 };

struct rule {
	unsigned most, open;
};

static enum site_word on_connected(struct site_host *host, uint64_t now_ms)
{
	struct rule *rule = host->rule;

	(void)now_ms;
	if (rule->open >= rule->most)
		return SITE_TOO_MANY;
	rule->open++;
	return SITE_YES;
}

static void on_closed(struct site_host *host, uint64_t now_ms)
{
	struct rule *rule = host->rule;

	(void)now_ms;
	assert_true(rule->open > 0);
	rule->open--;
}

static struct lane_limits limits(void)
{
	return (struct lane_limits){.connections = 200,
				    .messages_per_connection = 100,
				    .recipients_per_message = 1,
				    .window = 1,
				    .reserved = 1,
				    .learning = true,
				    .retry = {.nsteps = 1, .step_ms = {1200000}}};
}

struct result {
	double refused, capacity;
};

/* What it does from FIRST_MS on, while at most `most` are let in. */
static struct result run(unsigned most, uint64_t seed)
{
	struct rule rule = {.most = most};
	struct site_host host = {.connected = on_connected, .closed = on_closed, .preference = 10, .rule = &rule};
	static struct site_sim sim;
	double seconds = (LAST_MS - FIRST_MS) / 1000.0;

	site_sim_begin(&sim, &(struct site_sim_setup){.seed = seed,
						      .hosts = &host,
						      .nhosts = 1,
						      .limits = limits(),
						      .messages = most * (LAST_MS / MESSAGE_MS) * 2,
						      .message_ms = MESSAGE_MS});
	site_sim_run(&sim, FIRST_MS);
	unsigned refused = sim.connects_refused, attempts = sim.attempts, delivered = sim.delivered;

	site_sim_run(&sim, LAST_MS - FIRST_MS);
	refused = sim.connects_refused - refused;
	attempts = sim.attempts - attempts + refused;
	delivered = sim.delivered - delivered;
	/* A connection's message takes MESSAGE_MS and, on the way, at most LATE_MS twice. */
	double could = most * seconds * 1000 / (MESSAGE_MS + SITE_LATE_MS);
	struct result result = {(double)refused / attempts, delivered / could};

	if (getenv("TRACE"))
		printf("%u connections, seed %llu: %.4f of attempts refused (%u of %u connections in all), %.3f of the "
		       "capacity\n",
		       most, (unsigned long long)seed, result.refused, sim.connects_refused, sim.connects,
		       result.capacity);
	site_sim_end(&sim);
	return result;
}

static void all_seeds(unsigned most)
{
	double refused = 0, capacity = 2;
	unsigned seeds = getenv("SEEDS") ? (unsigned)strtoul(getenv("SEEDS"), NULL, 10) : SEEDS;

	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct result result = run(most, seed);

		refused = result.refused > refused ? result.refused : refused;
		capacity = result.capacity < capacity ? result.capacity : capacity;
	}
	printf("figure: crowd-%u-refused worst %.4f (0.02)\n", most, refused);
	printf("figure: crowd-%u-capacity worst %.3f (0.9)\n", most, capacity);
	assert_true(refused <= 0.02);
	assert_true(capacity >= 0.9);
}

static void one(void **state)
{
	(void)state;
	all_seeds(1);
}

static void three(void **state)
{
	(void)state;
	all_seeds(3);
}

static void ten(void **state)
{
	(void)state;
	all_seeds(10);
}

static void fifty(void **state)
{
	(void)state;
	all_seeds(50);
}

/* It lets in fewer, and later more again: both are found. */
static void a_number_that_changes_is_followed(void **state)
{
	struct rule rule = {.most = 20};
	struct site_host host = {.connected = on_connected, .closed = on_closed, .preference = 10, .rule = &rule};
	static struct site_sim sim;

	(void)state;
	site_sim_begin(&sim, &(struct site_sim_setup){.seed = 5,
						      .hosts = &host,
						      .nhosts = 1,
						      .limits = limits(),
						      .messages = 100000,
						      .message_ms = MESSAGE_MS});
	site_sim_run(&sim, CHANGE_MS);
	assert_int_equal(rule.open, 20);
	rule.most = 5;
	site_sim_run(&sim, CHANGE_MS);
	assert_int_equal(rule.open, 5);
	rule.most = 20;
	site_sim_run(&sim, 3 * CHANGE_MS);
	assert_int_equal(rule.open, 20);
	site_sim_end(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(one), cmocka_unit_test(three), cmocka_unit_test(ten),
					   cmocka_unit_test(fifty),
					   cmocka_unit_test(a_number_that_changes_is_followed)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
