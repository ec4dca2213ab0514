/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Claims on disk. */
#include "executor/claims.h"

#include "common/dir.h"
#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0600

_Static_assert(sizeof(struct claim_status) <= CLAIM_PLAN_AT, "the status fits");
_Static_assert(CLAIM_PLAN_AT + sizeof(struct claim_plan) <= CLAIM_STARTED_AT, "the plan fits");
_Static_assert(CLAIM_STARTED_AT + CLAIM_STARTED_SIZE <= CLAIM_STOP_AT, "started fits");
_Static_assert(CLAIM_RESULT_AT % 512 == 0 && sizeof(struct claim_result) <= 512,
	"the result lies in one sector");

struct ready_name {
	char text[64];
};

static struct ready_name ready_name(const char *id)
{
	struct ready_name n;

	snprintf(n.text, sizeof(n.text), CLAIM_READY_PREFIX "%s", id);
	return n;
}

void claim_close_fds(struct claim_fds *fds)
{
	close_fd(fds->file);
	close_fd(fds->alive);
	*fds = CLAIM_FDS_NONE;
}

/* The block of a run that has not begun: all of it on the disk's account from now on. */
static int write_block(int file, const char *id)
{
	char block[CLAIM_BLOCK] = {0};
	struct claim_status s = {.percent = UINT32_MAX};
	struct claim_plan plan = {.version = CLAIM_VERSION};

	snprintf(plan.id, sizeof(plan.id), "%s", id);
	memcpy(block + CLAIM_PLAN_AT, &plan, sizeof(plan));
	if (pwrite(file, block, sizeof(block), 0) != (ssize_t)sizeof(block))
		return errno ? -errno : -ENOSPC;
	return claim_status_write(file, &s);
}

