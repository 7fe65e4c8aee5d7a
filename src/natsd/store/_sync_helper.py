"""A process that waits for the disk in place of the plain log; run as a file: `_sync_helper.py SOCKET INTERVAL`.

It reads requests of 9 bytes: "f" (the file that comes with it is written to from now on), "d" (as "f", a directory),
"s" and a place (sync them all), "w" and a place (written; sync within INTERVAL seconds). It answers "s" and "w" with
the letter, the place and an error number, and a sync that nobody asked for with "t". It ends when the other side of
SOCKET is closed and not by signals that are for the server, whose last sync would be lost otherwise.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import struct
import sys
import time

REQUEST = struct.Struct("<cQ")
ANSWER = struct.Struct("<cQI")


def sync(files: list[int], directories: list[int]) -> int:
    """The error number of the first that failed, else 0. Only the newest file is kept."""
    try:
        for fd in files:
            os.fdatasync(fd) if hasattr(os, "fdatasync") else os.fsync(fd)
        for fd in directories:
            os.fsync(fd)
    except OSError as error:
        return error.errno or 5
    for fd in (*files[:-1], *directories):
        os.close(fd)
    del files[:-1], directories[:]
    return 0


def serve(road: socket.socket, interval_s: float) -> None:
    files: list[int] = []
    directories: list[int] = []
    due = 0.0
    written = 0
    while True:
        if due:
            left = due - time.monotonic()
            if left <= 0 or not select.select([road], [], [], left)[0]:
                road.sendall(ANSWER.pack(b"t", written, sync(files, directories)))
                due = 0.0
                continue
        request, fds, _, _ = socket.recv_fds(road, REQUEST.size, 1)
        if len(request) < REQUEST.size:
            return
        what, place = REQUEST.unpack(request)
        if what in b"fd" and not fds:
            raise OSError(errno.EMFILE, "a file that has to be synced did not come")
        if what == b"f":
            files.extend(fds)
        elif what == b"d":
            directories.extend(fds)
        elif what == b"s":
            road.sendall(ANSWER.pack(b"s", place, sync(files, directories)))
        else:
            written = place
            due = due or time.monotonic() + interval_s
            road.sendall(ANSWER.pack(b"w", place, 0))


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as given:
        try:
            serve(given, float(sys.argv[2]))
        except (BrokenPipeError, ConnectionResetError):
            sys.exit(0)
