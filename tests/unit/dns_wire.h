/* A DNS packet written by hand, byte by byte, for tests: so that nothing of ours or of ldns vouches for itself.
 *
 *     begin(0);                                        the answer to "a.example MX"
 *     put_mx("a.example", 10, "mx.a.example", 300);
 *     struct answer *answer = read_mx(); */
#pragma once

#include "base/check.h"
#include "dns/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { ID = 0x1234, QR = 0x8000, TC = 0x0200, NS = 2, SOA = 6, OPT = 41, SIZE = 70000 };

struct wire {
	unsigned char bytes[SIZE];
	size_t len;
};

static struct wire wire;

static inline void put(const void *bytes, size_t len)
{
	CHECK(wire.len + len <= SIZE);
	memcpy(wire.bytes + wire.len, bytes, len);
	wire.len += len;
}

static inline void put16(unsigned n)
{
	put((unsigned char[]){(unsigned char)(n >> 8), (unsigned char)n}, 2);
}

static inline void put32(uint32_t n)
{
	put16(n >> 16);
	put16(n & 0xffff);
}

static inline void put_name(const char *text)
{
	struct slice rest = slice_of(text);

	while (rest.len > 0) {
		struct slice label = slice_until(&rest, '.');

		put((unsigned char[]){(unsigned char)label.len}, 1);
		put(label.ptr, label.len);
	}
	put("", 1);
}

static inline void header(unsigned id, unsigned flags, unsigned questions)
{
	wire.len = 0;
	put16(id);
	put16(flags);
	put16(questions);
	put16(0);
	put32(0);
}

static inline void question(const char *name, unsigned type)
{
	put_name(name);
	put16(type);
	put16(1);
}

/* A whole beginning: the answer to "a.example MX". */
static inline void begin(unsigned flags)
{
	header(ID, QR | flags, 1);
	question("a.example", DNS_MX);
}

/* The fixed part of a record whose name has been put; section: 0 answer, 1 authority, 2 additional. */
static inline void record(int section, unsigned type, uint32_t ttl_s, size_t len)
{
	size_t at = 6 + 2 * (size_t)section;
	unsigned n = (unsigned)(wire.bytes[at] << 8 | wire.bytes[at + 1]) + 1;

	wire.bytes[at] = (unsigned char)(n >> 8);
	wire.bytes[at + 1] = (unsigned char)n;
	put16(type);
	put16(1);
	put32(ttl_s);
	put16((unsigned)len);
}

static inline void put_mx(const char *owner, unsigned preference, const char *target, uint32_t ttl_s)
{
	put_name(owner);
	record(0, DNS_MX, ttl_s, 2 + strlen(target) + 2);
	put16(preference);
	put_name(target);
}

static inline void put_soa(uint32_t ttl_s, uint32_t minimum)
{
	put_name("example");
	record(1, SOA, ttl_s, 22);
	put("\0\0", 2);
	for (int i = 0; i < 4; i++)
		put32(7);
	put32(minimum);
}

static inline enum packet_fault read_as(const char *name, enum dns_type type, struct answer **answer)
{
	*answer = NULL;
	return packet_read((struct slice){(char *)wire.bytes, wire.len}, ID, slice_of(name), type, answer);
}

static inline struct answer *read_mx(void)
{
	struct answer *answer;

	assert_int_equal(read_as("a.example", DNS_MX, &answer), PACKET_OK);
	return answer;
}

static inline void assert_slice(struct slice s, const char *text)
{
	assert_int_equal(s.len, strlen(text));
	assert_memory_equal(s.ptr, text, s.len);
}
