/* A lane and its exchangers: who is next, what binds, what is kept for transactional mail, and the small tables. */
#include "scheduler/scheduler.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { T = 1000000 };

static const struct exchanger_spec three[] = {
	{{"10.0.0.1:25", 11}, 10, 0, 4}, {{"10.0.0.2:25", 11}, 10, 1, 4}, {{"10.0.0.3:25", 11}, 20, 2, 4}};

struct fixture {
	struct site *site;
	struct lane lane;
	struct lane_limits limits;
	struct list mail[64];
};

static struct fixture *fixture_new(unsigned connections)
{
	static struct fixture fixture;
	static struct traffic traffic;
	static struct site site;
	traffic = (struct traffic){.site = &site};
	site = (struct site){.traffic = &traffic};
	fixture = (struct fixture){.site = &site};
	fixture.limits = (struct lane_limits){.connections = connections,
					      .messages_per_connection = 100,
					      .recipients_per_message = 1,
					      .window = 1,
					      .reserved = 1,
					      .learning = true,
					      .retry = {.nsteps = 1, .step_ms = {1000}}};

	lane_init(&fixture.lane, fixture.site, 0, &fixture.limits);
	lane_route(&fixture.lane, three, 3);
	for (unsigned i = 0; i < 64; i++)
		list_init(&fixture.mail[i]);
	return &fixture;
}

static struct exchanger *named(struct lane *lane, const char *address)
{
	LIST_EACH (link, &lane->exchangers)
		if (slice_is(exchanger_address(exchanger_of(link)), slice_of(address)))
			return exchanger_of(link);
	return NULL;
}

static void put(struct fixture *fixture, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		lane_put(&fixture->lane, &fixture->mail[i], false);
}

/* A connection to this exchanger, idle. */
static void open_to(struct lane *lane, struct exchanger *exchanger)
{
	assert_true(lane_connect(lane, exchanger, T));
	lane->opening--;
	exchanger->opening--;
	lane->open++;
	exchanger->open++;
	lane->idle++;
	exchanger->idle++;
}

static void transactional_mail_goes_first(void **state)
{
	struct fixture *fixture = fixture_new(10);
	struct lane *lane = &fixture->lane;

	(void)state;
	lane_put(lane, &fixture->mail[0], false);
	lane_put(lane, &fixture->mail[1], true);
	lane_put_back(lane, &fixture->mail[2], true);
	assert_int_equal(lane->nready, 3);
	assert_ptr_equal(lane_pop(lane), &fixture->mail[2]);
	assert_ptr_equal(lane_pop(lane), &fixture->mail[1]);
	assert_int_equal(lane->nurgent, 0);
	assert_ptr_equal(lane_pop(lane), &fixture->mail[0]);
	assert_null(lane_pop(lane));
	lane_clear(lane);
}

static void equals_share_and_the_worse_one_waits(void **state)
{
	struct fixture *fixture = fixture_new(10);
	struct lane *lane = &fixture->lane;

	(void)state;
	put(fixture, 40);
	struct exchanger *first = lane_connects_to(lane, NULL, T);

	open_to(lane, first);
	struct exchanger *second = lane_connects_to(lane, NULL, T);

	assert_int_equal(first->preference, 10);
	assert_int_equal(second->preference, 10);
	assert_ptr_not_equal(first, second);
	lane_clear(lane);
}

static void the_worse_one_is_asked_when_the_better_ones_rest(void **state)
{
	struct fixture *fixture = fixture_new(10);
	struct lane *lane = &fixture->lane;

	(void)state;
	put(fixture, 40);
	exchanger_refused(named(lane, "10.0.0.1:25"), 0, 0, T);
	exchanger_slower(named(lane, "10.0.0.2:25"), 1, 60000, T);
	assert_int_equal(lane_connects_to(lane, NULL, T)->preference, 20);
	assert_false(lane_is_resting(lane, T));
	exchanger_refused(named(lane, "10.0.0.3:25"), 0, 0, T);
	assert_null(lane_connects_to(lane, NULL, T));
	assert_true(lane_is_closed(lane, T));
	assert_int_equal(lane_connects_to(lane, NULL, T + 60100)->preference, 10);
	lane_clear(lane);
}

