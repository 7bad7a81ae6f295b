/* Judgement 5: a million recipients in 100,000 domains cost the scheduler as much a message as in ten; and how much
 * memory a domain takes that is known and has mail.
 *
 * The driver answers at once: leases, connections and messages are counters, so that what is measured is the scheduler
 * and little else. Rounds with few and with many domains take turns, and the least of each is compared, for whatever
 * else the machine does only adds. A message costs the engine 15 us and more (bench/run), a tenth of that is the bound.
 */
#include "scheduler/scheduler.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/allocated.h"

enum { SITES = 10, FEW = 10, MANY = 100000, RECORDS = 32768, START_MS = 1000000 };

struct depot {
	struct scheduler *scheduler;
	unsigned domains, sites;
	unsigned *queued;   /* by domain */
	struct list *links; /* of messages in memory */
	struct list spare;
	uint64_t delivered;
	uint64_t now_ms;
};

static struct depot *depot_open(unsigned domains, unsigned sites)
{
	struct depot *depot = calloc(1, sizeof(*depot));

	CHECK(depot != NULL);
	depot->domains = domains;
	depot->sites = sites;
	depot->now_ms = START_MS;
	depot->queued = calloc(domains, sizeof(*depot->queued));
	depot->links = calloc(2 * RECORDS, sizeof(*depot->links));
	CHECK(depot->queued != NULL && depot->links != NULL);
	list_init(&depot->spare);
	for (unsigned i = 0; i < 2 * RECORDS; i++)
		list_push(&depot->spare, &depot->links[i]);
	depot->scheduler =
		scheduler_new(&(struct scheduler_setup){.slots = 10000, .records = RECORDS, .seed = 1}, depot->now_ms);
	return depot;
}

static void depot_close(struct depot *depot)
{
	scheduler_free(depot->scheduler);
	free(depot->queued);
	free(depot->links);
	free(depot);
}

static unsigned number_of(struct slice domain)
{
	uint64_t number = 0;

	CHECK(slice_number(slice_skip(slice_until(&domain, '.'), 1), UINT32_MAX, &number));
	return (unsigned)number;
}

static void route(struct depot *depot, struct slice domain)
{
	static const struct lane_limits limits = {.connections = 20,
						  .messages_per_connection = 1000000,
						  .recipients_per_message = 1,
						  .window = 1,
						  .learning = true,
						  .retry = {.nsteps = 1, .step_ms = {60000}}};
	char name[32], address[32];
	unsigned number = number_of(domain) % depot->sites;
	struct exchanger_spec exchanger = {
		.address = {address, (size_t)snprintf(address, sizeof(address), "10.%u.%u.1:25", number / 256 % 256,
						      number % 256)}};

	scheduler_routed(depot->scheduler, domain,
			 &(struct site_spec){.name = {name, (size_t)snprintf(name, sizeof(name), "s%u.test", number)},
					     .limits = &limits,
					     .nlanes = 1,
					     .sources = UINT64_MAX,
					     .exchangers = &exchanger,
					     .nexchangers = 1,
					     .routes_until_ms = UINT64_MAX},
			 depot->now_ms);
}

static void queue_all(struct depot *depot, unsigned messages)
{
	char list[64];

	for (unsigned i = 0; i < depot->domains; i++) {
		int n = snprintf(list, sizeof(list), "b:d%u.example:acme:nov", i);

		depot->queued[i] = messages / depot->domains;
		scheduler_offer(depot->scheduler, (struct slice){list, (size_t)n}, depot->now_ms);
	}
}

static void lease(struct depot *depot, const struct next *next)
{
	unsigned *queued = &depot->queued[number_of(domain_name(next->domain))];
	unsigned got = next->count < *queued ? next->count : *queued;

	*queued -= got;
	for (unsigned i = 0; i < got; i++) {
		scheduler_hold(depot->scheduler, next->domain);
		lane_put(next->lane, list_pop(&depot->spare), false);
	}
	/* Which domain a message is of is not kept: they are given back at once, as far as that is counted. */
	for (unsigned i = 0; i < got; i++)
		scheduler_drop(depot->scheduler, next->domain);
	scheduler_leased(depot->scheduler, next->list, got, *queued, depot->now_ms);
}

