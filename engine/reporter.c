/* A day is read whole: it has only those domains that published an address, and few of those have many lines. Its
 * fields are sorted, and so those of a domain are found together. */
#include "reporter.h"

#include "report_mail.h"
#include "report_post.h"
#include "tls_tally.h"

#include "base/check.h"
#include "base/log.h"
#include "base/map.h"
#include "queue/redis_sync.h"
#include "queue/resp.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REDIS_MS = 10000, LOOK_MS_MAX = 60000, DAYS_BACK = 7, FAILURES_MAX = 300, PLACES_MAX = 8, DOUBLED_MAX = 8 };

struct reporter {
	struct redis_server server;
	struct slice prefix;
	pthread_t thread;
	pthread_mutex_t lock; /* of the next three */
	pthread_cond_t stop;
	bool stopping;
	const struct config *latest;
	/* The thread's: */
	const struct config *config; /* of this look */
	bool complained;
	struct redisContext *redis; /* NULL: not connected */
	struct poster *poster;	    /* NULL: not needed yet in this look */
	struct {
		uint64_t day, next_ms;
		unsigned failures;
	} again[DAYS_BACK]; /* days some of whose posts failed */
};

/* A domain's day, as it is read. */
struct reported {
	struct map_far node; /* by domain */
	struct slice places; /* that have not got it, with blanks between */
	struct tls_report report;
	struct tls_failure failures[TLS_REPORT_POLICIES][FAILURES_MAX];
};

static uint64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct slice instant(uint64_t ms, const char *format, char *room, size_t size)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	return (struct slice){room, strftime(room, size, format, &tm)};
}

/* ---- what was counted */

static struct reported *reported_of(struct map *domains, struct slice domain)
{
	struct map_node *node = map_find(domains, domain);
	struct reported *reported = node ? MAP_OWNER(node, struct reported, node) : calloc(1, sizeof(*reported));

	CHECK(reported != NULL);
	if (node)
		return reported;
	reported->report.domain = domain;
	for (unsigned i = 0; i < TLS_REPORT_POLICIES; i++)
		reported->report.parts[i].failures = reported->failures[i];
	map_add_far(domains, &reported->node, domain);
	return reported;
}

/* "RESULT FROM-IP MX TO-IP REASON" */
static struct tls_failure failure_of(struct slice rest, uint64_t n)
{
	struct tls_failure failure = {
		.result = slice_until(&rest, ' '), .from_ip = slice_until(&rest, ' '), .count = n};

	failure.mx = slice_until(&rest, ' ');
	failure.to_ip = slice_until(&rest, ' ');
	failure.reason = rest;
	if (slice_is(failure.from_ip, SLICE("-")))
		failure.from_ip = SLICE_NONE;
	if (slice_is(failure.to_ip, SLICE("-")))
		failure.to_ip = SLICE_NONE;
	return failure;
}

static void take_count(struct reported *reported, enum tls_report_policy policy, struct slice rest, uint64_t n)
{
	struct tls_report_part *part = &reported->report.parts[policy];

	part->any = true;
	if (rest.len == 0)
		part->successes += n;
	else if (part->nfailures < FAILURES_MAX)
		reported->failures[policy][part->nfailures++] = failure_of(rest, n);
}

static void take_field(struct map *domains, struct slice field, struct slice value)
{
	struct slice kind = slice_until(&field, ' ');
	struct reported *reported = reported_of(domains, slice_until(&field, ' '));
	enum tls_report_policy policy;
	uint64_t n;

	if (slice_is(kind, SLICE("r")))
		reported->places = value;
	else if (!tls_report_policy_parse(&policy, slice_until(&field, ' ')))
		return;
	else if (slice_is(kind, SLICE("p")))
		reported->report.parts[policy].policy = value;
	else if (slice_is(kind, SLICE("c")) && slice_number(value, UINT64_MAX, &n))
		take_count(reported, policy, field, n);
}

/* ---- a day */

static bool ask(struct reporter *reporter, const struct slice *words, unsigned n)
{
	struct redisReply *reply = redis_sync_ask(reporter->redis, words, n);
	bool good = reply && resp_error(reply) == RESP_FINE;
	char why[RING_WHY_MAX];

	if (!good)
		log_warning("reporting on TLS: %s; it is tried again", redis_sync_why(reporter->redis, reply, why));
	if (reply)
		freeReplyObject(reply);
	return good;
}

static void name_key(const struct reporter *reporter, uint64_t day, struct outbuf *key)
{
	outbuf_printf(key, "%.*s:{0}:tlsrpt:%llu", SLICE_ARG(reporter->prefix), (unsigned long long)day);
}

/* As a job of ours. */
static bool send_mail(struct reporter *reporter, const struct report_letter *letter, struct slice id)
{
	struct outbuf key = {0}, job = {0}, raw = {0};

	report_mail(&raw, letter);
	report_job(&job, letter, id);
	outbuf_printf(&key, "%.*s:jobs", SLICE_ARG(reporter->prefix));
	bool good = ask(reporter,
			(struct slice[]){SLICE("XADD"), outbuf_slice(&key), SLICE("*"), SLICE("job"),
					 outbuf_slice(&job), SLICE("raw"), outbuf_slice(&raw)},
			7);
	outbuf_free(&key);
	outbuf_free(&job);
	outbuf_free(&raw);
	return good;
}

