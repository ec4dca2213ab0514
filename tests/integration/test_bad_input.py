# SPDX-License-Identifier: GPL-2.0-or-later
"""What nobody should send, write or put there: a clear line in the log, and everything goes on."""

import array
import os
import random
import re
import socket
import struct
import time

import pytest
from boards import QUICK, apache, exchange, finish, remove_tree
from lib.waiting import stays, wait_for

QUIT = "- name: {0}\n  command: %ACT% {0} 'exit 0'\n"


def still_works(inst, obj="Apache", action="Restart"):
    inst.wait_state(obj, action, "")
    inst.press_delete(obj, action)
    inst.wait_ran(action, 1)


# --- the control socket ---

def say(inst, message, fds=()):
    """One raw message; what came back, or b"" when the agent hung up or said nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(2)
        s.connect(str(inst.run / "control"))
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            s.sendmsg([message], ancillary)
            return s.recv(65536)
        except OSError:
            return b""


def header(version=1, kind=1, size=8):
    return struct.pack("<HHL", version, kind, size)


def test_garbage_on_the_control_socket(inst):
    apache(inst)
    chance = random.Random(1)
    for message in (b"x", header(), header(99), header(kind=0), header(kind=65535),
                    header(size=2 ** 32 - 1), header() + b"\xff" * 4000, b"\0" * 4096,
                    *(chance.randbytes(chance.randrange(1, 2000)) for _ in range(200))):
        say(inst, message)
    assert inst.cli("status", check=0).stdout
    still_works(inst)


def test_descriptors_that_nobody_asked_for(inst):
    apache(inst)
    null = os.open("/dev/null", os.O_RDONLY)
    agent = inst.pids("agent")[0]
    before = descriptors(agent)
    for _ in range(50):
        say(inst, header(), [null] * 4)
        say(inst, header(), [null] * 40)
    os.close(null)
    if before is not None:
        wait_for(lambda: descriptors(agent) <= before + 2, "no descriptor is left behind",
                 dump=inst.dump)
    still_works(inst)


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        return None


def test_clients_that_say_nothing(inst):
    """Hundreds of them, who also don't read: the buttons go on."""
    apache(inst)
    silent = []
    for _ in range(300):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.setblocking(False)
        silent.append(s)
        try:
            s.connect(str(inst.run / "control"))
        except OSError:
            break
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    for s in silent:
        s.close()
    wait_for(lambda: inst.cli("status").returncode == 0, "the socket answers again",
             dump=inst.dump)


def test_a_follower_that_does_not_read(inst):
    apache(inst)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.connect(str(inst.run / "control"))
        s.sendall(request(1, flags=1))
        for count in range(1, 31):
            inst.press_delete("Apache", "Restart")
            inst.wait_ran("Restart", count)
            finish(inst, line="exit 1")
            inst.wait_state("Apache", "Restart", "Failed")
            if count >= 9:
                break
    assert inst.cli("status", check=0).stdout


def request(kind, flags=0):
    """struct control_request of wire/control.h, for everything."""
    body = struct.pack("<LLQ", flags, 0, 0) + b"\0" * (3 * 128 + 256)
    return header(kind=kind, size=8 + len(body)) + body


# --- directories ---

def test_the_objects_directory_becomes_a_symlink(inst, test_dir):
    apache(inst)
    outside = test_dir / "outside"
    outside.mkdir()
    outside.chmod(0o777)
    (outside / "Restart.txt").write_text("of somebody else\n")
    link = inst.share / "link"
    os.symlink(outside, link)
    mark = inst.mark()
    exchange(link, inst.share / "Apache")
    inst.wait_log("Apache", mark)
    stays(lambda: os.listdir(outside) == ["Restart.txt"], "nothing outside is touched", 0.7,
          inst.dump)
    assert (outside / "Restart.txt").read_text() == "of somebody else\n"
    assert not any(inst.ran(name) for name in ("Restart", "Start", "Stop"))


