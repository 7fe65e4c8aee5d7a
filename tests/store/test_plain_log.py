"""The process that waits for the disk in place of the plain log."""

from __future__ import annotations

import os
import signal
from pathlib import Path

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
    assert helper.wait(5) == 0
