/* RESP, the language of Redis: arguments on their way out, replies on their way in.
 *
 *     resp_argument(&out, key);                                  $3 CRLF key CRLF
 *
 *     resp_feed(&reader, bytes);
 *     while ((got = resp_next(&reader, &reply)) > 0) use(reply);   borrowed until the next resp_next
 *     if (got < 0) fail(resp_why(&reader));
 *
 * Replies are hiredis' trees. The questions below are asked of any of them, blocking or not. */
#pragma once

#include "base/arena.h"
#include "base/outbuf.h"

struct redisReply;  /* hiredis/hiredis.h */
struct redisReader; /* hiredis/read.h */

/* Appends one argument as it travels; a number goes as its decimal digits. */
void resp_argument(struct outbuf *out, struct slice argument);
void resp_number(struct outbuf *out, uint64_t number);

struct resp_reader {
	struct redisReader *parser; /* owned */
	struct arena arena;	    /* the reply at hand */
};

void resp_reader_init(struct resp_reader *reader);
void resp_reader_free(struct resp_reader *reader);
void resp_feed(struct resp_reader *reader, struct slice bytes);
/* 1: *reply is the next one; 0: its end has not come; -1: these are not replies, or too large a one. */
int resp_next(struct resp_reader *reader, const struct redisReply **reply);
const char *resp_why(const struct resp_reader *reader);

/* What an error reply asks for. */
enum resp_error {
	RESP_FINE,    /* not an error */
	RESP_WAIT,    /* LOADING, BUSY, READONLY, MISCONF...: passes by itself, repeat later */
	RESP_MISSING, /* the library is not loaded: as WAIT, once somebody loads it */
	RESP_BROKEN,  /* NOAUTH, NOPERM, MOVED...: a person must change something */
	RESP_FENCED,  /* another engine holds the shard */
	RESP_ERROR,   /* any other */
};
enum resp_error resp_error(const struct redisReply *reply);
/* The text of a string, status or error, borrowed; SLICE_NONE of anything else. */
struct slice resp_text(const struct redisReply *reply);
/* An integer, or a string of digits; 0 of anything else. */
uint64_t resp_integer(const struct redisReply *reply);
/* How many elements an array has, 0 of anything else; the element at a place that exists. */
size_t resp_count(const struct redisReply *reply);
const struct redisReply *resp_at(const struct redisReply *reply, size_t place);
