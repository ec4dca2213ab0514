# SPDX-License-Identifier: GPL-2.0-or-later
"""src/wire/exec.h and claim.h for Python: the same structs, by ctypes."""

import ctypes
import os

VERSION = 1

ADOPTED, START, CANCEL, SPENT, OWN, TAKE, MEND, WATCH, UNWATCH, RELOAD, NAME = range(1, 12)
CONFIG, CLAIM, CLAIMS_END, STARTED, ENDED, OWNED, TAKEN, MENDED, RELOADED, QUIT, NAMED, \
    AUDIT = range(32, 44)
CLAIM_ENDED, CLAIM_RUNNING, CLAIM_INTERRUPTED = 1, 2, 3
EXITED, SIGNALED, NOT_STARTED, INTERRUPTED = 1, 2, 3, 4
STOP_NONE, STOP_TIMEOUT, STOP_CANCEL = 0, 1, 2
OK, SERVED, STALE, REFUSED, NO_ROOM, BUSY, ERROR = range(1, 8)
DELETE, MOVE, DROP, CLI = range(4)

u8, u16, u32, u64 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64
i32, i64 = ctypes.c_int32, ctypes.c_int64
token = u8 * 16


def new_token():
    return token(*os.urandom(16))


def hex_of(value):
    return bytes(value).hex()


class Header(ctypes.Structure):
    _fields_ = [("version", u16), ("type", u16), ("size", u32)]


def struct(name, *fields):
    return type(name, (ctypes.Structure,), {"_fields_": [("header", Header), *fields]})


class RunEnd(ctypes.Structure):
    _fields_ = [("kind", u32), ("code", i32), ("error", i32), ("stop", u32), ("success", u32),
                ("pad", u32), ("started", i64), ("ended", i64), ("lasted", u64),
                ("where", ctypes.c_char * 128)]


class ClaimStatus(ctypes.Structure):
    _fields_ = [("version", u32), ("sequence", u32), ("total", u64), ("head", u64),
                ("ring", u64), ("percent", u32), ("pad", u32), ("text", ctypes.c_char * 256),
                ("sequence2", u32), ("pad2", u32)]


Generation = struct("Generation", ("generation", u64))
Start = struct("Start", ("generation", u64), ("action", u32), ("trigger", u32), ("token", token),
               ("run", u64), ("payload", u8), ("sync", u8), ("pad", u8 * 6),
               ("user", ctypes.c_char * 128), ("payload_name", ctypes.c_char * 256))
Token = struct("Token", ("token", token))
Spent = struct("Spent", ("n", u32), ("pad", u32), ("tokens", token * 64))
Own = struct("Own", ("generation", u64), ("cookie", u64), ("board", u32), ("pad", u32))
Payload = struct("Payload", ("generation", u64), ("cookie", u64), ("board", u32), ("pad", u32),
                 ("token", token))
Cookie = struct("Cookie", ("cookie", u64))
Claim = struct("Claim", ("token", token), ("run", u64), ("state", u32), ("pad", u32),
               ("end", RunEnd))
ClaimsEnd = struct("ClaimsEnd", ("agent_restarted", u32), ("pad", u32))
Started = struct("Started", ("token", token), ("run", u64), ("result", u32), ("error", i32),
                 ("claimed", i64), ("why", ctypes.c_char * 160))
Ended = struct("Ended", ("token", token), ("end", RunEnd))
Result = struct("Result", ("cookie", u64), ("error", i32), ("pad", u32),
                ("why", ctypes.c_char * 160))
Reloaded = struct("Reloaded", ("cookie", u64), ("n_errors", u32), ("n_warnings", u32),
                  ("first", ctypes.c_char * 512))
Audit = struct("Audit")

Name = struct("Name", ("uid", u32), ("pad", u32))
Named = struct("Named", ("uid", u32), ("pad", u32), ("name", ctypes.c_char * 128))

FROM_EXECUTOR = {CONFIG: Generation, CLAIM: Claim, CLAIMS_END: ClaimsEnd, STARTED: Started,
                 ENDED: Ended, OWNED: Result, TAKEN: Result, MENDED: Result,
                 RELOADED: Reloaded, QUIT: Generation, NAMED: Named, AUDIT: Audit}
