# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command is given can't be exchanged, whoever speaks for the agent; nor is it ever lost."""

import errno
import os
import signal
import stat
import subprocess

import pytest

import wire
from lib import processes
from lib.people import as_user
from lib.waiting import wait_for

ROOTS = os.geteuid() == 0
ACTIONS = """
- name: Read
  command: /bin/sh -c 'echo here; [ ! -p %ROOT%/go ] || read go <%ROOT%/go; cat "$FLAGMAN_PAYLOAD"'
  drop: {folder: In, accept: ["*"]}
""" + ("  user: root\n  group: root\n" if ROOTS else "")
MORE = "- {name: Other, command: /bin/true}\n"


@pytest.fixture
def agent(daemon):
    daemon.board("Box", ACTIONS)
    return daemon.begin()


class Payload:
    """As the agent has it before a start: in staging, its own, 0400."""

    def __init__(self, daemon, people, text="what was taken"):
        self.token, self.text = wire.new_token(), text
        self.custody = daemon.share / ".flagman" / wire.hex_of(self.token)
        self.staged = daemon.share / ".flagman" / "staging" / wire.hex_of(self.token)
        self.agent = people.uid("agent")
        self.staged.write_text(text)
        os.chown(self.staged, self.agent, -1)
        self.staged.chmod(0o400)

    def start(self, agent):
        return agent.start(0, self.token, trigger=wire.DROP, payload=1, payload_name=b"x")

    def is_back(self):
        """In staging as it was, and nowhere else."""
        st = self.staged.lstat()
        assert (st.st_uid, stat.S_IMODE(st.st_mode), st.st_nlink) == (self.agent, 0o400, 1)
        assert self.staged.read_text() == self.text
        assert not os.path.lexists(self.custody)
        return True


@pytest.fixture
def payload(daemon, agent, people):
    del agent  # its directories are there
    return Payload(daemon, people)


@pytest.fixture
def gate(daemon, agent):
    """The command waits before it opens its payload."""
    del agent
    os.mkfifo(daemon.root / "go")
    return daemon.root / "go"


def at_the_gate(run):
    assert run.result == wire.OK, run.message.why
    wait_for(lambda: run.output() == "here\n", "it has begun")
    return run


def read_what_was_taken(run, payload):
    assert run.ended().code == 0
    assert run.output() == "here\n" + payload.text


def test_it_is_in_custody_while_it_runs(agent, payload, gate):
    run = at_the_gate(payload.start(agent))
    st = payload.custody.stat()
    assert (st.st_uid, stat.S_IMODE(st.st_mode)) == (os.geteuid(), 0o400)
    assert not payload.staged.exists()
    assert stat.S_IMODE(payload.custody.parent.stat().st_mode) == 0o751
    gate.write_text("go\n")
    read_what_was_taken(run, payload)
    assert payload.is_back()


@pytest.mark.root
def test_what_the_agent_tries_while_it_runs(daemon, agent, people, payload, gate):
    """After the start: nothing of it succeeds, and the command reads what was taken."""
    run = at_the_gate(payload.start(agent))
    secret = daemon.root / "secret"
    secret.write_text("of somebody else")
    custody, name, mine = payload.custody.parent, payload.custody, payload.staged.parent / "mine"

    def refused(function, *arguments):
        try:
            function(*arguments)
        except OSError as error:
            return error.errno in (errno.EACCES, errno.EPERM)
        return False

    def attack():
        mine.symlink_to(secret)
        return [n for n, ok in enumerate((
            refused(os.rename, mine, name),
            refused(os.unlink, name),
            refused(os.symlink, secret, custody / "link"),
            refused(os.rename, name, mine),
            refused(os.link, name, mine.parent / "other"),
            refused(os.rename, mine.parent, custody / "away"),
            refused(os.rename, custody, daemon.share / "away"),
            refused(os.rmdir, custody),
            refused(os.chmod, name, 0o666),
            refused(os.chmod, custody, 0o777),
            refused(os.open, name, os.O_RDWR),
            refused(os.open, name, os.O_RDONLY),
            refused(os.truncate, name, 0),
        )) if not ok]
    assert as_user(people.agent, attack) == []
    agent.send(wire.TAKE, wire.Payload(generation=agent.generation, board=0, token=payload.token))
    assert agent.expect(wire.TAKEN)[0].error == errno.EBUSY
    agent.send(wire.MEND, wire.Own(generation=agent.generation, board=0))
    assert agent.expect(wire.MENDED)[0].error == 0
    again = payload.start(agent)
    assert again.result != wire.OK
    gate.write_text("go\n")
    read_what_was_taken(run, payload)
    assert payload.is_back()


