/* hikyaku COMMAND: finds the command and runs it. Everything else is in engine/commands/ and, for `run`, in engine.c.
 */
#include "commands/command.h"

#include <signal.h>
#include <stdio.h>

static int act(const struct arguments *arguments)
{
	const struct command *command = arguments->command;

	if (arguments->version) {
		printf("hikyaku 0.1\n");
		return EXIT_DONE;
	}
	if (!command) {
		commands_help();
		return arguments->help ? EXIT_DONE : EXIT_USAGE;
	}
	if (arguments->help) {
		command_help(command);
		return EXIT_DONE;
	}
	if (command->run)
		return command->run(arguments);
	fprintf(stderr, "hikyaku: %s comes with a later version; it does not work yet, and nothing was changed\n",
		command->name);
	return EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct arguments arguments;
	int status = EXIT_USAGE;

	signal(SIGPIPE, SIG_IGN);
	if (arguments_read(&arguments, argc, argv))
		status = act(&arguments);
	arguments_free(&arguments);
	if (fflush(stdout) != 0 && status == EXIT_DONE)
		status = EXIT_FAILED;
	return status;
}
