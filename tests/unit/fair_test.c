/* Fair shares, counted: tenants by weight, campaigns within a tenant, lists within a campaign, and who may not send. */
#include "scheduler/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LISTS = 64, LEASE = 32, NOW_MS = 1000000 };

/* A list, and its name behind it. */
struct named {
	struct ready list;
	char name[32];
};

/* Lists of one site, without a scheduler around them. */
struct world {
	struct fair fair;
	struct site *site;
	struct domain *domain;
	struct {
		struct tenant tenant;
		char name[2];
	} tenants[4];
	struct named lists[LISTS];
	uint64_t had[LISTS];
	unsigned nlists;
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	static const char *const names[] = {"a", "b", "c", "d"};

	for (unsigned i = 0; i < 4; i++) {
		world->tenants[i].tenant =
			(struct tenant){.node = {.at = sizeof(struct tenant), .len = 1}, .terms.weight = 1};
		memcpy(world->tenants[i].name, names[i], 1);
	}
	world->site = calloc(1, sizeof(*world->site));
	world->domain = calloc(1, sizeof(*world->domain));
	world->domain->site = world->site;
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < world->nlists; i++)
		fair_leave(&world->fair, &world->lists[i].list);
	assert_null(world->fair.mail);
	free(world->domain);
	free(world->site);
	free(world);
	return 0;
}

/* A list of that tenant and campaign, in its turn. */
static struct ready *list_of(struct world *world, unsigned tenant, const char *campaign)
{
	unsigned i = world->nlists++;
	struct named *named = &world->lists[i];
	struct ready *list = &named->list;

	assert_true(i < LISTS);
	int n = snprintf(named->name, sizeof(named->name), "b:d%u:%c:%s", i, 'a' + tenant, campaign);

	*list = (struct ready){.node = {.at = sizeof(*list), .len = (uint32_t)n & 31},
			       .domain = world->domain,
			       .tenant = &world->tenants[tenant].tenant,
			       .campaign_at = (uint16_t)((size_t)n - strlen(campaign)),
			       .sources = UINT64_MAX};
	fair_join(&world->fair, list);
	return list;
}

/* One lease for that lane: who got it; NULL: nobody. */
static struct ready *serve(struct world *world, unsigned lane, unsigned recipients)
{
	uint64_t wake_ms = 0;
	struct ready *list = fair_choose(&world->fair, lane, true, NOW_MS, &wake_ms);

	if (!list)
		return NULL;
	fair_rest(&world->fair, list);
	fair_charge(list, recipients);
	world->had[LIST_OWNER(list, struct named, list) - world->lists] += recipients;
	fair_join(&world->fair, list);
	return list;
}

static void serve_many(struct world *world, unsigned leases)
{
	while (leases-- > 0)
		assert_non_null(serve(world, 0, LEASE));
}

static uint64_t had(const struct world *world, const struct ready *list)
{
	return world->had[LIST_OWNER(list, struct named, list) - world->lists];
}

static void tenants_share_evenly_whatever_they_queue(void **state)
{
	struct world *world = *state;
	struct ready *small = list_of(world, 0, "one");
	uint64_t many = 0;

	for (unsigned i = 0; i < 30; i++)
		list_of(world, 1, i % 2 ? "x" : "y");
	serve_many(world, 1000);
	for (unsigned i = 1; i < world->nlists; i++)
		many += world->had[i];
	assert_in_range(had(world, small), 15900, 16100);
	assert_in_range(many, 15900, 16100);
}

static void weights_are_shares(void **state)
{
	struct world *world = *state;
	struct ready *lists[3];

	world->tenants[0].tenant.terms.weight = 1;
	world->tenants[1].tenant.terms.weight = 2;
	world->tenants[2].tenant.terms.weight = 7;
	for (unsigned i = 0; i < 3; i++)
		lists[i] = list_of(world, i, "");
	serve_many(world, 10000);
	assert_in_range(had(world, lists[0]), 31900, 32100);
	assert_in_range(had(world, lists[1]), 63800, 64200);
	assert_in_range(had(world, lists[2]), 223500, 224500);
}

