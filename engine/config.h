/* The configuration, read once into plain structures (CONTRACT.md, "Configuration").
 *
 *     struct config *config = config_read("/etc/hikyaku/hikyaku.conf", problems);
 *     if (!config) { print problems; exit(2); }
 *
 * Every key is one row of a table in config_keys.c: name, kind, default, bounds, one sentence. The rows read the file,
 * check it, and print the manual (`hikyaku check --keys`). A key of a later version is a row too, marked so, and says
 * so when it is used. Errors carry file and line and the nearest known name. */
#pragma once

#include "nouns.h"
#include "smtp/local_rules.h"
#include "smtp/session.h"

#include "base/address.h"
#include "base/arena.h"
#include "base/map.h"
#include "base/outbuf.h"

enum uncertain_policy { UNCERTAIN_RETRY, UNCERTAIN_HOLD, UNCERTAIN_ASSUME_DELIVERED };
enum tls_policy { TLS_NONE, TLS_OPPORTUNISTIC, TLS_REQUIRED, TLS_VERIFIED, TLS_DANE };
enum divert_kind { DIVERT_NONE, DIVERT_DISCARD, DIVERT_ADDRESS };

enum { LIMIT_UNLIMITED = -1, LIMIT_UNSET = -2, RETRY_STEPS_MAX = 16, CONFIG_SOURCES_MAX = 64 };

/* A rate: count in each period_ms, at most burst at once. count 0: no limit (and period_ms 0: not set). */
struct rate {
	uint64_t count, period_ms, burst;
};

struct retry_schedule {
	unsigned nsteps;
	uint64_t step_ms[RETRY_STEPS_MAX]; /* the last one repeats */
};

/* timeout-connect, timeout-greeting, ... (RFC 5321 4.5.3.2). */
enum timeout_key {
	TIMEOUT_CONNECT,
	TIMEOUT_GREETING,
	TIMEOUT_EHLO,
	TIMEOUT_MAIL,
	TIMEOUT_RCPT,
	TIMEOUT_DATA,
	TIMEOUT_BODY,
	TIMEOUT_EOM,
	TIMEOUT_QUIT,
	TIMEOUT_COUNT
};

/* So many, the first and the last so far apart; count 0: never. */
struct threshold {
	unsigned count;
	uint64_t over_ms;
};

/* Where something was written. */
struct config_place {
	struct slice file;
	unsigned line;
	const struct config_place *opened; /* of the end of a section: its beginning */
};

/* The limit keys; what is not set is LIMIT_UNSET, an empty rate, or 0. Along one axis the nearest overrides. */
struct limits {
	int connections, messages_per_connection, recipients_per_message, window, total_connections, reserved, parts;
	struct rate rate, connection_rate, total_rate;
	int tls; /* enum tls_policy, or LIMIT_UNSET */
	int sts; /* 0, 1, or LIMIT_UNSET */
	struct slice pool;
	struct retry_schedule retry;
	uint64_t expires_after_ms;
	int jitter_percent;
	int timeout_s[TIMEOUT_COUNT];	    /* by enum timeout_key; LIMIT_UNSET */
	int burst;			    /* of rate, which has it already; LIMIT_UNSET */
	int learning;			    /* 0, 1, or LIMIT_UNSET */
	const struct config_place **places; /* where each was written, by limit key; NULL: nowhere */
};

