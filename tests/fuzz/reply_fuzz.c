/* Any bytes as replies, and what may be read out of them. Cut anywhere they give the same as whole: the same codes,
 * enhanced codes and texts, and they break at the same place for the same reason. What a reply says is within its
 * bounds, and offers and verdicts can be read from any of it. The first byte says how large the pieces are. */
#include "smtp/caps.h"
#include "smtp/reply.h"
#include "smtp/verdict.h"

#include "base/check.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void judge(const struct reply *reply)
{
	for (enum stage stage = STAGE_CONNECT; stage <= STAGE_EOM; stage++) {
		const struct heard heard = {stage, reply->code, reply->enhanced, reply->text, SLICE_NONE};
		struct verdict verdict = verdict_of(&heard);

		CHECK(verdict.rule != NULL);
		CHECK((verdict.action == ACTION_DELIVERED) == (stage == STAGE_EOM && reply->code / 100 == 2));
		CHECK(!verdict.suppress || (stage == STAGE_RCPT && reply->code / 100 == 5));
	}
}

static void check_reply(const struct reply *reply)
{
	struct caps caps = caps_parse(reply->text);

	CHECK(caps.esmtp);
	CHECK(reply->code >= 200 && reply->code <= 599);
	CHECK(reply->text.len <= REPLY_TEXT_MAX);
	CHECK(reply->enhanced.len < ENHANCED_MAX);
	CHECK(reply->enhanced.len == 0 || reply->enhanced.ptr[0] == (char)('0' + reply->code / 100));
	judge(reply);
}

/* All of it as text, a field after the other. */
static void read_all(struct slice bytes, size_t piece, struct outbuf *out)
{
	struct reply_parser parser = {0};
	struct reply reply;

	while (bytes.len > 0 && !parser.broken) {
		struct slice one = slice_head(bytes, piece);

		bytes = slice_skip(bytes, piece);
		while (reply_feed(&parser, &one, &reply)) {
			check_reply(&reply);
			outbuf_number(out, reply.code);
			outbuf_byte(out, '|');
			outbuf_add(out, reply.enhanced);
			outbuf_byte(out, '|');
			outbuf_add(out, reply.text);
			outbuf_byte(out, '|');
		}
	}
	outbuf_add(out, slice_of(parser.broken ? parser.why : reply_is_partial(&parser) ? "partial" : "whole"));
	reply_free(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice input = {(const char *)bytes, len};
	struct outbuf whole = {0}, cut = {0};

	if (len == 0)
		return 0;
	read_all(slice_skip(input, 1), len, &whole);
	read_all(slice_skip(input, 1), 1 + bytes[0] % 32, &cut);
	CHECK(slice_is(outbuf_slice(&whole), outbuf_slice(&cut)));
	outbuf_free(&whole);
	outbuf_free(&cut);
	return 0;
}
