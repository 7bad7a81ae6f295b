/* Orders as anybody may put them into the control stream: fields of an entry, one a line, and in one of them the JSON
 * of a match. What is taken for a match is written in its canonical form, which read again is the same. */
#include "queue/control.h"

#include "base/check.h"

enum { FIELDS_MAX = 32 };

static void match_check(const struct match *match)
{
	struct outbuf once = {0}, twice = {0};
	struct match again;
	struct refusal refusal;

	match_write_json(match, &once);
	CHECK(match_json(&again, outbuf_slice(&once), &refusal));
	CHECK(again.keys == match->keys && again.nvalues == match->nvalues);
	match_write_json(&again, &twice);
	CHECK(slice_is(outbuf_slice(&once), outbuf_slice(&twice)));
	for (unsigned i = 0; i < match->nvalues; i++) {
		CHECK(match->values[i].glob.len <= MATCH_VALUE_BYTES_MAX);
		CHECK(match_glob(SLICE("*"), match->values[i].glob));
		match_glob(match->values[i].glob, outbuf_slice(&once));
	}
	match_free(&again);
	outbuf_free(&once);
	outbuf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice rest = {(const char *)bytes, len}, fields[FIELDS_MAX];
	struct refusal refusal;
	struct control control;
	struct match match;
	size_t n = 0;

	while (n < FIELDS_MAX && rest.len)
		fields[n++] = slice_until(&rest, '\n');
	if (!control_read(&control, SLICE("1-1"), fields, n, &refusal))
		CHECK(refusal.message[0] != '\0');
	if (match_json(&match, control.match, &refusal)) {
		match_check(&match);
		if (!control_check(control.what, &match, &refusal))
			CHECK(refusal.message[0] != '\0');
		match_free(&match);
	} else {
		CHECK(refusal.message[0] != '\0' && !match.values);
	}
	return 0;
}
