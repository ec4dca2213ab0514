# SPDX-License-Identifier: GPL-2.0-or-later
"""Presses through a real smbd: smbclient, and the operations that Explorer and Finder send."""

import os
import re
import time
from pathlib import Path

import pytest
from boards import apache, finish, several, was_no_press
from lib.smb import SessionError
from lib.smbd import PRESS_ONLY
from lib.waiting import stays, wait_for

RESTART = "Apache/Restart.txt"


@pytest.fixture
def board(inst, samba):
    """Apache, with no hold, on the share "flags"."""
    return apache(inst)


@pytest.fixture
def held(inst, samba):
    """Apache with a hold that a person notices."""
    return apache(inst, group="cooldown: 0\nhold: 1s")


# --- smbclient ---

def test_delete(board, samba):
    client = samba.client()
    assert client.list("flags", "Apache") == ["Restart.txt", "Run", "Start.txt", "Status.txt",
                                              "Stop.txt"]
    client.run("flags", f'del "{RESTART}"')
    assert board.wait_ran("Restart")[0].trigger == "delete"
    wait_for(lambda: client.list("flags", "Apache") == [
        "Restart [Running].txt", "Run", "Start [Blocked].txt", "Status.txt",
        "Stop [Blocked].txt"], "the listing shows the states", dump=board.dump)
    finish(board)
    board.wait_state("Apache", "Restart", "Done")
    assert "Restart [Done].txt" in client.list("flags", "Apache")


def test_move_into_run(board, samba):
    samba.client().run("flags", 'rename "Apache\\Restart.txt" "Apache\\Run\\Restart.txt"')
    assert board.wait_ran("Restart")[0].trigger == "move"


def test_copy_into_run(board, samba, test_dir):
    client = samba.client()
    text = test_dir / "Restart.txt"
    text.write_text(client.read("flags", RESTART))
    client.put("flags", text, "Apache/Run/Restart.txt")
    assert board.wait_ran("Restart")[0].trigger == "move"
    wait_for(lambda: client.list("flags", "Apache/Run") == [], "the copy is consumed",
             dump=board.dump)


def test_server_side_copy_into_run(board, samba):
    samba.client().run("flags", 'scopy "Apache\\Restart.txt" "Apache\\Run\\Restart.txt"')
    board.wait_ran("Restart", 1)


def test_drop(inst, samba, test_dir):
    inst.define("DVD", """
        - name: Burn
          command: %ACT% Burn 'cat "$FLAGMAN_PAYLOAD" >%OUT%/got'
          drop: {folder: Burn, accept: ["*.iso"], settle: 300ms}
    """)
    inst.start()
    inst.wait_state("DVD", "Burn", "")
    image = test_dir / "image.iso"
    image.write_bytes(os.urandom(3_000_000))
    samba.client().put("flags", image, "DVD/Burn/image.iso")
    inst.wait_state("DVD", "Burn", "Done")
    assert (inst.out / "got").read_bytes() == image.read_bytes()


def test_cut_and_paste_to_another_share(board, samba, test_dir, people):
    """The client copies, then deletes: on this share it is a delete."""
    client = samba.client()
    client.run("flags", f'get "{RESTART}" "{test_dir}/pasted.txt"')
    client.run("flags", f'del "{RESTART}"')
    assert board.wait_ran("Restart")[0].trigger == "delete"


def test_reading_over_the_share_is_fresh(board, samba):
    client = samba.client()
    client.run("flags", f'del "{RESTART}"')
    board.tell("Restart", "echo first line of output")
    wait_for(lambda: "first line of output" in client.read("flags", "Apache/Restart [Running].txt"),
             "output while it runs", dump=board.dump)


def test_deltree_of_an_object(held, samba):
    samba.client().try_run("flags", "deltree Apache")
    for name in ("Restart", "Start", "Stop"):
        held.wait_state("Apache", name, "")
    stays(lambda: not any(held.ran(n) for n in ("Restart", "Start", "Stop")), "nothing ran", 1.3,
          held.dump)


