/* TLS against OpenSSL's own server in the same process: who is let in, who is not, and that no byte is lost. */
#include "tests/unit/tls/authority.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct identity root, between, good, expired, other, itself, wild, stranger, named;
static const struct identity *const with_chain[] = {&between, NULL};
static const struct identity *const whole_chain[] = {&between, &root, NULL};
static struct tls *tls;
static char trust[] = "/tmp/hikyaku-tls-XXXXXX";

static int set_up(void **state)
{
	char why[TLS_WHY_MAX];
	int fd = mkstemp(trust);

	(void)state;
	identity_make(&root, &(struct wish){"root", NULL, -1, 30, true, NULL});
	identity_make(&between, &(struct wish){"between", NULL, -1, 30, true, &root});
	identity_make(&good, &(struct wish){"anything", "DNS:mx.test", -1, 30, false, &between});
	identity_make(&expired, &(struct wish){"mx.test", "DNS:mx.test", -30, 10, false, &between});
	identity_make(&other, &(struct wish){"mx.test", "DNS:mx.other", -1, 30, false, &between});
	identity_make(&itself, &(struct wish){"mx.test", "DNS:mx.test", -1, 30, false, NULL});
	identity_make(&wild, &(struct wish){NULL, "DNS:*.mail.example,IP:192.0.2.1", -1, 30, false, &between});
	identity_make(&stranger, &(struct wish){"stranger", NULL, -1, 30, true, NULL});
	identity_make(&named, &(struct wish){"mx.test", NULL, -1, 30, false, &between});
	identity_write(&root, trust);
	close(fd);
	tls = tls_new(trust, why);
	return tls ? 0 : -1;
}

static int tear_down(void **state)
{
	struct identity *all[] = {&root, &between, &good, &expired, &other, &itself, &wild, &stranger, &named};

	(void)state;
	tls_free(tls);
	unlink(trust);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		identity_free(all[i]);
	return 0;
}

/* One handshake; what the stream knows then. */
static struct tls_peer met(const struct identity *own, const struct identity *const *chain,
			   const struct tls_demand *demand, enum tls_state *state)
{
	struct server server;
	struct outbuf plain = {0};

	server_make(&server, own, chain);
	struct tls_stream *stream = tls_start(tls, demand);

	*state = server_talk(&server, stream, 4096, &plain);
	struct tls_peer peer = *tls_peer(stream);

	tls_stream_free(stream);
	server_free(&server);
	outbuf_free(&plain);
	return peer;
}

static const struct case_of_name {
	const char *what;
	const struct identity *own;
	const struct identity *const *chain;
	const char *host;
	enum tls_result result;
} cases[] = {
	{"a good one", &good, with_chain, "mx.test", TLS_RESULT_FINE},
	{"letters of the other case", &good, with_chain, "MX.Test", TLS_RESULT_FINE},
	{"another name", &other, with_chain, "mx.test", TLS_RESULT_HOST},
	{"the name only as common name", &named, with_chain, "mx.test", TLS_RESULT_HOST},
	{"expired", &expired, with_chain, "mx.test", TLS_RESULT_EXPIRED},
	{"self-signed", &itself, NULL, "mx.test", TLS_RESULT_UNTRUSTED},
	{"without the one between", &good, NULL, "mx.test", TLS_RESULT_UNTRUSTED},
	{"a wildcard for one label", &wild, with_chain, "mx.mail.example", TLS_RESULT_FINE},
	{"a wildcard for two", &wild, with_chain, "a.mx.mail.example", TLS_RESULT_HOST},
	{"a wildcard for none", &wild, with_chain, "mail.example", TLS_RESULT_HOST},
	{"an address instead of a name", &wild, with_chain, "[192.0.2.1]", TLS_RESULT_HOST},
	{"no name at all", &good, with_chain, "", TLS_RESULT_HOST},
};

