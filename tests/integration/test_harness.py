# SPDX-License-Identifier: GPL-2.0-or-later
"""The harness itself: smbd, smbclient and the raw operations do what the other tests lean on."""

import os

import pytest
from impacket.nmb import NetBIOSTimeout
from lib import people as people_module
from lib import processes
from lib.smb import SessionError
from lib.waiting import TimedOut, wait_for


@pytest.fixture
def flags(test_dir, people, smbd):
    """A served directory that members may write to."""
    path = test_dir / "flags"
    path.mkdir()
    if people.root:
        os.chown(path, 0, people.gid)
    path.chmod(0o2770)
    (path / "Run").mkdir()
    (path / "Run").chmod(0o2770)
    smbd.share("flags", path)
    smbd.start()
    return path


def put(path, name, text="text\n"):
    (path / name).write_text(text)
    (path / name).chmod(0o664)


def test_smbclient_lists_reads_and_deletes(flags, smbd):
    put(flags, "Restart [Running 40%].txt", "hello\r\n")
    client = smbd.client()
    assert client.list("flags", "") == ["Restart [Running 40%].txt", "Run"]
    assert "hello" in client.read("flags", "Restart [Running 40%].txt")
    client.run("flags", 'del "Restart [Running 40%].txt"')
    assert os.listdir(flags) == ["Run"]


def test_testparm_has_nothing_to_say(flags, smbd):
    assert smbd.testparm() == ""


def test_deletion_takes_effect_at_the_close(flags, smbd):
    put(flags, "Restart.txt")
    session = smbd.session("flags")
    handle = session.open_for_delete("Restart.txt")
    session.set_disposition(handle)
    assert (flags / "Restart.txt").exists()
    session.close(handle)
    assert not (flags / "Restart.txt").exists()


def test_delete_on_close(flags, smbd):
    put(flags, "Restart.txt")
    smbd.session("flags").delete_on_close("Restart.txt")
    assert not (flags / "Restart.txt").exists()


def test_deletion_waits_for_another_reader(flags, smbd):
    put(flags, "Restart.txt")
    bob = smbd.session("flags", "bob")
    held = bob.open("Restart.txt")
    smbd.session("flags").delete("Restart.txt")
    assert (flags / "Restart.txt").exists()
    bob.close(held)
    wait_for(lambda: not (flags / "Restart.txt").exists(), "the file goes when bob closes")


def test_rename_with_and_without_replace(flags, smbd):
    put(flags, "Restart.txt", "restart")
    put(flags, "Other.txt", "other")
    session = smbd.session("flags")
    with pytest.raises(SessionError, match="COLLISION"):
        session.rename("Restart.txt", "Other.txt")
    session.rename("Restart.txt", "Other.txt", replace=True)
    assert (flags / "Other.txt").read_text() == "restart"
    session.rename("Other.txt", "Run/Other.txt")
    assert session.names("Run") == ["Other.txt"]


def test_explorer_copy(flags, smbd):
    session = smbd.session("flags")
    data = os.urandom(200_000)
    session.create("image.iso", data)
    assert (flags / "image.iso").read_bytes() == data


def test_change_notify(flags, smbd):
    """notifyd sets its watch a moment after the server says that it is armed, and may tell of a
    rename only after we stopped waiting for it: the first that is reported may be either."""
    put(flags, "Restart.txt")
    session = smbd.session("flags")
    session.arm_notify(session.open_directory(""))
    there, back = flags / "Restart.txt", flags / "Restart [Running].txt"

    def reported():
        there.rename(back)
        try:
            return session.changes(timeout=1)
        except NetBIOSTimeout:
            back.rename(there)
            return None
    changes = wait_for(reported, "a change is reported", dump=smbd.log)
    assert changes in ([("renamed-from", old.name), ("renamed-to", new.name)]
                       for old, new in ((there, back), (back, there)))


def test_audit_line_names_the_user(flags, smbd, people):
    put(flags, "Restart.txt")
    smbd.client().run("flags", "del Restart.txt")
    wait_for(lambda: f"{people.alice}|127.0.0.1|" in smbd.log() and "|unlinkat|ok|" in smbd.log(),
             "full_audit's line", dump=smbd.log)


@pytest.mark.root
def test_a_stranger_may_not(flags, smbd):
    put(flags, "Restart.txt")
    done = smbd.client("carol").try_run("flags", "del Restart.txt")
    assert "NT_STATUS_ACCESS_DENIED" in done.stdout + done.stderr
    assert (flags / "Restart.txt").exists()


@pytest.mark.root
def test_as_user_is_that_user_and_brings_errors_back(people, test_dir):
    assert people_module.as_user(people.alice, os.geteuid) == people.uid("alice")
    closed = test_dir / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(PermissionError):
        people_module.as_user(people.carol, lambda: os.listdir(closed))


def test_orphans_are_found_and_ended():
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            os.execv("/bin/sleep", ["orphan-of-a-test", "600"])
        os._exit(0)
    orphan = wait_for(lambda: [p for p in processes.descendants(os.getpid())
                               if processes.cmdline(p).startswith("orphan-of-a-test")],
                      "the orphan is our child")
    assert processes.end_all() >= set(orphan)
    assert not any(processes.alive(p) for p in orphan)


def test_wait_for_says_what_it_waited_for():
    with pytest.raises(TimedOut, match="the moon.*\n.*surroundings"):
        wait_for(lambda: None, "the moon", timeout=0.02, dump=lambda: "surroundings")
