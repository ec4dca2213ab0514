/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An executor that breaks its contract: the agent says so and ends, or does not care. */
#include "agent_scene.h"

#include "common/fd.h"
#include "wire/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static const uint16_t but_config_and_quit[] = {EXEC_CLAIM, EXEC_CLAIMS_END, EXEC_STARTED,
	EXEC_ENDED, EXEC_OWNED, EXEC_TAKEN, EXEC_MENDED, EXEC_RELOADED};

/* TYPE in its right size, all zeros. */
static void say_empty(struct scene *s, uint16_t type)
{
	union message m = {0};

	say(s, &m, exec_from_executor[type].size, type, NULL, 0);
}

/* A run is named by its token. */
static void say_started(
	struct scene *s, const struct token *t, uint32_t result, const int *fds, size_t n)
{
	struct exec_started m = {
		.token = *t, .result = result, .error = INT32_MIN, .claimed = INT64_MIN};

	say(s, &m, sizeof(m), EXEC_STARTED, fds, n);
}

static const struct run_end wild_ends[] = {
	{.kind = END_EXITED,
		.code = INT32_MIN,
		.started = INT64_MIN,
		.ended = INT64_MAX,
		.lasted = UINT64_MAX},
	{.kind = END_SIGNALED, .code = INT32_MAX, .started = INT64_MAX, .ended = INT64_MIN},
	{.kind = END_NOT_STARTED, .error = INT32_MAX, .code = -1, .where = "\x1b[2J\xff"},
	{.kind = 77, .stop = 77, .success = 77, .started = 1, .ended = -1},
	{0},
};

static void say_ended(struct scene *s, const struct token *t, const struct run_end *end)
{
	struct exec_ended m = {.token = *t, .end = *end};

	say(s, &m, sizeof(m), EXEC_ENDED, NULL, 0);
}

static void again(void **state)
{
	scene_tear_down(state);
	assert_int_equal(scene_set_up(state), 0);
}

static void test_all_is_well(void **state)
{
	struct scene *s = *state;
	struct exec_start start;

	make_ready(s);
	press(s, "Go", &start);
	assert_int_equal(start.generation, GENERATION);
	assert_int_equal(start.action, 0);
	assert_int_equal(start.trigger, TRIGGER_DELETE);
	assert_sound(s);
}

static void test_before_the_configuration(void **state)
{
	for (size_t i = 0; i < N_OF(but_config_and_quit); i++) {
		say_empty(*state, but_config_and_quit[i]);
		assert_panic(*state, "before the configuration");
		again(state);
	}
	assert_sound(*state);
}

static void test_hang_up(void **state)
{
	struct scene *s = *state;

	for (int stage = 0; stage < 3; stage++) {
		if (stage == 1)
			say_config(s, GENERATION, scene_view(s, GENERATION));
		else if (stage == 2)
			make_ready(s);
		assert_return_code(shutdown(s->socket, SHUT_WR), errno);
		assert_exit(s, 0);
		again(state);
		s = *state;
	}
}

static void breach(void **state, const void *data, size_t size, size_t n_fds)
{
	struct scene *s = *state;
	int fds[8], null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (size_t i = 0; i < N_OF(fds); i++)
		fds[i] = null;
	make_ready(s);
	say_raw(s, data, size, fds, n_fds);
	close(null);
	assert_panic(s, "the executor broke the protocol");
	again(state);
}

static void test_no_message(void **state)
{
	static const uint16_t types[] = {
		0, EXEC_START, EXEC_RELOAD, EXEC_CONFIG - 1, EXEC_TYPE_MAX_, UINT16_MAX};
	union message m = {0};
	const struct wire_header ended = {WIRE_VERSION, EXEC_ENDED, sizeof(struct exec_ended)};

	for (size_t i = 0; i < N_OF(types); i++) {
		m.header = (struct wire_header){WIRE_VERSION, types[i], sizeof(m.start)};
		breach(state, &m, sizeof(m.start), 0);
	}
	m.header = ended;
	breach(state, &m, sizeof(struct exec_ended) - 1, 0);
	breach(state, &m, sizeof(struct exec_ended) + 1, 0);
	breach(state, &m, sizeof(m), 0);
	breach(state, &m, 5, 0);
	m.header.version++;
	breach(state, &m, sizeof(struct exec_ended), 0);
	m.header = ended;
	memset(m.bytes + sizeof(ended), 'x', sizeof(m) - sizeof(ended)); /* its string has no end */
	breach(state, &m, sizeof(struct exec_ended), 0);
}

static void test_wrong_numbers_of_descriptors(void **state)
{
	struct exec_config config = {{WIRE_VERSION, EXEC_CONFIG, sizeof(config)}, GENERATION};
	struct exec_ended ended = {.header = {WIRE_VERSION, EXEC_ENDED, sizeof(ended)}};
	struct exec_started started = {.header = {WIRE_VERSION, EXEC_STARTED, sizeof(started)}};

	breach(state, &config, sizeof(config), 0);
	breach(state, &config, sizeof(config), 2);
	breach(state, &ended, sizeof(ended), 1);
	breach(state, &started, sizeof(started), 3);
	breach(state, &started, sizeof(started), 8);
}

