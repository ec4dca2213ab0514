# SPDX-License-Identifier: GPL-2.0-or-later
"""SECURITY names the test behind each claim: they exist."""

import re

from conftest import TOP

REFERENCE = re.compile(r"(tests/[\w/]+\.(?:py|c))::(test_\w+)")


def test_each_test_that_is_named_is_there():
    text = (TOP / "SECURITY").read_text(encoding="utf-8")
    named = REFERENCE.findall(text)
    assert len(named) > 20
    missing = [f"{path}::{name}" for path, name in named if not (TOP / path).exists() or
               not re.search(rf"^(?:def|static void) {name}\(", (TOP / path).read_text("utf-8"),
                             re.M)]
    assert not missing


def test_each_claim_has_one():
    """A claim begins with a star; what flagman does not defend against needs none."""
    text = (TOP / "SECURITY").read_text(encoding="utf-8")
    claims = text.split("What flagman does not defend against")[0].split("\n  * ")[1:]
    assert claims
    bare = [claim.split("\n")[0] for claim in claims
            if not REFERENCE.search(claim) and "tests/fuzz" not in claim and "HACKING" not in claim]
    assert not bare