def test_deltree_of_everything(inst, samba):
    several(inst, 5, group="cooldown: 0\nhold: 1s")
    for n in range(5):
        samba.client().try_run("flags", f"deltree App{n}")
    for n in range(5):
        inst.wait_state(f"App{n}", "Restart", "")
    stays(lambda: not any(inst.ran(f"Restart{n}") for n in range(5)), "nothing ran", 1.3,
          inst.dump)


def test_delete_with_a_wildcard(held, samba):
    samba.client().run("flags", 'del "Apache\\*.txt"')
    for name in ("Restart", "Start", "Stop"):
        held.wait_state("Apache", name, "")
    stays(lambda: not any(held.ran(n) for n in ("Restart", "Start", "Stop")), "nothing ran", 1.3,
          held.dump)


def test_wrong_case(board, samba):
    samba.client().run("flags", 'del "apache\\RESTART.TXT"')
    board.wait_ran("Restart")


def test_staging_cannot_be_seen(board, samba):
    client = samba.client()
    assert client.list("flags", "") == ["Apache"]
    done = client.try_run("flags", 'cd .flagman')
    assert "NT_STATUS_" in done.stdout + done.stderr


# --- as Explorer does it ---

def test_disposition(board, samba):
    session = samba.session("flags")
    handle = session.open_for_delete(RESTART)
    session.set_disposition(handle)
    stays(lambda: not board.ran("Restart"), "nothing before the close", 0.2, board.dump)
    session.close(handle)
    board.wait_ran("Restart", 1)


def test_disposition_taken_back(board, samba):
    session = samba.session("flags")
    handle = session.open_for_delete(RESTART)
    session.set_disposition(handle)
    session.set_disposition(handle, False)
    session.close(handle)
    was_no_press(board)


def test_delete_on_close(board, samba):
    samba.session("flags").delete_on_close(RESTART)
    board.wait_ran("Restart", 1)


def test_the_client_dies_with_delete_on_close(board, samba):
    session = samba.session("flags")
    session.open(RESTART, 0x10080, options=0x1040)
    session.abandon()
    board.wait_ran("Restart", 1)


def test_somebody_else_holds_it_open(board, samba):
    """A preview pane: the press takes effect when the reader closes, and counts once."""
    bob = samba.session("flags", "bob")
    held = bob.open(RESTART)
    samba.session("flags").delete(RESTART)
    stays(lambda: not board.ran("Restart"), "pending", 0.3, board.dump)
    bob.close(held)
    board.wait_ran("Restart", 1)
    board.wait_state("Apache", "Restart", "Running")


def test_somebody_else_reads_while_the_state_changes(board, samba):
    bob = samba.session("flags", "bob")
    held = bob.open("Apache/Stop.txt")
    before = bob.read(held)
    samba.session("flags").delete(RESTART)
    board.wait_state("Apache", "Stop", "Blocked")
    assert before and bob.read(held)
    bob.close(held)


def test_rename_information_into_run(board, samba):
    samba.session("flags").rename(RESTART, "Apache/Run/Restart.txt")
    assert board.wait_ran("Restart")[0].trigger == "move"


def test_rename_information_with_replace(board, samba):
    """A second drag onto what the first has left: replaced, and still one press."""
    samba.session("flags").rename(RESTART, "Apache/Run/Restart.txt", replace=True)
    board.wait_ran("Restart", 1)


def test_rename_in_place_comes_back(board, samba):
    samba.session("flags").rename(RESTART, "Apache/Restart-me.txt")
    was_no_press(board)
    assert "Restart-me.txt" not in board.board("Apache")


def test_rename_over_another_flag(board, samba):
    """One flag onto another, replacing it."""
    samba.session("flags").rename(RESTART, "Apache/Stop.txt", replace=True)
    board.wait_state("Apache", "Stop", "")
    was_no_press(board)
    assert not board.ran("Stop")