static void a_name_is_demanded(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_demand demand = {.host = slice_of(cases[i].host), .check = CHECK_NAME};
		enum tls_state end;
		struct tls_peer peer = met(cases[i].own, cases[i].chain, &demand, &end);
		bool fine = cases[i].result == TLS_RESULT_FINE;

		if (peer.result != cases[i].result)
			fail_msg("%s: expected \"%s\", found \"%s\" (%s)", cases[i].what,
				 tls_result_name(cases[i].result), tls_result_name(peer.result), peer.why);
		assert_int_equal(end, fine ? TLS_OPEN : TLS_BROKEN);
		assert_int_equal(peer.verified, fine);
		assert_string_equal(peer.by, fine ? "pkix" : "");
		assert_int_equal(peer.why[0] == '\0', fine);
	}
}

static void anybody_will_do_and_is_still_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_demand demand = {.host = slice_of(cases[i].host), .check = CHECK_NOTHING};
		enum tls_state end;
		struct tls_peer peer = met(cases[i].own, cases[i].chain, &demand, &end);

		assert_int_equal(end, TLS_OPEN);
		if (demand.host.len)
			assert_int_equal(peer.result, cases[i].result);
		assert_string_equal(peer.protocol, "TLSv1.3");
	}
}

static void one_of_several_names(void **state)
{
	struct slice names[] = {SLICE("example.org"), SLICE("mx.other")};
	struct tls_demand demand = {SLICE("mx.test"), CHECK_NAME, names, 2, NULL, 0};
	enum tls_state end;

	(void)state;
	assert_true(met(&other, with_chain, &demand, &end).verified);
	demand.nnames = 1;
	assert_false(met(&other, with_chain, &demand, &end).verified);
}

/* DANE: every usage, selector and matching type, against every place in the chain. */
struct dane_case {
	const char *what;
	const struct identity *own;
	int usage;
	const struct identity *described; /* whose certificate the record has */
	bool fine;
};

static const struct dane_case dane_cases[] = {
	{"EE of its own", &good, 3, &good, true},
	{"EE, expired: no matter", &expired, 3, &expired, true},
	{"EE, another name: no matter", &other, 3, &other, true},
	{"EE, signed by itself", &itself, 3, &itself, true},
	{"EE of somebody else", &good, 3, &other, false},
	{"EE with the authority's", &good, 3, &between, false},
	{"TA of the one between", &good, 2, &between, true},
	{"TA of the root, which is sent", &good, 2, &root, true},
	{"TA, another name", &other, 2, &between, false},
	{"TA, expired", &expired, 2, &between, false},
	{"TA of a stranger", &good, 2, &stranger, false},
	{"TA with the server's own, which is no authority", &good, 2, &other, false},
};

static void records_decide(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(dane_cases) / sizeof(dane_cases[0]); i++) {
		for (int form = 0; form < 6; form++) {
			const struct dane_case *c = &dane_cases[i];
			unsigned char data[2048];
			size_t len = identity_tlsa(c->described, form / 3, form % 3, data, sizeof(data));
			struct tlsa record = {
				(uint8_t)c->usage, (uint8_t)(form / 3), (uint8_t)(form % 3), {(char *)data, len}};
			struct tls_demand demand = {SLICE("mx.test"), CHECK_DANE, NULL, 0, &record, 1};
			enum tls_state end;
			struct tls_peer peer = met(c->own, c->own == &itself ? NULL : whole_chain, &demand, &end);

			if (peer.verified != c->fine)
				fail_msg("%s, selector %d, matching %d: %s", c->what, form / 3, form % 3, peer.why);
			assert_int_equal(end, c->fine ? TLS_OPEN : TLS_BROKEN);
			assert_string_equal(peer.by, c->fine ? "dane" : "");
		}
	}
}

static void the_strongest_digest_counts(void **state)
{
	unsigned char right[64], wrong[64];
	enum tls_state end;

	(void)state;
	memset(wrong, 7, sizeof(wrong));
	identity_tlsa(&good, 1, 1, right, sizeof(right));
	struct tlsa records[] = {{3, 1, 1, {(char *)right, 32}}, {3, 1, 2, {(char *)wrong, 64}}};
	struct tls_demand demand = {SLICE("mx.test"), CHECK_DANE, NULL, 0, records, 2};

	assert_false(met(&good, whole_chain, &demand, &end).verified); /* RFC 7671 9 */
	demand.nrecords = 1;
	assert_true(met(&good, whole_chain, &demand, &end).verified);
}

