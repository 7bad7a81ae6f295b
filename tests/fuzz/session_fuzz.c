/* Any bytes as a server. Whatever it says, and wherever it falls silent, the session ends, every transaction it was
 * given comes back once with an outcome for each recipient, and nobody is delivered whose message was not on the wire.
 *
 * The first byte is the setup, the second how many messages and recipients there are, the third how large the pieces
 * are. In what follows 0xFD keeps the next send from coming home until the next piece, and 0xFE lets the deadline pass;
 * all else is what the server says. */
#include "smtp/session.h"

#include "base/check.h"

#include <errno.h>

enum { MESSAGES_MAX = 8, RECIPIENTS_MAX = 3, TOO_EARLY = 0xFD, TOO_LATE = 0xFE };

static const char body_text[] = "Subject: fuzz\r\n\r\nhello\r\n.\r\n";

struct fuzz {
	struct session session;
	struct tx tx[MESSAGES_MAX];
	struct recipient recipients[MESSAGES_MAX][RECIPIENTS_MAX];
	unsigned nmessages, nrecipients, given, back;
	struct iovec body;
	uint64_t now_ms, messages_said;
	size_t send_bytes;
	bool sending, withheld;
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_back(struct fuzz *fuzz, struct tx *tx)
{
	fuzz->back++;
	for (unsigned i = 0; i < tx->nrecipients; i++) {
		const struct outcome *outcome = &tx->recipients[i].outcome;

		CHECK(tx->recipients[i].settled);
		if (outcome->verdict.action == ACTION_DELIVERED) {
			CHECK(outcome->stage == STAGE_EOM && outcome->code / 100 == 2);
			CHECK(fuzz->messages_said > 0);
		}
		CHECK(!outcome->uncertain || outcome->attempted);
		CHECK(!outcome->verdict.suppress || outcome->stage == STAGE_RCPT);
		CHECK(outcome->text.len <= OUTCOME_TEXT_MAX);
	}
	tx_clear(tx);
}

static void give(struct fuzz *fuzz)
{
	struct tx *tx = &fuzz->tx[fuzz->given];

	tx->form = session_form(&fuzz->session);
	tx->sender = SLICE("a@sender.test");
	tx->body = &fuzz->body;
	tx->nbody = 1;
	tx->wire_bytes = tx->size = fuzz->body.iov_len;
	tx->recipients = fuzz->recipients[fuzz->given++];
	tx->nrecipients = fuzz->nrecipients;
	for (unsigned i = 0; i < tx->nrecipients; i++)
		tx->recipients[i].address = SLICE("b@mx.test");
	session_give(&fuzz->session, tx);
}

static void come_home(struct fuzz *fuzz)
{
	if (!fuzz->sending)
		return;
	fuzz->sending = false;
	session_said(&fuzz->session, fuzz->send_bytes, fuzz->now_ms);
}

static bool say(struct fuzz *fuzz)
{
	struct session_send send;
	size_t bytes = 0;

	if (fuzz->sending || !session_say(&fuzz->session, &send))
		return false;
	for (unsigned i = 0; i < send.niov; i++) {
		bytes += send.iov[i].iov_len;
		fuzz->messages_said += send.iov[i].iov_base == fuzz->body.iov_base;
	}
	CHECK(bytes == send.bytes && bytes > 0);
	fuzz->sending = true;
	fuzz->send_bytes = bytes;
	if (!fuzz->withheld)
		come_home(fuzz);
	fuzz->withheld = false;
	return true;
}

static void turn(struct fuzz *fuzz)
{
	struct tx *tx;

	do {
		while ((tx = session_over(&fuzz->session)))
			check_back(fuzz, tx);
		while (fuzz->given < fuzz->nmessages && session_wants(&fuzz->session))
			give(fuzz);
		if (fuzz->given == fuzz->nmessages && fuzz->back == fuzz->given)
			session_quit(&fuzz->session, fuzz->now_ms);
	} while (say(fuzz));
}

static void expire(struct fuzz *fuzz)
{
	uint64_t deadline_ms = session_deadline_ms(&fuzz->session);

	if (deadline_ms > fuzz->now_ms)
		fuzz->now_ms = deadline_ms;
	session_expire(&fuzz->session, fuzz->now_ms);
}

/* One piece: an event, or what the server says up to the next event. */
static size_t hear(struct fuzz *fuzz, struct slice rest, size_t piece)
{
	unsigned char first = (unsigned char)rest.ptr[0];
	size_t n = 1;

	if (first == TOO_LATE) {
		expire(fuzz);
	} else if (first == TOO_EARLY) {
		come_home(fuzz);
		fuzz->withheld = true;
	} else {
		while (n < piece && n < rest.len && (unsigned char)rest.ptr[n] < TOO_EARLY)
			n++;
		session_hear(&fuzz->session, slice_head(rest, n), fuzz->now_ms);
	}
	if (first < TOO_EARLY)
		come_home(fuzz); /* after what was heard: the reply was there first */
	turn(fuzz);
	return n;
}

static void start(struct fuzz *fuzz, const struct session_limits *limits, const uint8_t *bytes)
{
	struct session_setup setup = {.helo = SLICE("mta.test"), .limits = limits};

	setup.no_pipelining = bytes[0] & 1;
	setup.always_rset = bytes[0] & 2;
	setup.window_proved = bytes[0] & 4;
	if (bytes[0] & 8)
		setup.probe_recipient = SLICE("nobody@mx.test");
	fuzz->nmessages = bytes[1] % (MESSAGES_MAX + 1);
	fuzz->nrecipients = 1 + (bytes[1] >> 4) % RECIPIENTS_MAX;
	fuzz->body = (struct iovec){(void *)body_text, sizeof(body_text) - 1};
	fuzz->now_ms = 1;
	session_start(&fuzz->session, &setup, fuzz->now_ms);
	turn(fuzz);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct session_limits limits = {
		.greeting_s = 10,
		.ehlo_s = 10,
		.mail_s = 10,
		.rcpt_s = 10,
		.data_s = 10,
		.body_s = 10,
		.eom_s = 10,
		.rset_s = 10,
		.quit_s = 10,
		.messages_max = 6,
		.window_max = 8,
	};
	struct fuzz fuzz = {0};

	if (len < 3)
		return 0;
	start(&fuzz, &limits, bytes);
	for (size_t at = 3; at < len && !session_is_closed(&fuzz.session);)
		at += hear(&fuzz, (struct slice){(const char *)bytes + at, len - at}, 1 + bytes[2]);
	session_lost(&fuzz.session, bytes[2] & 1 ? ECONNRESET : 0, fuzz.now_ms);
	CHECK(session_is_closed(&fuzz.session));
	come_home(&fuzz);
	turn(&fuzz);
	CHECK(fuzz.back == fuzz.given);
	session_free(&fuzz.session);
	return 0;
}
