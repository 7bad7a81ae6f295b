/* Sites of one name and different hosts: what holds for the name holds for them together, and nobody waits for ever. */
#include "scheduler/scheduler.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SITES = 8, START_MS = 1000000 };

struct world {
	struct scheduler *scheduler;
	struct site *sites[SITES];
	unsigned open[SITES];
	uint64_t now_ms;
	bool stays_busy; /* no message is ever done */
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	world->now_ms = START_MS;
	world->scheduler =
		scheduler_new(&(struct scheduler_setup){.slots = 1000, .records = 10000, .seed = 1}, START_MS);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < SITES; i++)
		if (world->sites[i] && world->sites[i]->traffic)
			world->sites[i]->lanes[0]->nready = 0;
	scheduler_free(world->scheduler);
	free(world);
	return 0;
}

/* Domain d<i>.test has mail, and its own host. */
static void route(struct world *world, unsigned i, struct site_spec spec, bool urgent)
{
	char domain[32], key[64], list[64];
	struct exchanger_spec exchanger = {.address = SLICE("192.0.2.1:25"), .family = 4};

	snprintf(domain, sizeof(domain), "d%u.test", i);
	snprintf(key, sizeof(key), "provider mx%u.provider.test", i);
	snprintf(list, sizeof(list), "%c:%s::", urgent ? 't' : 'b', domain);
	spec.name = SLICE("provider");
	spec.key = slice_of(key);
	spec.nlanes = 1;
	spec.sources = UINT64_MAX;
	spec.routes_until_ms = UINT64_MAX;
	spec.exchangers = &exchanger;
	spec.nexchangers = 1;
	scheduler_offer(world->scheduler, slice_of(list), world->now_ms);
	world->sites[i] = scheduler_routed(world->scheduler, slice_of(domain), &spec, world->now_ms);
}

static unsigned number_of(const struct world *world, const struct site *site)
{
	for (unsigned i = 0; i < SITES; i++)
		if (world->sites[i] == site)
			return i;
	fail_msg("not one of ours");
	return SITES;
}

static void tell(struct world *world, struct lane *lane, struct exchanger *exchanger, enum report_kind kind, bool idle)
{
	struct report report = {.kind = kind, .exchanger = exchanger, .idle = idle, .recipients = 1};

	scheduler_report(world->scheduler, lane, &report, world->now_ms);
}

static void send_one(struct world *world, const struct next *next, unsigned *sent)
{
	if (!lane_take(next->lane, next->exchanger, 1, world->now_ms))
		return;
	next->lane->nready--;
	next->lane->nurgent -= next->lane->nurgent > 0;
	++*sent;
	tell(world, next->lane, next->exchanger, REPORT_BUSY, false);
	if (!world->stays_busy)
		tell(world, next->lane, next->exchanger, REPORT_IDLE, false);
}

/* Leases give one message to each lane, connections open at once; sends[i] counts what may go. */
static void run(struct world *world, unsigned *sends)
{
	struct next next;

	for (unsigned turns = 0; turns < 1000 && scheduler_next(world->scheduler, &next, world->now_ms); turns++) {
		unsigned i = next.kind == NEXT_ASK ? 0 : number_of(world, next.lane->site);

		switch (next.kind) {
		case NEXT_LEASE:
			scheduler_hold(world->scheduler, next.domain);
			next.lane->nready++;
			next.lane->nurgent += next.list->transactional;
			scheduler_leased(world->scheduler, next.list, 1, 1000, world->now_ms);
			break;
		case NEXT_CONNECT:
			tell(world, next.lane, next.exchanger, REPORT_OPENED, false);
			world->open[i]++;
			break;
		case NEXT_SEND: send_one(world, &next, &sends[i]); break;
		case NEXT_RETURN: next.lane->nready = 0; break;
		default: break;
		}
	}
}

static unsigned sum(const unsigned *numbers)
{
	unsigned all = 0;

	for (unsigned i = 0; i < SITES; i++)
		all += numbers[i];
	return all;
}

static void pass_ms(struct world *world, uint64_t ms, unsigned *sends)
{
	for (uint64_t end = world->now_ms + ms; world->now_ms < end;) {
		world->now_ms += 5;
		scheduler_tick(world->scheduler, world->now_ms);
		run(world, sends);
	}
}

static struct lane_limits limits_of(unsigned connections, uint64_t a_second)
{
	return (struct lane_limits){.connections = connections,
				    .messages_per_connection = 100,
				    .recipients_per_message = 1,
				    .window = 1,
				    .rate_count = a_second,
				    .rate_period_ms = 1000,
				    .retry = {.nsteps = 1, .step_ms = {60000}}};
}

static void they_are_sites_of_their_own(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = limits_of(4, 0);

	route(world, 0, (struct site_spec){.limits = &limits}, false);
	route(world, 1, (struct site_spec){.limits = &limits}, false);
	assert_ptr_not_equal(world->sites[0], world->sites[1]);
	for (unsigned i = 0; i < 2; i++)
		site_open(world->sites[i]);
	assert_ptr_equal(world->sites[0]->traffic->namesakes, world->sites[1]->traffic->namesakes);
	assert_true(slice_is(site_name(world->sites[1]), SLICE("provider")));
}

static void connections_are_counted_together(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = limits_of(5, 0);
	unsigned sends[SITES] = {0};

	world->stays_busy = true;
	for (unsigned i = 0; i < SITES; i++)
		route(world, i, (struct site_spec){.limits = &limits}, false);
	run(world, sends);
	pass_ms(world, 2000, sends);
	assert_int_equal(sum(world->open), 5);
}

