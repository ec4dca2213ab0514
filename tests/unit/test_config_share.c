/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The share sections: names that are one directory's alone, and what smb.conf has no way to say. */
#include "unit.h"

#include "config/hooks.h"
#include "config/share.h"

#include <stdio.h>
#include <string.h>

#define GROUPS_MAX 64

static const char *const group_names[] = {
	"wwwadmins",
	"Domain Users",
	"50%u",
	"quo\"te",
	"+netgroup",
	"two  blanks",
	"line\nbreak",
	"EXAMPLE\\media",
	"",
	"x,y",
};
#define NAMELESS ((gid_t)4711)

static struct group groups[GROUPS_MAX];
static struct config config = {.groups = groups};
static struct share *shares;
static size_t n_shares;
static unsigned lookups;

static const char *group_by_id(gid_t gid)
{
	lookups++;
	return gid < N_OF(group_names) ? group_names[gid] : NULL;
}

static void add(const char *path, gid_t gid)
{
	struct group *g = &groups[config.n_groups++];

	assert_true(config.n_groups <= GROUPS_MAX);
	*g = (struct group){.path = (char *)(uintptr_t)path, .dir_gid = gid};
}

static void list(void)
{
	share_list_free(shares, n_shares);
	shares = NULL;
	n_shares = 0;
	assert_int_equal(share_list(&config, &shares, &n_shares), 0);
}

static int setup(void **state)
{
	static struct config_hooks hooks;

	(void)state;
	hooks.group_by_id = group_by_id;
	config_set_hooks(&hooks);
	config.n_groups = 0;
	lookups = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	share_list_free(shares, n_shares);
	shares = NULL;
	n_shares = 0;
	config_set_hooks(NULL);
	return 0;
}

static const struct share *at(const char *path)
{
	for (size_t i = 0; i < n_shares; i++)
		if (strcmp(shares[i].path, path) == 0)
			return &shares[i];
	fail_msg("there is no share for %s", path);
	return NULL;
}

static const char *name_of(const char *path)
{
	const struct share *s = at(path);

	return s->unfit ? NULL : s->name;
}

static void test_a_share_for_each_path(void **state)
{
	const struct drop drop = {0};
	struct action action = {.drop = &drop};

	(void)state;
	add("/srv/two", 0);
	add("/srv/one", 0);
	add("/srv/two", 1);
	add("/srv/two", 0);
	groups[1].access = ACCESS_PRESS_ONLY;
	groups[3].actions = &action;
	groups[3].n_actions = 1;
	list();
	assert_int_equal(n_shares, 2);
	assert_string_equal(shares[0].path, "/srv/one");
	assert_string_equal(shares[1].path, "/srv/two");
	assert_true(shares[0].press_only && !shares[0].drops);
	assert_true(!shares[1].press_only && shares[1].drops);
	assert_string_equal(buf_str(&shares[0].valid_users), "@wwwadmins");
	assert_string_equal(buf_str(&shares[1].valid_users), "@wwwadmins @\"Domain Users\"");
	assert_int_equal(lookups, 2);
}

static void test_groups(void **state)
{
	static const struct {
		gid_t gid;
		const char *users; /* NULL: smb.conf can't say it */
	} want[] = {
		{0, "@wwwadmins"},
		{1, "@\"Domain Users\""},
		{2, NULL},
		{3, NULL},
		{4, NULL},
		{5, NULL},
		{6, NULL},
		{7, "@\"EXAMPLE\\media\""},
		{8, NULL},
		{9, "@\"x,y\""},
		{NAMELESS, NULL},
	};

	(void)state;
	for (size_t i = 0; i < N_OF(want); i++) {
		config.n_groups = 0;
		add("/srv/flagman", 0);
		groups[0].dir_gid = want[i].gid;
		list();
		if (want[i].users) {
			assert_null(shares[0].unfit);
			assert_string_equal(buf_str(&shares[0].valid_users), want[i].users);
		} else {
			assert_non_null(shares[0].unfit);
		}
	}
	/* One that can be said makes up for none that can't: there would be fewer who may press,
	 * and nobody would know why. */
	add("/srv/flagman", 0);
	list();
	assert_non_null(shares[0].unfit);
}

static void test_paths_that_samba_would_change(void **state)
{
	static const char *const paths[] = {
		"/srv/50%u",
		"/srv/%",
		"/srv/a  b",
		"/srv/a ",
		"/srv/a\\",
		"/srv/a\nb",
		"/srv/a\x7f",
	};
	struct buf text = BUF_INIT(SHARE_TEXT_MAX);
	char *line;

	(void)state;
	for (size_t i = 0; i < N_OF(paths); i++)
		add(paths[i], 0);
	list();
	for (size_t i = 0; i < n_shares; i++)
		assert_non_null(shares[i].unfit);
	config.n_groups = 5; /* the reader of the configuration refuses control characters */
	list();
	share_text(shares, n_shares, &text);
	assert_int_equal(text.error, 0);
	for (char *rest = text.data; (line = strsep(&rest, "\n"));) {
		assert_true(!*line || *line == '#');
		assert_true(!*line || line[strlen(line) - 1] == '.');
	}
	buf_done(&text);
}

static void test_paths_that_are_odd(void **state)
{
	static const char *const paths[] = {
		"/srv/a b", "/srv/ a", "/srv/\"a\"", "/srv/a;b", "/srv/#a", "/srv/a\\b", "/srv/$b"};

	(void)state;
	for (size_t i = 0; i < N_OF(paths); i++)
		add(paths[i], 0);
	list();
	for (size_t i = 0; i < n_shares; i++)
		assert_null(shares[i].unfit);
	assert_string_equal(name_of("/srv/a b"), "a b");
	assert_string_equal(name_of("/srv/ a"), "_a");
	assert_string_equal(name_of("/srv/\"a\""), "_a_");
	assert_string_equal(name_of("/srv/$b"), "_b");
	/* These two would be called alike, by whatever part of their paths. */
	assert_string_equal(name_of("/srv/a;b"), "a_b-2f3bf352");
	assert_memory_equal(name_of("/srv/a\\b"), "a_b-", 4);
}

