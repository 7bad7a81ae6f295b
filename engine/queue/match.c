/* Values are kept sorted by key, then by bytes, so that the canonical form is a walk and equal matches are equal bytes.
 *
 * fnmatch was rejected for globs: its brackets and its locale have no counterpart in Redis, where the same globs are
 * judged by queue/lua/0_match.lua, and its time can be exponential in what a stranger writes. */
#include "queue/match.h"

#include "base/check.h"
#include "queue/document.h"
#include "queue/record.h"

#include <stdlib.h>
#include <string.h>

static const char *const key_names[] = {
#define X(name, text) text,
	MATCH_KEYS(X)
#undef X
};

bool match_glob(struct slice glob, struct slice text)
{
	size_t g = 0, t = 0, star = glob.len, mark = 0;

	while (t < text.len) {
		if (g < glob.len && glob.ptr[g] == '*') {
			star = g++;
			mark = t;
		} else if (g < glob.len && (glob.ptr[g] == '?' || glob.ptr[g] == text.ptr[t])) {
			g++;
			t++;
		} else if (star < glob.len) {
			g = star + 1;
			t = ++mark;
		} else {
			return false;
		}
	}
	while (g < glob.len && glob.ptr[g] == '*')
		g++;
	return g == glob.len;
}

/* Reading */

