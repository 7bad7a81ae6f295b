/* Any bytes as what a server said at every stage, with every class of code. A verdict comes of it, always the same;
 * what it promises holds; what it names lies within the text. The first two bytes say the code and the site. */
#include "smtp/verdict.h"
#include "smtp/verdict_detail.h"

#include "base/check.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_verdict(const struct heard *heard, const struct verdict *verdict)
{
	struct verdict again = verdict_of(heard);

	CHECK(verdict->rule != NULL);
	CHECK(strcmp(verdict->rule, again.rule) == 0);
	CHECK(verdict->action == again.action && verdict->retry_after_s == again.retry_after_s);
	CHECK(verdict->action < ACTION_COUNT && verdict->scope < SCOPE_COUNT && verdict->category < CATEGORY_COUNT);
	CHECK((verdict->action == ACTION_DELIVERED) == (heard->stage == STAGE_EOM && heard->code / 100 == 2));
	CHECK(verdict->retry_after_s <= 7 * 86400);
	if (verdict->suppress)
		CHECK(heard->stage == STAGE_RCPT && heard->code / 100 == 5 && verdict->action == ACTION_NEVER &&
		      verdict->scope == SCOPE_RECIPIENT && verdict->category == CATEGORY_INVALID_RECIPIENT);
	if (heard->code == 421 || heard->stage < STAGE_MAIL)
		CHECK(verdict->action != ACTION_NEVER);
}

static void check_within(struct slice part, struct slice whole)
{
	if (part.len > 0)
		CHECK(part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const unsigned codes[] = {250, 354, 421, 450, 451, 452, 500, 550, 552, 553, 554, 0};
	static const char *const sites[] = {"", "google", "yahoo", "microsoft", "gmx", "nobody"};
	struct slice text = {(const char *)bytes, len};

	if (len < 2)
		return 0;
	text = slice_skip(text, 2);
	for (enum stage stage = STAGE_CONNECT; stage <= STAGE_EOM; stage++) {
		struct heard heard = {.stage = stage, .code = codes[bytes[0] % (sizeof(codes) / sizeof(codes[0]))]};
		struct verdict verdict;

		heard.provider = slice_of(sites[bytes[1] % (sizeof(sites) / sizeof(sites[0]))]);
		verdict_split(heard.code, text, &heard.enhanced, &heard.text);
		verdict = verdict_of(&heard);
		check_verdict(&heard, &verdict);
	}
	struct verdict_detail detail = verdict_detail_of(text);

	check_within(detail.list, text);
	check_within(detail.url, text);
	return 0;
}
