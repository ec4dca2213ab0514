# SPDX-License-Identifier: GPL-2.0-or-later
"""What stays in the share when a snippet goes, or its directory.path becomes another."""

import grp
import os
import re
import subprocess
from pathlib import Path

import pytest
from boards import QUICK, apache
from down import while_dead, while_stopped
from lib.waiting import wait_for

GO = "- name: Go\n  command: %ACT% Go 'exit 0'\n"
STOP = "- name: Stop\n  command: %ACT% Stop 'exit 0'\n"
MISSED = "hold: 0\ncooldown: 0\nmissed: run"


def listed(directory):
    return sorted(os.listdir(directory)) if directory.exists() else None


def wait_listed(inst, directory, names):
    wait_for(lambda: listed(directory) == names, f"{directory} lists {names}", dump=inst.dump)


def while_running(inst, change):
    change()


WHEN = pytest.mark.parametrize("when", [while_running, while_stopped, while_dead])


# --- directory.path becomes another ---

@WHEN
@pytest.mark.parametrize("stays", [False, True], ids=["", "another-object-stays"])
def test_another_path_is_no_press(inst, when, stays):
    """Its flags are not where they are looked for: nobody has pressed them."""
    other = inst.root / "other"
    inst.define("App", GO, group=MISSED)
    inst.define("Web", GO, group=MISSED)
    inst.start()
    for obj in ("App", "Web"):
        inst.wait_state(obj, "Go", "")

    def change():
        inst.define("App", GO, group=MISSED, path=other)
        if not stays:
            inst.define("Web", GO, group=MISSED, path=other)

    when(inst, change)
    wait_listed(inst, other / "App", ["Go.txt", "Run", "Status.txt"])
    wait_listed(inst, inst.share, [".flagman", "Web"] if stays else [])
    inst.never_ran("Go")
    os.unlink(other / "App" / "Go.txt")
    inst.wait_ran("Go", 1)


def test_there_and_back(inst):
    """The place is known from before; the flags are not those that were there."""
    other = inst.root / "other"
    inst.define("App", GO, group=MISSED)
    inst.define("Web", GO, path=other)
    inst.start()
    inst.wait_state("App", "Go", "")
    (inst.share / "App" / "mine.txt").write_text("keeps the directory\n")
    for path in (other, inst.share, other):
        inst.stop()
        inst.define("App", GO, group=MISSED, path=path)
        inst.start()
        wait_for((path / "App" / "Go.txt").exists, f"it is in {path}", dump=inst.dump)
    wait_listed(inst, inst.share / "App", ["mine.txt"])
    inst.never_ran("Go")


def test_moved_with_its_directory(inst):
    """Flags that are there, by whatever path, are as they were."""
    other = inst.root / "other"
    inst.define("App", "- name: Go\n  command: %ACT% Go 'exit 1'\n", group=MISSED)
    inst.start()
    inst.press_delete("App", "Go")
    inst.wait_state("App", "Go", "Failed")
    inode = inst.path_of("App", "Go").stat().st_ino
    inst.stop()
    os.rename(inst.share, other)
    inst.define("App", GO, group=MISSED, path=other)
    inst.start()
    assert (other / "App" / "Go [Failed].txt").stat().st_ino == inode
    inst.wait_ran("Go", 1)


# --- an object goes ---

@WHEN
def test_its_directory_goes(inst, when):
    inst.define("Other", GO)
    inst.define("Drops", "- name: Deploy\n  command: %ACT% Deploy 'exit 0'\n"
                "  drop: {folder: In, accept: ['*.war'], settle: 0}\n")
    apache(inst)
    inst.wait_state("Drops", "Deploy", "")

    def change():
        os.unlink(inst.conf / "apache.yaml")
        os.unlink(inst.conf / "drops.yaml")

    when(inst, change)
    wait_listed(inst, inst.share, [".flagman", "Other"])
    inst.define("Apache", GO, group=QUICK)
    wait_for(lambda: inst.state_of("Apache", "Go") == "", "it is back", dump=inst.dump)
    inst.press_delete("Apache", "Go")
    inst.wait_ran("Go", 1)


