/* The suppressor: which verdicts put an address on the suppression list (queue/suppression.h). The policy of
 * CONTRACT.md: an invalid recipient at once, an inactive mailbox and a bad domain after several verdicts some time
 * apart, each as the configuration says; only what is final, and only what was said of the recipient. */
#pragma once

#include "delivery.h"

/* A delivery is about to fail for good: counts what was said against its address. If that is enough at once, what waits
 * on lanes for the same address ends, too; so nobody may be walking along a lane's list just now. */
void suppressor_learn(const struct delivery *delivery, const struct outcome *outcome);
