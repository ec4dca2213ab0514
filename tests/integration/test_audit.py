# SPDX-License-Identifier: GPL-2.0-or-later
"""Who pressed, from Samba's audit log: lines of a real smbd, and of those who forge them."""

import json
import os
import re
import signal

import pytest
from boards import apache, finish
from following import followers, wait_followed
from lib import processes
from lib.waiting import stays, wait_for

RESTART = "Apache/Restart.txt"
HELD = "cooldown: 0\nhold: 1s"
QUICK = """
- name: Restart
  command: %ACT% Restart 'exit 0'
"""


def runs(inst):
    """The history, the oldest first."""
    return json.loads(inst.cli("history", "--json", check=0).stdout)[::-1]


def wait_named(inst, n=1):
    """The history, once its last of N runs has a user."""
    def named():
        found = runs(inst)
        return len(found) == n and found[-1]["user"] and found
    return wait_for(named, f"run {n} has a user", dump=inst.dump)


def who(run):
    return run["user"], run["address"], run["user-certainty"]


class Log:
    """A log that the test writes; lines are whole before they can be read."""

    def __init__(self, inst, path):
        self.inst = inst
        self.path = path
        path.touch(mode=0o644)

    def write(self, data):
        with open(self.path, "ab") as f:
            f.write(data if isinstance(data, bytes) else data.encode())

    def line(self, user, path, *more, address="10.1.2.3", op=None):
        op = op or ("renameat" if more else "unlinkat")
        paths = "|".join(str(self.inst.share / p) for p in (path, *more))
        self.write(f"{user}|{address}|pc7|flags|{op}|ok|{paths}\n")

    def deleted(self, user, name=RESTART):
        """A line, and the agent has read it."""
        mark = self.inst.mark()
        self.line(user, name)
        self.wait_read(user, mark)

    def wait_read(self, user, mark):
        self.inst.wait_log(f"Samba's log names {re.escape(user)} for", mark)


@pytest.fixture
def log(inst, test_dir):
    """A log that will be followed; its lines are not Samba's."""
    made = Log(inst, test_dir / "audit.log")
    inst.environment["FLAGMAN_LOG"] = "debug"
    inst.settings(f"samba-audit: {made.path}\n")
    return made


@pytest.fixture
def board(inst, log):
    """Apache, whose actions run at once until they are told to end."""
    apache(inst)
    wait_followed(inst, log.path)
    return inst


@pytest.fixture
def served(inst, samba):
    """Its log is followed; start with start_served()."""
    inst.settings(f"samba-audit: {samba.base}/log\n")
    return samba


def start_served(inst, samba, **keys):
    apache(inst, **keys)
    wait_followed(inst, samba.base / "log")


# --- a real smbd ---

def test_delete(inst, served, people):
    start_served(inst, served, group=HELD)
    served.client().run("flags", f'del "{RESTART}"')
    assert inst.wait_ran("Restart")[0].user == people.alice
    inst.wait_text("Apache", "Restart", f"{people.alice}, at 127.0.0.1 .says Samba's log.")
    wait_for(lambda: people.alice in inst.status_text("Apache"), "Status.txt says it",
             dump=inst.dump)
    finish(inst)
    run, = wait_named(inst)
    assert who(run) == (people.alice, "127.0.0.1", "audit")
    # whichever comes first, the line or the look
    inst.wait_log(f"Apache/Restart: run 1 was pressed by {people.alice} from 127.0.0.1|"
                  f"run 1: Apache/Restart by {people.alice} ")


@pytest.mark.root
def test_move_into_run(inst, served, people):
    start_served(inst, served, group=HELD)
    served.client("bob").run("flags",
                             'rename "Apache\\Restart.txt" "Apache\\Run\\Restart.txt"')
    assert inst.wait_ran("Restart")[0].user == people.bob
    finish(inst)
    run, = wait_named(inst)
    assert who(run) == (people.bob, "127.0.0.1", "audit")
    assert run["trigger"] == "move"


