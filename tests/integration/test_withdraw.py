# SPDX-License-Identifier: GPL-2.0-or-later
"""flagmand --withdraw: what flagman has put into a share is taken out of it again."""

import os

import pytest
from boards import QUICK, apache
from lib.waiting import stays, wait_for

DROP = """
- name: Deploy
  command: %ACT% Deploy 'exit 1'
  drop: {folder: In, accept: ['*.war'], settle: 150ms}
"""


def withdraw(inst):
    """The exit status."""
    inst.stop()
    inst.arguments = ["--withdraw"]
    inst.start(wait=False)
    wait_for(lambda: inst.process.poll() is not None, "it ends", dump=inst.dump)
    inst.arguments = []
    return inst.process.returncode


def below(path):
    return sorted(str(p.relative_to(path)) for p in path.rglob("*"))


def app(inst):
    inst.define("App", DROP, group=QUICK)
    apache(inst)
    inst.wait_state("App", "Deploy", "")
    return inst.share / "App"


def test_everything_goes(inst):
    app(inst)
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", "exit 1")
    inst.wait_state("Apache", "Restart", "Failed")
    assert withdraw(inst) == 0
    assert below(inst.share) == []


def test_what_is_somebody_elses_stays(inst):
    folder = app(inst)
    inst.stop()
    theirs = {"mine.txt", "In/shop.txt", "Run/notes.txt"}
    for name in theirs:
        inst.by("alice", lambda name=name: (folder / name).write_text("hers\n") and None)
    inst.start()
    wait_for(lambda: (folder / "In/shop.txt [Not accepted].txt").exists(), "it is looked at",
             dump=inst.dump)
    assert withdraw(inst) == 0
    assert below(inst.share) == ["App", "App/In", "App/In/shop.txt", "App/Run",
                                 "App/Run/notes.txt", "App/mine.txt"]
    assert all((folder / name).read_text() == "hers\n" for name in theirs)


def test_a_payload_that_was_kept_comes_back(inst):
    folder = app(inst)
    inst.drop("App", "In", "shop.war", b"content")
    inst.wait_state("App", "Deploy", "Failed")
    assert withdraw(inst) == 0
    assert below(inst.share) == ["App", "App/In", "App/In/Returned", "App/In/Returned/shop.war"]
    assert inst.by("alice", lambda: (folder / "In/Returned/shop.war").read_text()) == "content"


def test_a_payload_comes_back_with_the_last_snippet(inst):
    """Not only here: whoever takes a snippet away leaves nothing of anybody's in custody."""
    folder = app(inst)
    inst.drop("App", "In", "shop.war", b"content")
    inst.wait_state("App", "Deploy", "Failed")
    (inst.conf / "app.yaml").unlink()
    wait_for(lambda: (folder / "In/Returned/shop.war").read_bytes() == b"content",
             "it is returned", dump=inst.dump)


@pytest.mark.parametrize("missed", ("show", "run"))
def test_nothing_is_pressed(inst, missed):
    apache(inst, group=f"{QUICK}\nmissed: {missed}")
    inst.stop()
    inst.press_delete("Apache", "Restart")
    inst.press_move("Apache", "Stop")
    assert withdraw(inst) == 0
    stays(lambda: not inst.ran("Restart") and not inst.ran("Stop"), "nothing ran", 0.5, inst.dump)
    assert below(inst.share) == []


def test_a_share_that_flagman_has_made_goes_too(inst):
    """Another one stays (test_everything_goes)."""
    if inst.people.root:
        inst.share.rmdir()
        apache(inst)
        assert withdraw(inst) == 0
        assert not inst.share.exists()
    else:  # who has a directory.path below his own
        path = inst.share / "made"
        inst.define("Box", "- {name: Go, command: /bin/true}\n", path=path)
        inst.start()
        wait_for((path / "Box" / "Go.txt").exists, "the flag", dump=inst.dump)
        assert withdraw(inst) == 0
        assert not path.exists()


def test_not_beside_a_service_that_runs(inst, bin_dir):
    apache(inst)
    before = inst.process
    inst.process, inst.arguments = None, ["--withdraw"]
    inst.start(wait=False)
    wait_for(lambda: inst.process.poll() is not None, "it ends", dump=inst.dump)
    assert inst.process.returncode == 75
    inst.process = before
    assert sorted(inst.flags("Apache")) == ["Restart", "Start", "Stop"]


def test_a_run_goes_on(inst):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    pid = inst.wait_ran("Restart", 1)[0].pid
    assert withdraw(inst) == 0
    assert below(inst.share) == []
    os.kill(pid, 0)
    inst.tell("Restart", "exit 0")
    inst.start()
    inst.wait_state("Apache", "Start", "")
    assert len(inst.ran("Restart")) == 1


def test_everything_comes_back(inst):
    app(inst)
    before = below(inst.share)
    assert withdraw(inst) == 0
    inst.start()
    wait_for(lambda: below(inst.share) == before, "all is as it was", dump=inst.dump)
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart")
