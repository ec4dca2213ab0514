# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command finds itself in: ids, capabilities, environment, descriptors, signals, limits."""

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from boards import QUICK
from lib import processes
from lib.waiting import wait_for

# The subshell: dash redirects before it forks, and would show its own redirection.
# status is read by the shell itself: dash blocks all signals while it starts another program.
LOOK = """- name: Look
  command: %ACT% Look 'while IFS= read -r l; do echo "$l"; done </proc/$$/status \
>%OUT%/status; (ls -l /proc/$$/fd >%OUT%/fd); \
pwd >%OUT%/pwd; umask >%OUT%/umask; cat /proc/$$/limits >%OUT%/limits; \
cat /proc/$$/stat >%OUT%/stat; cat /proc/$$/cgroup >%OUT%/cgroup'
"""


def look(inst, keys=""):
    """Runs the action; returns its /proc/PID/status as a dict.  The rest is in inst.out."""
    inst.define("Apache", LOOK.rstrip("\n") + "\n" + "".join(
        f"  {line}\n" for line in keys.strip().splitlines()), group=QUICK)
    inst.start()
    inst.wait_state("Apache", "Look", "")
    inst.press_delete("Apache", "Look")
    inst.wait_state("Apache", "Look", re.compile("Done|Failed"))
    assert inst.state_of("Apache", "Look") == "Done", inst.text("Apache", "Look") + inst.dump()
    text = (inst.out / "status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def numbers(field):
    return [int(word) for word in field.split()]


def test_no_capability_and_no_new_privileges(inst, people):
    seen = look(inst)
    uid = people.uid("runner")
    assert numbers(seen["Uid"]) == [uid] * 4
    if uid != 0:
        for which in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(seen[which], 16) == 0, which
    assert seen["NoNewPrivs"].strip() == "1"


@pytest.mark.root
def test_an_ordinary_user(inst, people):
    seen = look(inst)
    gid = pwd.getpwnam(people.runner).pw_gid
    assert numbers(seen["Gid"]) == [gid] * 4
    assert set(numbers(seen["Groups"])) <= {gid}
    assert int(seen["CapBnd"], 16) == 0


@pytest.mark.root
def test_root_that_was_written(inst, people):
    seen = look(inst, "user: root\ngroup: root")
    assert numbers(seen["Uid"]) == [0] * 4
    assert set(numbers(seen["Groups"])) <= {0}
    assert int(seen["CapEff"], 16) != 0


@pytest.mark.root
def test_one_ambient_capability(inst, people):
    seen = look(inst, "ambient-capabilities: [CAP_NET_BIND_SERVICE]")
    assert numbers(seen["Uid"]) == [people.uid("runner")] * 4
    for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(seen[which], 16) == 1 << 10, which


@pytest.mark.root
def test_supplementary_groups(inst, people):
    seen = look(inst, f"supplementary-groups: [{people.group}]")
    gid = pwd.getpwnam(people.runner).pw_gid
    assert set(numbers(seen["Groups"])) - {gid} == {people.gid}


@pytest.mark.root
def test_new_privileges_where_they_are_wanted(inst):
    assert look(inst, "no-new-privileges: no")["NoNewPrivs"].strip() == "0"


def test_root_user_must_be_written(inst, people):
    if people.root:
        inst.write("bad.yaml", """
            object: Bad
            action-group:
              directory: {path: %SHARE%, group: %GROUP%}
              actions:
                - name: Go
                  command: /bin/true
        """)
        done = inst.cli("check", str(inst.conf))
        assert done.returncode == 78 and "user" in done.stdout + done.stderr
    else:
        seen = look(inst)
        assert numbers(seen["Uid"]) == [os.getuid()] * 4


def test_signals_are_at_their_defaults(inst):
    seen = look(inst)
    assert int(seen["SigBlk"], 16) == 0
    assert int(seen["SigIgn"], 16) == 0


def test_descriptors(inst):
    look(inst)
    links = dict(re.findall(r" (\d+) -> (\S+)", (inst.out / "fd").read_text()))
    assert links.pop("0") == "/dev/null"
    assert links.pop("1") == links.pop("2"), "output and errors go the same way"
    # What is left is what the shell opened itself: its redirections, high and close-on-exec.
    assert all(int(fd) >= 10 or target.startswith(str(inst.out)) for fd, target in links.items())


def test_a_session_of_its_own(inst):
    look(inst)
    fields = (inst.out / "stat").read_text().rpartition(")")[2].split()
    pid = inst.ran("Look")[0].pid
    group, session = int(fields[2]), int(fields[3])
    assert group == session == pid


def test_environment_is_built_from_nothing(inst, people):
    inst.environment.update({"SECRET_OF_THE_SERVICE": "x", "LISTEN_FDS": "3", "INVOCATION_ID": "y",
                             "WATCHDOG_USEC": "10000000"})
    inst.define("Apache", LOOK, group=QUICK)
    inst.start()
    inst.wait_state("Apache", "Look", "")
    inst.press_delete("Apache", "Look")
    inst.wait_state("Apache", "Look", "Done")
    environment = inst.environment_of("Look", 1)
    allowed = {"PATH", "USER", "LOGNAME", "HOME", "SHELL", "LANG", "NOTIFY_SOCKET", "PWD", "SHLVL",
               "_", "TZ", "TERM"}
    ours = {key for key in environment if key.startswith("FLAGMAN_")}
    assert set(environment) - ours <= allowed, environment
    assert environment["NOTIFY_SOCKET"] != str(inst.notify)
    assert environment["USER"] == people.runner
    expected = {"FLAGMAN_OBJECT": "Apache", "FLAGMAN_ACTION": "Look", "FLAGMAN_RUN": "1",
                "FLAGMAN_TRIGGER": "delete"}
    assert expected.items() <= environment.items()


def test_declared_environment(inst):
    file = inst.root / "environment"
    file.write_text("FROM_FILE=two words\n# a comment\nBOTH=file\n")
    look(inst, f"environment: {{GREETING: hello world, BOTH: action}}\nenvironment-file: {file}")
    environment = inst.environment_of("Look", 1)
    assert environment["GREETING"] == "hello world"
    assert environment["FROM_FILE"] == "two words"


def test_an_optional_environment_file(inst):
    look(inst, "environment-file: -%ROOT%/not-there")


def test_a_missing_environment_file_is_a_failure(inst):
    inst.define("Apache", "- name: Look\n  command: %ACT% Look 'exit 0'\n"
                          "  environment-file: %ROOT%/not-there\n", group=QUICK)
    inst.start()
    inst.wait_state("Apache", "Look", "")
    inst.press_delete("Apache", "Look")
    inst.wait_state("Apache", "Look", "Failed")
    inst.wait_text("Apache", "Look", "not-there: No such file or directory")
    assert not inst.ran("Look")


def test_working_directory_umask_nice_and_limits(inst):
    look(inst, f"working-directory: {inst.out}\numask: 0027\nnice: 5\nlimit-nofile: 100\n"
               "limit-core: 0")
    assert (inst.out / "pwd").read_text().strip() == str(inst.out)
    assert (inst.out / "umask").read_text().strip() == "0027"
    limits = (inst.out / "limits").read_text()
    assert re.search(r"Max open files +100 +100 ", limits)
    assert re.search(r"Max core file size +0 +0 ", limits)
    assert (inst.out / "stat").read_text().rpartition(")")[2].split()[16] == "5"


def test_a_missing_working_directory(inst):
    inst.define("Apache", "- name: Look\n  command: %ACT% Look 'exit 0'\n"
                          "  working-directory: %ROOT%/not-there\n", group=QUICK)
    inst.start()
    inst.wait_state("Apache", "Look", "")
    inst.press_delete("Apache", "Look")
    inst.wait_state("Apache", "Look", "Failed")
    inst.wait_text("Apache", "Look", "could not start: .*not-there: No such file or directory")
    status = inst.cli("history", "--json", check=0).stdout
    assert '"exit-status": 200' in status or '"exit-status":200' in status, status


def test_a_command_is_split_like_a_shell_and_run_without_one(inst):
    inst.define("Apache", """
        - name: Say
          command: /usr/bin/printf '<%s>' one "two three" four\\ five '$HOME' '*'
    """, group=QUICK)
    inst.start()
    inst.wait_state("Apache", "Say", "")
    inst.press_delete("Apache", "Say")
    inst.wait_state("Apache", "Say", "Done")
    inst.wait_text("Apache", "Say", re.escape("<one><two three><four five><$HOME><*>"))


def test_a_list_is_taken_as_it_is(inst):
    inst.define("Apache", """
        - name: Say
          command: [/usr/bin/printf, '<%s>', 'a b', '"c"', '']
    """, group=QUICK)
    inst.start()
    inst.wait_state("Apache", "Say", "")
    inst.press_delete("Apache", "Say")
    inst.wait_state("Apache", "Say", "Done")
    inst.wait_text("Apache", "Say", re.escape('<a b><"c"><>'))


def test_a_script_stops_at_its_first_error(inst):
    inst.define("Apache", """
        - name: Say
          script: |
            echo "first of $FLAGMAN_OBJECT"
            false
            echo second
    """, group=QUICK)
    inst.start()
    inst.wait_state("Apache", "Say", "")
    inst.press_delete("Apache", "Say")
    inst.wait_state("Apache", "Say", "Failed")
    inst.wait_text("Apache", "Say", "first of Apache")
    assert "second" not in inst.text("Apache", "Say")


def test_a_program_that_may_not_be_executed(inst):
    plain = inst.root / "plain"
    plain.write_text("#!/bin/sh\n")
    plain.chmod(0o644)
    inst.define("Apache", "- name: Say\n  command: %ROOT%/plain\n", group=QUICK)
    inst.start()
    inst.wait_state("Apache", "Say", "")
    inst.press_delete("Apache", "Say")
    inst.wait_state("Apache", "Say", "Failed")
    inst.wait_text("Apache", "Say", "plain: Permission denied")
    history = inst.cli("history", "--json", check=0).stdout
    assert re.search(r'"exit-status": ?203', history), history


def test_restart_service_tells_why_it_could_not(inst):
    """No such unit here: the result is systemctl's or service's own."""
    inst.define("Apache", "- name: Restart\n  restart-service: no-such-unit-of-flagman\n",
                group=QUICK)
    inst.start()
    inst.wait_state("Apache", "Restart", "")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Failed")
    wait_for(lambda: "no-such-unit-of-flagman" in inst.text("Apache", "Restart"),
             "the tool's own words", dump=inst.dump)


# --- services ---

INIT = """#!/bin/sh
echo "$0 was told to $1"
echo "$1" >>%OUT%/verbs
[ ! -e %OUT%/broken ] || {
	echo "the configuration is broken"
	exit 6
}
"""
VERBS = """
- name: Restart
  restart-service: fm-web
- name: Start
  service: {unit: fm-web, verb: start}
- name: Stop
  service: {unit: fm-web, verb: stop}
- name: Reload
  service: {unit: fm-web, verb: reload}
"""


@pytest.fixture
def services(inst):
    """Only flagmand and what it starts see this /etc/init.d; no machine for tests boots systemd."""
    init = inst.root / "init.d"
    init.mkdir()
    (init / "fm-web").write_text(INIT.replace("%OUT%", str(inst.out)))
    (init / "fm-web").chmod(0o755)
    inst.wrapper = ["unshare", "--mount", "/bin/sh", "-ec",
                    'mount --bind "$0" /etc/init.d; exec "$@"', str(init)]
    inst.define("Apache", VERBS, group=QUICK)
    inst.start()
    inst.wait_state("Apache", "Restart", "")
    return inst


@pytest.mark.root
def test_restart_service_through_the_real_tool(services):
    services.press_delete("Apache", "Restart")
    services.wait_state("Apache", "Restart", "Done")
    services.wait_text("Apache", "Restart", "/etc/init.d/fm-web was told to restart")
    assert (services.out / "verbs").read_text() == "restart\n"


@pytest.mark.root
def test_a_service_that_fails_says_so_itself(services):
    (services.out / "broken").touch()
    services.press_delete("Apache", "Restart")
    services.wait_state("Apache", "Restart", "Failed")
    services.wait_text("Apache", "Restart", r"exit status 6\b")
    services.wait_text("Apache", "Restart", "the configuration is broken")
    (services.out / "broken").unlink()
    services.press_delete("Apache", "Restart")
    services.wait_state("Apache", "Restart", "Done")


@pytest.mark.root
@pytest.mark.parametrize("verb", ["start", "stop", "reload"])
def test_the_other_verbs_of_a_service(services, verb):
    services.press_delete("Apache", verb.capitalize())
    services.wait_state("Apache", verb.capitalize(), "Done")
    services.wait_text("Apache", verb.capitalize(), f"was told to {verb}")
    assert (services.out / "verbs").read_text() == f"{verb}\n"


# --- sudo ---

@pytest.fixture
def sudo_rules(theirs):
    """Installs what flagman sudoers prints, for the while."""
    path = Path("/etc/sudoers.d") / f"flagman-tests-{os.getpid()}"

    def install():
        done = theirs.cli("--conf-dir", str(theirs.conf), "sudoers", check=0)
        new = path.with_name(path.name + ".new")  # sudo reads no name with a dot
        new.write_text(done.stdout)
        new.chmod(0o440)
        subprocess.run(["visudo", "-c", "-q", "-f", new], check=True, timeout=20)
        new.rename(path)
    yield install
    path.unlink(missing_ok=True)


@pytest.fixture
def by_sudo(theirs, sudo_rules):
    """Restart of alice's Apache runs as the runner; the rules are installed, it is started."""
    who = theirs.people.runner
    theirs.define("Apache", "- name: Restart\n  command: %ACT% Restart listen\n  stop-grace: 2s\n"
                            f"  user: {who}\n  group: {who}\n  via: sudo\n", group=QUICK)
    for path in theirs.conf.iterdir():
        shutil.chown(path, theirs.people.alice)
    sudo_rules()
    theirs.start()
    theirs.wait_state("Apache", "Restart", "")
    return theirs


@pytest.mark.root
def test_via_sudo_with_the_rules_that_flagman_prints(by_sudo):
    by_sudo.press_delete("Apache", "Restart")
    (run,) = by_sudo.wait_ran("Restart", 1)
    assert os.stat(f"/proc/{run.pid}").st_uid == by_sudo.people.uid("runner")
    environment = by_sudo.environment_of("Restart", 1)
    assert environment["USER"] == by_sudo.people.runner
    assert (environment["FLAGMAN_OBJECT"], environment["FLAGMAN_TRIGGER"]) == ("Apache", "delete")
    by_sudo.tell("Restart", "echo as the other one; exit 4")
    by_sudo.wait_state("Apache", "Restart", "Failed")
    by_sudo.wait_text("Apache", "Restart", r"exit status 4\b")
    by_sudo.wait_text("Apache", "Restart", "as the other one")


@pytest.mark.root
def test_cancelling_stops_what_sudo_runs(by_sudo):
    by_sudo.press_delete("Apache", "Restart")
    (run,) = by_sudo.wait_ran("Restart", 1)
    by_sudo.wait_state("Apache", "Restart", "Running")
    by_sudo.cli("cancel", "Apache/Restart", check=0)
    by_sudo.wait_state("Apache", "Restart", "Cancelled")
    wait_for(lambda: not processes.alive(run.pid), "the command has ended", dump=by_sudo.dump)


@pytest.mark.root
def test_without_the_rules_sudo_says_no(theirs):
    who = theirs.people.runner
    theirs.define("Apache", "- name: Restart\n  command: %ACT% Restart 'exit 0'\n"
                            f"  user: {who}\n  group: {who}\n  via: sudo\n", group=QUICK)
    for path in theirs.conf.iterdir():
        shutil.chown(path, theirs.people.alice)
    theirs.start()
    theirs.wait_state("Apache", "Restart", "")
    theirs.press_delete("Apache", "Restart")
    theirs.wait_state("Apache", "Restart", "Failed")
    theirs.wait_text("Apache", "Restart", "sudo: a password is required")
    assert not theirs.ran("Restart")


# --- what the tests above leave out ---

@pytest.mark.root
def test_a_capability_bounding_set(inst):
    seen = look(inst, "user: root\ngroup: root\n"
                      "capability-bounding-set: [CAP_DAC_OVERRIDE, CAP_NET_BIND_SERVICE]")
    for which in ("CapPrm", "CapEff", "CapBnd"):
        assert int(seen[which], 16) == 1 << 1 | 1 << 10, which


def test_the_group_is_in_the_environment(inst):
    inst.define("Apache", "- name: Go\n  command: %ACT% Go 'exit 0'\n", group=QUICK, name="Web")
    inst.start()
    inst.wait_state("Apache", "Go", "")
    inst.press_delete("Apache", "Go")
    inst.wait_state("Apache", "Go", "Done")
    assert inst.environment_of("Go", 1)["FLAGMAN_GROUP"] == "Web"


@pytest.mark.root
def test_who_pressed_is_in_the_environment(inst, people):
    """A copy belongs to whoever made it; of a deletion nobody's name is left."""
    inst.define("Apache", "- name: Go\n  command: %ACT% Go 'exit 0'\n", group=QUICK)
    inst.start()
    inst.wait_state("Apache", "Go", "")
    inst.press_copy("Apache", "Go", who="bob")
    inst.wait_ran("Go", 1)
    inst.wait_state("Apache", "Go", "Done")
    assert inst.environment_of("Go", 1)["FLAGMAN_USER"] == people.bob
    inst.press_delete("Apache", "Go", who="bob")
    inst.wait_ran("Go", 2)
    inst.wait_state("Apache", "Go", "Done")
    assert inst.environment_of("Go", 2)["FLAGMAN_USER"] == ""
