# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman-disc among broken discs, odd images and people who interfere: it never says more than is
so, and touches no disc that it was not given."""

import os
import signal

import pytest
import test_disc
from test_disc import (DIFFERS, EVERY_KIND, EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE, MATCHES,
                       NO_DISC, NO_TRAY, NOTHING, OVERWRITABLE, SECTOR, SPOILED, STOPPED, TIMEOUT,
                       UNFIT, UNREADABLE, Result, burned, identity, of, on, record_of)

from lib import images, preload

tool, iso, content = test_disc.tool, test_disc.iso, test_disc.content
played, listener = test_disc.played, test_disc.listener


def over(process):
    return Result(process, *process.communicate(timeout=TIMEOUT))


# A disc is as it was, or it is said


@pytest.mark.parametrize("kind", ("CD-RW", "DVD-RW"))
def test_told_to_stop_while_it_erases(drive, tool, iso, kind):
    drive.insert(kind, capacity=16, data=os.urandom(100 * SECTOR))
    drive.slow(busy_ms=300)
    process = tool.start("burn", on(drive), of(iso), "--blank")
    drive.wait_for("BLANK")
    process.send_signal(signal.SIGTERM)
    done = over(process)
    assert done.status == STOPPED and drive.state == "blank", done
    assert done.sentence == "stopped before anything was written: the disc was erased"


def test_told_to_stop_while_it_formats(drive, tool, iso):
    drive.insert("BD-RE", capacity=16, state="virgin")
    drive.slow(busy_ms=300)
    process = tool.start("burn", on(drive), of(iso))
    drive.wait_for("FORMAT")
    process.send_signal(signal.SIGTERM)
    done = over(process)
    assert done.status == STOPPED and not drive.did("WRITE10"), done
    assert done.sentence == "stopped before anything was written: the disc was formatted"


@pytest.mark.parametrize("kind", ("CD-RW", "DVD-RW", "DVD+RW"))
def test_a_simulation_erases_nothing(drive, tool, iso, kind):
    before = os.urandom(100 * SECTOR)
    drive.insert(kind, capacity=16, data=before)
    done = tool("burn", on(drive), of(iso), "--blank", "--dummy")
    assert done.status == UNFIT and "is as it was" in done.sentence, done
    assert not drive.wrote() and drive.data(len(before)) == before


@pytest.mark.parametrize("kind", OVERWRITABLE)
def test_a_simulation_formats_nothing(drive, tool, iso, kind):
    drive.insert(kind, capacity=16, state="virgin")
    assert tool("burn", on(drive), of(iso), "--dummy").status == UNFIT
    assert not drive.wrote() and drive.state == "blank"


@pytest.mark.parametrize("kind", OVERWRITABLE)
@pytest.mark.parametrize("sector", (0, 16))
def test_what_cannot_be_read_is_not_blank(drive, tool, iso, content, kind, sector):
    """The descriptor of somebody's files lies in a sector that has become bad."""
    drive.insert(kind, capacity=16, data=content)
    drive.unreadable(sector)
    done = tool("burn", on(drive), of(iso))
    assert done.status == UNFIT and "can't be read, and may hold something" in done.sentence, done
    assert not drive.wrote(), drive.log()
    drive.unreadable()
    assert tool("burn", on(drive), of(iso), "--blank", "--verify").status == MATCHES


def test_a_file_that_cannot_be_read_is_not_blank(tool, iso, content, played, tmp_path):
    library = preload.build("bad_sectors", tmp_path)
    played[1].write_bytes(content)
    done = tool("burn", f"--device={played[0]}", of(iso), BAD_FILE=str(played[1]), BAD_FIRST="0",
                BAD_LAST=str(SECTOR), LD_PRELOAD=f"{library} {tool.env['LD_PRELOAD']}")
    assert done.status == UNFIT and played[1].read_bytes() == content, done


@pytest.mark.parametrize("zeros", (0, 33000, 65535))
def test_a_file_with_little_in_it_is_not_blank(tool, iso, played, zeros):
    before = bytes(zeros) + b"x"
    played[1].write_bytes(before)
    done = tool("burn", f"--device={played[0]}", of(iso))
    assert done.status == UNFIT and played[1].read_bytes() == before, done


