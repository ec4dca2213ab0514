/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flagman status: what each button shows now, once or as it changes. */
#include "cli/call.h"
#include "cli/json.h"
#include "cli/show.h"
#include "cli/target.h"
#include "common/fd.h"
#include "common/text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define TABLE_MAX  (32U * 1024 * 1024)
#define RECORD_MAX 65536

/* Records come in bursts; a frame is drawn when there was none for this long. */
#define SETTLE_MS 40
/* A running action shows how long it runs. */
#define TICK_MS 1000

static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
	stop_signal = number;
}

static void on_resize(int number)
{
	(void)number; /* poll(2) ends with EINTR; the next frame asks for the size */
}

static int print_table(const struct cli *cli, const struct target_matches *m)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(TABLE_MAX);
	struct term term = term_init(cli);

	if (show_status(&b, &term, m->actions, m->n, now_realtime()) < 0) {
		cli_error("out of memory");
		return EX_OSERR;
	}
	fputs(buf_str(&b), stdout);
	return EX_OK;
}

static int print_json(const struct target_matches *m)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < m->n; i++)
		json_object_array_add(array, json_action(&m->actions[i]));
	json_print(array, true, stdout);
	return EX_OK;
}

/* For completion and loops: what `flagman run` takes, one a line. */
static int print_names(const struct target_matches *m)
{
	char name[TARGET_NAME_MAX];

	for (size_t i = 0; i < m->n; i++)
		term_line(target_name(
			name, m->actions[i].object, m->actions[i].group, m->actions[i].action));
	return EX_OK;
}

/* The record of the same action, or NULL.  *HINT is where the last one stood: a burst comes in
 * order, and there may be thousands. */
static struct control_action *find_same(
	struct target_matches *m, const struct control_action *a, size_t *hint)
{
	for (size_t i = 0; i < m->n; i++) {
		struct control_action *p = &m->actions[(*hint + i) % m->n];
		if (strcmp(p->action, a->action) == 0 && strcmp(p->group, a->group) == 0 &&
			strcmp(p->object, a->object) == 0) {
			*hint = (size_t)(p - m->actions) + 1;
			return p;
		}
	}
	return NULL;
}

/* The record of its action, replaced, added or taken out. */
static int remember(struct target_matches *m, const struct control_action *a, size_t *hint)
{
	struct control_action *p = find_same(m, a, hint);

	if (a->removed) {
		if (!p)
			return 0;
		m->n--;
		memmove(p, p + 1, (size_t)(m->actions + m->n - p) * sizeof(*p));
		return 0;
	}
	if (p) {
		*p = *a;
		return 0;
	}
	p = reallocarray(m->actions, m->n + 1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	m->actions = p;
	m->actions[m->n++] = *a;
	show_sort(m->actions, m->n);
	return 0;
}

static bool any_running(const struct target_matches *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->actions[i].state == STATE_RUNNING)
			return true;
	return false;
}

/* At most the screen's rows; the last one says how many more there are. */
static void write_frame(const char *text, unsigned height)
{
	size_t lines = 0, n;
	const char *p;

	for (p = text; *p; p++)
		lines += *p == '\n';
	fputs("\033[H", stdout);
	for (p = text, n = 0; *p; n++) {
		size_t len = strcspn(p, "\n");

		if (height && n + 1 >= height) {
			printf("... and %zu more\033[K", lines - n);
			break;
		}
		printf("%.*s\033[K\n", (int)len, p);
		p += len + 1;
	}
	fputs("\033[J", stdout);
	fflush(stdout);
}

static int draw(const struct cli *cli, const struct target_matches *m)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(TABLE_MAX);
	struct term term = term_init(cli);

	if (show_status(&b, &term, m->actions, m->n, now_realtime()) < 0)
		return -ENOMEM;
	write_frame(buf_str(&b), term.height);
	return 0;
}

static void describe(
	const struct cli *cli, const struct control_action *a, int64_t now, struct buf *out)
{
	struct json_object *o = cli->json ? json_action(a) : NULL;

	if (o)
		buf_adds(out, json_object_to_json_string(o));
	else
		show_action_line(out, a, now);
	json_object_put(o);
}

static void print_change(const struct cli *cli, const struct control_action *a)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(RECORD_MAX);
	char when[64];

	if (cli->json) {
		json_print(json_action(a), false, stdout);
	} else {
		describe(cli, a, now_realtime(), &b);
		printf("%s %s\n", text_when(when, sizeof(when), now_realtime()), buf_str(&b));
	}
	fflush(stdout);
}

