# SPDX-License-Identifier: GPL-2.0-or-later
"""Every state, and every key that changes when it is shown."""

import os
import re
import signal
import time

import pytest
from boards import QUICK, apache, finish, several
from lib import processes
from lib.waiting import stays, wait_for


def action(name="Restart", shell="listen", **keys):
    lines = [f"- name: {name}", f"  command: %ACT% {name} " + (
        "listen" if shell == "listen" else f"'{shell}'")]
    lines += [f"  {key.replace('_', '-')}: {value}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def gone(pid):
    return not processes.alive(pid)


# --- names ---

def test_ready_has_no_moniker_and_the_way_through(inst):
    apache(inst, group="cooldown: 0\nhold: 400ms\nresult-delay: 700ms")
    inst.press_delete("Apache", "Restart")
    for state in ("Starting", "Running"):
        inst.wait_state("Apache", "Restart", state)
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    inst.wait_state("Apache", "Restart", "")


def test_prefix(inst):
    apache(inst, group=QUICK + "\nmoniker: prefix")
    inst.press_delete("Apache", "Restart")
    inst.wait_board("Apache", ["[Running] Restart.txt", "[Blocked] Start.txt", "Run",
                               "Status.txt", "[Blocked] Stop.txt"])
    finish(inst)
    inst.wait_board("Apache", ["[Done] Restart.txt", "Start.txt", "Run", "Status.txt", "Stop.txt"])


def test_labels(inst):
    apache(inst, group=QUICK + "\nlabels: {running: Läuft, blocked: Gesperrt, done: Fertig}")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Läuft")
    inst.wait_state("Apache", "Stop", "Gesperrt")
    finish(inst)
    inst.wait_state("Apache", "Restart", "Fertig")


def test_a_change_of_state_keeps_the_file(inst):
    """One rename of the same inode: clients and open handles follow."""
    apache(inst)
    before = inst.path_of("Apache", "Stop").stat().st_ino
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Stop", "Blocked")
    assert inst.path_of("Apache", "Stop").stat().st_ino == before


# --- serialise, when-busy, while-running ---

def test_the_others_are_blocked_and_come_back(inst):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    for name in ("Start", "Stop"):
        inst.wait_state("Apache", name, "Blocked")
    finish(inst)
    for name in ("Start", "Stop"):
        inst.wait_state("Apache", name, "")


@pytest.mark.parametrize("press", ["press_delete", "press_move"])
def test_a_press_on_blocked_is_put_back(inst, press):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Stop", "Blocked")
    getattr(inst, press)("Apache", "Stop")
    inst.wait_state("Apache", "Stop", "Blocked")
    finish(inst)
    inst.wait_state("Apache", "Stop", "")
    inst.press_delete("Apache", "Stop")
    inst.wait_ran("Stop", 1)


def test_a_press_on_running_is_put_back(inst):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    inst.press_move("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    inst.wait_ran("Restart", 1)


def test_serialise_none(inst):
    apache(inst, group=QUICK + "\nserialise: none")
    for name in ("Restart", "Stop"):
        inst.press_delete("Apache", name)
    for name in ("Restart", "Stop"):
        inst.wait_state("Apache", name, "Running")
    assert inst.state_of("Apache", "Start") == ""


def two_groups(inst, keys):
    paths = {}
    for name in ("users", "admins"):
        paths[name] = inst.share if name == "users" else inst.root / "share2"
        paths[name].mkdir(exist_ok=True)
        word = name.capitalize()
        inst.define("Apache", f"- name: {word}\n  command: %ACT% {word} listen\n"
                              f"- name: {word} too\n  command: %ACT% {word}Too listen\n",
                    group=keys, name=name, path=paths[name], snippet_name=f"apache-{name}")
    inst.start()
    return paths


def names_in(path):
    return sorted(n for n in os.listdir(path / "Apache") if n not in ("Run", "Status.txt"))


def test_serialise_object_reaches_over_its_groups(inst):
    paths = two_groups(inst, QUICK)
    wait_for(lambda: names_in(paths["admins"]) == ["Admins too.txt", "Admins.txt"], "ready",
             dump=inst.dump)
    inst.press_delete("Apache", "Users")
    wait_for(lambda: names_in(paths["admins"]) == ["Admins [Blocked].txt",
                                                   "Admins too [Blocked].txt"],
             "the other group is blocked", dump=inst.dump)


def test_serialise_group_stays_in_its_group(inst):
    paths = two_groups(inst, QUICK + "\nserialise: group")
    wait_for(lambda: names_in(paths["admins"]) == ["Admins too.txt", "Admins.txt"], "ready",
             dump=inst.dump)
    inst.press_delete("Apache", "Users")
    inst.wait_state("Apache", "Users too", "Blocked")
    os.unlink(paths["admins"] / "Apache" / "Admins.txt")
    inst.wait_ran("Admins", 1)
    assert inst.state_of("Apache", "Users") == "Running"


def test_when_busy_queue_runs_them_in_order(inst):
    apache(inst, group=QUICK + "\nwhen-busy: queue")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    for name in ("Stop", "Start"):
        inst.press_delete("Apache", name)
        inst.wait_state("Apache", name, "Waiting")
    finish(inst, "Restart")
    inst.wait_state("Apache", "Stop", "Running")
    assert inst.state_of("Apache", "Start") == "Waiting"
    finish(inst, "Stop")
    inst.wait_state("Apache", "Start", "Running")
    finish(inst, "Start")
    inst.wait_state("Apache", "Start", "Done")
    assert [inst.ran(name)[0].run for name in ("Restart", "Stop", "Start")] == [1, 2, 3]


def test_pressing_waiting_takes_it_out_of_the_queue(inst):
    apache(inst, group=QUICK + "\nwhen-busy: queue")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    inst.press_delete("Apache", "Stop")
    inst.wait_state("Apache", "Stop", "Waiting")
    inst.press_delete("Apache", "Stop")
    inst.wait_state("Apache", "Stop", re.compile("Blocked|Cancelled|"))
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    inst.press_delete("Apache", "Start")
    inst.wait_ran("Start", 1)
    assert not inst.ran("Stop")


def test_while_running_hide(inst):
    apache(inst, group=QUICK + "\nwhile-running: hide")
    inst.press_delete("Apache", "Restart")
    inst.wait_board("Apache", ["Restart [Running].txt", "Run", "Status.txt"])
    finish(inst)
    inst.wait_board("Apache", ["Restart [Done].txt", "Run", "Start.txt", "Status.txt", "Stop.txt"])
    inst.press_delete("Apache", "Stop")
    inst.wait_ran("Stop", 1)


# --- delays ---

def test_failed_stays_until_pressed(inst):
    apache(inst, group=QUICK + "\nresult-delay: 200ms")
    inst.press_delete("Apache", "Restart")
    finish(inst, line="exit 1")
    inst.wait_state("Apache", "Restart", "Failed")
    stays(lambda: inst.state_of("Apache", "Restart") == "Failed", "Failed stays", 0.6, inst.dump)
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 2)


def test_failed_delay(inst):
    apache(inst, group=QUICK + "\nfailed-delay: 300ms")
    inst.press_delete("Apache", "Restart")
    finish(inst, line="exit 1")
    inst.wait_state("Apache", "Restart", "Failed")
    inst.wait_state("Apache", "Restart", "")


def test_done_fades_under_a_reader(inst):
    """Somebody has the flag open while it changes its name."""
    apache(inst, group=QUICK + "\nresult-delay: 300ms")
    inst.press_delete("Apache", "Restart")
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    with open(inst.path_of("Apache", "Restart"), "rb") as held:
        inst.wait_state("Apache", "Restart", "")
        assert held.read()


def test_cooldown(inst):
    apache(inst, group="hold: 0\ncooldown: 2s")
    inst.press_delete("Apache", "Restart")
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Done")
    inst.wait_ran("Restart", 1)

    def pressed_again():
        if inst.state_of("Apache", "Restart") == "Done":
            inst.press_delete("Apache", "Restart")
        return len(inst.ran("Restart")) == 2
    wait_for(pressed_again, "after the cooldown it runs again", dump=inst.dump)


def test_confirm(inst):
    apache(inst, actions=action(confirm="30s"))
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Press again to confirm")
    assert not inst.ran("Restart")

    def pressed_again():
        """A second press counts only 2 s after the first: not a double click."""
        if inst.state_of("Apache", "Restart") == "Press again to confirm":
            inst.press_delete("Apache", "Restart")
            wait_for(lambda: inst.state_of("Apache", "Restart") is not None, "it is back",
                     dump=inst.dump)
        return inst.ran("Restart")
    wait_for(pressed_again, "the second press runs it", dump=inst.dump)
    inst.wait_ran("Restart", 1)


def test_confirm_ignores_a_double_press(inst):
    apache(inst, actions=action(confirm="30s"))
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Press again to confirm")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Press again to confirm")
    assert not inst.ran("Restart")


