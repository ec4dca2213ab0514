/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The share section that fits a configuration: what smb.conf must say so that a deleted flag is a
 * press and nothing else is.  The same settings, with their reasons, are the files of samba/; a
 * test compares the two.
 */
#ifndef FLAGMAN_CLI_SHARE_H
#define FLAGMAN_CLI_SHARE_H

#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

/* One directory.path and what its objects need of a share. */
struct share {
	const char *path; /* the configuration's */
	char name[64];    /* of the section: the last part of the path */
	bool press_only;  /* its objects have access: press-only */
	bool drops;       /* an action of it takes payloads */
	gid_t *gids;      /* owned; who may press, without doubles */
	size_t n_gids;
};

/* One for each path, in order of path.  0 or -ENOMEM. */
int share_list(const struct config *c, struct share **ret, size_t *ret_n);
void share_list_free(struct share *shares, size_t n);

struct share_option {
	const char *key, *value;
};
#define SHARE_OPTIONS_MAX 32U
/* What is fixed for this kind of share, without path and valid users; returns how many. */
size_t share_options(const struct share *s, struct share_option *ret);

/* "@wwwadmins @\"Domain Users\"" for `valid users`. */
struct buf;
void share_valid_users(const struct share *s, struct buf *out);

#endif
