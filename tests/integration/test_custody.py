# SPDX-License-Identifier: GPL-2.0-or-later
"""Payloads: when they are taken, who can read them, and that nothing of anybody's is lost."""

import os
import stat

import pytest
from boards import QUICK
from lib.waiting import stays, wait_for

DROP = "drop: {folder: In, accept: ['*.war', '*.iso'], settle: 150ms}"


def app(inst, drop=DROP, shell="cat \"$FLAGMAN_PAYLOAD\" >%OUT%/got", keys=""):
    inst.define("App", f"- name: Deploy\n  command: %ACT% Deploy '{shell}'\n  {drop}\n{keys}",
                group=QUICK)
    inst.start()
    inst.wait_state("App", "Deploy", "")
    return inst.share / "App" / "In"


def folder(inst):
    return sorted(os.listdir(inst.share / "App" / "In"))


def not_accepted(inst, name):
    """It stays, with a note beside it, and nothing ran."""
    def noted():
        return {name, f"{name} [Not accepted].txt"} <= set(folder(inst))
    wait_for(noted, f"{name} is not accepted", dump=inst.dump)
    assert not inst.ran("Deploy")


def a_good_one_still_works(inst):
    inst.drop("App", "In", "good.war", b"good")
    inst.wait_ran("Deploy", 1)
    inst.wait_state("App", "Deploy", "Done")
    assert (inst.out / "got").read_bytes() == b"good"


def returned(inst, name="shop.war"):
    return inst.share / "App" / "In" / "Returned" / name


def test_it_comes_back_after_success(inst):
    app(inst)
    inst.drop("App", "In", "shop.war", b"content")
    inst.wait_state("App", "Deploy", "Done")
    wait_for(lambda: returned(inst).read_bytes() == b"content", "it is returned", dump=inst.dump)
    wait_for(lambda: folder(inst) == ["Returned"], "the folder is empty", dump=inst.dump)


def test_after_delete(inst):
    app(inst, drop=DROP[:-1] + ", after: delete}")
    inst.drop("App", "In", "shop.war", b"content")
    inst.wait_state("App", "Deploy", "Done")
    wait_for(lambda: folder(inst) == [], "it is gone", dump=inst.dump)
    staging = inst.share / ".flagman" / "staging"
    wait_for(lambda: not any(b"content" in p.read_bytes() for p in staging.iterdir()
                             if p.is_file()), "from custody too", dump=inst.dump)


def test_a_failure_keeps_it_and_a_press_tries_again(inst):
    app(inst, shell="test -e %OUT%/mended && cat \"$FLAGMAN_PAYLOAD\" >%OUT%/got")
    inst.drop("App", "In", "shop.war", b"content")
    inst.wait_state("App", "Deploy", "Failed")
    assert not returned(inst).exists()
    inst.by("runner" if inst.people.root else "alice",
            lambda: (inst.out / "mended").write_text("") and None)
    inst.press_delete("App", "Deploy")
    inst.wait_ran("Deploy", 2)
    inst.wait_state("App", "Deploy", "Done")
    assert (inst.out / "got").read_bytes() == b"content"
    assert inst.environment_of("Deploy", inst.ran("Deploy")[1].run)["FLAGMAN_PAYLOAD_NAME"] == (
        "shop.war")


def test_a_new_one_takes_the_place_of_one_that_failed(inst):
    app(inst, shell="exit 1")
    for n in range(3):
        inst.drop("App", "In", f"{n}.war", b"content")
        inst.wait_ran("Deploy", n + 1)
        inst.wait_state("App", "Deploy", "Failed")
    wait_for(lambda: folder(inst) == ["Returned"] and returned(inst, "1.war").exists(),
             "the others are returned", dump=inst.dump)


def test_keep_failed(inst):
    app(inst, drop=DROP[:-1] + ", keep-failed: 500ms}", shell="exit 1")
    inst.drop("App", "In", "shop.war", b"content")
    inst.wait_state("App", "Deploy", "Failed")
    wait_for(lambda: returned(inst).read_bytes() == b"content", "it is returned", dump=inst.dump)


def test_several_queue_oldest_first(inst):
    app(inst, shell="cat \"$FLAGMAN_PAYLOAD\" >>%OUT%/all")
    for n in range(4):
        inst.drop("App", "In", f"{9 - n}.war", f"{n}\n")
        os.utime(inst.share / "App" / "In" / f"{9 - n}.war", (1e9 + n, 1e9 + n))
    inst.wait_ran("Deploy", 4)
    inst.wait_state("App", "Deploy", "Done")
    assert sorted((inst.out / "all").read_text().split()) == ["0", "1", "2", "3"]


