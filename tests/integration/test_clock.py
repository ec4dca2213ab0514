# SPDX-License-Identifier: GPL-2.0-or-later
"""The wall clock is set while flagman runs, and while it does not: by a day, and by 50 years.

Only the clock of flagman's processes is (lib/clock.c); files keep the kernel's times, so what is
pressed while flagman is down is stamped by the test.
"""

import json
import os
import re
import time

import pytest
from boards import QUICK, apache, finish
from lib import preload
from lib.waiting import stays, wait_for

DAY = 86400
AGE = 50 * 365 * DAY
JUMPS = pytest.mark.parametrize("jump", [DAY, -DAY, AGE, -AGE],
                                ids=["tomorrow", "yesterday", "later", "earlier"])
BOTH = pytest.mark.parametrize("jump", [DAY, -AGE], ids=["tomorrow", "earlier"])
FORTH_AND_BACK = pytest.mark.parametrize("jump", [AGE, -AGE], ids=["later", "earlier"])
ABSURD = r"\d d\b|-\d+ (s|min|h|ms)\b"  # no run of these tests takes a day
DROP = """
- name: Deploy
  command: %ACT% Deploy 'test -e %OUT%/mended'
  drop: {folder: In, accept: ['*.war'], settle: 100ms, keep-failed: 10h}
"""


class Clock:
    """What flagmand, the agent, the runners and flagman take for the time."""

    def __init__(self, inst, library):
        self.inst = inst
        self.file = inst.root / "clock"
        self.file.write_bytes(bytes(8))
        self.off = 0
        preload.wrap(inst, ("flagman", "flagman-agent", "flagman-runner"), library,
                     FAKE_CLOCK=self.file)
        inst.environment.update(
            LD_PRELOAD=str(library), FAKE_CLOCK=str(self.file),
            ASAN_OPTIONS=f"log_path={inst.sanitizer}/asan:detect_leaks=0:handle_abort=1:"
                         "verify_asan_link_order=0")

    def set(self, off):
        """So many seconds beside the real one, in one step."""
        with open(self.file, "r+b", buffering=0) as f:
            f.write((off * 1_000_000).to_bytes(8, "little", signed=True))
        self.off = off

    def stamp(self, path):
        """PATH was changed just now."""
        now = time.time() + self.off
        os.utime(path, (now, now))


@pytest.fixture(scope="session")
def clock_library(session_dir):
    return preload.build("clock", session_dir)


@pytest.fixture
def clock(inst, clock_library):
    return Clock(inst, clock_library)


def history(inst):
    return json.loads(inst.cli("history", "--json", check=0).stdout)


def quiet(inst, action="exit 0", keys=""):
    """Apache with a Restart that ends by itself."""
    return apache(inst, group=QUICK + "\n" + keys,
                  actions=f"- name: Restart\n  command: %ACT% Restart '{action}'\n")


def press(inst, count):
    """It runs, for the COUNTth time, and is Done."""
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", count)
    wait_for(lambda: [run["state"] for run in history(inst)] == ["done"] * count,
             f"{count} runs are done", dump=inst.dump)


def in_words(inst):
    """What people are shown must not be absurd."""
    words = inst.text("Apache", "Restart") + inst.cli("status", check=0).stdout
    words += inst.cli("history", check=0).stdout
    assert not re.search(ABSURD, words), words
    return words


def settled(inst):
    """The history was pruned, and the last claim given up."""
    last = inst.state / "runs" / history(inst)[0]["token"]
    wait_for(lambda: not last.exists(), "the claim is given up", dump=inst.dump)


def test_the_clock_of_the_tests(inst, clock):
    """Or all that follows would show nothing."""
    clock.set(AGE)
    quiet(inst)
    press(inst, 1)
    run, = history(inst)
    year = time.gmtime(time.time() + AGE).tm_year
    assert [int(run[key][:4]) for key in ("claimed", "started", "ended")] == [year] * 3
    clock.set(0)
    press(inst, 2)
    assert int(history(inst)[0]["claimed"][:4]) == time.gmtime().tm_year


