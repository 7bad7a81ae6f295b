/* An approach: how a connection comes to its host. Which exchanger is tried next, and what is made of one that would
 * not have us.
 *
 *     if (!approach_begin(conn)) give up;               route and host are set: connect to them
 *     approach_failed(conn, CATEGORY_NETWORK, ...);     no connection came of it
 *     approach_refused(conn);                           it was over before it was ready for mail
 *     if (approach_again(conn)) approach_begin(...);    the scheduler knows, and has named another exchanger
 *     else approach_end(conn);                          nobody is left: counted out, and the lane hears of it */
#pragma once

#include "conn.h"

/* False: its site has no routes any more. */
bool approach_begin(struct conn *conn);
/* What was being done, in our own words, and errno (0: there was no answer in time). */
void approach_failed(struct conn *conn, enum category category, const char *enhanced, const char *what, int error);
void approach_refused(struct conn *conn);
bool approach_again(struct conn *conn);
/* The source's address is not on this machine: nothing was attempted, the lane rests until it is looked for again. */
void approach_homeless(struct conn *conn);
void approach_end(struct conn *conn);