static void campaigns_of_a_tenant_share_evenly(void **state)
{
	struct world *world = *state;
	struct ready *alone = list_of(world, 0, "small");
	uint64_t giant = 0;

	for (unsigned i = 0; i < 40; i++)
		list_of(world, 0, "giant");
	serve_many(world, 1000);
	for (unsigned i = 1; i < world->nlists; i++) {
		giant += world->had[i];
		assert_in_range(world->had[i], 384, 416); /* and its lists take turns */
	}
	assert_in_range(had(world, alone), 15900, 16100);
	assert_in_range(giant, 15900, 16100);
}

static void a_newcomer_starts_where_the_others_are(void **state)
{
	struct world *world = *state;
	struct ready *old = list_of(world, 0, "old");

	list_of(world, 0, "older");
	serve_many(world, 10000);
	uint64_t before = had(world, old);
	struct ready *late = list_of(world, 0, "late");

	serve_many(world, 4);
	assert_true(had(world, late) >= LEASE); /* it is not behind what they have queued */
	serve_many(world, 296);
	assert_in_range(had(world, late), 3100, 3300); /* and they are not behind what it has missed */
	assert_in_range(had(world, old) - before, 3100, 3300);
}

static void what_was_not_there_is_not_paid(void **state)
{
	struct world *world = *state;
	struct ready *poor = list_of(world, 0, ""), *rich = list_of(world, 1, "");

	for (unsigned i = 0; i < 1000; i++) {
		struct ready *list = serve(world, 0, LEASE);

		if (list == poor) {
			fair_refund(list, LEASE - 4);
			world->had[0] -= LEASE - 4;
		}
	}
	assert_in_range(had(world, poor) * 100 / had(world, rich), 90, 110);
}

static void a_claim_is_not_saved_up(void **state)
{
	struct world *world = *state;
	struct ready *held = list_of(world, 0, ""), *other = list_of(world, 1, "");

	fair_rest(&world->fair, held);
	serve_many(world, 1000);
	assert_int_equal(had(world, held), 0);
	uint64_t before = had(world, other);

	fair_join(&world->fair, held);
	serve_many(world, 100);
	assert_in_range(had(world, held), 1600, 1600 + 256);
	assert_true(had(world, other) - before >= 1600 - 256);
}

static void a_tenant_without_budget_is_passed_by(void **state)
{
	struct world *world = *state;
	struct ready *poor = list_of(world, 0, ""), *rich = list_of(world, 1, "");
	struct budget budget;
	uint64_t wake_ms = 0;

	budget_init(&budget, 60, 60000, 1, 0);
	world->tenants[0].tenant.terms.budget = &budget;
	assert_int_equal(budget_take(&budget, 1, NOW_MS), 1);
	for (unsigned i = 0; i < 10; i++)
		assert_ptr_equal(serve(world, 0, LEASE), rich);
	fair_rest(&world->fair, rich);
	assert_null(fair_choose(&world->fair, 0, true, NOW_MS, &wake_ms));
	assert_int_equal(wake_ms, NOW_MS + 1000); /* and is waited for to the millisecond */
	assert_ptr_equal(fair_choose(&world->fair, 0, true, NOW_MS + 1000, &wake_ms), poor);
}

static void a_lane_sends_what_it_may(void **state)
{
	struct world *world = *state;
	struct ready *first = list_of(world, 0, "first"), *second = list_of(world, 0, "second"),
		     *any = list_of(world, 1, "any");
	struct ready *fixed[2] = {first, second};

	for (unsigned i = 0; i < 2; i++) {
		fair_leave(&world->fair, fixed[i]);
		fixed[i]->sources = 1ull << i;
		fair_join(&world->fair, fixed[i]);
	}
	for (unsigned i = 0; i < 200; i++) {
		struct ready *list = serve(world, i % 2, LEASE);

		assert_true(list == any || list == fixed[i % 2]);
	}
	assert_in_range(had(world, any), 3100, 3300);
}

