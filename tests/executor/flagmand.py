# SPDX-License-Identifier: GPL-2.0-or-later
"""A real flagmand whose agent is the test."""

import array
import fcntl
import json
import mmap
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import textwrap
import time
from pathlib import Path

from lib import processes
from lib.waiting import PATIENCE, wait_for

import wire

HERE = Path(__file__).resolve().parent


class Agent:
    """One life of the agent: its channel, and what it has been told."""

    def __init__(self, connection, text, fds):
        self.connection = connection
        self.found = json.loads(text)
        self.pid = int(self.found["status"]["Pid"])
        channel, control, self.directory = fds
        self.channel = socket.socket(fileno=channel)
        self.control = socket.socket(fileno=control)
        self.kept = []
        self.generation = 0
        self.view = b""

    def close(self):
        self.channel.close()
        self.control.close()
        os.close(self.directory)
        self.connection.close()

    def send(self, kind, message, fds=()):
        message.header = wire.Header(wire.VERSION, kind, len(bytes(message)))
        self.send_raw(bytes(message), fds)

    def send_raw(self, data, fds=()):
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.channel.sendmsg([data], control)

    def receive(self, timeout=None):
        """(type, message, descriptors), or None when the executor has closed."""
        limit = PATIENCE if timeout is None else timeout
        ready, _, _ = select.select([self.channel], [], [], limit)
        assert ready, "no message came"
        data, control, _, _ = self.channel.recvmsg(8192, socket.CMSG_SPACE(4 * 4))
        if not data:
            return None
        fds = array.array("i")
        for level, kind, raw in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(raw)
        header = wire.Header.from_buffer_copy(data)
        message = wire.FROM_EXECUTOR[header.type].from_buffer_copy(data)
        return header.type, message, list(fds)

    def expect(self, kind, timeout=None):
        """The next message of KIND; others are kept for later."""
        for i, kept in enumerate(self.kept):
            if kept[0] == kind:
                return self.kept.pop(i)[1:]
        end = time.monotonic() + (PATIENCE if timeout is None else timeout)
        while True:
            got = self.receive(max(0.01, end - time.monotonic()))
            assert got, "the executor closed the channel"
            if got[0] == kind:
                return got[1:]
            self.kept.append(got)

    def configured(self):
        """Takes EXEC_CONFIG, adopts it."""
        message, fds = self.expect(wire.CONFIG)
        self.generation = message.generation
        with mmap.mmap(fds[0], 0, prot=mmap.PROT_READ) as view:
            self.view = bytes(view)
        os.close(fds[0])
        self.send(wire.ADOPTED, wire.Generation(generation=self.generation))
        return message.generation

    def begin(self):
        """What comes at its start: returns ({token: (claim, fds)}, agent_restarted)."""
        self.configured()
        claims = {}
        while True:
            kind, message, fds = self.receive()
            if kind == wire.CLAIMS_END:
                return claims, bool(message.agent_restarted)
            assert kind == wire.CLAIM
            claims[wire.hex_of(message.token)] = (message, fds)

    def start(self, action, token=None, trigger=wire.CLI, run=1, user=b"alice", **more):
        token = token or wire.new_token()
        self.send(wire.START, wire.Start(generation=more.pop("generation", self.generation),
                                         action=action, trigger=trigger, token=token, run=run,
                                         user=user, **more))
        message, fds = self.expect(wire.STARTED)
        assert bytes(message.token) == bytes(token)
        assert len(fds) == (2 if message.result == wire.OK else 0)
        return Run(self, token, message, fds)

    def running(self, action, **more):
        """start(), which must succeed."""
        run = self.start(action, **more)
        assert run.result == wire.OK, run.message.why
        return run


class Run:
    """A run that was asked for; if it was started, its claim's descriptors."""

    def __init__(self, agent, token, message, fds):
        self.agent = agent
        self.token = token
        self.hex = wire.hex_of(token)
        self.token_bytes = bytes(token)
        self.message = message
        self.result = message.result
        self.claim_fd, self.alive_fd = fds or (-1, -1)

    def ended(self, timeout=None):
        agent = self.agent
        assert self.result == wire.OK, self.message.why
        for i, kept in enumerate(agent.kept):
            if kept[0] == wire.ENDED and bytes(kept[1].token) == bytes(self.token):
                return agent.kept.pop(i)[1].end
        other = []
        while True:
            message, _ = agent.expect(wire.ENDED, timeout)
            if bytes(message.token) == bytes(self.token):
                agent.kept += other
                return message.end
            other.append((wire.ENDED, message, []))

    def status(self):
        return wire.ClaimStatus.from_buffer_copy(os.pread(self.claim_fd, 512, 0))

    def output(self):
        return os.pread(self.claim_fd, 1 << 20, 4096).decode("utf-8", "replace")

    def cancel(self):
        self.agent.send(wire.CANCEL, wire.Token(token=self.token))

    def values(self):
        """The "key: value" lines of probe's output."""
        return dict(line.split(":", 1) if ":" in line else (line, "")
                    for line in self.output().splitlines())


