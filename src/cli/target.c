/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/target.h"

#include "cli/call.h"
#include "common/buf.h"
#include "common/fd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static bool take_part(char *part, const char **s)
{
	size_t n = strcspn(*s, "/");

	if (n == 0 || n >= CONTROL_NAME_MAX)
		return false;
	memcpy(part, *s, n);
	part[n] = '\0';
	*s += n + ((*s)[n] == '/');
	return true;
}

int target_parse(const char *text, struct target *ret)
{
	struct target t = {0};
	const char *s = text ? text : "";
	unsigned slashes = 0;
	bool good = true;

	for (const char *p = s; *p; p++)
		slashes += *p == '/';
	if (*s) {
		good = slashes <= 2 && s[strlen(s) - 1] != '/' && take_part(t.object, &s);
		if (good && slashes == 2)
			good = take_part(t.group, &s);
		if (good && slashes >= 1)
			good = take_part(t.action, &s);
	}
	if (!good) {
		cli_error("\"%s\" is not OBJECT[/GROUP][/ACTION]", text);
		return EX_USAGE;
	}
	t.two_parts = slashes == 1;
	*ret = t;
	return 0;
}

void target_fill(const struct target *t, struct control_request *request)
{
	memcpy(request->object, t->object, sizeof(request->object));
	memcpy(request->group, t->group, sizeof(request->group));
	memcpy(request->action, t->action, sizeof(request->action));
}

bool target_reread(struct target *t)
{
	if (!t->two_parts)
		return false;
	memcpy(t->group, t->action, sizeof(t->group));
	memset(t->action, 0, sizeof(t->action));
	t->two_parts = false;
	return true;
}

void target_matches_done(struct target_matches *m)
{
	free(m->actions);
	*m = (struct target_matches){0};
}

struct collect {
	struct target_matches m;
	bool out_of_memory;
};

static void collect_action(const union control_message *message, void *userdata)
{
	struct collect *c = userdata;
	struct control_action *p;

	if (message->header.type != CONTROL_ACTION || c->out_of_memory)
		return;
	if ((c->m.n & (c->m.n - 1)) == 0) { /* full at each power of two */
		p = reallocarray(c->m.actions, c->m.n ? 2 * c->m.n : 1, sizeof(*p));
		if (!p) {
			c->out_of_memory = true;
			return;
		}
		c->m.actions = p;
	}
	c->m.actions[c->m.n++] = message->action;
}

/* One question.  What the agent says at its end counts only where it sent nothing: that it is not
 * allowed is passed on, "nothing matches" is the caller's to word. */
static int ask(const struct cli *cli, const struct target *t, struct target_matches *ret)
{
	struct control_request q = {.header.type = CONTROL_STATUS};
	struct collect c = {0};
	struct control_end end;
	int r;

	target_fill(t, &q);
	r = call_agent(cli, &q, -1, collect_action, &c, &end);
	if (!r && c.out_of_memory) {
		cli_error("out of memory");
		r = EX_OSERR;
	}
	if (!r && c.m.n == 0 && end.exit_status == EX_NOPERM)
		r = call_conclude(&end);
	if (r) {
		target_matches_done(&c.m);
		return r;
	}
	*ret = c.m;
	return 0;
}

char *target_name(char *buf, const char *object, const char *group, const char *action)
{
	snprintf(buf, TARGET_NAME_MAX, "%s%s%s%s%s", object, *group ? "/" : "", group,
		*action ? "/" : "", action);
	return buf;
}

static void list_matches(struct buf *out, const struct target_matches *m)
{
	char name[TARGET_NAME_MAX];

	for (size_t i = 0; i < m->n && i < 12; i++)
		buf_addf(out, "%s%s", i ? ", " : "",
			target_name(name, m->actions[i].object, m->actions[i].group,
				m->actions[i].action));
	if (m->n > 12)
		buf_adds(out, ", ...");
}

/* What there is of the object, or of everything: the reader's next try. */
static int complain_nothing(const struct cli *cli, const struct target *t)
{
	_cleanup_(target_matches_done) struct target_matches m = {0};
	_cleanup_(buf_done) struct buf b = BUF_INIT(16384);
	char name[TARGET_NAME_MAX];
	struct target all = {0};

	memcpy(all.object, t->object, sizeof(all.object));
	if (ask(cli, &all, &m) == 0 && m.n == 0) {
		*all.object = '\0';
		if (ask(cli, &all, &m))
			return EX_USAGE;
	}
	list_matches(&b, &m);
	target_name(name, t->object, t->group, t->action);
	if (m.n)
		cli_error("there is no %s that you may see; there are: %s", name, buf_str(&b));
	else
		cli_error("there is no %s that you may see", name);
	return EX_USAGE;
}

int target_find(const struct cli *cli, struct target *t, struct target_matches *ret)
{
	struct target other = *t;
	int r;

	r = ask(cli, t, ret);
	if (r || ret->n || !*t->object)
		return r;
	if (target_reread(&other)) {
		r = ask(cli, &other, ret);
		if (r)
			return r;
		if (ret->n) {
			*t = other;
			return 0;
		}
	}
	return complain_nothing(cli, t);
}

int target_find_one(const struct cli *cli, struct target *t)
{
	_cleanup_(target_matches_done) struct target_matches m = {0};
	_cleanup_(buf_done) struct buf b = BUF_INIT(16384);
	int r;

	r = target_find(cli, t, &m);
	if (r)
		return r;
	/* A bare object is no button, even where it has only one today. */
	if (m.n != 1 || !*t->action) {
		list_matches(&b, &m);
		cli_error("which one? %s", buf_str(&b));
		return EX_USAGE;
	}
	memcpy(t->object, m.actions[0].object, sizeof(t->object));
	memcpy(t->group, m.actions[0].group, sizeof(t->group));
	memcpy(t->action, m.actions[0].action, sizeof(t->action));
	t->two_parts = false;
	return 0;
}
