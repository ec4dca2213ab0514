/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NAME
 *	flagmand - runs the actions of flags in a share; see flagmand(8)
 *
 * SECURITY
 *	The executor: the one long-lived process with privileges.  It alone reads the configuration,
 *	and runs from its own tables what the agent names by number.  From weaker processes it reads
 *	fixed-size messages, descriptors and one checked file name; from the share, nothing but what
 *	statx(2) says.  It kills, changes owners, makes directories; it never reads what users
 *	wrote.  The agent (flagman-agent) runs as its own user without capabilities; commands are
 *	started and reported by runners (flagman-runner), which outlive it.
 *
 * DIAGNOSTICS
 *	sysexits(3): 64 wrong use, 67 no such user, 71 the system failed, 73 a directory can't be
 *	made, 75 another flagmand holds the lock, 78 no configuration directory.  When it is ready
 *	it says so on stderr and with sd_notify(3).
 */
#include "common/fd.h"
#include "common/log.h"
#include "common/text.h"
#include "executor/executor.h"
#include "executor/priority.h"
#include "executor/refusals.h"
#include "executor/withdraw.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define SPEC_BUFFER_MAX (256U * 1024) /* more than SPEC_SIZE_MAX: spec_encode() says -E2BIG */

struct options {
	const char *conf_dir, *state_dir, *run_dir, *user;
	bool withdraw;
};

static void print_help(void)
{
	puts("flagmand [--conf-dir DIR] [--state-dir DIR] [--run-dir DIR] [--user NAME]\n"
	     "Runs the actions of flags in a share, in the foreground.\n\n"
	     "  --conf-dir DIR   snippets (" FLAGMAN_SYSCONFDIR "/conf.d)\n"
	     "  --state-dir DIR  claims and history (/var/lib/flagman)\n"
	     "  --run-dir DIR    control socket (/run/flagman)\n"
	     "  --user NAME      whom the agent runs as, when started by root (flagman)\n"
	     "  --withdraw       take everything out of the shares again, run nothing, and end\n"
	     "  --help, --version\n\n"
	     "SIGHUP reads the configuration again; SIGTERM ends the service, and leaves runs "
	     "alone.");
}

/* Does not return for --help, --version and mistakes. */
static struct options parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{"conf-dir", required_argument, NULL, 'c'},
		{"state-dir", required_argument, NULL, 's'},
		{"run-dir", required_argument, NULL, 'r'},
		{"user", required_argument, NULL, 'u'},
		{"withdraw", no_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	struct options o = {
		.conf_dir = FLAGMAN_SYSCONFDIR "/conf.d",
		.state_dir = "/var/lib/flagman",
		.run_dir = "/run/flagman",
		.user = "flagman",
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) >= 0) {
		switch (c) {
		case 'c':
			o.conf_dir = optarg;
			break;
		case 's':
			o.state_dir = optarg;
			break;
		case 'r':
			o.run_dir = optarg;
			break;
		case 'u':
			o.user = optarg;
			break;
		case 'w':
			o.withdraw = true;
			break;
		case 'h':
			print_help();
			exit(0);
		case 'V':
			puts("flagmand " FLAGMAN_VERSION);
			exit(0);
		default:
			exit(EX_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "flagmand: unexpected argument '%s'; see --help\n", argv[optind]);
		exit(EX_USAGE);
	}
	return o;
}

static int on_stop(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	(void)s;
	(void)si;
	executor_stop(userdata);
	return 0;
}

static int on_hangup(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	(void)s;
	(void)si;
	(void)reload_now(userdata, true);
	return 0;
}

/* Everybody: agent, watchers, nursery, follower, and whatever was orphaned below us. */
static int on_child(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	struct executor *x = userdata;
	int status;
	pid_t pid;

	(void)s;
	(void)si;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (agent_reap(x, pid, status)) {
			if (x->stopping)
				(void)sd_event_exit(x->event, 0);
		} else if (!x->stopping && pool_reap(&x->pool, pid)) {
			chores_wake(x);
		} else if (!names_reap(&x->names, pid) && !follower_reap(x, pid)) {
			(void)watchers_reap(&x->watchers, pid);
		}
	}
	return 0;
}

static void set_up_process(struct executor *x)
{
	struct rlimit more;

	umask(022);
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &x->nofile) == 0) {
		more = x->nofile;
		more.rlim_cur = more.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &more);
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static int add_signal(struct executor *x, int signal, sd_event_signal_handler_t handler)
{
	sd_event_source *s;
	int r = sd_event_add_signal(x->event, &s, signal, handler, x);

	if (r >= 0)
		r = sd_event_source_set_priority(s, PRIORITY_MUST);
	return r < 0 ? r : sd_event_source_set_floating(s, true);
}

