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
	struct slice address;	/* borrowed; as it goes between < and > */
	struct outcome outcome; /* valid when the transaction is over */
	char *text;		/* owned: keeps outcome.text when it is not static; freed by tx_clear */
	bool accepted, settled;
};

struct tx {
	struct list link;	  /* for the owner while the session does not have it */
	struct slice sender;	  /* borrowed; empty: the null reverse-path */
	const struct iovec *body; /* borrowed: the message in the form session_form() named */
	unsigned nbody;
	uint64_t wire_bytes; /* octets of body as it is written */
	uint64_t size;	     /* octets of the message: CRLFs counted, stuffing not (RFC 1870) */
	bool eight_bit;	     /* has octets above 127: needs 8BITMIME */
	bool utf8;	     /* needs SMTPUTF8: an address or a header is not ASCII */
	bool require_tls;    /* MAIL says REQUIRETLS (RFC 8689) */
	enum wire_form form;
	struct recipient *recipients; /* borrowed */
	unsigned nrecipients;

	/* The session's part; it clears it when the transaction is given. */
	uint8_t say_step;			/* the say cursor: what it has to say next; see smtp/dialogue.h */
	unsigned say_rcpt, hear_rcpt;		/* the cursors among the recipients */
	unsigned naccepted, nowed;		/* recipients the server took; replies it still owes us */
	unsigned nheard;			/* replies it has given */
	uint64_t body_handed;			/* octets of body that are in a send or beyond */
	uint64_t end_in_send;			/* where the last of them lies in the send at hand; 0: not in it */
	bool in_send;				/* octets of body are in the send at hand: the kernel may read them */
	bool mail_accepted, data_open, refused; /* refused: MAIL was, and speaks for all */
	bool again, bare;			/* to be said once more, and then without parameters */
	bool lone_dot;				/* the server waits for a message that nobody is to get */
	bool last_byte_sent;			/* the kernel has it: the message may have arrived */
	bool provisional;			/* heard after a refusal in a window: not to be believed yet */
};

/* Frees the texts that outcomes of its recipients keep. */
void tx_clear(struct tx *tx);