def test_the_share_becomes_a_symlink(inst, test_dir):
    apache(inst)
    outside = test_dir / "outside"
    (outside / "Apache").mkdir(parents=True)
    link = test_dir / "link"
    os.symlink(outside, link)
    mark = inst.mark()
    exchange(link, inst.share)
    inst.wait_log(str(inst.share), mark)
    stays(lambda: os.listdir(outside / "Apache") == [], "nothing outside is touched", 0.7,
          inst.dump)
    exchange(link, inst.share)
    wait_for(lambda: inst.state_of("Apache", "Restart") == "", "it is found again",
             dump=inst.dump)


def test_the_objects_directory_becomes_unreadable(inst):
    apache(inst)
    (inst.share / "Apache").chmod(0)
    inst.never_ran("Restart", "Start", "Stop", seconds=0.5)
    (inst.share / "Apache").chmod(0o770)
    still_works(inst)


@pytest.mark.parametrize("which", [".flagman", ".flagman/staging"])
def test_staging_is_emptied(inst, which):
    """By root, by hand, because it looked like litter."""
    apache(inst)
    remove_tree(inst.share / which)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")


def test_ten_thousand_foreign_files(inst):
    apache(inst)

    def strew():
        for n in range(10_000):
            with open(inst.share / "Apache" / f"foreign{n}", "wb"):
                pass
    inst.by("alice", strew)
    still_works(inst)


@pytest.mark.parametrize("make", ["fifo", "symlink", "directory", "socket"])
def test_something_stands_where_status_txt_belongs(inst, make, test_dir):
    apache(inst)
    path = inst.share / "Apache" / "Status.txt"
    wait_for(path.exists, "Status.txt", dump=inst.dump)
    target = test_dir / "target"
    target.write_text("untouched\n")

    def put():
        os.unlink(path)
        if make == "fifo":
            os.mkfifo(path)
        elif make == "symlink":
            os.symlink(target, path)
        elif make == "directory":
            os.mkdir(path)
        else:
            os.mknod(path, 0o140666)
    try:
        inst.by("alice", put)
    except FileExistsError:
        pass  # flagman was faster
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    assert target.read_text() == "untouched\n"


# --- configuration ---

@pytest.mark.parametrize("kind", ["fifo", "dangling", "directory", "binary", "huge", "empty",
                                  "deep", "bomb"])
def test_things_in_conf_d_that_are_no_snippets(inst, kind):
    path = inst.conf / "odd.yaml"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "dangling":
        os.symlink("/nowhere", path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.write_bytes({
            "binary": bytes(range(256)) * 100,
            "huge": b"object: X\n" + b"# padding\n" * 2_000_000,
            "empty": b"",
            "deep": b"[" * 100_000,
            "bomb": b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
                b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9))
                for n in range(12)),
        }[kind])
    apache(inst)
    still_works(inst)


def test_a_snippet_appears_byte_by_byte(inst):
    """A slow copy into conf.d: what is half there harms nobody."""
    apache(inst)
    text = inst.snippet("Slow", QUIT.format("Go"))
    with open(inst.conf / "slow.yaml", "w", encoding="utf-8") as f:
        for start in range(0, len(text), 40):
            f.write(text[start:start + 40])
            f.flush()
    wait_for(lambda: "Go" in inst.flags("Slow"), "the whole snippet counts", dump=inst.dump)
    inst.press_delete("Slow", "Go")
    inst.wait_ran("Go", 1)
    assert inst.state_of("Apache", "Restart") == ""


# --- commands ---

def test_a_command_that_never_stops_writing(inst):
    """100 MB of output: bounded on the disk, and the flag stays readable."""
    apache(inst, actions="- name: Restart\n  command: %ACT% Restart "
                         "'head -c 100000000 /dev/zero | tr \"\\0\" x; echo; echo the end'\n"
                         "  output-limit: 64KiB\n")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Done", timeout=60)
    inst.wait_text("Apache", "Restart", "the end")
    assert inst.path_of("Apache", "Restart").stat().st_size < 256 * 1024