# --- while it runs ---

@BOTH
def test_hold_run_cooldown_and_result_are_as_long_as_ever(inst, clock, jump):
    apache(inst, group="hold: 700ms\ncooldown: 2s\nresult-delay: 3s")
    begun = time.monotonic()
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Starting")
    clock.set(jump)
    inst.wait_state("Apache", "Restart", "Running")
    assert time.monotonic() - begun >= 0.7
    clock.set(0)
    clock.set(jump)
    inst.tell("Restart", "echo after it")
    inst.wait_text("Apache", "Restart", "after it")
    assert "So far" in in_words(inst)
    ended = time.monotonic()
    clock.set(-jump)
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    clock.set(jump)
    in_words(inst)
    inst.press_delete("Apache", "Restart")  # within the cooldown, unless all this took too long
    if time.monotonic() - ended < 2:
        inst.wait_text("Apache", "Restart", "It ended just now")
        inst.wait_state("Apache", "Restart", re.compile("Done|"))
        inst.wait_ran("Restart", 1)
        inst.wait_state("Apache", "Restart", "")
        assert time.monotonic() - ended >= 3
    inst.wait_state("Apache", "Stop", "")


@BOTH
def test_a_timeout_comes_when_it_is_due(inst, clock, jump):
    apache(inst, actions="- name: Restart\n  command: %ACT% Restart listen\n  timeout: 1s\n")
    inst.press_delete("Apache", "Restart")
    begun = time.monotonic()
    inst.wait_state("Apache", "Restart", "Running")
    clock.set(jump)
    inst.wait_state("Apache", "Restart", "Failed")
    assert time.monotonic() - begun >= 0.9
    inst.wait_text("Apache", "Restart", "timed out after 1 s")
    in_words(inst)


@BOTH
def test_confirm_waits_as_long_as_ever(inst, clock, jump):
    quiet(inst, keys="confirm: 5s")
    for count in (1, 2):
        inst.press_delete("Apache", "Restart")
        inst.wait_state("Apache", "Restart", "Press again to confirm")
        clock.set(jump * (2 - count))
        if count == 1:
            inst.wait_state("Apache", "Restart", "")
    asked = time.monotonic()

    def pressed_again():
        if inst.state_of("Apache", "Restart") == "Press again to confirm" and (
                time.monotonic() - asked > 2):
            inst.press_delete("Apache", "Restart")
            return True
        return False
    wait_for(pressed_again, "two seconds have passed", dump=inst.dump)
    inst.wait_ran("Restart", 1)


@JUMPS
def test_the_start_limit_is_not_reset(inst, clock, jump):
    quiet(inst, keys="start-limit-burst: 2\nstart-limit-interval: 30min")
    press(inst, 1)
    press(inst, 2)
    clock.set(jump)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Paused")
    clock.set(0)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Paused")
    inst.wait_ran("Restart", 2)


@BOTH
def test_a_pause_ends(inst, clock, jump):
    quiet(inst, keys="start-limit-burst: 1\nstart-limit-interval: 2s")
    press(inst, 1)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Paused")
    clock.set(jump)
    inst.wait_state("Apache", "Restart", "")
    press(inst, 2)


# --- over a restart ---

@JUMPS
def test_a_run_is_adopted(inst, clock, jump):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    inst.stop()
    clock.set(jump)
    inst.start()
    inst.wait_state("Apache", "Restart", "Running")
    inst.tell("Restart", "echo after it")
    inst.wait_text("Apache", "Restart", "after it")
    words = inst.text("Apache", "Restart")
    assert not re.search(r"So far +(\d{3,} d|-)", words), words  # at most since the machine started
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    in_words(inst)
    inst.wait_ran("Restart", 1)


@BOTH
def test_a_result_fades_over_a_restart(inst, clock, jump):
    quiet(inst, keys="result-delay: 1s")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Done")
    inst.stop()
    clock.set(jump)
    inst.start()
    inst.wait_state("Apache", "Restart", "")
    press(inst, 2)


