/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A group as a whole: its defaults, who may press, and names that must not meet in one directory.
 */
#include "config/merge.h"

#include "common/names.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool is_ascii(const char *s)
{
	while (*s && (unsigned char)*s < 0x80)
		s++;
	return !*s;
}

bool same_name(const char *a, const char *b)
{
	if (a == b)
		return true;
	return is_ascii(a) && is_ascii(b) ? strcasecmp(a, b) == 0 : name_equal(a, b);
}

/* Groups whose members can do more than their name says.  Flagman's agent joins directory.group,
 * and the agent is what reads strangers' file names. */
static const char *const doors[] = {
	"root",
	"_ssh",
	"adm",
	"bin",
	"crontab",
	"daemon",
	"disk",
	"docker",
	"incus",
	"incus-admin",
	"input",
	"kmem",
	"kvm",
	"libvirt",
	"libvirt-qemu",
	"lpadmin",
	"lxd",
	"mail",
	"netdev",
	"nogroup",
	"shadow",
	"ssh_keys",
	"staff",
	"sudo",
	"sys",
	"systemd-journal",
	"systemd-network",
	"tape",
	"tty",
	"utmp",
	"uucp",
	"vboxusers",
	"wheel",
	NULL,
};

static bool check_press_group(struct loader *l, const struct merged *m)
{
	const struct group *g = &m->group;
	const struct place at = merged_place(m, KEY_DIRECTORY_GROUP);
	char buf[24];
	const char *name;

	if (!l->options->privileged)
		return l->hooks->own_group(g->dir_gid) ||
		       wrong_at(l, &at,
			       "directory.group: this service is not run by root, and its user is "
			       "not in that group");
	name = group_name(l, g->dir_gid, buf);
	if (g->dir_gid == 0)
		return wrong_at(l, &at,
			"directory.group is root: flagman joins this group, and must not be in "
			"root's; make a group of those who may press");
	for (size_t i = 0; doors[i]; i++)
		if (strcmp(doors[i], name) == 0)
			return wrong_at(l, &at,
				"directory.group is %s, which opens other doors of the system: "
				"flagman joins this group, and so do all who may press; make a "
				"group of its own",
				name);
	return true;
}

static bool check_directory_mode(struct loader *l, const struct merged *m)
{
	const struct group *g = &m->group;
	const struct place at = merged_place(m, KEY_DIRECTORY_MODE);
	unsigned mode = g->dir_mode;

	if (mode & 0002)
		return wrong_at(
			l, &at, "directory.mode %04o lets everybody on this machine press", mode);
	if (mode & S_ISUID)
		return wrong_at(
			l, &at, "directory.mode %04o: a set-user-id bit means nothing here", mode);
	if (mode & S_ISVTX)
		return wrong_at(l, &at,
			"directory.mode %04o: with the sticky bit only the owner could press",
			mode);
	if ((mode & 0700) != 0700)
		return wrong_at(l, &at, "directory.mode %04o locks the owner out", mode);
	if (g->access == ACCESS_PRESS_ONLY && mode != 0755)
		return wrong_at(l, &at,
			"directory.mode %04o: with access: press-only it is 0755, and Samba's ACL "
			"says who may press",
			mode);
	if (g->access == ACCESS_GROUP && (mode & 0070) != 0070)
		return wrong_at(l, &at,
			"directory.mode %04o: the group can't press, as it can't write; set 0770, "
			"or access: press-only",
			mode);
	return true;
}

static bool check_file_mode(struct loader *l, const struct merged *m)
{
	const struct group *g = &m->group;
	const struct place at = merged_place(m, KEY_FILE_MODE);

	if (g->file_mode & ~(mode_t)0777)
		return wrong_at(l, &at, "file.mode %04o: a flag has no set-id and no sticky bit",
			(unsigned)g->file_mode);
	if (g->file_mode & 0111)
		return wrong_at(l, &at, "file.mode %04o: a flag is no program; leave the x out",
			(unsigned)g->file_mode);
	return true;
}

