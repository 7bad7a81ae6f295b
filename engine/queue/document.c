/* Jansson reads; what it does not bound is counted before, in one walk over the bytes that knows nothing of JSON but
 * strings and brackets. (Checking the finished tree would be too late: eight megabytes of "[[],[],…" become a third of
 * a gigabyte of it.) Jansson's own words for an error are not passed on: they quote the text, and they name tokens
 * where a person wants line and column. */
#include "queue/document.h"

#include "queue/time.h"

#include <string.h>

/* Where the string that began before at ends: behind its closing quote, or the end of the text. */
static size_t skip_string(struct slice text, size_t at)
{
	for (;;) {
		const char *quote = at < text.len ? memchr(text.ptr + at, '"', text.len - at) : NULL;
		size_t end = quote ? (size_t)(quote - text.ptr) : text.len, slashes = 0;

		while (end > at + slashes && text.ptr[end - 1 - slashes] == '\\')
			slashes++;
		at = end + (end < text.len);
		if (!quote || slashes % 2 == 0)
			return at;
	}
}

/* The first thing that has too many of it, or fine. Brackets need not fit: Jansson looks at that. */
static bool count_values(struct slice text, struct refusal *refusal)
{
	unsigned depth = 0, values = 0, containers = 0;

	for (size_t i = 0; i < text.len;) {
		char c = text.ptr[i++];

		if (c == '"')
			i = skip_string(text, i);
		else if (c == '{' || c == '[')
			depth++, containers++;
		else if ((c == '}' || c == ']') && depth)
			depth--;
		else
			values += c == ',';
		if (depth > DOCUMENT_DEPTH_MAX)
			return refuse(refusal, "E_TOO_DEEP", "",
				      "the job is nested more than %d deep: flatten its values", DOCUMENT_DEPTH_MAX);
	}
	if (values > DOCUMENT_VALUES_MAX || containers > DOCUMENT_CONTAINERS_MAX)
		return refuse(refusal, "E_TOO_MANY", "",
			      "the job has more than %d values, or %d objects and arrays: split it into several",
			      DOCUMENT_VALUES_MAX, DOCUMENT_CONTAINERS_MAX);
	return true;
}

/* The key that Jansson quotes at the end of its text: near '"from"'. */
static void quoted_key(const json_error_t *error, char *room, size_t size)
{
	struct slice text = slice_of(error->text);
	size_t open = slice_find(text, '"');
	struct slice key = slice_skip(text, open + 1);

	key = slice_head(key, slice_find_last(key, '"'));
	if (key.len >= size)
		key.len = size - 1;
	memcpy(room, key.ptr ? key.ptr : "", key.len);
	room[key.len] = '\0';
}

static bool refuse_syntax(const json_error_t *error, struct refusal *refusal)
{
	char key[64];

	switch (json_error_code(error)) {
	case json_error_duplicate_key:
		quoted_key(error, key, sizeof(key));
		return refuse(refusal, "E_DUPLICATE_KEY", key,
			      "line %d, column %d: this key stands twice in one object", error->line, error->column);
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return refuse(refusal, "E_NUL", "", "line %d, column %d: \\u0000 may not stand in a string",
			      error->line, error->column);
	case json_error_invalid_utf8:
		return refuse(refusal, "E_UTF8", "", "the job is not valid UTF-8 from byte %d on", error->position);
	case json_error_premature_end_of_input:
		return refuse(refusal, "E_JSON", "", "the JSON ends too early, on line %d: was it cut?", error->line);
	case json_error_end_of_input_expected:
		return refuse(refusal, "E_JSON", "", "line %d, column %d: something follows the end of the JSON object",
			      error->line, error->column);
	case json_error_numeric_overflow:
		return refuse(refusal, "E_RANGE", "", "line %d, column %d: a number is too large", error->line,
			      error->column);
	default:
		return refuse(refusal, "E_JSON", "", "line %d, column %d: this is not JSON%s", error->line,
			      error->column,
			      strstr(error->text, "Unicode") ? ": half a surrogate pair is no character" : "");
	}
}

static bool check_start(struct slice text, size_t bytes_max, struct refusal *refusal)
{
	struct slice start = slice_trim(text);

	if (start.len == 0)
		return refuse(refusal, "E_EMPTY", "", "the job is empty: expected a JSON object");
	if (text.len > bytes_max)
		return refuse(refusal, "E_TOO_BIG", "", "the job has %zu bytes, at most %zu are allowed: split it",
			      text.len, bytes_max);
	if (slice_starts(start, SLICE("\xef\xbb\xbf")))
		return refuse(refusal, "E_JSON", "", "the job begins with a byte order mark: send plain UTF-8");
	if (slice_starts(start, SLICE("\xff\xfe")) || slice_starts(start, SLICE("\xfe\xff")) ||
	    memchr(start.ptr, '\0', start.len < 4 ? start.len : 4))
		return refuse(refusal, "E_UTF8", "", "the job looks like UTF-16 or UTF-32: send UTF-8");
	return true;
}

