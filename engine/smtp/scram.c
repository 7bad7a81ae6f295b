/* The primitives are OpenSSL's; what is here is the order of the messages and what the signatures are over: the three
 * messages joined by commas, ours first without its header and ours last without its proof (RFC 5802 3). */
#include "smtp/scram.h"

#include "base/base64.h"
#include "base/check.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define NO_BINDING "biws" /* base64 of "n,,": none, and no other identity than the user's */

bool scram_can_say(struct slice user, struct slice password)
{
	for (size_t i = 0; i < user.len; i++)
		if (user.ptr[i] < ' ' || user.ptr[i] > '~')
			return false;
	for (size_t i = 0; i < password.len; i++)
		if (password.ptr[i] < ' ' || password.ptr[i] > '~')
			return false;
	return user.len > 0 && password.len > 0;
}

void scram_first(struct scram *scram, struct slice user, struct slice nonce, struct outbuf *out)
{
	outbuf_reset(&scram->said);
	scram->proved = false;
	outbuf_add(&scram->said, SLICE("n="));
	for (size_t i = 0; i < user.len; i++) {
		if (user.ptr[i] == '=' || user.ptr[i] == ',')
			outbuf_add(&scram->said, user.ptr[i] == '=' ? SLICE("=3D") : SLICE("=2C"));
		else
			outbuf_byte(&scram->said, user.ptr[i]);
	}
	outbuf_add(&scram->said, SLICE(",r="));
	scram->nonce_at = scram->said.len;
	outbuf_add(&scram->said, nonce);
	outbuf_add(out, SLICE("n,,"));
	outbuf_add(out, outbuf_slice(&scram->said));
}

/* "r=...": the value of the next attribute, which must have that name. */
static bool take(struct slice *rest, const char *name, struct slice *value)
{
	*value = slice_until(rest, ',');
	if (!slice_starts(*value, slice_of(name)))
		return false;
	*value = slice_skip(*value, 2);
	return value->len > 0;
}

struct asked {
	struct slice nonce, salt; /* salt: in base64 */
	uint64_t iterations;
};

/* The server's first message. Extensions behind it are allowed, one before it ("m=") asks for what we do not have. */
static bool read_challenge(const struct scram *scram, struct slice challenge, struct asked *asked)
{
	struct slice ours = slice_skip(outbuf_slice(&scram->said), scram->nonce_at), iterations;

	if (challenge.len > SCRAM_CHALLENGE_MAX || !take(&challenge, "r=", &asked->nonce) ||
	    !take(&challenge, "s=", &asked->salt) || !take(&challenge, "i=", &iterations))
		return false;
	if (!slice_starts(asked->nonce, ours) || asked->nonce.len == ours.len)
		return false;
	return slice_number(iterations, SCRAM_ITERATIONS_MAX, &asked->iterations) &&
	       asked->iterations >= SCRAM_ITERATIONS_MIN;
}

static void sign(const unsigned char key[SCRAM_DIGEST], struct slice text, unsigned char signature[SCRAM_DIGEST])
{
	unsigned n = SCRAM_DIGEST;

	CHECK(HMAC(EVP_sha256(), key, SCRAM_DIGEST, (const unsigned char *)text.ptr, text.len, signature, &n) != NULL);
	CHECK(n == SCRAM_DIGEST);
}

static bool salted(struct slice password, const struct asked *asked, unsigned char key[SCRAM_DIGEST])
{
	struct outbuf salt = {0};
	bool good = base64_read(&salt, asked->salt) && salt.len > 0 &&
		    PKCS5_PBKDF2_HMAC(password.ptr, (int)password.len, (const unsigned char *)salt.ptr, (int)salt.len,
				      (int)asked->iterations, EVP_sha256(), SCRAM_DIGEST, key) == 1;

	outbuf_free(&salt);
	return good;
}

/* Our proof over all that was said, and what theirs must be. */
static void prove(struct scram *scram, const unsigned char key[SCRAM_DIGEST], unsigned char proof[SCRAM_DIGEST])
{
	unsigned char client[SCRAM_DIGEST], stored[SCRAM_DIGEST], server[SCRAM_DIGEST];
	struct slice said = outbuf_slice(&scram->said);

	sign(key, SLICE("Client Key"), client);
	CHECK(EVP_Digest(client, SCRAM_DIGEST, stored, NULL, EVP_sha256(), NULL) == 1);
	sign(stored, said, proof);
	for (unsigned i = 0; i < SCRAM_DIGEST; i++)
		proof[i] ^= client[i];
	sign(key, SLICE("Server Key"), server);
	sign(server, said, scram->signature);
	OPENSSL_cleanse(client, sizeof(client));
	OPENSSL_cleanse(server, sizeof(server));
}

bool scram_final(struct scram *scram, struct slice password, struct slice challenge, struct outbuf *out)
{
	unsigned char key[SCRAM_DIGEST], proof[SCRAM_DIGEST];
	struct asked asked;

	if (!read_challenge(scram, challenge, &asked) || !salted(password, &asked, key))
		return false;
	outbuf_byte(&scram->said, ',');
	outbuf_add(&scram->said, challenge);
	outbuf_byte(&scram->said, ',');
	size_t from = scram->said.len;

	outbuf_printf(&scram->said, "c=" NO_BINDING ",r=%.*s", SLICE_ARG(asked.nonce));
	prove(scram, key, proof);
	OPENSSL_cleanse(key, sizeof(key));
	outbuf_add(out, slice_skip(outbuf_slice(&scram->said), from));
	outbuf_add(out, SLICE(",p="));
	base64_add(out, (struct slice){(const char *)proof, SCRAM_DIGEST});
	return true;
}

bool scram_is_proved(struct scram *scram, struct slice challenge)
{
	struct outbuf theirs = {0};
	struct slice value;

	scram->proved = take(&challenge, "v=", &value) && base64_read(&theirs, value) && theirs.len == SCRAM_DIGEST &&
			CRYPTO_memcmp(theirs.ptr, scram->signature, SCRAM_DIGEST) == 0;
	outbuf_free(&theirs);
	return scram->proved;
}

void scram_free(struct scram *scram)
{
	outbuf_free(&scram->said);
	*scram = (struct scram){0};
}
