# SPDX-License-Identifier: GPL-2.0-or-later
"""Section 4 of the design: kill -9 of anything at any point.  Never twice, never silently lost."""

import contextlib
import errno
import json
import os
import re
import shutil
import signal
import time

import pytest
from boards import QUICK, apache, finish, several
from down import database
from lib import processes
from lib.instance import LIB
from lib.waiting import wait_for

ROLES = ("agent", "watcher", "executor")


def running(inst, **keys):
    """Apache with Restart running; its command's pid."""
    apache(inst, **keys)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    return inst.wait_ran("Restart", 1)[0].pid


def ensure_up(inst):
    """As systemd does: flagmand is started again if it is gone."""
    if inst.process.poll() is not None:
        inst.start()


def kill_runs(inst):
    """The commands and their runners, as a power cut does."""
    pids = inst.pids("runner")
    below = [p for runner in pids for p in processes.descendants(runner)]
    for pid in pids + below:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(processes.alive(p) for p in pids + below), "they are dead")


class Snapshot:
    """The agent's memory and one flag, to be put back: what a power cut takes from the disk."""

    def __init__(self, inst, action="Restart"):
        inst.stop()
        self.inst = inst
        self.agent = next(inst.state.rglob("flagman.db")).parent
        self.copy = inst.root / "snapshot"
        shutil.copytree(self.agent, self.copy)
        self.owner = self.agent.stat()
        self.name = inst.path_of("Apache", action)
        self.link = inst.share / "kept-by-the-test"
        os.link(self.name, self.link)
        inst.start()

    def restore_memory(self):
        for file in self.agent.iterdir():
            file.unlink()
        for file in self.copy.iterdir():
            shutil.copy(file, self.agent / file.name)
            os.chown(self.agent / file.name, self.owner.st_uid, self.owner.st_gid)
            shutil.copymode(file, self.agent / file.name)

    def restore_flag(self, where=None):
        """The flag that was pressed is there again, in place of whatever is there now."""
        for path in self.name.parent.glob("Restart*"):
            path.unlink()
        os.rename(self.link, where or self.name)


# --- one process dies ---

@pytest.mark.parametrize("role", ROLES)
def test_killed_while_nothing_happens(inst, role):
    apache(inst)
    inst.kill(role)
    ensure_up(inst)
    wait_for(lambda: inst.pids(role), f"{role} is there again", dump=inst.dump)
    if role != "watcher":
        # its socket is open: all has been looked at
        wait_for(lambda: inst.cli("status").returncode == 0, "the agent answers", dump=inst.dump)
    assert {name: f.file.stat().st_ino for name, f in inst.flags("Apache").items()} == inst.made
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    inst.wait_ran("Restart", 1)


@pytest.mark.parametrize("role", ROLES)
def test_killed_while_a_command_runs(inst, role):
    """The run outlives the service, is adopted, and its result is shown."""
    pid = running(inst)
    inst.kill(role)
    ensure_up(inst)
    wait_for(lambda: inst.pids("agent"), "the agent is there", dump=inst.dump)
    assert processes.alive(pid)
    inst.wait_state("Apache", "Restart", "Running")
    inst.wait_state("Apache", "Stop", "Blocked")
    finish(inst, line="echo all of it was kept; exit 3")
    inst.wait_state("Apache", "Restart", "Failed")
    inst.wait_text("Apache", "Restart", "exit status 3")
    inst.wait_text("Apache", "Restart", "all of it was kept")
    inst.wait_state("Apache", "Stop", "")
    inst.wait_ran("Restart", 1)


