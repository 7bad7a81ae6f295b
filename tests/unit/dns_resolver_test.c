/* Questions on a real ring, against a server that is a plain socket in this very thread: it is given a turn after each
 * turn of the ring, and does exactly what a test tells it, a packet at a time. */
#include "dns/resolver.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { RCODE_OK = 0, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3, TURNS_MAX = 5000, BEHIND_FEW = 16 };
enum { PATIENCE_MS = 60 }; /* longer than a busy machine keeps us from answering */

/* What the server does with each question, in order; the last one is repeated. */
enum deed {
	SAY_NOTHING,
	SAY_EMPTY,
	SAY_NXDOMAIN,
	SAY_SERVFAIL,
	SAY_WRONG_ID,
	SAY_WRONG_QUESTION,
	SAY_GARBAGE,
	SAY_FLOOD
};

struct server {
	int fd;
	struct address address;
	const enum deed *deeds;
	unsigned ndeeds, nheard;
	uint16_t ids[64], ports[64];
};

struct asking {
	struct query query;
	unsigned nanswers;
	enum answer_state state;
	char failure[ANSWER_FAILURE_MAX];
};

static struct ring *ring;
static struct server servers[2];

static void server_open(struct server *server, const enum deed *deeds, unsigned ndeeds)
{
	struct address any = address_v4((unsigned char[]){127, 0, 0, 1}, 0);

	*server = (struct server){.deeds = deeds, .ndeeds = ndeeds, .address = any};
	server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_true(server->fd >= 0);
	assert_int_equal(bind(server->fd, &any.sa, any.len), 0);
	assert_int_equal(getsockname(server->fd, &server->address.sa, &server->address.len), 0);
}

static void server_say(struct server *server, enum deed deed, unsigned char *bytes, size_t len,
		       const struct sockaddr_in *to)
{
	unsigned rcode = deed == SAY_SERVFAIL ? RCODE_SERVFAIL : deed == SAY_NXDOMAIN ? RCODE_NXDOMAIN : RCODE_OK;

	if (deed == SAY_NOTHING)
		return;
	bytes[2] |= 0x80;
	bytes[3] = (unsigned char)rcode;
	if (deed == SAY_WRONG_ID)
		bytes[0] ^= 1;
	if (deed == SAY_WRONG_QUESTION)
		bytes[13] ^= 1;
	if (deed == SAY_GARBAGE || deed == SAY_FLOOD)
		len = 7;
	for (int i = 0; i < (deed == SAY_FLOOD ? 100 : 1); i++)
		sendto(server->fd, bytes, len, 0, (const struct sockaddr *)to, sizeof(*to));
}

static void server_turn(struct server *server)
{
	unsigned char bytes[512];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t len;

	while (server->fd >= 0 &&
	       (len = recvfrom(server->fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &from_len)) > 0) {
		unsigned n = server->nheard++;

		assert_true(n < 64);
		server->ids[n] = (uint16_t)(bytes[0] << 8 | bytes[1]);
		server->ports[n] = ntohs(from.sin_port);
		server_say(server, server->deeds[n < server->ndeeds ? n : server->ndeeds - 1], bytes, (size_t)len,
			   &from);
	}
}

static void on_answered(struct query *query, struct answer *answer)
{
	struct asking *asking = LIST_OWNER(query, struct asking, query);

	asking->nanswers++;
	asking->state = answer->state;
	memcpy(asking->failure, answer->failure, sizeof(asking->failure));
}

static void turn(void)
{
	assert_int_equal(ring_turn(ring, 5), 0);
	server_turn(&servers[0]);
	server_turn(&servers[1]);
}

/* Turns until it has its answer. */
static void turn_until(const struct asking *asking)
{
	for (int i = 0; i < TURNS_MAX && asking->nanswers == 0; i++)
		turn();
	assert_int_equal(asking->nanswers, 1);
}

static struct resolver *resolver_for(unsigned nservers, unsigned questions_max)
{
	const struct address addresses[2] = {servers[0].address, servers[1].address};

	return resolver_open(ring, &(struct dns_setup){.servers = addresses,
						       .nservers = nservers,
						       .questions_max = questions_max,
						       .patience_ms = PATIENCE_MS});
}

