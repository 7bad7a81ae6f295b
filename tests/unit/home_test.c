/* Homes and owners: two workers on one thread, with routes that the configuration says and changes. */
#include "giants.h"
#include "home.h"

#include "target.h"

#include "base/check.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "allocated.h"
#include "config_reading.h"

enum { WORKERS = 2, ADDRESSES = 2, MANY = 2000 };

struct world {
	struct engine engine;
	struct worker workers[WORKERS];
	char domain[32], list[40], other[48]; /* other: a list that another part has, where there are two */
	struct config *configs[ADDRESSES];    /* the domain's route leads to a site of worker i */
	struct config *large;		      /* one with many domains; NULL: none */
	size_t before;			      /* bytes allocated without their mail */
};

static struct slice domain_of(const struct world *world)
{
	return slice_of(world->domain);
}

/* A name whose hash is that worker's. */
static void name_for(unsigned worker, const char *format, char *name, size_t size)
{
	unsigned i = 0;

	do
		snprintf(name, size, format, ++i);
	while (slice_hash(slice_of(name)) % WORKERS != worker);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	char address[32], text[200], why[RING_WHY_MAX];
	unsigned n = 0;

	name_for(0, "d%u.test", world->domain, sizeof(world->domain));
	snprintf(world->list, sizeof(world->list), "b:%s::", world->domain);
	do
		snprintf(world->other, sizeof(world->other), "b:%s::c%u", world->domain, ++n);
	while (slice_hash(slice_of(world->other)) % WORKERS == slice_hash(slice_of(world->list)) % WORKERS);
	for (unsigned i = 0; i < ADDRESSES; i++) {
		name_for(i, "127.0.0.%u:25", address, sizeof(address));
		snprintf(text, sizeof(text), "domain \"%s\" { route = { \"%s\" } }\n", world->domain, address);
		world->configs[i] = accepted(text);
		axes_follow(&world->engine.axes, world->configs[i]);
	}
	world->engine.nworkers = WORKERS;
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker *worker = &world->workers[i];

		*worker = (struct worker){.number = i, .engine = &world->engine, .stats = &world->engine.stats};
		world->engine.workers[i] = worker;
		assert_int_equal(ring_open(&worker->ring,
					   &(struct ring_setup){.sockets = 8, .buffers = 8, .buffer_size = 512}, why),
				 0);
		worker->scheduler = scheduler_new(&(struct scheduler_setup){.slots = 10,
									    .records = 100,
									    .seed = 1,
									    .commons = &world->engine.commons,
									    .site_gone = target_free},
						  worker_now_ms(worker));
	}
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < WORKERS; i++) {
		scheduler_free(world->workers[i].scheduler);
		homes_free(&world->workers[i]);
		breaker_free(&world->workers[i].breaker);
		ring_free(world->workers[i].ring);
	}
	for (unsigned i = 0; i < ADDRESSES; i++)
		config_free(world->configs[i]);
	config_free(world->large);
	axes_free(&world->engine.axes);
	commons_free(&world->engine.commons);
	free(world);
	return 0;
}

/* From now on the domain leads to a site of that worker; nobody has asked yet. */
static void lead_to(struct world *world, unsigned worker)
{
	for (unsigned i = 0; i < WORKERS; i++)
		world->workers[i].config = world->configs[worker];
}

/* Letters arrive. */
static void turn(struct world *world)
{
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(ring_turn(world->workers[i % WORKERS].ring, 1), 0);
}

static void changed(struct world *world)
{
	home_changed(&world->workers[0], slice_of(world->list));
	turn(world);
}

static void answer(struct world *world)
{
	home_renew(&world->workers[1], domain_of(world)); /* asked by the owner, done at home */
	turn(world);
}

static bool has(const struct world *world, unsigned worker)
{
	return scheduler_domain(world->workers[worker].scheduler, domain_of(world)) != NULL;
}

static bool has_list(const struct world *world, unsigned worker)
{
	return scheduler_list(world->workers[worker].scheduler, slice_of(world->list)) != NULL;
}