static void what_is_known_stays_when_routes_change(void **state)
{
	struct fixture *fixture = fixture_new(10);
	struct lane *lane = &fixture->lane;
	struct exchanger *first = named(lane, "10.0.0.1:25");

	(void)state;
	exchanger_slower(first, 1, 60000, T);
	open_to(lane, named(lane, "10.0.0.2:25"));
	lane_route(lane, &three[2], 1);
	assert_true(first->gone);
	assert_non_null(named(lane, "10.0.0.2:25")); /* it has a connection */
	put(fixture, 40);
	assert_int_equal(lane_connects_to(lane, NULL, T)->preference, 20);
	lane_route(lane, three, 3);
	assert_ptr_equal(named(lane, "10.0.0.1:25"), first);
	assert_true(exchanger_next_ms(first, T) > T);
	lane_clear(lane);
}

static void a_connection_is_kept_for_transactional_mail(void **state)
{
	struct fixture *fixture = fixture_new(4);
	struct lane *lane = &fixture->lane;
	struct exchanger *first = named(lane, "10.0.0.1:25");

	(void)state;
	first->crowd.window = 10;
	lane->plenty = true;
	put(fixture, 40);
	assert_int_equal(lane_bulk_connections(lane), 3);
	for (unsigned i = 0; i < 3; i++) {
		open_to(lane, first);
		first->idle = lane->idle = 0; /* busy */
	}
	assert_null(lane_connects_to(lane, NULL, T));
	lane_put(lane, &fixture->mail[50], true);
	assert_non_null(lane_connects_to(lane, NULL, T));
	lane_clear(lane);
}

static void all_limits_are_taken_or_none(void **state)
{
	struct fixture *fixture = fixture_new(10);
	struct lane *lane = &fixture->lane;
	struct exchanger *first = named(lane, "10.0.0.1:25");
	struct budget wide, narrow;
	enum lane_wait wait = LANE_WAITS_NOTHING;

	(void)state;
	budget_init(&wide, 100, 1000, 5, 0);
	budget_init(&narrow, 1, 60000, 1, 1);
	fixture->limits.budgets[0] = &wide;
	fixture->limits.nbudgets = 1;
	fixture->site->traffic->total = &narrow;
	assert_int_equal(lane_take(lane, first, 3, T), 1);
	assert_int_equal(lane_take(lane, first, 3, T), 0);
	assert_int_equal(lane_next_ms(lane, &wait, T), T + 60000);
	assert_int_equal(wait, LANE_WAITS_TOTAL);
	assert_int_equal(budget_take(&wide, 10, T), 4); /* what was not used is back */
	lane_give(lane, first, 1, T);
	exchanger_slower(first, 1, 60000, T);
	assert_int_equal(lane_take(lane, first, 1, T), 0); /* the exchanger takes none: nothing is used up */
	assert_int_equal(budget_take(&narrow, 1, T), 1);
	assert_true(lane_connect(lane, first, T));
	assert_false(lane_connect(lane, first, T));
	lane->opening--;
	lane_disconnect(lane);
	assert_true(lane_connect(lane, first, T));
	lane_clear(lane);
}

static void an_operators_rate_holds_for_its_time(void **state)
{
	struct fixture *fixture = fixture_new(10);
	struct lane *lane = &fixture->lane;
	struct exchanger *first = named(lane, "10.0.0.1:25");
	enum lane_wait wait = LANE_WAITS_NOTHING;

	(void)state;
	lane_slow(lane, 1, 60000, T + 1800000);
	assert_int_equal(lane_take(lane, first, 5, T), 1);
	assert_int_equal(lane_next_ms(lane, &wait, T), T + 60000);
	assert_int_equal(wait, LANE_WAITS_RATE);
	assert_int_equal(lane_retry_ms(lane, T), 60000);
	lane_give(lane, first, 1, T);
	assert_int_equal(lane_take(lane, first, 5, T), 1);
	assert_int_equal(lane_take(lane, first, 5, T + 1800000), 5);
	lane_clear(lane);
}

