/* libcurl does the work; here is what it must not do: follow a redirect, ask another proxy, cookie jar or cache, speak
 * plain HTTP, wait for ever, or read without end. The addresses are given to it, so that names are resolved by our own
 * resolver and private addresses are refused by our own rule. */
#include "https.h"

#include "curl_calls.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct https {
	CURLM *multi; /* owned */
};

static const struct curl_calls *_Atomic curl; /* set by https_open, to the same by every thread */

struct https *https_open(void)
{
	struct https *https = calloc(1, sizeof(*https));

	CHECK(https != NULL);
	curl = curl_calls();
	if (curl && curl->curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		https->multi = curl->curl_multi_init();
	if (https->multi)
		return https;
	free(https);
	return NULL;
}

void https_stop(struct https *https, struct https_request *request)
{
	curl->curl_multi_remove_handle(https->multi, request->easy);
	curl->curl_easy_cleanup(request->easy);
	curl->curl_slist_free_all(request->resolved);
	curl->curl_slist_free_all(request->headers);
	request->easy = request->resolved = request->headers = NULL;
}

void https_close(struct https *https)
{
	if (!https)
		return;
	curl->curl_multi_cleanup(https->multi);
	free(https);
}

/* All of it, or an error: the transfer ends at the first byte too many. */
static size_t on_bytes(char *bytes, size_t size, size_t n, void *who)
{
	struct https_request *request = who;

	n *= size;
	if (request->post.ptr)
		return n;
	if (n > request->most - request->body.len) {
		request->too_long = true;
		return 0;
	}
	outbuf_add(&request->body, (struct slice){bytes, n});
	return n;
}

/* "+host:port:addr,addr", as CURLOPT_RESOLVE has it. */
static void request_resolve(struct https_request *request)
{
	struct outbuf text = {0};
	char ip[ADDRESS_TEXT_MAX];

	outbuf_printf(&text, "%s:%u:", request->host, request->port);
	for (unsigned i = 0; i < request->naddresses; i++) {
		address_ip_text(&request->addresses[i], ip);
		outbuf_printf(&text, strchr(ip, ':') ? "%s[%s]" : "%s%s", i ? "," : "", ip);
	}
	outbuf_byte(&text, '\0');
	request->resolved = curl->curl_slist_append(NULL, text.ptr);
	outbuf_free(&text);
}

static void request_bound(struct https_request *request, CURL *easy)
{
	curl->curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)request->timeout_s);
	curl->curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl->curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
	curl->curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl->curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl->curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl->curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl->curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static void request_post(struct https_request *request, CURL *easy)
{
	char type[100];

	snprintf(type, sizeof(type), "Content-Type: %s", request->type);
	request->headers = curl->curl_slist_append(NULL, type);
	request->headers = curl->curl_slist_append(request->headers, "Expect:"); /* 100 is not waited for */
	curl->curl_easy_setopt(easy, CURLOPT_HTTPHEADER, (struct curl_slist *)request->headers);
	curl->curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl->curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->post.ptr);
	curl->curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->post.len);
}

void https_start(struct https *https, struct https_request *request)
{
	CURL *easy = curl->curl_easy_init();
	const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
	char url[600];

	CHECK(easy != NULL);
	snprintf(url, sizeof(url), "https://%s:%u%s", request->host, request->port, request->path);
	request_resolve(request);
	request_bound(request, easy);
	request->easy = easy;
	request->too_long = false;
	request->why[0] = '\0';
	curl->curl_easy_setopt(easy, CURLOPT_URL, url);
	curl->curl_easy_setopt(easy, CURLOPT_RESOLVE, (struct curl_slist *)request->resolved);
	curl->curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl->curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	curl->curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	if (request->post.ptr)
		request_post(request, easy);
	if (file && *file)
		curl->curl_easy_setopt(easy, CURLOPT_CAINFO, file);
	if (folder && *folder)
		curl->curl_easy_setopt(easy, CURLOPT_CAPATH, folder);
	CHECK(curl->curl_multi_add_handle(https->multi, easy) == CURLM_OK);
}

/* "text/plain; charset=utf-8" is text/plain. */
static bool is_of_type(const char *found, const char *wanted)
{
	struct slice type = slice_of(found);

	return slice_is_nocase(slice_trim(slice_until(&type, ';')), slice_of(wanted));
}

static void request_judge(struct https_request *request, CURLcode code)
{
	long status = 0, verified = 0;
	char *type = NULL;

	curl->curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	curl->curl_easy_getinfo(request->easy, CURLINFO_CONTENT_TYPE, &type);
	curl->curl_easy_getinfo(request->easy, CURLINFO_SSL_VERIFYRESULT, &verified);
	request->result = HTTPS_REFUSED;
	if (request->too_long)
		snprintf(request->why, sizeof(request->why), "expected at most %zu bytes, found more", request->most);
	else if (code == CURLE_PEER_FAILED_VERIFICATION || (code != CURLE_OK && verified != 0)) {
		request->result = HTTPS_UNTRUSTED;
		snprintf(request->why, sizeof(request->why), "its certificate: %s", curl->curl_easy_strerror(code));
	} else if (code != CURLE_OK) {
		request->result = HTTPS_UNREACHABLE;
		snprintf(request->why, sizeof(request->why), "%s", curl->curl_easy_strerror(code));
	} else if (request->post.ptr ? status / 100 != 2 : status != 200)
		snprintf(request->why, sizeof(request->why), "expected status %s, found %ld",
			 request->post.ptr ? "2xx" : "200", status);
	else if (!request->post.ptr && request->type && !is_of_type(type, request->type))
		snprintf(request->why, sizeof(request->why), "expected type %s, found %.80s", request->type,
			 type ? type : "none");
	else
		request->result = HTTPS_FINE;
}

void https_turn(struct https *https, unsigned wait_ms)
{
	int running, left;
	CURLMsg *message;

	curl->curl_multi_poll(https->multi, NULL, 0, (int)wait_ms, NULL);
	curl->curl_multi_perform(https->multi, &running);
	while ((message = curl->curl_multi_info_read(https->multi, &left))) {
		struct https_request *request;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl->curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
		request_judge(request, code);
		https_stop(https, request);
		request->done(request);
	}
}

void https_wake(struct https *https)
{
	curl->curl_multi_wakeup(https->multi);
}
