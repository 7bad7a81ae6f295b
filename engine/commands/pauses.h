/* The pauses in force, as commands show them.
 *
 *     struct pauses pauses;
 *     pauses_read(&pauses, &client);
 *     const struct pause *pause = pauses_over(&pauses, &facts);     NULL: none
 *     pauses_free(&pauses); */
#pragma once

#include "client.h"

#include "queue/match.h"

struct pause {
	struct match match;
	char *by;		     /* owned */
	uint64_t since_ms, until_ms; /* until 0: for good */
	bool hold_expiry;
};

struct pauses {
	struct pause *pauses; /* owned */
	size_t n;
	struct outbuf json; /* a JSON array of them */
};

/* None, if Redis has no functions yet. */
void pauses_read(struct pauses *pauses, struct client *client);
void pauses_free(struct pauses *pauses);
/* The first that holds this back. What facts do not tell must not be asked for. */
const struct pause *pauses_over(const struct pauses *pauses, const struct match_facts *facts);
/* "campaign=nov by alice since 2026-11-24 09:00:00 until 2026-11-24 11:00:00" */
void pause_write(const struct pause *pause, struct outbuf *out);
