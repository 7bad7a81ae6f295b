/* A record: one queued recipient, as the bytes that lie in Redis (QUEUE.md: about 200 bytes).
 *
 * Little endian, fixed front, then the texts, then a pack with everything optional. queue.lua reads the front with
 * struct.unpack("<BBHIIIIIIIBBH"), so the two must change together (version is the first byte).
 *
 *   0 u8 version (1)      1 u8 recoveries        2 u16 attempt      4 u32 index in `to`
 *   8 u32 expires (s)    12 u64 queued (ms)     20 u64 accept number
 *  28 u32 first attempt, seconds after queued, plus 1; 0: none yet
 *  32 u8 tenant length   33 u8 job length       34 u16 address length
 *  36 tenant, job, address, then the pack
 *
 * Names used in the pack (each only where it is set): "v" the recipient's variables (a pack itself), "r" its id,
 * "n" its name, "t" its tags (JSON object), "f" its own envelope sender, "h" its own headers (a pack: name, value),
 * "e" last reply, at most 80 bytes, "nb" not_before (ms), "x" it or its job said when it expires, "s" the source of its
 * last attempt, from which it has to come again because it was greylisted, "l" that source where it need not. */
#pragma once

#include "base/pack.h"

enum { RECORD_FRONT = 36, RECORD_VERSION = 1 };

struct record {
	uint32_t index;
	uint16_t attempt;		   /* attempts made; 0 when new */
	uint8_t recoveries;		   /* crashes its dialogue was under way in */
	uint64_t expires_ms;		   /* wall clock; kept to the second, rounded up */
	uint64_t queued_ms;		   /* wall clock: when its job was accepted */
	uint64_t accept;		   /* accept number of its job */
	uint64_t first_attempt_ms;	   /* 0: none yet; kept to the second */
	struct slice tenant, job, address; /* borrowed from the bytes */
	struct slice extras;		   /* the pack; borrowed */
};

/* Appends the bytes. tenant and job must be at most 255, address at most 65535 bytes. */
void record_encode(struct outbuf *out, const struct record *record);
/* False if these are not the bytes of a record of this version: they come from outside the process. */
bool record_decode(struct slice bytes, struct record *record);
/* The source of its last attempt; empty: none was made, or without a source. Borrowed from the bytes. */
struct slice record_source(const struct record *record);
/* "t:a.example:acme:nov": class (t transactional, b bulk), domain, tenant, campaign. The name of the ready list of
 * such recipients. A job that names a pool of sources has lists of its own, "t:a.example:acme/fast:nov"; a tenant's
 * name has no slash, and a pool's neither slash nor colon, but a campaign may have anything. */
struct list_parts {
	bool transactional;
	struct slice domain, tenant, pool, campaign; /* borrowed; pool may be empty */
};
void list_name(struct outbuf *out, const struct list_parts *parts);
bool list_parse(struct slice name, struct list_parts *parts);
