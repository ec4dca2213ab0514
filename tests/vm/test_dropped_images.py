# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole: somebody drops an image into a folder of the share, and flagman burns it."""

import os
import re

import pytest

from discs import BURN_PATIENCE, burned, is_out

SHARE = "/srv/flagman"
BASE = "/srv/flagman-test"
UNIT = "flagman-test"
BOARD = f"{SHARE}/DVD"


@pytest.fixture
def flagmand(machine, programs, burner):
    """conf.d/dvd.yaml as it is shipped, but for the drive's name, and all of flagman for it."""
    sample = os.path.join(os.path.dirname(__file__), "..", "..", "conf.d", "dvd.yaml")
    with open(sample, encoding="utf-8") as file:
        text = file.read()
    assert "/dev/sr0" in text
    machine.write(f"{BASE}/conf.d/dvd.yaml", text.replace("/dev/sr0", burner.device))
    machine.check(f"mkdir -p {BASE}/state {BASE}/run {SHARE} && chmod 755 {SHARE}")
    machine.check(f"{programs['flagman']} check {BASE}/conf.d")
    machine.check(f"systemd-run --quiet --collect --unit={UNIT} -p Type=notify -p NotifyAccess=all "
                  f"{programs['flagmand']} --conf-dir {BASE}/conf.d --state-dir {BASE}/state "
                  f"--run-dir {BASE}/run --user flagman")
    wait_board(machine, "Burn.txt")
    yield
    machine.run(f"systemctl stop {UNIT}")
    machine.run(f"rm -rf {BASE} {SHARE}")


def board(machine):
    return machine.check(f"ls -1 {BOARD}").splitlines()


def wait_board(machine, name, timeout=60):
    """Until a flag is called NAME; its text is worth reading if it comes to bear another end."""
    action = re.match(r"[^[.]*[^[. ]", name)[0]
    end = re.compile(rf"{action} \[(Failed|Done|Cancelled).*\]\.txt")

    def there():
        names = board(machine)
        ends = [n for n in names if end.fullmatch(n)]
        if ends and name not in names:
            raise RuntimeError(f"{ends[0]}:\n" + machine.check(f"cat '{BOARD}/{ends[0]}'"))
        return name in names
    machine.wait_for(there, f"{BOARD} has {name}", timeout)
    return machine.check(f"cat '{BOARD}/{name}'")


def test_a_dropped_image_is_burned_verified_and_ejected(machine, flagmand, burner, large):
    machine.check(f"cp {large.there} '{BOARD}/Burn/Holiday.iso'", user="alice")
    text = wait_board(machine, "Burn [Done].txt", BURN_PATIENCE)
    assert "Holiday.iso" in text and "matches" in text, text
    assert burned(burner, large)
    assert is_out(machine, burner)
    # nothing is left to be burned: the image came back, beside what became of it
    machine.wait_for(f"test -e {BOARD}/Burn/Returned/Holiday.iso")
    assert not machine.run(f"ls {BOARD}/Burn/*.iso").stdout


def test_a_pressed_eject(machine, flagmand, burner):
    assert not is_out(machine, burner)
    machine.check(f"rm {BOARD}/Eject.txt", user="alice")
    wait_board(machine, "Eject [Done].txt")
    assert is_out(machine, burner)


def test_an_image_that_is_cut_short_fails_and_says_so(machine, flagmand, burner, small):
    machine.check(f"head -c 1000000 {small.there} >'{BOARD}/Burn/Half.iso'", user="alice")
    wait_board_failed = re.compile(r"Burn \[Failed.*\]\.txt")
    machine.wait_for(lambda: any(wait_board_failed.fullmatch(n) for n in board(machine)),
                     "Burn has failed", BURN_PATIENCE)
    name = next(n for n in board(machine) if wait_board_failed.fullmatch(n))
    assert "cut short" in machine.check(f"cat '{BOARD}/{name}'")
    assert burner.size() == 0


def test_progress_is_in_the_flags_text(machine, flagmand, burner, large):
    machine.check(f"cp {large.there} '{BOARD}/Burn/Slow.iso'", user="alice")
    machine.wait_for(lambda: re.search(r"\d+% (burning|reading)", machine.run(
        f"cat '{BOARD}/'Burn*.txt").stdout), "the text says how far it is", BURN_PATIENCE)
    wait_board(machine, "Burn [Done].txt", BURN_PATIENCE)


def test_what_was_burned_verifies_by_press(machine, flagmand, burner, large, disc):
    """Without the image: by what flagman has noted about the burn."""
    machine.check(f"cp {large.there} '{BOARD}/Burn/Again.iso'", user="alice")
    wait_board(machine, "Burn [Done].txt", BURN_PATIENCE)
    assert disc("eject", f"--device={burner.device}", "--close").status == 0
    machine.wait_for(lambda: "Verify.txt" in board(machine), "Verify is ready")
    machine.check(f"rm {BOARD}/Verify.txt", user="alice")
    text = wait_board(machine, "Verify [Done].txt", BURN_PATIENCE)
    assert "matches" in text, text
