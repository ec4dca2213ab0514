/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/discs.h"

#include "agent/board.h"
#include "agent/drop_folder.h"
#include "agent/store.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PUBLISHED_MAX (4U * 1024 * 1024) /* bytes: some 20,000 discs */

bool discs_read(int claim, const struct token *t, struct disc *ret)
{
	char text[CLAIM_RECORD_MAX];

	return claim >= 0 && claim_record_read(claim, t, text) == 0 && disc_parse(text, ret);
}

int discs_put(struct agent *a, int claim, const struct token *t, uint64_t run)
{
	struct disc d;

	if (!discs_read(claim, t, &d))
		return 1;
	d.run = run;
	int r = store_begin(a->store);
	return r == 0 ? store_put_disc(a->store, &d) : r;
}

/* Only what the drive wrote without an error is something to compare with. */
static bool is_reference(const struct disc *d)
{
	return strcmp(d->verb, "burn") == 0 && *d->id && *d->sha256 && d->length &&
	       (strcmp(d->verdict, "matches") == 0 || strcmp(d->verdict, "not verified") == 0);
}

static bool add_reference(const struct disc *d, const struct run *r, void *userdata)
{
	struct buf *b = userdata;
	char when[64];

	if (!is_reference(d))
		return true;
	buf_addf(b, "%s\t%llu\t%s\t%s\t", d->id, (unsigned long long)d->length, d->sha256,
		text_when(when, sizeof(when), r->end.ended));
	text_printable(b, d->image, strlen(d->image)); /* no tab, no line end */
	return buf_addc(b, '\n') == 0;
}

void discs_publish(struct agent *a)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(PUBLISHED_MAX);
	_cleanup_close_ int dir = open(a->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = store_each_disc(a->store, add_reference, &b);

	if (r == 0 && b.len && dir >= 0)
		r = write_file_at(dir, EXEC_DISCS, b.data, b.len, 0400);
	if (r < 0)
		log_warning("what was burned can't be told to verify: %s", strerror(-r));
}

void discs_over(struct agent *a, const struct live *l)
{
	struct disc d;

	if (!discs_read(l->claim_fd, &l->run.token, &d) || strcmp(d.verb, "burn") != 0)
		return;
	if (store_begin(a->store) == 0) /* when it ended is told too */
		(void)store_put_run(a->store, &l->run);
	discs_publish(a);
	if (!l->flag || !l->run.payload || flag_action(a, l->flag)->drop == VIEW_NONE)
		return;
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * 1024);
	if (disc_result(&text, &l->run, &d, l->timeout) == 0)
		drop_folder_say_result(a, flag_board(a, l->flag),
			&a->view->drops[flag_action(a, l->flag)->drop], l->run.payload, &text);
}