def test_a_command_that_writes_no_line(inst):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", "head -c 300000 /dev/urandom", "exit 0")
    inst.wait_state("Apache", "Restart", "Done")
    inst.text("Apache", "Restart").encode("utf-8")


def test_a_command_that_closes_its_output(inst):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", "exec >&- 2>&-")
    inst.wait_state("Apache", "Restart", "Running")
    stays(lambda: inst.state_of("Apache", "Restart") == "Running", "it runs on", 0.3, inst.dump)
    finish(inst, line="exit 5")
    inst.wait_text("Apache", "Restart", "exit status 5")


def test_odd_progress(inst):
    """Bytes that are no status, and far too many of them."""
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", "systemd-notify --status='999999999999999999999% big'")
    inst.tell("Restart", "systemd-notify --status='-5% negative'")
    inst.tell("Restart", "systemd-notify --status=\"$(printf '\\033[2J\\001\\377')\"")
    inst.tell("Restart", "systemd-notify STOPPING=1 MAINPID=1 FDSTORE=1 NONSENSE")
    inst.tell("Restart", "systemd-notify --status=\"$(printf '50%% %03000d' 7)\"")
    inst.wait_state("Apache", "Restart", "Running 50%")
    assert b"\x1b" not in inst.path_of("Apache", "Restart").read_bytes()
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")


FLOOD = """
import os, socket, time
channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
channel.connect(os.environ["NOTIFY_SOCKET"])
end = time.monotonic() + 7
while time.monotonic() < end:
    for n in range(1000):
        channel.send(b"STATUS=%d%% %d" % (n % 101, n))
"""


def test_a_flood_of_progress(inst):
    """The name changes every 5 s at most, the text 20 times a second, whatever the command says."""
    (inst.out / "flood.py").write_text(FLOOD)
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", f"/usr/bin/python3 {inst.out}/flood.py", "exit 0")
    inst.wait_state("Apache", "Restart", re.compile("Running [0-9]+%"))
    began, names, texts = time.monotonic(), [], set()

    def look():
        flag = inst.flag("Apache", "Restart")
        if not flag.file:
            return False  # between two names
        if not names or names[-1][1] != flag.state:
            names.append((time.monotonic(), flag.state))
        texts.add(os.stat(flag.file).st_mtime_ns)
        return flag.state == "Done"
    wait_for(look, "it is over", dump=inst.dump)
    lasted = time.monotonic() - began
    running = [at for at, state in names if state.startswith("Running")]
    assert len(running) >= 2, names
    assert running[2:] == [] or running[2] - running[1] > 4.5, names
    assert running[1] - began > 4, names
    assert len(texts) <= lasted * 20 + 5


# --- limits ---

def test_few_descriptors(inst):
    """More flags than flagman may hold descriptors: known by inode and birth time instead."""
    for n in range(60):
        inst.define(f"App{n}", QUIT.format(f"Go{n}") + QUIT.format(f"No{n}"), group=QUICK)
    inst.wrapper = ["/usr/bin/prlimit", "--nofile=80"]
    inst.start()
    inst.wait_state("App59", "Go59", "")
    for n in (0, 30, 59):
        inst.press_delete(f"App{n}", f"Go{n}")
        inst.wait_ran(f"Go{n}", 1)
        inst.wait_state(f"App{n}", f"Go{n}", "Done")
    path = inst.path_of("App5", "Go5")
    inst.by("alice", lambda: os.rename(path, path.with_name("Elsewhere.txt")))
    inst.wait_state("App5", "Go5", "")
    inst.press_move("App7", "Go7")
    inst.wait_ran("Go7", 1)


def prlimit(inst, limit):
    inst.wrapper = ["/usr/bin/prlimit", f"--nofile={limit}"]


