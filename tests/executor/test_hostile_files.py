# SPDX-License-Identifier: GPL-2.0-or-later
"""What an agent that was taken over can't have opened, changed, followed or signalled."""

import contextlib
import errno
import os
import shutil
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

import wire
from lib.waiting import stays, wait_for

ACTIONS = """
- name: Hang
  command: %PROBE% hang
- name: Take
  command: /bin/sh -c 'cat "$FLAGMAN_PAYLOAD"; [ ! -p %ROOT%/go ] || read go <%ROOT%/go'
  drop: {folder: In, accept: ["*"]}
"""
HANG, TAKE = range(2)


def agents(path, people):
    """PATH belongs to the agent's user, as what it makes itself."""
    os.chown(path, people.uid("agent"), -1)
    return path


class World:
    """Bystanders, which must stay as they are whatever is asked."""

    def __init__(self, daemon, people):
        self.daemon, self.people = daemon, people
        self.outside = daemon.root / "outside"
        self.outside.mkdir()
        for name, mode in (("shadow", 0o640), ("open", 0o666), ("program", 0o4755)):
            (self.outside / name).write_text("of somebody else\n")
            (self.outside / name).chmod(mode)
        (self.outside / "shared").mkdir()
        (self.outside / "shared" / "file").write_text("of somebody else\n")
        if people.root:
            os.chown(self.outside / "shared", 0, people.gid)
        (self.outside / "shared").chmod(0o2770)
        self.others = [Path("/etc/passwd"), Path("/etc/shadow"), Path("/dev/null")]
        self.before = self.look()

    def look(self):
        found = {}
        for path in [self.outside, *self.outside.rglob("*"), *self.others]:
            st = path.lstat()
            found[str(path)] = (st.st_mode, st.st_uid, st.st_gid, st.st_nlink)
            if path not in self.others:  # other tests make users
                found[str(path)] += (st.st_ino, st.st_ctime_ns, st.st_size)
        return found

    def check(self):
        assert self.look() == self.before


@pytest.fixture
def world(daemon, people):
    daemon.board("Box", ACTIONS)
    (daemon.root / "share").mkdir()
    return World(daemon, people)


@pytest.fixture
def agent(daemon, world):
    del world  # its directories are there first
    return daemon.begin()


def own(agent, fd):
    agent.send(wire.OWN, wire.Own(generation=agent.generation, board=0, cookie=3), [fd])
    return agent.expect(wire.OWNED)[0]


@contextlib.contextmanager
def opened(path, flags):
    fd = os.open(path, flags)
    yield fd
    os.close(fd)


PATHS = [("shadow", os.O_RDWR), ("shadow", os.O_PATH), ("open", os.O_RDWR),
         ("program", os.O_RDONLY),
         ("shared", os.O_RDONLY | os.O_DIRECTORY), ("shared", os.O_PATH),
         ("/etc/shadow", os.O_PATH), ("/etc/passwd", os.O_RDONLY), ("/dev/null", os.O_RDWR),
         ("/proc/self/mem", os.O_RDWR), ("/proc/1/cgroup", os.O_RDONLY)]


@pytest.mark.root
@pytest.mark.parametrize("path, flags", PATHS)
def test_files_of_others_are_not_given_away(world, agent, path, flags):
    """Whichever way their descriptors were come by."""
    with opened(world.outside / path, flags) as fd:
        assert own(agent, fd).error in (errno.EPERM, errno.EINVAL, errno.EXDEV, errno.EBADF)
    world.check()