/* Whose route the domain has with that worker. */
static unsigned route_of(const struct world *world, unsigned worker)
{
	struct domain *domain = scheduler_domain(world->workers[worker].scheduler, domain_of(world));
	struct address address = routes_address(target_of(domain->site)->routes, 0);

	for (unsigned i = 0; i < ADDRESSES; i++)
		if (address_is_equal(&address, &config_route(world->configs[i], domain_of(world))->routes[0]))
			return i;
	return ADDRESSES;
}

static void a_domain_is_granted_to_its_sites_owner(void **state)
{
	struct world *world = *state;

	lead_to(world, 1);
	changed(world);
	assert_true(has_list(world, 1));
	assert_false(has(world, 0));
}

static void it_moves_when_two_answers_in_a_row_lead_elsewhere(void **state)
{
	struct world *world = *state;

	lead_to(world, 1);
	changed(world);
	lead_to(world, 0);
	answer(world);
	for (unsigned i = 0; i < 3; i++)
		changed(world); /* that there is mail is no answer */
	assert_true(has(world, 1));
	assert_false(has(world, 0));
	answer(world);
	assert_false(has(world, 1));
	assert_true(has_list(world, 0)); /* with the mail that Redis will not tell of again */
}

static void it_does_not_flutter(void **state)
{
	struct world *world = *state;

	lead_to(world, 1);
	changed(world);
	for (unsigned i = 0; i < 6; i++) {
		lead_to(world, i % 2);
		answer(world);
		assert_true(has(world, 1));
	}
}

/* What is leased is finished first; the home waits for that. */
static void it_is_granted_anew_when_nothing_of_it_is_left(void **state)
{
	struct world *world = *state;
	struct scheduler *owner = world->workers[1].scheduler;

	lead_to(world, 1);
	changed(world);
	struct domain *domain = scheduler_domain(owner, domain_of(world));

	scheduler_hold(owner, domain);
	lead_to(world, 0);
	answer(world);
	answer(world);
	assert_true(has(world, 1));
	assert_false(has(world, 0));
	scheduler_drop(owner, domain);
	home_released(&world->workers[1], domain_of(world)); /* as delivery.c does when the last of it is settled */
	turn(world);
	assert_false(has(world, 1));
	assert_true(has_list(world, 0));
}

/* What was found out before is not granted by another configuration, though it would be good for long. */
static void another_configuration_is_asked_before_the_next_grant(void **state)
{
	struct world *world = *state;

	lead_to(world, 1);
	changed(world);
	lead_to(world, 0);
	changed(world);
	assert_int_equal(route_of(world, 1), 1);
	homes_reload(&world->workers[0]);
	changed(world);
	assert_int_equal(route_of(world, 1), 0);
}

/* Mail that waits for its receiver is told of once; its home must not grant it to another meanwhile. */
static void it_is_forgotten_when_its_owner_has_none_of_it(void **state)
{
	struct world *world = *state;
	struct worker *home = &world->workers[0];
	uint64_t later_ms = worker_now_ms(home) + 11 * 60000;

	for (unsigned owner = 0; owner < WORKERS; owner++) {
		struct scheduler *scheduler = world->workers[owner].scheduler;

		lead_to(world, owner);
		changed(world);
		homes_age(home, worker_now_ms(home));
		homes_age(home, later_ms);
		turn(world);
		assert_int_equal(home->homes.count, 1);
		assert_true(has_list(world, owner));
		scheduler_release(scheduler, scheduler_domain(scheduler, domain_of(world)));
		homes_age(home, worker_now_ms(home) + 60000);
		turn(world);
		assert_int_equal(home->homes.count, 1);
		homes_age(home, worker_now_ms(home) + 11 * 60000);
		turn(world);
		assert_int_equal(home->homes.count, 0);
	}
}

/* A letter with mail is on its way while the home asks. */
static void mail_that_comes_with_the_question_is_granted(void **state)
{
	struct world *world = *state;
	struct worker *home = &world->workers[0];
	struct scheduler *owner = world->workers[1].scheduler;

	lead_to(world, 1);
	changed(world);
	scheduler_release(owner, scheduler_domain(owner, domain_of(world)));
	homes_age(home, worker_now_ms(home) + 11 * 60000);
	changed(world);
	assert_int_equal(home->homes.count, 1);
	assert_true(has_list(world, 1));
}

