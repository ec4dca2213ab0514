# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine's DVD burner, and what is on its disc; the script burner does the work in there."""

import dataclasses
import shlex
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCRIPT = "/usr/local/sbin/flagman-burner"
DISC = "/var/tmp/flagman-burner.disc"


@dataclasses.dataclass(frozen=True)
class Data:
    """What the laser has burned: the bytes, without anything that is the drive's own."""

    size: int
    sha256: str  # of the first `length` bytes


class Burner:
    def __init__(self, machine):
        self.machine = machine
        self.device = None

    def up(self):
        """Plugs the drive in, with a blank disc; `device` is the name it has got."""
        self.machine.put(HERE / "burner", SCRIPT, "0755")
        self.device = self.machine.check(f"{SCRIPT} up")
        return self

    def down(self):
        self.device = None
        self.machine.check(f"{SCRIPT} down")

    def new_blank(self):
        self.machine.check(f"{SCRIPT} new")

    def size(self):
        return int(self.machine.check(f"stat -c %s {DISC}"))

    def data(self, length=None):
        """Of the disc as a whole, or the checksum of its first LENGTH bytes."""
        head = f"head -c {length} {DISC}" if length is not None else f"cat {DISC}"
        return Data(self.size(), self.machine.check(f"{head} | sha256sum").split()[0])

    def read_back(self, length):
        """The checksum of as many bytes, as the kernel reads them from the drive, not its cache."""
        device = shlex.quote(self.device)
        return self.machine.check(
            f"blockdev --flushbufs {device} && head -c {length} {device} | sha256sum").split()[0]

    def reload(self):
        """Out and in again: a drive's size is stale after a burn until then."""
        self.machine.check(f"eject {self.device} && eject -t {self.device} && udevadm settle")

    def media_state(self):
        """What udev says of the disc: "blank", "complete", "appendable" or None."""
        self.machine.check(f"udevadm trigger -c change --settle {self.device}")
        for line in self.machine.check(f"udevadm info -q property {self.device}").splitlines():
            if line.startswith("ID_CDROM_MEDIA_STATE="):
                return line.partition("=")[2]
        return None
