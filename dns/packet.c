/* ldns does the wire format, record by record: a whole packet at once (ldns_wire2pkt) would let the sender of 64 KB
 * decide how much is allocated. Each name costs ldns at most a chain of 8,191 pointers, and we stop after
 * ANSWER_RECORDS_MAX records, so the worst packet costs milliseconds.
 *
 * Its presentation format is not used (ldns_rdf2str is six times the price of reading): names are written here, in
 * lower case, from the uncompressed labels.
 *
 * The authority section is read only where it matters: for an answer without records its SOA says for how long that
 * holds, and name servers without a SOA mean that this server only knows whom else to ask. */
#include "dns/packet.h"

#include "base/check.h"

#include <ldns/ldns.h>
#include <string.h>

enum { AUTHORITY_RECORDS_MAX = 32, LABEL_MAX = 63, HEADER_SIZE = 12 };

struct reading {
	const uint8_t *bytes;
	size_t len, pos;
	enum dns_type type;
	bool has_ns;
	unsigned nrecords;
	struct record records[ANSWER_RECORDS_MAX];
	size_t names_used;
	char names[ANSWER_NAMES_MAX];
	struct answer head;
};

static bool byte_is_plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '.' && c != '\\' && c != '"' && c != '(' && c != ')' && c != ';' &&
	       c != '@' && c != '$';
}

bool packet_name_is_valid(struct slice name)
{
	size_t label = 0;

	if (name.len == 0 || name.len > 253)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] == '.' && label == 0)
			return false;
		label = name.ptr[i] == '.' ? 0 : label + 1;
		if (label > LABEL_MAX || (label > 0 && !byte_is_plain((unsigned char)name.ptr[i])))
			return false;
	}
	return label > 0;
}

size_t packet_question(char *room, uint16_t id, struct slice name, enum dns_type type, bool signed_too)
{
	CHECK(packet_name_is_valid(name));
	char text[DNS_NAME_MAX];
	uint8_t *wire = NULL;
	size_t len = 0;

	memcpy(text, name.ptr, name.len);
	text[name.len] = '\0';
	ldns_rdf *owner = ldns_dname_new_frm_str(text);

	CHECK(owner != NULL);
	ldns_pkt *packet = ldns_pkt_query_new(owner, (ldns_rr_type)type, LDNS_RR_CLASS_IN, LDNS_RD);

	CHECK(packet != NULL);
	ldns_pkt_set_id(packet, id);
	ldns_pkt_set_edns_udp_size(packet, PACKET_UDP_MAX);
	ldns_pkt_set_edns_do(packet, signed_too);
	CHECK(ldns_pkt2wire(&wire, packet, &len) == LDNS_STATUS_OK);
	CHECK(len <= PACKET_QUESTION_MAX);
	memcpy(room, wire, len);
	LDNS_FREE(wire);
	ldns_pkt_free(packet);
	return len;
}

/* One byte of a label as text; how many characters. */
static size_t byte_text(char *room, unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		c = (unsigned char)(c + 32);
	if (byte_is_plain(c)) {
		room[0] = (char)c;
		return 1;
	}
	room[0] = '\\';
	room[1] = (char)('0' + c / 100);
	room[2] = (char)('0' + c / 10 % 10);
	room[3] = (char)('0' + c % 10);
	return 4;
}

/* The text of an uncompressed name, up to DNS_NAME_MAX bytes into room. One that grows too long by its escapes is
 * given as a lone backslash: it is no host's name either way. */
static size_t name_text(char *room, const ldns_rdf *name)
{
	const uint8_t *wire = ldns_rdf_data(name);
	size_t size = ldns_rdf_size(name), len = 0;

	for (size_t i = 0; i < size && wire[i] != 0; i += 1u + wire[i]) {
		if (len > 0)
			room[len++] = '.';
		for (size_t at = i + 1; at <= i + wire[i] && at < size; at++) {
			if (len + 5 > DNS_NAME_MAX) {
				room[0] = '\\';
				return 1;
			}
			len += byte_text(room + len, wire[at]);
		}
	}
	if (len == 0)
		room[len++] = '.';
	return len;
}

/* False when the room for names is used up. */
static bool reading_name(struct reading *reading, const ldns_rdf *name, struct slice *text)
{
	if (ANSWER_NAMES_MAX - reading->names_used < DNS_NAME_MAX)
		return false;
	text->ptr = reading->names + reading->names_used;
	text->len = name_text(reading->names + reading->names_used, name);
	reading->names_used += text->len;
	return true;
}

/* RFC 2181 8: a TTL with the highest bit set is zero. */
static uint32_t ttl_of(const ldns_rr *rr)
{
	return ldns_rr_ttl(rr) > INT32_MAX ? 0 : ldns_rr_ttl(rr);
}

