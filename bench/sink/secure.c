/* OpenSSL as plainly as it goes, apart from the engine's tls/, so that the two do not share a mistake. It reads ahead,
 * so that a record costs one read and not two; who reads must therefore go on until EAGAIN. Its cost is the sink's, and
 * is told apart as such in every figure. */
#include "bench/sink/secure.h"

#include "base/check.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

struct secure {
	SSL *ssl;
	bool counted;
};

struct secure_counts secure_counts;
static SSL_CTX *context;

bool secure_setup(const char *certificate, const char *key, bool tickets)
{
	context = SSL_CTX_new(TLS_server_method());
	CHECK(context != NULL);
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(context, (const unsigned char *)"sink", 4);
	if (!tickets) {
		SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(context, 0);
	}
	if (SSL_CTX_use_certificate_chain_file(context, certificate) == 1 &&
	    SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1)
		return true;
	fprintf(stderr, "sink: --tls %s %s: %s\n", certificate, key, ERR_reason_error_string(ERR_get_error()));
	return false;
}

struct secure *secure_begin(int fd)
{
	struct secure *secure = calloc(1, sizeof(*secure));

	CHECK(secure != NULL && context != NULL);
	secure->ssl = SSL_new(context);
	CHECK(secure->ssl != NULL && SSL_set_fd(secure->ssl, fd) == 1);
	SSL_set_accept_state(secure->ssl);
	return secure;
}

/* What OpenSSL returned, as recv and send would say it. */
static ssize_t as_system_call(struct secure *secure, int n)
{
	int error;

	if (!secure->counted && SSL_is_init_finished(secure->ssl)) {
		secure->counted = true;
		secure_counts.handshakes++;
		secure_counts.resumed += SSL_session_reused(secure->ssl) == 1;
	}
	if (n > 0)
		return n;
	error = SSL_get_error(secure->ssl, n);
	ERR_clear_error();
	if (error == SSL_ERROR_ZERO_RETURN)
		return 0;
	errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
	return -1;
}

ssize_t secure_read(struct secure *secure, void *bytes, size_t size)
{
	return as_system_call(secure, SSL_read(secure->ssl, bytes, (int)size));
}

ssize_t secure_write(struct secure *secure, const void *bytes, size_t size)
{
	return as_system_call(secure, SSL_write(secure->ssl, bytes, (int)size));
}

void secure_end(struct secure *secure)
{
	if (!secure)
		return;
	if (SSL_is_init_finished(secure->ssl))
		SSL_shutdown(secure->ssl);
	ERR_clear_error();
	SSL_free(secure->ssl);
	free(secure);
}
