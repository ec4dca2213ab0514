# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated drive as programs that know real ones see it: xorriso (libburn), libcdio, ioctls."""

import signal
import subprocess
from pathlib import Path

import pytest

from lib.drive import BLOCK, Drive
from lib.waiting import wait_for

HERE = Path(__file__).resolve().parent
EVERY_KIND = ("CD-R", "CD-RW", "DVD-R", "DVD-RW", "DVD+R", "DVD+RW", "BD-R", "BD-RE")
ONCE = ("CD-R", "DVD-R", "DVD+R", "BD-R")
TIMEOUT = 60
OPEN, CLOSED = "1", "0"  # of mmc_get_tray_status()


def run(drive, *words):
    return subprocess.run([str(word) for word in words], env=drive.env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT)


def burn(drive, image, *options):
    return run(drive, "xorriso", "-as", "cdrecord", "-v", f"dev={drive.device}", *options, image)


@pytest.fixture(scope="session")
def pokes(tmp_path_factory):
    """The program poke, plain and with AddressSanitizer."""
    directory = tmp_path_factory.mktemp("poke")
    programs = {}
    for name, flags in (("plain", ["-O2", "-D_FORTIFY_SOURCE=2", "-D_FILE_OFFSET_BITS=64"]),
                        ("sanitized", ["-fsanitize=address,undefined"])):
        programs[name] = directory / name
        subprocess.run(["cc", "-std=c17", "-D_GNU_SOURCE", *flags, "-o", programs[name],
                        HERE / "poke.c", "-lcdio"], check=True, timeout=TIMEOUT)
    return programs


@pytest.fixture
def poke(drive, pokes):
    """poke(ACTION, ...): what it says."""
    def call(*words, program="plain"):
        return run(drive, pokes[program], drive.device, *words).stdout.decode().strip()
    return call


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_burns_what_is_read_back(drive, image, kind, pokes):
    drive.insert(kind, capacity=8)
    result = burn(drive, image, "-eject")
    assert result.returncode == 0, result.stderr.decode()
    content = image.read_bytes()
    assert drive.data(len(content)) == content
    assert drive.state == "closed" and drive.tray == "open" and not drive.locked
    assert drive.in_order("WRITE10", "START_STOP eject")

    drive.tray = "closed"
    read = run(drive, pokes["plain"], drive.device, "direct").stdout
    assert read[:len(content)] == content
    assert not read[len(content):].strip(b"\0")


@pytest.mark.parametrize("kind", ("DVD+RW", "BD-RE"))
def test_formats_what_was_never_used(drive, image, kind):
    drive.insert(kind, capacity=8, state="virgin")
    if kind == "BD-RE":
        result = run(drive, "xorriso", "-outdev", drive.device, "-format", "as_needed")
        assert result.returncode == 0
    assert burn(drive, image).returncode == 0
    assert drive.did("FORMAT_UNIT") and drive.data().startswith(image.read_bytes())


@pytest.mark.parametrize("kind", ("CD-RW", "DVD-RW"))
def test_blanks(drive, image, kind):
    drive.insert(kind, capacity=8, data=b"x" * 100 * BLOCK)
    assert burn(drive, image).returncode != 0
    assert not drive.wrote()
    assert burn(drive, image, "blank=fast").returncode == 0
    assert drive.did("BLANK") and drive.data().startswith(image.read_bytes())


@pytest.mark.parametrize("kind", ONCE)
def test_refuses_a_closed_disc(drive, image, kind):
    drive.insert(kind, capacity=8, data=b"x" * 100 * BLOCK)
    assert burn(drive, image).returncode != 0
    assert not drive.wrote() and drive.data() == b"x" * 100 * BLOCK


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_refuses_a_small_disc(drive, image, kind):
    drive.insert(kind, capacity=1)
    drive.set("capacity", 200)
    result = burn(drive, image)
    assert result.returncode != 0 and b"exceeds free space" in result.stderr
    assert not drive.did("WRITE") and drive.data() == b""


@pytest.mark.parametrize("kind", ONCE)
def test_stays_appendable(drive, image, kind):
    drive.insert(kind, capacity=8)
    assert burn(drive, image, "-multi").returncode == 0
    assert drive.state == "appendable"
    assert burn(drive, image).returncode == 0
    assert drive.state == "closed" and drive.get("sessions") == 2
    start = drive.get("track_start", 1) * BLOCK
    assert drive.data()[start:].startswith(image.read_bytes())