static bool goes_on(void *who)
{
	struct reporter *reporter = who;

	pthread_mutex_lock(&reporter->lock);
	bool stopping = reporter->stopping;

	pthread_mutex_unlock(&reporter->lock);
	return !stopping;
}

/* True when there is nothing left to do: it was taken, or there is no time left (RFC 8460 5.5). */
static bool post(struct reporter *reporter, const struct report_letter *letter, struct slice url)
{
	bool late = letter->now_ms > letter->until_ms + 2 * tls_tally_day_ms();
	char why[HTTPS_WHY_MAX] = "nothing to post it with";

	if (!reporter->poster)
		reporter->poster = poster_open(reporter->config, goes_on, reporter);
	if (reporter->poster && poster_post(reporter->poster, url, letter->packed, why))
		return true;
	log_warning("posting the report on TLS with %.*s to %s: %s; it is %s", SLICE_ARG(letter->report->domain),
		    LOG_TEXT(url), why, late ? "given up" : "tried again");
	return late;
}

/* The places that have not got it are written down in place of all. */
static bool post_all(struct reporter *reporter, const struct report_letter *letter, uint64_t day,
		     const struct slice *urls, unsigned nurls, bool *left)
{
	struct outbuf key = {0}, field = {0}, rest = {0};

	for (unsigned i = 0; i < nurls; i++)
		if (!post(reporter, letter, urls[i]))
			outbuf_printf(&rest, rest.len ? " %.*s" : "%.*s", SLICE_ARG(urls[i]));
	*left |= rest.len > 0;
	name_key(reporter, day, &key);
	outbuf_printf(&field, "r %.*s", SLICE_ARG(letter->report->domain));
	bool good =
		ask(reporter,
		    (struct slice[]){SLICE("HSET"), outbuf_slice(&key), outbuf_slice(&field), outbuf_slice(&rest)}, 4);
	outbuf_free(&key);
	outbuf_free(&field);
	outbuf_free(&rest);
	return good;
}

static bool deliver(struct reporter *reporter, struct report_letter *letter, struct slice places, uint64_t day,
		    struct slice id, bool *left)
{
	struct slice addresses[PLACES_MAX], urls[PLACES_MAX];
	struct tls_report_url url;
	unsigned nurls = 0;

	letter->addresses = addresses;
	while (places.len && nurls + letter->naddresses < PLACES_MAX) {
		struct slice place = slice_until(&places, ' ');

		if (tls_report_url(place, &url))
			urls[nurls++] = place;
		else
			addresses[letter->naddresses++] = place;
	}
	if (letter->naddresses && !send_mail(reporter, letter, id))
		return false;
	return nurls == 0 || post_all(reporter, letter, day, urls, nurls, left);
}

static bool report_domain(struct reporter *reporter, struct reported *reported, uint64_t day, bool *left)
{
	struct report_letter letter = {.report = &reported->report, .now_ms = wall_ms()};
	struct slice sender = reporter->config->tls_reports;
	char id[80], message_id[400], from[40], until[40];
	struct tls_report *report = &reported->report;
	struct outbuf packed = {0};

	letter.from_ms = day * tls_tally_day_ms();
	letter.until_ms = letter.from_ms + tls_tally_day_ms();
	int n = snprintf(id, sizeof(id), "tls-report-%llu-%016llx", (unsigned long long)day,
			 (unsigned long long)slice_hash(report->domain));

	report->organisation = slice_skip(sender, slice_find(sender, '@') + 1);
	snprintf(message_id, sizeof(message_id), "%s@%.*s", id, SLICE_ARG(report->organisation));
	report->contact = sender;
	report->id = slice_of(message_id);
	report->from = instant(letter.from_ms, "%Y-%m-%dT%H:%M:%SZ", from, sizeof(from));
	report->until = instant(letter.until_ms - 1000, "%Y-%m-%dT%H:%M:%SZ", until, sizeof(until));
	report_pack(&packed, report);
	letter.packed = outbuf_slice(&packed);
	bool good = deliver(reporter, &letter, reported->places, day, (struct slice){id, (size_t)n}, left);

	outbuf_free(&packed);
	return good;
}

static bool report_all(struct reporter *reporter, const struct redisReply *fields, uint64_t day, bool *left)
{
	struct map domains = {0};
	bool good = true;

	for (size_t i = 0; i + 1 < resp_count(fields); i += 2)
		take_field(&domains, resp_text(resp_at(fields, i)), resp_text(resp_at(fields, i + 1)));
	MAP_EACH (node, &domains) {
		struct reported *reported = MAP_OWNER(node, struct reported, node);

		if (good && reported->places.len)
			good = report_domain(reporter, reported, day, left);
		map_remove(&domains, node);
		free(reported);
	}
	map_free(&domains);
	return good;
}

