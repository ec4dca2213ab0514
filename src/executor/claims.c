/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Claims on disk. */
#include "executor/claims.h"

#include "common/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE   0600
#define GONE_PREFIX ".gone-"

static const char *const files[] = {CLAIM_STATUS, CLAIM_OUTPUT, CLAIM_ALIVE, CLAIM_STOP};

_Static_assert(sizeof(struct claim_status) <= CLAIM_PLAN_AT, "the status fits");
_Static_assert(CLAIM_PLAN_AT + sizeof(struct claim_plan) <= CLAIM_STARTED_AT, "the plan fits");
_Static_assert(CLAIM_STARTED_AT + CLAIM_STARTED_SIZE <= CLAIM_RESULT_AT, "started fits");
_Static_assert(CLAIM_RESULT_AT % 512 == 0 && sizeof(struct claim_result) <= 512,
	"the result lies in one sector");

void claim_close_fds(struct claim_fds *fds)
{
	close_fd(fds->status);
	close_fd(fds->output);
	close_fd(fds->alive);
	*fds = CLAIM_FDS_NONE;
}

static void remove_directory(int runs, const char *name)
{
	_cleanup_close_ int dir =
		openat(runs, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	for (size_t i = 0; dir >= 0 && i < sizeof(files) / sizeof(*files); i++)
		(void)unlinkat(dir, files[i], 0);
	(void)unlinkat(runs, name, AT_REMOVEDIR);
}

/* The block of a run that has not begun: all of it on the disk's account from now on. */
static int write_block(int status, const char *id)
{
	char block[CLAIM_BLOCK] = {0};
	struct claim_status s = {.percent = UINT32_MAX};
	struct claim_plan plan = {.version = CLAIM_VERSION};

	snprintf(plan.id, sizeof(plan.id), "%s", id);
	memcpy(block + CLAIM_PLAN_AT, &plan, sizeof(plan));
	if (pwrite(status, block, sizeof(block), 0) != (ssize_t)sizeof(block))
		return errno ? -errno : -ENOSPC;
	return claim_status_write(status, &s);
}

static int make_files(int dir, const char *id)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	_cleanup_close_ int output = openat(dir, CLAIM_OUTPUT, flags, FILE_MODE);
	_cleanup_close_ int status = -1;

	if (output < 0 || mkfifoat(dir, CLAIM_ALIVE, FILE_MODE) < 0)
		return -errno;
	status = openat(dir, CLAIM_STATUS, flags, FILE_MODE);
	return status < 0 ? -errno : write_block(status, id);
}

