/* The rows, and what can be asked of them. A key that is not here does not exist; one that is here is documented. The
 * nearest name is found by edit distance with neighbours swapped counting once, since that is how keys are mistyped. */
#include "config_keys.h"

#include <stdio.h>
#include <string.h>

#define PARTY	(IN(SITE) | IN(DOMAIN) | IN(RELAY))
#define LANE	(PARTY | IN(SITE_SOURCE))
#define COUNTED (LANE | IN(SOURCE) | IN(TENANT))

#define LIMIT(field)		    true, offsetof(struct limits, field), 0
#define AT(type, field)		    false, offsetof(struct type, field), 0
#define LIST_AT(type, field, count) false, offsetof(struct type, field), offsetof(struct type, count)
#define LIST(type, field)	    LIST_AT(type, field, n##field)
#define NOWHERE			    false, 0, 0
#define BOUNDS(min, max)	    min, max, NULL
#define WORDS(words)		    0, 0, words
#define UNBOUND			    0, 0, NULL
#define EVERYWHERE		    0xffffffffu
#define DAYS(n)			    ((n)*86400000ull)

const struct config_key config_keys[] = {
	{"connections", COUNTED, 0, KIND_AMOUNT, LIMIT(connections),
	 "Connections open at a time. A tenant's are those that carry its mail at the time, whoever they were opened "
	 "for, and those being opened for it.",
	 "10", BOUNDS(1, 100000)},
	{"messages-per-connection", LANE, 0, KIND_AMOUNT, LIMIT(messages_per_connection),
	 "Messages sent on a connection before it is closed.", "100", BOUNDS(1, 1000000)},
	{"recipients-per-message", LANE, 0, KIND_INT, LIMIT(recipients_per_message),
	 "Recipients in one transaction, where they get the same bytes.", "100", BOUNDS(1, 10000)},
	{"window", LANE, 0, KIND_INT, LIMIT(window),
	 "Transactions under way on a connection at a time; more than 1 needs PIPELINING and CHUNKING there.", "1",
	 BOUNDS(1, SESSION_WINDOW_MAX)},
	{"total-connections", PARTY, 0, KIND_AMOUNT, LIMIT(total_connections),
	 "Connections open at a time over all sources.", "unlimited", BOUNDS(1, 1000000)},
	{"rate", COUNTED, 0, KIND_RATE, LIMIT(rate), "Recipients attempted in a time.", "unlimited", UNBOUND},
	{"burst", COUNTED, 0, KIND_INT, LIMIT(burst),
	 "Recipients that may go at once before the rate holds them back; one second's worth if not set.", NULL,
	 BOUNDS(1, 1000000)},
	{"connection-rate", COUNTED, 0, KIND_RATE, LIMIT(connection_rate),
	 "Connections opened in a time. A tenant's are those opened because its mail was next to need one.",
	 "unlimited", UNBOUND},
	{"total-rate", PARTY, 0, KIND_RATE, LIMIT(total_rate), "Recipients attempted in a time over all sources.",
	 "unlimited", UNBOUND},
	{"reserved-connections", LANE, 0, KIND_INT, LIMIT(reserved),
	 "Of the connections, those kept for transactional mail; one, of four or more, if not set.", NULL,
	 BOUNDS(0, 1000)},
	{"parts", IN(SITE), 0, KIND_INT, LIMIT(parts),
	 "So many workers serve it at the same time while its receivers take what comes; if not set, one does, and "
	 "more while one is too slow for it.",
	 NULL, BOUNDS(1, 64)},
	{"learning", LANE, 0, KIND_WORD, LIMIT(learning),
	 "Inside these limits, find out how many connections and what rate the receiver takes; with false the limits "
	 "are all there is.",
	 "true", WORDS("false true")},
	{"tls", LANE, 0, KIND_WORD, LIMIT(tls),
	 "How the connection must be protected: opportunistic takes TLS where it is offered, required does not go "
	 "without, verified wants a certificate for the name of the host. A relay has verified if nothing else is "
	 "said.",
	 "opportunistic", WORDS("none opportunistic required verified dane")},
	{"sts", IN(SITE) | IN(DOMAIN), 0, KIND_WORD, LIMIT(sts),
	 "Ask whether the domain has an MTA-STS policy (RFC 8461), and do as it says.", "true", WORDS("false true")},
	{"pool", PARTY, 0, KIND_TEXT, LIMIT(pool),
	 "The pool of sources that sends; a job's or its tenant's comes before it.", NULL, UNBOUND},
	{"retry", LANE, 0, KIND_SCHEDULE, LIMIT(retry),
	 "Waits after the first failed attempt, the second, and so on; the last one repeats.", "20m,40m,80m,160m,4h",
	 BOUNDS(1000, DAYS(7))},
	{"expires-after", LANE, 0, KIND_DURATION, LIMIT(expires_after_ms),
	 "A recipient not delivered by then is given up, unless its job says when; at most what queue says.", "5d",
	 BOUNDS(1000, DAYS(90))},
	{"jitter", LANE, 0, KIND_PERCENT, LIMIT(jitter_percent),
	 "How far a wait is spread, up and down, so that a wave does not come back as a wave.", "20%", BOUNDS(0, 90)},
	{"timeout-connect", LANE, 0, KIND_SECONDS, LIMIT(timeout_s[TIMEOUT_CONNECT]), "Patience for a connection.",
	 "30s", BOUNDS(1000, DAYS(1))},
	{"timeout-greeting", LANE, 0, KIND_SECONDS, LIMIT(timeout_s[TIMEOUT_GREETING]),
	 "Patience for the greeting (RFC 5321, 4.5.3.2.1).", "5m", BOUNDS(1000, DAYS(1))},
	{"timeout-ehlo", LANE, 0, KIND_SECONDS, LIMIT(timeout_s[TIMEOUT_EHLO]),
	 "Patience for the reply to EHLO, and, up to a minute, for TLS.", "5m", BOUNDS(1000, DAYS(1))},
	{"timeout-mail", LANE, 0, KIND_SECONDS, LIMIT(timeout_s[TIMEOUT_MAIL]),
	 "Patience for the reply to MAIL (RFC 5321, 4.5.3.2.2).", "5m", BOUNDS(1000, DAYS(1))},
	{"timeout-rcpt", LANE, 0, KIND_SECONDS, LIMIT(timeout_s[TIMEOUT_RCPT]),
	 "Patience for the reply to RCPT (RFC 5321, 4.5.3.2.3).", "5m", BOUNDS(1000, DAYS(1))},
	{"timeout-data", LANE, 0, KIND_SECONDS, LIMIT(timeout_s[TIMEOUT_DATA]),
	 "Patience for the reply to DATA (RFC 5321, 4.5.3.2.4).", "2m", BOUNDS(1000, DAYS(1))},
	{"timeout-body", LANE, 0, KIND_SECONDS, LIMIT(timeout_s[TIMEOUT_BODY]),
	 "Patience for a block of the message to be taken (RFC 5321, 4.5.3.2.5).", "3m", BOUNDS(1000, DAYS(1))},
	{"timeout-eom", LANE, 0, KIND_SECONDS, LIMIT(timeout_s[TIMEOUT_EOM]),
	 "Patience for the reply to the end of the message (RFC 5321, 4.5.3.2.6).", "10m", BOUNDS(1000, DAYS(1))},
	{"timeout-quit", LANE, 0, KIND_SECONDS, LIMIT(timeout_s[TIMEOUT_QUIT]), "Patience for the reply to QUIT.", "5s",
	 BOUNDS(1000, DAYS(1))},

	{"hostname", IN(TOP), 0, KIND_TEXT, AT(config, hostname),
	 "Our name in EHLO and in Message-ID; the machine's own if empty.", "", UNBOUND},
	{"workers", IN(TOP), 0, KIND_NUMBER, AT(config, workers), "Threads that send; 0 is one for each core.", "0",
	 BOUNDS(0, 64)},
	{"smtp-port", IN(TOP), 0, KIND_NUMBER, AT(config, smtp_port), "The port of receivers.", "25", BOUNDS(1, 65535)},
	{"allow-private-addresses", IN(TOP), 0, KIND_BOOL, AT(config, allow_private),
	 "Deliver to loopback and private addresses too.", "false", UNBOUND},
	{"state-dir", IN(TOP), 0, KIND_TEXT, AT(config, state_dir),
	 "Where the lock and the embedded Redis live: /var/lib/hikyaku for root, else $XDG_STATE_HOME/hikyaku, if "
	 "empty.",
	 "", UNBOUND},
	{"require", IN(TOP), 0, KIND_NAME, AT(config, require),
	 "With durable the engine does not run on a Redis that promises less.", "none", WORDS("none durable")},
	{"tls-reports", IN(TOP), 0, KIND_TEXT, AT(config, tls_reports),
	 "The address that mails the daily reports on TLS to domains that want them (RFC 8460), and that they may "
	 "write to; none are made if empty. Where a domain wants them posted, they are.",
	 "", UNBOUND},
	{"divert", IN(TOP), 0, KIND_DIVERT, AT(config, divert),
	 "Everything goes there instead: \"discard\", or an address such as \"[127.0.0.1]:2525\".", "", UNBOUND},

	{"server", IN(REDIS), 0, KIND_TEXT, AT(config, redis.text),
	 "\"embedded\", \"unix:/run/redis.sock\", or \"127.0.0.1:6379\".", "embedded", UNBOUND},
	{"prefix", IN(REDIS), 0, KIND_TEXT, AT(config, redis.prefix), "What all our keys in Redis begin with.",
	 "hikyaku", UNBOUND},
	{"shards", IN(REDIS), 0, KIND_NUMBER, AT(config, redis.shards),
	 "Parts of the queue. More than one comes with a later version.", "1", BOUNDS(1, 1024)},
	{"fsync", IN(REDIS), 0, KIND_NAME, AT(config, redis.fsync), "How the embedded Redis writes to disk.", "always",
	 WORDS("always everysec no")},
	{"user", IN(REDIS), 0, KIND_TEXT, AT(config, redis.user), "Who we are to Redis.", "", UNBOUND},
	{"password-file", IN(REDIS), 0, KIND_TEXT, AT(config, redis.password_file),
	 "A file with the password for Redis and nothing else, not readable by others.", "", UNBOUND},
	{"database", IN(REDIS), 0, KIND_NUMBER, AT(config, redis.database), "The number of the database.", "0",
	 BOUNDS(0, 65535)},
	{"tls", IN(REDIS), EVERYWHERE, KIND_BOOL, NOWHERE, "Speak TLS with Redis.", "false", UNBOUND},

	{"servers", IN(DNS), 0, KIND_SERVERS, LIST_AT(config, dns.servers, dns.nservers),
	 "Resolvers to ask, four at most; those of /etc/resolv.conf if empty.", "", UNBOUND},
	{"trusted", IN(DNS), 0, KIND_BOOL, AT(config, dns.trusted),
	 "The resolvers validate DNSSEC and the way to them is safe, so that what they call signed protects mail "
	 "(DANE). "
	 "Those on this host are always believed.",
	 "false", UNBOUND},

	{"expires-after", IN(QUEUE), 0, KIND_DURATION, AT(config, queue.expires_after_ms),
	 "A recipient not delivered by then is given up, unless its job, domain or site says otherwise.", "5d",
	 BOUNDS(1000, DAYS(90))},
	{"retry", IN(QUEUE), 0, KIND_SCHEDULE, AT(config, queue.retry),
	 "Waits between attempts, unless the domain or site says otherwise; the last one repeats.",
	 "20m,40m,80m,160m,4h", BOUNDS(1000, DAYS(7))},
	{"uncertain", IN(QUEUE), 0, KIND_WORD, AT(config, queue.uncertain),
	 "What to do when the connection died between the last byte and the reply.", "retry",
	 WORDS("retry hold assume-delivered")},
	{"job-recipients", IN(QUEUE), 0, KIND_NUMBER, AT(config, queue.recipients_max), "Most recipients of a job.",
	 "10000", BOUNDS(1, 1000000)},
	{"message-size", IN(QUEUE), 0, KIND_SIZE, AT(config, queue.message_bytes_max), "Largest message.", "25m",
	 BOUNDS(1024, 1ull << 30)},
	{"recipient-variables", IN(QUEUE), 0, KIND_SIZE, AT(config, queue.variables_bytes_max),
	 "Most bytes of variables of a recipient.", "16k", BOUNDS(1, 1 << 20)},
	{"high-water", IN(QUEUE), 0, KIND_BIG, AT(config, queue.high_water),
	 "With so many recipients ready in the queue, jobs wait in their stream.", "1000000", BOUNDS(1000, 1000000000)},

	{"groups", IN(EVENTS), 0, KIND_TEXTS, LIST_AT(config, events.groups, events.ngroups),
	 "Consumer groups of the event stream: nothing is trimmed that one of them has not acknowledged.", "", UNBOUND},
	{"keep", IN(EVENTS), 0, KIND_DURATION, AT(config, events.keep_ms),
	 "How long events stay when no group is named.", "24h", BOUNDS(60000, DAYS(90))},
	{"max", IN(EVENTS), 0, KIND_BIG, AT(config, events.max), "With so many events unread nothing more is sent.",
	 "5000000", BOUNDS(1000, 1000000000)},
	{"log", IN(EVENTS), 0, KIND_TEXT, AT(config, events.log),
	 "A file that gets every event as a line of JSON; none if empty.", "", UNBOUND},
	{"transcript", IN(EVENTS), EVERYWHERE, KIND_NAME, NOWHERE, "Whose dialogues are kept with the event.", "none",
	 WORDS("none failed all")},

	{"scope", IN(SUPPRESSION), 0, KIND_WORD, AT(config, suppression.scope),
	 "Whose list a verdict goes to: that of the job's tenant (everybody's if it has none), or everybody's.",
	 "tenant", WORDS("tenant global")},
	{"keep", IN(SUPPRESSION), 0, KIND_DURATION, AT(config, suppression.keep_ms),
	 "How long an address that verdicts have put there stays.", "180d", BOUNDS(60000, DAYS(3650))},
	{"invalid-recipient", IN(SUPPRESSION), 0, KIND_TIMES, AT(config, suppression.invalid_recipient),
	 "So many verdicts of this category suppress an address.", "1", UNBOUND},
	{"inactive-mailbox", IN(SUPPRESSION), 0, KIND_TIMES, AT(config, suppression.inactive_mailbox),
	 "The same, the first and the last of them at least so far apart.", "2/24h", UNBOUND},
	{"bad-domain", IN(SUPPRESSION), 0, KIND_TIMES, AT(config, suppression.bad_domain), "The same.", "3/72h",
	 UNBOUND},
	{"counts-for", IN(SUPPRESSION), 0, KIND_DURATION, AT(config, suppression.window_ms),
	 "How long a verdict counts towards the next one.", "30d", BOUNDS(60000, DAYS(365))},
	{"breaker", IN(SUPPRESSION), 0, KIND_DURATION, AT(config, suppression.breaker_ms),
	 "So long a receiver that suddenly calls everybody unknown, or a DNS that knows no domain any more, is not "
	 "believed: the mail waits. 0s: at once.",
	 "24h", BOUNDS(0, DAYS(30))},

	{"invalid-recipient", IN(ALARMS), 0, KIND_PERCENT, AT(config, alarms.invalid_percent),
	 "A campaign or tenant with clearly more invalid recipients than that is paused; 0: never.", "30%",
	 BOUNDS(0, 90)},
	{"spam-content", IN(ALARMS), 0, KIND_PERCENT, AT(config, alarms.spam_percent),
	 "One of whose mail clearly more is called spam than that is paused; 0: never.", "20%", BOUNDS(0, 90)},
	{"reputation", IN(ALARMS), 0, KIND_PERCENT, AT(config, alarms.reputation_percent),
	 "A source that clearly more than that of its attempts are refused for its reputation, at several sites, is "
	 "paused; 0: never.",
	 "30%", BOUNDS(0, 90)},
	{"window", IN(ALARMS), 0, KIND_DURATION, AT(config, alarms.window_ms),
	 "What lies further back counts half, and half again.", "1h", BOUNDS(60000, DAYS(7))},
	{"pause", IN(ALARMS), 0, KIND_BOOL, AT(config, alarms.pause),
	 "Pause what an alarm is about; with false there is only the event.", "true", UNBOUND},

	{"listen", IN(HTTP), EVERYWHERE, KIND_TEXT, NOWHERE, "Where metrics and health are served.", "", UNBOUND},
	{"token-file", IN(HTTP), EVERYWHERE, KIND_TEXT, NOWHERE, "A file with the token that readers must show.", "",
	 UNBOUND},

	{"address", IN(SOURCE), 0, KIND_IP, AT(config_source, address),
	 "The address of this machine that connections come from.", NULL, UNBOUND},
	{"helo", IN(SOURCE), 0, KIND_TEXT, AT(config_source, helo), "Its name in EHLO; the hostname if empty.", "",
	 UNBOUND},

	{"site", IN(WARM_UP), 0, KIND_TEXTS, LIST(config_warm_up, sites),
	 "The sites it is warmed up for, at each of them by itself; * stands for anything.", "*", UNBOUND},
	{"start", IN(WARM_UP), 0, KIND_DAY, AT(config_warm_up, start_day), "The first day, in UTC.", NULL, UNBOUND},
	{"daily", IN(WARM_UP), 0, KIND_AMOUNTS, LIST(config_warm_up, daily),
	 "Recipients on the first day, the second, and so on, spread over the day; after the last one as many as one "
	 "likes.",
	 NULL, BOUNDS(1, 1000000000)},
	{"overflow", IN(WARM_UP), 0, KIND_TEXT, AT(config_warm_up, overflow),
	 "The pool that takes what is over; without one it waits for the next day.", "", UNBOUND},

	{"weight", IN(POOL_SOURCE), 0, KIND_NUMBER, AT(config_pool_source, weight), "Its part of the pool's mail.", "1",
	 BOUNDS(1, 1000)},

	{"mx", IN(SITE), 0, KIND_TEXTS, LIST(config_site, mx),
	 "Names of mail exchangers that make a domain belong here; * stands for anything.", "", UNBOUND},
	{"domains", IN(SITE), 0, KIND_TEXTS, LIST(config_site, domains),
	 "Domains that belong here whatever their exchangers.", "", UNBOUND},

	{"route", IN(DOMAIN), 0, KIND_ROUTES, LIST(config_domain, routes),
	 "Where its mail goes, without DNS: \"[192.0.2.25]:2525\".", "", UNBOUND},
	{"relay", IN(DOMAIN), 0, KIND_TEXT, AT(config_domain, relay), "The relay that takes its mail.", "", UNBOUND},

	{"host", IN(RELAY), 0, KIND_TEXT, AT(config_relay, host),
	 "Name and port of the relay, without DNS's MX: \"smtp.relay.example:587\"; port 587 if there is none.", "",
	 UNBOUND},
	{"user", IN(RELAY), 0, KIND_TEXT, AT(config_relay, user),
	 "Who we are to it; we do not log in if empty. The password is said under TLS only.", "", UNBOUND},
	{"password-file", IN(RELAY), 0, KIND_TEXT, AT(config_relay, password_file),
	 "A file with the password for it and nothing else, not readable by others; read again on reload.", "",
	 UNBOUND},
	{"implicit-tls", IN(RELAY), 0, KIND_BOOL, AT(config_relay, implicit_tls),
	 "TLS begins with the connection and not by STARTTLS; on port 465 it does in any case.", "false", UNBOUND},

	{"weight", IN(TENANT), 0, KIND_NUMBER, AT(config_tenant, weight), "Its part where tenants compete.", "1",
	 BOUNDS(1, 1000)},
	{"jobs", IN(TENANT), 0, KIND_BOOL, AT(config_tenant, jobs), "It has a stream of its own, PREFIX:jobs:t:NAME.",
	 "false", UNBOUND},
	{"from", IN(TENANT), 0, KIND_TEXTS, LIST(config_tenant, from), "Senders it may use; * stands for anything.", "",
	 UNBOUND},
	{"pool", IN(TENANT), 0, KIND_TEXTS, LIST(config_tenant, pools), "Pools it may use; the first one is its own.",
	 "", UNBOUND},

	{"site", IN(RULE), 0, KIND_TEXTS, LIST(config_rule, sites), "Sites the rule is for; any if empty.", "",
	 UNBOUND},
	{"stage", IN(RULE), 0, KIND_TEXTS, LIST(config_rule, stages),
	 "Stages of the dialogue it is for: connect, ehlo, starttls, auth, mail, rcpt, data, eom; any if empty.", "",
	 UNBOUND},
	{"match", IN(RULE), 0, KIND_TEXT, AT(config_rule, match),
	 "A PCRE2 pattern, in single quotes, for the reply as one line: code, enhanced code, text.", "", UNBOUND},
	{"action", IN(RULE), 0, KIND_NAME, AT(config_rule, action),
	 "What to do; as the built-in rules have it if not given. pause: the site rests; other-mx: this connection "
	 "ends, another host is tried; rest-source: this source rests at this site.",
	 NULL, WORDS("later elsewhere slower never pause other-mx rest-source")},
	{"scope", IN(RULE), 0, KIND_NAME, AT(config_rule, scope), "For whom the reply holds.", NULL,
	 WORDS("recipient message connection lane site sender")},
	{"rate", IN(RULE), 0, KIND_RATE, AT(config_rule, rate), "With slower: recipients attempted in a time.", NULL,
	 UNBOUND},
	{"for", IN(RULE), 0, KIND_DURATION, AT(config_rule, for_ms), "How long it holds.", NULL, BOUNDS(1000, DAYS(7))},
	{"after", IN(RULE), 0, KIND_RATE, AT(config_rule, after),
	 "It acts only when it was met so often on a lane within that time: 3/1h.", NULL, UNBOUND},
	{"category", IN(RULE), 0, KIND_NAME, AT(config_rule, category), "The category in the event.", NULL,
	 WORDS("invalid-recipient inactive-mailbox mailbox-full bad-domain no-route policy spam-content reputation "
	       "auth-failure ptr-or-helo rate-limited greylisted relay-denied sender-rejected message-too-large "
	       "content virus protocol timeout network tls remote-error expired undetermined")},
	{"suppress", IN(RULE), 0, KIND_NAME, AT(config_rule, suppress),
	 "Whether the address is suppressed; only one that is refused for good can be.", NULL, WORDS("true false")},

	{"domain", IN(DKIM), EVERYWHERE, KIND_TEXT, NOWHERE, "The domain that signs.", "", UNBOUND},
	{"selector", IN(DKIM), EVERYWHERE, KIND_TEXT, NOWHERE, "The selector of the key.", "", UNBOUND},
	{"key", IN(DKIM), EVERYWHERE, KIND_TEXT, NOWHERE, "The file of the private key.", "", UNBOUND},
};