@pytest.mark.parametrize("role", ROLES)
def test_killed_while_the_command_of_a_moved_flag_runs(inst, role):
    """Nothing is left of the flag that was taken."""
    apache(inst)
    inst.press_move("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    inst.kill(role)
    ensure_up(inst)
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    staging = inst.share / ".flagman" / "staging"
    wait_for(lambda: os.listdir(staging) == ["reserve"], "staging is empty",
             dump=inst.dump)


def test_stop_leaves_the_run_alone(inst):
    """systemctl stop, an upgrade."""
    pid = running(inst)
    inst.stop()
    assert processes.alive(pid)
    inst.start()
    inst.wait_state("Apache", "Restart", "Running")
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")


def test_killed_within_the_hold(inst):
    """The agent alone, under a living executor: a press, with its hold."""
    apache(inst, group="cooldown: 0\nhold: 2s")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Starting")
    inst.kill("agent")
    again = time.monotonic()
    inst.wait_state("Apache", "Restart", "Running")
    assert time.monotonic() - again >= 1.5, "the hold begins anew"
    inst.wait_ran("Restart", 1)


def test_the_service_is_killed_within_the_hold(inst):
    """Nobody held the press any more, so it is not run."""
    apache(inst, group="cooldown: 0\nhold: 2s")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Starting")
    inst.kill("executor")
    inst.start()
    inst.wait_state("Apache", "Restart", "Not run")
    assert not inst.ran("Restart")


def test_killed_with_a_queue(inst):
    apache(inst, group=QUICK + "\nwhen-busy: queue")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    inst.press_delete("Apache", "Stop")
    inst.wait_state("Apache", "Stop", "Waiting")
    inst.kill("agent")
    wait_for(lambda: inst.pids("agent"), "the agent is there", dump=inst.dump)
    inst.wait_state("Apache", "Restart", "Running")
    finish(inst)
    inst.wait_state("Apache", "Restart", re.compile("Done|Blocked"))
    inst.wait_state("Apache", "Stop", re.compile("Running|Not run"))
    assert len(inst.ran("Stop")) <= 1


def test_two_agents_never_overlap(inst):
    apache(inst)
    inst.kill("executor")
    wait_for(lambda: not inst.pids("agent"), "the agent ends with its executor", dump=inst.dump)


def test_an_agent_that_was_stopped_does_not_lose_presses(inst):
    apache(inst)
    agent = inst.pids("agent")
    for pid in agent:
        os.kill(pid, signal.SIGSTOP)
    inst.press_delete("Apache", "Restart")
    for pid in agent:
        os.kill(pid, signal.SIGCONT)
    inst.wait_ran("Restart", 1)


def test_a_watcher_that_was_stopped_does_not_lose_presses(inst):
    apache(inst)
    watchers = inst.pids("watcher")
    for pid in watchers:
        os.kill(pid, signal.SIGSTOP)
    inst.press_delete("Apache", "Restart")
    for pid in watchers:
        os.kill(pid, signal.SIGKILL)
    inst.wait_ran("Restart", 1)


# --- the table of the start ---

def test_absent_with_a_result(inst):
    running(inst)
    inst.kill("executor")
    finish(inst, line="exit 3")
    wait_for(lambda: not inst.pids("command"), "it ended", dump=inst.dump)
    inst.start()
    inst.wait_state("Apache", "Restart", "Failed")
    inst.wait_text("Apache", "Restart", "exit status 3")
    inst.wait_ran("Restart", 1)


def test_absent_with_neither_result_nor_runner(inst):
    running(inst)
    inst.kill("executor")
    kill_runs(inst)
    inst.start()
    inst.wait_state("Apache", "Restart", "Failed")
    inst.wait_text("Apache", "Restart", "interrupted, it may have run")
    inst.wait_ran("Restart", 1)


def test_what_is_left_of_an_interrupted_run_is_killed_first(inst):
    running(inst)
    inst.tell("Restart", f"sleep 600 & echo $! >{inst.out}/child")
    child = int(wait_for(lambda: (inst.out / "child").read_text().strip(), "the child's pid"))
    inst.kill("executor")
    command = inst.ran("Restart")[0].pid
    for pid in inst.pids("runner"):
        os.kill(pid, signal.SIGKILL)
    assert processes.alive(child)
    inst.start()
    inst.wait_state("Apache", "Restart", "Failed")
    wait_for(lambda: not processes.alive(child) and not processes.alive(command),
             "the command and its child are dead", dump=inst.dump)
    inst.wait_ran("Restart", 1)


def test_present_with_a_claim_and_a_live_runner(inst):
    """The unlink was lost in a power cut, the claim was not: spent."""
    apache(inst)
    snapshot = Snapshot(inst)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    inst.kill("executor")
    wait_for(lambda: not inst.pids("agent"), "the agent is gone", dump=inst.dump)
    snapshot.restore_memory()
    snapshot.restore_flag()
    inst.start()
    inst.wait_state("Apache", "Restart", "Running")
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    inst.wait_ran("Restart", 1)


@pytest.mark.parametrize("where", [None, "Run"])
def test_there_again_with_an_interrupted_claim(inst, where):
    apache(inst)
    snapshot = Snapshot(inst)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    inst.kill("executor")
    kill_runs(inst)
    wait_for(lambda: not inst.pids("agent"), "the agent is gone", dump=inst.dump)
    snapshot.restore_memory()
    snapshot.restore_flag(inst.share / "Apache" / "Run" / "Restart.txt" if where else None)
    inst.start()
    inst.wait_state("Apache", "Restart", "Failed")
    inst.wait_text("Apache", "Restart", "it may have run")
    inst.wait_ran("Restart", 1)


def test_absent_and_the_agent_died_a_moment_ago(inst):
    """Pressed while there was no agent, under a living executor: a press."""
    apache(inst)
    agent = inst.pids("agent")
    for pid in agent:
        os.kill(pid, signal.SIGSTOP)
    inst.press_delete("Apache", "Restart")
    for pid in agent:
        os.kill(pid, signal.SIGKILL)
    inst.wait_state("Apache", "Restart", "Running")
    inst.wait_ran("Restart", 1)


# Says that it has tried all of its list; when that was read it becomes sleep(1).  After that: real.
WATCHER = """#!/usr/bin/python3
import fcntl, os, struct, termios
if not os.path.exists("{go}"):
    entries = os.pread(3, 1 << 20, 0).split(b"\\0")
    os.write(4, struct.pack("=HHI", 6, 0, len(entries) - 2))
    while struct.unpack("i", fcntl.ioctl(4, termios.FIONREAD, bytes(4)))[0]:
        pass
    os.execv("/bin/sleep", ["sleep", "1000"])
os.execv("{real}", ["flagman-watcher"])
"""


def test_the_first_watcher_dies_when_it_is_nearly_ready(inst, test_dir):
    """What was looked at then has not been watched since."""
    several(inst, 2)
    inst.stop()
    programs, go = test_dir / "bin", test_dir / "go"
    shutil.copytree(inst.bin, programs)
    (programs / "flagman-watcher").write_text(
        WATCHER.format(go=go, real=inst.bin / "flagman-watcher"), encoding="ascii")
    inst.bin = programs
    inst.start(wait=False)

    def asleep():
        return [p for p in processes.descendants(inst.process.pid) if processes.comm(p) == "sleep"]
    pid, = wait_for(asleep, "it has tried all", dump=inst.dump)
    go.touch()
    os.kill(pid, signal.SIGKILL)
    inst.press_delete("App0", "Restart")
    inst.wait_ready()
    inst.wait_state("App0", "Restart", "Not run")
    for n in (1, 0):
        inst.press_delete(f"App{n}", "Restart")
        inst.wait_ran(f"Restart{n}", 1)


def lose(path, left):
    """Its text: with its size, or as ftruncate(2) leaves it that came before a power cut."""
    size = path.stat().st_size
    os.truncate(path, 0)
    if left == "zeros":
        os.truncate(path, size)


def stop_for_another_boot(inst):
    """What the data base knows is of a boot before this one."""
    inst.stop()
    with database(inst) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        changed = 0
        for table in tables:
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            for column in columns:
                if column.startswith("boot"):
                    changed += db.execute(f"UPDATE {table} SET {column}=zeroblob(16)").rowcount
        assert changed, f"no boot id in {tables}"


@pytest.mark.parametrize("left", ("nothing", "zeros"))
def test_texts_that_a_power_cut_took(inst, left):
    """The file is there, and what was written into it a moment before is not."""
    apache(inst)
    path = inst.path_of("Apache", "Restart")
    before = path.stat().st_ino
    stop_for_another_boot(inst)
    lose(path, left)
    lose(inst.share / "Apache" / "Status.txt", left)
    inst.start()
    inst.wait_text("Apache", "Restart", "Apache: Restart")
    assert path.stat().st_ino == before
    wait_for(lambda: "Restart" in inst.status_text("Apache"), "Status.txt has its text",
             dump=inst.dump)


@pytest.mark.parametrize("left", ("nothing", "zeros"))
def test_a_flag_of_which_a_power_cut_left_the_name(inst, left):
    """Neither its row nor its text: it says Running for ever, if nobody takes it away."""
    apache(inst)
    owner = inst.path_of("Apache", "Restart").stat()
    stop_for_another_boot(inst)
    inst.press_delete("Apache", "Restart")
    stray = inst.share / "Apache" / "Restart [Running].txt"
    stray.write_bytes(bytes(600) if left == "zeros" else b"")
    stray.chmod(0o640)
    os.chown(stray, owner.st_uid, owner.st_gid)
    (inst.share / "Apache" / "Restart [notes].txt").write_text("Mine\n")
    inst.start()
    inst.wait_state("Apache", "Stop", "")
    wait_for(lambda: sorted(os.listdir(inst.share / "Apache")) == [
        "Restart [Not run].txt", "Restart [notes].txt", "Run", "Start.txt", "Status.txt",
        "Stop.txt"], "one flag for each action", dump=inst.dump)


def test_absent_after_another_boot(inst):
    apache(inst)
    stop_for_another_boot(inst)
    inst.press_delete("Apache", "Restart")
    inst.start()
    inst.wait_state("Apache", "Restart", "Not run")
    inst.wait_text("Apache", "Restart", "the machine went down, it may have run")
    assert not inst.ran("Restart")


def test_another_directory_stands_there(inst):
    apache(inst, group=QUICK + "\nmissed: run")
    inst.stop()
    shutil.rmtree(inst.share / "Apache")
    inst.start()
    for name in ("Restart", "Start", "Stop"):
        inst.wait_state("Apache", name, "")
        assert not inst.ran(name)


def test_the_memory_is_lost(inst):
    """Flags without a row are replaced; nothing is pressed."""
    apache(inst)
    inst.stop()
    shutil.rmtree(next(inst.state.rglob("flagman.db")).parent)
    inst.start()
    for name in ("Restart", "Start", "Stop"):
        inst.wait_state("Apache", name, "")
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 1)


