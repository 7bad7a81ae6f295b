/* A challenge of LOGIN is a prompt in whatever words, so only its number counts. That of PLAIN is empty, and comes only
 * where the answer was too long to follow the command at once (RFC 4954 4). */
#include "smtp/auth.h"

#include "base/base64.h"

const char *auth_name(enum auth_mechanism mechanism)
{
	static const char *const names[] = {[AUTH_NONE] = "", [AUTH_PLAIN] = "PLAIN", [AUTH_LOGIN] = "LOGIN"};

	return names[mechanism];
}

enum auth_mechanism auth_choose(const struct caps *caps)
{
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

bool auth_answer(enum auth_mechanism mechanism, const struct login *login, unsigned n, struct slice challenge,
		 struct outbuf *out)
{
	challenge = slice_trim(challenge);
	if (mechanism == AUTH_PLAIN && n == 0 && challenge.len == 0)
		answer_plain(login, out);
	else if (mechanism == AUTH_LOGIN && n < 2 && is_base64(challenge))
		base64_add(out, n == 0 ? login->user : login->password);
	else
		return false;
	return true;
}
