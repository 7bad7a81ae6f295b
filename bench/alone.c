/* What Redis alone can take in and give back: no engine, no queue, no mail. For each message it is given a job with a
 * body of its own in a stream (the contract's plain XADD), gives both back (XREAD), is given one event (XADD), and
 * forgets the job (XDEL). All of it pipelined, so many messages at a time, by two processes, so that it has work while
 * one of them makes the next.
 *
 *     alone --redis unix:PATH --messages 20000 --body 10240 --batch 64
 *
 * Streams of its own, gone at the end. Prints one JSON object: rate, and CPU a message of those processes. */
#include "base/outbuf.h"
#include "bench/redis.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCH_MAX = 256, EVENT_BYTES = 400, ID_MAX = 48, PROCESSES = 2 };

static struct {
	const char *redis;
	unsigned long messages, body, batch;
} setup = {.messages = 20000, .body = 10240, .batch = 64};

static redisContext *context;
static struct slice jobs_key, events_key; /* of this process */

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "alone: %s: %s\n", what, why);
	exit(1);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
	struct rusage used;

	getrusage(RUSAGE_CHILDREN, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void say(const struct slice *words, int n)
{
	const char *argv[16];
	size_t lens[16];

	for (int i = 0; i < n; i++) {
		argv[i] = words[i].ptr;
		lens[i] = words[i].len;
	}
	redisAppendCommandArgv(context, n, argv, lens);
}

static redisReply *hear(void)
{
	redisReply *reply = NULL;

	if (redisGetReply(context, (void **)&reply) != REDIS_OK)
		fail("reading an answer", context->errstr);
	if (reply->type == REDIS_REPLY_ERROR)
		fail("Redis answers", reply->str);
	return reply;
}

static void hear_nothing(unsigned long n)
{
	while (n--)
		freeReplyObject(hear());
}

/* n jobs. */
static void say_jobs(unsigned long first, unsigned long n, struct slice text, struct outbuf *job, struct outbuf *raw)
{
	for (unsigned long i = first; i < first + n; i++) {
		outbuf_reset(job);
		outbuf_reset(raw);
		outbuf_printf(job,
			      "{\"from\":\"bounce@bench.test\",\"campaign\":\"bench\",\"to\":[\"u%lu@d%lu.test\"]}", i,
			      i % 500);
		outbuf_printf(raw,
			      "From: Shop <shop@bench.test>\r\nTo: <u%lu@bench.test>\r\nSubject: Order %lu\r\n\r\n", i,
			      i);
		outbuf_add(raw, text);
		say((struct slice[]){SLICE("XADD"), jobs_key, SLICE("*"), SLICE("job"), outbuf_slice(job), SLICE("raw"),
				     outbuf_slice(raw)},
		    7);
	}
}

/* Asks for as many jobs behind that one. */
static void say_read(const char *behind, unsigned long n)
{
	char count[24];
	int digits = snprintf(count, sizeof(count), "%lu", n);

	say((struct slice[]){SLICE("XREAD"),
			     SLICE("COUNT"),
			     {count, (size_t)digits},
			     SLICE("STREAMS"),
			     jobs_key,
			     slice_of(behind)},
	    6);
}

/* The jobs of an answer: an event for each, and it is forgotten. */
static void say_events(const redisReply *entries, struct slice data, char *last)
{
	for (size_t i = 0; i < entries->elements; i++) {
		struct slice id = slice_of(entries->element[i]->element[0]->str);

		say((struct slice[]){SLICE("XADD"), events_key, SLICE("*"), SLICE("type"), SLICE("delivered"),
				     SLICE("job"), id, SLICE("to"), SLICE("u@d.test"), SLICE("data"), data},
		    11);
		say((struct slice[]){SLICE("XDEL"), jobs_key, id}, 3);
		snprintf(last, ID_MAX, "%.*s", SLICE_ARG(id));
	}
}

/* Each step in one go: the events of what came back in the step before, the next jobs, and they come back. */
static void run(struct slice text, struct slice data)
{
	struct outbuf job = {0}, raw = {0};
	char last[ID_MAX] = "0";
	unsigned long said = 0, events = 0, read = 0, batch = setup.batch;
	redisReply *entries = NULL;

	while (read < setup.messages || events) {
		unsigned long jobs = setup.messages - said < batch ? setup.messages - said : batch, before = events;
		int done = 0;

		say_jobs(said, jobs, text, &job, &raw);
		said += jobs;
		say_read(last, batch);
		while (!done)
			if (redisBufferWrite(context, &done) != REDIS_OK)
				fail("writing", context->errstr);
		hear_nothing(before + jobs);
		entries = hear();
		events = 0;
		if (entries->type == REDIS_REPLY_ARRAY && entries->elements == 1) {
			const redisReply *found = entries->element[0]->element[1];

			say_events(found, data, last);
			read += found->elements;
			events = 2 * found->elements;
		}
		freeReplyObject(entries);
	}
	outbuf_free(&job);
	outbuf_free(&raw);
}

static void read_options(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--redis") == 0)
			setup.redis = argv[i + 1];
		else if (strcmp(argv[i], "--messages") == 0)
			setup.messages = strtoul(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--body") == 0)
			setup.body = strtoul(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--batch") == 0)
			setup.batch = strtoul(argv[i + 1], NULL, 10);
		else
			fail(argv[i], "no such option; there are --redis, --messages, --body and --batch");
	}
	if (!setup.redis || setup.messages < PROCESSES || !setup.batch || setup.batch > BATCH_MAX)
		fail("options", "expected --redis ADDRESS, and numbers above 0, --batch up to 256");
}

static void forget(void)
{
	say((struct slice[]){SLICE("DEL"), jobs_key, events_key}, 3);
	hear_nothing(1);
}

/* One of the processes: its part, on streams of its own. */
static void work(unsigned number)
{
	struct outbuf text = {0}, data = {0};
	char jobs[64], events[64];

	snprintf(jobs, sizeof(jobs), "hikyaku-bench-alone:%u:jobs", number);
	snprintf(events, sizeof(events), "hikyaku-bench-alone:%u:events", number);
	jobs_key = slice_of(jobs);
	events_key = slice_of(events);
	while (text.len < setup.body)
		outbuf_add(&text, SLICE("autumn courier harbour lantern letter market mountain offer paper\r\n"));
	while (data.len < EVENT_BYTES)
		outbuf_add(&data, SLICE("\"member\":\"value\","));
	context = redis_at(setup.redis, fail);
	forget();
	run(outbuf_slice(&text), outbuf_slice(&data));
	forget();
	redisFree(context);
	outbuf_free(&text);
	outbuf_free(&data);
}

int main(int argc, char **argv)
{
	bool fine = true;

	read_options(argc, argv);
	double start = seconds();

	setup.messages /= PROCESSES;
	for (unsigned i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork", strerror(errno));
		if (pid == 0) {
			work(i);
			return 0;
		}
	}
	for (unsigned i = 0; i < PROCESSES; i++) {
		int status;

		fine = wait(&status) > 0 && status == 0 && fine;
	}
	double took = seconds() - start, messages = (double)setup.messages * PROCESSES;

	printf("{\"messages\":%.0f,\"seconds\":%.3f,\"rate\":%.0f,\"cpu_us\":%.1f}\n", messages, took, messages / took,
	       cpu_seconds() * 1e6 / messages);
	return fine ? 0 : 1;
}
