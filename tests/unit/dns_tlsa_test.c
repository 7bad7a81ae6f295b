/* TLSA look-ups, whole: a name server in this thread that says what a case wants it to say, signed or not, and what the
 * routes then say of each host. The numbers (DANE-1 ...) are those of the requirements. */
#include "dns/routes.h"
#include "dns/tlsa.h"
#include "tests/unit/dns_wire.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

enum { SAID_MAX = 12, TURNS_MAX = 2000, AD = 0x0020, DO = 0x8000 };

/* "A mx.a.example" is answered with "+8.0.0.1": + is signed, ! SERVFAIL, # NXDOMAIN; then CNAMEs as "@name", then
 * records with commas between. What is not in the list is answered with nothing, unsigned. */
struct said {
	const char *question, *answer;
};

static struct ring *ring;
static int server;
static const struct said *script;
static unsigned ntlsa, nwith_do;
static struct routes *answered;

static void put_rdata(const char *type, const char *text, const char *owner)
{
	unsigned a, b, c, byte;
	unsigned char ip[16];
	int at = 0;

	put_name(owner);
	if (strcmp(type, "MX") == 0) {
		assert_int_equal(sscanf(text, "%u %n", &a, &at), 1);
		record(0, DNS_MX, 300, 4 + strlen(text + at));
		put16(a);
		put_name(text + at);
	} else if (strcmp(type, "TLSA") == 0) {
		assert_int_equal(sscanf(text, "%u %u %u %n", &a, &b, &c, &at), 3);
		record(0, DNS_TLSA, 300, 3 + strlen(text + at) / 2);
		put((unsigned char[]){(unsigned char)a, (unsigned char)b, (unsigned char)c}, 3);
		for (const char *hex = text + at; sscanf(hex, "%2x", &byte) == 1; hex += 2)
			put((unsigned char[]){(unsigned char)byte}, 1);
	} else {
		bool is_v4 = strcmp(type, "A") == 0;

		assert_int_equal(inet_pton(is_v4 ? AF_INET : AF_INET6, text, ip), 1);
		record(0, is_v4 ? DNS_A : DNS_AAAA, 300, is_v4 ? 4 : 16);
		put(ip, is_v4 ? 4 : 16);
	}
}

static void put_answer(const char *type, const char *name, const char *text)
{
	char owner[256], rest[256];

	if (strcspn(text, "+!#") == 0)
		wire.bytes[3] |= text[0] == '+' ? AD : text[0] == '!' ? 2 : 3;
	snprintf(owner, sizeof(owner), "%s", name);
	snprintf(rest, sizeof(rest), "%s", text + strspn(text, "+!#"));
	char *word = rest;

	while (*word == '@') {
		char *end = word + strcspn(word, " "), *next = *end ? end + 1 : end;

		*end = '\0';
		put_name(owner);
		record(0, DNS_CNAME, 300, strlen(word + 1) + 2);
		put_name(word + 1);
		snprintf(owner, sizeof(owner), "%s", word + 1);
		word = next;
	}
	struct slice list = slice_of(word);

	while (list.len) {
		char one[256];
		struct slice item = slice_until(&list, ',');

		snprintf(one, sizeof(one), "%.*s", SLICE_ARG(item));
		put_rdata(type, one, owner);
	}
}

/* The question, read from its packet as "MX a.example". */
static void read_question(const unsigned char *bytes, char *type, char *name)
{
	size_t at = 12, len = 0;

	for (; bytes[at]; at += 1u + bytes[at])
		len += (size_t)snprintf(name + len, 256 - len, "%s%.*s", len ? "." : "", bytes[at],
					(const char *)bytes + at + 1);
	snprintf(type, 16, "%s", dns_type_name((enum dns_type)(bytes[at + 1] << 8 | bytes[at + 2])));
}

