# SPDX-License-Identifier: GPL-2.0-or-later
"""samba.conf, which flagmand keeps for smb.conf to include, and a real smbd that includes it."""

import os
import subprocess

import pytest
from boards import QUICK
from lib.smb import SessionError
from lib.waiting import stays, wait_for

GO = "- name: Go\n  command: %ACT% Go 'exit 0'\n"
DROP = "- name: In\n  command: %ACT% In 'exit 0'\n  drop: {folder: In, accept: ['*.iso']}\n"


class Kept:
    """The file, as flagmand keeps it."""

    def __init__(self, inst):
        self.inst = inst
        self.path = inst.state / "samba.conf"

    @property
    def text(self):
        return self.path.read_text(encoding="utf-8")

    def identity(self):
        info = self.path.stat()
        return info.st_ino, info.st_mtime_ns

    def wait(self, *words):
        """Until it is there and has all of WORDS."""
        def has():
            return self.path.exists() and all(word in self.text for word in words)
        wait_for(has, f"samba.conf has {words}", dump=self.inst.dump)
        return self.text

    def sections(self):
        return [line for line in self.text.splitlines() if line.startswith("[")]


@pytest.fixture
def kept(inst):
    return Kept(inst)


def reload_saved(inst):
    """A reload whose chores, of which the file is the last, have begun."""
    saved = inst.state / "last-good.yaml"
    before = saved.stat().st_mtime_ns
    inst.reload()
    wait_for(lambda: saved.exists() and saved.stat().st_mtime_ns != before,
             "the configuration is saved", dump=inst.dump)


