# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever an administrator changes in a snippet, and whatever flagman does meanwhile: nobody has
pressed, all flags are where and as they should be, nothing else is there, and a press works."""

import grp
import os
import re

import pytest
from down import while_dead, while_stopped
from lib.waiting import stays, wait_for

BEFORE = """\
object: App
action-group:
  directory:
    path: %SHARE%
    group: %GROUP%
  hold: 0
  cooldown: 0
  missed: run
  command: {user: %RUNNER%, group: %RUNNER%}
  actions:
    - name: Go
      command: %ACT% Go 'exit 0'
"""
MORE = """\
---
object: {0}
action-group:
  name: {1}
  directory: {{path: "{2}", group: "%GROUP%"}}
  missed: run
  command: {{user: %RUNNER%, group: %RUNNER%}}
  actions:
    - name: {3}
      command: %ACT% {3} 'exit 0'
"""
GO = ["App/Go.txt"]
GROUP = "  hold: 0\n"
ROOT = pytest.mark.root

# What is replaced by what, and which buttons are there afterwards.
EDITS = {
    "object renamed": ("object: App", "object: Web", ["Web/Go.txt"]),
    "object spelled otherwise": ("object: App", "object: APP", ["APP/Go.txt"]),
    "action renamed": ("name: Go", "name: Run it", ["App/Run it.txt"]),
    "action spelled otherwise": ("name: Go", "name: GO", ["App/GO.txt"]),
    "group named": (GROUP, GROUP + "  name: main\n", GO),
    "described": ("    - name: Go\n", "    - name: Go\n      description: It goes\n", GO),
    "moniker": (GROUP, GROUP + "  moniker: prefix\n", GO),
    "labels": (GROUP, GROUP + "  labels: {done: Fertig, failed: Fehler}\n", GO),
    "run-folder": (GROUP, GROUP + "  run-folder: Los\n", GO),
    "triggers": (GROUP, GROUP + "  triggers: [delete]\n", GO),
    "trash-folders": (GROUP, GROUP + "  trash-folders: [Trash]\n", GO),
    "drop": ("    - name: Go\n", "    - name: Go\n      drop: {folder: In, accept: ['*']}\n", GO),
    "directory.mode": ("    group: %GROUP%", "    group: %GROUP%\n    mode: 0775", GO),
    "file.mode": (GROUP, GROUP + "  file: {mode: 0600}\n", GO),
    "path through a symlink": ("path: %SHARE%", "path: %ROOT%/link", GO),
    "path with more slashes": ("path: %SHARE%", "path: %ROOT%//share/./", GO),
    "command": ("'exit 0'", "true", GO),
    "action before": ("  actions:\n", "  actions:\n    - {name: First, command: %ACT% First}\n",
                      [*GO, "App/First.txt"]),
    "object before": ("object: App\n", MORE[4:].format("Aa", "x", "%SHARE%", "Go") +
                      "---\nobject: App\n", [*GO, "Aa/Go.txt"]),
    "group of another place": ("'exit 0'\n", "'exit 0'\n" + MORE.format("App", "x", "%ROOT%/more",
                                                                      "Other"),
                               [*GO, "../more/App/Other.txt"]),
    "path": ("path: %SHARE%", "path: %ROOT%/more", ["../more/App/Go.txt"]),
    "path and object": ("object: App\naction-group:\n  directory:\n    path: %SHARE%",
                        "object: Web\naction-group:\n  directory:\n    path: %ROOT%/more",
                        ["../more/Web/Go.txt"]),
}
AS_ROOT = {
    "directory.group": ("    group: %GROUP%", "    group: %RUNNER%", GO),
    "directory.user": ("    group: %GROUP%", "    group: %GROUP%\n    user: %RUNNER%", GO),
    "file.user": (GROUP, GROUP + "  file: {user: %RUNNER%}\n", GO),
    "file.group": (GROUP, GROUP + "  file: {group: %RUNNER%}\n", GO),
    "press-only": ("    group: %GROUP%", "    group: %GROUP%\n    access: press-only", GO),
}
CASES = [pytest.param(edit, id=name) for name, edit in EDITS.items()] + [
    pytest.param(edit, id=name, marks=ROOT) for name, edit in AS_ROOT.items()]


def replace_agent(inst):
    """A place of which the agent knows nothing: it must be another one."""
    inst.write("zz.yaml", MORE[4:].format("Zz", "x", "%ROOT%/elsewhere", "Zz"))


def live(inst, change):
    change()


def with_another_agent(inst, change):
    replace_agent(inst)
    change()


def while_the_agent_is_dead(inst, change):
    """It is started with the new configuration."""
    inst.kill("agent", wait=False)
    change()


WHEN = [live, with_another_agent, while_the_agent_is_dead, while_stopped, while_dead]


def files_below(directory):
    """Flags, whatever they show, and texts; .flagman is no business of anybody's."""
    found = []
    for where, folders, names in os.walk(directory):
        folders[:] = [f for f in folders if f != ".flagman"]
        found += [os.path.join(where, re.sub(r" \[.*\]|\[.*\] ", "", name)) for name in names]
    return found


