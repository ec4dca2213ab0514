/* SPDX-License-Identifier: GPL-2.0-or-later */
/* samba-audit: is there what it names, and may flagman's user read it? */
#include "cli/doctor.h"

#include "cli/account.h"
#include "cli/person.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AREA       "samba"
#define JOURNAL    "journal"
#define JOURNALCTL "/usr/bin/journalctl"
#define JOURNALD   "/run/systemd/journal/socket"
#define GROUP      "systemd-journal"
#define INSTEAD    "name a log in samba-audit instead, and write full_audit:syslog = false"

static void check_journal(struct doctor *d)
{
	gid_t gid;

	if (!doctor_has_program(JOURNALCTL))
		doctor_found(d, AREA, "install systemd, or name a log in samba-audit",
			"samba-audit: journal needs " JOURNALCTL);
	else if (access(JOURNALD, F_OK) < 0)
		doctor_found(d, AREA, INSTEAD, "samba-audit: journal, and there is no journald");
	else if (d->load->options.privileged && !account_group(GROUP, &gid))
		doctor_found(d, AREA, "groupadd --system " GROUP,
			"samba-audit: there is no group " GROUP ", by which the journal is read");
}

static void may_not(struct doctor *d, const char *path, const char *what, gid_t gid)
{
	char group[ACCOUNT_NAME_MAX];

	doctor_found(d, AREA, NULL, "samba-audit: %s may not %s %s", d->load->user_name,
		strcmp(what, path) == 0 ? "read" : "pass", what);
	if (gid)
		doctor_advise(d, "adduser %s %s; systemctl restart flagman", d->load->user_name,
			account_group_name(gid, group));
	else
		doctor_advise(d, "setfacl -m u:%s:%s '%s'", d->load->user_name,
			strcmp(what, path) == 0 ? "r" : "x", what);
}

/* tail(1) is started with the groups that the data base gives flagman's user. */
static void check_log(struct doctor *d, const char *path)
{
	struct person p;
	char dir[4096];
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno == EACCES)
			doctor_unseen(d, AREA, "samba-audit: %s: no permission to look", path);
		else
			doctor_found(d, AREA, "testparm -sv | grep 'log file' says where it is",
				"samba-audit: %s: %s", path, strerror(errno));
		return;
	}
	if (person_named(d->load->user_name, &p) == 0) {
		if (person_may_reach(&p, path, dir, sizeof(dir)) == 0)
			may_not(d, path, dir, stat(dir, &st) == 0 ? st.st_gid : 0);
		else if (person_may(&p, path, R_OK) == 0)
			may_not(d, path, path, st.st_gid);
	}
	person_done(&p);
}

void doctor_audit(struct doctor *d)
{
	const char *source = d->config->settings.samba_audit;

	if (!source)
		return;
	if (strcmp(source, JOURNAL) == 0)
		check_journal(d);
	else
		check_log(d, source);
}
