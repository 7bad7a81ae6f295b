/* Load: fills the queue, as a newsletter platform would, through the contract's own door (hikyaku_submit).
 *
 *     load --redis unix:PATH --recipients 100000 --domains 500 --body 10240 --vars 200
 *
 * One template is stored; jobs of --per-job recipients name it, each recipient brings its variables. With --unique
 * every job is one raw message of its own with one recipient. Prints one JSON object: how many, how long, how fast. */
#include "base/outbuf.h"
#include "base/random.h"
#include "bench/redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct load {
	const char *redis, *prefix, *campaign, *stream, *domain;
	unsigned long recipients, domains, per_job, body, vars, pipeline, first;
	bool unique;
	redisContext *context;
	unsigned waiting; /* commands sent and not answered */
	unsigned long refused;
};

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "load: %s: %s\n", what, why);
	exit(1);
}

static void take_reply(struct load *load)
{
	redisReply *reply = NULL;

	if (redisGetReply(load->context, (void **)&reply) != REDIS_OK)
		fail("submitting", load->context->errstr);
	if (reply->type == REDIS_REPLY_ERROR) {
		if (load->refused++ == 0)
			fprintf(stderr, "load: submitting: %s\n", reply->str);
	}
	freeReplyObject(reply);
	load->waiting--;
}

static void submit(struct load *load, struct slice job, struct slice raw)
{
	const char *argv[] = {"FCALL", "hikyaku_submit", "1", load->stream, job.ptr, raw.ptr};
	size_t lens[] = {5, 14, 1, strlen(load->stream), job.len, raw.len};

	redisAppendCommandArgv(load->context, raw.len ? 6 : 5, argv, lens);
	if (++load->waiting >= load->pipeline)
		take_reply(load);
}

/* Text like a newsletter's: words, lines, a variable here and there. */
static void write_text(struct outbuf *out, size_t bytes, const char *newline, const char *variable)
{
	static const char *const words[] = {"autumn", "courier", "harbour", "lantern", "letter", "market", "mountain",
					    "offer",  "paper",	 "river",   "season",  "thread", "winter", "yellow"};
	struct random random = random_seeded(bytes);
	size_t start = out->len, line = 0;

	while (out->len - start < bytes) {
		const char *word = words[random_below(&random, sizeof(words) / sizeof(*words))];

		outbuf_add(out, slice_of(random_below(&random, 300) ? word : variable));
		line += strlen(word) + 1;
		outbuf_add(out, line > 66 ? slice_of(newline) : SLICE(" "));
		line = line > 66 ? 0 : line;
	}
	outbuf_add(out, slice_of(newline));
}

static void store_template(struct load *load)
{
	struct outbuf job = {0}, text = {0};

	outbuf_add(&text, SLICE("Dear {{name}},\n"));
	write_text(&text, load->body, "\n", "{{name}}");
	outbuf_add(&text, SLICE("Leave: https://news.bench.test/u/{{token}}\n"));
	outbuf_add(&job, SLICE("{\"store\":\"bench\",\"message\":{\"headers\":{\"From\":\"News <news@bench.test>\","
			       "\"List-Unsubscribe\":\"<https://news.bench.test/u/{{token}}>\"},"
			       "\"subject\":\"Hello {{name}}\",\"text\":"));
	outbuf_json_string(&job, outbuf_slice(&text));
	outbuf_add(&job, SLICE("}}"));
	submit(load, outbuf_slice(&job), SLICE_NONE);
	while (load->waiting)
		take_reply(load);
	outbuf_free(&job);
	outbuf_free(&text);
}

static void write_recipient(struct load *load, struct outbuf *out, unsigned long i)
{
	size_t start;

	outbuf_printf(out, "{\"address\":\"u%lu@", i);
	outbuf_printf(out, load->domain, i % load->domains);
	outbuf_add(out, SLICE("\",\"vars\":{\"name\":\""));
	start = out->len;
	outbuf_printf(out, "Reader number %lu", i);
	outbuf_add(out, SLICE("\",\"token\":\""));
	while (out->len - start < load->vars)
		outbuf_printf(out, "%08lx", i * 2654435761ul & 0xffffffff);
	outbuf_add(out, SLICE("\"}}"));
}

