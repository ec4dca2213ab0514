# SPDX-License-Identifier: GPL-2.0-or-later
"""The share sections of samba/, as they are shipped, by use: a real smbd serves them.

No flagmand here: what stands in the directories is what it would make.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest
from impacket import smb3structs as s
from impacket.ldap import ldaptypes
from lib.smbd import PASSWORD
from lib.smb import Session, SessionError
from lib.waiting import wait_for

SAMBA = Path(__file__).resolve().parents[2] / "samba"
KINDS = ("group", "drop-folders", "press-only")
FLAG = "Apache/Restart.txt"
DELETE_CHILD_ONLY = 0x1200E9  # list, traverse, read attributes, delete a child; not add one


def section(kind, path, people, **changes):
    """What FILE says, with the two settings that an administrator changes."""
    options = {}
    for line in (SAMBA / f"{kind}.conf").read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.lstrip().startswith("#"):
            key, _, value = line.partition("=")
            options[key.strip()] = value.strip()
    options.update({"path": str(path), "valid users": f"@{people.group}"}, **changes)
    return options


@pytest.fixture
def share(test_dir, people):
    """A share's directory with a flag in it, for the group."""
    path = test_dir / "share"
    path.mkdir(mode=0o755)
    make_object(path / "Apache", people, 0o770)
    return path


def make_object(path, people, mode):
    path.mkdir()
    for name in ("Restart.txt", "Status.txt"):
        (path / name).write_text("what it does\r\n", encoding="utf-8")
        if people.root:
            os.chown(path / name, people.uid("agent"), people.gid)
        (path / name).chmod(0o640)
    for name in ("Run", "Deploy") if mode == 0o770 else ():
        (path / name).mkdir()
        if people.root:
            os.chown(path / name, 0, people.gid)
        (path / name).chmod(0o770)
    if people.root:
        os.chown(path, people.uid("agent") if mode == 0o755 else 0, people.gid)
    path.chmod(mode)


@pytest.fixture
def serve(smbd, share, people):
    def start(kind, **changes):
        smbd.raw_share("flags", section(kind, share, people, **changes))
        return smbd.start()
    return start


@pytest.mark.parametrize("kind", KINDS)
def test_testparm_has_nothing_to_say(serve, kind):
    smbd = serve(kind)
    assert smbd.testparm() == ""
    shown = subprocess.run(["testparm", "-sv", "--suppress-prompt", "--section-name=flags",
                            str(smbd.conf)], capture_output=True, text=True, check=True).stdout
    for key, want in section(kind, smbd.base, smbd.people).items():
        value = subprocess.run(["testparm", "-s", "--suppress-prompt", "--section-name=flags",
                                f"--parameter-name={key}", str(smbd.conf)],
                               capture_output=True, text=True, check=True).stdout.strip()
        if key not in ("path", "valid users"):
            assert value.lower() == want.lower(), key
    assert "flags" in shown


