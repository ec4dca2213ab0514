# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands in the flags and in Status.txt."""

import re

import pytest
from boards import QUICK, apache, finish
from lib.waiting import wait_for


def lines_end_in_crlf(raw):
    return raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r") and raw.endswith(b"\r\n")


def raw_text(inst, action="Restart"):
    return inst.path_of("Apache", action).read_bytes()


def test_every_text_is_utf8_with_crlf(inst):
    apache(inst)
    for action in ("Restart", "Stop"):
        assert lines_end_in_crlf(raw_text(inst, action))
    status = inst.share / "Apache" / "Status.txt"
    wait_for(status.exists, "Status.txt", dump=inst.dump)
    assert lines_end_in_crlf(status.read_bytes())
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", "printf 'one\\ntwo'", "exit 4")
    inst.wait_state("Apache", "Restart", "Failed")
    inst.wait_text("Apache", "Restart", "one two")
    assert lines_end_in_crlf(raw_text(inst))
    raw_text(inst).decode("utf-8")


def test_output_is_there_while_it_runs(inst):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", "echo first")
    inst.wait_text("Apache", "Restart", r"\bfirst\b")
    inst.tell("Restart", "echo second >&2")
    inst.wait_text("Apache", "Restart", r"\bfirst second\b")
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    inst.wait_text("Apache", "Restart", r"\bfirst second\b")


def test_when_how_long_and_how_to_press(inst):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    finish(inst, line="exit 3")
    inst.wait_state("Apache", "Restart", "Failed")
    inst.wait_text("Apache", "Restart", r"exit status 3")
    inst.wait_text("Apache", "Restart", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+ \([+-]\d{4}\)")
    inst.wait_text("Apache", "Restart", r"(?i)delet")
    inst.wait_text("Apache", "Restart", r"\bRun\b")


def test_the_text_is_updated_in_place(inst):
    """One inode while it runs: a reader's handle sees the new text."""
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    with open(inst.path_of("Apache", "Restart"), "rb") as held:
        inst.tell("Restart", "echo written later")

        def seen():
            held.seek(0)
            return b"written later" in held.read()
        wait_for(seen, "the open file has the new output", dump=inst.dump)


def test_a_shorter_text_leaves_no_rest(inst):
    apache(inst,
           actions="- name: Restart\n  command: %ACT% Restart listen\n  output-limit: 64KiB\n")
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", "seq -f 'old output %g' 2000")
    inst.wait_text("Apache", "Restart", "old output 2000")
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    inst.press_delete("Apache", "Restart")
    finish(inst)
    inst.wait_ran("Restart", 2)
    inst.wait_state("Apache", "Restart", "Done")
    wait_for(lambda: b"old output" not in raw_text(inst), "the old output is gone", dump=inst.dump)
    assert lines_end_in_crlf(raw_text(inst))


def test_much_output_keeps_head_and_tail(inst):
    apache(inst, actions="- name: Restart\n  command: %ACT% Restart listen\n"
                         "  output-limit: 8KiB\n")
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", "seq -f 'line %07g' 1 20000", "exit 0")
    inst.wait_state("Apache", "Restart", "Done")
    inst.wait_text("Apache", "Restart", "line 0000001 ")
    inst.wait_text("Apache", "Restart", "line 0020000 ")
    text = inst.text("Apache", "Restart")
    assert "line 0010000" not in text
    assert len(text) < 32 * 1024
    assert re.search(r"left out", text), "it says how much was left out"


@pytest.mark.parametrize("octal, harmful", [
    (r"\033[2J\033[31mred\033[0m", b"\x1b"),
    (r"\007bell", b"\x07"),
    (r"\033]0;title\007", b"\x1b"),
    (r"\377\376broken", b"\xff"),
    (r"\000nul", b"\x00"),
    (r"\342\200\256rtl", "\u202e".encode()),
    (r"\302\233csi", b"\xc2\x9b"),
])
def test_output_harms_no_terminal(inst, octal, harmful):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", f"printf '{octal.replace(chr(92), chr(92) * 2)}'", "echo the end",
              "exit 0")
    inst.wait_state("Apache", "Restart", "Done")
    inst.wait_text("Apache", "Restart", "the end")
    raw = raw_text(inst)
    assert harmful not in raw
    raw.decode("utf-8")


def test_earlier_runs_are_listed(inst):
    apache(inst)
    for count in (1, 2, 3):
        inst.press_delete("Apache", "Restart")
        inst.wait_ran("Restart", count)
        finish(inst, line=f"exit {count}")
        inst.wait_state("Apache", "Restart", "Failed")
        inst.wait_text("Apache", "Restart", f"exit status {count}")
    text = inst.text("Apache", "Restart")
    assert text.index("exit status 3") < text.index("exit status 2") < text.index("exit status 1")


def test_status_txt_explains_itself(inst):
    inst.define("Apache", """
        - name: Restart
          description: Restarts the shop's web server
          command: %ACT% Restart listen
        - name: Deploy
          description: Installs a new version
          command: %ACT% Deploy 'exit 0'
          drop: {folder: Deploy, accept: ["*.war"]}
    """, group=QUICK)
    inst.start()
    inst.wait_state("Apache", "Restart", "")
    text = " ".join(inst.status_text("Apache").split())
    for word in ("Restart", "Restarts the shop's web server", "Deploy", "Installs a new version",
                 "Windows", "macOS", "Linux", "permanently", "Run", "*.war"):
        assert word in text, f"{word!r} is missing:\n{text}"
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    wait_for(lambda: "Running" in inst.status_text("Apache"), "Status.txt says what runs",
             dump=inst.dump)


@pytest.mark.root
def test_status_txt_says_who_pressed_last(inst, people):
    apache(inst)
    inst.press_copy("Apache", "Restart", who="bob")
    inst.wait_state("Apache", "Restart", "Running")
    wait_for(lambda: people.bob in inst.status_text("Apache"), "Status.txt names bob",
             dump=inst.dump)
    inst.wait_text("Apache", "Restart", people.bob)


def test_descriptions_in_many_alphabets(inst):
    words = "Перезапуск 再起動 إعادة"
    apache(inst, actions=f"- name: Restart\n  description: {words}\n"
                         "  command: %ACT% Restart 'exit 0'\n")
    assert words in inst.text("Apache", "Restart")
    assert words in inst.status_text("Apache")
