# SPDX-License-Identifier: GPL-2.0-or-later
"""The harness itself: what the other tests take for granted."""

import os
import time

import pytest

from vm import Tray

PATIENCE = 15  # until Linux has looked at a disc: it asks the drive each other second


def sha256_of(machine, command):
    return machine.check(f"{command} | sha256sum").split()[0]


def test_boots_a_whole_system(machine):
    assert machine.check("systemctl is-system-running --wait") == "running"
    assert machine.check("ps -o comm= -p 1") == "systemd"
    modules = machine.check("cat /sys/kernel/security/lsm").split(",")
    assert not {"selinux", "apparmor"} & set(modules)


def test_exit_statuses_and_output_come_through(machine):
    done = machine.run("echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert machine.run("true").returncode == 0
    words = ["it's", "a  b", '"$HOME"']
    assert machine.check(["printf", "%s|", *words]) == "|".join(words) + "|"
    with pytest.raises(AssertionError, match="exit 3"):
        machine.check("exit 3")


def test_commands_of_a_user(machine):
    assert machine.check("id -un; id -gn", user="flagman-disc") == "flagman-disc\ncdrom"
    assert machine.check("id -gn", user="alice:cdrom") == "cdrom"


def test_a_command_that_hangs_is_an_error_and_ends(machine):
    with pytest.raises(AssertionError, match="did not end within 2 s"):
        machine.run("exec -a dawdler sleep 300", timeout=2)
    machine.wait_for("! pgrep -f '^dawdler 300'")


def test_commands_that_go_on(machine):
    sleeper = machine.begin(
        "trap 'echo told; exit 9' TERM; echo ready; while :; do sleep 0.1; done")
    machine.wait_for(lambda: sleeper.stdout == "ready\n", "the command is ready")
    sleeper.signal("TERM")
    done = sleeper.wait(10)
    assert (done.returncode, done.stdout) == (9, "ready\ntold\n")
    simple = machine.begin("sleep 300", user="flagman-disc")
    seen = machine.check(f"ps -o user:20=,comm= -p {simple.pid}")
    assert seen.split() == ["flagman-disc", "sleep"]
    simple.signal("TERM")
    assert simple.wait(10).returncode != 0


def test_files_go_in_and_come_out(machine, tmp_path):
    there, here = tmp_path / "there", tmp_path / "here"
    there.write_bytes(os.urandom(3_000_000))
    machine.put(there, "/root/a file", "0600")
    assert machine.check("stat -c '%a %s' '/root/a file'") == "600 3000000"
    machine.get("/root/a file", here)
    assert here.read_bytes() == there.read_bytes()
    with pytest.raises(AssertionError, match="No such file"):
        machine.get("/root/none", here)


def test_there_is_no_way_out(machine):
    assert machine.run("timeout 3 bash -c 'echo >/dev/tcp/10.0.2.2/22'").returncode != 0


def test_the_programs_are_in_and_run(machine, programs):
    for name in ("flagman", "flagmand", "flagman-agent", "flagman-watcher", "flagman-runner"):
        assert name in programs
        assert "not found" not in machine.check(f"ldd {programs[name]}")
    assert "flagman" in machine.check(f"{programs['flagman']} --version")


# --- qemu's drive ---

def test_the_tray(machine, drive, small):
    assert machine.cd_status() == Tray(open=False, locked=False, disc=None)
    machine.cd_insert(small.here)
    machine.wait_for(f"test $(blockdev --getsize64 {drive}) = {small.size}", timeout=PATIENCE)
    assert sha256_of(machine, f"head -c {small.size} {drive}") == small.sha256
    # udev locks each disc in, mounted or not, to hear of the button instead
    machine.wait_for(lambda: machine.cd_status() == Tray(False, True, str(small.here)),
                     "the disc is in and locked")
    machine.check(f"eject {drive}")
    assert machine.cd_status() == Tray(open=True, locked=False, disc=str(small.here))
    machine.check(f"eject -t {drive}")
    assert not machine.cd_status().open
    machine.cd_eject()
    assert machine.cd_status() == Tray(open=True, locked=False, disc=None)
    machine.cd_close()
    assert machine.cd_status() == Tray(open=False, locked=False, disc=None)


# --- the burner ---

def test_the_burner_burns(machine, burner, large):
    """xorriso, which needs RESERVE TRACK for it; and what a program has to know that reads back."""
    assert burner.device != "/dev/sr0"
    assert burner.media_state() == "blank"
    assert burner.size() == 0
    size = f"cat /sys/class/block/$(basename {burner.device})/size"
    before = machine.check(size)
    machine.check(f"xorriso -as cdrecord -v dev={burner.device} -sao padsize=0 {large.there}",
                  timeout=120)
    # libburn writes in packets: the disc is a bit longer than the image
    assert large.size <= burner.size() < large.size + 32768
    assert burner.data(large.size).sha256 == large.sha256
    # Linux believes in the size of before: what it reads is too little, and that without an error
    assert machine.check(size) == before
    burner.reload()
    assert burner.read_back(large.size) == large.sha256
    assert burner.media_state() == "complete"


def test_a_new_blank(machine, burner, small):
    burner.new_blank()
    assert (burner.media_state(), burner.size()) == ("blank", 0)
    machine.check(f"xorriso -as cdrecord dev={burner.device} -sao padsize=0 {small.there}")
    burner.new_blank()
    assert (burner.media_state(), burner.size()) == ("blank", 0)


def test_the_burner_is_unplugged_and_plugged_in_again(machine, burner):
    device = burner.device
    burner.down()
    machine.wait_for(f"! test -e {device}")
    burner.up()
    assert burner.media_state() == "blank"


# --- boots: at the end, for they cost half a minute each ---

def records(machine, seconds):
    """What a program was told is on the disk, and what it has only written; then cut."""
    writer = machine.begin("""
        mkdir -p /var/tmp/cut && cd /var/tmp/cut || exit
        for i in $(seq 10000); do
            echo "record $i" >new; mv new plain.$i
            echo "record $i" | dd of=new conv=fsync status=none; mv new sync.$i; sync .
            echo $i
        done""")
    time.sleep(seconds)
    return writer


def test_a_power_cut_loses_what_was_not_synced(machine):
    """Without this, a test of what survives one would have no teeth."""
    writer = records(machine, 6)
    machine.power_cut()
    writer.end()
    acknowledged = [int(word) for word in writer.stdout.split()]
    assert len(acknowledged) > 10
    machine.start(keep=True)
    whole = set(machine.check("cd /var/tmp/cut && grep -l . sync.*").split())
    assert {f"sync.{i}" for i in acknowledged} <= whole
    plain = set(machine.run("cd /var/tmp/cut && grep -l . plain.*").stdout.split())
    assert {f"plain.{i}" for i in acknowledged} - plain, "nothing was lost: that was no power cut"
    assert machine.check("systemctl is-system-running --wait") == "running"


def test_the_reset_button(machine):
    before = machine.check("cat /proc/sys/kernel/random/boot_id")
    machine.check("echo kept >/root/kept && sync")
    machine.reset()
    assert machine.check("cat /proc/sys/kernel/random/boot_id") != before
    assert machine.check("cat /root/kept") == "kept"


def test_each_start_has_a_clean_disk(machine):
    machine.check("echo gone >/root/gone && sync")
    machine.stop()
    assert not machine.up()
    machine.start()
    assert machine.run("test -e /root/gone").returncode == 1
