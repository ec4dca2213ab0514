/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: conf.d/ *.yaml to plain structs, with every mistake found at once.
 *
 * Owns: the schema (schema.c, one table of keys from which parser, `flagman check`, the man page's
 * table and the JSON Schema come), the reading of YAML (yaml.c, the only file with yaml.h), trust
 * checks of the files, cross-checks, the last good versions.  Only the executor and `flagman
 * check|new|sudoers|samba` link it: commands, environment and secrets never leave the executor.
 *
 *	struct config_options o = {...};
 *	struct config *c;
 *	config_load(&o, &c);              0 even when there are errors: they are in c->problems
 *	... config_find(c, "Apache", "") ...
 *	config_free(c);
 *
 * Everything below a struct config is owned by it.  Strings are NFC.  Values that most actions
 * share (struct press, struct how) are interned: compare pointers, never free one.
 */
#ifndef FLAGMAN_CONFIG_H
#define FLAGMAN_CONFIG_H

#include "common/names.h"
#include "common/policy.h"
#include "common/states.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

/* How presses of an action are taken.  Times in us; USEC_INFINITY is "never". */
struct press {
	uint32_t triggers; /* TRIGGER_BIT()s: delete, move */
	uint64_t hold, cooldown, result_delay, failed_delay;
	uint64_t confirm; /* 0: no */
	enum serialise serialise;
	enum when_busy when_busy;
	enum while_running while_running;
	char **locks; /* NULL-terminated, sorted */
	uint32_t start_limit_burst;
	uint64_t start_limit_interval;
	bool cancel_by_press;
	enum missed missed;
	uint64_t missed_at_most;
	uint64_t timeout; /* here too, for the agent's texts */
};

/* Who runs a command, and how: the words of systemd.exec(5). */
struct how {
	bool user_set; /* false only for an ordinary user's instance */
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary */
	size_t n_groups;
	char *user_name, *home, *shell; /* for USER, LOGNAME, HOME, SHELL */
	uint64_t ambient;               /* bits by capability number */
	uint64_t bounding;              /* what stays in the bounding set */
	bool no_new_privileges;
	char *selinux_context;   /* or NULL */
	char **environment;      /* NULL-terminated "NAME=value", in order */
	char *environment_file;  /* or NULL; read at each run by the executor; leading '-': optional
				  */
	char *working_directory; /* or NULL: / for root, "~" is the home */
	mode_t umask;
	int nice;
	struct rlimit limits[RLIM_NLIMITS];
	uint32_t limits_set; /* bit by RLIMIT_ number */
	uint64_t timeout, stop_grace;
	enum leftovers leftovers;
	uint8_t success[32]; /* bitmap of exit statuses that are a success */
	uint64_t output_limit;
	enum via via;
	char *apparmor_profile; /* or NULL: flagman's own for such an action, where it is loaded */
};

enum service_verb { SERVICE_RESTART, SERVICE_START, SERVICE_STOP, SERVICE_RELOAD };

enum action_type {
	ACTION_COMMAND,
	ACTION_SCRIPT,
	ACTION_SERVICE,
	ACTION_BURN,
	ACTION_VERIFY,
	ACTION_EJECT,
};

struct drop {
	char *folder;
	char **accept;                /* NULL-terminated patterns */
	uint64_t max_size, max_total; /* bytes; UINT64_MAX: none */
	uint64_t settle, keep_failed;
	enum after after;
};

struct place {
	const char *file;      /* interned, as given: "/etc/flagman/conf.d/apache.yaml" */
	unsigned line, column; /* from 1 */
};

struct action {
	char *name;
	char *description; /* or NULL */
	enum action_type type;
	char **argv;  /* what is run, for every type; a script is {"/bin/sh", "-e"} + script */
	char *script; /* ACTION_SCRIPT: its text; handed to the shell by descriptor */
	const struct press *press;
	const struct how *how;
	const struct drop *drop; /* or NULL */
	/* Or NULL: the message that its flag shows.  Nothing of it is run: argv is empty, how->uid
	 * is (uid_t)-1, press has the defaults, drop is NULL. */
	char *misconfigured;
	struct place place;
};

