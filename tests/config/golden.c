/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Goldens: cases/NAME.yaml (or a directory of snippets, cases/NAME.d) with NAME.ok, the canonical
 * print, where it has no errors, and NAME.err, the problems, where it has some.
 *
 *	config-golden DIR		compare
 *	config-golden --update DIR	write what is now; look at the difference before you commit
 *
 * A first line "# test: WORD..." bends the machine: unprivileged, sysv, settings (it is a
 * flagman.yaml), owner=UID, mode=MODE, regular, fstat-fails, print (NAME.ok in spite of errors).
 * In a directory the file `test` has that line.  Every print without errors must also parse to the
 * same print.
 */
#include "fake.h"

#include "common/fd.h"
#include "config/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct test {
	const char *name; /* "cases/x.yaml" without its ending */
	const char *path;
	bool directory;
	struct fake fake;
	struct config_options options;
	bool settings, print;
};

static bool update;
static unsigned failures;

static void fail(const struct test *t, const char *what)
{
	fprintf(stderr, "FAIL %s: %s\n", t->name, what);
	failures++;
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;
	ssize_t n;

	if (!f)
		return NULL;
	n = getdelim(&text, &size, '\0', f);
	fclose(f);
	if (n < 0) { /* empty */
		free(text);
		return strdup("");
	}
	return text;
}

/* ---- options ---- */

static void use_word(struct test *t, const char *word)
{
	if (strcmp(word, "unprivileged") == 0) {
		t->options.privileged = false;
		t->options.trusted_uid = t->options.agent_uid = FAKE_UID_ALICE;
	} else if (strcmp(word, "sysv") == 0) {
		t->fake.systemd = false;
	} else if (strcmp(word, "settings") == 0) {
		t->settings = true;
	} else if (strcmp(word, "regular") == 0) {
		t->fake.as_regular = true;
	} else if (strcmp(word, "fstat-fails") == 0) {
		t->fake.fstat_fails = true;
	} else if (strcmp(word, "print") == 0) {
		t->print = true;
	} else if (strncmp(word, "owner=", 6) == 0) {
		t->fake.file_uid = (uid_t)atoi(word + 6);
	} else if (strncmp(word, "mode=", 5) == 0) {
		t->fake.file_mode = (mode_t)strtoul(word + 5, NULL, 8);
	} else {
		fprintf(stderr, "%s: unknown word \"%s\"\n", t->name, word);
		exit(2);
	}
}

static void read_words(struct test *t)
{
	char path[512], line[256] = "", *save = NULL;
	FILE *f;

	snprintf(path, sizeof(path), t->directory ? "%s/test" : "%s", t->path);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(line, sizeof(line), f) && strncmp(line, "# test:", 7) == 0)
		for (char *w = strtok_r(line + 7, " \n", &save); w;
			w = strtok_r(NULL, " \n", &save))
			use_word(t, w);
	fclose(f);
}

/* ---- one case ---- */

static struct config *load(const struct test *t, const char *path)
{
	struct config_options o = t->options;
	char *files[] = {(char *)(uintptr_t)path, NULL}, *none[] = {NULL};
	struct config *c = NULL;
	int r;

	if (t->settings) {
		o.main_file = path;
		o.files = none;
	} else if (t->directory && path == t->path) {
		o.conf_dir = path;
	} else {
		o.files = files;
	}
	fake_use(&t->fake);
	r = config_load(&o, &c);
	if (r < 0)
		fail(t, strerror(-r));
	return c;
}

static char *problems_text(const struct config *c)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	config_print_problems(c, f);
	fclose(f);
	return text;
}

static char *print_text(const struct test *t, const struct config *c)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fake_use(&t->fake);
	if (config_print(c, f, true) < 0)
		fail(t, "can't be printed");
	fclose(f);
	return text;
}

/* TEXT is what NAME.SUFFIX should have; NULL: there should be none. */
static void compare(const struct test *t, const char *suffix, const char *text)
{
	_cleanup_free_ char *expected = NULL;
	char path[512];

	snprintf(path, sizeof(path), "%s.%s", t->name, suffix);
	if (update && text) {
		FILE *f = fopen(path, "we");

		if (!f || fputs(text, f) < 0 || fclose(f) != 0)
			fail(t, "can't be written");
		return;
	}
	if (update) {
		unlink(path);
		return;
	}
	expected = read_file(path);
	if (!expected && !text)
		return;
	if (expected && text && strcmp(expected, text) == 0)
		return;
	fail(t, suffix);
	fprintf(stderr, "--- expected\n%s--- is\n%s", expected ? expected : "(nothing)\n",
		text ? text : "(nothing)\n");
}

