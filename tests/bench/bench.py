#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures what flagman must reach, side by side with its floor.

The floor is a raw inotify loop with clone and exec that checks, drops and records nothing: what no
such program can beat.  Both are measured in turn in one run, and the ratios are what counts: the
microseconds are those of the machine and of the minute.  As root commands are run by an
unprivileged user, as they should be; as an ordinary user nothing is dropped, and memory can't be
measured, for the processes let nobody look into them.

Ends with 1 when a figure is beyond its limit.  --quick is for machines that do other work too:
fewer rounds, ratios with slack, no limits for p99 and in milliseconds; nothing may be lost all the
same.
"""

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

from discs import measure_discs
from lib.processes import comm
from measure import median, percentile, pss_kib, wait_quiet, wakeups
from rig import Bench, Flagman, Floor

SLACK = 3  # of a ratio's limit, with --quick: other work shares the processors of a CI machine
# PSS shares a library's pages among all who map it: beside fewer programs the same one counts more.
PSS_SLACK = 1.3
AT_ONCE = {"hold": "0", "cooldown": "0", "start-limit-burst": "1000000"}
MIB = 1024


# pace: what it is called, how bench-press does it, its pause in us, share of the presses, limits.
# The first is what a person meets, the second what a script does, the third is throughput: there
# the work that follows a press stands in the way of the next one.
PACES = {
    "calm": ("press, 3 ms after the last flag is back", "wait", 3000, 0.4, (2.5, 4)),
    "next": ("press, once the last flag is back", "wait", 0, 1, (2.5, 4)),
    "train": ("press, once the last command has started", "train", 0, 1, (None, None)),
}


class Table:
    """The figures, printed as they come."""

    def __init__(self, quick):
        self.quick = quick
        self.beyond = []
        print(f"{'figure':50} {'floor':>10} {'flagman':>10} {'ratio':>6} {'limit':>8}", flush=True)

    def _line(self, name, floor, value, ratio, limit, fine):
        if not fine:
            self.beyond.append(name)
        print(f"{name:50} {floor:>10} {value:>10} {ratio:>6} {limit:>8}"
              f"{'' if fine else '  BEYOND'}", flush=True)

    def ratio(self, name, pairs, unit, limit=None):
        """PAIRS of (floor, flagman) by round; the median of their ratios is held against LIMIT."""
        ratio = median([flagman / floor for floor, flagman in pairs])
        if limit and self.quick:
            limit *= SLACK
        self._line(name, f"{median([p[0] for p in pairs]):.0f} {unit}",
                   f"{median([p[1] for p in pairs]):.0f} {unit}", f"{ratio:.2f}",
                   f"{limit:.1f}" if limit else "-", not limit or ratio <= limit)

    def value(self, name, value, unit, limit=None, floor="", always=True):
        """A figure of flagman's own; a limit that is not for ALWAYS is not for --quick."""
        if self.quick and not always:
            limit = None
        if self.quick and limit and unit == "MiB":
            limit *= PSS_SLACK
        shown = f"{value:.0f}" if unit != "MiB" else f"{value:.2f}"
        self._line(name, floor, f"{shown} {unit}".strip(), "",
                   f"{limit:g} {unit}".strip() if limit is not None else "-",
                   limit is None or value <= limit)