def test_word_saves_a_flag(inst, samba):
    apache(inst, group="cooldown: 0\nhold: 500ms", file="mode: 0660")
    session = samba.session("flags")
    session.create("Apache/~WRD0001.tmp", b"changed")
    session.rename(RESTART, "Apache/~WRL0002.tmp")
    session.rename("Apache/~WRD0001.tmp", RESTART)
    session.delete("Apache/~WRL0002.tmp")
    was_no_press(inst)


def test_notepad_saves_a_flag(inst, samba):
    apache(inst, group="cooldown: 0\nhold: 500ms", file="mode: 0660")
    samba.session("flags").create(RESTART, b"changed", replace=True)
    was_no_press(inst)


def test_a_new_text_document(board, samba):
    """Explorer's New: created, then renamed. It is nobody's flag."""
    session = samba.session("flags")
    session.create("Apache/New Text Document.txt")
    session.rename("Apache/New Text Document.txt", "Apache/My notes.txt")
    was_no_press(board)
    assert "My notes.txt" in board.board("Apache")


def test_finder_litter(board, samba):
    session = samba.session("flags")
    for name in (".DS_Store", "._Restart.txt"):
        session.create(f"Apache/{name}", b"litter")
        session.delete(f"Apache/{name}")
    was_no_press(board)


def test_a_late_deletion_hits_nothing_new(board, samba):
    """A client opened the flag for deletion before another pressed it: one press, one run."""
    alice, bob = samba.session("flags"), samba.session("flags", "bob")
    late = alice.open_for_delete(RESTART)
    bob.rename(RESTART, "Apache/Run/Restart.txt")
    board.wait_state("Apache", "Restart", "Running")
    try:
        alice.set_disposition(late)
    except SessionError:
        pass
    try:
        alice.close(late)
    except SessionError:
        pass
    board.wait_state("Apache", "Restart", "Running")
    finish(board)
    board.wait_state("Apache", "Restart", "Done")
    board.wait_ran("Restart", 1)


def test_change_notify_reaches_an_open_window(board, samba):
    watcher = samba.session("flags", "bob")
    handle = watcher.open_directory("Apache")
    watcher.arm_notify(handle)
    seen = []
    samba.session("flags").delete(RESTART)

    def running():
        seen.extend(watcher.changes())
        watcher.arm_notify(handle)
        return any(name == "Restart [Running].txt" for _, name in seen)
    wait_for(running, "the window is told", dump=board.dump)


@pytest.mark.timing
def test_starting_is_listed_at_once(held, samba):
    """At most 20 ms from the press to what another client lists."""
    watcher = samba.session("flags", "bob")
    session = samba.session("flags")
    handle = session.open_for_delete(RESTART)
    session.set_disposition(handle)
    session.close(handle)
    begin = time.monotonic()
    while "Restart [Starting].txt" not in watcher.names("Apache"):
        assert time.monotonic() - begin < 5, held.dump()
    assert time.monotonic() - begin < 0.1


# --- servers with a recycle bin ---

def test_recycle_bin(inst, smbd):
    smbd.share("flags", inst.share, vfs_objects="recycle", **{
        "recycle:repository": ".recycle/%U", "recycle:keeptree": "yes",
        "recycle:directory_mode": "0770"})
    smbd.start()
    apache(inst)
    trash = inst.share / ".recycle"
    trash.mkdir()
    if inst.people.root:
        os.chown(trash, -1, inst.people.gid)
    trash.chmod(0o2770)
    smbd.client().run("flags", f'del "{RESTART}"')
    assert inst.wait_ran("Restart")[0].trigger == "delete"


# --- who may ---

@pytest.mark.root
def test_a_stranger_may_not(board, samba):
    done = samba.client("carol").try_run("flags", f'del "{RESTART}"')
    assert "NT_STATUS_ACCESS_DENIED" in done.stdout + done.stderr
    was_no_press(board)


@pytest.fixture
def press_only(inst, smbd):
    """Members delete, and can do nothing else."""
    smbd.share("flags", inst.share, **{k.replace(" ", "_"): v for k, v in PRESS_ONLY.items()})
    smbd.start()
    return apache(inst, directory="access: press-only")