static void test_a_newcomer_takes_nobodys_name(void **state)
{
	(void)state;
	add("/srv/a/flags", 0);
	list();
	assert_string_equal(name_of("/srv/a/flags"), "flags");
	add("/data/Flags", 0);
	list();
	assert_string_equal(name_of("/srv/a/flags"), "srv-a-flags");
	assert_string_equal(name_of("/data/Flags"), "data-Flags");
	add("/x/DATA-FLAGS", 0); /* whose name was free until now */
	list();
	assert_string_equal(name_of("/srv/a/flags"), "srv-a-flags");
	assert_string_equal(name_of("/x/DATA-FLAGS"), "x-DATA-FLAGS");
	assert_memory_equal(name_of("/data/Flags"), "Flags-", 6);
	assert_int_equal(strlen(name_of("/data/Flags")), 6 + 8);
	add("/flags", 0); /* all of its path is the name that two have lost */
	list();
	assert_memory_equal(name_of("/flags"), "flags-", 6);
	assert_string_equal(name_of("/srv/a/flags"), "srv-a-flags");
}

static void test_case_is_more_than_ascii(void **state)
{
	(void)state;
	add("/srv/a/ÄRGER", 0);
	add("/srv/b/ärger", 0);
	list();
	assert_string_equal(name_of("/srv/a/ÄRGER"), "srv-a-ÄRGER");
	assert_string_equal(name_of("/srv/b/ärger"), "srv-b-ärger");
}

static void test_names_that_mean_something(void **state)
{
	static const char *const paths[] = {"/srv/global", "/srv/Globals", "/srv/HOMES",
		"/srv/printers", "/srv/print$", "/srv/IPC$", "/homes", "/srv/admin$",
		"/srv/Glo bal", "/srv/print ers", "/srv/glob al/x", "/glo bals"};

	(void)state;
	for (size_t i = 0; i < N_OF(paths); i++)
		add(paths[i], 0);
	list();
	assert_string_equal(name_of("/srv/global"), "srv-global");
	assert_string_equal(name_of("/srv/Globals"), "srv-Globals");
	assert_string_equal(name_of("/srv/HOMES"), "srv-HOMES");
	assert_string_equal(name_of("/srv/printers"), "srv-printers");
	assert_string_equal(name_of("/srv/print$"), "print_");
	assert_string_equal(name_of("/srv/IPC$"), "IPC_");
	assert_string_equal(name_of("/srv/admin$"), "admin_");
	assert_memory_equal(name_of("/homes"), "homes-", 6);
	assert_string_equal(name_of("/srv/Glo bal"), "srv-Glo bal");
	assert_string_equal(name_of("/srv/print ers"), "srv-print ers");
	assert_string_equal(name_of("/srv/glob al/x"), "x");
	assert_memory_equal(name_of("/glo bals"), "glo bals-", 9);
}

/* 79 bytes and a character of two: not cut through. */
static void test_long_names(void **state)
{
	char path[256] = "/srv/", *end;
	const char *name;

	(void)state;
	memset(path + 5, 'x', 80);
	add(path, 0);
	list();
	assert_int_equal(strlen(name_of(path)), 80);
	end = path + 5 + 70;
	snprintf(end, sizeof(path) - 75, "ääääääääää");
	list();
	name = name_of(path);
	assert_int_equal(strlen(name), 70 + 9);
	assert_int_equal(name[70], '-');
	assert_true(strspn(name + 71, "0123456789abcdef") == 8);
}

/* Two paths whose numbers are the same, found by trying: then neither has a name. */
static void test_numbers_that_are_the_same(void **state)
{
	char deep[128], one[192], two[192];
	struct share s[2] = {{.path = one}, {.path = two}};

	(void)state;
	memset(deep, 'd', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	snprintf(one, sizeof(one), "/%s/549599/flags", deep);
	snprintf(two, sizeof(two), "/%s/712382/flags", deep);
	assert_int_equal(share_name(s, 2), 0);
	assert_non_null(s[0].unfit);
	assert_non_null(s[1].unfit);
	s[0].unfit = NULL;
	assert_int_equal(share_name(s, 2), 0);
	assert_null(s[0].unfit);
	assert_string_equal(s[0].name, "flags");
}

static void test_the_text(void **state)
{
	struct buf text = BUF_INIT(SHARE_TEXT_MAX);

	(void)state;
	add("/srv/b", 1);
	add("/srv/50%", 0);
	list();
	share_text(shares, n_shares, &text);
	assert_int_equal(text.error, 0);
	assert_non_null(strstr(buf_str(&text), "# No share for /srv/50%: it has a % in it"));
	assert_non_null(strstr(buf_str(&text), "\n\n# Members delete flags and move them into "
					       "Run.\n[b]\n    path = /srv/b\n"
					       "    valid users = @\"Domain Users\"\n"
					       "    vfs objects = full_audit\n"));
	assert_int_equal(text.data[text.len - 1], '\n');
	buf_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_share_for_each_path, setup, teardown),
		cmocka_unit_test_setup_teardown(test_groups, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_paths_that_samba_would_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths_that_are_odd, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_newcomer_takes_nobodys_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_case_is_more_than_ascii, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_that_mean_something, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers_that_are_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_text, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
