/* One site on two schedulers, as two workers have it: what holds for its name holds for both together, and neither
 * keeps from the other what is its share. */
#include "scheduler/scheduler.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PARTS = 2, START_MS = 1000000 };

struct part {
	struct scheduler *scheduler;
	struct lane *lane;
	unsigned open, sent;
};

struct world {
	struct commons commons;
	struct part parts[PARTS];
	uint64_t now_ms;
	bool stays_busy; /* no message is ever done */
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	world->now_ms = START_MS;
	for (unsigned i = 0; i < PARTS; i++)
		world->parts[i].scheduler = scheduler_new(
			&(struct scheduler_setup){
				.slots = 1000, .records = 10000, .seed = 1, .commons = &world->commons},
			START_MS);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < PARTS; i++) {
		if (world->parts[i].lane)
			world->parts[i].lane->nready = 0;
		scheduler_free(world->parts[i].scheduler);
	}
	assert_int_equal(world->commons.by_name.count, 0);
	assert_int_equal(world->commons.nsplit, 0);
	commons_free(&world->commons);
	free(world);
	return 0;
}

/* That part has mail for the site. */
static void route(struct world *world, unsigned i, struct site_spec spec)
{
	struct exchanger_spec exchanger = {.address = SLICE("192.0.2.1:25"), .family = 4};

	spec.name = SLICE("provider");
	spec.key = SLICE("provider mx.provider.test");
	spec.nlanes = 1;
	spec.sources = UINT64_MAX;
	spec.routes_until_ms = UINT64_MAX;
	spec.exchangers = &exchanger;
	spec.nexchangers = 1;
	scheduler_offer(world->parts[i].scheduler, SLICE("b:giant.test::"), world->now_ms);
	struct site *site = scheduler_routed(world->parts[i].scheduler, SLICE("giant.test"), &spec, world->now_ms);

	site_open(site);
	world->parts[i].lane = site->lanes[0];
}

static struct common *common_of(const struct world *world)
{
	return world->parts[0].lane->site->traffic->namesakes->common;
}

static void tell(struct world *world, struct part *part, struct report report)
{
	report.recipients = 1;
	report.exchanger = LIST_OWNER(list_first(&part->lane->exchangers), struct exchanger, link);
	scheduler_report(part->scheduler, part->lane, &report, world->now_ms);
}

static void send_one(struct world *world, struct part *part, const struct next *next)
{
	if (!lane_take(part->lane, next->exchanger, 1, world->now_ms))
		return;
	part->lane->nready--;
	part->sent++;
	tell(world, part, (struct report){.kind = REPORT_BUSY});
	if (!world->stays_busy)
		tell(world, part, (struct report){.kind = REPORT_IDLE});
}

/* There is always more to lease, and connections open at once. */
static void run(struct world *world, struct part *part)
{
	struct next next;

	for (unsigned turns = 0; turns < 1000 && scheduler_next(part->scheduler, &next, world->now_ms); turns++) {
		switch (next.kind) {
		case NEXT_LEASE:
			for (unsigned i = 0; i < next.count; i++)
				scheduler_hold(part->scheduler, next.domain);
			part->lane->nready += next.count;
			scheduler_leased(part->scheduler, next.list, next.count, 1000, world->now_ms);
			break;
		case NEXT_CONNECT:
			tell(world, part, (struct report){.kind = REPORT_OPENED});
			part->open++;
			break;
		case NEXT_SEND: send_one(world, part, &next); break;
		case NEXT_RETURN: part->lane->nready = 0; break;
		default: break;
		}
	}
}

static void pass_ms(struct world *world, uint64_t ms)
{
	for (uint64_t end = world->now_ms + ms; world->now_ms < end;) {
		world->now_ms += 5;
		for (unsigned i = 0; i < PARTS; i++) {
			scheduler_tick(world->parts[i].scheduler, world->now_ms);
			run(world, &world->parts[i]);
		}
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
				    .rate_burst = a_second ? 1 : 0,
				    .retry = {.nsteps = 1, .step_ms = {60000}}};
}

/* Each of its busy connections that is to make way is closed. */
static unsigned make_way(struct world *world, struct part *part)
{
	unsigned yielding = 0;

	while (lane_yields(part->lane, world->now_ms))
		yielding++;
	for (unsigned i = 0; i < yielding; i++)
		tell(world, part, (struct report){.kind = REPORT_CLOSED, .yields = true});
	part->open -= yielding;
	return yielding;
}

static void connections_are_counted_together(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = limits_of(6, 0);
	struct part *first = &world->parts[0], *second = &world->parts[1];

	world->stays_busy = true;
	route(world, 0, (struct site_spec){.limits = &limits});
	pass_ms(world, 100);
	assert_int_equal(first->open, 6);
	route(world, 1, (struct site_spec){.limits = &limits});
	pass_ms(world, 2000);
	assert_int_equal(second->open, 0);
	assert_false(lane_yields(first->lane, world->now_ms)); /* nobody has said that there are two parts */
}