static void one_list_needs_no_shares(void **state)
{
	struct world *world = *state;
	struct ready *list = list_of(world, 0, "");

	assert_ptr_equal(world->fair.mail, &list->node);
	assert_true(fair_is_alone(&world->fair));
	assert_ptr_equal(serve(world, 0, LEASE), list);
	fair_rest(&world->fair, list);
	assert_null(serve(world, 0, LEASE));
	struct ready *second = list_of(world, 0, "");

	assert_false(fair_is_alone(&world->fair));
	assert_ptr_equal(serve(world, 0, LEASE), second); /* the first still rests */
	fair_leave(&world->fair, second);
	assert_true(fair_is_alone(&world->fair));
}

/* What a site with ten thousand campaigns costs to choose from is seen by the clock of `make check` alone: linear would
 * be a hundred million steps. */
static void ten_thousand_campaigns_each_have_a_turn(void **state)
{
	enum { MANY = 10000 };
	struct world *world = *state;
	struct named *lists = calloc(MANY, sizeof(*lists));
	struct ready *giant = list_of(world, 0, "giant");
	unsigned served = 0;
	uint64_t wake_ms = 0;

	serve_many(world, 10);
	for (unsigned i = 0; i < MANY; i++) {
		int n = snprintf(lists[i].name, sizeof(lists[i].name), "b:d:a:%u", i);

		lists[i].list = (struct ready){.node = {.at = sizeof(struct ready), .len = (uint32_t)n & 31},
					       .domain = world->domain,
					       .tenant = &world->tenants[0].tenant,
					       .campaign_at = 6,
					       .sources = UINT64_MAX};
		fair_join(&world->fair, &lists[i].list);
	}
	for (unsigned i = 0; i < MANY + 10; i++) {
		struct ready *list = fair_choose(&world->fair, 0, true, NOW_MS, &wake_ms);

		fair_charge(list, list == giant ? LEASE : 1);
		served += list != giant;
		if (list != giant)
			fair_leave(&world->fair, list);
	}
	assert_int_equal(served, MANY);
	free(lists);
}

/* With a scheduler around them. */

static struct scheduler *scheduler_with(bool (*terms)(void *, struct slice, struct tenant_terms *), void *who)
{
	return scheduler_new(
		&(struct scheduler_setup){.slots = 100, .records = 10000, .tenant_terms = terms, .who = who}, NOW_MS);
}

static void route(struct scheduler *scheduler, const char *domain, const char *site)
{
	struct lane_limits limits = {.connections = 10,
				     .messages_per_connection = 100,
				     .recipients_per_message = 100,
				     .window = 1,
				     .retry = {.nsteps = 1, .step_ms = {60000}}};
	struct site_spec spec = {.name = slice_of(site), .limits = &limits, .nlanes = 1, .routes_until_ms = UINT64_MAX};

	scheduler_routed(scheduler, slice_of(domain), &spec, NOW_MS);
}

/* The next list to be leased from; NULL: none. How many are asked for goes to *count. */
static struct ready *next_lease(struct scheduler *scheduler, unsigned *count, uint64_t now_ms)
{
	struct next next;

	if (!scheduler_next(scheduler, &next, now_ms))
		return NULL;
	assert_int_equal(next.kind, NEXT_LEASE);
	*count = next.count;
	return next.list;
}

static void transactional_mail_does_not_wait_for_other_sites(void **state)
{
	struct scheduler *scheduler = scheduler_with(NULL, NULL);
	char domain[32], list[40];
	unsigned count;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(domain, sizeof(domain), "d%u.example", i);
		snprintf(list, sizeof(list), "b:%s::", domain);
		route(scheduler, domain, domain);
		scheduler_offer(scheduler, slice_of(list), NOW_MS);
	}
	scheduler_offer(scheduler, SLICE("t:d700.example::"), NOW_MS);
	scheduler_offer(scheduler, SLICE("t:d900.example::"), NOW_MS);
	for (unsigned i = 0, found = 0; i < 6; i++) {
		found += next_lease(scheduler, &count, NOW_MS)->transactional;
		assert_true(found >= i / 2); /* every second turn is theirs */
	}
	scheduler_free(scheduler);
}