static void serve(const unsigned char *bytes, size_t len, const struct sockaddr_in6 *to, socklen_t to_len)
{
	char type[16], name[256], asked[300];
	const char *answer = "";

	read_question(bytes, type, name);
	snprintf(asked, sizeof(asked), "%s %s", type, name);
	ntlsa += strcmp(type, "TLSA") == 0;
	nwith_do += (bytes[len - 4] << 8 & DO) != 0;
	for (unsigned i = 0; i < SAID_MAX && script[i].question; i++)
		if (strcmp(script[i].question, asked) == 0)
			answer = script[i].answer;
	header((unsigned)(bytes[0] << 8 | bytes[1]), QR, 1);
	put(bytes + 12, strlen((const char *)bytes + 12) + 5);
	put_answer(type, name, answer);
	assert_int_equal(sendto(server, wire.bytes, wire.len, 0, (const struct sockaddr *)to, to_len), wire.len);
}

static void on_routes(struct dns_ask *ask, struct routes *routes)
{
	(void)ask;
	answered = routes;
}

/* What the script says of a.example; of port 2525, so that a port taken for granted shows (DANE-10). */
static struct routes *look_up(const struct said *said, const struct dns_setup *setup)
{
	struct dns *dns = dns_open(ring, setup);
	struct dns_ask ask = {.answered = on_routes};
	unsigned char bytes[512];
	struct sockaddr_in6 from;
	ssize_t len;

	script = said;
	ntlsa = nwith_do = 0;
	answered = NULL;
	dns_ask(dns, &ask, SLICE("a.example"));
	for (int i = 0; i < TURNS_MAX && !answered; i++) {
		socklen_t from_len = sizeof(from);

		assert_int_equal(ring_turn(ring, 5), 0);
		while ((len = recvfrom(server, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &from_len)) > 0)
			serve(bytes, (size_t)len, &from, from_len);
	}
	assert_non_null(answered);
	dns_free(dns);
	return answered;
}

static struct address server_address(bool is_near)
{
	struct sockaddr_in6 bound;
	socklen_t len = sizeof(bound);
	/* The same host in a form that is not looked through: as good as a server elsewhere. */
	unsigned char mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};

	assert_int_equal(getsockname(server, (struct sockaddr *)&bound, &len), 0);
	return is_near ? address_v4(mapped + 12, ntohs(bound.sin6_port)) : address_v6(mapped, ntohs(bound.sin6_port));
}

static struct routes *look_up_near(const struct said *said)
{
	struct address address = server_address(true);

	return look_up(said, &(struct dns_setup){.servers = &address, .nservers = 1, .smtp_port = 2525});
}

static int setup(void **state)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6};
	char why[RING_WHY_MAX];
	int no = 0;

	(void)state;
	server = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (setsockopt(server, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) < 0 ||
	    bind(server, (struct sockaddr *)&any, sizeof(any)) < 0)
		return -1;
	return ring_open(&ring, &(struct ring_setup){.sockets = 64, .buffers = 64, .buffer_size = 2048}, why);
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		ring_turn(ring, 5);
	ring_free(ring);
	close(server);
	return 0;
}

#define DIGEST "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define MX_SIGNED                                  \
	{                                          \
		"MX a.example", "+10 mx.a.example" \
	}
#define HOST_SIGNED                          \
	{                                    \
		"A mx.a.example", "+8.0.0.1" \
	}
#define TLSA_OF(host) "TLSA _2525._tcp." host