static void crowds_find_their_edge(void **state)
{
	struct crowd crowd;

	(void)state;
	crowd_init(&crowd);
	assert_true(crowd_admits(&crowd, 1, T));
	for (unsigned i = 0; i < 8; i++)
		crowd_accepted(&crowd, 2, T);
	assert_int_equal(crowd.window, 10);
	crowd_refused(&crowd, 6, T);
	assert_false(crowd_admits(&crowd, 6, T));
	crowd_accepted(&crowd, 6, T); /* no growth beyond it, for now */
	assert_false(crowd_admits(&crowd, 6, T));
	uint64_t try_ms = crowd_next_ms(&crowd, 6, T);

	assert_true(crowd_admits(&crowd, 6, try_ms));
	assert_false(crowd_admits(&crowd, 7, try_ms));
	crowd_refused(&crowd, 6, try_ms);
	assert_true(crowd_next_ms(&crowd, 6, try_ms) - try_ms > try_ms - T); /* seldomer */
	uint64_t again_ms = crowd_next_ms(&crowd, 6, try_ms);

	crowd_accepted(&crowd, 7, again_ms);
	assert_true(crowd_admits(&crowd, 6, again_ms + 1));
}

static void a_receiver_that_is_not_learned_from_rests(void **state)
{
	struct fixture *fixture = fixture_new(10);
	struct lane *lane = &fixture->lane;
	struct exchanger *first = named(lane, "10.0.0.1:25");

	(void)state;
	fixture->limits.learning = false;
	exchanger_slower(first, 1, 0, T);
	assert_null(first->allowance);
	assert_int_equal(exchanger_next_ms(first, T), T + 60000);
	assert_int_equal(exchanger_next_ms(first, T + 60000), 0);
	lane_clear(lane);
}

static void senders_rest_apart(void **state)
{
	struct sender_rests rests = {0};
	char name[] = "0@x.example";

	(void)state;
	sender_rests_add(&rests, SLICE("ann@x.example"), 0, T);
	assert_int_equal(sender_rests_until_ms(&rests, SLICE("ann@x.example"), T), T + 600000);
	assert_int_equal(sender_rests_until_ms(&rests, SLICE("bob@x.example"), T), 0);
	sender_rests_add(&rests, SLICE("ann@x.example"), 0, T + 600001);
	assert_int_equal(sender_rests_until_ms(&rests, SLICE("ann@x.example"), T + 600001), T + 600001 + 1200000);
	for (unsigned i = 0; i < 8; i++) { /* there is a place for each of the latest */
		name[0] = (char)('0' + i);
		sender_rests_add(&rests, slice_of(name), 5000000 + i, T);
		assert_true(sender_rests_until_ms(&rests, slice_of(name), T) > T);
	}
	assert_int_equal(sender_rests_until_ms(&rests, SLICE("ann@x.example"), T), 0);
}

static void news_are_told_once(void **state)
{
	struct fixture *fixture = fixture_new(10);
	struct exchanger *first = named(&fixture->lane, "10.0.0.1:25");
	struct exchanger_learned news;

	(void)state;
	assert_false(exchanger_has_news(first, 3600000, &news, T));
	exchanger_refused(first, 3, 0, T);
	assert_true(exchanger_has_news(first, 3600000, &news, T));
	assert_int_equal(news.edge, 3);
	assert_false(exchanger_has_news(first, 3600000, &news, T + 1000));
	assert_true(exchanger_has_news(first, 3600000, &news, T + 3600000));
	exchanger_recall(first, 20, 60000, 5, 100, T);
	assert_true(exchanger_is_paced(first));
	assert_int_equal(first->crowd.edge, 5);
	lane_clear(&fixture->lane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transactional_mail_goes_first),
		cmocka_unit_test(equals_share_and_the_worse_one_waits),
		cmocka_unit_test(the_worse_one_is_asked_when_the_better_ones_rest),
		cmocka_unit_test(what_is_known_stays_when_routes_change),
		cmocka_unit_test(a_connection_is_kept_for_transactional_mail),
		cmocka_unit_test(all_limits_are_taken_or_none),
		cmocka_unit_test(an_operators_rate_holds_for_its_time),
		cmocka_unit_test(crowds_find_their_edge),
		cmocka_unit_test(a_receiver_that_is_not_learned_from_rests),
		cmocka_unit_test(senders_rest_apart),
		cmocka_unit_test(news_are_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
