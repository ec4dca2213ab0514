/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The share sections that fit a configuration: what smb.conf must say so that a deleted flag is a
 * press and nothing else is.  The same settings, with their reasons, are the files of samba/; a
 * test compares the two.  flagmand writes them to a file that smb.conf includes, flagman(1) prints
 * them, doctor looks for them: all by this module.
 *
 *	struct share *shares;
 *	share_list(config, &shares, &n);
 *	share_text(shares, n, &buf);
 *	share_list_free(shares, n);
 *
 * Threat: smbd is root, and takes its file at its word.  It has no way to say some characters: it
 * puts something in for %u, makes one blank of two, goes on in the next line after a backslash.  A
 * directory or a group with one of those is left out, with a comment, rather than that another
 * directory is shared, or the right one with others.
 */
#ifndef FLAGMAN_CONFIG_SHARE_H
#define FLAGMAN_CONFIG_SHARE_H

#include "common/buf.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

#define SHARE_NAME_MAX 80 /* bytes; Windows' limit is as many characters */

/* One directory.path and what its objects need of a share. */
struct share {
	const char *path;              /* the configuration's */
	char name[SHARE_NAME_MAX + 1]; /* of the section; see share_name() */
	bool press_only;               /* its objects have access: press-only */
	bool drops;                    /* an action of it takes payloads */
	struct buf valid_users;        /* owned; "@wwwadmins @\"Domain Users\"", without doubles */
	gid_t *gids;                   /* owned; the same as numbers */
	size_t n_gids;
	const char *unfit; /* why it has no section, as a phrase that follows its path; or NULL */
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

/*
 * An administrator's own settings of a share, if there are any, by its name; what stands there
 * counts more than ours.  A second section [NAME] in smb.conf will not do: smbd then forgets what
 * the first one said of full_audit and acl_xattr (free_param_opts(), tried with 4.17).
 */
#define SHARE_OWN "/etc/samba/flagman-%s.conf"

#define SHARE_TEXT_MAX (64U * 1024 * 1024)
/* The sections as smb.conf takes them, and a comment for each share that has none.  Errors are
 * OUT's. */
void share_text(const struct share *shares, size_t n, struct buf *out);

/*
 * share_name.c: gives each of them that is fit a name.  The last part of its path; where that is
 * another's too, all of the path for all of them ("srv-a-flags"): so a directory that comes never
 * gets a name that people know as another's.  A name that is too long for clients, or means
 * something to Samba (homes), has a number that comes from the path.  Case does not count.
 * 0 or -ENOMEM.
 */
int share_name(struct share *shares, size_t n);

#endif