/* What was printed says the same. */
static void check_round_trip(const struct test *t, const char *printed)
{
	_cleanup_close_ int fd = memfd_create("printed", MFD_CLOEXEC);
	_cleanup_free_ char *again = NULL, *problems = NULL;
	struct test plain = *t;
	struct config *c;
	char path[64];

	if (fd < 0 || write_all(fd, printed, strlen(printed)) < 0) {
		fail(t, "no memfd");
		return;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	plain.fake.as_regular = true;
	plain.settings = false;
	plain.directory = false;
	c = load(&plain, path);
	if (!c)
		return;
	problems = problems_text(c);
	again = print_text(t, c);
	if (c->n_errors)
		fail(t, "its print has errors");
	if (c->n_errors || (!t->settings && strcmp(again, printed) != 0)) {
		fail(t, "its print does not print the same");
		fprintf(stderr, "%s--- printed\n%s--- again\n%s", problems, printed, again);
	}
	config_free(c);
}

/* Saved as last good version, and recalled when the files are of no use, it is the same, too. */
static void check_last_good(const struct test *t, const struct config *c, const char *printed)
{
	char dir[] = "/tmp/flagman-golden-XXXXXX", path[64];
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *again = NULL;
	struct test broken = *t;
	struct config *old;

	if (!mkdtemp(dir) || (fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		fail(t, "no directory for temporary files");
		return;
	}
	snprintf(path, sizeof(path), "%s/last-good.yaml", dir);
	fake_use(&t->fake);
	if (config_save_last_good(c, fd, "last-good.yaml") < 0)
		fail(t, "can't be saved");
	broken.options.last_good = path;
	broken.fake.fstat_fails = true;
	old = load(&broken, t->path);
	if (old) {
		again = print_text(t, old);
		if (strcmp(again, printed) != 0) {
			fail(t, "its last good version is another one");
			fprintf(stderr, "--- printed\n%s--- recalled\n%s", printed, again);
		}
	}
	config_free(old);
	unlink(path);
	rmdir(dir);
}

static void run(struct test *t)
{
	_cleanup_free_ char *problems = NULL, *printed = NULL;
	struct config *c = load(t, t->path);

	if (!c)
		return;
	problems = problems_text(c);
	printed = print_text(t, c);
	compare(t, "err", c->n_problems ? problems : NULL);
	compare(t, "ok", c->n_errors == 0 || t->print ? printed : NULL);
	if (c->n_errors == 0) {
		check_round_trip(t, printed);
		if (!t->settings)
			check_last_good(t, c, printed);
	}
	config_free(c);
}

static int is_case(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');

	return dot && dot != d->d_name && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".d") == 0);
}

int main(int argc, char **argv)
{
	struct dirent **list = NULL;
	int n;

	update = argc == 3 && strcmp(argv[1], "--update") == 0;
	if (argc != 2 + update || chdir(argv[argc - 1]) < 0) {
		fprintf(stderr, "usage: %s [--update] DIR\n", argv[0]);
		return 2;
	}
	n = scandir(".", &list, is_case, alphasort);
	for (int i = 0; i < n; i++) {
		struct test t = {
			.path = list[i]->d_name,
			.directory = strcmp(strrchr(list[i]->d_name, '.'), ".d") == 0,
			.fake = fake_plain,
			.options =
				{
					.privileged = true,
					.agent_uid = FAKE_UID_FLAGMAN,
					.disc_program = "/usr/libexec/flagman/flagman-disc",
				},
		};
		char name[256];

		snprintf(name, sizeof(name), "%.*s", (int)(strrchr(t.path, '.') - t.path), t.path);
		t.name = name;
		read_words(&t);
		run(&t);
		free(list[i]);
	}
	free(list);
	printf("%d cases, %u failures\n", n, failures);
	return n <= 0 || failures > 0;
}
