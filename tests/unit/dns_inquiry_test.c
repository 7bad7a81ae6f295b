/* Texts and addresses by name, on a real ring: the server is a plain socket in this thread whose answers are written
 * byte by byte. alias.example is a CNAME of text.example, whose text is in two strings beside another; far.example is
 * a CNAME that has to be asked for. */
#include "dns/inquiry.h"

#include "dns_world.h"

enum { TXT = 16, CNAME = 5, A = 1 };

struct asking {
	struct inquiry inquiry;
	unsigned nanswers;
};

/* A record of the name asked for, or (at > 0) of the name that lies there in the packet. */
static size_t record(size_t at, unsigned type, const char *data, size_t len)
{
	unsigned char head[12] = {0xc0, 12, 0, (unsigned char)type, 0, 1, 0, 0, 1, 44, 0, (unsigned char)len};

	if (at) {
		head[0] = (unsigned char)(0xc0 | at >> 8);
		head[1] = (unsigned char)at;
	}
	memcpy(packet + packet_len, head, sizeof(head));
	memcpy(packet + packet_len + sizeof(head), data, len);
	packet_len += sizeof(head) + len;
	packet[7]++;
	return packet_len - len;
}

#define NAME(literal) (literal), sizeof(literal) /* the root's label is the NUL */

static void answer(void)
{
	char label[16] = "";
	size_t end = 12, at = 0;
	unsigned type;

	memcpy(label, packet + 13, packet[12] < sizeof(label) ? packet[12] : 0);
	while (packet[end])
		end += 1u + packet[end];
	type = packet[end + 2];
	packet_len = end + 5;
	packet[2] = 0x81;
	packet[3] = 0x80;
	packet[7] = packet[11] = 0;
	if (strcmp(label, "alias") == 0)
		at = record(0, CNAME, NAME("\4text\7example"));
	if (strcmp(label, "far") == 0)
		record(0, CNAME, NAME("\4text\7example"));
	else if (type == TXT && strcmp(label, "none") != 0) {
		record(at, TXT, "\6v=STSv\0\0051; id", 14);
		record(at, TXT, "\0", 1);
	} else if (type == A)
		record(at, A, "\300\0\2\1", 4);
}

static void on_answered(struct inquiry *inquiry)
{
	LIST_OWNER(inquiry, struct asking, inquiry)->nanswers++;
}

static void ask(struct asking *asking, const char *name, enum inquiry_kind kind)
{
	*asking = (struct asking){.inquiry.answered = on_answered};
	inquiry_begin(&asking->inquiry, dns, slice_of(name), kind);
	turn_until(&asking->nanswers);
}

static void strings_are_joined(void **state)
{
	struct asking asking;
	struct slice texts[4];

	(void)state;
	ask(&asking, "text.example", INQUIRY_TEXT);
	assert_int_equal(inquiry_texts(&asking.inquiry, texts, 1), 1);
	assert_int_equal(inquiry_texts(&asking.inquiry, texts, 4), 2);
	assert_true(slice_is(texts[0], SLICE("v=STSv1; id")));
	assert_int_equal(texts[1].len, 0);
	inquiry_end(&asking.inquiry);
	inquiry_end(&asking.inquiry);
}

static void cnames_are_followed(void **state)
{
	static const char *const names[] = {"alias.example", "far.example"};
	struct asking asking;
	struct slice texts[4];

	(void)state;
	for (int i = 0; i < 2; i++) {
		ask(&asking, names[i], INQUIRY_TEXT);
		assert_int_equal(inquiry_texts(&asking.inquiry, texts, 4), 2);
		inquiry_end(&asking.inquiry);
	}
	assert_int_equal(nheard, 3);
	ask(&asking, "far.example", INQUIRY_TEXT); /* from the cache, both */
	assert_int_equal(inquiry_texts(&asking.inquiry, texts, 4), 2);
	inquiry_end(&asking.inquiry);
	assert_int_equal(nheard, 3);
}

static void addresses_have_the_port(void **state)
{
	struct asking asking;
	struct address found[2];
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	ask(&asking, "text.example", INQUIRY_IPV4);
	assert_int_equal(inquiry_addresses(&asking.inquiry, found, 2, 8443), 1);
	assert_true(slice_is(address_text(&found[0], text), SLICE("192.0.2.1:8443")));
	inquiry_end(&asking.inquiry);
}

static void nothing_is_found(void **state)
{
	struct asking asking;
	struct slice texts[4];

	(void)state;
	ask(&asking, "none.example", INQUIRY_TEXT);
	assert_int_equal(inquiry_texts(&asking.inquiry, texts, 4), 0);
	inquiry_end(&asking.inquiry);
	ask(&asking, "not a name", INQUIRY_TEXT);
	assert_int_equal(inquiry_texts(&asking.inquiry, texts, 4), 0);
	inquiry_end(&asking.inquiry);
}

static void one_that_is_taken_back_is_not_answered(void **state)
{
	struct asking asking = {.inquiry.answered = on_answered};

	(void)state;
	inquiry_begin(&asking.inquiry, dns, SLICE("text.example"), INQUIRY_TEXT);
	inquiry_end(&asking.inquiry);
	for (int i = 0; i < 20; i++)
		turn();
	assert_int_equal(asking.nanswers, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(strings_are_joined, dns_world_open, dns_world_close),
		cmocka_unit_test_setup_teardown(cnames_are_followed, dns_world_open, dns_world_close),
		cmocka_unit_test_setup_teardown(addresses_have_the_port, dns_world_open, dns_world_close),
		cmocka_unit_test_setup_teardown(nothing_is_found, dns_world_open, dns_world_close),
		cmocka_unit_test_setup_teardown(one_that_is_taken_back_is_not_answered, dns_world_open,
						dns_world_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
