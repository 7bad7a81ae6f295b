/* A relay: the server that takes mail for other domains, because the configuration says so and it knows us.
 *
 * To the scheduler it is a site like any other, named "relay ses". What is its own is how a connection begins: TLS, who
 * it is, and only then who we are. A relay that does not let us in is not about mail: nothing is refused for it, the
 * whole site rests, and an operator is told, once for each rest. */
#pragma once

#include "conn.h"

/* The site is that of this relay (NULL: of none). Where it rested because we were not let in, and the configuration has
 * another password now, it rests no more. */
void relay_settle(struct worker *worker, struct site *site, const struct config_relay *relay);
/* Who we are to it. */
struct login relay_login(const struct config_relay *relay);
/* How its session begins. */
void relay_set_up(struct conn *conn, struct session_setup *setup);
/* The handshake is over: why this may not be the relay, in a few words that are valid until the connection fails; NULL:
 * it is, or it is no relay. */
const char *relay_distrusts(struct conn *conn);
/* The session is over before it was ready. Was it because we were not let in? Then all lanes of the site rest. */
bool relay_rests(struct conn *conn);
