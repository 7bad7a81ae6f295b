/* Which names are looked at once a second, and what is seen. */
#include "scheduler/load.h"

#include "scheduler/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NAMES = 4, SITES_EACH = 2, START_MS = 1000000 };

struct world {
	struct commons commons;
	struct scheduler *scheduler;
	struct site *sites[NAMES * SITES_EACH];
};

/* Site i of one of the names, with traffic. */
static struct site *site_make(struct world *world, unsigned i, int workers)
{
	char domain[32], name[32], key[64], list[64];
	struct exchanger_spec exchanger = {.address = SLICE("192.0.2.1:25"), .family = 4};
	struct lane_limits limits = {.connections = 10};
	struct site_spec spec = {.nlanes = 1,
				 .limits = &limits,
				 .sources = UINT64_MAX,
				 .routes_until_ms = UINT64_MAX,
				 .workers = workers};
	struct site *site;

	snprintf(domain, sizeof(domain), "d%u.test", i);
	snprintf(name, sizeof(name), "name%u", i / SITES_EACH);
	snprintf(key, sizeof(key), "name%u mx%u.test", i / SITES_EACH, i);
	snprintf(list, sizeof(list), "b:%s::", domain);
	spec.name = slice_of(name);
	spec.key = slice_of(key);
	spec.exchangers = &exchanger;
	spec.nexchangers = 1;
	scheduler_offer(world->scheduler, slice_of(list), START_MS);
	site = scheduler_routed(world->scheduler, slice_of(domain), &spec, START_MS);
	site_open(site);
	return site;
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct scheduler_setup setup = {.slots = 100, .records = 100, .commons = &world->commons};

	world->scheduler = scheduler_new(&setup, START_MS);
	for (unsigned i = 0; i < NAMES * SITES_EACH; i++)
		world->sites[i] = site_make(world, i, i / SITES_EACH == NAMES - 1 ? 2 : 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	scheduler_free(world->scheduler);
	assert_int_equal(world->commons.by_name.count, 0);
	commons_free(&world->commons);
	free(world);
	return 0;
}

static struct namesakes *name_of(const struct world *world, unsigned name)
{
	return world->sites[name * SITES_EACH]->traffic->namesakes;
}

static bool is_looked_at(const struct world *world, unsigned name)
{
	LIST_EACH (link, loads(world->scheduler))
		if (LIST_OWNER(link, struct namesakes, load.looked_at) == name_of(world, name))
			return true;
	return false;
}

static void the_one_with_most_of_the_mail_is_looked_at(void **state)
{
	struct world *world = *state;

	load_count(world->sites[0], 30);
	load_count(world->sites[2], 30);
	load_count(world->sites[3], 31);
	assert_int_equal(loads_look(world->scheduler, START_MS), 91);
	assert_true(is_looked_at(world, 1));
	assert_int_equal(name_of(world, 1)->load.sent, 61); /* of both its sites */
	assert_false(is_looked_at(world, 0));
	load_count(world->sites[0], 30);
	load_count(world->sites[2], 30);
	load_count(world->sites[4], 31);
	assert_int_equal(loads_look(world->scheduler, START_MS), 91); /* since the last time */
	for (unsigned i = 0; i < NAMES - 1; i++)
		assert_false(is_looked_at(world, i));
	assert_int_equal(loads_look(world->scheduler, START_MS), 0);
}

/* As the engine does when it finds it too slow. */
static void a_busy_one_stays_until_it_is_not(void **state)
{
	struct world *world = *state;

	load_count(world->sites[0], 9);
	loads_look(world->scheduler, START_MS);
	name_of(world, 0)->load.busy_s = 1;
	loads_look(world->scheduler, START_MS);
	assert_true(is_looked_at(world, 0));
	assert_int_equal(name_of(world, 0)->load.sent, 0); /* what it sent is a second old */
	name_of(world, 0)->load.busy_s = 0;
	loads_look(world->scheduler, START_MS);
	assert_false(is_looked_at(world, 0));
}

static void those_with_parts_are_looked_at(void **state)
{
	struct world *world = *state;

	loads_look(world->scheduler, START_MS);
	assert_true(is_looked_at(world, NAMES - 1)); /* configured */
	assert_false(is_looked_at(world, 0));
	common_split(&world->commons, name_of(world, 0)->common, 2);
	common_split(&world->commons, name_of(world, 1)->common, 3);
	common_split(&world->commons, name_of(world, 0)->common, 1);
	loads_look(world->scheduler, START_MS);
	assert_true(is_looked_at(world, 1));
	assert_false(is_looked_at(world, 0));
}

static void more_mail_and_a_choosy_receiver_are_seen(void **state)
{
	struct world *world = *state;
	struct common *common = name_of(world, NAMES - 1)->common;
	struct lane *lane = world->sites[NAMES * SITES_EACH - 1]->lanes[0];

	lane->plenty = true;
	loads_look(world->scheduler, START_MS);
	assert_true(name_of(world, NAMES - 1)->load.plenty);
	assert_int_equal(common->choosy_ms, 0);
	lane_prepare(lane)->crowd.edge = 20;
	loads_look(world->scheduler, START_MS + 1000);
	assert_int_equal(common->choosy_ms, START_MS + 1000);
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		IN_WORLD(the_one_with_most_of_the_mail_is_looked_at),
		IN_WORLD(a_busy_one_stays_until_it_is_not),
		IN_WORLD(those_with_parts_are_looked_at),
		IN_WORLD(more_mail_and_a_choosy_receiver_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