static bool check_owners(struct loader *l, const struct merged *m)
{
	const struct group *g = &m->group;
	const struct place at = merged_place(m, KEY_DIRECTORY_USER);
	const struct place user = merged_place(m, KEY_FILE_USER),
			   group = merged_place(m, KEY_FILE_GROUP);

	if (g->access == ACCESS_PRESS_ONLY && g->dir_uid != l->options->agent_uid)
		return wrong_at(l, &at,
			"directory.user: with access: press-only the directory belongs to "
			"flagman's user; leave it out");
	if (l->options->privileged)
		return true;
	if (g->dir_uid != l->options->trusted_uid)
		return wrong_at(l, &at,
			"directory.user: this service is not run by root and can't give files "
			"away; leave it out");
	if (g->file_uid_set && g->file_uid != l->options->trusted_uid)
		return wrong_at(l, &user,
			"file.user: this service is not run by root and can't give files away; "
			"leave it out");
	if (key_set_has(&m->set, KEY_FILE_GROUP) && !l->hooks->own_group(g->file_gid))
		return wrong_at(l, &group,
			"file.group: this service is not run by root, and its user is not in that "
			"group");
	return true;
}

/* ---- defaults ---- */

static gid_t own_gid(struct loader *l)
{
	struct draft d;

	memcpy(&d, &l->defaults, sizeof(d));
	default_run_as(l, &d);
	return d.how.gid;
}

static void fill_owners(struct loader *l, struct group *g, const struct key_set *set)
{
	if (!key_set_has(set, KEY_DIRECTORY_ACCESS))
		g->access = ACCESS_GROUP;
	if (!key_set_has(set, KEY_DIRECTORY_USER))
		g->dir_uid = g->access == ACCESS_PRESS_ONLY ? l->options->agent_uid
			     : l->options->privileged       ? 0
							    : l->options->trusted_uid;
	if (!key_set_has(set, KEY_DIRECTORY_GROUP) && !l->options->privileged)
		g->dir_gid = own_gid(l);
	if (!key_set_has(set, KEY_DIRECTORY_MODE))
		g->dir_mode = g->access == ACCESS_PRESS_ONLY ? 0755 : 0770;
	g->file_uid_set = key_set_has(set, KEY_FILE_USER);
	if (!g->file_uid_set)
		g->file_uid = l->options->agent_uid;
	if (!key_set_has(set, KEY_FILE_GROUP))
		g->file_gid = g->dir_gid;
	if (!key_set_has(set, KEY_FILE_MODE))
		g->file_mode = l->group_defaults.file_mode;
}

static bool moves(const struct group *g)
{
	for (size_t i = 0; i < g->n_actions; i++)
		if (g->actions[i].press->triggers & TRIGGER_BIT(TRIGGER_MOVE))
			return true;
	return false;
}

static void fill_names(struct loader *l, struct group *g, const struct key_set *set)
{
	if (!key_set_has(set, KEY_RUN_FOLDER))
		g->run_folder = l->group_defaults.run_folder;
	if (!key_set_has(set, KEY_TRASH_FOLDERS))
		g->trash_folders = l->group_defaults.trash_folders;
	if (!key_set_has(set, KEY_MONIKER))
		g->moniker = l->group_defaults.moniker;
	if (!key_set_has(set, KEY_LABELS))
		g->labels = l->group_defaults.labels;
	if (g->access == ACCESS_PRESS_ONLY || !moves(g))
		g->run_folder = NULL;
}

/* ---- press-only ---- */

