/* Tokens of a configuration file, and problems with it.
 *
 *     struct config_problems problems = {.out = &out};
 *     while ((token = config_token_next(&file, &problems))->kind != TOKEN_END) ... */
#pragma once

#include "base/outbuf.h"

#include <sys/types.h>

enum { CONFIG_PROBLEMS_MAX = 50, CONFIG_FOUND_MAX = 80 };

/* What is wrong: one line each in out, "FILE:LINE: sentence", CONFIG_PROBLEMS_MAX of them at most. */
struct config_problems {
	struct outbuf *out; /* borrowed */
	unsigned count;	    /* warnings are not counted */
	bool is_broken;	    /* the syntax: nothing more can be told */
};

/* line 0: the file as a whole. config_broken reports once, and ends the reading. */
void config_problem(struct config_problems *problems, struct slice file, unsigned line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void config_broken(struct config_problems *problems, struct slice file, unsigned line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

enum config_token_kind { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_MARK };

struct config_token {
	enum config_token_kind kind;
	char mark;	   /* one of { } ( ) = + , where + is += */
	struct slice text; /* as written, with its quotes */
	unsigned line;
};

/* A file under way; rest and line move on. */
struct config_file {
	const struct config_file *includer; /* parent; NULL: the first one */
	struct slice path, rest;
	dev_t device;
	ino_t inode;
	unsigned line;
	struct config_token token; /* the one at hand */
};

/* Takes the next token; valid until the next call. At the end, and once the syntax is broken, there is only TOKEN_END.
 */
const struct config_token *config_token_next(struct config_file *file, struct config_problems *problems);
bool config_token_is_mark(const struct config_token *token, char mark);
/* A word or a string. */
bool config_token_is_text(const struct config_token *token);
/* For messages, in room for CONFIG_FOUND_MAX bytes: the token, or "the end of the file". */
const char *config_token_found(const struct config_token *token, char *room);