@pytest.mark.parametrize("limit", [48, 64, 100, 200])
def test_descriptors_run_out_nowhere(inst, limit):
    """Presses of each kind, on flags with a descriptor and without, and over a restart."""
    for n in range(60):
        inst.define(f"App{n}", QUIT.format(f"Go{n}") + QUIT.format(f"No{n}") + "  drop: "
                    "{folder: In, accept: ['*.war'], settle: 0, after: delete}\n", group=QUICK)
    prlimit(inst, limit)
    inst.start()
    for turn in range(3):
        inst.wait_state("App59", "No59", "")
        for n in range(turn, 60, 20):
            inst.press_delete(f"App{n}", f"Go{n}")
            inst.press_move(f"App{n + 5}", f"Go{n + 5}")
            inst.drop(f"App{n + 10}", "In", "shop.war", "content")
            inst.wait_ran(f"Go{n}", 1)
            inst.wait_ran(f"Go{n + 5}", 1)
            inst.wait_ran(f"No{n + 10}", 1)
        inst.restart()
    for n in range(60):
        wait_for(lambda n=n: len(inst.flags(f"App{n}")) == 2, f"the flags of App{n}",
                 dump=inst.dump)
        wait_for((inst.share / f"App{n}" / "Status.txt").exists, "Status.txt", dump=inst.dump)
    assert "Too many" not in inst.log(), inst.log()


def test_all_at_once_with_few_descriptors(inst):
    """As many run as there are descriptors for, the others wait; none is lost."""
    count = 40
    for n in range(count):
        inst.define(f"App{n}", f"- name: Go\n  command: %ACT% Go{n} 'sleep 0.1'\n", group=QUICK)
    prlimit(inst, 100)
    inst.start()
    inst.wait_state(f"App{count - 1}", "Go", "")
    for n in range(count):
        inst.press_delete(f"App{n}", "Go")
    for n in range(count):
        inst.wait_ran(f"Go{n}", 1)
        inst.wait_state(f"App{n}", "Go", "Done")
    assert "Too many" not in inst.log(), inst.log()


@pytest.mark.parametrize("role", ["agent", "executor"])
@pytest.mark.parametrize("limit", [48, 64])
def test_runs_are_adopted_with_few_descriptors(inst, limit, role):
    """As many as may run, beside those that wait: followed to their end, output and all."""
    for n in range(30):
        inst.define(f"App{n}", f"- name: Go\n  command: %ACT% Go{n} listen\n"
                    + QUIT.format(f"No{n}"), group=QUICK)
    prlimit(inst, limit)
    inst.start()
    inst.wait_state("App29", "No29", "")
    most = limit // 8
    for n in range(most):
        inst.press_delete(f"App{n}", "Go")
        inst.wait_state(f"App{n}", "Go", "Running")
    inst.press_delete("App29", "Go")
    inst.wait_state("App29", "Go", "Waiting")
    inst.kill(role)
    if role == "executor":
        inst.start()
    for n in range(most):
        inst.wait_state(f"App{n}", "Go", "Running")
        finish(inst, f"Go{n}", "echo the end; exit 1")
        inst.wait_text(f"App{n}", "Go", "the end")
        inst.wait_state(f"App{n}", "Go", "Failed")
        inst.wait_ran(f"Go{n}", 1)
    assert len(inst.ran("Go29")) <= 1
    for n in range(30):
        inst.wait_state(f"App{n}", f"No{n}", re.compile("|Blocked"))
    assert "Too many" not in inst.log(), inst.log()