static void ask(struct resolver *resolver, struct asking *asking, const char *name)
{
	*asking = (struct asking){.query.answered = on_answered};
	resolver_ask(resolver, &asking->query, slice_of(name), DNS_MX);
	assert_int_equal(asking->nanswers, 0); /* never from inside */
}

static int setup(void **state)
{
	char why[RING_WHY_MAX];

	(void)state;
	servers[0].fd = servers[1].fd = -1;
	if (ring_open(&ring, &(struct ring_setup){.sockets = 256, .buffers = 256, .buffer_size = 2048}, why) == 0)
		return 0;
	fprintf(stderr, "%s\n", why);
	return -1;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		turn();
	for (int i = 0; i < 2; i++)
		if (servers[i].fd >= 0)
			close(servers[i].fd);
	ring_free(ring);
	return 0;
}

static void lost_packets_are_sent_again(void **state)
{
	static const enum deed deeds[] = {SAY_NOTHING, SAY_NOTHING, SAY_EMPTY};
	struct asking asking;

	(void)state;
	server_open(&servers[0], deeds, 3);
	struct resolver *resolver = resolver_for(1, 0);

	ask(resolver, &asking, "a.example");
	turn_until(&asking);
	assert_int_equal(asking.state, ANSWER_EMPTY);
	assert_int_equal(servers[0].nheard, 3);
	assert_int_equal(resolver_counts(resolver)->sent, 1);
	assert_int_equal(resolver_counts(resolver)->resent, 2);
	assert_true(servers[0].ids[0] != servers[0].ids[1] || servers[0].ids[1] != servers[0].ids[2]);
	assert_true(servers[0].ports[0] != servers[0].ports[1] || servers[0].ports[1] != servers[0].ports[2]);
	resolver_free(resolver);
}

/* As many as may be under way then: the others follow. */
static void few_are_asked_while_we_are_behind(void **state)
{
	static const enum deed deeds[] = {SAY_EMPTY};
	static struct asking asking[BEHIND_FEW + 8];
	char name[32];

	(void)state;
	server_open(&servers[0], deeds, 1);
	struct resolver *resolver = resolver_for(1, 0);

	ring_lag_ms(ring);
	assert_int_equal(ring_turn(ring, 0), 0);
	usleep(50000);
	assert_int_equal(ring_turn(ring, 0), 0);
	for (unsigned i = 0; i < BEHIND_FEW + 8; i++) {
		snprintf(name, sizeof(name), "d%u.example", i);
		ask(resolver, &asking[i], name);
	}
	assert_int_equal(resolver_counts(resolver)->sent, BEHIND_FEW);
	for (unsigned i = 0; i < BEHIND_FEW + 8; i++)
		turn_until(&asking[i]);
	resolver_free(resolver);
}

static void silence_ends_after_four_tries(void **state)
{
	static const enum deed deeds[] = {SAY_NOTHING};
	struct asking asking;

	(void)state;
	server_open(&servers[0], deeds, 1);
	struct resolver *resolver = resolver_for(1, 0);
	uint64_t began_ms = ring_now_ms(ring);

	ask(resolver, &asking, "a.example");
	turn_until(&asking);
	assert_int_equal(asking.state, ANSWER_FAILED);
	assert_non_null(strstr(asking.failure, "no answer from 127.0.0.1:"));
	assert_int_equal(servers[0].nheard, 4);
	assert_in_range(ring_now_ms(ring) - began_ms, 11 * PATIENCE_MS, 12 * PATIENCE_MS + 500);
	assert_non_null(resolver_known(resolver, SLICE("a.example"), DNS_MX)); /* for half a minute */
	resolver_free(resolver);
}

static void silent_server_is_passed_over_and_remembered(void **state)
{
	static const enum deed silent[] = {SAY_NOTHING}, good[] = {SAY_EMPTY};
	struct asking asking;

	(void)state;
	server_open(&servers[0], silent, 1);
	server_open(&servers[1], good, 1);
	struct resolver *resolver = resolver_for(2, 0);

	ask(resolver, &asking, "a.example");
	turn_until(&asking);
	assert_int_equal(asking.state, ANSWER_EMPTY);
	ask(resolver, &asking, "b.example");
	turn_until(&asking);
	assert_int_equal(servers[0].nheard, 1);
	assert_int_equal(servers[1].nheard, 2);
	resolver_free(resolver);
}

