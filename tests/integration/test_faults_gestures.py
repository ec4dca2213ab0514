# SPDX-License-Identifier: GPL-2.0-or-later
"""Gestures while the agent, or the whole service, is down mean what they mean to a living flag."""

import os
import time

import pytest
from boards import QUICK, apache, finish, several
from down import DOWN, no_agent, no_service
from lib.waiting import wait_for


def save(path, text):
    """As an editor does it: a new file over the old one."""
    new = path.with_name("new")
    new.write_text(text, encoding="utf-8")
    new.rename(path)


# --- an editor ---

@DOWN
@pytest.mark.parametrize("content", ["mine\n", ""])
def test_a_flag_was_replaced(inst, down, keys, content):
    apache(inst, group=keys)
    path = inst.path_of("Apache", "Restart")
    with down(inst):
        inst.by("alice", lambda: save(path, content))
    wait_for(lambda: "Apache: Restart" in inst.text("Apache", "Restart"), "a fresh flag",
             dump=inst.dump)
    inst.never_ran("Restart", seconds=0.6)
    assert inst.state_of("Apache", "Restart") == ""
    aside = path.with_name("Restart (put aside).txt")
    assert aside.read_text(encoding="utf-8") == content
    assert "Restart.txt was replaced by another file" in inst.log()


@DOWN
def test_a_flag_was_replaced_by_its_copy(inst, down, keys):
    apache(inst, group=keys)
    path = inst.path_of("Apache", "Restart")
    text = path.read_bytes().decode()
    with down(inst):
        inst.by("alice", lambda: save(path, text))
    wait_for(lambda: inst.wait_state("Apache", "Restart", "") is None, "it is there")
    inst.never_ran("Restart", seconds=0.6)
    wait_for(lambda: inst.board("Apache") == ["Restart.txt", "Run", "Start.txt", "Status.txt",
                                              "Stop.txt"], "nothing else", dump=inst.dump)


@DOWN
def test_a_directory_stands_in_the_flags_place(inst, down, keys):
    apache(inst, group=keys)
    path = inst.path_of("Apache", "Restart")

    def replace():
        path.unlink()
        path.mkdir()
    with down(inst):
        inst.by("alice", replace)
    wait_for(lambda: path.is_file(), "the flag", dump=inst.dump)
    inst.never_ran("Restart", seconds=0.6)


def test_a_failed_flag_was_replaced(inst):
    apache(inst, group=QUICK + "\nmissed: run")
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", "exit 3")
    inst.wait_state("Apache", "Restart", "Failed")
    path = inst.path_of("Apache", "Restart")
    with no_service(inst):
        inst.by("alice", lambda: save(path, "mine\n"))
    wait_for(lambda: path.with_name("Restart [Failed] (put aside).txt").exists(), "put aside",
             dump=inst.dump)
    inst.wait_state("Apache", "Restart", "Failed")
    inst.wait_ran("Restart", 1)


# --- triggers ---

TRIGGERS = """
- name: Restart
  command: %ACT% Restart listen
  triggers: [move]
- name: Stop
  command: %ACT% Stop listen
  triggers: [delete]
"""


@DOWN
@pytest.mark.parametrize("press, action", [("press_delete", "Restart"), ("press_move", "Stop"),
                                           ("press_copy", "Stop")])
def test_it_is_not_how_it_is_pressed(inst, down, keys, press, action):
    apache(inst, group=keys, actions=TRIGGERS)
    with down(inst):
        getattr(inst, press)("Apache", action)
    wait_for(lambda: "not how it is pressed here" in inst.text("Apache", action), "it says so",
             dump=inst.dump)
    inst.never_ran(action, seconds=0.6)
    assert inst.state_of("Apache", action) == ""
    assert not [n for n in os.listdir(inst.share / ".flagman" / "staging") if len(n) == 32]


# --- confirm ---

CONFIRM = "cooldown: 0\nhold: 0\nconfirm: 30s"