/* Until the agent ends or the reader has seen enough.  M is what was there at the start. */
static int follow_screen(
	const struct cli *cli, int fd, const sigset_t *mask, struct target_matches *m)
{
	union control_message message;
	enum call_result c;
	bool fresh = true;
	size_t hint = 0;
	int r = 0;

	fputs("\033[?1049h\033[?25l", stdout); /* the alternate screen, no cursor */
	while (!stop_signal) {
		c = call_next(fd,
			fresh            ? SETTLE_MS
			: any_running(m) ? TICK_MS
					 : -1,
			mask, &message);
		if (c == CALL_MESSAGE && message.header.type == CONTROL_ACTION) {
			fresh = true;
			r = remember(m, &message.action, &hint);
		} else if (c == CALL_MESSAGE || c == CALL_OVER) {
			r = c == CALL_OVER ? -EPIPE : 0;
			break;
		} else {
			fresh = false;
			r = draw(cli, m);
		}
		if (r < 0)
			break;
	}
	fputs("\033[?25h\033[?1049l", stdout);
	print_table(cli, m); /* what was seen last stays */
	if (r == 0 && !stop_signal)
		return call_conclude(&message.end);
	return r == -ENOMEM ? EX_OSERR : r ? EX_UNAVAILABLE : EX_OK;
}

/* The agent says what it has written anew; not all of that shows here. */
static bool is_news(const struct cli *cli, struct target_matches *m, const struct control_action *a,
	size_t hint)
{
	_cleanup_(buf_done) struct buf old = BUF_INIT(RECORD_MAX), new = BUF_INIT(RECORD_MAX);
	const struct control_action *before = find_same(m, a, &hint);
	int64_t now = now_realtime();

	if (!before)
		return true;
	describe(cli, before, now, &old);
	describe(cli, a, now, &new);
	return strcmp(buf_str(&old), buf_str(&new)) != 0;
}

static int follow_lines(const struct cli *cli, int fd, const sigset_t *mask)
{
	_cleanup_(target_matches_done) struct target_matches m = {0};
	union control_message message;
	enum call_result c;
	size_t hint = 0;

	while (!stop_signal) {
		c = call_next(fd, -1, mask, &message);
		if (c == CALL_OVER)
			return EX_UNAVAILABLE;
		if (c != CALL_MESSAGE)
			continue;
		if (message.header.type == CONTROL_END)
			return call_conclude(&message.end);
		if (message.header.type != CONTROL_ACTION ||
			!is_news(cli, &m, &message.action, hint))
			continue;
		print_change(cli, &message.action);
		if (remember(&m, &message.action, &hint) < 0)
			return EX_OSERR;
	}
	return EX_OK;
}

static int follow(const struct cli *cli, const struct target *t, struct target_matches *m)
{
	struct control_request q = {
		.header.type = CONTROL_STATUS,
		.flags = CONTROL_FOLLOW,
	};
	struct sigaction stop = {.sa_handler = on_signal}, resize = {.sa_handler = on_resize};
	_cleanup_close_ int fd = -1;
	sigset_t block, mask;
	int r;

	/* They arrive while it waits, and only then. */
	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGHUP);
	sigaddset(&block, SIGWINCH);
	sigprocmask(SIG_BLOCK, &block, &mask);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGHUP, &stop, NULL);
	sigaction(SIGWINCH, &resize, NULL);
	target_fill(t, &q);
	r = call_open(cli, false, &fd);
	if (!r)
		r = call_send(fd, &q, -1);
	if (r)
		return r;
	if (isatty(STDOUT_FILENO) && !cli->json)
		return follow_screen(cli, fd, &mask, m);
	return follow_lines(cli, fd, &mask);
}

int verb_status(const struct cli *cli)
{
	_cleanup_(target_matches_done) struct target_matches m = {0};
	struct target t;
	int r;

	r = target_parse(cli->args[0], &t);
	if (!r)
		r = target_find(cli, &t, &m);
	if (r)
		return r;
	show_sort(m.actions, m.n);
	if (cli->given & OPTION_FOLLOW)
		return follow(cli, &t, &m);
	if (cli->json)
		return print_json(&m);
	if (cli->given & OPTION_NAMES)
		return print_names(&m);
	if (!m.n && isatty(STDOUT_FILENO))
		fputs("flagman: there is no button that you may see\n", stderr);
	return print_table(cli, &m);
}