static void complaint_moves_on_at_once(void **state)
{
	static const enum deed bad[] = {SAY_SERVFAIL}, good[] = {SAY_NXDOMAIN};
	struct asking asking;

	(void)state;
	server_open(&servers[0], bad, 1);
	server_open(&servers[1], good, 1);
	struct resolver *resolver = resolver_for(2, 0);

	ask(resolver, &asking, "a.example");
	turn_until(&asking);
	assert_int_equal(asking.state, ANSWER_NO_NAME);
	assert_int_equal(servers[0].nheard, 1);
	resolver_free(resolver);
}

static void complaint_of_all_is_a_failure(void **state)
{
	static const enum deed bad[] = {SAY_SERVFAIL};
	struct asking asking;

	(void)state;
	server_open(&servers[0], bad, 1);
	server_open(&servers[1], bad, 1);
	struct resolver *resolver = resolver_for(2, 0);

	ask(resolver, &asking, "a.example");
	turn_until(&asking);
	assert_int_equal(asking.state, ANSWER_FAILED);
	assert_non_null(strstr(asking.failure, "SERVFAIL from 127.0.0.1:"));
	assert_int_equal(servers[0].nheard + servers[1].nheard, 2);
	resolver_free(resolver);
}

/* A port that is closed: the other server is asked without waiting. */
static void refused_port_moves_on_at_once(void **state)
{
	static const enum deed good[] = {SAY_EMPTY};
	struct asking asking;

	(void)state;
	server_open(&servers[0], good, 1);
	server_open(&servers[1], good, 1);
	close(servers[0].fd);
	servers[0].fd = -1;
	const struct address addresses[2] = {servers[0].address, servers[1].address};
	struct resolver *resolver =
		resolver_open(ring, &(struct dns_setup){.servers = addresses, .nservers = 2, .patience_ms = 60000});

	ask(resolver, &asking, "a.example");
	turn_until(&asking);
	assert_int_equal(asking.state, ANSWER_EMPTY);
	resolver_free(resolver);
}

static void forged_answers_are_dropped_and_counted(void **state)
{
	static const enum deed deeds[] = {SAY_WRONG_ID, SAY_WRONG_QUESTION, SAY_GARBAGE, SAY_EMPTY};
	struct asking asking;

	(void)state;
	server_open(&servers[0], deeds, 4);
	struct resolver *resolver = resolver_for(1, 0);

	ask(resolver, &asking, "a.example");
	turn_until(&asking);
	assert_int_equal(asking.state, ANSWER_EMPTY);
	assert_int_equal(resolver_counts(resolver)->bad_answers, 3);
	resolver_free(resolver);
}

/* Somebody guessing gets 32 guesses at one port and id, then a new one is taken. */
static void flood_ends_the_try(void **state)
{
	static const enum deed deeds[] = {SAY_FLOOD, SAY_EMPTY};
	const unsigned patience_ms = 60000;
	struct asking asking;

	(void)state;
	server_open(&servers[0], deeds, 2);
	server_open(&servers[1], deeds + 1, 1);
	const struct address addresses[2] = {servers[0].address, servers[1].address};
	struct resolver *resolver = resolver_open(
		ring, &(struct dns_setup){.servers = addresses, .nservers = 2, .patience_ms = patience_ms});

	ask(resolver, &asking, "a.example");
	turn_until(&asking);
	assert_int_equal(asking.state, ANSWER_EMPTY);
	assert_int_equal(resolver_counts(resolver)->bad_answers, 32);
	resolver_free(resolver);
}

