# SPDX-License-Identifier: GPL-2.0-or-later
"""directory.path and its staging go, come back, or become something else: nobody pressed."""

import os
import re
import shutil

import pytest
from boards import QUICK, apache, exchange, finish, remove_tree
from lib.waiting import stays, wait_for

NAMES = ("Restart", "Start", "Stop")
DROP = """
- name: Deploy
  command: %ACT% Deploy listen
  drop: {folder: In, accept: ["*.war"], settle: 0, keep-failed: 1h, after: return}
"""
LOST = "{}: it is gone or another directory"


def all_ready(inst, names=NAMES):
    wait_for(lambda: all(inst.state_of("Apache", name) == "" for name in names),
             "all are ready", dump=inst.dump)


def pressed_by_nobody(inst, *names):
    """Neither now nor in a moment; and then a real press is the first."""
    all_ready(inst)
    inst.never_ran(*NAMES, seconds=0.7)
    for name in names or NAMES[:1]:
        inst.wait_state("Apache", name, "")  # and not Blocked any more
        inst.press_delete("Apache", name)
        inst.wait_ran(name, 1)
        inst.wait_state("Apache", name, "Running")
        finish(inst, name)
        inst.wait_state("Apache", name, "Done")


def staging(inst):
    return inst.share / ".flagman" / "staging"


# --- directory.path ---

def test_a_symlink_that_was_configured(inst, test_dir):
    link = test_dir / "link"
    os.symlink(inst.share, link)
    apache(inst, path=link)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    inst.press_move("Apache", "Start")
    inst.wait_ran("Start", 1)


def test_a_configured_symlink_leads_elsewhere(inst, test_dir):
    """It was followed when the configuration was read; a reload follows it again."""
    link, other = test_dir / "link", test_dir / "other"
    os.symlink(inst.share, link)
    apache(inst, path=link)
    other.mkdir()
    link.unlink()
    os.symlink(other, link)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    assert os.listdir(other) == []
    inst.reload()
    wait_for((other / "Apache" / "Stop.txt").exists, "they live there now", dump=inst.dump)
    inst.wait_ran("Restart", 1)


def test_a_directory_above_becomes_a_symlink(inst, test_dir):
    above, outside = test_dir / "above", test_dir / "outside"
    (above / "share").mkdir(parents=True)
    (outside / "share" / "Apache").mkdir(parents=True)
    inst.share.rmdir()
    inst.share = above / "share"
    apache(inst)
    link = test_dir / "link"
    os.symlink(outside, link)
    mark = inst.mark()
    exchange(link, above)
    (link / "share" / "Apache" / "Restart.txt").unlink()  # its inode says so at once
    inst.wait_log(LOST.format(inst.share), mark)
    stays(lambda: os.listdir(outside / "share") == ["Apache"]
          and os.listdir(outside / "share" / "Apache") == [], "nothing is touched", 0.7, inst.dump)
    exchange(link, above)
    pressed_by_nobody(inst)


def test_gestures_while_it_was_away(inst, test_dir):
    """Nobody can know what was meant by them: all come back."""
    apache(inst)
    elsewhere, link = test_dir / "elsewhere", test_dir / "link"
    elsewhere.mkdir()
    os.symlink(elsewhere, link)
    mark = inst.mark()
    exchange(link, inst.share)
    inst.wait_log(LOST.format(inst.share), mark)
    (link / "Apache" / "Restart.txt").unlink()
    os.rename(link / "Apache" / "Start.txt", link / "Apache" / "Run" / "Start.txt")
    shutil.copy(link / "Apache" / "Stop.txt", link / "Apache" / "Run" / "Stop.txt")
    exchange(link, inst.share)
    pressed_by_nobody(inst, *NAMES)
    assert os.listdir(inst.share / "Apache" / "Run") == []


def test_another_directory_is_put_there(inst, test_dir):
    """It is directory.path now: flags are made in it, and what is in it is not touched."""
    apache(inst)
    old, new = test_dir / "old", test_dir / "new"
    new.mkdir(mode=0o755)
    (new / "letter.txt").write_text("of somebody\n")
    mark = inst.mark()
    exchange(new, inst.share)
    os.rename(new, old)
    inst.wait_log(LOST.format(inst.share), mark)
    pressed_by_nobody(inst)
    assert (inst.share / "letter.txt").read_text() == "of somebody\n"
    assert (old / "Apache" / "Run").is_dir()


