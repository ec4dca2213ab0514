/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SELinux: is flagman's module loaded, and has everything the type that selinux/flagman.fc gives
 * it?  The types are compared and not what matchpathcon(8) would say: of a directory.path that
 * nobody has told it of it knows only that default_t is right.
 */
#include "cli/doctor.h"

#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define AREA      "selinux"
#define SELINUXFS "/sys/fs/selinux"
#define XATTR     "security.selinux"
#define SHARE     "/srv/flagman" /* which flagman.fc knows */
#define LABEL_MAX 256

/* A path that the policy knows, and its type. */
struct label {
	const char *path, *type;
};

static const struct label places[] = {
	{"/etc/flagman", "flagman_etc_t"},
	{"/var/lib/flagman", "flagman_var_lib_t"},
	{"/var/lib/flagman/runs", "flagman_claim_t"},
	{"/var/lib/flagman/agent", "flagman_agent_var_lib_t"},
	{"/run/flagman", "flagman_runtime_t"},
	{"/usr/sbin/flagmand", "flagman_exec_t"},
	{FLAGMAN_BINDIR "/flagman", "flagman_cli_exec_t"},
	{FLAGMAN_BINDIR "/flagman-disc", "flagman_disc_exec_t"},
	{FLAGMAN_LIBEXECDIR "/flagman-agent", "flagman_agent_exec_t"},
	{FLAGMAN_LIBEXECDIR "/flagman-watcher", "flagman_watcher_exec_t"},
	{FLAGMAN_LIBEXECDIR "/flagman-names", "flagman_names_exec_t"},
	{FLAGMAN_LIBEXECDIR "/flagman-runner", "flagman_runner_exec_t"},
};

/* '0' or '1', as the kernel has it; FALLBACK where it does not say. */
static bool flag_of(const char *path, bool fallback)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c;

	return fd >= 0 && read(fd, &c, 1) == 1 ? c == '1' : fallback;
}

/* security_check_context(3); only EINVAL is an answer. */
static bool has_type(const char *type)
{
	_cleanup_close_ int fd = open(SELINUXFS "/context", O_RDWR | O_CLOEXEC);
	char context[LABEL_MAX];
	int n = snprintf(context, sizeof(context), "system_u:object_r:%s%s", type,
		flag_of(SELINUXFS "/mls", true) ? ":s0" : "");

	return fd < 0 || write(fd, context, (size_t)n + 1) >= 0 || errno != EINVAL;
}

/* The type of PATH's label; false where there is nothing to compare. */
static bool type_of(const char *path, char type[static LABEL_MAX])
{
	char label[LABEL_MAX], *at = label;
	ssize_t n = lgetxattr(path, XATTR, label, sizeof(label) - 1);

	if (n < 0 && errno != ENODATA)
		return false;
	label[n > 0 ? n : 0] = '\0';
	for (int i = 0; at && i < 2; i++)
		at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL;
	snprintf(type, LABEL_MAX, "%.*s", at ? (int)strcspn(at, ":") : 9, at ? at : "unlabeled");
	return true;
}

/* As it should be, or nothing can be said. */
static bool is_right(const char *path, const char *type, char found[static LABEL_MAX])
{
	return !type_of(path, found) || strcmp(found, type) == 0;
}

static bool known_to_policy(const char *path)
{
	return strncmp(path, "/usr/local/", 11) != 0;
}

static void check_places(struct doctor *d)
{
	char found[LABEL_MAX];

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		const struct label *p = &places[i];

		if (is_right(p->path, p->type, found))
			continue;
		doctor_found(d, AREA, NULL, "%s has the type %s, not %s", p->path, found, p->type);
		if (known_to_policy(p->path))
			doctor_advise(d, "restorecon -RFv %s", p->path);
		else
			doctor_advise(d, "semanage fcontext -a -t %s %s; restorecon -Fv %s",
				p->type, p->path, p->path);
	}
}

/* What is wrong below one directory.path: the first, and how many. */
struct wrong {
	char *path, found[LABEL_MAX];
	const char *type;
	size_t n;
};

static void look_at(struct wrong *w, const char *type, const char *path)
{
	char found[LABEL_MAX];

	if (is_right(path, type, found))
		return;
	if (w->n++)
		return;
	w->path = strdup(path);
	w->type = type;
	snprintf(w->found, sizeof(w->found), "%s", found);
}

static void look_below(struct wrong *w, const char *type, const char *path, const char *name)
{
	_cleanup_free_ char *below = NULL;

	if (asprintf(&below, "%s/%s", path, name) < 0)
		below = NULL;
	else
		look_at(w, type, below);
}

static void look_at_object(struct wrong *w, const struct group *g)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/%s", g->real, g->object) < 0) {
		path = NULL;
		return;
	}
	look_at(w, "flagman_object_t", path);
	if (g->run_folder)
		look_below(w, "flagman_drop_t", path, g->run_folder);
	for (size_t i = 0; i < g->n_actions; i++)
		if (g->actions[i].drop)
			look_below(w, "flagman_drop_t", path, g->actions[i].drop->folder);
}

static void say(struct doctor *d, const struct wrong *w, const char *base)
{
	if (w->n == 0 || !w->path)
		return;
	if (w->n == 1)
		doctor_found(
			d, AREA, NULL, "%s has the type %s, not %s", w->path, w->found, w->type);
	else
		doctor_found(d, AREA, NULL, "%s has the type %s, not %s; and so have %zu others",
			w->path, w->found, w->type, w->n - 1);
	if (strcmp(base, SHARE) == 0)
		doctor_advise(d, "restorecon -RFv " SHARE);
	else
		doctor_advise(d, "semanage fcontext -a -e " SHARE " '%s'; restorecon -RFv '%s'",
			base, base);
}

static void check_base(struct doctor *d, size_t first)
{
	const struct config *c = d->config;
	const char *base = c->groups[first].real;
	struct wrong w = {0};

	look_at(&w, "flagman_share_t", base);
	look_below(&w, "flagman_spool_t", base, ".flagman");
	for (size_t i = first; i < c->n_groups; i++)
		if (strcmp(c->groups[i].real, base) == 0)
			look_at_object(&w, &c->groups[i]);
	say(d, &w, base);
	free(w.path);
}

static bool seen_before(const struct config *c, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(c->groups[k].real, c->groups[i].real) == 0)
			return true;
	return false;
}

void doctor_labels(struct doctor *d)
{
	const struct config *c = d->config;

	/* A private instance is what its caller is, and so are its files. */
	if (!d->load->options.privileged || access(SELINUXFS "/enforce", F_OK) < 0)
		return;
	if (!has_type("flagman_etc_t")) {
		doctor_found(d, AREA, "install the package flagman-selinux, or see selinux/README",
			"SELinux is on without flagman's module, so smbd may not reach the flags%s",
			flag_of(SELINUXFS "/enforce", true) ? "" : " once it enforces");
		return;
	}
	check_places(d);
	for (size_t i = 0; i < c->n_groups; i++)
		if (!seen_before(c, i) && !doctor_network(c->groups[i].real))
			check_base(d, i);
}