def test_the_memory_is_damaged(inst):
    apache(inst)
    inst.stop()
    path = next(inst.state.rglob("flagman.db"))
    for extra in path.parent.glob("flagman.db-*"):
        extra.unlink()
    with open(path, "r+b") as f:
        f.write(b"\0" * 8192)
    inst.start()
    inst.wait_state("Apache", "Restart", "")
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 1)
    assert list(path.parent.glob("flagman.db.damaged-*"))


# --- storms ---

@pytest.mark.parametrize("role", ROLES)
def test_never_twice_under_fire(inst, role):
    """Press, kill at once; each press runs once or says that it may not have."""
    count = 6
    several(inst, count, group="cooldown: 0\nhold: 0")
    for n in range(count):
        inst.press_delete(f"App{n}", "Restart")
        with contextlib.suppress(AssertionError):
            inst.kill(role)
        ensure_up(inst)
        inst.wait_state(f"App{n}", "Restart", re.compile("Done|Not run|Failed"))
        assert len(inst.ran(f"Restart{n}")) <= 1
        if not inst.ran(f"Restart{n}") and inst.state_of(f"App{n}", "Restart") != "Not run":
            inst.wait_text(f"App{n}", "Restart", "it may have run")  # claimed, and no further


def test_events_are_lost_and_presses_are_not(inst):
    """More than the kernel's queue holds, while the watcher can't read."""
    several(inst, 3)
    for pid in inst.pids("watcher"):
        os.kill(pid, signal.SIGSTOP)
    limit = int(open("/proc/sys/fs/inotify/max_queued_events", encoding="ascii").read())
    litter = inst.share / "App0" / "x"
    for _ in range(limit // 2 + 10):
        with open(litter, "wb"):
            pass
        litter.unlink()
    for n in range(3):
        inst.press_delete(f"App{n}", "Restart")
    for pid in inst.pids("watcher"):
        os.kill(pid, signal.SIGCONT)
    for n in range(3):
        inst.wait_ran(f"Restart{n}", 1)


# --- the machine around it ---

@pytest.mark.root
def test_the_share_is_unmounted_below_it(inst, test_dir):
    """An empty mount point: nobody pressed anything."""
    disk = mounted(test_dir / "disk", "size=4m,mode=755")
    inst.define("Apache", "- name: Restart\n  command: %ACT% Restart 'exit 0'\n", group=QUICK,
                path=disk)
    inst.start()
    wait_for((disk / "Apache" / "Restart.txt").exists, "the flag", dump=inst.dump)
    unmount(disk)
    inst.wait_log(str(disk))
    assert not inst.ran("Restart")
    inst.never_ran("Restart", seconds=0.7)


@pytest.mark.root
def test_the_share_becomes_read_only(inst, test_dir):
    """As ext4 does it after an error, under open files; the rest goes on."""
    disk = test_dir / "disk"
    disk.mkdir()
    image = test_dir / "image"
    image.write_bytes(b"")
    os.truncate(image, 16 << 20)
    run("mkfs.ext4", "-q", "-E", "root_owner=0:0", str(image))
    run("mount", "-o", "loop,errors=remount-ro", str(image), str(disk))
    try:
        inst.define("Apache", "- name: Restart\n  command: %ACT% Restart listen\n", group=QUICK,
                    path=disk)
        inst.define("Other", "- name: Go\n  command: %ACT% Go 'exit 0'\n", group=QUICK)
        inst.start()
        wait_for((disk / "Apache" / "Restart.txt").exists, "the flag", dump=inst.dump)
        inst.by("alice", (disk / "Apache" / "Restart.txt").unlink)
        wait_for((disk / "Apache" / "Restart [Running].txt").exists, "Running", dump=inst.dump)
        fail_file_system(disk)
        finish(inst)
        wait_for(lambda: history(inst)[0]["state"] == "done", "the history has the result",
                 dump=inst.dump)
        inst.press_delete("Other", "Go")
        inst.wait_state("Other", "Go", "Done")
        inst.wait_ran("Restart", 1)
    finally:
        inst.stop()
        unmount(disk)


def history(inst):
    return json.loads(inst.cli("history", "--json", check=0).stdout)


def fail_file_system(mount_point):
    """ext4 finds an error, and its errors= option makes it read-only."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        device = next(line.split()[0] for line in mounts if line.split()[1] == str(mount_point))
    trigger = f"/sys/fs/ext4/{os.path.basename(device)}/trigger_fs_error"
    with open(trigger, "w", encoding="ascii") as f:
        f.write("asked for by a test of flagman")

    def read_only():
        try:
            (mount_point / "probe").touch()
        except OSError as error:
            return error.errno == errno.EROFS
        return False
    wait_for(read_only, "the file system is read-only")


def mounted(path, options):
    path.mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path))
    return path


def unmount(path):
    run("umount", "--lazy", str(path))


def run(*command):
    status = os.spawnvp(os.P_WAIT, command[0], command)
    assert status == 0, f"{' '.join(command)}: {status}"


def test_the_data_base_is_lost(inst):
    """Flags without a row are replaced, whatever they were showing; nobody else's file is."""
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", "exit 3")
    inst.wait_state("Apache", "Restart", "Failed")
    inst.stop()
    for path in (inst.state / "agent").iterdir():
        path.unlink()
    (inst.share / "Apache" / "Restart [notes].txt").write_text("Mine\n")
    inst.start()
    inst.wait_state("Apache", "Stop", "")
    wait_for(lambda: sorted(os.listdir(inst.share / "Apache")) == [
        "Restart [notes].txt", "Restart.txt", "Run", "Start.txt", "Status.txt", "Stop.txt"],
        "one flag for each action", dump=inst.dump)
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 2)
    finish(inst)


