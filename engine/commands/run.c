/* The engine itself is in engine.c; here is only its door. */
#include "client.h"

#include "engine.h"

int command_run(const struct arguments *arguments)
{
	struct config *config = client_config(arguments);

	return config ? engine_run(config, arguments->config) : EXIT_USAGE;
}
