/* The suppression list, for people: add, remove, check, list. Redis is asked directly, so no engine needs to run; what
 * is added holds for what is leased from then on.
 *
 * Addresses come from the command line or a file, are read with the engine's own reader, and go in batches. A bad one
 * is said with its line, and the others still go. */
#include "suppress.h"

#include "console.h"

#include "base/log.h"
#include "queue/library.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slice suppress_key(struct suppress *suppress, struct slice domain, const char *more)
{
	return client_key(&suppress->client, "{%u}%s", (unsigned)(slice_hash(domain) % suppress->nshards), more);
}

/* Sends the batch as one call, which answers with a number. */
static bool flush(struct suppress *suppress)
{
	bool adds = suppress->reason.len > 0;
	struct slice argv[7 + 2 * SUPPRESSION_BATCH_MAX], rest = outbuf_slice(&suppress->batch);
	char keep[24];
	unsigned n = 4;

	if (suppress->nbatch == 0)
		return true;
	argv[0] = SLICE("FCALL");
	argv[1] = adds ? SLICE("hikyaku_suppression_put") : SLICE("hikyaku_suppression_drop");
	argv[2] = SLICE("1");
	argv[3] = client_key(&suppress->client, "{%u}", suppress->shard);
	if (adds) {
		snprintf(keep, sizeof(keep), "%llu", (unsigned long long)suppress->keep_s);
		argv[n++] = suppress->by;
		argv[n++] = suppress->reason;
		argv[n++] = slice_of(keep);
	}
	while (rest.len)
		argv[n++] = slice_until(&rest, '\0');
	struct redisReply *reply = client_ask(&suppress->client, argv, n);

	outbuf_reset(&suppress->batch);
	suppress->nbatch = 0;
	if (!reply)
		return false;
	suppress->changed += reply->type == REDIS_REPLY_INTEGER ? (uint64_t)reply->integer : 0;
	freeReplyObject(reply);
	return true;
}

static bool change(struct suppress *suppress, const struct mailbox *mailbox)
{
	struct slice domain = mailbox_domain(mailbox);
	unsigned shard = (unsigned)(slice_hash(domain) % suppress->nshards);

	if ((suppress->nbatch == SUPPRESSION_BATCH_MAX || shard != suppress->shard) && !flush(suppress))
		return false;
	suppress->shard = shard;
	suppress->nbatch++;
	outbuf_add(&suppress->batch, domain);
	outbuf_byte(&suppress->batch, '\0');
	suppression_field(&suppress->batch, suppress->tenant, mailbox_address(mailbox));
	outbuf_byte(&suppress->batch, '\0');
	return true;
}

/* One address as it was written; false when it is no use to go on. */
static bool take(struct suppress *suppress, struct slice text, const char *file, unsigned long long line,
		 bool (*each)(struct suppress *suppress, const struct mailbox *mailbox))
{
	struct mailbox mailbox;
	enum mailbox_fault fault = mailbox_read(text, &mailbox);

	if (fault) {
		suppress->wrong = true;
		if (file)
			console_say("%s:%llu: the address \"%s\" %s", file, line, LOG_TEXT(text),
				    mailbox_fault_sentence(fault));
		else
			console_say("the address \"%s\" %s", LOG_TEXT(text), mailbox_fault_sentence(fault));
		return true;
	}
	suppress->asked++;
	return each(suppress, &mailbox);
}

static bool take_file(struct suppress *suppress, const char *path,
		      bool (*each)(struct suppress *suppress, const struct mailbox *mailbox))
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	unsigned long long line = 0;
	char *text = NULL;
	size_t size = 0;
	ssize_t n;
	bool good = file != NULL;

	while (good && (n = getline(&text, &size, file)) >= 0) {
		struct slice address = slice_trim((struct slice){text, (size_t)n});

		line++;
		if (address.len)
			good = take(suppress, address, path, line, each);
		if (line % 10000 == 0)
			console_progress("addresses", suppress->asked, 0);
	}
	if (!file || ferror(file)) {
		console_say("reading %s: %s", path, strerror(errno));
		suppress->wrong = true;
	}
	if (file && file != stdin)
		fclose(file);
	free(text);
	console_progress_end();
	return good || !file;
}