/* Mail for each of many domains, so many of them at a site; of half of them home and owner are two workers. */
static void mail_for_many(struct world *world, unsigned domains_a_site)
{
	struct outbuf text = {0};
	char list[40];

	for (unsigned i = 0; i < MANY; i++)
		outbuf_printf(&text, "domain \"d%u.test\" { route = { \"127.1.%u.%u:25\" } }\n", i,
			      i / domains_a_site / 250, i / domains_a_site % 250);
	outbuf_byte(&text, '\0');
	world->large = accepted(text.ptr);
	outbuf_free(&text);
	for (unsigned i = 0; i < WORKERS; i++)
		world->workers[i].config = world->large;
	world->before = allocated();
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(list, sizeof(list), "b:d%u.test:acme:nov", i);
		for (unsigned worker = 0; worker < WORKERS; worker++)
			home_changed(&world->workers[worker], slice_of(list));
		if (i % 100 == 99)
			turn(world);
	}
}

/* All that is kept while they wait: at home, by the owner, by its scheduler. */
static size_t bytes_a_domain(unsigned domains_a_site)
{
	struct world *world;
	size_t bytes, nsites = 0, ndomains = 0;

	setup((void **)&world);
	mail_for_many(world, domains_a_site);
	for (unsigned i = 0; i < WORKERS; i++) {
		homes_age(&world->workers[i], worker_now_ms(&world->workers[i]) + 61000);
		nsites += scheduler_sites(world->workers[i].scheduler)->count;
		ndomains += scheduler_domains(world->workers[i].scheduler)->count;
	}
	bytes = (allocated() - world->before) / MANY;
	assert_int_equal(nsites, MANY / domains_a_site);
	assert_int_equal(ndomains, MANY);
	teardown((void **)&world);
	return bytes;
}

static void a_known_domain_takes_little_memory(void **state)
{
	size_t hundred, ten, one;

	(void)state;
	if (allocated() == 0)
		skip();
	hundred = bytes_a_domain(100);
	ten = bytes_a_domain(10);
	one = bytes_a_domain(1);
	printf("figure: engine-bytes-a-domain %zu with a hundred domains a site, %zu with ten, %zu with one (< 400, "
	       "500, "
	       "950)\n",
	       hundred, ten, one);
	assert_true(hundred < 400 && ten < 500 && one < 950);
}

/* Its routes are asked for again; nothing else changes. */
static void a_cold_domain_is_granted_with_the_next_mail(void **state)
{
	struct world *world = *state;

	lead_to(world, 1);
	changed(world);
	homes_age(&world->workers[0], worker_now_ms(&world->workers[0]) + 61000);
	assert_true(has(world, 1));
	scheduler_release(world->workers[1].scheduler, scheduler_domain(world->workers[1].scheduler, domain_of(world)));
	lead_to(world, 0);
	changed(world);
	assert_true(has_list(world, 1)); /* one answer that leads elsewhere: it has not moved */
	answer(world);
	assert_true(has_list(world, 0));
}

/* Parts */

/* What the domain's site has in common, by that worker. */
static struct common *common_of(const struct world *world, unsigned worker)
{
	struct domain *domain = scheduler_domain(world->workers[worker].scheduler, domain_of(world));

	site_open(domain->site); /* as for its first lease */
	return domain->site->traffic->namesakes->common;
}

/* The site that the domain leads to has so many from now on, and everybody has seen it. */
static void split(struct world *world, unsigned parts)
{
	struct commons *commons = &world->engine.commons;
	unsigned owner = world->workers[0].config == world->configs[1];
	unsigned merges = commons->merges;

	common_split(commons, common_of(world, owner), parts);
	for (unsigned i = 0; i < WORKERS; i++)
		homes_merge(&world->workers[i], commons->merges != merges);
	turn(world);
}

static bool has_other(const struct world *world, unsigned worker)
{
	return scheduler_list(world->workers[worker].scheduler, slice_of(world->other)) != NULL;
}