class Flagmand:
    """In a directory of its own.  DEFINE snippets, start(), agent(), and be the agent."""

    def __init__(self, root, people, bin_dir, probe):
        self.root = Path(root)
        self.people = people
        self.conf = self.root / "etc" / "conf.d"
        self.state = self.root / "state"
        self.run = self.root / "run"
        self.share = self.root / "share"
        self.log_path = self.root / "log"
        self.bin = Path(bin_dir)
        self.probe = probe
        self.process = None
        self.agents = []
        self.prefix = []
        self.arguments = []
        self.environment = {}
        for directory in (self.conf, self.state, self.run):
            directory.mkdir(parents=True, mode=0o755)
        self.rendezvous = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.rendezvous.bind(str(self.state / "agent.socket"))
        os.chmod(self.state / "agent.socket", 0o777)
        self.rendezvous.listen(8)

    def fill(self, text):
        command = (f"command: {{user: {self.people.runner}, group: {self.people.runner}}}"
                   if self.people.root else "hold: 0")
        for word, value in (("%PROBE%", self.probe), ("%SHARE%", self.share),
                            ("%GROUP%", self.people.group), ("%ROOT%", self.root),
                            ("%COMMAND%", command), ("%RUNNER%", self.people.runner)):
            text = text.replace(word, str(value))
        return text

    def define(self, name, text):
        path = self.conf / f"{name}.yaml"
        temporary = self.conf / f".{name}.new"
        temporary.write_text(self.fill(textwrap.dedent(text)), encoding="utf-8")
        temporary.rename(path)

    def board(self, name, actions, group="", directory=""):
        """A snippet of one group; ACTIONS is a YAML list."""
        lines = [f"object: {name}", "action-group:", "  directory:", "    path: %SHARE%",
                 "    group: %GROUP%"]
        lines += textwrap.indent(textwrap.dedent(directory), "    ").splitlines()
        lines += ["  %COMMAND%"] + textwrap.indent(textwrap.dedent(group), "  ").splitlines()
        lines += ["  actions:"] + textwrap.indent(textwrap.dedent(actions), "    ").splitlines()
        self.define(name, "\n".join(lines) + "\n")

    def settings(self, text):
        (self.conf.parent / "flagman.yaml").write_text(textwrap.dedent(text), encoding="utf-8")

    def start(self, **keys):
        command = [*self.prefix, str(self.bin / "flagmand"), "--conf-dir", str(self.conf),
                   "--state-dir", str(self.state), "--run-dir", str(self.run)]
        if self.people.root:
            command += ["--user", self.people.agent]
        command += self.arguments
        environment = {"PATH": "/usr/bin:/bin", "SECRET": "1", "NOTIFY_SOCKET": "",
                       "FLAGMAN_LOG": "debug",
                       "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "detect_leaks=0"),
                       **self.environment}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=environment, cwd="/",
                                            start_new_session=True, **keys)
        return self

    def agent(self):
        """Waits for the next agent to be started."""
        ready, _, _ = select.select([self.rendezvous], [], [], PATIENCE)
        assert ready, "no agent was started\n" + self.log()
        connection, _ = self.rendezvous.accept()
        text, control, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(3 * 4))
        fds = array.array("i")
        fds.frombytes(control[0][2])
        while not text.endswith(b"\n"):
            text += connection.recv(65536)
        agent = Agent(connection, text, list(fds))
        self.agents.append(agent)
        return agent

    def begin(self):
        """start(), and an agent that has been told everything."""
        self.start()
        agent = self.agent()
        agent.begin()
        return agent

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def wait_log(self, text):
        wait_for(lambda: text in self.log(), f"the log says {text!r}", dump=self.log)

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        return self.process.wait(PATIENCE)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)
        for agent in self.agents:
            agent.close()
        self.agents = []

    def claim(self, run):
        return self.state / "runs" / run.hex

    def block(self, run):
        return self.claim(run).read_bytes()

    def started(self, run):
        """[pid, start time, runner's pid, its start time] as the claim has them."""
        return [int(w) for w in self.block(run)[2048:2048 + 128].rstrip(b"\0").split()[1:5]]

    def wait_planned(self, run):
        """Until what an adopter must know is in the claim: that is put off for a moment."""
        wait_for(lambda: any(self.block(run)[1104:1112]), "its plan is written")

    def has_result(self, run):
        block = self.block(run)
        return block[3072] != 0 and run.token_bytes in block[3072:]

    def descriptors(self):
        """What flagmand itself holds: a sorted list of kinds, without their numbers."""
        found = []
        for fd in os.listdir(f"/proc/{self.process.pid}/fd"):
            try:
                target = os.readlink(f"/proc/{self.process.pid}/fd/{fd}")
            except FileNotFoundError:
                continue  # a chore is over
            found.append(re.sub(":.*|[0-9a-f]{15}", "", target))
        return sorted(found)

    def processes(self, name):
        """Those below the test with that name and from these programs."""
        return [p for p in processes.descendants(os.getpid())
                if processes.comm(p) == name and processes.alive(p) and self.is_ours(p)]

    def is_ours(self, pid):
        try:
            return os.readlink(f"/proc/{pid}/exe").startswith(str(self.bin))
        except FileNotFoundError:
            return False  # it has just ended
        except PermissionError:
            return True  # not dumpable: nobody may look, but it is below us

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for agent in self.agents:
            agent.close()
        self.agents = []
        self.rendezvous.close()


def make_bin(target, source):
    """The real programs with a fake agent."""
    target.mkdir()
    for name in ("flagmand", "flagman-runner", "flagman-watcher", "flagman-names"):
        shutil.copy(Path(source) / name, target / name)
    shutil.copy(HERE / "flagman-agent", target / "flagman-agent")
    for program in target.iterdir():
        program.chmod(0o755)


def pipe_size(fd):
    return struct.unpack("i", fcntl.ioctl(fd, 0x541B, b"\0" * 4))[0]  # FIONREAD
