/* One SMTP connection for a person to watch: the engine's own session, driven to its end on a ring, every line told. */
#pragma once

#include "protection.h"
#include "route_finder.h"

#include "mail/message.h"
#include "smtp/session.h"

/* How the host is met: as the policies say; as if it had no TLSA records, for a message that waives TLS; in clear. */
enum dialogue_manner { MEET_AS_PLANNED, MEET_LENIENTLY, MEET_IN_CLEAR };

struct dialogue_setup {
	struct ring *ring; /* borrowed, like all that follows */
	const struct session_limits *limits;
	const struct address *to, *from; /* from NULL: any of ours */
	struct slice helo, sender, recipient;
	unsigned connect_s;
	struct tls *tls;
	struct protection_setup {
		const struct routes *routes;
		unsigned route;
		int tls;	 /* enum tls_policy */
		uint8_t demands; /* protection_demanded */
		struct slice domain;
		const struct sts_policy *sts; /* the domain's; NULL: none */
		bool waived;		      /* what the domain asks for: by the message (RFC 8689) */
		enum dialogue_manner manner;
	} protection;
	const struct config_relay *relay; /* whose host it is; NULL: no relay's */
	struct message *message;	  /* NULL: the dialogue ends after RCPT */
	const struct merge *merge;
	void (*line)(void *who, bool ours, struct slice line);
	void *who;
};

struct dialogue_result {
	int error;		/* errno of a connection that was not made; then the rest means nothing */
	bool taken;		/* RCPT was accepted, and nothing was to be sent */
	bool told;		/* the recipient has an outcome */
	bool insecure;		/* TLS could not be had, and the session is over for that */
	bool passed_over;	/* the MTA-STS policy forbids the host: another may do */
	struct outcome outcome; /* of it, else of the session; its text is apart */
	char text[OUTCOME_TEXT_MAX];
	char tls[PROTECTION_TEXT_MAX]; /* as in an event; empty: it did not get that far */
};

struct dialogue_result dialogue_show(const struct dialogue_setup *setup);
