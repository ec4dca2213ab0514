/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flagman doctor: each look adds what it found and what to do about it, and what it could not see.
 * Looks change nothing and need no root; what only root could tell is said to be unseen.
 */
#ifndef FLAGMAN_CLI_DOCTOR_H
#define FLAGMAN_CLI_DOCTOR_H

#include "cli/cli.h"
#include "cli/load.h"
#include "config/config.h"
#include "wire/control.h"

#include <stdbool.h>
#include <stddef.h>

struct finding {
	/* "service", "configuration", "directory", "share", "samba", "command", "drive", "selinux",
	 * "apparmor", "limits", "user" */
	const char *area;
	char *message; /* what is wrong: one line; owned */
	char *advice;  /* what to do: one line; owned; NULL in what was not seen */
};

/* A button that the service has. */
struct live_action {
	char *name; /* OBJECT[/GROUP]/ACTION; owned */
	bool misconfigured;
};

struct doctor {
	const struct cli *cli;
	const struct load *load;
	const struct config *config;       /* NULL: could not be read */
	struct finding *findings, *unseen; /* owned */
	size_t n_findings, n_unseen;
	struct live_action *live; /* owned; what the service answered, if it did */
	size_t n_live;
	bool replaced; /* another program runs than is installed, and that was said */
	bool asked;    /* all that it has is in LIVE */
};

void doctor_found(struct doctor *d, const char *area, const char *advice, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void doctor_advise(struct doctor *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3))); /* the advice of the latest finding */
void doctor_unseen(struct doctor *d, const char *area, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The looks, one a file where the file's name says so. */
void doctor_service(struct doctor *d); /* does it run, what does it say; flags that are missing */
void doctor_live(struct doctor *d);    /* does it have what the files say? */
/* Before them all: whoever has just written a snippet is not told that it has no effect.  Waits for
 * a moment until it has. */
void doctor_await(const struct doctor *d);
/* Fills d->live.  0 or an exit status; nothing is found. */
int doctor_ask_live(struct doctor *d);
void doctor_done(struct doctor *d);
void doctor_conf_dir(struct doctor *d);    /* owners and modes; what check finds */
void doctor_snippets(struct doctor *d);    /* what is never read */
void doctor_directories(struct doctor *d); /* owners, modes, file systems */
void doctor_ways(struct doctor *d);        /* directories above, for agent and members */
void doctor_commands(struct doctor *d);    /* programs, directories, units */
void doctor_drives(struct doctor *d);
void doctor_shares(struct doctor *d); /* smb.conf */
void doctor_audit(struct doctor *d);  /* samba-audit's source */
void doctor_labels(struct doctor *d); /* SELinux */
void doctor_apparmor(struct doctor *d);
void doctor_limits(struct doctor *d); /* watches, instances */
void doctor_user(struct doctor *d);   /* --user NAME; the service's own */

/* Of directories: what PATH is on.  False: a network, and nothing below it should be touched. */
bool doctor_mount(struct doctor *d, const char *path, const char *real);
/* Is PATH, as far as the list of mounts knows, on a network?  Touches nothing of it. */
const char *doctor_network(const char *path);
/* Of commands: can P execute PATH for the action NAME? */
struct person;
void doctor_program(struct doctor *d, const char *name, const struct person *p, const char *who,
	const char *path);
bool doctor_has_program(const char *path); /* is it there at all? */
/* Whom the service runs A as; RET is the caller's to free (person_done()).  0 or -errno. */
int doctor_person(const struct doctor *d, const struct how *how, struct person *ret);

/* The directory of conf.d, where flagman.yaml is. */
void doctor_parent(const struct doctor *d, char *buf, size_t size);
/* "OBJECT/GROUP/ACTION" of the configuration's; SIZE of BUF is TARGET_NAME_MAX. */
char *doctor_name(char *buf, const struct group *g, const struct action *a);

#endif
