/* libconfuse reads the values, but it is lax: it takes a file whose sections are never closed, swallows characters it
 * does not know, refuses a comment inside a list, miscounts lines after a block comment, and cannot say where a section
 * began. So this goes first, token by token, and libconfuse gets only what passed, in a form that leaves it nothing to
 * be lax about. Rejected: patching the errors of libconfuse, which come too late and without a place; and reading the
 * values here as well, since escapes and the environment are libconfuse's business.
 *
 * A mistake in the syntax ends the reading, because what comes after it cannot be told; unknown names, duplicates and
 * the like are collected. */
#include "config_lint.h"

#include "base/check.h"
#include "base/map.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A section and its titles, to find the second one. */
struct seen {
	struct map_node node;
	const struct config_place *place;
};

struct lint {
	struct arena *arena;
	struct config_text *text;
	struct config_problems problems;
	struct config_file *file;
	struct map sections; /* of struct seen */
	unsigned nfiles;
};

#define problem(lint, line, ...) config_problem(&(lint)->problems, (lint)->file->path, (line), __VA_ARGS__)

#define FOUND(token) config_token_found((token), (char[CONFIG_FOUND_MAX]){0})

static const struct config_token *next_token(struct lint *lint)
{
	return config_token_next(lint->file, &lint->problems);
}

/* Breaks off with what was found and what was expected, unless it is there. */
static bool expect(struct lint *lint, const struct config_token *token, bool is_there, const char *what)
{
	if (!is_there)
		config_broken(&lint->problems, lint->file->path, token->line, "found %s, expected %s", FOUND(token),
			      what);
	return is_there && !lint->problems.is_broken;
}

/* Puts the token in the copy, on a line of its own. */
static const struct config_place *keep(struct lint *lint, const struct config_token *token,
				       const struct config_place *opened)
{
	struct config_text *text = lint->text;
	const struct config_place *last = text->nplaces ? text->places[text->nplaces - 1] : NULL;

	if (text->nplaces == text->size) {
		text->size = text->size ? 2 * text->size : 256;
		text->places = realloc(text->places, text->size * sizeof(*text->places));
		CHECK(text->places != NULL);
	}
	if (!last || last->opened || opened || last->line != token->line || last->file.ptr != lint->file->path.ptr) {
		struct config_place *place = arena_alloc(lint->arena, sizeof(*place));

		*place = (struct config_place){lint->file->path, token->line, opened};
		last = place;
	}
	text->places[text->nplaces++] = last;
	outbuf_add(&text->clean, token->text);
	outbuf_byte(&text->clean, '\n');
	return last;
}

enum { KEYS_MAX = 256 };

struct open_section {
	enum config_section section;
	struct slice title;
	const struct config_place *written[KEYS_MAX]; /* by key: where it was given */
};

static void body(struct lint *lint, struct open_section *scope, const struct config_place *opened);

/* Goes past everything up to the brace that closes what is open. */
static void skip_section(struct lint *lint)
{
	unsigned depth = 1;

	while (depth > 0) {
		const struct config_token *token = next_token(lint);

		if (!expect(lint, token, token->kind != TOKEN_END, "} at the end of the section"))
			return;
		depth += config_token_is_mark(token, '{');
		depth -= config_token_is_mark(token, '}');
	}
}

static void unknown(struct lint *lint, const struct open_section *scope, const char *what,
		    const struct config_token *name)
{
	struct outbuf hint = {0};

	config_key_hint(scope->section, name->text, &hint);
	problem(lint, name->line, "unknown %s %s%.*s", what, FOUND(name), SLICE_ARG(outbuf_slice(&hint)));
	outbuf_free(&hint);
}

/* The same place twice: a section by its kind and titles, a key in its section. */
static void duplicate(struct lint *lint, unsigned line, const char *what, struct slice name, struct slice title,
		      const struct config_place *first)
{
	problem(lint, line, "%s %.*s%s%.*s%s is there already, in %.*s:%u", what, SLICE_ARG(name),
		title.len ? " \"" : "", SLICE_ARG(title), title.len ? "\"" : "", SLICE_ARG(first->file), first->line);
}

