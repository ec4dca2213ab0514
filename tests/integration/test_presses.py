# SPDX-License-Identifier: GPL-2.0-or-later
"""What is a press, from a shell on the server: delete, move, copy into Run, drop, and their kin."""

import os
import unicodedata

import pytest
from boards import QUICK, apache, finish, several
from lib.waiting import wait_for


def test_delete(inst):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    run = inst.wait_ran("Restart")[0]
    assert (run.run, run.trigger) == (1, "delete")
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    inst.wait_ran("Restart", 1)


def test_the_directory_has_what_people_were_promised(inst):
    apache(inst)
    inst.wait_board("Apache", ["Restart.txt", "Run", "Start.txt", "Status.txt", "Stop.txt"])


def test_move_into_run(inst):
    apache(inst)
    inst.press_move("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    assert inst.wait_ran("Restart")[0].trigger == "move"
    run_is_empty(inst)
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")


def test_copy_into_run_is_consumed(inst):
    apache(inst)
    inst.press_copy("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    assert inst.wait_ran("Restart")[0].trigger == "move"
    run_is_empty(inst)
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    inst.wait_board("Apache", ["Restart [Done].txt", "Run", "Start.txt", "Status.txt", "Stop.txt"])


@pytest.mark.root
def test_a_copy_tells_who_made_it(inst, people):
    apache(inst)
    inst.press_copy("Apache", "Restart", who="bob")
    assert inst.wait_ran("Restart")[0].user == people.bob


def test_drop(inst):
    inst.define("DVD", """
        - name: Burn
          command: %ACT% Burn 'cp "$FLAGMAN_PAYLOAD" %OUT%/got'
          drop: {folder: Burn, accept: ["*.iso"], settle: 100ms}
    """, group=QUICK)
    inst.start()
    data = os.urandom(100_000)
    inst.drop("DVD", "Burn", "Image one.ISO", data)
    run = inst.wait_ran("Burn")[0]
    inst.wait_state("DVD", "Burn", "Done")
    assert run.trigger == "drop"
    assert (inst.out / "got").read_bytes() == data
    environment = inst.environment_of("Burn", run.run)
    assert environment["FLAGMAN_PAYLOAD_NAME"] == "Image one.ISO"


def test_starting_shows_at_once_and_the_command_waits(inst):
    apache(inst, group="hold: 2s")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Starting", timeout=1.5)
    assert not inst.ran("Restart")
    inst.wait_state("Apache", "Restart", "Running")


def test_every_press_takes_a_fresh_flag(inst):
    apache(inst, actions="- name: Restart\n  command: %ACT% Restart 'exit 0'\n")
    inodes = []
    for count in range(1, 6):
        path = inst.path_of("Apache", "Restart")
        inodes.append(os.open(path, os.O_PATH))
        inst.press_delete("Apache", "Restart")
        inst.wait_ran("Restart", count)
        inst.wait_state("Apache", "Restart", "Done")
    assert len({os.fstat(fd).st_ino for fd in inodes}) == 5
    for fd in inodes:
        assert os.fstat(fd).st_nlink == 0
        os.close(fd)
    assert [r.run for r in inst.ran("Restart")] == [1, 2, 3, 4, 5]


def test_many_objects_at_once(inst):
    """With no hold nothing tells Ctrl-A from ten people: each runs, once."""
    several(inst, 20)
    for n in range(20):
        inst.press_delete(f"App{n}", "Restart")
    for n in range(20):
        inst.wait_ran(f"Restart{n}", 1)
        inst.wait_state(f"App{n}", "Restart", "Done")


def test_objects_do_not_block_each_other(inst):
    inst.define("Other", "- name: Go\n  command: %ACT% Go 'exit 0'\n")
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    inst.press_delete("Other", "Go")
    inst.wait_state("Other", "Go", "Done")
    assert inst.state_of("Apache", "Restart") == "Running"


@pytest.mark.parametrize("folder", [".recycle", ".recycle/alice", ".Trash-1000/files", "#recycle"])
def test_a_move_into_a_trash_folder_is_a_delete(inst, people, folder):
    apache(inst)
    bin_of_the_share = inst.share / folder
    make_writable_directory(bin_of_the_share, inst.share, people)
    path = inst.path_of("Apache", "Restart")
    inst.by("alice", lambda: os.rename(path, bin_of_the_share / path.name))
    assert inst.wait_ran("Restart")[0].trigger == "delete"


def test_trash_in_the_objects_own_directory(inst):
    apache(inst)
    trash = inst.share / "Apache" / ".recycle"
    inst.by("alice", lambda: os.mkdir(trash))
    path = inst.path_of("Apache", "Restart")
    inst.by("alice", lambda: os.rename(path, trash / path.name))
    assert inst.wait_ran("Restart")[0].trigger == "delete"


def test_trash_under_another_name_is_told_apart(inst):
    """Recycle bins keep versions: "Copy #1 of Restart.txt"."""
    apache(inst)
    trash = inst.share / "Apache" / ".recycle"
    inst.by("alice", lambda: os.mkdir(trash))
    path = inst.path_of("Apache", "Restart")
    inst.by("alice", lambda: os.rename(path, trash / "Copy #1 of Restart.txt"))
    inst.wait_ran("Restart")


def test_trash_folders_can_be_named(inst):
    apache(inst, group=QUICK + "\ntrash-folders: [Papierkorb]")
    trash = inst.share / "Apache" / "Papierkorb"
    inst.by("alice", lambda: os.mkdir(trash))
    path = inst.path_of("Apache", "Restart")
    inst.by("alice", lambda: os.rename(path, trash / path.name))
    inst.wait_ran("Restart")


def test_a_share_that_lies_in_a_trash_folder_itself(inst, people):
    """Only where the flag went counts: what it has in common with the share does not."""
    above = inst.share.parent / ".recycle"
    above.mkdir()
    above.chmod(0o755)
    inst.share = above / "share"
    apache(inst)
    elsewhere = above / "elsewhere"
    make_writable_directory(elsewhere, above, people)
    path = inst.path_of("Apache", "Restart")
    inst.by("alice", lambda: os.rename(path, elsewhere / path.name))
    inst.wait_state("Apache", "Restart", "")
    inst.never_ran("Restart", seconds=0.3)


def test_nfs_silly_rename_is_a_delete(inst):
    """An NFS server's client renames what somebody still holds open, and unlinks it later."""
    apache(inst)
    path = inst.path_of("Apache", "Restart")
    silly = path.with_name(".nfs000000000123456700000001")

    def delete():
        os.rename(path, silly)
        os.unlink(silly)
    inst.by("alice", delete)
    inst.wait_ran("Restart")


def test_a_hard_link_kept_elsewhere_changes_nothing(inst):
    apache(inst)
    path = inst.path_of("Apache", "Restart")
    os.link(path, inst.share / "kept")
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart")


def test_case_and_normalisation_of_a_copy(inst):
    """macOS copies under an NFD name; Windows users type what they like."""
    apache(inst, actions="- name: Lösch es\n  command: %ACT% Clear 'exit 0'\n")
    source = inst.path_of("Apache", "Lösch es").read_bytes()
    for count, name in enumerate(("lösch ES.TXT", unicodedata.normalize("NFD", "Lösch es.txt")), 1):
        target = inst.share / "Apache" / "Run" / name

        def copy(target=target):
            target.write_bytes(source)
        inst.by("alice", copy)
        inst.wait_ran("Clear", count)
        inst.wait_state("Apache", "Lösch es", "Done")
    assert os.listdir(inst.share / "Apache" / "Run") == []


def test_a_moved_flag_with_its_moniker_counts(inst):
    """Done is pressed again by dragging "Restart [Done].txt" into Run."""
    apache(inst)
    inst.press_delete("Apache", "Restart")
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    inst.press_move("Apache", "Restart")
    inst.wait_ran("Restart", 2)


def test_run_folder_can_be_renamed_in_the_configuration(inst):
    apache(inst, group=QUICK + "\nrun-folder: Los")
    inst.press_move("Apache", "Restart", run="Los")
    inst.wait_ran("Restart")


def test_only_the_triggers_that_were_asked_for(inst):
    inst.define("Apache", """
        - name: Restart
          command: %ACT% Restart listen
          triggers: [move]
        - name: Stop
          command: %ACT% Stop listen
          triggers: [delete]
    """, group=QUICK)
    inst.start()
    inst.wait_state("Apache", "Restart", "")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "")
    inst.press_move("Apache", "Stop")
    inst.wait_state("Apache", "Stop", "")
    inst.press_move("Apache", "Restart")
    inst.wait_ran("Restart", 1)
    finish(inst)
    inst.wait_state("Apache", "Stop", "")
    inst.press_delete("Apache", "Stop")
    inst.wait_ran("Stop", 1)


def test_with_no_move_trigger_there_is_no_run_folder(inst):
    apache(inst, group=QUICK + "\ntriggers: [delete]")
    inst.wait_board("Apache", ["Restart.txt", "Start.txt", "Status.txt", "Stop.txt"])


@pytest.mark.root
def test_the_group_may_press_and_others_may_not(inst):
    apache(inst)
    with pytest.raises(PermissionError):
        inst.press_delete("Apache", "Restart", who="carol")
    inst.press_delete("Apache", "Restart", who="bob")
    inst.wait_ran("Restart")


@pytest.mark.root
def test_owner_and_mode_of_what_flagman_makes(inst, people):
    apache(inst)
    directory = (inst.share / "Apache").stat()
    assert (directory.st_uid, directory.st_gid) == (0, people.gid)
    assert directory.st_mode & 0o7777 == 0o770
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    flag = inst.path_of("Apache", "Restart").stat()
    assert (flag.st_uid, flag.st_gid, flag.st_mode & 0o7777) == (
        people.uid("agent"), people.gid, 0o640)
    staging = (inst.share / ".flagman" / "staging").stat()
    assert staging.st_uid == people.uid("agent")
    assert staging.st_mode & 0o66 == 0, "nobody lists it; a command may reach its payload"


def test_a_press_on_each_state_that_is_over(inst):
    """Done, Failed and Cancelled are pressed like ready ones."""
    apache(inst, group=QUICK + "\ncancel-by-press: yes")
    inst.press_delete("Apache", "Restart")
    finish(inst, line="exit 3")
    inst.wait_state("Apache", "Restart", "Failed")
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 2)
    inst.wait_state("Apache", "Restart", "Running")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Cancelled")
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 3)
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")