def test_the_first_press_of_two_asks(inst):
    apache(inst, group=CONFIRM)
    with no_agent(inst):
        inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Press again to confirm")
    inst.never_ran("Restart", seconds=0.6)


def test_the_second_press_of_two_runs(inst):
    apache(inst, group=CONFIRM)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Press again to confirm")
    time.sleep(2.2)  # sooner is a double click
    with no_agent(inst):
        inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    inst.wait_ran("Restart", 1)


def test_a_double_click_asks_again(inst):
    apache(inst, group=CONFIRM)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Press again to confirm")
    with no_agent(inst):
        inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Press again to confirm")
    inst.never_ran("Restart", seconds=0.6)


@pytest.mark.parametrize("press", ["press_delete", "press_move"])
def test_one_press_of_two_while_the_service_was_down(inst, press):
    apache(inst, group=CONFIRM + "\nmissed: run")
    with no_service(inst):
        getattr(inst, press)("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Not run")
    inst.never_ran("Restart", seconds=0.6)


def test_flagman_run_needs_no_second(inst):
    apache(inst, group=CONFIRM)
    inst.cli("run", "Apache/Restart", check=0)
    inst.wait_ran("Restart", 1)


# --- nobody meant one button ---

@DOWN
@pytest.mark.parametrize("presses", [("press_move", "press_move"), ("press_delete", "press_move"),
                                     ("press_copy", "press_delete")])
def test_two_flags_of_an_object(inst, down, keys, presses):
    apache(inst, group=keys)
    with down(inst):
        for press, action in zip(presses, ("Restart", "Stop")):
            getattr(inst, press)("Apache", action)
    inst.wait_log("Apache: 2 flags were missing")
    for action in ("Restart", "Stop"):
        inst.wait_state("Apache", action, "")
    inst.never_ran("Restart", "Stop", seconds=0.6)
    assert not os.listdir(inst.share / "Apache" / "Run")
    assert not [n for n in os.listdir(inst.share / ".flagman" / "staging") if len(n) == 32]


# --- within the hold ---

HELD = "cooldown: 0\nhold: 1s"


def starting(inst, keys=HELD):
    """Restart is in its hold, and that is stored."""
    apache(inst, group=keys)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Starting")
    wait_for(lambda: "Apache: Restart" in inst.text("Apache", "Restart"), "it is whole",
             dump=inst.dump)


HOLDS = pytest.mark.parametrize("down, keys", [
    (no_agent, HELD), (no_service, HELD + "\nmissed: run")], ids=["agent", "service"])


@HOLDS
@pytest.mark.parametrize("press", ["press_delete", "press_move"])
def test_pressing_starting_calls_it_off(inst, down, keys, press):
    starting(inst, keys)
    with down(inst):
        getattr(inst, press)("Apache", "Restart")
    inst.wait_text("Apache", "Restart", "pressed again before it began")
    inst.never_ran("Restart", seconds=1.5)
    assert inst.state_of("Apache", "Restart") == ""
    assert not [n for n in os.listdir(inst.share / ".flagman" / "staging") if len(n) == 32]


@HOLDS
@pytest.mark.parametrize("end, state", [("exit 0", "Done"), ("exit 1", "Failed")])
def test_what_was_called_off_shows_the_last_result(inst, down, keys, end, state):
    starting(inst, keys)
    inst.wait_state("Apache", "Restart", "Running")
    finish(inst, line=end)
    inst.wait_state("Apache", "Restart", state)
    for _ in range(2):
        inst.press_delete("Apache", "Restart")
        inst.wait_state("Apache", "Restart", "Starting")
        with down(inst):
            inst.press_delete("Apache", "Restart")
        inst.wait_text("Apache", "Restart", "pressed again before it began")
        inst.wait_state("Apache", "Restart", state)
    inst.wait_ran("Restart", 1)


