/* Header fields: which there are, and how one is written (RFC 5322 2.2, RFC 2047, RFC 6532).
 *
 *     header_write(&out, SLICE("Subject"), SLICE("Grüße"), &utf8, error);    Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= CRLF
 *
 * Lines are folded at blanks to stay within 78 characters where that is possible, and never exceed 998. An all-ASCII
 * value is written as it is, so one that is encoded already stays so; in others the words that need it are encoded. */
#pragma once

#include "mail/error.h"

#include "base/outbuf.h"

enum {
	HEADER_LINE_MAX = 998, /* RFC 5322 2.1.1: without CRLF */
	HEADER_VALUE_MAX = 64 * 1024,
	HEADERS_MAX = 1000, /* fields in a message */
	HEADERS_BYTES_MAX = 256 * 1024,
	HEADER_TRACES_MAX = 100 /* Received fields: more is a loop (RFC 5321 6.3) */
};

/* HEADER_TEXT: words, encoded where they must be. HEADER_PARTIES: addresses; only display names are encoded.
 * HEADER_URIS: <https://...>; what may not stand in a URI is percent-encoded. HEADER_TOKENS: ASCII only. */
enum header_kind { HEADER_TEXT, HEADER_PARTIES, HEADER_URIS, HEADER_TOKENS };

/* Who writes it. HEADER_GIVEN: the submitter. HEADER_MADE: the engine; a message object may not have it.
 * HEADER_DROPPED: nobody; it is left out (Bcc, Return-Path). */
enum header_origin { HEADER_GIVEN, HEADER_MADE, HEADER_DROPPED };

struct header_rule {
	struct slice name;
	enum header_kind kind;
	enum header_origin origin;
	bool once;	    /* at most one (RFC 5322 3.6) */
	bool needs_address; /* every party must have an @ */
	struct slice joint; /* between the values of a list; empty: a field each */
};

/* Never NULL: names without a rule of their own get that of free text. */
const struct header_rule *header_rule(struct slice name);
/* Position of a rule that says once, below 32; for a set of those seen. */
unsigned header_once_bit(const struct header_rule *rule);

/* Printable ASCII without colon (RFC 5322 3.6.8), 1 to 255 of it, the first no dot: a line that begins with one is
 * never a header's, so headers need no stuffing. */
bool header_name_check(struct slice name, struct mail_error *error);
/* A value, or part of one, that may go into a header: valid UTF-8, no controls but tab. The sentence begins with
 * who ("the value", "{{name}}"). */
bool header_text_check(struct slice text, const char *who, struct mail_error *error);

/* Whether this field says that the message may go where no TLS can be had: TLS-Required: No (RFC 8689 3). */
bool header_waives(struct slice name, struct slice value);

/* Appends name, value and CRLF, encoded and folded. utf8 is set when raw UTF-8 was written (an address of RFC 6532),
 * and left alone otherwise. On false, what was appended is to be taken back. */
bool header_write(struct outbuf *out, struct slice name, struct slice value, bool *utf8, struct mail_error *error);
/* The same for one party, its name as plain text; it may be empty. */
bool header_write_party(struct outbuf *out, struct slice header, struct slice name, struct slice address, bool *utf8,
			struct mail_error *error);