def measure_presses(bench, table, options):
    """Single presses and bursts, floor and flagman in turn."""
    flagman = Flagman(bench, "presses")
    flagman.objects("Single", 100, 3, AT_ONCE)
    flagman.objects("Burst", 100, 10, {**AT_ONCE, "serialise": "none"})
    flagman.start_timed(60)
    singles, bursts = flagman.presses["Single"][:100], flagman.presses["Burst"]
    flagman.wait_flags(singles + bursts)
    floor, floor_bursts = Floor(bench, "Single", 100, 1), Floor(bench, "Burst", 100, 10)
    found = {kind: [] for kind in (*PACES, "burst")}
    bursts_lost = 0
    for turn in range(options.rounds):
        got = {kind: [None, None] for kind in found}
        for who in (0, 1) if turn % 2 == 0 else (1, 0):
            presses = singles if who else floor.presses
            for pace, (_, how, pause, share, _) in PACES.items():
                if who:
                    flagman.wait_flags(singles)
                got[pace][who] = bench.single(presses, int(options.presses * share), pause,
                                              how if who else "make")
            if who:
                flagman.wait_flags(bursts)
                burst = bench.burst(bursts)
                bursts_lost += lost(flagman, bursts, burst)
                flagman.wait_flags(bursts)
            else:
                floor_bursts.make_flags()
                burst = bench.burst(floor_bursts.presses)
            got["burst"][who] = burst.last_ms
        for kind, pair in got.items():
            found[kind].append(pair)
    for pace, (what, _, _, _, limits) in PACES.items():
        for p, limit in zip((50, 99), limits):
            pairs = [(percentile(a, p), percentile(b, p)) for a, b in found[pace]]
            # a hundredth of a few presses is one press, and whatever else ran just then
            table.ratio(f"{what}: p{p}", pairs, "us", None if p == 99 and table.quick else limit)
    table.ratio("1,000 presses at once: the last one's start", found["burst"], "ms", 5)
    table.value("1,000 presses at once: lost", bursts_lost, "", 0)
    floor.close()
    floor_bursts.close()
    flagman.stop()


def lost(flagman, presses, burst):
    """How many presses did not run, and show nothing of it in their flags, or ran twice."""
    shown = flagman.accounted(presses, burst.lost)
    if shown:
        states = {state: list(shown.values()).count(state) for state in set(shown.values())}
        print(f"# not run, by what their flags show: {states}")
    if burst.twice:
        print(f"# run twice: {burst.twice}")
    told = ("Not run", "Failed", "Cancelled", "Paused")
    return len(burst.twice) + sum(state not in told for state in shown.values())


def measure_idle(bench, table, options):
    """Memory, wake-ups and a client's listing, with every setting at its default."""
    flagman = Flagman(bench, "idle")
    flagman.objects("Idle", 20, 3, {})
    flagman.start_timed(60)
    flagman.wait_flags(flagman.presses["Idle"])
    wait_quiet(flagman.all_pids())
    if bench.people.root:
        floor = Floor(bench, "Idle", 20, 1)
        table.value("memory when idle, all processes (PSS)", pss_kib(flagman.all_pids()) / MIB,
                    "MiB", 3, f"{pss_kib(floor.pids()) / MIB:.2f} MiB")
        say_memory(flagman)
        floor.close()
    woken = wakeups(flagman.all_pids(), options.idle)
    table.value(f"wake-ups when idle, in {options.idle} s", sum(woken.values()), "", 0)
    if woken:
        print("# woken:", ", ".join(f"{comm(pid)} {times}" for pid, times in woken.items()))
    measure_listing(bench, table, flagman, options)
    flagman.stop()


def say_memory(flagman):
    print("# KiB:", ", ".join(f"{comm(pid)} {pss_kib([pid])}" for pid in flagman.all_pids()))


def measure_listing(bench, table, flagman, options):
    """From a client's request to delete a flag until its listing has `Starting`."""
    smbd = bench.smbd()
    smbd.share("flags", flagman.share)
    smbd.start()
    session = smbd.session("flags")
    times = []
    for press in flagman.presses["Idle"][:options.listings]:
        session.names(press.object)
        began = time.monotonic()
        session.delete(f"{press.object}/{press.action}.txt")
        while f"{press.action} [Starting].txt" not in session.names(press.object):
            if time.monotonic() - began > 5:
                raise AssertionError(f"never Starting: {session.names(press.object)}")
        times.append((time.monotonic() - began) * 1000)
        flagman.wait_state(press.object, press.action, "Done")
    table.value("press to Starting in a client's listing: p50", percentile(times, 50), "ms", 20,
                always=False)
    table.value("press to Starting in a client's listing: worst", max(times), "ms")
    smbd.stop()


