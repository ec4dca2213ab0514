# SPDX-License-Identifier: GPL-2.0-or-later
"""The directories in the share: made, adopted, mended, or left alone with a reason."""

import errno
import os
import shutil
import stat

import pytest

import wire
from lib import smbd as smbd_module
from lib.people import as_user

ONE = "- {name: Go, command: /bin/true}\n"
DROP = """
- name: Burn
  command: /bin/true
  drop: {folder: In, accept: ["*.iso"]}
"""


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def mend(agent, board=0):
    agent.send(wire.MEND, wire.Own(generation=agent.generation, cookie=7, board=board))
    message, _ = agent.expect(wire.MENDED)
    assert message.cookie == 7
    return message


def test_all_is_made(daemon, people):
    daemon.board("Box", ONE + DROP)
    daemon.begin()
    box = daemon.share / "Box"
    for path in (box, box / "Run", box / "In"):
        assert mode(path) == 0o770
        assert path.stat().st_gid == people.gid
        assert path.stat().st_uid == (0 if people.root else os.geteuid())
    assert mode(daemon.share / ".flagman") == 0o751
    assert (daemon.share / ".flagman").stat().st_uid == os.geteuid()
    assert mode(daemon.share / ".flagman" / "staging") == 0o700
    assert (daemon.share / ".flagman" / "staging").stat().st_uid == people.uid("agent")
    assert mode(daemon.share) == 0o755
    assert sorted(os.listdir(box)) == ["In", "Run"]
    assert os.listdir(daemon.share / ".flagman" / "staging") == []


def test_a_path_that_exists_is_never_touched(daemon):
    daemon.share.mkdir(mode=0o750)
    daemon.share.chmod(0o750)
    os.chown(daemon.share, -1, os.getegid())
    daemon.board("Box", ONE)
    daemon.begin()
    assert mode(daemon.share) == 0o750


def test_an_empty_directory_is_adopted(daemon):
    (daemon.share / "Box").mkdir(parents=True)
    daemon.share.chmod(0o755)
    daemon.board("Box", ONE)
    daemon.begin()
    assert mode(daemon.share / "Box") == 0o770


def test_what_has_something_in_it_is_left_alone(daemon):
    box = daemon.share / "Box"
    box.mkdir(parents=True)
    daemon.share.chmod(0o755)
    (box / "letter.txt").write_text("mine")
    before = os.lstat(box)
    daemon.board("Box", ONE)
    agent = daemon.begin()
    assert os.listdir(box) == ["letter.txt"]
    assert (mode(box), os.lstat(box).st_ctime_ns) == (stat.S_IMODE(before.st_mode),
                                                      before.st_ctime_ns)
    assert b"was not made by flagman" in agent.view
    assert mend(agent).error == errno.EIO
    (box / "letter.txt").unlink()
    assert mend(agent).error == 0
    assert mode(box) == 0o770


@pytest.mark.parametrize("what", ["symlink", "file", "fifo"])
def test_what_is_no_directory(daemon, what):
    daemon.share.mkdir(mode=0o755)
    target = daemon.root / "elsewhere"
    target.mkdir(mode=0o700)
    box = daemon.share / "Box"
    if what == "symlink":
        box.symlink_to(target)
    elif what == "file":
        box.write_text("x")
    else:
        os.mkfifo(box)
    daemon.board("Box", ONE)
    agent = daemon.begin()
    assert b"is no directory" in agent.view
    assert mode(target) == 0o700 and os.listdir(target) == []


def test_a_removed_folder_is_made_again(daemon):
    daemon.board("Box", ONE)
    agent = daemon.begin()
    run = daemon.share / "Box" / "Run"
    run.rmdir()
    assert mend(agent).error == 0
    assert run.is_dir()
    run.rmdir()
    run.symlink_to("/etc")
    answer = mend(agent)
    assert answer.error == errno.EIO and b"is no directory" in answer.why
    assert run.is_symlink()
    run.unlink()
    (daemon.share / "Box").rmdir()
    assert mend(agent).error == 0
    assert run.is_dir()


def test_a_configured_symlink_is_followed(daemon):
    real = daemon.root / "real"
    real.mkdir(mode=0o755)
    daemon.share.symlink_to(real)
    daemon.board("Box", ONE)
    agent = daemon.begin()
    assert (real / "Box" / "Run").is_dir()
    assert f"{real}\0".encode() in agent.view and f"{daemon.share}\0".encode() not in agent.view
    assert mend(agent).error == 0


@pytest.mark.parametrize("which", ["share", "above"])
def test_no_symlink_is_followed_later(daemon, which):
    """Who can rename above the path must not lead root elsewhere."""
    above, elsewhere = daemon.root / "above", daemon.root / "elsewhere"
    (elsewhere / "share").mkdir(parents=True)
    daemon.share = above / "share"
    daemon.board("Box", ONE)
    agent = daemon.begin()
    moved = daemon.share if which == "share" else above
    moved.rename(daemon.root / "moved")
    moved.symlink_to(elsewhere / "share" if which == "share" else elsewhere)
    answer = mend(agent)
    assert answer.error == errno.EIO and b"leads elsewhere" in answer.why
    assert os.listdir(elsewhere / "share") == []
    moved.unlink()
    (daemon.root / "moved").rename(moved)
    assert mend(agent).error == 0


def test_a_payload_is_not_found_through_a_symlink(daemon):
    daemon.board("Box", DROP)
    agent = daemon.begin()
    token = wire.new_token()
    payload = daemon.share / ".flagman" / "staging" / wire.hex_of(token)
    payload.write_text("x")
    moved = daemon.root / "moved"
    daemon.share.rename(moved)
    daemon.share.symlink_to(moved)
    agent.send(wire.TAKE, wire.Payload(generation=agent.generation, cookie=7, board=0,
                                       token=token))
    assert agent.expect(wire.TAKEN)[0].error == errno.ENOTDIR
    assert mode(moved / ".flagman" / "staging" / payload.name) != 0o400


