/* Who it is comes before who we are: where a certificate is demanded and there is none for the relay's name, the
 * session ends at the handshake. To wait with that until MAIL, as for other sites, would be to tell a stranger the
 * password. */
#include "relay.h"

#include "event.h"
#include "protection.h"
#include "target.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

enum { REST_MS = 5 * 60 * 1000 };

static const struct config_relay *relay_of(const struct conn *conn)
{
	return target_of(conn->lane->site)->relay;
}

static bool is_same_login(const struct config_relay *a, const struct config_relay *b)
{
	return slice_is(a->user, b->user) && slice_is(a->password, b->password);
}

void relay_settle(struct worker *worker, struct site *site, const struct config_relay *relay)
{
	struct target *target = target_of(site);
	const struct config_relay *before = target->relay;

	target->relay = relay;
	if (!before || !relay || is_same_login(before, relay))
		return;
	for (unsigned i = 0; i < site->nlanes; i++) {
		site->lanes[i]->rest_until_ms = 0;
		scheduler_look(worker->scheduler, site->lanes[i]);
	}
}

struct login relay_login(const struct config_relay *relay)
{
	struct login login = {relay->user, relay->password, ""};

	if (login.user.len)
		snprintf(login.nonce, sizeof(login.nonce), "%016llx%016llx", (unsigned long long)random_secret(),
			 (unsigned long long)random_secret());
	return login;
}

void relay_set_up(struct conn *conn, struct session_setup *setup)
{
	const struct config_relay *relay = relay_of(conn);

	if (!relay)
		return;
	if (!conn->login)
		conn->login = malloc(sizeof(*conn->login));
	CHECK(conn->login != NULL);
	*conn->login = relay_login(relay);
	setup->login = conn->login;
	setup->implicit_tls = relay->implicit_tls;
	if (relay->implicit_tls)
		setup->tls = SESSION_TLS_MUST;
}

const char *relay_distrusts(struct conn *conn)
{
	const struct tls_peer *peer = channel_peer(&conn->channel);

	if (!relay_of(conn) || protection_lets_log_in(conn))
		return NULL;
	struct conn_failure *failure = conn_failure(conn);

	snprintf(failure->text, sizeof(failure->text), "tls = \"%s\" is demanded, but %s",
		 protection_name(relay_of(conn)->protection.tls == TLS_DANE ? PROTECTION_DANE : PROTECTION_VERIFIED),
		 peer->why[0] ? peer->why : "its certificate is vouched for by other means");
	return failure->text;
}

static void tell(const struct conn *conn)
{
	const struct config_relay *relay = relay_of(conn);
	struct outbuf text = {0};

	outbuf_printf(&text,
		      "the relay %.*s does not let us in as %.*s (%.*s); its mail waits; see its user and "
		      "password-file, then "
		      "reload",
		      SLICE_ARG(relay->name), SLICE_ARG(relay->user),
		      SLICE_ARG(slice_head(conn->failure->outcome.text, 200)));
	event_alarm(conn, "relay-login", conn->failure->outcome.verdict.category, outbuf_slice(&text));
	outbuf_free(&text);
}

bool relay_rests(struct conn *conn)
{
	struct worker *worker = conn->worker;
	struct site *site = conn->lane->site;
	struct report report = {.kind = REPORT_REST, .delay_ms = REST_MS, .why = conn->failure->outcome.text};
	const char *rule = conn->failure->outcome.verdict.rule;
	uint64_t now_ms = worker_now_ms(worker);

	if (!relay_of(conn) || !rule || !slice_is(slice_of(rule), SLICE(SESSION_LOGIN_REFUSED)))
		return false;
	if (!lane_is_resting(conn->lane, now_ms)) /* others were on their way, too */
		tell(conn);
	for (unsigned i = 0; i < site->nlanes; i++)
		scheduler_report(worker->scheduler, site->lanes[i], &report, now_ms);
	return true;
}
