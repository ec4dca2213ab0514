# SPDX-License-Identifier: GPL-2.0-or-later
"""check, new, samba, sudoers: what reads the configuration and needs no service."""

import json
import re
import shutil
import subprocess

import pytest

from conftest import PROGRAM
from snippets import GOOD, GROUP, PRESSER, TOP, shipped, snippet

# --- check ---

def test_check_of_nothing_wrong(cli):
    cli.snippet("apache.yaml", GOOD)
    assert cli("check").stdout == "configuration OK: 1 group, 1 action\n"
    found = cli.json("check")
    assert found == {"ok": True, "groups": 1, "actions": 1, "problems": []}


def test_check_says_where(cli):
    path = cli.snippet("apache.yaml", GOOD.replace("command: /usr", "comand: /usr"))
    done = cli("check", status=78)
    assert re.search(rf"^{re.escape(str(path))}:7:7: error: .*command", done.stdout, re.M)
    problems = cli.json("check", status=78)["problems"]
    (first,) = [p for p in problems if p["line"] == 7]
    assert (first["severity"], first["file"], first["column"]) == ("error", str(path), 7)
    assert first["object"] == "Apache"


def test_check_of_files_and_directories(cli, tmp_path):
    good = tmp_path / "good.yaml"
    good.write_text(GOOD, encoding="utf-8")
    bad = tmp_path / "bad.yaml"
    bad.write_text("object: [\n", encoding="utf-8")
    cli.snippet("live.yaml", GOOD)
    assert "1 group" in cli("check", good).stdout
    assert re.search(r"bad\.yaml:\d+:\d+: error: ", cli("check", good, bad, status=78).stdout)
    assert "1 group" in cli("check", cli.conf_dir).stdout
    cli("check", tmp_path / "none.yaml", status=66)
    cli("check", cli.conf_dir, good, status=64)


def test_check_of_drafts_does_not_ask_who_owns_them(cli):
    path = cli.snippet("apache.yaml", GOOD)
    path.chmod(0o666)
    assert "apache.yaml" in cli("check", status=78).stdout
    cli("check", path)


def test_check_of_the_main_file(cli, tmp_path):
    main = cli.conf_dir.parent / "flagman.yaml"
    main.write_text("history-runs: 7\n", encoding="utf-8")
    main.chmod(0o644)
    cli("check")
    assert "history-runs: 7" in cli("check", "--print").stdout
    main.write_text("history-rums: 7\n", encoding="utf-8")
    assert "flagman.yaml:1:1: error" in cli("check", status=78).stdout
    assert "flagman.yaml:1:1: error" in cli("check", main, status=78).stdout


def test_check_print_can_be_read_back(cli, tmp_path):
    cli.snippet("apache.yaml", GOOD)
    printed = cli("check", "--print").stdout
    assert "hold" in printed and "Restart" in printed
    again = tmp_path / "again.yaml"
    again.write_text(printed, encoding="utf-8")
    assert cli("--conf-dir", cli.conf_dir, "check", again).stdout == (
        "configuration OK: 1 group, 1 action\n")


