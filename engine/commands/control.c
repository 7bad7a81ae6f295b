/* Pause, resume, cancel, retry. An order is written into Redis by the function that an engine would call too, so it
 * holds whether or not one runs; an engine learns of it in a fifth of a second. What it means for mail that waits, the
 * engine goes through; with none, this does. */
#include "console.h"
#include "pauses.h"
#include "queue_reader.h"

#include "queue/control.h"

#include "base/check.h"
#include "base/log.h"
#include "base/random.h"

#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_MS = 20, PATIENCE_MS = 600000, PAUSE_PATIENCE_MS = 3000, STEPS_MAX = 1000000 };

struct asking {
	const struct arguments *arguments;
	struct client client;
	struct match match;
	struct outbuf json; /* the match */
	char by[CONTROL_TEXT_MAX], ref[32];
	char at_work[24]; /* the order whose turn is next, while this goes through the mail */
	uint64_t for_ms;
	uint64_t found[4], total; /* by place */
};

static const char *word_of(const struct asking *asking)
{
	return asking->arguments->command->name;
}

static void say_who(struct asking *asking)
{
	const struct passwd *user = getpwuid(getuid());
	const char *name = getenv("SUDO_USER");

	if (!name || !*name)
		name = user ? user->pw_name : "";
	snprintf(asking->by, sizeof(asking->by), "%s", name);
}

static bool read_options(struct asking *asking)
{
	const char *span = argument_value(asking->arguments, "--for");

	if (!span || control_duration(slice_of(span), &asking->for_ms))
		return true;
	console_say("--for \"%.60s\": expected a duration from 1s to 366d, such as 90s, 5m, 2h or 3d", span);
	return false;
}

static int asking_open(struct asking *asking, const struct arguments *arguments)
{
	struct refusal refusal;

	*asking = (struct asking){.arguments = arguments};
	snprintf(asking->ref, sizeof(asking->ref), "cli-%016llx", (unsigned long long)random_secret());
	if (!match_words(&asking->match, arguments->words, arguments->nwords, &refusal) ||
	    !control_check(slice_of(word_of(asking)), &asking->match, &refusal)) {
		console_say("%s: %s", word_of(asking), refusal.message);
		return EXIT_USAGE;
	}
	if (!read_options(asking))
		return EXIT_USAGE;
	match_write_json(&asking->match, &asking->json);
	say_who(asking);
	return client_open(&asking->client, arguments);
}

static void asking_close(struct asking *asking)
{
	match_free(&asking->match);
	outbuf_free(&asking->json);
	if (asking->client.config)
		client_close(&asking->client);
}

/* Gives the order; what Redis says to it, or NULL and said so. */
static struct redisReply *give_order(struct asking *asking)
{
	struct client *client = &asking->client;
	char span[24];
	struct slice argv[] = {SLICE("FCALL"),
			       SLICE("hikyaku_control"),
			       SLICE("1"),
			       client_key(client, "{0}"),
			       SLICE(""),
			       slice_of(word_of(asking)),
			       outbuf_slice(&asking->json),
			       {span, (size_t)snprintf(span, sizeof(span), "%llu", (unsigned long long)asking->for_ms)},
			       slice_of(asking->by),
			       slice_of(asking->ref),
			       argument_is_given(asking->arguments, "--hold-expiry") ? SLICE("1") : SLICE("")};
	struct redisReply *reply = client_try(client, argv, sizeof(argv) / sizeof(argv[0]));

	if (reply && reply->type == REDIS_REPLY_ARRAY)
		return reply;
	if (reply && slice_find(reply_text(reply), 'F') < reply_text(reply).len &&
	    strstr(reply->str, "Function not found")) {
		console_say(
			"this Redis has no queue: no engine has run here, or one of an older version; start hikyaku "
			"run first");
		client->status = EXIT_UNREACHABLE;
	} else if (reply) {
		console_say("%s: Redis answers \"%.200s\"", word_of(asking), LOG_TEXT(reply_text(reply)));
		client->status = EXIT_FAILED;
	}
	if (reply)
		freeReplyObject(reply);
	return NULL;
}

static void print_json(const struct asking *asking, uint64_t count)
{
	struct outbuf out = {0};

	outbuf_byte(&out, '{');
	outbuf_json_text(&out, "do", slice_of(word_of(asking)));
	outbuf_json_raw(&out, "match", outbuf_slice(&asking->json));
	outbuf_json_number(&out, "count", count);
	if (argument_is_given(asking->arguments, "--dry-run"))
		outbuf_json_raw(&out, "dry_run", SLICE("true"));
	outbuf_add(&out, SLICE("}\n"));
	console_print(&out);
	outbuf_free(&out);
}

