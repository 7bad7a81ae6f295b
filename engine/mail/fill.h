/* A one-line template filled in: header values and envelope senders.
 *
 * What a value may do depends on where it stands; never does it end the line. In an address header (HEADER_PARTIES):
 *   inside quotes      its quotes and backslashes are escaped
 *   as a display name  it is quoted, so {{shop}} <news@shop.example> takes "Ann, Bob & Co."
 *   between < and >    it must be an address or part of one
 *   alone              it may be one mailbox, not several
 * In a header of URIs it is percent-encoded where it must be. */
#pragma once

#include "mail/header.h"
#include "mail/values.h"

/* Appends. False with error: a tag that is none, a missing value, or one that may not stand there. */
bool fill(struct outbuf *out, struct slice text, enum header_kind kind, struct values *values,
	  struct mail_error *error);
/* The same checks as far as they need no recipient: what compiling asks. */
bool fill_check(struct slice text, struct mail_error *error);
