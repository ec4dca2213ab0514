/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/watch.h"

#include "agent/adopt.h"
#include "agent/board.h"
#include "common/buf.h"
#include "common/log.h"
#include "common/text.h"
#include "wire/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#define BETWEEN_WATCHERS (1 * USEC_PER_SEC)
#define POLL_EVERY       (250 * 1000)
#define PIPE_SIZE        (1 << 20)
#define KIND_FAILED      128 /* beside the LOOK_ bit */
#define BOARD_GONE       (VIEW_NONE - 1)

/* One started watcher and the meaning of its numbers. */
struct feed {
	struct agent *agent;
	int fd;
	sd_event_source *source;
	uint64_t cookie;
	uint64_t generation;
	uint32_t *boards; /* number to board, VIEW_NONE: of a base */
	uint8_t *kinds;   /* number to LOOK_ bit */
	unsigned n, size, failed;
	bool ready;
};

struct watch {
	struct agent *agent;
	struct feed *now, *next;
	uint64_t started_at, cookie;
	sd_event_source *later, *poll;
	bool wanted;
};

static struct feed *feed_free(struct feed *f)
{
	if (!f)
		return NULL;
	sd_event_source_disable_unref(f->source);
	close_fd(f->fd);
	free(f->boards);
	free(f->kinds);
	free(f);
	return NULL;
}

static int feed_add(
	struct feed *f, struct buf *list, const char *path, uint32_t board, unsigned kind)
{
	if (f->n == f->size) {
		unsigned size = f->size ? f->size * 2 : 64;
		uint32_t *boards = realloc(f->boards, size * sizeof(*boards));
		if (boards)
			f->boards = boards;
		uint8_t *kinds = realloc(f->kinds, size);
		if (kinds)
			f->kinds = kinds;
		if (!boards || !kinds)
			return -ENOMEM;
		f->size = size;
	}
	f->boards[f->n] = board;
	f->kinds[f->n] = (uint8_t)kind;
	/* only a drop folder waits for files to be closed; a flag is closed each time it is used up
	 */
	buf_addf(list, "%u%s %s", f->n++, kind == LOOK_DROPS ? "" : "q", path);
	return buf_addc(list, '\0');
}

static int list_board(struct agent *a, struct feed *f, struct buf *list, struct board *b)
{
	const struct view_board *v = board_view(a, b);
	const char *run = view_str(a->view, v->run_folder);
	uint32_t index = (uint32_t)(b - a->boards);
	char path[PATH_MAX], folder[PATH_MAX + NAME_MAX + 2];
	int r;

	board_path(a, b, path, sizeof(path));
	r = feed_add(f, list, path, index, LOOK_DIRECTORY);
	if (r == 0 && run) {
		snprintf(folder, sizeof(folder), "%s/%s", path, run);
		r = feed_add(f, list, folder, index, LOOK_RUN);
	}
	for (uint32_t i = 0; r == 0 && i < v->n_actions; i++) {
		uint32_t drop = a->view->actions[v->first_action + i].drop;
		if (drop == VIEW_NONE)
			continue;
		snprintf(folder, sizeof(folder), "%s/%s", path,
			view_str(a->view, a->view->drops[drop].folder));
		r = feed_add(f, list, folder, index, LOOK_DROPS);
	}
	return r;
}

/* Where its staging is, too: that may go alone. */
static int list_base(struct feed *f, struct buf *list, const char *path)
{
	char custody[PATH_MAX];
	int r = feed_add(f, list, path, VIEW_NONE, 0);

	if (r == 0 && snprintf(custody, sizeof(custody), "%s/" EXEC_CUSTODY, path) < PATH_MAX)
		r = feed_add(f, list, custody, VIEW_NONE, 0);
	return r;
}

static int list_all(struct agent *a, struct feed *f, struct buf *list)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->n_bases; i++)
		r = list_base(f, list, view_str(a->view, a->view->bases[i].path));
	for (size_t i = 0; r == 0 && i < a->n_boards; i++)
		if (!a->boards[i].released)
			r = list_board(a, f, list, &a->boards[i]);
	return r;
}

static int list_memfd(const struct buf *list)
{
	_cleanup_close_ int fd =
		memfd_create("flagman-watch-list", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, list->data, list->len);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return steal_fd(&fd);
}