const unsigned config_nkeys = sizeof(config_keys) / sizeof(config_keys[0]);

const struct config_section_row config_sections[SECTION_COUNT] = {
	[SECTION_TOP] = {"", SECTION_COUNT, false, false, "outside of any section"},
	[SECTION_REDIS] = {"redis", SECTION_TOP, false, false, "where the queue is"},
	[SECTION_DNS] = {"dns", SECTION_TOP, false, false, "who is asked for the exchangers of a domain"},
	[SECTION_QUEUE] = {"queue", SECTION_TOP, false, false, "retries, expiry, and how large a job may be"},
	[SECTION_EVENTS] = {"events", SECTION_TOP, false, false, "how long what happened is kept"},
	[SECTION_SUPPRESSION] = {"suppression", SECTION_TOP, false, false,
				 "when an address is so bad that nothing more is sent to it"},
	[SECTION_ALARMS] = {"alarms", SECTION_TOP, false, false,
			    "when a campaign, tenant or source is paused by itself"},
	[SECTION_HTTP] = {"http", SECTION_TOP, false, true, "metrics and health"},
	[SECTION_SOURCE] = {"source", SECTION_TOP, true, false, "one of our addresses"},
	[SECTION_WARM_UP] = {"warm-up", SECTION_SOURCE, false, false, "a new address is used a little more each day"},
	[SECTION_POOL] = {"pool", SECTION_TOP, true, false, "sources that share mail by weight"},
	[SECTION_POOL_SOURCE] = {"source", SECTION_POOL, true, false, "a source of the pool"},
	[SECTION_SITE] = {"site", SECTION_TOP, true, false, "a receiver with many domains"},
	[SECTION_SITE_SOURCE] = {"source", SECTION_SITE, true, false, "limits of one source at this site"},
	[SECTION_DOMAIN] = {"domain", SECTION_TOP, true, false,
			    "a domain, all below it (\"*.example\"), or all (\"*\")"},
	[SECTION_RELAY] = {"relay", SECTION_TOP, true, false, "a server that takes mail for other domains"},
	[SECTION_TENANT] = {"tenant", SECTION_TOP, true, false, "one of several who submit"},
	[SECTION_RULE] = {"rule", SECTION_TOP, true, false, "what a certain reply means"},
	[SECTION_DKIM] = {"dkim", SECTION_TOP, true, true, "a key that signs"},
};

