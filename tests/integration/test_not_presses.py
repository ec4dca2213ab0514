# SPDX-License-Identifier: GPL-2.0-or-later
"""What looks like a press and is none: editors, renames, litter, foreign files."""

import contextlib
import os
import stat
import subprocess
import time

import pytest
from boards import QUICK, apache, exchange, is_flagmans, remove_tree, was_no_press
from lib.waiting import wait_for

# Editors need the hold: between their unlink and their create the flag is gone.
HELD = "cooldown: 0\nhold: 500ms"
WRITABLE = {"file": "mode: 0660"}


@pytest.fixture
def board(inst):
    """Apache with flags that the group may write to, so that editors can do their worst."""
    return apache(inst, group=HELD, **WRITABLE)


@pytest.fixture
def path(board):
    return board.path_of("Apache", "Restart")


def gesture(inst, function):
    """As a member of the group; the flag must be there again afterwards."""
    inst.by("alice", function)
    wait_for(lambda: "Restart.txt" in inst.board("Apache"), "the flag is back", dump=inst.dump)


# --- editors ---

def test_an_editor_renames_over_the_flag(board, path):
    def save():
        temporary = path.with_name("4913")
        temporary.write_text("changed by an editor\n")
        os.rename(temporary, path)
    gesture(board, save)
    was_no_press(board)


def test_the_flags_own_text_comes_back_after_an_editor(board, path):
    def save():
        temporary = path.with_name("Restart.txt.tmp")
        temporary.write_text("changed by an editor\n")
        os.rename(temporary, path)
    gesture(board, save)
    wait_for(lambda: "changed by an editor" not in board.flag("Apache", "Restart").text,
             "the flag says what flagman says", dump=board.dump)
    was_no_press(board)


def test_an_editor_unlinks_and_creates(board, path):
    def save():
        os.unlink(path)
        path.write_text("changed\n")
    gesture(board, save)
    was_no_press(board)


def test_an_editor_that_takes_its_time(board, path):
    """Unlinked, seen as pressed (Starting), and created again within the hold."""
    board.by("alice", lambda: os.unlink(path))
    board.wait_state("Apache", "Restart", "Starting")
    board.by("alice", lambda: path.write_text("changed\n"))
    was_no_press(board)


def test_a_backup_is_renamed_away_and_unlinked(board, path):
    """vim with backupcopy=no, and many others."""
    backup = path.with_name("Restart.txt~")

    def save():
        os.rename(path, backup)
        path.write_text("changed\n")
        os.unlink(backup)
    gesture(board, save)
    was_no_press(board)


def test_word(board, path):
    new, old = path.with_name("~WRD0001.tmp"), path.with_name("~WRL0002.tmp")

    def save():
        path.with_name("~$start.txt").write_text("owner")
        new.write_text("changed\n")
        os.rename(path, old)
        os.rename(new, path)
        os.unlink(old)
        os.unlink(path.with_name("~$start.txt"))
    gesture(board, save)
    was_no_press(board)


def test_textedit(board, path):
    """A safe save: a folder beside it, the old file goes there, and both are removed."""
    folder = path.with_name("Restart.txt.sb-3f2a1b-Xy12Zq")

    def save():
        folder.mkdir()
        (folder / "Restart.txt").write_text("changed\n")
        os.rename(path, folder / "old")
        os.rename(folder / "Restart.txt", path)
        os.unlink(folder / "old")
        folder.rmdir()
    gesture(board, save)
    was_no_press(board)


def test_notepad_writes_in_place(board, path):
    gesture(board, lambda: path.write_text("changed\n"))
    was_no_press(board)


@pytest.mark.parametrize("options", ["", "set backupcopy=no", "set backupcopy=yes",
                                     "set nowritebackup", "set backup"])