@WHEN
def test_what_is_somebodys_stays(inst, when):
    """With the directory that it is in, which is known when the snippet comes again."""
    inst.define("Other", GO)
    apache(inst)
    (inst.share / "Apache" / "mine.txt").write_text("mine\n")
    (inst.share / "people").mkdir()
    (inst.share / ".hidden").mkdir()

    when(inst, lambda: os.unlink(inst.conf / "apache.yaml"))
    wait_listed(inst, inst.share / "Apache", ["mine.txt"])
    inst.define("Third", GO)  # read again, and cleared again
    inst.wait_state("Third", "Go", "")
    os.unlink(inst.conf / "third.yaml")
    wait_listed(inst, inst.share, [".flagman", ".hidden", "Apache", "Other", "people"])
    inst.define("Apache", GO, group=QUICK)
    inst.wait_state("Apache", "Go", "")
    wait_listed(inst, inst.share / "Apache", ["Go.txt", "Run", "Status.txt", "mine.txt"])


def test_a_directory_path_in_another_is_no_object(inst):
    """/srv/share/more, made by flagmand, when /srv/share is a directory.path too."""
    inst.define("App", GO, path=inst.share / "more" / "deep")
    inst.define("Web", GO)
    inst.define("Third", GO)
    inst.start()
    inst.wait_state("Third", "Go", "")
    os.unlink(inst.conf / "third.yaml")
    wait_listed(inst, inst.share, [".flagman", "Web", "more"])
    os.unlink(inst.share / "more" / "deep" / "App" / "Go.txt")
    inst.wait_ran("Go", 1)


# --- a directory.path goes ---

@WHEN
def test_the_last_snippet_of_a_path(inst, when):
    made = inst.root / "made" / "here"
    inst.define("Other", GO)
    inst.define("App", GO + STOP, path=made)
    inst.start()
    wait_for((made / "App" / "Status.txt").exists, "it is there", dump=inst.dump)
    when(inst, lambda: os.unlink(inst.conf / "app.yaml"))
    wait_listed(inst, inst.root / "made", None)
    inst.wait_state("Other", "Go", "")
    wait_for(lambda: str(made) not in (inst.state / "bases").read_text(), "it is forgotten",
             dump=inst.dump)
    inst.never_ran("Go", "Stop")
    inst.press_delete("Other", "Go")
    inst.wait_ran("Go", 1)


def test_a_path_that_another_is_in(inst):
    """And nothing below that is touched, though it is flagmand's own and empty."""
    inst.define("Web", GO)
    inst.define("App", GO, path=inst.share / "more")
    inst.start()
    wait_for((inst.share / "more" / "App" / "Status.txt").exists, "it is there", dump=inst.dump)
    os.unlink(inst.conf / "web.yaml")
    wait_listed(inst, inst.share, ["more"])
    wait_listed(inst, inst.share / "more" / "App", ["Go.txt", "Run", "Status.txt"])
    os.unlink(inst.share / "more" / "App" / "Go.txt")
    inst.wait_ran("Go", 1)


@pytest.mark.parametrize("place", ["share", "made"])
def test_a_payload_that_was_kept(inst, place):
    """Nothing says any more where it came from: it is not lost, and the log says where it is."""
    made = inst.root / place
    inst.define("Other", GO)
    inst.define("App", "- name: Deploy\n  command: %ACT% Deploy 'exit 1'\n"
                "  drop: {folder: In, accept: ['*.war'], settle: 0}\n", path=made)
    inst.start()
    wait_for((made / "App" / "In").exists, "its folder is there", dump=inst.dump)
    (made / "App" / "In" / "a.war").write_text("content")
    wait_for((made / "App" / "Deploy [Failed].txt").exists, "it failed", dump=inst.dump)
    inst.stop()
    os.unlink(inst.conf / "app.yaml")
    inst.start()
    payload, = [p for p in (made / ".flagman" / "staging").iterdir() if len(p.name) == 32]
    inst.wait_log(f"App/Deploy is configured no longer: a.war, which it had, stays in {payload}")
    if place == "made":
        inst.wait_log(f"{made}/.flagman stays: there are payloads in it")
    wait_listed(inst, made, [".flagman"] if place == "made" else [".flagman", "Other"])
    assert payload.read_text() == "content"


