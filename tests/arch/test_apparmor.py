# SPDX-License-Identifier: GPL-2.0-or-later
"""packaging/apparmor: the parser takes it, and what must never be in a profile is not.

Rules are read as the parser has understood them (apparmor_parser --debug), with all includes; only
what is denied is told from the text, for there the parser shows it like what is allowed.
tests/vm/test_apparmor.py enforces it.
"""

import dataclasses
import re
import subprocess

import pytest

from conftest import TOP

APPARMOR = TOP / "packaging" / "apparmor"
PROFILES = {"flagmand", "flagman-agent", "flagman-watcher", "flagman-runner", "flagman-names",
            "flagman-disc", "flagman", "testparm", "pdbedit", "flagman-command", "flagman-follower"}


# Of the command line's, whose caller has rights of his own: snippets, a private instance's socket.
CLI_WRITES = {"/{,**/}conf.d/{*.yaml,*.yml,.flagman-new.*}", "/**/control"}


@dataclasses.dataclass
class Profile:
    """One profile's rules."""

    files: list = dataclasses.field(default_factory=list)  # (modes, path)
    capabilities: set = dataclasses.field(default_factory=set)
    network: str = ""
    profiles: set = dataclasses.field(default_factory=set)  # that it may change to
    other: list = dataclasses.field(default_factory=list)

    def may(self, mode):
        """Paths that it has MODE, a letter, for."""
        return {path for modes, path in self.files if mode in modes}