int claim_prepare(int runs, const char *id, int *ret_dir, struct claim_fds *ret)
{
	_cleanup_close_ int dir = -1;
	char name[64];
	int r;

	snprintf(name, sizeof(name), CLAIM_READY_PREFIX "%s", id);
	if (mkdirat(runs, name, 0700) < 0)
		return -errno;
	dir = openat(runs, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	r = dir < 0 ? -errno : make_files(dir, id);
	if (r == 0)
		r = claim_open_fds(dir, ret);
	if (r < 0) {
		remove_directory(runs, name);
		return r;
	}
	*ret_dir = steal_fd(&dir);
	return 0;
}

int claim_prepare_again(int runs, const char *id, int *ret_dir, struct claim_fds *ret)
{
	_cleanup_close_ int dir = -1;
	char name[64];
	int r;

	snprintf(name, sizeof(name), CLAIM_READY_PREFIX "%s", id);
	dir = openat(runs, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	r = dir < 0 ? -errno : claim_open_fds(dir, ret);
	if (r == 0)
		*ret_dir = steal_fd(&dir);
	return r;
}

/* A write lease is given to the only one who has the file open. */
static bool is_mine_alone(int fd)
{
	if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
		return false;
	return fcntl(fd, F_SETLEASE, F_UNLCK) == 0;
}

/* All files as make_files() leaves them. */
static int renew_files(int dir, const char *id, int status, int output)
{
	if (ftruncate(output, 0) < 0 || (unlinkat(dir, CLAIM_STOP, 0) < 0 && errno != ENOENT))
		return -errno;
	return write_block(status, id);
}

int claim_recycle(int runs, const struct token *token, char *ret_id)
{
	_cleanup_close_ int dir = claim_open(runs, token), status = -1, output = -1;
	char hex[TOKEN_HEX + 1], name[64];
	struct claim_plan plan;

	*ret_id = '\0';
	if (dir < 0)
		return dir;
	status = openat(dir, CLAIM_STATUS, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	output = openat(dir, CLAIM_OUTPUT, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (status < 0 || output < 0 || claim_read_plan(dir, token, &plan) < 0 || !*plan.id ||
		!is_mine_alone(status) || !is_mine_alone(output))
		return claim_remove(runs, token);
	snprintf(name, sizeof(name), CLAIM_READY_PREFIX "%s", plan.id);
	if (renameat2(runs, token_hex(token, hex), runs, name, RENAME_NOREPLACE) < 0)
		return claim_remove(runs, token);
	if (renew_files(dir, plan.id, status, output) < 0)
		remove_directory(runs, name);
	else
		snprintf(ret_id, CLAIM_ID_MAX, "%s", plan.id);
	return 0;
}

int claim_make(int runs, const char *id, const struct token *token)
{
	char name[64], hex[TOKEN_HEX + 1];

	snprintf(name, sizeof(name), CLAIM_READY_PREFIX "%s", id);
	return renameat2(runs, name, runs, token_hex(token, hex), RENAME_NOREPLACE) < 0 ? -errno
											: 0;
}

int claim_open(int runs, const struct token *token)
{
	char hex[TOKEN_HEX + 1];
	int fd = openat(
		runs, token_hex(token, hex), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

int claim_open_fds(int dir, struct claim_fds *ret)
{
	struct claim_fds f = {
		.status = openat(dir, CLAIM_STATUS, O_RDONLY | O_CLOEXEC | O_NOFOLLOW),
		.output = openat(dir, CLAIM_OUTPUT, O_RDONLY | O_CLOEXEC | O_NOFOLLOW),
		.alive = openat(dir, CLAIM_ALIVE, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW),
	};
	int r = f.status < 0 || f.output < 0 || f.alive < 0 ? -errno : 0;

	if (r < 0)
		claim_close_fds(&f);
	else
		*ret = f;
	return r;
}

/* A part of the block, written in place or read. */
static int write_part(int dir, off_t at, const void *data, size_t size)
{
	_cleanup_close_ int fd = openat(dir, CLAIM_STATUS, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || pwrite(fd, data, size, at) < 0)
		return -errno;
	return 0;
}

static int read_part(int dir, off_t at, void *data, size_t size)
{
	_cleanup_close_ int fd = openat(dir, CLAIM_STATUS, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : pread_all(fd, data, size, at);
}

int claim_write_plan(int dir, const struct claim_plan *p)
{
	return write_part(dir, CLAIM_PLAN_AT, p, sizeof(*p));
}

int claim_read_plan(int dir, const struct token *token, struct claim_plan *ret)
{
	struct claim_plan p;
	int r = read_part(dir, CLAIM_PLAN_AT, &p, sizeof(p));

	if (r < 0)
		return r;
	if (p.version != CLAIM_VERSION)
		return -EBADMSG;
	p.id[sizeof(p.id) - 1] = p.boot[sizeof(p.boot) - 1] = '\0';
	if (token_equal(&p.token, token)) {
		*ret = p;
	} else {
		*ret = (struct claim_plan){.version = CLAIM_VERSION};
		memcpy(ret->id, p.id, sizeof(p.id));
	}
	return 0;
}

int claim_write_stop(int dir, enum stop_reason reason)
{
	char byte = (char)reason;
	_cleanup_close_ int fd =
		openat(dir, CLAIM_STOP, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);

	return fd < 0 ? -errno : write_all(fd, &byte, 1);
}

enum stop_reason claim_read_stop(int dir)
{
	_cleanup_close_ int fd = openat(dir, CLAIM_STOP, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char byte;

	if (fd < 0 || pread_all(fd, &byte, 1, 0) < 0)
		return STOP_NONE;
	return byte == STOP_TIMEOUT ? STOP_TIMEOUT : STOP_CANCEL;
}

int claim_read_result(int dir, const struct token *token, struct run_end *ret)
{
	struct claim_result result;
	int r = read_part(dir, CLAIM_RESULT_AT, &result, sizeof(result));

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

int claim_write_result(int dir, const struct token *token, const struct run_end *end)
{
	const struct claim_result r = {.version = CLAIM_VERSION, .end = *end, .token = *token};

	return write_part(dir, CLAIM_RESULT_AT, &r, sizeof(r));
}

void claim_finish_end(struct run_end *end, enum stop_reason stop, const uint8_t success[32])
{
	unsigned code = (unsigned)end->code;

	end->stop = stop;
	end->success = stop == STOP_NONE && end->kind == END_EXITED && code < 256 &&
		       success[code / 8] >> code % 8 & 1;
}

bool claim_read_prey(int dir, struct prey *ret)
{
	char text[CLAIM_STARTED_SIZE + 1] = "";

	return read_part(dir, CLAIM_STARTED_AT, text, CLAIM_STARTED_SIZE) == 0 &&
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

	do
		n = read(alive, drop, sizeof(drop));
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 && errno == EAGAIN;
}

int claim_remove(int runs, const struct token *token)
{
	char hex[TOKEN_HEX + 1], gone[64];

	token_hex(token, hex);
	snprintf(gone, sizeof(gone), GONE_PREFIX "%s", hex);
	if (renameat(runs, hex, runs, gone) < 0)
		return -errno;
	remove_directory(runs, gone);
	return 0;
}

void claim_remove_ready(int runs, const char *id)
{
	char name[64];

	snprintf(name, sizeof(name), CLAIM_READY_PREFIX "%s", id);
	remove_directory(runs, name);
}

static DIR *open_list(int runs)
{
	int fd = openat(runs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		close_fd(fd);
	return d;
}

void claims_tidy(int runs)
{
	DIR *d = open_list(runs);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (!strncmp(e->d_name, CLAIM_READY_PREFIX, strlen(CLAIM_READY_PREFIX)) ||
			!strncmp(e->d_name, GONE_PREFIX, strlen(GONE_PREFIX)))
			remove_directory(runs, e->d_name);
	if (d)
		closedir(d);
}

int claims_each(int runs, claim_handler *handler, void *userdata)
{
	DIR *d = open_list(runs);
	struct dirent *e;
	struct token t;

	if (!d)
		return -errno;
	while ((e = readdir(d)))
		if (token_parse(e->d_name, &t))
			handler(&t, userdata);
	closedir(d);
	return 0;
}
