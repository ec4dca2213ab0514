# SPDX-License-Identifier: GPL-2.0-or-later
"""Size limits: they are where one looks hard, and an exception has its reason beside it."""

import re
import statistics

from conftest import TOP, source_files, without_comments_and_strings

FUNCTION_MAX = 120
MAIN_MAX = 100
FILE_MAX = 600
MEDIAN_MAX = 20

# "src/folder/file.c:function": "why it is longer than FUNCTION_MAX lines"
LONG_FUNCTIONS = {}


def functions(path):
    """(name, first line, lines) of each: clang-format puts a function's braces in column 0."""
    lines = without_comments_and_strings(path.read_text(encoding="utf-8")).splitlines()
    start = name = None
    for number, line in enumerate(lines, 1):
        if line == "{" and start is None:
            head = number - 2
            while head > 0 and not re.match(r"\w.*\(", lines[head]):
                head -= 1
            match = re.match(r".*?(\w+)\s*\(", lines[head])
            name, start = (match[1] if match else "?"), number
        elif line.startswith("}") and start is not None:
            yield name, start, number - start + 1
            start = None


def test_functions_are_short():
    wrong = []
    for path in source_files("*.c", "*.h"):
        for name, line, length in functions(path):
            limit = MAIN_MAX if name == "main" else FUNCTION_MAX
            where = f"{path.relative_to(TOP)}:{name}"
            if length > limit and where not in LONG_FUNCTIONS:
                wrong.append(f"{path.relative_to(TOP)}:{line}: {name} has {length} lines")
    assert not wrong, "\n".join(wrong)


def test_allow_list_is_needed():
    long = {f"{p.relative_to(TOP)}:{name}" for p in source_files("*.c")
            for name, _, length in functions(p) if length > FUNCTION_MAX}
    assert not set(LONG_FUNCTIONS) - long, "these are short by now: strike them from the list"


def test_functions_are_short_as_a_rule():
    lengths = [length for p in source_files("*.c") for _, _, length in functions(p)]
    assert len(lengths) > 100, "functions were not found: is the format as expected?"
    assert statistics.median(lengths) <= MEDIAN_MAX


def test_files_are_short():
    wrong = [f"{p.relative_to(TOP)}: {n} lines" for p in source_files("*.c", "*.h")
             if (n := len(p.read_text(encoding="utf-8").splitlines())) > FILE_MAX]
    assert not wrong, "\n".join(wrong)


def test_top_level_build_file_is_short():
    assert len((TOP / "CMakeLists.txt").read_text(encoding="utf-8").splitlines()) < 150
