/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfs objects: what takes part in a deletion; and what full_audit writes down for samba-audit. */
#include "cli/doctor_share.h"

#include <string.h>

/* Where the module stands in `vfs objects`; SIZE_MAX: nowhere. */
static size_t module_place(const struct share_look *l, const char *module)
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

static void check_press_only(const struct share_look *l)
{
	const char *style = smbconf_get(l->conf, l->section, "acl_xattr:default acl style");

	if (module_place(l, "acl_xattr") == SIZE_MAX)
		doctor_found(l->d, SHARE_AREA, "write: vfs objects = full_audit acl_xattr",
			"[%s] lacks acl_xattr, so nobody can press what has access: press-only",
			l->section->name);
	if (!smbconf_yes(l->conf, l->section, "acl_xattr:ignore system acls"))
		doctor_found(l->d, SHARE_AREA, "write: acl_xattr:ignore system acls = yes",
			"[%s] lacks it, so the ACL of a press-only directory does not count",
			l->section->name);
	if (strcasecmp(style, "posix") != 0)
		doctor_found(l->d, SHARE_AREA, "write: acl_xattr:default acl style = posix",
			"[%s] has %s, so members can't read the flags", l->section->name,
			*style ? style : "none");
}

/* Options of modules are as written, not as testparm would. */
static bool is_no(const char *value)
{
	return strcasecmp(value, "no") == 0 || strcasecmp(value, "false") == 0 ||
	       strcmp(value, "0") == 0;
}

static void must_record(const struct share_look *l, const char *op)
{
	if (!smbconf_has_word(l->conf, l->section, "full_audit:success", op) &&
		!smbconf_has_word(l->conf, l->section, "full_audit:success", "all"))
		doctor_found(l->d, SHARE_AREA, "write: full_audit:success = unlinkat renameat",
			"[%s] does not record %s, so samba-audit can't say who pressed",
			l->section->name, op);
}

/* Does what the share writes come to where samba-audit reads, in a form that it can read? */
static void check_audit(const struct share_look *l, const char *source)
{
	const char *prefix = smbconf_get(l->conf, l->section, "full_audit:prefix");

	if (module_place(l, "full_audit") == SIZE_MAX) {
		doctor_found(l->d, SHARE_AREA, NULL,
			"[%s] lacks full_audit, so samba-audit can't say who pressed",
			l->section->name);
		doctor_advise(l->d, "write: vfs objects = full_audit%s",
			l->share->press_only ? " acl_xattr" : "");
		return;
	}
	if (strcmp(prefix, "%u|%I|%m|%S") != 0 && strcmp(prefix, "%U|%I|%m|%S") != 0)
		doctor_found(l->d, SHARE_AREA, "write: full_audit:prefix = %u|%I|%m|%S",
			"[%s] has full_audit:prefix = %s, so samba-audit can't say who pressed",
			l->section->name, *prefix ? prefix : "(none)");
	must_record(l, "unlinkat");
	must_record(l, "renameat");
	if (strcmp(source, "journal") == 0 &&
		is_no(smbconf_get(l->conf, l->section, "full_audit:syslog")))
		doctor_found(l->d, SHARE_AREA,
			"write: full_audit:syslog = true; or name Samba's log as samba-audit",
			"[%s] has full_audit:syslog = no, so its record does not come to the "
			"journal",
			l->section->name);
}

/* Modules that no share of flags can have, and what they do to one. */
static const struct share_option harmful[] = {
	{"recycle", "every press leaves a dead flag in the bin"},
	{"fruit", "it hangs streams and ._ files on flags"},
	{"streams_xattr", "it hangs streams on flags"},
	{"streams_depot", "it keeps streams of flags in directories beside them"},
	{"readonly", "it forbids deleting"},
	{"worm", "it forbids deleting what is a while old"},
	{"ceph", "its files are not in this machine's directories"},
	{"glusterfs", "its files are not in this machine's directories"},
};

static void check_harmful(const struct share_look *l)
{
	for (size_t i = 0; i < sizeof(harmful) / sizeof(*harmful); i++) {
		if (module_place(l, harmful[i].key) == SIZE_MAX)
			continue;
		doctor_found(l->d, SHARE_AREA, NULL, "[%s] has %s: %s", l->section->name,
			harmful[i].key, harmful[i].value);
		doctor_advise(l->d, "take %s out of vfs objects", harmful[i].key);
	}
}

void share_modules(const struct share_look *l)
{
	size_t audit = module_place(l, "full_audit"), acl = module_place(l, "acl_xattr");

	check_harmful(l);
	if (audit != SIZE_MAX && acl != SIZE_MAX && audit > acl)
		doctor_found(l->d, SHARE_AREA, "write full_audit before acl_xattr in vfs objects",
			"[%s] has acl_xattr before full_audit, so audited paths are wrong",
			l->section->name);
	if (l->share->press_only)
		check_press_only(l);
	if (l->d->config->settings.samba_audit)
		check_audit(l, l->d->config->settings.samba_audit);
}
