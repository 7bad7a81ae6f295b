/* Controls: what operators have in force, as the workers heed it.
 *
 *     keeper's thread     desk → controls changed → a new set is published
 *     worker, each turn   controls_follow: a new set? hold and release lists, lanes and what is in hand
 *     worker, later       controls_hold before a lease, controls_meet before mail is prepared
 *
 * A set never changes once it is published; workers count it and let go of the old one when they have the new one in
 * force. So that a cancel can be answered for, each worker says which set that is, and counts what it ended. */
#pragma once

#include "queue/desk.h"

struct controls;
struct control_set;
struct delivery;
struct directory;
struct lane;
struct ready;
struct worker;

struct controls *controls_new(void);
void controls_free(struct controls *controls);
/* The keeper's end. Borrows both. */
struct desk_owner controls_owner(struct controls *controls, struct directory *directory);
/* So many workers follow from now on; before that nobody sends, and what is published is in force. */
void controls_followed(struct controls *controls, unsigned nworkers);

/* Once a turn; costs a load while nothing has changed. */
void controls_follow(struct worker *worker);
/* The worker ends: it does not hold up answers any more. */
void controls_leave(struct worker *worker);

/* The list is about to be leased from for the lane. True if one of them is paused; that one is held then. */
bool controls_hold(const struct worker *worker, struct ready *list, struct lane *lane);

/* What operators say about a delivery that is not under way. */
enum control_fate { FATE_SEND, FATE_WAIT, FATE_CANCELLED };
/* by: who asked, where it is CANCELLED; borrowed for the turn. A cancel that is met is counted. */
enum control_fate controls_meet(const struct delivery *delivery, struct slice *by);
/* When the delivery expires: later than its record says if it was held back under hold-expiry. */
uint64_t controls_expiry_ms(const struct delivery *delivery);