static bool only_delete(struct loader *l, struct action *a)
{
	struct press press;

	if (a->drop)
		return wrong_at(l, &a->place,
			"the action \"%s\" has a drop folder, and with access: press-only nobody "
			"can drop",
			a->name);
	if (!(a->press->triggers & TRIGGER_BIT(TRIGGER_MOVE)))
		return true;
	memcpy(&press, a->press, sizeof(press));
	press.triggers &= ~TRIGGER_BIT(TRIGGER_MOVE);
	if (!press.triggers)
		return wrong_at(l, &a->place,
			"the action \"%s\" has only the trigger move, and with access: press-only "
			"nobody can move a flag into Run",
			a->name);
	a->press = arena_unique(l->arena, &press, sizeof(press));
	return a->press != NULL;
}

static bool check_press_only(struct loader *l, struct merged *m)
{
	struct group *g = &m->group;
	const struct place at = merged_place(m, KEY_RUN_FOLDER);
	bool ok = true;

	if (key_set_has(&m->set, KEY_RUN_FOLDER))
		ok = wrong_at(l, &at, "run-folder: with access: press-only there is none");
	for (size_t i = 0; i < g->n_actions; i++)
		ok = only_delete(l, &g->actions[i]) && ok;
	return ok;
}

/* ---- names in one directory ---- */

/* Told by their first characters nearly always: patterns are dear, and this is for each object. */
static bool may_match(const char *pattern, const char *name)
{
	unsigned char p = (unsigned char)pattern[0], n = (unsigned char)name[0];

	return p >= 0x80 || n >= 0x80 || strchr("*?[\\", p) || tolower(p) == tolower(n);
}

static bool is_trash(const struct group *g, const char *folder)
{
	for (char **p = g->trash_folders; *p; p++)
		if (may_match(*p, folder) && name_matches(*p, folder))
			return true;
	return false;
}

/* A flag's file name would be taken for it, or it for a flag's. */
static bool check_folder(
	struct loader *l, const struct group *g, const struct place *at, const char *folder)
{
	size_t n = strlen(folder);

	if (same_name(folder, "Status"))
		return wrong_at(l, at, "the folder \"%s\" is named like Status.txt", folder);
	if (n > 4 && strcasecmp(folder + n - 4, NAME_SUFFIX) == 0)
		return wrong_at(l, at, "the folder \"%s\" is named like a flag", folder);
	if (is_trash(g, folder))
		return wrong_at(l, at, "the folder \"%s\" is also one of trash-folders", folder);
	return true;
}

static bool check_action_name(struct loader *l, const struct group *g, const struct action *a)
{
	if (same_name(a->name, "Status"))
		return wrong_at(l, &a->place,
			"an action can't be named Status: that is a file of flagman's");
	if (g->run_folder && same_name(a->name, g->run_folder))
		return wrong_at(l, &a->place, "the action \"%s\" is named like the folder %s",
			a->name, g->run_folder);
	return true;
}

static bool check_drop_folder(struct loader *l, const struct group *g, const struct action *a)
{
	const char *folder = a->drop->folder;

	if (g->run_folder && same_name(folder, g->run_folder))
		return wrong_at(l, &a->place,
			"the drop folder \"%s\" is the folder into which flags are moved", folder);
	for (const struct action *o = g->actions; o < g->actions + g->n_actions; o++) {
		if (same_name(o->name, folder) && o != a)
			return wrong_at(l, &a->place,
				"the drop folder \"%s\" is named like another action", folder);
		if (o < a && o->drop && same_name(o->drop->folder, folder))
			return wrong_at(l, &a->place,
				"the drop folder \"%s\" is also that of the action \"%s\"", folder,
				o->name);
	}
	return check_folder(l, g, &a->place, folder);
}

static bool check_names(struct loader *l, const struct merged *m)
{
	const struct group *g = &m->group;
	const struct place at = merged_place(m, KEY_RUN_FOLDER);
	bool ok = !g->run_folder || check_folder(l, g, &at, g->run_folder);

	if (is_trash(g, g->object))
		ok = wrong_at(
			l, &g->place, "the object \"%s\" is also one of trash-folders", g->object);
	for (size_t i = 0; i < g->n_actions; i++) {
		const struct action *a = &g->actions[i];

		ok = check_action_name(l, g, a) && ok;
		if (a->drop)
			ok = check_drop_folder(l, g, a) && ok;
	}
	return ok;
}