@HOLDS
def test_a_result_that_was_over_is_not_shown_again(inst, down, keys):
    starting(inst, keys + "\nresult-delay: 100ms")
    inst.wait_state("Apache", "Restart", "Running")
    finish(inst)
    inst.wait_state("Apache", "Restart", "")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Starting")
    with down(inst):
        inst.press_delete("Apache", "Restart")
    inst.wait_text("Apache", "Restart", "pressed again before it began")
    assert inst.state_of("Apache", "Restart") == ""


@HOLDS
def test_the_name_that_was_pressed_is_back(inst, down, keys):
    starting(inst, keys)
    path = inst.share / "Apache" / "Restart.txt"
    with down(inst):
        inst.by("alice", lambda: path.write_text("mine\n", encoding="utf-8"))
    inst.wait_text("Apache", "Restart", "saved by an editor")
    inst.never_ran("Restart", seconds=1.5)
    wait_for(lambda: inst.board("Apache") == ["Restart (put aside).txt", "Restart.txt", "Run",
                                              "Start.txt", "Status.txt", "Stop.txt"],
             "what was saved is aside", dump=inst.dump)


def test_a_hold_goes_on_in_the_next_agent(inst):
    starting(inst)
    with no_agent(inst):
        pass
    inst.wait_state("Apache", "Restart", "Running")
    inst.wait_ran("Restart", 1)


@pytest.mark.parametrize("too", [("Stop",), ("Stop", "Start"), ("Restart", "Stop")])
def test_more_flags_of_the_object_go_within_the_hold(inst, too):
    starting(inst)
    with no_agent(inst):
        for action in too:
            inst.press_delete("Apache", action)
    for action in ("Restart", "Start", "Stop"):
        inst.wait_state("Apache", action, "")
    inst.never_ran("Restart", "Start", "Stop", seconds=1.5)


# --- several objects ---

@DOWN
@pytest.mark.parametrize("press", ["press_delete", "press_move"])
def test_flags_of_three_objects(inst, down, keys, press):
    if down is no_agent and press == "press_move":
        keys += "\nmissed: run"
    several(inst, 4, group=keys)
    with down(inst):
        for n in range(3):
            getattr(inst, press)(f"App{n}", "Restart")
    for n in range(3):
        inst.wait_text(f"App{n}", "Restart", "nobody meant one button")
        inst.wait_state(f"App{n}", "Restart", "")
    inst.never_ran("Restart0", "Restart1", "Restart2", seconds=0.6)
    assert not [n for n in os.listdir(inst.share / ".flagman" / "staging") if len(n) == 32]


@DOWN
def test_flags_of_two_objects_are_two_presses(inst, down, keys):
    several(inst, 3, group=keys)
    with down(inst):
        for n in range(2):
            inst.press_delete(f"App{n}", "Restart")
    for n in range(2):
        inst.wait_ran(f"Restart{n}", 1)
        inst.wait_state(f"App{n}", "Restart", "Done")


def test_flags_of_two_objects_and_a_held_one(inst):
    several(inst, 3, group=HELD)
    inst.press_delete("App0", "Restart")
    inst.wait_state("App0", "Restart", "Starting")
    with no_agent(inst):
        for n in (1, 2):
            inst.press_delete(f"App{n}", "Restart")
    for n in range(3):
        inst.wait_text(f"App{n}", "Restart", "nobody meant one button")
    inst.never_ran("Restart0", "Restart1", "Restart2", seconds=1.5)


def test_three_objects_over_a_while_are_three_presses(inst):
    several(inst, 3, group="cooldown: 0\nhold: 200ms\nmissed: run")
    with no_service(inst):
        for n in range(3):
            inst.press_delete(f"App{n}", "Restart")
            time.sleep(0.5)
    for n in range(3):
        inst.wait_ran(f"Restart{n}", 1)


def test_three_objects_without_a_hold_are_three_presses(inst):
    several(inst, 3)
    with no_agent(inst):
        for n in range(3):
            inst.press_delete(f"App{n}", "Restart")
    for n in range(3):
        inst.wait_ran(f"Restart{n}", 1)