/* A new address is used a little more each day. */
struct config_warm_up {
	struct slice *sites; /* patterns of their names */
	unsigned nsites;
	int64_t start_day; /* the first one; days since 1970, UTC */
	unsigned *daily;   /* recipients on each day; after the last one there is no limit */
	unsigned ndaily;
	struct slice overflow;		  /* the pool that takes what is over; empty: it waits */
	const struct config_place *place; /* NULL: the source is not warmed up */
};
struct config_source {
	struct slice name, helo;
	struct address address; /* port 0 */
	struct slice ip;	/* the same as text */
	struct limits limits;	/* over all sites */
	struct config_warm_up warm_up;
	unsigned slot; /* lane of every site (axes.h) */
	const struct config_place *place;
};
struct config_slot {
	bool is_used;
	const struct config_source *source; /* NULL: any address of this machine, while no source is configured */
};
struct config_pool_source {
	struct slice source;
	unsigned weight;
	const struct config_place *place;
};
struct config_pool {
	struct slice name;
	struct config_pool_source *sources;
	unsigned nsources;
	const struct config_place *place;
};
/* Limits of one source at one site. */
struct config_site_source {
	struct slice source;
	struct limits limits;
	const struct config_place *place;
};
struct config_site {
	struct slice name;
	struct slice *mx;      /* patterns */
	struct slice *domains; /* listed domains, may be empty */
	unsigned nmx, ndomains, nsources;
	struct config_site_source *sources;
	struct limits limits;
	const struct limits *built_in;	  /* what is known of a provider (providers.h); NULL: nothing */
	bool has_globs;			  /* patterns that are more than "*." and a name */
	const struct config_place *place; /* NULL: it is not in the file, but built in */
};
struct config_domain {
	struct map_far node; /* by name */
	struct slice name;   /* "partner.example", "*.example", "*"; lower case */
	struct address *routes;
	unsigned nroutes;
	struct slice relay;
	const struct config_relay *via; /* that one; NULL: none */
	struct limits limits;
	const struct config_place *place;
};
/* A server that takes mail for other domains, from whoever it knows. */
struct config_relay {
	struct slice name, host, host_name; /* host as written; without its port, in lower case */
	struct address address;		    /* of a host that is written as one; else len is 0 */
	unsigned port;
	struct slice user, password_file, password; /* user empty: we do not log in */
	bool implicit_tls;			    /* from the first byte on (RFC 8314 3.3) */
	struct limits limits;
	struct limits protection; /* of those the ones that hold whatever a domain says */
	const struct config_place *place;
};
struct config_tenant {
	struct slice name;
	unsigned weight;
	bool jobs;
	struct slice *from, *pools; /* patterns; names */
	unsigned nfrom, npools;
	struct limits limits;
	const struct config_place *place;
};

/* A rule as it is written; config->local has what becomes of it. */
struct config_rule {
	struct slice name, match, action, scope, category, suppress; /* words; empty: not said */
	struct slice *sites, *stages;
	unsigned nsites, nstages;
	struct rate rate, after;
	uint64_t for_ms;
	const struct config_place *place, *match_place;
};

struct config {
	struct arena arena; /* owns every text and array below */
	struct slice path;
	bool is_default; /* there was no file: divert is "discard" */
	struct slice hostname, state_dir, require;
	struct slice tls_reports;    /* who sends them; empty: nobody */
	unsigned workers, smtp_port; /* workers resolved: at least 1 */
	bool allow_private;
	enum divert_kind divert;
	struct address divert_to;
	struct {
		bool embedded;
		struct address server;
		struct slice text; /* as written: "embedded", "unix:…", "127.0.0.1:6379" */
		struct slice prefix, user, password, fsync;
		struct slice password_file;
		unsigned database, shards;
	} redis;
	struct {
		struct address servers[4];
		unsigned nservers;
		bool trusted;
	} dns;
	struct {
		uint64_t expires_after_ms;
		struct retry_schedule retry;
		enum uncertain_policy uncertain;
		unsigned recipients_max;      /* a job: 10,000 */
		uint64_t message_bytes_max;   /* 25 MB */
		uint64_t variables_bytes_max; /* 16 KB */
		uint64_t high_water;	      /* records ready before expansion pauses */
	} queue;
	struct {
		struct slice *groups;
		unsigned ngroups;
		uint64_t keep_ms, max;
		struct slice log, transcript;
	} events;
	struct {
		int scope; /* 0 the tenant's list, 1 everybody's */
		uint64_t keep_ms, window_ms, breaker_ms;
		struct threshold invalid_recipient, inactive_mailbox, bad_domain;
	} suppression;
	struct {
		int invalid_percent, spam_percent, reputation_percent;
		uint64_t window_ms;
		bool pause;
	} alarms;
	struct {
		struct slice listen, token_file;
	} http;
	struct limits limits; /* built-in; `domain "*"` is not in here: see config_limits */
	struct config_source *sources;
	struct config_slot slots[CONFIG_SOURCES_MAX]; /* in the order of the file until axes_follow */
	unsigned nslots;
	struct config_pool *pools;
	struct config_site *sites;
	struct config_domain *domains;
	struct config_relay *relays;
	struct config_tenant *tenants;
	struct config_rule *rules;
	unsigned nsources, npools, nsites, ndomains, nrelays, ntenants, nrules;
	struct local_rules local; /* made from the rules, in their order */
	struct map domains_by_name;
	struct map site_names; /* by name or suffix: config_sites.c */
};

