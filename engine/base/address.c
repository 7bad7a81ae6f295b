/* Text in and out by inet_pton and inet_ntop; what is private is a table of prefixes. */
#include "base/address.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct address address_v4(const void *bytes, uint16_t port)
{
	struct address a = {.len = sizeof(a.in)};

	a.in.sin_family = AF_INET;
	a.in.sin_port = htons(port);
	memcpy(&a.in.sin_addr, bytes, 4);
	return a;
}

struct address address_v6(const void *bytes, uint16_t port)
{
	struct address a = {.len = sizeof(a.in6)};

	a.in6.sin6_family = AF_INET6;
	a.in6.sin6_port = htons(port);
	memcpy(&a.in6.sin6_addr, bytes, 16);
	return a;
}

socklen_t address_bytes(const struct sockaddr *sa)
{
	switch (sa->sa_family) {
	case AF_INET: return sizeof(struct sockaddr_in);
	case AF_INET6: return sizeof(struct sockaddr_in6);
	default: return sizeof(struct sockaddr_un);
	}
}

struct address address_of(const struct sockaddr *sa)
{
	struct address address = {.len = address_bytes(sa)};

	memcpy(&address.un, sa, address.len);
	return address;
}

struct endpoint endpoint_of(const struct address *address)
{
	struct endpoint endpoint;

	CHECK(address->len > 0 && address->len <= sizeof(endpoint));
	memcpy(&endpoint, &address->un, address->len);
	return endpoint;
}

static bool parse_ip(struct address *address, struct slice text, uint16_t port)
{
	char ip[INET6_ADDRSTRLEN];
	unsigned char bytes[16];

	if (text.len == 0 || text.len >= sizeof(ip) || slice_find(text, '\0') != text.len)
		return false;
	memcpy(ip, text.ptr, text.len);
	ip[text.len] = '\0';
	if (inet_pton(AF_INET, ip, bytes) == 1)
		*address = address_v4(bytes, port);
	else if (inet_pton(AF_INET6, ip, bytes) == 1)
		*address = address_v6(bytes, port);
	else
		return false;
	return true;
}

static bool parse_unix(struct address *address, struct slice path)
{
	struct address a = {.len = sizeof(a.un)};

	a.un.sun_family = AF_UNIX;
	if (path.len == 0 || path.len >= sizeof(a.un.sun_path) || slice_find(path, '\0') != path.len)
		return false;
	memcpy(a.un.sun_path, path.ptr, path.len);
	*address = a;
	return true;
}

bool address_parse(struct address *address, struct slice text, uint16_t port_default)
{
	uint64_t port = port_default;

	if (slice_starts(text, SLICE("unix:")))
		return parse_unix(address, slice_skip(text, 5));
	if (text.len && text.ptr[0] == '[') {
		struct slice rest = slice_skip(text, 1), ip = slice_until(&rest, ']');

		if (ip.len + 1 >= text.len)
			return false;
		if (rest.len && (rest.ptr[0] != ':' || !slice_number(slice_skip(rest, 1), 65535, &port)))
			return false;
		return parse_ip(address, ip, (uint16_t)port);
	}
	size_t colon = slice_find(text, ':');

	if (colon == text.len || slice_find_last(text, ':') != colon) /* no port, or bare IPv6 */
		return parse_ip(address, text, (uint16_t)port);
	return slice_number(slice_skip(text, colon + 1), 65535, &port) &&
	       parse_ip(address, slice_head(text, colon), (uint16_t)port);
}

struct slice address_ip_text(const struct address *address, char *room)
{
	room[0] = '\0';
	if (address->len == 0)
		return (struct slice){room, 0};
	if (address->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &address->in.sin_addr, room, ADDRESS_TEXT_MAX);
	else if (address->sa.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &address->in6.sin6_addr, room, ADDRESS_TEXT_MAX);
	else
		snprintf(room, ADDRESS_TEXT_MAX, "unix:%s", address->un.sun_path);
	return slice_of(room);
}

struct slice address_text(const struct address *address, char *room)
{
	char ip[ADDRESS_TEXT_MAX];

	address_ip_text(address, ip);
	if (address->len && address->sa.sa_family == AF_INET)
		snprintf(room, ADDRESS_TEXT_MAX, "%.48s:%u", ip, address_port(address));
	else if (address->len && address->sa.sa_family == AF_INET6)
		snprintf(room, ADDRESS_TEXT_MAX, "[%.48s]:%u", ip, address_port(address));
	else
		memcpy(room, ip, sizeof(ip));
	return slice_of(room);
}

