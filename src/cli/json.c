/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/json.h"

#include "common/buf.h"
#include "common/fd.h"
#include "common/states.h"
#include "common/text.h"

#include <string.h>
#include <utf8proc.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

struct json_object *json_text(const char *s, size_t len)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(16 * 1024 * 1024);
	utf8proc_int32_t c;
	utf8proc_ssize_t n;

	while (len) {
		n = utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)len, &c);
		if (n > 0)
			buf_add(&b, s, (size_t)n);
		else
			buf_adds(&b, REPLACEMENT);
		s += n > 0 ? n : 1;
		len -= n > 0 ? (size_t)n : 1;
	}
	return json_object_new_string_len(buf_str(&b), (int)b.len);
}

struct json_object *json_text_or_null(const char *s)
{
	return s && *s ? json_text(s, strlen(s)) : NULL;
}

struct json_object *json_time(int64_t realtime_us)
{
	char b[64];

	if (realtime_us <= 0)
		return NULL;
	return json_object_new_string(text_rfc3339(b, sizeof(b), realtime_us));
}

static void add_text(struct json_object *o, const char *key, const char *s)
{
	json_object_object_add(o, key, json_text(s, strlen(s)));
}

struct json_object *json_run(const struct control_run *r)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "run", json_object_new_uint64(r->run));
	json_object_object_add(o, "token", json_text_or_null(r->token));
	add_text(o, "object", r->object);
	json_object_object_add(o, "group", json_text_or_null(r->group));
	add_text(o, "action", r->action);
	add_text(o, "trigger", trigger_word((enum trigger)r->trigger));
	json_object_object_add(o, "user", json_text_or_null(r->user));
	add_text(o, "user-certainty", certainty_word((enum certainty)r->certainty));
	json_object_object_add(o, "address", json_text_or_null(r->address));
	add_text(o, "state", state_word((enum state)r->state));
	json_object_object_add(
		o, "exit-status", r->exit_status >= 0 ? json_object_new_int(r->exit_status) : NULL);
	json_object_object_add(o, "signal", r->signal > 0 ? json_object_new_int(r->signal) : NULL);
	json_object_object_add(o, "claimed", json_time(r->claimed));
	json_object_object_add(o, "started", json_time(r->started));
	json_object_object_add(o, "ended", json_time(r->ended));
	json_object_object_add(o, "payload", json_text_or_null(r->payload));
	return o;
}

struct json_object *json_disc(const struct control_disc *d)
{
	struct json_object *run = json_run(&d->run), *o = json_object_new_object();

	add_text(o, "verb", d->verb);
	add_text(o, "verdict", d->verdict);
	json_object_object_add(o, "against", json_text_or_null(d->against));
	json_object_object_add(o, "image", json_text_or_null(d->image));
	json_object_object_add(o, "length", json_object_new_uint64(d->length));
	json_object_object_add(o, "sha256", json_text_or_null(d->sha256));
	json_object_object_add(o, "media", json_text_or_null(d->media));
	json_object_object_add(o, "product", json_text_or_null(d->product));
	json_object_object_add(o, "id", json_text_or_null(d->id));
	json_object_object_add(
		o, "bytes-per-second", d->speed ? json_object_new_uint64(d->speed) : NULL);
	json_object_object_add(run, "disc", o);
	return run;
}

struct json_object *json_action(const struct control_action *a)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "object", a->object);
	json_object_object_add(o, "group", json_text_or_null(a->group));
	add_text(o, "action", a->action);
	json_object_object_add(o, "description", json_text_or_null(a->description));
	json_object_object_add(o, "path", json_text_or_null(a->path));
	json_object_object_add(o, "file-name", json_text_or_null(a->file_name));
	add_text(o, "state", a->removed ? "removed" : state_word((enum state)a->state));
	json_object_object_add(
		o, "percent", a->percent <= 100 ? json_object_new_int((int)a->percent) : NULL);
	json_object_object_add(o, "since", json_time(a->since));
	json_object_object_add(o, "progress", json_text_or_null(a->progress));
	json_object_object_add(o, "note", json_text_or_null(a->note));
	json_object_object_add(o, "run", a->last.run ? json_run(&a->last) : NULL);
	return o;
}

static bool must_escape(utf8proc_int32_t c)
{
	return (c >= 0x7f && c <= 0x9f) || c == 0x061c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* Outside of strings JSON is ASCII without DEL, so escaping here is safe anywhere. */
static void print_escaped(const char *s, FILE *out)
{
	utf8proc_int32_t c;
	utf8proc_ssize_t n;

	while (*s) {
		n = utf8proc_iterate((const utf8proc_uint8_t *)s, -1, &c);
		if (n > 0 && must_escape(c))
			fprintf(out, "\\u%04x", (unsigned)c);
		else if (n > 0)
			fwrite(s, 1, (size_t)n, out);
		if (n <= 0)
			break; /* json_text() let only UTF-8 in */
		s += n;
	}
}

void json_print(struct json_object *value, bool pretty, FILE *out)
{
	int flags = JSON_C_TO_STRING_NOSLASHESCAPE |
		    (pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED
			    : JSON_C_TO_STRING_PLAIN);

	print_escaped(json_object_to_json_string_ext(value, flags), out);
	fputc('\n', out);
	json_object_put(value);
}
