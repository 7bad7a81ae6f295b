/* A challenge of LOGIN is a prompt in whatever words, so only its number counts. That of PLAIN is empty, and comes only
 * where the answer was too long to follow the command at once (RFC 4954 4). */
#include "smtp/auth.h"

#include "base/base64.h"

const char *auth_name(enum auth_mechanism mechanism)
{
	static const char *const names[] = {
		[AUTH_NONE] = "", [AUTH_PLAIN] = "PLAIN", [AUTH_LOGIN] = "LOGIN", [AUTH_SCRAM] = "SCRAM-SHA-256"};

	return names[mechanism];
}

enum auth_mechanism auth_choose(const struct caps *caps, const struct login *login)
{
	if (caps->auth_scram && login->nonce[0] && scram_can_say(login->user, login->password))
		return AUTH_SCRAM;
	return caps->auth_plain ? AUTH_PLAIN : caps->auth_login ? AUTH_LOGIN : AUTH_NONE;
}

static bool is_base64(struct slice text)
{
	struct outbuf meaning = {0};
	bool good = base64_read(&meaning, text);

	outbuf_free(&meaning);
	return good;
}

/* No other identity than that of the password; user and password behind a zero byte each (RFC 4616 2). */
static void answer_plain(const struct login *login, struct outbuf *out)
{
	struct outbuf plain = {0};

	outbuf_byte(&plain, '\0');
	outbuf_add(&plain, login->user);
	outbuf_byte(&plain, '\0');
	outbuf_add(&plain, login->password);
	base64_add(out, outbuf_slice(&plain));
	outbuf_free(&plain);
}

/* Our first message, our last, and the empty one that takes note of theirs (RFC 4954 4). */
static bool answer_scram(const struct login *login, unsigned n, struct slice challenge, struct scram *scram,
			 struct outbuf *out)
{
	struct outbuf heard = {0}, plain = {0};
	bool good = base64_read(&heard, challenge);

	if (good && n == 0 && heard.len == 0)
		scram_first(scram, login->user, slice_of(login->nonce), &plain);
	else if (good && n == 1)
		good = scram_final(scram, login->password, outbuf_slice(&heard), &plain);
	else
		good = good && n == 2 && scram_is_proved(scram, outbuf_slice(&heard));
	base64_add(out, outbuf_slice(&plain));
	outbuf_free(&heard);
	outbuf_free(&plain);
	return good;
}

bool auth_is_mutual(enum auth_mechanism mechanism, const struct scram *scram)
{
	return mechanism != AUTH_SCRAM || scram->proved;
}

bool auth_answer(enum auth_mechanism mechanism, const struct login *login, unsigned n, struct slice challenge,
		 struct scram *scram, struct outbuf *out)
{
	challenge = slice_trim(challenge);
	if (mechanism == AUTH_SCRAM)
		return answer_scram(login, n, challenge, scram, out);
	if (mechanism == AUTH_PLAIN && n == 0 && challenge.len == 0)
		answer_plain(login, out);
	else if (mechanism == AUTH_LOGIN && n < 2 && is_base64(challenge))
		base64_add(out, n == 0 ? login->user : login->password);
	else
		return false;
	return true;
}