def test_confirm_that_does_not_come(inst):
    apache(inst, actions=action(confirm="5s"))
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Press again to confirm")
    inst.wait_state("Apache", "Restart", "", timeout=15)
    assert not inst.ran("Restart")


def test_start_limit_pauses_the_action(inst):
    apache(inst, actions=action(shell="exit 0"), group=QUICK + "\nstart-limit-burst: 3")
    for count in (1, 2, 3):
        inst.press_delete("Apache", "Restart")
        inst.wait_ran("Restart", count)
        inst.wait_state("Apache", "Restart", "Done")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Paused")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Paused")
    inst.wait_ran("Restart", 3)


def test_start_limit_ends_with_its_interval(inst):
    apache(inst, actions=action(shell="exit 0"),
           group=QUICK + "\nstart-limit-burst: 1\nstart-limit-interval: 2s")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Done")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Paused")
    inst.wait_state("Apache", "Restart", re.compile("|Done"))
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 2)


# --- ends ---

@pytest.mark.parametrize("line, state, words", [
    ("exit 0", "Done", "done"),
    ("exit 3", "Failed", "exit status 3"),
    ("kill -9 $$", "Failed", "killed by signal 9"),
])
def test_results_in_words(inst, line, state, words):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    finish(inst, line=line)
    inst.wait_state("Apache", "Restart", state)
    inst.wait_text("Apache", "Restart", f"(?i){words}")


