/* Both texts are read field by field, from the front, into slices of themselves; a policy is one block of memory with a
 * copy of its file, into which its patterns point.
 *
 * Strict where a guess could let mail go where it must not (one id, one mode, no hosts but those that can be names),
 * lenient where the RFC says so: unknown fields are passed over, of a field that comes twice the first holds. A file
 * with a byte order mark, or in another encoding, has no version in its sight and is no policy. */
#include "tls/sts.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELD_NAME_MAX = 32, HOST_MAX = 253, LABEL_MAX = 63 };

static const char *const modes[] = {
#define X(name, text) text,
	STS_MODES(X)
#undef X
};

const char *sts_mode_name(enum sts_mode mode)
{
	return modes[mode];
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A name as extensions have it: a letter or digit, then those and "_-.". */
static bool is_field_name(struct slice name)
{
	if (name.len == 0 || name.len > FIELD_NAME_MAX || !is_alnum(name.ptr[0]))
		return false;
	for (size_t i = 1; i < name.len; i++)
		if (!is_alnum(name.ptr[i]) && !strchr("_-.", name.ptr[i]))
			return false;
	return true;
}

static struct slice trim_blanks(struct slice text)
{
	while (text.len && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
		text = slice_skip(text, 1);
	while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
		text.len--;
	return text;
}

static bool is_id(struct slice id)
{
	for (size_t i = 0; i < id.len; i++)
		if (!is_alnum(id.ptr[i]))
			return false;
	return id.len > 0 && id.len <= STS_ID_MAX;
}

/* name=value, the value without "=", ";", blanks and controls. */
static bool record_field(struct slice field, struct slice *id)
{
	struct slice name = slice_until(&field, '=');

	if (!is_field_name(name) || field.len == 0)
		return false;
	for (size_t i = 0; i < field.len; i++)
		if (field.ptr[i] <= ' ' || field.ptr[i] >= 0x7f || field.ptr[i] == '=')
			return false;
	if (!slice_is(name, SLICE("id")))
		return true;
	if (!is_id(field))
		return false;
	if (!id->len)
		*id = field;
	return true;
}

/* One record, behind its version. */
static bool record_read(struct slice text, struct slice *id)
{
	*id = SLICE_NONE;
	while (text.len) {
		struct slice field = trim_blanks(slice_until(&text, ';'));

		if (field.len == 0 && trim_blanks(text).len == 0)
			break; /* a delimiter at the end */
		if (!record_field(field, id))
			return false;
	}
	return id->len > 0;
}

bool sts_id(const struct slice *texts, unsigned ntexts, struct slice *id)
{
	static const struct slice version = SLICE("v=STSv1");
	struct slice found = SLICE_NONE;
	unsigned n = 0;

	for (unsigned i = 0; i < ntexts; i++) {
		struct slice rest = slice_skip(texts[i], version.len);

		if (!slice_starts(texts[i], version) || !trim_blanks(rest).len || trim_blanks(rest).ptr[0] != ';')
			continue;
		found = slice_skip(trim_blanks(rest), 1);
		n++;
	}
	return n == 1 && record_read(found, id);
}

/* A host's name, or one behind "*.": labels of letters, digits and hyphens. */
static bool is_pattern(struct slice pattern)
{
	size_t label = 0;

	if (slice_starts(pattern, SLICE("*.")))
		pattern = slice_skip(pattern, 2);
	if (pattern.len == 0 || pattern.len > HOST_MAX)
		return false;
	for (size_t i = 0; i < pattern.len; i++) {
		char c = pattern.ptr[i];

		if (c == '.' && label == 0)
			return false;
		label = c == '.' ? 0 : label + 1;
		if (label > LABEL_MAX || (c != '.' && c != '-' && !is_alnum(c)))
			return false;
	}
	return label > 0;
}

/* What was found so far. */
struct reading {
	struct slice version, mode, max_age;
	unsigned nmx;
	struct slice *mx; /* room for as many as there are lines */
	char *why;
};

static bool refuse(const struct reading *reading, const char *expected, struct slice found)
{
	char text[48];
	size_t n = found.len < sizeof(text) - 1 ? found.len : sizeof(text) - 1;

	for (size_t i = 0; i < n; i++)
		text[i] = found.ptr[i] >= ' ' && found.ptr[i] < 0x7f ? found.ptr[i] : '?';
	text[n] = '\0';
	snprintf(reading->why, STS_WHY_MAX, "expected %s, found \"%s\"", expected, text);
	return false;
}

static bool first_only(struct slice *field, struct slice value)
{
	if (!field->len)
		*field = value;
	return true;
}

static bool reading_line(struct reading *reading, struct slice line)
{
	struct slice value = line, name = slice_until(&value, ':');

	if (name.len == line.len || !is_field_name(name))
		return refuse(reading, "a field and a colon", line);
	value = trim_blanks(value);
	if (!value.len)
		return refuse(reading, "a value behind the colon", line);
	if (slice_is(name, SLICE("version")))
		return first_only(&reading->version, value);
	if (slice_is(name, SLICE("mode")))
		return first_only(&reading->mode, value);
	if (slice_is(name, SLICE("max_age")))
		return first_only(&reading->max_age, value);
	if (!slice_is(name, SLICE("mx")))
		return true;
	if (!is_pattern(value))
		return refuse(reading, "mx to be a host's name, or *. and one", value);
	reading->mx[reading->nmx++] = value;
	return true;
}

static bool reading_lines(struct reading *reading, struct slice file)
{
	while (file.len) {
		struct slice line = slice_until(&file, '\n');

		if (line.len && line.ptr[line.len - 1] == '\r')
			line.len--;
		if (trim_blanks(line).len && !reading_line(reading, line))
			return false;
	}
	return true;
}

static bool mode_of(struct slice text, enum sts_mode *mode)
{
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (slice_is(text, slice_of(modes[i]))) {
			*mode = (enum sts_mode)i;
			return true;
		}
	return false;
}

static bool reading_conclude(const struct reading *reading, struct sts_policy *policy)
{
	uint64_t age_s;

	if (!slice_is(reading->version, SLICE("STSv1")))
		return refuse(reading, "version: STSv1", reading->version);
	if (!mode_of(reading->mode, &policy->mode))
		return refuse(reading, "mode: enforce, testing or none", reading->mode);
	if (reading->max_age.len > 10 || !slice_number(reading->max_age, UINT64_MAX, &age_s))
		return refuse(reading, "max_age: a number of seconds", reading->max_age);
	if (policy->mode != STS_NONE && reading->nmx == 0)
		return refuse(reading, "one mx at least", SLICE_NONE);
	policy->max_age_s = age_s < STS_AGE_S_MAX ? (uint32_t)age_s : STS_AGE_S_MAX;
	return true;
}

static unsigned count_lines(struct slice file)
{
	unsigned n = 0;

	while (file.len) {
		slice_until(&file, '\n');
		n++;
	}
	return n;
}

/* The file's copy is lower case only where the patterns are. */
static void lower(struct slice pattern)
{
	char *text = (char *)pattern.ptr;

	for (size_t i = 0; i < pattern.len; i++)
		if (text[i] >= 'A' && text[i] <= 'Z')
			text[i] = (char)(text[i] + 32);
}

struct sts_policy *sts_policy_read(struct slice file, char *why)
{
	if (file.len == 0 || file.len > STS_FILE_MAX) {
		snprintf(why, STS_WHY_MAX, "expected a file of 1 to %d bytes, found %zu", STS_FILE_MAX, file.len);
		return NULL;
	}
	unsigned nlines = count_lines(file);
	struct sts_policy *policy = calloc(1, sizeof(*policy) + nlines * sizeof(struct slice) + file.len);

	CHECK(policy != NULL);
	struct slice *mx = (struct slice *)(policy + 1);
	char *copy = (char *)(mx + nlines);
	struct reading reading = {.mx = mx, .why = why};

	memcpy(copy, file.ptr, file.len);
	policy->file = (struct slice){copy, file.len};
	if (!reading_lines(&reading, policy->file) || !reading_conclude(&reading, policy)) {
		free(policy);
		return NULL;
	}
	for (unsigned i = 0; i < reading.nmx; i++)
		lower(mx[i]);
	policy->mx = mx;
	policy->nmx = reading.nmx;
	atomic_init(&policy->refs, 1);
	return policy;
}

struct sts_policy *sts_policy_keep(struct sts_policy *policy)
{
	if (policy)
		atomic_fetch_add(&policy->refs, 1);
	return policy;
}

void sts_policy_free(struct sts_policy *policy)
{
	if (policy && atomic_fetch_sub(&policy->refs, 1) == 1)
		free(policy);
}

bool sts_policy_names(const struct sts_policy *policy, struct slice host)
{
	struct slice parent = slice_skip(host, slice_find(host, '.'));

	for (unsigned i = 0; i < policy->nmx; i++) {
		struct slice pattern = policy->mx[i];

		if (pattern.ptr[0] != '*' && slice_is_nocase(pattern, host))
			return true;
		if (pattern.ptr[0] == '*' && parent.len < host.len && slice_is_nocase(slice_skip(pattern, 1), parent))
			return true;
	}
	return false;
}
