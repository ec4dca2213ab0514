# SPDX-License-Identifier: GPL-2.0-or-later
"""Bash completion, as bash calls it."""

import shlex
import subprocess

import pytest

from conftest import PROGRAM
from snippets import TOP

SCRIPT = TOP / "packaging" / "bash-completion" / "flagman"
VERBS = set("status run cancel log history reload release restore check doctor new samba "
            "sudoers".split())


@pytest.fixture
def complete(cli, agent):
    agent.add("Apache", "Restart")
    agent.add("Apache", "Clear cache")
    agent.add("DVD", "Burn", group="Room 1")

    def ask(*words):
        """What bash would offer for the last of WORDS."""
        line = ["flagman", "--run-dir", str(cli.run_dir), *words]
        script = (f". {shlex.quote(str(SCRIPT))}\n"
                  f"flagman() {{ {shlex.quote(PROGRAM)} \"$@\"; }}\n"
                  f"COMP_WORDS=({' '.join(shlex.quote(w) for w in line)})\n"
                  f"COMP_CWORD={len(line) - 1}\n"
                  '_flagman; printf "%s\\n" "${COMPREPLY[@]}"\n')
        done = subprocess.run(["bash", "-u", "-c", script], capture_output=True, text=True,
                              env=cli.env, check=True, timeout=60)
        assert done.stderr == ""
        return [word for word in done.stdout.splitlines() if word]
    return ask


def test_verbs(complete, cli):
    assert set(complete("")) == VERBS
    assert complete("sta") == ["status"]
    help_text = cli("--help").stdout
    assert VERBS == {line.split()[0] for line in help_text.splitlines()
                     if line.startswith("  ") and line[2].isalpha()}


@pytest.mark.parametrize("verb", ["status", "run", "cancel", "log", "history"])
def test_targets(complete, verb):
    assert complete(verb, "") == ["Apache/Restart", r"Apache/Clear\ cache", r"DVD/Room\ 1/Burn"]
    assert complete(verb, "apa") == ["Apache/Restart", r"Apache/Clear\ cache"]
    assert complete(verb, r"Apache/Clear\ c") == [r"Apache/Clear\ cache"]
    assert complete(verb, '"Apache/Clear c') == [r"Apache/Clear\ cache"]
    assert complete(verb, "nothing") == []


@pytest.mark.parametrize("verb", ["release", "restore"])
def test_objects(complete, verb):
    assert complete(verb, "") == ["Apache", "DVD"]


def test_options_are_those_that_the_verb_takes(complete, cli):
    for verb in VERBS:
        for option in complete(verb, "--"):
            done = subprocess.run(cli.line(verb, option, "--help"), capture_output=True, text=True,
                                  env=cli.env, check=False, stdin=subprocess.DEVNULL)
            assert "unrecognized option" not in done.stderr, (verb, option)
        usage = cli(verb, "--help").stdout.splitlines()[0]
        for word in usage.replace("[", " ").replace("]", " ").split():
            if word.startswith("--"):
                assert word in complete(verb, "--"), (verb, word)


def test_files_and_people(complete, tmp_path):
    (tmp_path / "image.iso").touch()
    assert complete("run", "--payload", f"{tmp_path}/im") == [f"{tmp_path}/image.iso"]
    assert complete("--conf-dir", f"{tmp_path}/et") == [f"{tmp_path}/etc"]
    assert "nobody" in complete("doctor", "--user", "nob")
    assert "nogroup" in complete("new", "A", "--group", "nogr")
    assert complete("log", "--run", "") == []


EVIL = ["$(touch owned)", "`touch owned`", "; touch owned", "a'b", "x & y", "${IFS}touch$IFS",
        "~root", "--run-dir", "!!", "{a,b}", "Gerät"]


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("verb", ["status", "release"])
def test_names_are_never_run(complete, agent, tmp_path, monkeypatch, name, verb):
    """Offered as one word, which bash reads back as that name; what is typed is not run either."""
    monkeypatch.chdir(tmp_path)
    agent.add(name, name)
    target = f"{name}/{name}" if verb == "status" else name
    offered = [word for word in complete(verb, "") if not word.startswith(("Apache", "DVD"))]
    read_back = subprocess.run(["bash", "-c", f"printf '<%s>' {' '.join(offered)}"],
                               capture_output=True, text=True, check=True).stdout
    assert read_back == f"<{target}>"
    if not name.startswith("-"):
        assert complete(verb, shlex.quote(name)[:3]) in (offered, [])
    for words in ((verb, name), ("--run-dir", name, verb, ""), ("check", name), (name, "")):
        complete(*words)
    assert not list(tmp_path.rglob("owned"))


def test_files_with_odd_names(complete, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "conf.d"
    directory.mkdir()
    for name in (*(e.replace("/", "") for e in EVIL), "new\nline.yaml", "*.yaml"):
        (directory / name).touch()
    assert f"{directory}/$(touch owned)" in complete("check", f"{directory}/")
    assert complete("check", f"{directory}/$(") == [f"{directory}/$(touch owned)"]
    complete("run", "--payload", f"{directory}/`")
    assert not list(tmp_path.rglob("owned"))


def test_services_with_odd_names(complete, cli, tmp_path, monkeypatch):
    """systemctl says how they are called; it is asked, not believed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "systemctl").write_text("#!/bin/sh\nprintf '%s\\n' '$(touch owned).service "
                                        "enabled' 'dev-disk-by\\x2duuid.service enabled'\n")
    (tmp_path / "systemctl").chmod(0o755)
    cli.env["PATH"] = f"{tmp_path}:{cli.env['PATH']}"
    assert complete("new", "A", "--service", "dev") == [r"dev-disk-by\\x2duuid"]
    assert complete("new", "A", "--service", "$") == [r"\$\(touch\ owned\)"]
    assert not list(tmp_path.rglob("owned"))


def test_without_a_service(cli):
    script = (f". {shlex.quote(str(SCRIPT))}\nflagman() {{ {shlex.quote(PROGRAM)} \"$@\"; }}\n"
              f"COMP_WORDS=(flagman --run-dir /nonexistent run '')\nCOMP_CWORD=4\n"
              '_flagman; echo "${#COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")