def test_a_program_that_is_not_there(inst):
    apache(inst, actions="- name: Restart\n  command: %ROOT%/no-such-program\n")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Failed")
    inst.wait_text("Apache", "Restart",
                   r"could not start: /\S*no-such-program: No such file or directory")


def test_success_exit_status(inst):
    apache(inst, actions=action(success_exit_status="[0, 3]"))
    inst.press_delete("Apache", "Restart")
    finish(inst, line="exit 3")
    inst.wait_state("Apache", "Restart", "Done")


def test_timeout(inst):
    apache(inst, actions=action(timeout="1s"))
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Failed")
    inst.wait_text("Apache", "Restart", "timed out after 1 s")
    assert gone(inst.ran("Restart")[0].pid)


def test_stop_grace_ends_in_a_kill(inst):
    apache(inst, actions=action(timeout="1s", stop_grace="1s"))
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", "trap 'echo TERM >%s/term' TERM" % inst.out)
    inst.tell("Restart", "while :; do sleep 1; done")
    pid = inst.wait_ran("Restart")[0].pid
    inst.wait_state("Apache", "Restart", "Failed")
    assert (inst.out / "term").exists(), "TERM comes first"
    assert gone(pid)
    inst.wait_text("Apache", "Restart", "timed out")


def test_cancel_by_press(inst):
    apache(inst, actions=action(cancel_by_press="yes"))
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    pid = inst.wait_ran("Restart")[0].pid
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Cancelled")
    assert gone(pid)
    inst.wait_text("Apache", "Restart", "(?i)cancelled")


def test_children_of_the_command_are_stopped_too(inst):
    apache(inst, actions=action(cancel_by_press="yes"))
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", f"sleep 600 & echo $! >{inst.out}/child")
    child = int(wait_for(lambda: (inst.out / "child").read_text().strip(), "the child's pid",
                         dump=inst.dump))
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Cancelled")
    wait_for(lambda: gone(child), "the child is gone", dump=inst.dump)


def daemon_of(inst, leftovers):
    """The command starts a process in the background and ends."""
    apache(inst, actions=action(leftovers=leftovers))
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", f"sleep 600 & echo $! >{inst.out}/child")
    child = int(wait_for(lambda: (inst.out / "child").read_text().strip(), "the child's pid",
                         dump=inst.dump))
    finish(inst)
    return child


def test_leftovers_leave(inst):
    child = daemon_of(inst, "leave")
    inst.wait_state("Apache", "Restart", "Done")
    assert not gone(child)


def test_leftovers_kill(inst):
    child = daemon_of(inst, "kill")
    inst.wait_state("Apache", "Restart", "Done")
    wait_for(lambda: gone(child), "the leftover is killed", dump=inst.dump)


def test_leftovers_wait(inst):
    child = daemon_of(inst, "wait")
    stays(lambda: inst.state_of("Apache", "Restart") == "Running", "it runs on", 0.5, inst.dump)
    os.kill(child, signal.SIGTERM)
    inst.wait_state("Apache", "Restart", "Done")


def test_the_runner_dies(inst):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    command = inst.wait_ran("Restart")[0].pid
    runner = next(p for p in inst.pids("runner") if command in processes.descendants(p))
    os.kill(runner, signal.SIGKILL)
    inst.wait_state("Apache", "Restart", "Failed")
    inst.wait_text("Apache", "Restart", "interrupted, it may have run")
    wait_for(lambda: gone(command), "what was left of it is killed", dump=inst.dump)


