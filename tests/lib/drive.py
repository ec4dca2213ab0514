# SPDX-License-Identifier: GPL-2.0-or-later
"""An optical burner that needs no hardware: see mmc_drive.h.

    drive = Drive(directory, build(session_dir))
    drive.insert("DVD+R", capacity=16)
    subprocess.run([...], env=drive.env)        # finds a drive at drive.device, /dev/sr9
    assert drive.data().startswith(image) and drive.did("CLOSE disc")
"""

import contextlib
import fcntl
import mmap
import os
import re
import struct
import subprocess
from pathlib import Path

from lib import preload
from lib.waiting import wait_for

BLOCK = 2048
DISCS = {"CD-ROM": 0x08, "CD-R": 0x09, "CD-RW": 0x0a, "DVD-ROM": 0x10, "DVD-R": 0x11,
         "DVD-RW": 0x14, "DVD+RW": 0x1a, "DVD+R": 0x1b, "BD-R": 0x41, "BD-RE": 0x43}
OVERWRITABLE = ("DVD+RW", "BD-RE")
INFO = """CD-ROM information, Id: cdrom.c 3.20 2003/12/17

drive name:\t\t{name}
drive speed:\t\t48
drive # of slots:\t1
Can close tray:\t\t1
Can open tray:\t\t1
"""
HOLDER = """
import os, sys
flags = os.O_RDWR | os.O_NONBLOCK | (os.O_EXCL if sys.argv[2] == "excl" else 0)
os.open(sys.argv[1], flags)
print("held", flush=True)
sys.stdin.read()
"""


def build(directory):
    """The library, built into DIRECTORY: once in a session is enough."""
    return preload.build("mmc_drive", directory, "mmc_*.c")


def layout():
    """{member: (index, number)} of struct mmc_state, and how many int64_t it has."""
    text = (preload.LIB / "mmc_drive.h").read_text(encoding="utf-8")
    sizes = {name: int(value) for name, value in re.findall(r"#define (MMC_\w+) +(\d+)", text)}
    body = re.search(r"struct mmc_state \{(.*?)\n\};", text, re.S)[1]
    members, total = {}, 0
    for names in re.findall(r"int64_t ([^;]+);", re.sub(r"/\*.*?\*/", "", body, flags=re.S)):
        for name, size in re.findall(r"(\w+)(?:\[(\w+)\])?(?:,|$)", names):
            number = sizes[size] if size else 1
            members[name] = (total, number)
            total += number
    return members, total


