/* From what was read back to text: for people who ask which limits hold, and for the manual, which is the table of keys
 * and nothing else, so that it cannot be out of date. */
#include "config_keys.h"

#include <string.h>

void config_section_print(enum config_section section, struct outbuf *out)
{
	const struct config_section_row *row = &config_sections[section];

	if (section == SECTION_TOP) {
		outbuf_printf(out, "the top level");
		return;
	}
	if (row->parent != SECTION_TOP)
		outbuf_printf(out, "%s ", config_sections[row->parent].name);
	outbuf_printf(out, "%s", row->name);
}

void config_duration_print(uint64_t ms, struct outbuf *out)
{
	static const struct {
		uint64_t ms;
		char unit;
	} units[] = {{86400000, 'd'}, {3600000, 'h'}, {60000, 'm'}, {1000, 's'}};
	size_t i = 0;

	while (i < 3 && ms % units[i].ms)
		i++;
	outbuf_printf(out, "%llu%c", (unsigned long long)(ms / units[i].ms), units[i].unit);
}

static struct slice word_at(const char *words, int position)
{
	struct slice rest = slice_of(words), word = SLICE_NONE;

	for (int i = 0; i <= position; i++)
		word = slice_until(&rest, ' ');
	return word;
}

bool config_value_is_set(const struct config_key *key, const void *base)
{
	const void *value = (const char *)base + key->offset;

	switch (key->kind) {
	case KIND_TEXT: return ((const struct slice *)value)->len > 0;
	case KIND_RATE: return ((const struct rate *)value)->period_ms > 0;
	case KIND_DURATION: return *(const uint64_t *)value > 0;
	case KIND_SCHEDULE: return ((const struct retry_schedule *)value)->nsteps > 0;
	default: return *(const int *)value != LIMIT_UNSET;
	}
}

static void print_rate(const struct rate *rate, struct outbuf *out)
{
	if (rate->count == 0) {
		outbuf_printf(out, "unlimited");
		return;
	}
	outbuf_printf(out, "%llu/", (unsigned long long)rate->count);
	config_duration_print(rate->period_ms, out);
}

void config_value_print(const struct config_key *key, const void *base, struct outbuf *out)
{
	const void *value = (const char *)base + key->offset;
	int n;

	switch (key->kind) {
	case KIND_TEXT: outbuf_add(out, *(const struct slice *)value); return;
	case KIND_RATE: print_rate(value, out); return;
	case KIND_DURATION: config_duration_print(*(const uint64_t *)value, out); return;
	case KIND_SCHEDULE:
		for (unsigned i = 0; i < ((const struct retry_schedule *)value)->nsteps; i++) {
			outbuf_printf(out, i ? "," : "");
			config_duration_print(((const struct retry_schedule *)value)->step_ms[i], out);
		}
		return;
	default: break;
	}
	memcpy(&n, value, sizeof(n));
	if (n == LIMIT_UNLIMITED)
		outbuf_printf(out, "unlimited");
	else if (n == LIMIT_UNSET)
		outbuf_printf(out, "not set");
	else if (key->kind == KIND_WORD)
		outbuf_add(out, word_at(key->words, n));
	else if (key->kind == KIND_SECONDS)
		config_duration_print((uint64_t)n * 1000, out);
	else
		outbuf_printf(out, "%d%s", n, key->kind == KIND_PERCENT ? "%" : "");
}

static void print_key(const struct config_key *key, struct outbuf *out)
{
	bool later = (key->later & key->sections) == key->sections;

	outbuf_printf(out, "  %-24s ", key->name);
	config_key_expects(key, out);
	if (key->fallback && key->fallback[0])
		outbuf_printf(out, "; default %s", key->fallback);
	outbuf_printf(out, "%s\n      %s\n", later ? "; comes with a later version" : "", key->sentence);
}

static void print_key_json(const struct config_key *key, enum config_section section, struct outbuf *out)
{
	struct outbuf text = {0};

	config_section_print(section, &text);
	outbuf_byte(out, '{');
	outbuf_json_text(out, "section", outbuf_slice(&text));
	outbuf_json_text(out, "key", slice_of(key->name));
	outbuf_reset(&text);
	config_key_expects(key, &text);
	outbuf_json_text(out, "value", outbuf_slice(&text));
	if (key->fallback)
		outbuf_json_text(out, "default", slice_of(key->fallback));
	outbuf_json_raw(out, "works", key->later & (1u << section) ? SLICE("false") : SLICE("true"));
	outbuf_json_text(out, "meaning", slice_of(key->sentence));
	outbuf_printf(out, "}\n");
	outbuf_free(&text);
}

void config_print_keys(struct outbuf *out, bool json)
{
	for (unsigned section = 0; section < SECTION_COUNT; section++) {
		const struct config_section_row *row = &config_sections[section];

		if (!json) {
			config_section_print(section, out);
			outbuf_printf(out, "%s: %s%s\n", row->titled ? " \"NAME\"" : "", row->sentence,
				      row->later ? "; comes with a later version" : "");
		}
		for (unsigned i = 0; i < config_nkeys; i++) {
			if (!(config_keys[i].sections & (1u << section)))
				continue;
			if (json)
				print_key_json(&config_keys[i], section, out);
			else if (!config_keys[i].is_limit || section == SECTION_SITE)
				print_key(&config_keys[i], out);
		}
	}
}
