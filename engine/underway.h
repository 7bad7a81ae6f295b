/* What is under way: which leased records this worker has begun to speak about, in a file that outlives a crash.
 *
 *     underway_read(state, &epoch, &begun)                   at start: what the last run had under way
 *     worker->underway = underway_open(state, number, epoch);
 *     delivery->mark = underway_begin(worker->underway, lease, position);    its dialogue begins
 *     underway_end(worker->underway, mark);                  Redis has its outcome, or it was not attempted after all
 *
 * The file is mapped memory: a mark costs a store, and the kernel keeps it when the process is killed. So after kill -9
 * exactly what was in dialogue is reported `uncertain`, and all else that was leased goes back unchanged. It does not
 * outlive the machine: after a reboot nothing is known, and every leased record is taken to have been under way. (A
 * journal, which also knows the replies, takes this place later; QUEUE.md.) */
#pragma once

#include "base/outbuf.h"

struct underway;

/* The files of the last run, all workers: true, its epoch, and "lease:position,lease:position..." appended to begun.
 * False if there are none, or they are of another boot of the machine or of different runs: then nothing is known. */
bool underway_read(const char *state_path, uint64_t *epoch, struct outbuf *begun);

/* A worker's file, emptied. NULL, with a line in the log, when it cannot be made. */
struct underway *underway_open(const char *state_path, unsigned worker, uint64_t epoch);
void underway_close(struct underway *underway);
/* A mark, never 0, until underway_end. */
uint32_t underway_begin(struct underway *underway, uint64_t lease, uint32_t position);
void underway_end(struct underway *underway, uint32_t mark);