static bool count_one(void *who, const struct waiting *waiting)
{
	struct asking *asking = who;

	asking->found[waiting->place]++;
	if (++asking->total % 1000 == 0)
		console_progress("counting", asking->total, 0);
	return true;
}

/* How many are meant. A retry means those that wait by time or for a person. */
static bool count(struct asking *asking)
{
	struct queue_reader reader;
	bool ok;

	queue_reader_open(&reader, &asking->client, &asking->match);
	ok = queue_reader_read(&reader, count_one, asking);
	queue_reader_close(&reader);
	console_progress_end();
	if (strcmp(word_of(asking), "retry") == 0)
		asking->total = asking->found[WAITING_DEFERRED] + asking->found[WAITING_HELD];
	return ok;
}

static void say_count(const struct asking *asking)
{
	struct outbuf text = {0};

	match_write_text(&asking->match, &text);
	console_say(
		"%llu recipient%s of %.*s: %llu queued, %llu in an engine's hands, %llu deferred, %llu held",
		(unsigned long long)asking->total, asking->total == 1 ? "" : "s", SLICE_ARG(outbuf_slice(&text)),
		(unsigned long long)asking->found[WAITING_QUEUED], (unsigned long long)asking->found[WAITING_LEASED],
		(unsigned long long)asking->found[WAITING_DEFERRED], (unsigned long long)asking->found[WAITING_HELD]);
	outbuf_free(&text);
}