static void note_section(struct lint *lint, const struct open_section *outer, enum config_section section,
			 struct slice title, const struct config_token *name, const struct config_place *place)
{
	struct outbuf key = {0};

	outbuf_printf(&key, "%d %.*s\n%.*s", section, SLICE_ARG(outer->title), SLICE_ARG(title));
	for (size_t i = 0; section == SECTION_DOMAIN && i < key.len; i++)
		key.ptr[i] = (char)tolower((unsigned char)key.ptr[i]);
	struct map_node *node = map_find(&lint->sections, outbuf_slice(&key));

	if (node) {
		duplicate(lint, name->line, "the section", name->text, title,
			  MAP_OWNER(node, struct seen, node)->place);
	} else {
		struct seen *seen = arena_alloc(lint->arena, sizeof(*seen) + key.len);

		seen->place = place;
		memcpy(seen + 1, key.ptr, key.len);
		map_add(&lint->sections, &seen->node, (struct slice){(char *)(seen + 1), key.len});
	}
	outbuf_free(&key);
}

/* The text of a title, which has no escapes to be decoded. */
static struct slice title_of(struct lint *lint, const struct config_token *token)
{
	struct slice text = token->text;

	if (token->kind == TOKEN_STRING)
		text = slice_head(slice_skip(text, 1), text.len - 2);
	if (text.len == 0)
		problem(lint, token->line, "found an empty title, expected a name");
	if (slice_find(text, '\\') < text.len || memmem(text.ptr, text.len, "${", 2))
		problem(lint, token->line, "found %s, expected a title without \\ and ${", FOUND(token));
	return text;
}

/* NAME was read, and what follows is a title or a brace. */
static void section_begins(struct lint *lint, const struct open_section *outer, const struct config_token *name,
			   const struct config_token *token)
{
	enum config_section section = config_section_find(outer->section, name->text);
	const struct config_place *place = keep(lint, name, NULL);
	struct open_section scope = {.section = section};
	bool titled = config_token_is_text(token);

	if (titled) {
		scope.title = title_of(lint, token);
		keep(lint, token, NULL);
		token = next_token(lint);
	}
	if (!expect(lint, token, config_token_is_mark(token, '{'),
		    titled ? "{ after the title of a section" : "= or {"))
		return;
	keep(lint, token, NULL);
	if (section == SECTION_COUNT || config_sections[section].later) {
		if (section == SECTION_COUNT)
			unknown(lint, outer, "section", name);
		else
			problem(lint, name->line, "the section %.*s comes with a later version; remove it",
				SLICE_ARG(name->text));
		skip_section(lint);
		return;
	}
	if (titled != config_sections[section].titled)
		problem(lint, name->line,
			titled ? "found a title, but there is only one section %.*s; expected {"
			       : "the section %.*s needs a title: %.*s \"name\" {",
			SLICE_ARG(name->text), SLICE_ARG(name->text));
	note_section(lint, outer, section, scope.title, name, place);
	body(lint, &scope, place);
}

/* The value after =: one text, or a list in braces. */
static void value(struct lint *lint, const struct config_key *key)
{
	const struct config_token *token = next_token(lint);

	if (config_token_is_text(token)) {
		keep(lint, token, NULL);
		return;
	}
	if (!expect(lint, token, config_token_is_mark(token, '{'), "a value; texts with blanks or signs go in quotes"))
		return;
	if (key && !config_kind_is_list(key->kind))
		problem(lint, token->line, "found a list for %s, expected one value", key->name);
	keep(lint, token, NULL);
	token = next_token(lint);
	while (config_token_is_text(token)) {
		keep(lint, token, NULL);
		token = next_token(lint);
		if (!config_token_is_mark(token, ','))
			break;
		keep(lint, token, NULL);
		token = next_token(lint);
	}
	if (expect(lint, token, config_token_is_mark(token, '}'), "a value, a comma, or } at the end of the list"))
		keep(lint, token, NULL);
}

