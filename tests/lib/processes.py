# SPDX-License-Identifier: GPL-2.0-or-later
"""Who descends from whom, and ending all of it.

A test process is a child subreaper: whatever a test starts, and whatever that starts, stays its
descendant when parents die.  So nothing is ever looked for by name, and nothing is lost.
"""

import ctypes
import os
import signal
import time

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def children(pid):
    """Direct children of PID, from every thread of it."""
    found = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as f:
                found += [int(word) for word in f.read().split()]
        except OSError:
            continue
    return found


def _scan(pid):
    found = []
    queue = children(pid)
    while queue:
        child = queue.pop(0)
        found.append(child)
        queue += children(child)
    return found


def descendants(pid):
    """All below PID, parents before children.  A parent that dies while it is looked at takes its
    children out of sight, up to where we have been: so until two looks agree."""
    found = None
    while True:
        last, found = found, _scan(pid)
        if found == last:
            return found


def comm(pid):
    """The process's name (15 bytes of it), or "" when it is gone."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as f:
            return f.read().rstrip("\n")
    except OSError:
        return ""


def state(pid):
    """"R", "S", "Z", ... or "" when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def alive(pid):
    return state(pid) not in ("", "Z", "X")


def cmdline(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def describe(pids):
    lines = []
    for pid in pids:
        if state(pid):
            lines.append(f"  {pid:>7} {state(pid)} {comm(pid):<16} {cmdline(pid)[:120]}")
    return "\n".join(lines)


def reap():
    """Collects the dead that were handed to us as subreaper."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def end_all(spare=(), grace=10):
    """Kills every descendant of this process but the trees of SPARE; returns those it killed.

    Killing makes orphans, which become our children: so again, until nothing is left.  Who is
    handed over just now may be seen on neither side: so nothing must be left twice.
    """
    killed = set()
    looks = 0
    end = time.monotonic() + grace
    while True:
        keep = set(spare)
        for pid in spare:
            keep.update(descendants(pid))
        left = [pid for pid in descendants(os.getpid()) if pid not in keep and alive(pid)]
        looks = 0 if left else looks + 1
        if looks == 2:
            break
        if time.monotonic() > end:
            raise AssertionError("could not be killed:\n" + describe(left))
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            except ProcessLookupError:
                continue
        for pid in children(os.getpid()):
            if pid not in keep:
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    continue
        time.sleep(0.005)
    for pid in children(os.getpid()):
        if pid not in spare and not alive(pid):
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue
    return killed
