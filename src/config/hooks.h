/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the configuration asks the machine: accounts, files' owners, what runs as PID 1.  A test
 * puts other answers in their place, so that goldens read the same on every machine.
 *
 * <grp.h> has a struct group and so have we: groups are asked for by functions of our own.
 */
#ifndef FLAGMAN_CONFIG_HOOKS_H
#define FLAGMAN_CONFIG_HOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Strings are valid until the next call. */
struct account {
	const char *name, *home, *shell;
	uid_t uid;
	gid_t gid;
};

struct config_hooks {
	bool (*user_by_name)(const char *name, struct account *ret);
	bool (*user_by_id)(uid_t uid, struct account *ret);
	bool (*group_by_name)(const char *name, gid_t *ret);
	const char *(*group_by_id)(gid_t gid); /* NULL: nameless; valid until the next call */
	bool (*own_group)(gid_t gid);          /* this process may give files to that group */
	bool (*is_home)(const char *path);     /* of some account of this machine */
	bool (*is_program)(const char *path);  /* there, and executable */
	bool (*is_directory)(const char *path);
	/* PATH without symlinks, as far as it exists; false: it can't be told. */
	bool (*resolve)(const char *path, char *buf, size_t size);
	bool (*has_context)(
		const char *context); /* SELinux's policy; true where it can't be asked */
	int (*stat)(const char *path, struct stat *st);
	int (*fstat)(int fd, struct stat *st);
};

const struct config_hooks *config_hooks(void);
/* For tests; NULL: the machine's own again. */
void config_set_hooks(const struct config_hooks *hooks);

#endif
