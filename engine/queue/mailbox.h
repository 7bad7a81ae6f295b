/* A mailbox: the address of one recipient or sender (RFC 5321 4.1.2, RFC 6531 3.3), checked, and in the form in which
 * it goes on the wire.
 *
 *     struct mailbox mailbox;
 *     enum mailbox_fault fault = mailbox_read(SLICE("\"a@b c\"@MÜX.test"), &mailbox);
 *     if (fault) refuse(mailbox_fault_code(fault), mailbox_fault_sentence(fault));
 *     mailbox_address(&mailbox)   "a@b c"@xn--mx-xka.test
 *     mailbox_domain(&mailbox)    xn--mx-xka.test: where it goes, and the queue's key
 *
 * The local part is kept byte for byte, quotes and case too (2.4). The domain becomes lower-case A-labels by the lookup
 * rules of RFC 5891 5, after the case folding and NFC of UTS 46. A domain that no DNS could answer is refused here:
 * literals, single labels, labels over 63. So is every byte that could end or bend a command line. */
#pragma once

#include "base/slice.h"

/* Local 64, "@", domain; 254 in all, for a path is at most 256 with its brackets (4.5.3.1). */
enum { MAILBOX_MAX = 254, MAILBOX_LOCAL_MAX = 64, MAILBOX_DOMAIN_MAX = 253, MAILBOX_LABEL_MAX = 63 };

/* One list makes the enum, the code and the sentence ("address ..."). */
#define MAILBOX_FAULTS(X)                                                                                              \
	X(MAILBOX_EMPTY, "E_ADDRESS", "is empty: expected local@domain")                                               \
	X(MAILBOX_CRLF, "E_CRLF", "has a line break in it: a line break would begin a new SMTP command")               \
	X(MAILBOX_CONTROL, "E_ADDRESS", "has a control character in it: only printable characters may stand there")    \
	X(MAILBOX_UTF8, "E_UTF8", "is not valid UTF-8")                                                                \
	X(MAILBOX_INVISIBLE, "E_ADDRESS", "has an invisible or direction-changing character in it: remove it")         \
	X(MAILBOX_BLANK, "E_ADDRESS", "has a blank outside quotes: expected local@domain and nothing else")            \
	X(MAILBOX_BRACKET, "E_ADDRESS",                                                                                \
	  "has angle brackets: put the bare address here and a display name in \"name\"")                              \
	X(MAILBOX_NO_AT, "E_ADDRESS", "has no @: expected local@domain")                                               \
	X(MAILBOX_TWO_AT, "E_ADDRESS", "has two @: an @ in the local part must stand in quotes")                       \
	X(MAILBOX_NO_LOCAL, "E_ADDRESS", "has nothing before the @")                                                   \
	X(MAILBOX_LOCAL, "E_ADDRESS", "has a character before the @ that must stand in quotes")                        \
	X(MAILBOX_LOCAL_DOTS, "E_ADDRESS",                                                                             \
	  "begins or ends with a dot, or has two in a row, before the @: if it is really so, put that part in quotes") \
	X(MAILBOX_QUOTES, "E_ADDRESS", "has quotes that are not closed right before the @")                            \
	X(MAILBOX_LOCAL_LONG, "E_ADDRESS", "has more than 64 octets before the @")                                     \
	X(MAILBOX_NO_DOMAIN, "E_ADDRESS", "has nothing after the @")                                                   \
	X(MAILBOX_LITERAL, "E_ADDRESS", "has an address literal for a domain: mail goes to domain names only")         \
	X(MAILBOX_TRAILING_DOT, "E_ADDRESS", "ends in a dot: the domain must end in its last label")                   \
	X(MAILBOX_EMPTY_LABEL, "E_ADDRESS", "has an empty label in its domain: two dots in a row, or one in front")    \
	X(MAILBOX_LABEL, "E_ADDRESS", "has a domain label with other than letters, digits and inner hyphens")          \
	X(MAILBOX_LABEL_LONG, "E_ADDRESS", "has a domain label of more than 63 octets")                                \
	X(MAILBOX_DOMAIN_LONG, "E_ADDRESS", "has a domain of more than 253 octets")                                    \
	X(MAILBOX_SINGLE, "E_ADDRESS", "has a domain of a single label: expected one with a dot, like a.example")      \
	X(MAILBOX_LOCALHOST, "E_ADDRESS", "is at localhost, which no other host can mean")                             \
	X(MAILBOX_NUMERIC, "E_ADDRESS", "has a domain that ends in a number: that is no domain name")                  \
	X(MAILBOX_IDN, "E_ADDRESS", "has an internationalised domain that RFC 5891 does not allow")                    \
	X(MAILBOX_LONG, "E_ADDRESS", "has more than 254 octets")

enum mailbox_fault {
	MAILBOX_FINE,
#define X(name, code, sentence) name,
	MAILBOX_FAULTS(X)
#undef X
};

const char *mailbox_fault_code(enum mailbox_fault fault);
const char *mailbox_fault_sentence(enum mailbox_fault fault);

/* A value. */
struct mailbox {
	uint16_t len, local_len;
	bool utf8; /* the local part is not ASCII: it needs SMTPUTF8 */
	char text[MAILBOX_MAX + 2];
};

/* MAILBOX_FINE, and *mailbox; else the first thing found wrong. */
enum mailbox_fault mailbox_read(struct slice text, struct mailbox *mailbox);
/* Borrowed from the mailbox. */
static inline struct slice mailbox_address(const struct mailbox *mailbox)
{
	return (struct slice){mailbox->text, mailbox->len};
}
static inline struct slice mailbox_local(const struct mailbox *mailbox)
{
	return (struct slice){mailbox->text, mailbox->local_len};
}
static inline struct slice mailbox_domain(const struct mailbox *mailbox)
{
	return slice_skip(mailbox_address(mailbox), (size_t)mailbox->local_len + 1);
}
