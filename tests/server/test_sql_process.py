"""Processes for queries, with a real one at the other end."""

from __future__ import annotations

import asyncio
import json
import marshal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from natsd.base.clock import SystemClock, Timers
from natsd.net.alarm import Alarm
from natsd.server import sql_process
from natsd.server.sql_process import SqlProcesses
from natsd.sql.frames import BATCH, COLUMNS, DONE, FAILED, LOST, NEXT, OPEN, ROWS, START, Frames, render_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from natsd.server.sql_process import SqlProcess

ROWS_THERE = [(seq, seq * 1000, b"s.%d" % (seq % 3), None, b"x" * 100) for seq in range(1, 5001)]
PATIENCE_S = 60


class Talk:
    """A query and everything that its process says; batches are given as it asks for them."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        clock = SystemClock()
        timers = Timers(clock)
        self.alarm = Alarm(self.loop, timers, clock)
        self.processes = SqlProcesses(self.loop, timers)
        self.said: list[tuple[bytes, bytes]] = []
        self.over = asyncio.Event()
        self.lost = ""
        self._frames = Frames()
        self._places: dict[int, int] = {}
        self.process: SqlProcess | None = None

    async def run(self, query: str, **limits: Any) -> list[tuple[bytes, bytes]]:
        """What it said at last, when it has ended."""
        start = {
            "query": query,
            "messages": 5000,
            "subjects": 3,
            "timeout_ns": 50 * 10**9,
            "rows": 10_000,
            "bytes": 1 << 20,
        }
        self.process = self.processes.start(self._on_bytes, self.over.set)
        self.process.send(render_frame(START, marshal.dumps({**start, **limits})))
        await asyncio.wait_for(self.over.wait(), PATIENCE_S)
        return self.said

    def _on_bytes(self, data: bytes) -> None:
        assert self.process is not None
        for kind, body in self._frames.feed(data):
            if kind not in (OPEN, NEXT):
                self.said.append((kind, body))
                continue
            if self.lost:
                self.process.send(render_frame(LOST, json.dumps(self.lost).encode()))
                continue
            number = json.loads(body)[0] if kind == OPEN else json.loads(body)
            at = self._places.get(number, 0)
            self._places[number] = at + 2500
            rows = ROWS_THERE[at : at + 2500]
            # Larger than what a socket takes at once.
            self.process.send(render_frame(BATCH, marshal.dumps((number, at + 2500 >= 5000, rows))))

    async def close(self) -> None:
        for _ in range(6000):
            if not self.processes._left:
                break
            await asyncio.sleep(0.01)
        self.processes.close()
        self.alarm.stop()


def talk(body: Callable[[Talk], Any]) -> None:
    async def main() -> None:
        one = Talk()
        try:
            await body(one)
        finally:
            await one.close()

    asyncio.run(main())


def rows_of(said: list[tuple[bytes, bytes]]) -> Iterator[list[Any]]:
    data = b"".join(body for kind, body in said if kind == ROWS)
    return (json.loads(line) for line in data.splitlines())


def test_a_query_gets_its_messages_and_gives_its_rows() -> None:
    async def body(one: Talk) -> None:
        said = await one.run("SELECT seq, subject, payload FROM messages")
        assert said[0] == (COLUMNS, b'["seq", "subject", "payload"]')
        assert said[-1] == (DONE, b'[5000, ""]')
        assert list(rows_of(said)) == [[seq, subject.decode(), "x" * 100] for seq, _, subject, _, _ in ROWS_THERE]
        assert len([kind for kind, _ in said if kind == ROWS]) > 3

    talk(body)


@pytest.mark.parametrize(
    ("query", "limits", "end"),
    [
        ("SELECT seq FROM messages", {"rows": 10}, (DONE, [10, "rows"])),
        ("SELECT seq FROM messages", {"rows": 5000}, (DONE, [5000, ""])),
        ("SELECT payload FROM messages", {"bytes": 1050}, (DONE, [10, "bytes"])),
        ("SELECT zeroblob(1000000)", {"bytes": 1000}, (DONE, [0, "bytes"])),
        ("SELECT missing", {}, (FAILED, ["invalid", "no such column: missing"])),
        (
            "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c",
            {"timeout_ns": 10**8},
            (FAILED, ["time", "the query took longer than it may"]),
        ),
        (
            "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c",
            {"timeout_ns": 10**8, "rows": 1 << 40, "bytes": 1 << 40},
            (FAILED, ["time", "the query took longer than it may"]),
        ),
        (
            "WITH RECURSIVE c(x) AS (SELECT zeroblob(9000000) UNION ALL SELECT x FROM c) SELECT x FROM c ORDER BY x",
            {},
            (FAILED, ["memory", "the query needs more memory than it may have"]),
        ),
    ],
)
def test_limits_hold(query: str, limits: dict[str, Any], end: tuple[bytes, Any]) -> None:
    async def body(one: Talk) -> None:
        kind, last = (await one.run(query, **limits))[-1]
        assert (kind, json.loads(last)) == end

    talk(body)


def test_messages_that_cannot_be_read_end_it() -> None:
    async def body(one: Talk) -> None:
        one.lost = "message 7 is gone"
        assert (await one.run("SELECT * FROM messages"))[-1] == (FAILED, b'["lost", "message 7 is gone"]')

    talk(body)


def test_one_that_is_killed_says_nothing_more_and_leaves_nothing() -> None:
    async def body(one: Talk) -> None:
        ended = []
        process = one.processes.start(lambda data: None, lambda: ended.append(1))
        process.send(b"x" * (4 << 20))
        process.kill()
        process.kill()
        process.send(b"x")
        await one.close()
        assert not ended
        assert not one.processes._left

    talk(body)


def test_one_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(one: Talk) -> None:
        def start() -> None:
            one.processes.start(lambda data: None, lambda: None)

        monkeypatch.setattr(sys, "executable", "")
        with pytest.raises(OSError, match="no Python to start"):
            start()
        monkeypatch.setattr(sys, "executable", "/no/such/python")
        with pytest.raises(FileNotFoundError):
            start()
        monkeypatch.setattr(sql_process, "find_spec", lambda name: None)
        with pytest.raises(OSError, match="apsw is not installed"):
            start()

    talk(body)


def test_garbage_instead_of_a_query_ends_it() -> None:
    async def body(one: Talk) -> None:
        process = one.processes.start(lambda data: None, one.over.set)
        process.send(render_frame(NEXT, b"1"))
        await asyncio.wait_for(one.over.wait(), PATIENCE_S)

    talk(body)


def test_what_nobody_thought_of_is_told_to_the_server() -> None:
    async def body(one: Talk) -> None:
        kind, last = (await one.run("SELECT 1", bytes="many"))[-1]
        assert kind == FAILED
        assert json.loads(last)[0] == "bug"

    talk(body)


def test_every_function_works_without_opening_files() -> None:
    async def body(one: Talk) -> None:
        said = await one.run(
            "SELECT count(*) FROM messages WHERE time > '1969-12-31' AND headers IS NULL AND subject MATCH 's.*' "
            "AND (time > datetime('now') OR subject MATCH 's.>') AND strftime('%Y', time, 'localtime') > '1900' "
            "AND json_valid('1') AND length(hex(randomblob(4))) AND random() IS NOT NULL"
        )
        assert list(rows_of(said)) == [[5000]], said

    talk(body)
