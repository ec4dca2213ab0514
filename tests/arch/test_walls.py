# SPDX-License-Identifier: GPL-2.0-or-later
"""What each process is allowed while flagman runs: as /proc says, and as one finds who tries.

Needs a build that is not sanitized: sanitizers look at their process in ways that nobody else may.
tests/walls has an agent and a watcher that try everything, and the same without walls.
"""

import contextlib
import grp
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib import people as people_module  # noqa: E402
from lib import processes  # noqa: E402
from lib.instance import Instance  # noqa: E402
from lib.kernel import landlock_version  # noqa: E402
from lib.waiting import wait_for  # noqa: E402

ROOT = os.geteuid() == 0
NONE = "0000000000000000"

# /proc/PID/status and limits.  "all" is what the test itself has.
#             user     groups   NNP  seccomp capabilities: bounding, effective  core    others see
TABLE = {
    "executor": ("self", "self", "0", "0", "all", "all", "any", True),
    "runner": ("self", "self", "0", "0", "none", "all", "any", True),
    "agent": ("agent", "agent", "1", "2", "none", "none", "0", False),
    "watcher": ("agent", "agent", "1", "2", "none", "none", "0", False),
    "command": ("runner", "runner", "1", "0", "none", "none", "any", True),
}
# An ordinary user gives away what there is to give; a bounding set can't be.
if not ROOT:
    TABLE = {name: ("self", "self", *row[2:4], "all", "none", *row[6:])
             for name, row in TABLE.items()}

# Where it works without walls, it shows that they are what is in the way.
CONTROL = {
    "open-passwd", "open-root", "open-own-memory", "open-null", "make-file", "make-file-in-shm",
    "make-directory", "make-symlink", "make-fifo", "fork", "signal-all", "signal-by-file",
    "choose-signal", "reschedule", "socket-internet", "socket-unix", "socket-netlink",
    "socket-pair", "set-dumpable", "personality", "map-code", "make-code",
}
# What Landlock keeps out is EACCES.  Anything else than these two has reached the kernel's inside.
REFUSED = {"EPERM", "EACCES"}
# Landlock knows nothing of modes and owners: there the kernel's own permissions are the wall.
LANDLOCKED = {"open-passwd", "open-root", "open-own-memory", "make-file", "make-file-in-shm"}


@pytest.fixture(scope="module")
def people():
    processes.become_subreaper()
    yield people_module.make(os.getpid())
    people_module.remove(os.getpid())


@pytest.fixture
def place():
    path = Path(tempfile.mkdtemp(prefix="fmw-", dir="/srv" if ROOT else None))
    path.chmod(0o755)
    yield path
    processes.end_all()
    shutil.rmtree(path, ignore_errors=True)


def copied(bin_dir, place, *others):
    """The programs where every user can reach them, some replaced by OTHERS."""
    target = place / "bin"
    shutil.copytree(bin_dir, target)
    for other in others:
        shutil.copy(bin_dir.parent / "tests" / "walls" / other, target / other)
    for program in target.iterdir():
        program.chmod(0o755)
    return target


def status(pid):
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def core_limit(pid):
    try:
        text = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
    except PermissionError:  # an ordinary user's, and it is not dumpable: so it can dump no core
        return "0"
    return re.search(r"Max core file size +(\S+)", text)[1]


def groups_of(people, who):
    if who == "self":
        return status("self")["Groups"].split()
    name = getattr(people, who)
    found = {g.gr_gid for g in grp.getgrall() if name in g.gr_mem}
    if who == "agent":
        found |= {grp.getgrnam(people.group).gr_gid}
    return sorted(map(str, found), key=int)


def expected(people, row):
    user, groups, nnp, seccomp, bounding, effective, core, visible = row
    mine = status("self")
    uid = os.geteuid() if user == "self" else pwd.getpwnam(getattr(people, user)).pw_uid
    return {
        "Uid": [str(uid)] * 4,
        "Groups": groups_of(people, groups),
        "NoNewPrivs": nnp,
        "Seccomp": seccomp,
        "CapInh": NONE,
        "CapAmb": NONE,
        "CapBnd": mine["CapBnd"] if bounding == "all" else NONE,
        "CapPrm": mine["CapPrm"] if effective == "all" else NONE,
        "CapEff": mine["CapEff"] if effective == "all" else NONE,
        "core": core,
        "visible": visible,
    }


