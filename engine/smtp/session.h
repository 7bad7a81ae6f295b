/* A session: our side of one SMTP connection, from the greeting to QUIT (RFC 5321, 2920, 3030).
 *
 * Pure: no socket, no clock, no allocation on the way of a message. Bytes of the server go in, bytes for the server
 * come out, and transactions are pushed in while it wants them and popped when they are over. The connection drives
 * it, always in this order, whatever happened:
 *
 *     session_hear(s, bytes, now);               what came
 *     while (session_wants(s))                   there is room for another message
 *             session_give(s, tx);               ... if the lane has one
 *     while ((tx = session_over(s)))             every recipient of it has an outcome
 *             report(tx);
 *     if (no send in flight && session_say(s, &send))   one send at a time
 *             ring_send(send.iov, send.niov);
 *     set_timer(session_deadline_ms(s));
 *     if (session_is_closed(s)) close;
 *
 * The dialogue is two tables of rows (session steps, transaction steps): name, patience, holds, say, hear. Two
 * cursors, say and hear, only move forward; between them a queue of expected replies, each naming its transaction
 * and step, so that replies are matched by counting and never by their text. How far say may run ahead is the
 * ladder:
 *   lock-step   without PIPELINING: one command, one reply;
 *   behind      with it: MAIL, RCPT and DATA of the next message ride behind the end of the previous one
 *               (RFC 2920, 3.1), which makes one round trip a message;
 *   window N    where the setup allows it and a probe passed: whole transactions (MAIL, RCPT, BDAT LAST), N deep.
 *
 * What ends a session is in session_end_name(); the recipients not yet told about get an outcome each: not attempted,
 * refused, or uncertain if their last byte was with the kernel. */
#pragma once

#include "nouns.h"
#include "smtp/auth.h"
#include "smtp/caps.h"
#include "smtp/reply.h"
#include "smtp/tx.h"

#include "base/outbuf.h"

struct heard;

/* The configured patience of RFC 5321 4.5.3.2 and the bounds of one session. All in seconds; from config. */
struct session_limits {
	unsigned greeting_s, ehlo_s, mail_s, rcpt_s, data_s, body_s, eom_s, rset_s, quit_s;
	unsigned messages_max; /* a connection */
	unsigned window_max;   /* 1: no window */
};

/* Whether the session goes on in clear (RFC 3207). */
enum session_tls {
	SESSION_CLEAR,		/* STARTTLS is not said */
	SESSION_TLS_IF_OFFERED, /* it is, and if it is refused the session goes on without */
	SESSION_TLS_MUST	/* without it no MAIL is said */
};

struct session_setup {
	struct slice helo;		     /* borrowed for the life of the session */
	const struct session_limits *limits; /* borrowed likewise */
	bool no_pipelining;		     /* known of this host from before: it loses pipelined input */
	bool always_rset;		     /* known of this host: MAIL after a refused message gets 503 */
	struct slice probe_recipient;	     /* an address that does not exist at this site, to probe a window with;
					      * empty: no probe. Borrowed */
	bool window_proved;		     /* known of this host: a probe has passed, none is needed */
	/* What a reply means, if somebody knows better than verdict_of; asked once about each that is not a success. */
	struct verdict (*judge)(void *judge_who, const struct heard *heard);
	void *judge_who;
	enum session_tls tls;
	bool implicit_tls; /* TLS comes before the greeting, which is waited for when session_secured was called */
	const struct login *login; /* said under TLS only, without which no mail goes then; NULL: nobody. Borrowed for
				    * the life of the session */
};

/* The rule of an outcome of the session: it was not let in, whatever mail it has. Nobody will be who comes as we do. */
#define SESSION_LOGIN_REFUSED "login-refused"

/* Why it is over. */
#define SESSION_ENDS(X)                                                                             \
	X(SESSION_OPEN, "open", false, "the session goes on")                                       \
	X(SESSION_QUIT, "quit", false, "we said QUIT")                                              \
	X(SESSION_REFUSED, "refused", true, "the server did not take us at the door")               \
	X(SESSION_421, "421", true, "the server ended the session with 421")                        \
	X(SESSION_LOST, "lost", true, "the connection broke")                                       \
	X(SESSION_CLOSED, "closed", true, "the server closed the connection")                       \
	X(SESSION_TIMEOUT, "timeout", true, "the server did not answer in time")                    \
	X(SESSION_DESYNC, "desync", true, "the server said something nobody asked for")             \
	X(SESSION_PROTOCOL, "protocol", true, "the server does not speak SMTP")                     \
	X(SESSION_STOPPED, "stopped", true, "the server refused a message before it had all of it") \
	X(SESSION_INSECURE, "insecure", true, "the connection could not be protected")              \
	X(SESSION_ABANDONED, "abandoned", false, "we gave the connection up")

