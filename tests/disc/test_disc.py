# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman-disc by hand: on the emulated drive, and on files that play one (stdio:)."""

import fcntl
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from lib import images, preload
from lib.waiting import wait_for

EVERY_KIND = ("CD-R", "CD-RW", "DVD-R", "DVD-RW", "DVD+R", "DVD+RW", "BD-R", "BD-RE")
ONCE = ("CD-R", "DVD-R", "DVD+R", "BD-R")
ERASABLE = ("CD-RW", "DVD-RW")
OVERWRITABLE = ("DVD+RW", "BD-RE")
SECTOR = images.SECTOR
TIMEOUT = 60

MATCHES, DIFFERS, UNREADABLE, NOTHING, NO_DISC, UNFIT, SPOILED, STOPPED, NO_TRAY = range(9)
EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE, EX_TEMPFAIL = 64, 65, 66, 69, 75


class Result:
    """What flagman-disc did: status, output, and its last sentence."""

    def __init__(self, process, out, err):
        self.status = process.returncode
        self.out = out.decode()
        self.err = err.decode()
        lines = (self.out if self.status == 0 else self.err).strip().splitlines()
        facts = ("Tray      ", "Record    ")
        self.sentence = [line for line in lines if not line.startswith(facts)][-1] if lines else ""

    def __repr__(self):
        return f"status {self.status}\n{self.out}--- stderr\n{self.err}"


class Tool:
    """flagman-disc with an environment."""

    def __init__(self, program, env):
        self.program = program
        self.env = dict(env)
        self.env.pop("NOTIFY_SOCKET", None)

    def start(self, *words, **env):
        return subprocess.Popen([self.program, *map(str, words)], env={**self.env, **env},
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def __call__(self, *words, **env):
        process = self.start(*words, **env)
        return Result(process, *process.communicate(timeout=TIMEOUT))


@pytest.fixture
def tool(program, drive):
    return Tool(program, drive.env)


@pytest.fixture(scope="session")
def iso(tmp_path_factory):
    """An image of some MiB; no two sectors of big.bin are the same."""
    return images.make(tmp_path_factory.mktemp("iso") / "lab.iso", size=2 << 20)


@pytest.fixture
def content(iso):
    return iso.read_bytes()


@pytest.fixture
def played(tmp_path):
    """(device, path) of a file that plays a drive."""
    path = tmp_path / "disc"
    return f"stdio:{path}", path


def on(drive):
    return f"--device={drive.device}"


def of(path):
    return f"--image={path}"


class Listener:
    """NOTIFY_SOCKET, as flagman's runner has it: what came, and when a barrier was passed."""

    def __init__(self, path):
        self.path = path
        self.lines = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.thread = threading.Thread(target=self._hear, daemon=True)
        self.thread.start()

    def _hear(self):
        while True:
            data, fds, _, _ = socket.recv_fds(self.socket, 8192, 4)
            if data == b"over":
                return
            self.lines += data.decode().splitlines()
            for fd in fds:
                os.close(fd)

    def close(self):
        """What was sent before has been heard now."""
        if not self.thread.is_alive():
            return
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"over", str(self.path))
        self.thread.join()
        self.socket.close()

    def status(self):
        return [line[7:] for line in self.lines if line.startswith("STATUS=")]

    def records(self):
        self.close()
        return [dict(pair.split("=", 1) for pair in line[15:].split("\t"))
                for line in self.lines if line.startswith("X_FLAGMAN_DISC=")]


@pytest.fixture
def listener(tmp_path):
    heard = Listener(tmp_path / "notify")
    yield heard
    heard.close()


# Burn


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_burn_and_verify(drive, tool, iso, content, kind):
    drive.insert(kind, capacity=16)
    done = tool("burn", on(drive), of(iso), "--verify", "--eject")
    assert done.status == MATCHES, done
    assert done.sentence == "lab.iso was burned, and the disc matches it, byte for byte"
    assert done.out.splitlines()[-2:] == ["Tray      open", done.sentence]
    assert drive.data(len(content)) == content
    assert f"SHA-256   {hashlib.sha256(content).hexdigest()}" in done.out
    assert drive.state == "closed" and drive.tray == "open" and not drive.locked
    # read back only when the disc had been out and in, and ejected when that was over
    assert drive.in_order("WRITE10", "START_STOP load")
    assert drive.in_order("BLOCK_READ", "START_STOP eject")


def test_multi_session_leaves_it_open(drive, tool, iso):
    drive.insert("DVD+R", capacity=16)
    assert tool("burn", on(drive), of(iso), "--multi-session").status == 0
    assert drive.state == "appendable"