@pytest.mark.parametrize("kind", ("CD-R", "DVD-R"))
def test_dummy_leaves_it_blank(drive, image, kind):
    drive.insert(kind, capacity=8)
    assert burn(drive, image, "-dummy").returncode == 0
    assert drive.did("WRITE10") and drive.state == "blank" and drive.data() == b""


def test_no_disc_and_open_tray(drive, image, poke):
    assert burn(drive, image).returncode != 0
    assert poke("status") == "1"  # CDS_NO_DISC
    drive.insert("DVD+R")
    assert poke("status") == "4"  # CDS_DISC_OK
    drive.tray = "open"
    assert poke("status") == "2"  # CDS_TRAY_OPEN
    assert poke("tray") == OPEN
    drive.remove()
    assert drive.state == "none"


def test_drive_that_only_reads(drive, image):
    drive.read_only()
    drive.insert("DVD+R", data=image.read_bytes())
    assert b"is written , is closed" in burn(drive, image).stderr
    drive.insert("DVD+R")
    assert burn(drive, image).returncode != 0
    assert not drive.wrote()


def test_sector_that_cannot_be_written(drive, image):
    drive.insert("DVD+R", capacity=8)
    drive.unwritable(100)
    result = burn(drive, image)
    assert result.returncode != 0 and b"[3 0C 00]" in result.stderr
    assert drive.state != "blank" and len(drive.data()) == 100 * BLOCK


