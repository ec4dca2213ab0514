/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real flagman-runner, driven as flagmand does it: births, specifications, claims. */
#include "common/buf.h"
#include "common/fd.h"
#include "wire/claim.h"
#include "wire/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE 20000 /* ms */

static const struct token a_token = {.b = {1, 2, 3}};

static char *top;
static int nursery = -1;
static pid_t nursery_pid;
static uint64_t born_with = UINT64_MAX; /* the bounding set of runners to come */

struct job {
	char dir[300], notify[320];
	int claim, socket, notify_fd, alive;
	struct claim_result result;
	struct claim_status status;
	struct buf output;
};

static void start_nursery(void)
{
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), errno);
	nursery_pid = fork();
	if (nursery_pid == 0) {
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(pair[1], RUNNER_SOCKET_FD);
		close_from(4);
		execl(RUNNER, RUNNER, (char *)NULL);
		_exit(127);
	}
	close(pair[1]);
	nursery = pair[0];
}

static int set_up(void **state)
{
	(void)state;
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	top = strdup("/tmp/flagman-runner-XXXXXX");
	if (!mkdtemp(top) || chmod(top, 0755) < 0)
		return -1;
	start_nursery();
	return 0;
}

static int tear_down(void **state)
{
	char command[400];
	int status;

	(void)state;
	close(nursery);
	waitpid(nursery_pid, &status, 0);
	snprintf(command, sizeof(command), "rm -rf %s", top);
	if (fork() == 0)
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	wait(NULL);
	free(top);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int notify_socket(struct job *j)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

	snprintf(j->notify, sizeof(j->notify), "%s.n", j->dir);
	snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", j->notify);
	assert_return_code(bind(fd, (struct sockaddr *)&a, sizeof(a)), errno);
	chmod(j->notify, 0666);
	setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	return fd;
}

static void birth(struct job *j)
{
	static int number;
	struct nursery_message b = {.request = NURSERY_BIRTH, .bounding = born_with};
	char alive[320];
	int pair[2], writer;

	*j = (struct job){.output = BUF_INIT(16 * 1024 * 1024)};
	snprintf(j->dir, sizeof(j->dir), "%s/%d", top, number++);
	j->claim = open(j->dir, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_return_code(ftruncate(j->claim, CLAIM_BLOCK), errno);
	snprintf(alive, sizeof(alive), "%s.alive", j->dir);
	assert_return_code(mkfifo(alive, 0600), errno);
	j->alive = open(alive, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	writer = open(alive, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_return_code(writer, errno);
	j->notify_fd = notify_socket(j);
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), errno);
	j->socket = pair[0];
	assert_int_equal(
		spec_send(nursery, &b, sizeof(b), (int[]){pair[1], j->claim, j->notify_fd, writer},
			NURSERY_BIRTH_FDS),
		0);
	close(pair[1]);
	close(writer);
}

/* What every test starts from: this process's own identity, nothing special. */
static struct spec plain(const char *const *argv, const char *const *env)
{
	return (struct spec){
		.token = a_token,
		.flags = geteuid() == 0 ? SPEC_IDENTITY : 0,
		.uid = geteuid(),
		.gid = getegid(),
		.umask = 022,
		.bounding = UINT64_MAX,
		.output_limit = 1024 * 1024,
		.directory = "/",
		.context = "",
		.argv = argv,
		.env = env,
	};
}

static const char *const no_env[] = {NULL};

static void send_spec(struct job *j, const struct spec *s, const int *fds, size_t n)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(SPEC_SIZE_MAX);

	assert_int_equal(spec_encode(&b, s), 0);
	assert_int_equal(spec_send(j->socket, b.data, b.len, fds, n), 0);
	close(j->socket);
}

/* The runner has ended, or has said the end. */
static void wait_hang_up(const struct job *j)
{
	struct pollfd p = {.fd = j->alive};

	assert_int_equal(poll(&p, 1, PATIENCE), 1);
	assert_true(p.revents & POLLHUP);
}