int claim_prepare(const struct claims *c, const char *id)
{
	_cleanup_close_ int file = openat(c->runs, ready_name(id).text,
		O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	int r = file < 0 ? -errno : write_block(file, id);

	if (r == 0 && mkfifoat(c->alive, id, FILE_MODE) < 0)
		r = -errno;
	if (r < 0 && file >= 0)
		claim_remove_ready(c, id);
	return r;
}

static int open_file(const struct claims *c, const char *name, int flags)
{
	int fd = openat(c->runs, name, flags | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

static int open_alive(const struct claims *c, const char *id, int flags)
{
	int fd = openat(c->alive, id, flags | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

int claim_open_ready(const struct claims *c, const char *id, struct claim_fds *ret, int *ret_file,
	int *ret_alive)
{
	const struct ready_name name = ready_name(id);
	_cleanup_close_ int file = open_file(c, name.text, O_RDWR);
	_cleanup_close_ int read_only = open_file(c, name.text, O_RDONLY);
	_cleanup_close_ int alive = open_alive(c, id, O_RDONLY);
	_cleanup_close_ int writer = open_alive(c, id, O_WRONLY); /* after a reader is there */

	if (file < 0 || read_only < 0 || alive < 0 || writer < 0)
		return file < 0 ? file : read_only < 0 ? read_only : alive < 0 ? alive : writer;
	*ret = (struct claim_fds){steal_fd(&read_only), steal_fd(&alive)};
	*ret_file = steal_fd(&file);
	*ret_alive = steal_fd(&writer);
	return 0;
}

/* A write lease is given to the only one who has the file open. */
static bool is_mine_alone(int fd)
{
	if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
		return false;
	return fcntl(fd, F_SETLEASE, F_UNLCK) == 0;
}

int claim_recycle(const struct claims *c, const struct token *token, char *ret_id)
{
	_cleanup_close_ int file = claim_open(c, token);
	char hex[TOKEN_HEX + 1];
	struct claim_plan plan;

	*ret_id = '\0';
	if (file < 0)
		return file;
	if (claim_read_plan(file, token, &plan) < 0 || !*plan.id || !is_mine_alone(file) ||
		renameat2(c->runs, token_hex(token, hex), c->runs, ready_name(plan.id).text,
			RENAME_NOREPLACE) < 0)
		return claim_remove(c, token);
	if (ftruncate(file, CLAIM_BLOCK) < 0 || write_block(file, plan.id) < 0)
		claim_remove_ready(c, plan.id);
	else
		snprintf(ret_id, CLAIM_ID_MAX, "%s", plan.id);
	return 0;
}

int claim_make(const struct claims *c, const char *id, const struct token *token)
{
	char hex[TOKEN_HEX + 1];

	return renameat2(c->runs, ready_name(id).text, c->runs, token_hex(token, hex),
		       RENAME_NOREPLACE) < 0
		       ? -errno
		       : 0;
}

int claim_open(const struct claims *c, const struct token *token)
{
	char hex[TOKEN_HEX + 1];

	return open_file(c, token_hex(token, hex), O_RDWR);
}

int claim_open_fds(
	const struct claims *c, const struct token *token, const char *id, struct claim_fds *ret)
{
	char hex[TOKEN_HEX + 1];
	int file = open_file(c, token_hex(token, hex), O_RDONLY);

	if (file < 0)
		return file;
	*ret = (struct claim_fds){file, *id ? open_alive(c, id, O_RDONLY) : -1};
	return 0;
}

static int write_part(int file, off_t at, const void *data, size_t size)
{
	ssize_t n = pwrite(file, data, size, at);

	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -ENOSPC;
}

int claim_write_plan(int file, const struct claim_plan *p)
{
	return write_part(file, CLAIM_PLAN_AT, p, sizeof(*p));
}

int claim_read_plan(int file, const struct token *token, struct claim_plan *ret)
{
	struct claim_plan p;
	int r = pread_all(file, &p, sizeof(p), CLAIM_PLAN_AT);

	if (r < 0)
		return r;
	if (p.version != CLAIM_VERSION)
		return -EBADMSG;
	p.id[sizeof(p.id) - 1] = p.boot[sizeof(p.boot) - 1] = '\0';
	if (strchr(p.id, '/')) /* it names a file */
		return -EBADMSG;
	if (token_equal(&p.token, token)) {
		*ret = p;
	} else {
		*ret = (struct claim_plan){.version = CLAIM_VERSION};
		memcpy(ret->id, p.id, sizeof(p.id));
	}
	return 0;
}

int claim_write_stop(int file, enum stop_reason reason)
{
	char byte = (char)reason;

	return write_part(file, CLAIM_STOP_AT, &byte, 1);
}

enum stop_reason claim_read_stop(int file)
{
	char byte = STOP_NONE;

	if (pread_all(file, &byte, 1, CLAIM_STOP_AT) < 0)
		return STOP_NONE;
	return byte == STOP_NONE || byte == STOP_TIMEOUT ? (enum stop_reason)byte : STOP_CANCEL;
}

int claim_read_result(int file, const struct token *token, struct run_end *ret)
{
	struct claim_result result;
	int r = pread_all(file, &result, sizeof(result), CLAIM_RESULT_AT);

	if (r < 0)
		return r;
	if (result.version == 0 || !token_equal(&result.token, token))
		return -ENOENT;
	if (result.version != CLAIM_VERSION)
		return -EBADMSG;
	result.end.where[sizeof(result.end.where) - 1] = '\0';
	*ret = result.end;
	return 0;
}

int claim_write_result(int file, const struct token *token, const struct run_end *end)
{
	const struct claim_result r = {.version = CLAIM_VERSION, .end = *end, .token = *token};

	return write_part(file, CLAIM_RESULT_AT, &r, sizeof(r));
}

void claim_finish_end(struct run_end *end, enum stop_reason stop, const uint8_t success[32])
{
	unsigned code = (unsigned)end->code;

	end->stop = stop;
	end->success = stop == STOP_NONE && end->kind == END_EXITED && code < 256 &&
		       success[code / 8] >> code % 8 & 1;
}

bool claim_read_prey(int file, struct prey *ret)
{
	char text[CLAIM_STARTED_SIZE + 1] = "";

	return pread_all(file, text, CLAIM_STARTED_SIZE, CLAIM_STARTED_AT) == 0 &&
	       prey_parse(text, boot_id(), ret);
}

/*
 * A FIFO that nobody has open for writing reads as ended; with a writer, as empty.  poll(2) would
 * not do: it reports no hang-up before it has seen a writer.  A byte that is read away here was
 * for somebody who is gone.
 */
bool claim_is_alive(int alive)
{
	char drop[64];
	ssize_t n;

	if (alive < 0)
		return false;
	do
		n = read(alive, drop, sizeof(drop));
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 && errno == EAGAIN;
}

int claim_remove(const struct claims *c, const struct token *token)
{
	_cleanup_close_ int file = claim_open(c, token);
	struct claim_plan plan = {0};
	char hex[TOKEN_HEX + 1];

	if (file >= 0)
		(void)claim_read_plan(file, token, &plan);
	if (unlinkat(c->runs, token_hex(token, hex), 0) < 0)
		return -errno;
	if (*plan.id)
		(void)unlinkat(c->alive, plan.id, 0);
	return 0;
}

void claim_remove_ready(const struct claims *c, const char *id)
{
	(void)unlinkat(c->runs, ready_name(id).text, 0);
	(void)unlinkat(c->alive, id, 0);
}

void claims_tidy(const struct claims *c)
{
	const size_t prefix = strlen(CLAIM_READY_PREFIX);
	_cleanup_dir_ DIR *d = dir_open(c->runs, ".");

	for (const struct dirent *e; (e = dir_next(d));)
		if (!strncmp(e->d_name, CLAIM_READY_PREFIX, prefix))
			claim_remove_ready(c, e->d_name + prefix);
}

int claims_each(const struct claims *c, claim_handler *handler, void *userdata)
{
	_cleanup_dir_ DIR *d = dir_open(c->runs, ".");
	struct token t;

	if (!d)
		return -errno;
	for (const struct dirent *e; (e = dir_next(d));)
		if (token_parse(e->d_name, &t))
			handler(&t, userdata);
	return 0;
}
