/* A walk over the object. Numbers are written again from what Jansson read, in the fewest digits that read back as the
 * same number: a price of 9.95 must not become 9.9499999999999993. */
#include "queue/variables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct slice number_text(const json_t *value, char *room, size_t size)
{
	int n = 0;

	if (json_is_integer(value)) {
		n = snprintf(room, size, "%lld", (long long)json_integer_value(value));
	} else {
		for (int digits = 15; digits <= 17; digits++) {
			n = snprintf(room, size, "%.*g", digits, json_real_value(value));
			if (strtod(room, NULL) == json_real_value(value))
				break;
		}
	}
	return (struct slice){room, (size_t)n};
}

static void add_value(struct outbuf *out, struct slice name, const json_t *value)
{
	struct outbuf json = {0};
	char room[40];

	switch (json_typeof(value)) {
	case JSON_STRING: pack_add(out, PACK_TEXT, name, document_slice(value)); break;
	case JSON_NULL: pack_add(out, PACK_NULL, name, SLICE("")); break;
	case JSON_TRUE: pack_add(out, PACK_LITERAL, name, SLICE("true")); break;
	case JSON_FALSE: pack_add(out, PACK_LITERAL, name, SLICE("false")); break;
	case JSON_INTEGER:
	case JSON_REAL: pack_add(out, PACK_LITERAL, name, number_text(value, room, sizeof(room))); break;
	default:
		document_write(&json, value);
		pack_add(out, PACK_JSON, name, outbuf_slice(&json));
		outbuf_free(&json);
	}
}

static bool name_is_fine(struct slice name)
{
	if (name.len == 0 || name.len > 255)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
			return false;
	return !slice_is(name, SLICE("hk")) && !slice_starts(name, SLICE("hk."));
}

/* What the submitter would count: names and values. */
static size_t pack_bytes(struct slice pack)
{
	struct pack_entry entry;
	size_t bytes = 0;

	while (pack_next(&pack, &entry))
		bytes += entry.name.len + entry.value.len;
	return bytes;
}

bool variables_pack(const json_t *object, const char *field, size_t bytes_max, struct outbuf *out,
		    struct refusal *refusal)
{
	size_t start = out->len;
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return refuse(refusal, "E_TYPE", field, "expected an object of variables, found %s",
			      document_kind(object));
	json_object_foreach((json_t *)object, key, value)
	{
		struct slice name = slice_of(key);

		if (!name_is_fine(name)) {
			out->len = start;
			return refuse(
				refusal, "E_VAR_NAME", field,
				"\"%.60s\" is no name for a variable: expected 1 to 255 printable bytes, not \"hk\" "
				"or \"hk.…\"",
				key);
		}
		add_value(out, name, value);
	}
	size_t bytes = pack_bytes(slice_skip(outbuf_slice(out), start));

	if (bytes > bytes_max) {
		out->len = start;
		return refuse(refusal, "E_TOO_BIG", field,
			      "variables have %zu bytes together, at most %zu are allowed for a recipient", bytes,
			      bytes_max);
	}
	return true;
}

bool variables_pack_text(struct slice json, struct outbuf *out)
{
	struct refusal refusal;
	json_t *object = json_loadb(json.ptr ? json.ptr : "", json.len, 0, NULL);
	bool good = object && variables_pack(object, "vars", SIZE_MAX, out, &refusal);

	json_decref(object);
	return good;
}
