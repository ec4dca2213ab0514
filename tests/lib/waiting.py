# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for a condition, with a message worth reading when it does not come."""

import os
import time

# A sanitized build on a busy machine is slow; nothing here waits this long when all is well.
PATIENCE = float(os.environ.get("FLAGMAN_TEST_PATIENCE", "20"))


class TimedOut(AssertionError):
    """A condition did not come true."""


def wait_for(condition, what, timeout=None, dump=None):
    """Calls CONDITION until it returns something true, and returns that.

    WHAT is the sentence of the failure ("Restart is Running"); CONDITION may raise
    AssertionError or OSError, which count as false and are quoted.  DUMP() adds the surroundings.
    """
    limit = PATIENCE if timeout is None else timeout
    end = time.monotonic() + limit
    pause = 0.004
    while True:
        last = None
        try:
            last = condition()
            if last:
                return last
        except (AssertionError, OSError) as error:
            last = error
        if time.monotonic() >= end:
            break
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    text = f"waited {limit:g} s in vain: {what} (last seen: {last!r})"
    if dump is not None:
        text += "\n" + dump()
    raise TimedOut(text)


def stays(condition, what, seconds, dump=None):
    """CONDITION must be true all the time for SECONDS: for what must not happen.

    A negative can't be waited for, so this is the one place where time passes; keep it short and
    prefer a positive sign (a log line, a later event) where there is one.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not condition():
            raise AssertionError(f"did not stay true for {seconds:g} s: {what}"
                                 + ("\n" + dump() if dump else ""))
        time.sleep(0.01)