static const char *label(const struct group *g, enum state s)
{
	return g->labels[s] ? g->labels[s] : state_label(s);
}

/* Two states that look alike could not be told apart, by people or when a name is read back. */
static bool check_labels(struct loader *l, const struct merged *m)
{
	const struct group *g = &m->group;
	const struct place at = merged_place(m, KEY_LABELS);

	for (enum state s = STATE_READY + 1; s < STATE_MAX_; s++) {
		const char *word = label(g, s);

		if (word[strlen(word) - 1] == '%')
			return wrong_at(
				l, &at, "the label \"%s\" ends in %%, as progress does", word);
		for (enum state t = STATE_READY + 1; t < s; t++)
			if (same_name(word, label(g, t)))
				return wrong_at(l, &at, "the label \"%s\" is that of %s and of %s",
					word, state_word(t), state_word(s));
	}
	return true;
}

/* ---- all of it ---- */

static bool check_required(struct loader *l, const struct group *g, const struct key_set *set)
{
	bool ok = true;

	if (!key_set_has(set, KEY_DIRECTORY_PATH))
		ok = wrong_at(l, &g->place, "directory.path is missing: where do the flags live?");
	if (!key_set_has(set, KEY_DIRECTORY_GROUP) && l->options->privileged)
		ok = wrong_at(l, &g->place, "directory.group is missing: who may press?");
	return ok;
}

/* What is the same for all groups that share a directory and its owners is looked at once. */
static bool check_place(struct loader *l, struct merged *m)
{
	struct group *g = &m->group;

	for (size_t i = 0; i < l->n_places; i++)
		if (l->places[i].path == g->path && l->places[i].uid == g->dir_uid &&
			l->places[i].gid == g->dir_gid) {
			g->real = l->places[i].real;
			return true;
		}
	if (!check_share_path(l, m) || !check_press_group(l, m))
		return false;
	if (l->n_places < PLACES_MAX)
		l->places[l->n_places++] =
			(struct checked_place){g->path, g->real, g->dir_uid, g->dir_gid};
	return true;
}

bool check_group(struct loader *l, struct merged *m)
{
	struct group *g = &m->group;
	bool ok;

	if (!check_required(l, g, &m->set))
		return false;
	fill_owners(l, g, &m->set);
	ok = g->access != ACCESS_PRESS_ONLY || check_press_only(l, m);
	fill_names(l, g, &m->set);
	ok = check_place(l, m) && ok;
	ok = check_directory_mode(l, m) && ok;
	ok = check_file_mode(l, m) && ok;
	ok = check_owners(l, m) && ok;
	ok = check_names(l, m) && ok;
	if (g->labels != l->good_labels)
		ok = check_labels(l, m) && ok;
	if (ok)
		l->good_labels = g->labels;
	return ok;
}

/* Where it is, who may press and what the actions are called is all that is left of it. */
bool check_misconfigured(struct loader *l, struct merged *m)
{
	struct group *g = &m->group;
	struct key_set kept = {0};
	size_t n = 0;

	if (!check_required(l, g, &m->set))
		return false;
	key_set_add(&kept, KEY_DIRECTORY_PATH);
	if (key_set_has(&m->set, KEY_DIRECTORY_GROUP))
		key_set_add(&kept, KEY_DIRECTORY_GROUP);
	if (key_set_has(&m->set, KEY_DIRECTORY_ACCESS))
		key_set_add(&kept, KEY_DIRECTORY_ACCESS);
	fill_owners(l, g, &kept);
	fill_names(l, g, &kept);
	if (!check_place(l, m))
		return false;
	for (size_t i = 0; i < g->n_actions; i++)
		if (check_action_name(l, g, &g->actions[i]))
			g->actions[n++] = g->actions[i];
	g->n_actions = n;
	return n > 0;
}