static void wait_end(struct job *j)
{
	uint64_t left_out;

	wait_hang_up(j);
	assert_int_equal(pread_all(j->claim, &j->result, sizeof(j->result), CLAIM_RESULT_AT), 0);
	assert_int_equal(j->result.version, CLAIM_VERSION);
	assert_memory_equal(&j->result.token, &a_token, sizeof(a_token));
	assert_int_equal(claim_status_read(j->claim, &j->status), 0);
	struct buf head = BUF_INIT(16 * 1024 * 1024);
	assert_int_equal(claim_output_read(j->claim, &j->status, &head, &j->output, &left_out), 0);
	if (head.len) { /* in order, as one */
		struct buf all = BUF_INIT(32 * 1024 * 1024);
		buf_add(&all, head.data, head.len);
		buf_add(&all, buf_str(&j->output), j->output.len);
		buf_done(&j->output);
		j->output = all;
	}
	buf_done(&head);
}

static uint32_t result_version(const struct job *j)
{
	struct claim_result r;

	assert_int_equal(pread_all(j->claim, &r, sizeof(r), CLAIM_RESULT_AT), 0);
	return r.version;
}

static void done(struct job *j)
{
	buf_done(&j->output);
	close(j->claim);
	close(j->alive);
	close(j->notify_fd);
}

static void run(struct job *j, const struct spec *s)
{
	birth(j);
	send_spec(j, s, NULL, 0);
	wait_end(j);
}

/* The value of the line "KEY: ..." of the output. */
static const char *value(const struct job *j, const char *key)
{
	static char line[1024];
	size_t len = strlen(key);

	for (const char *p = buf_str(&j->output); p && *p; p = strchr(p, '\n'), p += p != NULL)
		if (!strncmp(p, key, len) && p[len] == ':') {
			p += len + 1;
			p += strspn(p, " \t");
			snprintf(line, sizeof(line), "%.*s", (int)strcspn(p, "\n"), p);
			return line;
		}
	fail_msg("no line %s in:\n%s", key, buf_str(&j->output));
	return "";
}

static void test_ends(void **state)
{
	struct job j;

	(void)state;
	struct spec s = plain(
		(const char *const[]){"/bin/sh", "-c", "echo out; echo err >&2; exit 3", NULL},
		no_env);
	run(&j, &s);
	assert_int_equal(j.result.end.kind, END_EXITED);
	assert_int_equal(j.result.end.code, 3);
	assert_true(j.result.end.started > 0 && j.result.end.ended >= j.result.end.started);
	assert_true(j.result.end.lasted > 0);
	assert_string_equal(buf_str(&j.output), "out\nerr\n");
	done(&j);

	s.argv = (const char *const[]){"/bin/sh", "-c", "kill -9 $$", NULL};
	run(&j, &s);
	assert_int_equal(j.result.end.kind, END_SIGNALED);
	assert_int_equal(j.result.end.code, 9);
	done(&j);
}

static void check_not_started(const struct spec *s, int code, int error, const char *where)
{
	struct job j;

	run(&j, s);
	assert_int_equal(j.result.end.kind, END_NOT_STARTED);
	assert_int_equal(j.result.end.code, code);
	assert_int_equal(j.result.end.error, error);
	assert_string_equal(j.result.end.where, where);
	done(&j);
}