static bool find_key(struct slice name, enum match_key *key, struct refusal *refusal)
{
	for (unsigned i = 0; i < MATCH_KEY_COUNT; i++)
		if (slice_is(name, slice_of(key_names[i]))) {
			*key = (enum match_key)i;
			return true;
		}
	char *found = slice_copy(slice_head(name, 60));
	const char *nearest = document_nearest(found, key_names, MATCH_KEY_COUNT);

	refuse(refusal, "E_MATCH", found,
	       "unknown key \"%s\"%s%s%s; the keys are domain, site, campaign, tenant, source, job, class, state",
	       found, nearest ? ", did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
	free(found);
	return false;
}

/* A value that only a few words can fit must fit one of them. */
static bool check_word(enum match_key key, struct slice glob, const char *const *words, unsigned nwords,
		       struct refusal *refusal)
{
	for (unsigned i = 0; i < nwords; i++)
		if (match_glob(glob, slice_of(words[i])))
			return true;
	char *found = slice_copy(slice_head(glob, 60));
	const char *nearest = document_nearest(found, words, nwords);

	refuse(refusal, "E_MATCH", key_names[key], "%s=%s: expected %s%s%s%s%s%s%s%s", key_names[key], found, words[0],
	       nwords > 2 ? ", " : "", nwords > 2 ? words[1] : "", " or ", words[nwords - 1],
	       nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
	free(found);
	return false;
}

static bool check_value(enum match_key key, struct slice glob, struct refusal *refusal)
{
	static const char *const classes[] = {"bulk", "transactional"};
	static const char *const states[] = {"queued", "deferred", "held"};

	if (glob.len > MATCH_VALUE_BYTES_MAX)
		return refuse(refusal, "E_MATCH", key_names[key], "%s: expected a value of at most %d bytes, found %zu",
			      key_names[key], MATCH_VALUE_BYTES_MAX, glob.len);
	for (size_t i = 0; i < glob.len; i++)
		if ((unsigned char)glob.ptr[i] < 0x20 || glob.ptr[i] == 0x7f)
			return refuse(refusal, "E_MATCH", key_names[key],
				      "%s: expected a value without control characters", key_names[key]);
	if (glob.len == 0 && key != MATCH_TENANT && key != MATCH_CAMPAIGN)
		return refuse(refusal, "E_MATCH", key_names[key], "%s=: expected a value after it, found nothing",
			      key_names[key]);
	if (key == MATCH_CLASS)
		return check_word(key, glob, classes, 2, refusal);
	if (key == MATCH_STATE)
		return check_word(key, glob, states, 3, refusal);
	return true;
}

static bool add(struct match *match, enum match_key key, struct slice glob, struct refusal *refusal)
{
	if (match->nvalues == MATCH_VALUES_MAX)
		return refuse(refusal, "E_MATCH", "", "expected at most %d values", MATCH_VALUES_MAX);
	if (!check_value(key, glob, refusal))
		return false;
	char *copy = arena_string(&match->arena, glob);

	if (key == MATCH_DOMAIN) /* as domains are kept */
		for (size_t i = 0; i < glob.len; i++)
			copy[i] = (char)(copy[i] >= 'A' && copy[i] <= 'Z' ? copy[i] + 32 : copy[i]);
	match->values[match->nvalues++] = (struct match_value){key, {copy, glob.len}};
	match->keys |= MATCH_BIT(key);
	return true;
}

static int by_key_and_glob(const void *a, const void *b)
{
	const struct match_value *x = a, *y = b;

	return x->key != y->key ? (int)x->key - (int)y->key : slice_order(x->glob, y->glob);
}

static void sort(struct match *match)
{
	unsigned kept = 0;

	qsort(match->values, match->nvalues, sizeof(*match->values), by_key_and_glob);
	for (unsigned i = 0; i < match->nvalues; i++)
		if (kept == 0 || by_key_and_glob(&match->values[kept - 1], &match->values[i]) != 0)
			match->values[kept++] = match->values[i];
	match->nvalues = kept;
}

static void begin(struct match *match)
{
	*match = (struct match){0};
	match->values = arena_alloc(&match->arena, MATCH_VALUES_MAX * sizeof(*match->values));
}

static bool end(struct match *match, bool ok, struct refusal *refusal)
{
	if (ok && match->nvalues == 0)
		ok = refuse(
			refusal, "E_MATCH", "",
			"nothing says which mail is meant: expected at least one KEY=VALUE, such as campaign=nov "
			"or domain=*.example; the keys are domain, site, campaign, tenant, source, job, class, state");
	if (!ok) {
		match_free(match);
		return false;
	}
	sort(match);
	return true;
}

bool match_words(struct match *match, const char *const *words, unsigned nwords, struct refusal *refusal)
{
	bool ok = true;

	begin(match);
	for (unsigned i = 0; ok && i < nwords; i++) {
		struct slice rest = slice_of(words[i]), name;
		enum match_key key;

		if (!strchr(words[i], '=')) {
			ok = refuse(refusal, "E_MATCH", "", "found \"%.60s\", expected KEY=VALUE, such as campaign=nov",
				    words[i]);
			break;
		}
		name = slice_until(&rest, '=');
		ok = find_key(name, &key, refusal) && add(match, key, rest, refusal);
	}
	return end(match, ok, refusal);
}

static bool add_json(struct match *match, enum match_key key, const json_t *value, struct refusal *refusal)
{
	if (!json_is_string(value))
		return refuse(refusal, "E_MATCH", key_names[key],
			      "%s: expected a string or a list of strings, found %s", key_names[key],
			      document_kind(value));
	return add(match, key, document_slice(value), refusal);
}

static bool read_object(struct match *match, const json_t *object, struct refusal *refusal)
{
	const char *name;
	const json_t *value, *item;
	enum match_key key;
	size_t i;

	json_object_foreach((json_t *)object, name, value)
	{
		if (!find_key(slice_of(name), &key, refusal))
			return false;
		if (!json_is_array(value) && !add_json(match, key, value, refusal))
			return false;
		json_array_foreach(value, i, item) if (!add_json(match, key, item, refusal)) return false;
	}
	return true;
}

bool match_json(struct match *match, struct slice json, struct refusal *refusal)
{
	enum { BYTES_MAX = 128 * 1024 };
	json_t *object = document_read(json, BYTES_MAX, refusal);
	bool ok = object != NULL;

	begin(match);
	if (!ok) {
		struct refusal cause = *refusal;

		refuse(refusal, "E_MATCH", "match", "match: expected a JSON object such as {\"campaign\":\"nov\"}: %s",
		       cause.message);
	}
	ok = ok && read_object(match, object, refusal);
	json_decref(object);
	return end(match, ok, refusal);
}

void match_free(struct match *match)
{
	arena_free(&match->arena);
	*match = (struct match){0};
}

/* Writing */

static unsigned count_of(const struct match *match, unsigned first)
{
	unsigned n = 1;

	while (first + n < match->nvalues && match->values[first + n].key == match->values[first].key)
		n++;
	return n;
}

void match_write_json(const struct match *match, struct outbuf *out)
{
	outbuf_byte(out, '{');
	for (unsigned i = 0, n; i < match->nvalues; i += n) {
		n = count_of(match, i);
		outbuf_printf(out, "%s\"%s\":%s", i ? "," : "", key_names[match->values[i].key], n > 1 ? "[" : "");
		for (unsigned j = i; j < i + n; j++) {
			if (j > i)
				outbuf_byte(out, ',');
			outbuf_json_string(out, match->values[j].glob);
		}
		if (n > 1)
			outbuf_byte(out, ']');
	}
	outbuf_byte(out, '}');
}

void match_write_text(const struct match *match, struct outbuf *out)
{
	for (unsigned i = 0; i < match->nvalues; i++)
		outbuf_printf(out, "%s%s=%.*s", i ? " " : "", key_names[match->values[i].key],
			      SLICE_ARG(match->values[i].glob));
}

/* Judging */

void match_know(struct match_facts *facts, enum match_key key, struct slice fact)
{
	facts->fact[key] = fact;
	facts->known |= MATCH_BIT(key);
}

bool match_know_list(struct match_facts *facts, struct slice list)
{
	struct list_parts parts;

	if (!list_parse(list, &parts))
		return false;
	match_know(facts, MATCH_DOMAIN, parts.domain);
	match_know(facts, MATCH_TENANT, parts.tenant);
	match_know(facts, MATCH_CAMPAIGN, parts.campaign);
	match_know(facts, MATCH_CLASS, parts.transactional ? SLICE("transactional") : SLICE("bulk"));
	return true;
}

bool match_fits(const struct match *match, const struct match_facts *facts)
{
	for (unsigned i = 0, n; i < match->nvalues; i += n) {
		enum match_key key = match->values[i].key;
		bool any = !(facts->known & MATCH_BIT(key));

		n = count_of(match, i);
		for (unsigned j = i; j < i + n && !any; j++)
			any = match_glob(match->values[j].glob, facts->fact[key]);
		if (!any)
			return false;
	}
	return true;
}

bool match_tells(const struct match *match, const struct match_facts *facts)
{
	return (match->keys & ~facts->known) == 0;
}
