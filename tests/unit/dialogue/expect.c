/* What a script expects at its end. A line names somebody and says words, and each word must be true of the outcome:
 * action, scope, category, code, enhanced code, "local", "after:N". What may not be left out when it is true is that an
 * address is suppressed or a delivery uncertain. */
#include "tests/unit/dialogue/play.h"

#include <stdio.h>
#include <string.h>

static bool word_fits(const struct outcome *outcome, struct slice word)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", outcome->code);
	if (slice_starts(word, SLICE("after:"))) {
		snprintf(number, sizeof(number), "after:%u", outcome->verdict.retry_after_s);
		return slice_is(word, slice_of(number));
	}
	return slice_is(word, slice_of(action_name(outcome->verdict.action))) ||
	       slice_is(word, slice_of(scope_name(outcome->verdict.scope))) ||
	       slice_is(word, slice_of(category_name(outcome->verdict.category))) ||
	       slice_is(word, slice_of(outcome->enhanced)) || slice_is(word, slice_of(number)) ||
	       (slice_is(word, SLICE("suppress")) && outcome->verdict.suppress) ||
	       (slice_is(word, SLICE("uncertain")) && outcome->uncertain) ||
	       (slice_is(word, SLICE("local")) && outcome->origin == ORIGIN_LOCAL);
}

static void describe(struct play *play, const struct outcome *outcome)
{
	outbuf_printf(&play->transcript, "    it is: %s%s%s %s %u %s %s%s (%.*s)\n",
		      outcome->attempted ? "" : "not attempted ", outcome->uncertain ? "uncertain " : "",
		      action_name(outcome->verdict.action), scope_name(outcome->verdict.scope), outcome->code,
		      outcome->enhanced, category_name(outcome->verdict.category),
		      outcome->verdict.suppress ? " suppress" : "", SLICE_ARG(outcome->text));
}

static void check_outcome(struct play *play, const struct outcome *outcome, struct slice want, struct slice all)
{
	bool suppress = memmem(want.ptr, want.len, "suppress", 8),
	     uncertain = memmem(want.ptr, want.len, "uncertain", 9);
	bool fits = outcome->attempted && outcome->verdict.suppress == suppress && outcome->uncertain == uncertain;

	while (want.len > 0 && fits)
		fits = word_fits(outcome, slice_until(&want, ' '));
	if (fits)
		return;
	describe(play, outcome);
	play_fails(play, "expected", all);
}

static void check_host(struct play *play, struct slice want, struct slice all)
{
	const struct session *session = &play->session;

	if (!(slice_is(want, SLICE("rset-needed")) && session_found_rset_needed(session)) &&
	    !(slice_is(want, SLICE("loses-pipelining")) && session_found_pipelining_broken(session)) &&
	    !(slice_is(want, SLICE("window-broken")) && session_found_window_broken(session)) &&
	    !(slice_is(want, SLICE("window-proved")) && session_found_window_proved(session)))
		play_fails(play, "expected", all);
}

static const struct outcome *outcome_named(struct play *play, struct slice name)
{
	for (unsigned i = 0; i < play->npeople; i++)
		if (slice_is(name, slice_of(client_name(i))))
			return &play->person[i].outcome;
	play_fails(play, "nobody of that name", name);
}

static void expect_line(struct play *play, struct slice all)
{
	struct slice want = all, name = slice_until(&want, ':');

	want = slice_trim(want);
	if (slice_is(name, SLICE("ends"))) {
		if (!slice_is(want, slice_of(session_end_name(session_end(&play->session))))) {
			outbuf_printf(&play->transcript, "    it ended: %s\n",
				      session_end_name(session_end(&play->session)));
			play_fails(play, "expected", all);
		}
	} else if (slice_is(name, SLICE("session"))) {
		check_outcome(play, session_outcome(&play->session), want, all);
	} else if (slice_is(name, SLICE("host"))) {
		check_host(play, want, all);
	} else if (slice_is(want, SLICE("not attempted"))) {
		if (outcome_named(play, name)->attempted) {
			describe(play, outcome_named(play, name));
			play_fails(play, "expected", all);
		}
	} else {
		check_outcome(play, outcome_named(play, name), want, all);
	}
}

void play_expects(struct play *play)
{
	for (unsigned i = 0; i < play->part->nexpected; i++)
		expect_line(play, play->part->expected[i]);
}