static void a_held_list_is_not_leased(void **state)
{
	struct scheduler *scheduler = scheduler_with(NULL, NULL);
	unsigned count = 0;

	(void)state;
	route(scheduler, "a.example", "a");
	scheduler_offer(scheduler, SLICE("b:a.example::"), NOW_MS);
	struct ready *list = scheduler_list(scheduler, SLICE("b:a.example::"));

	scheduler_hold_list(scheduler, list, true);
	assert_null(next_lease(scheduler, &count, NOW_MS));
	scheduler_offer(scheduler, SLICE("b:a.example::"), NOW_MS); /* more mail does not free it */
	assert_null(next_lease(scheduler, &count, NOW_MS));
	scheduler_hold_list(scheduler, list, false);
	assert_ptr_equal(next_lease(scheduler, &count, NOW_MS), list);
	scheduler_hold_list(scheduler, list, true); /* while a lease is under way */
	scheduler_leased(scheduler, list, count, 50, NOW_MS);
	assert_null(next_lease(scheduler, &count, NOW_MS));
	scheduler_free(scheduler);
}

static bool tight_terms(void *who, struct slice tenant, struct tenant_terms *terms)
{
	if (!slice_is(tenant, SLICE("acme")))
		return false;
	*terms = (struct tenant_terms){.weight = 1, .budget = who};
	return true;
}

static void a_tenants_budget_is_kept_to_the_millisecond(void **state)
{
	struct budget budget;
	unsigned count;

	(void)state;
	budget_init(&budget, 60, 60000, 3, 0);
	struct scheduler *scheduler = scheduler_with(tight_terms, &budget);

	route(scheduler, "a.example", "a");
	scheduler_offer(scheduler, SLICE("b:a.example:acme:"), NOW_MS);
	struct ready *list = next_lease(scheduler, &count, NOW_MS);

	assert_int_equal(count, 3);
	scheduler_leased(scheduler, list, 1, 50, NOW_MS); /* two were not there: they are not counted */
	assert_ptr_equal(next_lease(scheduler, &count, NOW_MS), list);
	assert_int_equal(count, 2);
	scheduler_leased(scheduler, list, 2, 50, NOW_MS);
	assert_null(next_lease(scheduler, &count, NOW_MS));
	assert_true(scheduler_wait_ms(scheduler, NOW_MS, 60000) <= 1004);
	scheduler_tick(scheduler, NOW_MS + 999);
	assert_null(next_lease(scheduler, &count, NOW_MS + 999));
	scheduler_tick(scheduler, NOW_MS + 1004);
	assert_ptr_equal(next_lease(scheduler, &count, NOW_MS + 1004), list);
	assert_int_equal(count, 1);
	scheduler_leased(scheduler, list, 1, 50, NOW_MS + 1004);
	assert_null(next_lease(scheduler, &count, NOW_MS + 1004));
	scheduler_untried(scheduler, SLICE("acme"), 1); /* its lane rests: it went back */
	scheduler_offer(scheduler, SLICE("b:a.example:acme:"), NOW_MS + 1004);
	assert_ptr_equal(next_lease(scheduler, &count, NOW_MS + 1004), list);
	scheduler_free(scheduler);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tenants_share_evenly_whatever_they_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(weights_are_shares, setup, teardown),
		cmocka_unit_test_setup_teardown(campaigns_of_a_tenant_share_evenly, setup, teardown),
		cmocka_unit_test_setup_teardown(a_newcomer_starts_where_the_others_are, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_not_there_is_not_paid, setup, teardown),
		cmocka_unit_test_setup_teardown(a_claim_is_not_saved_up, setup, teardown),
		cmocka_unit_test_setup_teardown(a_tenant_without_budget_is_passed_by, setup, teardown),
		cmocka_unit_test_setup_teardown(a_lane_sends_what_it_may, setup, teardown),
		cmocka_unit_test_setup_teardown(one_list_needs_no_shares, setup, teardown),
		cmocka_unit_test_setup_teardown(ten_thousand_campaigns_each_have_a_turn, setup, teardown),
		cmocka_unit_test(transactional_mail_does_not_wait_for_other_sites),
		cmocka_unit_test(a_held_list_is_not_leased),
		cmocka_unit_test(a_tenants_budget_is_kept_to_the_millisecond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
