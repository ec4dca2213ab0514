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

#include <stddef.h>

struct finding {
	const char *area; /* "service", "configuration", "directory", "share", "limits", "user" */
	char *message;    /* what is wrong: one line; owned */
	char *advice;     /* what to do: one line; owned; NULL in what was not seen */
};

struct doctor {
	const struct cli *cli;
	const struct load *load;
	const struct config *config;       /* NULL: could not be read */
	struct finding *findings, *unseen; /* owned */
	size_t n_findings, n_unseen;
};

void doctor_found(struct doctor *d, const char *area, const char *advice, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void doctor_advise(struct doctor *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3))); /* the advice of the latest finding */
void doctor_unseen(struct doctor *d, const char *area, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The looks. */
void doctor_service(struct doctor *d);  /* does it run, what does it say; flags that are missing */
void doctor_conf_dir(struct doctor *d); /* owners and modes; what check finds */
void doctor_directories(struct doctor *d); /* owners, modes, network mounts */
void doctor_shares(struct doctor *d);      /* smb.conf */
void doctor_limits(struct doctor *d);      /* watches, descriptors */
void doctor_user(struct doctor *d);        /* --user NAME */

#endif
