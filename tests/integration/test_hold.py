# SPDX-License-Identifier: GPL-2.0-or-later
"""The hold, and everything that calls it off."""

import os
import shutil
import time

import pytest
from boards import THREE, apache, finish, remove_tree, several, was_no_press
from lib.waiting import stays, wait_for

HOLD = "cooldown: 0\nhold: 1s"


def all_back(inst, obj="Apache", names=("Restart", "Start", "Stop")):
    for name in names:
        inst.wait_state(obj, name, "")


def nothing_runs(inst, *names, hold=1.2):
    """For longer than the hold."""
    stays(lambda: not any(inst.ran(name) for name in names), "nothing ran", hold, inst.dump)


def test_ctrl_a_delete_presses_nothing(inst):
    apache(inst, group=HOLD)
    directory = inst.share / "Apache"

    def delete_everything():
        for name in os.listdir(directory):
            if (directory / name).is_dir():
                shutil.rmtree(directory / name)
            else:
                os.unlink(directory / name)
    inst.by("alice", delete_everything)
    all_back(inst)
    wait_for(lambda: {"Run", "Status.txt"} <= set(inst.board("Apache")), "the furniture is back",
             dump=inst.dump)
    nothing_runs(inst, "Restart", "Start", "Stop")
    all_back(inst)


@pytest.mark.parametrize("first", ["Run", "Status.txt"])
def test_ctrl_a_delete_where_the_flag_goes_last(inst, first):
    """The rest is back before it goes: it belongs to that all the same."""
    apache(inst, group=HOLD)
    directory = inst.share / "Apache"
    remove = os.rmdir if first == "Run" else os.unlink
    inst.by("alice", lambda: remove(directory / first))
    wait_for((directory / first).exists, "it is back", dump=inst.dump)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "")
    nothing_runs(inst, "Restart")
    words = "a folder" if first == "Run" else "Status.txt"
    assert words in inst.text("Apache", "Restart")


def test_a_folder_that_went_is_forgotten(inst):
    """What goes later, with buttons of other objects, says so."""
    several(inst, 3, group=HOLD)
    boards = [inst.share / f"App{n}" for n in range(3)]
    for board in boards:
        inst.by("alice", lambda board=board: os.rmdir(board / "Run"))
    wait_for(lambda: all((board / "Run").exists() for board in boards), "they are back",
             dump=inst.dump)
    nothing_runs(inst, "Restart0", "Restart1", "Restart2")
    inst.by("alice", lambda: [os.unlink(board / "Restart.txt") for board in boards] and None)
    for n in range(3):
        inst.wait_text(f"App{n}", "Restart", "buttons of several objects")


def test_two_flags_of_an_object(inst):
    apache(inst, group=HOLD)
    for name in ("Restart", "Stop"):
        inst.press_delete("Apache", name)
    all_back(inst)
    nothing_runs(inst, "Restart", "Stop")


def test_the_text_says_why_nothing_ran(inst):
    apache(inst, group=HOLD)
    plain = inst.text("Apache", "Restart")
    for name in ("Restart", "Stop"):
        inst.press_delete("Apache", name)
    all_back(inst)
    wait_for(lambda: inst.text("Apache", "Restart") != plain, "the text has a note", dump=inst.dump)


def test_the_second_flag_after_the_first_shows_starting(inst):
    """Explorer takes its time between files."""
    apache(inst, group=HOLD)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Starting")
    inst.press_delete("Apache", "Start")
    all_back(inst)
    nothing_runs(inst, "Restart", "Start")


def test_two_flags_moved_into_run_together(inst):
    apache(inst, group=HOLD)
    for name in ("Restart", "Stop"):
        inst.press_move("Apache", name)
    all_back(inst)
    nothing_runs(inst, "Restart", "Stop")
    assert os.listdir(inst.share / "Apache" / "Run") == []


def test_flags_of_three_objects(inst):
    several(inst, 4, group=HOLD)
    for n in range(3):
        inst.press_delete(f"App{n}", "Restart")
    for n in range(3):
        inst.wait_state(f"App{n}", "Restart", "")
    nothing_runs(inst, "Restart0", "Restart1", "Restart2")


def test_flags_of_two_objects_are_two_presses(inst):
    several(inst, 3, group=HOLD)
    for n in range(2):
        inst.press_delete(f"App{n}", "Restart")
    for n in range(2):
        inst.wait_ran(f"Restart{n}", 1)
        inst.wait_state(f"App{n}", "Restart", "Done")


def test_an_objects_directory_goes(inst):
    several(inst, 2, group=HOLD)
    remove_tree(inst.share / "App0")
    inst.wait_state("App0", "Restart", "")
    nothing_runs(inst, "Restart0")


def test_rm_rf_of_everything(inst):
    several(inst, 5, group=HOLD)
    for n in range(5):
        remove_tree(inst.share / f"App{n}")
    for n in range(5):
        inst.wait_state(f"App{n}", "Restart", "")
    nothing_runs(inst, *(f"Restart{n}" for n in range(5)))


def test_pressing_starting_calls_it_off(inst):
    apache(inst, group="cooldown: 0\nhold: 3s")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Starting")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "", timeout=2)
    nothing_runs(inst, "Restart", hold=3.2)
    assert inst.state_of("Apache", "Restart") == ""


def test_moving_starting_into_run_calls_it_off_too(inst):
    apache(inst, group="cooldown: 0\nhold: 3s")
    inst.press_move("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Starting")
    inst.press_move("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "", timeout=2)
    nothing_runs(inst, "Restart", hold=3.2)


def test_the_flag_is_created_again_by_hand(inst):
    """The name reappears: an editor, or a person who regrets."""
    apache(inst, group=HOLD)
    path = inst.path_of("Apache", "Restart")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Starting")
    inst.by("alice", lambda: path.write_text("back\n"))
    was_no_press(inst)


def test_a_press_after_a_called_off_one_works(inst):
    apache(inst, group=HOLD)
    for name in ("Restart", "Stop"):
        inst.press_delete("Apache", name)
    all_back(inst)
    nothing_runs(inst, "Restart", "Stop")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    finish(inst)
    inst.wait_ran("Restart", 1)
    assert not inst.ran("Stop")


@pytest.mark.timing
def test_the_hold_lasts_as_long_as_it_says(inst):
    apache(inst, group="hold: 1500ms")
    begin = time.monotonic()
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Starting")
    shown = time.monotonic() - begin
    inst.wait_ran("Restart")
    ran = time.monotonic() - begin
    assert shown < 0.2, "Starting shows at once"
    assert 1.45 < ran < 1.9, f"the hold lasted {ran:.3f} s"


def test_the_default_hold_is_half_a_second(inst):
    apache(inst, group="cooldown: 0", actions=THREE)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Starting")
    inst.wait_state("Apache", "Restart", "Running")
