/* The scheduler by its five calls, with time as an argument: who is asked for, leased, connected, rested, woken. */
#include "scheduler/scheduler.h"

#include "base/outbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { START_MS = 1000000 };

struct world {
	struct scheduler *scheduler;
	uint64_t now_ms;
};

static int setup(void **state)
{
	static struct world world;

	world.now_ms = START_MS;
	world.scheduler =
		scheduler_new(&(struct scheduler_setup){.slots = 100, .records = 1000, .seed = 42}, world.now_ms);
	*state = &world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	scheduler_free(world->scheduler);
	return 0;
}

static struct lane_limits plain_limits(void)
{
	return (struct lane_limits){.connections = 10,
				    .messages_per_connection = 100,
				    .recipients_per_message = 100,
				    .window = 1,
				    .retry = {.nsteps = 2, .step_ms = {60000, 120000}}};
}

static struct site *route(struct world *world, const char *domain, const char *site, struct lane_limits limits)
{
	struct site_spec spec = {.name = slice_of(site),
				 .limits = &limits,
				 .nlanes = 1,
				 .sources = UINT64_MAX,
				 .routes_until_ms = world->now_ms + 3600000};

	return scheduler_routed(world->scheduler, slice_of(domain), &spec, world->now_ms);
}

/* Its only one, before anything was leased. */
static struct lane *lane_of(struct site *site)
{
	site_open(site);
	return site->lanes[0];
}

static void offer(struct world *world, const char *list)
{
	scheduler_offer(world->scheduler, slice_of(list), world->now_ms);
}

static struct next expect(struct world *world, enum next_kind kind)
{
	struct next next;

	assert_true(scheduler_next(world->scheduler, &next, world->now_ms));
	assert_int_equal(next.kind, kind);
	return next;
}

static void expect_nothing(struct world *world)
{
	struct next next;

	assert_false(scheduler_next(world->scheduler, &next, world->now_ms));
}

/* Answers a lease: got records, all prepared and ready on the lane. */
static void leased(struct world *world, const struct next *next, unsigned got, uint64_t remaining)
{
	for (unsigned i = 0; i < got; i++)
		scheduler_hold(world->scheduler, next->domain);
	next->lane->nready += got;
	scheduler_leased(world->scheduler, next->list, got, remaining, world->now_ms);
}

static void report(struct world *world, struct lane *lane, enum report_kind kind)
{
	struct report report = {.kind = kind, .recipients = 1, .why = SLICE("because")};

	scheduler_report(world->scheduler, lane, &report, world->now_ms);
}

static void wait_ms(struct world *world, uint64_t ms)
{
	world->now_ms += ms;
	scheduler_tick(world->scheduler, world->now_ms);
}

static void a_domain_nobody_knows_is_asked_for(void **state)
{
	struct world *world = *state;
	struct next next;

	offer(world, "b:a.example::");
	next = expect(world, NEXT_ASK);
	assert_true(slice_is(domain_name(next.domain), SLICE("a.example")));
	expect_nothing(world); /* once is enough */
	route(world, "a.example", "mx.a.example", plain_limits());
	next = expect(world, NEXT_LEASE);
	assert_true(slice_is(ready_name(next.list), SLICE("b:a.example::")));
}

static void mail_then_a_connection_then_sending(void **state)
{
	struct world *world = *state;
	struct next next;

	route(world, "a.example", "a", plain_limits());
	offer(world, "b:a.example::");
	next = expect(world, NEXT_LEASE);
	leased(world, &next, 1, 0);
	next = expect(world, NEXT_CONNECT);
	expect_nothing(world); /* one message needs one connection */
	report(world, next.lane, REPORT_OPENED);
	expect(world, NEXT_SEND);
	next.lane->nready = 0;
	report(world, next.lane, REPORT_BUSY);
	expect_nothing(world);
}

static void connections_follow_the_work_up_to_the_limit(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = plain_limits();
	struct next next;
	unsigned opened = 0;

	limits.connections = 4;
	struct lane *lane = lane_of(route(world, "a.example", "a", limits));

	offer(world, "b:a.example::");
	next = expect(world, NEXT_LEASE);
	leased(world, &next, 40, 0);
	while (scheduler_next(world->scheduler, &next, world->now_ms)) {
		assert_int_equal(next.kind, NEXT_CONNECT);
		opened++;
	}
	assert_int_equal(opened, 4);
	assert_string_equal(lane_wait_name(lane->wait), "nothing");
}