def test_a_payload_of_a_run_under_way(inst):
    inst.define("Other", GO)
    inst.define("App", "- name: Deploy\n  command: %ACT% Deploy listen\n"
                "  drop: {folder: In, accept: ['*.war'], settle: 0}\n")
    inst.start()
    inst.drop("App", "In", "a.war", b"content")
    inst.wait_state("App", "Deploy", "Running")
    os.unlink(inst.conf / "app.yaml")
    wait_listed(inst, inst.share, [".flagman", "Other"])
    inst.tell("Deploy", "exit 0")
    where = inst.wait_log("App/Deploy is configured no longer: a.war, which it had, stays in (.*)")
    assert (inst.share / where[1]).read_text() == "content"


def groups_of_agent(inst):
    """None in the moment in which there is no agent."""
    for pid in inst.pids("agent"):
        found = re.search(r"Groups:(.*)", Path(f"/proc/{pid}/status").read_text())
        return {int(gid) for gid in found[1].split()}


@pytest.mark.root
def test_a_group_that_nothing_else_has(inst, people):
    """The agent had that group for these directories alone."""
    made = inst.root / "made"
    inst.define("App", GO, path=made)
    inst.start()
    wait_for((made / "App" / "Status.txt").exists, "it is there", dump=inst.dump)
    inst.stop()
    os.unlink(inst.conf / "app.yaml")
    other = inst.snippet("Other", GO).replace(f"group: {people.group}", f"group: {people.runner}")
    inst.write("other.yaml", other)
    inst.start()
    wait_listed(inst, made, None)
    wait_for(lambda: groups_of_agent(inst) == {grp.getgrnam(people.runner).gr_gid},
             "it does not have it any more", dump=inst.dump)


@pytest.mark.root
def test_a_path_that_is_not_mounted_now(inst):
    """Its flags are taken away when it is there again."""
    made = inst.root / "made"
    made.mkdir()
    inst.define("Other", GO)
    inst.define("App", GO, path=made)
    inst.start()
    wait_for((made / "App" / "Status.txt").exists, "it is there", dump=inst.dump)
    inst.stop()
    os.unlink(inst.conf / "app.yaml")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", made], check=True)
    try:
        inst.start()
        inst.wait_state("Other", "Go", "")
        inst.stop()
        assert listed(made) == []
    finally:
        subprocess.run(["umount", made], check=True)
    assert listed(made) == [".flagman", "App"]
    inst.start()
    wait_listed(inst, made, [])


@pytest.mark.root
def test_a_file_system_without_attributes(inst):
    """What flagmand has made there is on record, as long as it is there."""
    def records():
        return len(listed(inst.state / "directories") or [])

    subprocess.run(["mount", "-t", "ramfs", "-o", "mode=755", "ramfs", inst.share], check=True)
    try:
        inst.define("App", GO)
        inst.define("Web", GO)
        inst.start()
        inst.wait_state("Web", "Go", "")
        assert records() == 6  # with .flagman and staging
        os.unlink(inst.conf / "app.yaml")
        wait_listed(inst, inst.share, [".flagman", "Web"])
        assert records() == 4
        os.unlink(inst.conf / "web.yaml")
        wait_listed(inst, inst.share, [])
        assert records() == 0
        inst.stop()
    finally:
        subprocess.run(["umount", "--lazy", inst.share], check=True)
