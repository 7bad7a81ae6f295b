/* The embedded redis-server: a Redis of our own on a unix socket in the state directory, so that one machine needs no
 * set-up.
 *
 *     struct server *server = server_start(state_path(state), config->redis.fsync, why);
 *     if (!server) fail(why);
 *     struct redis_server place = server_place(server);
 *     ... the engine runs ...
 *     server_stop(server);             last: after the last settlement
 *
 * A server that answers there already (its engine crashed) is adopted; never are two started on the same files. It is
 * started again when it dies, by a thread of this module, for as long as the engine runs. It does not die with the
 * engine's crash; it does with server_stop. */
#pragma once

#include "queue/redis_sync.h"

struct server;

/* Returns when it takes commands, its files loaded. fsync: "always", "everysec" or "no". NULL with a sentence in why
 * (RING_WHY_MAX bytes): not installed, died at once (with the end of its log), a path too long. */
struct server *server_start(const char *state_path, struct slice fsync, char *why);
/* SIGTERM, waits until it is gone, frees. */
void server_stop(struct server *server);
struct redis_server server_place(const struct server *server);
/* Its process id now; it changes when it had to be started again. */
int server_pid(const struct server *server);
