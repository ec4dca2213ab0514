/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/content_parts.h"
#include "common/text.h"

#include <string.h>

#define PHRASE_MAX (64 * 1024)

const char *part_label(const char *const *labels, enum state s)
{
	const char *label = labels ? labels[s] : NULL;

	if (!label || !label[0])
		label = state_label(s);
	return label[0] ? label : "Ready";
}

void part_state(struct buf *out, const struct content_action *a)
{
	part_printable(out, part_label(a->labels, a->state));
	if (a->state == STATE_RUNNING && a->percent != UINT32_MAX)
		buf_addf(out, " %u%%", (unsigned)a->percent);
}

void part_printable(struct buf *out, const char *text)
{
	if (text)
		text_printable(out, text, strlen(text));
}

void part_end(struct buf *out)
{
	buf_adds(out, "\r\n");
}

/* Characters, not bytes: what a fixed-width font shows, but for wide and combining ones. */
static size_t characters(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

size_t part_columns(const char *text)
{
	struct buf b = BUF_INIT(PHRASE_MAX);

	part_printable(&b, text);
	size_t n = characters(buf_str(&b), b.len);
	buf_done(&b);
	return n;
}

void part_heading(struct buf *out, const char *words)
{
	part_end(out);
	buf_adds(out, words);
	part_end(out);
	for (size_t i = characters(words, strlen(words)); i > 0; i--)
		buf_addc(out, '-');
	part_end(out);
}

void part_pad(struct buf *out, size_t columns)
{
	while (columns-- > 0)
		buf_addc(out, ' ');
}

/* One line of TEXT, already printable.  Returns nothing: the cursor is at its end. */
static void wrap_line(struct buf *out, size_t at, size_t indent, const char *text)
{
	bool fresh = true; /* nothing of ours on this line yet: a word stands without a space */

	for (;;) {
		text += strspn(text, " ");
		size_t len = strcspn(text, " "), columns = characters(text, len);
		if (len == 0)
			break;
		if (!fresh && at + 1 + columns > PART_WIDTH) {
			part_end(out);
			part_pad(out, indent);
			at = indent;
			fresh = true;
		}
		if (!fresh)
			buf_addc(out, ' ');
		buf_add(out, text, len);
		at += columns + !fresh;
		fresh = false;
		text += len;
	}
}

void part_wrap(struct buf *out, size_t at, size_t indent, const char *text)
{
	struct buf line = BUF_INIT(PHRASE_MAX);

	for (;;) {
		size_t len = strcspn(text, "\r\n");

		buf_reset(&line);
		text_printable(&line, text, len);
		wrap_line(out, at, indent, buf_str(&line));
		text += len;
		text += strspn(text, "\r\n");
		part_end(out);
		if (!*text)
			break;
		part_pad(out, indent);
		at = indent;
	}
	buf_done(&line);
}

void part_person(struct buf *out, const struct run *r)
{
	part_printable(out, r->user && r->user[0] ? r->user : "somebody");
	if (r->address && r->address[0]) {
		buf_adds(out, ", at ");
		part_printable(out, r->address);
	}
}

void part_when(struct buf *out, int64_t realtime)
{
	char text[64];

	buf_adds(out, text_when(text, sizeof text, realtime));
}

static const struct {
	const char *name, *to_delete, *or_move, *to_move, *asks;
} systems[] = {
	{"Windows", "Select the file and press the Delete key", ", or drag it", "Drag the file",
		"Windows asks whether to delete permanently. Say yes: the button comes back."},
	{"macOS", "Select the file and press Cmd-Backspace", ", or drag it", "Drag the file",
		"If the Finder asks whether to delete it at once, say yes."},
	{"Linux", "Delete the file (file manager, rm)", ", or move it", "Move the file", NULL},
};

static void how_on(struct buf *out, size_t i, bool by_delete, const char *run_folder)
{
	struct buf line = BUF_INIT(PHRASE_MAX);

	if (by_delete)
		buf_adds(&line, systems[i].to_delete);
	if (run_folder)
		buf_addf(&line, "%s into the folder %s",
			by_delete ? systems[i].or_move : systems[i].to_move, run_folder);
	buf_addc(&line, '.');

	buf_addf(out, "%s:\r\n", systems[i].name);
	part_pad(out, PART_INDENT);
	part_wrap(out, PART_INDENT, PART_INDENT, buf_str(&line));
	if (by_delete && systems[i].asks) {
		part_pad(out, PART_INDENT);
		buf_adds(out, systems[i].asks);
		part_end(out);
	}
	buf_done(&line);
}

void part_how_to_press(struct buf *out, const struct part_presses *p)
{
	const char *run_folder =
		p->by_move && p->run_folder && p->run_folder[0] ? p->run_folder : NULL;

	if (!p->by_delete && !run_folder) {
		buf_adds(out, "It is not pressed through its file.\r\n");
		return;
	}
	for (size_t i = 0; i < sizeof systems / sizeof systems[0]; i++)
		how_on(out, i, p->by_delete, run_folder);
	part_end(out);
	if (p->by_delete)
		buf_adds(out, "To cut it and paste it on another drive or share counts as a"
			      " delete.\r\n");
	buf_adds(out, "To open, rename or edit it presses nothing.\r\n");
}

void part_how_to_drop(struct buf *out, const struct content_action *a)
{
	struct buf line = BUF_INIT(PHRASE_MAX);

	buf_adds(&line, "Put a file");
	if (a->accept && a->accept[0])
		buf_addf(&line, " (%s)", a->accept);
	buf_addf(&line, " into the folder %s.", a->drop_folder);
	part_wrap(out, 0, 0, buf_str(&line));
	buf_done(&line);
}