@pytest.mark.parametrize("kind", ("CD-R", "DVD-R"))
def test_dummy_leaves_it_blank(drive, tool, iso, kind):
    drive.insert(kind, capacity=16)
    done = tool("burn", on(drive), of(iso), "--dummy", "--verify")
    assert done.status == 0 and "simulated: lab.iso could be burned" in done.sentence, done
    assert drive.state == "blank" and not any(drive.data())


@pytest.mark.parametrize("kind", ("DVD+R", "BD-R"))
def test_dummy_where_there_is_none(drive, tool, iso, kind):
    drive.insert(kind, capacity=16)
    done = tool("burn", on(drive), of(iso), "--dummy")
    assert done.status == UNFIT and "as a simulation" in done.sentence, done
    assert drive.state == "blank" and not drive.did("WRITE10")


@pytest.mark.parametrize("speed,expected", (("max", None), ("min", None), ("4", 4 * 1385)))
def test_speed(drive, tool, iso, speed, expected):
    drive.insert("DVD+R", capacity=16)
    assert tool("burn", on(drive), of(iso), f"--speed={speed}").status == 0
    if expected:
        said = [line for line in drive.log() if line.startswith(("SET_STREAMING", "SET_CD_SPEED"))]
        assert said, drive.log()


# Burn: what is found out before the laser goes on


def refused(drive, done, status, words):
    assert done.status == status and words in done.sentence, done
    assert not drive.wrote(), drive.log()


@pytest.mark.parametrize("kind", ONCE)
@pytest.mark.parametrize("options", ((), ("--blank",)))
def test_a_closed_disc_is_left_alone(drive, tool, iso, kind, options):
    before = os.urandom(100 * SECTOR)
    drive.insert(kind, capacity=16, data=before)
    refused(drive, tool("burn", on(drive), of(iso), *options), UNFIT,
            f"the {kind} in /dev/sr9 is not blank: put in a blank one")
    assert drive.data(len(before)) == before


def test_an_open_disc_is_left_alone(drive, tool, iso):
    drive.insert("DVD+R", capacity=16, data=os.urandom(100 * SECTOR), state="appendable")
    refused(drive, tool("burn", on(drive), of(iso)), UNFIT, "is not blank")


@pytest.mark.parametrize("kind", ERASABLE + OVERWRITABLE)
def test_a_disc_that_can_be_erased(drive, tool, iso, content, kind):
    before = os.urandom(100 * SECTOR)
    drive.insert(kind, capacity=16, data=before)
    refused(drive, tool("burn", on(drive), of(iso)), UNFIT,
            "is not blank, and this burn may not erase it (blank: yes)")
    assert drive.data(len(before)) == before
    done = tool("burn", on(drive), of(iso), "--blank", "--verify")
    assert done.status == MATCHES, done
    assert drive.data(len(content)) == content


@pytest.mark.parametrize("kind", ERASABLE + OVERWRITABLE)
def test_too_large_is_found_before_it_is_erased(drive, tool, iso, kind):
    before = os.urandom(100 * SECTOR)
    drive.insert(kind, capacity=1, data=before)
    done = tool("burn", on(drive), of(iso), "--blank")
    assert done.status == UNFIT, done
    assert "lab.iso is too large for the disc: it has 2" in done.sentence
    assert drive.data(len(before)) == before


@pytest.mark.parametrize("kind", OVERWRITABLE)
def test_a_disc_that_was_never_formatted(drive, tool, iso, content, kind):
    drive.insert(kind, capacity=16, state="virgin")
    done = tool("burn", on(drive), of(iso), "--verify")
    assert done.status == MATCHES, done
    assert drive.data(len(content)) == content


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_too_large(drive, tool, iso, kind):
    drive.insert(kind, capacity=1)
    done = tool("burn", on(drive), of(iso))
    assert done.status == UNFIT, done
    assert "lab.iso is too large for the disc: it has 2" in done.sentence
    assert not drive.did("WRITE10") and drive.state in ("blank", "closed"), drive.log()


def test_no_disc(drive, tool, iso):
    refused(drive, tool("burn", on(drive), of(iso)), NO_DISC,
            "there is no disc in /dev/sr9: put in")


def test_an_open_tray_is_closed(drive, tool, iso):
    drive.insert("DVD+R", capacity=16)
    drive.tray = "open"
    assert tool("burn", on(drive), of(iso)).status == 0
    assert drive.state == "closed"


def test_a_drive_that_only_reads(drive, tool, iso):
    drive.insert("DVD-ROM", data=os.urandom(100 * SECTOR))
    drive.read_only()
    refused(drive, tool("burn", on(drive), of(iso)), UNFIT, "can read discs but not write them")