/* The strings of a TXT, joined: what they say is cut in pieces of 255 bytes at any place (RFC 7208 3.3). */
static bool record_fill_text(struct reading *reading, struct record *record, const ldns_rr *rr)
{
	record->target.ptr = reading->names + reading->names_used;
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		const ldns_rdf *string = ldns_rr_rdf(rr, i);
		size_t len = ldns_rdf_size(string) > 0 ? ldns_rdf_size(string) - 1 : 0; /* behind its length */

		if (len > ANSWER_NAMES_MAX - reading->names_used)
			return false;
		memcpy(reading->names + reading->names_used, ldns_rdf_data(string) + 1, len);
		reading->names_used += len;
		record->target.len += len;
	}
	return true;
}

/* Three numbers, and the rest is data (RFC 6698 2.1). */
static bool record_fill_tlsa(struct reading *reading, struct record *record, const ldns_rr *rr)
{
	const ldns_rdf *data = ldns_rr_rd_count(rr) == 4 ? ldns_rr_rdf(rr, 3) : NULL;

	if (!data || ldns_rdf_size(data) > ANSWER_NAMES_MAX - reading->names_used)
		return false;
	record->tlsa = (struct tlsa){
		.usage = ldns_rdf2native_int8(ldns_rr_rdf(rr, 0)),
		.selector = ldns_rdf2native_int8(ldns_rr_rdf(rr, 1)),
		.matching = ldns_rdf2native_int8(ldns_rr_rdf(rr, 2)),
		.data = {reading->names + reading->names_used, ldns_rdf_size(data)},
	};
	memcpy(reading->names + reading->names_used, ldns_rdf_data(data), ldns_rdf_size(data));
	reading->names_used += ldns_rdf_size(data);
	return true;
}

/* What the type has in its data; false when it is not what the type demands. */
static bool record_fill(struct reading *reading, struct record *record, const ldns_rr *rr)
{
	const ldns_rdf *last = ldns_rr_rd_count(rr) > 0 ? ldns_rr_rdf(rr, ldns_rr_rd_count(rr) - 1) : NULL;
	size_t ip_size = record->type == DNS_A ? 4 : 16;

	if (!last)
		return false;
	if (record->type == DNS_TXT)
		return record_fill_text(reading, record, rr);
	if (record->type == DNS_TLSA)
		return record_fill_tlsa(reading, record, rr);
	if (record->type == DNS_A || record->type == DNS_AAAA) {
		if (ldns_rdf_size(last) != ip_size)
			return false;
		memcpy(record->ip, ldns_rdf_data(last), ip_size);
		return true;
	}
	if (ldns_rdf_get_type(last) != LDNS_RDF_TYPE_DNAME)
		return false;
	if (record->type == DNS_MX)
		record->preference = ldns_rdf2native_int16(ldns_rr_rdf(rr, 0));
	return reading_name(reading, last, &record->target);
}

static void reading_answer(struct reading *reading, const ldns_rr *rr)
{
	struct record *record = &reading->records[reading->nrecords];
	uint16_t type = (uint16_t)ldns_rr_get_type(rr);

	if (ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN || (type != reading->type && type != DNS_CNAME))
		return;
	*record = (struct record){.type = type, .ttl_s = ttl_of(rr)};
	if (!reading_name(reading, ldns_rr_owner(rr), &record->owner) || !record_fill(reading, record, rr)) {
		reading->head.cut = true;
		return;
	}
	if (reading->nrecords == 0 || record->ttl_s < reading->head.ttl_s)
		reading->head.ttl_s = record->ttl_s;
	reading->nrecords++;
}

/* Authority and additional section of an answer that has no record of the type. */
static void reading_authority(struct reading *reading, const ldns_rr *rr)
{
	if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_NS)
		reading->has_ns = true;
	if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_OPT)
		reading->head.rcode |= (uint8_t)(ldns_rr_ttl(rr) >> 24 << 4);
	if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_SOA || ldns_rr_rd_count(rr) != 7)
		return;
	uint32_t minimum = ldns_rdf2native_int32(ldns_rr_rdf(rr, 6)),
		 ttl_s = ttl_of(rr) < minimum ? ttl_of(rr) : minimum;

	if (reading->nrecords == 0 || ttl_s < reading->head.ttl_s)
		reading->head.ttl_s = ttl_s;
	reading->head.has_soa = true;
}

/* The records of one section, up to max of them; false when they are not records. */
static bool reading_section(struct reading *reading, ldns_pkt_section section, unsigned count, unsigned max,
			    void (*take)(struct reading *reading, const ldns_rr *rr))
{
	for (unsigned i = 0; i < count && !reading->head.cut; i++) {
		ldns_rr *rr;

		if (i == max) {
			reading->head.cut = true;
			break;
		}
		if (ldns_wire2rr(&rr, reading->bytes, reading->len, &reading->pos, section) != LDNS_STATUS_OK)
			return false;
		take(reading, rr);
		ldns_rr_free(rr);
	}
	return true;
}

