/* One connection's TLS. Every call drives OpenSSL as far as the bytes at hand go and takes note of what it says; what
 * it wants to send gathers in `out` while the kernel may still be reading `wire`.
 *
 * A record that is not whole at the other end cannot be read there, so what counts as sent is what is in whole records:
 * each write leaves a mark where its records end. */
#include "tls/stream.h"

#include "base/check.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const result_names[] = {
#define X(name, text) text,
	TLS_RESULTS(X)
#undef X
};

const char *tls_result_name(enum tls_result result)
{
	return result_names[result];
}

/* The data of matching type 0 is a certificate or a key, and nothing else. */
static bool is_whole(const struct tlsa *record)
{
	const unsigned char *at = (const unsigned char *)record->data.ptr, *end = at + record->data.len;
	X509 *certificate = record->selector == 0 ? d2i_X509(NULL, &at, (long)record->data.len) : NULL;
	EVP_PKEY *key = record->selector == 1 ? d2i_PUBKEY(NULL, &at, (long)record->data.len) : NULL;
	bool whole = (certificate || key) && at == end;

	X509_free(certificate);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return whole;
}

bool tlsa_is_usable(const struct tlsa *record)
{
	static const size_t digest_bytes[] = {0, 32, 64};

	if (record->usage < 2 || record->usage > 3 || record->selector > 1 || record->matching > 2)
		return false;
	return record->matching ? record->data.len == digest_bytes[record->matching] : is_whole(record);
}

/* ---- the demand */

static void with_name(struct slice name, void (*use)(SSL *ssl, const char *name), SSL *ssl)
{
	char *text = slice_copy(name);

	use(ssl, text);
	free(text);
}

static void set_sni(SSL *ssl, const char *name)
{
	CHECK(SSL_set_tlsext_host_name(ssl, name) == 1);
}

static void add_name(SSL *ssl, const char *name)
{
	CHECK(SSL_add1_host(ssl, name) == 1);
}

static void enable_dane(SSL *ssl, const char *name)
{
	CHECK(SSL_dane_enable(ssl, name) == 1); /* sets SNI and the first name, too */
}

static unsigned add_records(SSL *ssl, const struct tls_demand *demand)
{
	unsigned usable = 0;

	for (unsigned i = 0; i < demand->nrecords; i++) {
		const struct tlsa *record = &demand->records[i];

		if (tlsa_is_usable(record))
			usable += SSL_dane_tlsa_add(ssl, record->usage, record->selector, record->matching,
						    (const unsigned char *)record->data.ptr, record->data.len) > 0;
	}
	ERR_clear_error();
	return usable;
}

/* A name may be an address where a route has none; certificates name hosts only (REQUIREMENTS TLS-10). */
static bool is_name(struct slice host)
{
	bool has_letter = false;

	for (size_t i = 0; i < host.len; i++) {
		if (host.ptr[i] == '\0' || host.ptr[i] == ':' || host.ptr[i] == '[')
			return false;
		has_letter |= host.ptr[i] != '.' && (host.ptr[i] < '0' || host.ptr[i] > '9');
	}
	return has_letter && host.len < 254;
}

static void set_host(struct tls_stream *stream, const struct tls_demand *demand)
{
	if (!is_name(demand->host)) { /* who demands somebody without saying whom gets nobody */
		if (demand->nnames == 0 || demand->check == CHECK_DANE)
			add_name(stream->ssl, "nobody.invalid");
	} else if (demand->check == CHECK_DANE) {
		with_name(demand->host, enable_dane, stream->ssl);
		if (add_records(stream->ssl, demand) == 0)
			stream->check = CHECK_NOTHING;
	} else {
		with_name(demand->host, set_sni, stream->ssl);
		if (demand->nnames == 0)
			with_name(demand->host, add_name, stream->ssl);
	}
}

static void set_demand(struct tls_stream *stream, const struct tls_demand *demand)
{
	SSL *ssl = stream->ssl;

	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
				       (demand->check == CHECK_DANE ? 0 : X509_CHECK_FLAG_NEVER_CHECK_SUBJECT));
	set_host(stream, demand);
	for (unsigned i = 0; i < demand->nnames; i++)
		if (is_name(demand->names[i]))
			with_name(demand->names[i], add_name, ssl);
	/* Anybody will do: then also one with a key nobody else would take. The certificate is judged all the same, for
	 * the event. */
	SSL_set_verify(ssl, stream->check == CHECK_NOTHING ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	if (stream->check == CHECK_NOTHING)
		SSL_set_security_level(ssl, 0);
}

