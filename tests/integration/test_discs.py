# SPDX-License-Identifier: GPL-2.0-or-later
"""A DVD writer in the share, played by a file: burn by drop, verify, eject, the record."""

import hashlib
import json
import os
import subprocess
import time

import pytest
from boards import QUICK
from lib import drive as drive_module
from lib import images, preload
from lib.waiting import stays, wait_for

DROP = "drop: {folder: Burn, accept: ['*.iso'], settle: 150ms}"
PATIENCE = 60


@pytest.fixture(scope="session")
def iso(session_dir):
    return images.make(session_dir / "lab.iso").read_bytes()


def dvd(inst, burn="verify: yes, eject: yes", drop=DROP, verify="", start=True):
    """Burn, Verify and Eject of one drive; what plays its disc."""
    disc = inst.out / "dvd"
    inst.define("DVD", f"""
- name: Burn
  burn: {{device: "stdio:{disc}", {burn}}}
  {drop}
- name: Verify
  verify: {{device: "stdio:{disc}"{verify}}}
- name: Eject
  eject: {{device: "stdio:{disc}"}}
""", group=QUICK)
    if start:
        inst.start()
        inst.wait_state("DVD", "Burn", "")
    return disc


def folder(inst):
    return inst.share / "DVD" / "Burn"


def words(text):
    """Without its line breaks."""
    return " ".join(text.split())


def shown(inst, state, action="Burn", obj="DVD"):
    """The text of a flag that shows STATE: its name has it a moment earlier."""
    inst.wait_state(obj, action, state, timeout=PATIENCE)
    return wait_for(lambda: inst.text(obj, action).startswith(state) and inst.text(obj, action),
                    f"the text of {obj}/{action} says {state}", dump=inst.dump)


def ended(inst, action="DVD/Burn"):
    """How many runs of the action are over."""
    runs = json.loads(inst.cli("history", action, "--json", check=0).stdout)
    return sum(run["ended"] is not None for run in runs)


def burned(inst, data, name="lab.iso", state="Done"):
    """The flag may still show the burn before, so it is this one that is waited for."""
    before = ended(inst)
    inst.drop("DVD", "Burn", name, data)
    wait_for(lambda: ended(inst) > before, f"{name} is burned", PATIENCE, inst.dump)
    return shown(inst, state)


def pressed(inst, action, state):
    inst.press_delete("DVD", action)
    return shown(inst, state, action)


def history(inst):
    return json.loads(inst.cli("history", "--disc", "--json", check=0).stdout)


def test_burned_verified_recorded(inst, iso):
    disc = dvd(inst)
    text = burned(inst, iso)
    assert "lab.iso was burned, and the disc matches it, byte for byte" in text.splitlines()[0]
    assert disc.read_bytes()[:len(iso)] == iso
    digest = hashlib.sha256(iso).hexdigest()
    assert f"SHA-256   {digest}" in text
    run, = history(inst)
    assert run["action"] == "Burn" and run["state"] == "done" and run["payload"] == "lab.iso"
    assert run["disc"]["verdict"] == "matches" and run["disc"]["against"] == "image"
    assert run["disc"]["sha256"] == digest and run["disc"]["length"] == len(iso)
    assert run["disc"]["media"] == "stdio file" and run["disc"]["image"] == "lab.iso"
    assert run["disc"]["bytes-per-second"] > 0 and len(run["disc"]["id"]) == 32
    table = inst.cli("history", "--disc", check=0).stdout
    assert "lab.iso" in table and "matches (image)" in table


def test_the_result_stays_beside(inst, iso):
    dvd(inst)
    burned(inst, iso)
    result = folder(inst) / "lab.iso.result.txt"
    wait_for(result.exists, "the result is beside", dump=inst.dump)
    text = result.read_bytes().decode()
    assert text.startswith("lab.iso: done, lab.iso was burned, and the disc matches it")
    assert hashlib.sha256(iso).hexdigest() in text
    assert "matches (byte for byte with the image)" in text
    assert text.count("\n") == text.count("\r\n")
    pressed(inst, "Verify", "Done")  # the agent has looked at the folder since
    assert not (folder(inst) / "lab.iso.result.txt [Not accepted].txt").exists()


