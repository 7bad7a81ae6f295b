/* How long a handshake may take: the dialogues (tests/dialogues/c-starttls.txt) have only the patience of RFC 5321. */
#include "smtp/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_minute_is_enough_for_any_handshake),
		cmocka_unit_test(test_who_is_short_with_ehlo_is_as_short_with_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