uint16_t address_port(const struct address *address)
{
	if (address->len && address->sa.sa_family == AF_INET)
		return ntohs(address->in.sin_port);
	if (address->len && address->sa.sa_family == AF_INET6)
		return ntohs(address->in6.sin6_port);
	return 0;
}

bool address_is_equal(const struct address *a, const struct address *b)
{
	if (a->len != b->len || (a->len && a->sa.sa_family != b->sa.sa_family))
		return false;
	if (a->len == 0)
		return true;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_port == b->in.sin_port && a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	if (a->sa.sa_family == AF_INET6)
		return a->in6.sin6_port == b->in6.sin6_port && memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16) == 0;
	return strcmp(a->un.sun_path, b->un.sun_path) == 0;
}

struct prefix {
	unsigned char bytes[16];
	unsigned bits;
};

static const struct prefix private_v4[] = {
	{{0}, 8},	   /* this network, RFC 791 */
	{{10}, 8},	   /* RFC 1918 */
	{{100, 64}, 10},   /* behind a carrier's NAT, RFC 6598 */
	{{127}, 8},	   /* this host */
	{{169, 254}, 16},  /* link-local, RFC 3927 */
	{{172, 16}, 12},   /* RFC 1918 */
	{{192, 0, 0}, 24}, /* protocol assignments, RFC 6890 */
	{{192, 168}, 16},  /* RFC 1918 */
	{{198, 18}, 15},   /* benchmarks, RFC 2544 */
	{{224}, 4},	   /* multicast */
	{{240}, 4},	   /* reserved, and broadcast */
};

static const struct prefix private_v6[] = {
	{{0x00, 0x64, 0xff, 0x9b, 0x00, 1}, 48}, /* translation of private IPv4, RFC 8215 */
	{{0x01}, 64},				 /* discard, RFC 6666 */
	{{0xfc}, 7},				 /* unique local, RFC 4193 */
	{{0xfe, 0x80}, 10},			 /* link-local */
	{{0xfe, 0xc0}, 10},			 /* site-local, RFC 3879 */
	{{0xff}, 8},				 /* multicast */
};

static bool has_prefix(const unsigned char *bytes, const struct prefix *prefix)
{
	for (unsigned bit = 0; bit < prefix->bits; bit++)
		if ((bytes[bit / 8] ^ prefix->bytes[bit / 8]) & (0x80 >> bit % 8))
			return false;
	return true;
}

static bool is_private_v4(const unsigned char *bytes)
{
	for (size_t i = 0; i < sizeof(private_v4) / sizeof(private_v4[0]); i++)
		if (has_prefix(bytes, &private_v4[i]))
			return true;
	return false;
}

/* The IPv4 address that an IPv6 one stands for, or NULL. */
static const unsigned char *hidden_v4(const unsigned char *bytes)
{
	static const struct prefix last_four[] = {
		{{[10] = 0xff, [11] = 0xff}, 96}, /* mapped, ::ffff:0:0/96 */
		{{[8] = 0xff, [9] = 0xff}, 96},	  /* translated, ::ffff:0:0:0/96 */
		{{0x00, 0x64, 0xff, 0x9b}, 96},	  /* NAT64, RFC 6052 */
		{{0}, 96},			  /* compatible, RFC 4291 2.5.5.1; also :: and ::1 */
	};
	static const struct prefix six_to_four = {{0x20, 0x02}, 16}; /* RFC 3056: it follows at once */

	for (size_t i = 0; i < sizeof(last_four) / sizeof(last_four[0]); i++)
		if (has_prefix(bytes, &last_four[i]))
			return bytes + 12;
	return has_prefix(bytes, &six_to_four) ? bytes + 2 : NULL;
}

bool address_is_private(const struct address *address)
{
	if (address->len == 0 || address->sa.sa_family == AF_UNIX)
		return true;
	if (address->sa.sa_family == AF_INET)
		return is_private_v4((const unsigned char *)&address->in.sin_addr);
	const unsigned char *bytes = address->in6.sin6_addr.s6_addr, *hidden = hidden_v4(bytes);

	if (hidden)
		return is_private_v4(hidden);
	for (size_t i = 0; i < sizeof(private_v6) / sizeof(private_v6[0]); i++)
		if (has_prefix(bytes, &private_v6[i]))
			return true;
	return false;
}