def measure_many(bench, table, options):
    """10,000 objects: memory and start; then all their flags at once, more than the queue takes."""
    n = options.objects
    flagman = Flagman(bench, "many")
    flagman.objects("Many", n, 3, {**AT_ONCE, "serialise": "none"})
    table.value(f"{n} objects: first start, flags made", flagman.start_timed(300), "ms")
    presses = flagman.presses["Many"]
    flagman.wait_flags(presses)
    flagman.stop()
    floor = Floor(bench, "Many", n, 3)
    starts = [(floor.start_timed(), restart(flagman)) for _ in range(5)]
    table.value(f"{n} objects: start with the flags in place", median([s[1] for s in starts]),
                "ms", 500, f"{median([s[0] for s in starts]):.0f} ms", always=False)
    flagman.wait_flags(presses)
    wait_quiet(flagman.all_pids())
    if bench.people.root:
        table.value(f"{n} objects, {3 * n} flags: memory (PSS)",
                    pss_kib(flagman.all_pids()) / MIB, "MiB", 3 + 17 * n / 10000,
                    f"{pss_kib(floor.pids()) / MIB:.2f} MiB")
        say_memory(flagman)
    flood(bench, table, flagman, floor)
    floor.close()
    flagman.stop()


def restart(flagman):
    if flagman.process.poll() is None:
        flagman.stop()
    return flagman.start_timed(60)


def flood(bench, table, flagman, floor):
    """All flags at once while the watcher stands still, so that the queue overflows for certain."""
    presses = flagman.presses["Many"]
    what = f"{len(presses)} presses at once, the queue overflows"
    watcher = flagman.pids("watcher")[0]
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text(encoding="ascii"))
    os.kill(watcher, signal.SIGSTOP)
    junk = [presses[0].path.parent / f"junk{i}" for i in (0, 1)]
    junk[0].touch()
    for i in range(limit // 2 + 1):
        os.rename(junk[i % 2], junk[1 - i % 2])
    going_on = threading.Timer(1, os.kill, (watcher, signal.SIGCONT))
    going_on.start()
    burst = bench.burst(presses, 30)
    going_on.join()
    table.value(f"{what}: lost", lost(flagman, presses, burst), "", 0)
    floor.make_flags()
    floored = bench.burst(floor.presses, 3)
    table.value(f"{what}: the last one's start", burst.last_ms, "ms",
                floor=f"{floored.last_ms:.0f} ms")
    print(f"# the floor lost {len(floored.lost)} of them")


MEASUREMENTS = {"presses": measure_presses, "idle": measure_idle, "many": measure_many,
                "discs": measure_discs}


def measure(name, programs, tools, options):
    """What was beyond its limit.  Other work only ever makes a ratio worse: where there may be some
    (--quick), a figure is beyond its limit when it is so three times in a row."""
    for _ in range(3 if options.quick else 1):
        table = Table(options.quick)
        with Bench(programs, tools, options.keep) as bench:
            MEASUREMENTS[name](bench, table, options)
        if not table.beyond:
            break
    return table.beyond


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--bin", default=TESTS.parent / "build/bin", type=Path,
                        help="directory of the programs")
    parser.add_argument("--tools", type=Path,
                        help="directory of bench-floor and the like; default: tests beside --bin")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, limits with slack")
    parser.add_argument("--only", choices=MEASUREMENTS, action="append", help="not all of them")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--presses", type=int, help="single presses a round")
    parser.add_argument("--objects", type=int, help="how many are many")
    parser.add_argument("--keep", action="store_true", help="leave the files behind, with the log")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.presses = options.presses or (200 if options.quick else 500)
    options.objects = options.objects or (1000 if options.quick else 10000)
    options.idle = 3 if options.quick else 10
    options.listings = 5 if options.quick else 20
    options.images = (100,) if options.quick else (100, 700)

    programs = options.bin.resolve()
    tools = (options.tools or programs.parent / "tests").resolve()
    for needed in (programs / "flagmand", tools / "bench-stamp", tools / "bench-floor"):
        if not needed.exists():
            parser.error(f"{needed} is not there: build first, or see --bin and --tools")
    # Told to end: leave no process, user or file behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    beyond = []
    for name in options.only or MEASUREMENTS:
        beyond += measure(name, programs, tools, options)
    if beyond:
        print(f"beyond the limit: {'; '.join(beyond)}")
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
