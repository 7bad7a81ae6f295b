/* A ring, a dns that asks on it, and its server: a plain socket in this thread.
 *
 *     static void answer(void) { packet[2] |= 0x80; }     what lies in packet becomes the answer
 *     cmocka_unit_test_setup_teardown(test, dns_world_open, dns_world_close)
 *     turn();                                             the ring turns once, and the server answers what has come */
#pragma once

#include "dns/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TURNS_MAX = 2000 };

static struct ring *ring;
static struct dns *dns;
static int server;
static unsigned nheard;
static unsigned char packet[512];
static size_t packet_len;

/* The test's own: turns the question in packet into what is said to it. */
static void answer(void);

static void turn(void)
{
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t len;

	assert_int_equal(ring_turn(ring, 5), 0);
	while ((len = recvfrom(server, packet, sizeof(packet), 0, (struct sockaddr *)&from, &from_len)) > 0) {
		nheard++;
		packet_len = (size_t)len;
		answer();
		sendto(server, packet, packet_len, 0, (struct sockaddr *)&from, from_len);
	}
}

/* Until it is answered, once. */
static void turn_until(const unsigned *nanswers)
{
	for (int i = 0; i < TURNS_MAX && *nanswers == 0; i++)
		turn();
	assert_int_equal(*nanswers, 1);
}

static int dns_world_open(void **state)
{
	struct address address = address_v4((unsigned char[]){127, 0, 0, 1}, 0);
	char why[RING_WHY_MAX];

	(void)state;
	nheard = 0;
	server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (bind(server, &address.sa, address.len) < 0 || getsockname(server, &address.sa, &address.len) < 0)
		return -1;
	if (ring_open(&ring, &(struct ring_setup){.sockets = 64, .buffers = 64, .buffer_size = 2048}, why) < 0) {
		fprintf(stderr, "%s\n", why);
		return -1;
	}
	dns = dns_open(ring, &(struct dns_setup){.servers = &address, .nservers = 1, .smtp_port = 25});
	return 0;
}

static int dns_world_close(void **state)
{
	(void)state;
	dns_free(dns);
	for (int i = 0; i < 5; i++)
		turn();
	ring_free(ring);
	close(server);
	return 0;
}
