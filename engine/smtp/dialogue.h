/* The inside of a session: what its files share and nobody else includes.
 *
 *   session.c       the calls of session.h; hears replies
 *   turn.c          decides what is due, and says it
 *   session_rows.c  the steps of the session: greeting, EHLO, HELO, RSET, QUIT
 *   starttls.c      the step that protects it
 *   login.c         the steps that say who we are
 *   tx.c            the steps of a transaction: MAIL, RCPT, DATA, the message
 *   send.c          what is said, as one send
 *   ending.c        outcomes: of one recipient, and of all who are left when a session ends
 *   aside.c         what few sessions need
 *   window.c        the probe that opens a window, and what to believe after a refusal in one
 *
 * A step is a row of one of the two tables. To say a step is to append its command and to expect its reply; to hear it
 * is to be told that reply. Steps never look at the socket, the clock or each other: they move the cursors
 * (tx->say_step, session->next), and turn.c asks again what is due. */
#pragma once

#include "smtp/session.h"

enum step {
	STEP_NONE,
	STEP_GREETING,
	STEP_EHLO,
	STEP_HELO,
	STEP_STARTTLS,
	STEP_AUTH,
	STEP_AUTH_ANSWER,
	STEP_AUTH_CANCEL,
	STEP_PROBE_MAIL,
	STEP_PROBE_RCPT,
	STEP_PROBE_BDAT,
	STEP_PROBE_RSET,
	STEP_RSET,
	STEP_QUIT,
	STEP_MAIL, /* from here on: of a transaction */
	STEP_RCPT,
	STEP_DATA,
	STEP_BODY,
	STEP_BDAT,
	STEP_END
};

struct row {
	const char *name; /* as a sentence has it: "the reply to RCPT" */
	enum stage stage;
	size_t patience; /* where in struct session_limits (RFC 5321 4.5.3.2) */
	bool holds;	 /* must be the last of a group: nothing is said until its reply (RFC 2920 3.1) */
	void (*say)(struct session *session, struct tx *tx);
	void (*hear)(struct session *session, struct tx *tx, const struct reply *reply);
};

#define PATIENCE(field) offsetof(struct session_limits, field)

enum {
	SEND_MAX = 65536,     /* a body above this goes in pieces, and its end by itself */
	HANDSHAKE_MS = 60000, /* patience at most for TLS to be there after 220 */
	SLOWER_MS = 10000,    /* after a receiver said slower, nothing rides behind for so long */
	PENDING_MAX = 262144  /* bytes heard before their turn */
};

/* The row of a step; which table it is in does not matter to the caller. */
const struct row *dialogue_row(enum step step);
extern const struct row session_rows[STEP_MAIL];
extern const struct row tx_rows[STEP_END - STEP_MAIL];

/* The i-th oldest transaction. */
static inline struct tx *dialogue_tx(const struct session *session, unsigned i)
{
	return session->slots[(session->first + i) % SESSION_SLOTS];
}
/* Nothing more to say, nothing more to hear. */
static inline bool tx_is_over(const struct tx *tx)
{
	return tx->say_step == STEP_END && tx->nowed == 0 && !tx->again;
}
/* MAIL has not been said. */
static inline bool tx_is_unbegun(const struct tx *tx)
{
	return tx->say_step == STEP_MAIL && !tx->bare;
}
static inline unsigned code_class(const struct reply *reply)
{
	return reply->code / 100;
}

/* aside.c. Made when it is asked for first; for another start; the end of it. NULL: there is none. */
struct session_aside *dialogue_aside(struct session *session);
void aside_reset(struct session_aside *aside);
void aside_free(struct session_aside *aside);

/* turn.c. The end of every event: decides what is waited for next. */
void dialogue_turn(struct session *session);
/* The say cursor goes on to the transaction that has something to say; one that is to be said again begins anew. */
void dialogue_advance(struct session *session);
/* The queue of expected replies: its front (there must be one), whose it is (NULL: the session's), one more for the
 * step just said, one fewer. */
struct expected *dialogue_front(struct session *session);
struct tx *dialogue_tx_of(const struct session *session, const struct expected *expected);
void dialogue_expect(struct session *session, enum step step, struct tx *tx);
void dialogue_pop(struct session *session);
/* From now on the front's patience counts. */
void dialogue_set_deadline(struct session *session);
/* A receiver said slower a moment ago. */
bool dialogue_is_slowed(const struct session *session);
/* One more MAIL may be said before we or the server have had enough. */
bool dialogue_has_messages_left(const struct session *session);