def test_a_simulation_of_what_changes(drive, tool, iso, tmp_path):
    image = tmp_path / "changing.iso"
    image.write_bytes(iso.read_bytes())
    drive.insert("DVD-R", capacity=16)
    drive.slow(write_ms=20)
    process = tool.start("burn", on(drive), of(image), "--dummy")
    drive.wait_for("WRITE10 lba=64")
    images.flip(image, 100)
    done = over(process)
    assert done.status == EX_NOINPUT and "is as it was" in done.sentence, done
    assert drive.state == "blank"


# A burn that did not end well


def test_an_image_that_changes_leaves_nothing_to_verify_by(drive, tool, iso, tmp_path, listener):
    image = tmp_path / "changing.iso"
    image.write_bytes(iso.read_bytes())
    drive.insert("DVD+R", capacity=16)
    drive.slow(write_ms=20)
    process = tool.start("burn", on(drive), of(image), "--eject", NOTIFY_SOCKET=str(listener.path))
    drive.wait_for("WRITE10 lba=64")
    images.flip(image, 100)
    assert over(process).status == SPOILED
    record, = listener.records()
    assert record["verdict"] == "spoiled" and "sha256" not in record and drive.tray == "closed"


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_disc_that_cannot_be_closed(drive, tool, iso, kind):
    drive.insert(kind, capacity=16)
    drive.unclosable()
    done = tool("burn", on(drive), of(iso), "--verify")
    assert done.status == SPOILED and "the burn of lab.iso broke off" in done.sentence, done


@pytest.mark.parametrize("sig", (signal.SIGTERM, signal.SIGKILL))
@pytest.mark.parametrize("kind", ("CD-RW", "DVD+R", "DVD+RW"))
def test_a_disc_that_was_spoiled(drive, tool, iso, kind, sig):
    """It is told from a blank one, and erased where it can be."""
    drive.insert(kind, capacity=16)
    drive.slow(write_ms=20)
    process = tool.start("burn", on(drive), of(iso))
    drive.wait_for("WRITE10 lba=64")
    process.send_signal(sig)
    over(process)
    drive.slow(write_ms=0)
    assert not drive.locked and tool("verify", on(drive), of(iso)).status == DIFFERS
    drive.forget()
    done = tool("burn", on(drive), of(iso))
    assert done.status == UNFIT and not drive.wrote(), done
    done = tool("burn", on(drive), of(iso), "--blank", "--verify")
    assert done.status == (UNFIT if kind == "DVD+R" else MATCHES), done


# What is compared


@pytest.mark.parametrize("size,words", ((0, "is empty: nothing was compared"),
                                        (1 << 20, "is cut short")))
def test_verify_with_a_part_of_an_image(tool, content, played, tmp_path, size, words):
    """A disc that may be bad where the image ends too early does not match."""
    played[1].write_bytes(content)
    image = tmp_path / "part.iso"
    image.write_bytes(content[:size])
    done = tool("verify", f"--device={played[0]}", of(image))
    assert done.status == EX_DATAERR and words in done.sentence, done


@pytest.mark.parametrize("length", (2**63, 2**64 - 1, 2**64))
def test_a_record_of_an_absurd_length(tool, iso, content, played, tmp_path, length):
    records = tmp_path / "records"
    records.write_text(f"{identity(tool, iso)}\t{length}\t{'0' * 64}\twhen\tname\n")
    played[1].write_bytes(content)
    done = tool("verify", f"--device={played[0]}", f"--records={records}")
    assert done.status == NOTHING, done


def test_descriptors_that_are_read_at_the_second_try(drive, tool, iso, content, tmp_path):
    burned(drive, tool, iso)
    records = tmp_path / "records"
    records.write_text(record_of(content, identity=identity(tool, iso)) + "\n")
    drive.unreadable(16, 20, tries=2)
    assert tool("verify", on(drive), f"--records={records}").status == MATCHES
    drive.unreadable(17)
    assert tool("verify", on(drive), f"--records={records}").status == UNREADABLE


@pytest.mark.parametrize("how,status,ms,read", (
    ("flip", DIFFERS, 200, "at=0 size=1048576"),
    ("unreadable", UNREADABLE, 5, f"at={101 * SECTOR} size={SECTOR}")))
