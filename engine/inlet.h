/* Inlets: the streams of a gate, each with the entries of it that are on their way in. What gate.c does with all of
 * them, and with one. */
#pragma once

#include "gate.h"

/* Makes the streams those that the rules name; one that has gone is read no more, and its arrivals end. */
void inlets_follow(struct gate *gate);
/* Groups are made again, and what is ours is read again: a stream is gone. */
void inlets_regroup(struct gate *gate);
/* The same after a lost connection: nothing that was asked will be answered. */
void inlets_lost(struct gate *gate);
void inlets_free(struct gate *gate);
/* Makes the groups that are missing. */
void inlets_say_groups(struct gate *gate);
/* Every ten seconds: says that we live, and takes over from those that do not. */
void inlets_say_chores(struct gate *gate);

/* NULL if the gate has no such stream. */
struct inlet *inlet_named(const struct gate *gate, struct slice key);
/* May be read: it has its group, and not too much of it is here. */
bool inlet_has_room(const struct inlet *inlet);
/* An entry came; one that is here already is not taken twice. */
void inlet_take(struct inlet *inlet, const struct stream_entry *entry);
/* pipeline_hear, who is an inlet: entries that were ours before. */
void inlet_hear_again(void *who, const struct redisReply *reply);
/* It had a slice: moves its pass. */
void inlet_took_turn(struct inlet *inlet);