def test_recycle(inst, smbd, people):
    smbd.share("flags", inst.share, vfs_objects="recycle full_audit",
               **{"recycle:repository": ".recycle/%U"})
    smbd.start()
    inst.settings(f"samba-audit: {smbd.base}/log\n")
    start_served(inst, smbd, actions=QUICK)
    smbd.client().run("flags", f'del "{RESTART}"')
    run, = wait_named(inst)
    assert who(run) == (people.alice, "127.0.0.1", "audit")


def test_a_run_that_was_over_at_once(inst, served, people):
    """Without a hold the line comes when the command runs, or has run."""
    start_served(inst, served, actions=QUICK)
    for n in range(1, 4):
        name = inst.path_of("Apache", "Restart").name
        served.client().run("flags", f'del "Apache/{name}"')
        run = wait_named(inst, n)[-1]
        assert who(run) == (people.alice, "127.0.0.1", "audit")
        inst.wait_state("Apache", "Restart", "Done")


@pytest.mark.root
def test_a_copy_has_an_owner(inst, served, people, test_dir):
    start_served(inst, served, group=HELD)
    text = test_dir / "Restart.txt"
    text.write_text("x")
    served.client().put("flags", text, "Apache/Run/Restart.txt")
    assert inst.wait_ran("Restart")[0].user == people.alice
    finish(inst)
    run, = wait_named(inst)
    assert who(run) == (people.alice, None, "owner")


@pytest.mark.root
def test_press_only(inst, smbd, people):
    smbd.share("flags", inst.share, vfs_objects="full_audit acl_xattr",
               **{"acl_xattr:ignore system acls": "yes",
                  "acl_xattr:default acl style": "posix"})
    smbd.start()
    inst.settings(f"samba-audit: {smbd.base}/log\n")
    start_served(inst, smbd, actions=QUICK, directory="access: press-only")
    smbd.client().run("flags", f'del "{RESTART}"')
    run, = wait_named(inst)
    assert who(run) == (people.alice, "127.0.0.1", "audit")


# --- the order, and what belongs to what ---

def test_a_line_that_is_read_first(board, log):
    log.deleted("alice")
    board.press_delete("Apache", "Restart")
    assert board.wait_ran("Restart")[0].user == "alice"
    finish(board)
    assert who(wait_named(board)[0]) == ("alice", "10.1.2.3", "audit")


def test_a_line_that_comes_later(board, log):
    board.press_delete("Apache", "Restart")
    assert board.wait_ran("Restart")[0].user == "-"
    log.line("DOM\\alice", RESTART, address="fe80::1")
    board.wait_text("Apache", "Restart", r"DOM\\alice, at fe80::1 .says Samba's log.")
    finish(board)
    assert who(wait_named(board)[0]) == ("DOM\\alice", "fe80::1", "audit")


def test_a_line_is_used_once(board, log):
    log.deleted("alice")
    board.press_delete("Apache", "Restart")
    board.wait_ran("Restart", 1)
    finish(board)
    board.wait_state("Apache", "Restart", "Done")
    os.unlink(board.path_of("Apache", "Restart"))
    assert board.wait_ran("Restart", 2)[1].user == "-"


def test_a_press_that_is_put_back_takes_its_line(inst, log):
    apache(inst, group="hold: 0\ncooldown: 0\ntriggers: [move]")
    wait_followed(inst, log.path)
    log.deleted("bob")
    inst.press_delete("Apache", "Restart")
    inst.wait_text("Apache", "Restart", "not how it is pressed here")
    mark = inst.mark()
    log.line("alice", RESTART, "Apache/Run/Restart.txt")
    log.wait_read("alice", mark)
    inst.press_move("Apache", "Restart")
    assert inst.wait_ran("Restart")[0].user == "alice"


@pytest.mark.parametrize("path, to", [
    ("Apache/Start.txt", None),
    ("Apache/Restart [Done].txt", None),
    ("Apache/restart.txt", None),
    ("Apache/Run/Restart.txt", None),
    (RESTART, "Apache/Other.txt"),
    (RESTART, "Apache/Run/Restart.txt"),
])
def test_a_line_of_something_else(board, log, path, to):
    mark = board.mark()
    log.line("mallory", path, *([to] if to else []))
    log.line("mallory", "Apache/Stop.txt")  # the last: all are read
    board.wait_log("Samba's log names mallory for [^\n]*Stop.txt", mark)
    board.press_delete("Apache", "Restart")
    assert board.wait_ran("Restart")[0].user == "-"
    finish(board)
    board.wait_state("Apache", "Restart", "Done")
    assert runs(board)[0]["user"] is None


