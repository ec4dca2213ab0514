/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What smbd would do, in the words of testparm(1) -s -v: every section's own settings and, in
 * [global], the value of everything else.  Pure: text in, answers out; smbconf_run() gets the text.
 */
#ifndef FLAGMAN_CLI_SMBCONF_H
#define FLAGMAN_CLI_SMBCONF_H

#include <stdbool.h>
#include <stddef.h>

struct smbconf_setting {
	char *key, *value; /* owned */
};

struct smbconf_section {
	char *name; /* owned */
	struct smbconf_setting *settings;
	size_t n_settings;
};

struct smbconf {
	struct smbconf_section *sections;
	size_t n_sections;
};

/* 0 or -ENOMEM. */
int smbconf_parse(const char *text, struct smbconf *ret);
void smbconf_done(struct smbconf *c);

/* Runs testparm on FILE (NULL: its default).  0; -ENOENT: no testparm; -EINVAL: it refused;
 * -errno. */
int smbconf_run(const char *file, struct smbconf *ret);

/* The section's value, else that of [global], else "".  Keys as testparm spells them. */
const char *smbconf_get(const struct smbconf *c, const struct smbconf_section *s, const char *key);
/* testparm's Yes. */
bool smbconf_yes(const struct smbconf *c, const struct smbconf_section *s, const char *key);
/* Is WORD one of the value's words, which blanks or commas part? */
bool smbconf_has_word(const struct smbconf *c, const struct smbconf_section *s, const char *key,
	const char *word);
/* Is PATTERN one of the value's slash-parted patterns (`veto files`)? */
bool smbconf_has_pattern(const struct smbconf *c, const struct smbconf_section *s, const char *key,
	const char *pattern);

/* The share that has PATH or what is nearest above it; NULL. */
const struct smbconf_section *smbconf_cover(const struct smbconf *c, const char *path);
/* Have both the same directory? */
bool smbconf_same_path(const struct smbconf_section *a, const struct smbconf_section *b);
/* Has its path a macro (%U), so that it may be PATH for somebody? */
bool smbconf_may_cover(const struct smbconf_section *s, const char *path);

#endif
