/* The parties that an address header names (RFC 5322 3.4 calls one a mailbox): From, To, Reply-To and their kin.
 *
 *     struct slice list = SLICE("News <news@news.example>, \"B., Bob\" <bob@b.example>");
 *     struct party party;
 *     while (party_next(&list, &party, error) == PARTY_ONE)
 *             use(party.name, party.address);
 *
 * Read for structure, as far as needed to encode display names and to see that a value put in from outside changes
 * nothing about who is addressed; full syntax is the receiver's to judge. A comment behind an address is dropped. Of
 * groups only the empty one ("Undisclosed recipients:;") is taken. */
#pragma once

#include "mail/error.h"

#include "base/outbuf.h"

struct party {
	struct slice name;    /* borrowed: the display name as written, quotes and all; often empty */
	struct slice address; /* borrowed: without < and >; or the whole of an empty group */
	bool angle;	      /* was in < and > */
};

enum party_kind { PARTY_ONE, PARTY_END, PARTY_BAD };

/* Takes the first mailbox off the list. PARTY_BAD: error says why. */
enum party_kind party_next(struct slice *list, struct party *party, struct mail_error *error);

/* A display name as its reader sees it: without quotes and backslashes; appends. */
void party_name_text(struct outbuf *out, struct slice name);
/* An ASCII text that can stand as a display name without quotes. */
bool party_name_is_atoms(struct slice text);
/* The inside of a quoted string: " and \ escaped; appends. */
void party_escape(struct outbuf *out, struct slice text);

/* Where a place in such a list is, for whoever builds one from pieces. */
struct party_place {
	bool quoted, escaped, angle;
	unsigned comment;
};
void party_step(struct party_place *state, char c);

/* An address as it goes into an envelope: one @, no blanks or controls, a local part of atoms or quoted, a domain or
 * an address literal; characters above ASCII may stand for letters. At most 254 octets. */
bool party_address_is_valid(struct slice address);