static bool reading_has_type(const struct reading *reading)
{
	for (unsigned i = 0; i < reading->nrecords; i++)
		if (reading->records[i].type == reading->type)
			return true;
	return false;
}

static bool reading_records(struct reading *reading)
{
	unsigned authority = LDNS_NSCOUNT(reading->bytes) + (unsigned)LDNS_ARCOUNT(reading->bytes);

	if (!reading_section(reading, LDNS_SECTION_ANSWER, LDNS_ANCOUNT(reading->bytes), ANSWER_RECORDS_MAX,
			     reading_answer))
		return false;
	if (reading->head.cut || reading_has_type(reading))
		return true;
	if (authority > AUTHORITY_RECORDS_MAX)
		authority = AUTHORITY_RECORDS_MAX;
	return reading_section(reading, LDNS_SECTION_AUTHORITY, authority, authority, reading_authority);
}

static void answer_fail(struct answer *head, const char *failure)
{
	head->state = ANSWER_FAILED;
	snprintf(head->failure, sizeof(head->failure), "%s", failure);
}

/* What it comes to, once all is read. */
static void reading_conclude(struct reading *reading)
{
	struct answer *head = &reading->head;

	if (head->rcode == LDNS_RCODE_NXDOMAIN)
		head->state = ANSWER_NO_NAME;
	else if (head->rcode != LDNS_RCODE_NOERROR)
		answer_fail(head, rcode_name(head->rcode));
	else if (head->truncated)
		answer_fail(head, "a truncated answer");
	else if (reading->nrecords > 0)
		head->state = ANSWER_FOUND;
	else if (head->cut)
		answer_fail(head, "an answer too long to read");
	else if (reading->has_ns && !head->has_soa)
		answer_fail(head, "a referral, so it is no recursive server");
	else
		head->state = ANSWER_EMPTY;
}

/* Is the question in it ours? */
static enum packet_fault reading_question(struct reading *reading, struct slice name)
{
	struct slice found = SLICE_NONE;
	ldns_rr *rr;

	if (ldns_wire2rr(&rr, reading->bytes, reading->len, &reading->pos, LDNS_SECTION_QUESTION) != LDNS_STATUS_OK)
		return PACKET_GARBAGE;
	bool is_ours = reading_name(reading, ldns_rr_owner(rr), &found) && slice_is_nocase(found, name) &&
		       ldns_rr_get_type(rr) == (ldns_rr_type)reading->type && ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN;

	ldns_rr_free(rr);
	return is_ours ? PACKET_OK : PACKET_WRONG_QUESTION;
}

/* The fixed part: twelve bytes. A server that could not read the question may leave it out of its complaint. */
static enum packet_fault reading_header(struct reading *reading, uint16_t id, struct slice name)
{
	const uint8_t *bytes = reading->bytes;

	if (reading->len < HEADER_SIZE || !LDNS_QR_WIRE(bytes) || LDNS_OPCODE_WIRE(bytes) != LDNS_PACKET_QUERY)
		return PACKET_GARBAGE;
	if (LDNS_ID_WIRE(bytes) != id)
		return PACKET_WRONG_ID;
	reading->head.rcode = LDNS_RCODE_WIRE(bytes);
	reading->head.truncated = LDNS_TC_WIRE(bytes);
	reading->head.secure = LDNS_AD_WIRE(bytes);
	bool is_complaint = reading->head.rcode != LDNS_RCODE_NOERROR && reading->head.rcode != LDNS_RCODE_NXDOMAIN;

	if (LDNS_QDCOUNT(bytes) == 0 && is_complaint)
		return PACKET_OK;
	return LDNS_QDCOUNT(bytes) == 1 ? reading_question(reading, name) : PACKET_GARBAGE;
}

enum packet_fault packet_read(struct slice bytes, uint16_t id, struct slice name, enum dns_type type,
			      struct answer **answer)
{
	struct reading reading; /* 46 KB, not worth clearing */

	reading.bytes = (const uint8_t *)bytes.ptr;
	reading.len = bytes.len;
	reading.pos = HEADER_SIZE;
	reading.type = type;
	reading.head = (struct answer){.type = type};
	reading.has_ns = false;
	reading.nrecords = 0;
	reading.names_used = 0;
	enum packet_fault fault = reading_header(&reading, id, name);
	bool is_plain = reading.head.rcode == LDNS_RCODE_NOERROR || reading.head.rcode == LDNS_RCODE_NXDOMAIN;

	if (fault != PACKET_OK)
		return fault;
	if (is_plain && !reading.head.truncated && !reading_records(&reading))
		return PACKET_GARBAGE;
	reading_conclude(&reading);
	*answer =
		answer_make(&reading.head, reading.records, reading.head.state == ANSWER_FAILED ? 0 : reading.nrecords);
	return PACKET_OK;
}
