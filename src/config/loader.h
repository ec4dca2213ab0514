/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of config_load(): what its parts share.
 *
 *	load.c		the order of things
 *	source.c	files: trust, reading, what conf.d has
 *	yaml.c		text to nodes; riddle.c puts libyaml's complaints into words
 *	document.c	one document to fragments; action.c, what.c, disc.c: one action
 *	read.c		the value of a key, by its type; identity.c: users and groups
 *	merge.c		fragments to groups
 *	check.c		a group as a whole: paths, names, who may press
 *	cross.c		groups against each other
 *	lastgood.c	what stands in for a fragment with errors
 *	print.c, describe.c	back to YAML; schema to JSON and mdoc
 *
 * A fragment is what one file says of one group of one object.  Errors belong to a fragment and are
 * all found; a fragment with errors is replaced as a whole.
 */
#ifndef FLAGMAN_CONFIG_LOADER_H
#define FLAGMAN_CONFIG_LOADER_H

#include "config/arena.h"
#include "config/config.h"
#include "config/hooks.h"
#include "config/node.h"
#include "config/schema.h"
#include "config/values.h"

#define PROBLEMS_MAX 1000

/* An action while its keys are read: what it inherits, then what it says. */
struct draft {
	struct press press;
	struct how how;
	char *description;
	const struct drop *drop;
	struct key_set set; /* said by it or by what it inherits from */
};

/* Options of burn, verify and eject: they become arguments. */
struct disc {
	char *device, *speed, *image;
	bool verify, eject, blank, dummy, multi_session, close;
};

/* Where the value of a key of the group stands; line 0: nowhere. */
struct spot {
	unsigned line, column;
};
#define SPOTS (KEY_LABELS - KEY_GROUP_NAME + 1)

struct fragment {
	struct spot spots[SPOTS];
	struct group group; /* what was said; the rest is zero */
	struct key_set set; /* keys of the group that were said */
	char *message;      /* the first error, whole; NULL: good */
	unsigned order;     /* in which it was read */
	bool old;           /* a last good version: what others say of the group goes first */
	bool recalled;      /* has errors, and its last good version was looked for */
	bool replaced;      /* ... and found */
	bool live;          /* what is in force comes from its file */
};

/* Keys that a mapping has and that do not simply fill a slot: for the caller. */
#define FOUND_MAX 16
struct found {
	const struct key *key;
	const struct node *at, *value;
};

/* What the keys of a mapping fill. */
struct scope {
	struct group *group;
	struct draft *draft;
	struct drop *drop;
	struct disc *disc;
	struct settings *settings;
	struct spot *spots;  /* of the group's keys, or NULL */
	char **labels;       /* STATE_MAX_ of them */
	char **plain;        /* one text that has no home */
	struct key_set *set; /* keys said; those of a draft go into its own set */
	struct found found[FOUND_MAX];
	size_t n_found;
};

struct identity {
	const char *name; /* interned */
	bool known;
	struct account user;
	gid_t gid;
};

struct identity_cache {
	struct identity *entries;
	size_t n, cap;
};

/* A file that could not be used as it is: its groups are looked for in the last good versions. */
struct broken_file {
	const char *file;
	char *message;
	bool whole;    /* else: some document did not say whose it is */
	bool recalled; /* its last good versions were looked for */
};

#define PLACES_MAX 32
struct checked_place {
	const char *path, *real; /* interned */
	uid_t uid;
	gid_t gid;
};

