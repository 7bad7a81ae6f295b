/* Which message a connection may have: transactional first, but not behind another, and never all connections to bulk.
 */
#include "scheduler/lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct lane_limits limits = {
	.connections = 10, .reserved = 1, .window = 1, .retry = {.nsteps = 1, .step_ms = {60000}}};

struct world {
	struct lane lane;
	struct list links[8];
	unsigned used;
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	lane_init(&world->lane, NULL, 0, &limits);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	lane_clear(&world->lane);
	free(world);
	return 0;
}

static struct list *put(struct world *world, bool urgent)
{
	struct list *link = &world->links[world->used++];

	list_init(link);
	lane_put(&world->lane, link, urgent);
	return link;
}

/* "-": nothing, "t": transactional, "b": bulk, for a connection that is idle, or was until now, or has one under way.
 */
static char offer(const struct world *world, bool counted_idle, bool behind)
{
	bool urgent;

	if (!lane_offers(&world->lane, counted_idle, behind, &urgent))
		return '-';
	return urgent ? 't' : 'b';
}

static void transactional_goes_first(void **state)
{
	struct world *world = *state;

	assert_int_equal(offer(world, false, false), '-');
	world->lane.open = 1;
	put(world, false);
	assert_int_equal(offer(world, false, false), 'b');
	struct list *urgent = put(world, true);

	assert_int_equal(offer(world, false, false), 't');
	assert_ptr_equal(lane_first_of(&world->lane, true), urgent);
	lane_remove(&world->lane, urgent, true);
	assert_int_equal(offer(world, false, false), 'b');
}

static void it_does_not_ride_behind_another_while_one_is_idle(void **state)
{
	struct world *world = *state;

	world->lane.open = 5;
	put(world, false);
	put(world, true);
	assert_int_equal(offer(world, false, true), 't'); /* better behind than not at all */
	world->lane.idle = 1;
	assert_int_equal(offer(world, false, true), 'b');
	assert_int_equal(offer(world, true, false), 't');
	put(world, true);
	assert_int_equal(offer(world, false, true), 't'); /* more than the idle one can have */
	world->lane.opening = 1;
	assert_int_equal(offer(world, false, true), 'b');
}

static void bulk_leaves_a_connection(void **state)
{
	struct world *world = *state;

	put(world, false);
	world->lane.open = 9;
	assert_int_equal(offer(world, false, true), 'b');
	world->lane.open = 10;
	assert_int_equal(offer(world, false, true), '-'); /* the tenth has transactional mail: a bulk one makes room */
	world->lane.idle = 1;
	assert_int_equal(offer(world, false, true), 'b');
	assert_int_equal(offer(world, true, false), '-');
	put(world, true);
	assert_int_equal(offer(world, true, false), 't');
}

/* Equal sets are one, whatever lies in the memory around their values. */
static void equal_limits_are_kept_once(void **state)
{
	struct map sets = {0};
	struct lane_limits twin, other = limits;
	const struct lane_limits *first = lane_limits_hold(&sets, &limits), *second;

	(void)state;
	memset(&twin, 0xff, sizeof(twin));
	memcpy(&twin, &limits, offsetof(struct lane_limits, ended) + 1);
	assert_ptr_equal(lane_limits_hold(&sets, &twin), first);
	other.retry.step_ms[0]++;
	second = lane_limits_hold(&sets, &other);
	assert_ptr_not_equal(second, first);
	lane_limits_drop(&sets, first);
	assert_int_equal(sets.count, 2);
	lane_limits_drop(&sets, first);
	lane_limits_drop(&sets, second);
	assert_int_equal(sets.count, 0);
	map_free(&sets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(transactional_goes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(it_does_not_ride_behind_another_while_one_is_idle, setup, teardown),
		cmocka_unit_test_setup_teardown(bulk_leaves_a_connection, setup, teardown),
		cmocka_unit_test(equal_limits_are_kept_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
