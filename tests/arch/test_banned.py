# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that have a safer sister, and left-overs that nobody may land."""

import re

from conftest import TOP, source_files, without_comments_and_strings

BANNED = {
    "strcpy": "snprintf(), buf_add()",
    "strcat": "buf_add()",
    "sprintf": "snprintf()",
    "vsprintf": "vsnprintf()",
    "strtok": "strsep(), strchr()",
    "atoi": "strtol() with its checks",
    "atol": "strtol() with its checks",
    "atof": "nothing: there are no fractions",
    "gets": "getline()",
    "system": "a runner",
    "popen": "a runner",
    "tmpnam": "a name below a descriptor of one's own",
    "tempnam": "a name below a descriptor of one's own",
    "mktemp": "mkstemp(), O_EXCL",
    "alloca": "a buffer of fixed size",
}


def test_banned_calls():
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    wrong = []
    for path in source_files("*.c", "*.h"):
        text = without_comments_and_strings(path.read_text(encoding="utf-8"))
        for number, line in enumerate(text.splitlines(), 1):
            wrong += [f"{path.relative_to(TOP)}:{number}: {m[1]}(): rather {BANNED[m[1]]}"
                      for m in pattern.finditer(line)]
    assert not wrong, "\n".join(wrong)


def test_no_globals_visible_outside_their_file():
    """Headers declare no mutable variable."""
    wrong = []
    for path in source_files("*.h"):
        text = without_comments_and_strings(path.read_text(encoding="utf-8"))
        wrong += [f"{path.relative_to(TOP)}: {line.strip()}" for line in text.splitlines()
                  if re.match(r"extern\s+(?!const\b)[^(]*;", line)]
    assert not wrong, "\n".join(wrong)
