/* Reading DNS answers from bytes of strangers. The first two bytes choose what was asked; then comes the packet. An
 * answer must keep its promises: bounded, names in lower case and in bounds, a chain that ends. */
#include "base/check.h"
#include "dns/packet.h"

static const enum dns_type types[] = {DNS_MX, DNS_A, DNS_AAAA, DNS_TLSA, DNS_CNAME};
static const char *const names[] = {"a.example", "mx.a.example", "x", "www.a-rather-long-name.example"};

static void name_check(struct slice name)
{
	CHECK(name.len > 0);
	CHECK(name.len <= DNS_NAME_MAX);
	for (size_t i = 0; i < name.len; i++) {
		CHECK(name.ptr[i] > ' ');
		CHECK(name.ptr[i] < 0x7f);
		CHECK(name.ptr[i] < 'A' || name.ptr[i] > 'Z');
	}
}

static void answer_check(const struct answer *answer, struct slice name)
{
	struct name_chain chain = name_chain_start(name);
	enum followed followed = answer_follow(answer, &chain);

	CHECK(answer->nrecords <= ANSWER_RECORDS_MAX);
	CHECK(chain.ncnames <= CNAMES_MAX);
	CHECK((answer->state == ANSWER_FAILED) == (followed == FOLLOWED_FAILED));
	CHECK((answer->state == ANSWER_FAILED) == (answer->failure[0] != '\0'));
	CHECK(answer->state != ANSWER_FAILED || answer->nrecords == 0);
	for (unsigned i = 0; i < answer->nrecords; i++) {
		const struct record *record = &answer->records[i];

		CHECK(record->type == (uint16_t)answer->type || record->type == DNS_CNAME);
		CHECK(record->ttl_s <= INT32_MAX);
		name_check(record->owner);
		if (record->type == DNS_MX || record->type == DNS_CNAME)
			name_check(record->target);
		if (record->type == DNS_TLSA) {
			CHECK(record->tlsa.data.len < ANSWER_NAMES_MAX);
			slice_hash(record->tlsa.data); /* reads all of it */
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct answer *answer;

	if (len < 4)
		return 0;
	struct slice name = slice_of(names[bytes[0] % (sizeof(names) / sizeof(names[0]))]);
	enum dns_type type = types[bytes[1] % (sizeof(types) / sizeof(types[0]))];
	struct slice packet = {(const char *)bytes + 2, len - 2};

	/* The id is taken from the packet: guessing it is not what is to be found out. */
	if (packet_read(packet, (uint16_t)(bytes[2] << 8 | bytes[3]), name, type, &answer) != PACKET_OK)
		return 0;
	answer_check(answer, name);
	answer_free(answer);
	return 0;
}