# --- locks ---

def test_locks_hold_across_objects(inst):
    for obj in ("Writer", "Reader"):
        inst.define(obj, f"- name: Use\n  command: %ACT% {obj} listen\n  locks: [/dev/sr0]\n"
                         f"- name: Free\n  command: %ACT% {obj}Free 'exit 0'\n")
    inst.start()
    inst.wait_state("Reader", "Use", "")
    inst.press_delete("Writer", "Use")
    inst.wait_state("Writer", "Use", "Running")
    inst.wait_state("Reader", "Use", "Blocked")
    inst.wait_text("Reader", "Use", "Writer")
    inst.press_delete("Reader", "Use")
    inst.wait_state("Reader", "Use", "Blocked")
    inst.press_delete("Reader", "Free")
    inst.wait_state("Reader", "Free", "Done")
    finish(inst, "Writer")
    inst.wait_state("Reader", "Use", "")
    inst.press_delete("Reader", "Use")
    inst.wait_ran("Reader", 1)


def test_a_queue_behind_a_lock(inst):
    for obj in ("Writer", "Reader"):
        inst.define(obj, f"- name: Use\n  command: %ACT% {obj} listen\n  locks: [drive]\n",
                    group=QUICK + "\nwhen-busy: queue")
    inst.start()
    inst.wait_state("Reader", "Use", "")
    inst.press_delete("Writer", "Use")
    inst.wait_state("Writer", "Use", "Running")
    inst.press_delete("Reader", "Use")
    inst.wait_state("Reader", "Use", "Waiting")
    finish(inst, "Writer")
    inst.wait_state("Reader", "Use", "Running")


# --- progress ---

def test_progress(inst):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", "systemd-notify --status='42% copying files'")
    inst.wait_text("Apache", "Restart", "42% copying files")
    inst.wait_state("Apache", "Restart", "Running 40%")
    inst.tell("Restart", "systemd-notify --status='just words'")
    inst.wait_text("Apache", "Restart", "just words")
    finish(inst)
    inst.wait_state("Apache", "Restart", "Done")


def test_progress_is_shown_while_the_name_waits(inst):
    """The name goes in steps, at most every 5 s; the text does not wait for it."""
    apache(inst)
    inst.press_delete("Apache", "Restart")
    for percent in (20, 40, 60, 80):
        inst.tell("Restart", f"systemd-notify --status='{percent}% step {percent}'",
                  f"echo output {percent}")
        inst.wait_text("Apache", "Restart", f"step {percent}", timeout=2)
        inst.wait_text("Apache", "Restart", f"output {percent}", timeout=2)
    assert inst.state_of("Apache", "Restart") == "Running 20%"


def test_progress_in_the_name_goes_in_steps(inst):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", "systemd-notify --status='3% a'")
    inst.wait_text("Apache", "Restart", "3% a")
    inst.wait_state("Apache", "Restart", re.compile("Running( 0%)?"))
    inst.tell("Restart", "systemd-notify --status='99% b'")
    inst.wait_text("Apache", "Restart", "99% b")
    inst.wait_state("Apache", "Restart", "Running 90%")


def test_progress_in_the_name_is_rare_and_in_tens(inst):
    """Steps that are passed within 5 s are never names; the last of them is, once they are over."""
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    begin = time.monotonic()
    inst.tell("Restart", "systemd-notify --status='12% first'")
    inst.wait_state("Apache", "Restart", "Running 10%")
    seen = []

    def look():
        state = inst.state_of("Apache", "Restart")
        if state is not None and state not in seen:
            seen.append(state)
        return state
    for percent in (17, 21, 35, 47):
        inst.tell("Restart", f"systemd-notify --status='{percent}% now'")
        wait_for(lambda p=percent: look() and f"{p}% now" in inst.text("Apache", "Restart"),
                 f"the text says {percent}%", dump=inst.dump)
    wait_for(lambda: look() == "Running 40%", "the name follows", dump=inst.dump)
    assert seen == ["Running 10%", "Running 40%"]
    assert time.monotonic() - begin >= 5


# --- missed ---

def missed(inst, gesture, keys=""):
    apache(inst, group=QUICK + "\n" + keys, actions=action())
    inst.stop()
    getattr(inst, gesture)("Apache", "Restart")
    inst.start()


@pytest.mark.parametrize("gesture", ["press_delete", "press_move"])
def test_missed_show(inst, gesture):
    missed(inst, gesture)
    inst.wait_state("Apache", "Restart", "Not run")
    assert not inst.ran("Restart")
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 1)


