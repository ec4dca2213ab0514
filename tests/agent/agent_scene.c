/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real flagman-agent with this program as its executor and watcher. */
#include "agent_scene.h"

#include "common/fd.h"
#include "common/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 20000 /* ms */

static const char *path(const struct scene *s, const char *name)
{
	static char buf[256];

	snprintf(buf, sizeof(buf), "%s/%s", s->top, name);
	return buf;
}

static void make_directories(const struct scene *s)
{
	static const char *const names[] = {"state", "share", "share/.flagman",
		"share/.flagman/staging", "share/Box", "share/Box/Run"};

	for (size_t i = 0; i < N_OF(names); i++)
		assert_return_code(mkdir(path(s, names[i]), 0755), errno);
}

static _Noreturn void become_agent(const struct scene *s, int theirs)
{
	const struct rlimit no_core = {0};
	int log = open(path(s, "log"), O_WRONLY | O_CREAT | O_APPEND, 0644), fds[3];
	char state[80];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &no_core);
	snprintf(state, sizeof(state), "%s/state", s->top);
	fds[0] = fcntl(theirs, F_DUPFD, 10);
	fds[1] = fcntl(s->control, F_DUPFD, 10);
	fds[2] = fcntl(s->state, F_DUPFD, 10);
	dup2(log, STDERR_FILENO);
	for (int i = 0; i < 3; i++)
		dup2(fds[i], 3 + i);
	close_from(6);
	execl(AGENT, "flagman-agent", "--state-dir", state, (char *)NULL);
	_exit(127);
}

static void start_agent(struct scene *s)
{
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), errno);
	s->agent = fork();
	assert_return_code(s->agent, errno);
	if (s->agent == 0)
		become_agent(s, pair[1]);
	close(pair[1]);
	s->socket = pair[0];
	s->pipe = -1;
}

int scene_set_up(void **state)
{
	struct sockaddr_un any = {.sun_family = AF_UNIX}; /* nobody looks for it */
	struct scene *s = calloc(1, sizeof(*s));

	signal(SIGPIPE, SIG_IGN);
	snprintf(s->top, sizeof(s->top), "/tmp/flagman-agent-XXXXXX");
	if (!mkdtemp(s->top))
		return -1;
	make_directories(s);
	s->control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	s->state = open(path(s, "state"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->control < 0 || s->state < 0 ||
		bind(s->control, (struct sockaddr *)&any, sizeof(any.sun_family)) < 0 ||
		listen(s->control, 1) < 0)
		return -1;
	start_agent(s);
	*state = s;
	return 0;
}

static void end_agent(struct scene *s)
{
	close_fd(s->socket);
	close_fd(s->pipe);
	s->socket = s->pipe = -1;
	if (s->agent > 0) {
		kill(s->agent, SIGKILL);
		waitpid(s->agent, NULL, 0);
		s->agent = 0;
	}
}

int scene_tear_down(void **state)
{
	struct scene *s = *state;
	pid_t pid;

	end_agent(s);
	close(s->control);
	close(s->state);
	pid = fork();
	if (pid == 0)
		execl("/bin/rm", "rm", "-rf", s->top, (char *)NULL);
	waitpid(pid, NULL, 0);
	free(s);
	return 0;
}

void scene_restart(struct scene *s)
{
	end_agent(s);
	s->ready = false;
	start_agent(s);
}

void scene_another(struct scene *s, struct scene *ret)
{
	*ret = *s;
	ret->ready = false;
	start_agent(ret);
}

/* ---- what it is told ---- */

int scene_view(const struct scene *s, uint64_t generation)
{
	struct view_builder *b = view_builder_new();
	struct view_base base = {.path = view_add_string(b, path(s, "share"))};
	struct view_board board = {
		.object = view_add_string(b, "Box"),
		.group = view_add_string(b, ""),
		.n_actions = 2,
		.run_folder = view_add_string(b, "Run"),
		.labels = VIEW_NONE,
		.dir_gid = getegid(),
		.file_uid = geteuid(),
		.file_gid = getegid(),
		.file_mode = 0640,
	};
	struct view_action actions[] = {
		{.name = view_add_string(b, "Go"), .drop = VIEW_NONE},
		{.name = view_add_string(b, "Stop"), .drop = VIEW_NONE},
	};
	struct view_press how = {
		.triggers = TRIGGER_BIT(TRIGGER_DELETE) | TRIGGER_BIT(TRIGGER_MOVE),
		.serialise = SERIALISE_NONE,
		.result_delay = UINT64_MAX,
		.failed_delay = UINT64_MAX,
		.timeout = UINT64_MAX,
	};
	struct view_header h = {.generation = generation,
		.n_bases = 1,
		.n_boards = 1,
		.n_actions = 2,
		.n_press = 1,
		.max_runs = 10,
		.history_runs = 100};
	int fd = view_finish(b, &h, &base, &board, actions, &how, NULL, NULL);

	view_builder_free(b);
	assert_return_code(fd, -fd);
	return fd;
}

void say_raw(struct scene *s, const void *data, size_t size, const int *fds, size_t n)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(8 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, n * sizeof(int));
	}
	if (sendmsg(s->socket, &m, MSG_NOSIGNAL) < 0)
		assert_true(errno == EPIPE || errno == ECONNRESET);
}

