/* Commands: what `hikyaku WORD` does (CONTRACT.md, "One binary").
 *
 * Each is a row in commands.c: its name, what may follow it, its options, one sentence, a function. The rows read the
 * command line and write the help. A function gets the arguments and returns the exit status: results went to stdout,
 * messages to stderr. A command of a later version has no function; it says so and changes nothing.
 *
 *     int command_job(const struct arguments *arguments)
 *     {
 *             const char *tenant = argument_value(arguments, "--tenant");
 *             ... arguments->words[0] ... */
#pragma once

#include "base/slice.h"

/* Exit statuses, for scripts. */
enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,      /* could not do it */
	EXIT_USAGE = 2,	      /* the command line or the configuration */
	EXIT_UNREACHABLE = 3, /* engine or Redis */
	EXIT_UNDELIVERED = 4, /* the delivery itself went wrong */
};

struct option {
	const char *name;  /* "--from"; NULL ends a list */
	const char *value; /* what follows it, for the help; NULL: nothing does */
	const char *sentence;
};

struct arguments;

struct command {
	const char *name, *words; /* words: what follows, "ID" or "[DOMAIN]" */
	unsigned words_min, words_max;
	const char *sentence;
	const struct option *options;		       /* NULL: only those of all commands */
	int (*run)(const struct arguments *arguments); /* NULL: comes with a later version */
};

struct given {
	const struct option *option;
	const char *value; /* NULL when the option has none */
};

/* All borrowed from argv. */
struct arguments {
	const struct command *command; /* NULL: none was named */
	const char *config;	       /* -c; NULL: not given */
	bool json, help, version;
	const char **words; /* owned arrays, freed with arguments_free */
	struct given *given;
	unsigned nwords, ngiven;
};

enum { COMMANDS_MAX = 32 };
extern const struct command commands[]; /* the last one has no name */

/* False when the line is wrong; what is wrong was written to stderr. */
bool arguments_read(struct arguments *arguments, int argc, char **argv);
void arguments_free(struct arguments *arguments);
/* The value of an option, the last one if it was given several times; NULL if it was not. */
const char *argument_value(const struct arguments *arguments, const char *name);
bool argument_is_given(const struct arguments *arguments, const char *name);
/* Each value of an option in turn; begin with *at = 0. NULL at the end. */
const char *argument_next(const struct arguments *arguments, const char *name, unsigned *at);

/* The list of commands; the help of one. To stdout. */
void commands_help(void);
void command_help(const struct command *command);

int command_run(const struct arguments *arguments);
int command_check(const struct arguments *arguments);
int command_submit(const struct arguments *arguments);
int command_status(const struct arguments *arguments);
int command_job(const struct arguments *arguments);
int command_jobs(const struct arguments *arguments);
int command_events(const struct arguments *arguments);
int command_queue(const struct arguments *arguments);
int command_find_recipient(const struct arguments *arguments);
/* pause and resume; cancel and retry. */
int command_pause(const struct arguments *arguments);
int command_mail_order(const struct arguments *arguments);
int command_resolve(const struct arguments *arguments);
int command_try(const struct arguments *arguments);
int command_reload(const struct arguments *arguments);
int command_classify(const struct arguments *arguments);
int command_suppress(const struct arguments *arguments);
