/* OpenSSL does the work. Parts, because a body is a byte of ours and megabytes of somebody else's. */
#include "queue/digest.h"

#include "base/check.h"

#include <openssl/evp.h>

void digest_hex(char hex[DIGEST_HEX], const struct slice *parts, unsigned nparts)
{
	static const char digits[] = "0123456789abcdef";
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	CHECK(context != NULL);
	CHECK(EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
	for (unsigned i = 0; i < nparts; i++)
		if (parts[i].len)
			CHECK(EVP_DigestUpdate(context, parts[i].ptr, parts[i].len) == 1);
	CHECK(EVP_DigestFinal_ex(context, bytes, &len) == 1 && len == 32);
	EVP_MD_CTX_free(context);
	for (unsigned i = 0; i < len; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[64] = '\0';
}