def found(pid, core):
    s = status(pid)
    keys = ("NoNewPrivs", "Seccomp", "CapInh", "CapAmb", "CapBnd", "CapPrm", "CapEff")
    # The kernel gives /proc/PID to root where a process can't be dumped or looked into.
    owner = os.stat(f"/proc/{pid}/environ").st_uid
    return {
        "Uid": s["Uid"].split(),
        "Groups": s["Groups"].split(),
        **{key: s[key] for key in keys},
        "core": core if core == "any" else core_limit(pid),
        "visible": owner == int(s["Uid"].split()[1]),
    }


def pid_of(inst, role):
    command = inst.wait_ran("Sit", 1)[0].pid
    if role == "command":
        return command
    if role == "runner":  # others wait with what will be a command, and is no runner any more
        return int(status(command)["PPid"])
    return inst.pids(role)[0]


def test_each_process_is_what_the_table_says(people, place, bin_dir):
    with contextlib.closing(Instance(place / "i", people, copied(bin_dir, place))) as inst:
        inst.define("Box", "- {name: Sit, command: '%ACT% Sit listen'}")
        inst.start()
        inst.press_delete("Box", "Sit")
        for role, row in TABLE.items():
            pid = pid_of(inst, role)
            assert found(pid, row[6]) == expected(people, row), role
        inst.tell("Sit", "exit 0")


def attempts(log, who):
    return dict(re.findall(rf"^walls: {who} (\S+): (\S+)$", log, re.M))


def without_walls(people, place, bin_dir):
    """{attempt: how it went} for the agent's user, who has no walls."""
    program = place / "nobody"
    shutil.copy(bin_dir.parent / "tests" / "walls" / "walls-nobody", program)
    as_agent = ["setpriv", f"--reuid={people.agent}", f"--regid={people.agent}",
                "--clear-groups"] if ROOT else []
    done = subprocess.run([*as_agent, str(program)], stdin=subprocess.DEVNULL, check=False,
                          capture_output=True, text=True, timeout=60, start_new_session=True)
    assert done.returncode == 0 and "tried everything" not in done.stderr, "it has executed true(1)"
    return attempts(done.stderr, "nobody")


def sweep():
    for path in [*Path("/tmp").glob("flagman-walls-*"), Path("/dev/shm/flagman-walls")]:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)


@pytest.fixture
def nothing_made():
    """What a process makes although it must not is found, and does not stay."""
    sweep()
    yield
    left = [*Path("/tmp").glob("flagman-walls-*"), *Path("/dev/shm").glob("flagman-walls*")]
    sweep()
    assert not left


@pytest.mark.parametrize("who", ["agent", "watcher"])
def test_who_is_taken_over_can_do_nothing(people, place, bin_dir, nothing_made, who):
    control = without_walls(people, place, bin_dir)
    sweep()
    assert CONTROL <= {name for name, how in control.items() if how == "ok"}, control
    programs = copied(bin_dir, place, f"flagman-{who}")
    with contextlib.closing(Instance(place / "i", people, programs)) as inst:
        inst.define("Box", "- {name: Go, command: '%ACT% Go'}")
        inst.start(timeout=60)
        wait_for(lambda: f"walls: {who} tried everything" in inst.log(), "it has tried all",
                 dump=inst.dump)
        tried = attempts(inst.log(), who)
        assert set(control) < set(tried), "it has not tried the same"
        assert not {name for name, how in tried.items() if how == "ok"}
        assert {how for how in tried.values()} <= REFUSED, tried
        if landlock_version() >= 2 and who == "agent":
            assert {tried[name] for name in LANDLOCKED} == {"EACCES"}
        inst.press_delete("Box", "Go")  # and still it does its work
        inst.wait_ran("Go", 1)