static int take_all(struct suppress *suppress, bool (*each)(struct suppress *suppress, const struct mailbox *mailbox))
{
	const struct arguments *arguments = suppress->arguments;
	const char *file = argument_value(arguments, "--file");
	bool good = true;

	if (arguments->nwords < 2 && !file) {
		console_say("found no address, expected: hikyaku suppress %s ADDRESS…, or --file FILE",
			    arguments->words[0]);
		return EXIT_USAGE;
	}
	for (unsigned i = 1; good && i < arguments->nwords; i++)
		good = take(suppress, slice_of(arguments->words[i]), NULL, 0, each);
	if (good && file)
		good = take_file(suppress, file, each);
	if (!good || !flush(suppress))
		return suppress->client.status;
	return suppress->wrong ? EXIT_FAILED : EXIT_DONE;
}

/* What add and remove did, of how many. */
static void tell(struct suppress *suppress, const char *did, const char *rest)
{
	unsigned long long changed = suppress->changed, others = suppress->asked - suppress->changed;

	if (suppress->arguments->json)
		printf("{\"%s\":%llu,\"%s\":%llu}\n", did, changed, rest, others);
	else
		printf("%llu %s, %llu %s\n", changed, did, others, rest);
}

static bool read_terms(struct suppress *suppress)
{
	const char *reason = argument_value(suppress->arguments, "--reason"), *keep, *user = getenv("USER"), *why;
	uint64_t ms = suppress->client.config->suppression.keep_ms;

	suppress->reason = reason ? slice_of(reason) : SLICE("by hand");
	suppress->by = user && suppression_by_is_fine(slice_of(user)) ? slice_of(user) : SLICE("operator");
	if (!suppression_reason_is_fine(suppress->reason)) {
		console_say("--reason \"%.60s\": expected 1 to %d printable characters", reason,
			    SUPPRESSION_REASON_MAX);
		return false;
	}
	keep = argument_value(suppress->arguments, "--for");
	if (keep && slice_is(slice_of(keep), SLICE("unlimited"))) {
		ms = 0;
	} else if (keep && (!config_duration(slice_of(keep), &ms, &why) || ms == 0)) {
		console_say("--for \"%.60s\": %s; expected a duration such as 180d, or unlimited", keep,
			    ms ? why : "0 makes no sense here");
		return false;
	}
	suppress->keep_s = ms / 1000;
	return true;
}

static int run_add(struct suppress *suppress)
{
	int status;

	if (!read_terms(suppress))
		return EXIT_USAGE;
	status = take_all(suppress, change);
	if (status == EXIT_DONE || status == EXIT_FAILED)
		tell(suppress, "added", "already");
	return status;
}

static int run_remove(struct suppress *suppress)
{
	int status = take_all(suppress, change);

	if (status == EXIT_DONE || status == EXIT_FAILED)
		tell(suppress, "removed", "absent");
	return status;
}

static int run_check(struct suppress *suppress)
{
	return take_all(suppress, suppress_check);
}

static const struct {
	const char *word;
	int (*run)(struct suppress *suppress);
	bool changes;
} actions[] = {{"add", run_add, true},
	       {"remove", run_remove, true},
	       {"check", run_check, false},
	       {"list", suppress_list, false}};

static int run(struct suppress *suppress, size_t action)
{
	char why[RING_WHY_MAX];
	int status = client_open(&suppress->client, suppress->arguments);

	if (status != EXIT_DONE)
		return status;
	suppress->nshards = client_shards(&suppress->client);
	if (actions[action].changes && !library_sync(suppress->client.redis, why)) {
		console_say("%s", why);
		return EXIT_UNREACHABLE;
	}
	status = actions[action].run(suppress);
	console_print(&suppress->out);
	return status;
}

int command_suppress(const struct arguments *arguments)
{
	struct suppress suppress = {
		.arguments = arguments,
		.tenant = slice_of(argument_value(arguments, "--tenant")),
		.has_tenant = argument_is_given(arguments, "--tenant"),
	};
	const size_t nactions = sizeof(actions) / sizeof(actions[0]);
	size_t i = 0;
	int status;

	while (i < nactions && strcmp(actions[i].word, arguments->words[0]) != 0)
		i++;
	if (i == nactions) {
		console_say("found suppress %.40s, expected add, remove, check or list", arguments->words[0]);
		return EXIT_USAGE;
	}
	status = run(&suppress, i);
	client_close(&suppress.client);
	outbuf_free(&suppress.batch);
	outbuf_free(&suppress.out);
	outbuf_free(&suppress.scratch);
	return status;
}