@pytest.mark.root
def test_objects_of_its_own_are_no_flags(daemon, world, agent, people):
    """Memory, sockets, pipes, directories, symlinks of the agent's user: none is touched."""
    staging = daemon.share / ".flagman" / "staging"
    (staging / "directory").mkdir()
    (staging / "link").symlink_to(world.outside / "open")
    os.mkfifo(staging / "fifo")
    os.mknod(staging / "socket", stat.S_IFSOCK | 0o600)
    os.mknod(staging / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    for path in staging.iterdir():
        os.chown(path, people.uid("agent"), -1, follow_symlinks=False)
    fds = [os.open(staging / name, flags | os.O_NOFOLLOW | os.O_NONBLOCK) for name, flags in (
        ("directory", os.O_RDONLY), ("link", os.O_PATH), ("fifo", os.O_RDWR),
        ("socket", os.O_PATH), ("null", os.O_RDWR))]
    pair = socket.socketpair()
    fds += [os.memfd_create("x"), *os.pipe(), os.dup(pair[0].fileno()), os.eventfd(0),
            os.pidfd_open(os.getpid())]
    (staging / "deleted").touch()
    fds.append(os.open(agents(staging / "deleted", people), os.O_RDWR))
    (staging / "deleted").unlink()
    for fd in fds:
        with contextlib.suppress(OSError):
            os.fchown(fd, people.uid("agent"), -1)
        assert own(agent, fd).error, os.readlink(f"/proc/self/fd/{fd}")
        os.close(fd)
    for end in pair:
        end.close()
    world.check()


def take(agent, token):
    agent.send(wire.TAKE, wire.Payload(generation=agent.generation, board=0, token=token))
    return agent.expect(wire.TAKEN)[0].error


@pytest.mark.root
@pytest.mark.parametrize("kind", ["symlink", "link", "fifo", "directory", "device"])
def test_what_is_no_payload(daemon, world, agent, kind):
    """Neither taken, nor given to a command: what it stands for stays as it is."""
    token = wire.new_token()
    path = daemon.share / ".flagman" / "staging" / wire.hex_of(token)
    if kind == "link":
        (world.outside / "linked").write_text("of somebody else\n")
        os.link(world.outside / "linked", path)
        world.before = world.look()
    elif kind == "device":
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    else:
        {"symlink": lambda: path.symlink_to(world.outside / "shadow"),
         "fifo": lambda: os.mkfifo(path), "directory": path.mkdir}[kind]()
    assert take(agent, token)
    run = agent.start(TAKE, token, trigger=wire.DROP, payload=1, payload_name=b"x")
    assert run.result == wire.REFUSED, run.message.why
    assert not daemon.claim(run).exists()
    world.check()


@pytest.mark.root
def test_a_payload_in_use_is_not_taken_back(daemon, world, agent, people):
    """Or it would change under its command's eyes."""
    del world
    token = wire.new_token()
    path = daemon.share / ".flagman" / "staging" / wire.hex_of(token)
    path.write_text("content")
    agents(path, people)
    os.mkfifo(daemon.root / "go")
    (daemon.root / "go").chmod(0o666)
    run = agent.running(TAKE, token=token, trigger=wire.DROP, payload=1, payload_name=b"x")
    wait_for(lambda: run.output() == "content", "it reads it")
    assert take(agent, token) == errno.EBUSY
    assert not path.exists()
    assert (daemon.share / ".flagman" / path.name).stat().st_uid == people.uid("runner")
    (daemon.root / "go").write_text("go\n")
    assert run.ended().code == 0
    assert take(agent, token) == 0
    assert path.stat().st_uid == people.uid("agent")


@pytest.mark.root
@pytest.mark.parametrize("which", [".flagman", "Box", "Box/Run", "Box/In"])
def test_a_symlink_in_place_of_a_directory(daemon, world, agent, people, which):
    """Between two calls; mending says so, and what it leads to is not changed."""
    token = wire.new_token()
    path = daemon.share / which
    path.rename(daemon.root / "away")
    path.symlink_to(world.outside / "shared")
    planted = world.outside / "shared" / wire.hex_of(token)
    planted.touch()
    agents(planted, people)
    world.before = world.look()
    for _ in range(3):
        agent.send(wire.MEND, wire.Own(generation=agent.generation, board=0))
        assert agent.expect(wire.MENDED)[0].error
        assert take(agent, token)
        run = agent.start(TAKE, token, trigger=wire.DROP, payload=1, payload_name=b"x")
        assert run.result == wire.REFUSED
    assert planted.exists()
    world.check()


# Swaps whatever appears in STAGING for the victim, and back.
RACER = """
import ctypes, os, sys
os.chdir(sys.argv[1])
libc = ctypes.CDLL(None)
while True:
    for name in os.listdir(b"."):
        if len(name) == 32:
            libc.renameat2(-100, name, -100, b"victim", 2)
            libc.renameat2(-100, name, -100, b"victim", 2)
"""


@pytest.mark.root
def test_directories_that_change_while_they_are_made(daemon, world, agent, people):
    """The agent owns staging, and swaps what is made there for something that it has moved in."""
    staging, board = daemon.share / ".flagman" / "staging", daemon.share / "Box"
    victim = staging / "victim"
    victim.mkdir()
    (victim / "file").write_text("of somebody else\n")
    os.chown(victim, 0, people.gid)
    victim.chmod(0o2770)
    inode = victim.stat().st_ino
    racer = subprocess.Popen(
        ["/usr/bin/setpriv", f"--reuid={people.agent}", f"--regid={people.agent}",
         f"--groups={people.gid}", "/usr/bin/python3", "-c", RACER, staging],
        stdin=subprocess.DEVNULL)
    try:
        for _ in range(1500):
            shutil.rmtree(board, ignore_errors=True)
            agent.send(wire.MEND, wire.Own(generation=agent.generation, board=0))
            agent.expect(wire.MENDED)
            assert not os.path.lexists(board) or board.lstat().st_ino != inode
    finally:
        racer.kill()
        racer.wait()
    found, = (p for p in daemon.root.rglob("*") if p.is_dir() and p.stat().st_ino == inode)
    st = found.stat()
    assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (0o2770, 0, people.gid)
    world.check()


@pytest.mark.root
def test_nothing_but_its_own_runs_is_signalled(daemon, world, agent, people):
    """By none of the messages that end something; and a claim under way is not given up."""
    del world
    bystanders = [subprocess.Popen(["/usr/bin/setpriv", f"--reuid={user}", "sleep", "600"])
                  for user in (people.runner, people.agent)]
    run = agent.running(HANG)
    wait_for(lambda: "here" in run.output(), "it runs")
    pid = daemon.started(run)[0]
    try:
        for _ in range(50):
            agent.send(wire.CANCEL, wire.Token(token=wire.new_token()))
            agent.send(wire.CANCEL, wire.Token(token=wire.token(*pid.to_bytes(16, "little"))))
            agent.send(wire.SPENT, wire.Spent(n=64, tokens=(wire.token * 64)(run.token)))
            agent.send(wire.UNWATCH, wire.Cookie(cookie=os.getpid()))
        assert agent.start(HANG, run.token).result == wire.SERVED
        stays(lambda: all(b.poll() is None for b in bystanders) and daemon.claim(run).exists()
              and os.path.exists(f"/proc/{pid}"), "all of them live", 0.3)
        run.cancel()
        assert run.ended().stop == wire.STOP_CANCEL
        assert all(b.poll() is None for b in bystanders)
    finally:
        for b in bystanders:
            b.kill()
            b.wait()


def test_watchers_are_few(daemon, agent):
    """However many are asked for; those there are end when the agent says so."""
    ends = []
    listing = tempfile.TemporaryFile()
    for cookie in range(40):
        read, write = os.pipe()
        agent.send(wire.WATCH, wire.Cookie(cookie=cookie), [listing.fileno(), write])
        os.close(write)
        ends.append(read)
        assert len(daemon.processes("flagman-watcher")) <= 5
    agent.send(wire.UNWATCH, wire.Cookie(cookie=2 ** 63))
    wait_for(lambda: not daemon.processes("flagman-watcher"), "all are gone", dump=daemon.log)
    for end in ends:
        os.close(end)
    listing.close()
    assert agent.running(HANG)


def test_the_view_has_what_is_shown_and_no_more(daemon, people):
    """Names and rules; no command, script, variable, file or user that it runs as."""
    daemon.board("Box", """
        - name: Shown
          description: also shown
          command: /usr/bin/env not-shown-argument
          environment: {NOT_SHOWN_NAME: not-shown-value}
          environment-file: -/not/shown/file
          working-directory: /not/shown/directory
        - name: Script
          script: |
            not-shown-script
    """)
    agent = daemon.begin()
    assert b"Shown" in agent.view and b"Script" in agent.view and b"also shown" in agent.view
    for word in (b"not-shown", b"NOT_SHOWN", b"not/shown", b"/usr/bin/env"):
        assert word not in agent.view
    assert not people.root or people.runner.encode() not in agent.view


def test_names_with_teeth_from_the_agent(daemon, agent, people):
    """Its strings are one variable each, or refused; what follows a NUL is never seen."""
    for name, ok in ((b"../../etc/passwd", False), (b"/", False), (b"..", False), (b"", False),
                     (b"-rf", True), (b"a\nFLAGMAN_USER=root", True), (b"\xff\xfe", True),
                     (b"x" * 255, True), (b"$(id)", True)):
        token = wire.new_token()
        path = daemon.share / ".flagman" / "staging" / wire.hex_of(token)
        path.write_text("content")
        agents(path, people)
        run = agent.start(TAKE, token, trigger=wire.DROP, payload=1, payload_name=name)
        assert run.result == (wire.OK if ok else wire.REFUSED), (name, run.message.why)
        if ok:
            assert run.ended().code == 0 and run.output() == "content"
    message = wire.Start(generation=agent.generation, action=HANG, trigger=wire.CLI,
                         token=wire.new_token(), run=1)
    raw = bytearray(bytes(message))
    raw[0:8] = bytes(wire.Header(wire.VERSION, wire.START, len(raw)))
    at = wire.Start.user.offset
    raw[at:at + 20] = b"alice\0LD_PRELOAD=/x\0"
    agent.send_raw(bytes(raw))
    started, _ = agent.expect(wire.STARTED)
    assert started.result == wire.OK
    path = daemon.state / "runs" / wire.hex_of(message.token)
    wait_for(lambda: any(path.read_bytes()[2048:2112]), "it is started")
    pid = int(path.read_bytes()[2048:2112].split()[1])
    wait_for(lambda: "probe" in os.readlink(f"/proc/{pid}/exe"), "it is executed")
    with open(f"/proc/{pid}/environ", "rb") as f:
        environment = f.read()
    assert b"FLAGMAN_USER=alice\0" in environment and b"LD_PRELOAD" not in environment


