# SPDX-License-Identifier: GPL-2.0-or-later
"""Burning to a file that plays a drive, and verifying it, beside what reads, hashes and writes the
same bytes: dd and sha256sum."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib import images

MIB = 1024
LOOK_EVERY = 0.005  # s


def high_water(pid):
    """MiB that the program had at most so far.  (getrusage's figure begins before its exec.)"""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)
    return int(found[1]) / MIB if found else 0


def run(*words):
    """(milliseconds, MiB of memory at most) of one command."""
    memory = 0
    began = time.monotonic()
    process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)
    while process.poll() is None:
        memory = max(memory, high_water(process.pid))
        time.sleep(LOOK_EVERY)
    if process.returncode != 0:
        raise AssertionError(f"{words[0]} ended with {process.returncode}")
    return (time.monotonic() - began) * 1000, memory


def together(*commands):
    return sum(run(*command)[0] for command in commands)


class Discs:
    """One image, and a file that plays the disc."""

    def __init__(self, directory, program, size):
        self.program = program
        self.image = images.make(directory / "bench.iso", size=size)
        self.disc = directory / "disc"
        self.copy = directory / "copy"
        self.memory = 0

    def _flagman_disc(self, *words):
        milliseconds, memory = run(self.program, *words, f"--device=stdio:{self.disc}",
                                   f"--image={self.image}")
        self.memory = max(self.memory, memory)
        return milliseconds

    def burn(self, who):
        for path in (self.disc, self.copy):
            path.unlink(missing_ok=True)
        os.sync()
        if who:
            return self._flagman_disc("burn")
        return together(("dd", f"if={self.image}", f"of={self.copy}", "bs=1M", "conv=fsync",
                         "status=none"), ("sha256sum", self.image))

    def verify(self, who):
        """The disc is read past the page cache, the image compared, or hashed."""
        if who:
            return self._flagman_disc("verify")
        return together(("dd", f"if={self.disc}", "of=/dev/null", "bs=1M", "iflag=direct",
                         "status=none"), ("sha256sum", self.image))

    def pairs(self, what, rounds):
        found = []
        for turn in range(rounds):
            got = [None, None]
            for who in (0, 1) if turn % 2 == 0 else (1, 0):
                got[who] = what(who)
            found.append(got)
        return found


def measure_discs(bench, table, options):
    """The speed, and the memory whatever the image's size."""
    for size in options.images:
        discs = Discs(bench.root, options.bin / "flagman-disc", size << 20)
        table.ratio(f"burn {size} MiB to a file, beside dd and sha256sum",
                    discs.pairs(discs.burn, options.rounds), "ms", 1.2)
        discs.burn(1)
        table.ratio(f"verify {size} MiB, beside dd and sha256sum",
                    discs.pairs(discs.verify, options.rounds), "ms", 1.2)
        table.value(f"burn and verify {size} MiB: memory at most", discs.memory, "MiB", 32)
        for path in (discs.image, discs.disc, discs.copy):
            path.unlink(missing_ok=True)
