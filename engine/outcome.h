/* Settling: an outcome becomes a change in the queue and an event.
 *
 * The policy of what a verdict means for the delivery is here, in one function a case: delivered, refused for good,
 * again later, in doubt, never begun. */
#pragma once

#include "event.h"

/* Settles an attempted delivery and frees it. attempt may be NULL where there was no connection. */
void outcome_settle(struct delivery *delivery, const struct outcome *outcome, const struct attempt *attempt);
/* Its turn has not come: it waits in the queue, as it is, without an attempt or an event. Frees it. */
void outcome_postponed(struct delivery *delivery, uint64_t delay_ms);
/* It has outlived its job's patience: final event `expired`. Frees it. */
void outcome_expired(struct delivery *delivery);
/* An operator ended it: final event `cancelled`. by: who, may be empty. Frees it. */
void outcome_cancelled(struct delivery *delivery, struct slice by);
/* A verdict has put its address on the suppression list since it was leased: final event `suppressed`. Frees it. */
void outcome_suppressed(struct delivery *delivery, enum category category);
/* It cannot be sent now, through no fault of the recipient (its body is missing): held for a person. Frees it. */
void outcome_held(struct delivery *delivery, struct slice why);
/* Accepted by nobody because the configuration diverts mail to nowhere. Frees it. */
void outcome_discarded(struct delivery *delivery);
