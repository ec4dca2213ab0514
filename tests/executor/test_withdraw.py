# SPDX-License-Identifier: GPL-2.0-or-later
"""flagmand --withdraw with an agent that dies, lies or never ends.

What a real one takes away is in tests/integration/test_withdraw.py.
"""

import os

import pytest

import wire
from floods import Flood, message_of, packet
from lib import preload
from lib.waiting import PATIENCE

DONE, TRY_AGAIN = 0, 75


@pytest.fixture
def box(daemon):
    """Not yet started; one object."""
    daemon.board("Box", "- {name: Go, command: /bin/true}")
    daemon.arguments = ["--withdraw"]
    return daemon


def end(daemon, agent):
    agent.close()
    daemon.agents.remove(agent)


def finish(daemon, agent):
    """It takes away all that it has, and is told to end; the exit status."""
    agent.configured()
    assert b"Box" not in agent.view
    agent.expect(wire.QUIT)
    end(daemon, agent)
    return daemon.process.wait(PATIENCE)


def test_all_goes(box):
    assert finish(box, box.begin()) == DONE
    assert not box.share.exists()


@pytest.mark.parametrize("told", (False, True))
def test_an_agent_that_dies_on_the_way(box, told):
    """The next one has to know what is in the share, or it has nothing to take away."""
    first = box.begin()
    if told:
        first.expect(wire.CONFIG)
    end(box, first)
    second = box.agent()
    _, restarted = second.begin()
    assert b"Box" in second.view
    assert not restarted  # flags that the first has taken away are no presses
    assert finish(box, second) == DONE
    assert not box.share.exists()


def test_what_is_adopted_must_exist(box):
    agent = box.start().agent()
    message, _ = agent.expect(wire.CONFIG)
    agent.send(wire.ADOPTED, wire.Generation(generation=message.generation + 7))
    agent.send(wire.ADOPTED, wire.Generation(generation=0))
    agent.send(wire.ADOPTED, wire.Generation(generation=message.generation))
    assert finish(box, agent) == DONE
    assert box.log().count("taking everything out") == 1


@pytest.mark.parametrize("late", (False, True))
def test_stopping_it_is_no_success(box, late):
    agent = box.begin() if late else box.start().agent()
    box.process.terminate()
    agent.expect(wire.QUIT)
    end(box, agent)
    assert box.process.wait(PATIENCE) == TRY_AGAIN
    assert "Box" in os.listdir(box.share)


@pytest.mark.parametrize("flood", (False, True))
def test_it_ends_within_a_minute(box, session_dir, flood):
    """Which is two seconds here; also where the agent keeps it busy."""
    box.environment = {"LD_PRELOAD": str(preload.build("short_minute", session_dir)),
                       "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "detect_leaks=0") +
                       ":verify_asan_link_order=0"}
    box.start()
    agent = box.agent()
    agent.generation = agent.expect(wire.CONFIG)[0].generation
    if flood:
        with Flood(agent, packet(*message_of(agent, "mend"))):
            assert box.process.wait(PATIENCE) == TRY_AGAIN
    assert box.process.wait(PATIENCE) == TRY_AGAIN
    assert "not take everything back in time" in box.log()


@pytest.mark.root
def test_what_was_on_its_way_goes_too(box, people):
    """The executor has given it to file.user, and the agent did not get to showing it."""
    agent = box.begin()
    staging = box.share / ".flagman/staging"
    for name, owner in (("status-1", "runner"), ("flag-1", "agent"), ("f" * 32, "agent")):
        (staging / name).touch()
        os.chown(staging / name, people.uid(owner), -1)
    assert finish(box, agent) == DONE
    assert [p.name for p in box.share.rglob("*") if p.is_file()] == ["f" * 32]


@pytest.mark.root
def test_a_staging_of_somebody_elses(box, people):
    """Who may write to directory.path can put another .flagman there."""
    agent = box.begin()
    (box.share / ".flagman").rename(box.share / "away")
    staging = box.share / ".flagman/staging"
    staging.mkdir(parents=True)
    (staging / "hers").touch()
    os.chown(staging, people.uid("alice"), -1)
    assert finish(box, agent) == DONE
    assert (staging / "hers").exists()


def test_all_that_was_made_goes(box, people):
    """Also what is above directory.path."""
    above = box.share.parent / "above"
    box.share = above / "made/share"
    box.board("Box", "- {name: Go, command: /bin/true}")
    above.mkdir()
    assert finish(box, box.begin()) == DONE
    assert os.listdir(above) == []