static void tell(struct depot *depot, struct lane *lane, struct exchanger *exchanger, enum report_kind kind)
{
	scheduler_report(depot->scheduler, lane,
			 &(struct report){.kind = kind, .exchanger = exchanger, .recipients = 1}, depot->now_ms);
}

/* An idle connection takes one message after the other until there is none. */
static void deliver(struct depot *depot, struct lane *lane, struct exchanger *exchanger)
{
	struct list *link;

	tell(depot, lane, exchanger, REPORT_BUSY);
	while (lane_take(lane, exchanger, 1, depot->now_ms) && (link = lane_pop(lane))) {
		list_push(&depot->spare, link);
		depot->delivered++;
		tell(depot, lane, exchanger, REPORT_DELIVERED);
	}
	tell(depot, lane, exchanger, REPORT_IDLE);
}

static void act(struct depot *depot, const struct next *next)
{
	switch (next->kind) {
	case NEXT_ASK: route(depot, domain_name(next->domain)); break;
	case NEXT_LEASE: lease(depot, next); break;
	case NEXT_CONNECT: tell(depot, next->lane, next->exchanger, REPORT_OPENED); break;
	case NEXT_SEND: deliver(depot, next->lane, next->exchanger); break;
	case NEXT_RETURN: break;
	}
}

static double cpu_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Microseconds a message. */
static double round_us(unsigned domains, unsigned messages)
{
	struct depot *depot = depot_open(domains, SITES);
	struct next next;

	queue_all(depot, messages);
	while (depot->delivered == 0 && scheduler_next(depot->scheduler, &next, depot->now_ms))
		act(depot, &next); /* asked and routed: that is the DNS' price */
	double start = cpu_s();
	uint64_t before = depot->delivered;

	while (depot->delivered < messages) {
		while (scheduler_next(depot->scheduler, &next, depot->now_ms))
			act(depot, &next);
		depot->now_ms += 4;
		scheduler_tick(depot->scheduler, depot->now_ms);
		assert_true(depot->now_ms < START_MS + 3600000);
	}
	double us = (cpu_s() - start) * 1e6 / (double)(depot->delivered - before);

	depot_close(depot);
	return us;
}

static void many_domains_cost_as_much_as_ten(void **state)
{
	unsigned rounds = getenv("SEEDS") ? 9 : 2, messages = 1000000;
	double few = 1e9, many = 1e9;

	(void)state;
	for (unsigned i = 0; i < rounds; i++) {
		double us = round_us(FEW, messages);

		few = us < few ? us : few;
		us = round_us(MANY, messages);
		many = us < many ? us : many;
	}
	printf("figure: scheduler-us-a-message %.3f in ten domains, %.3f in 100,000 (less than 1.5 more)\n", few, many);
	assert_true(many < few + 1.5);
}

/* Known, with mail queued, and as much of it in memory as there is room for. */
static double bytes_a_domain(unsigned sites)
{
	size_t before = allocated();
	struct depot *depot = depot_open(MANY, sites);
	struct next next;

	size_t empty = allocated();

	queue_all(depot, 10 * MANY);
	for (unsigned asked = 0; asked < MANY && scheduler_next(depot->scheduler, &next, depot->now_ms);) {
		asked += next.kind == NEXT_ASK;
		act(depot, &next);
	}
	double bytes = (double)(allocated() - empty) / MANY;

	depot_close(depot);
	assert_true(allocated() <= before + 65536); /* and all of it comes back */
	return bytes;
}

static void a_known_domain_takes_little_memory(void **state)
{
	double many, few, own;

	(void)state;
	if (allocated() == 0)
		skip();
	many = bytes_a_domain(MANY / 100);
	few = bytes_a_domain(MANY / 10);
	own = bytes_a_domain(MANY);
	printf("figure: bytes-a-domain %.0f with a hundred domains a site, %.0f with ten, %.0f with one (< 400)\n",
	       many, few, own);
	assert_true(many < 400);
	assert_true(few < 400);
	assert_true(own < 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_domains_cost_as_much_as_ten),
		cmocka_unit_test(a_known_domain_takes_little_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