def test_told_to_stop_when_it_is_bad_already(drive, tool, iso, listener, how, status, ms, read):
    burned(drive, tool, iso)
    getattr(drive, how)(100)
    drive.slow(read_ms=ms)
    process = tool.start("verify", on(drive), of(iso), NOTIFY_SOCKET=str(listener.path))
    drive.wait_for(f"BLOCK_READ {read}")
    process.send_signal(signal.SIGTERM)
    done = over(process)
    assert done.status == status and "at least 1 sector of" in done.sentence, done
    assert listener.records()[0]["verdict"] == {DIFFERS: "differs"}.get(status, "unreadable")


def test_told_to_stop_in_the_last_of_it(drive, tool, iso):
    """It is read by sectors there, and not all of them were: that is no match."""
    burned(drive, tool, iso)
    last = iso.stat().st_size // SECTOR // 512 * 512
    drive.unreadable(last, tries=2)
    drive.slow(read_ms=20)
    process = tool.start("verify", on(drive), of(iso))
    drive.wait_for(f"BLOCK_READ at={(last + 1) * SECTOR} size={SECTOR}")
    process.send_signal(signal.SIGTERM)
    done = over(process)
    assert done.status == STOPPED and f"stopped after {last} of" in done.sentence, done


@pytest.mark.parametrize("reference", ("image", "record"))
@pytest.mark.parametrize("tray,status", ((True, NO_DISC), (False, EX_UNAVAILABLE)))
def test_a_disc_that_goes_while_it_is_read(drive, tool, iso, content, tmp_path, listener, tray,
                                           status, reference):
    """Nothing is said of the disc: somebody has taken it out, or the drive was unplugged."""
    records = tmp_path / "records"
    records.write_text(record_of(content, identity=identity(tool, iso)) + "\n")
    burned(drive, tool, iso)
    drive.slow(read_ms=100)
    process = tool.start("verify", on(drive), of(iso) if reference == "image" else
                         f"--records={records}", NOTIFY_SOCKET=str(listener.path))
    drive.wait_for("BLOCK_READ")
    drive.slow(read_ms=0)
    if tray:
        drive.tray = "open"
    else:
        drive.unplugged()
    done = over(process)
    assert done.status == status and "while it" in done.sentence, done
    assert not listener.records()


def directory(name, sector, size):
    """ECMA-119 9.1."""
    length = 33 + len(name) + (1 - len(name) % 2)
    numbers = b"".join(number.to_bytes(4, "little") + number.to_bytes(4, "big")
                       for number in (sector, size))
    return (bytes([length, 0]) + numbers + bytes(7) + b"\x02\0\0\x01\0\0\x01" +
            bytes([len(name)]) + name).ljust(length, b"\0")


def test_a_tree_without_an_end(tool, iso, content, played, tmp_path):
    """Each directory of a MiB is itself in each other: no file is found, but the verdict stands."""
    size, root = 1 << 20, 24
    image = bytearray(content.ljust(2048 * SECTOR, b"\0"))
    image[17 * SECTOR:18 * SECTOR] = b"\xffCD001\x01".ljust(SECTOR, b"\0")  # and no Joliet
    image[16 * SECTOR + 156:16 * SECTOR + 190] = directory(b"\0", root, size)
    for at in range(0, size, SECTOR):
        entries = b"" if at else directory(b"\0", root, size) + directory(b"\x01", root, size)
        while len(entries) + 40 <= SECTOR:
            entries += directory(b"D%06d" % (at + len(entries)), root, size)
        image[root * SECTOR + at:(root + 1) * SECTOR + at] = entries.ljust(SECTOR, b"\0")
    path = tmp_path / "loop.iso"
    path.write_bytes(image)
    image[-1] ^= 1
    played[1].write_bytes(image)
    done = tool("verify", f"--device={played[0]}", of(path))
    assert done.status == DIFFERS, done
    assert done.sentence.endswith("1 sector of 2048, the first is sector 2047"), done


# The tray


def test_an_empty_tray_that_does_not_open(drive, tool):
    """That there is no disc does not say that it is open."""
    drive.prevented()
    assert tool("eject", on(drive)).status == NO_TRAY
    assert drive.tray == "closed"


def test_a_drive_that_goes_while_its_tray_moves(drive, tool, iso):
    drive.insert("DVD+R", capacity=16)
    drive.slow(busy_ms=500)
    process = tool.start("burn", on(drive), of(iso), "--verify")
    drive.wait_for("START_STOP eject")
    drive.unplugged()
    done = over(process)
    assert done.status == EX_UNAVAILABLE, done
    assert done.sentence.endswith("was burned without an error, but is not verified"), done