/* NAME and = or += were read. */
static void key_given(struct lint *lint, struct open_section *scope, const struct config_token *name,
		      const struct config_token *mark)
{
	const struct config_key *key = config_key_find(scope->section, name->text);
	const struct config_place *place = keep(lint, name, NULL);

	keep(lint, mark, NULL);
	if (!key) {
		unknown(lint, scope, "key", name);
	} else if (key->later & (1u << scope->section)) {
		problem(lint, name->line, "%s in %s comes with a later version; remove it", key->name,
			config_sections[scope->section].name);
	} else if (mark->mark == '+' && !config_kind_is_list(key->kind)) {
		problem(lint, name->line, "found += for %s, which is not a list; expected =", key->name);
	} else {
		const struct config_place **written = &scope->written[key - config_keys];

		if (*written && mark->mark != '+')
			duplicate(lint, name->line, "the key", name->text, SLICE_NONE, *written);
		if (!*written)
			*written = place;
	}
	value(lint, key);
}

static bool open_file(struct lint *lint, struct config_file *file, struct slice path, unsigned line);

/* include was read, and (. */
static void include(struct lint *lint, struct open_section *scope, unsigned line)
{
	const struct config_token *token = next_token(lint);
	struct slice name, includer = lint->file->path;
	struct config_file file = {0}, *outer = lint->file;
	struct outbuf path = {0};

	if (!expect(lint, token, token->kind == TOKEN_STRING, "the name of a file in quotes"))
		return;
	name = slice_head(slice_skip(token->text, 1), token->text.len - 2);
	token = next_token(lint);
	if (!expect(lint, token, config_token_is_mark(token, ')'), ") after the name of the file"))
		return;
	if (name.len && name.ptr[0] != '/' && slice_find(includer, '/') < includer.len)
		outbuf_add(&path, slice_head(includer, slice_find_last(includer, '/') + 1));
	outbuf_add(&path, name);
	if (scope->section != SECTION_TOP) {
		problem(lint, line, "found include inside a section, expected it at the top level");
	} else if (open_file(lint, &file, arena_copy(lint->arena, outbuf_slice(&path)), line)) {
		lint->file = &file;
		body(lint, scope, NULL);
		lint->file = outer;
	}
	outbuf_free(&path);
}

static void statement(struct lint *lint, struct open_section *scope, struct config_token name)
{
	const struct config_token *token = next_token(lint);

	if (config_token_is_mark(token, '(') && slice_is(name.text, SLICE("include"))) {
		include(lint, scope, name.line);
	} else if (config_token_is_mark(token, '=') || config_token_is_mark(token, '+')) {
		key_given(lint, scope, &name,
			  &(struct config_token){token->kind, token->mark, token->text, token->line});
	} else if (config_token_is_mark(token, '{') || config_token_is_text(token)) {
		section_begins(lint, scope, &name, token);
	} else {
		char what[80];

		snprintf(what, sizeof(what), "= or { after %s", FOUND(&name));
		expect(lint, token, false, what);
	}
}

/* All statements of a section up to its brace, or of a file up to its end (opened NULL). */
static void body(struct lint *lint, struct open_section *scope, const struct config_place *opened)
{
	for (;;) {
		const struct config_token *token = next_token(lint);

		if (lint->problems.is_broken)
			return;
		if (token->kind == TOKEN_END) {
			if (opened)
				config_broken(&lint->problems, lint->file->path, opened->line,
					      "the section %s%s%.*s%s begins here and is not closed; expected }",
					      config_sections[scope->section].name, scope->title.len ? " \"" : "",
					      SLICE_ARG(scope->title), scope->title.len ? "\"" : "");
			return;
		}
		if (config_token_is_mark(token, '}') && opened) {
			keep(lint, token, opened);
			return;
		}
		if (!expect(lint, token, token->kind == TOKEN_WORD, "the name of a key or section"))
			return;
		statement(lint, scope, *token);
	}
}

