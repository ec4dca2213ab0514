# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent of paper: serves wire/control.h on RUN-DIR/control with canned records.

    agent = FakeAgent(run_dir)
    agent.add("Apache", "Restart", state="running", percent=40)
    ... flagman --run-dir RUN-DIR status ...
    agent.requests        what was asked, in order
    agent.push(action)    to whoever follows

It answers as the real one does: names match case-insensitively, "" matches all, one CONTROL_END at
the end.  `answers` replaces a kind of answer: answers[LOG] = function(request, connection).
"""

import ctypes
import os
import socket
import threading

VERSION = 1
NAME = 128

STATUS, RUN, CANCEL, LOG, HISTORY, RELOAD, RELEASE, RESTORE, HEALTH = range(1, 10)
ACTION, RECORD, OUTPUT, FACT, END = range(32, 37)
FOLLOW, WAIT, LIVE = 1, 2, 4

STATES = ("ready starting waiting running done failed blocked cancelled missed confirm receiving "
          "paused misconfigured").split()
TRIGGERS = "delete move drop cli".split()
CERTAINTIES = "unknown owner peer audit".split()
NONE = 0xFFFFFFFF
EX_USAGE, EX_UNAVAILABLE, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 64, 69, 75, 77, 78


class Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint16), ("type", ctypes.c_uint16), ("size", ctypes.c_uint32)]


class Request(ctypes.Structure):
    _fields_ = [("header", Header), ("flags", ctypes.c_uint32), ("limit", ctypes.c_uint32),
                ("run", ctypes.c_uint64), ("object", ctypes.c_char * NAME),
                ("group", ctypes.c_char * NAME), ("action", ctypes.c_char * NAME),
                ("payload_name", ctypes.c_char * 256)]


class Run(ctypes.Structure):
    _fields_ = [("header", Header), ("run", ctypes.c_uint64), ("token", ctypes.c_char * 33),
                ("object", ctypes.c_char * NAME), ("group", ctypes.c_char * NAME),
                ("action", ctypes.c_char * NAME), ("trigger", ctypes.c_uint32),
                ("state", ctypes.c_uint32), ("certainty", ctypes.c_uint32),
                ("exit_status", ctypes.c_int32), ("signal", ctypes.c_int32),
                ("pressed", ctypes.c_int64), ("claimed", ctypes.c_int64),
                ("started", ctypes.c_int64), ("ended", ctypes.c_int64),
                ("lasted", ctypes.c_uint64),
                ("user", ctypes.c_char * 128), ("address", ctypes.c_char * 64),
                ("payload", ctypes.c_char * 256), ("payload_sha256", ctypes.c_char * 65),
                ("payload_size", ctypes.c_uint64), ("result", ctypes.c_char * 256)]


class Action(ctypes.Structure):
    _fields_ = [("header", Header), ("object", ctypes.c_char * NAME),
                ("group", ctypes.c_char * NAME), ("action", ctypes.c_char * NAME),
                ("description", ctypes.c_char * 256), ("path", ctypes.c_char * 512),
                ("file_name", ctypes.c_char * 256), ("state", ctypes.c_uint32),
                ("percent", ctypes.c_uint32), ("since", ctypes.c_int64),
                ("removed", ctypes.c_uint32), ("pad", ctypes.c_uint32),
                ("progress", ctypes.c_char * 256), ("note", ctypes.c_char * 256),
                ("last", Run)]


class Output(ctypes.Structure):
    _fields_ = [("header", Header), ("run", ctypes.c_uint64), ("left_out", ctypes.c_uint64),
                ("size", ctypes.c_uint32), ("pad", ctypes.c_uint32),
                ("data", ctypes.c_char * 2048)]


class Fact(ctypes.Structure):
    _fields_ = [("header", Header), ("name", ctypes.c_char * 64), ("value", ctypes.c_char * 512)]


class End(ctypes.Structure):
    _fields_ = [("header", Header), ("exit_status", ctypes.c_int32), ("pad", ctypes.c_uint32),
                ("message", ctypes.c_char * 512)]


TYPES = {Run: RECORD, Action: ACTION, Output: OUTPUT, Fact: FACT, End: END}


def raw(text):
    return text if isinstance(text, bytes) else text.encode()


def make_run(number, obj, action, group="", **fields):
    run = Run(run=number, token=b"%032x" % number, object=raw(obj), group=raw(group),
              action=raw(action), exit_status=-1)
    for key, value in fields.items():
        if key == "state":
            value = STATES.index(value)
        elif key == "trigger":
            value = TRIGGERS.index(value)
        elif key == "certainty":
            value = CERTAINTIES.index(value)
        elif isinstance(value, (str, bytes)):
            value = raw(value)
        setattr(run, key, value)
    if run.ended:
        run.lasted = run.ended - run.started
    return run


def make_action(obj, action, group="", state="ready", percent=NONE, run=None, **fields):
    record = Action(object=raw(obj), group=raw(group), action=raw(action),
                    state=STATES.index(state), percent=percent)
    if run is not None:
        record.last = run
    for key, value in fields.items():
        setattr(record, key, raw(value) if isinstance(value, (str, bytes)) else value)
    return record


class Connection:
    """One caller.  Its first packet is its request."""

    def __init__(self, sock):
        self.sock = sock

    def send(self, record):
        record.header = Header(VERSION, TYPES[type(record)], ctypes.sizeof(record))
        self.sock.send(bytes(record))

    def output(self, data, run=1, left_out=0):
        self.send(Output(run=run, left_out=left_out, size=len(data),
                         data=data + b"\0" * (2048 - len(data))))

    def end(self, status=0, message=""):
        self.send(End(exit_status=status, message=raw(message)))


class FakeAgent:
    def __init__(self, run_dir):
        self.run_dir = run_dir
        self.actions = []
        self.runs = []
        self.facts = []
        self.requests = []
        self.payloads = []
        self.answers = {}
        self.followers = []
        self.changed = threading.Condition()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(os.path.join(run_dir, "control"))
        self.listener.listen(16)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        if self.listener.fileno() < 0:
            return
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        for follower in self.followers:
            follower.sock.close()

    def add(self, *words, **fields):
        self.actions.append(make_action(*words, **fields))
        return self.actions[-1]

    def push(self, record):
        """To the first follower, once there is one."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.followers, 20), "nobody follows"
        self.followers[0].send(record)

    def end_follower(self, status=0, message=""):
        with self.changed:
            assert self.changed.wait_for(lambda: self.followers, 20), "nobody follows"
            follower = self.followers.pop(0)
        follower.end(status, message)
        follower.sock.close()

    def asked(self, kind):
        return [r for r in self.requests if r.header.type == kind]

    # --- serving ---

    def _serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            try:
                self._answer(Connection(sock))
            except (BrokenPipeError, ConnectionResetError):
                sock.close()

    def _answer(self, connection):
        data, fds, _, _ = socket.recv_fds(connection.sock, 65536, 4)
        if not data:
            connection.sock.close()
            return
        assert len(data) == ctypes.sizeof(Request), len(data)
        request = Request.from_buffer_copy(data)
        assert request.header.version == VERSION and request.header.size == len(data)
        self.requests.append(request)
        for fd in fds:
            with os.fdopen(fd, "rb") as f:
                self.payloads.append((request.payload_name, f.read()))
        kind = request.header.type
        if kind in self.answers:
            self.answers[kind](request, connection)
        else:
            getattr(self, "_answer_%d" % kind)(request, connection)
        if connection not in self.followers:
            connection.sock.close()

    @staticmethod
    def matches(request, record):
        return all(not getattr(request, key)
                   or getattr(request, key).lower() == getattr(record, key).lower()
                   for key in ("object", "group", "action"))

    def _answer_1(self, request, connection):  # STATUS
        for action in self.actions:
            if self.matches(request, action):
                connection.send(action)
        if request.flags & FOLLOW:
            with self.changed:
                self.followers.append(connection)
                self.changed.notify_all()
        else:
            connection.end()

    def _answer_2(self, request, connection):  # RUN
        run = next((r for r in self.runs if self.matches(request, r)), None)
        if run:
            connection.send(run)
        connection.end()

    def _answer_3(self, request, connection):  # CANCEL
        for run in self.runs:
            if (run.run == request.run) if request.run else self.matches(request, run):
                connection.send(run)
        connection.end()

    def _answer_4(self, request, connection):  # LOG
        connection.output(b"hello\n")
        connection.end()

    def _answer_5(self, request, connection):  # HISTORY
        found = [r for r in self.runs if self.matches(request, r)]
        for run in found[:request.limit or None]:
            connection.send(run)
        connection.end()

    def _answer_6(self, request, connection):  # RELOAD
        connection.end(0, "2 groups, 7 actions")

    def _answer_7(self, request, connection):  # RELEASE
        connection.end(0, "released")

    def _answer_8(self, request, connection):  # RESTORE
        connection.end(0, "3 flags are back")

    def _answer_9(self, request, connection):  # HEALTH
        for name, value in self.facts:
            connection.send(Fact(name=raw(name), value=raw(value)))
        connection.end()
