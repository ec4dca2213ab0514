# SPDX-License-Identifier: GPL-2.0-or-later
"""What the watcher promises in src/wire/watch.h, with real directories and real events."""

import errno
import fcntl
import os
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from lib.waiting import wait_for
from watcher import (EVERYTHING, FAILED, GONE, LOOK, NOBODY, READY, RECORD, TRIED, Record, Watcher,
                     listed, sealed)

LOOK_7 = Record(LOOK, 0, 7)


@pytest.fixture
def board(tmp_path):
    """An object's directory with a flag and a Run folder."""
    (tmp_path / "Apache").mkdir()
    (tmp_path / "Apache/Run").mkdir()
    (tmp_path / "Apache/Restart.txt").write_text("press me")
    return tmp_path / "Apache"


def looks(records, number):
    return sum(r.kind == LOOK and r.number == number for r in records)


def gone(records, number):
    return any(r.kind == GONE and r.number == number for r in records)


# --- what is an event ---

def act_delete(board):
    (board / "Restart.txt").unlink()


def act_move_out(board):
    (board / "Restart.txt").rename(board.parent / "Restart.txt")


def act_move_in(board):
    (board.parent / "new").write_text("")
    (board.parent / "new").rename(board / "New.txt")


def act_move_within(board):
    (board / "Restart.txt").rename(board / "Stop.txt")


def act_create(board):
    os.mkfifo(board / "made")


def act_close_write(board):
    with open(board / "Restart.txt", "r+b") as f:
        f.write(b"x")


def act_remove_run(board):
    (board / "Run").rmdir()


@pytest.mark.parametrize("act", [act_delete, act_move_out, act_move_in, act_move_within, act_create,
                                 act_close_write, act_remove_run])
def test_says_look(board, act):
    with Watcher({7: board}) as w:
        assert w.ready() == []
        act(board)
        assert set(w.read()) == {LOOK_7}


def test_move_between_two_watched(board):
    with Watcher({7: board, 4000000000: board / "Run"}) as w:
        w.ready()
        (board / "Restart.txt").rename(board / "Run/Restart.txt")
        got = w.until(LOOK, 4000000000)
        assert got[0] == LOOK_7 and got[-1] == Record(LOOK, 0, 4000000000)


def test_browsing_is_no_event(board):
    with Watcher({7: board, 8: board.parent}) as w:
        w.ready()
        os.listdir(board)
        (board / "Restart.txt").read_text()
        (board / "Restart.txt").chmod(0o600)
        os.utime(board / "Restart.txt")
        with open(board / "Restart.txt", "r+b", buffering=0) as f:
            f.write(b"still open")
            (board.parent / "end").write_text("")
            assert {r.number for r in w.read()} == {8}
        assert w.until(LOOK, 7)[-1] == LOOK_7


def test_one_record_for_many_events(board):
    with Watcher({7: board, 8: board / "Run"}) as w:
        w.ready()
        w.stop()
        for n in range(1000):
            (board / f"{n}.txt").write_text("")
            (board / "Run" / f"{n}.txt").write_text("")
        w.cont()
        assert w.read() == [LOOK_7, Record(LOOK, 0, 8)]
        act_delete(board)
        assert w.read() == [LOOK_7]


def test_a_quiet_directory_says_nothing_of_closed_files(board):
    """The agent closes a flag each time it is used up, and need not hear of it."""
    entries = f"7q {board}".encode() + b"\0" + f"8 {board / 'Run'}".encode() + b"\0"
    for folder in (board, board / "Run"):
        (folder / "there.txt").write_text("")
    with Watcher(entries) as w:
        w.ready()
        (board / "there.txt").write_text("more")
        (board / "Run" / "there.txt").write_text("more")
        assert w.read() == [Record(LOOK, 0, 8)]
        act_delete(board)
        assert w.read() == [LOOK_7]


def test_order_of_first_events(board):
    names = ["f", "b", "d", "a", "e", "c"]
    for name in names:
        (board / name).mkdir()
    with Watcher({ord(name): board / name for name in sorted(names)}) as w:
        w.ready()
        w.stop()
        for name in names + sorted(names):
            (board / name / os.urandom(8).hex()).write_text("")
        w.cont()
        assert [chr(r.number) for r in w.read()] == names


