/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From an order to the specification that a runner gets. */
#include "executor/specify.h"

#include "common/fd.h"
#include "wire/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_DEFAULT     "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define SCRIPT_ARGUMENT  "/proc/self/fd/3"
#define RECORDS_ARGUMENT "--records=-"
#define SCRIPT_PROLOGUE  "exec 3<&-; " /* on the first line, so that line numbers stay right */
#define SEALS            (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define ARGV_EXTRA       12

_Static_assert((int)SPEC_LEAVE == LEFTOVERS_LEAVE && (int)SPEC_KILL == LEFTOVERS_KILL &&
		       (int)SPEC_WAIT == LEFTOVERS_WAIT,
	"the runner's words are the configuration's");
_Static_assert(SPEC_LIMITS == RLIM_NLIMITS, "all limits fit");

void specified_done(struct specified *s)
{
	environment_done(&s->environment);
	free(s->argv);
	free(s->groups);
	close_fd(s->extra);
	*s = (struct specified){.extra = -1};
}

static const char *home_of(const struct order *o, const struct identity *id)
{
	const struct how *how = o->action->how;

	return how->home ? how->home : id->privileged ? "/" : id->home;
}

static void set_person(struct environment *e, const struct order *o, const struct identity *id)
{
	const struct how *how = o->action->how;
	const char *name = how->user_name ? how->user_name : id->privileged ? "root" : id->name;

	environment_set(e, "PATH", PATH_DEFAULT);
	environment_set(e, "LANG", "C.UTF-8");
	environment_set(e, "HOME", home_of(o, id));
	environment_set(e, "USER", name);
	environment_set(e, "LOGNAME", name);
	environment_set(e, "SHELL", how->shell ? how->shell : "/bin/sh");
}

/* Last of all, so that nothing declared can stand in for them. */
static void set_run(struct environment *e, const struct order *o, const char *notify)
{
	const struct exec_start *rq = o->request;
	char number[24], hex[TOKEN_HEX + 1];

	snprintf(number, sizeof(number), "%llu", (unsigned long long)rq->run);
	environment_set(e, "FLAGMAN_OBJECT", o->group->object);
	environment_set(e, "FLAGMAN_GROUP", o->group->name);
	environment_set(e, "FLAGMAN_ACTION", o->action->name);
	environment_set(e, "FLAGMAN_RUN", number);
	environment_set(e, "FLAGMAN_TRIGGER", trigger_word((enum trigger)rq->trigger));
	environment_set(e, "FLAGMAN_USER", rq->user);
	if (notify)
		environment_set(e, "NOTIFY_SOCKET", notify);
	if (rq->payload) {
		_cleanup_free_ char *path = NULL;
		if (asprintf(&path, "%s/" EXEC_CUSTODY "/%s", o->base, token_hex(&rq->token, hex)) <
			0) {
			path = NULL;
			e->error = -ENOMEM;
			return;
		}
		environment_set(e, "FLAGMAN_PAYLOAD", path);
		environment_set(e, "FLAGMAN_PAYLOAD_NAME", rq->payload_name);
	}
}

static int make_environment(const struct order *o, const struct specify_facts *f,
	struct specified *s, char *why, size_t size)
{
	const struct how *how = o->action->how;
	struct environment *e = &s->environment;
	int r = 0;

	set_person(e, o, f->id);
	for (char **p = how->environment; p && *p; p++)
		environment_put(e, *p);
	if (how->environment_file)
		r = environment_load(e, how->environment_file, how->uid);
	if (r < 0)
		snprintf(why, size, "environment-file %.90s: %s", how->environment_file,
			r == -EBADMSG  ? "a line is not NAME=value"
			: r == -EPERM  ? "others may write to it"
			: r == -EINVAL ? "it is no regular file"
				       : strerror(-r));
	set_run(e, o, f->notify);
	return r < 0 ? r : e->error;
}

