/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What smb.conf says of the share that has a directory.path.  Each finding is one setting, what it
 * does to a press, and the line to write.
 */
#include "cli/doctor.h"

#include "cli/share.h"
#include "cli/smbconf.h"
#include "common/fd.h"

#include <errno.h>
#include <string.h>

#define AREA "share"

struct look {
	struct doctor *d;
	const struct smbconf *conf;
	const struct smbconf_section *section;
	const struct share *share; /* what the configuration needs */
};

/* KEY must not be Yes. */
static void must_be_no(const struct look *l, const char *key, const char *why)
{
	if (!smbconf_yes(l->conf, l->section, key))
		return;
	doctor_found(l->d, AREA, NULL, "[%s] has %s = yes, %s", l->section->name, key, why);
	doctor_advise(l->d, "write: %s = no", key);
}

static void check_caching(const struct look *l)
{
	const char *csc = smbconf_get(l->conf, l->section, "csc policy");

	must_be_no(l, "oplocks", "so clients keep showing a flag's old text");
	/* Without oplocks smbd ignores it. */
	if (smbconf_yes(l->conf, l->section, "oplocks"))
		must_be_no(l, "level2 oplocks", "so clients keep showing a flag's old text");
	must_be_no(l, "kernel oplocks", "so a client can keep flagman from writing");
	if (strcasecmp(csc, "disable") != 0)
		doctor_found(l->d, AREA, "write: csc policy = disable",
			"[%s] has csc policy = %s: offline files may replay a deletion, which is a "
			"press, at the next logon",
			l->section->name, csc);
}

static void check_access(const struct look *l)
{
	must_be_no(l, "read only", "which forbids deleting, too");
	must_be_no(l, "follow symlinks", "so who may write here may show the server's files");
	must_be_no(l, "wide links", "so a symlink may lead out of the share");
	must_be_no(l, "store dos attributes",
		"so a client can make a flag read-only, and then nobody can press it");
	if (!smbconf_has_pattern(l->conf, l->section, "veto files", ".flagman"))
		doctor_found(l->d, AREA, "add /.flagman/ to veto files",
			"[%s] does not hide .flagman, which is flagman's workshop",
			l->section->name);
	if (l->share->drops && smbconf_has_pattern(l->conf, l->section, "veto files", "._*"))
		doctor_found(l->d, AREA, "take /._*/ out of veto files",
			"[%s] vetoes ._*, so macOS can't copy downloads into a drop folder",
			l->section->name);
}

/* Where the module stands in `vfs objects`; SIZE_MAX: nowhere. */
static size_t module_place(const struct look *l, const char *module)
{
	const char *list = smbconf_get(l->conf, l->section, "vfs objects");
	size_t n;

	for (const char *p = list; *p; p += n + (p[n] != '\0')) {
		n = strcspn(p, " \t,");
		if (n == strlen(module) && strncasecmp(p, module, n) == 0)
			return (size_t)(p - list);
	}
	return SIZE_MAX;
}

static void check_press_only(const struct look *l)
{
	const char *style = smbconf_get(l->conf, l->section, "acl_xattr:default acl style");

	if (module_place(l, "acl_xattr") == SIZE_MAX)
		doctor_found(l->d, AREA, "write: vfs objects = full_audit acl_xattr",
			"[%s] lacks acl_xattr, so nobody can press what has access: press-only",
			l->section->name);
	if (!smbconf_yes(l->conf, l->section, "acl_xattr:ignore system acls"))
		doctor_found(l->d, AREA, "write: acl_xattr:ignore system acls = yes",
			"[%s] lacks it, so the ACL of a press-only directory does not count",
			l->section->name);
	if (strcasecmp(style, "posix") != 0)
		doctor_found(l->d, AREA, "write: acl_xattr:default acl style = posix",
			"[%s] has %s, so members can't read the flags", l->section->name,
			*style ? style : "none");
}