static int on_poll(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct watch *w = userdata;
	struct agent *a = w->agent;
	bool any = false;

	(void)s;
	(void)usec;
	for (size_t i = 0; i < a->n_boards; i++)
		if (a->boards[i].unwatched && !a->boards[i].released) {
			board_look_at(a, &a->boards[i], LOOK_ALL);
			any = true;
		}
	board_looks(a);
	if (any)
		agent_timer(a, &w->poll, now_boottime() + POLL_EVERY, on_poll, w);
	else
		agent_timer_off(&w->poll);
	return 0;
}

static void look(struct feed *f, uint32_t number, unsigned more)
{
	struct agent *a = f->agent;

	if (number >= f->n)
		log_panic("the watcher speaks of directory %u of %u", number, f->n);
	if (f->boards[number] == VIEW_NONE)
		board_look_at_bases(a, true);
	else if (f->boards[number] != BOARD_GONE)
		board_look_at(
			a, &a->boards[f->boards[number]], (f->kinds[number] & LOOK_ALL) | more);
}

static void feed_ready(struct feed *f)
{
	struct agent *a = f->agent;
	struct watch *w = a->watch;
	struct exec_watch m = {.header.type = EXEC_UNWATCH, .cookie = f->cookie};

	f->ready = true;
	w->next = NULL;
	feed_free(w->now);
	w->now = f;
	for (size_t i = 0; i < a->n_boards; i++)
		a->boards[i].unwatched = false;
	for (unsigned i = 0; i < f->n; i++)
		if ((f->kinds[i] & KIND_FAILED) && f->boards[i] < BOARD_GONE)
			a->boards[f->boards[i]].unwatched = true;
	(void)channel_send(a->executor, &m, sizeof(m), NULL, 0);
	if (!a->started)
		adopt_scan(a);
	else
		board_look_everywhere(a);
}

/* All boards before the one that this number belongs to are watched. */
static void feed_tried(struct feed *f, uint32_t number)
{
	if (number >= f->n)
		log_panic("the watcher speaks of directory %u of %u", number, f->n);
	if (!f->agent->started && f->boards[number] < BOARD_GONE)
		adopt_gather(f->agent, f->boards[number]);
}

static void watch_failure(struct feed *f, const struct watch_record *r)
{
	struct agent *a = f->agent;
	char path[PATH_MAX];

	if (r->number >= f->n)
		log_panic("the watcher speaks of directory %u of %u", r->number, f->n);
	f->failed++;
	if (f->boards[r->number] >= BOARD_GONE)
		return;
	/* What is not there is not missed; before the start nobody knows yet what is. */
	if (a->started ? !a->boards[f->boards[r->number]].usable
		       : r->error == ENOENT || r->error == ENOTDIR || r->error == ELOOP)
		return;
	log_limited(&a->watch_limit, "%s: cannot be watched: %s%s",
		board_path(a, &a->boards[f->boards[r->number]], path, sizeof(path)),
		strerror(r->error),
		r->error == ENOSPC ? " (fs.inotify.max_user_watches is reached): it is polled"
				   : "");
	f->kinds[r->number] |= KIND_FAILED;
}

static void feed_record(struct feed *f, const struct watch_record *r)
{
	switch ((enum watch_kind)r->kind) {
	case WATCH_LOOK:
		look(f, r->number, 0);
		break;
	case WATCH_GONE:
		look(f, r->number, LOOK_DIRECTORY);
		break;
	case WATCH_FAILED:
		watch_failure(f, r);
		break;
	case WATCH_EVERYTHING:
		log_info("events were lost: looking everywhere");
		board_look_everywhere(f->agent);
		break;
	case WATCH_READY:
		if (f->ready)
			log_panic("the watcher is ready twice");
		feed_ready(f);
		break;
	case WATCH_TRIED:
		feed_tried(f, r->number);
		break;
	default:
		log_panic("the watcher sent a record of kind %u", r->kind);
	}
}

/* Reads the pipe dry before anything is done: a burst is one round of looks. */
static int on_records(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct feed *f = userdata;
	struct agent *a = f->agent;
	struct watch_record records[512];
	ssize_t n;

	(void)s;
	(void)events;
	while ((n = read(fd, records, sizeof(records))) > 0) {
		if (n % (ssize_t)sizeof(records[0]))
			log_panic("the watcher sent half a record");
		for (ssize_t i = 0; i < n / (ssize_t)sizeof(records[0]); i++)
			feed_record(f, &records[i]);
		if ((size_t)n < sizeof(records))
			break;
	}
	if (n == 0) {
		struct watch *w = a->watch;
		log_warning("the watcher ended: a new one is started");
		if (w->now == f)
			w->now = NULL;
		if (w->next == f)
			w->next = NULL;
		feed_free(f);
		watch_change(a);
		return 0;
	}
	if (a->started)
		board_looks(a);
	return 0;
}

