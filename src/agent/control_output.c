/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The output of a run for a client that asks for it: head, gap and tail, each byte once. */
#include "agent/control_client.h"
#include "agent/store.h"
#include "wire/claim.h"

#include <string.h>

static int say_bytes(struct connection *c, const char *data, size_t len, uint64_t left_out)
{
	struct control_output m = {
		.header.type = CONTROL_OUTPUT, .run = c->run, .left_out = left_out};

	while (len || m.left_out) {
		m.size = (uint32_t)(len < sizeof(m.data) ? len : sizeof(m.data));
		memcpy(m.data, data, m.size);
		int r = control_say(c, &m, sizeof(m));
		if (r < 0)
			return r;
		data += m.size;
		len -= m.size;
		m.left_out = 0;
	}
	return 0;
}

/* Head, gap and tail as they are now, less what was sent. */
static void say_output(
	struct connection *c, const struct buf *head, const struct buf *tail, uint64_t left_out)
{
	uint64_t total = head->len + left_out + tail->len;

	if (c->sent < head->len) {
		if (say_bytes(c, head->data + c->sent, head->len - c->sent, 0) < 0)
			return;
		c->sent = head->len;
	}
	uint64_t tail_at = head->len + left_out;
	uint64_t gap = c->sent < tail_at ? tail_at - c->sent : 0;
	uint64_t skip = c->sent > tail_at ? c->sent - tail_at : 0;
	if (skip < tail->len && tail->len)
		(void)say_bytes(c, tail->data + skip, tail->len - skip, gap);
	c->sent = total;
}

void control_say_live(struct connection *c, struct live *l)
{
	_cleanup_(buf_done) struct buf head = BUF_INIT(16U << 20), tail = BUF_INIT(16U << 20);
	struct claim_status st;
	uint64_t left_out = 0;

	if (l->claim_fd >= 0 && claim_status_read(l->claim_fd, &st) == 0 &&
		st.output_total > c->sent &&
		claim_output_read(l->claim_fd, &st, &head, &tail, &left_out) == 0)
		say_output(c, &head, &tail, left_out);
}

void control_say_stored(struct connection *c, uint64_t run)
{
	_cleanup_(buf_done) struct buf head = BUF_INIT(16U << 20), tail = BUF_INIT(16U << 20);
	uint64_t left_out = 0;

	if (store_get_output(c->control->agent->store, run, &head, &tail, &left_out) == 0)
		say_output(c, &head, &tail, left_out);
}