/* Options of modules are as written, not as testparm would. */
static bool is_no(const char *value)
{
	return strcasecmp(value, "no") == 0 || strcasecmp(value, "false") == 0 ||
	       strcmp(value, "0") == 0;
}

static void must_record(const struct look *l, const char *op)
{
	if (!smbconf_has_word(l->conf, l->section, "full_audit:success", op) &&
		!smbconf_has_word(l->conf, l->section, "full_audit:success", "all"))
		doctor_found(l->d, AREA, "write: full_audit:success = unlinkat renameat",
			"[%s] does not record %s, so samba-audit can't say who pressed",
			l->section->name, op);
}

/* Does what the share writes come to where samba-audit reads, in a form that it can read? */
static void check_audit(const struct look *l, const char *source)
{
	const char *prefix = smbconf_get(l->conf, l->section, "full_audit:prefix");

	if (module_place(l, "full_audit") == SIZE_MAX) {
		doctor_found(l->d, AREA, NULL,
			"[%s] lacks full_audit, so samba-audit can't say who pressed",
			l->section->name);
		doctor_advise(l->d, "write: vfs objects = full_audit%s",
			l->share->press_only ? " acl_xattr" : "");
		return;
	}
	if (strcmp(prefix, "%u|%I|%m|%S") != 0 && strcmp(prefix, "%U|%I|%m|%S") != 0)
		doctor_found(l->d, AREA, "write: full_audit:prefix = %u|%I|%m|%S",
			"[%s] has full_audit:prefix = %s, so samba-audit can't say who pressed",
			l->section->name, *prefix ? prefix : "(none)");
	must_record(l, "unlinkat");
	must_record(l, "renameat");
	if (strcmp(source, "journal") == 0 &&
		is_no(smbconf_get(l->conf, l->section, "full_audit:syslog")))
		doctor_found(l->d, AREA,
			"write: full_audit:syslog = true; or name Samba's log as samba-audit",
			"[%s] has full_audit:syslog = no, so its record does not come to the "
			"journal",
			l->section->name);
}

static void check_modules(const struct look *l)
{
	size_t audit = module_place(l, "full_audit"), acl = module_place(l, "acl_xattr");

	if (module_place(l, "recycle") != SIZE_MAX)
		doctor_found(l->d, AREA, "take recycle out of vfs objects",
			"[%s] has recycle: every press leaves a dead flag in the bin",
			l->section->name);
	if (audit != SIZE_MAX && acl != SIZE_MAX && audit > acl)
		doctor_found(l->d, AREA, "write full_audit before acl_xattr in vfs objects",
			"[%s] has acl_xattr before full_audit, so audited paths are wrong",
			l->section->name);
	if (l->share->press_only)
		check_press_only(l);
	if (l->d->config->settings.samba_audit)
		check_audit(l, l->d->config->settings.samba_audit);
}

static void check_share(struct doctor *d, const struct smbconf *conf, const struct share *s)
{
	struct look l = {.d = d, .conf = conf, .share = s};

	l.section = smbconf_cover(conf, s->path);
	if (!l.section) {
		doctor_found(d, AREA, "flagman samba prints one", "no share of smb.conf has %s",
			s->path);
		return;
	}
	check_caching(&l);
	check_access(&l);
	check_modules(&l);
}

void doctor_shares(struct doctor *d)
{
	struct smbconf conf;
	struct share *shares;
	size_t n;
	int r;

	if (!d->config->n_groups)
		return;
	r = smbconf_run(d->cli->smb_conf, &conf);
	if (r < 0) {
		doctor_unseen(d, AREA, "testparm, which knows smb.conf, %s",
			r == -ENOENT   ? "is not installed here"
			: r == -EINVAL ? "refuses it"
				       : strerror(-r));
		return;
	}
	if (share_list(d->config, &shares, &n) == 0) {
		for (size_t i = 0; i < n; i++)
			check_share(d, &conf, &shares[i]);
		share_list_free(shares, n);
	}
	smbconf_done(&conf);
}