static void unusable_records_demand_nobody(void **state)
{
	unsigned char data[64] = {0};
	struct tlsa records[] = {
		{0, 1, 1, {(char *)data, 32}}, {1, 1, 1, {(char *)data, 32}}, {3, 2, 1, {(char *)data, 32}},
		{3, 1, 3, {(char *)data, 32}}, {3, 1, 1, {(char *)data, 31}}, {2, 0, 0, {(char *)data, 0}},
	};
	struct tls_demand demand = {SLICE("mx.test"), CHECK_DANE, NULL, 0, records, 6};
	enum tls_state end;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		assert_false(tlsa_is_usable(&records[i]));
	struct tls_peer peer = met(&itself, NULL, &demand, &end);

	assert_int_equal(end, TLS_OPEN);
	assert_false(peer.verified);
	demand.host = SLICE("no:name");
	met(&itself, NULL, &demand, &end);
	assert_int_equal(end, TLS_BROKEN); /* nobody is called so */
}

static void bytes_arrive_whole(void **state)
{
	struct tls_demand demand = {.host = SLICE("mx.test"), .check = CHECK_NAME};
	struct server server;
	struct outbuf plain = {0};
	static char body[100000], heard[100000];
	size_t got = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)(i * 31 >> 3);
	server_make(&server, &good, with_chain);
	struct tls_stream *stream = tls_start(tls, &demand);

	assert_int_equal(server_talk(&server, stream, 1, &plain), TLS_OPEN); /* a byte at a time */
	struct iovec iov[] = {{body, 10}, {body + 10, 99000}, {body + 99010, 990}};

	tls_write(stream, iov, 3);
	server_talk(&server, stream, 7000, &plain);
	for (int n; (n = SSL_read(server.ssl, heard + got, (int)(sizeof(heard) - got))) > 0;)
		got += (size_t)n;
	assert_int_equal(got, sizeof(body));
	assert_memory_equal(heard, body, sizeof(body));
	assert_int_equal(SSL_write(server.ssl, body, 30000), 30000);
	assert_int_equal(SSL_key_update(server.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	assert_int_equal(SSL_write(server.ssl, body + 30000, 5), 5);
	assert_int_equal(server_talk(&server, stream, 1, &plain), TLS_OPEN);
	assert_int_equal(plain.len, 30005);
	assert_memory_equal(plain.ptr, body, 30005);
	SSL_shutdown(server.ssl);
	assert_int_equal(server_talk(&server, stream, 4096, &plain), TLS_CLOSED);
	tls_stream_free(stream);
	server_free(&server);
	outbuf_free(&plain);
}

static void only_whole_records_count_as_sent(void **state)
{
	struct tls_demand demand = {.host = SLICE("mx.test")};
	struct server server;
	struct outbuf plain = {0};
	static char body[40000];

	(void)state;
	server_make(&server, &good, with_chain);
	struct tls_stream *stream = tls_start(tls, &demand);

	server_talk(&server, stream, 4096, &plain);
	tls_write(stream, &(struct iovec){body, 40000}, 1);
	struct slice wire = tls_take(stream);

	assert_int_equal(tls_taken(stream, wire.len - 1), 32768);
	tls_write(stream, &(struct iovec){body, 100}, 1);
	wire = tls_take(stream);
	assert_in_range(wire.len, 101, 140);		 /* one record */
	tls_write(stream, &(struct iovec){body, 50}, 1); /* while the first is in the kernel */
	assert_int_equal(tls_taken(stream, wire.len), 100);
	wire = tls_take(stream);
	assert_int_equal(tls_taken(stream, 0), 0);
	tls_stream_free(stream);
	server_free(&server);
	outbuf_free(&plain);
}

static struct tls_peer again(struct server *server, const struct tls_demand *demand)
{
	struct outbuf plain = {0};

	server_accept(server);
	struct tls_stream *stream = tls_start(tls, demand);

	server_talk(server, stream, 4096, &plain);
	struct tls_peer peer = *tls_peer(stream);

	tls_stream_free(stream);
	outbuf_free(&plain);
	return peer;
}

static void sessions_are_resumed_under_the_same_demand_only(void **state)
{
	struct tls_demand weak = {.host = SLICE("mx.resumed"), .check = CHECK_NOTHING}, strong = weak;
	struct server server;

	(void)state;
	strong.check = CHECK_NAME;
	server_make(&server, &good, with_chain);
	assert_false(again(&server, &weak).resumed);
	assert_true(again(&server, &weak).resumed);
	struct tls_peer peer = again(&server, &weak);

	assert_true(peer.resumed);
	assert_false(peer.verified); /* as it was the first time */
	assert_int_equal(peer.result, TLS_RESULT_HOST);
	assert_false(again(&server, &strong).verified);
	weak.host = SLICE("mx.else");
	assert_false(again(&server, &weak).resumed);
	server_free(&server);
}

static void garbage_ends_it(void **state)
{
	struct tls_demand demand = {.host = SLICE("mx.test")};
	struct outbuf plain = {0};

	(void)state;
	struct tls_stream *stream = tls_start(tls, &demand);

	assert_true(tls_take(stream).len > 100);
	assert_int_equal(tls_feed(stream, SLICE("250 2.0.0 not a handshake at all\r\n"), &plain), TLS_BROKEN);
	assert_int_equal(tls_peer(stream)->result, TLS_RESULT_HANDSHAKE);
	assert_true(tls_peer(stream)->why[0] != '\0');
	assert_int_equal(tls_feed(stream, SLICE("250"), &plain), TLS_BROKEN);
	assert_int_equal(plain.len, 0);
	tls_stream_free(stream);
	outbuf_free(&plain);
}

static void old_versions_are_not_spoken(void **state)
{
	struct tls_demand demand = {.host = SLICE("mx.test")};
	struct server server;
	struct outbuf plain = {0};

	(void)state;
	server_make(&server, &good, with_chain);
	SSL_CTX_set_min_proto_version(server.context, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(server.context, TLS1_VERSION);
	server_accept(&server);
	struct tls_stream *stream = tls_start(tls, &demand);

	assert_int_equal(server_talk(&server, stream, 4096, &plain), TLS_BROKEN);
	assert_int_equal(tls_peer(stream)->result, TLS_RESULT_HANDSHAKE);
	tls_stream_free(stream);
	SSL_CTX_set_max_proto_version(server.context, TLS1_2_VERSION);
	server_accept(&server);
	stream = tls_start(tls, &demand);
	assert_int_equal(server_talk(&server, stream, 4096, &plain), TLS_OPEN);
	assert_string_equal(tls_peer(stream)->protocol, "TLSv1.2");
	tls_stream_free(stream);
	server_free(&server);
	outbuf_free(&plain);
}

static void a_trust_store_that_is_not_there(void **state)
{
	char why[TLS_WHY_MAX] = "";

	(void)state;
	assert_null(tls_new("/nonexistent/ca.pem", why));
	assert_non_null(strstr(why, "/nonexistent/ca.pem"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_demanded),
		cmocka_unit_test(anybody_will_do_and_is_still_judged),
		cmocka_unit_test(one_of_several_names),
		cmocka_unit_test(records_decide),
		cmocka_unit_test(the_strongest_digest_counts),
		cmocka_unit_test(unusable_records_demand_nobody),
		cmocka_unit_test(bytes_arrive_whole),
		cmocka_unit_test(only_whole_records_count_as_sent),
		cmocka_unit_test(sessions_are_resumed_under_the_same_demand_only),
		cmocka_unit_test(garbage_ends_it),
		cmocka_unit_test(old_versions_are_not_spoken),
		cmocka_unit_test(a_trust_store_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
