# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 before every step of a press: never run twice, never silently lost.

A step is a system call by which a process changes something that others see; strace kills the
process when it is about to make it.  A press is recorded first, so that its steps are known; then
there is one press for each step, and one more after it that must go well.  What happens to the
press is section 4 of the design: it ran once, or the flag says that it did not or may have.

By default each case takes every so many steps; FLAGMAN_KILL_POINTS=all takes all of them.
"""

import collections
import fcntl
import json
import os
import re
import subprocess
import time
import zlib

import pytest
from lib import processes
from lib.waiting import TimedOut, wait_for

pytestmark = pytest.mark.root

STRIDE = 1 if os.environ.get("FLAGMAN_KILL_POINTS") == "all" else 5
STEPS = ("bind", "chmod", "clone", "execve", "exit_group", "fchmod", "fchown", "fchownat",
         "fdatasync", "fsync", "ftruncate", "linkat", "mkdirat", "mknodat", "openat", "pwrite64",
         "renameat2", "sendmsg", "unlinkat", "write")
LARGE = (2 << 20) + 1  # is copied in three pieces
QUIET = 0.4  # no step for so long: the record is complete
HIT = 1.5  # a step that was recorded comes within this time, or not at all this time
OPEN = ("starting", "waiting", "running", "receiving", "confirm")
SHOWN = {"done": "Done", "failed": "Failed", "missed": "Not run"}

DROP = '\n  drop: {folder: In, accept: ["*.war"], settle: 0, after: return}'
GESTURES = {
    "delete": ("hold: 0", ""),
    "move": ("hold: 0", ""),
    "copy": ("hold: 0", ""),
    "command": ("hold: 0", ""),  # flagman run
    "held": ("hold: 100ms", ""),
    "missed": ("hold: 0\nmissed: run", ""),
    "drop": ("hold: 0", DROP),
    "payload": ("hold: 0", DROP),  # flagman run --payload
    "again": ("hold: 0", DROP),  # the payload of a failed run is in custody, its flag is pressed
    "again by command": ("hold: 0", DROP),
    "again by copy": ("hold: 0", DROP),
}
CASES = [(phase, role, gesture) for phase, roles, gestures in (
    ("begins", ("agent", "executor", "runner", "launcher", "nursery", "watcher"),
     ("delete", "move", "drop")),
    ("begins", ("agent", "executor"), ("copy", "command", "held", "missed", "payload", "again",
                                       "again by command", "again by copy")),
    ("ends", ("agent", "executor", "runner"), ("delete", "drop")),
    ("is settled", ("agent", "executor"), ("delete",)),
) for role in roles for gesture in gestures]

Step = collections.namedtuple("Step", "call nth")


def pids(inst, role):
    """The runners that wait have their command's process already: the launcher."""
    runners = inst.pids("runner")
    launchers = [c for r in runners for c in processes.children(r) if c in runners]
    if role == "nursery":
        return [p for p in processes.descendants(inst.process.pid)
                if processes.comm(p) == "flagman-nursery"]
    if role == "launcher":
        return launchers
    return [p for p in inst.pids(role) if p not in launchers]


