/* Judgement 4, as far as the scheduler goes: tenants share a saturated lane evenly, or by their weights; a giant delays
 * no small job; transactional mail waits for nobody. */
#include "post_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TENANTS = 8, SECONDS = 300, SMALL_JOBS = 10000, WAITS_MAX = 100000 };

static struct post_sim_setup one_site(uint64_t seed)
{
	return (struct post_sim_setup){.seed = seed,
				       .sites = 1,
				       .slots = 1000,
				       .records = 32768,
				       .message_ms = 45,
				       .limits = {.connections = 10,
						  .messages_per_connection = 100,
						  .recipients_per_message = 1,
						  .window = 1,
						  .reserved = 1,
						  .learning = true,
						  .retry = {.nsteps = 1, .step_ms = {60000}}}};
}

static unsigned seeds(void)
{
	const char *text = getenv("SEEDS");

	return text && atol(text) > 0 ? (unsigned)atol(text) : 2;
}

/* Tenant t has t + 1 campaigns in t + 1 domains each, and more mail the higher its number. */
static void queue_for(struct post_sim *sim, unsigned tenant)
{
	char list[64];

	for (unsigned campaign = 0; campaign <= tenant; campaign++)
		for (unsigned domain = 0; domain <= tenant; domain++) {
			snprintf(list, sizeof(list), "b:d%u-0.test:t%u:c%u", domain, tenant, campaign);
			post_sim_queue(sim, list, 100000 * (tenant + 1));
		}
}

static void count_by_tenant(struct post_sim *sim, double delivered[TENANTS])
{
	for (unsigned i = 0; i < TENANTS; i++)
		delivered[i] = 0;
	MAP_EACH (node, &sim->lists) {
		struct slice rest = map_key(node);

		slice_until(&rest, ':');
		slice_until(&rest, ':');
		delivered[rest.ptr[1] - '0'] += (double)MAP_OWNER(node, struct post_list, node)->delivered;
	}
}

/* Jain's index: 1 when all are equal, 1/n when one has everything. */
static double jain(const double *share, unsigned n)
{
	double sum = 0, squares = 0;

	for (unsigned i = 0; i < n; i++) {
		sum += share[i];
		squares += share[i] * share[i];
	}
	return squares ? sum * sum / (n * squares) : 0;
}

static void equal_tenants_have_equal_shares(void **state)
{
	double worst = 1;

	(void)state;
	for (unsigned seed = 1; seed <= seeds(); seed++) {
		struct post_sim_setup setup = one_site(seed);
		struct post_sim *sim = post_sim_begin(&setup);
		double delivered[TENANTS], index;

		for (unsigned i = 0; i < TENANTS; i++)
			queue_for(sim, i);
		post_sim_run(sim, SECONDS * 1000);
		count_by_tenant(sim, delivered);
		index = jain(delivered, TENANTS);
		worst = index < worst ? index : worst;
		assert_true(sim->delivered > 100 * SECONDS);
		post_sim_end(sim);
	}
	printf("figure: jain %.4f (>= 0.95)\n", worst);
	assert_true(worst >= 0.95);
}

static bool weigh(void *who, struct slice tenant, struct tenant_terms *terms)
{
	(void)who;
	terms->weight = (unsigned)(tenant.ptr[1] - '0') + 1;
	return true;
}

static void weights_are_shares(void **state)
{
	double worst = 0;

	(void)state;
	for (unsigned seed = 1; seed <= seeds(); seed++) {
		struct post_sim_setup setup = one_site(seed);

		setup.tenant_terms = weigh;
		struct post_sim *sim = post_sim_begin(&setup);
		double delivered[TENANTS];

		for (unsigned i = 0; i < TENANTS; i++)
			queue_for(sim, i);
		post_sim_run(sim, SECONDS * 1000);
		count_by_tenant(sim, delivered);
		for (unsigned i = 0; i < TENANTS; i++) {
			double due = (double)sim->delivered * (i + 1) / (TENANTS * (TENANTS + 1) / 2);
			double off = delivered[i] > due ? delivered[i] / due - 1 : 1 - delivered[i] / due;

			worst = off > worst ? off : worst;
		}
		post_sim_end(sim);
	}
	printf("figure: weighted-share-error %.4f (<= 0.05)\n", worst);
	assert_true(worst <= 0.05);
}

