# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman-disc with a drive that burns: what gets onto the disc, and what it says about it."""

import re
import time

import pytest

from burner import DISC
from conftest import DISC_USER
from discs import (BURN_PATIENCE, DATAERR, DIFFERS, FLIPPED_SECTOR, MATCHES, NOINPUT, SECTOR,
                   SPOILED, STOPPED, TEMPFAIL, UNFIT, UNREADABLE, USAGE, burned, end_of, is_out)

STOP_PATIENCE = 60  # a drive finishes what it has in its buffer


def test_burn_and_verify(machine, disc, burner, large):
    said = disc("burn", f"--device={burner.device}", f"--image={large.there}", "--verify")
    assert said.status == 0, said
    assert "large.iso" in said.sentence and "matches" in said.sentence
    assert burned(burner, large)
    assert burner.media_state() == "complete"
    # as anybody will read it
    assert burner.read_back(large.size) == large.sha256

    # once more onto the same disc, which is closed
    before = burner.data()
    said = disc("burn", f"--device={burner.device}", f"--image={large.there}", "--verify")
    assert said.status == UNFIT, said
    assert "blank" in said.sentence
    assert burner.data() == before

    # and its owner may verify it as often as he likes
    said = disc("verify", f"--device={burner.device}", f"--image={large.there}", user=DISC_USER)
    assert said.status == MATCHES, said


def test_burn_by_an_ordinary_user_of_the_group(machine, disc, burner, small):
    said = disc("burn", f"--device={burner.device}", f"--image={small.there}", "--verify",
                "--eject", user=DISC_USER)
    assert said.status == 0, said
    assert "matches" in said.output
    assert burned(burner, small)
    assert is_out(machine, burner)


def test_the_last_line_is_the_sentence_though_the_tray_opens_later(disc, burner, small):
    said = disc("burn", f"--device={burner.device}", f"--image={small.there}", "--verify",
                "--eject")
    assert said.status == 0, said
    assert "matches" in said.sentence, said.sentence


def test_burn_of_what_was_dropped(machine, disc, burner, small):
    """As flagman gives a payload: people know it by another name than its path."""
    said = disc("burn", f"--device={burner.device}", environment=f"FLAGMAN_PAYLOAD={small.there} "
                "FLAGMAN_PAYLOAD_NAME='Holiday pictures.iso'")
    assert said.status == 0, said
    assert "Holiday pictures.iso" in said.sentence and small.there not in said.output
    assert burned(burner, small)


def test_an_image_that_is_too_large(machine, disc, burner, small):
    """5 GiB, and it says of itself that it has as much: nothing but the disc is wrong."""
    machine.check(f"cp {small.there} /srv/images/huge.iso && truncate -s 5G /srv/images/huge.iso")
    said = disc("burn", f"--device={burner.device}", "--image=/srv/images/huge.iso", "--verify")
    assert said.status == UNFIT, said
    assert "too large" in said.sentence
    assert (burner.size(), burner.media_state()) == (0, "blank")


def test_a_fresh_disc_and_eject(machine, disc, burner):
    said = disc("eject", f"--device={burner.device}")
    assert said.status == 0, said
    assert is_out(machine, burner)
    said = disc("eject", f"--device={burner.device}", "--close")
    assert said.status == 0, said
    assert not is_out(machine, burner)
    assert (burner.size(), burner.media_state()) == (0, "blank")


def test_info_of_a_blank_disc(machine, disc, burner):
    said = disc("info", f"--device={burner.device}")
    assert said.status == 0, said
    assert "DVD+R" in said.output and "blank" in said.output.lower()


def test_a_simulation_leaves_the_disc_blank(machine, disc, burner, small):
    """DVD+R has none: it is refused, or nothing is written; never burned after all."""
    said = disc("burn", f"--device={burner.device}", f"--image={small.there}", "--dummy")
    assert said.status in (0, UNFIT), said
    assert (burner.size(), burner.media_state()) == (0, "blank")


def begin_burn(machine, disc, burner, image, *options, user=None, at_least=2_000_000):
    """Returns once some of it is on the disc."""
    burning = disc.begin("burn", f"--device={burner.device}", f"--image={image.there}", *options,
                         user=user)

    def on_its_way():
        if not burning.running():
            raise RuntimeError(f"the burn has ended: {end_of(burning, 1)}")
        return burner.size() >= at_least
    machine.wait_for(on_its_way, "the laser is on", BURN_PATIENCE)
    return burning


def flip(machine, sector):
    """A bit of the disc goes bad."""
    script = ("import os, sys; fd = os.open(sys.argv[1], os.O_RDWR); at = int(sys.argv[2]); "
              "os.pwrite(fd, bytes([os.pread(fd, 1, at)[0] ^ 1]), at)")
    machine.check(["/usr/bin/python3", "-c", script, DISC, sector * SECTOR])


def test_a_burn_that_went_wrong_unnoticed_is_found_out(machine, disc, burner, large):
    """The drive says that all is well, and the disc is not: that is what verify is for."""
    burning = begin_burn(machine, disc, burner, large, "--verify", "--eject")
    flip(machine, FLIPPED_SECTOR)
    said = end_of(burning, BURN_PATIENCE)
    assert said.status == DIFFERS, said
    assert re.search(rf"\bsector {FLIPPED_SECTOR}\b", said.output)
    assert "do not use it" in said.output
    assert not burned(burner, large)


