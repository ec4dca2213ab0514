# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman doctor: each thing that it can find, found; and nothing where all is well.

Here are configuration, directories, limits and people; test_doctor_*.py have the rest.
"""

import os
import stat
import subprocess
import time

import pytest

from network_mount import network_mount
from snippets import GROUP, PRESSER, ROOT, USER, shipped


def test_all_is_well(patient):
    findings, unseen = patient.prepare().look()
    assert findings == []
    if ROOT:
        assert unseen == []
        done = patient.cli("doctor", "--smb-conf", patient.smb_conf)
        assert done.stdout == "all is well\n"


def test_one_line_each(patient):
    patient.prepare()
    patient.options["oplocks"] = "yes"
    patient.options["read only"] = "yes"
    patient.look()
    lines = patient.cli("doctor", "--smb-conf", patient.smb_conf, status=1).stdout.splitlines()
    assert lines[0].startswith("share: [flags] has oplocks = yes") and "oplocks = no" in lines[0]
    assert [line for line in lines if line.endswith("things to mend")] == ["2 things to mend"]


# --- the configuration ---

def test_mistakes(patient):
    patient.prepare().cli.snippet("bad.yaml", "object: Bad\nnonsense: yes\n")
    findings, _ = patient.look()
    assert any(area == "configuration" and "bad.yaml:2:1: " in message
               for area, message, _ in findings)


def test_conf_dir_that_others_may_write(patient):
    patient.prepare().cli.conf_dir.chmod(0o777)
    findings, _ = patient.look()
    assert any("others may write to" in message and "chmod go-w" in (advice or "")
               for _, message, advice in findings)


@pytest.mark.root
def test_conf_dir_that_belongs_to_somebody(patient):
    os.chown(patient.prepare().cli.conf_dir, 65534, -1)
    findings, _ = patient.look()
    assert any("belongs to nobody" in message for _, message, _ in findings)


def test_no_configuration(patient, cli):
    cli.conf_dir.rmdir()
    area, message, advice = patient.only()
    assert area == "configuration" and message.endswith("No such file or directory")
    assert advice.startswith(f"mkdir -p '{cli.conf_dir}'; then flagman new")


@pytest.mark.parametrize("who", ["nosuchuser", "54321"])
def test_command_of_nobody(patient, who):
    """Who has no entry in passwd(5) has no home and no groups."""
    patient.prepare()
    path = patient.cli.conf_dir / "apache.yaml"
    path.write_text(path.read_text().replace("{name: Go,", f"{{name: Go, user: '{who}',"))
    assert any(area == "configuration" and f'there is no user "{who}"' in message
               for area, message, _ in patient.look()[0])


def test_directory_of_conf_d_that_others_may_write(patient):
    patient.prepare().cli.conf_dir.parent.chmod(0o775)
    area, message, advice = patient.only()
    assert area == "configuration" and "others may write to" in message
    assert advice == f"chmod go-w '{patient.cli.conf_dir.parent}'"


def test_snippet_that_others_may_write(patient):
    (patient.prepare().cli.conf_dir / "apache.yaml").chmod(0o666)
    assert any(area == "configuration" and "apache.yaml" in message and "chmod go-w" in message
               for area, message, _ in patient.look()[0])


TEXT = f"object: Other\naction-group:\n  {USER}\n"


@pytest.mark.parametrize("name", ["other.yml.txt", "other.conf", "other.YAML", "other.yaml~",
                                  "other"])
def test_snippet_that_is_never_read(patient, name):
    patient.prepare().cli.snippet(name, TEXT)
    conf = patient.cli.conf_dir
    assert patient.only() == (
        "configuration", f"{conf}/{name} is never read: its name has to end in .yaml or .yml",
        f"mv '{conf}/{name}' '{conf}/other.yaml'")


def test_snippet_in_the_wrong_place(patient):
    etc, conf = patient.prepare().cli.conf_dir.parent, patient.cli.conf_dir
    (etc / "other.yaml").write_text(TEXT)
    (conf / "more").mkdir(mode=0o755)
    (conf / "more" / "third.yml").write_text("# Windows\n\ufeff" + TEXT)
    messages = {(message, advice) for _, message, advice in patient.look()[0]}
    assert messages == {
        (f"{etc}/other.yaml is never read: snippets have to be in conf.d itself",
         f"mv '{etc}/other.yaml' '{conf}/other.yaml'"),
        (f"{conf}/more/third.yml is never read: snippets have to be in conf.d itself",
         f"mv '{conf}/more/third.yml' '{conf}/third.yaml'")}


def test_settings_that_are_never_read(patient):
    etc = patient.prepare().cli.conf_dir.parent
    (etc / "flagman.yml").write_text("max-runs: 10\n")
    assert patient.only()[1:] == (
        f"{etc}/flagman.yml is never read: its name has to be flagman.yaml",
        f"mv '{etc}/flagman.yml' '{etc}/flagman.yaml'")


@pytest.mark.parametrize("name,text", [
    ("apache.yaml~", TEXT), (".other.yaml.swp", TEXT), ("other.yaml.dpkg-new", TEXT),
    ("other.yaml.disabled", TEXT), ("other.yaml.bak", TEXT), ("#other.yaml#", TEXT),
    ("README", TEXT), ("notes.txt", "buy an object: milk\n")])
def test_what_is_no_snippet(patient, name, text):
    patient.prepare().cli.snippet(name, text)
    assert patient.look()[0] == []


# --- directories ---

def test_directory_with_the_wrong_mode(patient):
    patient.prepare().object.chmod(0o777)
    area, message, _ = patient.only()
    assert area == "directory" and "has mode 0777, not 0770" in message


@pytest.mark.root
def test_directory_with_the_wrong_owner(patient):
    os.chown(patient.prepare().object, 65534, 65534)
    messages = [message for _, message, _ in patient.look()[0]]
    assert any("belongs to nobody, not root" in m for m in messages)
    assert any(f"has group nogroup, not {GROUP}" in m for m in messages)


def test_directory_that_is_not_there(patient):
    (patient.prepare().object / "Go.txt").unlink()
    patient.object.rmdir()
    patient.agent.actions[0].state = 1
    assert "Apache: No such file" in patient.only()[1]
    patient.share.rmdir()
    assert "does not exist" in patient.only()[1]


def test_something_else_in_its_place(patient):
    (patient.prepare().object / "Go.txt").unlink()
    patient.object.rmdir()
    patient.object.symlink_to("/tmp")
    patient.agent.actions[0].state = 1
    assert "is no directory" in patient.only()[1]


def test_share_that_everybody_may_write(patient):
    patient.prepare().share.chmod(0o777)
    findings, _ = patient.look()
    assert any(str(patient.share) in message for _, message, _ in findings), findings


@pytest.mark.root
def test_directory_on_a_network(patient):
    patient.prepare()
    with network_mount(patient.share):
        findings, _ = patient.look()
    assert ("directory",
            f"{patient.share} is on FUSE: what other machines do there is not seen here",
            "run flagman on the machine that has the disk, and smbd beside it") in findings


@pytest.mark.root
def test_directory_that_is_mounted_read_only(patient):
    patient.prepare()
    share = str(patient.share)
    subprocess.run(["mount", "--bind", share, share], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", share], check=True)
        assert patient.only() == (
            "directory", f"{share} is mounted read-only, so no flag can change",
            "remount it read-write")
    finally:
        subprocess.run(["umount", "--lazy", share], check=True)


@pytest.mark.root
def test_file_system_without_what_is_needed(patient):
    """ramfs has neither birth times nor attributes of that kind."""
    patient.options.update(shipped("press-only"))
    patient.prepare(access="press-only")
    (patient.object / "Go.txt").unlink()
    patient.object.rmdir()
    made = (f"mkdir -m 755 {patient.object}; touch {patient.object}/Go.txt; "
            f"chown {patient.watcher()}:{patient.gid()} {patient.object}")
    findings = patient.of(
        "directory", sick=f"mount -t ramfs none {patient.share}; chmod 755 {patient.share}; {made}")
    assert any("has no birth times" in m and "ext4" in a for m, a in findings)
    assert any("has no attributes such as security.NTACL" in m for m, _ in findings)


def mounted(patient, kind):
    """The share, as far as the list of mounts knows; this kernel may have no such file system.

    The shell becomes the program, which so has this list for its own.
    """
    return (f"mount --bind {patient.share} {patient.share}\n"
            f"sed 's/ - [^ ]* / - {kind} /' /proc/self/mountinfo >{patient.tmp}/mounts\n"
            f"mount --no-canonicalize --bind {patient.tmp}/mounts /proc/$$/mountinfo")


@pytest.mark.root
@pytest.mark.parametrize("kind,name", [("vfat", "FAT"), ("exfat", "exFAT"), ("ntfs3", "NTFS")])
def test_file_system_without_owners(patient, kind, name):
    sick = mounted(patient.prepare(), kind)
    assert (f"{patient.share} is on {name}, which knows no owners and modes",
            "use ext4, xfs or btrfs") in patient.of("directory", sick=sick)


@pytest.mark.root
@pytest.mark.parametrize("kind,name", [("nfs4", "NFS"), ("cifs", "SMB"), ("fuse.sshfs", "FUSE"),
                                       ("9p", "9p"), ("ceph", "Ceph")])
def test_networks(patient, kind, name):
    """Nothing of it is touched, for its server may be gone: so the mode goes unnoticed."""
    patient.prepare().object.chmod(0o777)
    sick = mounted(patient, kind)
    assert patient.of("directory", sick=sick) == [
        (f"{patient.share} is on {name}: what other machines do there is not seen here",
         "run flagman on the machine that has the disk, and smbd beside it")]


@pytest.mark.root
@pytest.mark.parametrize("options,word", [("size=64k", "room"), ("nr_inodes=3", "inodes")])
def test_file_system_that_is_full(patient, options, word):
    patient.prepare()
    findings = patient.of("directory", sick=f"""
        mount -t tmpfs -o mode=755,{options} none {patient.share}
        mkdir {patient.object}
        for n in 1 2 3 4 5 6 7 8 9 10; do
            head -c 8192 /dev/zero >{patient.object}/$n || break
        done 2>/dev/null""")
    assert any(f"has no {word} left" in m for m, _ in findings), findings


def test_mount_point_with_a_blank(patient):
    """mountinfo writes it in octal; what is mounted elsewhere, or below, is no matter."""
    patient.prepare()
    if ROOT:
        odd = patient.share / "a b"
        odd.mkdir()
        assert patient.look(sick=f"mount -t ramfs none '{odd}'")[0] == []
        patient.cli.snippet("apache.yaml", (patient.cli.conf_dir / "apache.yaml").read_text()
                            .replace(f"path: {patient.share}", f"path: {odd}"))
        assert any("birth times" in m for m, _ in patient.of(
            "directory", sick=f"mount -t ramfs none '{odd}'; chmod 755 '{odd}'"))


# --- the directories above ---

@pytest.fixture
def above(patient):
    """The share's parent, shut."""
    patient.prepare()
    patient.public.chmod(0o700)
    yield patient.public
    patient.public.chmod(0o755)