@pytest.mark.parametrize("kind", ("group", "drop-folders"))
def test_members_delete_move_and_copy(serve, share, kind):
    smbd = serve(kind)
    client = smbd.client()
    assert client.list("flags", "Apache") == ["Deploy", "Restart.txt", "Run", "Status.txt"]
    assert "what it does" in client.read("flags", FLAG)
    smbd.session("flags").rename(FLAG, "Apache/Run/Restart.txt")
    assert (share / "Apache/Run/Restart.txt").exists()
    smbd.session("flags").create("Apache/Run/Copy.txt", b"x")
    client.run("flags", 'del "Apache/Status.txt"')
    assert sorted(p.name for p in (share / "Apache").iterdir()) == ["Deploy", "Run"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_workshop_is_nobodys_business(serve, share, kind):
    (share / ".flagman" / "staging").mkdir(mode=0o777, parents=True)
    (share / ".flagman" / "secret").touch()
    (share / ".flagman" / "staging" / "secret").touch()
    smbd = serve(kind)
    assert smbd.client().list("flags", ".") == ["Apache"]
    for name in (".flagman/secret", ".flagman/staging/secret", ".FLAGMAN/secret"):
        with pytest.raises(SessionError):
            smbd.session("flags").open(name)


def test_litter_of_macos(serve, share, people):
    """The Finder's copy of a download fails where ._* is vetoed."""
    smbd = serve("drop-folders")
    session = smbd.session("flags")
    session.create("Apache/Deploy/shop.war", b"x")
    session.create("Apache/Deploy/._shop.war", b"x")
    smbd.stop()
    smbd.raw_share("flags", section("group", share, people))
    smbd.start()
    with pytest.raises(SessionError):
        smbd.session("flags").create("Apache/Run/._Restart.txt", b"x")


@pytest.mark.root  # smbstatus wants root
@pytest.mark.parametrize("kind", KINDS)
def test_no_client_may_cache(serve, kind):
    smbd = serve(kind)
    session = smbd.session("flags")
    session.smb.create(session.tree, FLAG, s.FILE_READ_DATA, s.FILE_SHARE_READ, 0x40, s.FILE_OPEN,
                       0, oplockLevel=s.SMB2_OPLOCK_LEVEL_BATCH)
    locks = subprocess.run(["smbstatus", "-s", str(smbd.conf), "-L"], capture_output=True,
                           text=True, check=True).stdout
    (line,) = [line for line in locks.splitlines() if "Restart.txt" in line]
    assert " NONE " in line, line


@pytest.mark.parametrize("kind", KINDS)
def test_symlinks_lead_nowhere(serve, share, kind):
    (share / "passwd").symlink_to("/etc/passwd")
    smbd = serve(kind)
    with pytest.raises(SessionError):
        smbd.session("flags").open("passwd")


@pytest.mark.root
@pytest.mark.parametrize("kind", KINDS)
def test_strangers_stay_outside(serve, kind):
    smbd = serve(kind)
    with pytest.raises(SessionError, match="ACCESS_DENIED"):
        smbd.session("flags", "carol")


@pytest.mark.parametrize("kind", ("group", "press-only"))
def test_the_record_names_user_address_and_path(serve, share, people, kind):
    smbd = serve(kind, **{"full_audit:syslog": "false"})
    if kind == "press-only" and people.root:
        give_acl(smbd, share)
    smbd.session("flags").delete(FLAG)
    line = f"{people.alice}|127.0.0.1||flags|unlinkat|ok|{share}/{FLAG}"
    wait_for(lambda: line in smbd.log(), line, dump=smbd.log)
    refused = [x for x in smbd.log().splitlines() if re.search(r"\|unlinkat\|fail", x)]
    assert not refused, refused


# --- press-only ---

def sid(text):
    found = ldaptypes.LDAP_SID()
    found.fromCanonical(text)
    return found


def ace(who, mask):
    entry = ldaptypes.ACE()
    entry["AceType"] = ldaptypes.ACCESS_ALLOWED_ACE.ACE_TYPE
    entry["AceFlags"] = 0
    entry["Ace"] = ldaptypes.ACCESS_ALLOWED_ACE()
    entry["Ace"]["Mask"] = ldaptypes.ACCESS_MASK()
    entry["Ace"]["Mask"]["Mask"] = mask
    entry["Ace"]["Sid"] = sid(who)
    return entry


def press_only_descriptor(people):
    """O: the agent's user, G: the group; the group may list, read and delete children."""
    acl = ldaptypes.ACL()
    acl["AclRevision"] = 2
    acl["Sbz1"] = acl["Sbz2"] = 0
    acl.aces = [ace("S-1-22-1-0", 0x1F01FF), ace("S-1-5-18", 0x1F01FF),
                ace(f"S-1-22-2-{people.gid}", DELETE_CHILD_ONLY)]
    descriptor = ldaptypes.SR_SECURITY_DESCRIPTOR()
    descriptor["Revision"], descriptor["Sbz1"] = b"\x01", b"\x00"
    descriptor["Control"] = 0x9004  # self-relative, protected, has a DACL
    descriptor["OwnerSid"] = sid(f"S-1-22-1-{people.uid('agent')}")
    descriptor["GroupSid"] = sid(f"S-1-22-2-{people.gid}")
    descriptor["Sacl"], descriptor["Dacl"] = b"", acl
    return descriptor.getData()


def give_acl(smbd, share, directory="Apache"):
    """As an administrator would, over SMB; flagmand sets the attribute itself."""
    path = share / directory
    options = dict(smbd.shares["flags"], **{"admin users": smbd.people.carol,
                                           "valid users": smbd.people.carol})
    smbd.raw_share("setup", options)
    smbd.stop()
    os.chown(path, smbd.people.uid("agent"), smbd.people.gid)
    path.chmod(0o755)
    smbd.start()
    session = Session("127.0.0.1", smbd.port, smbd.people.carol, PASSWORD, "setup")
    handle = session.open(directory, s.WRITE_DAC | s.WRITE_OWNER | s.READ_CONTROL,
                          options=s.FILE_DIRECTORY_FILE)
    session.smb.setInfo(session.tree, handle, press_only_descriptor(smbd.people),
                        infoType=s.SMB2_0_INFO_SECURITY, fileInfoClass=0, additionalInformation=7)
    session.close(handle)
    session.abandon()
    assert os.getxattr(path, "security.NTACL")
    assert path.stat().st_mode & 0o7777 == 0o755
    assert path.stat().st_uid == smbd.people.uid("agent")


@pytest.fixture
def press_only(serve, share, people):
    smbd = serve("press-only")
    for folder in ("Run", "Deploy"):
        (share / "Apache" / folder).rmdir()
    give_acl(smbd, share)
    return smbd


@pytest.mark.root
def test_press_only_members_press(press_only, share):
    client = press_only.client()
    assert client.list("flags", "Apache") == ["Restart.txt", "Status.txt"]
    assert "what it does" in client.read("flags", FLAG)
    client.run("flags", f'del "{FLAG}"')
    assert not (share / FLAG).exists()
    press_only.session("flags").delete("Apache/Status.txt")  # as Explorer does it
    assert list((share / "Apache").iterdir()) == []


@pytest.mark.root
def test_press_only_members_put_nothing(press_only, share, people, test_dir):
    session = press_only.session("flags")
    for forbidden in (lambda: session.create("Apache/mine.txt", b"x"),
                      lambda: session.create("mine.txt", b"x"),
                      lambda: session.make_directory("Apache/Folder"),
                      lambda: session.make_directory("Folder"),
                      lambda: session.rename(FLAG, "Apache/Other.txt"),
                      lambda: session.rename(FLAG, "Apache/Status.txt", replace=True),
                      lambda: session.rename("Apache", "Nginx"),
                      lambda: session.create(FLAG, b"x", replace=True),
                      lambda: session.set_attributes(FLAG, 1)):
        with pytest.raises(SessionError, match="ACCESS_DENIED"):
            forbidden()
    client = press_only.client()
    local = test_dir / "local"
    local.write_text("x", encoding="utf-8")
    for command in (f'put "{local}" "Apache/mine.txt"', 'rmdir "Apache"', f'setmode "{FLAG}" +r'):
        done = client.try_run("flags", command)
        assert "NT_STATUS_ACCESS_DENIED" in done.stdout + done.stderr, command
    assert sorted(p.name for p in (share / "Apache").iterdir()) == ["Restart.txt", "Status.txt"]
    assert (share / FLAG).read_text(encoding="utf-8") == "what it does\n"


@pytest.mark.root
def test_press_only_without_its_attribute_is_safe(press_only, share):
    os.removexattr(share / "Apache", "security.NTACL")
    with pytest.raises(SessionError, match="ACCESS_DENIED"):
        press_only.session("flags").delete(FLAG)
    assert (share / FLAG).exists()


@pytest.mark.root
def test_press_only_and_group_need_paths_of_their_own(press_only, share, people):
    """acl_xattr reads no right to delete from a 0770 directory: README and doctor say so."""
    make_object(share / "DVD", people, 0o770)
    session = press_only.session("flags")
    for refused in (lambda: session.delete("DVD/Restart.txt"),
                    lambda: session.rename("DVD/Restart.txt", "DVD/Run/Restart.txt")):
        with pytest.raises(SessionError, match="ACCESS_DENIED"):
            refused()
    assert (share / "DVD/Restart.txt").exists()
    session.delete(FLAG)