static void test_not_started(void **state)
{
	struct spec s = plain((const char *const[]){"/x", NULL}, no_env);

	(void)state;
	check_not_started(&s, 203, ENOENT, "/x");
	s.argv = (const char *const[]){"/etc/passwd", NULL};
	check_not_started(&s, 203, EACCES, "/etc/passwd");
	s.argv = (const char *const[]){"flagman-no-such-program", NULL};
	s.env = (const char *const[]){"PATH=/usr/bin:/bin", NULL};
	check_not_started(&s, 203, ENOENT, "flagman-no-such-program");
	s.env = no_env; /* never looked for in the working directory */
	s.argv = (const char *const[]){"true", NULL};
	s.directory = "/bin";
	check_not_started(&s, 203, ENOENT, "true");
	s.argv = (const char *const[]){"/bin/true", NULL};
	s.directory = "/nowhere";
	check_not_started(&s, 200, ENOENT, "/nowhere");
	s.directory = "/";
	s.limits_set = 1U << RLIMIT_NOFILE;
	s.limits[RLIMIT_NOFILE] = (struct spec_limit){10, 5}; /* soft above hard */
	check_not_started(&s, 205, EINVAL, "limits");
	s.limits_set = 0;
	s.context = "no context of any policy"; /* nor a word of another security module's */
	check_not_started(&s, 229, EINVAL, "selinux-context");
}

/* Where AppArmor is off a profile is ignored; where it is on, one that is required must be there.
 * tests/vm/test_apparmor.py has the rest. */
static void test_profile(void **state)
{
	struct spec s = plain((const char *const[]){"/bin/true", NULL}, no_env);
	int fd = open("/proc/self/attr/apparmor/current", O_RDONLY | O_CLOEXEC);
	bool on = fd >= 0 && read(fd, &(char){0}, 1) == 1;
	struct job j;

	(void)state;
	close_fd(fd);
	s.apparmor_profile = "flagman-no-such-profile";
	run(&j, &s); /* nobody's default where flagman's own are not loaded */
	assert_int_equal(j.result.end.kind, END_EXITED);
	done(&j);
	s.flags |= SPEC_PROFILE;
	if (on) {
		check_not_started(&s, 231, ENOENT, "apparmor-profile");
		return;
	}
	run(&j, &s);
	assert_int_equal(j.result.end.kind, END_EXITED);
	assert_int_equal(j.result.end.code, 0);
	done(&j);
}

static void test_what_it_finds(void **state)
{
	struct spec s = plain(
		(const char *const[]){PROBE, NULL}, (const char *const[]){"A=b c", "D=", NULL});
	struct job j;

	(void)state;
	s.umask = 027;
	s.directory = top;
	s.flags |= SPEC_NO_NEW_PRIVILEGES;
	s.limits_set = 1U << RLIMIT_NOFILE | 1U << RLIMIT_CORE;
	s.limits[RLIMIT_NOFILE] = (struct spec_limit){100, 200};
	s.nice = 3;
	run(&j, &s);
	assert_int_equal(j.result.end.kind, END_EXITED);
	assert_string_equal(value(&j, "fds"), "0 1 2");
	assert_string_equal(value(&j, "ignored"), "");
	assert_string_equal(value(&j, "blocked"), "");
	assert_string_equal(value(&j, "session"), "own");
	assert_string_equal(value(&j, "umask"), "0027");
	assert_string_equal(value(&j, "nice"), "3");
	assert_string_equal(value(&j, "nofile"), "100 200");
	assert_string_equal(value(&j, "core"), "0 0");
	assert_string_equal(value(&j, "cwd"), top);
	assert_string_equal(value(&j, "deathsig"), "9");
	assert_string_equal(value(&j, "NoNewPrivs"), "1");
	assert_non_null(strstr(buf_str(&j.output), "env: A=b c\nenv: D=\n"));
	done(&j);
}

static void test_path_is_searched(void **state)
{
	struct spec s = plain((const char *const[]){"echo", "found", NULL},
		(const char *const[]){"PATH=/nowhere::relative:/usr/bin:/bin", NULL});
	struct job j;

	(void)state;
	run(&j, &s);
	assert_string_equal(buf_str(&j.output), "found\n");
	done(&j);
}