/* ---- configurations ---- */

static int memory(const void *data, size_t size, int seals)
{
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(write_all(fd, data, size), 0);
	assert_return_code(fcntl(fd, F_ADD_SEALS, seals), errno);
	return fd;
}

static void refused(void **state, int fd, bool as_the_first)
{
	struct scene *s = *state;

	if (!as_the_first)
		make_ready(s);
	say_config(s, GENERATION, fd);
	assert_panic(s, "the configuration cannot be read");
	again(state);
}

static void test_what_is_no_configuration(void **state)
{
	static unsigned char noise[8192];
	struct stat st;
	_cleanup_close_ int fd = scene_view(*state, GENERATION);
	_cleanup_free_ char *image = NULL;

	assert_return_code(fstat(fd, &st), errno);
	size_t size = (size_t)st.st_size;
	image = malloc(size);
	assert_int_equal(pread_all(fd, image, size, 0), 0);
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (unsigned char)(i * 7919 >> 3);
	for (int first = 0; first < 2; first++) {
		refused(state, open("/dev/null", O_RDONLY | O_CLOEXEC), first);
		refused(state, open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), first);
		refused(state, memory(image, size, 0), first);
		refused(state, memory(image, size, SEALS & ~F_SEAL_SHRINK), first);
		refused(state, memory(image, 0, SEALS), first);
		refused(state, memory(image, size - 1, SEALS), first);
		refused(state, memory(noise, sizeof(noise), SEALS), first);
		memcpy(noise, image, size / 2); /* begins well */
		refused(state, memory(noise, size, SEALS), first);
	}
}

static void test_another_generation(void **state)
{
	struct scene *s = *state;

	make_ready(s);
	say_config(s, GENERATION + 1, scene_view(s, GENERATION + 2));
	assert_panic(s, "of another generation");
}

/* Many before it is ready: the last one counts. */
static void test_many_configurations(void **state)
{
	struct scene *s = *state;
	union message m;

	for (uint64_t g = 1; g <= 50; g++)
		say_config(s, g, scene_view(s, g));
	say_end_of_claims(s);
	hear(s, EXEC_WATCH, &m);
	tell(s, WATCH_READY, 0, 0);
	do
		hear(s, EXEC_ADOPTED, &m);
	while (m.generation.generation != 50);
	assert_sound(s);
}

/* ---- claims ---- */

static void test_claims_where_they_may_not_be(void **state)
{
	make_ready(*state);
	say_empty(*state, EXEC_CLAIM);
	assert_panic(*state, "listed after their end");
	again(state);
	make_ready(*state);
	say_empty(*state, EXEC_CLAIMS_END);
	assert_panic(*state, "end where they may not");
}

/* A file that says that it is a claim, and what lies in it is impossible. */
static int wild_claim(void)
{
	struct claim_status st = {.version = CLAIM_VERSION,
		.output_total = UINT64_MAX,
		.output_head = INT64_MAX / 4,
		.output_ring = 0,
		.percent = 4711};
	int fd = memfd_create("claim", MFD_CLOEXEC);

	memset(st.text, 'x', sizeof(st.text) - 1);
	assert_int_equal(claim_status_write(fd, &st), 0);
	assert_return_code(ftruncate(fd, 1 << 20), errno);
	return fd;
}

static void say_claim(struct scene *s, const struct token *t, unsigned variant)
{
	const int odd[] = {open("/dev/zero", O_RDWR | O_CLOEXEC),
		open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), wild_claim()};
	struct exec_claim m = {.token = *t,
		.run = variant % 2 ? UINT64_MAX : variant,
		.state = variant % 5,
		.end = wild_ends[variant % N_OF(wild_ends)]};

	say(s, &m, sizeof(m), EXEC_CLAIM,
		(const int[]){odd[variant / 2 % N_OF(odd)], odd[variant % N_OF(odd)]}, variant % 3);
	for (size_t i = 0; i < N_OF(odd); i++)
		close(odd[i]);
}

/* Of runs that it knows and of others, some twice, with descriptors of anything. */
static void test_wild_claims(void **state)
{
	struct scene *s = *state;
	struct exec_start start;
	union message m;

	for (unsigned variant = 0; variant < 15; variant++) {
		make_ready(s);
		press(s, "Go", &start);
		say_started(s, &start.token, START_OK, NULL, 0);
		scene_restart(s);
		say_config(s, GENERATION, scene_view(s, GENERATION));
		say_claim(s, &start.token, variant);
		for (unsigned i = 0; i < 30; i++)
			say_claim(s, &(struct token){.b = {(uint8_t)(i / 2)}}, i);
		if (variant % 4 == 3) /* it ends before the claims do */
			say_ended(s, &start.token, &wild_ends[variant % N_OF(wild_ends)]);
		say_end_of_claims(s);
		hear(s, EXEC_WATCH, &m);
		tell(s, WATCH_READY, 0, 0);
		hear(s, EXEC_ADOPTED, &m);
		assert_sound(s);
		again(state);
		s = *state;
	}
}

