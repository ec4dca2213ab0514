#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A command that means no good: hostile.py WHAT [N] [FIFO] [hang].

Messages go to NOTIFY_SOCKET, once there is something to read in FIFO.
"""

import array
import os
import signal
import socket
import sys

VOCABULARY = (
    "READY=1", "RELOADING=1\nMONOTONIC_USEC=1", "STOPPING=1", "ERRNO=2", "BUSERROR=a.b.C",
    "VARLINKERROR=x", "EXIT_STATUS=0", "MAINPID=1", "MAINPIDFDID=1", "WATCHDOG=1",
    "WATCHDOG=trigger", "WATCHDOG_USEC=1", "EXTEND_TIMEOUT_USEC=1", "FDSTORE=1", "FDSTOREREMOVE=1",
    "FDNAME=x", "FDPOLL=0", "NOTIFYACCESS=all", "RESTART_RESET=1", "BARRIER=1", "STATUS",
    "status=1%", " STATUS=2%", "XSTATUS=3%", "STATUS =4%", "\n\n\n", "=", "", "\0STATUS=5%",
    "A=1\0\nSTATU=6%",
)

channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)


def rights(fds):
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []


def say(data, fds=()):
    channel.sendmsg([data], rights(fds))


def barrier():
    """As sd_notify_barrier(3): comes back when the receiver has closed the descriptor."""
    ours, theirs = os.pipe()
    say(b"BARRIER=1", [theirs])
    os.close(theirs)
    os.read(ours, 1)
    os.close(ours)


def vocabulary():
    for words in VOCABULARY:
        say(words.encode())
        say(words.encode(), [0])


def with_descriptors():
    say(b"STATUS=10% alone")
    say(b"STATUS=20% with one", [0])
    say(b"STATUS=30% with many", [0] * 250)
    barrier()


def too_long():
    say(b"STATUS=10% short")
    for size in (4097, 65536, 100_000):
        say(b"STATUS=20% " + b"x" * (size - 11))
    say(b"READY=1\n" * 4000 + b"STATUS=30%")


def flood(n):
    """Of each kind that one can think of; the number of them is what it prints."""
    large, noise = b"STATUS=" + b"7" * 65529, os.urandom(4096)
    for i in range(n):
        kind = i % 10
        if kind == 0:
            say(large)
        elif kind == 1:
            say(noise[i % 4096:])
        elif kind == 2:
            say(b"STATUS=1%\0" * 400)
        elif kind == 3:
            say(b"STATUS=x", [0, 1, 2])
        elif kind == 4 and i % 100 == 4:
            say(b"FDSTORE=1\n" * 300, [0] * 253)
        else:
            say(b"STATUS=%d%% of it" % (i % 100))


def main():
    what, *rest = sys.argv[1:]
    channel.connect(os.environ["NOTIFY_SOCKET"])
    for fifo in (word for word in rest if word.startswith("/")):
        with open(fifo, encoding="ascii") as f:
            f.readline()
    if what == "flood":
        flood(int(rest[0]))
    elif what == "flood-on":
        if os.fork() > 0:
            os._exit(7)  # it is left running
        os.setsid()
        flood(1 << 62)
    else:
        {"vocabulary": vocabulary, "with-descriptors": with_descriptors,
         "too-long": too_long}[what]()
    print(os.environ["NOTIFY_SOCKET"], flush=True)
    if rest[-1:] == ["hang"]:
        signal.pause()
    sys.exit(7)


main()