enum session_end {
#define X(name, text, is_error, sentence) name,
	SESSION_ENDS(X)
#undef X
};

const char *session_end_name(enum session_end end);
bool session_end_is_error(enum session_end end);
const char *session_end_sentence(enum session_end end);

/* One send: bytes that go to the kernel together. Valid until session_said. */
struct session_send {
	struct iovec *iov;
	unsigned niov;
	size_t bytes;
};

enum {
	SESSION_WINDOW_MAX = 8, /* transactions under way at a time */
	SESSION_SLOTS = 16,	/* those, and those that are over and not popped; a power of two */
	SESSION_OWED_MAX =
		32 /* entries of the queue of expected replies: RSET, MAIL, RCPT and BDAT of each; a power of two */
};

/* A reply that is owed: to which step, of which transaction. A run of RCPT is one entry. */
struct expected {
	uint16_t count;
	uint8_t slot; /* of the transaction; meaningless for steps of the session */
	uint8_t step;
};

/* What few sessions need, and most not before their end. */
struct session_aside {
	struct outbuf pending;	    /* owned, like all that follows: bytes heard before their turn */
	struct reply held;	    /* heard before its turn: the reply to a message still in a send */
	struct outcome outcome;	    /* of the session itself */
	struct outbuf outcome_text; /* its text */
	struct outbuf line_heard;   /* for line, when it came in pieces */
	struct outbuf answer;	    /* to the challenge at hand */
	struct scram scram;	    /* ... of a login by that */
};

/* Embedded in the connection, of which there may be tens of thousands that wait for a slow server: so what a send or a
 * reply needs is held only as long as that takes. Zero before its first start. */
struct session {
	struct session_setup setup;
	struct caps caps;
	struct reply_parser parser;
	struct outbuf commands; /* owned, while it is sent: what one send says, without bodies */
	struct iovec *iov;	/* owned, while it is sent */
	unsigned niov, iov_size;
	size_t send_bytes, covered; /* of the send at hand; of commands, those that are in its iov */

	struct tx *slots[SESSION_SLOTS];	/* borrowed: given and not popped; a ring */
	unsigned first, ntx;			/* the oldest; how many */
	unsigned saying;			/* the say cursor among them: counted from the oldest */
	struct expected owed[SESSION_OWED_MAX]; /* the hear cursor is its front; a ring */
	unsigned owed_first, nowed;
	uint8_t next; /* the step of the session that has to be said next; 0: none */

	uint64_t now_ms, deadline_ms;
	uint64_t slow_until_ms;	     /* a receiver said slower: nothing rides behind until then */
	unsigned nmails, nfinished;  /* MAIL commands said; transactions that are over */
	unsigned recipients_learned; /* from 452; 0: nothing */
	unsigned ngroup, nheard;     /* commands of the latest send; replies heard since */
	unsigned window, nclean;     /* transactions that may be under way; clean ones since it last grew */

	enum session_end end;
	bool ready, closed, quit_asked, sending;
	bool secured, shaking; /* TLS is on; its handshake is under way */
	bool logged_in;
	enum auth_mechanism mechanism;
	unsigned nchallenges; /* answered */
	bool hides;	      /* the command at hand has a secret, from here on: an offset into commands */
	size_t hidden;
	bool is_holding;   /* held is one, and nothing is read until the send is done */
	bool was_idle;	   /* a transaction was given after a silence of unknown length */
	bool clock_unsure; /* so the deadline was set when the time was not known */
	bool pipelining, windowed;
	bool rset_said;	     /* and MAIL has not been said since */
	bool rset_due;	     /* the server has a transaction open that is over for us */
	bool body_refused;   /* the latest reply refused a message at its end */
	bool wide_verdict;   /* ... and for more than it: for what rides behind it, too */
	bool probe_refused;  /* the probe's recipient was, as it should be */
	bool suspect, exact; /* of the window; see window.c */
	bool found_rset_needed, found_pipelining_broken, found_window_broken, found_window_proved;

