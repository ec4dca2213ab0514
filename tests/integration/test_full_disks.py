# SPDX-License-Identifier: GPL-2.0-or-later
"""No room: on the share, in the state directory, or by a quota.  A press is never lost, never run
late, and the flag or the log says what is wrong.
"""

import contextlib
import json
import re
import shutil
import subprocess

import pytest
from boards import QUICK, apache
from lib import preload
from lib.waiting import wait_for

RESERVE = 64 * 1024


@contextlib.contextmanager
def mounted(inst, path, options):
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)
    try:
        yield path
    finally:
        inst.stop()
        subprocess.run(["umount", "--lazy", path], check=True)


def fill(path):
    """To the last byte; what it returns makes room again."""
    filler = path / "filler"
    with contextlib.suppress(OSError), open(filler, "ab", buffering=0) as f:
        while True:
            f.write(b"x" * 4096)
    return filler.unlink


def history(inst):
    return json.loads(inst.cli("history", "--json", check=0).stdout)


def reserved(path):
    """The reserve is there, and takes its room."""
    info = (path / "reserve").stat()
    return info.st_size == info.st_blocks * 512 and info.st_size


@pytest.mark.root
def test_a_full_share(inst):
    """Not run, and never late.  There is no room even for the flag: the reserve lets it say so."""
    with mounted(inst, inst.share, "size=1m,mode=755") as disk:
        apache(inst, actions="- name: Restart\n  command: %ACT% Restart 'exit 0'\n")
        wait_for(lambda: reserved(disk / ".flagman" / "staging") == RESERVE, "the reserve",
                 dump=inst.dump)
        make_room = fill(disk)
        inst.press_delete("Apache", "Restart")
        inst.wait_state("Apache", "Restart", "Not run")
        inst.wait_text("Apache", "Restart", "^Not run: the disk is full")
        fill(disk)
        inst.press_delete("Apache", "Restart")
        wait_for(lambda: [run["state"] for run in history(inst)] == ["missed"] * 2,
                 "the history has both", dump=inst.dump)
        inst.wait_state("Apache", "Restart", "Not run")
        make_room()
        inst.never_ran("Restart", seconds=0.3)
        wait_for(lambda: reserved(disk / ".flagman" / "staging") == RESERVE, "the reserve",
                 dump=inst.dump)
        inst.press_delete("Apache", "Restart")
        inst.wait_ran("Restart", 1)
        inst.wait_state("Apache", "Restart", "Done")


@pytest.mark.root
def test_the_share_is_full_when_the_command_ends(inst):
    """The text is longer than what the flag that was pressed gives back."""
    with mounted(inst, inst.share, "size=1m,mode=755") as disk:
        apache(inst, actions="- name: Restart\n  command: %ACT% Restart listen\n")
        wait_for(lambda: reserved(disk / ".flagman" / "staging") == RESERVE, "the reserve",
                 dump=inst.dump)
        inst.press_delete("Apache", "Restart")
        inst.wait_state("Apache", "Restart", "Running")
        inst.tell("Restart", "seq 5000")
        make_room = fill(disk)
        inst.tell("Restart", "exit 3")
        inst.wait_state("Apache", "Restart", "Failed")
        inst.wait_log("Apache/Restart: no room on the disk: its flag waits for some")
        inst.wait_text("Apache", "Restart", "^Failed: exit status 3.* 4999 5000 ")
        make_room()
        wait_for(lambda: reserved(disk / ".flagman" / "staging") == RESERVE, "the reserve",
                 dump=inst.dump)
        inst.wait_ran("Restart", 1)
        assert [run["state"] for run in history(inst)] == ["failed"]


@pytest.mark.root
def test_a_full_state_directory(inst):
    """Once there is no room for a claim: not run, told so, and never run late."""
    shutil.rmtree(inst.state)
    with mounted(inst, inst.state, "size=4m,nr_inodes=300,mode=755") as disk:
        apache(inst, actions="- name: Restart\n  command: %ACT% Restart 'exit 0'\n")
        wait_for(lambda: reserved(disk / "agent"), "the reserve", dump=inst.dump)
        make_room = fill(disk)
        with contextlib.suppress(OSError):
            for n in range(300):
                (disk / f"inode{n}").touch()
        inst.press_delete("Apache", "Restart")
        inst.wait_log("run 1 was not started")
        make_room()
        for path in disk.glob("inode*"):
            path.unlink()
        inst.wait_state("Apache", "Restart", "Not run")
        inst.wait_text("Apache", "Restart", "^Not run: the disk is full")
        inst.never_ran("Restart", seconds=0.3)
        wait_for(lambda: [run["state"] for run in history(inst)] == ["missed"],
                 "the history has it", dump=inst.dump)
        inst.restart()
        inst.wait_state("Apache", "Restart", "Not run")
        inst.never_ran("Restart", seconds=0.1)
        inst.press_delete("Apache", "Restart")
        inst.wait_state("Apache", "Restart", "Done")
        inst.wait_ran("Restart", 1)
        wait_for(lambda: reserved(disk / "agent"), "the reserve", dump=inst.dump)


# --- a quota ---

class Quota:
    """On what flagman's own user writes below BELOW."""

    def __init__(self, inst, library, below):
        self.file = inst.root / "quota"
        self.file.write_bytes(b"0")
        preload.wrap(inst, ("flagman-agent",), library, QUOTA_SWITCH=self.file, QUOTA_BELOW=below)

    def reach(self, yes):
        with open(self.file, "r+b", buffering=0) as f:
            f.write(b"1" if yes else b"0")


@pytest.fixture(scope="session")
def quota_library(session_dir):
    return preload.build("quota", session_dir)


def one(inst):
    return apache(inst, actions="- name: Restart\n  command: %ACT% Restart 'echo output'\n")


def recovered(inst):
    """All is as if nothing had been."""
    inst.wait_state("Apache", "Restart", "Done")
    inst.wait_text("Apache", "Restart", "^Done .*Output ------ output ")
    wait_for(lambda: [run["state"] for run in history(inst)] == ["done"], "the history has it",
             dump=inst.dump)
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 2)
    inst.wait_state("Apache", "Restart", "Done")


def test_a_quota_on_the_share(inst, quota_library):
    quota = Quota(inst, quota_library, inst.share)
    one(inst)
    quota.reach(True)
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 1)
    inst.wait_log("Apache/Restart: no room on the disk: its flag waits for some")
    quota.reach(False)
    recovered(inst)


@pytest.mark.parametrize("killed", [False, True], ids=["alive", "killed"])
def test_a_quota_on_the_state_directory(inst, quota_library, killed):
    """The claim is the executor's, so it runs; the history learns of it when it can."""
    quota = Quota(inst, quota_library, inst.state)
    one(inst)
    quota.reach(True)
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 1)
    line = inst.wait_log("the history cannot be written: .*")[0]
    assert re.search("No space left on device|Disk quota exceeded", line), line
    if killed:
        inst.kill("agent")
    quota.reach(False)
    recovered(inst)


def test_a_start_with_a_quota(inst, quota_library):
    quota = Quota(inst, quota_library, inst.share)
    quota.reach(True)
    inst.define("Apache", "- name: Restart\n  command: %ACT% Restart 'echo output'\n", group=QUICK)
    inst.start(wait=False)
    inst.wait_log("Apache/Restart: no room on the disk: its flag waits for some")
    quota.reach(False)
    inst.wait_ready()
    inst.wait_state("Apache", "Restart", "")
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 1)