def test_check_schema_is_json(cli):
    schema = json.loads(cli("check", "--schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")


def test_check_prints_nothing_that_a_terminal_obeys(cli):
    cli.snippet("evil.yaml", 'object: "A\\e[31mB"\naction-group: {}\n')
    for args in (["check"], ["--json", "check"], ["check", "--print"]):
        assert b"\x1b" not in cli(*args, status=78, text=False).stdout


def test_check_without_a_directory(cli, tmp_path):
    done = cli("--conf-dir", tmp_path / "none", "check", status=78)
    assert "none: No such file or directory" in done.stderr


def test_the_shipped_samples_are_right(cli):
    """Drafts for the system's service, whoever checks them: no --conf-dir."""
    samples = sorted((TOP / "conf.d").glob("*.yaml"))
    assert samples
    for sample in samples:
        done = subprocess.run([PROGRAM, "check", str(sample)], capture_output=True, text=True,
                              env=cli.env, check=False)
        assert done.returncode in (0, 78), done.stderr
        wrong = [line for line in done.stdout.splitlines() if ": error: " in line
                 and "there is no" not in line]  # users and groups that this machine lacks
        assert not wrong, wrong


# --- new ---

def test_new(cli):
    done = cli("new", "Apache", "--group", GROUP, "--service", "apache2")
    assert f"flagman --conf-dir {cli.conf_dir} samba" in done.stderr
    assert "samba.conf of its flagmand's --state-dir" in done.stderr
    assert "path: /srv/flagman" in done.stdout
    assert "restart-service: apache2" in done.stdout
    path = cli.snippet("apache.yaml", done.stdout)
    assert cli("check", path).stdout == "configuration OK: 1 group, 3 actions\n"


def test_new_says_the_line_for_smb_conf(cli):
    done = subprocess.run([PROGRAM, "new", "Apache", "--group", GROUP, "--service", "apache2"],
                          capture_output=True, text=True, env=cli.env, check=True)
    assert done.stderr.endswith("include = /var/lib/flagman/samba.conf\n")
    assert "include" not in done.stdout


@pytest.mark.parametrize("name,file", [
    ("Apache", "apache.yaml"), ("Web Server & Co", "web-server-co.yaml"), ("yes", "yes.yaml"),
    ("12", "12.yaml"), ("Grüße #1", "grüße-1.yaml"), ("1e3", "1e3.yaml"), ("- x", "x.yaml"),
    ("it's", "it-s.yaml"), ("{a}", "a-.yaml"), ("@home", "home.yaml")])
def test_new_of_names_that_yaml_would_misread(cli, name, file):
    cli("new", "--write", "--group", GROUP, "--path", cli.tmp / "share", "--", name)
    assert [p.name for p in cli.conf_dir.iterdir()] == [file]
    found = cli.json("check")
    assert found["ok"], found
    assert re.search(rf"^object: .*{re.escape(name)}", cli("check", "--print").stdout, re.M)


def test_new_never_overwrites(cli):
    cli("new", "Apache", "--write", "--group", GROUP)
    before = (cli.conf_dir / "apache.yaml").read_text(encoding="utf-8")
    done = cli("new", "Apache", "--write", "--group", GROUP, "--service", "x", status=73)
    assert "apache.yaml: File exists" in done.stderr
    assert (cli.conf_dir / "apache.yaml").read_text(encoding="utf-8") == before
    assert len(list(cli.conf_dir.iterdir())) == 1, "no temporary file is left"


@pytest.mark.parametrize("args,status,why", [
    (["A/B", "--group", GROUP], 64, "A/B"), (["con", "--group", GROUP], 64, "con"),
    (["A[b]", "--group", GROUP], 64, "A[b]"), (["A"], 64, "--group"),
    (["A", "--group", "no-such-group"], 67, "groupadd no-such-group"),
    (["A", "--group", GROUP, "--path", "relative"], 78, "path"),
    (["A", "--group", GROUP, "--service", 'x"y'], 64, "quote")])
def test_new_refuses(cli, args, status, why):
    done = cli("new", *args, status=status)
    assert done.stdout == "" and why in done.stderr


def test_new_json(cli):
    found = cli.json("new", "Apache", "--group", GROUP)
    assert found["file"] == str(cli.conf_dir / "apache.yaml") and found["written"] is False
    assert found["snippet"].startswith("#") and list(cli.conf_dir.iterdir()) == []


# --- samba ---

DROP = "    - {name: Go, command: /usr/bin/true, drop: {folder: In, accept: ['*.iso']}}\n"


@pytest.mark.parametrize("kind,options", [
    ("group", {}), ("drop-folders", {"actions": DROP}), ("press-only", {"access": "press-only"})])
def test_samba_prints_what_is_shipped(cli, kind, options):
    cli.snippet("a.yaml", snippet("Apache", **options))
    (found,) = cli.json("samba")
    assert found["share"] == "flagman"
    assert found["options"].pop("path") == "/srv/flagman"
    assert found["options"].pop("valid users") == f"@{GROUP}"
    assert found["options"] == shipped(kind)
    conf = cli.tmp / "smb.conf"
    conf.write_text(cli("samba").stdout, encoding="utf-8")
    done = subprocess.run(["testparm", "-s", "--suppress-prompt", str(conf)],
                          capture_output=True, text=True, check=True)
    assert "[flagman]" in done.stdout and "Unknown parameter" not in done.stderr
    assert "csc policy = disable" in done.stdout


def test_samba_has_a_section_for_each_path(cli):
    cli.snippet("a.yaml", snippet("A", "/srv/one"))
    cli.snippet("b.yaml", snippet("B", "/srv/two", actions=DROP))
    cli.snippet("c.yaml", snippet("C", "/srv/one"))
    found = cli.json("samba")
    assert [(s["share"], s["options"]["path"], s["options"]["veto files"]) for s in found] == [
        ("one", "/srv/one", "/.flagman/._*/.DS_Store/"), ("two", "/srv/two", "/.flagman/")]


def test_samba_prints_what_can_be_included(cli):
    cli.snippet("a.yaml", snippet("A", "/srv/one"))
    cli.snippet("b.yaml", snippet("B", "/opt/shares/One"))
    done = cli("samba")
    assert [line for line in done.stdout.splitlines() if line.startswith("[")] == [
        "[opt-shares-One]", "[srv-one]"]
    assert [s["share"] for s in cli.json("samba")] == ["opt-shares-One", "srv-one"]
    assert "    include = /etc/samba/flagman-srv-one.conf\n" in done.stdout
    assert done.stderr == ""  # a private instance's file may be anywhere


@pytest.mark.root  # it may put something over /etc and /var/lib, for itself alone
@pytest.mark.parametrize("kept", [True, False])
def test_samba_says_that_a_line_is_enough(cli, kept):
    conf_dir = cli.tmp / "over/etc/flagman/conf.d"
    conf_dir.mkdir(parents=True)
    (conf_dir / "a.yaml").write_text(snippet("A"), encoding="utf-8")
    state = cli.tmp / "over/lib/flagman"
    state.mkdir(parents=True)
    if kept:
        (state / "samba.conf").touch()
    over = cli.tmp / "over"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec",
         f"mount -t overlay none -o lowerdir={over}/etc:/etc /etc\n"
         f"mount -t overlay none -o lowerdir={over}/lib:/var/lib /var/lib\n"
         'exec "$0" samba', PROGRAM], capture_output=True, text=True, env=cli.env, check=True)
    line = "but one line at its end: include = /var/lib/flagman/samba.conf"
    assert "[flagman]" in done.stdout and "/var/lib/flagman" not in done.stdout
    assert (line in done.stderr) == kept, done.stderr


