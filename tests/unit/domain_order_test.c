/* The order in which recipients are queued: everybody once, domains together, nobody overtaken within his domain. */
#include "domain_order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { RECIPIENTS = 5000, DOMAINS = 37 };

/* To be freed. */
static unsigned *order_of(const char *const *domains, unsigned n)
{
	struct addressee recipients[RECIPIENTS] = {0};
	struct job job = {.recipients = recipients, .nrecipients = n};

	for (unsigned i = 0; i < n; i++)
		recipients[i].domain = slice_of(domains[i]);
	return domain_order(&job);
}

static void test_small(void **state)
{
	const char *domains[] = {"b.test", "a.test", "b.test", "c.test", "a.test", "b.test"};
	unsigned *order = order_of(domains, 6), *none = order_of(domains, 0);

	(void)state;
	assert_memory_equal(order, ((unsigned[]){0, 2, 5, 1, 4, 3}), 6 * sizeof(*order));
	free(order);
	free(none);
}

static void test_many(void **state)
{
	static char names[DOMAINS][16];
	const char *domains[RECIPIENTS];
	unsigned runs = 0;

	(void)state;
	for (unsigned i = 0; i < DOMAINS; i++)
		snprintf(names[i], sizeof(names[i]), "d%u.test", i);
	for (unsigned i = 0; i < RECIPIENTS; i++)
		domains[i] = names[i * i % DOMAINS];
	unsigned *order = order_of(domains, RECIPIENTS);

	for (unsigned i = 1; i < RECIPIENTS; i++) {
		if (domains[order[i]] != domains[order[i - 1]])
			runs++;
		else
			assert_true(order[i] > order[i - 1]);
	}
	assert_true(runs < DOMAINS); /* each domain is one run; not every name occurs */
	char seen[RECIPIENTS] = {0};

	for (unsigned i = 0; i < RECIPIENTS; i++)
		seen[order[i]]++;
	for (unsigned i = 0; i < RECIPIENTS; i++)
		assert_int_equal(seen[i], 1);
	free(order);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