def test_a_move_needs_the_line_of_a_move(board, log):
    log.deleted("mallory")
    board.press_move("Apache", "Restart")
    assert board.wait_ran("Restart")[0].user == "-"


def test_whoever_is_known_stays(board, log, people):
    log.deleted("mallory")
    board.cli("run", "Apache/Restart", check=0)
    board.wait_ran("Restart")
    finish(board)
    run, = wait_named(board)
    assert run["user-certainty"] == "peer"
    assert run["user"] != "mallory"


def test_a_line_decides_nothing(inst, log):
    """What is put back without one is put back with one."""
    apache(inst, group="hold: 0\ntriggers: [move]")
    wait_followed(inst, log.path)
    log.deleted("root")
    inst.press_delete("Apache", "Restart")
    inst.wait_text("Apache", "Restart", "not how it is pressed here")
    assert not inst.ran("Restart")


# --- lines that nobody should believe ---

def test_forged_and_cut_lines(board, log):
    path = f"{board.share}/{RESTART}"
    for line in (b"mallory|10.1.2.3|||unlinkat|ok", b"|||||||||||||||",
                 b"mal|lory|::1||f|unlinkat|ok|%s",
                 b"mallory|::1||f|unlinkat|fail (x)|%s", b"mallory|nowhere||f|unlinkat|ok|%s",
                 b"mal\x1b[31mlory|::1||f|unlinkat|ok|%s", b"mal\xfflory|::1||f|unlinkat|ok|%s",
                 b"mal\0lory|::1||f|unlinkat|ok|%s", b"-x|::1||f|unlinkat|ok|%s",
                 b"mallory|::1||f|unlinkat|ok|%s|/x", b"m:x|::1||f|unlinkat|ok|%s"):
        log.write(line.replace(b"%s", path.encode()) + b"\n")
    log.write(b"\xff\xfe\0\r\n\n\n")
    log.deleted("alice")
    board.press_delete("Apache", "Restart")
    assert board.wait_ran("Restart")[0].user == "alice"


def test_an_endless_line(board, log):
    log.write(b"x" * (1 << 20))
    log.write(b"y" * (1 << 20) + b"\n")
    log.deleted("alice")
    board.press_delete("Apache", "Restart")
    assert board.wait_ran("Restart")[0].user == "alice"


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) * 1024


def has_read(pid, path):
    """Is what follows at the end of PATH?  A pipe's worth may still be on its way then."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        if os.readlink(f"/proc/{pid}/fd/{fd}") == str(path):
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as f:
                return int(f.readline().split()[1]) == path.stat().st_size
    return False


def press_named(inst, log, user):
    """Presses Start with a line of USER's; was it named by it?"""
    path = inst.path_of("Apache", "Start")
    count = len(inst.ran("Start")) + 1
    inst.press_delete("Apache", "Start")
    log.line(user, f"Apache/{path.name}")
    inst.wait_ran("Start", count)
    inst.wait_state("Apache", "Start", "Running")
    finish(inst, "Start")
    inst.wait_state("Apache", "Start", "Done")
    return next(r for r in reversed(runs(inst)) if r["action"] == "Start")["user"] == user


def test_a_million_lines(inst, log):
    """All of them could be of a flag; presses go on meanwhile, and nothing grows."""
    inst.environment["FLAGMAN_LOG"] = "info"
    # a sanitizer keeps what was freed
    inst.environment["ASAN_OPTIONS"] = (f"log_path={inst.sanitizer}/asan:detect_leaks=0:"
                                        "handle_abort=1:quarantine_size_mb=1")
    apache(inst)
    follower = wait_followed(inst, log.path)
    agent, = inst.pids("agent")
    before = resident(agent)
    lines = "".join(f"mallory{n}|10.1.2.3||f|unlinkat|ok|{inst.share}/Apache/Other.txt\n"
                    for n in range(10_000)).encode()
    for _ in range(100):
        log.write(lines)
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart")
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    # they get through, and what comes after them is taken
    wait_for(lambda: has_read(follower, log.path), "all lines are read", timeout=200,
             dump=inst.dump)
    wait_for(lambda: press_named(inst, log, "alice"), "a line is taken", dump=inst.dump)
    assert inst.pids("agent") == [agent]
    assert resident(agent) < before + (16 << 20)


