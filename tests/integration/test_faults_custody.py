# SPDX-License-Identifier: GPL-2.0-or-later
"""A payload that failed waits in custody for another try, whatever goes down meanwhile."""

import os
import signal

import pytest
from down import DOWN, database, no_service
from lib import processes
from lib.waiting import wait_for

DEPLOY = """
- name: Deploy
  command: %ACT% Deploy 'test -e %OUT%/mended && cat "$FLAGMAN_PAYLOAD" >%OUT%/got'
  drop: {folder: In, accept: ["*.war"], settle: 0, after: return}
"""


def failed(inst, group):
    """Its payload is in custody, and the cause is mended."""
    inst.define("App", DEPLOY, group=group)
    inst.start()
    inst.drop("App", "In", "shop.war", b"content")
    inst.wait_state("App", "Deploy", "Failed")
    wait_for(lambda: in_custody(inst), "it is kept", dump=inst.dump)
    (inst.out / "mended").touch()


def in_custody(inst):
    return [p for p in (inst.share / ".flagman" / "staging").iterdir() if len(p.name) == 32]


def ran_with_it(inst):
    inst.wait_ran("Deploy", 2)
    inst.wait_state("App", "Deploy", "Done")
    assert (inst.out / "got").read_bytes() == b"content"
    wait_for((inst.share / "App" / "In" / "Returned" / "shop.war").exists, "it is returned",
             dump=inst.dump)
    assert not in_custody(inst)


def test_pressed_as_soon_as_it_shows_failed(inst):
    """The executor, which the agent might ask first, answers nobody."""
    inst.define("App", DEPLOY.replace("test -e", "sleep 1; test -e"),
                group="cooldown: 0\nhold: 200ms")
    inst.start()
    inst.drop("App", "In", "shop.war", b"content")
    inst.wait_state("App", "Deploy", "Running")
    agent, = inst.kill("agent", signal.SIGSTOP)
    wait_for(lambda: in_custody(inst), "its command has ended", dump=inst.dump)
    wait_for(lambda: processes.state(inst.process.pid) == "S", "that is said", dump=inst.dump)
    executor, = inst.kill("executor", signal.SIGSTOP)
    os.kill(agent, signal.SIGCONT)
    inst.wait_state("App", "Deploy", "Failed")
    kept = in_custody(inst)
    (inst.out / "mended").touch()
    inst.press_delete("App", "Deploy")
    wait_for(lambda: in_custody(inst) not in ([], kept), "it has the token of the press",
             dump=inst.dump)
    os.kill(executor, signal.SIGCONT)
    ran_with_it(inst)


@DOWN
@pytest.mark.parametrize("press", ["press_delete", "press_move"])
def test_the_failed_flag_was_pressed(inst, down, keys, press):
    failed(inst, keys if "missed" in keys else keys + "\nmissed: run")
    with down(inst):
        getattr(inst, press)("App", "Deploy")
    ran_with_it(inst)


@pytest.mark.parametrize("press", ["press_delete", "press_move"])
def test_the_press_is_not_run(inst, press):
    """Not run, and its payload is there for the press after."""
    failed(inst, "hold: 0\ncooldown: 0")
    with no_service(inst):
        getattr(inst, press)("App", "Deploy")
    inst.wait_state("App", "Deploy", "Not run")
    inst.wait_ran("Deploy", 1)
    inst.press_delete("App", "Deploy")
    ran_with_it(inst)


@DOWN
def test_nobody_pressed(inst, down, keys):
    failed(inst, keys)
    with down(inst):
        pass
    inst.wait_state("App", "Deploy", "Failed")
    inst.press_delete("App", "Deploy")
    ran_with_it(inst)


def test_the_agent_died_when_it_had_renamed_it(inst):
    """For a press, to the token of the flag that was pressed; the run was not yet written down."""
    failed(inst, "hold: 0\ncooldown: 0")
    with no_service(inst):
        with database(inst) as db:
            flag, = db.execute("SELECT hex(token) FROM flags WHERE action = 'Deploy'").fetchone()
        inst.press_delete("App", "Deploy")
        payload, = in_custody(inst)
        os.rename(payload, payload.with_name(flag.lower()))
    inst.wait_state("App", "Deploy", "Not run")
    inst.wait_ran("Deploy", 1)
    inst.press_delete("App", "Deploy")
    ran_with_it(inst)


def test_the_held_press_of_a_kept_payload_goes_on(inst):
    """The next agent goes on with it, and with nothing else: it is not returned meanwhile."""
    failed(inst, "hold: 1s\ncooldown: 0")
    inst.press_delete("App", "Deploy")
    inst.wait_state("App", "Deploy", "Starting")
    wait_for(lambda: inst.cli("history", "--json").stdout.count('"starting"'), "it is written down",
             dump=inst.dump)
    inst.kill("agent")
    ran_with_it(inst)
