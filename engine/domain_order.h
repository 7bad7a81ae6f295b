/* In which order the recipients of a job are queued: those of one domain side by side, domains as they first occur.
 *
 * Redis pays for every list that a call pushes to, and later for every job that a settlement names. Neighbours of one
 * domain go into their list with one command, and leave it together. The same recipients always have the same order,
 * so that a job half queued can be continued by another engine. Pure. */
#pragma once

#include "queue/job.h"

/* Places of job->recipients, job->nrecipients of them; the caller's, to be freed. */
unsigned *domain_order(const struct job *job);
