/* The reader: what a platform does with the events, and what a bench knows of them.
 *
 *     reader --redis unix:PATH                    reads the event stream once, from its beginning to its end
 *     reader --redis unix:PATH --group bench      reads as a consumer of that group and acknowledges every event,
 *                                                 until SIGTERM and nothing more comes
 *
 * Prints one JSON object: how many events of each type, when the first and last came, deliveries in each second, and
 * two distributions over the deliveries: from acceptance to the reply to the last byte, and the dialogue alone.
 * Times are those in the events, so that reading later changes nothing. It looks for the four fields it needs and does
 * not read the rest: a JSON parser would cost more than the engine spends on writing them. */
#include "base/address.h"
#include "base/check.h"
#include "base/outbuf.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 2000, MS_MAX = 600000, SECONDS_MAX = 7200, TYPES_MAX = 16, TYPE_NAME_MAX = 32 };

struct spread {
	unsigned ms[MS_MAX + 1]; /* how many took so long; the last: or longer */
	uint64_t count;
};

static struct {
	const char *redis, *group, *stream;
	redisContext *context;
	struct counted {
		char name[TYPE_NAME_MAX];
		uint64_t count;
	} types[TYPES_MAX];
	unsigned ntypes;
	uint64_t accepted_ms, first_ms, last_ms; /* first acceptance; first and last delivery */
	unsigned seconds[SECONDS_MAX];		 /* deliveries, by second since first_s */
	uint64_t first_s;
	struct spread latency, dialogue;
} reader = {.stream = "hikyaku:{0}:events"};

static volatile sig_atomic_t ending;

static void on_signal(int number)
{
	(void)number;
	ending = 1;
}

_Noreturn static void fail(const char *doing, const char *why)
{
	fprintf(stderr, "reader: %s: %s\n", doing, why);
	exit(1);
}

static void connect_redis(void)
{
	struct address address;

	if (!address_parse(&address, slice_of(reader.redis), 6379) || address.sa.sa_family != AF_UNIX)
		fail("--redis", "expected unix:PATH");
	reader.context = redisConnectUnix(address.un.sun_path);
	if (!reader.context || reader.context->err)
		fail("connecting to Redis", reader.context ? reader.context->errstr : "out of memory");
}

static redisReply *take(redisReply *reply)
{
	if (!reply)
		fail("reading events", reader.context->errstr);
	if (reply->type == REDIS_REPLY_ERROR)
		fail("reading events", reply->str);
	return reply;
}

static void count_type(const redisReply *name)
{
	unsigned at = 0;

	while (at < reader.ntypes && strcmp(reader.types[at].name, name->str) != 0)
		at++;
	if (at == TYPES_MAX || name->len >= TYPE_NAME_MAX)
		return;
	if (at == reader.ntypes) {
		memcpy(reader.types[at].name, name->str, name->len + 1);
		reader.ntypes++;
	}
	reader.types[at].count++;
}

/* The number behind "name": in an event's data; 0 if it is not there. */
static uint64_t number_of(const redisReply *data, const char *name)
{
	const char *found = memmem(data->str, data->len, name, strlen(name));

	return found ? strtoull(found + strlen(name), NULL, 10) : 0;
}

static void spread_add(struct spread *spread, uint64_t ms)
{
	spread->ms[ms > MS_MAX ? MS_MAX : ms]++;
	spread->count++;
}

static void take_delivery(const redisReply *data)
{
	uint64_t time = number_of(data, "\"time\":"), queued = number_of(data, "\"queued\":");

	if (reader.first_s == 0)
		reader.first_s = time / 1000;
	if (reader.first_ms == 0 || time < reader.first_ms)
		reader.first_ms = time;
	if (time > reader.last_ms)
		reader.last_ms = time;
	if (time / 1000 >= reader.first_s && time / 1000 - reader.first_s < SECONDS_MAX)
		reader.seconds[time / 1000 - reader.first_s]++;
	if (queued)
		spread_add(&reader.latency, time > queued ? time - queued : 0);
	spread_add(&reader.dialogue, number_of(data, "\"took_ms\":"));
}

static void take_event(const redisReply *fields)
{
	const redisReply *type = NULL, *data = NULL;

	for (size_t i = 0; i + 1 < fields->elements; i += 2) {
		if (strcmp(fields->element[i]->str, "type") == 0)
			type = fields->element[i + 1];
		else if (strcmp(fields->element[i]->str, "data") == 0)
			data = fields->element[i + 1];
	}
	if (!type || !data)
		return;
	count_type(type);
	if (strcmp(type->str, "delivered") == 0)
		take_delivery(data);
	else if (strcmp(type->str, "accepted") == 0 && reader.accepted_ms == 0)
		reader.accepted_ms = number_of(data, "\"time\":");
}

