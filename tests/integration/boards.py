# SPDX-License-Identifier: GPL-2.0-or-later
"""The objects that most tests press, and what they ask again and again."""

import ctypes
import os
import re
import shutil

from lib.waiting import wait_for

THREE = """
- name: Restart
  command: %ACT% Restart listen
- name: Start
  command: %ACT% Start listen
- name: Stop
  command: %ACT% Stop listen
"""
QUICK = "hold: 0\ncooldown: 0"


def apache(inst, group=QUICK, actions=THREE, **keys):
    """Apache with Restart, Start and Stop, which run until they are told to end; started."""
    inst.define("Apache", actions, group=group, **keys)
    inst.start()
    first = re.search(r"- name: (.*)", actions)[1]
    inst.wait_state("Apache", first, "")
    # the last that is made: who touches all there is has all of it
    wait_for((inst.share / "Apache" / "Status.txt").exists, "Status.txt is there", dump=inst.dump)
    inst.made = {name: f.file.stat().st_ino for name, f in inst.flags("Apache").items()}
    return inst


def several(inst, count, group=QUICK, action="Restart", shell="exit 0"):
    """COUNT objects App0, App1, ... with one action each, whose commands are RestartN."""
    for n in range(count):
        inst.define(f"App{n}", f"- name: {action}\n  command: %ACT% {action}{n} '{shell}'\n",
                    group=group)
    inst.start()
    for n in range(count):
        inst.wait_state(f"App{n}", action, "")
    return inst


def finish(inst, name="Restart", line="exit 0"):
    inst.tell(name, line)


def is_flagmans(inst, obj, action):
    """Ready, and not an editor's file that is about to be put right: those say "changed"."""
    flag = inst.flag(obj, action)
    return flag.state == "" and (flag.file.stat().st_ino == inst.made[action] or (
        f"{obj}: {action}" in flag.text and "changed" not in flag.text))


def was_no_press(inst, obj="Apache", action="Restart", word=None):
    """The flag is ready again, and a real press is the first and only one that runs."""
    word = word or action
    wait_for(lambda: is_flagmans(inst, obj, action), f"{obj}/{action} is as it was",
             dump=inst.dump)
    assert not inst.ran(word), f"{word} ran\n" + inst.dump()
    inst.press_delete(obj, action)
    inst.wait_ran(word, 1)
    inst.wait_state(obj, action, "Running")


def remove_tree(path):
    """rm -rf: flagman may put things back while it is under way, which is rm's problem."""
    shutil.rmtree(path, ignore_errors=True)


def exchange(one, other):
    """Two paths swap what they name, in one step: flagman can't be faster."""
    libc = ctypes.CDLL(None, use_errno=True)
    at_fdcwd, rename_exchange = -100, 2
    if libc.renameat2(at_fdcwd, os.fsencode(one), at_fdcwd, os.fsencode(other),
                      rename_exchange) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