def test_a_newer_result_replaces_the_older(inst, iso):
    dvd(inst, burn="blank: yes")
    burned(inst, iso)
    result = folder(inst) / "lab.iso.result.txt"
    wait_for(result.exists, "the result is beside", dump=inst.dump)
    first = result.read_text()
    burned(inst, iso)
    wait_for(lambda: result.exists() and result.read_text() != first, "it is of the second burn",
             dump=inst.dump)
    assert "not verified" in result.read_text()


def test_verify_knows_what_was_burned(inst, iso):
    disc = dvd(inst, burn="verify: no")
    assert "lab.iso was burned. It was not verified" in burned(inst, iso)
    text = pressed(inst, "Verify", "Done")
    assert f"the disc matches lab.iso as it was burned on {time.strftime('%Y-%m-')}" in text
    assert "by the recorded SHA-256 and length" in words(text)
    images.flip(disc, len(iso) // 2)
    text = pressed(inst, "Verify", "Failed")
    assert "the disc differs from lab.iso as it was burned on" in text
    assert "(exit status 1)" in text
    assert [r["disc"]["verdict"] for r in history(inst)] == ["differs", "matches", "not verified"]
    assert [r["disc"]["against"] for r in history(inst)] == ["record", "record", None]
    assert [r["disc"]["image"] for r in history(inst)] == ["lab.iso"] * 3


def test_verify_knows_it_after_a_restart(inst, iso):
    dvd(inst, burn="verify: no")
    burned(inst, iso)
    (inst.state / "agent" / "discs").unlink()
    inst.restart()
    assert "by the recorded SHA-256" in words(pressed(inst, "Verify", "Done"))


def test_verify_with_nothing_to_compare_with(inst, iso):
    disc = dvd(inst)
    disc.write_bytes(iso)
    os.chmod(disc, 0o666)
    assert "there is nothing to compare with" in pressed(inst, "Verify", "Failed")
    assert history(inst) == []


def test_verify_by_the_checksum_in_the_image(inst, test_dir):
    disc = dvd(inst)
    data = images.implant(images.make(test_dir / "sum.iso")).read_bytes()
    disc.write_bytes(data)
    os.chmod(disc, 0o666)
    assert "the disc matches the checksum in its image" in pressed(inst, "Verify", "Done")
    images.flip(disc, len(data) // 2)
    assert "the disc differs from the checksum in its image" in pressed(inst, "Verify", "Failed")


def test_a_disc_that_is_not_blank_is_left_alone(inst, iso):
    disc = dvd(inst)
    before = b"somebody's files" * 10000
    disc.write_bytes(before)
    os.chmod(disc, 0o666)
    text = burned(inst, iso, state="Failed")
    assert "is not blank, and this burn may not erase it" in words(text)
    assert disc.read_bytes() == before
    assert history(inst) == [] and not (folder(inst) / "lab.iso.result.txt").exists()
    disc.write_bytes(b"")  # somebody puts in a blank one, and presses again: the image is kept
    assert "the disc matches it" in pressed(inst, "Burn", "Done")
    assert disc.read_bytes()[:len(iso)] == iso


def test_a_truncated_upload_touches_no_disc(inst, iso):
    disc = dvd(inst)
    text = words(burned(inst, iso[:-4096 * 100], state="Failed"))
    assert "lab.iso is cut short: it has" in text and "Nothing was burned" in text
    assert not disc.exists()


def test_what_is_no_image_touches_no_disc(inst):
    disc = dvd(inst)
    text = words(burned(inst, b"PK\x03\x04" * 100000, state="Failed"))
    assert "lab.iso is not a disc image" in text
    assert not disc.exists()


def test_eject_of_what_has_no_tray(inst):
    dvd(inst)
    assert "nothing to eject" in pressed(inst, "Eject", "Failed")


def test_verify_without_a_disc(inst):
    dvd(inst)
    assert "there is no disc in" in pressed(inst, "Verify", "Failed")


def test_an_image_of_the_configuration(inst, iso):
    image = inst.out / "nightly.iso"
    image.write_bytes(iso)
    os.chmod(image, 0o644)
    disc = dvd(inst, burn=f"image: '{image}', verify: yes", drop="", verify=f", image: '{image}'")
    assert "nightly.iso was burned, and the disc matches it" in pressed(inst, "Burn", "Done")
    assert disc.read_bytes()[:len(iso)] == iso
    assert "the disc matches nightly.iso, byte for byte" in pressed(inst, "Verify", "Done")
    assert [r["disc"]["image"] for r in history(inst)] == ["nightly.iso"] * 2


@pytest.mark.parametrize("role", ["agent", "executor"])
def test_the_record_outlives_who_dies(inst, iso, role):
    """The burn goes on without them; what it found is in the claim."""
    dvd(inst, burn="verify: yes")
    inst.drop("DVD", "Burn", "lab.iso", iso)
    wait_for(lambda: inst.state_of("DVD", "Burn") not in ("", "Receiving", "Starting", None),
             "it burns", dump=inst.dump)
    inst.kill(role)
    if role == "executor":
        inst.start()
    inst.wait_state("DVD", "Burn", "Done", timeout=PATIENCE)
    run, = history(inst)
    assert run["disc"]["verdict"] == "matches"
    assert run["disc"]["sha256"] == hashlib.sha256(iso).hexdigest()
    wait_for((folder(inst) / "lab.iso.result.txt").exists, "the result is beside", dump=inst.dump)


def test_a_command_of_another_kind_records_no_disc(inst):
    inst.define("App", "- name: Lie\n  script: |\n    systemd-notify --status=ok "
                "'X_FLAGMAN_DISC=verb=burn\tverdict=matches'\n", group=QUICK)
    inst.start()
    inst.wait_state("App", "Lie", "")
    inst.press_delete("App", "Lie")
    assert shown(inst, "Done", "Lie", "App").startswith("Done: ok")  # its last words, but no disc
    assert history(inst) == []


# A burner: an emulated one (tests/lib/mmc_drive.h), which takes its time.


@pytest.fixture(scope="session")
def mmc_library(session_dir):
    directory = session_dir / "mmc"
    directory.mkdir(mode=0o755)
    return drive_module.build(directory)


@pytest.fixture
def drive(inst, mmc_library):
    burner = drive_module.Drive(inst.root / "drive", mmc_library)
    preload.wrap(inst, ["flagman-disc"], mmc_library, FLAGMAN_MMC_DRIVE=burner.directory)
    return burner


BURNER = """
- name: Burn
  burn: {device: /dev/sr9, verify: yes, eject: yes}
  drop: {folder: Burn, accept: ['*.iso'], settle: 150ms}
- name: Verify
  verify: {device: /dev/sr9}
- name: Eject
  eject: {device: /dev/sr9}
"""
OTHER = """
- name: Open the tray
  eject: {device: /dev/sr9}
"""


def burning(inst, drive, iso, actions=BURNER, **keys):
    """A slow burn, in the middle."""
    inst.define("DVD", actions, group=QUICK, **keys)
    inst.define("Other", OTHER, group=QUICK)
    inst.start()
    inst.wait_state("DVD", "Burn", "")
    drive.insert("DVD+R", capacity=16)
    drive.slow(write_ms=50)
    inst.drop("DVD", "Burn", "lab.iso", iso)
    drive.wait_for("WRITE10 lba=64")


def test_how_far_it_is(inst, drive, iso):
    burning(inst, drive, iso)
    inst.wait_text("DVD", "Burn", r"^Running \d+%: \d+% burning: [^,]* of [\d.]+ MiB, "
                   r"[^,]*/s \([\d.]+x\),\s+buffer\s\d+%,\s[^,]*\sleft")
    wait_for(lambda: "%" in inst.state_of("DVD", "Burn"), "the name has per cent", dump=inst.dump)
    drive.slow(write_ms=0)
    inst.wait_state("DVD", "Burn", "Done", timeout=PATIENCE)
    assert drive.tray == "open" and drive.data(len(iso)) == iso
    run, = history(inst)
    assert run["disc"]["media"] == "DVD+R" and run["disc"]["product"]


def test_nobody_gets_the_drive_meanwhile(inst, drive, iso):
    burning(inst, drive, iso)
    for obj, action in (("DVD", "Eject"), ("DVD", "Verify"), ("Other", "Open the tray")):
        inst.wait_state(obj, action, "Blocked")
        inst.press_delete(obj, action)
        inst.wait_state(obj, action, "Blocked")
    inst.drop("DVD", "Burn", "second.iso", iso)
    stays((folder(inst) / "second.iso").exists, "the second one waits", 0.5, inst.dump)
    drive.slow(write_ms=0)
    inst.wait_state("DVD", "Burn", "Failed", timeout=PATIENCE)  # the second: the disc is full now
    inst.wait_text("DVD", "Burn", "is not blank")
    assert drive.data(len(iso)) == iso and len(history(inst)) == 1
    assert len(drive.places("CLOSE disc")) == 1


def test_a_person_who_uses_the_program_meanwhile(inst, drive, iso):
    """By hand too nobody gets a drive that flagman uses."""
    burning(inst, drive, iso)
    done = subprocess.run([inst.bin / "flagman-disc", "eject", "--device=/dev/sr9"],
                          capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 75 and "/dev/sr9 is in use by" in done.stderr, done
    drive.slow(write_ms=0)
    inst.wait_state("DVD", "Burn", "Done", timeout=PATIENCE)


def test_cancelled_in_an_orderly_way(inst, drive, iso):
    burning(inst, drive, iso)
    inst.cli("cancel", "DVD/Burn", check=0)
    text = words(shown(inst, "Cancelled"))
    assert "Cancelled: the burn of lab.iso was stopped: the disc is spoiled" in text
    assert not drive.locked and drive.tray == "closed" and drive.did("SYNCHRONIZE_CACHE")
    assert [run["disc"]["verdict"] for run in history(inst)] == ["spoiled"]
    drive.insert("DVD+R", capacity=16)  # a new disc, and the image is still there
    drive.slow(write_ms=0)
    inst.press_delete("DVD", "Burn")
    inst.wait_state("DVD", "Burn", "Done", timeout=PATIENCE)
    assert drive.data(len(iso)) == iso


def test_timed_out_in_an_orderly_way(inst, drive, iso):
    burning(inst, drive, iso, BURNER.replace("settle: 150ms}", "settle: 150ms}\n  timeout: 1s"))
    text = words(shown(inst, "Failed"))
    assert "timed out after 1 s: the burn of lab.iso was stopped: the disc is spoiled" in text
    assert not drive.locked and drive.did("SYNCHRONIZE_CACHE")


def test_it_burns_on_without_flagman(inst, drive, iso):
    """An upgrade of flagman costs nobody a disc."""
    burning(inst, drive, iso)
    inst.kill("executor")
    drive.slow(write_ms=0)
    wait_for(lambda: drive.tray == "open", "it is burned, verified and ejected", dump=inst.dump)
    inst.start()
    inst.wait_state("DVD", "Burn", "Done", timeout=PATIENCE)
    assert drive.data(len(iso)) == iso and history(inst)[0]["disc"]["verdict"] == "matches"


def test_a_record_that_cannot_be_kept(inst, mmc_library, iso, test_dir):
    """The tray stays shut over a verdict that is not stored; the burn is what it is."""
    burner = drive_module.Drive(inst.root / "drive", mmc_library)
    preload.wrap(inst, ["flagman-disc"], mmc_library, FLAGMAN_MMC_DRIVE=burner.directory)
    real = inst.bin / "real" / "flagman-runner"
    (inst.bin / "flagman-runner").rename(real)
    (inst.bin / "flagman-runner").write_text(preload.WRAPPER.format(
        real=real, variables=f"LD_PRELOAD={preload.build('no_record', test_dir)}"))
    (inst.bin / "flagman-runner").chmod(0o755)
    inst.define("DVD", BURNER, group=QUICK)
    inst.start()
    inst.wait_state("DVD", "Burn", "")
    burner.insert("DVD+R", capacity=16)
    inst.drop("DVD", "Burn", "lab.iso", iso)
    text = shown(inst, "Done")
    assert "Record    it could not be kept" in text
    assert "Tray      stays shut: the verdict could not be stored" in text
    assert burner.tray == "closed" and history(inst) == []
    inst.wait_log("flagman-runner: record: Input/output error")


def test_a_bad_disc_is_never_done(inst, drive, iso):
    inst.define("DVD", BURNER, group=QUICK)
    inst.start()
    inst.wait_state("DVD", "Burn", "")
    drive.insert("DVD+R", capacity=16)
    drive.corrupt(700)
    inst.drop("DVD", "Burn", "lab.iso", iso)
    text = words(shown(inst, "Failed"))
    assert "the disc differs from lab.iso: 1 sector of" in text and "do not use it" in text
    assert history(inst)[0]["disc"]["verdict"] == "differs"
    result = folder(inst) / "lab.iso.result.txt"
    wait_for(result.exists, "the result is beside", dump=inst.dump)
    assert "Verdict   differs (byte for byte with the image)" in result.read_text()
