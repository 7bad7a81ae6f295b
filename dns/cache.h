/* The cache: answers by name and type, until their time is over.
 *
 *     struct cache cache;
 *     cache_init(&cache, &setup);
 *     cache_put(&cache, SLICE("a.example"), answer, now_ms);     sets answer->expires_ms and keeps one count
 *     struct answer *known = cache_find(&cache, SLICE("a.example"), DNS_MX, now_ms);   borrowed; NULL: not known
 *
 * How long: the smallest TTL, 30 seconds at least and a day at most; what is not there by its SOA, five minutes at most
 * (RFC 2308 5); a failure 30 seconds. When the number or the memory is used up, the oldest go.
 * Time is an argument. */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "dns/answer.h"

enum {
	TTL_MS_MIN = 30 * 1000,
	TTL_MS_MAX = 24 * 3600 * 1000,
	TTL_NEGATIVE_MS_MAX = 5 * 60 * 1000,
	CACHE_ANSWERS_MAX = 65536,
	CACHE_BYTES_MAX = 32 << 20
};

struct cache_setup {
	unsigned answers_max;
	size_t bytes_max;
	unsigned ttl_ms_min;
	uint64_t secret; /* mixed into the keys, so that nobody outside can make them collide */
};

struct cache {
	struct cache_setup setup;
	struct map entries;
	struct list age; /* oldest first */
	size_t bytes;
};

void cache_init(struct cache *cache, const struct cache_setup *setup);
void cache_free(struct cache *cache);
/* For how long an answer may be believed. */
uint64_t cache_ttl_ms(const struct cache *cache, const struct answer *answer);
/* Takes the place of what was known before. */
void cache_put(struct cache *cache, struct slice name, struct answer *answer, uint64_t now_ms);
struct answer *cache_find(struct cache *cache, struct slice name, enum dns_type type, uint64_t now_ms);

enum { CACHE_KEY_MAX = 10 + DNS_NAME_MAX };
/* The key of a name and type in a map, written into room: the secret, the type, the name. */
struct slice cache_key(char *room, uint64_t secret, struct slice name, enum dns_type type);
