/* The limits of a site, as configured: those of each lane, one a source, and those of all together. A hundred thousand
 * sites have the same few sets of them: each set is kept once, counted, and sites point at it. A site's lanes are made
 * by it when mail of the site is leased for the first time.
 *
 *     site->limits = site_limits_hold(scheduler, &spec);      the set that says the same, or a new one
 *     site_limits_drop(site->limits);                         freed with its last site */
#pragma once

#include "scheduler/lane_limits.h"

struct scheduler;
struct site_spec;

struct site_limits {
	struct map_node node;	     /* by what it says, which is of the same memory */
	struct scheduler *scheduler; /* parent */
	unsigned nsites;
	struct site_terms {
		const struct site_limits *named; /* counted: those of its name (site_spec); NULL: these */
		struct pace_limit total_rate;	 /* over all lanes; count 0: unlimited */
		uint64_t total_connections;	 /* ...; 0: unlimited */
		uint64_t workers;		 /* that are to serve its name at once; 0: as it needs */
		uint64_t nlanes;
		const struct lane_limits *lanes[]; /* counted, nlanes of them */
	} terms;				   /* without holes: compared as bytes */
};

const struct site_limits *site_limits_hold(struct scheduler *scheduler, const struct site_spec *spec);
void site_limits_drop(const struct site_limits *limits);
