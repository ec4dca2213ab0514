# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman-disc with qemu's drive, which only reads but has a tray that can be looked at.

What people are told is tested by its words where they tell one case from another.
"""

import dataclasses
import json
import re

import pytest

from conftest import DISC_USER, put_image
from discs import (DIFFERS, FLIPPED_SECTOR, MATCHES, NO_DISC, NO_TRAY, NOTHING, SECTOR, TEMPFAIL,
                   UNAVAILABLE, UNFIT, UNREADABLE)

PATIENCE = 15  # until Linux has looked at a disc


@pytest.fixture
def loaded(machine, drive, small):
    """qemu's drive with the small image in it, which Linux has seen."""
    insert(machine, drive, small)
    return drive


def insert(machine, drive, image):
    machine.cd_insert(image.here)
    machine.wait_for(f"test $(blockdev --getsize64 {drive}) = {image.size}",
                     f"{drive} has {image.size} bytes", PATIENCE)


@pytest.fixture(scope="session")
def flipped_iso(small_iso, scratch):
    """The small image with one bit of its file changed, in FLIPPED_SECTOR."""
    path = scratch / "flipped.iso"
    data = bytearray(small_iso.read_bytes())
    data[FLIPPED_SECTOR * SECTOR + 100] ^= 0x10
    path.write_bytes(data)
    return path


# --- the tray ---

def test_eject_opens_the_tray_and_close_closes_it(machine, disc, loaded):
    said = disc("eject", f"--device={loaded}")
    assert said.status == 0, said
    assert machine.cd_status().open
    assert "open" in said.sentence and loaded in said.sentence
    said = disc("eject", f"--device={loaded}", "--close")
    assert said.status == 0, said
    assert not machine.cd_status().open
    assert machine.cd_status().disc is not None
    assert "closed" in said.sentence


def test_eject_of_an_open_tray_is_no_failure(machine, disc, drive):
    machine.cd_eject()
    assert machine.cd_status().open
    said = disc("eject", f"--device={drive}")
    assert said.status == 0, said
    assert machine.cd_status().open


def test_close_of_an_empty_tray(machine, disc, drive):
    machine.cd_eject()
    said = disc("eject", f"--device={drive}", "--close")
    assert said.status == 0, said
    assert not machine.cd_status().open
    assert "without a disc" in said.sentence


def test_eject_of_an_empty_drive_opens_the_tray(machine, disc, drive):
    said = disc("eject", f"--device={drive}")
    assert said.status == 0, said
    assert machine.cd_status().open


def test_eject_by_an_ordinary_user_of_the_group(machine, disc, loaded):
    said = disc("eject", f"--device={loaded}", user=DISC_USER)
    assert said.status == 0, said
    assert machine.cd_status().open
    said = disc("eject", f"--device={loaded}", "--close", user=DISC_USER)
    assert said.status == 0, said
    assert not machine.cd_status().open


def test_who_is_not_in_the_group_is_told_so(machine, disc, loaded):
    said = disc("eject", f"--device={loaded}", user="alice")
    assert said.status == UNAVAILABLE, said
    assert "cdrom" in said.sentence
    assert not machine.cd_status().open


@pytest.fixture
def mounted(machine, loaded):
    """Mounted, at a place whose name the kernel writes in its own way."""
    place = "/mnt/a disc"
    machine.check(f"mkdir -p '{place}' && mount -o ro {loaded} '{place}'")
    yield place
    machine.run(f"umount '{place}'")


@pytest.mark.parametrize("verb, options", [("eject", []), ("eject", ["--close"]), ("verify", [])])
@pytest.mark.parametrize("user", [None, DISC_USER], ids=["root", "user"])
def test_a_mounted_disc_is_left_alone(machine, disc, loaded, mounted, verb, options, user):
    said = disc(verb, f"--device={loaded}", *options, user=user)
    assert said.status == TEMPFAIL, said
    assert mounted in said.sentence
    assert machine.check(f"findmnt -n -o TARGET {loaded}") == mounted
    assert "This is SMALL." in machine.check(f"cat '{mounted}/readme.txt'")
    assert not machine.cd_status().open


def test_a_drive_that_another_program_has_is_left_alone(machine, disc, loaded):
    machine.write("/root/hold.py", """\
import os, sys, time
os.open(sys.argv[1], os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK)
print("held", flush=True)
time.sleep(600)
""")
    holder = machine.begin(f"/usr/bin/python3 /root/hold.py {loaded}")
    try:
        machine.wait_for(lambda: "held" in holder.stdout, "the drive is held")
        said = disc("eject", f"--device={loaded}")
        assert said.status == TEMPFAIL, said
        assert "python3" in said.sentence and str(holder.pid) in said.sentence
        assert not machine.cd_status().open
    finally:
        holder.end()
    assert disc("eject", f"--device={loaded}").status == 0


def test_no_such_drive(machine, disc, small):
    for verb, options in (("eject", []), ("verify", []), ("burn", [f"--image={small.there}"])):
        said = disc(verb, "--device=/dev/sr9", *options)
        assert said.status == UNAVAILABLE, said
        assert "/dev/sr9" in said.sentence


