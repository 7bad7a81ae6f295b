/* Everything here was written by a stranger with redis-cli: each refusal says which field it is about, what was
 * expected and what was found. */
#include "queue/control.h"

#include "queue/document.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t longest_ms = 366ull * 86400000;

bool control_duration(struct slice text, uint64_t *ms)
{
	static const char units[] = "smhd";
	static const uint64_t of_unit[] = {1000, 60000, 3600000, 86400000};
	const char *unit = text.len ? memchr(units, text.ptr[text.len - 1], 4) : NULL;
	uint64_t n;

	if (!unit || !slice_number(slice_head(text, text.len - 1), longest_ms, &n) || n == 0)
		return false;
	*ms = n * of_unit[unit - units];
	return *ms <= longest_ms;
}

/* Names of people and references become keys and lines of logs. */
static bool is_plain(struct slice text, bool blanks)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.ptr[i] < (blanks ? 0x20 : 0x21) || text.ptr[i] == 0x7f)
			return false;
	return text.len <= CONTROL_TEXT_MAX;
}

static bool read_flag(struct slice text, bool *flag)
{
	static const struct {
		struct slice word;
		bool means;
	} words[] = {{SLICE("1"), true},      {SLICE("yes"), true}, {SLICE("true"), true},
		     {SLICE("false"), false}, {SLICE("no"), false}, {SLICE("0"), false}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (slice_is(text, words[i].word)) {
			*flag = words[i].means;
			return true;
		}
	return false;
}

static bool unknown_field(struct slice name, struct refusal *refusal)
{
	static const char *const names[] = {"do", "match", "for", "by", "ref", "hold-expiry"};
	char *found = slice_copy(slice_head(name, 60));
	const char *nearest = document_nearest(found, names, sizeof(names) / sizeof(names[0]));

	refuse(refusal, "E_CONTROL", found,
	       "unknown field \"%s\"%s%s%s; the fields are do, match, for, by, ref, hold-expiry", found,
	       nearest ? ", did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
	free(found);
	return false;
}

static bool read_field(struct control *control, struct slice name, struct slice value, struct refusal *refusal)
{
	if (slice_is(name, SLICE("do")))
		control->what = value;
	else if (slice_is(name, SLICE("match")))
		control->match = value;
	else if (slice_is(name, SLICE("by")) && is_plain(value, true))
		control->by = value;
	else if (slice_is(name, SLICE("ref")) && is_plain(value, false))
		control->ref = value;
	else if (slice_is(name, SLICE("for")))
		return control_duration(value, &control->for_ms) ||
		       refuse(refusal, "E_CONTROL", "for",
			      "for: expected a duration from 1s to 366d, such as 90s, 5m, 2h or 3d; found \"%.*s\"",
			      SLICE_ARG(slice_head(value, 60)));
	else if (slice_is(name, SLICE("hold-expiry")))
		return read_flag(value, &control->hold_expiry) ||
		       refuse(refusal, "E_CONTROL", "hold-expiry", "hold-expiry: expected yes or no, found \"%.*s\"",
			      SLICE_ARG(slice_head(value, 60)));
	else if (slice_is(name, SLICE("by")) || slice_is(name, SLICE("ref")))
		return refuse(refusal, "E_CONTROL", name.len == 2 ? "by" : "ref",
			      "%s: expected at most %d printable characters%s", name.len == 2 ? "by" : "ref",
			      CONTROL_TEXT_MAX, name.len == 2 ? "" : " without blanks");
	else
		return unknown_field(name, refusal);
	return true;
}

bool control_read(struct control *control, struct slice entry, const struct slice *fields, size_t nfields,
		  struct refusal *refusal)
{
	bool ok = true;

	*control = (struct control){.entry = entry};
	for (size_t i = 0; i + 1 < nfields; i += 2) {
		struct refusal wrong;

		if (!read_field(control, fields[i], fields[i + 1], &wrong) && ok) {
			*refusal = wrong; /* the first one; the others are read for who asked */
			ok = false;
		}
	}
	if (ok && !control->what.len)
		ok = refuse(refusal, "E_CONTROL", "do", "expected a field do, such as do pause; found none");
	return ok;
}

bool control_check(struct slice what, const struct match *match, struct refusal *refusal)
{
	bool pauses = slice_is(what, SLICE("pause")) || slice_is(what, SLICE("resume"));
	const unsigned lanes = MATCH_BIT(MATCH_SOURCE) | MATCH_BIT(MATCH_SITE);

	if (pauses && match_has(match, MATCH_STATE))
		return refuse(refusal, "E_MATCH", "state",
			      "state: a pause holds back whatever is not sent yet, in any state; leave it out");
	if (slice_is(what, SLICE("pause")) && match_has(match, MATCH_SOURCE) && (match->keys & ~lanes))
		return refuse(refusal, "E_MATCH", "source",
			      "source: a source is paused alone or together with a site, not for some mail only");
	return true;
}
