/* A network address: IPv4, IPv6 or a unix socket, by value.
 *
 * Texts: "192.0.2.1:25", "[192.0.2.1]:25", "[2001:db8::1]:25", "unix:/run/redis.sock". */
#pragma once

#include "base/slice.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

struct address {
	socklen_t len; /* 0: none */
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
};

/* One of IPv4 or IPv6 as it is kept where there are many; the other is four times as large. */
struct endpoint {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

enum { ADDRESS_TEXT_MAX = 128 };

/* From four or sixteen bytes in network order, as DNS gives them; port in host order. */
struct address address_v4(const void *bytes, uint16_t port);
struct address address_v6(const void *bytes, uint16_t port);
/* Reads one of the texts above; without a port, port_default. An IPv6 address with a port needs its brackets. False
 * if it is none of them. */
bool address_parse(struct address *address, struct slice text, uint16_t port_default);
/* Of an address of IPv4 or IPv6. */
struct endpoint endpoint_of(const struct address *address);
/* Of a socket of one of the three families, and how many bytes of it count. */
struct address address_of(const struct sockaddr *sa);
socklen_t address_bytes(const struct sockaddr *sa);
/* As text into room of ADDRESS_TEXT_MAX, with and without the port; returns the slice of it. */
struct slice address_text(const struct address *address, char *room);
struct slice address_ip_text(const struct address *address, char *room);
uint16_t address_port(const struct address *address);
bool address_is_equal(const struct address *a, const struct address *b);
/* Not a place on the public internet: this host, private, link-local, carrier, multicast, reserved, unix sockets, and
 * IPv6 forms that hide such an IPv4 address. Mail never goes there unless the configuration allows it (RFC 6890).
 * Addresses for documentation do not count: nobody is there, and tests like them. */
bool address_is_private(const struct address *address);
