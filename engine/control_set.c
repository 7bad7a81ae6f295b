/* Each entry is parsed once, by the keeper's thread, and never changes. */
#include "control_set.h"

#include "base/check.h"
#include "base/log.h"

#include <jansson.h>
#include <stdlib.h>

static uint64_t number(const json_t *object, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(object, name));
	double real = json_real_value(json_object_get(object, name));

	return n > 0 ? (uint64_t)n : real > 0 ? (uint64_t)real : 0;
}

static bool read_kind(const json_t *object, enum control_kind *kind)
{
	struct slice what = slice_of(json_string_value(json_object_get(object, "what")));

	if (slice_is(what, SLICE("pause")))
		*kind = CONTROL_PAUSE;
	else if (slice_is(what, SLICE("grace")))
		*kind = CONTROL_GRACE;
	else if (slice_is(what, SLICE("retry")))
		*kind = CONTROL_RETRY;
	else if (slice_is(what, SLICE("cancel")) && json_is_true(json_object_get(object, "holds")))
		*kind = CONTROL_CANCEL;
	else
		return false;
	return true;
}

/* False if it is none that workers heed. */
static bool read_entry(struct control_entry *entry, struct slice id, struct slice text)
{
	json_t *object = json_loadb(text.ptr, text.len, 0, NULL);
	struct slice match = slice_of(json_string_value(json_object_get(object, "match")));
	const char *by = json_string_value(json_object_get(object, "by"));
	struct refusal refusal;
	bool heeded = read_kind(object, &entry->kind);

	if (heeded && !match_json(&entry->match, match, &refusal)) {
		log_error("reading the controls in force: %s", refusal.message);
		heeded = false;
	}
	if (heeded) {
		slice_number(id, UINT64_MAX, &entry->id);
		entry->accept = number(object, "accept");
		entry->since_ms = number(object, "since");
		entry->until_ms = number(object, "until_ms");
		entry->by = slice_copy(slice_of(by));
	}
	json_decref(object);
	return heeded;
}

struct control_set *control_set_read(uint64_t generation, const struct slice *texts, size_t n)
{
	struct control_set *set = calloc(1, sizeof(*set));

	CHECK(set != NULL);
	set->refs = 1;
	set->generation = generation;
	set->entries = calloc(n / 2 + 1, sizeof(*set->entries));
	CHECK(set->entries != NULL);
	for (size_t i = 0; i + 1 < n; i += 2) {
		struct control_entry *entry = &set->entries[set->nentries];

		if (!read_entry(entry, texts[i], texts[i + 1]))
			continue;
		set->nentries++;
		set->pauses = set->pauses || entry->kind == CONTROL_PAUSE;
		if (entry->kind == CONTROL_RETRY && entry->id > set->retried)
			set->retried = entry->id;
		if (entry->kind != CONTROL_CANCEL)
			continue;
		set->accept = entry->accept > set->accept ? entry->accept : set->accept;
		set->since_ms = entry->since_ms > set->since_ms ? entry->since_ms : set->since_ms;
	}
	return set;
}

void control_set_free(struct control_set *set)
{
	for (size_t i = 0; i < set->nentries; i++) {
		match_free(&set->entries[i].match);
		free(set->entries[i].by);
	}
	free(set->entries);
	free(set);
}