def is_traced(pid):
    """Or was: what it does in the background may be the step at which it is killed."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
            return re.search(r"^TracerPid:\t0$", f.read(), re.MULTILINE) is None
    except FileNotFoundError:
        return True


class Strace:
    """Traces the processes of ROLE, and kills the one that comes to STEP."""

    def __init__(self, inst, role, step=None):
        self.inst, self.path = inst, inst.root / "strace"
        self.pids = wait_for(lambda: pids(inst, role), f"there is a {role}", dump=inst.dump)
        self.command = ["strace", "-qq", "-o", str(self.path), "-e", f"trace={','.join(STEPS)}"]
        self.command += ["-f"] if role == "nursery" else []
        self.command += [word for pid in self.pids for word in ("-p", str(pid))]
        if step:
            self.command += ["-e", f"inject={step.call}:signal=KILL:when={step.nth}"]
        self.quiet_since = self.seen = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)
        wait_for(lambda: all(is_traced(p) for p in self.pids), "strace is there",
                 dump=self.inst.dump)
        return self

    def __exit__(self, *error):
        self.process.terminate()
        self.process.wait()

    def text(self):
        return self.path.read_text(encoding="utf-8", errors="replace")

    def has_killed(self):
        return "+++ killed by SIGKILL +++" in self.text()

    def is_quiet(self):
        now, seen = time.monotonic(), self.text()
        if seen != self.seen:
            self.quiet_since, self.seen = now, seen
        return now - self.quiet_since > QUIET

    def steps(self):
        """In their order.  strace counts for itself in each process, and each kind of call."""
        counts = collections.Counter()
        gone = set()
        steps = []
        for pid, call, rest in re.findall(r"^(\d* *)(\w+)\((.*)", self.text(), re.MULTILINE):
            if pid in gone:
                continue
            counts[pid, call] += 1
            step = Step(call, counts[pid, call])
            if call == "openat" and "O_CREAT" not in rest or (call, rest[:2]) == ("write", "2,"):
                continue  # it reads, or it is the log
            if call == "execve":
                gone.add(pid)  # what follows is done by the command
            if step not in steps:
                steps.append(step)
        return steps


class Case:
    """One flag, App/Go, that is pressed again and again.  Its command ends when it may."""

    def __init__(self, inst, phase, role, gesture):
        self.inst, self.phase, self.role, self.gesture = inst, phase, role, gesture
        self.payloads = []
        self.payload = inst.root / "payload.war"
        self.payload.write_bytes(b"x" * LARGE)
        self.mark, self.refused = 0, False
        self.status = inst.out / "status"
        self.status.write_text("0")
        self.lock = open(inst.out / "lock", "wb")
        group, drop = GESTURES[gesture]
        inst.define("App", "- name: Go\n  command: %ACT% Go"
                    " 'flock --shared %OUT%/lock true;"
                    " [ -z \"$FLAGMAN_PAYLOAD\" ] || wc -c <\"$FLAGMAN_PAYLOAD\" >>%OUT%/sizes;"
                    " exit $(cat %OUT%/status)'" + drop,
                    group=f"{group}\ncooldown: 0\nstart-limit-interval: 0")
        inst.start()
        inst.wait_state("App", "Go", "")

    def hold(self):
        """From now on the command does not end."""
        fcntl.flock(self.lock, fcntl.LOCK_EX)

    def let_go(self):
        fcntl.flock(self.lock, fcntl.LOCK_UN)

    def drop(self):
        self.payloads.append(f"payload {len(self.payloads)}".encode())
        self.inst.drop("App", "In", f"{len(self.payloads)}.war", self.payloads[-1])

    def is_kept(self):
        """A payload waits for another try: a press of the flag is one."""
        if self.inst.state_of("App", "Go") in ("", "Done"):
            return False
        return len(os.listdir(self.inst.share / ".flagman" / "staging")) > 1

    def press(self, first=True):
        """The first of two is the one that is disturbed.  The second takes what it has left."""
        gesture = self.gesture
        if not first and (gesture == "payload" or gesture.startswith("again")):
            gesture = "delete" if self.is_kept() else "drop"
        self.mark, self.refused = len(self.inst.log()), False
        if gesture == "drop":
            self.drop()
        elif gesture == "payload":
            self.command("--payload", str(self.payload))
        elif gesture == "move":
            self.inst.press_move("App", "Go")
        elif gesture.endswith("copy"):
            self.inst.press_copy("App", "Go")
        elif gesture.endswith("command"):
            self.command()
        else:
            self.inst.press_delete("App", "Go")

    def command(self, *options):
        self.refused = self.inst.cli("run", *options, "App/Go").returncode != 0

    def history(self):
        done = self.inst.cli("history", "--json", "--limit", "3")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def newest(self):
        return max((run["run"] for run in self.history() or []), default=0)

    def is_told(self):
        """Nothing came of the press, and that was said at once, or is in the log."""
        return self.refused or self.gesture.endswith("copy") and "is not run: flagman died" in (
            self.inst.log()[self.mark:])

    def since(self, last):
        """What became of all that was pressed after run LAST: once nothing of it is under way."""
        history = self.history()
        found = [run for run in history or [] if run["run"] > last]
        if history is not None and not found and self.is_told():
            return []
        over = found and all(run["state"] not in OPEN for run in found)
        shown = self.inst.state_of("App", "Go")
        return found if over and shown == SHOWN.get(found[0]["state"]) else None

    def wait_since(self, last):
        def over():
            found = self.since(last)
            return None if found is None else (found,)
        return wait_for(over, "the press is over", dump=self.inst.dump)[0]

    def places(self, payload):
        """Where its file is, below the share."""
        return [str(p.relative_to(self.inst.share)) for p in sorted(self.inst.share.rglob("*"))
                if p.is_file() and p.read_bytes() == payload]

    def is_returned(self):
        """All payloads are back where those who dropped them find them, and nothing is left."""
        workshop = self.inst.share / ".flagman"
        if os.listdir(workshop) != ["staging"]:
            return False
        return os.listdir(workshop / "staging") == ["reserve"] and all(
            re.fullmatch(r"App/In/Returned/[^/]*", " ".join(self.places(payload)))
            for payload in self.payloads)

    # --- one press ---

    def prepare(self):
        """Up to where it gets interesting, and all is idle."""
        inst = self.inst
        self.hold()
        self.mark, self.refused = len(inst.log()), False
        if self.gesture.startswith("again"):
            self.status.write_text("1")
            self.let_go()
            last = self.newest()
            self.drop()
            self.wait_since(last)
            staging = inst.share / ".flagman" / "staging"
            wait_for(lambda: len(os.listdir(staging)) == 2, "it is kept", dump=inst.dump)
            self.status.write_text("0")
            self.hold()
        self.last, self.ran = self.newest(), len(inst.ran("Go"))
        if self.phase == "begins":
            return
        self.press()
        inst.wait_ran("Go", self.ran + 1)
        inst.wait_state("App", "Go", "Running")
        wait_for(lambda: self.newest() > self.last, "it is written down", dump=inst.dump)
        if self.phase == "is settled":
            self.let_go()
            self.wait_since(self.last)

    def do(self):
        if self.phase == "begins":
            self.press()
        elif self.phase == "ends":
            self.let_go()

    def over(self):
        """When it is not disturbed."""
        if self.phase == "is settled":
            return not self.claims()
        state = self.inst.state_of("App", "Go")
        return state == {"begins": "Running", "ends": "Done"}[self.phase]

    def claims(self):
        return [n for n in os.listdir(self.inst.state / "runs") if not n.startswith(".ready-")]

    def record(self):
        self.prepare()
        with Strace(self.inst, self.role) as strace:
            self.do()
            wait_for(lambda: self.over() and strace.is_quiet(), "it is recorded",
                     dump=self.inst.dump)
        self.judge()
        return strace.steps()

    def kill_at(self, step):
        """True if that step came."""
        self.prepare()
        with Strace(self.inst, self.role, step) as strace:
            self.do()
            try:
                killed = wait_for(strace.has_killed, "it is killed",
                                  HIT + 2.5 * (self.phase == "is settled"))
            except TimedOut:
                killed = False
        try:
            if killed and self.role == "executor":
                self.inst.process.wait()
                self.inst.start()
            self.judge()
            if killed and self.role == "agent":
                self.inst.restart()  # or the next agents would be started later and later
        except (AssertionError, RuntimeError) as error:
            raise AssertionError(
                f"a press ({self.gesture}) {self.phase}, and the {self.role} "
                f"{'is killed before' if killed else 'does not come to'} its {step.call} number "
                f"{step.nth}:\n... {strace.text()[-600:]}\n{error}") from error
        return killed

    def judge(self):
        """What became of the press; and the next one goes well."""
        inst = self.inst
        self.let_go()
        runs = self.wait_since(self.last)
        if self.gesture == "drop":  # written down and not taken yet: that try was called off
            runs = [run for run in runs if run["state"] != "cancelled"]
        ran = len(inst.ran("Go")) - self.ran
        assert ran <= 1, f"it ran {ran} times\n" + inst.dump()
        if not runs:
            assert ran == 0 and self.is_told(), inst.dump()
            runs = [{"state": "missed", "run": self.last}]
        assert len(runs) == 1, f"{runs}\n" + inst.dump()
        if ran == 0 and runs[0]["state"] != "missed" or ran == 1 and runs[0]["state"] != "done":
            assert runs[0]["state"] == "failed", f"ran {ran} times: {runs}\n" + inst.dump()
            inst.wait_text("App", "Go", "killed by signal 9" if self.role == "launcher"
                           else "interrupted, it may have run")
        if self.gesture == "payload" and ran:
            sizes = (inst.out / "sizes").read_text().split()
            whole = {str(LARGE), *(str(len(payload)) for payload in self.payloads)}
            assert set(sizes) <= whole, f"{sizes}\n" + inst.dump()
        for payload in self.payloads:
            assert len(self.places(payload)) == 1, f"{self.places(payload)}\n" + inst.dump()
        self.ran += ran
        self.last = runs[0]["run"]
        self.press(False)
        inst.wait_ran("Go", self.ran + 1)
        run, = self.wait_since(self.last)
        assert run["state"] == "done", f"{run}\n" + inst.dump()
        wait_for(self.is_returned, "nothing is left in staging", dump=inst.dump)

    def nothing_is_left(self):
        """Of all those claims, once the last is given back."""
        inst = self.inst
        wait_for(lambda: not self.claims(), "all claims are given back", dump=inst.dump)
        for kind in ("alive", "notify"):
            ids = {n.removeprefix(".ready-") for n in os.listdir(inst.state / "runs")}
            assert set(os.listdir(inst.run / kind)) <= ids, f"{kind}\n" + inst.dump()


@pytest.mark.parametrize("phase, role, gesture", CASES)
def test_killed_before_each_step(inst, phase, role, gesture):
    case = Case(inst, phase, role, gesture)
    steps = case.record()
    assert steps, f"{role} does nothing"
    first = zlib.crc32(f"{phase} {role} {gesture}".encode()) % min(STRIDE, len(steps))
    hit = [case.kill_at(step) for step in steps[first::STRIDE]]
    assert any(hit) or case.kill_at(steps[0]), f"none of {steps} came again"
    case.nothing_is_left()


# --- nobody presses ---

def moved_away(inst):
    """Its directory; flagmand makes another."""
    aside = inst.root / "aside"
    aside.mkdir(exist_ok=True)
    os.rename(inst.share / "App", aside / str(len(os.listdir(aside))))


def edited(inst):
    """What its files must look like: each is made anew."""
    text = (inst.conf / "app.yaml").read_text(encoding="utf-8")
    modes = ("mode: 0600", "mode: 0640")
    old, new = modes if modes[0] in text else modes[::-1]
    inst.write("app.yaml", text.replace(old, new))


def is_there(inst):
    flag = inst.share / "App" / "Go.txt"
    text = (inst.conf / "app.yaml").read_text(encoding="utf-8")
    try:
        return oct(flag.stat().st_mode & 0o777)[2:] in text
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("change", [moved_away, edited])
def test_killed_while_nobody_presses(inst, change):
    """The next agent finds no flag, or another directory: that is no press."""
    inst.define("App", "- name: Go\n  command: %ACT% Go\n", file="mode: 0640",
                group="hold: 0\nmissed: run")
    inst.start()
    inst.wait_state("App", "Go", "")
    with Strace(inst, "agent") as strace:
        change(inst)
        wait_for(lambda: is_there(inst) and strace.is_quiet(), "it is recorded", dump=inst.dump)
    steps = strace.steps()
    hits = 0
    for step in steps[zlib.crc32(change.__name__.encode()) % STRIDE::STRIDE]:
        with Strace(inst, "agent", step) as strace:
            change(inst)
            try:
                hits += wait_for(strace.has_killed, "it is killed", HIT)
            except TimedOut:
                pass
        wait_for(lambda: is_there(inst), f"it is back after {step}", dump=inst.dump)
        inst.restart()  # or the next agents would be started later and later
        wait_for(lambda: is_there(inst), f"it is there after {step}", dump=inst.dump)
        assert not inst.ran("Go"), f"it ran: {step}\n" + inst.dump()
    assert hits, f"none of {steps} came again"
