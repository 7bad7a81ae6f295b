/* What an operator wants to know before the first mail: each thing that the engine depends on is tried, and told in a
 * line of its own with what to do about it. Everything is tried even when something before it failed. */
#include "client.h"
#include "console.h"
#include "providers.h"
#include "route_finder.h"

#include "queue/library.h"
#include "queue/promise.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum level { LEVEL_OK, LEVEL_WARN, LEVEL_FAIL };

enum { PATIENCE_MS = 3000, TEXT_MAX = 600 };

static const char *const level_names[] = {"ok", "warn", "fail"};

struct checking {
	const struct arguments *arguments;
	const struct config *config;
	struct outbuf findings; /* JSON objects with commas between them */
	int status;
};

__attribute__((format(printf, 4, 5))) static void found(struct checking *checking, enum level level, const char *what,
							const char *format, ...)
{
	static const enum colour colours[] = {COLOUR_GOOD, COLOUR_WARN, COLOUR_BAD};
	struct outbuf *out = &checking->findings;
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (level == LEVEL_FAIL && checking->status == EXIT_DONE)
		checking->status = EXIT_FAILED;
	if (!checking->arguments->json) {
		printf("%s%-4s%s %-10s %s\n", console_colour(stdout, colours[level]), level_names[level],
		       console_colour(stdout, COLOUR_PLAIN), what, text);
		return;
	}
	outbuf_printf(out, out->len ? ",{" : "{");
	outbuf_json_text(out, "level", slice_of(level_names[level]));
	outbuf_json_text(out, "what", slice_of(what));
	outbuf_json_text(out, "text", slice_of(text));
	outbuf_byte(out, '}');
}

static void check_config(struct checking *checking)
{
	const struct config *config = checking->config;
	char room[ADDRESS_TEXT_MAX];

	if (config->is_default)
		found(checking, LEVEL_WARN, "config", "there is no configuration file; nothing leaves this machine");
	else
		found(checking, LEVEL_OK, "config", "%.*s", SLICE_ARG(config->path));
	if (config->divert == DIVERT_DISCARD && !config->is_default)
		found(checking, LEVEL_WARN, "divert", "everything is discarded: no mail leaves this machine");
	if (config->divert == DIVERT_ADDRESS)
		found(checking, LEVEL_WARN, "divert", "all mail goes to %.*s",
		      SLICE_ARG(address_text(&config->divert_to, room)));
	if (config->allow_private)
		found(checking, LEVEL_WARN, "private", "mail may go to loopback and private addresses");
	if (slice_find(config->hostname, '.') == config->hostname.len)
		found(checking, LEVEL_WARN, "hostname",
		      "\"%.*s\" has no domain; many receivers refuse such an EHLO: set hostname",
		      SLICE_ARG(config->hostname));
	else
		found(checking, LEVEL_OK, "hostname", "%.*s", SLICE_ARG(config->hostname));
}

static void check_state(struct checking *checking)
{
	char path[512], *slash;
	struct stat status;

	snprintf(path, sizeof(path), "%.*s", SLICE_ARG(checking->config->state_dir));
	while (stat(path, &status) < 0 && (slash = strrchr(path, '/')) && slash != path)
		*slash = '\0'; /* it is made by `run`: then its parent must be there to write in */
	if (access(path, W_OK | X_OK) == 0)
		found(checking, LEVEL_OK, "state", "%.*s can be written", SLICE_ARG(checking->config->state_dir));
	else
		found(checking, LEVEL_FAIL, "state", "%s cannot be written; set state-dir, or its owner", path);
}