/* Reads a file (NULL: -c was not given; then $HIKYAKU_CONF, /etc/hikyaku/hikyaku.conf, built-in defaults). NULL when
 * anything is wrong; problems then has one line each: "FILE:LINE: sentence". Warnings go there too, with success. */
struct config *config_read(const char *path, struct outbuf *problems);
void config_free(struct config *config);

/* The limits that hold for a domain at a site ("" if none configured) from a source ("" if none): the nearest value of
 * each key by the contract's precedence: site { source {} }, exact domain, *.suffix, site, domain "*", built-in; a
 * built-in site comes behind a configured one of its name. A relay stands where a site does, but how it must be
 * protected is its own word. Every field is set. With why (may be NULL): one line per key and what decided it
 * ("connections 10: hikyaku.conf:14 domain
 * \"*\""), for `resolve`. */
struct limits config_limits(const struct config *config, struct slice domain, struct slice site, struct slice source,
			    struct outbuf *why);
/* Those of the site for all domains without limits of their own. */
struct limits config_site_limits(const struct config *config, struct slice site, struct slice source);
/* The section that gives the domain limits of its own for lanes (not its pool, nor its protection), by its title:
 * "x.example", else the nearest "*.example"; empty: there is none. */
struct slice config_own_limits(const struct config *config, struct slice domain);
/* The limits that are written in a `source` or `tenant`, which is an axis of its own: a line for each, as above. */
void config_axis_explain(const struct limits *limits, const char *kind, struct slice title, struct outbuf *why);
/* The `domain` section that gives this domain a route or relay: exact, then suffix, then "*"; NULL if none. */
const struct config_domain *config_route(const struct config *config, struct slice domain);
/* The relay that takes the domain's mail; NULL: none does. */
const struct config_relay *config_relay_of(const struct config *config, struct slice domain);
/* The site, configured or built in, that lists the domain; else the first whose patterns fit all of these MX names (the
 * best ones of the domain: with any of them, whoever adds a provider's host to his own would be that provider); NULL if
 * none. */
const struct config_site *config_site_of(const struct config *config, struct slice domain, const struct slice *hosts,
					 unsigned nhosts);
const struct config_site *config_site_named(const struct config *config, struct slice name);
const struct config_pool *config_pool_named(const struct config *config, struct slice name);
const struct config_source *config_source_named(const struct config *config, struct slice name);
const struct config_tenant *config_tenant_named(const struct config *config, struct slice name);
struct session_limits config_session_limits(const struct limits *limits);

/* "20m", "5d" → ms; "25m" as a size → bytes; "20/5m", "100/s" → rate. False with a reason (static text). */
bool config_duration(struct slice text, uint64_t *ms, const char **why);
bool config_size(struct slice text, uint64_t *bytes, const char **why);
bool config_rate(struct slice text, struct rate *rate, const char **why);
/* "*.example.com" against a name: * stands for any bytes, letters of either case are the same. */
bool config_pattern_fits(struct slice pattern, struct slice name);
/* The same as config_read for text at hand; path names it in problems, and includes are relative to it. */
struct config *config_read_text(struct slice text, const char *path, struct outbuf *problems);
/* Every key with its section, kind, default and sentence: the manual, as text or (json) one object a line. */
void config_print_keys(struct outbuf *out, bool json);
