/* hiredis' reader does the parsing, but builds its trees in an arena that is emptied before the next reply: a lease of
 * 256 records costs no malloc per element. The reader's buffer is given back only above 1 MB, since one body may be
 * large and the next thousand replies are not.
 *
 * Encoding is by hand: redisFormatCommandArgv would allocate every command and copy it twice. */
#include "queue/resp.h"

#include "base/check.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

enum { KEEP_BYTES_MAX = 1 << 20, REPLY_BYTES_MAX = 256 << 20, REPLY_ELEMENTS_MAX = 1 << 20 };

/* n in decimal at the end of room (20 bytes). */
static struct slice digits_of(uint64_t n, char *room)
{
	size_t at = 20;

	do {
		room[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return (struct slice){room + at, 20 - at};
}

void resp_argument(struct outbuf *out, struct slice argument)
{
	char room[20];
	struct slice digits = digits_of(argument.len, room);
	char *at = outbuf_room(out, argument.len + 32);

	*at++ = '$';
	memcpy(at, digits.ptr, digits.len);
	at += digits.len;
	memcpy(at, "\r\n", 2);
	at += 2;
	if (argument.len)
		memcpy(at, argument.ptr, argument.len);
	at += argument.len;
	memcpy(at, "\r\n", 2);
	out->len = (size_t)(at + 2 - out->ptr);
}

void resp_number(struct outbuf *out, uint64_t number)
{
	char room[20];

	resp_argument(out, digits_of(number, room));
}

static void *make_reply(const redisReadTask *task, int type)
{
	struct resp_reader *reader = task->privdata;
	redisReply *reply = arena_alloc(&reader->arena, sizeof(*reply));

	*reply = (redisReply){.type = type};
	if (task->parent)
		((redisReply *)task->parent->obj)->element[task->idx] = reply;
	return reply;
}

static void *make_string(const redisReadTask *task, char *bytes, size_t len)
{
	struct resp_reader *reader = task->privdata;
	redisReply *reply = make_reply(task, task->type);

	reply->str = arena_string(&reader->arena, (struct slice){bytes, len});
	reply->len = len;
	return reply;
}

static void *make_array(const redisReadTask *task, int elements)
{
	struct resp_reader *reader = task->privdata;

	if (elements > REPLY_ELEMENTS_MAX)
		return NULL; /* the parser gives up */
	redisReply *reply = make_reply(task, REDIS_REPLY_ARRAY);

	reply->elements = (size_t)elements;
	reply->element = arena_alloc(&reader->arena, sizeof(*reply->element) * (size_t)elements);
	return reply;
}

static void *make_integer(const redisReadTask *task, long long integer)
{
	redisReply *reply = make_reply(task, REDIS_REPLY_INTEGER);

	reply->integer = integer;
	return reply;
}

static void *make_nil(const redisReadTask *task)
{
	return make_reply(task, REDIS_REPLY_NIL);
}

static void free_nothing(void *reply)
{
	(void)reply; /* the arena does */
}

static redisReplyObjectFunctions in_arena = {make_string, make_array, make_integer, make_nil, free_nothing};

void resp_reader_init(struct resp_reader *reader)
{
	*reader = (struct resp_reader){.parser = redisReaderCreateWithFunctions(&in_arena)};
	CHECK(reader->parser != NULL);
	reader->parser->privdata = reader;
	reader->parser->maxbuf = KEEP_BYTES_MAX;
}

void resp_reader_free(struct resp_reader *reader)
{
	if (reader->parser)
		redisReaderFree(reader->parser);
	arena_free(&reader->arena);
	*reader = (struct resp_reader){0};
}

void resp_feed(struct resp_reader *reader, struct slice bytes)
{
	redisReaderFeed(reader->parser, bytes.ptr, bytes.len); /* an error shows in resp_next */
}

int resp_next(struct resp_reader *reader, const struct redisReply **reply)
{
	redisReader *parser = reader->parser;
	void *next = NULL;

	if (parser->ridx == -1) /* nothing is half read: the last reply has been used */
		arena_reset(&reader->arena);
	if (redisReaderGetReply(parser, &next) != REDIS_OK)
		return -1;
	*reply = next;
	if (!next && parser->len - parser->pos > REPLY_BYTES_MAX) {
		snprintf(parser->errstr, sizeof(parser->errstr), "a reply of more than 256 MB");
		return -1;
	}
	return next != NULL;
}

const char *resp_why(const struct resp_reader *reader)
{
	return reader->parser->errstr;
}

enum resp_error resp_error(const struct redisReply *reply)
{
	static const struct {
		const char *word;
		enum resp_error error;
	} rows[] = {
		{"LOADING", RESP_WAIT},	 {"BUSY", RESP_WAIT},	     {"MASTERDOWN", RESP_WAIT},
		{"TRYAGAIN", RESP_WAIT}, {"CLUSTERDOWN", RESP_WAIT}, {"READONLY", RESP_WAIT},
		{"MISCONF", RESP_WAIT},	 {"NOREPLICAS", RESP_WAIT},  {"NOAUTH", RESP_BROKEN},
		{"NOPERM", RESP_BROKEN}, {"WRONGPASS", RESP_BROKEN}, {"MOVED", RESP_BROKEN},
		{"ASK", RESP_BROKEN},	 {"FENCED", RESP_FENCED},
	};
	struct slice rest = resp_text(reply);

	if (!reply || reply->type != REDIS_REPLY_ERROR)
		return RESP_FINE;
	if (slice_starts(rest, SLICE("ERR Function not found")))
		return RESP_MISSING;
	struct slice word = slice_until(&rest, ' ');

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (slice_is(word, slice_of(rows[i].word)))
			return rows[i].error;
	return RESP_ERROR;
}

struct slice resp_text(const struct redisReply *reply)
{
	if (!reply)
		return SLICE_NONE;
	if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS && reply->type != REDIS_REPLY_ERROR)
		return SLICE_NONE;
	return (struct slice){reply->str, reply->len};
}

uint64_t resp_integer(const struct redisReply *reply)
{
	uint64_t n = 0;

	if (reply && reply->type == REDIS_REPLY_INTEGER)
		return reply->integer < 0 ? 0 : (uint64_t)reply->integer;
	return slice_number(resp_text(reply), UINT64_MAX, &n) ? n : 0;
}

size_t resp_count(const struct redisReply *reply)
{
	return reply && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
}

const struct redisReply *resp_at(const struct redisReply *reply, size_t place)
{
	CHECK(place < resp_count(reply));
	return reply->element[place];
}
