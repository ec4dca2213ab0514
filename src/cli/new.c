/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flagman new: a snippet to start from, correct as it stands.  It is read back by the
 * configuration's own parser before anybody sees it.
 */
#include "cli/account.h"
#include "cli/json.h"
#include "cli/load.h"
#include "cli/share.h"
#include "cli/term.h"
#include "common/buf.h"
#include "common/fd.h"
#include "common/names.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#define SHARE_PATH  "/srv/flagman"
#define SNIPPET_MAX (64U * 1024)

/* Plain where YAML reads it as the same string, else in double quotes (a name has neither " nor \).
 */
static void add_scalar(struct buf *b, const char *s)
{
	static const char *const words[] = {
		"y", "n", "yes", "no", "on", "off", "true", "false", "null", NULL};
	bool plain = isalpha((unsigned char)*s) || *s == '/';

	for (const char *p = s; *p; p++)
		plain = plain && (isalnum((unsigned char)*p) || strchr(" _-./", *p));
	for (const char *const *w = words; *w; w++)
		plain = plain && strcasecmp(s, *w) != 0;
	buf_addf(b, plain ? "%s" : "\"%s\"", s);
}

static void add_service(struct buf *b, const char *unit)
{
	static const char *const verbs[] = {"Start", "Stop"};

	buf_adds(b, "    - name: Restart\n      restart-service: ");
	add_scalar(b, unit);
	buf_addc(b, '\n');
	for (size_t i = 0; i < 2; i++) {
		buf_addf(b, "    - name: %s\n      service: {unit: ", verbs[i]);
		add_scalar(b, unit);
		buf_addf(b, ", verb: %s}\n", i == 0 ? "start" : "stop");
	}
}

static void add_example(struct buf *b)
{
	buf_adds(b, "    - name: Who is on\n"
		    "      description: Shows who is logged in to the server\n"
		    "      command: /usr/bin/who\n"
		    "    - name: Hello\n"
		    "      description: A script; put yours here\n"
		    "      script: |\n"
		    "        echo \"hello from $FLAGMAN_OBJECT\"\n");
}

static void write_snippet(struct buf *b, const struct cli *cli, bool privileged)
{
	buf_adds(b,
		"# What each key means: flagman.yaml(5).  Is it right?  flagman check\nobject: ");
	add_scalar(b, cli->args[0]);
	buf_adds(b, "\naction-group:\n  directory:\n    path: ");
	add_scalar(b, cli->path ? cli->path : SHARE_PATH);
	buf_adds(b, "    # the share's directory\n    group: ");
	add_scalar(b, cli->group);
	buf_adds(b, "    # those who may press\n");
	/* A service manager asks for root; a first try should not. */
	if (privileged)
		buf_addf(b, "  command: {user: %s}\n", cli->service ? "root" : "nobody");
	buf_adds(b, "  actions:\n");
	if (cli->service)
		add_service(b, cli->service);
	else
		add_example(b);
}

/* "web-server.yaml" for "Web Server": what is no ASCII letter, digit or byte of UTF-8 becomes '-'.
 */
static void file_name(struct buf *b, const char *object)
{
	for (const char *p = object; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c >= 0x80 || isalnum(c))
			buf_addc(b, (char)tolower(c));
		else if (b->len && b->data[b->len - 1] != '-')
			buf_addc(b, '-');
	}
	buf_adds(b, ".yaml");
}

static int check_arguments(const struct cli *cli)
{
	const char *why = name_problem(cli->args[0]);
	gid_t gid;

	if (why) {
		cli_error("the object's name \"%s\" %s", cli->args[0], why);
		return EX_USAGE;
	}
	if (!cli->group) {
		cli_error("say who may press: --group GROUP");
		return EX_USAGE;
	}
	if (!account_group(cli->group, &gid)) {
		cli_error("there is no group \"%s\"; make it first: groupadd %s", cli->group,
			cli->group);
		return EX_NOUSER;
	}
	if (strpbrk(cli->group, "\"\\") || (cli->service && strpbrk(cli->service, "\"\\\n")) ||
		(cli->path && strpbrk(cli->path, "\"\\\n"))) {
		cli_error("a name has a quote, a backslash or a line break in it");
		return EX_USAGE;
	}
	return 0;
}

