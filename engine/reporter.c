/* A day is read whole: it has only those domains that published an address, and few of those have many lines. Its
 * fields are sorted, and so those of a domain are found together. */
#include "reporter.h"

#include "tls_tally.h"

#include "base/base64.h"
#include "base/check.h"
#include "base/log.h"
#include "base/map.h"
#include "queue/redis_sync.h"
#include "queue/resp.h"
#include "tls/report.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

enum { REDIS_MS = 10000, LOOK_MS_MAX = 60000, DAYS_BACK = 7, FAILURES_MAX = 300, LINE_BYTES = 57 };

struct reporter {
	struct reporter_setup setup;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop;
	bool stopping, complained;
	struct redisContext *redis; /* the thread's; NULL: not connected */
};

/* A domain's day, as it is read. */
struct reported {
	struct map_node node; /* by domain */
	struct slice addresses;
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
	map_add(domains, &reported->node, domain);
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
		reported->addresses = value;
	else if (!tls_report_policy_parse(&policy, slice_until(&field, ' ')))
		return;
	else if (slice_is(kind, SLICE("p")))
		reported->report.parts[policy].policy = value;
	else if (slice_is(kind, SLICE("c")) && slice_number(value, UINT64_MAX, &n))
		take_count(reported, policy, field, n);
}

/* ---- the mail */