PRINTABLE = [chr(c) for c in range(0x20, 0x7f)] + ["é", "  "]


def listed(text, file):
    """{share: path} as testparm reads TEXT, each in a section of its own."""
    file.write_text(text, encoding="utf-8")
    done = subprocess.run(["testparm", "-s", "--suppress-prompt", str(file)], capture_output=True,
                          text=True, check=True)
    assert "Unknown" not in done.stderr and "Ignoring" not in done.stderr, done.stderr
    found, name = {}, None
    for line in done.stdout.splitlines():
        if line.startswith("["):
            name = line[1:-1]
        elif line.startswith("\tpath = "):
            found[name] = line.removeprefix("\tpath = ")
    return found


def test_no_character_becomes_another_directory(cli):
    """Whatever a path has: it gets to smbd as it is, or not at all."""
    paths = {f"/srv/{form % c}" for c in PRINTABLE if c != "/" for form in (
        "a%s", "%sb", "a%sb")} - {"/srv/..", "/srv/."}
    for number, path in enumerate(sorted(paths)):
        quoted = json.dumps(path, ensure_ascii=False)
        cli.snippet(f"{number}.yaml", snippet(f"Box {number}", quoted))
    shown = cli.json("samba", status=78)
    assert {s["options"]["path"] for s in shown} <= paths
    done = cli("samba", status=78)
    read = listed(done.stdout, cli.tmp / "smb.conf")
    assert read == {s["share"]: s["options"]["path"] for s in shown}
    missing = paths - set(read.values())
    assert missing == {p for p in paths if "%" in p or "  " in p or p[-1] in " \\"}
    assert done.stderr.count("no share for ") == len(missing)
    folded = [name.casefold() for name in read]
    assert len(set(folded)) == len(folded) == len(shown)