/* Both lists have mail, and each is with one of the two parts. */
static void begin_split(struct world *world, unsigned owner)
{
	lead_to(world, owner);
	changed(world);
	split(world, 2);
	changed(world);
	home_changed(&world->workers[0], slice_of(world->other));
	turn(world);
}

static void parts_have_some_lists_each(void **state)
{
	struct world *world = *state;

	unsigned part = (unsigned)(slice_hash(slice_of(world->list)) % WORKERS);

	begin_split(world, !part);
	assert_true(has_list(world, part) && !has_other(world, part));
	assert_true(has_other(world, !part));
}

static void a_list_with_plenty_is_shared(void **state)
{
	struct world *world = *state;

	begin_split(world, 1);
	unsigned holder = has_other(world, 1);

	assert_ptr_equal(common_of(world, 0), common_of(world, 1));
	struct ready *list = scheduler_list(world->workers[holder].scheduler, slice_of(world->other));

	giants_share(&world->workers[holder], list, 10); /* not worth it */
	turn(world);
	assert_false(has_other(world, !holder));
	giants_share(&world->workers[holder], list, 100000);
	turn(world);
	assert_true(has_other(world, !holder));
}

/* Whoever is no part any more gives up what it has, and the owner has all of it. */
static void fewer_parts_have_all(void **state)
{
	struct world *world = *state;

	for (unsigned owner = 0; owner < WORKERS; owner++) {
		begin_split(world, owner);
		split(world, 1);
		assert_true(has_list(world, owner) && has_other(world, owner));
		assert_false(has(world, !owner));
		lead_to(world, !owner); /* for the next round */
		answer(world);
		answer(world);
		assert_false(has(world, owner));
	}
}

/* What the one that is no part any more has leased is finished first; new mail does not wait for that. */
static void new_mail_goes_to_those_who_stay(void **state)
{
	struct world *world = *state;
	struct scheduler *leaving = world->workers[0].scheduler;

	begin_split(world, 1);
	struct domain *domain = scheduler_domain(leaving, domain_of(world));

	scheduler_hold(leaving, domain);
	split(world, 1);
	assert_true(domain->leaving);
	assert_true(has_list(world, 1) && has_other(world, 1));
	split(world, 2); /* it is asked for nothing until it has answered */
	changed(world);
	home_changed(&world->workers[0], slice_of(world->other));
	turn(world);
	assert_true(list_is_empty(&domain->lists));
	scheduler_drop(leaving, domain);
	home_released(&world->workers[0], domain_of(world));
	changed(world);
	home_changed(&world->workers[0], slice_of(world->other));
	turn(world);
	assert_true(has(world, 0));
}

static void a_split_domain_moves_when_nobody_has_any(void **state)
{
	struct world *world = *state;
	struct scheduler *helper = world->workers[0].scheduler;

	begin_split(world, 1);
	struct domain *domain = scheduler_domain(helper, domain_of(world));

	scheduler_hold(helper, domain);
	lead_to(world, 0);
	answer(world);
	answer(world);
	assert_false(has(world, 1));
	assert_true(domain->leaving);
	scheduler_drop(helper, domain);
	home_released(&world->workers[0], domain_of(world));
	turn(world);
	assert_true(has_list(world, 0) && has_other(world, 0));
	assert_int_equal(route_of(world, 0), 0);
	assert_false(has(world, 1));
}

static void a_split_domain_is_forgotten_when_nobody_has_any(void **state)
{
	struct world *world = *state;
	struct worker *home = &world->workers[0];

	begin_split(world, 1);
	scheduler_release(world->workers[1].scheduler, scheduler_domain(world->workers[1].scheduler, domain_of(world)));
	homes_age(home, worker_now_ms(home) + 11 * 60000);
	turn(world);
	assert_int_equal(home->homes.count, 1); /* the other part has some */
	scheduler_release(home->scheduler, scheduler_domain(home->scheduler, domain_of(world)));
	homes_age(home, worker_now_ms(home) + 22 * 60000);
	turn(world);
	assert_int_equal(home->homes.count, 0);
}

/* How many parts a site has */

