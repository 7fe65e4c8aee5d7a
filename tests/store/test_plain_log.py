"""The process that waits for the disk in place of the plain log."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from natsd.store import _sync_helper
from natsd.store._plain_log import Disk, Log


def test_signals_for_the_server_do_not_end_the_helper_before_the_last_sync(tmp_path: Path) -> None:
    log = Log(str(tmp_path), b"u" * 16, 1)
    disk = log._disk
    assert isinstance(disk, Disk)
    helper = disk._helper
    try:
        log.append(1, 1, 1, 0, b"s", None, b"payload")
        log.wait()
        assert log.durable == log.position
        assert os.getsid(helper.pid) != os.getsid(0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(helper.pid, number)
        log.append(1, 1, 2, 0, b"s", None, b"payload")
        log.wait()
        assert log.durable == log.position
        assert helper.poll() is None
    finally:
        log.close()
    assert helper.wait(60) == 0


def test_a_helper_that_is_killed_fails_the_log_and_nobody_who_appends(tmp_path: Path) -> None:
    log = Log(str(tmp_path), b"u" * 16, 1)
    log.append(1, 1, 1, 0, b"s", None, b"payload")
    log.wait()
    durable = log.durable
    log._disk._helper.kill()
    log._disk._helper.wait()
    log.append(1, 1, 2, 0, b"s", None, b"payload")
    log.kick()
    log.settle(60)
    assert log.failure.endswith("the process that waits for the disk has ended")
    assert log.durable == durable
    log.close()


def test_a_helper_that_is_not_given_a_file_does_not_say_that_it_is_synced(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    arguments = [sys.executable, "-I", "-S", _sync_helper.__file__, str(theirs.fileno()), "0"]
    helper = subprocess.Popen(arguments, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE)
    theirs.close()
    ours.sendall(_sync_helper.REQUEST.pack(b"f", 0) + _sync_helper.REQUEST.pack(b"s", 1))
    _, said = helper.communicate(timeout=60)
    assert helper.returncode == 1
    assert b"did not come" in said
    with ours, suppress(ConnectionResetError):  # it went with a request unread
        assert ours.recv(100) == b""
