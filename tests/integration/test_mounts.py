# SPDX-License-Identifier: GPL-2.0-or-later
"""A share on a file system of its own, which is unmounted and mounted below a living flagman.

It is a tmpfs that lives elsewhere and is bound to the share's path: so it keeps what is in it.
"""

import os
import subprocess

import pytest
from boards import apache, finish
from lib.kernel import landlock_version
from lib.waiting import wait_for
from test_withdraw import withdraw

pytestmark = pytest.mark.root


def run(*command):
    subprocess.run([str(c) for c in command], check=True, stdin=subprocess.DEVNULL)


LANDLOCK = landlock_version() >= 2


@pytest.fixture
def disk(inst, test_dir):
    """A function that mounts it on the share."""
    kept = test_dir / "kept"
    kept.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", kept)

    def mount():
        run("mount", "--bind", kept, inst.share)
    mount()
    yield mount
    inst.stop()
    while os.path.ismount(inst.share):
        run("umount", "--lazy", inst.share)
    run("umount", "--lazy", kept)


def presses_work(inst, runs):
    inst.wait_state("Apache", "Restart", "")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    inst.wait_ran("Restart", runs)
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")


def it_is_back(inst, disk):
    """Mounts it while an agent runs that has never seen it; whoever presses sooner is put back."""
    mark = inst.mark()
    disk()
    if LANDLOCK:
        inst.wait_log("the agent begins anew", mark)
    wait_for(lambda: sorted(inst.flags("Apache")) == ["Restart", "Start", "Stop"] and
             inst.cli("status").returncode == 0, "all are there", dump=inst.dump)


def test_it_is_mounted_again(inst, disk):
    apache(inst)
    mark = inst.mark()
    run("umount", "--lazy", inst.share)
    inst.wait_log("it is gone or another directory", mark)
    disk()
    inst.wait_log("Apache: is back", mark)
    presses_work(inst, 1)
    for name in ("Start", "Stop"):
        assert not inst.ran(name)


def test_it_is_mounted_only_later(inst, disk):
    apache(inst)
    inst.stop()
    run("umount", inst.share)
    inst.start()
    inst.never_ran("Restart", "Start", "Stop", seconds=0.5)
    assert os.listdir(inst.share) == []
    it_is_back(inst, disk)
    presses_work(inst, 1)


def test_what_went_while_it_was_away_is_no_press(inst, disk):
    """The agent that finds a disk where it may not go is followed by one that may, and does not
    know how long it was away."""
    apache(inst)
    inst.stop()
    (inst.share / "Apache" / "Restart.txt").unlink()
    run("umount", inst.share)
    inst.start()
    it_is_back(inst, disk)
    inst.wait_state("Apache", "Restart", "")
    inst.never_ran("Restart", "Start", "Stop", seconds=0.5)
    presses_work(inst, 1)


def test_walls_keep_no_file_system_mounted(inst):
    """Landlock holds inodes; a released disk must be free to go all the same."""
    run("mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", inst.share)
    apache(inst)
    inst.cli("release", "Apache", check=0)
    run("umount", inst.share)
    assert not os.path.ismount(inst.share)


def test_release_lets_it_be_unmounted(inst, disk):
    apache(inst)
    inst.cli("release", "Apache", check=0)
    run("umount", inst.share)
    inst.never_ran("Restart", "Start", "Stop", seconds=0.3)
    disk()
    mark = inst.mark()
    inst.cli("restore", "Apache", check=0)
    inst.wait_log("share: is back", mark)
    presses_work(inst, 1)
    wait_for(lambda: sorted(inst.flags("Apache")) == ["Restart", "Start", "Stop"], "all are back",
             dump=inst.dump)


def test_what_is_not_mounted_is_not_taken_back(inst, disk):
    """And whoever removes flagman hears of it."""
    apache(inst)
    inst.stop()
    before = sorted(os.listdir(inst.share / "Apache"))
    run("umount", inst.share)
    assert withdraw(inst) == 75
    disk()
    assert sorted(os.listdir(inst.share / "Apache")) == before
    assert withdraw(inst) == 0
    assert os.listdir(inst.share) == []
