# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages as an agent that was taken over makes them, and more of them than anybody can read."""

import contextlib
import itertools
import os
import signal
import socket
import threading

import wire

GOOD_ONES = {
    "adopted": (wire.ADOPTED, wire.Generation, 0),
    "start": (wire.START, wire.Start, 0),
    "cancel": (wire.CANCEL, wire.Token, 0),
    "spent": (wire.SPENT, wire.Spent, 0),
    "own": (wire.OWN, wire.Own, 1),
    "take": (wire.TAKE, wire.Payload, 0),
    "mend": (wire.MEND, wire.Own, 0),
    "watch": (wire.WATCH, wire.Cookie, 2),
    "unwatch": (wire.UNWATCH, wire.Cookie, 0),
    "reload": (wire.RELOAD, wire.Cookie, 0),
}


def packet(kind, body=b"", version=wire.VERSION, size=None):
    header = wire.Header(version, kind, len(body) + 8 if size is None else size)
    return bytes(header) + body


def message_of(agent, name):
    """A message that would be taken: (type, its body)."""
    kind, struct, _ = GOOD_ONES[name]
    fields = {f[0] for f in struct._fields_}
    values = {"generation": agent.generation} if "generation" in fields else {}
    message = struct(**values)
    if name == "start":
        message.trigger, message.token, message.run = wire.CLI, wire.new_token(), 1
    return kind, bytes(message)[8:]


class Flood:
    """Other processes send DATA, one after the other without an end, so that there always is
    something to read; a thread takes what comes back."""

    def __init__(self, agent, *data):
        self.channel, self.data = agent.channel, data
        self.reader = threading.Thread(target=self.read)
        self.senders = []

    def send(self):
        try:
            for data in itertools.cycle(self.data):
                self.channel.send(data)
        finally:
            os._exit(0)

    def read(self):
        with contextlib.suppress(OSError):
            while self.channel.recv(8192):
                continue

    def __enter__(self):
        for _ in range(4):
            self.senders.append(os.fork())
            if self.senders[-1] == 0:
                self.send()
        self.reader.start()
        return self

    def __exit__(self, *_):
        self.channel.shutdown(socket.SHUT_RDWR)
        for sender in self.senders:
            os.kill(sender, signal.SIGKILL)
            os.waitpid(sender, 0)
        self.reader.join()
