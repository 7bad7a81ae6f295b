/* How long a handshake may take: the dialogues (tests/dialogues/c-starttls.txt) have only the patience of RFC 5321. And
 * what a message that requires TLS (RFC 8689) is said with, and where it is not said. */
#include "smtp/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void say(struct session *session)
{
	struct session_send send;

	assert_true(session_say(session, &send));
	session_said(session, send.bytes, 1000);
}

/* From 220 on, which comes at 7000 ms; all else was at 1000. */
static uint64_t handshake_ends_ms(unsigned ehlo_s)
{
	struct session_limits limits = {.greeting_s = 300, .ehlo_s = ehlo_s};
	struct session_setup setup = {.helo = SLICE("mta.test"), .limits = &limits, .tls = SESSION_TLS_IF_OFFERED};
	struct session session = {0};
	uint64_t deadline_ms;

	session_start(&session, &setup, 1000);
	session_hear(&session, SLICE("220 mx.test\r\n"), 1000);
	say(&session);
	session_hear(&session, SLICE("250-mx.test\r\n250 STARTTLS\r\n"), 1000);
	say(&session);
	session_hear(&session, SLICE("220 go\r\n"), 7000);
	assert_true(session_wants_handshake(&session));
	deadline_ms = session_deadline_ms(&session);
	session_expire(&session, deadline_ms);
	assert_int_equal(session_end(&session), SESSION_TIMEOUT);
	session_free(&session);
	return deadline_ms;
}

static void test_a_minute_is_enough_for_any_handshake(void **state)
{
	(void)state;
	assert_int_equal(handshake_ends_ms(300), 7000 + 60000);
	assert_int_equal(handshake_ends_ms(60), 7000 + 60000);
}

static void test_who_is_short_with_ehlo_is_as_short_with_tls(void **state)
{
	(void)state;
	assert_int_equal(handshake_ends_ms(59), 7000 + 59000);
	assert_int_equal(handshake_ends_ms(3), 7000 + 3000);
}

/* The outcome of a message that requires TLS, to a server that says this after EHLO, before TLS and under it (NULL: it
 * has none); and, in `line`, the MAIL command if there is one. */
static struct outcome require_tls(const char *clear, const char *under_tls, char line[128])
{
	static const struct iovec body = {.iov_base = ".\r\n", .iov_len = 3};
	struct session_limits limits = {.greeting_s = 300, .ehlo_s = 300};
	struct session_setup setup = {.helo = SLICE("mta.test"), .limits = &limits, .tls = SESSION_TLS_IF_OFFERED};
	struct session session = {0};
	struct recipient ann = {.address = SLICE("ann@a.test")};
	struct tx tx = {.sender = SLICE("b@b.test"),
			.body = &body,
			.nbody = 1,
			.wire_bytes = 3,
			.size = 3,
			.require_tls = true,
			.recipients = &ann,
			.nrecipients = 1};
	struct session_send send;

	session_start(&session, &setup, 1000);
	session_hear(&session, SLICE("220 mx.test\r\n"), 1000);
	say(&session);
	session_hear(&session, slice_of(clear), 1000);
	if (under_tls) {
		say(&session);
		session_hear(&session, SLICE("220 go\r\n"), 1000);
		session_secured(&session, 1000);
		say(&session);
		session_hear(&session, slice_of(under_tls), 1000);
	}
	session_give(&session, &tx);
	line[0] = '\0';
	if (session_say(&session, &send)) {
		assert_true(send.iov[0].iov_len < 128);
		memcpy(line, send.iov[0].iov_base, send.iov[0].iov_len);
		line[send.iov[0].iov_len] = '\0';
		session_said(&session, send.bytes, 1000);
	}
	session_abandon(&session);
	assert_ptr_equal(session_over(&session), &tx);
	struct outcome outcome = ann.outcome;

	outcome.text = SLICE_NONE;
	tx_clear(&tx);
	session_free(&session);
	return outcome;
}

static void test_who_requires_tls_says_so(void **state)
{
	char line[128];

	(void)state;
	require_tls("250-mx.test\r\n250 STARTTLS\r\n", "250-mx.test\r\n250-SIZE\r\n250 REQUIRETLS\r\n", line);
	assert_string_equal(line, "MAIL FROM:<b@b.test> SIZE=3 REQUIRETLS\r\n");
}

static void test_who_cannot_be_asked_hears_nothing(void **state)
{
	static const char *const servers[][2] = {
		{"250-mx.test\r\n250 REQUIRETLS\r\n", NULL},
		{"250-mx.test\r\n250-STARTTLS\r\n250 REQUIRETLS\r\n", "250 mx.test\r\n"},
	};
	char line[128];

	(void)state;
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		struct outcome outcome = require_tls(servers[i][0], servers[i][1], line);

		assert_string_equal(line, "");
		assert_string_equal(outcome.enhanced, "5.7.30");
		assert_int_equal(outcome.verdict.action, ACTION_NEVER);
		assert_int_equal(outcome.verdict.category, CATEGORY_TLS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_minute_is_enough_for_any_handshake),
		cmocka_unit_test(test_who_is_short_with_ehlo_is_as_short_with_tls),
		cmocka_unit_test(test_who_requires_tls_says_so),
		cmocka_unit_test(test_who_cannot_be_asked_hears_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
