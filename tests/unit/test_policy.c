/* SPDX-License-Identifier: GPL-2.0-or-later */
/* May this be run?  Every way to be refused, and the one way not to be. */
#include "executor/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Two boards: "Apache" with two actions, "DVD" with one that has a drop folder. */
struct world {
	struct press press;
	struct how how;
	struct drop drop;
	struct action apache[2], dvd[1];
	struct group groups[2];
	struct config config;
	struct generation *g;
	struct policy_facts facts;
	struct exec_start request;
};

static char *argv[] = {(char[]){"/bin/true"}, NULL};

static struct action action(struct world *w, const char *name)
{
	return (struct action){
		.name = (char *)(uintptr_t)name, .argv = argv, .press = &w->press, .how = &w->how};
}

static struct group group(const char *object, const char *path, struct action *actions, size_t n)
{
	return (struct group){
		.object = (char *)(uintptr_t)object,
		.name = (char *)(uintptr_t) "",
		.path = (char *)(uintptr_t)path,
		.real = path,
		.actions = actions,
		.n_actions = n,
	};
}

static int set_up(void **state)
{
	static struct world w;

	w = (struct world){
		.press.triggers = TRIGGER_BIT(TRIGGER_DELETE),
		.how = {.user_set = true, .uid = 1000},
		.facts = {.privileged = true, .permitted = UINT64_MAX, .max_runs = 4},
		.request = {.generation = 7, .trigger = TRIGGER_DELETE, .token.b = {1}},
	};
	w.apache[0] = action(&w, "Restart");
	w.apache[1] = action(&w, "Stop");
	w.dvd[0] = action(&w, "Burn");
	w.dvd[0].drop = &w.drop;
	w.groups[0] = group("Apache", "/srv/b", w.apache, 2);
	w.groups[1] = group("DVD", "/srv/a", w.dvd, 1);
	w.config.groups = w.groups;
	w.config.n_groups = 2;
	w.g = generation_new(7, &w.config);
	*state = &w;
	return w.g ? 0 : -1;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	w->g->config = NULL; /* it is not on the heap */
	(void)generation_free(w->g);
	return 0;
}

static enum start_result decide(struct world *w, struct order *o, char *why)
{
	*why = '\0';
	return policy_decide(&w->request, w->g, &w->facts, o, why, 160);
}

static void check(struct world *w, enum start_result expected, const char *words)
{
	struct order o;
	char why[160];

	assert_int_equal(decide(w, &o, why), expected);
	if (words && !strstr(why, words))
		fail_msg("'%s' does not say '%s'", why, words);
}

static void test_an_order(void **state)
{
	struct world *w = *state;
	struct order o;
	char why[160];

	w->request.action = 1;
	assert_int_equal(decide(w, &o, why), START_OK);
	assert_ptr_equal(o.action, &w->apache[1]);
	assert_ptr_equal(o.group, &w->groups[0]);
	assert_int_equal(o.board, 0);
	w->request.action = 2;
	assert_int_equal(decide(w, &o, why), START_OK);
	assert_ptr_equal(o.action, &w->dvd[0]);
	assert_int_equal(o.board, 1);
	assert_string_equal(o.base, "/srv/a");
}

static void test_identities(void **state)
{
	struct world *w = *state;
	struct order o;
	char why[160];

	w->request.action = 3;
	check(w, START_STALE, NULL);
	w->request.action = UINT32_MAX;
	check(w, START_STALE, NULL);
	assert_int_equal(
		policy_decide(&w->request, NULL, &w->facts, &o, why, sizeof(why)), START_STALE);
	w->request.action = 0;
	w->request.token = (struct token){0};
	check(w, START_REFUSED, "token");
}

static void test_triggers(void **state)
{
	struct world *w = *state;

	w->request.trigger = TRIGGER_MOVE;
	check(w, START_REFUSED, "move");
	w->request.trigger = TRIGGER_CLI;
	check(w, START_OK, NULL);
	w->request.trigger = TRIGGER_DROP;
	check(w, START_REFUSED, "payload");
	w->request.trigger = TRIGGER_MAX_;
	check(w, START_REFUSED, "trigger");
}

static void test_payloads(void **state)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "/", NULL};
	struct world *w = *state;

	w->request.payload = 1;
	snprintf(w->request.payload_name, sizeof(w->request.payload_name), "disc.iso");
	check(w, START_REFUSED, "takes no payload");
	w->request.action = 2;
	w->request.trigger = TRIGGER_DROP;
	check(w, START_OK, NULL);
	w->request.trigger = TRIGGER_MOVE; /* a failed one tried again */
	check(w, START_OK, NULL);
	for (const char *const *b = bad; *b; b++) {
		snprintf(w->request.payload_name, sizeof(w->request.payload_name), "%s", *b);
		check(w, START_REFUSED, "file name");
	}
	memset(w->request.payload_name, 'a', sizeof(w->request.payload_name));
	check(w, START_REFUSED, "file name");
}

