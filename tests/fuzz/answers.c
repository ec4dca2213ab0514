/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What flagman(1) makes of the agent's answers: whatever names, texts and times are in them, JSON
 * that is JSON, and tables and lines without anything that a terminal obeys.
 *
 * The first bytes are the numbers, the rest the strings in the order of the table, ended by NULs.
 */
#include "fuzz.h"

#include "cli/json.h"
#include "cli/show.h"
#include "wire/control.h"

#define NOW (1700000000 * INT64_C(1000000))

struct numbers {
	int64_t times[3];
	uint64_t sizes[2];
	int32_t exit_status, signal;
	uint8_t state, last_state, trigger, certainty, percent, removed, width, utf8;
};

static void strings(const struct wire_type *t, void *message, const uint8_t *data, size_t size)
{
	for (const struct wire_string *s = t->strings; s->size; s++) {
		size_t n = strnlen((const char *)data, size);

		memcpy((char *)message + s->offset, data, n < s->size ? n : s->size - 1U);
		n += n < size;
		data += n;
		size -= n;
	}
}

static void fill_run(struct control_run *r, const struct numbers *n)
{
	r->run = n->sizes[0];
	r->payload_size = n->sizes[1];
	r->trigger = n->trigger % TRIGGER_MAX_;
	r->state = n->last_state % STATE_MAX_;
	r->certainty = n->certainty % CERTAINTY_MAX_;
	r->exit_status = n->exit_status;
	r->signal = n->signal;
	r->pressed = r->claimed = n->times[0];
	r->started = n->times[1];
	r->ended = n->times[2];
	r->lasted = n->sizes[1];
}

static void harmless(const char *s, size_t len)
{
	CHECK(fuzz_is_text(s, len, "\n"));
	for (size_t i = 0; i < len;) {
		utf8proc_int32_t c;

		i += (size_t)utf8proc_iterate((const utf8proc_uint8_t *)s + i, -1, &c);
		CHECK(c < 0x7f || c > 0x9f);
		CHECK((c < 0x202a || c > 0x202e) && (c < 0x2066 || c > 0x2069));
	}
}

static void check_json(struct json_object *value, bool pretty)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *back;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	CHECK(f && tokener && value);
	json_print(value, pretty, f);
	CHECK(fclose(f) == 0);
	harmless(text, size);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	back = json_tokener_parse_ex(tokener, text, (int)size);
	CHECK(back && json_tokener_get_error(tokener) == json_tokener_success);
	json_object_put(back);
	json_tokener_free(tokener);
	free(text);
}

static void check_shown(struct control_action *a, struct control_disc *d, const struct term *term)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(1024 * 1024);
	_cleanup_(table_done) struct table history = TABLE_INIT(SHOW_HISTORY_COLUMNS);
	_cleanup_(table_done) struct table discs = TABLE_INIT(SHOW_DISC_COLUMNS);
	struct control_action two[2] = {*a, *a};

	snprintf(two[1].object, sizeof(two[1].object), "Other");
	show_sort(two, 2);
	CHECK(show_status(&b, term, two, 2, NOW) == 0);
	show_history_row(&history, &a->last, NOW);
	show_disc_row(&discs, d, NOW);
	CHECK(table_print(&history, term, &b) == 0 && table_print(&discs, term, &b) == 0);
	harmless(buf_str(&b), b.len);
}

static void check_lines(struct control_action *a)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(64 * 1024);

	show_action_line(&b, a, NOW);
	show_run_line(&b, &a->last);
	show_who(&b, &a->last);
	show_action_result(&b, a, NOW);
	show_run_result(&b, &a->last);
	CHECK(!b.error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct numbers n = {.times = {0}};
	struct control_action a = {.percent = UINT32_MAX};
	struct control_disc d = {.length = 1};
	struct term term = {.tty = true};
	size_t k = size < sizeof(n) ? size : sizeof(n);

	if (k)
		memcpy(&n, data, k);
	strings(&control_from_agent[CONTROL_ACTION], &a, data + k, size - k);
	strings(&control_from_agent[CONTROL_DISC], &d, data + k, size - k);
	fill_run(&a.last, &n);
	fill_run(&d.run, &n);
	d.length = n.sizes[0];
	d.speed = n.sizes[1];
	a.state = n.state % STATE_MAX_;
	a.since = n.times[0];
	a.removed = n.removed & 1;
	if (n.percent <= 100)
		a.percent = n.percent;
	term.utf8 = n.utf8 & 1;
	term.width = n.width;
	check_json(json_action(&a), n.utf8 & 2);
	check_json(json_disc(&d), n.utf8 & 2);
	check_shown(&a, &d, &term);
	check_lines(&a);
	return 0;
}
