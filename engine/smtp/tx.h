/* A transaction: MAIL, RCPT for each recipient, DATA (or BDAT), the message (RFC 5321 3.3).
 *
 * The owner fills it, gives it to a session, and gets it back with an outcome for each recipient. All that it points
 * to stays as it is until then. */
#pragma once

#include "nouns.h"
#include "smtp/wire.h"

#include "base/list.h"

#include <sys/uio.h>

struct recipient {
	struct slice address;   /* borrowed; as it goes between < and > */
	struct outcome outcome; /* valid when the transaction is over */
	char *text;             /* owned: keeps outcome.text when it is not static; freed by tx_clear */
	bool accepted, settled;
};

struct tx {
	struct list link;             /* for the owner while the session does not have it */
	struct slice sender;          /* borrowed; empty: the null reverse-path */
	const struct iovec *body;     /* borrowed: the message in the form session_form() named */
	unsigned nbody;
	uint64_t wire_bytes;          /* octets of body as it is written */
	uint64_t size;                /* octets of the message: CRLFs counted, stuffing not (RFC 1870) */
	bool eight_bit;               /* has octets above 127: needs 8BITMIME */
	bool utf8;                    /* needs SMTPUTF8: an address or a header is not ASCII */
	enum wire_form form;
	struct recipient *recipients; /* borrowed */
	unsigned nrecipients;

	/* The session's part: cursors and counts, zero when given. */
	uint8_t say_step, hear_step;
	unsigned say_rcpt, hear_rcpt;
	unsigned naccepted, nowed;
	bool begun;                   /* MAIL was said */
	bool mail_accepted, data_open, refused, body_said, last_byte_sent;
};

/* Frees the texts that outcomes of its recipients keep. */
void tx_clear(struct tx *tx);
