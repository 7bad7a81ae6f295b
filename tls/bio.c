/* A BIO of our own, one for both directions: it reads straight from the receive buffer at hand and writes straight into
 * the buffer that is sent next. Two memory BIOs cost 5 % more CPU and a copy each (FACTS.md). */
#include "tls/stream.h"

#include "base/check.h"

#include <openssl/bio.h>
#include <pthread.h>
#include <string.h>

static int write_out(BIO *bio, const char *bytes, size_t len, size_t *written)
{
	struct tls_stream *stream = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	outbuf_add(&stream->out, (struct slice){bytes, len});
	*written = len;
	return 1;
}

static int read_in(BIO *bio, char *bytes, size_t len, size_t *read)
{
	struct tls_stream *stream = BIO_get_data(bio);
	size_t n = len < stream->in.len ? len : stream->in.len;

	BIO_clear_retry_flags(bio);
	*read = n;
	if (n == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	memcpy(bytes, stream->in.ptr, n);
	stream->in = slice_skip(stream->in, n);
	return 1;
}

static long control(BIO *bio, int command, long n, void *p)
{
	(void)bio;
	(void)n;
	(void)p;
	return command == BIO_CTRL_FLUSH;
}

static int created(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static BIO_METHOD *method;

static void make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "hikyaku");
	CHECK(method != NULL);
	BIO_meth_set_write_ex(method, write_out);
	BIO_meth_set_read_ex(method, read_in);
	BIO_meth_set_ctrl(method, control);
	BIO_meth_set_create(method, created);
}

BIO *tls_bio_new(struct tls_stream *stream)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	CHECK(pthread_once(&once, make_method) == 0);
	BIO *bio = BIO_new(method);

	CHECK(bio != NULL);
	BIO_set_data(bio, stream);
	return bio;
}
