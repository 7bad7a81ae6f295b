/* The inside of a message: what compiling makes and rendering reads. Private to this folder.
 *
 * A message is its fields in order, then those the engine makes (To, Date, Message-ID), then the pieces: the empty line
 * and all behind it. */
#pragma once

#include "mail/body.h"
#include "mail/header.h"
#include "mail/message.h"
#include "mail/values.h"

/* A header field. One without tags is bytes as they go out; one with tags is written for each recipient. */
struct field {
	struct slice name;
	struct slice text;  /* the value with its tags; empty: bytes */
	struct slice bytes; /* name, value, CRLF */
};

/* Working memory of rendering, kept between messages so that none is asked for. */
struct scratch {
	struct outbuf bytes;	  /* what this recipient brings, in order */
	struct outbuf spans;	  /* struct span */
	struct outbuf line;	  /* a header's value, filled in */
	struct outbuf text;	  /* a variable on its way through an encoding */
	struct outbuf message_id; /* with < and > */
	struct values values;
};

struct message {
	unsigned references;
	struct arena arena;	/* owned: all that the fields below point to */
	struct outbuf source;	/* owned: normalised text of a raw message */
	struct scratch scratch; /* not part of what the message is: rendering may use it through a const pointer */
	struct field *fields;
	struct piece *pieces;
	size_t nfields, npieces;
	struct slice defaults;		/* pack */
	struct slice message_id;	/* the submitter's, with < and >, possibly with tags; empty: made */
	const struct slice *boundaries; /* of a raw message with variables */
	unsigned nboundaries;
	uint64_t bytes_max;
	bool raw; /* kind 'R': nothing of the recipient goes into it */
	bool add_to, add_date;
	bool shared, eight_bit, utf8;
	bool waives;	/* it says TLS-Required: No */
	bool one_click; /* only a value can tell whether there is the https URI that it wants */
};

/* Fields being gathered, with what must hold among them. */
struct fields {
	struct arena *arena; /* borrowed */
	struct outbuf list;  /* struct field */
	size_t bytes;
	unsigned count, traces;
	uint32_t seen; /* of rules that say once */
	bool utf8, tagged;
};

/* A field of the submitter's as name and value, checked, and written if it has no tags; one that is dropped is passed
 * over. */
bool fields_add(struct fields *fields, struct slice name, struct slice value, struct mail_error *error);
/* A field as the bytes it came in, name first, CRLF last; borrowed. Only the rules for its name are looked at. */
bool fields_add_raw(struct fields *fields, struct slice name, struct slice bytes, struct mail_error *error);
/* Whether this field was added. */
bool fields_have(const struct fields *fields, struct slice name);
/* Into the message: needs From, finds Message-ID, and what one-click unsubscribing demands (RFC 8058 3.1). */
bool fields_end(struct fields *fields, struct message *message, struct mail_error *error);
void fields_free(struct fields *fields);

/* Whether it is <left@right> without blanks. */
bool message_id_check(struct slice id, struct mail_error *error);

bool compose_compile(struct message *message, struct slice json, struct mail_error *error);
bool raw_compile(struct message *message, struct slice text, bool merge, struct mail_error *error);
