# SPDX-License-Identifier: GPL-2.0-or-later
"""Owners: flags from the agent's to the configuration's, payloads into custody and to commands."""

import errno
import os
import stat

import pytest

import wire

ACTIONS = """
- name: Burn
  command: /bin/sh -c 'p=$FLAGMAN_PAYLOAD; cat "$p"; echo "$FLAGMAN_PAYLOAD_NAME"; ls -ln "$p"'
  drop: {folder: In, accept: ["*.iso"]}
"""


@pytest.fixture
def agent(daemon):
    daemon.board("Box", ACTIONS)
    return daemon.begin()


def own(daemon, agent, path, flags=os.O_RDWR, board=0, generation=None):
    fd = os.open(path, flags)
    agent.send(wire.OWN, wire.Own(generation=generation or agent.generation, cookie=5,
                                  board=board), [fd])
    os.close(fd)
    message, _ = agent.expect(wire.OWNED)
    assert message.cookie == 5
    return message


def new_file(daemon, people, text="text", name="new", mode=0o600):
    path = daemon.share / ".flagman" / "staging" / name
    path.write_text(text)
    os.chown(path, people.uid("agent"), os.getegid() if not people.root else 0)
    path.chmod(mode)
    return path


def test_a_flag_gets_its_owner(daemon, agent, people):
    path = new_file(daemon, people)
    assert own(daemon, agent, path).error == 0
    st = path.stat()
    assert (stat.S_IMODE(st.st_mode), st.st_gid) == (0o640, people.gid)
    assert st.st_uid == people.uid("agent")


def test_set_id_bits_do_not_survive(daemon, agent, people):
    path = new_file(daemon, people, mode=0o6755)
    assert own(daemon, agent, path).error == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.root
def test_a_configured_file_user(daemon, people):
    daemon.board("Box", ACTIONS)
    text = (daemon.conf / "Box.yaml").read_text()
    daemon.define("Box", text.replace("  actions:", f"  file: {{user: {people.runner}, mode: "
                                      "0600}\n  actions:"))
    agent = daemon.begin()
    path = new_file(daemon, people, mode=0o4755)
    assert own(daemon, agent, path).error == 0
    assert path.stat().st_uid == people.uid("runner")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.root
def test_what_is_not_the_agents_new_file(daemon, agent, people):
    path = new_file(daemon, people)
    os.link(path, daemon.share / "other")
    before = path.stat()
    assert own(daemon, agent, path).error == errno.EMLINK
    (daemon.share / "other").unlink()
    os.chown(path, 0, 0)
    assert own(daemon, agent, path).error == errno.EPERM
    os.chown(path, people.uid("agent"), 0)
    assert own(daemon, agent, daemon.share, os.O_RDONLY).error == errno.EINVAL
    fifo = daemon.share / ".flagman" / "staging" / "fifo"
    os.mkfifo(fifo)
    os.chown(fifo, people.uid("agent"), 0)
    assert own(daemon, agent, fifo).error == errno.EINVAL
    assert own(daemon, agent, path, os.O_PATH).error == errno.EBADF
    assert own(daemon, agent, path, board=9).error == errno.ESTALE
    assert own(daemon, agent, path, generation=99).error == errno.ESTALE
    elsewhere = "/dev/shm/flagman-test-%d" % os.getpid()
    with open(elsewhere, "w", encoding="ascii"):
        os.chown(elsewhere, people.uid("agent"), 0)
    try:
        assert own(daemon, agent, elsewhere).error == errno.EXDEV
    finally:
        os.unlink(elsewhere)
    assert path.stat().st_mode == before.st_mode


def put(daemon, people, text="image", mode=0o666, owner="alice"):
    """A payload as it was taken: under its token, still its dropper's."""
    token = wire.new_token()
    path = daemon.share / ".flagman" / "staging" / wire.hex_of(token)
    path.write_text(text)
    if people.root:
        os.chown(path, people.uid(owner), people.gid)
    path.chmod(mode)
    return token, path


def take(agent, token):
    agent.send(wire.TAKE, wire.Payload(generation=agent.generation, cookie=6, board=0,
                                       token=token))
    message, _ = agent.expect(wire.TAKEN)
    assert message.cookie == 6
    return message


def test_a_payload_goes_to_the_command_and_back(daemon, agent, people):
    token, path = put(daemon, people, mode=0o6777)
    assert take(agent, token).error == 0
    assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (people.uid("agent"), 0o400)
    run = agent.start(0, token, trigger=wire.DROP, payload=1, payload_name="Fête.iso".encode())
    assert run.ended().code == 0
    lines = run.output().splitlines()
    assert lines[0] == "imageFête.iso"
    assert lines[1].split()[0].startswith("-r--------")
    assert lines[1].split()[2] == str(people.uid("runner"))
    assert take(agent, token).error == 0
    assert path.stat().st_uid == people.uid("agent")


@pytest.mark.root
def test_a_payload_that_is_not_in_custody(daemon, agent, people):
    token, path = put(daemon, people)
    run = agent.start(0, token, trigger=wire.DROP, payload=1, payload_name=b"x.iso")
    assert run.result == wire.REFUSED and b"not in custody" in run.message.why
    assert path.stat().st_uid == people.uid("alice")
    assert not daemon.claim(run).exists()


def test_what_is_never_taken(daemon, agent, people):
    token, path = put(daemon, people)
    os.link(path, daemon.share / "kept")
    assert take(agent, token).error == errno.EMLINK
    (daemon.share / "kept").unlink()
    path.unlink()
    assert take(agent, token).error == errno.ENOENT
    path.symlink_to("/etc/passwd")
    assert take(agent, token).error == errno.EINVAL
    path.unlink()
    os.mkfifo(path)
    assert take(agent, token).error == errno.EINVAL
    path.unlink()
    path.mkdir()
    assert take(agent, token).error == errno.EINVAL
    assert os.stat("/etc/passwd").st_uid == 0


@pytest.mark.root
def test_staging_that_is_a_symlink(daemon, agent, people):
    token, path = put(daemon, people)
    path.rename(daemon.share / ".flagman" / "staging" / "aside")
    os.rename(daemon.share / ".flagman" / "staging", daemon.share / "real")
    os.rename(daemon.share / "real" / "aside", daemon.share / "real" / path.name)
    os.symlink(daemon.share / "real", daemon.share / ".flagman" / "staging")
    assert take(agent, token).error in (errno.ENOTDIR, errno.ELOOP)
    assert (daemon.share / "real" / path.name).stat().st_uid == people.uid("alice")
