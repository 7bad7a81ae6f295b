/* What the sink says of itself. */
#pragma once

#include "bench/sink/receiver.h"

/* What it remembers of addresses, to a file; path may be NULL: nothing. */
void sink_write_report(const struct sink *sink, const char *path);
/* The counts, to stdout. */
void sink_write_counts(const struct sink *sink);
