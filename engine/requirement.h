/* A requirement: what a job with "require_tls" asks of the way its mail goes (RFC 8689 4.2.1). The host is one that the
 * domain has named by secure means (a signed MX, or an MTA-STS policy; or the configuration names it), its certificate
 * is verified, and it offers REQUIRETLS under TLS, so that it asks the same of the next. A host that is not so is
 * passed over for this mail only, and when every host of the domain was asked the mail fails, without a word of it
 * said.
 *
 *     if (requirement_passes_on(conn)) ...              a connection just made had better be one to another host
 *     if (requirement_goes_elsewhere(conn, delivery)) ...          one that serves other mail is not for this
 *     if (!requirement_is_met(conn, delivery)) outcome = requirement_refusal(conn, delivery, room);
 *
 * A message from nobody (a bounce) is not held back for want of the keyword (5): it goes under the same TLS without. */
#pragma once

#include "nouns.h"

struct conn;
struct delivery;
struct lane;

/* What one delivery has found out about the hosts of its domain, in this lease. Zero: nothing. */
struct requirement {
	uint64_t unfit;	    /* hosts that will not do: bits, by index */
	uint64_t of;	    /* ... among these: a hash of their names, for routes change */
	bool lacks_keyword; /* one would do, but does not offer REQUIRETLS */
};

/* True also where nothing is required. */
bool requirement_is_met(const struct conn *conn, const struct delivery *delivery);
/* Whether MAIL is to say REQUIRETLS: asked once it is met. */
bool requirement_is_said(const struct conn *conn, const struct delivery *delivery);
/* The host at hand will not do for this delivery, which is remembered, and there is another one to ask now. */
bool requirement_goes_elsewhere(const struct conn *conn, struct delivery *delivery);
/* The same of what waits first for a connection that has just been made. */
bool requirement_passes_on(const struct conn *conn);
/* Whether what waits first has a requirement. */
bool requirement_is_first(const struct conn *conn);
/* A connection on its way goes to a host that what waits first has not found unfit, if there is one. */
void requirement_steer(struct conn *conn);
/* The host at hand could not be spoken to under TLS: what waits first remembers it. */
void requirement_note_insecure(const struct conn *conn);
/* Every host was found unfit: whatever befell the connection, this is lost. */
bool requirement_is_lost(const struct conn *conn, const struct delivery *delivery);
/* The outcome of a delivery whose requirement the connection does not meet, and that has nowhere else to go now: it
 * fails, or waits if a host could not be asked. Its text is in room (PROTECTION_WHY_MAX bytes). */
struct outcome requirement_refusal(const struct conn *conn, const struct delivery *delivery, char *room);
