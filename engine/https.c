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

static const struct curl_calls *curl; /* set by https_open */

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

void https_stop(struct https *https, struct https_get *get)
{
	curl->curl_multi_remove_handle(https->multi, get->easy);
	curl->curl_easy_cleanup(get->easy);
	curl->curl_slist_free_all(get->resolved);
	get->easy = get->resolved = NULL;
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
	struct https_get *get = who;

	n *= size;
	if (n > get->most - get->body.len) {
		get->too_long = true;
		return 0;
	}
	outbuf_add(&get->body, (struct slice){bytes, n});
	return n;
}

/* "+host:port:addr,addr", as CURLOPT_RESOLVE has it. */
static void get_resolved(struct https_get *get)
{
	struct outbuf text = {0};
	char ip[ADDRESS_TEXT_MAX];

	outbuf_printf(&text, "%s:%u:", get->host, get->port);
	for (unsigned i = 0; i < get->naddresses; i++) {
		address_ip_text(&get->addresses[i], ip);
		outbuf_printf(&text, strchr(ip, ':') ? "%s[%s]" : "%s%s", i ? "," : "", ip);
	}
	outbuf_byte(&text, '\0');
	get->resolved = curl->curl_slist_append(NULL, text.ptr);
	outbuf_free(&text);
}

static void get_bounds(struct https_get *get, CURL *easy)
{
	curl->curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)get->timeout_s);
	curl->curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl->curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
	curl->curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl->curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl->curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl->curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl->curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

void https_start(struct https *https, struct https_get *get)
{
	CURL *easy = curl->curl_easy_init();
	const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
	char url[600];

	CHECK(easy != NULL);
	snprintf(url, sizeof(url), "https://%s:%u%s", get->host, get->port, get->path);
	get_resolved(get);
	get_bounds(get, easy);
	get->easy = easy;
	get->too_long = false;
	get->why[0] = '\0';
	curl->curl_easy_setopt(easy, CURLOPT_URL, url);
	curl->curl_easy_setopt(easy, CURLOPT_RESOLVE, (struct curl_slist *)get->resolved);
	curl->curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl->curl_easy_setopt(easy, CURLOPT_WRITEDATA, get);
	curl->curl_easy_setopt(easy, CURLOPT_PRIVATE, get);
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

static void get_judge(struct https_get *get, CURLcode code)
{
	long status = 0, verified = 0;
	char *type = NULL;

	curl->curl_easy_getinfo(get->easy, CURLINFO_RESPONSE_CODE, &status);
	curl->curl_easy_getinfo(get->easy, CURLINFO_CONTENT_TYPE, &type);
	curl->curl_easy_getinfo(get->easy, CURLINFO_SSL_VERIFYRESULT, &verified);
	get->result = HTTPS_REFUSED;
	if (get->too_long)
		snprintf(get->why, sizeof(get->why), "expected at most %zu bytes, found more", get->most);
	else if (code == CURLE_PEER_FAILED_VERIFICATION || (code != CURLE_OK && verified != 0)) {
		get->result = HTTPS_UNTRUSTED;
		snprintf(get->why, sizeof(get->why), "its certificate: %s", curl->curl_easy_strerror(code));
	} else if (code != CURLE_OK) {
		get->result = HTTPS_UNREACHABLE;
		snprintf(get->why, sizeof(get->why), "%s", curl->curl_easy_strerror(code));
	} else if (status != 200)
		snprintf(get->why, sizeof(get->why), "expected status 200, found %ld", status);
	else if (get->type && !is_of_type(type, get->type))
		snprintf(get->why, sizeof(get->why), "expected type %s, found %.80s", get->type, type ? type : "none");
	else
		get->result = HTTPS_FINE;
}

void https_turn(struct https *https, unsigned wait_ms)
{
	int running, left;
	CURLMsg *message;

	curl->curl_multi_poll(https->multi, NULL, 0, (int)wait_ms, NULL);
	curl->curl_multi_perform(https->multi, &running);
	while ((message = curl->curl_multi_info_read(https->multi, &left))) {
		struct https_get *get;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl->curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &get);
		get_judge(get, code);
		https_stop(https, get);
		get->done(get);
	}
}

void https_wake(struct https *https)
{
	curl->curl_multi_wakeup(https->multi);
}