/* Nothing but the limit holds it back: what is kept free of bulk mail is there for it. */
static void transactional_mail_gets_all_connections_and_no_more(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = plain_limits();
	struct next next;
	unsigned opened = 0;

	limits.connections = 4;
	limits.reserved = 1;
	route(world, "a.example", "a", limits);
	offer(world, "t:a.example::");
	next = expect(world, NEXT_LEASE);
	leased(world, &next, 40, 0);
	next.lane->nurgent = next.lane->nready;
	while (scheduler_next(world->scheduler, &next, world->now_ms)) {
		assert_int_equal(next.kind, NEXT_CONNECT);
		opened++;
	}
	assert_int_equal(opened, 4);
}

/* Connections are opened and given a message each, as long as there is a use for another one. */
static unsigned open_and_send(struct world *world, struct lane *lane)
{
	struct next next;
	unsigned opened = 0;

	while (scheduler_next(world->scheduler, &next, world->now_ms)) {
		assert_int_equal(next.kind, NEXT_CONNECT);
		report(world, lane, REPORT_OPENED);
		expect(world, NEXT_SEND);
		lane->nready--;
		lane->inflight++;
		report(world, lane, REPORT_BUSY);
		opened++;
	}
	return opened;
}

static void mail_that_came_later_gets_connections_though_nothing_is_delivered(void **state)
{
	struct world *world = *state;
	struct lane *lane = lane_of(route(world, "a.example", "a", plain_limits()));
	struct next next;

	offer(world, "b:a.example::");
	next = expect(world, NEXT_LEASE);
	leased(world, &next, 60, 0);
	assert_int_equal(open_and_send(world, lane), 8); /* a few messages for each */
	offer(world, "b:a.example::");
	assert_int_equal(open_and_send(world, lane), 2);
}

static void a_refused_lane_rests_and_returns_its_mail(void **state)
{
	struct world *world = *state;
	struct next next;
	struct lane *lane = lane_of(route(world, "a.example", "a", plain_limits()));

	offer(world, "b:a.example::");
	next = expect(world, NEXT_LEASE);
	leased(world, &next, 3, 100);
	expect(world, NEXT_CONNECT);
	report(world, lane, REPORT_UNREACHABLE);
	next = expect(world, NEXT_RETURN);
	lane->nready = 0;
	expect_nothing(world);
	assert_string_equal(lane_wait_name(lane->wait), "rest");
	assert_int_equal(lane->wait_until_ms, START_MS + 60000);
	assert_string_equal(lane->why, "because");
	wait_ms(world, 59990);
	expect_nothing(world);
	wait_ms(world, 20);
	next = expect(world, NEXT_LEASE); /* one tries, with little mail */
	assert_true(next.count <= 4);
}

static void failures_in_a_row_rest_longer_and_success_forgets(void **state)
{
	struct world *world = *state;
	struct lane *lane = lane_of(route(world, "a.example", "a", plain_limits()));

	report(world, lane, REPORT_REST);
	assert_int_equal(lane->rest_until_ms, START_MS + 60000);
	report(world, lane, REPORT_DELIVERED); /* it was on its way */
	assert_int_equal(lane->rest_until_ms, START_MS + 60000);
	wait_ms(world, 60001);
	report(world, lane, REPORT_REST);
	assert_int_equal(lane->rest_until_ms, world->now_ms + 120000);
	wait_ms(world, 120001);
	report(world, lane, REPORT_DELIVERED);
	assert_int_equal(lane->failures, 0);
	assert_false(lane_is_resting(lane, world->now_ms));
}