@pytest.mark.parametrize("what", ["nothing", "file", "symlink", "full", "empty", "mode", "owner"])
@pytest.mark.parametrize("which", [".flagman", ".flagman/staging"])
def test_staging_and_custody_are_mended(daemon, people, which, what):
    daemon.board("Box", ONE)
    agent = daemon.begin()
    staging, elsewhere = daemon.share / which, daemon.root / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    if what == "mode":
        staging.chmod(0o777)
    elif what == "owner":
        if people.root:
            os.chown(staging, people.uid("alice"), 0)
    else:
        shutil.rmtree(staging)
    if what == "file":
        staging.write_text("x")
    elif what == "symlink":
        staging.symlink_to(elsewhere)
    elif what in ("full", "empty"):
        staging.mkdir(mode=0o777)
    if what == "full":
        (staging / "letter.txt").write_text("x")
    answer = mend(agent)
    if what in ("file", "symlink", "full"):
        assert answer.error == errno.EIO and b"its .flagman" in answer.why
        assert (mode(elsewhere), os.listdir(elsewhere)) == (0o700, [])
        staging.rename(elsewhere / "away")
        answer = mend(agent)
    assert answer.error == 0
    custody = daemon.share / ".flagman"
    assert (mode(custody), mode(custody / "staging")) == (0o751, 0o700)
    assert custody.stat().st_uid == os.geteuid()
    assert (custody / "staging").stat().st_uid == people.uid("agent")


def test_what_flagman_made_is_mended(daemon):
    daemon.board("Box", ONE)
    agent = daemon.begin()
    (daemon.share / "Box").chmod(0o777)
    (daemon.share / "Box" / "Run").chmod(0o700)
    assert mend(agent).error == 0
    assert mode(daemon.share / "Box") == mode(daemon.share / "Box" / "Run") == 0o770


def test_a_path_that_others_may_write_to(daemon):
    daemon.board("Box", ONE)
    agent = daemon.begin()
    daemon.share.chmod(0o777)
    answer = mend(agent)
    assert answer.error == errno.EIO and b"everybody" in answer.why
    assert agent.generation


def test_mending_what_does_not_exist(daemon):
    daemon.board("Box", ONE)
    agent = daemon.begin()
    assert mend(agent, 99).error == errno.ESTALE


@pytest.mark.root
def test_an_empty_mount_point_is_not_populated(daemon):
    """The file system under the share is there at the first start and gone at the second."""
    daemon.share.mkdir(mode=0o755)
    daemon.board("Box", ONE)
    mount = 'mount -t tmpfs -o mode=755 none "$1" && shift && exec "$@"'
    daemon.prefix = ["unshare", "--mount", "sh", "-c", mount, "sh", str(daemon.share)]
    daemon.begin()
    daemon.kill()
    assert os.listdir(daemon.share) == []
    daemon.prefix = []
    agent = daemon.begin()
    assert os.listdir(daemon.share) == []
    assert b"is it mounted?" in agent.view
    agent.send(wire.RELOAD, wire.Cookie(cookie=3))
    assert agent.expect(wire.RELOADED)[0].n_errors == 0
    assert (daemon.share / "Box" / "Run").is_dir()


@pytest.fixture
def smbd(daemon, people):
    server = smbd_module.Smbd(daemon.root / "smbd", people)
    yield server
    server.stop()


@pytest.mark.root
def test_press_only_through_samba(daemon, people, smbd):
    """Members delete and read; they put nothing there, rename nothing, and others do nothing."""
    daemon.board("Box", ONE, directory="access: press-only")
    daemon.begin()
    box = daemon.share / "Box"
    assert (mode(box), box.stat().st_uid, box.stat().st_gid) == (0o755, people.uid("agent"),
                                                                people.gid)
    assert os.listdir(box) == []
    for name in ("Go.txt", "Stay.txt", "Keep.txt"):
        (box / name).write_text("press me")
        os.chown(box / name, people.uid("agent"), people.gid)
        (box / name).chmod(0o640)
    smbd.share("flags", daemon.share, **{k.replace(" ", "_"): v
                                         for k, v in smbd_module.PRESS_ONLY.items()})
    smbd.start()
    local = daemon.root / "local.txt"
    local.write_text("foreign")
    alice = smbd.client("alice")
    assert alice.list("flags", "Box") == ["Go.txt", "Keep.txt", "Stay.txt"]
    assert "press me" in alice.read("flags", "Box/Go.txt")
    alice.run("flags", 'del "Box/Go.txt"')
    assert not (box / "Go.txt").exists()
    for command in (f'put {local} "Box/new.txt"', f'put {local} "Box/Stay.txt"',
                    'mkdir "Box/folder"', 'rename "Box/Stay.txt" "Box/Other.txt"',
                    'rename "Box/Stay.txt" "Stay.txt"'):
        assert "NT_STATUS_" in alice.try_run("flags", command).stdout, command
        assert sorted(os.listdir(box)) == ["Keep.txt", "Stay.txt"], command
        assert (box / "Stay.txt").read_text() == "press me"
    smbd.client("carol").try_run("flags", 'del "Box/Stay.txt"')
    assert sorted(os.listdir(box)) == ["Keep.txt", "Stay.txt"]
    with pytest.raises(PermissionError):
        as_user(people.alice, lambda: os.unlink(box / "Stay.txt"))
