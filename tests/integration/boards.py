# SPDX-License-Identifier: GPL-2.0-or-later
"""The objects that most tests press, and what they ask again and again."""

import ctypes
import os
import re
import shutil

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


def was_no_press(inst, obj="Apache", action="Restart", word=None):
    """The flag is ready again, and a real press is the first and only one that runs."""
    word = word or action
    inst.wait_state(obj, action, "")
    inst.wait_text(obj, action, "How to press it")  # the flag, not what an editor left there
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