# Exchanges the payload's name for the symlink's, and tries so in custody, too.
RACER = """
import ctypes, os, sys
staging, token = sys.argv[1:]
os.chdir(staging)
libc = ctypes.CDLL(None)
token = os.fsencode(token)
print(flush=True)
while True:
    libc.renameat2(-100, token, -100, b"link", 2)
    libc.renameat2(-100, b"../" + token, -100, b"link", 2)
"""


@pytest.mark.root
@pytest.mark.parametrize("what", ["symlink", "file"])
def test_names_that_are_exchanged_at_the_start(daemon, agent, people, what):
    """It reads what was taken, or nothing is run; and the payload is there afterwards."""
    secret = daemon.root / "secret"
    secret.write_text("of somebody else")
    results = set()
    for n in range(60):
        payload = Payload(daemon, people, f"what was taken {n}")
        link = payload.staged.parent / "link"
        if what == "symlink":
            link.symlink_to(secret)
        else:  # that the agent can't read, which a member has let it have
            link.write_text("of somebody else")
            os.chown(link, people.uid("alice"), 0)
            link.chmod(0o600)
        with subprocess.Popen(
                ["/usr/bin/setpriv", f"--reuid={people.agent}", f"--regid={people.agent}",
                 f"--groups={people.gid}", "/usr/bin/python3", "-c", RACER, link.parent,
                 payload.staged.name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as racer:
            racer.stdout.readline()
            try:
                for _ in range(20):
                    run = payload.start(agent)
                    if run.result == wire.OK:
                        read_what_was_taken(run, payload)
                        break
                    assert run.result == wire.REFUSED, run.message.why
                    assert not daemon.claim(run).exists()
                    results.add(bytes(run.message.why).split(b":")[0])
            finally:
                racer.kill()
        results.add(run.result)
        found = [p for p in daemon.share.rglob("*")
                 if p.is_file() and not p.is_symlink() and p.read_text() == payload.text]
        assert len(found) == 1, found
        assert secret.stat().st_uid == 0 and secret.read_text() == "of somebody else"
        for path in (*payload.staged.parent.iterdir(), *payload.custody.parent.glob("?" * 32)):
            path.unlink()
    assert wire.OK in results and len(results) > 1, results


def test_who_has_it_open_for_writing(agent, people, payload):
    """The agent could have opened it before it gave it away."""
    payload.staged.chmod(0o600)
    fd = os.open(payload.staged, os.O_RDWR)
    payload.staged.chmod(0o400)
    run = payload.start(agent)
    assert run.result == wire.REFUSED and b"open for writing" in run.message.why
    assert payload.is_back()
    os.close(fd)
    read_what_was_taken(payload.start(agent), payload)
    assert people and payload.is_back()


@pytest.mark.root
@pytest.mark.parametrize("which", ["owner", "mode"])
def test_a_custody_that_is_not_roots(agent, people, payload, which):
    """Somebody could write there: nothing is given until it is mended."""
    custody = payload.custody.parent
    if which == "owner":
        os.chown(custody, people.uid("agent"), -1)
    else:
        custody.chmod(0o775)
    assert payload.start(agent).result == wire.REFUSED
    agent.send(wire.MEND, wire.Own(generation=agent.generation, board=0))
    assert agent.expect(wire.MENDED)[0].error == 0
    read_what_was_taken(payload.start(agent), payload)


def test_a_start_that_was_served_before(agent, payload):
    read_what_was_taken(payload.start(agent), payload)
    assert payload.start(agent).result == wire.SERVED
    assert payload.is_back()


def test_a_command_that_can_not_be_started(daemon, agent, people):
    daemon.board("Box", ACTIONS.replace("/bin/sh -c", "/not/there"))
    agent.configured()
    payload = Payload(daemon, people)
    run = payload.start(agent)
    assert run.ended().kind == wire.NOT_STARTED
    assert payload.is_back()


def test_the_runner_is_killed(daemon, agent, payload, gate):
    run = at_the_gate(payload.start(agent))
    os.kill(daemon.started(run)[2], signal.SIGKILL)
    assert run.ended().kind == wire.INTERRUPTED
    assert payload.is_back() and gate.exists()


def test_another_agent_while_it_runs(daemon, agent, payload, gate):
    run = at_the_gate(payload.start(agent))
    os.kill(agent.pid, signal.SIGKILL)
    agent.close()
    daemon.agents.remove(agent)
    successor = daemon.agent()
    claims, _ = successor.begin()
    assert claims[run.hex][0].state == wire.CLAIM_RUNNING and payload.custody.exists()
    gate.write_text("go\n")
    assert successor.expect(wire.ENDED)[0].end.code == 0
    assert payload.is_back()


def test_flagmand_is_killed_while_it_runs(daemon, agent, payload, gate):
    """The next one leaves it where it is, and puts it back at the end."""
    run = at_the_gate(payload.start(agent))
    daemon.wait_planned(run)
    daemon.kill()
    successor = daemon.start().agent()
    claims, _ = successor.begin()
    assert claims[run.hex][0].state == wire.CLAIM_RUNNING and payload.custody.exists()
    daemon.define("Box2", (daemon.conf / "Box.yaml").read_text().replace("Box", "Box2"))
    successor.configured()
    assert payload.custody.exists()
    gate.write_text("go\n")
    assert successor.expect(wire.ENDED)[0].end.code == 0
    assert payload.is_back()


@pytest.mark.parametrize("how", ["ended", "killed"])
def test_a_run_that_ended_without_flagmand(daemon, agent, payload, gate, how):
    run = at_the_gate(payload.start(agent))
    daemon.wait_planned(run)
    runner = daemon.started(run)[2]
    daemon.kill()
    if how == "ended":
        gate.write_text("go\n")
        wait_for(lambda: daemon.has_result(run), "the runner has written the result")
    else:
        os.kill(runner, signal.SIGKILL)
    wait_for(lambda: not processes.alive(runner), "it is gone")
    claims, _ = daemon.start().agent().begin()
    assert claims[run.hex][0].state == (wire.CLAIM_ENDED if how == "ended"
                                        else wire.CLAIM_INTERRUPTED)
    assert payload.is_back()


def test_what_was_left_in_custody(daemon, agent, payload):
    """By a flagmand that died between taking it there and the claim."""
    daemon.kill()
    payload.staged.rename(payload.custody)
    os.chown(payload.custody, os.geteuid(), -1)
    agent = daemon.start().agent()
    assert agent.begin()[0] == {}
    assert payload.is_back()
    read_what_was_taken(payload.start(agent), payload)


def test_something_stands_in_its_place(agent, payload, gate):
    """In staging, at the end: it stays in custody until there is room."""
    run = at_the_gate(payload.start(agent))
    payload.staged.write_text("something else")
    gate.write_text("go\n")
    read_what_was_taken(run, payload)
    assert payload.custody.read_text() == payload.text
    assert payload.staged.read_text() == "something else"
    assert payload.start(agent).result == wire.REFUSED
    payload.staged.unlink()
    agent.send(wire.MEND, wire.Own(generation=agent.generation, board=0))
    assert agent.expect(wire.MENDED)[0].error == 0
    assert payload.is_back()


def test_its_share_is_gone_at_the_end(daemon, agent, payload, gate):
    """It is said once, and it is put back when the share is."""
    run = at_the_gate(payload.start(agent))
    held = os.open(payload.custody.parent, os.O_PATH)
    daemon.share.rename(daemon.root / "away")
    gate.write_text("go\n")
    run.ended()
    daemon.wait_log("stays in custody")
    (daemon.root / "away").rename(daemon.share)
    agent.send(wire.MEND, wire.Own(generation=agent.generation, board=0))
    assert agent.expect(wire.MENDED)[0].error == 0
    assert payload.is_back()
    assert daemon.log().count("custody") == 1
    os.close(held)


@pytest.mark.root
@pytest.mark.parametrize("mode, owner, said", [
    (0o755, "root", False), (0o775, "root", True), (0o1775, "root", False), (0o755, "agent", True)])
def test_a_base_that_is_not_roots_alone(daemon, people, mode, owner, said):
    """Who may rename what is in it may put another .flagman there."""
    daemon.share.mkdir()
    os.chown(daemon.share, 0 if owner == "root" else people.uid(owner), people.gid)
    daemon.share.chmod(mode)
    daemon.board("Box", ACTIONS)
    daemon.begin()
    assert (f"{daemon.share}: others than root may rename" in daemon.log()) == said
    daemon.board("Box", MORE)
    daemon.stop()
    daemon.log_path.unlink()
    daemon.start()
    daemon.agent().begin()
    assert "others than root" not in daemon.log(), "nothing is dropped there"