/* ---- answers ---- */

static void test_answers_to_no_question(void **state)
{
	static const uint16_t types[] = {EXEC_OWNED, EXEC_STARTED};
	static const char *const texts[] = {"answers what was not asked", "what was not asked for"};
	struct exec_start start;

	for (size_t i = 0; i < N_OF(types); i++) {
		make_ready(*state);
		say_empty(*state, types[i]);
		assert_panic(*state, texts[i]);
		again(state);
	}
	make_ready(*state);
	press(*state, "Go", &start);
	say_started(*state, &(struct token){.b = {1}}, START_OK, NULL, 0);
	assert_panic(*state, "what was not asked for");
}

static void test_an_answer_out_of_order(void **state)
{
	struct scene *s = *state;
	struct exec_result m = {.cookie = UINT64_MAX};
	union message in;

	say_config(s, GENERATION, scene_view(s, GENERATION));
	say_end_of_claims(s);
	hear(s, EXEC_WATCH, &in);
	tell(s, WATCH_READY, 0, 0);
	s->silent = true;
	hear(s, EXEC_OWN, &in);
	say(s, &m, sizeof(m), EXEC_OWNED, NULL, 0);
	assert_panic(s, "answers out of order");
}

/* The second one comes while another question is open. */
static void test_started_twice(void **state)
{
	struct scene *s = *state;
	struct exec_start go, stop;
	int fds[2];

	make_ready(s);
	press(s, "Go", &go);
	press(s, "Stop", &stop);
	assert_return_code(pipe(fds), errno);
	say_started(s, &go.token, START_OK, fds, 2);
	say_started(s, &go.token, START_OK, fds, 2);
	close(fds[0]);
	close(fds[1]);
	assert_panic(s, "what was not asked for");
}

/* Cookies that mean nothing, or nothing any more, are no breach. */
static void test_answers_that_come_too_late(void **state)
{
	static const uint16_t types[] = {EXEC_TAKEN, EXEC_MENDED, EXEC_RELOADED};
	static const uint64_t cookies[] = {0, 1, UINT32_MAX, UINT64_MAX};
	struct scene *s = *state;
	union message m;

	make_ready(s);
	for (size_t i = 0; i < N_OF(types); i++)
		for (size_t k = 0; k < N_OF(cookies); k++) {
			memset(&m, 0, sizeof(m));
			m.own.generation = cookies[k]; /* where each has its cookie */
			say(s, &m, exec_from_executor[types[i]].size, types[i], NULL, 0);
		}
	assert_sound(s);
}

/* How a run can't have ended; and it ends again. */
static void test_wild_ends(void **state)
{
	struct scene *s = *state;
	struct exec_start start;

	for (size_t i = 0; i < N_OF(wild_ends); i++) {
		int fds[] = {wild_claim(), open("/dev/zero", O_RDWR | O_CLOEXEC)};
		make_ready(s);
		press(s, "Go", &start);
		say_started(s, &start.token, START_OK, fds, i % 3);
		say_ended(s, &start.token, &wild_ends[i]);
		say_ended(s, &start.token, &wild_ends[i]);
		close(fds[0]);
		close(fds[1]);
		wait_shown(s, "Go [Failed].txt", "");
		assert_sound(s);
		assert_int_equal(s->spent, 2);
		again(state);
		s = *state;
	}
}

static void test_wild_results(void **state)
{
	static const uint32_t results[] = {0, START_SERVED, START_STALE, START_NO_ROOM, START_ERROR,
		START_ERROR + 1, UINT32_MAX};
	struct scene *s = *state;
	struct exec_start start;

	for (size_t i = 0; i < N_OF(results); i++) {
		make_ready(s);
		press(s, "Go", &start);
		say_started(s, &start.token, results[i], NULL, 0);
		say_ended(s, &start.token, &wild_ends[0]); /* of what never began */
		wait_shown(s, "Go [Failed].txt", "Go [Not run].txt");
		assert_sound(s);
		assert_int_equal(s->spent, 1);
		again(state);
		s = *state;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, scene_set_up, scene_tear_down)
		TEST(all_is_well),
		TEST(before_the_configuration),
		TEST(hang_up),
		TEST(no_message),
		TEST(wrong_numbers_of_descriptors),
		TEST(what_is_no_configuration),
		TEST(another_generation),
		TEST(many_configurations),
		TEST(claims_where_they_may_not_be),
		TEST(wild_claims),
		TEST(answers_to_no_question),
		TEST(an_answer_out_of_order),
		TEST(started_twice),
		TEST(answers_that_come_too_late),
		TEST(wild_ends),
		TEST(wild_results),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
