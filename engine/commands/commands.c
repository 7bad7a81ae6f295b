/* The table of commands and the help that is made from it. Commands of a later version are rows too, so that nobody
 * wonders whether a word of the manual was misspelt. */
#include "command.h"

#include <stdio.h>

static const struct option everywhere[] = {
	{"-c", "FILE", "the configuration; else $HIKYAKU_CONF, else /etc/hikyaku/hikyaku.conf, else built-in defaults"},
	{"--json", NULL, "results as JSON, one object, or one a line"},
	{"--help", NULL, "this text"},
	{NULL, NULL, NULL},
};

static const struct option check_options[] = {
	{"--acl", NULL, "print the lines for Redis' ACL file: a submitter, a reader of events, who gives orders"},
	{"--keys", NULL, "print every key of the configuration with its meaning"},
	{NULL, NULL, NULL},
};

static const struct option submit_options[] = {
	{"--from", "ADDRESS", "envelope sender; \"\" for none"},
	{"--to", "ADDRESS", "a recipient; may be repeated"},
	{"--to-file", "FILE", "recipients, one a line: addresses, or JSON objects; - is standard input"},
	{"--id", "ID",
	 "idempotency key: the same again changes nothing; /1, /2… are added where several jobs are made"},
	{"--campaign", "NAME", "what it belongs to"},
	{"--tenant", "NAME", "who submits it"},
	{"--class", "CLASS", "bulk or transactional"},
	{"--pool", "NAME", "the pool of sources"},
	{"--tag", "KEY=VALUE", "comes back in every event; may be repeated"},
	{"--var", "KEY=VALUE", "fills {{KEY}} in the message; may be repeated"},
	{"--not-before", "TIME", "RFC 3339 with zone, epoch milliseconds, or a duration from now such as 2h"},
	{"--partial", NULL, "let good recipients through where others are bad"},
	{"--job", "FILE", "a whole job as JSON instead; - is standard input"},
	{"--wait", NULL, "wait until every recipient has its end; exit 4 if one was not delivered"},
	{"--dry-run", NULL, "print the mail as the first recipient would get it, and submit nothing"},
	{NULL, NULL, NULL},
};

static const struct option job_options[] = {
	{"--tenant", "NAME", "whose job it is"},
	{NULL, NULL, NULL},
};

static const struct option events_options[] = {
	{"--since", "TIME", "RFC 3339 with zone, epoch milliseconds, or a duration back from now such as 10m"},
	{"--follow", NULL, "go on as events happen"},
	{NULL, NULL, NULL},
};

#define MATCHES                                                                                                      \
	"keys are domain, site, campaign, tenant, source, job, class and state (queued, deferred, held): different " \
	"ones are ANDed, repeated ones ORed, * stands for anything"

static const struct option queue_options[] = {
	{"--all", NULL, "each recipient, one a line"},
	{"--limit", "N", "at most so many of them"},
	{NULL, NULL, NULL},
};

static const struct option pause_options[] = {
	{"--for", "D", "ends by itself, such as after 30m or 2h"},
	{"--hold-expiry", NULL, "what is held back expires that much later"},
	{NULL, NULL, NULL},
};

static const struct option order_options[] = {
	{"--yes", NULL, "do not ask"},
	{"--dry-run", NULL, "only count"},
	{NULL, NULL, NULL},
};

static const struct option try_options[] = {
	{"--send", "FILE", "send this message; without it the dialogue ends after RCPT"},
	{"--from", "ADDRESS", "envelope sender; postmaster at our hostname if not given"},
	{NULL, NULL, NULL},
};

static const struct option classify_options[] = {
	{"--explain", NULL, "say which rule decided, and on what"},
	{"--site", "NAME", "the receiver's site, for lines that name none in a third column"},
	{NULL, NULL, NULL},
};

static const struct option suppress_options[] = {
	{"--tenant", "NAME", "the list of this tenant; everybody's if not given"},
	{"--reason", "TEXT", "add: why; list: only those with this reason"},
	{"--for", "DURATION", "add: how long, such as 180d, or unlimited; as configured if not given"},
	{"--file", "FILE", "addresses, one a line; - is standard input"},
	{NULL, NULL, NULL},
};

