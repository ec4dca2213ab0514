/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The looks at one share of smb.conf.  Each finding is one setting, what it does to a press, and
 * the line to write.
 */
#ifndef FLAGMAN_CLI_DOCTOR_SHARE_H
#define FLAGMAN_CLI_DOCTOR_SHARE_H

#include "cli/doctor.h"
#include "cli/share.h"
#include "cli/smbconf.h"

#include <stdbool.h>

#define SHARE_AREA "share"

struct share_look {
	struct doctor *d;
	const struct smbconf *conf;
	const struct smbconf_section *section;
	const struct share *share; /* what the configuration needs */
	bool top;                  /* the share has directory.path, not only an object in it */
};

/* KEY must not be Yes, or must be; WHY says what comes of it. */
void share_must_be_no(const struct share_look *l, const char *key, const char *why);
void share_must_be_yes(const struct share_look *l, const char *key, const char *why);

void share_modules(const struct share_look *l); /* vfs objects; full_audit and acl_xattr */
void share_people(const struct share_look *l);  /* who may connect, and as whom they act */
/* flagmand writes what smb.conf may include: that of the system, where its state is known. */
bool share_has_include(const struct doctor *d);
/* All of them: is each file of settings that an administrator has for one still read? */
void share_own(struct doctor *d, const struct share *shares, size_t n);
/* Of the machine, not of a share: does smbd run, and has --user NAME an account there? */
void samba_running(struct doctor *d);
void samba_account(struct doctor *d, const struct smbconf *conf);

#endif
