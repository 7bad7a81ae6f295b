/* AUTH: what each mechanism answers, and the login of a session from its greeting on: what the server gets, what a
 * listener sees, and what becomes of the session. The dialogues H07 to H09 are about whole connections. */
#include "smtp/session.h"

#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct login login = {{"ann", 3}, {"s3cret", 6}, ""};
static const struct session_limits patience = {.greeting_s = 9, .ehlo_s = 9, .quit_s = 9, .body_s = 9};
static struct session session;
static struct outbuf said, shown;
static struct scram scram;

/* ---- the mechanisms */

static struct slice answered(enum auth_mechanism mechanism, unsigned n, const char *challenge)
{
	outbuf_reset(&said);
	return auth_answer(mechanism, &login, n, slice_of(challenge), &scram, &said) ? outbuf_slice(&said)
										     : SLICE("none");
}

static void test_answers(void **state)
{
	(void)state;
	assert_true(slice_is(answered(AUTH_PLAIN, 0, ""), SLICE("AGFubgBzM2NyZXQ=")));
	assert_true(slice_is(answered(AUTH_PLAIN, 0, "Zm9v"), SLICE("none")));
	assert_true(slice_is(answered(AUTH_PLAIN, 1, ""), SLICE("none")));
	assert_true(slice_is(answered(AUTH_LOGIN, 0, "VXNlcm5hbWU6"), SLICE("YW5u")));
	assert_true(slice_is(answered(AUTH_LOGIN, 1, "UGFzc3dvcmQ6"), SLICE("czNjcmV0")));
	assert_true(slice_is(answered(AUTH_LOGIN, 0, ""), SLICE("YW5u")));
	assert_true(slice_is(answered(AUTH_LOGIN, 2, "UGFzc3dvcmQ6"), SLICE("none")));
	assert_true(slice_is(answered(AUTH_LOGIN, 0, "!!!"), SLICE("none")));
	assert_true(slice_is(answered(AUTH_NONE, 0, ""), SLICE("none")));
}

/* ---- SCRAM: the example of RFC 7677 3 */

static const struct login example = {SLICE("user"), SLICE("pencil"), "rOprNGfwEbeRWgbNEkqO"};

#define THEIR_NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SALT	    "W22ZaJ0SNY7soEsUEjb6gQ=="
#define PROOF	    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

/* The answer to the n-th challenge, neither in base64; "none". */
static struct slice scram_said(unsigned n, const char *challenge)
{
	static struct outbuf plain;
	struct outbuf coded = {0};

	base64_add(&coded, slice_of(challenge));
	outbuf_reset(&said);
	outbuf_reset(&plain);
	if (!auth_answer(AUTH_SCRAM, &example, n, outbuf_slice(&coded), &scram, &said))
		outbuf_add(&plain, SLICE("none"));
	else
		assert_true(base64_read(&plain, outbuf_slice(&said)));
	outbuf_free(&coded);
	return outbuf_slice(&plain);
}

