# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients of the control socket that are nobody's friends."""

import subprocess

import pytest
from boards import apache, finish

# Connects 100 times, asks nothing, says how many of these were kept, and sits until it is told.
HOLDER = """
import select, socket, sys
held = []
for _ in range(100):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(sys.argv[1])
    held.append(s)
refused = set()
while select.select([s for s in held if s not in refused], [], [], 0.5)[0]:
    refused |= {s for s in held if s not in refused and select.select([s], [], [], 0)[0]}
print(len(held) - len(refused), flush=True)
sys.stdin.read()
"""


def holder(inst, name):
    process = subprocess.Popen(
        ["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups", "/usr/bin/python3",
         "-c", HOLDER, str(inst.run / "control")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
    return process, int(process.stdout.readline())


@pytest.mark.root
def test_who_holds_connections_is_in_his_own_way(inst, people):
    apache(inst)
    processes = []
    for name, most in ((people.carol, 16), (people.bob, 16), (people.runner, 16),
                       (people.carol, 0)):
        process, kept = holder(inst, name)
        processes.append(process)
        assert kept == most, name
    assert inst.cli("status", check=0)  # root's, always
    assert inst.cli("status", who="alice").returncode != 0  # three users together can do that
    inst.press_delete("Apache", "Restart")  # but nobody can keep anybody from pressing
    inst.wait_ran("Restart", 1)
    finish(inst)
    for process in processes:
        process.communicate("")
    assert inst.cli("status", who="alice", check=0)