@pytest.mark.root
def test_only_its_command_can_read_it(inst, people):
    app(inst, shell="stat -c \"%u %a %h\" \"$FLAGMAN_PAYLOAD\" >%OUT%/stat; "
                    "(echo x >>\"$FLAGMAN_PAYLOAD\") 2>%OUT%/error; true")
    inst.drop("App", "In", "shop.war", b"content")
    inst.wait_state("App", "Deploy", "Done")
    uid, mode, links = (inst.out / "stat").read_text().split()
    assert int(mode, 8) & 0o077 == 0 and links == "1"
    wait_for(lambda: returned(inst).read_bytes() == b"content", "unchanged", dump=inst.dump)


@pytest.mark.root
def test_a_returned_file_can_be_taken_by_the_group(inst):
    app(inst)
    inst.drop("App", "In", "shop.war", b"content")
    inst.wait_state("App", "Deploy", "Done")
    wait_for(returned(inst).exists, "it is returned", dump=inst.dump)
    assert inst.by("bob", lambda: returned(inst).read_text()) == "content"
    inst.by("bob", returned(inst).unlink)


# --- what waits ---

def test_an_open_writer_is_waited_for(inst):
    app(inst)
    with open(inst.share / "App" / "In" / "shop.war", "wb") as upload:
        upload.write(b"first ")
        upload.flush()
        inst.wait_state("App", "Deploy", "Receiving")
        stays(lambda: not inst.ran("Deploy"), "it waits for the writer", 0.6, inst.dump)
        upload.write(b"second")
    inst.wait_state("App", "Deploy", "Done")
    assert (inst.out / "got").read_bytes() == b"first second"


def test_an_upload_that_begins_empty_is_shown(inst):
    """Every upload does: it is created, and written for minutes."""
    app(inst)
    with open(inst.share / "App" / "In" / "shop.war", "wb", buffering=0) as upload:
        stays(lambda: not inst.ran("Deploy"), "empty", 0.5, inst.dump)
        upload.write(b"content")
        inst.wait_state("App", "Deploy", "Receiving")
    inst.wait_state("App", "Deploy", "Done")


def test_a_partial_name_is_waited_for(inst):
    """A browser downloads into the share, and renames."""
    path = app(inst)
    inst.drop("App", "In", "shop.war.part", b"content")
    stays(lambda: not inst.ran("Deploy"), "it waits for the name", 0.5, inst.dump)
    inst.by("alice", lambda: os.rename(path / "shop.war.part", path / "shop.war"))
    inst.wait_state("App", "Deploy", "Done")
    assert (inst.out / "got").read_bytes() == b"content"


def test_an_empty_file_is_waited_for(inst):
    """Taken at the first close, an upload was 0 bytes."""
    path = app(inst)
    inst.drop("App", "In", "shop.war", b"")
    stays(lambda: not inst.ran("Deploy"), "it waits for content", 0.5, inst.dump)
    inst.by("alice", lambda: (path / "shop.war").write_text("content") and None)
    inst.wait_state("App", "Deploy", "Done")


def test_each_write_starts_the_settling_again(inst):
    path = app(inst, drop=DROP.replace("150ms", "1s"))
    for n in range(4):
        inst.by("alice", lambda n=n: write_more(path / "shop.war", f"{n}"))
        stays(lambda: not inst.ran("Deploy"), "not settled", 0.5, inst.dump)
    inst.wait_state("App", "Deploy", "Done")
    assert (inst.out / "got").read_text() == "0123"


def write_more(path, text):
    with open(path, "a", encoding="ascii") as f:
        f.write(text)


# --- what is not accepted ---

def test_a_wrong_name(inst):
    app(inst)
    inst.drop("App", "In", "shop.zip", b"content")
    not_accepted(inst, "shop.zip")
    a_good_one_still_works(inst)
    assert (inst.share / "App" / "In" / "shop.zip").read_bytes() == b"content"


def test_the_note_goes_with_its_file(inst):
    app(inst)
    path = inst.drop("App", "In", "shop.zip", b"content")
    not_accepted(inst, "shop.zip")
    inst.by("alice", path.unlink)
    wait_for(lambda: "shop.zip [Not accepted].txt" not in folder(inst), "the note is gone",
             dump=inst.dump)


def test_too_large(inst):
    app(inst, drop=DROP[:-1] + ", max-size: 10B}")
    inst.drop("App", "In", "shop.war", b"x" * 11)
    not_accepted(inst, "shop.war")
    a_good_one_still_works(inst)