static const struct {
	const char *what;
	struct said said[SAID_MAX];
	enum security kind;
	const char *base;
	unsigned questions;
} signed_cases[] = {
	{"DANE-3",
	 {MX_SIGNED, HOST_SIGNED, {TLSA_OF("mx.a.example"), "+3 1 1 " DIGEST}},
	 SECURITY_TLSA,
	 "mx.a.example",
	 1},
	{"DANE-8: unsigned MX",
	 {{"MX a.example", "10 mx.a.example"}, HOST_SIGNED, {TLSA_OF("mx.a.example"), "+3 1 1 " DIGEST}},
	 SECURITY_TLSA,
	 "mx.a.example",
	 1},
	{"DANE-2: unsigned address",
	 {MX_SIGNED, {"A mx.a.example", "8.0.0.1"}, {TLSA_OF("mx.a.example"), "!"}},
	 SECURITY_UNSIGNED,
	 "",
	 0},
	{"unsigned records",
	 {MX_SIGNED, HOST_SIGNED, {TLSA_OF("mx.a.example"), "3 1 1 " DIGEST}},
	 SECURITY_NO_TLSA,
	 "",
	 1},
	{"none", {MX_SIGNED, HOST_SIGNED, {TLSA_OF("mx.a.example"), "+"}}, SECURITY_NO_TLSA, "", 1},
	{"none, not even the name", {MX_SIGNED, HOST_SIGNED, {TLSA_OF("mx.a.example"), "#"}}, SECURITY_NO_TLSA, "", 1},
	{"no MX",
	 {{"MX a.example", "+"}, {"A a.example", "+8.0.0.1"}, {TLSA_OF("a.example"), "+3 1 1 " DIGEST}},
	 SECURITY_TLSA,
	 "a.example",
	 1},
	{"only IPv6 is signed",
	 {MX_SIGNED, {"AAAA mx.a.example", "+2a00::1"}, {TLSA_OF("mx.a.example"), "+3 1 1 " DIGEST}},
	 SECURITY_TLSA,
	 "mx.a.example",
	 1},
	{"DANE-9: where the CNAME leads",
	 {MX_SIGNED, {"A mx.a.example", "+@h.b.example 8.0.0.1"}, {TLSA_OF("h.b.example"), "+3 1 1 " DIGEST}},
	 SECURITY_TLSA,
	 "h.b.example",
	 1},
	{"DANE-9: the same in two answers",
	 {MX_SIGNED,
	  {"A mx.a.example", "+@h.b.example"},
	  {"A h.b.example", "+8.0.0.1"},
	  {"AAAA mx.a.example", "+@h.b.example"},
	  {TLSA_OF("h.b.example"), "+3 1 1 " DIGEST}},
	 SECURITY_TLSA,
	 "h.b.example",
	 1},
	{"DANE-9: nothing there, but where it began",
	 {MX_SIGNED,
	  {"A mx.a.example", "+@h.b.example 8.0.0.1"},
	  {TLSA_OF("h.b.example"), "+"},
	  {TLSA_OF("mx.a.example"), "+3 1 1 " DIGEST}},
	 SECURITY_TLSA,
	 "mx.a.example",
	 2},
	{"a signed CNAME to an unsigned address",
	 {MX_SIGNED,
	  {"A mx.a.example", "@h.b.example 8.0.0.1"},
	  {"CNAME mx.a.example", "+@h.b.example"},
	  {TLSA_OF("h.b.example"), "!"},
	  {TLSA_OF("mx.a.example"), "+3 1 1 " DIGEST}},
	 SECURITY_TLSA,
	 "mx.a.example",
	 1},
	{"the same over two answers, the second unsigned",
	 {MX_SIGNED,
	  {"A mx.a.example", "+@h.b.example"},
	  {"A h.b.example", "8.0.0.1"},
	  {"CNAME mx.a.example", "+@h.b.example"},
	  {TLSA_OF("mx.a.example"), "+3 1 1 " DIGEST}},
	 SECURITY_TLSA,
	 "mx.a.example",
	 1},
	{"an unsigned CNAME",
	 {MX_SIGNED,
	  {"A mx.a.example", "@h.b.example 8.0.0.1"},
	  {"CNAME mx.a.example", "@h.b.example"},
	  {TLSA_OF("mx.a.example"), "!"}},
	 SECURITY_UNSIGNED,
	 "",
	 0},
	{"a CNAME of the records changes no base",
	 {MX_SIGNED, HOST_SIGNED, {TLSA_OF("mx.a.example"), "+@t.a.example"}, {"TLSA t.a.example", "+3 1 1 " DIGEST}},
	 SECURITY_TLSA,
	 "mx.a.example",
	 2},
	{"... but it must be signed",
	 {MX_SIGNED, HOST_SIGNED, {TLSA_OF("mx.a.example"), "@t.a.example"}, {"TLSA t.a.example", "+3 1 1 " DIGEST}},
	 SECURITY_NO_TLSA,
	 "",
	 2},
};