def test_a_disc_that_only_reads(drive, tool, iso):
    drive.insert("DVD-ROM", data=os.urandom(100 * SECTOR))
    refused(drive, tool("burn", on(drive), of(iso)), UNFIT, "can't be written: put in a blank one")


def test_no_drive(tool, iso):
    done = tool("burn", "--device=/dev/nodrive", of(iso))
    assert done.status == EX_UNAVAILABLE and "there is no drive /dev/nodrive" in done.sentence


def test_no_permission(drive, tool, iso):
    drive.denied()
    done = tool("burn", on(drive), of(iso))
    assert done.status == EX_UNAVAILABLE and "the drive's group (cdrom)" in done.sentence, done


@pytest.mark.parametrize("verb", ("burn", "verify", "eject"))
def test_somebody_has_it(drive, tool, iso, verb):
    drive.insert("DVD+R", capacity=16)
    with drive.held():
        done = tool(verb, on(drive), *([of(iso)] if verb != "eject" else []))
    assert done.status == EX_TEMPFAIL, done
    assert "/dev/sr9 is in use by " in done.sentence and "nothing was done" in done.sentence
    assert not drive.wrote() and not drive.did("START_STOP"), drive.log()


@pytest.mark.parametrize("verb", ("burn", "eject"))
def test_mounted(drive, tool, iso, verb):
    drive.insert("DVD+RW", capacity=16, data=os.urandom(100 * SECTOR))
    drive.mounted()
    done = tool(verb, on(drive), *([of(iso), "--blank"] if verb == "burn" else []))
    assert done.status == EX_TEMPFAIL and "nothing was done" in done.sentence, done
    assert not drive.wrote() and not drive.did("START_STOP") and drive.tray == "closed"


@pytest.mark.parametrize("cut", (1, SECTOR, 100 * SECTOR, 2 << 20))
def test_a_truncated_image(drive, tool, content, tmp_path, cut):
    drive.insert("DVD+R", capacity=16)
    image = tmp_path / "cut.iso"
    image.write_bytes(content[:-cut])
    refused(drive, tool("burn", on(drive), of(image)), EX_DATAERR, "cut.iso is cut short: it has ")
    assert not drive.log(), "the drive was not even looked at"


def test_a_truncated_udf_image(drive, tool, tmp_path):
    """Its ISO 9660 descriptor alone would let it pass."""
    image = images.make(tmp_path / "udf.iso", options=("-udf",))
    data = bytearray(image.read_bytes())
    data[16 * SECTOR + 80:16 * SECTOR + 84] = (400).to_bytes(4, "little")
    image.write_bytes(data[:-300 * SECTOR])
    drive.insert("DVD+R", capacity=16)
    refused(drive, tool("burn", on(drive), of(image)), EX_DATAERR, "udf.iso is cut short")


def test_an_image_of_udf_alone(drive, tool, tmp_path):
    image = images.make(tmp_path / "udf.iso", options=("-udf",))
    data = bytearray(image.read_bytes())
    for n in range(16, 32):  # what ISO 9660 has of descriptors
        if data[n * SECTOR + 1:n * SECTOR + 6] == b"CD001":
            data[n * SECTOR:(n + 1) * SECTOR] = bytes(SECTOR)
    image.write_bytes(data)
    drive.insert("DVD+R", capacity=16)
    done = tool("burn", on(drive), of(image), "--verify")
    assert done.status == MATCHES and ", UDF" in done.out, done


@pytest.mark.parametrize("size,words", (
    (0, "is empty"), (1, "is not a disc image"), (200_000, "is not a disc image")))
def test_what_is_no_image(drive, tool, tmp_path, size, words):
    drive.insert("DVD+R", capacity=16)
    image = tmp_path / "x.iso"
    image.write_bytes(b"P" * size)
    refused(drive, tool("burn", on(drive), of(image)), EX_DATAERR, words)


def test_an_image_that_is_not_there(drive, tool, tmp_path):
    refused(drive, tool("burn", on(drive), of(tmp_path / "x.iso")), EX_NOINPUT, "can't be read")
    (tmp_path / "link.iso").symlink_to("/etc/passwd")
    refused(drive, tool("burn", on(drive), of(tmp_path / "link.iso")), EX_NOINPUT, "symbolic link")
    os.mkfifo(tmp_path / "fifo.iso")
    refused(drive, tool("burn", on(drive), of(tmp_path / "fifo.iso")), EX_NOINPUT,
            "not an ordinary file")


# Burn: what goes wrong


@pytest.mark.parametrize("kind,words", (("DVD+R", "Put in a new one"), ("CD-RW", "blank: yes"),
                                        ("DVD+RW", "can be burned again")))
