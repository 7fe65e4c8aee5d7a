"""A process that writes at full speed and is killed: what it had said to be durable is there, in its order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from natsd.store.file import FileStore

ROUNDS = int(os.environ.get("NATSD_CRASH_ROUNDS", "2"))

WRITER = """
import os, select, sys
from natsd.store.contract import Limits
from natsd.store.file import FileStore
store = FileStore(sys.argv[1], segment_bytes=1 << 20)
key = "A/s"
found = store.streams()
stream = found[key][1] if key in found else store.create(key, b"{}", Limits(max_msgs=int(sys.argv[2])))
handed = []
def told():
    last = 0
    while handed and handed[0][0] <= store.durable:
        last = handed.pop(0)[1]
    if last:
        os.write(1, b"%d\\n" % last)
store.on_durable = told
now = 1
while True:
    now += 1
    seq = stream.last_seq + 1
    stream.append([(b"s.%d" % (n % 50), None, None, b"%d" % n * 9) for n in range(seq, seq + 64)], now)
    handed.append((store.position, seq + 63))
    select.select([store.fileno()], [], [], 0 if not store.congested else 1)
    store.settle()
"""


@pytest.mark.parametrize("limit", [-1, 5000])
def test_what_was_durable_outlives_a_kill(limit: int, tmp_path: Path) -> None:
    directory = tmp_path / "store"
    told = 0
    for round_ in range(ROUNDS):
        arguments = [sys.executable, "-c", WRITER, str(directory), str(limit)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            least = told + 3000 * (1 + round_ % 3)
            while told < least:
                line = writer.stdout.readline()
                assert line, "the writer ended by itself"
                told = int(line)
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().split(b"\n")
            told = max([told, *(int(line) for line in rest[:-1])])
        store = FileStore(directory, segment_bytes=1 << 20)
        assert not store.damage
        stream = store.streams()["A/s"][1]
        state = stream.state
        assert state.last_seq >= told
        assert state.num_deleted == 0
        assert state.msgs == (state.last_seq if limit < 0 else min(limit, state.last_seq))
        for seq in {state.first_seq, (state.first_seq + state.last_seq) // 2, state.last_seq}:
            message = stream.load(seq)
            assert message is not None
            assert message[1:4] == (b"s.%d" % (seq % 50), None, b"%d" % seq * 9)
        told = state.last_seq
        store.close()
