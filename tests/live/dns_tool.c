/* Resolves domains with dns/ on a real ring and prints what it found, a JSON object a line: for dns_test.py.
 *
 *     dns_tool --server 127.0.0.1:5353 [--server ...] [--private] [--own-name N] [--patience MS] [--ttl-min MS]
 *              [--in-flight N] [--rounds N] [--pause MS] [--quiet] [--domains N] [DOMAIN...]
 *
 * All domains are asked for at once, in each round, and the counts follow; the pause comes between the rounds.
 * --domains N adds d1.test to dN.test; --quiet prints the counts alone. */
#include "base/outbuf.h"
#include "dns/dns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOMAINS_MAX = 200000 };

struct asked {
	struct dns_ask ask;
	const char *domain;
};

struct run {
	struct address servers[DNS_SERVERS_MAX];
	struct dns_setup setup;
	unsigned rounds, pause_ms;
	bool quiet;
	unsigned ndomains;
	const char *domains[DOMAINS_MAX];
};

static struct run run = {.rounds = 1};
static unsigned nanswered, results[ROUTES_LATER + 1];
static struct ring *ring;

static void routes_print(const struct routes *routes)
{
	struct outbuf out = {0}, hosts = {0}, route = {0};
	char text[ADDRESS_TEXT_MAX];

	for (unsigned i = 0; i < routes->nhosts; i++) {
		outbuf_byte(&hosts, i ? ',' : '[');
		outbuf_json_string(&hosts, routes->hosts[i]);
	}
	for (unsigned i = 0; i < routes->nroutes; i++) {
		struct address address = routes_address(routes, i);

		outbuf_byte(&route, i ? ',' : '[');
		outbuf_byte(&route, '{');
		outbuf_json_text(&route, "address", address_text(&address, text));
		outbuf_json_text(&route, "host", routes->hosts[routes->route[i].host]);
		outbuf_json_number(&route, "preference", routes->route[i].preference);
		outbuf_byte(&route, '}');
	}
	outbuf_add(&hosts, routes->nhosts ? SLICE("]") : SLICE("[]"));
	outbuf_add(&route, routes->nroutes ? SLICE("]") : SLICE("[]"));
	outbuf_byte(&out, '{');
	outbuf_json_text(&out, "domain", routes->domain);
	outbuf_json_text(&out, "result", slice_of(routes_result_name(routes->result)));
	outbuf_json_text(&out, "reason", slice_of(routes->reason));
	outbuf_json_raw(&out, "implicit", routes->implicit ? SLICE("true") : SLICE("false"));
	outbuf_json_number(&out, "expires_in_ms", routes->expires_ms - ring_now_ms(ring));
	outbuf_json_raw(&out, "hosts", outbuf_slice(&hosts));
	outbuf_json_raw(&out, "routes", outbuf_slice(&route));
	printf("%.*s}\n", SLICE_ARG(outbuf_slice(&out)));
	outbuf_free(&out);
	outbuf_free(&hosts);
	outbuf_free(&route);
}

static void on_routes(struct dns_ask *ask, struct routes *routes)
{
	(void)ask;
	nanswered++;
	results[routes->result]++;
	if (!run.quiet)
		routes_print(routes);
	routes_free(routes);
}

static void counts_print(struct dns *dns, uint64_t took_ms)
{
	struct dns_counts c = dns_counts(dns);

	printf("{\"counts\":{\"asked\":%lu,\"cached\":%lu,\"coalesced\":%lu,\"sent\":%lu,\"resent\":%lu,\"over_tcp\":%"
	       "lu,"
	       "\"bad_answers\":%lu},\"found\":%u,\"later\":%u,\"took_ms\":%lu}\n",
	       c.asked, c.cached, c.coalesced, c.sent, c.resent, c.over_tcp, c.bad_answers, results[ROUTES_FOUND],
	       results[ROUTES_LATER], took_ms);
	fflush(stdout);
}

static void turn(uint64_t wait_ms)
{
	if (ring_turn(ring, wait_ms) == 0)
		return;
	fprintf(stderr, "dns_tool: the ring does not turn\n");
	exit(1);
}

static void ask_all(struct dns *dns, struct asked *asked)
{
	uint64_t began_ms = ring_now_ms(ring), ends_ms = began_ms + 60000;

	nanswered = 0;
	memset(results, 0, sizeof(results));
	for (unsigned i = 0; i < run.ndomains; i++) {
		asked[i] = (struct asked){.ask.answered = on_routes, .domain = run.domains[i]};
		dns_ask(dns, &asked[i].ask, slice_of(run.domains[i]));
	}
	while (nanswered < run.ndomains && ring_now_ms(ring) < ends_ms)
		turn(1000);
	counts_print(dns, ring_now_ms(ring) - began_ms);
}

static void domain_add(const char *domain)
{
	if (run.ndomains < DOMAINS_MAX)
		run.domains[run.ndomains++] = domain;
}

static void domains_add(unsigned n)
{
	for (unsigned i = 1; i <= n; i++) {
		char text[32];

		snprintf(text, sizeof(text), "d%u.test", i);
		domain_add(slice_copy(slice_of(text)));
	}
}

static bool option(const char *name, const char *value)
{
	unsigned number = (unsigned)strtoul(value, NULL, 10);

	if (strcmp(name, "--server") == 0)
		return run.setup.nservers < DNS_SERVERS_MAX &&
		       address_parse(&run.servers[run.setup.nservers++], slice_of(value), 53);
	if (strcmp(name, "--own-name") == 0)
		run.setup.own_name = slice_of(value);
	else if (strcmp(name, "--patience") == 0)
		run.setup.patience_ms = number;
	else if (strcmp(name, "--ttl-min") == 0)
		run.setup.ttl_ms_min = number;
	else if (strcmp(name, "--in-flight") == 0)
		run.setup.questions_max = number;
	else if (strcmp(name, "--rounds") == 0)
		run.rounds = number;
	else if (strcmp(name, "--pause") == 0)
		run.pause_ms = number;
	else if (strcmp(name, "--domains") == 0)
		domains_add(number);
	else
		return false;
	return true;
}

static void options_read(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--private") == 0)
			run.setup.allow_private = true;
		else if (strcmp(argv[i], "--quiet") == 0)
			run.quiet = true;
		else if (strncmp(argv[i], "--", 2) != 0)
			domain_add(argv[i]);
		else if (i + 1 == argc || !option(argv[i], argv[i + 1])) {
			fprintf(stderr, "dns_tool: what is %s?\n", argv[i]);
			exit(2);
		} else
			i++;
	}
}

int main(int argc, char **argv)
{
	char why[RING_WHY_MAX];

	run.setup.servers = run.servers;
	run.setup.smtp_port = 25;
	options_read(argc, argv);
	if (ring_open(&ring, &(struct ring_setup){.sockets = 4096, .buffers = 1024, .buffer_size = 2048}, why) < 0) {
		fprintf(stderr, "dns_tool: %s\n", why);
		return 1;
	}
	struct dns *dns = dns_open(ring, &run.setup);
	struct asked *asked = calloc(run.ndomains + 1, sizeof(*asked));

	for (unsigned round = 0; round < run.rounds; round++) {
		uint64_t until_ms = round ? ring_now_ms(ring) + run.pause_ms : 0;

		while (ring_now_ms(ring) < until_ms)
			turn(until_ms - ring_now_ms(ring));
		ask_all(dns, asked);
	}
	free(asked);
	dns_free(dns);
	for (int i = 0; i < 3; i++)
		turn(20);
	ring_free(ring);
	return nanswered == run.ndomains ? 0 : 1;
}
