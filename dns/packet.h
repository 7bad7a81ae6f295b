/* Packets: questions as bytes, and answers from bytes. The only file that sees ldns is packet.c.
 *
 *     char room[PACKET_QUESTION_MAX];
 *     size_t len = packet_question(room, id, SLICE("a.example"), DNS_MX, false);
 *     ...
 *     struct answer *answer;
 *     if (packet_read(bytes, id, SLICE("a.example"), DNS_MX, &answer) == PACKET_OK) ... answer_free(answer);
 *
 * Whatever bytes come, reading costs a bounded time and allocates one answer at most: ANSWER_RECORDS_MAX records and
 * ANSWER_NAMES_MAX bytes of names are read, then answer->cut is set.
 *
 * Sources: RFC 1035 4, RFC 2181 5.4.1 and 8, RFC 2308, RFC 6698 2.1 (TLSA), RFC 6891. */
#pragma once

#include "dns/answer.h"

/* EDNS0 says how large a datagram may be: what passes everywhere unfragmented. */
enum { PACKET_QUESTION_MAX = 320, PACKET_UDP_MAX = 1232, PACKET_TCP_MAX = 65535, ANSWER_NAMES_MAX = 32768 };

enum packet_fault {
	PACKET_OK,
	PACKET_WRONG_ID,       /* not to what we asked: forged, or late */
	PACKET_WRONG_QUESTION, /* the question in it is another one */
	PACKET_GARBAGE	       /* not a DNS answer */
};

/* May this be asked for? At most 253 bytes in labels of 1 to 63, no byte that would need an escape. */
bool packet_name_is_valid(struct slice name);
/* A question with recursion desired and EDNS0; its length. The name must be valid. signed_too: the resolver is to say
 * whether it has validated the answer (DO, RFC 3225). */
size_t packet_question(char *room, uint16_t id, struct slice name, enum dns_type type, bool signed_too);
/* Reads an answer to that question. On PACKET_OK *answer is owned by the caller, else untouched. Its `secure` is what
 * the server claims: whether that counts is for the caller to say. */
enum packet_fault packet_read(struct slice bytes, uint16_t id, struct slice name, enum dns_type type,
			      struct answer **answer);
