/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Windows access list of a press-only directory, as Samba's vfs_acl_xattr keeps it in
 * security.NTACL: members of the group may list, read and delete what is in it, and put nothing
 * there.  The directory itself is 0755 in POSIX terms; smbd deletes as root what the list allows.
 *
 * Samba's own format is NDR; version 1 of it has no hash of the POSIX rights, so smbd takes it as
 * it is.  Users and groups are the SIDs of Unix ids: S-1-22-1-UID, S-1-22-2-GID.
 */
#ifndef FLAGMAN_EXECUTOR_NTACL_H
#define FLAGMAN_EXECUTOR_NTACL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NTACL_MAX 512

/* Pure: the attribute's value for a directory of OWNER, pressed by GROUP; its length. */
size_t ntacl_encode(uint8_t buf[NTACL_MAX], uid_t owner, gid_t group);

/* Sets it, if it is not that already.  Needs CAP_SYS_ADMIN.  0 or -errno. */
int ntacl_set(int dir, uid_t owner, gid_t group);

#endif
