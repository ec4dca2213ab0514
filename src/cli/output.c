/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/output.h"

#include "cli/json.h"
#include "common/fd.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_ (64U * 1024) /* a longer line is shown in pieces */

void output_init(struct output *o, const struct cli *cli)
{
	*o = (struct output){
		.json = cli->json,
		.tty = isatty(STDOUT_FILENO),
		.line = BUF_INIT(LINE_MAX_),
	};
}

void output_done(struct output *o)
{
	buf_done(&o->line);
}

static void print_json(const struct output *o, const char *key, struct json_object *value)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "run", json_object_new_uint64(o->run));
	json_object_object_add(object, key, value);
	json_print(object, false, stdout);
}

/* text_output() speaks to Notepad, in CRLF; a terminal wants none of the CRs. */
static void print_line(const struct output *o)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(8 * LINE_MAX_);

	text_output(&b, buf_str(&o->line), o->line.len);
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] != '\r')
			putchar(b.data[i]);
}

static void end_line(struct output *o)
{
	size_t len = o->line.len;

	if (!len)
		return;
	if (o->json)
		print_json(
			o, "line", json_text(o->line.data, len - (o->line.data[len - 1] == '\n')));
	else
		print_line(o);
	buf_reset(&o->line);
}

static void add_lines(struct output *o, const char *data, size_t len)
{
	size_t n;
	const char *nl;

	while (len) {
		nl = memchr(data, '\n', len);
		n = nl ? (size_t)(nl - data) + 1 : len;
		if (o->line.len + n >= LINE_MAX_)
			end_line(o);
		buf_add(&o->line, data, n);
		if (nl)
			end_line(o);
		data += n;
		len -= n;
	}
}

static void say_left_out(struct output *o, uint64_t bytes)
{
	char size[64];

	output_finish(o);
	if (o->json)
		print_json(o, "left-out", json_object_new_uint64(bytes));
	else
		printf("[... %s left out ...]\n", text_size(size, sizeof(size), bytes));
}

void output_add(struct output *o, const struct control_output *piece)
{
	o->run = piece->run;
	if (piece->left_out)
		say_left_out(o, piece->left_out);
	if (o->json || o->tty)
		add_lines(o, piece->data, piece->size);
	else
		fwrite(piece->data, 1, piece->size, stdout);
	fflush(stdout);
}

void output_finish(struct output *o)
{
	if (o->line.len && o->line.data[o->line.len - 1] != '\n' && !o->json)
		buf_addc(&o->line, '\n');
	end_line(o);
}
