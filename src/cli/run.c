/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flagman run, cancel, log, history: runs, one and many. */
#include "cli/call.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/show.h"
#include "cli/target.h"
#include "common/fd.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

/* What becomes of the records of one call. */
struct sink {
	const struct cli *cli;
	struct output output;
	struct control_run last;   /* run 0: none came */
	struct json_object *array; /* cancel and history under --json */
	struct table table;        /* history */
	size_t n;
};

static int open_payload(const char *path, struct control_request *q, int *ret_fd)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		cli_error("%s: %m", path);
		return cli_exit_status(errno);
	}
	if (!S_ISREG(st.st_mode)) {
		cli_error("%s: not a regular file, which a payload must be", path);
		return EX_USAGE;
	}
	if (strlen(name) >= sizeof(q->payload_name)) {
		cli_error("%s: its name is too long", path);
		return EX_USAGE;
	}
	memcpy(q->payload_name, name, strlen(name) + 1);
	*ret_fd = steal_fd(&fd);
	return 0;
}

static void run_record(const union control_message *m, void *userdata)
{
	struct sink *s = userdata;

	if (m->header.type == CONTROL_RECORD)
		s->last = m->run;
	else if (m->header.type == CONTROL_OUTPUT && !s->cli->json)
		output_add(&s->output, &m->output);
}

static void print_run(const struct control_run *r, FILE *out)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(4096);

	show_run_line(&b, r);
	fprintf(out, "%s\n", buf_str(&b));
}

int verb_run(const struct cli *cli)
{
	struct control_request q = {.header.type = CONTROL_RUN};
	struct sink s = {.cli = cli};
	_cleanup_close_ int payload = -1;
	struct control_end end;
	struct target t;
	bool wait = cli->given & OPTION_WAIT;
	int r;

	r = target_parse(cli->args[0], &t);
	if (!r && cli->payload)
		r = open_payload(cli->payload, &q, &payload);
	if (!r)
		r = target_find_one(cli, &t);
	if (r)
		return r;
	target_fill(&t, &q);
	q.flags = wait ? CONTROL_WAIT : 0;
	output_init(&s.output, cli);
	r = call_agent(cli, &q, payload, run_record, &s, &end);
	output_finish(&s.output);
	output_done(&s.output);
	if (cli->json && s.last.run)
		json_print(json_run(&s.last), true, stdout);
	else if (s.last.run && !wait)
		print_run(&s.last, stdout);
	return r ? r : call_conclude(&end);
}

static void add_disc(struct sink *s, const struct control_disc *d)
{
	s->n++;
	if (s->array)
		json_object_array_add(s->array, json_disc(d));
	else
		show_disc_row(&s->table, d, now_realtime());
}

static void list_record(const union control_message *m, void *userdata)
{
	struct sink *s = userdata;

	if (m->header.type == CONTROL_DISC)
		add_disc(s, &m->disc);
	if (m->header.type != CONTROL_RECORD)
		return;
	s->n++;
	if (s->array)
		json_object_array_add(s->array, json_run(&m->run));
	else if (s->table.columns)
		show_history_row(&s->table, &m->run, now_realtime());
	else
		print_run(&m->run, stdout);
}

/* A run by number, or what the words name; but not both, and not nothing. */
static int take_target(const struct cli *cli, struct target *t)
{
	bool numbered = cli->given & OPTION_RUN;

	if (numbered != (cli->n_args == 0) || (numbered && !cli->run)) {
		cli_error("usage: flagman %s %s", cli->verb->name, cli->verb->usage);
		return EX_USAGE;
	}
	return target_parse(cli->args[0], t);
}

int verb_cancel(const struct cli *cli)
{
	struct control_request q = {.header.type = CONTROL_CANCEL, .run = cli->run};
	_cleanup_(target_matches_done) struct target_matches m = {0};
	struct sink s = {.cli = cli};
	struct control_end end;
	struct target t;
	int r;

	r = take_target(cli, &t);
	if (!r && !cli->run)
		r = target_find(cli, &t, &m);
	if (r)
		return r;
	target_fill(&t, &q);
	s.array = cli->json ? json_object_new_array() : NULL;
	r = call_agent(cli, &q, -1, list_record, &s, &end);
	if (s.array)
		json_print(s.array, true, stdout);
	return r ? r : call_conclude(&end);
}

static void log_record(const union control_message *m, void *userdata)
{
	struct sink *s = userdata;

	if (m->header.type == CONTROL_OUTPUT)
		output_add(&s->output, &m->output);
}

int verb_log(const struct cli *cli)
{
	struct control_request q = {.header.type = CONTROL_LOG, .run = cli->run};
	struct sink s = {.cli = cli};
	struct control_end end;
	struct target t;
	int r;

	r = take_target(cli, &t);
	if (!r && !cli->run)
		r = target_find_one(cli, &t);
	if (r)
		return r;
	target_fill(&t, &q);
	q.flags = cli->given & OPTION_FOLLOW ? CONTROL_FOLLOW : 0;
	output_init(&s.output, cli);
	r = call_agent(cli, &q, -1, log_record, &s, &end);
	output_finish(&s.output);
	output_done(&s.output);
	return r ? r : call_conclude(&end);
}

static int ask_history(
	const struct cli *cli, const struct target *t, struct sink *s, struct control_end *end)
{
	struct control_request q = {
		.header.type = CONTROL_HISTORY,
		.flags = cli->given & OPTION_DISC ? CONTROL_DISCS : CONTROL_LIVE,
		.limit = cli->limit,
	};

	target_fill(t, &q);
	return call_agent(cli, &q, -1, list_record, s, end);
}

static void print_history(const struct cli *cli, struct sink *s)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(64 * 1024 * 1024);
	struct term term = term_init(cli);

	if (s->array) {
		json_print(s->array, true, stdout);
		return;
	}
	if (s->n && table_print(&s->table, &term, &b) == 0)
		fputs(buf_str(&b), stdout);
	else if (s->n)
		cli_error("out of memory");
}

/* The history outlives the configuration: a name that no button bears now is still asked for. */
int verb_history(const struct cli *cli)
{
	static const char *const runs[] = {
		"RUN", "WHEN", "ACTION", "STATE", "WHO", "LASTED", "RESULT"};
	static const char *const discs[] = {
		"RUN", "WHEN", "ACTION", "WHO", "IMAGE", "SIZE", "DISC", "SPEED", "VERDICT"};
	bool of_discs = cli->given & OPTION_DISC;
	const char *const *titles = of_discs ? discs : runs;
	struct sink s = {.cli = cli,
		.table = TABLE_INIT(of_discs ? SHOW_DISC_COLUMNS : SHOW_HISTORY_COLUMNS)};
	struct control_end end;
	struct target t;
	int r;

	r = target_parse(cli->args[0], &t);
	if (r)
		return r;
	for (unsigned i = 0; i < s.table.columns; i++)
		table_cell(&s.table, STYLE_DIM, titles[i]);
	s.array = cli->json ? json_object_new_array() : NULL;
	r = ask_history(cli, &t, &s, &end);
	if (!r && !s.n && target_reread(&t))
		r = ask_history(cli, &t, &s, &end);
	if (!r) {
		print_history(cli, &s);
		r = call_conclude(&end);
	} else {
		json_object_put(s.array);
	}
	table_done(&s.table);
	return r;
}
