/* Certificates by OpenSSL's X509 calls, P-256 because it is quick to make; the server is driven by hand. */
#include "tests/unit/tls/authority.h"

#include "base/check.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <string.h>

static void extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);

	CHECK(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

void identity_make(struct identity *identity, const struct wish *wish)
{
	static long serial = 1000;
	X509 *certificate = X509_new();

	CHECK(certificate != NULL);
	identity->key = EVP_EC_gen("P-256");
	identity->certificate = certificate;
	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
	X509_gmtime_adj(X509_getm_notBefore(certificate), wish->days_from * 86400L);
	X509_gmtime_adj(X509_getm_notAfter(certificate), (wish->days_from + wish->days) * 86400L);
	X509_set_pubkey(certificate, identity->key);
	X509_NAME *name = X509_get_subject_name(certificate);
	X509 *issuer = wish->issuer ? wish->issuer->certificate : certificate;

	if (wish->subject)
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)wish->subject, -1, -1, 0);
	X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
	extend(certificate, issuer, NID_basic_constraints, wish->authority ? "critical,CA:TRUE" : "CA:FALSE");
	extend(certificate, issuer, NID_subject_key_identifier, "hash");
	if (wish->names)
		extend(certificate, issuer, NID_subject_alt_name, wish->names);
	CHECK(X509_sign(certificate, wish->issuer ? wish->issuer->key : identity->key, EVP_sha256()) > 0);
}

void identity_free(struct identity *identity)
{
	X509_free(identity->certificate);
	EVP_PKEY_free(identity->key);
}

void identity_write(const struct identity *identity, const char *path)
{
	FILE *file = fopen(path, "w");

	CHECK(file != NULL && PEM_write_X509(file, identity->certificate) == 1);
	CHECK(fclose(file) == 0);
}

size_t identity_tlsa(const struct identity *identity, int selector, int matching, unsigned char *out, size_t size)
{
	unsigned char *der = NULL;
	int n = selector ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(identity->certificate), &der)
			 : i2d_X509(identity->certificate, &der);
	size_t len = matching == 0 ? (size_t)n : matching == 1 ? SHA256_DIGEST_LENGTH : SHA512_DIGEST_LENGTH;

	CHECK(n > 0 && len <= size);
	if (matching == 0)
		memcpy(out, der, len);
	else if (matching == 1)
		SHA256(der, (size_t)n, out);
	else
		SHA512(der, (size_t)n, out);
	OPENSSL_free(der);
	return len;
}

void server_make(struct server *server, const struct identity *own, const struct identity *const *chain)
{
	*server = (struct server){.context = SSL_CTX_new(TLS_server_method())};
	CHECK(server->context != NULL);
	SSL_CTX_set_security_level(server->context, 0);
	CHECK(SSL_CTX_use_certificate(server->context, own->certificate) == 1);
	CHECK(SSL_CTX_use_PrivateKey(server->context, own->key) == 1);
	for (; chain && *chain; chain++)
		CHECK(SSL_CTX_add1_chain_cert(server->context, (*chain)->certificate) == 1);
	SSL_CTX_set_mode(server->context, SSL_MODE_AUTO_RETRY);
	server_accept(server);
}

void server_accept(struct server *server)
{
	SSL_free(server->ssl);
	server->ssl = SSL_new(server->context);
	server->in = BIO_new(BIO_s_mem());
	server->out = BIO_new(BIO_s_mem());
	CHECK(server->ssl && server->in && server->out);
	SSL_set_bio(server->ssl, server->in, server->out);
	SSL_set_accept_state(server->ssl);
}

void server_free(struct server *server)
{
	SSL_free(server->ssl);
	SSL_CTX_free(server->context);
}

static bool server_hears(struct server *server, struct tls_stream *stream, size_t step)
{
	struct slice wire = tls_take(stream);
	size_t len = wire.len;

	while (wire.len > 0) {
		struct slice piece = slice_head(wire, step);

		CHECK(BIO_write(server->in, piece.ptr, (int)piece.len) == (int)piece.len);
		wire = slice_skip(wire, piece.len);
		if (!SSL_is_init_finished(server->ssl))
			SSL_do_handshake(server->ssl);
	}
	if (len)
		tls_taken(stream, len);
	return len > 0;
}

enum tls_state server_talk(struct server *server, struct tls_stream *stream, size_t step, struct outbuf *plain)
{
	char bytes[4096];
	enum tls_state state = TLS_SHAKING;
	bool moved = true;

	while (moved) {
		int n;

		moved = server_hears(server, stream, step);
		while ((n = BIO_read(server->out, bytes, (int)(step < sizeof(bytes) ? step : sizeof(bytes)))) > 0) {
			state = tls_feed(stream, (struct slice){bytes, (size_t)n}, plain);
			moved = true;
		}
	}
	return state;
}
