/* Lists of mailboxes in address headers (RFC 5322 3.4): From, To, Reply-To and their kin.
 *
 *     struct slice list = SLICE("News <news@news.example>, \"B., Bob\" <bob@b.example>");
 *     struct mailbox mailbox;
 *     while (mailbox_next(&list, &mailbox, error) == MAILBOX_ONE)
 *             use(mailbox.name, mailbox.address);
 *
 * Read for structure, as far as needed to encode display names and to see that a value put in from outside changes
 * nothing about who is addressed; full syntax is the receiver's to judge. A comment behind an address is dropped. Of
 * groups only the empty one ("Undisclosed recipients:;") is taken. */
#pragma once

#include "mail/error.h"

#include "base/outbuf.h"

struct mailbox {
	struct slice name;    /* borrowed: the display name as written, quotes and all; often empty */
	struct slice address; /* borrowed: without < and >; or the whole of an empty group */
	bool angle;	      /* was in < and > */
};

enum mailbox_kind { MAILBOX_ONE, MAILBOX_END, MAILBOX_BAD };

/* Takes the first mailbox off the list. MAILBOX_BAD: error says why. */
enum mailbox_kind mailbox_next(struct slice *list, struct mailbox *mailbox, struct mail_error *error);

/* A display name as its reader sees it: without quotes and backslashes; appends. */
void mailbox_name_text(struct outbuf *out, struct slice name);
/* An ASCII text that can stand as a display name without quotes. */
bool mailbox_name_is_atoms(struct slice text);
/* The inside of a quoted string: " and \ escaped; appends. */
void mailbox_escape(struct outbuf *out, struct slice text);

/* Where a place in such a list is, for whoever builds one from pieces. */
struct mailbox_state {
	bool quoted, escaped, angle;
	unsigned comment;
};
void mailbox_step(struct mailbox_state *state, char c);

/* An address as it goes into an envelope: one @, no blanks or controls, a local part of atoms or quoted, a domain or
 * an address literal; characters above ASCII may stand for letters. At most 254 octets. */
bool mailbox_address_is_valid(struct slice address);