static void test_user(void **state)
{
	static const uint32_t groups[] = {4711, 4712};
	struct spec s = plain((const char *const[]){PROBE, NULL}, no_env);
	struct job j;

	(void)state;
	s.uid = 4242;
	s.gid = 4343;
	s.groups = groups;
	s.n_groups = 2;
	s.bounding = 0;
	run(&j, &s);
	assert_string_equal(value(&j, "Uid"), "4242\t4242\t4242\t4242");
	assert_string_equal(value(&j, "Gid"), "4343\t4343\t4343\t4343");
	assert_string_equal(value(&j, "Groups"), "4711 4712 ");
	assert_string_equal(value(&j, "deathsig"), "9");
	for (const char *const *c = (const char *const[]){"CapInh", "CapPrm", "CapEff", "CapBnd",
		     "CapAmb", NULL};
		*c; c++)
		assert_string_equal(value(&j, *c), "0000000000000000");
	done(&j);
}

static void test_one_ambient_capability(void **state)
{
	struct spec s = plain((const char *const[]){PROBE, NULL}, no_env);
	struct job j;

	(void)state;
	s.uid = 4242;
	s.gid = 4343;
	s.bounding = 0;
	s.ambient = UINT64_C(1) << 10; /* CAP_NET_BIND_SERVICE */
	s.flags |= SPEC_NO_NEW_PRIVILEGES;
	run(&j, &s);
	for (const char *const *c =
			(const char *const[]){"CapInh", "CapPrm", "CapEff", "CapAmb", NULL};
		*c; c++)
		assert_string_equal(value(&j, *c), "0000000000000400");
	assert_string_equal(value(&j, "CapBnd"), "0000000000000000");
	done(&j);
}

static void test_root_with_few_capabilities(void **state)
{
	struct spec s = plain((const char *const[]){PROBE, NULL}, no_env);
	struct job j;

	(void)state;
	s.bounding = 1; /* CAP_CHOWN */
	run(&j, &s);
	assert_string_equal(value(&j, "CapPrm"), "0000000000000001");
	assert_string_equal(value(&j, "CapEff"), "0000000000000001");
	assert_string_equal(value(&j, "CapBnd"), "0000000000000001");
	assert_string_equal(value(&j, "CapInh"), "0000000000000000");
	done(&j);
}

/* What the nursery has dropped for all comes to the same; an ambient capability stays possible. */
static void test_dropped_early(void **state)
{
	born_with = UINT64_C(1) << 10 | 1;
	test_user(state);
	test_one_ambient_capability(state);
	test_root_with_few_capabilities(state);
}

/* The shell reads its text from descriptor 3, closes that, and its children have 0, 1 and 2. */
static void test_script(void **state)
{
	static const char text[] = "exec 3<&-; echo first\n" PROBE "\nfalse\necho never\n";
	struct spec s =
		plain((const char *const[]){"/bin/sh", "-e", "/proc/self/fd/3", NULL}, no_env);
	_cleanup_close_ int script = memfd_create("script", MFD_CLOEXEC);
	struct job j;

	(void)state;
	assert_int_equal(write_all(script, text, strlen(text)), 0);
	if (geteuid() == 0)
		s.uid = s.gid = 4242; /* somebody else's memfd can be read */
	s.flags |= SPEC_SCRIPT;
	birth(&j);
	send_spec(&j, &s, &script, 1);
	wait_end(&j);
	assert_int_equal(j.result.end.code, 1);
	assert_string_equal(value(&j, "fds"), "0 1 2");
	assert_memory_equal(j.output.data, "first\n", 6);
	assert_null(strstr(buf_str(&j.output), "never"));
	done(&j);
}

static void test_output_limit(void **state)
{
	struct spec s = plain((const char *const[]){PROBE, "flood", "400000", NULL}, no_env);
	struct job j;
	struct stat st;

	(void)state;
	s.output_limit = 1000;
	run(&j, &s);
	assert_int_equal(j.status.output_total, 400000);
	assert_int_equal(j.output.len, 1000);
	assert_memory_equal(j.output.data, "0000000\n0000008\n", 16);
	assert_string_equal(j.output.data + 1000 - 8, "0399992\n");
	assert_int_equal(fstat(j.claim, &st), 0);
	assert_int_equal(st.st_size, CLAIM_OUTPUT_AT + 1000);
	done(&j);
}