@BOTH
def test_a_pause_ends_over_a_restart(inst, clock, jump):
    """Nobody knows how old a start is that is noted for tomorrow: it does not count."""
    clock.set(-jump)
    quiet(inst, keys="start-limit-burst: 2\nstart-limit-interval: 3s")
    press(inst, 1)
    press(inst, 2)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Paused")
    inst.stop()
    clock.set(0)
    inst.start()
    inst.wait_state("Apache", "Restart", "")
    press(inst, 3)


def test_the_start_limit_holds_over_a_restart(inst, clock):
    """What of a clock that was wrong for a while is in the history does not hide what counts."""
    quiet(inst, keys="start-limit-burst: 2\nstart-limit-interval: 30min")
    press(inst, 1)
    inst.restart()
    press(inst, 2)
    inst.restart()
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Paused")
    inst.wait_ran("Restart", 2)


@pytest.mark.parametrize("before, after, state", [
    (DAY, DAY, "Done"),
    (-AGE, -AGE, "Done"),
    (0, DAY, "Not run"),
    (0, AGE, "Not run"),
    (0, -DAY, "Not run"),
    (AGE, 0, "Not run"),
])
def test_missed_presses(inst, clock, before, after, state):
    """Of one whose age nobody knows, nobody knows that it is young."""
    clock.set(before)
    quiet(inst, keys="missed: run")
    inst.stop()
    inst.press_delete("Apache", "Restart")
    clock.stamp(inst.share / "Apache")
    clock.set(after)
    inst.start()
    inst.wait_state("Apache", "Restart", state)
    assert len(inst.ran("Restart")) == (state == "Done")
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 1 + (state == "Done"))


@FORTH_AND_BACK
def test_a_second_press_that_is_years_away_confirms_nothing(inst, clock, jump):
    quiet(inst, keys="confirm: 1min\nmissed: run")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Press again to confirm")
    inst.stop()
    clock.set(jump)
    inst.press_delete("Apache", "Restart")
    clock.stamp(inst.share / "Apache")
    inst.start()
    inst.wait_state("Apache", "Restart", "Not run")
    inst.never_ran("Restart", seconds=0.2)


def returned(inst):
    return inst.share / "Apache" / "In" / "Returned" / "shop.war"


@JUMPS
def test_a_payload_that_failed_is_never_lost(inst, clock, jump):
    """Kept for another try, or returned: that the clock says when."""
    apache(inst, actions=DROP)
    inst.drop("Apache", "In", "shop.war", b"content")
    inst.wait_state("Apache", "Deploy", "Failed")
    clock.set(jump)
    stays(lambda: not returned(inst).exists(), "it is kept", 0.2, inst.dump)
    inst.restart()
    if jump > 0:
        wait_for(lambda: returned(inst).read_bytes() == b"content", "it is returned",
                 dump=inst.dump)
        return
    (inst.out / "mended").touch()
    inst.wait_state("Apache", "Deploy", "Failed")
    inst.press_delete("Apache", "Deploy")
    inst.wait_state("Apache", "Deploy", "Done")
    wait_for(lambda: returned(inst).read_bytes() == b"content", "it is returned", dump=inst.dump)


# --- the history ---

@FORTH_AND_BACK
def test_the_history_outlives_a_wrong_clock(inst, clock, jump):
    """history-age is 90 days, and for a while it is another year."""
    quiet(inst)
    for count in (1, 2, 3):
        press(inst, count)
    inst.restart()
    for count, off in ((4, jump), (5, 0)):
        clock.set(off)
        press(inst, count)
        settled(inst)
        in_words(inst)
    inst.restart()
    press(inst, 6)
    inst.restart()
    assert [run["run"] for run in history(inst)] == [6, 5, 4, 3, 2, 1]


@FORTH_AND_BACK
def test_the_history_outlives_a_start_with_a_wrong_clock(inst, clock, jump):
    quiet(inst)
    for count in (1, 2, 3):
        press(inst, count)
    inst.stop()
    clock.set(jump)
    inst.start()
    press(inst, 4)
    settled(inst)
    assert [run["run"] for run in history(inst)] == [4, 3, 2, 1]
