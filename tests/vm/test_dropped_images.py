# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole: somebody drops an image into a folder of the share, and flagman burns it.

The share is mounted as people have it; flagman and flagman-disc are those of the packages.
"""

import os
import re

import pytest

from discs import BURN_PATIENCE, burned, is_out
from share import PATH, Share

TRAY = """\
---
object: Tray
action-group:
  directory: {path: /srv/flagman, group: media}
  command: {user: flagman-disc, group: cdrom}
  actions:
    - {name: Eject, eject: {device: /dev/sr0}}
"""


@pytest.fixture
def board(machine, burner):
    """DVD in alice's folder: conf.d/dvd.yaml as it is shipped, but for the drive's name."""
    sample = os.path.join(os.path.dirname(__file__), "..", "..", "conf.d", "dvd.yaml")
    with open(sample, encoding="utf-8") as file:
        text = file.read()
    assert "/dev/sr0" in text
    share = Share(machine)
    share.serve()
    share.configure(dvd=text.replace("/dev/sr0", burner.device) + TRAY)
    machine.wait_for(f"test -e {PATH}/DVD/Burn.txt && test -d {PATH}/DVD/Burn && "
                     f"test -e {PATH}/Tray/Eject.txt")
    with share.mounted("alice") as folder:
        yield f"{folder}/DVD"
    share.configure()
    machine.wait_for(f"! test -e {PATH}/DVD/Status.txt", timeout=BURN_PATIENCE)
    machine.run(f"systemctl stop smbd; rm -rf {PATH}/DVD")


def names_of(machine, board):
    return machine.check(f"ls -1 {board}").splitlines()


def wait_board(machine, board, name, timeout=60):
    """Until a flag is called NAME; its text is worth reading if it comes to bear another end."""
    action = re.match(r"[^[.]*[^[. ]", name)[0]
    end = re.compile(rf"{action} \[(Failed|Done|Cancelled).*\]\.txt")

    def there():
        names = names_of(machine, board)
        ends = [n for n in names if end.fullmatch(n)]
        if ends and name not in names:
            raise RuntimeError(f"{ends[0]}:\n" + machine.check(f"cat '{board}/{ends[0]}'"))
        return name in names
    machine.wait_for(there, f"{board} has {name}", timeout)
    return machine.check(f"cat '{board}/{name}'", user="alice")


def drop(machine, board, image, name):
    machine.check(f"cp {image.there} '{board}/Burn/{name}'", user="alice", timeout=120)


def test_a_dropped_image_is_burned_verified_and_ejected(machine, board, burner, large):
    drop(machine, board, large, "Holiday.iso")
    text = wait_board(machine, board, "Burn [Done].txt", BURN_PATIENCE)
    assert "Holiday.iso" in text and "matches" in text, text
    assert burned(burner, large)
    assert is_out(machine, burner)
    # nothing is left to be burned: the image came back, beside what became of it
    machine.wait_for(f"test -e {board}/Burn/Returned/Holiday.iso")
    assert not machine.run(f"ls {board}/Burn/*.iso").stdout


def test_a_pressed_eject(machine, board, burner):
    assert not is_out(machine, burner)
    machine.check(f"rm {board}/Eject.txt", user="alice")
    wait_board(machine, board, "Eject [Done].txt")
    assert is_out(machine, burner)


def test_a_pressed_eject_opens_the_tray(machine, board, drive, small):
    """qemu's drive, which a person can look at."""
    machine.cd_insert(small.here)
    tray = board.replace("DVD", "Tray")
    machine.check(f"rm {tray}/Eject.txt", user="alice")
    machine.wait_for(lambda: machine.cd_status().open, "the tray is open")
    wait_board(machine, tray, "Eject [Done].txt")


def test_an_image_that_is_cut_short_fails_and_says_so(machine, board, burner, small):
    machine.check(f"head -c 1000000 {small.there} >'{board}/Burn/Half.iso'", user="alice")
    failed = re.compile(r"Burn \[Failed.*\]\.txt")
    machine.wait_for(lambda: any(map(failed.fullmatch, names_of(machine, board))),
                     "Burn has failed", BURN_PATIENCE)
    name = next(filter(failed.fullmatch, names_of(machine, board)))
    assert "cut short" in machine.check(f"cat '{board}/{name}'", user="alice")
    assert burner.size() == 0


def test_progress_is_in_the_flags_text(machine, board, burner, large):
    drop(machine, board, large, "Slow.iso")
    machine.wait_for(lambda: re.search(r"\d+% (burning|reading)", machine.run(
        f"cat '{board}/'Burn*.txt").stdout), "the text says how far it is", BURN_PATIENCE)
    wait_board(machine, board, "Burn [Done].txt", BURN_PATIENCE)


def test_what_was_burned_verifies_by_press(machine, board, burner, large, disc):
    """Without the image: by what flagman has noted about the burn."""
    drop(machine, board, large, "Again.iso")
    wait_board(machine, board, "Burn [Done].txt", BURN_PATIENCE)
    assert disc("eject", f"--device={burner.device}", "--close").status == 0
    machine.wait_for(lambda: "Verify.txt" in names_of(machine, board), "Verify is ready")
    machine.check(f"rm {board}/Verify.txt", user="alice")
    text = wait_board(machine, board, "Verify [Done].txt", BURN_PATIENCE)
    assert "matches" in text, text
