/* For the tests of tls/: certificates made on the spot, and a server that is OpenSSL itself over memory BIOs. */
#pragma once

#include "tls/tls.h"

#include <openssl/ssl.h>

/* A key and its certificate. */
struct identity {
	EVP_PKEY *key;
	X509 *certificate;
};

struct wish {
	const char *subject; /* common name; NULL: none */
	const char *names;   /* "DNS:mx.test,DNS:*.example"; NULL: no alternative names */
	int days_from, days; /* validity, counted from now */
	bool authority;
	const struct identity *issuer; /* NULL: it signs itself */
};

void identity_make(struct identity *identity, const struct wish *wish);
void identity_free(struct identity *identity);
/* Its certificate as a PEM file; unlinked by the caller. */
void identity_write(const struct identity *identity, const char *path);
/* What a TLSA record of it holds: the certificate (selector 0) or its public key (1); whole, SHA-256 or SHA-512.
 * Returns the length. */
size_t identity_tlsa(const struct identity *identity, int selector, int matching, unsigned char *out, size_t size);

struct server {
	SSL_CTX *context;
	SSL *ssl;
	BIO *in, *out;
};

/* chain: certificates sent behind its own; NULL ends it. */
void server_make(struct server *server, const struct identity *own, const struct identity *const *chain);
/* The next connection. */
void server_accept(struct server *server);
void server_free(struct server *server);
/* Moves bytes to and fro, step bytes at a time, until nobody has anything to say. What the server said is in plain. */
enum tls_state server_talk(struct server *server, struct tls_stream *stream, size_t step, struct outbuf *plain);