static bool read_all(struct lint *lint, int fd, struct config_file *file, unsigned line)
{
	struct outbuf bytes = {0};
	ssize_t n;

	while ((n = read(fd, outbuf_room(&bytes, 65536), 65536)) > 0 && bytes.len <= CONFIG_BYTES_MAX)
		bytes.len += (size_t)n;
	file->rest = arena_copy(lint->arena, outbuf_slice(&bytes));
	file->line = 1;
	outbuf_free(&bytes);
	if (n < 0)
		problem(lint, line, "cannot read %.*s: %s", SLICE_ARG(file->path), strerror(errno));
	else if (file->rest.len > CONFIG_BYTES_MAX)
		problem(lint, line, "%.*s is larger than %u bytes", SLICE_ARG(file->path), CONFIG_BYTES_MAX);
	else
		return true;
	return false;
}

/* A file that includes itself, over whatever others, is found by its inode. */
static bool is_loop(const struct config_file *file)
{
	for (const struct config_file *other = file->includer; other; other = other->includer)
		if (other->inode && other->device == file->device && other->inode == file->inode)
			return true;
	return false;
}

/* Opens an included file (or the first one) and reads it whole. */
static bool open_file(struct lint *lint, struct config_file *file, struct slice path, unsigned line)
{
	char *name = arena_string(lint->arena, path);
	unsigned depth = 0;
	struct stat status;
	bool good = false;
	int fd;

	*file = (struct config_file){.includer = lint->nfiles ? lint->file : NULL, .path = path};
	for (const struct config_file *other = file->includer; other; other = other->includer)
		depth++;
	if (depth > CONFIG_INCLUDE_DEPTH_MAX || lint->nfiles++ >= CONFIG_FILES_MAX) {
		problem(lint, line, "includes are nested more than %d deep, or there are more than %d",
			CONFIG_INCLUDE_DEPTH_MAX, CONFIG_FILES_MAX);
		return false;
	}
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) < 0) {
		problem(lint, line, "cannot open %s: %s", name, strerror(errno));
	} else if (S_ISDIR(status.st_mode)) {
		problem(lint, line, "%s is a directory, expected a file", name);
	} else {
		file->device = status.st_dev;
		file->inode = status.st_ino;
		if (is_loop(file))
			problem(lint, line, "%s includes itself", name);
		else
			good = read_all(lint, fd, file, line);
	}
	if (fd >= 0)
		close(fd);
	return good;
}

static bool finish(struct lint *lint)
{
	outbuf_byte(&lint->text->clean, '\0');
	map_free(&lint->sections);
	return lint->problems.count == 0;
}

bool config_lint(const char *path, struct arena *arena, struct config_text *text, struct outbuf *problems)
{
	struct config_file nowhere = {.path = slice_of(path)}, file;
	struct lint lint = {.arena = arena, .text = text, .problems = {.out = problems}, .file = &nowhere};
	struct open_section scope = {.section = SECTION_TOP};

	if (open_file(&lint, &file, arena_copy(arena, slice_of(path)), 0)) {
		lint.file = &file;
		body(&lint, &scope, NULL);
	}
	return finish(&lint);
}

bool config_lint_text(struct slice bytes, const char *path, struct arena *arena, struct config_text *text,
		      struct outbuf *problems)
{
	struct config_file file = {.path = arena_copy(arena, slice_of(path)), .rest = bytes, .line = 1};
	struct lint lint = {.arena = arena, .text = text, .problems = {.out = problems}, .file = &file, .nfiles = 1};
	struct open_section scope = {.section = SECTION_TOP};

	body(&lint, &scope, NULL);
	return finish(&lint);
}

void config_text_free(struct config_text *text)
{
	outbuf_free(&text->clean);
	free(text->places);
}
