/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The canonical YAML of a configuration: for people with every default, for the file of last good
 * versions without.  Blocks that many actions share are put together once and kept.
 */
#ifndef FLAGMAN_CONFIG_PRINT_H
#define FLAGMAN_CONFIG_PRINT_H

#include "config/loader.h"

#include <stdio.h>

#define PRINT_CACHE 64

struct block {
	const void *of; /* struct press or struct how */
	char *text;
};

struct printer {
	struct loader *l; /* for names of users and groups, and the defaults */
	FILE *out;
	bool secrets;          /* values of environment variables are shown */
	bool compact;          /* what is as by default is left out */
	char *defaults[KEY_N]; /* compact: how a default is printed, or NULL */
	struct block press[PRINT_CACHE], how[PRINT_CACHE];
	size_t n_press, n_how; /* ever made; the cache is a ring */
};

int printer_init(struct printer *p, struct loader *l, FILE *out, bool secrets, bool compact);
void printer_done(struct printer *p);

/* print_value.c */
void put_quoted(FILE *out, const char *s);
void put_text(FILE *out, const char *s); /* quoted where it must be */
void put_list(FILE *out, char *const *strings);
/* A text of lines as a block below a key, INDENT before each; with the newline. */
void put_script(FILE *out, const char *s, const char *indent);
/* The value at SLOT; HOW where it is one of a command's. */
void put_value(
	struct printer *p, FILE *out, const struct key *k, const char *slot, const struct how *how);

/* One document.  FILE: only the actions that come from it, and say so; NULL: all. */
void print_group(struct printer *p, const struct group *g, const char *file);

/* The part of G that comes from FILE can be printed and read again. */
bool is_printable(const struct group *g, const char *file);

/* load.c: a loader that has the defaults and nothing else; loader_finish() also after a failure. */
int loader_start(struct loader *l, const struct config_options *options);
void loader_finish(struct loader *l);

#endif