class Drive:
    """One drive.  DEVICE is the path at which programs find it."""

    def __init__(self, directory, library, device="/dev/sr9"):
        self.directory = Path(directory)
        self.library = Path(library)
        self.device = device
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o755)
        members, total = layout()
        self.members = members
        for name, text in (("node", ""), ("lock", ""), ("log", ""), ("data", ""),
                           ("device", device), ("info", INFO.format(name=Path(device).name)),
                           ("state", "\0" * (total * 8))):
            (self.directory / name).write_text(text, encoding="ascii")
            (self.directory / name).chmod(0o666)  # programs may be other users'
        with open(self.directory / "state", "r+b") as file:
            self.map = mmap.mmap(file.fileno(), total * 8)
        self.set("run", -1)
        self.set("write_error", -1)
        self.set("haste", 50)

    def environment(self, base=None):
        """What a program needs to see the drive, added to BASE (this process's if not given)."""
        env = dict(os.environ if base is None else base)
        env["FLAGMAN_MMC_DRIVE"] = str(self.directory)
        env["LD_PRELOAD"] = " ".join(filter(None, (str(self.library), env.get("LD_PRELOAD"))))
        env["ASAN_OPTIONS"] = ":".join(filter(None, (env.get("ASAN_OPTIONS"),
                                                     "verify_asan_link_order=0")))
        return env

    @property
    def env(self):
        return self.environment()

    # The state, a number at a time; locked() where several belong together.

    def get(self, name, index=0):
        first, number = self.members[name]
        assert 0 <= index < number, f"{name}[{index}]"
        return struct.unpack_from("=q", self.map, (first + index) * 8)[0]

    def set(self, name, value, index=0):
        first, number = self.members[name]
        assert 0 <= index < number, f"{name}[{index}]"
        struct.pack_into("=q", self.map, (first + index) * 8, int(value))

    @contextlib.contextmanager
    def between_commands(self):
        with open(self.directory / "lock", "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # Discs and the tray, as somebody in front of the drive has them.

    def insert(self, kind, capacity=32, data=None, state=None):
        """A disc of CAPACITY MiB, and closes the tray.

        STATE: "blank"; "appendable" or "closed": DATA is its one track; "virgin": a DVD+RW or BD-RE
        that was never formatted.  A disc with DATA is closed if nothing else is said.
        """
        state = state or ("blank" if data is None else "closed")
        data = data or b""
        blocks = -(-len(data) // BLOCK)
        full = state in ("closed", "appendable")
        assert not full or blocks, "a disc that is not blank has data"
        with self.between_commands():
            for name in ("sessions", "tracks", "nwa", "closed", "formatted", "reserved", "cue",
                         "only_dao", "broken", "tray_open", "locked", "ready_at", "sense"):
                self.set(name, 0)
            self.set("run", -1)
            self.set("profile", DISCS[kind])
            self.set("capacity", max(capacity * 1024 * 1024 // BLOCK, blocks))
            if kind in OVERWRITABLE:
                self.set("formatted", state != "virgin")
            elif full:
                self._fill(blocks, state == "closed")
            (self.directory / "data").write_bytes(data)
            self._changed(2)

    def _fill(self, blocks, closed):
        for name, value in (("track_start", 0), ("track_size", blocks), ("track_session", 1),
                            ("track_runout", 0), ("tracks", 1), ("sessions", 1),
                            ("closed", closed), ("nwa", (blocks + 15) // 16 * 16 + 160)):
            self.set(name, value)

    def _changed(self, event):
        self.set("event", event)
        self.set("attention", self.get("profile") != 0 and not self.get("tray_open"))
        self.set("kernel_changed", 1)

    def remove(self):
        """Takes the disc out; the tray is closed again."""
        with self.between_commands():
            self.set("profile", 0)
            self.set("tray_open", 0)
            self._changed(3)

    @property
    def tray(self):
        return "open" if self.get("tray_open") else "closed"

    @tray.setter
    def tray(self, value):
        assert value in ("open", "closed")
        with self.between_commands():
            self.set("tray_open", value == "open")
            self._changed(3 if value == "open" else 2)

    @property
    def locked(self):
        """Does some program prevent the removal (PREVENT MEDIUM REMOVAL, CDROM_LOCKDOOR)?

        The kernel unlocks it when the last one closes the drive, or is killed.
        """
        return bool(self.get("kept_locked") or (self.get("locked") and self.users()))

    def users(self):
        """How many opens of the drive there are, in whatever processes: mmc_kernel.c's seats."""
        with open(self.directory / "node", "r+b") as file:
            return sum(self._taken(file, (1 << 40) + seat) for seat in range(64))

    @staticmethod
    def _taken(file, place):
        # struct flock: type, whence, start, len, pid
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, place, 1, 0)
        answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, asked)
        return struct.unpack_from("h", answer)[0] != fcntl.F_UNLCK

    # What is on the disc.

    @property
    def state(self):
        """Either "none", "blank", "appendable", "open" (a track was not finished) or "closed"."""
        profile = self.get("profile")
        if not profile:
            return "none"
        if profile in (0x1a, 0x13, 0x43):
            return "closed" if self.get("formatted") else "blank"
        if self.get("closed") or profile in (0x08, 0x10):
            return "closed"
        if self.get("run") >= 0:
            return "open"
        return "appendable" if self.get("nwa") else "blank"

    def data(self, size=None):
        """The sectors from the disc's beginning, SIZE bytes or as far as they were written."""
        with open(self.directory / "data", "rb") as file:
            return file.read() if size is None else file.read(size).ljust(size, b"\0")

    def flip(self, sector, byte=0):
        """A bit of a sector that is on the disc is another from now on."""
        with open(self.directory / "data", "r+b") as file:
            file.seek(sector * BLOCK + byte)
            old = file.read(1) or b"\0"
            file.seek(sector * BLOCK + byte)
            file.write(bytes([old[0] ^ 1]))

    def truncate(self, sectors):
        """What comes behind so many sectors is zeroes."""
        os.truncate(self.directory / "data", sectors * BLOCK)

    # What goes wrong.  All can be said while a program runs.

    def unreadable(self, *sectors, count=1, tries=-1):
        """From each of SECTORS on COUNT cannot be read, the first TRIES times or ever.

        Without any all can be.
        """
        with self.between_commands():
            first = self.get("bad_count") if sectors else 0
            for index, sector in enumerate(sectors, first):
                self.set("bad_start", sector, index)
                self.set("bad_size", count, index)
                self.set("bad_tries", tries, index)
            self.set("bad_count", first + len(sectors))

    def corrupt(self, *sectors):
        """In these a bit turns when they are written, and nobody is told."""
        with self.between_commands():
            for index, sector in enumerate(sectors):
                self.set("corrupt", sector, index)
            self.set("corrupt_count", len(sectors))

    def unwritable(self, sector):
        """This one cannot be written; None: all can be."""
        self.set("write_error", -1 if sector is None else sector)

    def unclosable(self, on=True):
        """What was written cannot be closed."""
        self.set("close_error", on)

    def slow(self, write_ms=None, read_ms=None, busy_ms=None):
        """How long a WRITE takes, a READ, and what goes on behind IMMED (closing, loading, ...)."""
        for name, value in (("write_ms", write_ms), ("read_ms", read_ms), ("busy_ms", busy_ms)):
            if value is not None:
                self.set(name, value)

    def haste(self, factor):
        """usleep() and sleep() are so many times shorter: libburn sleeps a lot."""
        self.set("haste", factor)

    def stale_size(self, on=True):
        """The kernel keeps the size that it knows until the tray was cycled; there it ends."""
        self.set("stale_size", on)

    def jammed(self, on=True):
        """The tray stays as it is, and the drive says that it moved."""
        self.set("jammed", on)

    def laptop(self, on=True):
        """The tray must be pushed in by hand."""
        self.set("no_load", on)

    def prevented(self, on=True):
        """Another program keeps the tray locked."""
        self.set("prevented", on)

    def fixed(self, on=True):
        """There is no tray."""
        self.set("fixed", on)

    def read_only(self, on=True):
        """It is a DVD-ROM drive."""
        self.set("read_only", on)

    def mounted(self, on=True):
        """Nobody else may have it exclusively (EBUSY); read it they may."""
        self.set("mounted", on)

    def denied(self, on=True):
        """Nobody may open it (EACCES)."""
        self.set("denied", on)

    def unplugged(self, on=True):
        """It is gone, for those too who have it open."""
        self.set("gone", on)

    @contextlib.contextmanager
    def held(self, how="excl"):
        """Another process has it open meanwhile, with O_EXCL or ("shared") without."""
        with subprocess.Popen(["/usr/bin/python3", "-c", HOLDER, self.device, how], env=self.env,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"held\n"
            try:
                yield process
            finally:
                process.kill()

    # What was done to it.

    def log(self):
        """A line for each open, command and read: "WRITE10 lba=0 n=16", "START_STOP eject"."""
        return (self.directory / "log").read_text(encoding="ascii").splitlines()

    def forget(self):
        """The log begins anew."""
        os.truncate(self.directory / "log", 0)

    def places(self, *beginnings):
        """At which lines of the log there is a command that begins so, and went well."""
        return [place for place, line in enumerate(self.log())
                if line.startswith(beginnings) and not re.search(r" -> ([0-9a-f]{2}/|-)", line)]

    def did(self, *beginnings):
        return bool(self.places(*beginnings))

    def wrote(self):
        """Was anything changed on the disc, or tried?"""
        return any(line.startswith(("WRITE", "BLANK", "FORMAT", "CLOSE", "RESERVE"))
                   for line in self.log())

    def in_order(self, earlier, later):
        """Did the last EARLIER come before the last LATER?"""
        first, second = self.places(earlier), self.places(later)
        return bool(first and second and first[-1] < second[-1])

    def wait_for(self, beginning, timeout=None):
        """Until the log has a line that begins so."""
        wait_for(lambda: any(line.startswith(beginning) for line in self.log()),
                 f"the drive is told {beginning}", timeout, lambda: "\n".join(self.log()[-40:]))