def test_snippet_dropped_while_running_is_a_new_button(inst):
    apache(inst)
    inst.define("Later", "- name: Go\n  command: %ACT% Go 'exit 0'\n")
    wait_for(lambda: (inst.share / "Later" / "Go.txt").exists(), "the new flag", dump=inst.dump)
    inst.press_delete("Later", "Go")
    inst.wait_state("Later", "Go", "Done")


def test_presses_of_one_action_are_counted(inst):
    """Press, end, press: numbers go up by one, nothing is lost or doubled."""
    apache(inst, actions="- name: Restart\n  command: %ACT% Restart 'exit 0'\n",
           group=QUICK + "\nstart-limit-interval: 0")
    for count in range(1, 31):
        inst.press_delete("Apache", "Restart")
        inst.wait_ran("Restart", count)
        inst.wait_state("Apache", "Restart", "Done")
    assert [r.run for r in inst.ran("Restart")] == list(range(1, 31))


def make_writable_directory(path, below, people):
    """PATH and what is missing above it, up to BELOW, for the group to write."""
    path.mkdir(parents=True)
    while path != below:
        if people.root:
            os.chown(path, -1, people.gid)
        path.chmod(0o2770)
        path = path.parent


def run_is_empty(inst):
    wait_for(lambda: os.listdir(inst.share / "Apache" / "Run") == [], "Run is empty",
             dump=inst.dump)