static void test_the_users_name(void **state)
{
	struct world *w = *state;

	snprintf(w->request.user, sizeof(w->request.user), "DOM\\J\xc3\xbcrgen");
	check(w, START_OK, NULL);
	snprintf(w->request.user, sizeof(w->request.user), "a\nPATH=/tmp");
	check(w, START_REFUSED, "control characters");
	memset(w->request.user, 'a', sizeof(w->request.user));
	check(w, START_REFUSED, NULL);
}

static void test_misconfigured(void **state)
{
	static char message[] = "no such user";
	struct world *w = *state;

	w->apache[0].misconfigured = message;
	check(w, START_REFUSED, "no such user");
}

static void test_who_it_runs_as(void **state)
{
	struct world *w = *state;

	w->how.user_set = false;
	check(w, START_REFUSED, "no user");
	w->how.user_set = true;
	w->facts.permitted = 1;
	w->how.ambient = UINT64_C(1) << 12;
	check(w, START_REFUSED, "net_admin");
	w->how.ambient = 1;
	check(w, START_OK, NULL);
	w->facts.privileged = false;
	w->facts.own_uid = 1001;
	check(w, START_REFUSED, "only root");
	w->how.via = VIA_SUDO;
	check(w, START_OK, NULL);
	w->how.via = VIA_DIRECT;
	w->facts.own_uid = 1000;
	check(w, START_OK, NULL);
}

static void test_too_many(void **state)
{
	struct world *w = *state;

	w->facts.live = 3;
	check(w, START_OK, NULL);
	w->facts.live = 4;
	check(w, START_BUSY, NULL);
}

/* Boards without actions between others don't shift the ids. */
static void test_ids_over_empty_boards(void **state)
{
	struct world *w = *state;
	struct group groups[4];
	struct config c = {.groups = groups, .n_groups = 4};
	struct generation *g;
	uint32_t board;

	groups[0] = group("A", "/x", NULL, 0);
	groups[1] = group("B", "/x", w->apache, 2);
	groups[2] = group("C", "/y", NULL, 0);
	groups[3] = group("D", "/x", w->dvd, 1);
	g = generation_new(1, &c);
	assert_int_equal(g->n_bases, 2);
	assert_ptr_equal(generation_action(g, 0, &board), &w->apache[0]);
	assert_int_equal(board, 1);
	assert_ptr_equal(generation_action(g, 1, &board), &w->apache[1]);
	assert_int_equal(board, 1);
	assert_ptr_equal(generation_action(g, 2, &board), &w->dvd[0]);
	assert_int_equal(board, 3);
	assert_null(generation_action(g, 3, &board));
	assert_int_equal(g->boards[3].base, g->boards[1].base);
	g->config = NULL;
	(void)generation_free(g);
}

static void test_the_agents_groups(void **state)
{
	struct world *w = *state;
	gid_t *gids;
	size_t n;

	w->groups[0].dir_gid = 30;
	w->groups[0].file_gid = 10;
	w->groups[1].dir_gid = 10;
	w->groups[1].file_gid = 20;
	assert_int_equal(generation_groups(w->g, false, &gids, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(gids[0], 10);
	assert_int_equal(gids[1], 20);
	assert_int_equal(gids[2], 30);
	free(gids);
}

/* What was replaced is refused after a while, whether or not the agent has let go of it. */
static void test_generations_age(void **state)
{
	static struct config old_config,
		oldest_config; /* not to be freed: they are not of the heap */
	struct world *w = *state;
	struct generation *old = generation_new(6, &old_config),
			  *oldest = generation_new(5, &oldest_config);
	const uint64_t now = 1000 * USEC_PER_SEC;

	w->g->older = old;
	old->older = oldest;
	old->replaced = now;
	oldest->replaced = now - USEC_PER_SEC;
	assert_ptr_equal(generation_current(w->g, 7, now), w->g);
	assert_ptr_equal(generation_current(w->g, 7, UINT64_MAX), w->g);
	assert_ptr_equal(generation_current(w->g, 6, now), old);
	assert_ptr_equal(generation_current(w->g, 5, now), oldest);
	assert_null(generation_current(w->g, 4, now));
	assert_ptr_equal(generation_current(w->g, 6, now + GENERATION_KEPT - 1), old);
	assert_null(generation_current(w->g, 5, now + GENERATION_KEPT - 1));
	assert_null(generation_current(w->g, 6, now + GENERATION_KEPT));
	oldest->config = NULL;
	generation_tidy(w->g, now + GENERATION_KEPT - 1);
	assert_ptr_equal(w->g->older, old);
	assert_null(old->older);
	old->config = NULL;
	generation_tidy(w->g, now + GENERATION_KEPT);
	assert_null(w->g->older);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_an_order),
		TEST(test_identities),
		TEST(test_triggers),
		TEST(test_payloads),
		TEST(test_the_users_name),
		TEST(test_misconfigured),
		TEST(test_who_it_runs_as),
		TEST(test_too_many),
		TEST(test_ids_over_empty_boards),
		TEST(test_the_agents_groups),
		TEST(test_generations_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