/* Entries of a stream: [id, fields]. Returns the last id, borrowed, or NULL. */
static const char *take_entries(const redisReply *entries)
{
	for (size_t i = 0; i < entries->elements; i++)
		take_event(entries->element[i]->element[1]);
	return entries->elements ? entries->element[entries->elements - 1]->element[0]->str : NULL;
}

static void read_once(void)
{
	char from[64] = "-";

	for (bool more = true; more;) {
		redisReply *reply =
			take(redisCommand(reader.context, "XRANGE %s %s + COUNT %d", reader.stream, from, PAGE));
		const char *last = take_entries(reply);

		more = last && reply->elements == PAGE;
		if (last)
			snprintf(from, sizeof(from), "(%s", last);
		freeReplyObject(reply);
	}
}

static void acknowledge(const redisReply *entries)
{
	const char *argv[3 + PAGE] = {"XACK", reader.stream, reader.group};
	int argc = 3;

	for (size_t i = 0; i < entries->elements && i < PAGE; i++)
		argv[argc++] = entries->element[i]->element[0]->str;
	freeReplyObject(take(redisCommandArgv(reader.context, argc, argv, NULL)));
}

static void follow(void)
{
	bool more = true;

	while (more || !ending) {
		redisReply *reply =
			take(redisCommand(reader.context, "XREADGROUP GROUP %s reader COUNT %d BLOCK 250 STREAMS %s >",
					  reader.group, PAGE, reader.stream));

		more = reply->type == REDIS_REPLY_ARRAY && reply->elements == 1;
		if (more) {
			const redisReply *entries = reply->element[0]->element[1];

			take_entries(entries);
			acknowledge(entries);
		}
		freeReplyObject(reply);
	}
}

/* [[SHARE, MS], ...]: SHARE of all took at most so long. */
static void write_spread(struct outbuf *out, const char *name, const struct spread *spread)
{
	static const double shares[] = {0.001, 0.01, 0.05, 0.1,	 0.2,  0.3,  0.4,   0.5,   0.6,
					0.7,   0.8,  0.9,  0.95, 0.98, 0.99, 0.995, 0.999, 1};
	struct outbuf list = {0};
	uint64_t below = 0;
	unsigned ms = 0;

	for (size_t i = 0; spread->count && i < sizeof(shares) / sizeof(*shares); i++) {
		while (ms < MS_MAX && (double)(below + spread->ms[ms]) < shares[i] * (double)spread->count)
			below += spread->ms[ms++];
		outbuf_printf(&list, "%s[%g,%u]", i ? "," : "[", shares[i], ms);
	}
	outbuf_add(&list, spread->count ? SLICE("]") : SLICE("[]"));
	outbuf_json_raw(out, name, outbuf_slice(&list));
	outbuf_free(&list);
}

static void write_seconds(struct outbuf *out)
{
	struct outbuf list = {0};
	uint64_t seconds = reader.last_ms ? reader.last_ms / 1000 - reader.first_s + 1 : 0;

	outbuf_byte(&list, '[');
	for (uint64_t i = 0; i < seconds && i < SECONDS_MAX; i++)
		outbuf_printf(&list, "%s%u", i ? "," : "", reader.seconds[i]);
	outbuf_byte(&list, ']');
	outbuf_json_raw(out, "seconds", outbuf_slice(&list));
	outbuf_free(&list);
}

static void report(void)
{
	struct outbuf out = {0};

	outbuf_byte(&out, '{');
	for (unsigned i = 0; i < reader.ntypes; i++)
		outbuf_json_number(&out, reader.types[i].name, reader.types[i].count);
	outbuf_json_number(&out, "accepted_ms", reader.accepted_ms);
	outbuf_json_number(&out, "first_ms", reader.first_ms);
	outbuf_json_number(&out, "last_ms", reader.last_ms);
	write_seconds(&out);
	write_spread(&out, "latency", &reader.latency);
	write_spread(&out, "dialogue", &reader.dialogue);
	outbuf_byte(&out, '}');
	printf("%.*s\n", (int)out.len, out.ptr);
	outbuf_free(&out);
}

int main(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--redis") == 0)
			reader.redis = argv[i + 1];
		else if (strcmp(argv[i], "--group") == 0)
			reader.group = argv[i + 1];
	}
	if (!reader.redis || argc % 2 == 0) {
		fprintf(stderr, "usage: reader --redis unix:PATH [--group NAME]\n");
		return 2;
	}
	signal(SIGTERM, on_signal);
	connect_redis();
	if (reader.group)
		follow();
	else
		read_once();
	report();
	redisFree(reader.context);
	return 0;
}
