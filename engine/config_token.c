/* Words, strings and marks, with comments and blanks between them left out. Whatever libconfuse would swallow silently
 * is an error here: a string goes on to the next line only by a mistake, and a character that means nothing is a typo.
 */
#include "config_token.h"

#include "base/log.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void report(struct config_problems *problems, struct slice file, unsigned line, const char *format, va_list args)
{
	char sentence[512];

	if (problems->count++ >= CONFIG_PROBLEMS_MAX)
		return;
	vsnprintf(sentence, sizeof(sentence), format, args);
	if (line)
		outbuf_printf(problems->out, "%.*s:%u: %s\n", SLICE_ARG(file), line, sentence);
	else
		outbuf_printf(problems->out, "%.*s: %s\n", SLICE_ARG(file), sentence);
}

void config_problem(struct config_problems *problems, struct slice file, unsigned line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report(problems, file, line, format, args);
	va_end(args);
}

void config_broken(struct config_problems *problems, struct slice file, unsigned line, const char *format, ...)
{
	va_list args;

	if (problems->is_broken)
		return;
	va_start(args, format);
	report(problems, file, line, format, args);
	va_end(args);
	problems->is_broken = true;
}

/* The end of a comment that begins here, or 0 if none does. */
static size_t comment_length(struct config_file *file, struct config_problems *problems)
{
	struct slice rest = file->rest;

	if (rest.len && rest.ptr[0] == '#')
		return slice_find(rest, '\n');
	if (slice_starts(rest, SLICE("//")))
		return slice_find(rest, '\n');
	if (!slice_starts(rest, SLICE("/*")))
		return 0;
	const char *end = memmem(rest.ptr + 2, rest.len - 2, "*/", 2);

	if (end)
		return (size_t)(end - rest.ptr) + 2;
	config_broken(problems, file->path, file->line, "a comment begins with /* and is never closed; expected */");
	return rest.len;
}

static void skip(struct config_file *file, size_t n)
{
	for (size_t i = 0; i < n; i++)
		file->line += file->rest.ptr[i] == '\n';
	file->rest = slice_skip(file->rest, n);
}

static void skip_blanks(struct config_file *file, struct config_problems *problems)
{
	size_t n;

	while (file->rest.len) {
		if (isspace((unsigned char)file->rest.ptr[0]))
			skip(file, 1);
		else if ((n = comment_length(file, problems)) > 0)
			skip(file, n);
		else
			return;
	}
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("_.:%@/[]-", c)) || (unsigned char)c >= 0x80;
}

/* Patterns belong in single quotes: in double ones "\d" is a d, and "\b" a backspace. */
static void warn_escape(struct config_file *file, struct config_problems *problems, char c)
{
	if (c && strchr("\\\"'nrt$x01234567", c))
		return;
	outbuf_printf(problems->out,
		      "%.*s:%u: warning: found \"\\%c\" in double quotes, where it does not mean what it means in a "
		      "pattern; put patterns in single quotes\n",
		      SLICE_ARG(file->path), file->line, isprint((unsigned char)c) ? c : '?');
}

/* The length of the string that begins here, with its quotes. */
static size_t string_length(struct config_file *file, struct config_problems *problems)
{
	struct slice rest = file->rest;
	char quote = rest.ptr[0];
	bool variable = false; /* inside ${...}, where a quote does not end the string */

	for (size_t i = 1; i < rest.len && rest.ptr[i] != '\n' && rest.ptr[i]; i++) {
		char c = rest.ptr[i], next = i + 1 < rest.len ? rest.ptr[i + 1] : '\0';

		if (variable)
			variable = c != '}';
		else if (c == quote)
			return i + 1;
		else if (quote == '"' && c == '$' && next == '{')
			variable = true;
		else if (c == '\\' && next && next != '\n') {
			if (quote == '"')
				warn_escape(file, problems, next);
			i++;
		}
	}
	config_broken(problems, file->path, file->line,
		      "a string begins with %c and is not closed in its line; expected %c", quote, quote);
	return rest.len;
}

/* The length of the bare word that begins here; a comment ends it. */
static size_t word_length(struct slice rest)
{
	size_t n = 0;

	while (n < rest.len && is_word(rest.ptr[n])) {
		struct slice here = slice_skip(rest, n);

		if (slice_starts(here, SLICE("//")) || slice_starts(here, SLICE("/*")))
			break;
		n++;
	}
	return n;
}

/* What begins here, and how long it is; 0 when nothing may begin so. */
static size_t token_length(struct config_file *file, struct config_problems *problems, struct config_token *token)
{
	struct slice rest = file->rest;
	char c = rest.ptr[0];

	if (c == '"' || c == '\'') {
		token->kind = TOKEN_STRING;
		return string_length(file, problems);
	}
	if (slice_starts(rest, SLICE("+=")) || (c && strchr("{}()=,", c))) {
		token->kind = TOKEN_MARK;
		token->mark = c;
		return c == '+' ? 2 : 1;
	}
	token->kind = TOKEN_WORD;
	return word_length(rest);
}

const struct config_token *config_token_next(struct config_file *file, struct config_problems *problems)
{
	struct config_token *token = &file->token;
	char character[16];

	skip_blanks(file, problems);
	*token = (struct config_token){.kind = TOKEN_END, .line = file->line};
	if (file->rest.len == 0 || problems->is_broken)
		return token;
	token->text = slice_head(file->rest, token_length(file, problems, token));
	if (token->text.len == 0)
		config_broken(problems, file->path, file->line,
			      "found the character %s, which means nothing here; texts go in quotes",
			      log_printable(character, sizeof(character), slice_head(file->rest, 1)));
	if (problems->is_broken)
		*token = (struct config_token){.kind = TOKEN_END, .line = file->line};
	skip(file, token->text.len);
	return token;
}

bool config_token_is_mark(const struct config_token *token, char mark)
{
	return token->kind == TOKEN_MARK && token->mark == mark;
}

bool config_token_is_text(const struct config_token *token)
{
	return token->kind == TOKEN_WORD || token->kind == TOKEN_STRING;
}

const char *config_token_found(const struct config_token *token, char *room)
{
	if (token->kind == TOKEN_END)
		snprintf(room, CONFIG_FOUND_MAX, "the end of the file");
	else
		log_printable(room, CONFIG_FOUND_MAX, token->text);
	return room;
}
