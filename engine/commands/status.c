/* What the engine does now. Workers and the keeper put their part into Redis each second (engine/status.c, keeper.h);
 * this only reads it, so that looking costs the engine nothing. With no engine the counts of the queue are asked from
 * Redis itself. */
#include "client.h"
#include "console.h"
#include "pauses.h"
#include "scores_shown.h"

#include "base/check.h"
#include "queue/time.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 64, LANES_SHOWN = 30, NAME_ROOM = 128 };

struct report {
	struct client *client;
	char instance[NAME_ROOM];
	bool alive;
	json_t *keeper;	 /* owned; NULL: no engine */
	json_t *workers; /* owned: an array */
	struct pauses pauses;
	uint64_t jobs, jobs_now, rejected;
};

static json_t *parse(struct slice text)
{
	return text.ptr ? json_loadb(text.ptr, text.len, 0, NULL) : NULL;
}

static void read_workers(struct report *report)
{
	struct slice argv[1 + WORKERS] = {SLICE("MGET")};
	char *names[WORKERS];
	struct redisReply *reply;

	for (unsigned i = 0; i < WORKERS; i++) {
		names[i] = slice_copy(client_key(report->client, "status:%s:%u", report->instance, i));
		argv[1 + i] = slice_of(names[i]);
	}
	reply = client_ask(report->client, argv, 1 + WORKERS);
	for (unsigned i = 0; i < WORKERS; i++) {
		json_t *worker = parse(reply_text_at(reply, i));

		if (worker)
			json_array_append_new(report->workers, worker);
		free(names[i]);
	}
	if (reply)
		freeReplyObject(reply);
}

/* What hikyaku_counts says, in the keeper's words; NULL when the functions are not there yet. */
static json_t *counts(struct client *client)
{
	static const char *const names[] = {"lists", "ready", "deferred", "held", "leased", "events", "oldest"};
	struct slice argv[] = {SLICE("FCALL"), SLICE("hikyaku_counts"), SLICE("1"), client_key(client, "{0}")};
	struct redisReply *reply = client_try(client, argv, 4);
	json_t *object = NULL;

	if (reply && reply->type == REDIS_REPLY_ARRAY) {
		object = json_object();
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			json_object_set_new(object, names[i], json_integer((json_int_t)reply_number_at(reply, i)));
	}
	if (reply)
		freeReplyObject(reply);
	return object;
}

static uint64_t length(struct client *client, const char *stream)
{
	struct redisReply *reply =
		client_ask(client, (struct slice[]){SLICE("XLEN"), client_key(client, "%s", stream)}, 2);
	uint64_t n = reply && reply->integer > 0 ? (uint64_t)reply->integer : 0;

	if (reply)
		freeReplyObject(reply);
	return n;
}

static void gather(struct report *report)
{
	struct client *client = report->client;
	struct redisReply *reply;

	report->workers = json_array();
	report->alive = client_engine(client, report->instance, sizeof(report->instance));
	if (report->alive) {
		reply = client_ask(
			client,
			(struct slice[]){SLICE("GET"), client_key(client, "status:%s:keeper", report->instance)}, 2);
		report->keeper = parse(reply_text(reply));
		if (reply)
			freeReplyObject(reply);
		read_workers(report);
	} else if (client->redis) {
		report->keeper = counts(client);
	}
	pauses_read(&report->pauses, client);
	report->jobs = length(client, "jobs");
	report->jobs_now = length(client, "jobs:now");
	report->rejected = length(client, "rejected");
}

static long long number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static const char *text(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value ? value : "";
}

/* All lanes of all workers, those that wait first, then the busiest. One that several workers have is one line, with
 * what they have together. */
struct lane_line {
	const json_t *site, *lane; /* lane: of them one that waits, if any does */
	long long rate, connections;
};

static bool waits(const json_t *lane)
{
	const char *wait = json_string_value(json_object_get(lane, "waits"));

	return wait && strcmp(wait, "nothing") != 0 && strcmp(wait, "mail") != 0;
}

static int by_interest(const void *a, const void *b)
{
	const struct lane_line *x = a, *y = b;
	long long rates = y->rate - x->rate;

	if (waits(x->lane) != waits(y->lane))
		return waits(x->lane) ? -1 : 1;
	return rates < 0 ? -1 : rates > 0;
}

