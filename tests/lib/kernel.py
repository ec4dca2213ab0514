# SPDX-License-Identifier: GPL-2.0-or-later
"""What this machine's kernel can do."""

import ctypes

SYS_LANDLOCK_CREATE_RULESET = 444  # on every architecture
VERSION = 1


def landlock_version():
    """0 where there is none, or it is switched off."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, libc.syscall(SYS_LANDLOCK_CREATE_RULESET, None, 0, VERSION))