def ran(inst):
    return sorted(path.name for path in inst.out.glob("*.ran"))


def looks(inst, new):
    """(uid, gid, mode) of files, and of the object's directory."""
    people = inst.people
    group = grp.getgrnam(people.runner).gr_gid if "    group: %RUNNER%" in new else people.gid
    file_gid = grp.getgrnam(people.runner).gr_gid if "{group: %RUNNER%}" in new else group
    user = people.uid("runner") if "file: {user" in new else people.uid("agent")
    mode = 0o600 if "mode: 0600" in new else 0o640
    if "press-only" in new:
        return (user, file_gid, mode), (people.uid("agent"), group, 0o755)
    owner = people.uid("runner") if "    user: %RUNNER%" in new else os.geteuid()
    return (user, file_gid, mode), (owner, group, 0o775 if "mode: 0775" in new else 0o770)


def is_right(inst, flags, new):
    wanted = {os.path.normpath(inst.share / path) for flag in flags
              for path in (flag, os.path.dirname(flag) + "/Status.txt")}
    if sorted(files_below(inst.share) + files_below(inst.root / "more")) != sorted(wanted):
        return False
    obj = (inst.share / flags[0]).parent
    files, directory = looks(inst, new)
    return all((st.st_uid, st.st_gid, st.st_mode & 0o7777) == owned for st, owned in
               [(obj.stat(), directory)] +
               [((obj / name).stat(), files) for name in os.listdir(obj)
                if (obj / name).is_file()])


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("edit", CASES)
def test_an_edit_is_no_press(inst, edit, when):
    old, new, flags = edit
    assert BEFORE.count(old) == 1
    os.symlink(inst.share, inst.root / "link")
    who = "" if inst.people.root else "  command: {user: %RUNNER%, group: %RUNNER%}\n"
    inst.write("app.yaml", BEFORE.replace(who, ""))
    inst.start()
    wait_for((inst.share / "App" / "Status.txt").exists, "it is there", dump=inst.dump)
    assert is_right(inst, GO, "")
    mark = inst.mark()
    when(inst, lambda: inst.write("app.yaml", BEFORE.replace(old, new).replace(who, "")))
    inst.wait_log("configuration: ", mark)

    wait_for(lambda: is_right(inst, flags, new), "all is as it should be", dump=inst.dump)
    stays(lambda: not ran(inst), "nobody pressed", 0.3, inst.dump)
    wait_for(lambda: is_right(inst, flags, new), "so it stays", dump=inst.dump)
    if "drop:" not in new:
        os.unlink(inst.share / flags[0])
        wait_for(lambda: ran(inst) == ["Go.ran"], "it was pressed", dump=inst.dump)
        wait_for(lambda: is_right(inst, flags, new), "it is back", dump=inst.dump)