static int open_loop(struct executor *x)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
	static const sd_event_signal_handler_t handlers[] = {on_stop, on_stop, on_hangup, on_child};
	sigset_t set;
	int r = sd_event_default(&x->event);

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; r >= 0 && i < sizeof(signals) / sizeof(*signals); i++)
		r = add_signal(x, signals[i], handlers[i]);
	if (r >= 0)
		r = sd_event_set_watchdog(x->event, true);
	return r;
}

static void open_places(struct executor *x, const struct options *o)
{
	const char *why = "";
	int r = identity_find(o->user, &x->id, &why);

	if (r < 0)
		log_fatal(EX_NOUSER, "%s: %s", o->user, why);
	r = places_open(&x->places, o->state_dir, o->run_dir, &x->id, &why);
	if (r == -EWOULDBLOCK)
		log_fatal(EX_TEMPFAIL, "another flagmand uses %s", why);
	if (r < 0)
		log_fatal(EX_CANTCREAT, "%s: %s", why, strerror(-r));
}

static void adopt_one(const struct token *token, void *userdata)
{
	(void)runs_adopt(&((struct executor *)userdata)->runs, token);
}

/* What an earlier flagmand has left: its preparations, its runs. */
static void adopt(struct executor *x)
{
	claims_tidy(&x->places.claims);
	(void)claims_each(&x->places.claims, adopt_one, x);
	(void)cgroups_sweep(&x->cgroups, id_in_use, x);
	places_sweep(&x->places, id_in_use, x);
	if (x->runs.n)
		log_info("adopted %zu runs", x->runs.n);
}

static void begin(struct executor *x, const struct options *o)
{
	int r;

	open_places(x, o);
	x->withdrawing = o->withdraw;
	x->selinux = access("/sys/fs/selinux/enforce", F_OK) == 0;
	r = open_loop(x);
	if (r >= 0)
		r = chores_open(x);
	if (r < 0)
		log_fatal(EX_OSERR, "no event loop: %s", strerror(-r));
	names_open(&x->names);
	refusals_open(x->event);
	cgroups_open(&x->cgroups);
	x->runs = (struct runs){
		.event = x->event,
		.places = &x->places,
		.cgroups = &x->cgroups,
		.pool = &x->pool,
		.ended = tell_ended,
		.userdata = x,
	};
	adopt(x);
	r = pool_open(&x->pool, &x->places, &x->cgroups);
	if (r < 0)
		log_fatal(EX_OSERR, "can't start flagman-runner: %s", strerror(-r));
	x->pool.left_cgroups = true; /* what earlier runs have left may be in some */
	r = reload_open(x, o->conf_dir);
	if (r == 0)
		r = reload_now(x, false);
	if (r < 0)
		log_fatal(r == -ENOENT || r == -ENOTDIR ? EX_CONFIG : EX_OSERR,
			"%s: no configuration: %s", o->conf_dir, strerror(-r));
	if (x->withdrawing)
		withdraw_open(x);
	if (chdir("/") < 0) /* relative paths have been made absolute */
		log_warning("chdir: %s", strerror(errno));
}

static void end(struct executor *x)
{
	agent_close(x);
	if (x->withdrawn)
		withdraw_directories(x);
	refusals_close();
	watchers_end_all(&x->watchers);
	names_forget(x);
	follower_end(x);
	reload_close(x);
	runs_close(&x->runs);
	pool_close(&x->pool);
	chores_close(x);
	cgroups_close(&x->cgroups);
	places_close(&x->places);
	while (x->generations) {
		struct generation *older = x->generations->older;
		(void)generation_free(x->generations);
		x->generations = older;
	}
	rates_done(&x->rates);
	buf_done(&x->spec);
	identity_release(&x->id);
	sd_event_unref(x->event);
}

int main(int argc, char **argv)
{
	static struct executor x = {.spec = BUF_INIT(SPEC_BUFFER_MAX)};
	struct options o = parse_options(argc, argv);
	int r;

	log_init("flagmand", "executor");
	set_up_process(&x);
	begin(&x, &o);
	(void)agent_start(&x);
	malloc_trim(0);
	r = sd_event_loop(x.event);
	if (r < 0)
		log_error("event loop: %s", strerror(-r));
	end(&x);
	if (x.withdrawing && !x.withdrawn) {
		log_warning("ended before everything was taken back; try it again");
		return EX_TEMPFAIL;
	}
	return r < 0 ? EX_OSERR : 0;
}
