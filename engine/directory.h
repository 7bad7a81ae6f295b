/* The directory: which site a domain's mail goes to, told to Redis, so that orders and questions may name sites.
 *
 *     worker:            directory_tell(worker, domain, site)               whenever a domain is routed
 *     keeper's thread:   directory_take(directory, pairs, max, &text)       → hikyaku_sites
 *
 * A worker tells each pair once a day, as far as it remembers: the memory is a table of fixed size in which a newer
 * domain takes the place of an older one, and telling twice does no harm. What is told faster than Redis is asked is
 * not kept, and told with the next routing. */
#pragma once

#include "worker.h"

struct directory;

struct directory *directory_new(void);
void directory_free(struct directory *directory);
void directory_tell(struct worker *worker, struct slice domain, struct slice site);
/* At most max slices: a domain and its site in turn, in text, which is overwritten. How many. */
unsigned directory_take(struct directory *directory, struct slice *pairs, unsigned max, struct outbuf *text);
