# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory and wake-ups of processes, from /proc; percentiles."""

import ctypes
import os
import platform
import re
import statistics
import time
from pathlib import Path


KCMP_VM = 1  # linux/kcmp.h
SYS_KCMP = {"x86_64": 312, "aarch64": 272}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)


def same_memory(pid, other):
    """A process that waits to become a command shares all of its runner's memory (CLONE_VM)."""
    return libc.syscall(SYS_KCMP, pid, other, KCMP_VM, 0, 0) == 0


def pss_kib(pids):
    """What the processes cost together: pages that several map are shared out between them."""
    total, counted = 0, []
    for pid in pids:
        if any(same_memory(pid, other) for other in counted):
            continue
        counted.append(pid)
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        total += int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M)[1])
    return total


def switches(pids):
    """How often each thread of the processes has slept or was made to wait, by thread."""
    found = {}
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            status = Path(f"/proc/{pid}/task/{thread}/status").read_text(encoding="utf-8")
            found[pid, thread] = sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", status)))
    return found


def wait_quiet(pids, still=3.0, patience=60.0):
    """Until none of the processes has run for STILL seconds."""
    end = time.monotonic() + patience
    last, since = switches(pids), time.monotonic()
    while time.monotonic() - since < still:
        if time.monotonic() > end:
            raise AssertionError("the processes do not come to rest")
        time.sleep(0.05)
        now = switches(pids)
        if now != last:
            last, since = now, time.monotonic()


def wakeups(pids, seconds):
    """How often each process ran in SECONDS in which nobody asked anything of it: {pid: times}."""
    before = switches(pids)
    time.sleep(seconds)
    found = {}
    for (pid, thread), times in switches(pids).items():
        woken = times - before.get((pid, thread), 0)
        if woken:
            found[pid] = found.get(pid, 0) + woken
    return found


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]


def median(values):
    return statistics.median(values)
