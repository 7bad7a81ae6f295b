/* Joins the parts: asks for the same domain share one lookup; finished lookups wait on a list, and a timer that is due
 * at once tells their asks from a turn of the ring, so that an answer is always later. */
#include "dns/dns.h"

#include "base/check.h"
#include "base/map.h"
#include "base/random.h"
#include "dns/lookup.h"

#include <stdlib.h>
#include <string.h>

struct dns {
	struct ring *ring; /* parent */
	struct resolver *resolver;
	struct lookup_setup setup;
	struct random random;
	struct map lookups;   /* by domain; the finished ones too */
	struct list finished; /* to be told */
	struct timer telling;
	uint64_t asked, cached, coalesced;
	char *own_name; /* owned */
};

static void on_telling(struct timer *timer, uint64_t now_ms);
bool dns_leave(struct dns *dns)
{
	return resolver_leave(dns->resolver);
}

static void on_finished(struct lookup *lookup, struct routes *routes);

struct dns *dns_open(struct ring *ring, const struct dns_setup *setup)
{
	struct dns *dns = calloc(1, sizeof(*dns));

	CHECK(dns != NULL);
	dns->ring = ring;
	dns->resolver = resolver_open(ring, setup);
	dns->random = random_seeded(random_secret());
	dns->own_name = slice_copy(setup->own_name);
	dns->setup = (struct lookup_setup){
		.resolver = dns->resolver,
		.ring = ring,
		.random = &dns->random,
		.own_name = slice_of(dns->own_name),
		.smtp_port = setup->smtp_port,
		.allow_private = setup->allow_private,
		.finished = on_finished,
	};
	list_init(&dns->finished);
	timer_init(&dns->telling, on_telling);
	return dns;
}

static void dns_drop(struct dns *dns, struct lookup *lookup)
{
	map_remove(&dns->lookups, &lookup->node);
	list_remove(&lookup->link);
	while (list_pop(&lookup->asks))
		;
	lookup_free(lookup);
}

void dns_free(struct dns *dns)
{
	if (!dns)
		return;
	MAP_EACH (node, &dns->lookups) {
		dns_drop(dns, MAP_OWNER(node, struct lookup, node));
	}
	map_free(&dns->lookups);
	ring_timer_stop(dns->ring, &dns->telling);
	resolver_free(dns->resolver);
	free(dns->own_name);
	free(dns);
}

static void on_finished(struct lookup *lookup, struct routes *routes)
{
	struct dns *dns = LIST_OWNER(lookup->setup, struct dns, setup);

	lookup->routes = routes;
	list_push(&dns->finished, &lookup->link);
	if (!timer_is_set(&dns->telling))
		ring_timer(dns->ring, &dns->telling, ring_now_ms(dns->ring));
}

/* Those finished till now; what the told ask for anew is for a later tick. */
static void on_telling(struct timer *timer, uint64_t now_ms)
{
	struct dns *dns = LIST_OWNER(timer, struct dns, telling);
	struct list finished, *link;

	(void)now_ms;
	list_init(&finished);
	while ((link = list_pop(&dns->finished)))
		list_push(&finished, link);
	while ((link = list_pop(&finished))) {
		struct lookup *lookup = LIST_OWNER(link, struct lookup, link);

		map_remove(&dns->lookups, &lookup->node);
		while ((link = list_pop(&lookup->asks))) {
			struct dns_ask *ask = LIST_OWNER(link, struct dns_ask, link);

			ask->answered(ask, routes_keep(lookup->routes));
		}
		lookup_free(lookup);
	}
}

/* One more ask for a domain that is being looked up. */
static void dns_join(struct dns *dns, struct lookup *lookup, struct dns_ask *ask)
{
	if (lookup->routes)
		dns->cached++;
	else
		dns->coalesced++;
	list_push(&lookup->asks, &ask->link);
}

static void dns_look_up(struct dns *dns, struct dns_ask *ask, struct slice name, uint16_t port)
{
	struct lookup *lookup = lookup_make(&dns->setup, name, port);
	struct map_node *node = map_find(&dns->lookups, lookup->key); /* the name may not have been in lower case */

	if (node) {
		lookup_free(lookup);
		dns_join(dns, MAP_OWNER(node, struct lookup, node), ask);
		return;
	}
	map_add(&dns->lookups, &lookup->node, lookup->key);
	list_push(&lookup->asks, &ask->link);
	lookup_start(lookup);
	if (lookup->routes)
		dns->cached++;
}

void dns_ask(struct dns *dns, struct dns_ask *ask, struct slice domain)
{
	CHECK(ask->answered != NULL);
	struct map_node *node = map_find(&dns->lookups, domain);

	dns->asked++;
	if (node)
		dns_join(dns, MAP_OWNER(node, struct lookup, node), ask);
	else
		dns_look_up(dns, ask, domain, 0);
}

void dns_ask_host(struct dns *dns, struct dns_ask *ask, struct slice host, uint16_t port)
{
	CHECK(ask->answered != NULL);
	CHECK(port != 0);
	dns->asked++;
	dns_look_up(dns, ask, host, port);
}

void dns_unask(struct dns *dns, struct dns_ask *ask)
{
	(void)dns;
	list_remove(&ask->link);
}

struct resolver *dns_resolver(struct dns *dns)
{
	return dns->resolver;
}

struct dns_counts dns_counts(const struct dns *dns)
{
	struct dns_counts counts = *resolver_counts(dns->resolver);

	counts.asked = dns->asked;
	counts.cached = dns->cached;
	counts.coalesced += dns->coalesced;
	return counts;
}

/* ADDR, ADDR:PORT or ADDR#PORT. */
static bool server_parse(struct address *address, struct slice text)
{
	struct slice ip = slice_until(&text, '#');
	uint64_t port = 53;

	if (text.len && !slice_number(text, 65535, &port))
		return false;
	return address_parse(address, ip, (uint16_t)port) && address_port(address) != 0;
}

bool dns_server_is_near(const struct address *server)
{
	if (server->sa.sa_family == AF_INET)
		return ntohl(server->in.sin_addr.s_addr) >> 24 == 127;
	return server->sa.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&server->in6.sin6_addr);
}

unsigned dns_read_resolv_conf(struct slice text, struct address *servers, unsigned max)
{
	unsigned n = 0;

	while (text.len > 0 && n < max) {
		struct slice line = slice_trim(slice_until(&text, '\n'));
		size_t keyword = sizeof("nameserver") - 1;

		if (!slice_starts(line, SLICE("nameserver")) || line.len == keyword ||
		    (line.ptr[keyword] != ' ' && line.ptr[keyword] != '\t'))
			continue;
		line = slice_trim(slice_skip(line, keyword));
		size_t end = 0;

		while (end < line.len && line.ptr[end] != ' ' && line.ptr[end] != '\t')
			end++;
		if (server_parse(&servers[n], slice_head(line, end)))
			n++;
	}
	return n;
}