def parse(*arguments):
    done = subprocess.run(
        ["apparmor_parser", "--skip-kernel-load", "--skip-read-cache", "--base", "/etc/apparmor.d",
         "-I", str(APPARMOR), *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=120)
    # Where this kernel has no AppArmor it says that it can't use its cache.
    complaints = [line for line in done.stderr.splitlines()
                  if line and not line.startswith("Cache read/write disabled")]
    return done.returncode, done.stdout, "\n".join(complaints)


def add(profile, line):
    mode = re.match(r"Mode:\s+(\S*)\s+Name:\s+\((.*)\)$", line)
    words = line.split()
    if mode and "change_profile" in mode[1]:
        profile.profiles.add(mode[2])
    elif mode:
        # "rwa:rwa": of the owner's files, of others'; "unsafex" is px or cx, by another name below
        profile.files.append((set(mode[1].replace("unsafe", "")) - {":"}, mode[2]))
    elif line.startswith("Capabilities:"):
        profile.capabilities |= set(words[1:])
    elif line.startswith("Network:"):
        profile.network += line
    elif words and not line.startswith(("Deny Caps:", "Quiet Caps:", "---", "\t")):
        profile.other.append(line)


@pytest.fixture(scope="module")
def profiles():
    status, text, _ = parse("--debug", APPARMOR / "flagman")
    assert status == 0
    found = {}
    for line in text.splitlines():
        name = re.match(r"Name:\s+(\S+)$", line)
        if name:
            found[name[1]] = profile = Profile()
        elif found:
            add(profile, line)
    assert set(found) == PROFILES
    return found


@pytest.mark.parametrize("path", ["flagman", *(
    f"examples/{p.name}" for p in (APPARMOR / "examples").iterdir())])
def test_the_parser_takes_it(path):
    assert parse(APPARMOR / path)[::2] == (0, "")


@pytest.mark.parametrize("wrong", ["/etc/shadow q,", "capability fly,", "px -> x,",
                                   "include <abstractions/flagman-none>"])
def test_the_parser_would_not_take_everything(tmp_path, wrong):
    text = (APPARMOR / "flagman").read_text(encoding="utf-8")
    (tmp_path / "flagman").write_text(text.replace("profile flagmand {", "profile flagmand {\n"
                                                   + wrong), encoding="utf-8")
    status, _, complaints = parse(tmp_path / "flagman")
    assert status != 0 and complaints


def test_smbds_lines_are_rules(tmp_path):
    lines = (APPARMOR / "local" / "smbd").read_text(encoding="utf-8")
    (tmp_path / "smbd").write_text(f"profile smbd {{\n{lines}\n}}\n", encoding="utf-8")
    assert parse(tmp_path / "smbd")[::2] == (0, "")


def matches(glob, path):
    """Whether AppArmor takes GLOB for PATH: **, *, [^x] and {a,b}, which local/smbd has."""
    text = re.sub(r"\*\*|[*{},.]", lambda m: {"**": ".*", "*": "[^/]*", "{": "(", "}": ")",
                                            ",": "|", ".": r"\."}[m[0]], glob)
    return re.fullmatch(text, path) is not None


def rules_for_smbd(path):
    """(allowed, denied): the letters that local/smbd has for PATH."""
    allowed, denied = set(), set()
    for deny, glob, modes in re.findall(r"(?m)^  (deny )?(/\S+) (\w+),$",
                                        (APPARMOR / "local/smbd").read_text(encoding="utf-8")):
        if matches(glob, path):
            (denied if deny else allowed).update(modes)
    return allowed, denied


def test_smbd_reads_what_smb_conf_includes():
    allowed, denied = rules_for_smbd("/var/lib/flagman/samba.conf")
    assert allowed == {"r"} and denied == set("wklmx")
    for path in ("", "lock", "last-good.yaml", "runs", "runs/0123", "runs/s/t", "agent/store.db"):
        assert rules_for_smbd(f"/var/lib/flagman/{path}")[1] >= set("rwklmx"), path
    line = (APPARMOR / "abstractions/samba.d/flagman").read_text(encoding="utf-8").splitlines()[-1]
    assert line == "  /var/lib/flagman/samba.conf r,"


def test_samba_reads_it_too(tmp_path):
    """testparm's profile has abstractions/samba; there a distribution's own takes ours in."""
    (tmp_path / "samba").write_text("abi <abi/3.0>,\ninclude <tunables/global>\nprofile samba {\n"
                                    "  include <abstractions/samba>\n}\n", encoding="utf-8")
    status, text, _ = parse("--debug", tmp_path / "samba")
    assert status == 0 and "Name:\t(/var/lib/flagman/samba.conf)" in text


@pytest.mark.parametrize("name", ["flagman-agent", "flagman-watcher"])
def test_the_weak_do_nothing_privileged(profiles, name):
    """They read what strangers write: no program, no capability, no socket of their making."""
    it = profiles[name]
    assert not it.may("x") and not it.profiles
    assert not it.capabilities
    assert not it.network
    text = rule_text(name)
    assert not re.search(r"\b(network|capability|dbus|mount|umount|pivot_root|userns|change_hat)\b",
                         text)
    for rule in re.findall(r"\bunix\b([^,]*(?:\([^)]*\))?)", text):
        assert re.match(r"\s*\(", rule), "which of unix() must be said"
        assert not re.search(r"\b(create|bind|listen|connect)\b", rule)


def rule_text(name):
    """The text of profile NAME with all its includes, and without comments."""
    _, text, _ = parse("--preprocess", APPARMOR / "flagman")
    text = re.sub(r"#.*", "", text)
    body = re.search(rf"(?ms)^profile {name} [^{{]*\{{(.*?)^\}}", text)
    assert body, f"there is no profile {name}"
    return body[1]


def test_the_watcher_touches_no_file(profiles):
    assert not [path for path in profiles["flagman-watcher"].may("w") if path != "/dev/null"]
    assert not [path for path in profiles["flagman-watcher"].may("r")
                if path.startswith(("/srv", "/var", "{/run", "/home"))]


def writes_beyond(profile, *prefixes):
    return {path for path in profile.may("w") if not path.startswith(prefixes)}


def test_the_agent_writes_its_state_and_the_shares(profiles):
    assert not writes_beyond(profiles["flagman-agent"], "/var/lib/flagman/agent/", "/srv/flagman/",
                             "/dev/null")


def test_who_executes_what(profiles):
    """Of abstractions/nameservice the files of nscd, which is denied."""
    denied = {"{/run,/var/run}/nscd/db*"}
    execs = {name: profile.may("x") - denied for name, profile in profiles.items()}
    helpers = "/usr/libexec/flagman/flagman-"
    assert execs["flagmand"] == {helpers + h for h in ("agent", "watcher", "runner", "names")}
    assert execs["flagman-disc"] == {"/usr/bin/flagman-disc"}
    assert execs["flagman-follower"] == {"/{usr/,}bin/journalctl", "/{usr/,}bin/tail"}
    assert execs["flagman"] == {"/{usr/,}bin/testparm", "/{usr/,}bin/pdbedit"}
    for name in ("flagman-agent", "flagman-watcher", "flagman-runner", "flagman-names"):
        assert not execs[name]
    for name in ("flagmand", "flagman-names", "flagman"):
        assert re.search(r"deny\s+@\{run\}/nscd/db\*\s+x,", rule_text(name))


def test_helpers_are_entered_so_that_they_die_with_flagmand():
    """Px and Cx are secure executions, which forget PR_SET_PDEATHSIG."""
    text = rule_text("flagmand")
    entered = re.findall(r"(/usr/libexec/flagman/\S+)\s+(\S+)\s+->\s+(\S+),", text)
    assert {(program.rpartition("/")[2], profile) for program, _, profile in entered} == {
        (f"flagman-{h}",) * 2 for h in ("agent", "watcher", "runner", "names")}
    assert {mode for _, mode, _ in entered} == {"px"}


def test_the_runner_changes_to_commands_alone(profiles):
    assert profiles["flagman-runner"].profiles == {
        "flagman-command", "flagman-command-*", "flagman-disc"}
    assert profiles["flagmand"].profiles == {"flagman-follower"}
    assert not [n for n, p in profiles.items()
                if p.profiles and n not in ("flagman-runner", "flagmand")]


def test_only_disc_tools_reach_drives(profiles):
    def drives(profile):
        return {path for _, path in profile.files
                if re.match(r"/dev/(?!null|urandom|\{tty|random|log|zero|full).", path)}
    assert drives(profiles["flagman-disc"]) == {"/dev/sr[0-9]*", "/dev/sg[0-9]*"}
    for name, profile in profiles.items():
        assert name == "flagman-disc" or not drives(profile), name
        wide = {path for path in profile.may("w") if re.match(r"/(\*|\{,\*+\}|d)", path)
                and not path.startswith("/dev/") and path not in CLI_WRITES}
        assert not wide, f"{name}: {wide}"


def test_the_default_command_restarts_services_and_no_more(profiles):
    it = profiles["flagman-command"]
    assert not it.capabilities and not it.network and not it.profiles
    assert it.may("x") == {
        "/{usr/,}bin/systemctl", "/{usr/,}sbin/service", "/{usr/,}bin/{dash,bash}",
        "/{usr/,}bin/{basename,date,echo,false,printf,sleep,systemd-notify,test,true}"}
    assert not writes_beyond(it, "/dev/null", "{/run,/var/run}/flagman/notify/",
                             "{/run,/var/run}/dbus/system_bus_socket")
    text = rule_text("flagman-command")
    members = ",".join(re.findall(r"Manager\s+member=(\S+),\n", text))
    assert "StartTransientUnit" not in members and "*" not in members and "Restart" in members


def test_only_who_looks_names_up_has_a_network(profiles):
    assert {name for name, profile in profiles.items() if profile.network} <= {
        "flagmand", "flagman-names", "flagman", "testparm", "pdbedit"}


def test_nobody_may_change_the_policy(profiles):
    for name, profile in profiles.items():
        assert not profile.capabilities & {"mac_admin", "mac_override", "sys_module", "all"}, name
