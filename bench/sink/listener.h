/* The sink's doors: addresses it listens on, and who may come in. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

/* Listens on "ADDRESS:PORT" and prints "listening ADDRESS:PORT"; port 0 is any. -1 with a line on stderr. */
int listener_open(const char *text);
/* The next that comes in, from this machine's loopback only: others are closed. -1: nobody any more. */
int listener_take(int listener, struct sockaddr_in *from);
