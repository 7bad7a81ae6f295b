/* Posting a report on TLS to where a domain wants it (RFC 8460 5.4): blocking, for the reporter's thread. Names are
 * looked up by a resolver of its own, private addresses are refused as for mail, certificates are verified, nothing is
 * redirected, and half a minute is all the time there is.
 *
 *     poster = poster_open(config, go_on, who);
 *     if (!poster_post(poster, url, packed, why)) ... try again later
 *     poster_close(poster); */
#pragma once

#include "config.h"
#include "https.h"

struct poster;

/* config is borrowed. go_on is asked several times a second; false ends a post at once. NULL: it cannot be, said. */
struct poster *poster_open(const struct config *config, bool (*go_on)(void *who), void *who);
/* NULL is allowed. */
void poster_close(struct poster *poster);
/* True when the other end has answered with 2xx. Else a sentence in why, HTTPS_WHY_MAX bytes. */
bool poster_post(struct poster *poster, struct slice url, struct slice packed, char *why);