/* How long ten thousand jobs of one recipient take, each a campaign of its own. */
static double small_jobs_seconds(uint64_t seed, bool beside_giant)
{
	struct post_sim_setup setup = one_site(seed);
	struct post_sim *sim = post_sim_begin(&setup);
	char list[64];
	uint64_t small = 0;

	if (beside_giant) {
		post_sim_queue(sim, "b:d0-0.test:a:giant", 5000000);
		post_sim_run(sim, 30000);
	}
	uint64_t begun_ms = sim->now_ms;

	for (unsigned i = 0; i < SMALL_JOBS; i++) {
		snprintf(list, sizeof(list), "b:d%u-0.test:a:job%u", i % 100, i);
		post_sim_queue(sim, list, 1);
	}
	while (small < SMALL_JOBS) {
		post_sim_run(sim, 1000);
		small = sim->delivered - (beside_giant ? post_sim_list(sim, "b:d0-0.test:a:giant")->delivered : 0);
		assert_true(sim->now_ms < begun_ms + 3600000);
	}
	double seconds = (double)(sim->now_ms - begun_ms) / 1000;

	post_sim_end(sim);
	return seconds;
}

static void a_giant_delays_no_small_job(void **state)
{
	double ratio = small_jobs_seconds(1, true) / small_jobs_seconds(1, false);

	(void)state;
	printf("figure: small-jobs-beside-giant %.3f (<= 1.10)\n", ratio);
	assert_true(ratio <= 1.10);
}

struct waits {
	uint64_t ms[WAITS_MAX];
	unsigned n;
};

static void note_wait(struct post_sim *sim, uint64_t waited_ms)
{
	struct waits *waits = sim->setup.who;

	assert_true(waits->n < WAITS_MAX);
	waits->ms[waits->n++] = waited_ms;
}

/* A Poisson clock, or as good as one. */
struct arrivals {
	struct post_event event; /* first: it is cast */
	unsigned n;
};

static void on_arrival(struct post_sim *sim, struct post_event *event)
{
	struct arrivals *arrivals = (struct arrivals *)event;
	char list[64];

	snprintf(list, sizeof(list), "t:d%u-%u.test:a:", arrivals->n % 7, arrivals->n % sim->setup.sites);
	arrivals->n++;
	post_sim_queue(sim, list, 1);
	post_sim_at(sim, event, sim->now_ms + random_below(&sim->random, 21));
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void transactional_mail_waits_for_nobody(void **state)
{
	struct post_sim_setup setup = one_site(3);
	struct waits *waits = calloc(1, sizeof(*waits));
	struct arrivals arrivals = {.event = {.happen = on_arrival, .borrowed = true}};
	char list[64];

	(void)state;
	setup.sites = 20;
	setup.sent = note_wait;
	setup.who = waits;
	struct post_sim *sim = post_sim_begin(&setup);

	for (unsigned site = 0; site < setup.sites; site++)
		for (unsigned domain = 0; domain < 7; domain++) {
			snprintf(list, sizeof(list), "b:d%u-%u.test:a:nov", domain, site);
			post_sim_queue(sim, list, 5000000);
		}
	post_sim_run(sim, 20000);
	post_sim_at(sim, &arrivals.event, sim->now_ms);
	post_sim_run(sim, 60000);
	qsort(waits->ms, waits->n, sizeof(waits->ms[0]), by_size);
	assert_true(waits->n > 5000);
	uint64_t p99_ms = waits->ms[waits->n * 99 / 100];

	printf("figure: transactional-p99 %llu ms (< 50)\n", (unsigned long long)p99_ms);
	assert_true(p99_ms < 50);
	post_sim_end(sim);
	free(waits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_tenants_have_equal_shares),
		cmocka_unit_test(weights_are_shares),
		cmocka_unit_test(a_giant_delays_no_small_job),
		cmocka_unit_test(transactional_mail_waits_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