@pytest.mark.parametrize("with_run", [False, True])
def test_an_older_copy_is_put_there_and_taken_away_again(inst, test_dir, with_run):
    """Restored from a backup: its flags are nobody's presses, nor is what lies in its Run."""
    apache(inst)
    old = test_dir / "old"
    shutil.copytree(inst.share, old)
    for directory, _, names in os.walk(inst.share):
        for path in [directory, *(os.path.join(directory, name) for name in names)]:
            info = os.lstat(path)
            os.chown(old / os.path.relpath(path, inst.share), info.st_uid, info.st_gid)
    if with_run:
        os.rename(old / "Apache" / "Restart.txt", old / "Apache" / "Run" / "Restart.txt")
    mark = inst.mark()
    exchange(old, inst.share)
    inst.wait_log(LOST.format(inst.share), mark)
    inst.never_ran(*NAMES, seconds=0.7)
    exchange(old, inst.share)
    pressed_by_nobody(inst)


@pytest.mark.parametrize("made_by", ["administrator", "flagman"])
def test_it_is_removed(inst, test_dir, made_by):
    apache(inst)
    mark = inst.mark()
    os.rename(inst.share, test_dir / "gone")
    if made_by == "administrator":
        inst.share.mkdir(mode=0o755, exist_ok=True)
    shutil.rmtree(test_dir / "gone")
    inst.wait_log(LOST.format(inst.share), mark)
    pressed_by_nobody(inst)


def test_all_of_it_is_removed_piece_by_piece(inst):
    """rm -rf: flagman puts things back meanwhile, and rm may complain of that."""
    apache(inst, group="cooldown: 0")
    for _ in range(3):
        shutil.rmtree(inst.share, ignore_errors=True)
        inst.never_ran(*NAMES, seconds=0.7)
    pressed_by_nobody(inst)


def test_it_goes_while_a_command_runs(inst, test_dir):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    link, outside = test_dir / "link", test_dir / "outside"
    outside.mkdir()
    os.symlink(outside, link)
    mark = inst.mark()
    exchange(link, inst.share)
    inst.wait_log(LOST.format(inst.share), mark)
    finish(inst, line="exit 3")
    inst.wait_log("exit status 3", mark)
    exchange(link, inst.share)
    inst.wait_state("Apache", "Restart", "Failed")
    inst.wait_ran("Restart", 1)


def test_many_objects_are_lost_with_one_line(inst, test_dir):
    for n in range(30):
        inst.define(f"App{n}", f"- name: Go\n  command: %ACT% Go{n} 'exit 0'\n", group=QUICK)
    inst.start()
    inst.wait_state("App29", "Go", "")
    link = test_dir / "link"
    os.symlink(test_dir, link)
    mark = inst.mark()
    exchange(link, inst.share)
    inst.wait_log(LOST.format(inst.share), mark)
    exchange(link, inst.share)
    inst.wait_log(f"{inst.share}: is back", mark)
    for n in range(30):
        inst.wait_state(f"App{n}", "Go", "")
        assert not inst.ran(f"Go{n}")
    said = inst.log()[mark:]
    assert len(re.findall("it is gone or another|nothing is pressed", said)) <= 4, said


# --- <path>/.flagman/staging ---

@pytest.mark.parametrize("what", ["file", "symlink", "directory with something", "fifo"])
def test_staging_becomes_something_else(inst, test_dir, what):
    """Presses are run; the flags wait until the administrator has taken it away."""
    apache(inst)
    target = test_dir / "target"
    target.mkdir(mode=0o777)
    mark = inst.mark()
    made = test_dir / "made"
    if what == "file":
        made.write_text("x\n")
    elif what == "symlink":
        os.symlink(target, made)
    elif what == "fifo":
        os.mkfifo(made)
    else:
        made.mkdir()
        (made / "letter.txt").write_text("x\n")
    exchange(made, staging(inst))
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 1)
    inst.wait_log(re.escape(str(staging(inst))) + ".* gone|its .flagman", mark)
    assert os.listdir(target) == []
    if what == "directory with something":
        assert os.listdir(staging(inst)) == ["letter.txt"]
    os.rename(staging(inst), test_dir / "away")
    inst.wait_state("Apache", "Restart", "Running")
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    inst.wait_ran("Restart", 1)
    assert os.listdir(target) == []