/* As gzip has it (RFC 1952). */
static void compress_into(struct outbuf *out, struct slice text)
{
	z_stream stream = {0};

	CHECK(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	size_t room = deflateBound(&stream, text.len) + 32;

	stream.next_in = (Bytef *)text.ptr;
	stream.avail_in = (uInt)text.len;
	stream.next_out = (Bytef *)outbuf_room(out, room);
	stream.avail_out = (uInt)room;
	CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
	out->len += stream.total_out;
	deflateEnd(&stream);
}

static void add_base64(struct outbuf *out, struct slice bytes)
{
	for (size_t at = 0; at < bytes.len; at += LINE_BYTES) {
		base64_add(out, slice_head(slice_skip(bytes, at), LINE_BYTES));
		outbuf_add(out, SLICE("\r\n"));
	}
}

static struct slice domain_of(struct slice address)
{
	return slice_skip(address, slice_find(address, '@') + 1);
}

static void write_head(struct outbuf *out, const struct reported *reported, struct slice to)
{
	const struct tls_report *report = &reported->report;
	char date[64];
	struct slice submitter = domain_of(report->contact);

	outbuf_printf(out, "From: %.*s\r\nTo: %.*s\r\nDate: %.*s\r\n", SLICE_ARG(report->contact), SLICE_ARG(to),
		      SLICE_ARG(instant(wall_ms(), "%a, %d %b %Y %H:%M:%S +0000", date, sizeof(date))));
	outbuf_printf(
		out, "Message-ID: <%.*s>\r\nSubject: Report Domain: %.*s\r\n Submitter: %.*s\r\n Report-ID: <%.*s>\r\n",
		SLICE_ARG(report->id), SLICE_ARG(report->domain), SLICE_ARG(submitter), SLICE_ARG(report->id));
	outbuf_printf(out, "TLS-Report-Domain: %.*s\r\nTLS-Report-Submitter: %.*s\r\nTLS-Required: No\r\n",
		      SLICE_ARG(report->domain), SLICE_ARG(submitter));
	outbuf_printf(out, "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
			   " boundary=\"tls-report\"\r\n\r\n");
}

static void write_mail(struct outbuf *out, const struct reported *reported, struct slice to, uint64_t from_ms,
		       uint64_t until_ms)
{
	const struct tls_report *report = &reported->report;
	struct outbuf json = {0}, packed = {0};

	write_head(out, reported, to);
	outbuf_printf(
		out,
		"--tls-report\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
		"What came of TLS between %.*s and the mail hosts of %.*s on one day\r\n(RFC 8460): see the part that "
		"follows, which is for machines.\r\n",
		SLICE_ARG(domain_of(report->contact)), SLICE_ARG(report->domain));
	outbuf_printf(out,
		      "--tls-report\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"
		      "Content-Disposition: attachment;\r\n filename=\"%.*s!%.*s!%llu!%llu.json.gz\"\r\n\r\n",
		      SLICE_ARG(domain_of(report->contact)), SLICE_ARG(report->domain),
		      (unsigned long long)from_ms / 1000, (unsigned long long)until_ms / 1000 - 1);
	tls_report_write(&json, report);
	compress_into(&packed, outbuf_slice(&json));
	add_base64(out, outbuf_slice(&packed));
	outbuf_add(out, SLICE("--tls-report--\r\n"));
	outbuf_free(&json);
	outbuf_free(&packed);
}

static void write_job(struct outbuf *out, const struct reported *reported, struct slice id)
{
	struct slice addresses = reported->addresses;
	unsigned n = 0;

	outbuf_byte(out, '{');
	outbuf_json_text(out, "id", id);
	outbuf_json_text(out, "from", reported->report.contact);
	outbuf_add(out, SLICE(",\"to\":["));
	while (addresses.len) {
		outbuf_printf(out, n++ ? "," : "");
		outbuf_json_string(out, slice_until(&addresses, ' '));
	}
	outbuf_add(out, SLICE("]}"));
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

static bool report_domain(struct reporter *reporter, struct reported *reported, uint64_t day)
{
	uint64_t day_ms = tls_tally_day_ms(), from_ms = day * day_ms, until_ms = from_ms + day_ms;
	struct slice sender = reporter->setup.sender;
	struct outbuf key = {0}, job = {0}, raw = {0};
	char id[80], message_id[400], from[40], until[40];
	struct tls_report *report = &reported->report;

	int n = snprintf(id, sizeof(id), "tls-report-%llu-%016llx", (unsigned long long)day,
			 (unsigned long long)slice_hash(report->domain));

	struct slice host = domain_of(sender);

	snprintf(message_id, sizeof(message_id), "%s@%.*s", id, SLICE_ARG(host));
	report->organisation = host;
	report->contact = sender;
	report->id = slice_of(message_id);
	report->from = instant(from_ms, "%Y-%m-%dT%H:%M:%SZ", from, sizeof(from));
	report->until = instant(until_ms - 1000, "%Y-%m-%dT%H:%M:%SZ", until, sizeof(until));
	struct slice first = reported->addresses;

	write_mail(&raw, reported, slice_until(&first, ' '), from_ms, until_ms);
	write_job(&job, reported, (struct slice){id, (size_t)n});
	outbuf_printf(&key, "%.*s:jobs", SLICE_ARG(reporter->setup.prefix));
	bool good = ask(reporter,
			(struct slice[]){SLICE("XADD"), outbuf_slice(&key), SLICE("*"), SLICE("job"),
					 outbuf_slice(&job), SLICE("raw"), outbuf_slice(&raw)},
			7);
	outbuf_free(&key);
	outbuf_free(&job);
	outbuf_free(&raw);
	return good;
}

static bool report_all(struct reporter *reporter, const struct redisReply *fields, uint64_t day)
{
	struct map domains = {0};
	bool good = true;

	for (size_t i = 0; i + 1 < resp_count(fields); i += 2)
		take_field(&domains, resp_text(resp_at(fields, i)), resp_text(resp_at(fields, i + 1)));
	MAP_EACH (node, &domains) {
		struct reported *reported = MAP_OWNER(node, struct reported, node);

		if (good && reported->addresses.len)
			good = report_domain(reporter, reported, day);
		map_remove(&domains, node);
		free(reported);
	}
	map_free(&domains);
	return good;
}

static void report_day(struct reporter *reporter, uint64_t day)
{
	struct outbuf key = {0};
	struct redisReply *reply;

	outbuf_printf(&key, "%.*s:{0}:tlsrpt:%llu", SLICE_ARG(reporter->setup.prefix), (unsigned long long)day);
	reply = redis_sync_ask(reporter->redis, (struct slice[]){SLICE("HGETALL"), outbuf_slice(&key)}, 2);
	if (reply && resp_count(reply) && report_all(reporter, reply, day))
		ask(reporter, (struct slice[]){SLICE("DEL"), outbuf_slice(&key)}, 2);
	if (reply)
		freeReplyObject(reply);
	outbuf_free(&key);
}

/* Up to a sixth of a day after its end, not everybody at once (RFC 8460 4.1). */
static uint64_t due_ms(const struct reporter *reporter, uint64_t day)
{
	uint64_t day_ms = tls_tally_day_ms();

	return (day + 1) * day_ms + (slice_hash(reporter->setup.hostname) ^ day) % (day_ms / 6) + day_ms / 24;
}

static void look(struct reporter *reporter)
{
	uint64_t now_ms = wall_ms(), today = now_ms / tls_tally_day_ms();
	char why[RING_WHY_MAX];

	if (!reporter->redis)
		reporter->redis = redis_sync_open(&reporter->setup.server, REDIS_MS, why);
	if (!reporter->redis && !reporter->complained)
		log_warning("reporting on TLS: %s", why);
	reporter->complained = !reporter->redis;
	for (uint64_t day = today > DAYS_BACK ? today - DAYS_BACK : 0; reporter->redis && day < today; day++)
		if (due_ms(reporter, day) <= now_ms)
			report_day(reporter, day);
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

		pthread_mutex_unlock(&reporter->lock);
		look(reporter);
		pthread_mutex_lock(&reporter->lock);
		while (!reporter->stopping && pthread_cond_timedwait(&reporter->stop, &reporter->lock, &until) == 0)
			;
	}
	pthread_mutex_unlock(&reporter->lock);
	return NULL;
}

struct reporter *reporter_start(const struct reporter_setup *setup)
{
	struct reporter *reporter = calloc(1, sizeof(*reporter));

	CHECK(reporter != NULL);
	reporter->setup = *setup;
	pthread_mutex_init(&reporter->lock, NULL);
	pthread_cond_init(&reporter->stop, NULL);
	CHECK(pthread_create(&reporter->thread, NULL, reporter_thread, reporter) == 0);
	return reporter;
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