static int by_name(const void *a, const void *b)
{
	const struct lane_line *x = a, *y = b;
	int order = strcmp(text(x->site, "site"), text(y->site, "site"));

	if (!order)
		order = strcmp(text(x->site, "hosts"), text(y->site, "hosts"));
	return order ? order : strcmp(text(x->lane, "source"), text(y->lane, "source"));
}

/* How many are left. */
static size_t add_up(struct lane_line *lines, size_t n)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		struct lane_line *last = left ? &lines[left - 1] : NULL;

		if (!last || by_name(last, &lines[i]) != 0) {
			lines[left++] = lines[i];
			continue;
		}
		last->rate += lines[i].rate;
		last->connections += lines[i].connections;
		if (waits(lines[i].lane))
			last->lane = lines[i].lane;
	}
	return left;
}

static struct lane_line *lanes_of(const struct report *report, size_t *n)
{
	struct lane_line *lines = NULL;
	size_t at, i, j;
	const json_t *worker, *site, *lane;

	*n = 0;
	json_array_foreach(report->workers, at, worker) json_array_foreach(json_object_get(worker, "sites"), i, site)
		json_array_foreach(json_object_get(site, "lanes"), j, lane)
	{
		lines = realloc(lines, (*n + 1) * sizeof(*lines));
		CHECK(lines != NULL);
		lines[(*n)++] = (struct lane_line){site, lane, number(lane, "rate"), number(lane, "connections")};
	}
	if (*n == 0)
		return lines;
	qsort(lines, *n, sizeof(*lines), by_name);
	*n = add_up(lines, *n);
	qsort(lines, *n, sizeof(*lines), by_interest);
	return lines;
}

/* "10.0.0.1:25 takes 20 in 60 s": what was learned. */
static void print_learned(const json_t *lane, struct outbuf *out)
{
	size_t i;
	const json_t *exchanger;

	json_array_foreach(json_object_get(lane, "exchangers"), i, exchanger)
	{
		long long count = number(exchanger, "messages_learned"),
			  edge = number(exchanger, "connections_learned");

		if (count)
			outbuf_printf(out, "    %.60s takes %lld in %g s\n", text(exchanger, "address"), count,
				      (double)number(exchanger, "window_learned") / 1000);
		if (edge)
			outbuf_printf(out, "    %.60s lets %lld connections in\n", text(exchanger, "address"), edge);
	}
}

static void print_lane(const struct lane_line *line, struct outbuf *out)
{
	const json_t *lane = line->lane;
	const char *colour = console_colour(stdout, waits(lane) ? COLOUR_WARN : COLOUR_PLAIN);
	long long until = number(lane, "until");
	char room[TIME_TEXT_MAX];

	outbuf_printf(out, "%-32.60s %-10.30s %7lld/s %5lld of %-5lld %s%s%s", text(line->site, "site"),
		      text(lane, "source"), line->rate, line->connections, number(lane, "connections_max"), colour,
		      text(lane, "waits_for"), console_colour(stdout, COLOUR_PLAIN));
	if (until > 0)
		outbuf_printf(out, ", next %.8s", time_text((uint64_t)until, room).ptr + 11);
	if (*text(lane, "why"))
		outbuf_printf(out, ": %.100s", text(lane, "why"));
	outbuf_byte(out, '\n');
	print_learned(lane, out);
}

static void print_lanes(const struct report *report, struct outbuf *out)
{
	size_t n;
	struct lane_line *lines = lanes_of(report, &n);

	if (n)
		outbuf_printf(out, "\n%-32s %-10s %9s %14s %s\n", "site", "source", "rate", "connections", "waits for");
	for (size_t i = 0; i < n && i < LANES_SHOWN; i++)
		print_lane(&lines[i], out);
	if (n > LANES_SHOWN)
		outbuf_printf(out, "and %zu more; --json lists all\n", n - LANES_SHOWN);
	free(lines);
}

/* Connections since the start: what they had, and what was wrong with those that had less. */
static void print_tls(const json_t *worker, struct outbuf *out)
{
	static const struct {
		const char *name, *what;
	} faults[] = {{"tls_host_mismatch", "for another name"},
		      {"tls_expired", "over"},
		      {"tls_untrusted", "not trusted"},
		      {"tls_tlsa_invalid", "in no TLSA record"},
		      {"tls_no_handshake", "no handshake"}};
	const char *before = " (";

	outbuf_printf(out,
		      "tls      %lld connections verified by DANE, %lld by name, %lld not verified, %lld in clear; "
		      "%lld failed",
		      number(worker, "tls_dane"), number(worker, "tls_verified"), number(worker, "tls_encrypted"),
		      number(worker, "tls_none"), number(worker, "tls_failed"));
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (!number(worker, faults[i].name))
			continue;
		outbuf_printf(out, "%s%s %lld", before, faults[i].what, number(worker, faults[i].name));
		before = ", ";
	}
	outbuf_printf(out, *before == ',' ? ")\n" : "\n");
}