/* ---- what came of it */

static enum tls_result result_of(long verified)
{
	switch (verified) {
	case X509_V_OK: return TLS_RESULT_FINE;
	case X509_V_ERR_HOSTNAME_MISMATCH: return TLS_RESULT_HOST;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID: return TLS_RESULT_EXPIRED;
	case X509_V_ERR_DANE_NO_MATCH: return TLS_RESULT_TLSA;
	default: return TLS_RESULT_UNTRUSTED;
	}
}

static void note_certificate(struct tls_stream *stream)
{
	long verified = SSL_get_verify_result(stream->ssl);

	stream->peer.result = result_of(verified);
	if (verified != X509_V_OK)
		snprintf(stream->peer.why, sizeof(stream->peer.why), "its certificate: %s",
			 X509_verify_cert_error_string(verified));
}

/* Names matter with a trust anchor only (RFC 7672 3.1.1, 3.2.2). */
bool tls_stream_is_named_otherwise(const struct tls_stream *stream)
{
	const char *host = SSL_get_servername(stream->ssl, TLSEXT_NAMETYPE_host_name);
	X509 *certificate = SSL_get0_peer_certificate(stream->ssl);
	uint8_t usage;

	if (!host || !certificate || SSL_get0_dane_tlsa(stream->ssl, &usage, NULL, NULL, NULL, NULL) < 0 || usage != 2)
		return false;
	return X509_check_host(certificate, host, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) != 1;
}

static void note_open(struct tls_stream *stream)
{
	struct tls_peer *peer = &stream->peer;
	bool by_record = SSL_get0_dane_authority(stream->ssl, NULL, NULL) >= 0;

	stream->state = TLS_OPEN;
	peer->protocol = SSL_get_version(stream->ssl);
	peer->cipher = SSL_get_cipher_name(stream->ssl);
	peer->resumed = SSL_session_reused(stream->ssl);
	note_certificate(stream);
	peer->verified = peer->result == TLS_RESULT_FINE;
	peer->by_other_name = peer->verified && tls_stream_is_named_otherwise(stream);
	if (peer->verified) /* a resumed session was made under the same records */
		peer->by = by_record || stream->check == CHECK_DANE ? "dane" : "pkix";
}