static void records_are_found_where_they_are_signed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(signed_cases) / sizeof(signed_cases[0]); i++) {
		struct routes *routes = look_up_near(signed_cases[i].said);
		const struct host_security *security = routes_security(routes, 0);

		if (security->kind != signed_cases[i].kind || ntlsa != signed_cases[i].questions)
			fail_msg("%s: %s after %u questions for TLSA", signed_cases[i].what,
				 security_name(security->kind), ntlsa);
		assert_int_equal(routes->result, ROUTES_FOUND);
		assert_int_equal(routes->nroutes, 1);
		assert_int_equal(routes->mx_signed, signed_cases[i].said[0].answer[0] == '+');
		assert_slice(security->base, signed_cases[i].base);
		assert_int_equal(security->nrecords, security->kind == SECURITY_TLSA);
		if (security->nrecords) {
			assert_int_equal(security->records[0].usage, 3);
			assert_int_equal(security->records[0].data.len, 32);
			assert_memory_equal(security->records[0].data.ptr, "\xe3\xb0\xc4", 3);
		}
		routes_free(routes);
	}
}

/* RFC 7672 2.1.2: who can suppress the answer must not suppress the protection. */
static void failure_makes_the_host_unreachable(void **state)
{
	static const struct {
		const char *what;
		struct said said[SAID_MAX];
		const char *reason;
	} cases[] = {
		{"SERVFAIL, as of a bogus zone",
		 {MX_SIGNED, HOST_SIGNED, {TLSA_OF("mx.a.example"), "!"}},
		 "TLSA of mx.a.example: SERVFAIL from 127.0.0.1"},
		{"after a CNAME",
		 {MX_SIGNED, HOST_SIGNED, {TLSA_OF("mx.a.example"), "+@t.a.example"}, {"TLSA t.a.example", "!"}},
		 "TLSA of mx.a.example: SERVFAIL"},
		{"a circle",
		 {MX_SIGNED, HOST_SIGNED, {TLSA_OF("mx.a.example"), "+@_2525._tcp.mx.a.example"}},
		 "TLSA of mx.a.example: its CNAMEs"},
		{"the first base, though the second has some",
		 {MX_SIGNED,
		  {"A mx.a.example", "+@h.b.example 8.0.0.1"},
		  {TLSA_OF("h.b.example"), "!"},
		  {TLSA_OF("mx.a.example"), "+3 1 1 " DIGEST}},
		 "TLSA of mx.a.example: SERVFAIL"},
		{"whether the CNAME is signed",
		 {MX_SIGNED, {"A mx.a.example", "@h.b.example 8.0.0.1"}, {"CNAME mx.a.example", "!"}},
		 "TLSA of mx.a.example: SERVFAIL"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct routes *routes = look_up_near(cases[i].said);

		if (routes->result != ROUTES_LATER || !strstr(routes->reason, cases[i].reason))
			fail_msg("%s: %s", cases[i].what, routes->reason);
		assert_int_equal(routes->nroutes, 0);
		assert_int_equal(routes_security(routes, 0)->kind, SECURITY_LOST);
		assert_in_range(routes->expires_ms - ring_now_ms(ring), 29000, 30000);
		routes_free(routes);
	}
}

/* DANE-7: each host for itself, in the order of preference. */
static void one_lost_host_leaves_the_other(void **state)
{
	static const struct said said[SAID_MAX] = {
		{"MX a.example", "+10 mx.a.example,20 plain.b.example,30 mx.c.example"},
		HOST_SIGNED,
		{TLSA_OF("mx.a.example"), "!"},
		{"A plain.b.example", "8.0.0.2"},
		{"A mx.c.example", "+8.0.0.3"},
		{TLSA_OF("mx.c.example"), "+2 0 1 " DIGEST ",3 1 1 " DIGEST},
	};
	struct routes *routes = look_up_near(said);

	(void)state;
	assert_int_equal(routes->result, ROUTES_FOUND);
	assert_int_equal(routes->nroutes, 2);
	assert_slice(routes->hosts[routes->route[0].host], "plain.b.example");
	assert_slice(routes->hosts[routes->route[1].host], "mx.c.example");
	assert_int_equal(routes_security(routes, 0)->kind, SECURITY_LOST);
	assert_int_equal(routes_security(routes, 1)->kind, SECURITY_UNSIGNED);
	assert_int_equal(routes_security(routes, 2)->nrecords, 2);
	routes_free(routes);
}

/* DANE-1: a server that is not on this host is believed when the configuration says so, and not asked else. */
static void only_trusted_servers_are_believed(void **state)
{
	static const struct said said[SAID_MAX] = {MX_SIGNED, HOST_SIGNED, {TLSA_OF("mx.a.example"), "+3 1 1 " DIGEST}};
	struct address address = server_address(false);
	struct dns_setup setup = {.servers = &address, .nservers = 1, .smtp_port = 2525};
	struct routes *routes = look_up(said, &setup);

	(void)state;
	assert_int_equal(routes_security(routes, 0)->kind, SECURITY_UNSIGNED);
	assert_false(routes->mx_signed);
	assert_int_equal(ntlsa, 0);
	assert_int_equal(nwith_do, 0);
	routes_free(routes);
	setup.trusted = true;
	routes = look_up(said, &setup);
	assert_int_equal(routes_security(routes, 0)->kind, SECURITY_TLSA);
	assert_int_equal(nwith_do, 4);
	routes_free(routes);
}

static void servers_on_this_host_are_near(void **state)
{
	static const struct {
		const char *address;
		bool is_near;
	} cases[] = {{"127.0.0.1", true},  {"127.255.1.2", true}, {"[::1]", true},
		     {"192.0.2.1", false}, {"10.0.0.1", false},	  {"[fe80::1]", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address address;

		assert_true(address_parse(&address, slice_of(cases[i].address), 53));
		assert_int_equal(dns_server_is_near(&address), cases[i].is_near);
	}
}

/* Resolvers turn the order of records; copies of routes go to other workers. */
static void records_are_sorted_and_copied_whole(void **state)
{
	struct tlsa records[3] = {{3, 1, 1, SLICE("bb")}, {2, 0, 1, SLICE("c")}, {3, 1, 1, SLICE("aaa")}};
	struct record found[3];
	struct answer head = {.type = DNS_TLSA, .state = ANSWER_FOUND}, *answer;
	struct tlsa_search search;
	struct arena arena = {0};
	struct slice name, host = SLICE("mx");
	enum dns_type type;

	(void)state;
	for (int i = 0; i < 3; i++)
		found[i] = (struct record){.type = DNS_TLSA, .owner = SLICE("x"), .tlsa = records[i]};
	answer = answer_make(&head, found, 3);
	tlsa_begin(&search, host, host, true, &arena);
	assert_true(tlsa_next(&search, 25, &name, &type));
	assert_slice(name, "_25._tcp.mx");
	tlsa_hear(&search, FOLLOWED_FOUND, true, answer);
	assert_false(tlsa_next(&search, 25, &name, &type));
	answer_free(answer);
	struct routes *routes = routes_make(&(struct routes){
		.nhosts = 1, .hosts = &host, .security = &search.found, .expanded = SLICE("e"), .domain = SLICE("d")});
	struct routes *copy = routes_make(routes);

	arena_free(&arena);
	routes_free(routes);
	const struct host_security *security = routes_security(copy, 0);

	assert_int_equal(security->nrecords, 3);
	assert_int_equal(security->records[0].usage, 2);
	assert_slice(security->records[1].data, "aaa");
	assert_slice(security->records[2].data, "bb");
	assert_slice(security->base, "mx");
	assert_slice(copy->expanded, "e");
	assert_int_equal(routes_security(copy, 1)->kind, SECURITY_NOT_ASKED);
	routes_free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(records_are_found_where_they_are_signed, setup, teardown),
		cmocka_unit_test_setup_teardown(failure_makes_the_host_unreachable, setup, teardown),
		cmocka_unit_test_setup_teardown(one_lost_host_leaves_the_other, setup, teardown),
		cmocka_unit_test_setup_teardown(only_trusted_servers_are_believed, setup, teardown),
		cmocka_unit_test(servers_on_this_host_are_near),
		cmocka_unit_test(records_are_sorted_and_copied_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