@pytest.mark.parametrize("name", ["glo bal", "GLOBALS", "g l o b a l s", "hom es", "print ers"])
def test_no_share_is_taken_for_all_of_them(cli, name):
    """Samba overlooks blanks in the names that mean something to it."""
    cli.snippet("a.yaml", snippet("Box", f"/srv/{name}"))
    done = cli("samba")
    assert listed(done.stdout, cli.tmp / "smb.conf") == {f"srv-{name}": f"/srv/{name}"}
    everything = subprocess.run(["testparm", "-s", str(cli.tmp / "smb.conf")], check=True,
                                capture_output=True, text=True).stdout
    assert "printable = Yes" not in everything


def test_samba_without_objects(cli):
    assert "flagman new" in cli("samba", status=78).stderr
    assert cli.json("samba", status=78) == []
    cli.snippet("a.yaml", "object: A\n")
    assert "flagman check" in cli("samba", status=78).stderr


# --- sudoers ---

SUDO = """    - {name: Plain, command: /usr/bin/systemctl restart apache2}
    - {name: Alone, command: /usr/sbin/reboot}
    - name: Odd
      command: [/usr/bin/printf, 'a b', '*', 'x=1,2:3', 'back\\slash', '#', '"q"', '[!z]?']
    - name: Script
      script: echo hello
    - {name: Empty, command: [/usr/bin/printf, '']}
"""


def test_sudoers(cli):
    cli.snippet("a.yaml", snippet("A", how="via: sudo", actions=SUDO))
    done = cli("sudoers", "--user", PRESSER, status=78)
    assert "A/Script is a script" in done.stderr and "A/Empty has an empty" in done.stderr
    rules = [line for line in done.stdout.splitlines() if line.startswith(f"{PRESSER} ")]
    assert len(rules) == 3
    assert re.fullmatch(rf"{PRESSER} ALL=\(\S+:\S+\) NOPASSWD: "
                        "/usr/bin/systemctl restart apache2", rules[0])
    assert rules[1].endswith('NOPASSWD: /usr/sbin/reboot ""'), "no argument is allowed"
    file = cli.tmp / "sudoers"
    file.write_text(done.stdout, encoding="utf-8")
    file.chmod(0o440)
    subprocess.run(["/usr/sbin/visudo", "-cf", str(file)], check=True, capture_output=True)
    # What sudo itself reads: the words as they are, with a backslash where a pattern needs it.
    text = subprocess.run(["cvtsudoers", "-f", "json", str(file)], check=True,
                          capture_output=True, text=True).stdout
    commands = [c["command"] for spec in json.loads(text)["User_Specs"]
                for entry in spec["Cmnd_Specs"] for c in entry["Commands"]]
    assert commands[2] == (r"/usr/bin/printf a b \* x=1,2:3 back\\slash # "
                           r'"q" \[\!z\]\?')


def test_sudoers_json_and_none(cli):
    cli.snippet("a.yaml", snippet("A"))
    assert cli.json("sudoers") == []
    done = cli("sudoers")
    assert done.stdout == "" and "no rule is needed" in done.stderr
    cli("sudoers", "--user", "no-such-user", status=67)
    cli.snippet("a.yaml", snippet("A", how="via: sudo"))
    (rule,) = cli.json("sudoers", "--user", PRESSER)
    assert rule["action"] == "A/Go" and rule["rule"].endswith("NOPASSWD: /usr/bin/true \"\"")


def test_tools_that_tests_need():
    for tool in ("testparm", "cvtsudoers"):
        assert shutil.which(tool), f"{tool} is missing (tests/deps)"