@pytest.mark.parametrize("hold", ["0", "300ms"])
def test_a_move_without_a_descriptor_is_one_press(inst, hold):
    """It is missing, and it lies in Run: not two presses, of which one calls off the other."""
    for n in range(40):
        inst.define(f"App{n}", QUIT.format(f"Go{n}") + QUIT.format(f"No{n}"),
                    group=f"hold: {hold}\ncooldown: 0")
    prlimit(inst, 64)
    inst.start()
    inst.wait_state("App39", "No39", "")
    for n in range(0, 40, 13):
        inst.press_move(f"App{n}", f"Go{n}")
        inst.wait_ran(f"Go{n}", 1)
        inst.wait_state(f"App{n}", f"Go{n}", "Done")
        assert os.listdir(inst.share / f"App{n}" / "Run") == []
        assert inst.ran(f"Go{n}")[0].trigger == "move"


def test_many_files_that_are_not_accepted(inst):
    """Each has its note, however few descriptors there are for making them."""
    apache(inst, actions="- name: Restart\n  command: %ACT% Restart 'exit 0'\n"
                         "  drop: {folder: In, accept: ['*.war'], settle: 0}\n")
    inst.stop()
    prlimit(inst, 64)
    for n in range(50):
        inst.drop("Apache", "In", f"letter{n}.doc", "x")
    inst.start()
    wait_for(lambda: len(os.listdir(inst.share / "Apache" / "In")) == 100, "all have a note",
             dump=inst.dump)
    assert "Too many" not in inst.log(), inst.log()


def test_hundreds_of_clients_with_few_descriptors(inst):
    prlimit(inst, 80)
    test_clients_that_say_nothing(inst)
    assert "Too many" not in inst.log(), inst.log()


# --- in Run, and beside a drop folder ---

@pytest.mark.parametrize("kind", ["fifo", "symlink", "directory", "socket", "device"])
def test_what_is_no_file_in_run(inst, kind, test_dir):
    if kind == "device" and not inst.people.root:
        kind = "fifo"
    apache(inst)
    target = test_dir / "target"
    target.write_text("untouched\n")
    path = inst.share / "Apache" / "Run" / "Restart.txt"
    mark = inst.mark()
    if kind == "symlink":
        os.symlink(target, path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "device":
        os.mknod(path, 0o020666, os.makedev(1, 3))
    else:
        os.mknod(path, {"fifo": 0o010666, "socket": 0o140666}[kind])
    inst.wait_log("Restart.txt in its Run folder is not a file", mark)
    assert os.path.lexists(path) and target.read_text() == "untouched\n"
    still_works(inst)


def test_a_hard_link_in_run(inst, test_dir):
    """Else whoever owns the file would seem to have pressed."""
    apache(inst)
    victim = inst.share / "Apache" / "victim"
    victim.write_text("mine\n")
    mark = inst.mark()
    os.link(victim, inst.share / "Apache" / "Run" / "Restart.txt")
    inst.wait_log("Restart.txt in its Run folder is a hard link", mark)
    inst.never_ran("Restart", seconds=0.3)
    assert victim.read_text() == "mine\n"
    still_works(inst)


def test_a_refused_payload_with_a_name_too_long_for_a_note(inst):
    apache(inst, actions="- name: Take\n  command: %ACT% Take 'exit 0'\n"
                         "  drop: {folder: In, accept: ['*.war'], settle: 200ms}\n")
    name = "n" * 246 + ".txt"
    mark = inst.mark()
    (inst.share / "Apache" / "In" / name).write_text("no\n")
    inst.wait_log("n{246}.txt is not accepted", mark)
    stays(lambda: os.listdir(inst.share / "Apache" / "In") == [name], "it stays", 0.3, inst.dump)


def test_a_file_in_a_flags_place_that_is_written_slowly(inst):
    """Made empty, as most programs do; what is written later is not lost."""
    apache(inst)
    path = inst.path_of("Apache", "Restart")
    inst.by("alice", lambda: os.rename(path, path.with_name("away")))
    with open(path, "w", encoding="ascii") as f:
        inst.wait_log("put aside")
        f.write("late\n")
    aside = path.with_name("Restart (put aside).txt")
    assert aside.read_text() == "late\n"
    inst.wait_state("Apache", "Restart", "")
    inst.never_ran("Restart", seconds=0.3)