def test_more_directories_than_fit_one_write(tmp_path):
    paths = {n: tmp_path / str(n) for n in range(1500)}
    for path in paths.values():
        path.mkdir()
    with Watcher(paths) as w:
        w.ready()
        w.stop()
        for path in paths.values():
            (path / "x").write_text("")
        w.cont()
        assert [r.number for r in w.until(LOOK, 1499)] == list(paths)
        assert w.quiet()


def test_names_of_strangers(tmp_path):
    """Names are never looked at, whatever bytes they are."""
    odd = os.fsencode(tmp_path) + b"/\xff\n\x1b[31m 12 etc"
    os.mkdir(odd)
    with Watcher({7: odd}) as w:
        assert w.ready() == []
        open(odd + b"/" + b"\xfe" * 255, "w").close()
        assert set(w.read()) == {LOOK_7}


# --- overflow ---

def test_overflow_is_everything(board):
    """The kernel keeps 16384 events at most; what happened after them is in none."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    with Watcher({7: board, 8: board / "Run"}) as w:
        w.ready()
        w.stop()
        a, b = board / "a", board / "b"
        a.write_text("")
        for _ in range(limit // 4 + 1):
            a.rename(b)
            b.rename(a)
        w.cont()
        assert Record(EVERYTHING, 0, 0) in w.until(EVERYTHING)
        # It goes on watching.
        (board / "Run/x").mkdir()
        assert w.read() == [Record(LOOK, 0, 8)]


def test_agent_does_not_read(tmp_path):
    """The watcher waits for the agent, the kernel's queue overflows, and nothing is forgotten."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    with Watcher({7: tmp_path}) as w:
        w.ready()
        a, b = tmp_path / "a", tmp_path / "b"
        a.write_text("")
        full = fcntl.fcntl(w.pipe, fcntl.F_GETPIPE_SZ)
        while _unread(w) < full:
            a.rename(b)
            b.rename(a)
        for _ in range(limit // 2):
            a.rename(b)
            b.rename(a)
        got = w.until(EVERYTHING)
        assert {r.kind for r in got} == {LOOK, EVERYTHING}
        assert len(got) >= full // RECORD.size


def _unread(w):
    """Bytes in the pipe."""
    return int.from_bytes(fcntl.ioctl(w.pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


# --- directories come to an end ---

def test_directory_removed(board):
    with Watcher({7: board, 8: board / "Run"}) as w:
        w.ready()
        (board / "Run").rmdir()
        got = w.until(GONE, 8)
        assert looks(got, 8) >= 1 and not gone(got, 7)


def test_directory_moved(board):
    with Watcher({7: board, 8: board / "Run"}) as w:
        w.ready()
        (board / "Run").rename(board / "Elsewhere")
        got = w.until(GONE, 8)
        assert looks(got, 8) >= 1 and not gone(got, 7)


def test_directory_replaced_by_a_symlink(board):
    """Events of what the symlink points at are not taken for the directory's."""
    other = board.parent / "other"
    other.mkdir()
    with Watcher({7: board, 8: board / "Run"}) as w:
        w.ready()
        (board / "Run").rmdir()
        (board / "Run").symlink_to(other)
        got = w.until(GONE, 8)
        while looks(got, 7) == 0:
            got += w.read()
        (other / "Restart.txt").write_text("")
        act_delete(board)
        assert {r.number for r in w.until(LOOK, 7)} == {7}


def test_gone_once_a_batch(board):
    with Watcher({8: board / "Run"}) as w:
        w.ready()
        w.stop()
        (board / "Run/x").write_text("")
        (board / "Run").rename(board / "Elsewhere")
        (board / "Elsewhere/x").unlink()
        (board / "Elsewhere").rmdir()
        w.cont()
        assert w.read() == [Record(LOOK, 0, 8), Record(GONE, 0, 8)]


def inside(function, path):
    """FUNCTION(PATH) in a mount namespace of its own, as root of a user namespace if need be."""
    user = ["--user", "--map-root-user"] if os.geteuid() != 0 else []
    code = f"import sys, test_watcher; test_watcher.{function.__name__}(sys.argv[1])"
    subprocess.run(["unshare", "--mount", *user, sys.executable, "-c", code, path],
                   cwd=Path(__file__).parent, check=True)


def test_unmounted(tmp_path):
    inside(unmount, tmp_path)


def unmount(path):
    subprocess.run(["mount", "-t", "tmpfs", "none", path], check=True)
    os.mkdir(f"{path}/Apache")
    with Watcher({7: f"{path}/Apache"}) as w:
        w.ready()
        subprocess.run(["umount", path], check=True)  # a watch holds no mount
        assert gone(w.until(GONE, 7), 7)


# --- what cannot be watched ---

def test_not_a_directory(board):
    (board / "link").symlink_to(board / "Run")
    (board / "dangling").symlink_to(board / "nowhere")
    paths = {1: board / "link", 2: board / "dangling", 3: board / "Restart.txt", 4: board / "none",
             5: board / ("x" * 300), 6: str(board) + "/" + "y/" * 3000 + "y", 7: board}
    with Watcher(paths) as w:
        assert w.ready() == [
            Record(FAILED, errno.ENOTDIR, 1), Record(FAILED, errno.ENOTDIR, 2),
            Record(FAILED, errno.ENOTDIR, 3), Record(FAILED, errno.ENOENT, 4),
            Record(FAILED, errno.ENAMETOOLONG, 5), Record(FAILED, errno.ENAMETOOLONG, 6)]
        act_delete(board)
        assert w.read() == [LOOK_7]


def test_not_allowed(tmp_path):
    """Without capabilities, also where it was started with them."""
    (tmp_path / "closed").mkdir(mode=0o300)
    with Watcher({7: tmp_path / "closed"}, user=_stranger(tmp_path)) as w:
        assert w.ready() == [Record(FAILED, errno.EACCES, 7)]


def _stranger(path):
    """A user without rights of its own, who can reach PATH; None when we are no better."""
    if os.geteuid() != 0:
        return None
    for directory in (path, *path.parents):
        if not os.stat(directory).st_mode & 0o001:
            os.chmod(directory, 0o711)
    return NOBODY


def test_same_directory_twice(board):
    with Watcher({7: board, 8: str(board / "Run") + "/.."}) as w:
        assert w.ready() == [Record(FAILED, errno.EEXIST, 8)]
        act_delete(board)
        assert w.read() == [LOOK_7]


def test_many_failures(tmp_path):
    """More WATCH_FAILED than one write takes; READY is the last."""
    with Watcher({n: tmp_path / str(n) for n in range(2000)}) as w:
        got = w.ready()
    assert [r.number for r in got if r.kind == FAILED] == list(range(2000))
    assert {r.kind for r in got} == {FAILED, TRIED}


def test_says_how_far_it_is(tmp_path):
    """What it said has been tried is watched, though it is not ready yet."""
    paths = {7 * n: tmp_path / str(n) for n in range(2500)}
    for path in paths.values():
        path.mkdir()
    with Watcher(paths) as w:
        first = w.until(TRIED, 7 * 1023)
        (paths[7 * 1023] / "new").touch()
        rest = w.until(LOOK, 7 * 1023)
        assert first + rest == [Record(TRIED, 0, 7 * 1023), Record(TRIED, 0, 7 * 2047),
                                Record(READY, 0, 0), Record(LOOK, 0, 7 * 1023)]


def test_nothing_to_watch():
    with Watcher({}) as w:
        assert w.ready() == []
        assert w.process.poll() is None


# --- lists of garbage ---

GOOD = b"1 /tmp\0"


@pytest.mark.parametrize("data, reason", [
    (b"1 /tmp", "entry 1 at byte 0 does not end in NUL"),
    (GOOD + b"2 /t", "entry 2 at byte 7 does not end in NUL"),
    (b"\0", "entry 1 at byte 0 does not begin with a 32-bit number"),
    (GOOD + b"\0", "entry 2 at byte 7 does not begin"),
    (b"/tmp\0", "does not begin"),
    (b"-1 /tmp\0", "does not begin"),
    (b"0x1 /tmp\0", "does not begin"),
    (b"1\t/tmp\0", "does not begin"),
    (b" 1 /tmp\0", "does not begin"),
    (b"4294967296 /tmp\0", "does not begin"),
    (b"99999999999999999999999999 /tmp\0", "does not begin"),
    (b"1 tmp\0", "no absolute path"),
    (b"1 \0", "no absolute path"),
    (b"1  /tmp\0", "no absolute path"),
    (b"1 /tmp/\0", "no absolute path without a slash"),
    (b"1 /\0", "no absolute path without a slash"),
    (os.urandom(70000), "entry 1 at byte 0"),
])
def test_bad_list(data, reason):
    """Nothing of a bad list is used, not even its good entries."""
    with Watcher(data) as w:
        assert w.read() == []
        status, said = w.end()
    assert status == 65
    assert re.fullmatch(r"flagmand\[watcher\]: bad list of directories: [^\n]+\n", said)
    assert reason in said


def test_largest_number(board):
    with Watcher(b"4294967295 %s\0" % os.fsencode(board)) as w:
        assert w.ready() == []
        act_delete(board)
        assert w.read() == [Record(LOOK, 0, 4294967295)]


@pytest.mark.parametrize("what", ["file", "not sealed", "not sealed against writing"])
def test_list_that_could_change(what, tmp_path, board):
    if what == "file":
        (tmp_path / "list").write_bytes(listed({7: board}))
        fd = os.open(tmp_path / "list", os.O_RDONLY)
    else:
        fd = sealed(listed({7: board}), 0 if what == "not sealed" else fcntl.F_SEAL_SHRINK)
    with Watcher(fd) as w:
        assert w.read() == []
        assert w.end() == (65, "flagmand[watcher]: bad list of directories: "
                               "it is not a sealed memory file\n")


# --- the process ---

def test_started_by_hand():
    with Watcher({}, arguments=["--help"]) as w:
        status, said = w.end()
    assert status == 64 and "flagmand starts this program" in said


def test_ends_with_its_reader(board):
    with Watcher({7: board}) as w:
        w.ready()
        w.close_pipe()
        act_delete(board)
        assert w.end() == (0, "")


def test_no_reader_from_the_start(board):
    with Watcher({7: board}) as w:
        w.close_pipe()
        assert w.end() == (0, "")


def test_goes_on_after_a_stop(board):
    with Watcher({7: board}) as w:
        w.ready()
        w.stop()
        w.cont()
        act_delete(board)
        assert w.read() == [LOOK_7]


def test_holds_nothing_that_it_does_not_need(board):
    inside(hold_nothing, board)


def hold_nothing(path):
    with Watcher({7: path}) as w:
        w.ready()
        fds = {fd: os.readlink(f"/proc/{w.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{w.pid}/fd")}
        assert sorted(fds) == ["0", "1", "2", "3", "4"]
        assert fds["3"] == "anon_inode:inotify" and fds["4"].startswith("pipe:")
        assert os.readlink(f"/proc/{w.pid}/cwd") == "/"
        status = dict(line.split(":\t", 1) for line in
                      Path(f"/proc/{w.pid}/status").read_text().splitlines() if ":\t" in line)
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[name], 16) == 0, name
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        wait_for(lambda: "memfd:list" not in Path(f"/proc/{w.pid}/maps").read_text(),
                 "the list is given back")
        limits = Path(f"/proc/{w.pid}/limits").read_text()
        assert re.search(r"Max processes +0 +0 ", limits)
        assert re.search(r"Max core file size +0 +0 ", limits)


def test_sleeps_when_nothing_happens(board):
    with Watcher({7: board}) as w:
        w.ready()
        act_delete(board)
        w.read()
        before = wait_for(lambda: _asleep_since(w.pid), "it sleeps again")
        os.listdir(board)
        (board / "Restart.txt").exists()
        assert _asleep_since(w.pid) == before


def _asleep_since(pid):
    """How often it went to sleep, if it does now."""
    status = Path(f"/proc/{pid}/status").read_text()
    return re.search(r"State:\tS", status) and re.findall(r"ctxt_switches:\t(\d+)", status)