def test_sector_that_is_written_wrong(drive, image):
    drive.insert("DVD+R", capacity=8)
    drive.corrupt(100)
    assert burn(drive, image).returncode == 0
    content, disc = image.read_bytes(), drive.data()
    differs = [i for i in range(len(content)) if disc[i] != content[i]]
    assert [i // BLOCK for i in differs] == [100]


def test_sectors_that_cannot_be_read(drive, image, pokes, poke):
    drive.insert("DVD+R", data=image.read_bytes())
    drive.unreadable(100)
    result = run(drive, pokes["plain"], drive.device, "direct")
    assert result.stdout == image.read_bytes()[:100 * BLOCK] and b"Input/output" in result.stderr
    assert poke("sector", 100) == "03/11/00 2048"
    assert poke("sector", 99) == "00/00/00 0"
    drive.unreadable()
    drive.unreadable(200, tries=2)
    assert [poke("sector", 200)[:8] for _ in range(3)] == ["03/11/00", "03/11/00", "00/00/00"]
    drive.flip(5)
    assert drive.data() != image.read_bytes()


def test_track_at_once_has_a_run_out(drive, image, pokes):
    """Two blocks more than the image has, which nobody can read, as on any real CD."""
    drive.insert("CD-R", capacity=8)
    assert burn(drive, image, "-tao").returncode == 0
    result = run(drive, pokes["plain"], drive.device, "direct")
    assert result.returncode == 1
    assert len(result.stdout) == (drive.get("track_size") - 2) * BLOCK
    assert result.stdout.startswith(image.read_bytes())


def test_size_is_stale_until_the_tray_was_cycled(drive, image, poke):
    drive.stale_size()
    drive.insert("DVD+R", capacity=8)
    assert burn(drive, image).returncode == 0
    assert poke("size") == "0" and poke("direct") == ""
    assert poke("eject") == "0" and poke("close") == "0"
    assert int(poke("size")) >= image.stat().st_size


def test_tray(drive, poke):
    drive.insert("DVD+R")
    assert poke("tray") == CLOSED
    assert poke("eject") == "0" and drive.tray == "open" and poke("tray") == OPEN
    assert poke("close") == "0" and drive.tray == "closed"
    assert poke("eject-alone") == "ejected" and drive.tray == "open"
    assert drive.did("START_STOP eject") and drive.did("CDROMEJECT")


def test_tray_that_does_not_move(drive, poke):
    drive.insert("DVD+R")
    drive.jammed()
    assert poke("eject") == "0" and drive.tray == "closed"
    drive.jammed(False)
    drive.prevented()
    assert poke("eject") != "0" and drive.tray == "closed"
    assert "START_STOP eject -> 05/53/02" in drive.log()
    drive.prevented(False)
    drive.fixed()
    assert poke("eject") != "0" and poke("eject-alone") == "Function not implemented"
    drive.fixed(False)
    drive.laptop()
    assert poke("eject") == "0" and drive.tray == "open"
    assert poke("close") != "0" and drive.tray == "open"


def test_whoever_has_it_exclusively(drive, image, poke):
    drive.insert("DVD+R", data=image.read_bytes())
    with drive.held():
        assert poke("tray") == "cannot open"
        assert poke("size") == str(image.stat().st_size)
        assert poke("eject-alone") == "Device or resource busy"
    assert poke("tray") == CLOSED  # the holder was killed
    with drive.held("shared"):
        assert poke("tray") == CLOSED
    drive.mounted()
    assert poke("tray") == "cannot open" and poke("size") == str(image.stat().st_size)
    drive.mounted(False)
    drive.denied()
    assert poke("size") == "Permission denied"
    drive.denied(False)
    drive.unplugged()
    assert poke("size") == "No such device or address"


def test_burn_that_is_called_off(drive, image):
    drive.insert("DVD+R", capacity=8)
    drive.slow(write_ms=100)
    with subprocess.Popen(["xorriso", "-as", "cdrecord", f"dev={drive.device}", image],
                          env=drive.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        drive.wait_for("WRITE10")
        assert drive.locked and drive.users() == 1
        drive.slow(write_ms=20)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=TIMEOUT) != 0
    assert drive.state == "open" and len(drive.data()) < image.stat().st_size
    assert not drive.locked and drive.users() == 0


@pytest.mark.parametrize("kind", ("CD-R", "DVD-R"))
def test_broken_promise(drive, image, kind):
    """What was announced in full and not written in full can't be gone on with."""
    drive.insert(kind, capacity=8)
    drive.unwritable(100)
    assert burn(drive, image).returncode != 0
    drive.unwritable(None)
    assert drive.get("broken") == 1 and drive.state == "open"
    assert burn(drive, image).returncode != 0
    assert len(drive.data()) == 100 * BLOCK


def test_drive_that_goes_while_it_burns(drive, image):
    drive.insert("DVD+R", capacity=8)
    drive.slow(write_ms=20)
    with subprocess.Popen(["xorriso", "-as", "cdrecord", f"dev={drive.device}", image],
                          env=drive.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        drive.wait_for("WRITE10")
        drive.unplugged()
        assert process.wait(timeout=TIMEOUT) != 0
    assert len(drive.data()) < image.stat().st_size


def test_becoming_ready_takes_a_while(drive, image, poke):
    drive.insert("DVD+R", data=image.read_bytes())
    drive.slow(busy_ms=300)
    assert poke("eject") == "0" and poke("close") == "0"
    assert poke("status") == "3"  # CDS_DRIVE_NOT_READY
    assert poke("size") == "0"
    wait_for(lambda: poke("status") == "4", "the disc is ready")
    assert poke("size") == str(image.stat().st_size)


def test_sanitized_program(drive, image, pokes, poke):
    drive.insert("DVD+R", data=image.read_bytes())
    result = run(drive, pokes["sanitized"], drive.device, "direct")
    assert result.stdout == image.read_bytes(), result.stderr.decode()
    assert poke("tray", program="sanitized") == CLOSED
    assert poke("sector", 3, program="sanitized") == "00/00/00 0"
    assert poke("eject", program="sanitized") == "0"


def test_path_of_its_own(tmp_path, mmc_library, image):
    """Anything can be the device's name, and a link to it is the drive too."""
    drive = Drive(tmp_path / "drive", mmc_library, device="/dev/sr3")
    drive.insert("DVD-ROM", data=image.read_bytes())
    (tmp_path / "link").symlink_to("/dev/sr3")
    assert run(drive, "stat", "-c", "%t:%T %F", "/dev/sr3").stdout == b"b:3 block special file\n"
    assert run(drive, "cat", tmp_path / "link").stdout == image.read_bytes()
    assert b"/dev/sr3" in run(drive, "xorriso", "-devices").stdout