/* Its message is on the wire in part: nothing else may be said. */
bool tx_is_mid_body(const struct tx *tx);
/* What cannot be sent to this server at all gets its outcomes now. */
void tx_refuse_here(struct session *session, struct tx *tx);
/* From MAIL once more, without parameters (REQUIREMENTS TXN-16). */
void tx_restart(struct tx *tx);

/* send.c: add text to the command at hand; a body's octets [from, to), or the lone dot. */
void send_text(struct session *session, struct slice text);
void send_number(struct session *session, uint64_t n);
void send_body(struct session *session, struct tx *tx, uint64_t from, uint64_t to);
void send_begin(struct session *session);
/* What was added is one command (or the rest of one), told to the listener. */
void send_command(struct session *session);
/* The last byte of this transaction's message is the latest byte added. */
void send_mark_end(struct session *session, struct tx *tx);
void send_finish(struct session *session, struct session_send *send);
/* The kernel has it: its memory is for others. */
void send_let_go(struct session *session);

/* ending.c. What a reply means at a stage; also notes what it means for the session's pace. */
struct outcome outcome_of(struct session *session, enum stage stage, const struct reply *reply);
/* Gives a recipient its outcome: once. The text is copied. */
void tx_settle(struct tx *tx, unsigned i, const struct outcome *outcome);
/* All that have none yet. */
void tx_settle_rest(struct tx *tx, const struct outcome *outcome);
/* Their turn did not come. */
void tx_leave(struct tx *tx, unsigned from);
/* The session is over, now: everybody gets an outcome. what: static, what happened in a few words. */
void dialogue_end(struct session *session, enum session_end end, const char *what);
/* The same because of 421, which belongs to one step of one transaction, or to none. */
void dialogue_end_421(struct session *session, enum step step, struct tx *tx, const struct reply *reply);
/* The server does not want us: QUIT, and this is the session's outcome. */
void dialogue_refused(struct session *session, enum stage stage, const struct reply *reply);

/* starttls.c. After EHLO: whether STARTTLS comes next, or the session is over because it cannot. False: the session
 * goes on as it is. */
bool starttls_is_due(struct session *session);
void starttls_say(struct session *session, struct tx *tx);
void starttls_hear(struct session *session, struct tx *tx, const struct reply *reply);
/* login.c. After EHLO and TLS: whether AUTH comes next, or the session is over because it cannot. False: the session
 * goes on as it is. */
bool login_is_due(struct session *session);
void login_say(struct session *session, struct tx *tx);
void login_hear(struct session *session, struct tx *tx, const struct reply *reply);
void login_say_answer(struct session *session, struct tx *tx);
void login_say_cancel(struct session *session, struct tx *tx);
void login_hear_cancel(struct session *session, struct tx *tx, const struct reply *reply);
/* Greeting and EHLO are through, and protection and login if there is to be any. */
void dialogue_ready(struct session *session);
/* The session's own outcome; its text is copied. */
void dialogue_keep_outcome(struct session *session, const struct outcome *outcome);

/* window.c */
bool window_is_possible(const struct session *session);
/* After EHLO: opens the window, or asks for the probe that must come first (session->next). */
void window_begin(struct session *session);
void window_say_probe_mail(struct session *session, struct tx *tx);
void window_say_probe_rcpt(struct session *session, struct tx *tx);
void window_say_probe_bdat(struct session *session, struct tx *tx);
void window_say_probe_rset(struct session *session, struct tx *tx);
void window_hear_probe_mail(struct session *session, struct tx *tx, const struct reply *reply);
void window_hear_probe_rcpt(struct session *session, struct tx *tx, const struct reply *reply);
void window_hear_probe_bdat(struct session *session, struct tx *tx, const struct reply *reply);
void window_hear_probe_rset(struct session *session, struct tx *tx, const struct reply *reply);
/* A transaction came back clean; its message was refused. */
void window_grow(struct session *session);
void window_shrink(struct session *session);
/* MAIL or the recipient was refused with BDAT behind it. */
void window_suspect(struct session *session, const struct tx *tx);
/* Whether a reply fits the grammar of a transaction, as it must once the window is suspect. */
bool window_fits(enum step step, const struct tx *tx, const struct reply *reply);
/* At the end of a suspect session: what was heard in vain is taken back unless the count was exact. */
void window_resolve(struct session *session);
