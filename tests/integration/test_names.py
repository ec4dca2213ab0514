# SPDX-License-Identifier: GPL-2.0-or-later
"""Names that differ only in case, or in how their accents are written."""

import json
import unicodedata

import pytest
from boards import QUICK
from lib.waiting import wait_for

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Gerät prüfen") for form in ("NFC", "NFD"))
PAIRS = pytest.mark.parametrize("one, other", [
    ("restart", "Restart"), (COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED.upper()),
], ids=["case", "accents", "both"])


def action(name, word="Restart"):
    return f"- name: {name}\n  command: %ACT% {word} 'exit 0'\n"


def shown(name):
    """Whoever wrote it, flagman composes it."""
    return unicodedata.normalize("NFC", name)


def folded(name):
    return unicodedata.normalize("NFC", name).casefold()


def flags(inst):
    return [name for name in inst.board("Apache") if name not in ("Run", "Status.txt")]


def history(inst, *names):
    return json.loads(inst.cli("history", *names, "--json", check=0).stdout)


def one_flag(inst, name):
    """There is one, and it is called so."""
    wait_for(lambda: flags(inst) == [f"{shown(name)}.txt"], f"one flag, {name!r}", dump=inst.dump)


def test_the_pairs_are_what_they_say():
    assert COMPOSED != DECOMPOSED and folded(COMPOSED) == folded(DECOMPOSED)


@PAIRS
def test_two_buttons_of_one_name(inst, one, other):
    """The configuration is wrong; nobody presses the one and runs the other."""
    inst.define("Apache", action(one) + action(other, "Other"), group=QUICK)
    done = inst.cli("check", str(inst.conf))
    assert done.returncode == 78 and shown(other) in done.stdout + done.stderr
    inst.start()
    inst.never_ran("Restart", "Other", seconds=0.1)
    assert len({folded(name) for name in flags(inst)}) == len(flags(inst))


@PAIRS
@pytest.mark.parametrize("again", ["reload", "restart"])
def test_an_action_is_written_otherwise(inst, one, other, again):
    """It is the same one: one flag, under its new name, with what it has done."""
    inst.define("Apache", action(one), group=QUICK + "\nresult-delay: 200ms")
    inst.start()
    one_flag(inst, one)
    inst.press_delete("Apache", shown(one))
    inst.wait_ran("Restart", 1)
    one_flag(inst, one)
    if again == "restart":
        inst.stop()
    inst.define("Apache", action(other), group=QUICK + "\nresult-delay: 200ms")
    if again == "restart":
        inst.start()
    else:
        inst.reload()
    one_flag(inst, other)
    inst.wait_text("Apache", shown(other), "The last run|Earlier runs")
    before = inst.path_of("Apache", shown(other)).stat().st_ino
    inst.restart()  # nothing of the other spelling is left to be tidied up
    one_flag(inst, other)
    assert inst.path_of("Apache", shown(other)).stat().st_ino == before
    inst.wait_ran("Restart", 1)
    inst.press_delete("Apache", shown(other))
    inst.wait_ran("Restart", 2)
    one_flag(inst, other)
    for name in (one, other):
        wait_for(lambda n=name: len(history(inst, f"Apache/{n}")) == 2, "both runs are found",
                 dump=inst.dump)