static void check_machine(struct checking *checking)
{
	struct ring_setup setup = {.sockets = RING_SOCKETS_MAX, .buffers = 64, .buffer_size = 4096};
	struct rlimit files;
	struct ring *ring;
	char why[RING_WHY_MAX];

	if (ring_open(&ring, &setup, why) < 0) {
		found(checking, LEVEL_FAIL, "io_uring", "%s", why);
	} else {
		unsigned sockets = ring_sockets_max(ring);

		ring_free(ring);
		found(checking, sockets < 1000 ? LEVEL_WARN : LEVEL_OK, "io_uring", "works; %u connections a worker%s",
		      sockets, sockets < 1000 ? ", which is few: raise the limit of open files (ulimit -n)" : "");
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		found(checking, files.rlim_cur < 4096 ? LEVEL_WARN : LEVEL_OK, "files", "at most %llu open%s",
		      (unsigned long long)files.rlim_cur,
		      files.rlim_cur < 4096 ? "; raise it (ulimit -n, or LimitNOFILE of the service)" : "");
	found(checking, LEVEL_OK, "workers", "%u", checking->config->workers);
}

/* The DNS is asked for our own host name: whatever it says of it, it has answered. */
static void check_dns(struct checking *checking)
{
	const struct config *config = checking->config;
	struct route_finder finder;
	struct config plain = *config; /* a route or divert would answer instead */
	struct map none = {.nslots = 0};
	struct routes *routes;
	char room[ADDRESS_TEXT_MAX];

	plain.divert = DIVERT_NONE;
	plain.domains_by_name = none;
	if (!route_finder_open(&finder, &plain))
		return;
	routes = route_finder_ask(&finder, config->hostname);
	if (routes->result == ROUTES_LATER)
		found(checking, config->divert == DIVERT_NONE ? LEVEL_FAIL : LEVEL_WARN, "dns",
		      "no answer: %s; set dns { servers = { … } }", routes->reason);
	else
		found(checking, LEVEL_OK, "dns", "%.*s answers",
		      SLICE_ARG(address_text(&config->dns.servers[0], room)));
	routes_free(routes);
	route_finder_close(&finder);
}

static void check_functions(struct checking *checking, struct redisContext *redis)
{
	struct redisReply *reply = redis_sync_ask(
		redis, (struct slice[]){SLICE("FCALL"), SLICE("hikyaku_version"), SLICE("1"), SLICE("hikyaku:{0}")}, 4);
	unsigned ours = library_version();

	if (!reply || reply->type != REDIS_REPLY_INTEGER)
		found(checking, LEVEL_OK, "functions", "not loaded yet; run does it");
	else if (reply->integer > ours)
		found(checking, LEVEL_FAIL, "functions",
		      "Redis has version %lld, newer than %u of this program: upgrade it", reply->integer, ours);
	else
		found(checking, LEVEL_OK, "functions", "version %lld%s", reply->integer,
		      reply->integer < ours ? "; run brings a newer one" : "");
	if (reply)
		freeReplyObject(reply);
}

static void check_promise(struct checking *checking, struct redisContext *redis)
{
	bool must = slice_is(checking->config->require, SLICE("durable"));
	struct redis_promise promise = promise_of(redis);

	if (promise.error[0])
		found(checking, LEVEL_FAIL, "redis", "%s", promise.error);
	else if (must && promise.kind != PROMISE_DURABLE)
		found(checking, LEVEL_FAIL, "promise",
		      "%s, but require is durable; set appendonly yes and appendfsync always there",
		      promise_name(promise.kind));
	else
		found(checking, promise.kind == PROMISE_NONE ? LEVEL_WARN : LEVEL_OK, "promise", "%s",
		      promise_name(promise.kind));
}

static bool has_program(const char *name)
{
	struct slice rest = slice_of(getenv("PATH"));
	char path[512];

	while (rest.len) {
		struct slice directory = slice_until(&rest, ':');

		snprintf(path, sizeof(path), "%.*s/%s", SLICE_ARG(directory), name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* An embedded Redis runs only as long as the engine does; before that its program must be there. */
static void check_embedded(struct checking *checking)
{
	const struct config *config = checking->config;

	if (has_program("redis-server"))
		found(checking, LEVEL_OK, "redis", "embedded; it starts with run, on %.*s/redis.sock",
		      SLICE_ARG(config->state_dir));
	else
		found(checking, LEVEL_FAIL, "redis", "embedded, but there is no redis-server: install it");
	found(checking, LEVEL_OK, "promise", "%s, with fsync = \"%.*s\"",
	      slice_is(config->redis.fsync, SLICE("always"))	 ? promise_name(PROMISE_DURABLE)
	      : slice_is(config->redis.fsync, SLICE("everysec")) ? promise_name(PROMISE_SECOND)
								 : promise_name(PROMISE_NONE),
	      SLICE_ARG(config->redis.fsync));
}

static void check_redis(struct checking *checking)
{
	struct redis_server server = client_server(checking->config);
	char why[RING_WHY_MAX], room[ADDRESS_TEXT_MAX];
	struct redisContext *redis = redis_sync_open(&server, PATIENCE_MS, why);

	if (!redis && checking->config->redis.embedded) {
		check_embedded(checking);
		return;
	}
	if (!redis) {
		found(checking, LEVEL_FAIL, "redis", "%s", why);
		checking->status = EXIT_UNREACHABLE;
		return;
	}
	found(checking, LEVEL_OK, "redis", "answers at %.*s", SLICE_ARG(address_text(&server.address, room)));
	check_promise(checking, redis);
	check_functions(checking, redis);
	redisFree(redis);
}

/* What a submitter, a reader of events and an operator's tool may do, and nothing else. hikyaku_submit runs with its
 * caller's rights, hence XLEN; the keys keep every other function out. */
static void write_acl(const struct config *config, struct outbuf *out)
{
	struct slice prefix = config->redis.prefix;

	outbuf_printf(out,
		      "user hikyaku-submit on >PASSWORD resetchannels resetkeys ~%.*s:jobs ~%.*s:jobs:now "
		      "~%.*s:jobs:t:* -@all +fcall +xadd +xlen +ping +hello +auth +select +client|setname\n",
		      SLICE_ARG(prefix), SLICE_ARG(prefix), SLICE_ARG(prefix));
	outbuf_printf(
		out,
		"user hikyaku-events on >PASSWORD resetchannels resetkeys ~%.*s:{*}:events %%R~%.*s:rejected "
		"%%R~%.*s:job:* %%R~%.*s:meta -@all +xread +xreadgroup +xack +xautoclaim +xclaim +xpending +xrange "
		"+xrevrange +xlen +hget +hgetall +hmget +ping +hello +auth +select +client|setname\n",
		SLICE_ARG(prefix), SLICE_ARG(prefix), SLICE_ARG(prefix), SLICE_ARG(prefix));
	outbuf_printf(
		out,
		"user hikyaku-control on >PASSWORD resetchannels resetkeys ~%.*s:control %%R~%.*s:control:* -@all "
		"+xadd +get +ping +hello +auth +select +client|setname\n",
		SLICE_ARG(prefix), SLICE_ARG(prefix));
}

static int print_acl(const struct config *config, bool json)
{
	struct outbuf lines = {0}, out = {0};
	struct slice rest;

	write_acl(config, &lines);
	rest = outbuf_slice(&lines);
	while (json && rest.len) {
		outbuf_byte(&out, '{');
		outbuf_json_text(&out, "acl", slice_until(&rest, '\n'));
		outbuf_add(&out, SLICE("}\n"));
	}
	console_print(json ? &out : &lines);
	outbuf_free(&lines);
	outbuf_free(&out);
	return EXIT_DONE;
}

static int print_keys(bool json)
{
	struct outbuf out = {0};

	config_print_keys(&out, json);
	if (!json) /* whose lines are keys, all of them */
		providers_print(&out);
	console_print(&out);
	outbuf_free(&out);
	return EXIT_DONE;
}

static int check_all(const struct config *config, const struct arguments *arguments)
{
	struct checking checking = {.arguments = arguments, .config = config};

	check_config(&checking);
	check_state(&checking);
	check_machine(&checking);
	check_redis(&checking);
	fflush(stdout);
	check_dns(&checking);
	if (arguments->json)
		printf("{\"ok\":%s,\"findings\":[%.*s]}\n", checking.status == EXIT_DONE ? "true" : "false",
		       SLICE_ARG(outbuf_slice(&checking.findings)));
	outbuf_free(&checking.findings);
	return checking.status;
}

int command_check(const struct arguments *arguments)
{
	struct config *config;
	int status;

	if (argument_is_given(arguments, "--keys"))
		return print_keys(arguments->json);
	config = client_config(arguments);
	if (!config)
		return EXIT_USAGE;
	if (argument_is_given(arguments, "--acl"))
		status = print_acl(config, arguments->json);
	else
		status = check_all(config, arguments);
	config_free(config);
	return status;
}