def test_vim(board, path, options, test_dir):
    """The real one."""
    def save():
        home = {"HOME": "/nonexistent", "PATH": "/usr/bin:/bin", "TERM": "dumb"}
        done = subprocess.run(
            ["vim.tiny", "-n", "-u", "NONE", "-es", "-c", options or "set nocompatible",
             "-c", "normal ggIchanged", "-c", "wq!", str(path)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, env=home, check=False,
            timeout=60)
        return [done.returncode, done.stdout + done.stderr]
    result = board.by("alice", save)
    assert result[0] == 0, result
    wait_for(lambda: "Restart.txt" in board.board("Apache"), "the flag is back", dump=board.dump)
    was_no_press(board)


def test_an_editor_on_a_flag_that_nobody_may_write(inst):
    """`:w!` on a 0640 flag of somebody else: unlink, then create."""
    apache(inst, group=HELD)
    path = inst.path_of("Apache", "Restart")

    def save():
        os.unlink(path)
        path.write_text("changed\n")
    gesture(inst, save)
    was_no_press(inst)


def test_an_editor_with_no_hold_at_all(inst):
    """Renaming over needs no hold to be told apart: another inode bears the name."""
    apache(inst, group=QUICK)
    path = inst.path_of("Apache", "Restart")

    def save():
        temporary = path.with_name("new")
        temporary.write_text("changed\n")
        os.rename(temporary, path)
    gesture(inst, save)
    was_no_press(inst)


# --- links ---

def test_linked_elsewhere_unlinked_and_linked_back(board, path):
    """As the flag's owner or root does it: protected_hardlinks stops others."""
    elsewhere = board.share / "kept"
    os.link(path, elsewhere)
    os.unlink(path)
    os.link(elsewhere, path)
    was_no_press(board)


def test_a_hard_link_beside_it_is_nobodys_business(board, path):
    os.link(path, path.with_name("Copy.txt"))
    os.unlink(path.with_name("Copy.txt"))
    was_no_press(board)


# --- renames ---

@pytest.mark.parametrize("name", ["RESTART.txt", "Restart.TXT", "Something else.txt",
                                  "Restart [Running].txt", "Restart", "Stop it.txt"])
def test_a_rename_in_place(board, path, name):
    gesture(board, lambda: os.rename(path, path.with_name(name)))
    was_no_press(board)
    assert name not in board.board("Apache") or name == "Restart [Running].txt"


def test_a_move_elsewhere_on_the_server(board, path, test_dir, people):
    elsewhere = test_dir / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    gesture(board, lambda: os.rename(path, elsewhere / "Restart.txt"))
    was_no_press(board)


def test_a_move_into_another_object(inst):
    inst.define("Other", "- name: Restart\n  command: %ACT% Other 'exit 0'\n", group=HELD)
    apache(inst, group=HELD)
    path = inst.path_of("Apache", "Restart")
    gesture(inst, lambda: os.rename(path, inst.share / "Other" / "Run" / "Restart.txt"))
    was_no_press(inst)


def test_a_move_into_a_folder_of_ones_own(board, path):
    folder = path.with_name("Mine")

    def move():
        folder.mkdir()
        os.rename(path, folder / path.name)
    gesture(board, move)
    was_no_press(board)


def test_two_flags_swap_names(board, path):
    other, third = path.with_name("Stop.txt"), path.with_name("swap")

    def swap():
        os.rename(path, third)
        os.rename(other, path)
        with contextlib.suppress(FileNotFoundError):  # flagman was faster
            os.rename(third, other)
    board.by("alice", swap)
    board.wait_state("Apache", "Stop", "")
    was_no_press(board)
    assert not board.ran("Stop")


def test_there_and_back(board, path):
    def away_and_back():
        os.rename(path, path.with_name("x"))
        os.rename(path.with_name("x"), path)
    gesture(board, away_and_back)
    was_no_press(board)


# --- the furniture ---

def presses_again(inst, press):
    """What goes within a hold of something else of the object belongs to that, and prolongs it."""
    last = time.monotonic()

    def pressed():
        nonlocal last
        if time.monotonic() - last > 1 and is_flagmans(inst, "Apache", "Restart"):
            press("Apache", "Restart")
            last = time.monotonic()
        return inst.ran("Restart")
    wait_for(pressed, "it can be pressed again", dump=inst.dump)


def was_no_press_and_works(board):
    assert not board.ran("Restart")
    presses_again(board, board.press_delete)
    assert len(board.ran("Restart")) == 1


def furniture_is_back(inst):
    wait_for(lambda: {"Run", "Status.txt", "Restart.txt"} <= set(inst.board("Apache"))
             and (inst.share / "Apache" / "Run").is_dir()
             and not (inst.share / "Apache" / "Run").is_symlink(),
             "Run, Status.txt and the flag are there", dump=inst.dump)


def test_status_txt_is_never_a_button(board, path):
    status = path.with_name("Status.txt")
    furniture_is_back(board)  # it is written when the flags have been
    for act in (lambda: os.unlink(status),
                lambda: os.rename(status, path.with_name("Stat.txt")),
                lambda: os.rename(status, path.parent / "Run" / "Status.txt")):
        board.by("alice", act)
        furniture_is_back(board)
    was_no_press_and_works(board)
    assert not board.ran("Start") and not board.ran("Stop")


def test_run_is_renamed_or_removed(board, path):
    run = path.with_name("Run")
    board.by("alice", lambda: os.rmdir(run))
    furniture_is_back(board)
    board.by("alice", lambda: os.rename(run, path.with_name("Renamed")))
    furniture_is_back(board)
    was_no_press_and_works(board)


def test_a_run_folder_that_was_made_again_works(board, path):
    board.by("alice", lambda: os.rmdir(path.with_name("Run")))
    furniture_is_back(board)
    presses_again(board, board.press_move)


def test_run_is_replaced_by_a_symlink(board, path, test_dir):
    run = path.with_name("Run")
    outside = test_dir / "outside"
    outside.mkdir()
    outside.chmod(0o777)

    def swap():
        os.symlink(outside, path.with_name("link"))
        exchange(path.with_name("link"), run)
    board.by("alice", swap)
    board.wait_log("Run")
    furniture_is_back(board)
    assert os.listdir(outside) == []
    presses_again(board, board.press_move)


def test_the_objects_directory_is_renamed(board):
    os.rename(board.share / "Apache", board.share / "Renamed")
    furniture_is_back(board)
    was_no_press(board)


def test_the_objects_directory_is_removed(board):
    remove_tree(board.share / "Apache")
    furniture_is_back(board)

    presses_again(board, board.press_delete)
    assert not any(board.ran(name) for name in ("Start", "Stop"))


def test_the_objects_directory_is_replaced(board, people):
    """By one that somebody prepared: nothing is pressed, and it is not taken over."""
    (board.share / "Theirs").mkdir()
    (board.share / "Theirs" / "theirs.txt").write_text("theirs\n")
    mark = board.mark()
    exchange(board.share / "Theirs", board.share / "Apache")
    board.wait_log(r"Apache", mark)
    assert (board.share / "Apache" / "theirs.txt").read_text() == "theirs\n"
    assert not any(board.ran(name) for name in ("Restart", "Start", "Stop"))


# --- litter and foreign files ---

LITTER = [".DS_Store", "._Restart.txt", "Thumbs.db", "desktop.ini", "~$Restart.txt",
          ".~lock.Restart.txt#", ".Restart.txt.swp", "Restart.txt~", "#Restart.txt#"]


@pytest.mark.parametrize("folder", [".", "Run"])
def test_litter(board, path, folder):
    def strew_and_sweep():
        for name in LITTER:
            (path.parent / folder / name).write_text("litter")
        for name in LITTER:
            os.unlink(path.parent / folder / name)
    gesture(board, strew_and_sweep)
    was_no_press(board)


def test_foreign_files_are_left_alone(board, path):
    def add():
        path.with_name("Notes.txt").write_text("notes\n")
        (path.parent / "Run" / "Notes.txt").write_text("notes\n")
        path.with_name("Folder").mkdir()
    gesture(board, add)
    was_no_press(board)
    assert path.with_name("Notes.txt").read_text() == "notes\n"
    assert (path.parent / "Run" / "Notes.txt").read_text() == "notes\n"
    assert path.with_name("Folder").is_dir()


def test_deleting_a_foreign_file(board, path):
    def add_and_delete():
        path.with_name("Notes.txt").write_text("notes\n")
        os.unlink(path.with_name("Notes.txt"))
    gesture(board, add_and_delete)
    was_no_press(board)


def test_reading_touching_and_changing_modes(board, path):
    def handle():
        path.read_bytes()
        os.utime(path)
        with open(path, "ab"):
            pass
    gesture(board, handle)
    os.chmod(path, 0o600)
    os.chmod(path, 0o660)
    was_no_press(board)


def test_a_fake_flag_in_run_is_not_the_flag_of_another_object(board, path):
    """Only names of this object's actions count."""
    gesture(board, lambda: (path.parent / "Run" / "Reboot.txt").write_text("x") and None)
    was_no_press(board)


def test_a_folder_or_link_in_run_is_no_press(board, path):
    run = path.parent / "Run"

    def put():
        os.mkdir(run / "Restart.txt")
        os.symlink("/etc/passwd", run / "Start.txt")
        os.mkfifo(run / "Stop.txt")
    gesture(board, put)
    was_no_press(board)
    assert not board.ran("Start") and not board.ran("Stop")


# --- what stands in a flag's place ---

def put_aside(inst, make, who="alice"):
    """MAKE(path) where the flag was: it is kept beside the flag, and is no press.  Its path now."""
    path = inst.path_of("Apache", "Restart")
    aside = path.with_name("Restart (put aside).txt")

    def swap():
        os.unlink(path)
        make(path)
    mark = inst.mark()
    inst.by(who, swap)
    wait_for(lambda: os.path.lexists(aside), "it is put aside", dump=inst.dump)
    inst.wait_log(r"Restart\.txt was not flagman's: put aside as Restart \(put aside\)\.txt", mark)
    wait_for(lambda: path.is_file() and not path.is_symlink(), "the flag is a file again",
             dump=inst.dump)
    was_no_press(inst)
    return aside


def test_a_directory_in_the_flags_place(board):
    def make(path):
        ready = path.with_name("ready")
        os.mkdir(ready)
        (ready / "theirs.txt").write_text("theirs\n")
        os.rename(ready, path)
    assert (put_aside(board, make) / "theirs.txt").read_text() == "theirs\n"


def test_a_symlink_in_the_flags_place(board, test_dir):
    target = test_dir / "target"
    target.write_text("untouched\n")
    target.chmod(0o666)
    before = target.stat()
    aside = put_aside(board, lambda path: os.symlink(target, path))
    assert os.readlink(aside) == str(target)
    assert target.stat() == before
    assert target.read_text() == "untouched\n"


def test_a_fifo_in_the_flags_place(board):
    assert put_aside(board, os.mkfifo).is_fifo()


def test_a_file_in_the_flags_place(board):
    def make(path):
        path.with_name("ready").write_text("mine\n")
        os.rename(path.with_name("ready"), path)
    assert put_aside(board, make).read_text() == "mine\n"


def test_a_hard_link_in_the_flags_place(board):
    """Of somebody else's file that anybody may write: protected_hardlinks allows that link."""
    victim = board.share / "victim"
    victim.write_text("untouched\n")
    victim.chmod(0o666)
    before = victim.stat()
    aside = put_aside(board, lambda path: os.link(victim, path))
    after = victim.stat()
    assert aside.stat().st_ino == before.st_ino
    assert (victim.read_text(), after.st_uid, after.st_gid, after.st_mode, after.st_nlink) == (
        "untouched\n", before.st_uid, before.st_gid, before.st_mode, 2)


def test_a_socket_in_the_flags_place(board):
    assert put_aside(board, lambda path: os.mknod(path, stat.S_IFSOCK | 0o666)).is_socket()


@pytest.mark.root
def test_a_device_in_the_flags_place(board):
    """/dev/zero: who read it would never end."""
    device = os.makedev(1, 5)
    aside = put_aside(board, lambda path: os.mknod(path, stat.S_IFCHR | 0o666, device), who=None)
    assert aside.is_char_device() and aside.stat().st_rdev == device


@pytest.mark.parametrize("name", [b"new\nline.txt", b"\x1b[31mred.txt", b"\xff\xfe.txt",
                                  b"x" * 255, b"Restart [.txt", b"[Running].txt", b"...",
                                  b"%s%n.txt", b"Restart\xcc.txt"])
def test_names_that_nobody_expects(board, path, name):
    where = os.fsencode(path.parent)

    def strew():
        for folder in (b".", b"Run"):
            target = os.path.join(where, folder, name)
            with open(target, "wb") as f:
                f.write(b"x")
            if folder == b".":
                os.unlink(target)
    gesture(board, strew)
    was_no_press(board)