static void test_progress(void **state)
{
	struct job j;
	char env[400];

	(void)state;
	birth(&j);
	snprintf(env, sizeof(env), "NOTIFY_SOCKET=%s", j.notify);
	struct spec s = plain((const char *const[]){PROBE, "notify", "STATUS=10% begin", "READY=1",
				      "STATUS=42% half \x01\xff way\nMAINPID=1", NULL},
		(const char *const[]){env, NULL});
	if (geteuid() == 0)
		s.uid = s.gid = 4242;
	send_spec(&j, &s, NULL, 0);
	wait_end(&j);
	assert_int_equal(j.result.end.code, 0);
	assert_int_equal(j.status.percent, 42);
	assert_string_equal(j.status.text, "42% half  ? way");
	done(&j);
}

static bool exists(const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	return access(path, F_OK) == 0;
}

/* A left daemon outlives the run, and writing does not kill it. */
static void test_leftovers_leave(void **state)
{
	struct spec s =
		plain((const char *const[]){"/bin/sh", "-c",
			      "( read go <go; echo noise; echo more; echo x >alive.left ) & "
			      "echo done",
			      NULL},
			no_env);
	struct job j;
	char fifo[400];
	int fd;

	(void)state;
	snprintf(fifo, sizeof(fifo), "%s/go", top);
	assert_return_code(mkfifo(fifo, 0600), errno);
	s.directory = top;
	run(&j, &s);
	assert_string_equal(buf_str(&j.output), "done\n");
	assert_false(exists("alive.left"));
	fd = open(fifo, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "go\n", 3), 3);
	close(fd);
	for (int i = 0; i < PATIENCE / 10 && !exists("alive.left"); i++)
		poll(NULL, 0, 10);
	assert_true(exists("alive.left"));
	done(&j);
}

/* The run is over when the last of it is, wherever it has put its output. */
static void test_leftovers_wait(void **state)
{
	struct spec s = plain(
		(const char *const[]){"/bin/sh", "-c",
			"( ( exec >/dev/null 2>&1; sleep 0.2; echo x >waited ) & ); exit 4", NULL},
		no_env);
	struct job j;

	(void)state;
	s.leftovers = SPEC_WAIT;
	s.directory = top;
	run(&j, &s);
	assert_true(exists("waited"));
	assert_int_equal(j.result.end.code, 4);
	done(&j);
}

/* kill -9 of the runner: `alive` hangs up, there is no result, and the command is gone. */
static void test_runner_dies(void **state)
{
	struct spec s = plain((const char *const[]){PROBE, "hang", NULL}, no_env);
	struct pollfd p;
	struct job j;
	char started[CLAIM_STARTED_SIZE + 1] = "", boot[64];
	int pid = 0, runner = 0;
	unsigned long long ticks;

	(void)state;
	birth(&j);
	send_spec(&j, &s, NULL, 0);
	p = (struct pollfd){.fd = j.alive, .events = POLLIN};
	assert_int_equal(poll(&p, 1, PATIENCE), 1); /* first nudge: it has been started */
	assert_int_equal(pread_all(j.claim, started, CLAIM_STARTED_SIZE, CLAIM_STARTED_AT), 0);
	assert_int_equal(sscanf(started, "%63s %d %llu %d", boot, &pid, &ticks, &runner), 4);
	assert_string_equal(boot, boot_id());
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(getsid(pid), pid);
	kill(runner, SIGKILL);
	p.events = 0;
	assert_int_equal(poll(&p, 1, PATIENCE), 1);
	assert_true(p.revents & POLLHUP);
	assert_int_equal(result_version(&j), 0);
	for (int i = 0; i < PATIENCE / 10 && waitpid(pid, NULL, WNOHANG) != pid; i++)
		poll(NULL, 0, 10); /* it becomes our child when the runner is gone */
	assert_int_equal(kill(pid, 0), -1);
	done(&j);
}