def test_a_write_error(drive, tool, iso, listener, kind, words):
    drive.insert(kind, capacity=16)
    drive.unwritable(500)
    done = tool("burn", on(drive), of(iso), "--verify", "--eject", NOTIFY_SOCKET=str(listener.path))
    assert done.status == SPOILED and "the burn of lab.iso broke off" in done.sentence, done
    assert words in done.sentence
    record, = listener.records()
    assert record["verdict"] == "spoiled" and "sha256" not in record
    assert not drive.locked and drive.tray == "closed"


def test_a_sector_that_is_written_wrong(drive, tool, iso, listener):
    drive.insert("DVD+R", capacity=16)
    first = images.sector_of(iso, "big.bin")
    drive.corrupt(first + 7)
    done = tool("burn", on(drive), of(iso), "--verify", "--eject", NOTIFY_SOCKET=str(listener.path))
    assert done.status == DIFFERS, done
    assert f"1 sector of {iso.stat().st_size // SECTOR}, the first is sector {first + 7}, in " \
        "/pool/big.bin" in done.sentence
    assert "It was just burned: do not use it" in done.sentence
    record, = listener.records()
    assert record["verb"] == "burn" and record["verdict"] == "differs"


def test_a_drive_that_goes_while_it_burns(drive, tool, iso):
    drive.insert("DVD+R", capacity=16)
    drive.slow(write_ms=20)
    process = tool.start("burn", on(drive), of(iso))
    drive.wait_for("WRITE10 lba=64")
    drive.unplugged()
    done = Result(process, *process.communicate(timeout=TIMEOUT))
    assert done.status == SPOILED and "the burn of lab.iso broke off" in done.sentence, done


