# SPDX-License-Identifier: GPL-2.0-or-later
"""What the bench presses: flagmand with generated objects, and the floor with folders like them.

A press is a line for bench-press (see press.c); its id stands in the flag's name and the command.
"""

import collections
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from lib import people, processes
from lib.instance import Instance
from lib.smbd import Smbd

Press = collections.namedtuple("Press", "id object action path done")
Burst = collections.namedtuple("Burst", "unlinked_ms last_ms lost twice")

SNIPPET = """object: {object}
action-group:
  directory: {{path: {path}, group: {group}}}
{user}{keys}  actions:
{actions}"""
DOCUMENTS_A_FILE = 100


class Bench:
    """The temporary directory, the people and the FIFO of stamps; a context manager."""

    def __init__(self, programs, tools, keep):
        self.programs = programs
        self.tools = tools
        self.keep = keep
        self.root = Path(tempfile.mkdtemp(prefix="flagman-bench-"))
        self.root.chmod(0o755)
        self.people = people.make(os.getpid())
        # Here, for the build may lie where the commands' user may not look.
        self.stamp = shutil.copy(self.tool("stamp"), self.root)
        self.fifo = self.root / "stamps"
        os.mkfifo(self.fifo)
        self.fifo.chmod(0o666)
        # A stamp must find a reader even between two measurements.
        self._reader = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.directories = [self.root]
        processes.become_subreaper()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        processes.end_all()
        os.close(self._reader)
        people.remove(os.getpid())
        for directory in self.directories:
            if self.keep:
                print(f"# left behind: {directory}")
            else:
                shutil.rmtree(directory)

    def tool(self, name):
        return str(self.tools / f"bench-{name}")

    def smbd(self):
        return Smbd(self.root / "smbd", self.people)

    def _finger(self, arguments, presses):
        lines = "".join(f"{p.id}\t{p.path}\t{p.done}\n" for p in presses)
        done = subprocess.run([self.tool("press"), *map(str, arguments)], input=lines, text=True,
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"bench-press: {done.stderr}")
        found = collections.defaultdict(list)
        for line in done.stdout.splitlines():
            word, number = line.split()
            found[word].append(int(number))
        return found

    def single(self, presses, count, pause_us, how):
        """Latencies in us of COUNT presses one after another; a lost one is an error."""
        found = self._finger(["single", self.fifo, count, pause_us, how], presses)
        if found["lost"] or found["twice"]:
            raise AssertionError(f"lost: {found['lost']}, ran without a press: {found['twice']}")
        return [ns / 1000 for ns in found["press"]]

    def burst(self, presses, silence=10):
        found = self._finger(["burst", self.fifo, silence], presses)
        return Burst(found["unlinked"][0] / 1e6, found["last"][0] / 1e6, found["lost"],
                     found["twice"])


class Floor:
    """bench-floor, watching folders of its own for the same presses."""

    def __init__(self, bench, name, objects, actions):
        self.root = bench.root / name
        self.presses = []
        for o in range(objects):
            folder = self.root / f"{name} {o}"
            folder.mkdir(parents=True)
            for a in range(actions):
                number = o * actions + a
                path = folder / f"Press {number}.txt"
                self.presses.append(Press(number, folder.name, f"Press {number}", path, path))
        self.command = [bench.tool("floor"), bench.stamp, bench.fifo]
        self.process = None
        self.start_timed()

    def start_timed(self):
        """Starts it, again if it runs; ms until it watches all."""
        if self.process:
            self.close()
        folders = sorted({str(p.path.parent) for p in self.presses})
        started = time.monotonic()
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdin.write("".join(f"{f}\n" for f in folders))
        self.process.stdin.close()
        assert self.process.stdout.readline() == "ready\n"
        return (time.monotonic() - started) * 1000

    def make_flags(self):
        for press in self.presses:
            press.path.touch()

    def pids(self):
        return [self.process.pid]

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Flagman(Instance):
    """flagmand with OBJECTS of ACTIONS that stamp; KEYS are YAML for their groups."""

    def __init__(self, bench, name):
        super().__init__(bench.root / name, bench.people, bench.programs)
        self.bench = bench
        self.presses = {}
        # As /run is: in memory.  As /srv and /var/lib are: not side by side, for then ext4 makes
        # claims among the inodes of all the flags that were just deleted.
        self.run = self._elsewhere("/dev/shm")
        if os.access("/var/lib", os.W_OK):
            self.state = self._elsewhere("/var/lib")

    def _elsewhere(self, parent):
        path = Path(tempfile.mkdtemp(prefix="flagman-bench-", dir=parent))
        path.chmod(0o755)
        self.bench.directories.append(path)
        return path

    def objects(self, name, objects, actions, keys):
        """Snippets; the presses of the first action of each object come first."""
        made, documents = [], []
        for o in range(objects):
            obj = f"{name} {o}"
            lines = []
            for a in range(actions):
                number = o * actions + a
                action = f"Press {number}"
                path = self.share / obj / f"{action}.txt"
                made.append((a, o, Press(number, obj, action, path,
                                         self.share / obj / f"{action} [Done].txt")))
                lines.append(f"    - {{name: {action}, command: [{self.bench.stamp}, "
                             f"{self.bench.fifo}, '{number}']}}\n")
            documents.append(self._document(obj, keys, "".join(lines)))
        for i in range(0, len(documents), DOCUMENTS_A_FILE):
            part = self.conf / f"{name}-{i // DOCUMENTS_A_FILE}.yaml"
            part.write_text("---\n".join(documents[i:i + DOCUMENTS_A_FILE]), encoding="utf-8")
            part.chmod(0o644)
        self.presses[name] = [press for _, _, press in sorted(made)]

    def _document(self, obj, keys, actions):
        who = self.people.runner
        return SNIPPET.format(
            object=obj, path=self.share, group=self.people.group, actions=actions,
            user=f"  command: {{user: {who}, group: {who}}}\n" if self.people.root else "",
            keys="".join(f"  {key}: {value}\n" for key, value in keys.items()))

    def start_timed(self, patience):
        """Starts it; ms until READY=1."""
        began = time.monotonic()
        self.start(wait=False)
        while True:
            left = began + patience - time.monotonic()
            if left < 0 or self.process.poll() is not None:
                raise AssertionError("flagmand does not become ready\n" + self.log()[-4000:])
            if select.select([self._notify], [], [], min(left, 0.2))[0]:
                now = time.monotonic()
                if any("READY=1" in text for text in self.notifications()):
                    return (now - began) * 1000

    def all_pids(self):
        return [self.process.pid, *processes.descendants(self.process.pid)]

    def wait_flags(self, presses, patience=60):
        """Until all flags are there, ready or with a result."""
        end = time.monotonic() + patience
        for press in presses:
            while not (press.path.exists() or press.done.exists()):
                if time.monotonic() > end:
                    raise AssertionError(f"{press.path} does not come back\n" + self.log()[-4000:])
                time.sleep(0.01)

    def accounted(self, presses, ids):
        """Of presses that did not run: {id: what their flags show}; lost is who shows nothing."""
        wanted = set(ids)
        return {p.id: self.state_of(p.object, p.action) for p in presses if p.id in wanted}
