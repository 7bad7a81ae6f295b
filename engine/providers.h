/* The large mailbox providers: sites that are known without being configured. Their exchangers' names, and where they
 * published a figure, that figure.
 *
 * A configured `site` of the same name goes before, key by key; what it does not say is said here, and only then by
 * `domain "*"` and what is built in for everybody. `hikyaku resolve gmail.com` shows "built-in: google" for a limit
 * that is from here, `hikyaku check --keys` lists them all with their sources. */
#pragma once

#include "base/outbuf.h"

struct provider {
	const char *name;
	const char *mx;	     /* patterns of exchangers' names, blanks between */
	const char *domains; /* those that belong here whatever their exchangers */
	int connections, messages_per_connection, recipients_per_message; /* 0: as everywhere */
	const char *source;						  /* of the figures */
};

extern const struct provider providers[];
extern const unsigned nproviders;

/* The table, for people. */
void providers_print(struct outbuf *out);
