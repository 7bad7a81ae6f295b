/* Any bytes as a configuration file: read or refused with problems, never both, never a crash; and what is accepted can
 * be asked. A file that names other files would read this machine's, so those words are taken out first. */
#include "config.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct config *config)
{
	struct slice domains[] = {SLICE("a.example"), SLICE("x.y.z.a.example"), SLICE(""), SLICE(".."), SLICE("*")};
	struct outbuf why = {0};

	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
		const struct config_site *site = config_site_of(config, domains[i], domains, 2);
		struct slice source = config->nsources ? config->sources[0].name : SLICE_NONE;
		struct limits limits = config_limits(config, domains[i], site ? site->name : SLICE_NONE, source, &why);

		CHECK(limits.connections == LIMIT_UNLIMITED || limits.connections > 0);
		CHECK(limits.window > 0 && limits.retry.nsteps > 0 && limits.expires_after_ms > 0);
		CHECK(limits.tls == TLS_NONE || limits.tls == TLS_OPPORTUNISTIC);
		config_route(config, domains[i]);
	}
	CHECK(config->workers > 0 && config->redis.server.len > 0 && config->hostname.len > 0);
	outbuf_free(&why);
}

/* "include" and "password-file" become names that nobody knows. */
static void disarm(char *text, size_t size)
{
	static const char *const words[] = {"include", "password-file"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (char *at; (at = memmem(text, size, words[i], strlen(words[i])));)
			*at = '_';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outbuf problems = {0};
	char *text = malloc(size + 1);

	CHECK(text != NULL);
	memcpy(text, data, size);
	disarm(text, size);
	struct config *config = config_read_text((struct slice){text, size}, "fuzz.conf", &problems);

	if (config)
		ask(config);
	else
		CHECK(problems.len > 0 && problems.ptr[problems.len - 1] == '\n');
	config_free(config);
	outbuf_free(&problems);
	free(text);
	return 0;
}
