/* Runs a fuzz target without a fuzzer, so that `make check` can do it with gcc in a second:
 *
 *     build/tests/fuzz/reply_fuzz [-n COUNT] [-s SEED] DIR|FILE...
 *
 * Every file is run as it is, then COUNT mutations of them (1000 by default): bytes changed, cut, doubled, inserted,
 * joined with another file, numbers pushed to their limits. The same SEED (1 by default) makes the same mutations.
 * A target fails by ending the process, or by taking over ten seconds; what it was given is then in crash.bin, to be
 * run again by itself, and its number and seed are printed. With clang, link the target with -fsanitize=fuzzer instead
 * of this file. */
#include "base/check.h"
#include "base/outbuf.h"
#include "base/random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 16, FILES_MAX = 4096, PATIENCE_S = 10 };

static struct outbuf files[FILES_MAX];
static size_t nfiles;
static struct {
	const uint8_t *data;
	size_t size;
	unsigned long long number, seed;
} running;

/* Of the sanitizers, where they are linked in. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

/* Formatting into a buffer of our own is no more than the handler of a signal may do. */
static void keep_input(void)
{
	char text[128];
	int fd = open("crash.bin", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int len = snprintf(text, sizeof(text), "fuzz: input %llu of seed %llu failed; it is in crash.bin\n",
			   running.number, running.seed);

	if (fd < 0 || write(fd, running.data, running.size) < 0 || write(STDERR_FILENO, text, (size_t)len) < 0)
		_exit(3);
}

static void on_signal(int number)
{
	keep_input();
	signal(number, SIG_DFL);
	raise(number);
}

static void watch(void)
{
	signal(SIGABRT, on_signal);
	signal(SIGALRM, on_signal);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(keep_input); /* it reports a bad access better than we would */
	else
		signal(SIGSEGV, on_signal);
}

/* In memory of exactly its size, so that a sanitizer sees the first byte too far. */
static void run(struct slice input)
{
	uint8_t *copy = malloc(input.len ? input.len : 1);

	CHECK(copy != NULL);
	if (input.len)
		memcpy(copy, input.ptr, input.len);
	running.data = copy;
	running.size = input.len;
	running.number++;
	alarm(PATIENCE_S);
	LLVMFuzzerTestOneInput(copy, input.len);
	alarm(0);
	free(copy);
}

static void read_file(const char *path)
{
	FILE *file = fopen(path, "rbe");

	if (!file || nfiles == FILES_MAX) {
		fprintf(stderr, "fuzz: cannot read %s: %s\n", path, file ? "too many files" : strerror(errno));
		exit(2);
	}
	struct outbuf *bytes = &files[nfiles++];

	bytes->len = fread(outbuf_room(bytes, INPUT_MAX), 1, INPUT_MAX, file);
	fclose(file);
}

static int is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* In order of names, so that a seed means the same on every file system. */
static void read_path(const char *path)
{
	struct stat about;
	struct dirent **entries;

	if (stat(path, &about) == 0 && !S_ISDIR(about.st_mode)) {
		read_file(path);
		return;
	}
	int count = scandir(path, &entries, is_shown, alphasort);

	if (count < 0) {
		fprintf(stderr, "fuzz: cannot read %s: %s; name a corpus directory or files\n", path, strerror(errno));
		exit(2);
	}
	for (int i = 0; i < count; i++) {
		char inside[4096];

		snprintf(inside, sizeof(inside), "%s/%s", path, entries[i]->d_name);
		read_path(inside);
		free(entries[i]);
	}
	free(entries);
}

static void replace(struct outbuf *input, size_t at, size_t gone, struct slice come)
{
	struct outbuf made = {0};

	outbuf_add(&made, slice_head(outbuf_slice(input), at));
	outbuf_add(&made, come);
	outbuf_add(&made, slice_skip(outbuf_slice(input), at + gone));
	made.len = made.len < INPUT_MAX ? made.len : INPUT_MAX;
	outbuf_free(input);
	*input = made;
}

static struct slice word(struct random *random)
{
	static const char *const words[] = {"\r\n", "\n",	"\r", ".",  "..",  "\r\n.\r\n",	 " ",
					    ":",    "-",	"0",  "-1", "999", "4294967296", "18446744073709551615",
					    "\xff", "\xc3\xa9", "{",  "}",  "\"",  "\\u0000",	 "%s",
					    "<>",   "@",	"$",  "*",  "{{",  "}}",	 "null"};
	uint64_t which = random_below(random, sizeof(words) / sizeof(words[0]) + 1);

	return which == 0 ? SLICE("\0") : slice_of(words[which - 1]);
}

/* One change; few bytes or a stretch, chosen by dice. */
static void mutate(struct outbuf *input, struct random *random)
{
	size_t at = random_below(random, input->len + 1), rest = input->len - at;
	size_t some = random_below(random, (rest < 16 || random_below(random, 4) ? (rest < 16 ? rest : 16) : rest) + 1);
	struct slice stretch = slice_head(slice_skip(outbuf_slice(input), at), some);
	const struct outbuf *other = &files[random_below(random, nfiles)];
	size_t from = random_below(random, other->len + 1);

	switch (random_below(random, 7)) {
	case 0: replace(input, at, some, SLICE_NONE); return;
	case 1: replace(input, at, 0, stretch); return; /* doubled */
	case 2: replace(input, at, 0, word(random)); return;
	case 3: replace(input, at, some, word(random)); return;
	case 4: replace(input, at, rest, slice_skip(outbuf_slice(other), from)); return;
	case 5: replace(input, at, rest, SLICE_NONE); return;
	default:
		if (rest == 0)
			return;
		if (random_below(random, 2))
			input->ptr[at] = (char)random_next(random);
		else
			input->ptr[at] ^= (char)(1 << random_below(random, 8));
	}
}

static void run_mutations(unsigned long long count, struct random *random)
{
	for (unsigned long long i = 0; i < count; i++) {
		struct outbuf input = {0};
		uint64_t changes = 1 + random_below(random, 8);

		outbuf_add(&input, outbuf_slice(&files[random_below(random, nfiles)]));
		while (changes-- > 0)
			mutate(&input, random);
		run(outbuf_slice(&input));
		outbuf_free(&input);
	}
}

static unsigned long long number_of(const char *text)
{
	uint64_t n;

	if (!slice_number(slice_of(text), UINT64_MAX, &n)) {
		fprintf(stderr, "fuzz: %s is not a number\n", text);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	unsigned long long count = 1000;
	int option;

	running.seed = 1;
	while ((option = getopt(argc, argv, "n:s:")) != -1) {
		if (option == '?') {
			fprintf(stderr, "usage: %s [-n COUNT] [-s SEED] DIR|FILE...\n", argv[0]);
			return 2;
		}
		*(option == 'n' ? &count : &running.seed) = number_of(optarg);
	}
	for (int i = optind; i < argc; i++)
		read_path(argv[i]);
	if (nfiles == 0) {
		fprintf(stderr, "fuzz: no file to begin with; usage: %s [-n COUNT] [-s SEED] DIR|FILE...\n", argv[0]);
		return 2;
	}
	watch();
	struct random random = random_seeded(running.seed);

	for (size_t i = 0; i < nfiles; i++)
		run(outbuf_slice(&files[i]));
	run_mutations(count, &random);
	for (size_t i = 0; i < nfiles; i++)
		outbuf_free(&files[i]);
	printf("%llu passed, 0 failed\n", running.number);
	return 0;
}
