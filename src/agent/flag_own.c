/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owners are the executor's work: questions to it, and what follows its answers, in order. */
#include "agent/board.h"
#include "agent/drop_folder.h"
#include "agent/flag.h"
#include "agent/trouble.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void own_push(struct agent *a, struct own_job job)
{
	if (a->own_n == a->own_size) {
		size_t size = a->own_size ? a->own_size * 2 : 64;
		struct own_job *q = calloc(size, sizeof(*q));
		if (!q)
			log_fatal(71, "out of memory");
		for (size_t i = 0; i < a->own_n; i++)
			q[i] = a->owning[(a->own_head + i) % a->own_size];
		free(a->owning);
		a->owning = q;
		a->own_size = size;
		a->own_head = 0;
	}
	a->owning[(a->own_head + a->own_n++) % a->own_size] = job;
}

int flag_own_file(struct agent *a, struct board *b, int fd, enum own_kind kind, uint32_t index,
	const char *from, const char *folder, const char *to)
{
	struct exec_own m = {
		.header.type = EXEC_OWN,
		.generation = a->generation,
		.cookie = ++a->next_cookie,
		.board = (uint32_t)(b - a->boards),
	};
	struct own_job job = {.cookie = m.cookie, .kind = kind, .index = index};

	if (kind == OWN_FLAG)
		job.token = a->flags[index].token;

	if (from)
		job.from = strdup(from);
	if (folder)
		job.folder = strdup(folder);
	if (to)
		job.to = strdup(to);
	if ((from && !job.from) || (folder && !job.folder) || (to && !job.to))
		log_fatal(71, "out of memory");
	int r = channel_send(a->executor, &m, sizeof(m), &fd, 1);
	if (r < 0) {
		free(job.from);
		free(job.folder);
		free(job.to);
		return r;
	}
	own_push(a, job);
	return 0;
}

static void own_answer_flag(struct agent *a, struct flag *f, const struct exec_result *answer)
{
	if (answer->error) {
		log_error("%s/%s: its owner could not be set: %s",
			board_object(a, flag_board(a, f)), flag_action_name(a, f),
			answer->why[0] ? answer->why : strerror(answer->error));
		flag_unmake(a, f);
		trouble_flag(a, f, -answer->error);
		return;
	}
	f->owned = true;
	flag_mark(a, f, DIRTY_NAME);
}

static void own_answer_file(struct agent *a, struct board *b, const struct own_job *job, int error)
{
	struct base *base = board_base(a, b);
	_cleanup_close_ int dirfd = board_open(a, b), folder = -1;
	int to = dirfd, r = -error;
	static struct log_limit in_the_way;

	if (job->kind == OWN_STATUS)
		b->status_owning = false;
	if (dirfd >= 0 && job->folder) {
		folder = openat(dirfd, job->folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		to = folder;
	}
	if (r == 0 && to < 0)
		r = -ENOENT;
	if (r == 0 && job->kind == OWN_STATUS)
		r = board_status_show(b, base->staging_fd, job->from, to);
	else if (r == 0 &&
		 renameat2(base->staging_fd, job->from, to, job->to, RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r == 0) {
		if (job->kind == OWN_STATUS && b->status_reown) /* since it was asked for */
			board_status_dirty(a, b);
		return;
	}
	(void)unlinkat(base->staging_fd, job->from, 0);
	/* something else has its name, say; a note may have been made twice */
	if (job->kind == OWN_FILE && !(r == -EEXIST && strstr(job->to, NOT_ACCEPTED)))
		log_limited(&in_the_way, "%s: %s can't be written: %s", board_object(a, b), job->to,
			strerror(-r));
	if (job->kind == OWN_STATUS && b->usable)
		trouble_board(a, b, r);
}

void flag_own_answer(struct agent *a, const struct exec_result *answer)
{
	struct own_job job;

	if (!a->own_n)
		log_panic("the executor answers what was not asked");
	job = a->owning[a->own_head];
	a->own_head = (a->own_head + 1) % a->own_size;
	a->own_n--;
	if (job.cookie != answer->cookie)
		log_panic("the executor answers out of order");
	if (job.index == VIEW_NONE)
		; /* its action or board was removed meanwhile */
	else if (job.kind != OWN_FLAG)
		own_answer_file(a, &a->boards[job.index], &job, answer->error);
	else if (token_equal(&job.token, &a->flags[job.index].token))
		own_answer_flag(a, &a->flags[job.index], answer);
	free(job.from);
	free(job.folder);
	free(job.to);
	if (a->status_waits && !a->own_n)
		board_status_flush(a, false);
}
