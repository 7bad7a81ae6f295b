/* A reaction: what a lane does about what its receiver said, beside settling the delivery at hand.
 *
 *     verdict                      reaction                                    the way back
 *     slower                       the exchanger takes less (allowance.h)      it is found out how much
 *     slower: too many connections fewer of them (crowd.h)                     one more now and then
 *     slower for our reputation,
 *     later for the lane           the lane rests; another source may go on    the time named, or by how often
 *     later for the site           all its lanes rest                          the same
 *     elsewhere                    the connection ends; another MX is tried    one connection tries after a rest
 *     later for the sender         mail of this sender waits, other mail goes  the same
 *     never for the lane           after a few in a row, the lane rests        the same
 *     any other                    nothing: it is about the recipient or the message
 *
 * Each rests for the time the receiver named, if it did. */
#pragma once

#include "delivery.h"

enum reaction {
	REACTION_NONE,
	REACTION_SENDER_RESTS,
	REACTION_SLOWER,
	REACTION_CROWDED,
	REACTION_LANE_RESTS,
	REACTION_SITE_RESTS
};

enum reaction reaction_to(const struct verdict *verdict);
/* A transaction is over, its recipients have outcomes: tells the scheduler. Before they are settled. */
void reaction_report(struct conn *conn, const struct tx *tx, struct slice sender);
/* Refused not for its own sake: it is tried again as soon as the lane, or another one of its site, may. */
bool reaction_is_of_lane(const struct verdict *verdict);
/* How long that is. */
uint64_t reaction_retry_ms(const struct lane *lane, uint64_t now_ms);