@pytest.mark.root
def test_press_only_lets_members_press(press_only, smbd):
    client = smbd.client()
    assert client.list("flags", "Apache") == ["Restart.txt", "Start.txt", "Status.txt", "Stop.txt"]
    assert client.read("flags", RESTART)
    client.run("flags", f'del "{RESTART}"')
    press_only.wait_ran("Restart", 1)
    finish(press_only)
    press_only.wait_state("Apache", "Restart", "Done")
    smbd.session("flags").delete("Apache/Restart [Done].txt")
    press_only.wait_ran("Restart", 2)


@pytest.mark.root
def test_press_only_lets_members_put_nothing(press_only, smbd, test_dir):
    session = smbd.session("flags")
    for forbidden in (lambda: session.create("Apache/mine.txt", b"x"),
                      lambda: session.make_directory("Apache/Folder"),
                      lambda: session.rename(RESTART, "Apache/Other.txt"),
                      lambda: session.rename(RESTART, "Apache/Stop.txt", replace=True),
                      lambda: session.create(RESTART, b"x", replace=True),
                      lambda: session.create("top.txt", b"x"),
                      lambda: session.rename("Apache", "Mine"),
                      lambda: session.set_attributes(RESTART, 1)):
        with pytest.raises(SessionError, match="ACCESS_DENIED"):
            forbidden()
    for local in (lambda: os.unlink(press_only.share / RESTART),
                  lambda: (press_only.share / "Apache" / "mine.txt").write_text("x")):
        with pytest.raises(PermissionError):
            press_only.by("alice", local)
    was_no_press_over_smb(press_only, smbd)


@pytest.mark.root
def test_press_only_keeps_strangers_out(press_only, smbd):
    with pytest.raises(SessionError):
        smbd.session("flags", "carol").delete(RESTART)
    was_no_press_over_smb(press_only, smbd)


def was_no_press_over_smb(inst, smbd):
    assert not inst.ran("Restart")
    smbd.session("flags").delete(RESTART)
    inst.wait_ran("Restart", 1)


# --- the sections that an administrator is given ---

SECTIONS = Path(__file__).resolve().parent.parent.parent / "samba"


def section(text, inst):
    """The options of the one share in TEXT, for this instance."""
    text = text.replace("/srv/flagman", str(inst.share)).replace("wwwadmins", inst.people.group)
    options = dict(re.findall(r"(?m)^\s*([^#;\[=]+?)\s*=\s*(.*?)\s*$", text))
    options["full_audit:syslog"] = "false"
    return options


@pytest.mark.parametrize("name", ["group", "drop-folders"])
def test_shipped_sections(inst, smbd, name):
    smbd.raw_share("flags", section((SECTIONS / f"{name}.conf").read_text(), inst))
    smbd.start()
    assert smbd.testparm() == ""
    apache(inst)
    smbd.client().run("flags", f'del "{RESTART}"')
    inst.wait_ran("Restart", 1)


@pytest.mark.root
def test_shipped_section_for_press_only(inst, smbd):
    smbd.raw_share("flags", section((SECTIONS / "press-only.conf").read_text(), inst))
    smbd.start()
    assert smbd.testparm() == ""
    apache(inst, directory="access: press-only")
    session = smbd.session("flags")
    with pytest.raises(SessionError, match="ACCESS_DENIED"):
        session.create("Apache/mine.txt", b"x")
    session.delete(RESTART)
    inst.wait_ran("Restart", 1)


def test_what_flagman_samba_prints(inst, smbd):
    apache(inst)
    printed = inst.cli("--conf-dir", str(inst.conf), "samba", check=0).stdout
    smbd.raw_share("flags", section(printed, inst))
    smbd.start()
    assert smbd.testparm() == ""
    smbd.client().run("flags", f'del "{RESTART}"')
    inst.wait_ran("Restart", 1)