const struct config_key *config_key_find(enum config_section section, struct slice name)
{
	for (unsigned i = 0; i < config_nkeys; i++)
		if (config_keys[i].sections & (1u << section) && slice_is(name, slice_of(config_keys[i].name)))
			return &config_keys[i];
	return NULL;
}

enum config_section config_section_find(enum config_section parent, struct slice name)
{
	for (unsigned i = 1; i < SECTION_COUNT; i++)
		if (config_sections[i].parent == parent && slice_is(name, slice_of(config_sections[i].name)))
			return i;
	return SECTION_COUNT;
}

enum { NAME_BYTES = 32 };

/* How many letters to add, drop, change or swap to make b of a; large when the names are long. */
static unsigned distance(struct slice a, struct slice b)
{
	unsigned row[3][NAME_BYTES + 1];

	if (a.len > NAME_BYTES || b.len > NAME_BYTES)
		return NAME_BYTES;
	for (unsigned j = 0; j <= b.len; j++)
		row[0][j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned *now = row[i % 3], *above = row[(i + 2) % 3], *two_above = row[(i + 1) % 3];

		now[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			unsigned best = above[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);

			best = above[j] + 1 < best ? above[j] + 1 : best;
			best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1] &&
			    two_above[j - 2] + 1 < best)
				best = two_above[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[a.len % 3][b.len];
}

static void sections_list(uint32_t sections, struct outbuf *out)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SECTION_COUNT; i++) {
		if (!(sections & (1u << i)))
			continue;
		outbuf_printf(out, n++ ? ", " : "");
		config_section_print(i, out);
	}
}