@pytest.mark.parametrize("sig", (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
@pytest.mark.parametrize("kind,words", (("DVD+R", "is spoiled"), ("DVD+RW", "can be burned again")))
def test_told_to_stop(drive, tool, iso, listener, kind, words, sig):
    drive.insert(kind, capacity=16)
    drive.slow(write_ms=30)
    process = tool.start("burn", on(drive), of(iso), "--verify", "--eject",
                         NOTIFY_SOCKET=str(listener.path))
    drive.wait_for("WRITE10 lba=64")
    process.send_signal(sig)
    done = Result(process, *process.communicate(timeout=TIMEOUT))
    assert done.status == STOPPED and "the burn of lab.iso was stopped" in done.sentence, done
    assert words in done.sentence
    assert not drive.locked and drive.tray == "closed" and not drive.did("BLOCK_READ")
    assert listener.records()[0]["verdict"] == "spoiled"
    assert len(drive.places("WRITE10")) < iso.stat().st_size // (16 * SECTOR)


def test_told_to_stop_while_it_reads(drive, tool, iso):
    drive.insert("DVD+R", capacity=16)
    drive.slow(read_ms=50)
    process = tool.start("burn", on(drive), of(iso), "--verify")
    drive.wait_for("BLOCK_READ")
    process.send_signal(signal.SIGTERM)
    done = Result(process, *process.communicate(timeout=TIMEOUT))
    assert done.status == STOPPED, done
    assert "was burned without an error, but is not verified" in done.sentence


def test_an_image_that_changes(drive, tool, iso, tmp_path):
    image = tmp_path / "changing.iso"
    image.write_bytes(iso.read_bytes())
    drive.insert("DVD+R", capacity=16)
    drive.slow(write_ms=20)
    process = tool.start("burn", on(drive), of(image))
    drive.wait_for("WRITE10 lba=64")
    images.flip(image, 100)
    done = Result(process, *process.communicate(timeout=TIMEOUT))
    assert done.status == SPOILED and "was changed while it was burned" in done.sentence, done


def test_an_image_that_shrinks(drive, tool, iso, tmp_path):
    """The fifo has 20 MiB of it before it is noticed: so a larger one."""
    image = images.make(tmp_path / "big.iso", size=40 << 20)
    drive.insert("BD-R", capacity=64)
    drive.slow(write_ms=20)
    process = tool.start("burn", on(drive), of(image))
    drive.wait_for("WRITE10 lba=64")
    os.truncate(image, 25 << 20)
    drive.slow(write_ms=0)
    done = Result(process, *process.communicate(timeout=TIMEOUT))
    assert done.status == SPOILED and "because big.iso can't be read" in done.sentence, done


def test_progress(drive, tool, iso, listener):
    drive.insert("DVD+R", capacity=16)
    drive.slow(write_ms=40)
    assert tool("burn", on(drive), of(iso), "--verify",
                NOTIFY_SOCKET=str(listener.path)).status == 0
    listener.close()
    burning = [s for s in listener.status() if "burning:" in s]
    assert len(burning) >= 3
    for status in burning:
        assert re.fullmatch(r"\d+% burning: [\d.]+ \w+ of [\d.]+ MiB, [\d.]+ \w+/s \([\d.]+x\), "
                            r"buffer \d+%, .+ left", status), status
    percents = [int(s.split("%")[0]) for s in listener.status() if re.match(r"\d+% [br]", s)]
    assert percents == sorted(percents) and percents[0] < 40
    assert any(s.startswith("50%") or "reading the disc back" in s for s in listener.status())
    assert listener.status()[-1] == "lab.iso was burned, and the disc matches it, byte for byte"


def test_the_record_comes_before_the_eject(drive, tool, iso, content, tmp_path, listener):
    """The tray stays shut until whoever keeps the record has let the barrier go."""
    drive.insert("DVD+R", capacity=16)
    assert tool("burn", on(drive), of(iso), "--verify", "--eject",
                NOTIFY_SOCKET=str(listener.path)).status == 0
    record, = listener.records()
    assert record == {
        "verb": "burn", "verdict": "matches", "against": "image", "length": str(len(content)),
        "sha256": hashlib.sha256(content).hexdigest(), "id": record["id"], "media": "DVD+R",
        "product": record["product"], "speed": record["speed"], "image": "lab.iso"}
    assert listener.lines.index(next(s for s in listener.lines if s.startswith("X_"))) < \
        listener.lines.index("BARRIER=1")


def test_no_eject_before_the_record_is_kept(drive, tool, iso, tmp_path):
    drive.insert("DVD+R", capacity=16)
    path = tmp_path / "deaf"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(path))
        process = tool.start("burn", on(drive), of(iso), "--verify", "--eject",
                             NOTIFY_SOCKET=str(path))
        kept = []
        while not kept:
            data, kept, _, _ = socket.recv_fds(deaf, 8192, 4)
        drive.forget()
        assert process.poll() is None and drive.tray == "closed"
        for fd in kept:
            os.close(fd)
        assert process.wait(TIMEOUT) == 0
        process.communicate()
    assert drive.tray == "open"


def test_no_eject_where_nobody_keeps_the_record(drive, tool, iso, tmp_path):
    drive.insert("DVD+R", capacity=16)
    done = tool("burn", on(drive), of(iso), "--verify", "--eject",
                NOTIFY_SOCKET=str(tmp_path / "nobody"))
    assert done.status == MATCHES and "stays shut: the verdict could not be stored" in done.out
    assert drive.tray == "closed"


# Verify


def burned(drive, tool, iso, kind="DVD+R"):
    drive.insert(kind, capacity=16)
    assert tool("burn", on(drive), of(iso)).status == 0
    drive.forget()


def test_verify_matches(drive, tool, iso):
    burned(drive, tool, iso)
    done = tool("verify", on(drive), of(iso))
    assert done.status == MATCHES and done.sentence == "the disc matches lab.iso, byte for byte"
    assert drive.in_order("START_STOP eject", "BLOCK_READ") and drive.tray == "closed"


def test_verify_differs(drive, tool, iso):
    burned(drive, tool, iso)
    first = images.sector_of(iso, "big.bin")
    for sector in (first + 5, first + 6, first + 900):
        drive.flip(sector, 17)
    done = tool("verify", on(drive), of(iso))
    assert done.status == DIFFERS, done
    assert f"3 sectors of {iso.stat().st_size // SECTOR}, the first is sector {first + 5}, in " \
        "/pool/big.bin" in done.sentence


def test_verify_unreadable(drive, tool, iso):
    burned(drive, tool, iso)
    first = images.sector_of(iso, "big.bin")
    drive.unreadable(first + 5, first + 50)
    done = tool("verify", on(drive), of(iso))
    assert done.status == UNREADABLE, done
    assert "2 sectors of the disc are unreadable after 3 tries, the first is sector " \
        f"{first + 5}, in /pool/big.bin" in done.sentence


def test_a_sector_that_is_read_at_the_second_try(drive, tool, iso):
    burned(drive, tool, iso)
    drive.unreadable(600, tries=2)
    assert tool("verify", on(drive), of(iso)).status == MATCHES


def test_differs_and_unreadable(drive, tool, iso):
    """Both are said; that it differs is the stronger word."""
    burned(drive, tool, iso)
    drive.flip(700)
    drive.unreadable(600)
    done = tool("verify", on(drive), of(iso))
    assert done.status == DIFFERS, done
    assert "1 sector of" in done.sentence
    assert "; and 1 sector of the disc is unreadable" in done.sentence


def test_many_unreadable_sectors_are_given_up(drive, tool, iso):
    burned(drive, tool, iso)
    drive.unreadable(300, count=2000)
    done = tool("verify", on(drive), of(iso))
    assert done.status == UNREADABLE, done
    assert "at least 256 sectors of the disc are unreadable" in done.sentence


def test_what_lies_behind_the_image_does_not_count(drive, tool, iso, content):
    burned(drive, tool, iso)
    sectors = -(-len(content) // SECTOR)
    drive.unreadable(sectors, count=16)
    drive.flip(sectors)
    assert tool("verify", on(drive), of(iso)).status == MATCHES


def test_a_short_disc(drive, tool, content, iso):
    """What was burned was cut short; the drive says so itself."""
    drive.insert("DVD-ROM", data=content[:-200 * SECTOR])
    done = tool("verify", on(drive), of(iso))
    assert done.status == DIFFERS and "it ends after" in done.sentence, done


def test_a_stale_size_is_no_match(drive, tool, iso):
    """The kernel reads nothing, without an error, until the tray was cycled: it is."""
    drive.insert("DVD+R", capacity=16)
    drive.stale_size()
    assert tool("burn", on(drive), of(iso), "--verify").status == MATCHES


def test_a_stale_size_and_a_tray_that_does_not_move(drive, tool, iso):
    drive.insert("DVD+R", capacity=16)
    drive.stale_size()
    drive.jammed()
    done = tool("burn", on(drive), of(iso), "--verify")
    assert done.status in (DIFFERS, UNREADABLE), done


def test_verify_without_a_tray(drive, tool, iso):
    burned(drive, tool, iso)
    drive.fixed()
    assert tool("verify", on(drive), of(iso)).status == MATCHES
    assert not drive.did("START_STOP")


def test_a_tray_that_is_pushed_in_by_hand(drive, tool, iso, listener):
    drive.insert("DVD+R", capacity=16)
    drive.laptop()
    process = tool.start("burn", on(drive), of(iso), "--verify", NOTIFY_SOCKET=str(listener.path))
    wait_for(lambda: any("push the tray of /dev/sr9 in" in s for s in listener.status()),
             "somebody is asked")
    drive.tray = "closed"
    done = Result(process, *process.communicate(timeout=TIMEOUT))
    assert done.status == MATCHES, done


def test_verify_no_disc(drive, tool, iso):
    assert tool("verify", on(drive), of(iso)).status == NO_DISC
    drive.insert("DVD+R", capacity=16)
    drive.tray = "open"
    done = tool("verify", on(drive), of(iso))
    assert done.status == NO_DISC and "the tray of /dev/sr9 is open" in done.sentence
    assert drive.tray == "open"


def test_verify_nothing_to_compare_with(drive, tool, iso):
    burned(drive, tool, iso)
    done = tool("verify", on(drive))
    assert done.status == NOTHING and done.sentence.startswith("there is nothing to compare with")


def record_of(content, name="lab.iso", when="2026-11-21", identity=None):
    return "\t".join((identity, str(len(content)), hashlib.sha256(content).hexdigest(), when, name))


def identity(tool, iso):
    return json.loads(tool("info", of(iso), "--json").out)["id"]


def test_verify_by_a_record(drive, tool, iso, content, tmp_path):
    burned(drive, tool, iso)
    records = tmp_path / "records"
    known = identity(tool, iso)
    other = os.urandom(len(content) - SECTOR)
    records.write_text("\n".join((
        "nonsense", "a\tb", record_of(other, "other.iso", identity=known),
        record_of(content, identity="0" * 32), record_of(content, identity=known))) + "\n")
    done = tool("verify", on(drive), f"--records={records}")
    assert done.status == MATCHES, done
    assert "matches lab.iso as it was burned on 2026-11-21, by the recorded" in done.sentence
    drive.flip(600)
    done = tool("verify", on(drive), f"--records={records}")
    assert done.status == DIFFERS and "its SHA-256 is another" in done.sentence, done
    drive.flip(600)
    drive.unreadable(600)
    done = tool("verify", on(drive), f"--records={records}")
    assert done.status == UNREADABLE, done


def test_verify_by_the_implanted_checksum(drive, tool, tmp_path):
    image = images.implant(images.make(tmp_path / "sum.iso"))
    drive.insert("DVD-ROM", data=image.read_bytes())
    done = tool("verify", on(drive))
    assert done.status == MATCHES and "the checksum in its image (isomd5sum)" in done.sentence, done
    drive.flip(600)
    assert tool("verify", on(drive)).status == DIFFERS
    drive.flip(600)
    drive.unreadable(600)
    assert tool("verify", on(drive)).status == UNREADABLE


def test_the_implanted_checksum_is_isomd5sums(tool, tmp_path):
    """Its own program agrees, for images of several lengths."""
    for size in (1 << 20, 3_000_000, 5 << 20):  # its fragments fail on smaller ones
        image = images.implant(images.make(tmp_path / "sum.iso", size=size))
        subprocess.run(["checkisomd5", str(image)], check=True, capture_output=True)
        assert tool("verify", f"--device=stdio:{image}").status == MATCHES
        images.flip(image, images.sector_of(image, "big.bin") * SECTOR)
        assert subprocess.run(["checkisomd5", str(image)], check=False,
                              capture_output=True).returncode == 1
        assert tool("verify", f"--device=stdio:{image}").status == DIFFERS


# Eject


def test_eject(drive, tool):
    drive.insert("DVD+R")
    done = tool("eject", on(drive))
    assert done.status == 0 and drive.tray == "open", done
    assert tool("eject", on(drive)).sentence == "the tray of /dev/sr9 is open already"
    done = tool("eject", on(drive), "--close")
    assert done.status == 0 and drive.tray == "closed", done
    assert "with a disc in it" in done.sentence


def test_eject_without_a_disc(drive, tool):
    assert tool("eject", on(drive)).status == 0
    assert drive.tray == "open"
    assert "without a disc" in tool("eject", on(drive), "--close").sentence


def test_a_tray_that_does_not_open(drive, tool):
    drive.insert("DVD+R")
    drive.jammed()
    done = tool("eject", on(drive))
    assert done.status == NO_TRAY and "did not open" in done.sentence, done


def test_a_tray_that_does_not_close(drive, tool):
    drive.insert("DVD+R")
    drive.laptop()
    assert tool("eject", on(drive)).status == 0
    done = tool("eject", on(drive), "--close")
    assert done.status == NO_TRAY and "push it in" in done.sentence, done


def test_nothing_to_eject(drive, tool, played):
    drive.fixed()
    done = tool("eject", on(drive))
    assert done.status == NO_TRAY and done.sentence.startswith("nothing to eject"), done
    done = tool("eject", f"--device={played[0]}")
    assert done.status == NO_TRAY and done.sentence.startswith("nothing to eject"), done
    assert not played[1].exists()


def test_eject_that_fails_does_not_spoil_the_verdict(drive, tool, iso):
    drive.insert("DVD+R", capacity=16)
    drive.jammed()
    done = tool("burn", on(drive), of(iso), "--eject")
    assert done.status == 0 and "it did not open: take the disc out by hand" in done.out, done
    assert done.sentence == "lab.iso was burned. It was not verified"


# Files that play a drive


def test_a_file_that_plays_a_drive(tool, iso, content, played):
    device, path = played
    done = tool("burn", f"--device={device}", of(iso), "--verify", "--eject")
    assert done.status == MATCHES and "nothing to eject" in done.out, done
    assert path.read_bytes()[:len(content)] == content
    before = path.read_bytes()
    done = tool("burn", f"--device={device}", of(iso))
    assert done.status == UNFIT and path.read_bytes() == before, done
    assert tool("burn", f"--device={device}", of(iso), "--blank").status == 0


@pytest.mark.parametrize("cut,status", ((1, DIFFERS), (SECTOR, DIFFERS), (2 << 20, DIFFERS)))
def test_a_file_cut_short(tool, iso, content, played, cut, status):
    played[1].write_bytes(content[:-cut])
    done = tool("verify", f"--device={played[0]}", of(iso))
    assert done.status == status and "ends after" in done.sentence, done


def test_a_file_with_a_flipped_byte(tool, iso, content, played):
    played[1].write_bytes(content)
    assert tool("verify", f"--device={played[0]}", of(iso)).status == MATCHES
    for offset in (0, 17 * SECTOR, len(content) // 2, len(content) - 1):
        images.flip(played[1], offset)
        done = tool("verify", f"--device={played[0]}", of(iso))
        assert done.status == DIFFERS and f"the first is sector {offset // SECTOR}" in done.sentence
        images.flip(played[1], offset)


def test_a_file_that_cannot_be_read(tool, iso, content, played, tmp_path):
    """EIO from the kernel, with and without O_DIRECT."""
    library = preload.build("bad_sectors", tmp_path)
    played[1].write_bytes(content)
    env = {"LD_PRELOAD": f"{library} {tool.env['LD_PRELOAD']}", "BAD_FILE": str(played[1]),
           "BAD_FIRST": str(600 * SECTOR), "BAD_LAST": str(603 * SECTOR - 1)}
    done = tool("verify", f"--device={played[0]}", of(iso), **env)
    assert done.status == UNREADABLE, done
    assert "3 sectors of the disc are unreadable" in done.sentence
    assert "the first is sector 600" in done.sentence


def test_a_busy_file_says_who(tool, iso, played):
    played[1].write_bytes(b"")
    with open(played[1], "r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = tool("burn", f"--device={played[0]}", of(iso))
    assert done.status == EX_TEMPFAIL, done
    name = Path("/proc/self/comm").read_text(encoding="utf-8").strip()
    assert f"in use by {name} (process {os.getpid()}, by " in done.sentence


def test_what_may_not_play_a_drive(tool, iso, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "fifo")
    for device in ("stdio:relative", "stdio:/dev/null", "stdio:/dev/fd/1", "stdio:/proc/self/fd/1",
                   "stdio:", "stdio:-", f"stdio:{tmp_path}", f"stdio:{tmp_path}/link",
                   f"stdio:{tmp_path}/fifo", "/dev/null", "/etc/passwd"):
        done = tool("burn", f"--device={device}", of(iso))
        assert done.status == EX_UNAVAILABLE, (device, done)
    assert not (tmp_path / "elsewhere").exists()


def test_an_image_is_not_burned_onto_itself(tool, iso, content, tmp_path):
    image = tmp_path / "self.iso"
    image.write_bytes(content)
    done = tool("burn", f"--device=stdio:{image}", of(image), "--blank")
    assert done.status == EX_DATAERR and image.read_bytes() == content, done


# By hand


def test_the_image_is_read_once(tool, iso, played, tmp_path):
    """Burned and hashed in one reading; only its descriptors are looked at before."""
    trace = tmp_path / "trace"
    subprocess.run(["strace", "-f", "-qq", "-y", "-e", "trace=read,pread64", "-o", trace,
                    tool.program, "burn", f"--device={played[0]}", of(iso)], check=True,
                   capture_output=True, timeout=TIMEOUT, env={"ASAN_OPTIONS": "detect_leaks=0"})
    read = [int(line.rsplit("= ", 1)[1].split()[0]) for line in trace.read_text().splitlines()
            if f"<{iso}>" in line and "= " in line]
    assert iso.stat().st_size <= sum(read) <= iso.stat().st_size + 300 * SECTOR


def test_info(drive, tool, iso):
    drive.insert("CD-RW", capacity=16)
    facts = json.loads(tool("info", on(drive), of(iso), "--json").out)
    assert facts["disc"] == "CD-RW" and facts["state"] == "blank" and facts["tray"] == "closed"
    assert facts["writes"] == "yes" and facts["erasable"] == "yes" and facts["free"] > 10 << 20
    assert facts["kind"] == "ISO 9660" and facts["label"] == "LAB"
    drive.tray = "open"
    assert json.loads(tool("info", on(drive), "--json").out)["tray"] == "open"
    assert drive.tray == "open"


@pytest.mark.parametrize("words", (
    [], ["frobnicate"], ["burn"], ["burn", "--device=/dev/sr9"],
    ["eject", "--device=x", "--verify"],
    ["burn", "--device=x", "--speed=0"], ["burn", "--device=x", "--speed=fast"], ["info"],
    ["verify", "--device=x", "surplus"]))
def test_usage(tool, words):
    done = tool(*words)
    assert done.status == EX_USAGE and done.err, done


def test_the_payload_has_the_name_it_was_dropped_with(tool, iso, played, tmp_path):
    payload = tmp_path / "0123456789abcdef"
    payload.write_bytes(iso.read_bytes())
    done = tool("burn", f"--device={played[0]}", FLAGMAN_PAYLOAD=str(payload),
                FLAGMAN_PAYLOAD_NAME="Musik für\nalle.iso")
    assert done.status == 0 and "0123456789abcdef" not in done.out, done
    assert "Musik für alle.iso was burned" in done.sentence


def test_a_long_name_does_not_drown_the_sentence(drive, tool, iso, tmp_path, listener):
    name = "ä" * 120 + "Ende.iso"
    payload = tmp_path / "payload"
    payload.write_bytes(iso.read_bytes())
    drive.insert("DVD+R", capacity=1)
    done = tool("burn", on(drive), FLAGMAN_PAYLOAD=str(payload), FLAGMAN_PAYLOAD_NAME=name)
    assert done.status == UNFIT and "äää...ä" in done.sentence and "äEnde.iso is too large" in \
        done.sentence, done
    assert len(done.sentence.encode()) < 256 and done.sentence.endswith("this one is as it was")
    drive.insert("DVD+R", capacity=16)
    assert tool("burn", on(drive), FLAGMAN_PAYLOAD=str(payload), FLAGMAN_PAYLOAD_NAME=name,
                NOTIFY_SOCKET=str(listener.path)).status == 0
    assert listener.records()[0]["image"] == name


def test_version(tool):
    assert tool("--version").out.startswith("flagman-disc 0.")