def test_a_disc_that_can_no_longer_be_read(machine, disc, burner, small):
    said = disc("burn", f"--device={burner.device}", f"--image={small.there}", "--verify")
    assert said.status == 0, said
    machine.check(f"truncate -s {FLIPPED_SECTOR * SECTOR} {DISC}")
    said = disc("verify", f"--device={burner.device}", f"--image={small.there}")
    assert said.status == UNREADABLE, said
    assert re.search(rf"\bsector {FLIPPED_SECTOR}\b", said.sentence), said


@pytest.mark.parametrize("signal", ["TERM", "INT", "HUP"])
def test_a_burn_that_is_stopped(machine, disc, burner, large, small, signal):
    burning = begin_burn(machine, disc, burner, large, "--verify", "--eject", user=DISC_USER)
    burning.signal(signal)
    began = time.monotonic()
    said = end_of(burning, STOP_PATIENCE)
    took = time.monotonic() - began
    assert said.status in (STOPPED, SPOILED), said
    assert "spoiled" in said.sentence and "large.iso" in said.sentence
    assert not burned(burner, large)
    assert took < STOP_PATIENCE

    # nobody takes it for a good one, and the drive is nobody's
    said = disc("verify", f"--device={burner.device}", f"--image={large.there}")
    assert said.status not in (MATCHES, TEMPFAIL), said
    burner.new_blank()
    said = disc("burn", f"--device={burner.device}", f"--image={small.there}", "--verify")
    assert said.status == 0, said
    assert burned(burner, small)


def test_a_second_burn_is_told_who_burns(machine, disc, burner, large, small):
    burning = begin_burn(machine, disc, burner, large, "--verify")
    for verb, options in (("burn", [f"--image={small.there}"]), ("eject", []), ("verify", []),
                          ("verify", [f"--image={large.there}"])):
        said = disc(verb, f"--device={burner.device}", *options)
        assert burning.running(), "it ended too early to tell"
        assert said.status == TEMPFAIL, (verb, said)
        assert "flagman-disc" in said.sentence and str(burning.pid) in said.sentence, (verb, said)
    said = end_of(burning, BURN_PATIENCE)
    assert said.status == 0, said
    assert burned(burner, large)


def test_a_drive_that_is_pulled_in_mid_burn(machine, disc, burner, large):
    burning = begin_burn(machine, disc, burner, large, "--verify")
    machine.check("systemctl kill --signal=KILL flagman-burner")
    said = end_of(burning, BURN_PATIENCE)
    assert said.status == SPOILED, said
    assert "spoiled" in said.sentence
    burner.down()


def test_a_mounted_disc_of_the_burner(machine, disc, burner, small):
    said = disc("burn", f"--device={burner.device}", f"--image={small.there}", "--verify")
    assert said.status == 0, said
    machine.check(f"mkdir -p /mnt/burned && mount -o ro {burner.device} /mnt/burned")
    try:
        for verb, options in (("burn", [f"--image={small.there}"]), ("eject", [])):
            said = disc(verb, f"--device={burner.device}", *options)
            assert said.status == TEMPFAIL, said
            assert "/mnt/burned" in said.sentence
        assert "This is SMALL." in machine.check("cat /mnt/burned/readme.txt")
    finally:
        machine.check("umount /mnt/burned")


def test_progress_goes_to_the_notify_socket(machine, disc, burner, large):
    machine.write("/root/listen.py", """\
import os, socket, subprocess, sys, threading
path = "/run/flagman-test-notify"
if os.path.exists(path):
    os.unlink(path)
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind(path)
os.environ["NOTIFY_SOCKET"] = path
def listen():
    while True:
        data, fds, _, _ = socket.recv_fds(server, 65536, 4)
        for fd in fds:
            os.close(fd)  # that is what a barrier waits for
        print(data.decode(), flush=True)
threading.Thread(target=listen, daemon=True).start()
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
sys.stdout.flush()
os._exit(status.returncode)
""")
    done = machine.run("/usr/bin/python3 /root/listen.py " + disc.command(
        "burn", f"--device={burner.device}", f"--image={large.there}", "--verify"),
        timeout=BURN_PATIENCE)
    lines = [line for line in done.stdout.splitlines() if line.startswith("STATUS=")]
    assert done.returncode == 0, done
    shown = [(int(match[1]), line) for line in lines
             if (match := re.match(r"STATUS=(\d+)%", line))]
    assert len({percent for percent, _ in shown}) >= 5, lines
    backwards = [(one[1], next_one[1]) for one, next_one in zip(shown, shown[1:])
                 if next_one[0] < one[0]]
    assert not backwards
    assert shown[-1][0] <= 100
    assert "matches" in lines[-1], lines
    record = [line for line in done.stdout.splitlines() if line.startswith("X_FLAGMAN_DISC=")]
    assert len(record) == 1 and f"sha256={large.sha256}" in record[0], record


# --- what is refused before the laser goes on ---

def test_images_that_are_not_right(machine, disc, burner, small):
    machine.check(f"head -c 1000000 {small.there} >/srv/images/cut.iso; : >/srv/images/empty.iso;"
                  "head -c 1000000 /dev/urandom >/srv/images/noise.iso")
    for name, status in (("cut.iso", DATAERR), ("empty.iso", DATAERR), ("noise.iso", DATAERR),
                         ("none.iso", NOINPUT)):
        said = disc("burn", f"--device={burner.device}", f"--image=/srv/images/{name}")
        assert said.status == status, said
        assert name in said.sentence
    assert (burner.size(), burner.media_state()) == (0, "blank")


def test_wrong_use(machine, disc, burner):
    for words in (("burn",), ("burn", f"--device={burner.device}"), ("eject", "--verify"),
                  ("burn", f"--device={burner.device}", "--image=/x", "--speed=fast"), ("melt",)):
        assert disc(*words).status == USAGE, words
    assert burner.size() == 0
