/* One SSL_CTX serves all demands: what differs is set on each stream. Kept sessions are a map with a list by age, and
 * the one used longest ago makes room; OpenSSL's own cache is for servers and knows no hosts.
 *
 * Rejected: an SSL_CTX a host (some hundred KB each), and keeping several tickets a host (a ticket may be used more
 * than once; what is lost by it is that two connections can be told to be ours, which their address says anyway). */
#include "tls/context.h"

#include "tls/stream.h"

#include "base/check.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kept {
	struct map_node node; /* by key */
	struct list age;
	struct tls_key key;
	SSL_SESSION *session; /* owned */
};

static void kept_free(struct tls *tls, struct kept *kept)
{
	map_remove(&tls->sessions, &kept->node);
	list_remove(&kept->age);
	SSL_SESSION_free(kept->session);
	free(kept);
}

static struct kept *kept_find(struct tls *tls, const struct tls_key *key)
{
	struct map_node *node = map_find(&tls->sessions, (struct slice){(const char *)key->bytes, sizeof(key->bytes)});

	return node ? MAP_OWNER(node, struct kept, node) : NULL;
}

SSL_SESSION *tls_session_find(struct tls *tls, const struct tls_key *key)
{
	struct kept *kept = kept_find(tls, key);

	if (!kept)
		return NULL;
	if (!SSL_SESSION_is_resumable(kept->session)) {
		kept_free(tls, kept);
		return NULL;
	}
	list_remove(&kept->age);
	list_push(&tls->oldest, &kept->age);
	return kept->session;
}

void tls_session_keep(struct tls *tls, const struct tls_key *key, SSL_SESSION *session)
{
	struct kept *kept = kept_find(tls, key);

	if (kept) {
		SSL_SESSION_free(kept->session);
		list_remove(&kept->age);
	} else {
		if (tls->sessions.count == TLS_SESSIONS_MAX)
			kept_free(tls, LIST_OWNER(list_first(&tls->oldest), struct kept, age));
		kept = calloc(1, sizeof(*kept));
		CHECK(kept != NULL);
		kept->key = *key;
		map_add(&tls->sessions, &kept->node,
			(struct slice){(const char *)kept->key.bytes, sizeof(kept->key.bytes)});
	}
	kept->session = session;
	list_push(&tls->oldest, &kept->age);
}

static void digest_slice(EVP_MD_CTX *digest, struct slice bytes)
{
	uint64_t len = bytes.len;

	CHECK(EVP_DigestUpdate(digest, &len, sizeof(len)) == 1);
	CHECK(bytes.len == 0 || EVP_DigestUpdate(digest, bytes.ptr, bytes.len) == 1);
}

struct tls_key tls_key_of(const struct tls_demand *demand)
{
	struct tls_key key;
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	unsigned char check = (unsigned char)demand->check;

	CHECK(digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1);
	CHECK(EVP_DigestUpdate(digest, &check, 1) == 1);
	digest_slice(digest, demand->host);
	for (unsigned i = 0; i < demand->nnames; i++)
		digest_slice(digest, demand->names[i]);
	for (unsigned i = 0; i < demand->nrecords; i++) {
		const struct tlsa *record = &demand->records[i];
		unsigned char head[] = {record->usage, record->selector, record->matching};

		CHECK(EVP_DigestUpdate(digest, head, sizeof(head)) == 1);
		digest_slice(digest, record->data);
	}
	CHECK(EVP_DigestFinal_ex(digest, key.bytes, NULL) == 1);
	EVP_MD_CTX_free(digest);
	return key;
}

/* A ticket has come, which in TLS 1.3 is after the handshake. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_stream *stream = SSL_get_app_data(ssl);

	if (tls_stream_is_named_otherwise(stream))
		return 0;
	tls_session_keep(stream->tls, &stream->key, session);
	return 1; /* the reference is ours */
}

struct tls *tls_new(const char *trust, char *why)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	CHECK(tls != NULL);
	list_init(&tls->oldest);
	tls->context = SSL_CTX_new(TLS_client_method());
	CHECK(tls->context != NULL);
	SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION); /* RFC 8997; 8461 7.2 */
	SSL_CTX_set_mode(tls->context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(tls->context, on_session);
	CHECK(SSL_CTX_dane_enable(tls->context) == 1);
	SSL_CTX_dane_set_flags(tls->context, DANE_FLAG_NO_DANE_EE_NAMECHECKS); /* RFC 7672 3.1.1 */
	if (trust ? SSL_CTX_load_verify_locations(tls->context, trust, NULL) == 1
		  : SSL_CTX_set_default_verify_paths(tls->context) == 1)
		return tls;
	snprintf(why, TLS_WHY_MAX,
		 "reading the certificates to trust from %s: %s; expected a file of PEM certificates, as the package "
		 "ca-certificates installs",
		 trust ? trust : "the system's store", ERR_reason_error_string(ERR_get_error()));
	tls_free(tls);
	return NULL;
}

void tls_free(struct tls *tls)
{
	MAP_EACH (node, &tls->sessions)
		kept_free(tls, MAP_OWNER(node, struct kept, node));
	map_free(&tls->sessions);
	outbuf_free(&tls->scratch);
	SSL_CTX_free(tls->context);
	free(tls);
}
