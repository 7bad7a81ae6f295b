/* What a worker tells `hikyaku status`: its numbers, and each site with what its lanes wait for. */
#pragma once

#include "worker.h"

/* Appends one JSON object. */
void status_write(struct outbuf *out, const struct worker *worker);