static void a_rate_is_waited_for_to_the_millisecond(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = plain_limits();
	struct next next;

	limits.rate_count = 60;
	limits.rate_period_ms = 60000;
	limits.rate_burst = 1;
	struct lane *lane = lane_of(route(world, "a.example", "a", limits));

	offer(world, "b:a.example::");
	next = expect(world, NEXT_LEASE);
	leased(world, &next, 2, 0);
	expect(world, NEXT_CONNECT);
	report(world, lane, REPORT_OPENED);
	expect(world, NEXT_SEND);
	assert_int_equal(lane_take(lane, lane_prepare(lane), 2, world->now_ms), 1);
	lane->nready = 1;
	expect_nothing(world);
	assert_string_equal(lane_wait_name(lane->wait), "rate");
	assert_int_equal(lane->wait_until_ms, START_MS + 1000);
	assert_true(scheduler_wait_ms(world->scheduler, world->now_ms, 5000) <= 1004);
	wait_ms(world, 1004);
	expect(world, NEXT_SEND);
}

static void slots_of_the_machine_are_shared(void **state)
{
	struct world *world = *state;
	struct scheduler *scheduler =
		scheduler_new(&(struct scheduler_setup){.slots = 1, .records = 1000, .seed = 1}, START_MS);
	struct world small = {scheduler, START_MS};
	struct next next, other;

	(void)world;
	route(&small, "a.example", "a", plain_limits());
	route(&small, "b.example", "b", plain_limits());
	offer(&small, "b:a.example::");
	offer(&small, "b:b.example::");
	next = expect(&small, NEXT_LEASE);
	other = expect(&small, NEXT_LEASE);
	leased(&small, &next, 1, 0);
	leased(&small, &other, 1, 0);
	next = expect(&small, NEXT_CONNECT);
	expect_nothing(&small);
	report(&small, next.lane, REPORT_UNOPENED); /* the slot is free again: the one who waited gets it */
	next.lane->nready = 0;
	struct next second = expect(&small, NEXT_CONNECT);

	assert_ptr_not_equal(second.lane, next.lane);
	scheduler_free(scheduler);
}

static void large_messages_take_the_room_of_records(void **state)
{
	struct world *world = *state;

	route(world, "a.example", "a", plain_limits());
	route(world, "b.example", "b", plain_limits());
	scheduler_take_room(world->scheduler, 1000);
	offer(world, "b:a.example::");
	offer(world, "b:b.example::");
	expect_nothing(world);
	scheduler_give_room(world->scheduler, 2);
	expect(world, NEXT_LEASE);
	expect(world, NEXT_LEASE);
}

static void lanes_are_made_when_there_is_room_to_lease(void **state)
{
	struct scheduler *scheduler =
		scheduler_new(&(struct scheduler_setup){.slots = 10, .records = 1, .seed = 1}, START_MS);
	struct world small = {scheduler, START_MS};
	struct site *first = route(&small, "a.example", "a", plain_limits());
	struct site *second = route(&small, "b.example", "b", plain_limits());

	(void)state;
	expect_nothing(&small);
	assert_null(first->traffic); /* it has no mail */
	offer(&small, "b:a.example::");
	struct next next = expect(&small, NEXT_LEASE);

	assert_ptr_equal(next.lane, first->lanes[0]);
	leased(&small, &next, 1, 0);
	offer(&small, "b:b.example::");
	expect(&small, NEXT_CONNECT);
	expect_nothing(&small);
	assert_null(second->traffic); /* all room is taken */
	next.lane->nready = 0;
	scheduler_drop(scheduler, next.domain);
	next = expect(&small, NEXT_LEASE);
	assert_ptr_equal(next.lane, second->lanes[0]);
	scheduler_free(scheduler);
}

static void a_site_that_never_had_mail_goes_with_its_domain(void **state)
{
	struct world *world = *state;

	route(world, "a.example", "a", plain_limits());
	offer(world, "b:a.example::");
	scheduler_release(world->scheduler, scheduler_domain(world->scheduler, SLICE("a.example")));
	assert_int_equal(scheduler_sites(world->scheduler)->count, 1);
	expect_nothing(world);
	assert_int_equal(scheduler_sites(world->scheduler)->count, 0);
}

/* A site with one mail that is here: it wants a connection. */
static struct lane *site_with_mail(struct world *world, unsigned number)
{
	char site[8], list[32];
	struct next next;

	snprintf(site, sizeof(site), "s%u", number);
	snprintf(list, sizeof(list), "b:%s::", site);
	route(world, site, site, plain_limits());
	offer(world, list);
	next = expect(world, NEXT_LEASE);
	leased(world, &next, 1, 0);
	return next.lane;
}