	struct session_aside *aside; /* owned; NULL: nothing of it was needed yet */
	void (*line)(void *who, bool ours, struct slice line);
	void *who;
};

/* Begins: the connection is made, the greeting is waited for. The setup is copied. */
void session_start(struct session *session, const struct session_setup *setup, uint64_t now_ms);

/* Gives its buffers back. All transactions must have been popped. It may be started again. */
void session_free(struct session *session);

/* Bytes of the server. Borrowed until return. */
void session_hear(struct session *session, struct slice bytes, uint64_t now_ms);
/* The connection ended: closed by the server (error 0) or broken (errno). What was heard before counts. */
void session_lost(struct session *session, int error, uint64_t now_ms);
/* The deadline has passed. */
void session_expire(struct session *session, uint64_t now_ms);
/* No more mail: QUIT as soon as what runs is over; what was given and not begun is not attempted. Idempotent. */
void session_quit(struct session *session, uint64_t now_ms);
/* At once, without QUIT: whatever is open is not attempted, or uncertain. */
void session_abandon(struct session *session);

/* The greeting and EHLO are through and there is no end in sight: caps are known, mail may be given. Where
 * a window is to be proved first, that is through too. */
bool session_is_ready(const struct session *session);
/* True when one more transaction would be of use now. */
bool session_wants(const struct session *session);
/* In which form the next transaction's message must be written: its body for DATA (dot-stuffed, with the final
 * "." line) or for BDAT (as it is). Ask after session_wants. */
enum wire_form session_form(const struct session *session);
/* What the server offered in its latest EHLO. */
const struct caps *session_caps(const struct session *session);
/* Most recipients the next transaction may have: what the server said (LIMITS RCPTMAX, or learned from 452), else
 * 0 for "no word". */
unsigned session_recipients_max(const struct session *session);
/* Gives a transaction; the session has it until session_over returns it. Only after session_wants. */
void session_give(struct session *session, struct tx *tx);
/* A transaction that is over, each recipient of it with its outcome; NULL when there is none. In the order given,
 * unless later ones were never begun. One whose bytes are in a send is kept until session_said, even when the session
 * is closed: the kernel may still read them. */
struct tx *session_over(struct session *session);

/* STARTTLS was taken, or needs not be said: what comes and goes now is TLS, until the owner says that the handshake is
 * over, well or badly. Nothing is said or to be heard meanwhile; the session's deadline holds. */
bool session_wants_handshake(const struct session *session);
/* The connection is protected: whatever the server said before is forgotten (RFC 3207 4.2). */
void session_secured(struct session *session, uint64_t now_ms);
/* It could not be: the session is over, in clear it may not go on. what: in a few words; copied. */
void session_insecure(struct session *session, const char *what, uint64_t now_ms);

/* Fills send with what may be said now. False: nothing. The session may not be asked again until session_said. */
bool session_say(struct session *session, struct session_send *send);
/* The kernel has taken the first `bytes` of that send (all of it, unless the connection broke). */
void session_said(struct session *session, size_t bytes, uint64_t now_ms);

/* When patience ends; 0 while nothing is waited for (ready and idle: the owner decides how long). */
uint64_t session_deadline_ms(const struct session *session);
/* It is over: close the socket. Every transaction has been, or can now be, popped by session_over (those in a send:
 * after session_said). */
bool session_is_closed(const struct session *session);
enum session_end session_end(const struct session *session);
/* The outcome of the session itself when it ended with an error (a refused greeting, 421, a loss before any
 * transaction): what the lane should make of it. */
const struct outcome *session_outcome(const struct session *session);
/* For the host's memory: it must get RSET; it lost pipelined input; its window has proved wrong. */
bool session_found_rset_needed(const struct session *session);
bool session_found_pipelining_broken(const struct session *session);
bool session_found_window_broken(const struct session *session);
/* ... a probe has passed: a window may be opened without one from now on. */
bool session_found_window_proved(const struct session *session);

/* Every line of the dialogue, as it is said and heard, for `try` and transcripts. By default nobody listens. The
 * line has no CRLF; of a body only "(1234 octets)" is told, and of a password, and of
 * what a server says by which one could be guessed, "****". */
void session_listen(struct session *session, void (*line)(void *who, bool ours, struct slice line), void *who);