static void equal_questions_are_asked_once(void **state)
{
	static const enum deed deeds[] = {SAY_EMPTY};
	struct asking askings[5];

	(void)state;
	server_open(&servers[0], deeds, 1);
	struct resolver *resolver = resolver_for(1, 0);

	for (int i = 0; i < 5; i++)
		ask(resolver, &askings[i], "a.example");
	resolver_unask(resolver, &askings[2].query);
	turn_until(&askings[4]);
	for (int i = 0; i < 5; i++)
		assert_int_equal(askings[i].nanswers, i != 2);
	assert_int_equal(servers[0].nheard, 1);
	assert_int_equal(resolver_counts(resolver)->coalesced, 4);
	resolver_free(resolver);
}

/* With two in flight the others wait, in order, and all are answered. */
static void questions_in_flight_are_bounded(void **state)
{
	static const enum deed deeds[] = {SAY_EMPTY};
	struct asking askings[10];
	char name[16];
	unsigned answered_before = 0;

	(void)state;
	server_open(&servers[0], deeds, 1);
	struct resolver *resolver = resolver_for(1, 2);

	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "d%d.example", i);
		ask(resolver, &askings[i], name);
	}
	for (int i = 0; i < TURNS_MAX && askings[9].nanswers == 0; i++) {
		unsigned answered = 0;

		turn();
		assert_true(resolver_counts(resolver)->sent <= answered_before + 4);
		for (int k = 0; k < 10; k++)
			answered += askings[k].nanswers;
		answered_before = answered;
	}
	for (int i = 0; i < 10; i++)
		assert_int_equal(askings[i].nanswers, 1);
	resolver_free(resolver);
}

/* Closing with questions in flight, waiting and pausing: nobody is answered, and all memory comes back (the sanitizers
 * of check-long say so). */
static void closing_answers_nobody(void **state)
{
	static const enum deed deeds[] = {SAY_NOTHING};
	struct asking askings[4];

	(void)state;
	server_open(&servers[0], deeds, 1);
	close(servers[0].fd); /* refused: the first two pause */
	servers[0].fd = -1;
	struct resolver *resolver = resolver_for(1, 2);

	ask(resolver, &askings[0], "a.example");
	ask(resolver, &askings[1], "b.example");
	ask(resolver, &askings[2], "c.example");
	turn();
	turn();
	resolver_free(resolver);
	server_open(&servers[0], deeds, 1);
	resolver = resolver_for(1, 2);
	ask(resolver, &askings[3], "d.example");
	resolver_free(resolver);
	for (int i = 0; i < 30; i++)
		turn();
	for (int i = 0; i < 4; i++)
		assert_int_equal(askings[i].nanswers, 0);
}

/* With questions in flight, pausing and waiting, and one that is put too late. */
static void leaving_lets_go_of_sockets(void **state)
{
	static const enum deed deeds[] = {SAY_NOTHING};
	struct asking askings[5];

	(void)state;
	server_open(&servers[0], deeds, 1);
	close(servers[0].fd); /* refused: the first one pauses */
	servers[0].fd = -1;
	struct resolver *resolver = resolver_for(1, 2);

	ask(resolver, &askings[0], "a.example");
	turn();
	turn();
	ask(resolver, &askings[1], "b.example");
	ask(resolver, &askings[2], "c.example");
	for (int i = 0; i < 30 && !resolver_leave(resolver); i++)
		turn();
	assert_true(resolver_leave(resolver));
	ask(resolver, &askings[3], "c.example");
	ask(resolver, &askings[4], "d.example");
	turn();
	assert_true(resolver_leave(resolver));
	for (int i = 0; i < 5; i++)
		assert_int_equal(askings[i].nanswers, 0);
	resolver_free(resolver);
}

int main(void)
{
#define WITH_RING(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_RING(lost_packets_are_sent_again),
		WITH_RING(few_are_asked_while_we_are_behind),
		WITH_RING(silence_ends_after_four_tries),
		WITH_RING(silent_server_is_passed_over_and_remembered),
		WITH_RING(complaint_moves_on_at_once),
		WITH_RING(complaint_of_all_is_a_failure),
		WITH_RING(refused_port_moves_on_at_once),
		WITH_RING(forged_answers_are_dropped_and_counted),
		WITH_RING(flood_ends_the_try),
		WITH_RING(equal_questions_are_asked_once),
		WITH_RING(questions_in_flight_are_bounded),
		WITH_RING(closing_answers_nobody),
		WITH_RING(leaving_lets_go_of_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