void say(struct scene *s, void *message, size_t size, uint16_t type, const int *fds, size_t n)
{
	struct wire_header *h = message;

	*h = (struct wire_header){WIRE_VERSION, type, (uint32_t)size};
	say_raw(s, message, size, fds, n);
}

void say_config(struct scene *s, uint64_t generation, int fd)
{
	struct exec_config m = {.generation = generation};

	say(s, &m, sizeof(m), EXEC_CONFIG, &fd, 1);
	close(fd);
}

void say_end_of_claims(struct scene *s)
{
	struct exec_claims_end m = {0};

	say(s, &m, sizeof(m), EXEC_CLAIMS_END, NULL, 0);
}

void tell(struct scene *s, uint16_t kind, uint16_t error, uint32_t number)
{
	const struct watch_record r = {kind, error, number};

	if (write(s->pipe, &r, sizeof(r)) < 0)
		assert_int_equal(errno, EPIPE);
}

static char *read_log(const struct scene *s)
{
	_cleanup_close_ int fd = open(path(s, "log"), O_RDONLY | O_CLOEXEC);
	char *text = calloc(1, 65536);

	assert_true(fd >= 0 && read(fd, text, 65535) >= 0);
	return text;
}

static void fail_log(const struct scene *s, const char *what)
{
	_cleanup_free_ char *log = read_log(s);

	fail_msg("%s:\n%s", what, log);
}

/* ---- what it says ---- */

/* One message; false: it has closed its end. */
static bool receive(struct scene *s, union message *m, int *fds, size_t *n_fds)
{
	struct pollfd p = {.fd = s->socket, .events = POLLIN};
	size_t size = 0;
	int r;

	assert_int_equal(poll(&p, 1, PATIENCE), 1);
	r = wire_receive(
		s->socket, exec_from_agent, EXEC_TYPE_MAX_, m, sizeof(*m), &size, fds, n_fds);
	assert_int_equal(r, 0);
	return size > 0;
}

static void note(struct scene *s, const union message *m, int *fds)
{
	struct exec_result owned = {.cookie = m->own.cookie};
	struct exec_named named = {.uid = m->name.uid, .name = "somebody"};

	if (m->header.type == EXEC_OWN) {
		if (s->silent)
			return;
		say(s, &owned, sizeof(owned), EXEC_OWNED, NULL, 0);
	} else if (m->header.type == EXEC_WATCH) {
		close_fd(s->pipe);
		s->pipe = steal_fd(&fds[1]);
		s->watcher = m->watch.cookie;
	} else if (m->header.type == EXEC_ADOPTED) {
		s->ready = true;
	} else if (m->header.type == EXEC_START) {
		s->starts++;
	} else if (m->header.type == EXEC_NAME) {
		say(s, &named, sizeof(named), EXEC_NAMED, NULL, 0);
	} else if (m->header.type == EXEC_SPENT) {
		s->spent += m->spent.n;
	}
}