# --- out of watches ---

@pytest.mark.root
def test_out_of_watches(inst):
    """What the kernel does not watch is polled; the log says it, and so does doctor.

    Ten directories: the share, its .flagman, the objects', their Runs.
    """
    inst.wrapper = [str(LIB / "few-watches"), "3"]
    several(inst, 4)
    for n in range(4):
        inst.press_delete(f"App{n}", "Restart")
        inst.wait_ran(f"Restart{n}", 1)
        inst.wait_state(f"App{n}", "Restart", "Done")
    inst.press_move("App3", "Restart")
    inst.wait_ran("Restart3", 2)
    lines = re.findall(r".*cannot be watched.*", inst.log())
    assert len(lines) == 1, lines
    assert re.search(r"App\d: cannot be watched: No space left on device "
                     r"\(fs\.inotify\.max_user_watches is reached\): it is polled", lines[0])
    done = inst.cli("--conf-dir", str(inst.conf), "doctor", "--json", check=1)
    found = [(f["message"], f["advice"]) for f in json.loads(done.stdout)["findings"]
             if f["area"] == "limits"]
    assert found == [("7 directories could not be watched",
                      "raise fs.inotify.max_user_watches with sysctl(8), and put it into "
                      "/etc/sysctl.d/flagman.conf")]