/* Three sites of which each wants a connection, and two that may be begun; a password mail is not counted. */
static void few_connections_are_begun_at_a_time(void **state)
{
	struct world *world = *state;
	struct lane *lanes[3];

	scheduler_allow_connects(world->scheduler, 2);
	for (unsigned i = 0; i < 3; i++) {
		lanes[i] = site_with_mail(world, i);
		if (i < 2)
			expect(world, NEXT_CONNECT);
	}
	expect_nothing(world);
	assert_string_equal(lane_wait_name(lanes[2]->wait), "opening");
	assert_int_equal(scheduler_connects_left(world->scheduler), 0);
	assert_int_equal(scheduler_wait_ms(world->scheduler, world->now_ms, 1000), 1);
	lanes[0]->nurgent = lanes[0]->nready = 2;
	scheduler_look(world->scheduler, lanes[0]);
	assert_ptr_equal(expect(world, NEXT_CONNECT).lane, lanes[0]);
	expect_nothing(world);
	scheduler_allow_connects(world->scheduler, 2);
	assert_ptr_equal(expect(world, NEXT_CONNECT).lane, lanes[2]);
	expect_nothing(world);
	assert_int_equal(scheduler_connects_left(world->scheduler), 1);
	site_with_mail(world, 3); /* three that are opened make place for two more: one in sixteen is not replaced */
	expect(world, NEXT_CONNECT);
	for (unsigned i = 4; i < 8; i++)
		site_with_mail(world, i);
	for (unsigned i = 0; i < 3; i++) {
		lanes[i]->nurgent = lanes[i]->nready = 0;
		report(world, lanes[i], REPORT_OPENED);
	}
	scheduler_allow_connects(world->scheduler, 0);
	for (unsigned i = 0; i < 2; i++)
		expect(world, NEXT_CONNECT);
	expect_nothing(world);
}

static void transactional_lists_come_first(void **state)
{
	struct world *world = *state;
	struct next next;

	route(world, "a.example", "a", plain_limits());
	offer(world, "b:a.example::nov");
	offer(world, "t:a.example::");
	next = expect(world, NEXT_LEASE);
	assert_true(slice_is(ready_name(next.list), SLICE("t:a.example::")));
}

static void lists_of_a_site_take_turns(void **state)
{
	struct world *world = *state;
	char seen[64] = "";
	struct next next;

	for (int i = 0; i < 3; i++) {
		char domain[32], list[32];

		snprintf(domain, sizeof(domain), "d%d.example", i);
		snprintf(list, sizeof(list), "b:d%d.example::", i);
		route(world, domain, "one", plain_limits());
		offer(world, list);
	}
	for (int i = 0; i < 6; i++) {
		next = expect(world, NEXT_LEASE);
		strncat(seen, ready_name(next.list).ptr + 3, 1);
		leased(world, &next, 0, 50);
	}
	assert_string_equal(seen, "012012");
}

static void what_came_during_a_lease_is_not_forgotten(void **state)
{
	struct world *world = *state;
	struct next next;

	route(world, "a.example", "a", plain_limits());
	offer(world, "b:a.example::");
	next = expect(world, NEXT_LEASE);
	offer(world, "b:a.example::"); /* drained and filled again while the lease was under way */
	leased(world, &next, 0, 0);
	expect(world, NEXT_LEASE);
}

static void a_drained_domain_is_forgotten(void **state)
{
	struct world *world = *state;
	struct next next;

	route(world, "a.example", "a", plain_limits());
	offer(world, "b:a.example::");
	next = expect(world, NEXT_LEASE);
	leased(world, &next, 1, 0);
	assert_non_null(scheduler_domain(world->scheduler, SLICE("a.example")));
	assert_null(scheduler_list(world->scheduler, SLICE("b:a.example::")));
	next.lane->nready = 0;
	scheduler_drop(world->scheduler, next.domain);
	assert_null(scheduler_domain(world->scheduler, SLICE("a.example")));
	assert_int_equal(scheduler_sites(world->scheduler)->count, 1);
	while (scheduler_next(world->scheduler, &next, world->now_ms))
		fail();
	wait_ms(world, 61000);
	assert_int_equal(scheduler_sites(world->scheduler)->count, 0);
}

