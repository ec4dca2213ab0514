# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages say what the programs do."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from fake_agent import CERTAINTIES, STATES, TRIGGERS, make_run
from snippets import TOP

PROGRAM = Path(os.environ["FLAGMAN_CLI"])
PAGES = sorted((TOP / "man").glob("*.[1-8]"))
WANTED = {
    "flagman.1": ["EXAMPLES", "EXIT STATUS", "FILES", "SEE ALSO"],
    "flagman-disc.1": ["ENVIRONMENT", "EXAMPLES", "EXIT STATUS", "SEE ALSO"],
    "flagmand.8": ["EXAMPLES", "EXIT STATUS", "FILES", "SEE ALSO"],
    "flagman.yaml.5": ["EXAMPLES", "EXIT STATUS", "FILES", "SEE ALSO"],
    "flagman-flags.7": ["SEE ALSO"],
}


def plain(page):
    """The page as text, words in one line each paragraph."""
    text = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=1000", str(page)],
                          capture_output=True, text=True, check=True).stdout
    return re.sub(".\b", "", text)


def test_all_pages_are_there():
    assert {p.name for p in PAGES} == set(WANTED)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_lint(page):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "style", page.name], check=False,
                          capture_output=True, text=True, cwd=page.parent)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "mandoc.db" not in line]
    assert done.returncode == 0 and not said, "\n".join(said)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_sections(page):
    source = page.read_text(encoding="utf-8")
    found = [line[4:] for line in source.splitlines() if line.startswith(".Sh ")]
    assert not set(WANTED[page.name]) - set(found)


def test_every_verb_and_option_is_in_the_page(cli):
    page = plain(TOP / "man" / "flagman.1")
    text = cli("--help").stdout
    verbs = [line.split()[0] for line in text.splitlines() if re.match(r"  [a-z]", line)]
    assert len(verbs) == 13
    for verb in verbs:
        assert re.search(rf"^ +flagman {verb}", page, re.M), verb
        assert re.search(rf"^ {{5}}{verb}( |$)", page, re.M), verb
    for option in set(re.findall(r"--[a-z-]+", text)):
        assert option in page, option


def test_every_verb_option_and_status_of_flagman_disc_is_in_its_page():
    page = plain(TOP / "man" / "flagman-disc.1")
    usage = subprocess.run([PROGRAM.parent / "flagman-disc"], capture_output=True, text=True,
                           check=False)
    assert usage.returncode == 64
    for verb in re.findall(r"flagman-disc (\w+)", usage.stderr):
        assert re.search(rf"^ {{5}}{verb}( |$)", page, re.M), verb
    for option in set(re.findall(r"--[a-z-]+", usage.stderr)):
        assert option in page, option
    header = (TOP / "src" / "disc" / "disc.h").read_text(encoding="utf-8")
    for status in re.findall(r"DISC_\w+ = (\d+)", header):
        assert re.search(rf"^ {{5}}{status}( |$)", page, re.M), status


def test_every_word_of_the_json_is_in_the_page(cli, agent):
    page = plain(TOP / "man" / "flagman.1")
    agent.add("A", "B", run=make_run(1, "A", "B"))
    found = cli.json("status")[0]
    for word in [*found, *found["run"], *STATES, *TRIGGERS, *CERTAINTIES]:
        assert re.search(rf"\b{word}\b", page), word


def test_every_label_is_in_the_page_for_users(cli, agent):
    page = plain(TOP / "man" / "flagman-flags.7")
    for state in STATES[1:]:
        agent.actions.clear()
        agent.add("A", "B", state=state)
        label = re.search(r"^  B +(.+)$", cli("status").stdout, re.M)[1]
        assert re.search(rf"^ {{5}}{label}( |$)", page, re.M), label