/* Reads the snippet back; what the parser has against it goes to stderr.  0 or EX_CONFIG. */
static int check_snippet(const struct load *l, const struct buf *b, const char *name)
{
	_cleanup_(load_config_freep) struct config *c = NULL;
	_cleanup_close_ int fd = memfd_create("snippet", MFD_CLOEXEC);
	char path[64];
	char *files[] = {path, NULL};
	struct config_options o = l->options;
	int r;

	if (fd < 0 || write_all(fd, b->data, b->len) < 0) {
		cli_error("memfd: %m");
		return EX_OSERR;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	o.conf_dir = NULL;
	o.main_file = NULL;
	o.files = files;
	o.skip_trust = true;
	r = config_load(&o, &c);
	if (r < 0) {
		cli_error("%s: %s", name, strerror(-r));
		return EX_OSERR;
	}
	for (size_t i = 0; i < c->n_problems; i++)
		cli_error("%s: %s", name, c->problems[i].message);
	return c->n_errors ? EX_CONFIG : 0;
}

/* Into conf.d under its final name, whole, and never over another. */
static int install(const struct cli *cli, const struct buf *snippet, const char *name)
{
	_cleanup_close_ int dir = open(cli->conf_dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	char temporary[64];
	int r;

	if (dir < 0) {
		cli_error("%s: %m", cli->conf_dir);
		return cli_exit_status(errno);
	}
	snprintf(temporary, sizeof(temporary), ".flagman-new.%ld", (long)getpid());
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0) {
		cli_error("%s: %m", cli->conf_dir);
		return cli_exit_status(errno);
	}
	r = write_all(fd, snippet->data, snippet->len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat2(dir, temporary, dir, name, RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir, temporary, 0);
		cli_error("%s/%s: %s", cli->conf_dir, name, strerror(-r));
		return cli_exit_status(r);
	}
	return 0;
}

/* What is left to do, beside the snippet: on stderr, so that stdout can be redirected. */
static void say_next(const struct cli *cli, const char *name)
{
	bool other = cli->conf_dir_given;

	if (cli->given & OPTION_WRITE)
		cli_error("wrote %s/%s; flagman takes it up by itself", cli->conf_dir, name);
	else
		cli_error("is it as you want it?  Then it belongs into %s", cli->conf_dir);
	if (other)
		cli_error(
			"the share is in samba.conf of its flagmand's --state-dir, for smb.conf to "
			"include; by hand: flagman --conf-dir %s samba",
			cli->conf_dir);
	else
		cli_error("smb.conf needs one line at its end, once: include = " SHARE_INCLUDE);
}

static void print_json(const struct cli *cli, const struct buf *snippet, const char *name)
{
	struct json_object *o = json_object_new_object();
	_cleanup_(buf_done) struct buf path = BUF_INIT(8192);

	buf_addf(&path, "%s/%s", cli->conf_dir, name);
	json_object_object_add(o, "file", json_text_or_null(buf_str(&path)));
	json_object_object_add(
		o, "written", json_object_new_boolean((cli->given & OPTION_WRITE) != 0));
	json_object_object_add(o, "snippet", json_text(snippet->data, snippet->len));
	json_print(o, true, stdout);
}

int verb_new(const struct cli *cli)
{
	_cleanup_(buf_done) struct buf snippet = BUF_INIT(SNIPPET_MAX), name = BUF_INIT(512);
	_cleanup_(load_done) struct load l = {0};
	int r = check_arguments(cli);

	if (r)
		return r;
	if (load_init(cli, &l) < 0) {
		cli_error("out of memory");
		return EX_OSERR;
	}
	write_snippet(&snippet, cli, l.options.privileged);
	file_name(&name, cli->args[0]);
	r = check_snippet(&l, &snippet, buf_str(&name));
	if (!r && cli->given & OPTION_WRITE)
		r = install(cli, &snippet, buf_str(&name));
	if (r)
		return r;
	if (cli->json)
		print_json(cli, &snippet, buf_str(&name));
	else if (!(cli->given & OPTION_WRITE))
		fwrite(snippet.data, 1, snippet.len, stdout);
	if (!cli->json)
		say_next(cli, buf_str(&name));
	return EX_OK;
}