static void a_domain_moves_to_another_site(void **state)
{
	struct world *world = *state;
	struct next next;
	struct site *first = route(world, "a.example", "first", plain_limits());

	offer(world, "b:a.example::");
	assert_int_equal(first->ndomains, 1);
	struct site *second = route(world, "a.example", "second", plain_limits());

	assert_int_equal(first->ndomains, 0);
	next = expect(world, NEXT_LEASE);
	assert_ptr_equal(next.lane->site, second);
}

static void a_domain_moves_while_it_is_leased_from(void **state)
{
	struct world *world = *state;

	route(world, "a.example", "first", plain_limits());
	offer(world, "b:a.example::");
	struct next next = expect(world, NEXT_LEASE);
	struct lane *lane = next.lane;

	route(world, "b.example", "second", plain_limits());
	offer(world, "b:b.example::");
	offer(world, "b:b.example::nov");
	struct site *second = route(world, "a.example", "second", plain_limits());

	leased(world, &next, 1, 5); /* fewer than were asked for */
	assert_int_equal(lane->asked, 0);
	assert_true(fair_has_turn(&second->bulk));
}

static void nothing_new_while_paused(void **state)
{
	struct world *world = *state;

	route(world, "a.example", "a", plain_limits());
	offer(world, "b:a.example::");
	scheduler_pause(world->scheduler, true);
	expect_nothing(world);
	scheduler_pause(world->scheduler, false);
	expect(world, NEXT_LEASE);
}

static void a_released_domain_is_leased_no_more(void **state)
{
	struct world *world = *state;
	struct domain *domain;

	route(world, "a.example", "a", plain_limits());
	offer(world, "b:a.example::");
	domain = scheduler_domain(world->scheduler, SLICE("a.example"));
	scheduler_release(world->scheduler, domain);
	expect_nothing(world);
	assert_null(scheduler_domain(world->scheduler, SLICE("a.example")));
}

static void unroutable_mail_waits_for_the_dns(void **state)
{
	struct world *world = *state;
	struct lane_limits limits = plain_limits();
	struct site_spec spec = {.name = SLICE("unroutable a.example"),
				 .limits = &limits,
				 .nlanes = 1,
				 .sources = UINT64_MAX,
				 .routes_until_ms = world->now_ms + 30000,
				 .unroutable = true};
	struct next next;

	scheduler_routed(world->scheduler, SLICE("a.example"), &spec, world->now_ms);
	offer(world, "b:a.example::");
	next = expect(world, NEXT_LEASE);
	leased(world, &next, 0, 5);
	expect(world, NEXT_LEASE);
	wait_ms(world, 31000);
	scheduler_leased(world->scheduler, next.list, 0, 5, world->now_ms);
	next = (struct next){0};
	expect(world, NEXT_ASK);
	expect_nothing(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_domain_nobody_knows_is_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(mail_then_a_connection_then_sending, setup, teardown),
		cmocka_unit_test_setup_teardown(connections_follow_the_work_up_to_the_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(transactional_mail_gets_all_connections_and_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(mail_that_came_later_gets_connections_though_nothing_is_delivered,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_refused_lane_rests_and_returns_its_mail, setup, teardown),
		cmocka_unit_test_setup_teardown(failures_in_a_row_rest_longer_and_success_forgets, setup, teardown),
		cmocka_unit_test_setup_teardown(a_rate_is_waited_for_to_the_millisecond, setup, teardown),
		cmocka_unit_test_setup_teardown(slots_of_the_machine_are_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(large_messages_take_the_room_of_records, setup, teardown),
		cmocka_unit_test_setup_teardown(lanes_are_made_when_there_is_room_to_lease, setup, teardown),
		cmocka_unit_test_setup_teardown(a_site_that_never_had_mail_goes_with_its_domain, setup, teardown),
		cmocka_unit_test_setup_teardown(few_connections_are_begun_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(transactional_lists_come_first, setup, teardown),
		cmocka_unit_test_setup_teardown(lists_of_a_site_take_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(what_came_during_a_lease_is_not_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(a_drained_domain_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(a_domain_moves_to_another_site, setup, teardown),
		cmocka_unit_test_setup_teardown(a_domain_moves_while_it_is_leased_from, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_new_while_paused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_released_domain_is_leased_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(unroutable_mail_waits_for_the_dns, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
