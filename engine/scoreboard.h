/* The scoreboard: what became of attempts, counted by whom it concerns: each site, source and campaign.
 *
 *     scoreboard_count(&worker->scoreboard, SCORE_CAMPAIGN, SLICE("acme"), SLICE("nov"), &outcome);
 *     scoreboard_write(&worker->scoreboard, &out);               "scoreboard":{"site":[{"name":"google",…}],…}
 *
 * A worker has its own, and reads add them up. Of each kind the SCORES_MAX that had something to count last are kept,
 * so that whoever names a campaign for each mail costs no more than that. */
#pragma once

#include "nouns.h"

#include "base/list.h"
#include "base/map.h"
#include "base/outbuf.h"

enum { SCORES_MAX = 500, SCORES_SHOWN = 50 };

#define SCORE_KINDS(X)            \
	X(SCORE_SITE, "site")     \
	X(SCORE_SOURCE, "source") \
	X(SCORE_CAMPAIGN, "campaign")

enum score_kind {
#define X(name, text) name,
	SCORE_KINDS(X)
#undef X
		SCORE_KINDS_COUNT
};

/* All zero is empty and valid. */
struct scoreboard {
	struct score_book {
		struct map by_name; /* owned scores */
		struct list recent; /* the one counted last at the end */
	} books[SCORE_KINDS_COUNT];
};

/* One recipient's attempt. tenant: of a campaign, else empty; names longer than 200 bytes are counted under their
 * beginning. */
void scoreboard_count(struct scoreboard *scoreboard, enum score_kind kind, struct slice tenant, struct slice name,
		      const struct outcome *outcome);
/* A member of a JSON object, for status: of each kind those counted last, at most SCORES_SHOWN. */
void scoreboard_write(const struct scoreboard *scoreboard, struct outbuf *out);
void scoreboard_free(struct scoreboard *scoreboard);