#define LATER(name, words, sentence)                       \
	{                                                  \
		name, words, 0, 1000, sentence, NULL, NULL \
	}

const struct command commands[] = {
	{"run", "", 0, 0, "the engine, in the foreground; SIGTERM ends it, SIGHUP reads the configuration again", NULL,
	 command_run},
	{"check", "", 0, 0, "configuration, Redis, DNS and machine: what is wrong, and what promise can be kept",
	 check_options, command_check},
	{"submit", "[MESSAGE.eml|-]", 0, 1, "puts jobs into Redis and prints their ids", submit_options,
	 command_submit},
	{"status", "", 0, 0, "rates, queue, sites and lanes with what each waits for", NULL, command_status},
	{"job", "ID", 1, 1, "how far a job is", job_options, command_job},
	{"jobs", "", 0, 0, "the list of jobs, the newest first", NULL, command_jobs},
	{"events", "[KEY=VALUE…]", 0, 100,
	 "the event stream; keys are fields of events, different ones are ANDed, repeated ones ORed, * stands for "
	 "anything",
	 events_options, command_events},
	{"queue", "[KEY=VALUE…]", 0, 256, "what is queued, in groups: how many, until when, and why it waits; " MATCHES,
	 queue_options, command_queue},
	{"find", "ADDRESS", 1, 1, "one recipient's queue entry and last events", NULL, command_find_recipient},
	{"pause", "KEY=VALUE…", 0, 256, "holds mail back; " MATCHES, pause_options, command_pause},
	{"resume", "KEY=VALUE…", 0, 256, "lifts the pauses whose keys and values these fit", NULL, command_pause},
	{"cancel", "KEY=VALUE…", 0, 256, "ends mail that waits and was submitted before now; " MATCHES, order_options,
	 command_mail_order},
	{"retry", "KEY=VALUE…", 0, 256, "tries mail that is deferred or held now; " MATCHES, order_options,
	 command_mail_order},
	{"resolve", "DOMAIN", 1, 1, "where its mail goes, its site, its limits, and which line decided each", NULL,
	 command_resolve},
	{"try", "ADDRESS", 1, 1, "one SMTP dialogue, shown live", try_options, command_try},
	{"reload", "", 0, 0, "checks the configuration and has the running engine read it", NULL, command_reload},
	{"classify", "[FILE…]", 0, 1000,
	 "verdicts of replies: reads lines STAGE<TAB>REPLY, the stages being connect, ehlo, starttls, auth, mail, "
	 "rcpt, "
	 "data, eom",
	 classify_options, command_classify},
	{"suppress", "add|remove|check|list [ADDRESS…]", 1, 100000, "the suppression list", suppress_options,
	 command_suppress},
	LATER("top", "", "status, live"),
	LATER("trace", "KEY=VALUE…", "live dialogues of a running engine"),
	LATER("dkim", "new|check DOMAIN SELECTOR", "signing keys and their DNS records"),
	{NULL, NULL, 0, 0, NULL, NULL, NULL},
};

void commands_help(void)
{
	printf("hikyaku COMMAND [-c FILE] [--json] ...      hikyaku COMMAND --help      hikyaku --version\n\n");
	for (const struct command *command = commands; command->name; command++)
		if (command->run)
			printf("  %-10s %s\n", command->name, command->sentence);
	printf("\nComes later:\n");
	for (const struct command *command = commands; command->name; command++)
		if (!command->run)
			printf("  %-10s %s\n", command->name, command->sentence);
	printf("\nExit: 0 done, 1 could not do it, 2 usage or configuration, 3 engine or Redis unreachable, 4 not "
	       "delivered.\n");
}

static void print_options(const struct option *options)
{
	for (; options && options->name; options++)
		printf("  %s %-*s %s\n", options->name, (int)(22 - slice_of(options->name).len),
		       options->value ? options->value : "", options->sentence);
}

void command_help(const struct command *command)
{
	printf("hikyaku %s%s%s%s\n\n%s%s.\n\n", command->name, command->options ? " [OPTION…]" : "",
	       command->words[0] ? " " : "", command->words, command->sentence,
	       command->run ? "" : " (comes with a later version)");
	print_options(command->options);
	print_options(everywhere);
}
