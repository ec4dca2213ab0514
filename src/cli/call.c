/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/call.h"

#include "common/fd.h"
#include "common/states.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>

static int complain_connect(const struct cli *cli, const struct sockaddr_un *a, int error)
{
	if (error == EACCES || error == EPERM) {
		cli_error(
			"%s: you may not talk to flagman there: %s", a->sun_path, strerror(error));
		return EX_NOPERM;
	}
	if (error != ENOENT && error != ECONNREFUSED) {
		cli_error("%s: %s", a->sun_path, strerror(error));
		return EX_UNAVAILABLE;
	}
	if (strcmp(cli->run_dir, CLI_RUN_DIR) == 0)
		cli_error("flagman is not running (nobody serves %s); start it with: systemctl "
			  "start flagman",
			a->sun_path);
	else
		cli_error("flagman is not running (nobody serves %s); start it with: flagmand "
			  "--run-dir %s --conf-dir DIR --state-dir DIR",
			a->sun_path, cli->run_dir);
	return EX_UNAVAILABLE;
}

int call_open(const struct cli *cli, bool quiet, int *ret_fd)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;
	int n;

	n = snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", cli->run_dir, CONTROL_SOCKET);
	if (n < 0 || (size_t)n >= sizeof(a.sun_path)) {
		cli_error("--run-dir %s: too long for a socket", cli->run_dir);
		return EX_USAGE;
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		cli_error("socket: %m");
		return EX_OSERR;
	}
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		if (quiet)
			return errno == EACCES ? EX_NOPERM : EX_UNAVAILABLE;
		return complain_connect(cli, &a, errno);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

int call_send(int fd, struct control_request *request, int payload_fd)
{
	int r = wire_send(fd, request, sizeof(*request), &payload_fd, payload_fd >= 0 ? 1 : 0);

	if (r < 0) {
		cli_error("flagman went away: %s", strerror(-r));
		return EX_UNAVAILABLE;
	}
	return 0;
}

static bool vet_run(const struct control_run *r)
{
	return r->trigger < TRIGGER_MAX_ && r->state < STATE_MAX_ && r->certainty < CERTAINTY_MAX_;
}

/* What the wire's table can't check: members of enums, ranges. */
static bool vet(const union control_message *m)
{
	switch (m->header.type) {
	case CONTROL_ACTION:
		return vet_run(&m->action.last) && m->action.state < STATE_MAX_ &&
		       m->action.removed <= 1 &&
		       (m->action.percent <= 100 || m->action.percent == UINT32_MAX);
	case CONTROL_RECORD:
		return vet_run(&m->run);
	case CONTROL_DISC:
		return vet_run(&m->disc.run);
	case CONTROL_OUTPUT:
		return m->output.size <= sizeof(m->output.data);
	case CONTROL_FACT:
		return true;
	case CONTROL_END:
		return m->end.exit_status >= 0 && m->end.exit_status <= 255;
	default:
		return false;
	}
}

enum call_result call_next(int fd, int timeout_ms, const sigset_t *mask, union control_message *ret)
{
	struct timespec t = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int fds[WIRE_FDS_MAX], r;
	size_t size = 0, n_fds = 0;

	r = ppoll(&p, 1, timeout_ms < 0 ? NULL : &t, mask);
	if (r == 0)
		return CALL_TIMEOUT;
	if (r < 0 && errno == EINTR)
		return CALL_SIGNAL;
	if (r < 0) {
		cli_error("poll: %m");
		return CALL_OVER;
	}
	/* No record brings a descriptor, and wire_receive() sees to that. */
	r = wire_receive(
		fd, control_from_agent, CONTROL_TYPE_MAX_, ret, sizeof(*ret), &size, fds, &n_fds);
	if (r < 0 && r != -ECONNRESET) {
		cli_error("flagman's answer makes no sense (%s); is it another version?",
			strerror(-r));
		return CALL_OVER;
	}
	if (r < 0 || size == 0) {
		cli_error("flagman went away before it had answered");
		return CALL_OVER;
	}
	if (!vet(ret)) {
		cli_error("flagman's answer makes no sense; is it another version?");
		return CALL_OVER;
	}
	return CALL_MESSAGE;
}

int call_agent(const struct cli *cli, struct control_request *request, int payload_fd,
	call_handler *handler, void *userdata, struct control_end *ret_end)
{
	_cleanup_close_ int fd = -1;
	union control_message m;
	enum call_result c;
	int r;

	r = call_open(cli, false, &fd);
	if (!r)
		r = call_send(fd, request, payload_fd);
	if (r)
		return r;
	for (;;) {
		c = call_next(fd, -1, NULL, &m);
		if (c == CALL_SIGNAL)
			continue;
		if (c != CALL_MESSAGE)
			return EX_UNAVAILABLE;
		if (m.header.type == CONTROL_END) {
			*ret_end = m.end;
			return 0;
		}
		if (handler)
			handler(&m, userdata);
	}
}

int call_conclude(const struct control_end *end)
{
	if (*end->message)
		cli_error("%s", end->message);
	return end->exit_status;
}
