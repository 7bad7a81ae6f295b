/* Texts and addresses by name, on a real ring: the server is a plain socket in this thread whose answers are written
 * byte by byte. alias.example is a CNAME of text.example, whose text is in two strings beside another; far.example is
 * a CNAME that has to be asked for. */
#include "dns/inquiry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TURNS_MAX = 2000, TXT = 16, CNAME = 5, A = 1 };

struct asking {
	struct inquiry inquiry;
	unsigned nanswers;
};

static struct ring *ring;
static struct dns *dns;
static int server;
static unsigned nheard;
static unsigned char packet[512];
static size_t packet_len;

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

static void answer(const char *first_label, unsigned type)
{
	size_t at = 0;

	packet[2] = 0x81;
	packet[3] = 0x80;
	packet[7] = packet[11] = 0;
	if (strcmp(first_label, "alias") == 0)
		at = record(0, CNAME, NAME("\4text\7example"));
	if (strcmp(first_label, "far") == 0)
		record(0, CNAME, NAME("\4text\7example"));
	else if (type == TXT && strcmp(first_label, "none") != 0) {
		record(at, TXT, "\6v=STSv\0\0051; id", 14);
		record(at, TXT, "\0", 1);
	} else if (type == A)
		record(at, A, "\300\0\2\1", 4);
}

static void turn(void)
{
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t len;

	assert_int_equal(ring_turn(ring, 5), 0);
	while ((len = recvfrom(server, packet, sizeof(packet), 0, (struct sockaddr *)&from, &from_len)) > 0) {
		char label[16] = "";
		size_t end = 12;

		memcpy(label, packet + 13, packet[12] < sizeof(label) ? packet[12] : 0);
		while (packet[end])
			end += 1u + packet[end];
		packet_len = end + 5;
		nheard++;
		answer(label, packet[end + 2]);
		sendto(server, packet, packet_len, 0, (struct sockaddr *)&from, from_len);
	}
}

static void on_answered(struct inquiry *inquiry)
{
	LIST_OWNER(inquiry, struct asking, inquiry)->nanswers++;
}

static void ask(struct asking *asking, const char *name, enum inquiry_kind kind)
{
	*asking = (struct asking){.inquiry.answered = on_answered};
	inquiry_begin(&asking->inquiry, dns, slice_of(name), kind);
	for (int i = 0; i < TURNS_MAX && asking->nanswers == 0; i++)
		turn();
	assert_int_equal(asking->nanswers, 1);
}

static int setup(void **state)
{
	struct address address = address_v4((unsigned char[]){127, 0, 0, 1}, 0);
	char why[RING_WHY_MAX];

	(void)state;
	nheard = 0;
	server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (bind(server, &address.sa, address.len) < 0 || getsockname(server, &address.sa, &address.len) < 0)
		return -1;
	if (ring_open(&ring, &(struct ring_setup){.sockets = 64, .buffers = 64, .buffer_size = 2048}, why) < 0) {
		fprintf(stderr, "%s\n", why);
		return -1;
	}
	dns = dns_open(ring, &(struct dns_setup){.servers = &address, .nservers = 1, .smtp_port = 25});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dns_free(dns);
	for (int i = 0; i < 5; i++)
		turn();
	ring_free(ring);
	close(server);
	return 0;
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
		cmocka_unit_test_setup_teardown(strings_are_joined, setup, teardown),
		cmocka_unit_test_setup_teardown(cnames_are_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(addresses_have_the_port, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_is_taken_back_is_not_answered, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