/* A second in which the owner's thread was so busy, and sent so many to the site while more was queued, or not. */
static void second(struct world *world, unsigned percent, unsigned sent, bool plenty)
{
	struct worker *worker = &world->workers[1];
	struct domain *domain = scheduler_domain(worker->scheduler, domain_of(world));
	struct lane *lane = domain->site->lanes[0];
	uint64_t now_ms = worker->look_ms + 1000;

	load_count(domain->site, sent);
	lane->plenty = plenty;
	worker->look_cpu_ms = ring_cpu_ms(worker->ring) - 10ul * percent;
	giants_tick(worker, now_ms);
}

static void begin_owned(struct world *world)
{
	lead_to(world, 1);
	changed(world);
	common_of(world, 1);
	for (unsigned i = 0; i < WORKERS; i++)
		world->workers[i].look_ms = worker_now_ms(&world->workers[i]);
}

static unsigned parts(struct world *world)
{
	return common_parts(common_of(world, 1));
}

static void a_busy_owner_is_helped(void **state)
{
	struct world *world = *state;

	begin_owned(world);
	for (unsigned i = 0; i < 4; i++)
		second(world, 97, 1000, true);
	second(world, 60, 1000, true); /* they are to be in a row */
	for (unsigned i = 0; i < 4; i++)
		second(world, 97, 1000, true);
	assert_int_equal(parts(world), 1);
	second(world, 97, 1000, true);
	assert_int_equal(parts(world), 2);
	for (unsigned i = 0; i < 20; i++)
		second(world, 97, 1000, true);
	assert_int_equal(parts(world), 2); /* there are no more workers */
	for (unsigned i = 0; i < 59; i++)
		second(world, 30, 1000, true);
	assert_int_equal(parts(world), 2);
	second(world, 30, 1000, true);
	assert_int_equal(parts(world), 1);
}

static void a_choosy_site_is_not_split(void **state)
{
	struct world *world = *state;

	begin_owned(world);
	struct lane *lane = scheduler_domain(world->workers[1].scheduler, domain_of(world))->site->lanes[0];
	struct exchanger *exchanger = lane_prepare(lane);

	for (unsigned i = 0; i < 10; i++)
		second(world, 97, 1000, true);
	assert_int_equal(parts(world), 2);
	exchanger->crowd.edge = 20;
	second(world, 97, 1000, true);
	assert_int_equal(parts(world), 1);
	exchanger->crowd.edge = 0;
	for (unsigned i = 0; i < 30; i++)
		second(world, 97, 1000, true);
	assert_int_equal(parts(world), 1);
	for (unsigned i = 0; i < 40; i++)
		second(world, 97, 1000, true);
	assert_int_equal(parts(world), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_domain_is_granted_to_its_sites_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(it_moves_when_two_answers_in_a_row_lead_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(it_does_not_flutter, setup, teardown),
		cmocka_unit_test_setup_teardown(it_is_granted_anew_when_nothing_of_it_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(it_is_forgotten_when_its_owner_has_none_of_it, setup, teardown),
		cmocka_unit_test_setup_teardown(mail_that_comes_with_the_question_is_granted, setup, teardown),
		cmocka_unit_test(a_known_domain_takes_little_memory),
		cmocka_unit_test_setup_teardown(a_cold_domain_is_granted_with_the_next_mail, setup, teardown),
		cmocka_unit_test_setup_teardown(another_configuration_is_asked_before_the_next_grant, setup, teardown),
		cmocka_unit_test_setup_teardown(parts_have_some_lists_each, setup, teardown),
		cmocka_unit_test_setup_teardown(a_list_with_plenty_is_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(fewer_parts_have_all, setup, teardown),
		cmocka_unit_test_setup_teardown(new_mail_goes_to_those_who_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(a_split_domain_moves_when_nobody_has_any, setup, teardown),
		cmocka_unit_test_setup_teardown(a_busy_owner_is_helped, setup, teardown),
		cmocka_unit_test_setup_teardown(a_choosy_site_is_not_split, setup, teardown),
		cmocka_unit_test_setup_teardown(a_split_domain_is_forgotten_when_nobody_has_any, setup, teardown),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
