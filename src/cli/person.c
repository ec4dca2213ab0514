/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/person.h"

#include "cli/account.h"
#include "common/fd.h"

#include <endian.h>
#include <errno.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ACL_XATTR   "system.posix_acl_access"
#define ACL_ENTRIES 256

/* An ACL as the kernel gives it. */
struct acl {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[ACL_ENTRIES];
};

int person_named(const char *name, struct person *ret)
{
	uid_t uid;
	gid_t gid;

	*ret = (struct person){.uid = (uid_t)-1};
	if (!account_user(name, &uid, &gid))
		return -ENOENT;
	ret->uid = uid;
	return account_groups(name, gid, &ret->gids, &ret->n_gids);
}

int person_join(struct person *p, gid_t gid)
{
	gid_t *gids = reallocarray(p->gids, p->n_gids + 1, sizeof(*gids));

	if (!gids)
		return -ENOMEM;
	p->gids = gids;
	gids[p->n_gids++] = gid;
	return 0;
}

void person_done(struct person *p)
{
	free(p->gids);
	*p = (struct person){.uid = (uid_t)-1};
}

static bool is_in(const struct person *p, gid_t gid)
{
	for (size_t i = 0; i < p->n_gids; i++)
		if (p->gids[i] == gid)
			return true;
	return false;
}

/* acl(5), "ACCESS CHECK ALGORITHM", without ACL; the letters of a class are those of access(2). */
static bool mode_allows(const struct person *p, const struct stat *st, unsigned want)
{
	unsigned mode = st->st_mode;

	if (p->uid == st->st_uid)
		return (mode >> 6 & want) == want;
	if (is_in(p, st->st_gid))
		return (mode >> 3 & want) == want;
	return (mode & want) == want;
}

static unsigned mask_of(const struct acl *acl, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (le16toh(acl->entries[i].e_tag) == ACL_MASK)
			return le16toh(acl->entries[i].e_perm);
	return 7;
}

static bool acl_allows(const struct person *p, const struct stat *st, const struct acl *acl,
	size_t n, unsigned want)
{
	unsigned mask = mask_of(acl, n);
	bool in_group = false;

	if (p->uid == st->st_uid)
		return (st->st_mode >> 6 & want) == want;
	for (size_t i = 0; i < n; i++)
		if (le16toh(acl->entries[i].e_tag) == ACL_USER &&
			le32toh(acl->entries[i].e_id) == p->uid)
			return (le16toh(acl->entries[i].e_perm) & mask & want) == want;
	for (size_t i = 0; i < n; i++) {
		unsigned tag = le16toh(acl->entries[i].e_tag);
		gid_t gid = tag == ACL_GROUP_OBJ ? st->st_gid : le32toh(acl->entries[i].e_id);

		if ((tag != ACL_GROUP_OBJ && tag != ACL_GROUP) || !is_in(p, gid))
			continue;
		if ((le16toh(acl->entries[i].e_perm) & mask & want) == want)
			return true;
		in_group = true;
	}
	return !in_group && (st->st_mode & want) == want;
}

int person_may(const struct person *p, const char *path, int want)
{
	struct acl acl;
	struct stat st;
	ssize_t size;

	if (stat(path, &st) < 0)
		return -errno;
	if (p->uid == 0)
		return !(want & X_OK) || S_ISDIR(st.st_mode) || (st.st_mode & 0111);
	size = getxattr(path, ACL_XATTR, &acl, sizeof(acl));
	if (size < (ssize_t)sizeof(acl.header) ||
		le32toh(acl.header.a_version) != POSIX_ACL_XATTR_VERSION)
		return mode_allows(p, &st, (unsigned)want);
	return acl_allows(p, &st, &acl,
		((size_t)size - sizeof(acl.header)) / sizeof(acl.entries[0]), (unsigned)want);
}

int person_may_reach(const struct person *p, const char *path, char *ret_dir, size_t size)
{
	_cleanup_free_ char *dir = strdup(path);
	int r;

	if (!dir)
		return -ENOMEM;
	for (char *slash = dir; (slash = strchr(slash, '/')); slash++) {
		char next = slash[1];

		slash[1] = '\0';
		r = person_may(p, dir, X_OK);
		/* Named without its slash, but for the root. */
		if (r == 0)
			snprintf(ret_dir, size, "%.*s", slash == dir ? 1 : (int)(slash - dir), dir);
		slash[1] = next;
		if (r <= 0)
			return r;
	}
	return 1;
}