def parameter(conf, section, key):
    """Its value; None: the section has none of its own, or Samba no default."""
    done = subprocess.run(["testparm", "-s", "--suppress-prompt", f"--section-name={section}",
                           f"--parameter-name={key}", str(conf)], capture_output=True, text=True,
                          check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def second_path(inst, name="more"):
    path = inst.root / name
    path.mkdir(mode=0o755)
    return path


# --- the file ---

def test_it_has_what_flagman_samba_prints(inst, kept):
    inst.define("Apache", GO)
    inst.start()
    kept.wait("[share]")
    printed = inst.cli("--conf-dir", str(inst.conf), "samba", check=0).stdout
    assert printed.endswith("\n") and "[share]" in printed
    head, empty, sections = kept.text.partition("\n\n")
    assert empty and sections == printed
    assert all(line.startswith("# ") for line in head.splitlines()) and "include =" in head
    assert kept.path.stat().st_mode & 0o7777 == 0o644
    assert kept.path.stat().st_uid == os.geteuid()
    assert not (inst.state / "samba.conf.new").exists()


def test_it_follows_the_configuration(inst, kept):
    inst.start()
    text = kept.wait("no object")
    assert all(not line or line.startswith("#") for line in text.splitlines())
    inst.define("Apache", GO)
    kept.wait("[share]", "/.flagman/._*/.DS_Store/")
    inst.define("Apache", DROP)
    kept.wait("veto files = /.flagman/\n")
    inst.define("DVD", GO, path=second_path(inst))
    kept.wait("[share]", "[more]")
    (inst.conf / "apache.yaml").unlink()
    wait_for(lambda: kept.sections() == ["[more]"], "its share is gone", dump=inst.dump)


def test_what_says_the_same_is_not_written(inst, kept):
    inst.define("Apache", GO)
    inst.start()
    kept.wait("[share]")
    before = kept.identity()
    reload_saved(inst)
    inst.define("DVD", GO)  # the same share
    inst.wait_state("DVD", "Go", "")
    reload_saved(inst)
    stays(lambda: kept.identity() == before, "samba.conf is as it was", 0.3, inst.dump)
    inst.restart()
    reload_saved(inst)
    stays(lambda: kept.identity() == before, "samba.conf is as it was", 0.3, inst.dump)


@pytest.mark.parametrize("spoil", [
    lambda path: path.write_text("[share]\n  path = /\n", encoding="utf-8"),
    lambda path: path.chmod(0o666),
    lambda path: path.unlink(),
    lambda path: (path.rename(path.with_name("kept")), path.symlink_to("kept")),
    lambda path: path.with_name("samba.conf.new").symlink_to("last-good.yaml") or path.unlink(),
], ids=["edited", "open to others", "removed", "a symlink", "a left-over that leads elsewhere"])
def test_it_is_mended(inst, kept, spoil):
    inst.define("Apache", GO)
    inst.start()
    good = kept.wait("[share]")
    saved = (inst.state / "last-good.yaml").read_text(encoding="utf-8")
    spoil(kept.path)
    inst.reload()

    def mended():
        return (kept.path.exists() and not kept.path.is_symlink() and kept.text == good
                and kept.path.stat().st_mode & 0o7777 == 0o644)
    wait_for(mended, "samba.conf is mended", dump=inst.dump)
    assert (inst.state / "last-good.yaml").read_text(encoding="utf-8") == saved


def test_what_cannot_be_written_is_said_once_and_kills_nothing(inst, kept):
    kept.path.mkdir()
    inst.define("Apache", GO, group=QUICK)
    inst.start()
    inst.wait_log(r"can't write \S+/samba.conf, which smb.conf may include: Is a directory")
    reload_saved(inst)
    inst.press_delete("Apache", "Go")
    inst.wait_ran("Go")
    reload_saved(inst)
    stays(lambda: inst.log().count("can't write") == 1, "it was said once", 0.3, inst.dump)
    assert not (inst.state / "samba.conf.new").exists()
    kept.path.rmdir()
    inst.reload()
    kept.wait("[share]")


def test_what_samba_would_misread_is_left_out(inst, kept):
    for name in ("50%u", "two  blanks"):
        inst.define(f"In {name[:2]}", GO, path=f"'{second_path(inst, name)}'")
    inst.define("Apache", GO)
    inst.start()
    kept.wait("[share]")
    assert kept.sections() == ["[share]"]
    assert f"# No share for {inst.root}/50%u: it has a %" in kept.text
    inst.wait_log("no share in samba.conf for .*/two  blanks: it has blanks")
    inst.wait_log("no share in samba.conf for .*/50%u: it has a %")


def test_an_ordinary_user_has_it_too(theirs):
    theirs.define("Apache", GO)
    theirs.start()
    Kept(theirs).wait("[share]", f"valid users = @{theirs.people.group}")


# --- smbd ---

@pytest.fixture
def including(inst, kept, smbd):
    """An smbd whose smb.conf has the one line and nothing else of flagman's; both started."""
    inst.define("Apache", GO, group=QUICK)
    inst.start()
    kept.wait("[share]")
    smbd.end = [f"include = {kept.path}"]
    smbd.start()
    assert smbd.testparm() == ""
    return smbd


def test_the_line_is_all_that_smbd_needs(inst, including):
    including.client().run("share", 'del "Apache/Go.txt"')
    inst.wait_ran("Go")


def test_a_snippet_that_comes_later_has_its_share(inst, kept, including):
    """Nobody tells smbd: it looks at the file by itself, for each connection that is new."""
    conf = including.conf.read_bytes()
    with pytest.raises(SessionError, match="BAD_NETWORK_NAME"):
        including.session("more")
    inst.define("DVD", "- name: Later\n  command: %ACT% Later 'exit 0'\n", group=QUICK,
                path=second_path(inst))
    kept.wait("[more]")
    wait_for((inst.root / "more/DVD/Later.txt").exists, "the flag is there", dump=inst.dump)
    including.client().run("more", 'del "DVD/Later.txt"')
    inst.wait_ran("Later")
    assert including.conf.read_bytes() == conf and including.testparm() == ""


def test_a_connection_that_stands_sees_it_when_told(inst, kept, including):
    session = including.session("share")
    inst.define("DVD", GO, path=second_path(inst))
    kept.wait("[more]")
    with pytest.raises(SessionError, match="BAD_NETWORK_NAME"):
        session.smb.connectTree("more")
    subprocess.run(["smbcontrol", "-s", str(including.conf), "smbd", "reload-config"], check=True)

    def connects():
        try:
            return session.smb.connectTree("more")
        except SessionError:
            return None
    wait_for(connects, "it is served where a connection stood", dump=including.log)


def test_settings_of_ones_own(kept, including, test_dir):
    """They are in a file below /etc/samba, which is another one here."""
    assert "    include = /etc/samba/flagman-share.conf\n" in kept.text
    elsewhere = test_dir / "with-own.conf"
    elsewhere.write_text(kept.text.replace("/etc/samba/", f"{test_dir}/"), encoding="utf-8")
    including.end = [f"include = {elsewhere}"]
    including.reload()
    assert including.testparm() == ""
    assert including.client().list("share", ".") == ["Apache"]  # and the file is missing
    own = test_dir / "flagman-share.conf"
    own.write_text("# ours\ncomment = ours\nfull_audit:syslog = false\nhosts allow = 127.0.0.9\n"
                   "hosts deny = ALL\n", encoding="utf-8")
    assert including.testparm() == ""
    for key, value in (("comment", "ours"), ("full_audit:syslog", "false"),
                       ("full_audit:success", "unlinkat renameat"), ("oplocks", "No"),
                       ("path", str(kept.inst.share))):
        assert parameter(including.conf, "share", key) == value, key
    with pytest.raises(SessionError, match="ACCESS_DENIED"):
        including.session("share")


def test_another_section_of_the_name_is_no_place_for_them(including):
    """What samba/README warns of: this is smbd's way, not ours."""
    assert parameter(including.conf, "share", "full_audit:success") == "unlinkat renameat"
    including.end += ["[SHARE]", "    comment = ours"]
    including.reload()
    assert parameter(including.conf, "share", "comment") == "ours"
    assert parameter(including.conf, "share", "oplocks") == "No"
    assert parameter(including.conf, "share", "full_audit:success") is None


def test_two_directories_of_one_name_are_two_shares(inst, kept, including):
    other = second_path(inst, "other") / "SHARE"
    other.mkdir(mode=0o755)
    inst.define("DVD", "- name: Eject\n  command: %ACT% Eject 'exit 0'\n", path=other, group=QUICK)
    kept.wait("other-SHARE]")
    names = [line[1:-1] for line in kept.sections()]
    assert len(names) == 2 and {parameter(including.conf, n, "path") for n in names} == {
        str(inst.share), str(other)}
    (theirs,) = [n for n in names if n.endswith("-other-SHARE")]
    wait_for((other / "DVD/Eject.txt").exists, "the flag is there", dump=inst.dump)
    assert including.client().list(theirs, ".") == ["DVD"]


def test_a_file_without_a_share(inst, kept, smbd):
    inst.start()
    kept.wait("no object")
    smbd.end = [f"include = {kept.path}"]
    smbd.start()
    assert smbd.testparm() == ""


def test_smb_conf_before_flagmand_was_ever_started(inst, kept, smbd):
    smbd.end = [f"include = {kept.path}"]
    smbd.start()
    assert smbd.testparm() == "" and not kept.path.exists()
    inst.define("Apache", GO)
    inst.start()
    kept.wait("[share]")
    wait_for((inst.share / "Apache/Status.txt").exists, "it is made", dump=inst.dump)
    assert smbd.client().list("share", ".") == ["Apache"]


def test_who_removes_flagman_still_has_what_people_put_there(inst, kept, including):
    """flagmand --withdraw takes the flags; the share is the administrator's to end."""
    before = kept.identity()
    (inst.share / "Theirs.txt").write_text("x", encoding="utf-8")
    inst.stop()
    inst.arguments = ["--withdraw"]
    inst.start(wait=False)
    wait_for(lambda: inst.process.poll() is not None, "it ends", dump=inst.dump)
    assert inst.process.returncode == 0 and kept.identity() == before
    assert including.client().list("share", ".") == ["Theirs.txt"]