/* A place did not take it: a minute, then twice as long each time (RFC 8460 5.5). */
static void put_off(struct reporter *reporter, uint64_t day)
{
	unsigned i = day % DAYS_BACK;

	if (reporter->again[i].day != day)
		reporter->again[i].failures = 0;
	reporter->again[i].day = day;
	reporter->again[i].next_ms = wall_ms() + ((tls_tally_day_ms() / 1440) << reporter->again[i].failures);
	if (reporter->again[i].failures < DOUBLED_MAX)
		reporter->again[i].failures++;
}

static bool is_put_off(const struct reporter *reporter, uint64_t day, uint64_t now_ms)
{
	return reporter->again[day % DAYS_BACK].day == day && reporter->again[day % DAYS_BACK].next_ms > now_ms;
}

static void report_day(struct reporter *reporter, uint64_t day)
{
	struct outbuf key = {0};
	struct redisReply *reply;
	bool left = false;

	name_key(reporter, day, &key);
	reply = redis_sync_ask(reporter->redis, (struct slice[]){SLICE("HGETALL"), outbuf_slice(&key)}, 2);
	if (reply && resp_count(reply) && report_all(reporter, reply, day, &left) && !left)
		ask(reporter, (struct slice[]){SLICE("DEL"), outbuf_slice(&key)}, 2);
	if (left)
		put_off(reporter, day);
	if (reply)
		freeReplyObject(reply);
	outbuf_free(&key);
}

/* Up to a sixth of a day after its end, not everybody at once (RFC 8460 4.1). */
static uint64_t due_ms(const struct reporter *reporter, uint64_t day)
{
	uint64_t day_ms = tls_tally_day_ms();

	return (day + 1) * day_ms + (slice_hash(reporter->config->hostname) ^ day) % (day_ms / 6) + day_ms / 24;
}

static void look(struct reporter *reporter)
{
	uint64_t now_ms = wall_ms(), today = now_ms / tls_tally_day_ms();
	char why[RING_WHY_MAX];

	if (!reporter->redis)
		reporter->redis = redis_sync_open(&reporter->server, REDIS_MS, why);
	if (!reporter->redis && !reporter->complained)
		log_warning("reporting on TLS: %s", why);
	reporter->complained = !reporter->redis;
	for (uint64_t day = today > DAYS_BACK ? today - DAYS_BACK : 0; reporter->redis && day < today; day++)
		if (due_ms(reporter, day) <= now_ms && !is_put_off(reporter, day, now_ms))
			report_day(reporter, day);
	poster_close(reporter->poster);
	reporter->poster = NULL;
	if (reporter->redis && reporter->redis->err) {
		redisFree(reporter->redis);
		reporter->redis = NULL;
	}
}

static void *reporter_thread(void *argument)
{
	struct reporter *reporter = argument;
	uint64_t wait_ms = tls_tally_day_ms() / 24 < LOOK_MS_MAX ? tls_tally_day_ms() / 24 : LOOK_MS_MAX;

	pthread_mutex_lock(&reporter->lock);
	while (!reporter->stopping) {
		uint64_t until_ms = wall_ms() + wait_ms;
		struct timespec until = {(time_t)(until_ms / 1000), (long)(until_ms % 1000) * 1000000};

		reporter->config = reporter->latest;
		pthread_mutex_unlock(&reporter->lock);
		if (reporter->config->tls_reports.len)
			look(reporter);
		pthread_mutex_lock(&reporter->lock);
		while (!reporter->stopping && pthread_cond_timedwait(&reporter->stop, &reporter->lock, &until) == 0)
			;
	}
	pthread_mutex_unlock(&reporter->lock);
	return NULL;
}

struct reporter *reporter_start(const struct redis_server *server, const struct config *config)
{
	struct reporter *reporter = calloc(1, sizeof(*reporter));

	CHECK(reporter != NULL);
	reporter->server = *server;
	reporter->prefix = config->redis.prefix;
	reporter->latest = config;
	pthread_mutex_init(&reporter->lock, NULL);
	pthread_cond_init(&reporter->stop, NULL);
	CHECK(pthread_create(&reporter->thread, NULL, reporter_thread, reporter) == 0);
	return reporter;
}

void reporter_configure(struct reporter *reporter, const struct config *config)
{
	pthread_mutex_lock(&reporter->lock);
	reporter->latest = config;
	pthread_mutex_unlock(&reporter->lock);
}

void reporter_stop(struct reporter *reporter)
{
	if (!reporter)
		return;
	pthread_mutex_lock(&reporter->lock);
	reporter->stopping = true;
	pthread_cond_signal(&reporter->stop);
	pthread_mutex_unlock(&reporter->lock);
	pthread_join(reporter->thread, NULL);
	if (reporter->redis)
		redisFree(reporter->redis);
	pthread_cond_destroy(&reporter->stop);
	pthread_mutex_destroy(&reporter->lock);
	free(reporter);
}
