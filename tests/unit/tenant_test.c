/* What a tenant may over all sites and workers: tickets for connections, who stands in line for them, and that what
 * waits for them is in nobody's way. */
#include "scheduler/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { START_MS = 1000000, MAIL = 64 };

/* One worker; a test with two gives both the same budgets. */
struct world {
	struct scheduler *scheduler;
	struct budget *budget, *connects;
	struct budget own_budget, own_connects;
	uint64_t now_ms;
	struct list mail[MAIL];
	unsigned nmail;
	struct tenant *acme, *other; /* counted */
	struct lane *a, *b;	     /* two sites */
};

static bool terms_of(void *who, struct slice tenant, struct tenant_terms *terms)
{
	const struct world *world = who;

	if (!slice_is(tenant, SLICE("acme")))
		return false;
	*terms = (struct tenant_terms){.weight = 1, .budget = world->budget, .connects = world->connects};
	return true;
}

static struct lane *lane_to(struct world *world, const char *domain)
{
	static const struct lane_limits limits = {.connections = 10,
						  .messages_per_connection = 100,
						  .recipients_per_message = 100,
						  .window = 1,
						  .retry = {.nsteps = 1, .step_ms = {60000}}};
	struct site_spec spec = {.name = slice_of(domain),
				 .limits = &limits,
				 .nlanes = 1,
				 .sources = UINT64_MAX,
				 .routes_until_ms = START_MS + 3600000};
	struct site *site = scheduler_routed(world->scheduler, slice_of(domain), &spec, START_MS);

	site_open(site);
	lane_prepare(site->lanes[0]);
	return site->lanes[0];
}

static struct tenant *tenant_named(struct world *world, const char *list)
{
	scheduler_offer(world->scheduler, slice_of(list), START_MS);
	return tenant_keep(scheduler_list(world->scheduler, slice_of(list))->tenant);
}

static struct world *world_new(struct budget *budget, struct budget *connects)
{
	struct world *world = calloc(1, sizeof(*world));

	world->now_ms = START_MS;
	budget_init(&world->own_budget, 0, 0, 0, 2);
	budget_init(&world->own_connects, 0, 0, 0, 0);
	world->budget = budget ? budget : &world->own_budget;
	world->connects = connects ? connects : &world->own_connects;
	world->scheduler = scheduler_new(
		&(struct scheduler_setup){
			.slots = 100, .records = 100000, .seed = 1, .tenant_terms = terms_of, .who = world},
		START_MS);
	world->a = lane_to(world, "a.example");
	world->b = lane_to(world, "b.example");
	world->acme = tenant_named(world, "b:a.example:acme:");
	world->other = tenant_named(world, "b:a.example:other:");
	/* Of what is in Redis nothing is asked for here. */
	scheduler_hold_list(world->scheduler, scheduler_list(world->scheduler, SLICE("b:a.example:acme:")), true);
	scheduler_hold_list(world->scheduler, scheduler_list(world->scheduler, SLICE("b:a.example:other:")), true);
	return world;
}

static void world_free(struct world *world)
{
	scheduler_free(world->scheduler);
	free(world);
}