def test_max_total(inst):
    """Of what lies in the folder and waits; what was taken no longer counts."""
    inst.define("App", f"- name: Deploy\n  command: %ACT% Deploy 'exit 0'\n"
                       f"  {DROP[:-1]}, max-total: 10B}}\n"
                       "- name: Other\n  command: %ACT% Other listen\n", group=QUICK)
    inst.start()
    inst.wait_state("App", "Other", "")
    inst.drop("App", "In", "alone.war", b"x" * 11)
    not_accepted(inst, "alone.war")
    inst.by("alice", (inst.share / "App" / "In" / "alone.war").unlink)
    wait_for(lambda: folder(inst) == [], "the note is gone too", dump=inst.dump)
    inst.drop("App", "In", "one.war", b"x" * 10)
    inst.wait_ran("Deploy", 1)
    inst.wait_state("App", "Deploy", "Done")
    inst.drop("App", "In", "two.war", b"x" * 10)
    inst.wait_ran("Deploy", 2)
    inst.wait_state("App", "Deploy", "Done")
    assert folder(inst) == ["Returned"]


def test_max_total_of_several(inst):
    """The one that came first is taken, the one that is too much stays until there is room."""
    path = app(inst, drop=DROP.replace("150ms", "2s")[:-1] + ", max-total: 10B}")
    inst.drop("App", "In", "first.war", b"x" * 6)
    inst.wait_state("App", "Deploy", "Receiving")
    inst.drop("App", "In", "second.war", b"y" * 6)
    wait_for(lambda: "second.war [Not accepted].txt" in folder(inst), "the second is too much",
             dump=inst.dump)
    note = path / "second.war [Not accepted].txt"
    assert "at most 10 bytes at a time" in " ".join(note.read_text().split())
    assert "first.war [Not accepted].txt" not in folder(inst)
    inst.wait_ran("Deploy", 1)
    wait_for(lambda: (inst.out / "got").read_bytes() == b"x" * 6, "the first", dump=inst.dump)


def test_what_is_refused_is_in_nobodys_way(inst):
    """Not for its name, nor because it alone is too much."""
    app(inst, drop=DROP[:-1] + ", max-total: 10B}")
    for name in ("notes.txt", "large.war"):
        inst.drop("App", "In", name, b"x" * 11)
        not_accepted(inst, name)
    inst.drop("App", "In", "good.war", b"x" * 10)
    inst.wait_ran("Deploy", 1)
    inst.wait_state("App", "Deploy", "Done")


def test_case_of_the_pattern_is_ignored(inst):
    app(inst)
    inst.drop("App", "In", "SHOP.WAR", b"content")
    inst.wait_ran("Deploy", 1)


def test_a_symlink(inst):
    path = app(inst)
    secret = inst.root / "secret"
    secret.write_text("secret")
    inst.by("alice", lambda: os.symlink(secret, path / "shop.war"))
    a_good_one_still_works(inst)
    assert secret.read_text() == "secret"


def test_a_hard_link(inst):
    """Somebody else's file that anybody may write: protected_hardlinks allows that link."""
    path = app(inst)
    victim = inst.share / "victim"
    victim.write_text("of somebody else")
    victim.chmod(0o666)
    before = victim.stat()
    inst.by("alice", lambda: os.link(victim, path / "shop.war"))
    not_accepted(inst, "shop.war")
    a_good_one_still_works(inst)
    after = victim.stat()
    assert (before.st_uid, before.st_mode) == (after.st_uid, after.st_mode)


@pytest.mark.parametrize("kind", ["fifo", "directory", "socket"])
def test_other_kinds_of_file(inst, kind):
    path = app(inst) / "shop.war"
    make = {"fifo": lambda: os.mkfifo(path),
            "directory": lambda: os.mkdir(path),
            "socket": lambda: os.mknod(path, stat.S_IFSOCK | 0o666)}[kind]
    inst.by("alice", make)
    a_good_one_still_works(inst)
    assert path.exists()


@pytest.mark.parametrize("name", ["-rf.war", "a b;c$(id)`id`.war", "new\nline.war", "..war",
                                  "\u202egnp.war", "x" * 200 + ".war"])
def test_names_with_teeth(inst, name):
    """Handed on as they are, in one piece, or not accepted; never more than a name."""
    app(inst)
    inst.drop("App", "In", name, b"content")

    def settled():
        return inst.ran("Deploy") or any("[Not accepted]" in n for n in folder(inst))
    wait_for(settled, "taken or refused", dump=inst.dump)
    for run in inst.ran("Deploy"):
        assert inst.environment_of("Deploy", run.run)["FLAGMAN_PAYLOAD_NAME"] == name


def test_a_name_that_is_not_utf8(inst):
    path = app(inst)
    raw = os.fsencode(path) + b"/\xff\xfe.war"

    def put():
        with open(raw, "wb") as f:
            f.write(b"content")
    inst.by("alice", put)
    a_good_one_still_works(inst)
    assert os.path.exists(raw) or len(inst.ran("Deploy")) == 2