static int feed_start(struct agent *a, struct feed *f)
{
	_cleanup_(buf_done) struct buf list = BUF_INIT(64U << 20);
	struct exec_watch m = {.header.type = EXEC_WATCH, .cookie = f->cookie};
	int fds[2] = {-1, -1}, pipes[2];
	int r = list_all(a, f, &list);

	if (r < 0)
		return r;
	_cleanup_close_ int memfd = list_memfd(&list);
	if (memfd < 0)
		return memfd;
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	_cleanup_close_ int theirs = pipes[1];
	f->fd = pipes[0];
	(void)fcntl(f->fd, F_SETPIPE_SZ, PIPE_SIZE); /* roomier; the default does too */
	if (fcntl(f->fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = sd_event_add_io(a->event, &f->source, f->fd, EPOLLIN, on_records, f);
	if (r < 0)
		return r;
	(void)sd_event_source_set_priority(f->source, SD_EVENT_PRIORITY_IMPORTANT);
	fds[0] = memfd;
	fds[1] = theirs;
	return channel_send(a->executor, &m, sizeof(m), fds, 2);
}

static int on_later(sd_event_source *s, uint64_t usec, void *userdata);

static void watch_start(struct watch *w)
{
	struct agent *a = w->agent;
	struct feed *f = calloc(1, sizeof(*f));
	int r = -ENOMEM;

	w->wanted = false;
	w->started_at = now_boottime();
	if (!a->started)
		adopt_forget(a); /* nobody has watched the boards since the last watcher ended */
	if (f) {
		f->agent = a;
		f->fd = -1;
		f->cookie = ++w->cookie;
		f->generation = a->generation;
		w->next = feed_free(w->next);
		w->next = f;
		r = feed_start(a, f);
	}
	if (r < 0) {
		log_limited(&a->watch_limit, "no watcher can be started now: %s", strerror(-r));
		w->next = feed_free(w->next);
		w->wanted = true;
		agent_timer(a, &w->later, w->started_at + BETWEEN_WATCHERS, on_later, w);
	}
	agent_timer(a, &w->poll, now_boottime() + POLL_EVERY, on_poll, w);
}

static int on_later(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct watch *w = userdata;

	(void)s;
	(void)usec;
	agent_timer_off(&w->later);
	if (w->wanted)
		watch_start(w);
	return 0;
}

void watch_change(struct agent *a)
{
	struct watch *w = a->watch;
	uint64_t now = now_boottime();

	w->wanted = true;
	if (w->later)
		return;
	if (!w->started_at || now >= w->started_at + BETWEEN_WATCHERS) {
		/* in this turn more may change */
		agent_timer(a, &w->later, now, on_later, w);
	} else {
		agent_timer(a, &w->later, w->started_at + BETWEEN_WATCHERS, on_later, w);
		agent_timer(a, &w->poll, now + POLL_EVERY, on_poll, w);
	}
}

int watch_new(struct agent *a, struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->agent = a;
	*ret = w;
	return 0;
}

struct watch *watch_free(struct watch *w)
{
	if (!w)
		return NULL;
	feed_free(w->now);
	feed_free(w->next);
	agent_timer_off(&w->later);
	agent_timer_off(&w->poll);
	free(w);
	return NULL;
}

void watch_remap(struct agent *a, const uint32_t *map, size_t n)
{
	struct feed *feeds[] = {a->watch->now, a->watch->next};

	for (size_t k = 0; k < 2; k++)
		for (unsigned i = 0; feeds[k] && i < feeds[k]->n; i++) {
			uint32_t *b = &feeds[k]->boards[i];
			if (*b < n)
				*b = map[*b] == VIEW_NONE ? BOARD_GONE : map[*b];
		}
}

unsigned watch_count(const struct watch *w)
{
	return w->now ? w->now->n - w->now->failed : 0;
}

unsigned watch_failed(const struct watch *w)
{
	return w->now ? w->now->failed : 0;
}