static int setup(void **state)
{
	*state = world_new(NULL, NULL);
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static struct list *mail_on(struct world *world, struct lane *lane, bool urgent)
{
	struct list *link = &world->mail[world->nmail++];

	assert_true(world->nmail <= MAIL);
	list_init(link);
	lane_put(lane, link, urgent);
	return link;
}

/* So much of acme's comes to the lane and finds no ticket. */
static void wait_for_one(struct world *world, struct lane *lane, unsigned n, bool urgent)
{
	struct ticket ticket;

	for (unsigned i = 0; i < n; i++) {
		struct list *link = mail_on(world, lane, urgent);

		assert_false(tenant_grants(world->acme, lane, &ticket, world->now_ms));
		tenant_set_aside(world->acme, lane, link, urgent, world->now_ms);
	}
}

static struct ticket ticket_on(struct world *world, struct lane *lane)
{
	struct ticket ticket;

	assert_true(tenant_grants(world->acme, lane, &ticket, world->now_ms));
	return ticket;
}

static void pass_ms(struct world *world, uint64_t ms)
{
	for (uint64_t end_ms = world->now_ms + ms; world->now_ms < end_ms;) {
		world->now_ms += 10;
		scheduler_tick(world->scheduler, world->now_ms);
	}
}

static void look(struct world *world)
{
	struct next next;

	scheduler_look(world->scheduler, world->a);
	assert_false(scheduler_next(world->scheduler, &next, world->now_ms));
}

static void connections_count_over_all_sites(void **state)
{
	struct world *world = *state;
	struct ticket first = ticket_on(world, world->a), second = ticket_on(world, world->b), none;

	assert_false(tenant_grants(world->acme, world->a, &none, world->now_ms));
	assert_true(tenant_grants(world->other, world->a, &none, world->now_ms)); /* nobody limits that one */
	tenant_takes_back(world->other, &none, world->now_ms);
	tenant_takes_back(world->acme, &first, world->now_ms);
	first = ticket_on(world, world->b);
	tenant_takes_back(world->acme, &first, world->now_ms);
	tenant_takes_back(world->acme, &second, world->now_ms);
	tenant_takes_back(world->acme, &second, world->now_ms); /* it is nobody's any more */
	assert_int_equal(world->budget->connections, 0);
}

static void what_waits_is_in_nobodys_way(void **state)
{
	struct world *world = *state;
	struct ticket first = ticket_on(world, world->b), second = ticket_on(world, world->b);
	struct list *others;
	struct next next;

	wait_for_one(world, world->a, 5, false);
	look(world); /* no connection is opened for it */
	assert_string_equal(lane_wait_name(world->a->wait), "tenant");
	others = mail_on(world, world->a, false);
	assert_ptr_equal(lane_first(world->a), others);
	assert_int_equal(world->a->nready, 1);
	lane_pop(world->a);
	tenant_takes_back(world->acme, &first, world->now_ms);
	assert_ptr_equal(lane_first(world->a), &world->mail[0]); /* a ticket is free: the oldest is the first again */
	assert_int_equal(world->a->nready, 1);
	assert_true(scheduler_next(world->scheduler, &next, world->now_ms)); /* and the lane is looked at */
	assert_int_equal(next.kind, NEXT_CONNECT);
	assert_ptr_equal(next.lane, world->a);
	first = ticket_on(world, world->a);
	lane_pop(world->a);
	assert_true(tenant_fetch(world->acme, world->a)); /* and who has it takes one after the other */
	assert_ptr_equal(lane_pop(world->a), &world->mail[1]);
	for (unsigned i = 2; i < 5; i++) {
		assert_ptr_equal(lane_pop_aside(world->a), &world->mail[i]); /* the lane rests: all goes back */
	}
	assert_null(lane_pop_aside(world->a));
	tenant_takes_back(world->acme, &first, world->now_ms);
	tenant_takes_back(world->acme, &second, world->now_ms);
	assert_int_equal(world->budget->wanted, 0);
}

static void lanes_stand_in_line(void **state)
{
	struct world *world = *state;
	struct ticket first = ticket_on(world, world->a), second = ticket_on(world, world->a), none;
	struct lane *c = lane_to(world, "c.example");

	wait_for_one(world, world->a, 2, false);
	wait_for_one(world, world->b, 2, false);
	wait_for_one(world, c, 1, true);
	tenant_takes_back(world->acme, &first, world->now_ms);
	assert_int_equal(c->nready, 1); /* transactional mail stands before the others */
	assert_int_equal(world->a->nready + world->b->nready, 0);
	assert_false(tenant_grants(world->acme, world->a, &none, world->now_ms)); /* it is not its turn */
	first = ticket_on(world, c);
	lane_pop(c);
	tenant_takes_back(world->acme, &second, world->now_ms);
	assert_int_equal(world->a->nready, 1);
	pass_ms(world, 200); /* it does not take it, as a lane that waits for its rate would not */
	assert_int_equal(world->b->nready, 1);
	second = ticket_on(world, world->b);
	tenant_takes_back(world->acme, &first, world->now_ms);
	assert_int_equal(world->a->nready, 2);
	tenant_takes_back(world->acme, &second, world->now_ms);
	while (lane_pop(world->a) || lane_pop(world->b) || lane_pop_aside(world->b))
		;
}

static void who_has_one_long_lets_others(void **state)
{
	struct world *world = *state;
	struct ticket first = ticket_on(world, world->a), second = ticket_on(world, world->a);

	assert_false(tenant_yields(world->acme, world->a, &first, world->now_ms));
	wait_for_one(world, world->b, 1, false);
	assert_false(tenant_yields(world->acme, world->a, &first, world->now_ms));
	assert_false(tenant_yields(world->acme, world->a, &first, world->now_ms + 999));
	assert_true(tenant_yields(world->acme, world->a, &first, world->now_ms + 1000));
	assert_false(tenant_yields(world->acme, world->b, &first, world->now_ms + 1000)); /* only its own lane waits */
	wait_for_one(world, world->b, 1, true);
	assert_true(tenant_yields(world->acme, world->a, &first, world->now_ms)); /* transactional mail: at once */
	while (lane_pop_aside(world->b))
		;
	assert_false(tenant_yields(world->acme, world->a, &first, world->now_ms + 1000));
	tenant_takes_back(world->acme, &first, world->now_ms);
	tenant_takes_back(world->acme, &second, world->now_ms);
}

static void workers_let_each_other(void **state)
{
	struct world *one = *state, *two = world_new(one->budget, one->connects);
	struct ticket first = ticket_on(one, one->a), second = ticket_on(one, one->a), third;

	wait_for_one(two, two->a, 1, false);
	assert_true(tenant_yields(one->acme, one->a, &first, one->now_ms + 1000));
	tenant_takes_back(one->acme, &first, one->now_ms + 1000);
	assert_false(tenant_grants(one->acme, one->a, &third, one->now_ms + 1000)); /* the other one is to have it */
	assert_int_equal(two->a->nready, 0);
	pass_ms(two, 60); /* and finds it, without having been told */
	assert_int_equal(two->a->nready, 1);
	first = ticket_on(two, two->a);
	assert_int_equal(one->budget->wanted, 0);
	tenant_takes_back(two->acme, &first, two->now_ms);
	third = ticket_on(one, one->a); /* nobody waits any more */
	tenant_takes_back(one->acme, &second, one->now_ms);
	tenant_takes_back(one->acme, &third, one->now_ms);
	lane_pop(two->a);
	world_free(two);
}

static void openings_have_a_rate(void **state)
{
	struct world *world = *state;
	struct ticket ticket, none;

	budget_init(world->connects, 1, 60000, 1, 0);
	budget_init(world->budget, 0, 0, 0, 1);
	ticket = ticket_on(world, world->a);
	assert_false(tenant_grants_opening(world->acme, world->b, &none, world->now_ms)); /* not for the rate's sake */
	tenant_takes_back(world->acme, &ticket, world->now_ms);
	budget_init(world->budget, 0, 0, 0, 0);
	assert_true(tenant_grants_opening(world->acme, world->a, &ticket, world->now_ms));
	assert_false(tenant_grants_opening(world->acme, world->b, &none, world->now_ms));
	tenant_set_aside(world->acme, world->b, mail_on(world, world->b, false), false, world->now_ms);
	pass_ms(world, 1000);
	assert_int_equal(world->b->nready, 0);
	world->b->open = 1; /* opened for somebody else */
	pass_ms(world, 100);
	assert_int_equal(world->b->nready, 1); /* it may ride there */
	world->b->open = 0;
	assert_false(tenant_grants_opening(world->acme, world->b, &none, world->now_ms));
	tenant_set_aside(world->acme, world->b, lane_first(world->b), false, world->now_ms);
	pass_ms(world, 60000);
	assert_int_equal(world->b->nready, 1);
	tenant_takes_back(world->acme, &ticket, world->now_ms);
	assert_true(tenant_grants_opening(world->acme, world->b, &ticket, world->now_ms));
	tenant_takes_back(world->acme, &ticket, world->now_ms);
	lane_pop(world->b);
}

/* Leases are answered with as much as was asked for, until nothing more is asked: how much of acme's. */
static unsigned lease_all(struct world *world, const char *list, unsigned most)
{
	struct next next;
	unsigned got = 0;

	scheduler_hold_list(world->scheduler, scheduler_list(world->scheduler, slice_of(list)), false);
	while (got < most && scheduler_next(world->scheduler, &next, world->now_ms)) {
		if (next.kind != NEXT_LEASE)
			continue;
		for (unsigned i = 0; i < next.count; i++)
			tenant_keep(next.list->tenant);
		got += next.count;
		scheduler_leased(world->scheduler, next.list, next.count, 100000, world->now_ms);
	}
	scheduler_hold_list(world->scheduler, scheduler_list(world->scheduler, slice_of(list)), true);
	return got;
}

static void what_waits_fills_nobodys_memory(void **state)
{
	struct world *world = *state;

	world->acme->kept = 0;
	assert_int_equal(lease_all(world, "b:a.example:acme:", 1000), 256 + 2 * 16);
	assert_in_range(lease_all(world, "b:a.example:other:", 1000), 1000, 1300);
	scheduler_offer(world->scheduler, SLICE("t:a.example:acme:"), world->now_ms); /* it is not counted against it */
	assert_in_range(lease_all(world, "t:a.example:acme:", 500), 500, 800);
}

static void the_last_to_leave_ends_it(void **state)
{
	struct world *world = *state;
	struct ticket first = ticket_on(world, world->b), second = ticket_on(world, world->b);

	wait_for_one(world, world->a, 1, false);
	tenant_takes_back(world->acme, &first, world->now_ms);
	lane_pop(world->a); /* it was called, and went another way */
	tenant_takes_back(world->acme, &second, world->now_ms);
	scheduler_release(world->scheduler, scheduler_domain(world->scheduler, SLICE("a.example")));
	tenant_leave(world->acme);
	pass_ms(world, 1000);
	assert_null(world->a->anterooms);
	assert_int_equal(world->budget->wanted, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(connections_count_over_all_sites, setup, teardown),
		cmocka_unit_test_setup_teardown(what_waits_is_in_nobodys_way, setup, teardown),
		cmocka_unit_test_setup_teardown(lanes_stand_in_line, setup, teardown),
		cmocka_unit_test_setup_teardown(who_has_one_long_lets_others, setup, teardown),
		cmocka_unit_test_setup_teardown(workers_let_each_other, setup, teardown),
		cmocka_unit_test_setup_teardown(openings_have_a_rate, setup, teardown),
		cmocka_unit_test_setup_teardown(what_waits_fills_nobodys_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_to_leave_ends_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