/* EXIT_DONE to go on. */
static int agree(const struct asking *asking)
{
	char line[16] = "";

	if (argument_is_given(asking->arguments, "--yes"))
		return EXIT_DONE;
	if (!isatty(STDIN_FILENO)) {
		console_say("%s: not a terminal, so nobody can be asked; say --yes to do it, --dry-run to only count",
			    word_of(asking));
		return EXIT_USAGE;
	}
	fprintf(stderr, "%s %s? [y/N] ", word_of(asking), asking->total == 1 ? "it" : "them");
	if (fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y'))
		return EXIT_DONE;
	console_say("nothing was changed");
	return EXIT_FAILED;
}

/* The count in an answer (JSON, made by queue/lua/6_controls.lua). */
static bool read_count(struct slice answer, uint64_t *n)
{
	static const struct slice name = {"\"count\":", 8};
	struct slice digits;

	while (answer.len && !slice_starts(answer, name))
		answer = slice_skip(answer, 1);
	answer = slice_skip(answer, name.len);
	digits = slice_until(&answer, '}');
	return slice_number(digits, UINT64_MAX, n);
}

/* An engine is at it: looks for its answer. */
static bool look(struct asking *asking, uint64_t *n)
{
	struct client *client = &asking->client;
	struct redisReply *reply =
		client_ask(client, (struct slice[]){SLICE("GET"), client_key(client, "control:%s", asking->ref)}, 2);
	bool found = read_count(reply_text(reply), n);

	if (reply)
		freeReplyObject(reply);
	poll(NULL, 0, found ? 0 : LOOK_MS);
	return found;
}

static void forget_answer(struct asking *asking)
{
	struct client *client = &asking->client;
	struct slice argv[] = {SLICE("FCALL"), SLICE("hikyaku_control_answered"), SLICE("1"), client_key(client, "{0}"),
			       slice_of(asking->ref)};
	struct redisReply *reply = client_ask(client, argv, 5);

	if (reply)
		freeReplyObject(reply);
}

/* None is there: goes through the mail itself, a piece at a time. */
static bool step(struct asking *asking, uint64_t *n)
{
	struct client *client = &asking->client;
	struct slice argv[] = {SLICE("FCALL"),
			       SLICE("hikyaku_control_step"),
			       SLICE("1"),
			       client_key(client, "{0}"),
			       SLICE("256"),
			       SLICE("9007199254740992"),
			       slice_of(asking->at_work),
			       SLICE("0")};
	struct redisReply *reply = client_ask(client, argv, 8);
	bool found = false;

	snprintf(asking->at_work, sizeof(asking->at_work), "%.*s", SLICE_ARG(reply_text_at(reply, 2)));
	for (size_t i = 3; reply && i + 1 < reply->elements && !found; i += 2)
		if (slice_is(reply_text_at(reply, i), slice_of(asking->ref)))
			found = read_count(reply_text_at(reply, i + 1), n);
	if (reply)
		freeReplyObject(reply);
	if (found)
		forget_answer(asking);
	return found;
}

/* False if it is not done by then. */
static bool wait_for_it(struct asking *asking, uint64_t *n, unsigned patience_ms)
{
	unsigned long long until_ms = console_now_ms() + patience_ms;
	struct client *client = &asking->client;
	char engine[128];
	bool done = false;

	for (unsigned i = 0; i < STEPS_MAX && !done && client->redis && console_now_ms() < until_ms; i++)
		done = client_engine(client, engine, sizeof(engine)) ? look(asking, n) : step(asking, n);
	return done;
}

/* Pauses in force, for who did not meet any. */
static void list_pauses(struct asking *asking)
{
	struct pauses pauses;
	struct outbuf line = {0};

	pauses_read(&pauses, &asking->client);
	console_say("%s", pauses.n ? "no pause is meant by that; in force are:" : "nothing is paused");
	for (size_t i = 0; i < pauses.n; i++) {
		outbuf_reset(&line);
		pause_write(&pauses.pauses[i], &line);
		console_say("  %.*s", SLICE_ARG(outbuf_slice(&line)));
	}
	outbuf_free(&line);
	pauses_free(&pauses);
}

/* Paused or resumed: done when Redis has said so, and an engine, if one runs, has it in force. */
static int order_pause(struct asking *asking)
{
	bool resumes = strcmp(word_of(asking), "resume") == 0;
	struct redisReply *reply = give_order(asking);
	uint64_t answered;
	uint64_t count = reply_number_at(reply, 1);
	struct outbuf text = {0};

	if (!reply)
		return asking->client.status;
	freeReplyObject(reply);
	wait_for_it(asking, &answered, PAUSE_PATIENCE_MS);
	if (asking->client.status)
		return asking->client.status;
	match_write_text(&asking->match, &text);
	if (asking->arguments->json)
		print_json(asking, count);
	else if (!resumes)
		printf("paused %.*s%s%s; hikyaku resume %.*s lets it go again\n", SLICE_ARG(outbuf_slice(&text)),
		       asking->for_ms ? " for " : "", asking->for_ms ? argument_value(asking->arguments, "--for") : "",
		       SLICE_ARG(outbuf_slice(&text)));
	else if (count)
		printf("resumed: %llu pause%s lifted\n", (unsigned long long)count, count == 1 ? "" : "s");
	outbuf_free(&text);
	if (resumes && count == 0) {
		list_pauses(asking);
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

/* Cancel and retry: counted, agreed to, done, and told how many it were. */
static int order_mail(struct asking *asking)
{
	uint64_t n = 0;
	int status;

	if (!count(asking))
		return asking->client.status ? asking->client.status : EXIT_FAILED;
	if (argument_is_given(asking->arguments, "--dry-run")) {
		if (asking->arguments->json)
			print_json(asking, asking->total);
		else
			printf("%llu\n", (unsigned long long)asking->total);
		if (!asking->arguments->json)
			say_count(asking);
		return EXIT_DONE;
	}
	say_count(asking);
	if ((status = agree(asking)) != EXIT_DONE)
		return status;
	struct redisReply *reply = give_order(asking);

	if (!reply)
		return asking->client.status;
	freeReplyObject(reply);
	if (!wait_for_it(asking, &n, PATIENCE_MS)) {
		if (!asking->client.status)
			console_say("it holds, and the engine still goes through the mail; hikyaku events "
				    "type=control tells the end");
		return asking->client.status ? asking->client.status : EXIT_FAILED;
	}
	if (asking->arguments->json)
		print_json(asking, n);
	else
		printf("%s %llu recipient%s\n",
		       strcmp(word_of(asking), "cancel") == 0 ? "cancelled" : "due now:", (unsigned long long)n,
		       n == 1 ? "" : "s");
	return EXIT_DONE;
}

static int ask(const struct arguments *arguments, int (*order)(struct asking *asking))
{
	struct asking asking;
	int status = asking_open(&asking, arguments);

	if (status == EXIT_DONE)
		status = order(&asking);
	asking_close(&asking);
	return status;
}

int command_pause(const struct arguments *arguments)
{
	return ask(arguments, order_pause);
}

int command_mail_order(const struct arguments *arguments)
{
	return ask(arguments, order_mail);
}
