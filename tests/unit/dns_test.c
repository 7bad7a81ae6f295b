/* dns_ask and its callbacks on a real ring. The server is a plain socket in this thread that says NXDOMAIN to all. */
#include "dns_world.h"

struct asking {
	struct dns_ask ask;
	unsigned nanswers;
	struct routes *routes;
	struct asking *then; /* asked for from the callback, when not NULL */
};

static void answer(void)
{
	packet[2] |= 0x80;
	packet[3] = 3;
}

static void ask(struct asking *asking, const char *domain);

static void on_routes(struct dns_ask *link, struct routes *routes)
{
	struct asking *asking = LIST_OWNER(link, struct asking, ask);

	asking->nanswers++;
	asking->routes = routes;
	if (asking->then)
		ask(asking->then, "a.example");
}

static void ask(struct asking *asking, const char *domain)
{
	asking->ask.answered = on_routes;
	dns_ask(dns, &asking->ask, slice_of(domain));
	assert_int_equal(asking->nanswers, 0);
}

static void answer_comes_later_even_when_known(void **state)
{
	struct asking first = {0}, second = {0};

	(void)state;
	ask(&first, "a.example");
	turn_until(&first.nanswers);
	assert_int_equal(first.routes->result, ROUTES_NO_DOMAIN);
	assert_true(slice_is(first.routes->domain, SLICE("a.example")));
	assert_non_null(strstr(first.routes->reason, "NXDOMAIN for a.example from 127.0.0.1:"));
	assert_in_range(first.routes->expires_ms - ring_now_ms(ring), 29000, 30000); /* no SOA: half a minute */
	ask(&second, "a.example");
	turn_until(&second.nanswers);
	assert_int_equal(nheard, 1);
	assert_int_equal(dns_counts(dns).asked, 2);
	assert_int_equal(dns_counts(dns).cached, 1);
	routes_free(first.routes);
	routes_free(second.routes);
}

static void equal_asks_share_routes(void **state)
{
	struct asking first = {0}, second = {0}, third = {0};

	(void)state;
	ask(&first, "a.example");
	ask(&second, "A.Example");
	ask(&third, "a.example");
	turn_until(&first.nanswers);
	assert_int_equal(second.nanswers + third.nanswers, 2);
	assert_ptr_equal(first.routes, second.routes);
	assert_int_equal(first.routes->refs, 3);
	assert_int_equal(nheard, 1);
	assert_int_equal(dns_counts(dns).coalesced, 2);
	routes_free(first.routes);
	routes_free(second.routes);
	routes_free(third.routes);
}

static void ask_taken_back_is_not_answered(void **state)
{
	struct asking first = {0}, second = {0};

	(void)state;
	ask(&first, "a.example");
	ask(&second, "a.example");
	dns_unask(dns, &first.ask);
	turn_until(&second.nanswers);
	assert_int_equal(first.nanswers, 0);
	assert_int_equal(second.routes->refs, 1);
	routes_free(second.routes);
	ask(&first, "a.example"); /* known, so it waits only to be told */
	dns_unask(dns, &first.ask);
	for (int i = 0; i < 10; i++)
		turn();
	assert_int_equal(first.nanswers, 0);
}

static void asked_from_the_callback_is_answered_too(void **state)
{
	struct asking second = {0}, first = {.then = &second};

	(void)state;
	ask(&first, "a.example");
	turn_until(&first.nanswers);
	turn_until(&second.nanswers); /* in the same turn only when that took several ticks; ask() sees that it is not
					 at once */
	routes_free(first.routes);
	routes_free(second.routes);
}

static void names_that_cannot_be_are_no_domains(void **state)
{
	static const char *const names[] = {"", ".", "a..example", "a b.example", "[192.0.2.1]\n", "a.example."};
	char label[300];

	(void)state;
	memset(label, 'a', 299);
	label[299] = '\0';
	for (size_t i = 0; i <= sizeof(names) / sizeof(names[0]); i++) {
		struct asking asking = {0};

		ask(&asking, i < sizeof(names) / sizeof(names[0]) ? names[i] : label);
		turn_until(&asking.nanswers);
		assert_int_equal(asking.routes->result, ROUTES_NO_DOMAIN);
		routes_free(asking.routes);
	}
	assert_int_equal(nheard, 0);
}

/* dns_world_close frees it with an ask in flight and one to be told. */
static void closing_answers_nobody(void **state)
{
	static struct asking known, flying;

	(void)state;
	ask(&known, "a.example");
	turn_until(&known.nanswers);
	routes_free(known.routes);
	known.nanswers = 0;
	ask(&known, "a.example");
	ask(&flying, "b.example");
	assert_int_equal(known.nanswers + flying.nanswers, 0);
}

/* Of a host that is named it cannot be said that there is nobody: it may be there again tomorrow. */
static void named_host_is_never_said_not_to_be(void **state)
{
	struct asking plain = {0}, upper = {0}, other = {0};

	(void)state;
	plain.ask.answered = upper.ask.answered = other.ask.answered = on_routes;
	dns_ask_host(dns, &plain.ask, SLICE("smtp.example"), 587);
	dns_ask_host(dns, &upper.ask, SLICE("SMTP.example"), 587);
	dns_ask_host(dns, &other.ask, SLICE("smtp.example"), 465);
	assert_int_equal(dns_counts(dns).coalesced, 1 + 2); /* one look-up of two, and the questions of the other */
	turn_until(&plain.nanswers);
	turn_until(&upper.nanswers);
	turn_until(&other.nanswers);
	assert_int_equal(plain.routes->result, ROUTES_LATER);
	assert_ptr_equal(plain.routes, upper.routes);
	assert_string_equal(plain.routes->reason, "smtp.example, named in the configuration, has no address");
	assert_true(slice_is(plain.routes->domain, SLICE("smtp.example")));
	routes_free(plain.routes);
	routes_free(upper.routes);
	routes_free(other.routes);
}

int main(void)
{
#define WITH_DNS(test) cmocka_unit_test_setup_teardown(test, dns_world_open, dns_world_close)
	const struct CMUnitTest tests[] = {
		WITH_DNS(answer_comes_later_even_when_known),  WITH_DNS(equal_asks_share_routes),
		WITH_DNS(ask_taken_back_is_not_answered),      WITH_DNS(asked_from_the_callback_is_answered_too),
		WITH_DNS(names_that_cannot_be_are_no_domains), WITH_DNS(closing_answers_nobody),
		WITH_DNS(named_host_is_never_said_not_to_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