static void who_has_more_than_its_share_makes_way(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = limits_of(7, 0);
	struct part *first = &world->parts[0], *second = &world->parts[1];

	world->stays_busy = true;
	route(world, 0, (struct site_spec){.limits = &limits});
	common_split(&world->commons, common_of(world), PARTS);
	pass_ms(world, 100);
	assert_int_equal(first->open, 7); /* while nobody wants them */
	assert_false(lane_yields(first->lane, world->now_ms));
	route(world, 1, (struct site_spec){.limits = &limits});
	pass_ms(world, 300);
	assert_int_equal(second->open, 0);
	assert_int_equal(make_way(world, first), 4);
	pass_ms(world, 300);
	assert_int_equal(first->open, 3);
	assert_int_equal(second->open, 3);
	assert_int_equal(make_way(world, first) + make_way(world, second), 0);
	pass_ms(world, 3000);
	assert_int_equal(first->open + second->open, 7); /* what is left over is whose it may be */
}

/* Where all sources together have fewer. */
static void a_total_is_shared_too(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = limits_of(6, 0);
	struct part *first = &world->parts[0], *second = &world->parts[1];
	struct site_spec spec = {.limits = &limits, .total_connections = 4};

	world->stays_busy = true;
	route(world, 0, spec);
	common_split(&world->commons, common_of(world), PARTS);
	pass_ms(world, 100);
	assert_int_equal(first->open, 4);
	route(world, 1, spec);
	pass_ms(world, 300);
	assert_int_equal(make_way(world, first), 2);
	pass_ms(world, 300);
	assert_int_equal(first->open, 2);
	assert_int_equal(second->open, 2);
}

static void rates_hold_for_both(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = limits_of(10, 100);

	for (unsigned i = 0; i < PARTS; i++)
		route(world, i, (struct site_spec){.limits = &limits});
	common_split(&world->commons, common_of(world), PARTS);
	pass_ms(world, 4000);
	assert_in_range(world->parts[0].sent + world->parts[1].sent, 200, 401);
}

static void connections_are_opened_together_no_faster(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = limits_of(10, 0);

	world->stays_busy = true;
	limits.connection_rate = (struct pace_limit){.count = 1, .period_ms = 1000, .burst = 1};
	for (unsigned i = 0; i < PARTS; i++)
		route(world, i, (struct site_spec){.limits = &limits});
	common_split(&world->commons, common_of(world), PARTS);
	pass_ms(world, 4000);
	assert_in_range(world->parts[0].open + world->parts[1].open, 4, 5);
}

/* One that nobody may have after all: a tenant has as many as it may. */
static void what_is_not_opened_is_given_back(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = limits_of(1, 0);
	struct part *part = &world->parts[0];
	struct next next;

	limits.connection_rate = (struct pace_limit){.count = 1, .period_ms = 1000, .burst = 1};
	route(world, 0, (struct site_spec){.limits = &limits, .total_connections = 1});
	part->lane->nready = 1;
	scheduler_look(part->scheduler, part->lane);
	while (scheduler_next(part->scheduler, &next, world->now_ms) && next.kind != NEXT_CONNECT)
		assert_int_equal(next.kind, NEXT_LEASE);
	assert_int_equal(next.kind, NEXT_CONNECT);
	struct namesakes *namesakes = part->lane->site->traffic->namesakes;
	struct common_source *source = namesakes->sources[0].common;

	assert_int_equal(budget_connections_left(&source->budget), 0);
	assert_int_equal(budget_left(&source->connects, 1, world->now_ms), 0);
	part->lane->nready = 0;
	scheduler_forgo(part->scheduler, part->lane, next.exchanger);
	assert_int_equal(budget_connections_left(&source->budget), 1);
	assert_int_equal(budget_connections_left(&namesakes->common->total), 1);
	assert_int_equal(budget_left(&source->connects, 1, world->now_ms), 1);
	assert_int_equal(namesakes->count.open + namesakes->sources[0].count.open, 0);
}

static void a_name_is_split_while_somebody_has_it(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = limits_of(4, 0);
	struct commons *commons = &world->commons;

	assert_int_equal(commons_parts(commons, SLICE("provider")), 1);
	route(world, 1, (struct site_spec){.limits = &limits});
	struct common *common = common_hold(commons, SLICE("provider"));

	common_split(commons, common, 2);
	assert_int_equal(commons_parts(commons, SLICE("provider")), 2);
	assert_int_equal(commons_parts(commons, SLICE("other")), 1);
	assert_int_equal(commons->merges, 0);
	common_split(commons, common, 1);
	assert_int_equal(commons->merges, 1);
	assert_int_equal(commons_parts(commons, SLICE("provider")), 1);
	common_split(commons, common, 2);
	common_drop(commons, common);
	assert_int_equal(commons_parts(commons, SLICE("provider")), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(connections_are_counted_together, setup, teardown),
		cmocka_unit_test_setup_teardown(who_has_more_than_its_share_makes_way, setup, teardown),
		cmocka_unit_test_setup_teardown(a_total_is_shared_too, setup, teardown),
		cmocka_unit_test_setup_teardown(rates_hold_for_both, setup, teardown),
		cmocka_unit_test_setup_teardown(connections_are_opened_together_no_faster, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_opened_is_given_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_name_is_split_while_somebody_has_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
