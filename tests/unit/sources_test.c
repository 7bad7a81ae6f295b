/* Which of several sources may send a list, and how much of it: pools by name, tenant and domain, weights, families of
 * addresses, warm-up with its overflow, and sources that are gone. */
#include "scheduler/scheduler.h"
#include "scheduler/warm_up.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { START_MS = 1000000, LANES = 3, PLENTY = 100000 };

static struct lane_limits limits[LANES];
static struct exchanger_spec exchangers[1];
static unsigned nexchangers;

static bool tenant_terms(void *who, struct slice tenant, struct tenant_terms *terms)
{
	(void)who;
	terms->weight = 1;
	terms->sources = slice_is(tenant, SLICE("acme")) ? 4 : 0;
	return true;
}

static uint64_t pool_sources(void *who, struct slice pool)
{
	(void)who;
	return slice_is(pool, SLICE("fast")) ? 2 : 0;
}

static struct scheduler *scheduler_with_lanes(void)
{
	nexchangers = 0;
	for (unsigned i = 0; i < LANES; i++)
		limits[i] = (struct lane_limits){.connections = 10,
						 .messages_per_connection = 100,
						 .recipients_per_message = 100,
						 .window = 1,
						 .retry = {.nsteps = 1, .step_ms = {60000}}};
	return scheduler_new(&(struct scheduler_setup){.slots = 100,
						       .records = PLENTY,
						       .seed = 7,
						       .tenant_terms = tenant_terms,
						       .pool_sources = pool_sources},
			     START_MS);
}

static struct site *route(struct scheduler *scheduler, const char *domain, uint64_t sources)
{
	struct site_spec spec = {.name = SLICE("site"),
				 .limits = limits,
				 .nlanes = LANES,
				 .sources = sources,
				 .exchangers = exchangers,
				 .nexchangers = nexchangers,
				 .routes_until_ms = START_MS + 3600000};

	return scheduler_routed(scheduler, slice_of(domain), &spec, START_MS);
}

/* Leases of this list as often as it goes, at most n times, all that is asked for being there: how many came to each
 * lane. What a lane has got it has sent at once. */
static void lease(struct scheduler *scheduler, const char *list, unsigned n, unsigned got[LANES])
{
	struct next next;

	memset(got, 0, LANES * sizeof(*got));
	scheduler_offer(scheduler, slice_of(list), START_MS);
	while (n-- && scheduler_next(scheduler, &next, START_MS)) {
		assert_int_equal(next.kind, NEXT_LEASE);
		got[next.lane->source] += next.count;
		if (next.lane->limits->warm_up)
			warm_up_take(next.lane->limits->warm_up, next.count, START_MS);
		scheduler_leased(scheduler, next.list, next.count, PLENTY, START_MS);
	}
}

static void the_nearest_pool_decides(void **state)
{
	static const struct {
		const char *list;
		unsigned lane;
	} rows[] = {
		{"b:a.example::nov", 0},	  {"b:a.example:acme:nov", 2},
		{"b:a.example:acme/fast:nov", 1}, {"t:a.example:/fast:nov", 1},
		{"b:a.example:acme/gone:nov", 2}, /* a pool that is no more: as if none were named */
		{"b:[IPv6:2001:db8::1]::", 0},	  {"b:[IPv6:2001:db8::1]:acme/fast:x:y/z", 1},
	};
	unsigned got[LANES];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scheduler *scheduler = scheduler_with_lanes();

		route(scheduler, "a.example", 1);
		route(scheduler, "[IPv6:2001:db8::1]", 1);
		lease(scheduler, rows[i].list, 3, got);
		for (unsigned j = 0; j < LANES; j++)
			assert_int_equal(got[j] > 0, j == rows[i].lane);
		scheduler_free(scheduler);
	}
}

static void sources_share_by_weight(void **state)
{
	struct scheduler *scheduler = scheduler_with_lanes();
	unsigned got[LANES];

	(void)state;
	limits[0].weight = 3;
	limits[1].weight = 1;
	route(scheduler, "a.example", 3);
	lease(scheduler, "b:a.example:/fast:nov", 50, got); /* what one alone may send is not held against it */
	assert_int_equal(got[0], 0);
	scheduler_hold_list(scheduler, scheduler_list(scheduler, SLICE("b:a.example:/fast:nov")), true);
	lease(scheduler, "b:a.example::nov", 400, got);
	assert_int_equal(got[2], 0);
	assert_in_range(got[0] * 100 / (got[0] + got[1]), 70, 80);
	scheduler_free(scheduler);
}

static void a_source_of_the_other_family_is_passed_over(void **state)
{
	struct scheduler *scheduler = scheduler_with_lanes();
	struct site *site;
	unsigned got[LANES];

	(void)state;
	limits[0].family = 4;
	limits[1].family = 6;
	exchangers[0] = (struct exchanger_spec){.address = SLICE("[2001:db8::25]:25"), .family = 6};
	nexchangers = 1;
	site = route(scheduler, "a.example", 3);
	lease(scheduler, "b:a.example::nov", 20, got);
	assert_int_equal(got[0], 0);
	assert_true(got[1] > 0);
	assert_int_equal(site->lanes[0]->wait, LANE_WAITS_FAMILY);
	scheduler_free(scheduler);
}

static void what_a_young_source_may_not_send_overflows(void **state)
{
	static const unsigned daily[] = {48};
	struct scheduler *scheduler = scheduler_with_lanes();
	struct warm_up warm_up = {0};
	unsigned got[LANES];

	(void)state;
	warm_up_plan(&warm_up, 0, daily, 1);
	warm_up_clock(&warm_up, -START_MS); /* midnight: an hour's part of 48 */
	limits[0].warm_up = &warm_up;
	limits[0].overflow = 4;
	route(scheduler, "a.example", 1);
	lease(scheduler, "b:a.example::nov", 20, got);
	assert_int_equal(got[0], 2);
	assert_int_equal(got[1], 0);
	assert_true(got[2] > 10);
	scheduler_free(scheduler);
}

static void a_source_that_is_gone_leases_no_more(void **state)
{
	struct scheduler *scheduler = scheduler_with_lanes();
	unsigned got[LANES];

	(void)state;
	route(scheduler, "a.example", 3);
	limits[0].ended = true;
	route(scheduler, "a.example", 3);
	lease(scheduler, "b:a.example::nov", 20, got);
	assert_int_equal(got[0], 0);
	assert_true(got[1] > 0);
	scheduler_free(scheduler);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nearest_pool_decides),
		cmocka_unit_test(sources_share_by_weight),
		cmocka_unit_test(a_source_of_the_other_family_is_passed_over),
		cmocka_unit_test(what_a_young_source_may_not_send_overflows),
		cmocka_unit_test(a_source_that_is_gone_leases_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