@pytest.mark.root
@pytest.mark.parametrize("how", ["owner", "mode"])
def test_staging_has_another_owner(inst, how):
    apache(inst)
    if how == "owner":
        os.chown(staging(inst), 0, 0)
        staging(inst).chmod(0o700)
    else:
        staging(inst).chmod(0)
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 1)
    inst.wait_state("Apache", "Restart", "Running")
    assert staging(inst).stat().st_mode & 0o7777 == 0o700
    assert staging(inst).stat().st_uid == inst.people.uid("agent")


def test_what_is_in_staging_is_removed(inst):
    apache(inst)
    for path in staging(inst).iterdir():
        path.unlink()
    inst.press_move("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    for path in staging(inst).iterdir():
        path.unlink()
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    inst.wait_ran("Restart", 1)


def test_staging_goes_again_and_again(inst):
    apache(inst)
    for count in range(1, 6):
        remove_tree(staging(inst))
        inst.press_delete("Apache", "Restart")
        inst.wait_ran("Restart", count)
        remove_tree(staging(inst))
        inst.wait_state("Apache", "Restart", "Running")
        finish(inst)
        inst.wait_state("Apache", "Restart", "Done")
    inst.never_ran("Start", "Stop")


def test_staging_goes_and_a_flag_is_moved(inst):
    apache(inst)
    remove_tree(staging(inst))
    inst.press_move("Apache", "Restart")
    inst.wait_ran("Restart", 1)
    inst.wait_state("Apache", "Restart", "Running")
    assert os.listdir(inst.share / "Apache" / "Run") == []


def test_staging_goes_within_the_hold(inst):
    apache(inst, group="hold: 500ms\ncooldown: 0")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Starting")
    remove_tree(staging(inst))
    inst.wait_state("Apache", "Restart", "Running")
    inst.wait_ran("Restart", 1)


@pytest.mark.parametrize("end", ["exit 0", "exit 1"])
def test_staging_goes_with_a_payload(inst, end):
    """That is in custody, so it is not lost; the next one is taken."""
    apache(inst, actions=DROP)
    inst.drop("Apache", "In", "shop.war", "first")
    inst.wait_ran("Deploy", 1)
    inst.wait_state("Apache", "Deploy", "Running")
    remove_tree(staging(inst))
    wait_for(staging(inst).exists, "it is made again", dump=inst.dump)
    finish(inst, "Deploy", end)
    inst.wait_state("Apache", "Deploy", "Done" if end == "exit 0" else "Failed")
    inst.drop("Apache", "In", "next.war", "second")
    inst.wait_ran("Deploy", 2)
    inst.wait_state("Apache", "Deploy", "Running")
    finish(inst, "Deploy")
    inst.wait_state("Apache", "Deploy", "Done")
    for name, text in (("shop.war", "first"), ("next.war", "second")):
        path = inst.share / "Apache" / "In" / "Returned" / name
        wait_for(path.exists, f"{name} is returned", dump=inst.dump)
        assert path.read_text() == text


def test_staging_goes_with_a_payload_that_was_kept(inst):
    """Pressing the failed flag would run its command without it."""
    apache(inst, actions=DROP)
    inst.drop("Apache", "In", "shop.war", "content")
    inst.wait_ran("Deploy", 1)
    finish(inst, "Deploy", "exit 1")
    inst.wait_state("Apache", "Deploy", "Failed")
    wait_for(lambda: len(os.listdir(staging(inst))) >= 2, "it is kept", dump=inst.dump)
    remove_tree(staging(inst))
    inst.press_delete("Apache", "Deploy")
    # the latter where it was gone before the agent had it again
    inst.wait_text("Apache", "Deploy", "Its payload is gone: drop it again|It takes a file")
    inst.drop("Apache", "In", "shop.war", "again")
    inst.wait_ran("Deploy", 2)


def test_staging_is_gone_at_the_start(inst):
    apache(inst)
    inst.stop()
    remove_tree(staging(inst))
    inst.start()
    pressed_by_nobody(inst)


def test_staging_goes_while_there_is_no_agent(inst):
    apache(inst)
    agents = inst.pids("agent")
    for pid in agents:
        os.kill(pid, 19)
    remove_tree(staging(inst))
    for pid in agents:
        os.kill(pid, 9)
    pressed_by_nobody(inst)