def test_litter_in_a_drop_folder(inst):
    app(inst)
    for name in (".DS_Store", "._shop.war", "Thumbs.db", "desktop.ini"):
        inst.drop("App", "In", name, b"litter")
    a_good_one_still_works(inst)
    assert not [n for n in folder(inst) if "[Not accepted]" in n]


# --- while it is under way ---

def test_it_is_replaced_while_it_settles(inst):
    path = app(inst, drop=DROP.replace("150ms", "500ms"))
    inst.drop("App", "In", "shop.war", b"old")
    inst.drop("App", "In", "other.war.part", b"new")
    inst.by("alice", lambda: os.rename(path / "other.war.part", path / "shop.war"))
    inst.wait_state("App", "Deploy", "Done")
    assert (inst.out / "got").read_bytes() == b"new"
    inst.wait_ran("Deploy", 1)


def test_a_writer_that_kept_its_handle_changes_nothing(inst):
    """The dropper keeps a descriptor from before: its writes make us wait, or come too late."""
    path = app(inst)
    (path / "shop.war").touch()
    (path / "shop.war").chmod(0o666)
    with open(path / "shop.war", "r+b", buffering=0) as kept:
        kept.write(b"honest")
        stays(lambda: not inst.ran("Deploy"), "a writer has it open", 0.6, inst.dump)
    inst.wait_state("App", "Deploy", "Done")
    assert (inst.out / "got").read_bytes() == b"honest"


def test_an_o_path_descriptor_opens_nothing_later(inst):
    """Kept while it was one's own, reopened through /proc when it is in custody."""
    path = app(inst, shell="cat \"$FLAGMAN_PAYLOAD\" >%OUT%/got; read -r go <%OUT%/go")
    os.mkfifo(inst.out / "go")
    (inst.out / "go").chmod(0o666)

    def attack():
        with open(path / "shop.war", "wb") as f:
            f.write(b"honest")
        return None
    inst.by("alice", attack)
    kept = os.open(path / "shop.war", os.O_PATH)
    inst.wait_ran("Deploy", 1)

    def reopen():
        with open(f"/proc/self/fd/{kept}", "r+b") as f:
            f.write(b"HACKED")
    if inst.people.root:
        with pytest.raises(PermissionError):
            inst.by("alice", reopen)
    with open(inst.out / "go", "w", encoding="ascii") as f:
        f.write("go\n")
    inst.wait_state("App", "Deploy", "Done")
    wait_for(lambda: returned(inst).read_bytes() == b"honest", "unchanged", dump=inst.dump)
    os.close(kept)


def test_a_drop_while_the_object_is_busy_waits(inst):
    inst.define("App", f"- name: Deploy\n  command: %ACT% Deploy 'exit 0'\n  {DROP}\n"
                       "- name: Other\n  command: %ACT% Other listen\n", group=QUICK)
    inst.start()
    inst.wait_state("App", "Other", "")
    inst.press_delete("App", "Other")
    inst.wait_state("App", "Other", "Running")
    inst.drop("App", "In", "shop.war", b"content")
    stays(lambda: not inst.ran("Deploy"), "busy", 0.5, inst.dump)
    inst.tell("Other", "exit 0")
    inst.wait_ran("Deploy", 1)
    inst.wait_state("App", "Deploy", "Done")


def test_a_payload_outlives_a_restart(inst):
    """Dropped while flagman was down: it is a press of now, for the payload is there."""
    app(inst)
    inst.stop()
    inst.drop("App", "In", "shop.war", b"content")
    inst.start()
    inst.wait_state("App", "Deploy", "Done")
    inst.wait_ran("Deploy", 1)
    assert (inst.out / "got").read_bytes() == b"content"
    wait_for(lambda: returned(inst).read_bytes() == b"content", "it is returned", dump=inst.dump)


@pytest.mark.parametrize("role", ["agent", "executor"])
def test_killed_while_the_payload_is_used(inst, role):
    app(inst, shell="read -r go <%OUT%/go; cat \"$FLAGMAN_PAYLOAD\" >%OUT%/got")
    os.mkfifo(inst.out / "go")
    (inst.out / "go").chmod(0o666)
    inst.drop("App", "In", "shop.war", b"content")
    inst.wait_ran("Deploy", 1)
    inst.kill(role)
    if inst.process.poll() is not None:
        inst.start()
    inst.wait_state("App", "Deploy", "Running")
    with open(inst.out / "go", "w", encoding="ascii") as f:
        f.write("go\n")
    inst.wait_state("App", "Deploy", "Done")
    assert (inst.out / "got").read_bytes() == b"content"
    wait_for(lambda: returned(inst).read_bytes() == b"content", "it is returned", dump=inst.dump)
    inst.wait_ran("Deploy", 1)