/* What would end an ordinary process does not end a runner. */
static void test_runner_ignores_signals(void **state)
{
	struct spec s = plain((const char *const[]){"/bin/sh", "-c",
				      "kill -TERM $PPID; kill -INT $PPID; exit 5", NULL},
		no_env);
	struct job j;

	(void)state;
	run(&j, &s);
	assert_int_equal(j.result.end.code, 5);
	done(&j);
}

/* The nursery has directories synced, and goes on. */
static void test_sync(void **state)
{
	const struct nursery_message m = {.request = NURSERY_SYNC};
	_cleanup_close_ int dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int pair[2];
	char byte;

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), errno);
	assert_int_equal(
		spec_send(nursery, &m, sizeof(m), (int[]){pair[1], dir}, NURSERY_SYNC_FDS), 0);
	close(pair[1]);
	assert_int_equal(read(pair[0], &byte, 1), 1);
	assert_int_equal(read(pair[0], &byte, 1), 0);
	close(pair[0]);
}

/* Its own end of an empty socket pair. */
static pid_t another_nursery(int *ret)
{
	int kept = nursery;
	pid_t kept_pid = nursery_pid, pid;

	start_nursery();
	*ret = nursery;
	pid = nursery_pid;
	nursery = kept;
	nursery_pid = kept_pid;
	return pid;
}

/* A request that is none ends the nursery, with nothing begun. */
static void test_nonsense_for_the_nursery(void **state)
{
	static const struct {
		uint32_t request;
		size_t size, n_fds;
	} cases[] = {
		{0, sizeof(struct nursery_message), 0},
		{UINT32_MAX, sizeof(struct nursery_message), NURSERY_BIRTH_FDS},
		{NURSERY_BIRTH, sizeof(struct nursery_message), 0},
		{NURSERY_BIRTH, sizeof(struct nursery_message), NURSERY_BIRTH_FDS - 1},
		{NURSERY_BIRTH, sizeof(struct nursery_message) - 1, NURSERY_BIRTH_FDS},
		{NURSERY_BIRTH, sizeof(struct nursery_message) + 1, NURSERY_BIRTH_FDS},
		{NURSERY_BIRTH, 100000, NURSERY_BIRTH_FDS},
		{NURSERY_BIRTH, 1, 0},
		{NURSERY_SYNC, sizeof(struct nursery_message), NURSERY_SYNC_FDS - 1},
		{NURSERY_SYNC, sizeof(struct nursery_message), NURSERY_SYNC_FDS + 1},
	};
	static char message[100000];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fds[] = {null, null, null, null, null};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int socket, status;
		pid_t pid = another_nursery(&socket);
		memcpy(message, &cases[i].request, sizeof(cases[i].request));
		assert_int_equal(spec_send(socket, message, cases[i].size, fds, cases[i].n_fds), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
		close(socket);
	}
	close(null);
}

/* Descriptors that are not what they should be end the runner; the nursery goes on. */
static void test_births_that_can_not_be(void **state)
{
	struct nursery_message m = {.request = NURSERY_BIRTH, .bounding = UINT64_MAX};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fds[] = {null, null, null, null, null};

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(
			spec_send(nursery, &m, sizeof(m), fds, NURSERY_BIRTH_FDS + i % 2), 0);
	m.request = NURSERY_SYNC; /* what can't be synced is not said to be */
	assert_int_equal(spec_send(nursery, &m, sizeof(m), fds, NURSERY_SYNC_FDS), 0);
	close(null);
	test_sync(state);
}

