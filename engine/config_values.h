/* Values of the configuration, from text and back: see the kinds in config_keys.h. */
#pragma once

#include "config_keys.h"

struct config_value_room {
	struct arena *arena; /* borrowed: where lists live */
	unsigned smtp_port;  /* the port of routes that name none */
};

/* Reads the texts of one key (several only for a list; they must outlive the configuration) into base, the section's
 * structure or its limits. False with why, static, and at, the text that was wrong. */
bool config_value_read(const struct config_key *key, const struct slice *texts, unsigned ntexts, void *base,
		       const struct config_value_room *room, struct slice *at, const char **why);