static void print_engine(const struct report *report, struct outbuf *out)
{
	const json_t *first = json_array_get(report->workers, 0);
	size_t n;
	struct lane_line *lines = lanes_of(report, &n);
	long long rate = 0;

	for (size_t i = 0; i < n; i++)
		rate += lines[i].rate;
	free(lines);
	if (!report->alive) {
		outbuf_printf(out, "engine   %snone runs%s\n", console_colour(stdout, COLOUR_BAD),
			      console_colour(stdout, COLOUR_PLAIN));
		return;
	}
	outbuf_printf(out, "engine   %s, epoch %lld, %s, %zu workers\n", report->instance,
		      number(report->keeper, "epoch"), text(first, "state"), json_array_size(report->workers));
	outbuf_printf(
		out, "sending  %lld a second; %lld delivered, %lld failed, %lld deferred, %lld uncertain since start\n",
		rate, number(first, "delivered"), number(first, "failed"), number(first, "deferred"),
		number(first, "uncertain"));
	print_tls(first, out);
}

static void print_text(const struct report *report, struct outbuf *out)
{
	const json_t *q = report->keeper;
	long long oldest = number(q, "oldest");
	unsigned long long now = console_wall_ms();
	char room[32];

	print_engine(report, out);
	if (q)
		outbuf_printf(out, "queue    %lld ready in %lld lists, %lld in dialogue, %lld deferred, %lld held\n",
			      number(q, "ready"), number(q, "lists"), number(q, "leased"), number(q, "deferred"),
			      number(q, "held"));
	if (oldest > 0 && now > (unsigned long long)oldest)
		outbuf_printf(out, "oldest   a job %s old\n",
			      console_span(now - (unsigned long long)oldest, room, sizeof(room)));
	outbuf_printf(out, "intake   %llu jobs wait, %llu of them first; %llu rejected\n",
		      (unsigned long long)(report->jobs + report->jobs_now), (unsigned long long)report->jobs_now,
		      (unsigned long long)report->rejected);
	if (q)
		outbuf_printf(out, "events   %lld in the stream\n", number(q, "events"));
	for (size_t i = 0; i < report->pauses.n; i++) {
		outbuf_printf(out, "%spaused%s   ", console_colour(stdout, COLOUR_WARN),
			      console_colour(stdout, COLOUR_PLAIN));
		pause_write(&report->pauses.pauses[i], out);
		outbuf_byte(out, '\n');
	}
	print_lanes(report, out);
	scores_show(report->workers, out);
}

static void print_json(struct report *report, struct outbuf *out)
{
	json_t *all = json_pack("{s:b, s:s, s:O*, s:O, s:o*, s:I, s:I, s:I}", "alive", report->alive, "instance",
				report->instance, "queue", report->keeper, "workers", report->workers, "pauses",
				json_loadb(report->pauses.json.ptr, report->pauses.json.len, 0, NULL), "jobs",
				(json_int_t)report->jobs, "jobs_now", (json_int_t)report->jobs_now, "rejected",
				(json_int_t)report->rejected);
	char *dumped = json_dumps(all, JSON_COMPACT);

	CHECK(dumped != NULL);
	outbuf_printf(out, "%s\n", dumped);
	free(dumped);
	json_decref(all);
}

int command_status(const struct arguments *arguments)
{
	struct client client;
	int status = client_open(&client, arguments);
	struct report report = {.client = &client};
	struct outbuf out = {0};

	if (status == EXIT_DONE) {
		gather(&report);
		status = client.status;
	}
	if (status == EXIT_DONE) {
		if (arguments->json)
			print_json(&report, &out);
		else
			print_text(&report, &out);
		console_print(&out);
	}
	pauses_free(&report.pauses);
	json_decref(report.keeper);
	json_decref(report.workers);
	outbuf_free(&out);
	client_close(&client);
	return status;
}
