/* The table of keys: what may stand in the configuration, once, for everybody. The lint knows names by it, the reader
 * stores values by it, config_limits merges by it, and the manual is printed from it.
 *
 * A row says in which sections the key stands and where its value goes: offset is into struct limits for a limit key
 * (IS_LIMIT), else into the structure of the section (struct config for the sections that are only there once). A key
 * whose time has not come yet has the sections it is missing in as `later`: used there it is an error that says so, and
 * the issue that brings it flips the bit. */
#pragma once

#include "config.h"

enum config_section {
	SECTION_TOP,
	SECTION_REDIS,
	SECTION_DNS,
	SECTION_QUEUE,
	SECTION_EVENTS,
	SECTION_SUPPRESSION,
	SECTION_ALARMS,
	SECTION_HTTP,
	SECTION_SOURCE,
	SECTION_WARM_UP,
	SECTION_POOL,
	SECTION_POOL_SOURCE,
	SECTION_SITE,
	SECTION_SITE_SOURCE,
	SECTION_DOMAIN,
	SECTION_RELAY,
	SECTION_TENANT,
	SECTION_RULE,
	SECTION_DKIM,
	SECTION_COUNT
};

#define IN(section) (1u << SECTION_##section)

/* What a value is. Of lists the offset is that of the pointer, count_offset that of its count. */
enum config_kind {
	KIND_TEXT,     /* struct slice */
	KIND_TEXTS,    /* struct slice *, unsigned */
	KIND_BOOL,     /* bool */
	KIND_NUMBER,   /* unsigned */
	KIND_INT,      /* int */
	KIND_AMOUNT,   /* int: a number or the word unlimited */
	KIND_BIG,      /* uint64_t */
	KIND_RATE,     /* struct rate */
	KIND_DURATION, /* uint64_t, milliseconds */
	KIND_SECONDS,  /* int: a duration in whole seconds */
	KIND_SIZE,     /* uint64_t, bytes */
	KIND_PERCENT,  /* int */
	KIND_SCHEDULE, /* struct retry_schedule */
	KIND_WORD,     /* int: position in words */
	KIND_NAME,     /* struct slice: one of words */
	KIND_IP,       /* struct address, port 0 */
	KIND_ROUTES,   /* struct address *, unsigned; port: the mail port */
	KIND_SERVERS,  /* struct address[DNS_SERVERS_MAX], unsigned; port 53 */
	KIND_TIMES,    /* struct threshold */
	KIND_DIVERT,   /* config->divert and divert_to */
	KIND_DAY,      /* int64_t: days since 1970 */
	KIND_AMOUNTS,  /* unsigned *, unsigned */
	KINDS
};

struct config_key {
	const char *name;
	uint32_t sections, later; /* masks of IN() */
	enum config_kind kind;
	bool is_limit;
	size_t offset, count_offset;
	const char *sentence;
	const char *fallback; /* as it would be written, a list with commas; NULL: nothing */
	uint64_t min, max;    /* of the number, milliseconds, bytes or percent; max 0: no bound but the kind's */
	const char *words;    /* "none durable", for WORD and NAME */
};

struct config_section_row {
	const char *name;
	enum config_section parent;
	bool titled, later;
	const char *sentence;
};

/* The limit keys come first: their positions index limits.places. */
enum { LIMIT_KEYS = 27 };

extern const struct config_key config_keys[];
extern const unsigned config_nkeys;
extern const struct config_section_row config_sections[SECTION_COUNT];

/* The row of that name that stands in the section; NULL if none. */
const struct config_key *config_key_find(enum config_section section, struct slice name);
/* The section of that name inside the parent; SECTION_COUNT if none. */
enum config_section config_section_find(enum config_section parent, struct slice name);
bool config_kind_is_list(enum config_kind kind);
/* Appends what a value of this key looks like: "a duration such as 10s, 5m, 2h or 3d, from 1s to 1d". */
void config_key_expects(const struct config_key *key, struct outbuf *out);
/* Appends a hint for a name that stands nowhere or elsewhere: "did you mean ...?", or nothing. */
void config_key_hint(enum config_section section, struct slice name, struct outbuf *out);

/* A stored value of the key at base (the limits or the section's structure): is there one, and as text. */
bool config_value_is_set(const struct config_key *key, const void *base);
void config_value_print(const struct config_key *key, const void *base, struct outbuf *out);
size_t config_kind_size(enum config_kind kind);
/* Whole seconds, in milliseconds, as a duration: "90s", "20m", "5d". */
void config_duration_print(uint64_t ms, struct outbuf *out);
/* "redis", "pool source", "the top level". */
void config_section_print(enum config_section section, struct outbuf *out);
/* All of it "not set". */
struct limits limits_unset(void);
