/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the running service knows: whether it is there, its troubles, flags that are missing. */
#include "cli/doctor.h"

#include "cli/call.h"
#include "cli/target.h"
#include "common/fd.h"
#include "common/states.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define AREA      "service"
#define ANSWER_MS 10000
#define DELETED   " (deleted)"
#define RESTART   "systemctl restart flagman (runs go on meanwhile)"

static void check_version(struct doctor *d, const char *version)
{
	if (d->replaced || strcmp(version, FLAGMAN_VERSION) == 0)
		return;
	d->replaced = true;
	doctor_found(
		d, AREA, RESTART, "version %s runs, and " FLAGMAN_VERSION " is installed", version);
}

static void check_fact(struct doctor *d, const struct control_fact *f, long *held)
{
	long value = strtol(f->value, NULL, 10);

	if (strcmp(f->name, "trouble") == 0) {
		doctor_found(d, AREA, NULL, "%s", f->value);
	} else if (strcmp(f->name, "version") == 0) {
		check_version(d, f->value);
	} else if (strcmp(f->name, "watches-failed") == 0 && value > 0) {
		doctor_found(d, "limits",
			"raise fs.inotify.max_user_watches with sysctl(8), and put it into "
			"/etc/sysctl.d/flagman.conf",
			"%ld directories could not be watched", value);
	} else if (strcmp(f->name, "descriptors-held") == 0) {
		*held = value;
	} else if (strcmp(f->name, "descriptors-budget") == 0 && value > 0 && *held >= value) {
		doctor_found(d, "limits",
			"raise LimitNOFILE= of flagman.service (systemctl edit flagman)",
			"all %ld descriptors for flags are taken; further flags are known by their "
			"inode alone",
			value);
	} else if (strcmp(f->name, "directories-unusable") == 0 && value > 0) {
		doctor_found(d, "directory", "journalctl -u flagman has the reasons",
			"%ld of the directories can't be used now", value);
	}
}

/* An upgrade leaves the old program running, from a file that has no name any more; of the socket
 * it is told who listens (unix(7), SO_PEERCRED).  Only root may look. */
static void check_program(struct doctor *d, int fd)
{
	char path[64], exe[4096];
	struct ucred peer;
	socklen_t size = sizeof(peer);
	ssize_t n;

	if (d->replaced || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/exe", peer.pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	n -= (ssize_t)strlen(DELETED);
	if (n <= 0 || strcmp(exe + n, DELETED) != 0)
		return;
	d->replaced = true;
	doctor_found(
		d, AREA, RESTART, "%.*s was replaced, and what runs is the old one", (int)n, exe);
}

/* A call that complains only in the findings.  0; EX_NOPERM or EX_UNAVAILABLE: nobody to ask;
 * EX_TEMPFAIL: no answer. */
static int ask(struct doctor *d, enum control_type type, call_handler *handler, void *userdata)
{
	struct control_request q = {.header.type = (uint16_t)type};
	_cleanup_close_ int fd = -1;
	union control_message m;
	int r = call_open(d->cli, true, &fd);

	if (r)
		return r;
	check_program(d, fd);
	if (call_send(fd, &q, -1))
		return EX_TEMPFAIL;
	while (call_next(fd, ANSWER_MS, NULL, &m) == CALL_MESSAGE) {
		if (m.header.type == CONTROL_END)
			return m.end.exit_status ? EX_TEMPFAIL : 0;
		handler(&m, userdata);
	}
	return EX_TEMPFAIL;
}

struct health {
	struct doctor *d;
	long held; /* descriptors */
};

static void take_fact(const union control_message *m, void *userdata)
{
	struct health *h = userdata;

	if (m->header.type == CONTROL_FACT)
		check_fact(h->d, &m->fact, &h->held);
}

/* While another action runs `while-running: hide` takes a flag away, and a press has taken its own:
 * only one at rest must be there. */
static bool must_have_flag(enum state s)
{
	return s == STATE_READY || s == STATE_DONE || s == STATE_FAILED || s == STATE_CANCELLED ||
	       s == STATE_MISSED || s == STATE_MISCONFIGURED;
}

/* An object's name that the agent made up would be in what root types next. */
static bool is_configured(const struct doctor *d, const char *object)
{
	for (size_t i = 0; d->config && i < d->config->n_groups; i++)
		if (strcmp(d->config->groups[i].object, object) == 0)
			return true;
	return false;
}

static void check_flag(struct doctor *d, const struct control_action *a)
{
	_cleanup_close_ int dir = -1;
	char name[TARGET_NAME_MAX];
	struct stat st;

	if (!must_have_flag((enum state)a->state) || !*a->path)
		return;
	target_name(name, a->object, a->group, a->action);
	if (*a->file_name) {
		dir = open(a->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		/* What is wrong with the directory itself, another look says. */
		if (dir < 0)
			return;
		if (fstatat(dir, a->file_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return;
		if (errno == EACCES) {
			doctor_unseen(
				d, AREA, "%s/%s: no permission to look", a->path, a->file_name);
			return;
		}
	}
	doctor_found(d, AREA, NULL, "the flag of %s is missing from %s", name, a->path);
	if (is_configured(d, a->object))
		doctor_advise(d, "flagman restore '%s'", a->object);
}

static void keep(struct doctor *d, const struct control_action *a)
{
	struct live_action *p = reallocarray(d->live, d->n_live + 1, sizeof(*p));
	char name[TARGET_NAME_MAX];

	if (!p)
		return;
	d->live = p;
	p[d->n_live].name = strdup(target_name(name, a->object, a->group, a->action));
	p[d->n_live].misconfigured = a->state == STATE_MISCONFIGURED;
	if (p[d->n_live].name)
		d->n_live++;
}

static void take_action(const union control_message *m, void *userdata)
{
	struct doctor *d = userdata;

	if (m->header.type != CONTROL_ACTION)
		return;
	check_flag(d, &m->action);
	keep(d, &m->action);
}

static void take_name(const union control_message *m, void *userdata)
{
	if (m->header.type == CONTROL_ACTION)
		keep(userdata, &m->action);
}

int doctor_ask_live(struct doctor *d)
{
	return ask(d, CONTROL_STATUS, take_name, d);
}

static void not_running(struct doctor *d)
{
	doctor_found(d, AREA, NULL, "flagman is not running (nobody serves %s/%s)", d->cli->run_dir,
		CONTROL_SOCKET);
	if (strcmp(d->cli->run_dir, CLI_RUN_DIR) == 0)
		doctor_advise(
			d, "systemctl enable --now flagman; if it ends: journalctl -u flagman");
	else
		doctor_advise(d, "flagmand --run-dir %s --conf-dir %s --state-dir DIR",
			d->cli->run_dir, d->cli->conf_dir);
}

void doctor_service(struct doctor *d)
{
	struct health h = {.d = d};
	int r = ask(d, CONTROL_HEALTH, take_fact, &h);

	if (r == EX_NOPERM) {
		doctor_unseen(d, AREA, "%s/" CONTROL_SOCKET ": you may not talk to flagman there",
			d->cli->run_dir);
		return;
	}
	if (r == EX_UNAVAILABLE) {
		not_running(d);
		return;
	}
	if (r)
		doctor_unseen(d, AREA, "flagman does not say how it is");
	if (ask(d, CONTROL_STATUS, take_action, d))
		doctor_unseen(d, AREA, "flagman does not say what its flags show");
	else
		d->asked = geteuid() == 0 || !d->load->options.privileged;
	if (geteuid() != 0 && d->load->options.privileged)
		doctor_unseen(d, AREA, "as an ordinary user only your own buttons are seen");
}
