# SPDX-License-Identifier: GPL-2.0-or-later
"""Snippets come, change and go while flagman runs; mistakes harm only themselves."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from boards import QUICK, apache, finish
from lib.waiting import stays, wait_for

QUIT = "- name: {0}\n  command: %ACT% {0} 'exit 0'\n"


def flag_appears(inst, obj, action):
    wait_for(lambda: action in inst.flags(obj), f"{obj}/{action} appears", dump=inst.dump)


def flag_vanishes(inst, obj, action):
    wait_for(lambda: action not in inst.flags(obj), f"{obj}/{action} vanishes", dump=inst.dump)


def test_a_snippet_is_dropped_in(inst):
    apache(inst)
    inst.define("Tomcat", QUIT.format("Go"))
    flag_appears(inst, "Tomcat", "Go")
    inst.press_delete("Tomcat", "Go")
    inst.wait_state("Tomcat", "Go", "Done")


def test_a_snippet_is_taken_away(inst):
    inst.define("Tomcat", QUIT.format("Go"))
    apache(inst)
    flag_appears(inst, "Tomcat", "Go")
    os.unlink(inst.conf / "tomcat.yaml")
    flag_vanishes(inst, "Tomcat", "Go")
    assert inst.state_of("Apache", "Restart") == ""


def test_a_snippet_is_edited(inst):
    apache(inst)
    inode = inst.path_of("Apache", "Restart").stat().st_ino
    inst.define("Apache", "- name: Restart\n  command: %ACT% Restart listen\n" + QUIT.format("New"),
                group=QUICK)
    flag_appears(inst, "Apache", "New")
    flag_vanishes(inst, "Apache", "Stop")
    assert inst.path_of("Apache", "Restart").stat().st_ino == inode, "what stays is not remade"
    inst.press_delete("Apache", "New")
    inst.wait_state("Apache", "New", "Done")


@pytest.mark.root  # to trace who is not dumpable
def test_what_was_made_is_on_the_disk_soon(inst):
    """A flag whose row is not cannot be missed after a power cut: its press would be lost."""
    apache(inst)
    traced = inst.root / "strace"
    (pid,) = inst.pids("agent")
    strace = subprocess.Popen(["strace", "-qq", "-y", "-o", traced, "-e", "trace=fsync,fdatasync",
                               "-p", str(pid)], stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text(
            encoding="utf-8"), "strace is there", dump=inst.dump)
        synced = len(traced.read_text(encoding="utf-8").splitlines())
        inst.define("Tomcat", QUIT.format("Go"))
        flag_appears(inst, "Tomcat", "Go")
        wait_for(lambda: any(".db-wal>" in line and line.endswith(" = 0") for line in
                             traced.read_text(encoding="utf-8").splitlines()[synced:]),
                 "the data base is synced", dump=inst.dump)
    finally:
        strace.terminate()
        strace.wait()


def test_sighup(inst):
    apache(inst)
    inst.define("Tomcat", QUIT.format("Go"))
    inst.process.send_signal(signal.SIGHUP)
    flag_appears(inst, "Tomcat", "Go")


@pytest.mark.parametrize("name, live", [
    ("x.yml", True), ("x.yaml", True), (".x.yaml", False), ("x.yaml~", False),
    ("x.yaml.bak", False), ("#x.yaml#", False), ("x.txt", False)])
def test_which_names_count(inst, name, live):
    apache(inst)
    text = inst.snippet("Tomcat", QUIT.format("Go"))
    (inst.conf / name).write_text(text)
    inst.define("Later", QUIT.format("Go"))
    flag_appears(inst, "Later", "Go")
    if live:
        flag_appears(inst, "Tomcat", "Go")
    else:
        assert inst.flags("Tomcat") == {}


def test_a_run_in_flight_ends_under_the_definition_it_began_with(inst):
    apache(inst, actions="- name: Restart\n  command: %ACT% Restart listen\n"
                         "  success-exit-status: [7]\n")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    inst.define("Apache", "- name: Restart\n  command: %ACT% Restart listen\n" + QUIT.format("New"),
                group=QUICK)
    flag_appears(inst, "Apache", "New")
    assert inst.state_of("Apache", "Restart") == "Running"
    finish(inst, line="exit 7")
    inst.wait_state("Apache", "Restart", "Done")


def test_an_action_is_removed_while_it_runs(inst):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    pid = inst.wait_ran("Restart")[0].pid
    inst.define("Apache", QUIT.format("Other"), group=QUICK)
    flag_appears(inst, "Apache", "Other")
    assert os.path.exists(f"/proc/{pid}"), "the run goes on"
    finish(inst)
    flag_vanishes(inst, "Apache", "Restart")
    inst.wait_state("Apache", "Other", "")


def test_a_mistake_keeps_the_last_good_version(inst):
    apache(inst)
    inst.write("apache.yaml", "object: Apache\naction-group:\n  - oops: [\n")
    inst.wait_log(r"apache\.yaml:\d+:\d+")
    assert inst.state_of("Apache", "Restart") == ""
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")


def test_the_last_good_version_lives_over_a_restart(inst):
    apache(inst)
    text = (inst.conf / "apache.yaml").read_text()
    inst.write("apache.yaml", text.replace("command: ", "comand: "))
    inst.wait_log(r"apache\.yaml:\d+:\d+: error")
    inst.restart()
    inst.wait_state("Apache", "Restart", "")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")


def test_a_mistake_harms_only_its_own_snippet(inst):
    inst.write("broken.yaml", "object: Broken\n\tthis: is not YAML\n")
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    inst.wait_log(r"broken\.yaml:\d+:\d+: error")


def test_misconfigured_until_it_is_mended(inst):
    inst.define("Apache", "- name: Restart\n  command: relative/path\n", group=QUICK)
    inst.start()
    inst.wait_state("Apache", "Restart", "Misconfigured")
    inst.define("Apache", "- name: Restart\n  command: %ACT% Restart listen\n", group=QUICK)
    inst.wait_state("Apache", "Restart", "")
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 1)


def test_groups_of_several_files_merge(inst):
    second = inst.root / "share2"
    second.mkdir()
    inst.define("Apache", QUIT.format("Users"), name="users", snippet_name="a")
    inst.define("Apache", QUIT.format("Admins"), name="admins", path=second, snippet_name="b")
    inst.start()
    inst.wait_state("Apache", "Users", "")
    wait_for(lambda: (second / "Apache" / "Admins.txt").exists(), "the other group", dump=inst.dump)
    os.unlink(second / "Apache" / "Admins.txt")
    inst.wait_ran("Admins", 1)


def test_actions_of_several_files_merge(inst):
    inst.define("Apache", QUIT.format("First"), snippet_name="a")
    inst.define("Apache", QUIT.format("Second"), snippet_name="b")
    inst.start()
    for name in ("First", "Second"):
        inst.wait_state("Apache", name, "")
    inst.press_delete("Apache", "Second")
    inst.wait_ran("Second", 1)


def test_a_clash_names_both_places_and_the_live_one_stays(inst):
    apache(inst)
    inst.define("Apache", QUIT.format("RESTART") + QUIT.format("Rival"), snippet_name="a-rival")
    inst.wait_log(r"a-rival\.yaml:\d+:\d+: error: .*/apache\.yaml:\d+:\d+")
    assert inst.state_of("Apache", "Restart") == ""
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 1)
    assert not inst.ran("RESTART")


def test_a_clash_at_a_cold_start_is_won_by_the_first_name(inst):
    inst.define("Apache", "- name: Go\n  command: %ACT% First 'exit 0'\n", snippet_name="a")
    inst.define("Apache", "- name: Go\n  command: %ACT% Second 'exit 0'\n", snippet_name="b")
    inst.start()
    inst.wait_state("Apache", "Go", "")
    inst.press_delete("Apache", "Go")
    inst.wait_ran("First", 1)
    assert not inst.ran("Second")


def test_a_snippet_that_others_may_write_is_refused(inst):
    apache(inst)
    path = inst.conf / "loose.yaml"
    path.write_text(inst.snippet("Loose", QUIT.format("Go")))
    path.chmod(0o666)
    inst.wait_log(r"loose\.yaml")
    inst.define("Later", QUIT.format("Go"))
    flag_appears(inst, "Later", "Go")
    assert inst.flags("Loose") == {}


@pytest.mark.root
def test_a_snippet_of_somebody_else_is_refused(inst, people):
    apache(inst)
    path = inst.conf / "theirs.yaml"
    path.write_text(inst.snippet("Theirs", QUIT.format("Go")))
    os.chown(path, people.uid("alice"), -1)
    inst.wait_log(r"theirs\.yaml")
    inst.define("Later", QUIT.format("Go"))
    flag_appears(inst, "Later", "Go")
    assert inst.flags("Theirs") == {}


def test_a_populated_directory_is_not_adopted(inst):
    """Somebody's own folder that happens to have the object's name."""
    theirs = inst.share / "Apache"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("years of work\n")
    before = theirs.stat()
    inst.define("Apache", QUIT.format("Go"))
    inst.define("Later", QUIT.format("Go"))
    inst.start()
    inst.wait_state("Later", "Go", "")
    after = theirs.stat()
    assert os.listdir(theirs) == ["thesis.txt"]
    assert (before.st_mode, before.st_uid, before.st_gid) == (
        after.st_mode, after.st_uid, after.st_gid)
    inst.wait_log("Apache")


def test_an_empty_directory_is_adopted(inst):
    (inst.share / "Apache").mkdir()
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 1)


@pytest.mark.parametrize("path", ["/", "/etc", "/home", "/usr/local/bin", "/tmp", "%SHARE%/Apache"])
def test_paths_that_are_refused(inst, path):
    inst.define("Apache", QUIT.format("Ok"))
    inst.define("Bad", QUIT.format("Go"), path=path)
    done = inst.cli("check", str(inst.conf))
    assert done.returncode == 78, done.stdout + done.stderr
    assert "bad.yaml" in done.stdout + done.stderr


def test_a_restart_changes_nothing_that_can_be_seen(inst):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    finish(inst, line="exit 3")
    inst.wait_state("Apache", "Restart", "Failed")
    for name in ("Start", "Stop"):
        inst.wait_state("Apache", name, "")  # and not Blocked any more
    before = {n: (inst.share / "Apache" / n).stat().st_ino for n in inst.board("Apache")}
    inst.restart()
    stays(lambda: inst.state_of("Apache", "Restart") == "Failed", "still Failed", 0.3, inst.dump)
    after = {n: (inst.share / "Apache" / n).stat().st_ino for n in inst.board("Apache")}
    before.pop("Status.txt"), after.pop("Status.txt")
    assert after == before


def test_the_share_appears_later(inst):
    """The directory of the share is not there at the start: it is mounted later."""
    path = inst.root / "later"
    inst.define("Apache", QUIT.format("Go"), path=path)
    inst.define("Other", QUIT.format("Go"))
    inst.start()
    inst.wait_state("Other", "Go", "")
    if not path.exists():
        path.mkdir()
        inst.process.send_signal(signal.SIGHUP)
    wait_for(lambda: (path / "Apache" / "Go.txt").exists(), "the flag", dump=inst.dump)


def test_everything_is_removed_with_the_last_snippet(inst):
    apache(inst)
    shutil.rmtree(inst.conf)
    inst.conf.mkdir()
    inst.process.send_signal(signal.SIGHUP)
    flag_vanishes(inst, "Apache", "Restart")
    inst.define("Apache", QUIT.format("Again"), group=QUICK)
    inst.process.send_signal(signal.SIGHUP)
    flag_appears(inst, "Apache", "Again")


def test_what_was_removed_while_flagman_was_down(inst):
    """A button that does nothing is worse than none; what is somebody else's stays."""
    inst.define("Other", QUIT.format("Go"), group=QUICK)
    apache(inst)
    inst.press_delete("Apache", "Start")
    inst.tell("Start", "exit 0")
    inst.wait_state("Apache", "Start", "Done")
    inst.stop()
    (inst.share / "Apache" / "mine.txt").write_text("somebody's\n")
    (inst.conf / "apache.yaml").unlink()
    inst.define("Other", QUIT.format("Come"), group=QUICK)
    inst.start()
    inst.wait_state("Other", "Come", "")
    inst.wait_board("Apache", ["mine.txt"])
    inst.wait_board("Other", ["Come.txt", "Run", "Status.txt"])
    inst.stop()
    apache(inst)
    assert sorted(inst.flags("Apache")) == ["Restart", "Start", "Stop", "mine"]