static bool next(struct scene *s, union message *ret)
{
	int fds[WIRE_FDS_MAX];
	size_t n = 0;

	if (!receive(s, ret, fds, &n))
		return false;
	note(s, ret, fds);
	for (size_t i = 0; i < n; i++)
		close_fd(fds[i]);
	return true;
}

void hear(struct scene *s, uint16_t type, union message *ret)
{
	do {
		if (!next(s, ret))
			fail_log(s, "it has closed its end");
	} while (ret->header.type != type);
}

void make_ready(struct scene *s)
{
	union message m;

	say_config(s, GENERATION, scene_view(s, GENERATION));
	say_end_of_claims(s);
	hear(s, EXEC_WATCH, &m);
	tell(s, WATCH_READY, 0, 0);
	hear(s, EXEC_ADOPTED, &m);
	assert_int_equal(m.generation.generation, GENERATION);
}

void press(struct scene *s, const char *action, struct exec_start *ret)
{
	char name[64];
	union message m;

	snprintf(name, sizeof(name), "share/Box/%s.txt", action);
	assert_return_code(unlink(path(s, name)), errno);
	tell(s, WATCH_LOOK, 0, DIR_BOX);
	hear(s, EXEC_START, &m);
	*ret = m.start;
}

static bool is_shown(const struct scene *s, const char *name)
{
	char file[64];

	snprintf(file, sizeof(file), "share/Box/%s", name);
	return *name && access(path(s, file), F_OK) == 0;
}

void wait_shown(struct scene *s, const char *name, const char * or)
{
	struct pollfd p = {.fd = s->socket, .events = POLLIN};
	union message m;

	for (int i = 0; i < PATIENCE / 10; i++) {
		if (is_shown(s, name) || is_shown(s, or))
			return;
		if (poll(&p, 1, 10) > 0)
			assert_true(next(s, &m));
	}
	fail_log(s, name);
}

/* ---- its end ---- */

static int wait_end(struct scene *s)
{
	union message m;
	int status = -1;

	while (next(s, &m))
		;
	assert_int_equal(waitpid(s->agent, &status, 0), s->agent);
	s->agent = 0;
	return status;
}

void wait_log(const struct scene *s, const char *text)
{
	for (int i = 0; i < PATIENCE / 10; i++) {
		_cleanup_free_ char *log = read_log(s);
		if (strstr(log, text))
			return;
		poll(NULL, 0, 10);
	}
	fail_log(s, text);
}

static void assert_log(const struct scene *s, const char *text)
{
	_cleanup_free_ char *log = read_log(s);

	if (strstr(log, "Sanitizer") || strstr(log, "runtime error"))
		fail_log(s, "a sanitizer has something to say");
	if (!strstr(log, text))
		fail_log(s, text);
}

void assert_panic(struct scene *s, const char *text)
{
	unsigned starts = s->starts;
	int status = wait_end(s);

	assert_log(s, text);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		fail_log(s, "it should have ended by abort(3)");
	assert_int_equal(s->starts, starts);
}

void assert_exit(struct scene *s, int expected)
{
	int status = wait_end(s);

	assert_log(s, "");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
		fail_log(s, "it should have ended by itself, with the right status");
}

void assert_sound(struct scene *s)
{
	struct exec_generation m = {.generation = GENERATION};
	unsigned starts = s->starts;

	say(s, &m, sizeof(m), EXEC_QUIT, NULL, 0);
	assert_exit(s, 0);
	assert_int_equal(s->starts, starts);
}