struct group {
	char *object;
	char *name;        /* "" for the only group */
	char *description; /* or NULL */
	char *path;        /* directory.path, absolute, clean */
	const char *real;  /* where its symlinks led when it was read: what is opened */
	uid_t dir_uid;
	gid_t dir_gid;
	mode_t dir_mode;
	enum access access;
	bool file_uid_set;
	uid_t file_uid; /* where not set: the agent's */
	gid_t file_gid;
	mode_t file_mode;
	char *run_folder; /* NULL where press-only or no action has trigger move */
	char **trash_folders;
	enum moniker moniker;
	char **labels; /* STATE_MAX_ of them, interned; NULL within: English */
	struct action *actions;
	size_t n_actions;
	bool last_good; /* this is not what the file says now: that has errors */
	struct place place;
};

/* flagman.yaml: what is not per object. */
struct settings {
	uint32_t history_runs;  /* kept for each action; 100 */
	uint64_t history_age;   /* 90 d */
	uint64_t history_size;  /* bytes of output kept in all; 64 MiB */
	uint32_t ready_runners; /* 1 */
	uint32_t max_runs;      /* at once, in all; 512 */
	uint64_t reserve;       /* bytes of the reserve file on each file system; 64 KiB */
	char *samba_audit;      /* "journal" or the path of a log; NULL: not followed */
};

enum severity { SEVERITY_ERROR, SEVERITY_WARNING };

struct problem {
	enum severity severity;
	struct place place;   /* line 0: the file as a whole */
	char *message;        /* one line, in words, with the suggestion */
	char *object, *group; /* what it harms, or NULL */
};

struct config {
	struct settings settings;
	struct group *groups; /* sorted by object, then name */
	size_t n_groups;
	size_t n_actions;
	struct problem *problems; /* in order of file, line, column */
	size_t n_problems;
	size_t n_errors;
	struct config_arena *arena; /* everything's memory */
};

struct config_options {
	const char *conf_dir;  /* NULL with FILES */
	const char *main_file; /* flagman.yaml, or NULL; missing is fine */
	char **files;          /* instead of conf_dir: `flagman check PATH...`; NULL-terminated */
	bool privileged;       /* runs as root: user required, root must be written, ... */
	bool skip_trust;       /* `check` of a draft: who owns the file does not matter */
	uid_t trusted_uid;     /* besides root: may own the files (an ordinary instance's user) */
	uid_t agent_uid;       /* flagman's user, for checks */
	const char *disc_program;  /* path of flagman-disc */
	const struct config *live; /* the definition that a clash leaves in force, or NULL */
	const char *last_good;     /* file of last good versions, or NULL; LIVE goes before it */
};

/*
 * Reads all of it.  A group with errors is replaced by its last good version (live or from the
 * file), or, where there is none but its object, path and action names can be told, has its
 * actions `misconfigured`.  Returns 0 or -errno only for what is not the configuration's fault
 * (-ENOMEM, conf_dir unreadable).  *RET is untouched on failure.
 */
int config_load(const struct config_options *options, struct config **ret);
void config_free(struct config *c);

/* NULL if there is none. */
const struct group *config_find(const struct config *c, const char *object, const char *group);

/* Writes the last good versions (YAML, 0600, temporary and rename) below DIRFD. 0 or -errno. */
int config_save_last_good(const struct config *c, int dirfd, const char *name);

/* "file:line:column: error: message\n" for each problem. */
void config_print_problems(const struct config *c, FILE *out);
/* The whole configuration with its defaults, as YAML that parses to the same; environment values
 * are shown as "..." unless SECRETS. */
int config_print(const struct config *c, FILE *out, bool secrets);

/* Generated from the schema. */
void config_print_json_schema(FILE *out);
void config_print_man_table(FILE *out); /* mdoc */

#endif
