# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman-disc in the machine, and what its exit statuses mean (src/disc/disc.h, sysexits(3))."""

import dataclasses
import shlex

MATCHES, DIFFERS, UNREADABLE, NOTHING, NO_DISC, UNFIT, SPOILED, STOPPED, NO_TRAY = range(9)
USAGE, DATAERR, NOINPUT, UNAVAILABLE, TEMPFAIL = 64, 65, 66, 69, 75

SECTOR = 2048
BURN_PATIENCE = 180  # 30 MB in some ten seconds, and that with a busy processor
FLIPPED_SECTOR = 500


@dataclasses.dataclass(frozen=True)
class Said:
    """How flagman-disc ended."""

    status: int
    output: str

    @property
    def sentence(self):
        """The last line: what is the case, and what to do about it."""
        lines = self.output.strip().splitlines()
        return lines[-1] if lines else ""


class Disc:
    """flagman-disc in the machine."""

    def __init__(self, machine, programs):
        assert "flagman-disc" in programs, "this build has no flagman-disc"
        self.machine = machine
        self.program = programs["flagman-disc"]

    def command(self, verb, *options):
        return shlex.join([self.program, verb, *map(str, options)])

    def __call__(self, verb, *options, user=None, timeout=BURN_PATIENCE, environment=""):
        line = f"{environment} {self.command(verb, *options)} 2>&1".lstrip()
        done = self.machine.run(line, user=user, timeout=timeout)
        return Said(done.returncode, done.stdout)

    def begin(self, verb, *options, user=None):
        return self.machine.begin(self.command(verb, *options), user=user)


def end_of(remote, timeout):
    done = remote.wait(timeout)
    return Said(done.returncode, done.stdout + done.stderr)


def burned(burner, image):
    return burner.size() >= image.size and burner.data(image.size).sha256 == image.sha256


def is_out(machine, burner):
    """Whether the burner's disc was ejected: it then says that it has none (CDS_NO_DISC)."""
    look = ("import fcntl, os, sys; fd = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK); "
            "print(fcntl.ioctl(fd, 0x5326, 0x7fffffff))")
    status = int(machine.check(["/usr/bin/python3", "-c", look, burner.device]))
    assert status in (1, 4), f"CDROM_DRIVE_STATUS is {status}"
    return status == 1