json_t *document_read(struct slice text, size_t bytes_max, struct refusal *refusal)
{
	json_error_t error;

	if (!check_start(text, bytes_max, refusal) || !count_values(text, refusal))
		return NULL;
	json_t *root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);

	if (!root) {
		refuse_syntax(&error, refusal);
		return NULL;
	}
	if (!json_is_object(root)) {
		refuse(refusal, "E_TYPE", "", "the job is %s: expected a JSON object", document_kind(root));
		json_decref(root);
		return NULL;
	}
	return root;
}

const char *document_kind(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT: return "an object";
	case JSON_ARRAY: return "an array";
	case JSON_STRING: return "a string";
	case JSON_INTEGER:
	case JSON_REAL: return "a number";
	case JSON_NULL: return "null";
	default: return "true or false";
	}
}

struct slice document_slice(const json_t *string)
{
	return (struct slice){json_string_value(string), json_string_length(string)};
}

bool document_text(const json_t *value, const char *field, size_t bytes_max, struct slice *text,
		   struct refusal *refusal)
{
	if (!json_is_string(value))
		return refuse(refusal, "E_TYPE", field, "expected a string, found %s", document_kind(value));
	*text = document_slice(value);
	if (text->len > bytes_max)
		return refuse(refusal, "E_TOO_LONG", field, "has %zu bytes, at most %zu are allowed", text->len,
			      bytes_max);
	for (size_t i = 0; i < text->len; i++) {
		unsigned char c = (unsigned char)text->ptr[i];

		if (c == '\r' || c == '\n')
			return refuse(refusal, "E_CRLF", field, "has a line break in it: expected one line");
		if (c < 0x20 || c == 0x7f)
			return refuse(refusal, "E_CONTROL", field, "has a control character in it: remove it");
	}
	return true;
}

bool document_flag(const json_t *value, const char *field, bool *flag, struct refusal *refusal)
{
	if (!json_is_boolean(value))
		return refuse(refusal, "E_TYPE", field, "expected true or false, found %s", document_kind(value));
	*flag = json_is_true(value);
	return true;
}

bool document_time(const json_t *value, const char *field, uint64_t *ms, struct refusal *refusal)
{
	if (!json_is_string(value) && !json_is_number(value))
		return refuse(refusal, "E_TYPE", field,
			      "expected a time (RFC 3339 with zone, or epoch milliseconds), found %s",
			      document_kind(value));
	const char *why = json_is_string(value) ? time_read(document_slice(value), ms)
						: time_read_number(json_number_value(value), ms);

	return why ? refuse(refusal, "E_TIME", field, "%s", why) : true;
}

static int add_bytes(const char *bytes, size_t n, void *out)
{
	outbuf_add(out, (struct slice){bytes, n});
	return 0;
}

void document_write(struct outbuf *out, const json_t *value)
{
	json_dump_callback(value, add_bytes, out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
}

bool document_object(const json_t *value, const char *field, size_t bytes_max, struct outbuf *out,
		     struct refusal *refusal)
{
	size_t start = out->len;

	if (!json_is_object(value))
		return refuse(refusal, "E_TYPE", field, "expected an object, found %s", document_kind(value));
	document_write(out, value);
	if (out->len - start > bytes_max) {
		size_t found = out->len - start;

		out->len = start;
		return refuse(refusal, "E_TOO_BIG", field, "has %zu bytes of JSON, at most %zu are allowed", found,
			      bytes_max);
	}
	return true;
}

/* Levenshtein, over at most 32 bytes of each. */
static unsigned difference(const char *a, const char *b)
{
	unsigned row[33], na = (unsigned)strnlen(a, 32), nb = (unsigned)strnlen(b, 32);

	for (unsigned j = 0; j <= nb; j++)
		row[j] = j;
	for (unsigned i = 1; i <= na; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= nb; j++) {
			unsigned change = diagonal + (a[i - 1] != b[j - 1]), above = row[j] + 1, left = row[j - 1] + 1;

			diagonal = row[j];
			row[j] = change < above ? change : above;
			row[j] = left < row[j] ? left : row[j];
		}
	}
	return row[nb];
}

const char *document_nearest(const char *found, const char *const *names, unsigned nnames)
{
	const char *nearest = NULL;
	unsigned least = 33;

	for (unsigned i = 0; i < nnames; i++) {
		unsigned away = difference(found, names[i]);

		if (away < least && away <= (strlen(names[i]) + 2) / 3)
			nearest = names[i], least = away;
	}
	return nearest;
}

bool document_unknown(const char *path, const char *found, const char *const *names, unsigned nnames,
		      struct refusal *refusal)
{
	const char *nearest = document_nearest(found, names, nnames);

	if (nearest)
		return refuse(refusal, "E_UNKNOWN_FIELD", path, "there is no such key; was \"%s\" meant?", nearest);
	return refuse(refusal, "E_UNKNOWN_FIELD", path, "there is no such key");
}

void document_union(struct outbuf *out, struct slice object, struct slice over)
{
	if (!object.len || !over.len) {
		outbuf_add(out, object.len ? object : over);
		return;
	}
	json_t *all = json_loadb(object.ptr, object.len, 0, NULL), *own = json_loadb(over.ptr, over.len, 0, NULL);

	if (all && own && json_object_update(all, own) == 0)
		document_write(out, all);
	else
		outbuf_add(out, object);
	json_decref(all);
	json_decref(own);
}
