/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * <state>/samba.conf: the share sections that fit the configuration in force, for the line
 * `include = ...` that an administrator writes into smb.conf once.  A snippet that comes later
 * needs no other edit: smbd looks at the file by itself.  Nothing here runs smbd or signals it.
 *
 * smbd knows by the file's time that it must be read again, and does so for every client: what
 * would say the same is not written.
 */
#ifndef FLAGMAN_EXECUTOR_SAMBA_CONF_H
#define FLAGMAN_EXECUTOR_SAMBA_CONF_H

struct config;

#define SAMBA_CONF     "samba.conf"
#define SAMBA_CONF_NEW "samba.conf.new" /* SELinux's policy knows it by this name, too */

/* Below STATE.  Warns of each directory that gets no section.  0 or -errno; the old one stays. */
int samba_conf_write(const struct config *c, int state);

#endif
