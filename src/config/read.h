/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Readers of values, one for each type of the schema.  Each takes the node at V for the key K into
 * SLOT, or says what is wrong with it and returns false; SLOT is untouched then.
 */
#ifndef FLAGMAN_CONFIG_READ_H
#define FLAGMAN_CONFIG_READ_H

#include "config/loader.h"

#define TEXT_LIMIT  4000    /* bytes of a description */
#define LIST_LIMIT  256     /* entries of a list of names */
#define VALUE_LIMIT 131072U /* bytes of an environment variable, as the kernel has it */

typedef bool reader(struct loader *l, const struct key *k, const struct node *v, void *slot);

/* read_number.c */
reader read_bool;
reader read_duration;
reader read_confirm;
reader read_size;
reader read_count;
reader read_nice;
reader read_mode;
reader read_word;
reader read_triggers;
reader read_statuses;
/* Also notes in D that the limit is set. */
bool read_limit(
	struct loader *l, const struct key *k, const struct node *v, void *slot, struct draft *d);

/* read_text.c */
reader read_name;
reader read_text_value;
reader read_names;
reader read_path;
reader read_context;
reader read_workdir;
reader read_journal;
reader read_profile;
reader read_unit;
reader read_device;
reader read_speed;
reader read_label; /* SLOT is an array of labels, by state */
/* The one copy of S; in NFC.  NULL: out of memory, or not UTF-8. */
char *keep(struct loader *l, const char *s);
char *keep_nfc(struct loader *l, const char *s);

/* read_exec.c */
reader read_caps;
reader read_environment;

/* read.c: a value that may be one or a list of them: the Nth, or NULL behind the last. */
const struct node *entry(const struct node *v, uint32_t i);
uint32_t n_entries(const struct node *v);

#endif