static void one_with_limits_of_its_own_counts_with_the_others(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = limits_of(5, 0), own = limits_of(2, 0);
	struct site_spec named = {.limits = &limits, .nlanes = 1};
	unsigned sends[SITES] = {0};

	world->stays_busy = true;
	route(world, 0, (struct site_spec){.limits = &own, .standing = SITE_WITHIN, .named = &named}, false);
	run(world, sends);
	assert_int_equal(world->open[0], 2);
	for (unsigned i = 1; i < SITES; i++)
		route(world, i, (struct site_spec){.limits = &limits}, false);
	run(world, sends);
	pass_ms(world, 2000, sends);
	assert_int_equal(world->open[0], 2);
	assert_int_equal(sum(world->open), 5);
}

static void one_with_more_of_its_own_counts_in_the_total(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = limits_of(2, 0), own = limits_of(6, 0);
	struct site_spec named = {.limits = &limits, .nlanes = 1, .total_connections = 7};
	unsigned sends[SITES] = {0};

	world->stays_busy = true;
	route(world, 0, (struct site_spec){.limits = &own, .standing = SITE_BESIDE, .named = &named}, false);
	run(world, sends);
	assert_int_equal(world->open[0], 6);
	for (unsigned i = 1; i < SITES; i++)
		route(world, i, (struct site_spec){.limits = &limits, .total_connections = 7}, false);
	run(world, sends);
	pass_ms(world, 2000, sends);
	assert_int_equal(sum(world->open), 7);
}

static void one_that_closes_calls_the_next(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = limits_of(1, 0);
	unsigned sends[SITES] = {0};

	world->stays_busy = true;
	for (unsigned i = 0; i < SITES; i++)
		route(world, i, (struct site_spec){.limits = &limits}, false);
	run(world, sends);
	for (unsigned done = 1; done < SITES;
	     done++) { /* each has its turn, in as many steps, at one and the same time */
		unsigned busy = 0;

		assert_int_equal(sum(world->open), 1);
		while (!world->open[busy])
			busy++;
		struct lane *lane = world->sites[busy]->lanes[0];

		world->open[busy] = 0;
		tell(world, lane, LIST_OWNER(list_first(&lane->exchangers), struct exchanger, link), REPORT_CLOSED,
		     false);
		run(world, sends);
	}
	for (unsigned i = 0; i < SITES; i++)
		assert_true(sends[i] >= 1);
}

static void a_rate_is_shared_in_turn(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = limits_of(100, 40);
	unsigned sends[SITES] = {0};

	for (unsigned i = 0; i < SITES; i++)
		route(world, i, (struct site_spec){.limits = &limits}, false);
	run(world, sends);
	pass_ms(world, 10000, sends);
	assert_in_range(sum(sends), 400, 442); /* a burst of one second, then the rate */
	for (unsigned i = 0; i < SITES; i++)
		assert_in_range(sends[i], 25, 100);
	assert_int_equal(world->sites[3]->lanes[0]->wait, LANE_WAITS_SITE);
}

static void a_slow_rate_is_no_poll(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = limits_of(100, 1);
	unsigned sends[SITES] = {0};

	limits.rate_period_ms = 60000;
	for (unsigned i = 0; i < SITES; i++)
		route(world, i, (struct site_spec){.limits = &limits}, false);
	run(world, sends);
	assert_int_equal(sum(sends), 1);
	assert_in_range(scheduler_wait_ms(world->scheduler, world->now_ms, 100000), 3000, 100000); /* a wheel's look */
	pass_ms(world, 61000, sends);
	assert_int_equal(sum(sends), 2);
}

static void totals_hold_for_all(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = limits_of(100, 0);
	unsigned sends[SITES] = {0};

	for (unsigned i = 0; i < SITES; i++)
		route(world, i, (struct site_spec){.limits = &limits, .total_rate = {20, 1000, 1}}, false);
	run(world, sends);
	pass_ms(world, 5000, sends);
	assert_in_range(sum(sends), 85, 102); /* a wake-up may come a tick late */
}

static void transactional_mail_has_connections_of_its_own(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = limits_of(4, 0);
	unsigned sends[SITES] = {0};

	world->stays_busy = true;
	limits.reserved = 1;
	for (unsigned i = 1; i < SITES; i++)
		route(world, i, (struct site_spec){.limits = &limits}, false);
	run(world, sends);
	assert_int_equal(sum(world->open), 3);
	route(world, 0, (struct site_spec){.limits = &limits}, true);
	run(world, sends);
	assert_int_equal(world->open[0], 1);
	assert_int_equal(sum(world->open), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(they_are_sites_of_their_own, setup, teardown),
		cmocka_unit_test_setup_teardown(connections_are_counted_together, setup, teardown),
		cmocka_unit_test_setup_teardown(one_with_limits_of_its_own_counts_with_the_others, setup, teardown),
		cmocka_unit_test_setup_teardown(one_with_more_of_its_own_counts_in_the_total, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_closes_calls_the_next, setup, teardown),
		cmocka_unit_test_setup_teardown(a_rate_is_shared_in_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(a_slow_rate_is_no_poll, setup, teardown),
		cmocka_unit_test_setup_teardown(totals_hold_for_all, setup, teardown),
		cmocka_unit_test_setup_teardown(transactional_mail_has_connections_of_its_own, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