static void note_broken(struct tls_stream *stream, const char *what)
{
	struct tls_peer *peer = &stream->peer;
	unsigned long error = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(error);

	if (stream->state == TLS_SHAKING) {
		note_certificate(stream);
		if (peer->result == TLS_RESULT_FINE)
			peer->result = TLS_RESULT_HANDSHAKE;
	}
	stream->state = TLS_BROKEN;
	if (peer->why[0] == '\0')
		snprintf(peer->why, sizeof(peer->why), "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
	ERR_clear_error();
}

/* ---- bytes */

static void mark(struct tls_stream *stream, size_t plain)
{
	if (stream->nmarks == stream->marks_size) {
		stream->marks_size = stream->marks_size ? stream->marks_size * 2 : 4;
		stream->marks = realloc(stream->marks, stream->marks_size * sizeof(*stream->marks));
		CHECK(stream->marks != NULL);
	}
	stream->marks[stream->nmarks++] = (struct tls_mark){stream->out.len, plain};
}

static void shake(struct tls_stream *stream)
{
	int result = SSL_do_handshake(stream->ssl);

	if (result == 1) {
		note_open(stream);
		return;
	}
	if (SSL_get_error(stream->ssl, result) != SSL_ERROR_WANT_READ)
		note_broken(stream, "the handshake failed");
	else if (stream->shaken > TLS_HANDSHAKE_MAX)
		note_broken(stream, "the handshake is longer than 256 KB");
}

static void hear(struct tls_stream *stream, struct outbuf *plain)
{
	size_t n;
	int result;

	while ((result = SSL_read_ex(stream->ssl, outbuf_room(plain, TLS_RECORD_MAX), TLS_RECORD_MAX, &n)) == 1)
		plain->len += n;
	switch (SSL_get_error(stream->ssl, result)) {
	case SSL_ERROR_WANT_READ: break;
	case SSL_ERROR_ZERO_RETURN: stream->state = TLS_CLOSED; break;
	default: note_broken(stream, "a record could not be read"); break;
	}
}

enum tls_state tls_feed(struct tls_stream *stream, struct slice bytes, struct outbuf *plain)
{
	if (stream->state == TLS_CLOSED || stream->state == TLS_BROKEN)
		return stream->state;
	ERR_clear_error();
	stream->in = bytes;
	if (stream->state == TLS_SHAKING) {
		stream->shaken += bytes.len;
		shake(stream);
	}
	if (stream->state == TLS_OPEN)
		hear(stream, plain);
	stream->in = SLICE_NONE;
	return stream->state;
}

static struct slice gather(struct outbuf *scratch, const struct iovec *iov, unsigned niov)
{
	if (niov == 1)
		return (struct slice){iov->iov_base, iov->iov_len};
	outbuf_reset(scratch);
	for (unsigned i = 0; i < niov; i++)
		outbuf_add(scratch, (struct slice){iov[i].iov_base, iov[i].iov_len});
	return outbuf_slice(scratch);
}

void tls_write(struct tls_stream *stream, const struct iovec *iov, unsigned niov)
{
	struct slice rest = gather(&stream->tls->scratch, iov, niov);
	size_t n;

	CHECK(stream->state == TLS_OPEN);
	ERR_clear_error();
	while (rest.len > 0) {
		struct slice piece = slice_head(rest, TLS_RECORD_MAX);

		if (SSL_write_ex(stream->ssl, piece.ptr, piece.len, &n) != 1) {
			note_broken(stream, "a record could not be made");
			return;
		}
		mark(stream, n);
		rest = slice_skip(rest, n);
	}
}

struct slice tls_take(struct tls_stream *stream)
{
	struct outbuf empty = stream->wire;

	CHECK(!stream->taken);
	if (stream->out.len == 0)
		return SLICE_NONE;
	stream->wire = stream->out;
	stream->out = empty;
	outbuf_reset(&stream->out);
	stream->nwire = stream->nmarks;
	stream->taken = true;
	return outbuf_slice(&stream->wire);
}

size_t tls_taken(struct tls_stream *stream, size_t n)
{
	size_t plain = 0;

	CHECK(stream->taken);
	for (unsigned i = 0; i < stream->nwire && stream->marks[i].wire <= n; i++)
		plain += stream->marks[i].plain;
	stream->nmarks -= stream->nwire;
	if (stream->nmarks)
		memmove(stream->marks, stream->marks + stream->nwire, stream->nmarks * sizeof(*stream->marks));
	stream->nwire = 0;
	stream->taken = false;
	outbuf_free(&stream->wire); /* an idle connection holds no buffer */
	return plain;
}

struct tls_stream *tls_start(struct tls *tls, const struct tls_demand *demand)
{
	struct tls_stream *stream = calloc(1, sizeof(*stream));
	SSL_SESSION *session;

	CHECK(stream != NULL);
	stream->tls = tls;
	stream->check = demand->check;
	stream->key = tls_key_of(demand);
	stream->peer.by = "";
	stream->ssl = SSL_new(tls->context);
	CHECK(stream->ssl != NULL);
	BIO *bio = tls_bio_new(stream);

	SSL_set_bio(stream->ssl, bio, bio);
	SSL_set_app_data(stream->ssl, stream);
	SSL_set_connect_state(stream->ssl);
	set_demand(stream, demand);
	session = tls_session_find(tls, &stream->key);
	if (session)
		CHECK(SSL_set_session(stream->ssl, session) == 1);
	ERR_clear_error();
	shake(stream);
	return stream;
}

void tls_stream_free(struct tls_stream *stream)
{
	SSL_set_quiet_shutdown(stream->ssl, 1); /* else OpenSSL takes the session for a bad one */
	SSL_shutdown(stream->ssl);
	SSL_free(stream->ssl);
	ERR_clear_error();
	outbuf_free(&stream->out);
	outbuf_free(&stream->wire);
	free(stream->marks);
	free(stream);
}

const struct tls_peer *tls_peer(const struct tls_stream *stream)
{
	return &stream->peer;
}