static void test_scram_of_the_rfc(void **state)
{
	(void)state;
	assert_true(slice_is(scram_said(0, ""), SLICE("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")));
	assert_true(slice_is(scram_said(1, "r=" THEIR_NONCE ",s=" SALT ",i=4096"),
			     SLICE("c=biws,r=" THEIR_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")));
	assert_false(auth_is_mutual(AUTH_SCRAM, &scram));
	assert_true(slice_is(scram_said(2, PROOF), SLICE("")));
	assert_true(auth_is_mutual(AUTH_SCRAM, &scram));
	assert_true(slice_is(scram_said(3, ""), SLICE("none")));
}

static void test_scram_that_is_none(void **state)
{
	static const char *const challenges[] = {
		"",
		"e=other-error",
		"r=" THEIR_NONCE ",s=" SALT,
		"r=" THEIR_NONCE ",s=" SALT ",i=",
		"r=" THEIR_NONCE ",s=" SALT ",i=4095",
		"r=" THEIR_NONCE ",s=" SALT ",i=50001",
		"r=" THEIR_NONCE ",s=" SALT ",i=99999999999999999999",
		"r=" THEIR_NONCE ",s=,i=4096",
		"r=" THEIR_NONCE ",s=!,i=4096",
		"r=rOprNGfwEbeRWgbNEkqO,s=" SALT ",i=4096",
		"r=another%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=" SALT ",i=4096",
		"m=more,r=" THEIR_NONCE ",s=" SALT ",i=4096",
		"s=" SALT ",r=" THEIR_NONCE ",i=4096",
	};
	static const char *const proofs[] = {"",
					     "v=",
					     "e=invalid-proof",
					     "v=!",
					     "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G8=",
					     "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl9"};

	(void)state;
	for (size_t i = 0; i < sizeof(challenges) / sizeof(challenges[0]); i++) {
		scram_said(0, "");
		if (!slice_is(scram_said(1, challenges[i]), SLICE("none")))
			fail_msg("%s was answered", challenges[i]);
	}
	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++) {
		scram_said(0, "");
		scram_said(1, "r=" THEIR_NONCE ",s=" SALT ",i=4096");
		if (!slice_is(scram_said(2, proofs[i]), SLICE("none")) || auth_is_mutual(AUTH_SCRAM, &scram))
			fail_msg("%s was believed", proofs[i]);
	}
}

static void test_scram_names(void **state)
{
	struct scram other = {0};
	struct outbuf out = {0};

	(void)state;
	scram_first(&other, SLICE("a=b,c"), SLICE("n"), &out);
	assert_true(slice_is(outbuf_slice(&out), SLICE("n,,n=a=3Db=2Cc,r=n")));
	outbuf_free(&out);
	scram_free(&other);
}

static void test_choice(void **state)
{
	(void)state;
	const struct caps all = {.auth_plain = true, .auth_login = true, .auth_scram = true};
	const struct login odd = {SLICE("user"), SLICE("p\xc3\xa4ss"), "nonce"};

	assert_int_equal(auth_choose(&all, &example), AUTH_SCRAM);
	assert_int_equal(auth_choose(&all, &odd), AUTH_PLAIN); /* we have no SASLprep */
	assert_int_equal(auth_choose(&all, &login), AUTH_PLAIN);
	assert_int_equal(auth_choose(&(struct caps){.auth_plain = true, .auth_login = true}, &example), AUTH_PLAIN);
	assert_int_equal(auth_choose(&(struct caps){.auth_login = true}, &login), AUTH_LOGIN);
	assert_int_equal(auth_choose(&(struct caps){.starttls = true}, &login), AUTH_NONE);
	assert_int_equal(auth_choose(&(struct caps){.auth_scram = true}, &odd), AUTH_NONE);
}

/* ---- a session that logs in */

static void on_line(void *who, bool ours, struct slice line)
{
	(void)who;
	if (ours)
		outbuf_printf(&shown, "%.*s|", SLICE_ARG(line));
	else if (slice_starts(line, SLICE("334")))
		outbuf_printf(&shown, "< %.*s|", SLICE_ARG(line));
}

static void hear(const char *lines)
{
	session_hear(&session, slice_of(lines), 1);
}

static void says(const char *expected)
{
	struct session_send send;

	outbuf_reset(&said);
	while (session_say(&session, &send)) {
		for (unsigned i = 0; i < send.niov; i++)
			outbuf_add(&said, (struct slice){send.iov[i].iov_base, send.iov[i].iov_len});
		session_said(&session, send.bytes, 1);
	}
	if (!slice_is(outbuf_slice(&said), slice_of(expected)))
		print_error("expected %s, found %.*s\n", expected, SLICE_ARG(outbuf_slice(&said)));
	assert_true(slice_is(outbuf_slice(&said), slice_of(expected)));
}

static void begin(const struct login *who, bool implicit)
{
	struct session_setup setup = {.helo = SLICE("us"), .limits = &patience, .login = who, .implicit_tls = implicit};

	outbuf_reset(&shown);
	session_start(&session, &setup, 1);
	session_listen(&session, on_line, NULL);
}

/* As far as the EHLO under TLS, whose reply this is. */
static void secured(const struct login *who, const char *offers)
{
	begin(who, false);
	hear("220 mx\r\n");
	says("EHLO us\r\n");
	hear("250-mx\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n");
	says("STARTTLS\r\n");
	hear("220 go\r\n");
	assert_true(session_wants_handshake(&session));
	session_secured(&session, 1);
	says("EHLO us\r\n");
	hear(offers);
}

static const struct outcome *shut_out(void)
{
	says("QUIT\r\n");
	hear("221 bye\r\n");
	assert_true(session_is_closed(&session));
	assert_int_equal(session_end(&session), SESSION_REFUSED);
	assert_int_equal(session_outcome(&session)->verdict.action, ACTION_LATER);
	assert_string_equal(session_outcome(&session)->verdict.rule, SESSION_LOGIN_REFUSED);
	return session_outcome(&session);
}

static bool is_shown(const char *text)
{
	struct slice all = outbuf_slice(&shown);

	return memmem(all.ptr, all.len, text, strlen(text)) != NULL;
}

static void test_plain(void **state)
{
	(void)state;
	secured(&login, "250-mx\r\n250 AUTH LOGIN PLAIN\r\n");
	assert_false(session_is_ready(&session));
	says("AUTH PLAIN AGFubgBzM2NyZXQ=\r\n");
	hear("235 2.7.0 welcome\r\n");
	assert_true(session_is_ready(&session));
	assert_true(is_shown("|AUTH PLAIN ****|"));
	assert_false(is_shown("AGFubgBzM2NyZXQ"));
}

/* A session by the example of RFC 7677, as a listener hears it: up to the server's last word, or without that. */
static void test_scram(void **state)
{
	(void)state;
	for (int proves = 1; proves >= 0; proves--) {
		secured(&example, "250-mx\r\n250 AUTH PLAIN SCRAM-SHA-256\r\n");
		says("AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\r\n");
		hear("334 cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSjBTTlk3c29F"
		     "c1VFamI2Z1E9PSxpPTQwOTY=\r\n");
		says("Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD1kSHpiWmFwV0lrN"
		     "GpV"
		     "aE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==\r\n");
		if (proves) {
			hear("334 dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ==\r\n");
			says("\r\n");
		}
		hear("235 2.7.0 welcome\r\n");
		assert_int_equal(session_is_ready(&session), proves);
		assert_true(is_shown(proves ? "|AUTH SCRAM-SHA-256 ****|< 334 ****|****|< 334 ****|****|"
					    : "|AUTH SCRAM-SHA-256 ****|< 334 ****|****|"));
	}
	shut_out();
}

static void test_login(void **state)
{
	(void)state;
	secured(&login, "250-mx\r\n250 AUTH=LOGIN\r\n");
	says("AUTH LOGIN\r\n");
	hear("334 VXNlcm5hbWU6\r\n");
	says("YW5u\r\n");
	hear("334 UGFzc3dvcmQ6\r\n");
	says("czNjcmV0\r\n");
	hear("235 welcome\r\n");
	assert_true(session_is_ready(&session));
	assert_true(is_shown("|AUTH LOGIN|< 334 VXNlcm5hbWU6|****|< 334 UGFzc3dvcmQ6|****|"));
}

/* A password so long that PLAIN's answer does not fit its command goes when it is asked for. */
static void test_long_answer(void **state)
{
	char room[512];
	struct login long_one = {.user = SLICE("ann"), .password = {room, sizeof(room)}};

	(void)state;
	memset(room, 'x', sizeof(room));
	secured(&long_one, "250-mx\r\n250 AUTH PLAIN\r\n");
	says("AUTH PLAIN\r\n");
	hear("334 \r\n");
	assert_true(session_say(&session, &(struct session_send){0}));
	session_said(&session, 0, 1);
	assert_true(is_shown("|AUTH PLAIN|< 334 |****|"));
	assert_false(is_shown("eHh4"));
	hear("235 welcome\r\n");
	assert_true(session_is_ready(&session));
}

static void test_refused(void **state)
{
	(void)state;
	secured(&login, "250-mx\r\n250 AUTH PLAIN\r\n");
	says("AUTH PLAIN AGFubgBzM2NyZXQ=\r\n");
	hear("535 5.7.8 no\r\n");
	assert_int_equal(shut_out()->code, 535);
	assert_int_equal(session_outcome(&session)->stage, STAGE_AUTH);
}

static void test_not_now(void **state)
{
	(void)state;
	secured(&login, "250-mx\r\n250 AUTH PLAIN\r\n");
	says("AUTH PLAIN AGFubgBzM2NyZXQ=\r\n");
	hear("454 4.7.0 not now\r\n");
	says("QUIT\r\n");
	assert_string_not_equal(session_outcome(&session)->verdict.rule, SESSION_LOGIN_REFUSED);
	assert_int_equal(session_outcome(&session)->verdict.action, ACTION_LATER);
}

static void test_endless_challenges(void **state)
{
	(void)state;
	secured(&login, "250-mx\r\n250 AUTH LOGIN\r\n");
	says("AUTH LOGIN\r\n");
	hear("334 VXNlcm5hbWU6\r\n");
	says("YW5u\r\n");
	hear("334 UGFzc3dvcmQ6\r\n");
	says("czNjcmV0\r\n");
	hear("334 UGFzc3dvcmQ6\r\n");
	says("*\r\n");
	hear("235 come in all the same\r\n");
	assert_false(session_is_ready(&session));
	assert_int_equal(shut_out()->origin, ORIGIN_LOCAL);
}

static void test_nothing_offered(void **state)
{
	(void)state;
	secured(&login, "250-mx\r\n250 AUTH CRAM-MD5 GSSAPI\r\n");
	shut_out();
}

/* The one mechanism offered in clear is not used there: without STARTTLS nothing is said at all. */
static void test_never_in_clear(void **state)
{
	(void)state;
	begin(&login, false);
	hear("220 mx\r\n");
	says("EHLO us\r\n");
	hear("250-mx\r\n250 AUTH PLAIN LOGIN\r\n");
	says("QUIT\r\n");
	assert_int_equal(session_end(&session), SESSION_INSECURE);
	begin(&login, false);
	hear("220 mx\r\n");
	says("EHLO us\r\n");
	hear("250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n");
	says("STARTTLS\r\n");
	hear("454 not now\r\n");
	says("QUIT\r\n");
	assert_int_equal(session_end(&session), SESSION_INSECURE);
}

static void test_implicit_tls(void **state)
{
	(void)state;
	begin(&login, true);
	says("");
	assert_true(session_wants_handshake(&session));
	assert_true(session_deadline_ms(&session) > 0);
	session_secured(&session, 1);
	assert_int_equal(session_deadline_ms(&session), 9001);
	hear("220 mx\r\n");
	says("EHLO us\r\n");
	hear("250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n");
	says("AUTH PLAIN AGFubgBzM2NyZXQ=\r\n");
	hear("235 welcome\r\n");
	assert_true(session_is_ready(&session));
}

static void test_implicit_tls_fails(void **state)
{
	const struct slice where = SLICE("at the handshake");

	(void)state;
	begin(&(struct login){.user = SLICE_NONE}, true);
	session_insecure(&session, "no common cipher", 1);
	assert_int_equal(session_end(&session), SESSION_INSECURE);
	assert_true(slice_ends_nocase(session_outcome(&session)->text, where));
}

static int forget(void **state)
{
	(void)state;
	session_free(&session);
	outbuf_free(&said);
	outbuf_free(&shown);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_scram_of_the_rfc),
		cmocka_unit_test(test_scram_that_is_none),
		cmocka_unit_test(test_scram_names),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_scram),
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_long_answer),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_not_now),
		cmocka_unit_test(test_endless_challenges),
		cmocka_unit_test(test_nothing_offered),
		cmocka_unit_test(test_never_in_clear),
		cmocka_unit_test(test_implicit_tls),
		cmocka_unit_test(test_implicit_tls_fails),
	};

	return cmocka_run_group_tests(tests, NULL, forget);
}