struct loader {
	const struct config_options *options;
	const struct config_hooks *hooks;
	struct config *config;
	struct config_arena *arena;   /* the configuration's */
	struct config_arena *scratch; /* one document's nodes */
	const char *file;             /* interned: the one being read */
	const char *object, *group;   /* whose problems these are, or NULL */
	size_t errors;                /* counted even when mute */
	bool mute;                    /* an old version: nobody needs to hear of it */
	char *first;                  /* the first error since it was set to NULL */
	struct problem *problems;
	size_t n_problems, problems_cap;
	size_t n_untold; /* beyond PROBLEMS_MAX */
	struct fragment *fragments;
	size_t n_fragments, fragments_cap;
	struct broken_file *broken;
	size_t n_broken;
	struct draft defaults;
	struct identity_cache users, groups;
	struct wanted *wanted; /* lastgood.c: what is looked for */
	bool reading_old;      /* keys of the last good versions' file may stand */
	char *text;            /* of the file being read; kept for the next */
	size_t text_len, text_cap;
	struct group group_defaults;
	bool systemd; /* valid once there is a service_program */
	const char *service_program;
	char **good_labels;                      /* those that were found good last */
	struct checked_place places[PLACES_MAX]; /* directories that were found good */
	size_t n_places;
	struct config_arena *programs;  /* paths of those that are there */
	struct config_arena *temporary; /* until the load is over */
	struct config_arena *names;     /* those that were found good, also until then */
	int error;                      /* -ENOMEM sticks */
};

/* problems.c: all messages go through these two, each with a literal format that has a golden. */
bool wrong_at(struct loader *l, const struct place *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4))); /* returns false */
bool wrong(struct loader *l, const struct node *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4))); /* returns false */
void warn_of(struct loader *l, const struct node *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
struct place node_place(const struct loader *l, const struct node *n);
char *place_words(struct loader *l, const struct place *p); /* "file:line:column" */
int problems_finish(struct loader *l);                      /* sorts them into the configuration */

/* read.c: false when there was an error. */
const struct node *scope_find(const struct scope *s, enum key_id id);
bool read_table(struct loader *l, const struct node *map, enum where where, struct scope *s);
bool read_value(struct loader *l, const struct key *k, const struct node *v, struct scope *s);
bool want_scalar(struct loader *l, const char *what, const struct node *v);
bool want_map(struct loader *l, const char *what, const struct node *v);
bool want_list(struct loader *l, const char *what, const struct node *v);
bool check_not_odd(struct loader *l, const char *what, const struct node *v);
uint64_t all_capabilities(void);
/* Every required key of W is in SET. */
bool require_keys(struct loader *l, const struct node *at, enum where w, const struct key_set *set);
/* Arrays of interned strings, themselves interned; NULL-terminated. */
char **unique_strings(struct loader *l, const char *const *strings, size_t n);

/* identity.c */
bool read_user(struct loader *l, const struct key *k, const struct node *v, uid_t *ret);
bool read_group(struct loader *l, const struct key *k, const struct node *v, gid_t *ret);
bool read_run_as(struct loader *l, const struct node *v, struct draft *d);
bool read_run_groups(struct loader *l, const struct key *k, const struct node *v, struct draft *d);
/* An ordinary user's instance where nothing was said: itself. */
void default_run_as(struct loader *l, struct draft *d);
const char *user_name(struct loader *l, uid_t uid, char buf[static 24]);
const char *group_name(struct loader *l, gid_t gid, char buf[static 24]);
void identity_done(struct identity_cache *c);

/* document.c */
bool read_document(struct loader *l, const struct node *doc);
struct fragment *new_fragment(struct loader *l);
/* action.c: A is filled; false: it has errors, but its name is there if that can be told. */
bool read_action(
	struct loader *l, const struct node *item, const struct draft *base, struct action *a);
const struct node *unwrap_action(struct loader *l, const struct node *item);
bool finish_draft(struct loader *l, const struct node *at, struct draft *d);
/* what.c: what an action runs, from the one key that says so. */
bool read_what(struct loader *l, const struct key *k, const struct node *v, struct draft *d,
	struct action *a);
/* disc.c */
bool read_disc(struct loader *l, const struct key *k, const struct node *v, struct draft *d,
	struct action *a);

/* load.c */
bool out_of_memory(const struct loader *l);

/* settings.c */
void read_settings(struct loader *l);

/* source.c */
int read_sources(struct loader *l);
bool open_trusted(struct loader *l, const char *path, int *ret_fd);
bool read_text(struct loader *l, int fd);
bool read_documents(struct loader *l, bool (*each)(struct loader *, const struct node *));

/* riddle.c: what libyaml means, in a plain sentence; BUF is returned, *AT the better place. */
void riddle(struct loader *l, const struct yaml_trouble *t);

/* merge.c, and what merge.h has */
int merge_fragments(struct loader *l);

#endif
