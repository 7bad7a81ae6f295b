/* Intake alone, so that it can be fed, measured, and killed while it works.
 *
 *     intake_tool CONFIG [INSTANCE]     reads the configuration, loads the functions, takes jobs in until stdin ends
 *
 * A line on stdin reads the configuration again. Prints "ready", then "accepted N rejected N" at the end. */
#include "config.h"
#include "intake.h"

#include "base/log.h"
#include "queue/library.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

static _Noreturn void fail(const char *why, struct slice more)
{
	fprintf(stderr, "intake_tool: %s%.*s\n", why, SLICE_ARG(more));
	exit(1);
}

static struct config *read_config(const char *path)
{
	struct outbuf problems = {0};
	struct config *config = config_read(path, &problems);

	if (!config)
		fail("", outbuf_slice(&problems));
	outbuf_free(&problems);
	return config;
}

static void load_functions(const struct redis_server *server)
{
	char why[RING_WHY_MAX] = "";
	struct redisContext *redis = redis_sync_open(server, 5000, why);

	if (!redis || !library_sync(redis, why))
		fail(why, SLICE_NONE);
	redisFree(redis);
}

int main(int argc, char **argv)
{
	static struct stats stats;
	char line[64];

	if (argc < 2)
		fail("usage: intake_tool CONFIG [INSTANCE]", SLICE_NONE);
	struct config *config = read_config(argv[1]);
	struct redis_server server = {.address = config->redis.server};

	if (getenv("INTAKE_DEBUG"))
		log_set_level(LOG_DEBUG);
	load_functions(&server);
	struct intake *intake = intake_start(config, &server, slice_of(argc > 2 ? argv[2] : "tool"), &stats);

	if (!intake)
		return 1;
	config_free(config);
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		config = read_config(argv[1]);
		intake_configure(intake, config);
		config_free(config);
		printf("configured\n");
		fflush(stdout);
	}
	intake_stop(intake);
	printf("accepted %llu rejected %llu\n", (unsigned long long)stat_read(&stats, STAT_ACCEPTED),
	       (unsigned long long)stat_read(&stats, STAT_REJECTED));
	return 0;
}