# --- the one that follows ---

def test_rotation(board, log):
    os.rename(log.path, log.path.with_suffix(".1"))
    log.path.touch()
    log.path.chmod(0o644)

    def taken():
        mark = board.mark()
        log.line("alice", RESTART)
        try:
            board.wait_log("Samba's log names alice", mark, timeout=2)
        except AssertionError:
            return False
        return True
    wait_for(taken, "the new file is followed", dump=board.dump)


def test_it_is_started_again(board, log):
    first = wait_followed(board, log.path)
    os.kill(first, signal.SIGKILL)
    board.wait_log("samba-audit: what follows .* has ended; it is started again")
    wait_followed(board, log.path, but=first)
    log.deleted("alice")
    board.press_delete("Apache", "Restart")
    assert board.wait_ran("Restart")[0].user == "alice"


def test_it_goes_with_the_agent(board, log):
    first = wait_followed(board, log.path)
    board.kill("agent")
    second = wait_followed(board, log.path, but=first)
    wait_for(lambda: followers(board) == [second], "there is one", dump=board.dump)
    # a press before its first look would be found by that
    wait_for(lambda: board.cli("status").returncode == 0, "it answers", dump=board.dump)
    log.deleted("alice")
    board.press_delete("Apache", "Restart")
    assert board.wait_ran("Restart")[0].user == "alice"


def test_it_ends_with_flagmand(board, log):
    follower = wait_followed(board, log.path)
    board.kill("executor")
    wait_for(lambda: not processes.alive(follower), "it has ended", dump=board.dump)


def test_the_setting_may_change(board, log, test_dir):
    other = Log(board, test_dir / "other.log")
    first = wait_followed(board, log.path)
    board.settings(f"samba-audit: {other.path}\n")
    board.reload()
    wait_followed(board, other.path)
    wait_for(lambda: not processes.alive(first), "the first has ended", dump=board.dump)
    board.settings("")
    board.reload()
    wait_for(lambda: not followers(board), "nothing is followed", dump=board.dump)
    board.settings(f"samba-audit: {log.path}\n")
    board.reload()
    wait_followed(board, log.path)
    log.deleted("alice")
    board.press_delete("Apache", "Restart")
    assert board.wait_ran("Restart")[0].user == "alice"


def test_a_mistake_in_flagman_yaml_changes_nothing(board, log):
    first = wait_followed(board, log.path)
    board.settings("samba-audit: nowhere\n")
    for _ in range(3):  # the live definition is freed meanwhile
        board.reload()
    board.wait_log("is neither journal nor the path of a log")
    assert followers(board) == [first]


def test_by_default_nothing_is_followed(inst):
    apache(inst)
    stays(lambda: not followers(inst), "nothing is followed", 0.2, inst.dump)


@pytest.mark.root
def test_its_rights(board, log, people):
    pid = wait_followed(board, log.path)
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f)
    uid = str(people.uid("agent"))
    assert status["Uid"].split() == [uid] * 4
    assert str(people.gid) not in status["Groups"].split()
    assert str(people.gid) != status["Gid"].split()[0]
    assert {status[k] for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    with open(f"/proc/{pid}/environ", "rb") as f:
        names = [word.split(b"=")[0] for word in f.read().split(b"\0") if word]
    assert names == [b"PATH", b"LANG"]
    kinds = {int(fd): os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    assert kinds[0] == "/dev/null"
    assert kinds[1].startswith("pipe:")
    assert not [k for fd, k in kinds.items() if fd > 2 and k != str(log.path)
                and "inotify" not in k], kinds


@pytest.mark.root
def test_a_log_that_it_may_not_read(inst, log):
    log.path.chmod(0o600)
    apache(inst)
    inst.wait_log("tail: cannot open .*audit.log.*Permission denied")
    inst.press_delete("Apache", "Restart")
    assert inst.wait_ran("Restart")[0].user == "-"