/* A specification that was cut anywhere, or has a byte too many, is no run: nothing is executed,
 * nothing is said to have ended. */
static void test_specifications_that_are_cut(void **state)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(SPEC_SIZE_MAX);
	struct spec s = plain((const char *const[]){"/bin/sh", "-c", "echo x >cut", NULL}, no_env);
	struct job j;

	(void)state;
	s.directory = top;
	assert_int_equal(spec_encode(&b, &s), 0);
	buf_addc(&b, 'x');
	for (size_t len = 1; len <= b.len; len += len < b.len - 40 ? 23 : 1) {
		if (len == b.len - 1)
			continue; /* all of it */
		birth(&j);
		assert_int_equal(spec_send(j.socket, b.data, len, NULL, 0), 0);
		close(j.socket);
		wait_hang_up(&j);
		assert_int_equal(result_version(&j), 0);
		done(&j);
	}
	assert_false(exists("cut"));
}

/* More descriptors than it says, or fewer: it is not started, and that is its result. */
static void test_specifications_with_wrong_descriptors(void **state)
{
	struct spec s = plain((const char *const[]){"/bin/sh", "-c", "echo x >cut", NULL}, no_env);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fds[] = {null, null, null, null, null};
	struct job j;

	(void)state;
	s.directory = top;
	for (size_t n = 0; n <= SPEC_FDS_MAX; n++)
		for (uint32_t script = 0; script <= SPEC_SCRIPT; script += SPEC_SCRIPT) {
			if (n == (script ? 1 : 0))
				continue;
			s.flags = (s.flags & ~(uint32_t)SPEC_SCRIPT) | script;
			birth(&j);
			send_spec(&j, &s, fds, n);
			wait_end(&j);
			assert_int_equal(j.result.end.kind, END_NOT_STARTED);
			assert_int_equal(j.result.end.error, EBADMSG);
			assert_string_equal(j.result.end.where, "specification");
			done(&j);
		}
	close(null);
	assert_false(exists("cut"));
}

/* Without a specification there is no run and no trace of one. */
static void test_called_off(void **state)
{
	struct pollfd p;
	struct job j;

	(void)state;
	birth(&j);
	close(j.socket);
	/* The runner may not have opened `alive` yet; its end is the end of the notify socket. */
	p = (struct pollfd){.fd = j.alive};
	for (int i = 0; i < PATIENCE / 10 && poll(&p, 1, 10) == 0; i++) {
		char c;
		if (read(j.alive, &c, 1) == 0)
			break;
	}
	assert_int_equal(result_version(&j), 0);
	done(&j);
}

int main(void)
{
	const struct CMUnitTest everybody[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_not_started),
		cmocka_unit_test(test_profile),
		cmocka_unit_test(test_what_it_finds),
		cmocka_unit_test(test_path_is_searched),
		cmocka_unit_test(test_script),
		cmocka_unit_test(test_output_limit),
		cmocka_unit_test(test_progress),
		cmocka_unit_test(test_leftovers_leave),
		cmocka_unit_test(test_leftovers_wait),
		cmocka_unit_test(test_runner_dies),
		cmocka_unit_test(test_runner_ignores_signals),
		cmocka_unit_test(test_sync),
		cmocka_unit_test(test_nonsense_for_the_nursery),
		cmocka_unit_test(test_births_that_can_not_be),
		cmocka_unit_test(test_specifications_that_are_cut),
		cmocka_unit_test(test_specifications_with_wrong_descriptors),
		cmocka_unit_test(test_called_off),
	};
	const struct CMUnitTest root[] = {
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_one_ambient_capability),
		cmocka_unit_test(test_root_with_few_capabilities),
		cmocka_unit_test(test_dropped_early),
	};
	int failed = cmocka_run_group_tests(everybody, set_up, tear_down);

	if (geteuid() == 0)
		failed += cmocka_run_group_tests(root, set_up, tear_down);
	return failed;
}