struct nearest {
	const char *name;
	uint32_t sections;
	unsigned distance;
};

/* A name of the section at hand wins over an equally near one elsewhere. */
static void consider(struct nearest *nearest, struct slice name, const char *other, uint32_t sections,
		     enum config_section section)
{
	unsigned d = 2 * distance(name, slice_of(other)) + !(sections & (1u << section));

	if (d >= nearest->distance)
		return;
	*nearest = (struct nearest){other, sections, d};
}

void config_key_hint(enum config_section section, struct slice name, struct outbuf *out)
{
	unsigned letters = name.len < 4 ? 1 : name.len < 8 ? 2 : 3;
	struct nearest nearest = {NULL, 0, 2 * letters + 2};

	for (unsigned i = 0; i < config_nkeys; i++)
		consider(&nearest, name, config_keys[i].name, config_keys[i].sections, section);
	for (unsigned i = 1; i < SECTION_COUNT; i++)
		consider(&nearest, name, config_sections[i].name, 1u << config_sections[i].parent, section);
	if (!nearest.name)
		return;
	if (slice_is(name, slice_of(nearest.name)))
		outbuf_printf(out, "; it stands in: ");
	else if (nearest.sections & (1u << section)) {
		outbuf_printf(out, "; did you mean \"%s\"?", nearest.name);
		return;
	} else
		outbuf_printf(out, "; did you mean \"%s\", which stands in: ", nearest.name);
	sections_list(nearest.sections, out);
}