@pytest.mark.root
def test_directory_above_that_is_shut(patient, above):
    messages = patient.of("directory")
    assert any(f"who looks after the flags, may not pass {above}" in m and
               f"chmod o+x '{above}'" in a for m, a in messages)
    assert any(f"members of {GROUP} may not pass {above}: the share denies" in m and
               f"setfacl -m g:{GROUP}:x" in a for m, a in messages)
    assert len(messages) == 2


@pytest.mark.root
def test_directory_above_that_an_acl_opens(patient, above):
    subprocess.run(["setfacl", "-m", f"u:{patient.watcher()}:x,g:{GROUP}:x", above], check=True)
    assert patient.look() == ([], [])
    subprocess.run(["setfacl", "-m", "m::-", above], check=True)
    assert len(patient.of("directory")) == 2
    # named without a right, and not the mask's: another group of theirs might have one
    subprocess.run(["setfacl", "-m", f"m::x,g:{GROUP}:-", above], check=True)
    assert patient.look() == ([], ["directory"])


@pytest.mark.root
def test_members_who_pass_by_another_group(patient, above):
    """man's own group is man, that of games is not."""
    os.chown(above, 0, 12)
    above.chmod(0o710)
    subprocess.run(["setfacl", "-m", f"u:{patient.watcher()}:x", above], check=True)
    assert patient.look(sick=patient.with_members("man")) == ([], [])
    ((message, advice),) = patient.of("directory", sick=patient.with_members("man", "games"))
    assert message == f"games may press, but not pass {above}: the share denies access"
    assert f"setfacl -m u:games:x '{above}'" in advice
    assert patient.look() == ([], ["directory"]) and "by another group" in patient.seen[0]
    assert any("games may press, but not pass" in m
               for m, _ in patient.of("directory", "--user", "games"))