@pytest.mark.parametrize("gesture", ["press_delete", "press_move"])
def test_missed_run(inst, gesture):
    missed(inst, gesture, "missed: run")
    inst.wait_ran("Restart", 1)
    inst.wait_state("Apache", "Restart", "Running")


@pytest.mark.parametrize("gesture", ["press_delete", "press_move"])
def test_missed_run_is_not_run_when_it_is_old(inst, gesture):
    apache(inst, group=QUICK + "\nmissed: run\nmissed-at-most: 1s", actions=action())
    inst.stop()
    getattr(inst, gesture)("Apache", "Restart")
    pressed = time.monotonic()
    wait_for(lambda: time.monotonic() > pressed + 1.1, "it is older than missed-at-most")
    inst.start()
    inst.wait_state("Apache", "Restart", "Not run")
    assert not inst.ran("Restart")


@pytest.mark.parametrize("gesture", ["press_delete", "press_move"])
def test_missed_run_that_is_young_enough(inst, gesture):
    """Flagman was down for longer than that, but the press is of just now."""
    apache(inst, group=QUICK + "\nmissed: run\nmissed-at-most: 5s", actions=action())
    inst.stop()
    stopped = time.monotonic()
    wait_for(lambda: time.monotonic() > stopped + 5, "it is down for longer than missed-at-most")
    getattr(inst, gesture)("Apache", "Restart")
    inst.start()
    inst.wait_state("Apache", "Restart", "Running")
    inst.wait_ran("Restart", 1)


def test_missed_many_are_put_back(inst):
    """More than one flag of an object is absent: nobody pressed all of them."""
    apache(inst, group=QUICK + "\nmissed: run")
    inst.stop()
    for name in ("Restart", "Stop"):
        inst.press_delete("Apache", name)
    inst.start()
    for name in ("Restart", "Stop"):
        inst.wait_state("Apache", name, "")
        assert not inst.ran(name)


# --- misconfigured, receiving ---

def test_misconfigured(inst):
    inst.define("Good", action("Go", "exit 0"))
    inst.define("Apache", "- name: Restart\n  comand: /bin/true\n")
    inst.start()
    inst.wait_state("Apache", "Restart", "Misconfigured")
    inst.wait_text("Apache", "Restart", "comand")
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Misconfigured")
    inst.press_delete("Good", "Go")
    inst.wait_state("Good", "Go", "Done")


def test_receiving(inst):
    inst.define("DVD", """
        - name: Burn
          command: %ACT% Burn 'exit 0'
          drop: {folder: Burn, accept: ["*.iso"], settle: 200ms}
    """)
    inst.start()
    inst.wait_state("DVD", "Burn", "")
    with open(inst.share / "DVD" / "Burn" / "image.iso", "wb") as upload:
        upload.write(b"x" * 1000)
        upload.flush()
        inst.wait_state("DVD", "Burn", "Receiving")
        assert not inst.ran("Burn")
        upload.write(b"y" * 1000)
    inst.wait_ran("Burn", 1)
    inst.wait_state("DVD", "Burn", "Done")


def test_several_objects_show_their_own_states(inst):
    several(inst, 3, shell="exit 7")
    inst.press_delete("App1", "Restart")
    inst.wait_state("App1", "Restart", "Failed")
    assert (inst.state_of("App0", "Restart"), inst.state_of("App2", "Restart")) == ("", "")


# --- flags that are somebody else's ---

@pytest.mark.root
def test_flags_of_another_user(inst, people):
    """The agent writes through the descriptor that it has, and after a restart it has none."""
    apache(inst, file=f"user: {people.bob}")

    def owner():
        return inst.path_of("Apache", "Restart").stat().st_uid
    assert owner() == people.uid("bob")
    inst.press_delete("Apache", "Restart")
    inst.tell("Restart", "echo first")
    inst.wait_text("Apache", "Restart", r"\bfirst\b")
    assert (inst.state_of("Apache", "Restart"), owner()) == ("Running", people.uid("bob"))
    inst.restart()
    inst.tell("Restart", "echo second")
    inst.wait_text("Apache", "Restart", r"\bfirst second\b")
    assert (inst.state_of("Apache", "Restart"), owner()) == ("Running", people.uid("bob"))
    assert inst.board("Apache") == ["Restart [Running].txt", "Run", "Start [Blocked].txt",
                                    "Status.txt", "Stop [Blocked].txt"]
    finish(inst, line="exit 3")
    inst.wait_state("Apache", "Restart", "Failed")
    inst.wait_text("Apache", "Restart", "exit status 3")
    assert owner() == people.uid("bob")
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 2)