def test_a_disk_is_no_drive(machine, disc, small):
    """The machine's own disk, by somebody who could write to it."""
    before = machine.check("head -c 65536 /dev/vda | sha256sum")
    for verb, options in (("eject", []), ("burn", [f"--image={small.there}"])):
        said = disc(verb, "--device=/dev/vda", *options)
        assert said.status in (UNAVAILABLE, TEMPFAIL, NO_TRAY), said
    assert machine.check("head -c 65536 /dev/vda | sha256sum") == before


# --- reading ---

def test_verify_matches(machine, disc, loaded, small):
    said = disc("verify", f"--device={loaded}", f"--image={small.there}")
    assert said.status == MATCHES, said
    assert "matches" in said.sentence and "small.iso" in said.sentence
    assert not machine.cd_status().open


def test_verify_as_a_user_matches_and_ejects(machine, disc, loaded, small):
    said = disc("verify", f"--device={loaded}", f"--image={small.there}", "--eject",
                user=DISC_USER)
    assert said.status == MATCHES, said
    assert machine.cd_status().open


def test_verify_finds_one_bit(machine, disc, drive, small, flipped_iso):
    flipped = put_image(machine, flipped_iso)
    insert(machine, drive, flipped)
    said = disc("verify", f"--device={drive}", f"--image={small.there}")
    assert said.status == DIFFERS, said
    assert re.search(rf"\bsector {FLIPPED_SECTOR}\b", said.sentence)
    assert re.search(r"data\.bin", said.sentence, re.IGNORECASE)
    assert "1 sector " in said.sentence


def test_verify_reads_the_disc_and_not_what_linux_remembers(machine, disc, drive, small,
                                                            flipped_iso):
    """The page cache has the disc that matched; another one lies in the drive now."""
    flipped = put_image(machine, flipped_iso)
    insert(machine, drive, small)
    machine.check(f"cat {drive} >/dev/null")
    assert disc("verify", f"--device={drive}", f"--image={small.there}").status == MATCHES
    machine.cd_insert(flipped.here)
    assert disc("verify", f"--device={drive}", f"--image={small.there}").status == DIFFERS


def test_verify_of_a_disc_that_ends_too_early(machine, disc, drive, small, scratch):
    short = scratch / "short.iso"
    short.write_bytes(small.here.read_bytes()[:400 * SECTOR])
    insert(machine, drive, put_image(machine, short))
    said = disc("verify", f"--device={drive}", f"--image={small.there}")
    assert said.status in (DIFFERS, UNREADABLE), said
    assert "400" in said.sentence


@pytest.mark.parametrize("tray", ["closed", "open"])
def test_verify_without_a_disc(machine, disc, drive, small, tray):
    if tray == "open":
        machine.cd_eject()
    for options in ([f"--image={small.there}"], []):
        said = disc("verify", f"--device={drive}", *options)
        assert said.status == NO_DISC, said
        assert drive in said.sentence
    assert machine.cd_status().open == (tray == "open")


def test_verify_without_anything_to_compare_with(machine, disc, loaded):
    said = disc("verify", f"--device={loaded}")
    assert said.status == NOTHING, said
    assert "compare" in said.sentence


def test_verify_by_the_checksum_that_the_image_bears(machine, disc, drive, small_iso, scratch):
    """As installation discs have it (isomd5sum)."""
    path = scratch / "implanted.iso"
    path.write_bytes(small_iso.read_bytes())
    implanted = put_image(machine, path)
    machine.check(f"implantisomd5 -f {implanted.there}")
    machine.get(implanted.there, path)
    insert(machine, drive, dataclasses.replace(implanted, size=path.stat().st_size))
    said = disc("verify", f"--device={drive}")
    assert said.status == MATCHES, said
    data = bytearray(path.read_bytes())
    data[FLIPPED_SECTOR * SECTOR] ^= 1
    machine.cd_eject()
    path.write_bytes(data)
    machine.cd_insert(path)
    said = disc("verify", f"--device={drive}")
    assert said.status == DIFFERS, said


def test_verify_by_record(machine, disc, loaded, small):
    """Without the image, by what is known of the burn; the drive's disc is not the only one."""
    info = disc("info", f"--image={small.there}", "--json")
    assert info.status == 0, info
    name = json.loads(info.output)["id"]
    others = f"{name}\t4096\t{'0' * 64}\tyesterday\tother.iso\n"
    machine.write("/root/records", others + f"{name}\t{small.size}\t{small.sha256}\t"
                  "1 May 2026\tsmall.iso\n")
    said = disc("verify", f"--device={loaded}", "--records=/root/records")
    assert said.status == MATCHES, said
    assert "small.iso" in said.sentence and "1 May 2026" in said.sentence
    machine.write("/root/records", others)
    said = disc("verify", f"--device={loaded}", "--records=/root/records")
    assert said.status == DIFFERS, said


# --- a drive that can't write ---

def test_burn_in_a_drive_that_only_reads(machine, disc, loaded, small):
    said = disc("burn", f"--device={loaded}", f"--image={small.there}")
    assert said.status == UNFIT, said
    assert loaded in said.sentence
    assert machine.check(f"head -c {small.size} {loaded} | sha256sum").split()[0] == small.sha256
