/* Reading the command line. Options may stand before or after the command and its words, as "--from A" or "--from=A";
 * "--" ends them. getopt_long was rejected: it knows one list of options, and here each command has its own. */
#include "command.h"

#include "base/check.h"
#include "queue/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command *command_find(const char *name)
{
	for (const struct command *command = commands; command->name; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

/* Writes what is wrong, with the nearest of the names that there are. */
static bool unknown(const char *what, const char *found, const char *const *names, unsigned n)
{
	const char *nearest = document_nearest(found, names, n);

	fprintf(stderr, "hikyaku: unknown %s \"%.60s\"%s%s%s; hikyaku --help has the list\n", what, found,
		nearest ? ", did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
	return false;
}

static bool unknown_command(const char *found)
{
	const char *names[COMMANDS_MAX];
	unsigned n = 0;

	for (const struct command *command = commands; command->name && n < COMMANDS_MAX; command++)
		names[n++] = command->name;
	return unknown("command", found, names, n);
}

static bool unknown_option(const struct command *command, const char *found)
{
	const char *names[COMMANDS_MAX] = {"--json", "--help", "--version"};
	unsigned n = 3;

	for (const struct option *option = command ? command->options : NULL;
	     option && option->name && n < COMMANDS_MAX; option++)
		names[n++] = option->name;
	return unknown("option", found, names, n);
}

/* A word that begins with -: the name up to = or its end. */
static bool is_named(const char *word, const char *name)
{
	size_t n = strlen(name);

	return strncmp(word, name, n) == 0 && (word[n] == '\0' || (word[n] == '=' && name[1] == '-'));
}

/* What follows the option: after =, or the next word. */
static const char *value_of(const char *word, int argc, char **argv, int *at)
{
	const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;

	if (equals)
		return equals + 1;
	if (*at + 1 < argc)
		return argv[++*at];
	fprintf(stderr, "hikyaku: %s needs something after it\n", word);
	return NULL;
}

static const struct option *option_find(const struct command *command, const char *word)
{
	for (const struct option *option = command ? command->options : NULL; option && option->name; option++)
		if (is_named(word, option->name))
			return option;
	return NULL;
}

static bool read_option(struct arguments *arguments, const char *word, int argc, char **argv, int *at)
{
	const struct option *option = option_find(arguments->command, word);

	if (strcmp(word, "--json") == 0)
		arguments->json = true;
	else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		arguments->help = true;
	else if (strcmp(word, "--version") == 0)
		arguments->version = true;
	else if (strcmp(word, "-c") == 0)
		return (arguments->config = value_of(word, argc, argv, at)) != NULL;
	else if (!option)
		return unknown_option(arguments->command, word);
	else {
		struct given given = {option, NULL};

		if (option->value && !(given.value = value_of(word, argc, argv, at)))
			return false;
		if (!option->value && strchr(word, '=')) {
			fprintf(stderr, "hikyaku: %s takes no value\n", option->name);
			return false;
		}
		arguments->given[arguments->ngiven++] = given;
	}
	return true;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1];
}

/* The command is the first word that is no option and does not belong to -c. */
static bool find_command(struct arguments *arguments, int argc, char **argv, int *place)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-c") == 0) {
			i++;
		} else if (!is_option(argv[i])) {
			*place = i;
			arguments->command = command_find(argv[i]);
			return arguments->command || unknown_command(argv[i]);
		}
	}
	return true;
}

static bool check_words(const struct arguments *arguments)
{
	const struct command *command = arguments->command;

	if (!command || arguments->help || arguments->version)
		return true;
	if (arguments->nwords >= command->words_min && arguments->nwords <= command->words_max)
		return true;
	fprintf(stderr, "hikyaku: found %u words after %s, expected: hikyaku %s %s\n", arguments->nwords, command->name,
		command->name, command->words);
	return false;
}

bool arguments_read(struct arguments *arguments, int argc, char **argv)
{
	bool options = true;
	int command = 0;

	*arguments = (struct arguments){
		.words = calloc((size_t)argc + 1, sizeof(*arguments->words)),
		.given = calloc((size_t)argc + 1, sizeof(*arguments->given)),
	};
	CHECK(arguments->words && arguments->given);
	if (!find_command(arguments, argc, argv, &command))
		return false;
	for (int i = 1; i < argc; i++) {
		if (i == command)
			continue;
		if (options && strcmp(argv[i], "--") == 0)
			options = false;
		else if (!options || !is_option(argv[i]))
			arguments->words[arguments->nwords++] = argv[i];
		else if (arguments->command && !arguments->command->run &&
			 option_find(arguments->command, argv[i]) == NULL && strcmp(argv[i], "--help") != 0)
			continue; /* of a later version, which knows it */
		else if (!read_option(arguments, argv[i], argc, argv, &i))
			return false;
	}
	return check_words(arguments);
}

void arguments_free(struct arguments *arguments)
{
	free(arguments->words);
	free(arguments->given);
}

const char *argument_next(const struct arguments *arguments, const char *name, unsigned *at)
{
	while (*at < arguments->ngiven) {
		const struct given *given = &arguments->given[(*at)++];

		if (strcmp(given->option->name, name) == 0)
			return given->value ? given->value : "";
	}
	return NULL;
}

const char *argument_value(const struct arguments *arguments, const char *name)
{
	const char *value = NULL, *next;
	unsigned at = 0;

	while ((next = argument_next(arguments, name, &at)))
		value = next;
	return value;
}

bool argument_is_given(const struct arguments *arguments, const char *name)
{
	return argument_value(arguments, name) != NULL;
}
