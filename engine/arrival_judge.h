/* The inner words of an arrival, between arrival.c, which judges, and arrival_steps.c, which talks with Redis. */
#pragma once

#include "arrival.h"

/* Reads the job; begun: as one that was accepted before. False, and in state REJECT, when it is refused. */
bool arrival_judge(struct arrival *arrival, bool begun);
/* The job is read for good: compiles its message and admits it, or goes to look for the message. */
void arrival_route(struct arrival *arrival);
/* The body is known by its digest: from the shelf, or to be fetched. */
void arrival_find(struct arrival *arrival);
/* The stored form of its message is here: compiles it unless it is on the shelf, and admits the job. */
void arrival_take(struct arrival *arrival, struct slice stored);
/* Its refusal is set: the job is rejected. */
void arrival_refused(struct arrival *arrival);
/* The same where the message is at fault, which a job that began answers to each of its recipients. */
void arrival_message_refused(struct arrival *arrival);
/* Sets the id it has in the queue. */
void arrival_name_job(struct arrival *arrival);
/* How long the body must be kept, in epoch seconds. */
uint64_t arrival_body_until_s(const struct arrival *arrival);
/* It waits for no message any more. */
void arrival_unpark(struct arrival *arrival);