static int make_script(const struct order *o, struct specified *s)
{
	const char *text = o->action->script;
	_cleanup_close_ int fd = memfd_create("flagman-script", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, SCRIPT_PROLOGUE, strlen(SCRIPT_PROLOGUE));
	if (r == 0)
		r = write_all(fd, text, strlen(text));
	if (r == 0 && fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		r = -errno;
	if (r == 0)
		s->extra = steal_fd(&fd);
	return r;
}

/* The agent's file of burned discs.  It may put there what it likes: so it is an ordinary file of
 * its own with one link, or there is none. */
static int open_discs(const struct specify_facts *f)
{
	_cleanup_close_ int fd = openat(
		f->agent, EXEC_DISCS, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
		st.st_uid != f->id->uid)
		return -1;
	return steal_fd(&fd);
}

static int make_arguments(const struct order *o, struct specified *s)
{
	const struct action *a = o->action;
	const struct how *how = a->how;
	size_t n = 0, at = 0;
	int r = 0;

	while (a->argv[n])
		n++;
	s->argv = calloc(n + ARGV_EXTRA, sizeof(*s->argv));
	if (!s->argv)
		return -ENOMEM;
	if (how->via == VIA_SUDO) {
		s->argv[at++] = "sudo";
		s->argv[at++] = "-n";
		s->argv[at++] = "-u";
		s->argv[at++] = how->user_name ? how->user_name : "root";
		snprintf(s->sudo_group, sizeof(s->sudo_group), "#%u", how->gid);
		s->argv[at++] = "-g";
		s->argv[at++] = s->sudo_group;
		s->argv[at++] = "--";
	}
	for (size_t i = 0; i < n; i++)
		s->argv[at++] = a->argv[i];
	if (a->type == ACTION_VERIFY && s->extra >= 0)
		s->argv[at++] = RECORDS_ARGUMENT;
	if (!a->script)
		return 0;
	if (how->via == VIA_SUDO) {
		s->argv[at++] = "-c";
		s->argv[at++] = a->script;
	} else {
		s->argv[at++] = SCRIPT_ARGUMENT;
		r = make_script(o, s);
	}
	return r;
}

static const char *directory_of(const struct order *o, const struct identity *id)
{
	const char *directory = o->action->how->working_directory;

	/* It is entered before sudo becomes the other user, whose home may be closed to us. */
	if (!directory)
		return id->privileged || o->action->how->via == VIA_SUDO ? "/" : home_of(o, id);
	return strcmp(directory, "~") != 0 ? directory : home_of(o, id);
}

static void set_limits(const struct how *how, struct rlimit nofile, struct spec *s)
{
	s->limits_set = how->limits_set | 1U << RLIMIT_NOFILE;
	s->limits[RLIMIT_NOFILE] = (struct spec_limit){nofile.rlim_cur, nofile.rlim_max};
	for (unsigned i = 0; i < RLIM_NLIMITS; i++)
		if (how->limits_set & 1U << i)
			s->limits[i] = (struct spec_limit){
				how->limits[i].rlim_cur, how->limits[i].rlim_max};
}

static int set_groups(const struct how *how, struct specified *s)
{
	s->groups = calloc(how->n_groups + 1, sizeof(*s->groups));
	if (!s->groups)
		return -ENOMEM;
	for (size_t i = 0; i < how->n_groups; i++)
		s->groups[i] = how->groups[i];
	s->spec.groups = s->groups;
	s->spec.n_groups = (uint32_t)how->n_groups;
	return 0;
}

/* packaging/apparmor has them. */
static const char *profile_of(const struct action *a)
{
	if (a->how->apparmor_profile)
		return a->how->apparmor_profile;
	return a->type == ACTION_BURN || a->type == ACTION_VERIFY || a->type == ACTION_EJECT
		       ? "flagman-disc"
		       : "flagman-command";
}

static unsigned extra_flag(const struct order *o, const struct specified *s)
{
	return s->extra < 0 ? 0U : o->action->script ? SPEC_SCRIPT : SPEC_INPUT;
}

int specify(const struct order *o, const struct specify_facts *f, struct specified *ret, char *why,
	size_t size)
{
	const struct how *how = o->action->how;
	int r;

	*ret = (struct specified){.extra = -1};
	if (o->action->type == ACTION_VERIFY)
		ret->extra = open_discs(f);
	r = make_environment(o, f, ret, why, size);
	if (r == 0)
		r = make_arguments(o, ret);
	if (r == 0)
		r = set_groups(how, ret);
	if (r < 0) {
		if (!*why)
			snprintf(why, size, "%s", strerror(-r));
		return r;
	}
	ret->spec.flags =
		(f->id->privileged ? SPEC_IDENTITY : 0U) | extra_flag(o, ret) |
		(o->action->type == ACTION_BURN || o->action->type == ACTION_VERIFY ? SPEC_DISC
										    : 0U) |
		(how->no_new_privileges && how->via == VIA_DIRECT ? SPEC_NO_NEW_PRIVILEGES : 0U) |
		(how->apparmor_profile ? SPEC_PROFILE : 0U);
	ret->spec.apparmor_profile = profile_of(o->action);
	ret->spec.uid = f->id->privileged ? how->uid : f->id->uid;
	ret->spec.gid = f->id->privileged ? how->gid : f->id->gid;
	ret->spec.umask = how->umask;
	ret->spec.nice = how->nice;
	ret->spec.leftovers = how->leftovers;
	ret->spec.ambient = how->ambient;
	ret->spec.bounding = how->bounding;
	ret->spec.output_limit = how->output_limit;
	ret->spec.directory = directory_of(o, f->id);
	ret->spec.context = f->selinux && how->selinux_context ? how->selinux_context : "";
	ret->spec.argv = ret->argv;
	ret->spec.env = (const char *const *)ret->environment.items;
	set_limits(how, f->nofile, &ret->spec);
	return 0;
}
