# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the audit log is followed yet."""

import os

from lib import processes
from lib.waiting import wait_for


def followers(inst):
    """What follows a log, for this instance."""
    below = processes.descendants(inst.process.pid)
    return [p for p in below if processes.comm(p) == "tail" and processes.alive(p)]


def has_open(pid, path):
    return any(os.readlink(f"/proc/{pid}/fd/{fd}") == str(path)
               for fd in os.listdir(f"/proc/{pid}/fd"))


def wait_followed(inst, path, but=None):
    """The pid of what follows PATH, once it does."""
    def follows():
        return [p for p in followers(inst) if p != but and has_open(p, path)]
    pid, = wait_for(follows, f"{path} is followed", dump=inst.dump)
    return pid