static void submit_shared(struct load *load)
{
	struct outbuf job = {0};

	store_template(load);
	for (unsigned long i = 0; i < load->recipients;) {
		outbuf_reset(&job);
		outbuf_printf(&job,
			      "{\"from\":\"bounce@bench.test\",\"campaign\":\"%s\",\"message\":\"bench\",\"to\":[",
			      load->campaign);
		for (unsigned long n = 0; n < load->per_job && i < load->recipients; n++, i++) {
			if (n)
				outbuf_byte(&job, ',');
			write_recipient(load, &job, load->first + i);
		}
		outbuf_add(&job, SLICE("]}"));
		submit(load, outbuf_slice(&job), SLICE_NONE);
	}
	outbuf_free(&job);
}

static void submit_unique(struct load *load)
{
	struct outbuf job = {0}, raw = {0}, text = {0};

	write_text(&text, load->body, "\r\n", "variable");
	for (unsigned long i = load->first; i < load->first + load->recipients; i++) {
		outbuf_reset(&job);
		outbuf_reset(&raw);
		outbuf_printf(&job, "{\"from\":\"bounce@bench.test\",\"campaign\":\"%s\",\"to\":[\"u%lu@",
			      load->campaign, i);
		outbuf_printf(&job, load->domain, i % load->domains);
		outbuf_add(&job, SLICE("\"]}"));
		outbuf_printf(&raw,
			      "From: Shop <shop@bench.test>\r\nTo: <u%lu@bench.test>\r\nSubject: Order %lu\r\n"
			      "Date: Tue, 24 Nov 2026 00:00:00 +0000\r\nMessage-ID: <%lu.%lu@bench.test>\r\n\r\n",
			      i, i, i, load->body);
		outbuf_add(&raw, outbuf_slice(&text));
		submit(load, outbuf_slice(&job), outbuf_slice(&raw));
	}
	outbuf_free(&job);
	outbuf_free(&raw);
	outbuf_free(&text);
}

struct option_row {
	const char *name;
	unsigned long *number;
	const char **text;
};

static bool read_options(struct load *load, int argc, char **argv)
{
	struct option_row rows[] = {
		{"--redis", NULL, &load->redis},
		{"--prefix", NULL, &load->prefix},
		{"--campaign", NULL, &load->campaign},
		{"--domain", NULL, &load->domain},
		{"--recipients", &load->recipients, NULL},
		{"--domains", &load->domains, NULL},
		{"--per-job", &load->per_job, NULL},
		{"--body", &load->body, NULL},
		{"--vars", &load->vars, NULL},
		{"--pipeline", &load->pipeline, NULL},
		{"--first", &load->first, NULL},
	};

	for (int i = 1; i < argc; i++) {
		size_t at = 0, n = sizeof(rows) / sizeof(*rows);

		if (strcmp(argv[i], "--unique") == 0) {
			load->unique = true;
			continue;
		}
		while (at < n && strcmp(argv[i], rows[at].name) != 0)
			at++;
		if (at == n || i + 1 == argc) {
			fprintf(stderr, "load: %s: no such option, or its value is missing\n", argv[i]);
			return false;
		}
		if (rows[at].text)
			*rows[at].text = argv[++i];
		else
			*rows[at].number = strtoul(argv[++i], NULL, 10);
	}
	return load->redis && load->recipients && load->domains && load->per_job && load->pipeline;
}

int main(int argc, char **argv)
{
	struct load load = {.prefix = "hikyaku",
			    .campaign = "bench",
			    .domain = "d%lu.test",
			    .recipients = 10000,
			    .domains = 500,
			    .per_job = 1000,
			    .body = 10240,
			    .vars = 200,
			    .pipeline = 16};
	char stream[256];
	double start;

	if (!read_options(&load, argc, argv)) {
		fprintf(stderr, "usage: load --redis ADDRESS [--recipients N] [--domains N] [--domain d%%lu.test] "
				"[--per-job N] [--body BYTES] [--vars BYTES] [--unique] [--pipeline N] [--first N] "
				"[--campaign C] [--prefix P]\n");
		return 2;
	}
	snprintf(stream, sizeof(stream), "%s:jobs", load.prefix);
	load.stream = stream;
	load.context = redis_at(load.redis, fail);
	start = seconds();
	if (load.unique)
		submit_unique(&load);
	else
		submit_shared(&load);
	while (load.waiting)
		take_reply(&load);
	double took = seconds() - start;

	printf("{\"recipients\":%lu,\"refused\":%lu,\"seconds\":%.3f,\"rate\":%.0f}\n", load.recipients, load.refused,
	       took, (double)load.recipients / took);
	redisFree(load.context);
	return load.refused ? 1 : 0;
}