def test_directory_above_of_the_only_one_who_presses(patient, above):
    """A private instance in somebody's home."""
    if not ROOT:
        assert patient.look()[0] == []


@pytest.mark.root
def test_press_only_without_its_acl(patient):
    patient.options.update(shipped("press-only"))
    area, message, _ = patient.prepare(access="press-only").only()
    assert area == "directory" and "has no NT ACL" in message
    os.setxattr(patient.object, "security.NTACL", b"x")
    assert patient.look()[0] == []


# --- limits ---

def limit(patient, name, value):
    return (f"echo {value} >{patient.tmp}/{name}\n"
            f"mount --bind {patient.tmp}/{name} /proc/sys/fs/inotify/{name}")


@pytest.mark.root
def test_too_few_watches(patient):
    patient.prepare()
    area, message, advice = patient.only(sick=limit(patient, "max_user_watches", 1))
    assert area == "limits"
    assert message == "2 directories must be watched, and a user may have 1 watches"
    assert advice.startswith("sysctl fs.inotify.max_user_watches=4, and the same in")


HOLD = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
os.setgroups([])
os.setresuid(*[int(sys.argv[1])] * 3)
for n in range(4):
    fd = libc.inotify_init()
    for name in os.scandir("/proc/self"):
        libc.inotify_add_watch(fd, os.fsencode(name.path), 2)
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(patient):
    """Somebody else's process of the same user, with four instances and many watches."""
    with subprocess.Popen(["/usr/bin/python3", "-c", HOLD, str(patient.watcher())], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


@pytest.mark.root
@pytest.mark.usefixtures("holder")
def test_instances_that_are_used_up(patient):
    patient.prepare()
    assert patient.look()[0] == []
    area, message, advice = patient.only(sick=limit(patient, "max_user_instances", 4))
    assert area == "limits" and "has all of its 4 inotify instances" in message
    assert "fs.inotify.max_user_instances=128" in advice


@pytest.mark.root
@pytest.mark.usefixtures("holder")
def test_watches_that_are_used_up(patient):
    patient.prepare()
    area, message, _ = patient.only(sick=limit(patient, "max_user_watches", 100))
    assert area == "limits" and "of its 100 inotify watches" in message


@pytest.mark.root
def test_no_instances(patient):
    patient.prepare()
    assert "a user may have 1 inotify instances" in patient.only(
        sick=limit(patient, "max_user_instances", 1))[1]


# --- people ---

def test_user_in_the_group(patient):
    assert patient.prepare().of("user", "--user", PRESSER) == []


def test_user_not_in_the_group(patient):
    ((message, advice),) = patient.prepare().of("user", "--user", "bin")
    assert f"bin is not in group {GROUP}" in message
    assert advice.startswith(f"usermod -aG {GROUP} bin")
    assert "there is no user nosuchuser" in patient.only("--user", "nosuchuser")[1]


@pytest.mark.root
def test_service_without_its_user(patient):
    """Of a private instance another user is asked for, which doctor does not know."""
    patient.prepare()
    line = [patient.cli.line()[0], "--conf-dir", patient.cli.conf_dir]
    without = "sed -i /^flagman:/d passwd"
    ((message, advice),) = patient.of("user", line=line, sick=patient.etc(without))
    assert message.startswith("there is no user flagman") and "systemd-sysusers" in advice
    known = patient.etc(without, "echo flagman:x:990:990::/:/bin/false >>passwd")
    assert patient.of("user", line=line, sick=known) == []
    assert patient.of("user", sick=patient.etc(without)) == []


# --- all of it ---

def test_it_changes_nothing(patient):
    patient.prepare().object.chmod(0o700)
    before = {p: p.lstat()[:7] + (p.lstat().st_mtime_ns,)
              for p in [patient.object, *patient.object.rglob("*"), patient.share]}
    patient.look()
    assert before == {p: p.lstat()[:7] + (p.lstat().st_mtime_ns,) for p in before}
    assert stat.S_IMODE(patient.object.stat().st_mode) == 0o700


def test_a_thousand_objects_are_quick(patient):
    patient.prepare()
    text = (patient.cli.conf_dir / "apache.yaml").read_text()
    for n in range(1000):
        patient.cli.snippet(f"app{n}.yaml", text.replace("object: Apache", f"object: App {n}"))
        patient.agent.add(f"App {n}", "Go", path=str(patient.share / f"App {n}"),
                          file_name="Go.txt")
    started = time.monotonic()
    messages = [m for m, _ in patient.of("directory")]
    assert time.monotonic() - started < 3  # measured: 0.2 s; an instrumented build is slower
    assert len(messages) == 1000 and "App 0: No such file" in messages[0]
