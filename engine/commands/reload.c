/* The file is read here first, because here somebody looks at what is wrong with it. The engine is found by the lock on
 * its state directory: a lock that is held has a living process, whatever an old number in a file says. */
#include "client.h"
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* The process that holds the lock; 0 if none does. */
static pid_t engine_process(const struct config *config)
{
	char path[512], text[16] = "";
	pid_t pid = 0;
	int fd;

	snprintf(path, sizeof(path), "%.*s/lock", SLICE_ARG(config->state_dir));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK && read(fd, text, sizeof(text) - 1) > 0)
		pid = (pid_t)strtol(text, NULL, 10);
	close(fd);
	return pid;
}

int command_reload(const struct arguments *arguments)
{
	struct config *config = client_config(arguments);
	int status = EXIT_DONE;

	if (!config)
		return EXIT_USAGE;
	pid_t pid = engine_process(config);

	if (pid <= 1) {
		console_say("no engine runs on the state directory %.*s; the configuration is fine",
			    SLICE_ARG(config->state_dir));
		status = EXIT_UNREACHABLE;
	} else if (kill(pid, SIGHUP) < 0) {
		console_say("telling process %d to read the configuration again: %s", pid, strerror(errno));
		status = errno == ESRCH ? EXIT_UNREACHABLE : EXIT_FAILED;
	} else if (arguments->json) {
		printf("{\"process\":%d,\"reloaded\":true}\n", pid);
	} else {
		printf("process %d reads %.*s again\n", pid, SLICE_ARG(config->path));
	}
	config_free(config);
	return status;
}
