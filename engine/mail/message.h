/* A message: compiled once from what was submitted, rendered cheaply for each recipient.
 *
 * Compiling checks everything and cuts the text into segments: literal bytes that all recipients share, already encoded
 * for the wire in both forms (RFC 5321 dot-stuffed, RFC 3030 plain), and places for variables. Rendering makes an iovec
 * that points at the literals and at the few bytes a recipient brings, so a 10 KB newsletter costs its variables.
 *
 *     struct message *message = message_compile(stored, &error);
 *     message_render(message, &merge, WIRE_DATA, &arena, &rendered);
 *     ... send rendered.iov ...
 *     message_free(message)
 *
 * The stored form of a message (what Redis keeps under its SHA-256), first byte the kind:
 *   'R' raw RFC 5322 octets, sent as they are      'T' raw with {{variables}} ("merge": true)
 *   'M' the JSON of the contract's "message" object */
#pragma once

#include "mail/error.h"
#include "smtp/wire.h"

#include "base/arena.h"
#include "base/pack.h"

#include <sys/uio.h>

struct message;

struct message_limits {
	size_t bytes_max; /* of a rendered message; 0: 25 MB */
};

/* NULL and error when it cannot be sent as it is: syntax, missing From, bare headers, too large, NUL... */
struct message *message_compile(struct slice stored, const struct message_limits *limits, struct mail_error *error);
struct message *message_keep(struct message *message);
void message_free(struct message *message);

/* Who it is for. All borrowed. What names mean, and in which order they are looked up, is in values.h. Several entries
 * of one name in headers are a list. For a message that is shared, date_ms and nonce must be the job's and not the
 * recipient's: then it is the same whoever it is rendered for. */
struct merge {
	struct slice address, name; /* the recipient; name may be empty */
	struct slice rcpt;	    /* its id, or its index as text */
	struct slice tenant, job;
	struct slice vars, job_vars; /* packs; see base/pack.h */
	struct slice headers;	     /* pack of the recipient's own headers; over the message's; may be empty */
	struct slice hostname;	     /* for Message-ID and hk.verp */
	uint64_t date_ms;	     /* wall clock: for Date */
	uint64_t nonce;		     /* makes the Message-ID unique, and the same for every attempt */
};

/* The message of one recipient. Valid until the arena is reset; literals until the message is freed. */
struct rendered {
	struct iovec *iov;
	unsigned niov;
	uint64_t wire_bytes;	 /* of iov */
	uint64_t size;		 /* octets of the message: no stuffing, no final dot (RFC 1870) */
	bool eight_bit, utf8;	 /* needs 8BITMIME; needs SMTPUTF8 (a raw UTF-8 header) */
	struct slice message_id; /* with < and > */
};

/* False with error when a variable is missing or a value may not stand where it is used. */
bool message_render(const struct message *message, const struct merge *merge, enum wire_form form, struct arena *arena,
		    struct rendered *rendered, struct mail_error *error);
/* The same checks, and nothing kept: what intake asks for every recipient. A recipient that was accepted can be
 * rendered. A field of the recipient's is named as it is in the job, without its place there: "name",
 * "headers.Subject". */
bool message_accepts(const struct message *message, const struct merge *merge, struct mail_error *error);
/* All recipients get the same bytes, but for those with headers of their own: several may share a transaction. So it is
 * with every raw message, and with others that have no variables and a To. */
bool message_is_shared(const struct message *message);
/* Whether it says TLS-Required: No (RFC 8689): what its recipient's domain asks of TLS is not to hold it back. A
 * recipient's own header is what counts, where there is one. */
bool message_waives_tls(const struct message *message, struct slice own_headers);
/* An envelope sender with {{variables}} ("b+{{hk.verp}}@news.example"), filled in; appends to out. An empty
 * sender stays empty. False with error, and nothing appended, when the result is not an address. {{hk.message_id}} is
 * the one that is made here, whatever the message says. */
bool sender_render(struct slice sender, const struct merge *merge, struct outbuf *out, struct mail_error *error);
bool sender_has_variables(struct slice sender);
