"""SQL requests against a process that a test plays: what is asked, answered, refused, and how it ends."""

from __future__ import annotations

import json
import marshal
from typing import TYPE_CHECKING, Any

import pytest

from natsd.jetstream.sql import sql_api, sql_query
from natsd.sql.frames import BATCH, CLOSE, COLUMNS, DONE, FAILED, LOST, NEXT, OPEN, ROWS, START, Frames, render_frame
from natsd.sql.scan import Scan
from natsd.store.contract import StoreError

from .house import House

if TYPE_CHECKING:
    from collections.abc import Callable

    from .house import Inbox

END = b"NATS/1.0 204 EOB\r\nNats-Rows: %d\r\n\r\n"


class Process:
    """One that says what the test wants."""

    def __init__(self, on_bytes: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self.on_bytes = on_bytes
        self.on_end = on_end
        self.killed = False
        self._frames = Frames()
        self._got: list[tuple[bytes, bytes]] = []

    def send(self, data: bytes) -> None:
        self._got += self._frames.feed(data)

    def kill(self) -> None:
        self.killed = True

    def say(self, kind: bytes, body: object) -> None:
        self.on_bytes(render_frame(kind, body if isinstance(body, bytes) else json.dumps(body).encode()))

    def take(self) -> list[tuple[bytes, Any]]:
        """What the server said, decoded."""
        got, self._got = self._got, []
        return [(kind, json.loads(body) if kind == LOST else marshal.loads(body)) for kind, body in got]

    def open(self, number: int, **wanted: Any) -> None:
        self.say(OPEN, [number, Scan(**wanted).as_list()])


class Processes:
    """Starts them, unless told not to."""

    def __init__(self) -> None:
        self.started: list[Process] = []
        self.problem: OSError | None = None

    def start(self, on_bytes: Callable[[bytes], None], on_end: Callable[[], None]) -> Process:
        if self.problem is not None:
            raise self.problem
        self.started.append(Process(on_bytes, on_end))
        return self.started[-1]

    @property
    def last(self) -> Process:
        return self.started[-1]


class SqlHouse(House):
    """With a stream of ten messages."""

    def __init__(self) -> None:
        super().__init__()
        self.processes = Processes()
        self.jetstream.queries = sql_api.SqlQueue(self.processes)
        self.stream("S")
        self.fill(10)

    def query(self, text: str = "SELECT 1", stream: str = "S", **more: object) -> Inbox:
        inbox = self.inbox()
        body = json.dumps({"query": text, **more}).encode()
        self.publish(f"$JS.API.STREAM.SQL.{stream}", body, inbox.name)
        return inbox


@pytest.fixture
def house() -> SqlHouse:
    return SqlHouse()


def error_of(inbox: Inbox) -> tuple[int, str]:
    ((_, _, _, payload),) = inbox.take()
    answer = json.loads(payload)
    assert answer["type"] == "io.nats.jetstream.api.v1.stream_sql_response"
    return answer["error"]["err_code"], answer["error"]["description"]


def test_a_process_is_told_the_query_and_given_what_it_asks_for(house: SqlHouse) -> None:
    inbox = house.query("SELECT *", limit=5, timeout=2_000_000_000)
    process = house.processes.last
    ((kind, start),) = process.take()
    assert kind == START
    assert start == {
        "query": "SELECT *",
        "messages": 10,
        "subjects": 1,
        "timeout_ns": 2_000_000_000,
        "rows": 5,
        "bytes": sql_query.RESULT_BYTES,
    }
    process.open(1, first=9)
    now = house.clock.wall_ns()
    assert process.take() == [(BATCH, (1, True, [(9, now, b"s.a", None, b"8"), (10, now, b"s.a", None, b"9")]))]
    process.open(2, headers=False, payloads=False, descending=True, last=2)
    assert process.take() == [(BATCH, (2, True, [(2, now, b"s.a"), (1, now, b"s.a")]))]
    process.say(COLUMNS, ["n"])
    assert inbox.take() == []
    process.say(ROWS, b"[1]\n[2")
    process.say(ROWS, b"]\n")
    process.say(DONE, [2, ""])
    first, *rest = inbox.take()
    assert json.loads(first[3]) == {
        "type": "io.nats.jetstream.api.v1.stream_sql_response",
        "columns": ["n"],
        "up_to_seq": 10,
    }
    assert [payload for _, _, _, payload in rest] == [b"[1]\n[2", b"]\n", b""]
    assert rest[-1][2] == END % 2
    assert process.killed
    assert len(house.jetstream.queries) == 0


def test_batches_grow_and_come_one_by_one(house: SqlHouse) -> None:
    house.fill(3000)
    house.query()
    process = house.processes.last
    process.take()
    process.open(1, headers=False, payloads=False)
    process.open(2, hint=3)
    sizes: dict[int, list[int]] = {1: [], 2: []}
    while frames := process.take():
        for kind, (number, last, rows) in frames:
            assert kind == BATCH
            sizes[number].append(len(rows))
            if not last:
                process.say(NEXT, number)
    assert sizes == {1: [64, 256, 1024, 1024, 642], 2: [3, 12, 48, 192, 768, 1024, 963]}


def test_messages_that_come_later_are_not_in_it(house: SqlHouse) -> None:
    house.query()
    process = house.processes.last
    house.fill(5)
    process.take()
    process.open(1, hint=4)
    house.ask("STREAM.PURGE.S", {"seq": 7})
    process.say(NEXT, 1)
    rows = [row[0] for _, (_, _, some) in process.take() for row in some]
    assert rows == [1, 2, 3, 4, 7, 8, 9, 10]


def test_times_beginnings_and_patterns_are_looked_after(house: SqlHouse) -> None:
    house.move(10)
    noon = house.clock.wall_ns()
    for subject in ("s.B.1", "s.b.2", "s.c"):
        house.publish(subject, b"")
        house.move(1)
    house.query()
    process = house.processes.last
    process.take()
    for wanted, expected in (
        ({"since_ns": noon}, [11, 12, 13]),
        ({"since_ns": noon + 1, "until_ns": noon + 1_000_000_000}, [12]),
        ({"until_ns": noon, "first": 10}, [10, 11]),
        ({"pattern": "s.*.*"}, [11, 12]),
        ({"pattern": "s.c", "descending": True}, [13]),
        ({"prefix": "S.b", "caseless": True}, [11, 12]),
        ({"prefix": "s.b", "descending": True}, [12]),
        ({"first": 5, "last": 4}, []),
        ({"since_ns": noon + (1 << 60)}, []),
    ):
        process.open(1, **wanted)
        ((_, (_, last, rows)),) = process.take()
        assert ([row[0] for row in rows], last) == (expected, True), wanted


def test_a_limit_that_cut_rows_is_named(house: SqlHouse) -> None:
    inbox = house.query()
    house.processes.last.say(COLUMNS, ["n"])
    house.processes.last.say(DONE, [0, "rows"])
    assert inbox.take()[-1][2] == b"NATS/1.0 204 EOB\r\nNats-Rows: 0\r\nNats-Cut-By: rows\r\n\r\n"


@pytest.mark.parametrize(
    ("kind", "text", "err_code", "description", "status"),
    [
        ("invalid", "no such column: x", 19001, "invalid query: no such column: x", b"400 Bad Query"),
        ("time", "", 19002, "the query took longer than 5s", b"408 Time Limit"),
        ("memory", "", 19003, "the query needs more memory than it may have", b"413 Memory Limit"),
        ("lost", "message 5\r\nis gone", 19006, "the query failed: message 5\r\nis gone", b"500 Failed"),
    ],
)
def test_what_goes_wrong_is_an_error_or_ends_the_rows(
    house: SqlHouse, kind: str, text: str, err_code: int, description: str, status: bytes
) -> None:
    inbox = house.query()
    house.processes.last.say(FAILED, [kind, text])
    assert error_of(inbox) == (err_code, description)
    inbox = house.query()
    process = house.processes.last
    process.say(COLUMNS, ["n"])
    process.say(ROWS, b"[1]\n")
    process.say(FAILED, [kind, text])
    header = inbox.take()[-1][2]
    assert header is not None and header.startswith(b"NATS/1.0 " + status + b"\r\n")
    assert (b"Nats-Error: " + b" ".join(text.encode().split()) + b"\r\n" in header) == bool(text)
    assert process.killed


def test_time_is_looked_at_from_outside_too(house: SqlHouse) -> None:
    inbox = house.query(timeout=1_000_000_000)
    house.move(1.4)
    assert inbox.take() == []
    house.move(0.2)
    assert error_of(inbox) == (19002, "the query took longer than 1s")
    assert house.processes.last.killed
    house.query(timeout=1 << 62)
    assert house.processes.last.take()[0][1]["timeout_ns"] == sql_api.MOST_TIMEOUT_NS


def test_rows_have_a_limit_of_the_server(house: SqlHouse) -> None:
    house.query(limit=1 << 62)
    assert house.processes.last.take()[0][1]["rows"] == sql_api.MOST_ROWS


@pytest.mark.parametrize(
    ("body", "err_code"),
    [
        (b"", 10003),
        (b"{}", 10003),
        (b'{"query": ""}', 10003),
        (b'{"query": "  "}', 10003),
        (b'{"query": "SELECT 1", "limit": -1}', 10003),
        (b'{"query": "SELECT 1", "timeout": -1}', 10003),
        (b'{"query": "SELECT 1", "limit": 1.5}', 10025),
        (b'{"query": "SELECT 1", "limit": "1"}', 10025),
        (b'{"query": "SELECT 1", "timeout": 99999999999999999999}', 10025),
        (b'{"query": ["SELECT 1"]}', 10025),
        (b'{"query": "SELECT 1", "other": 1}', 10025),
        (b"SELECT 1", 10025),
    ],
)
def test_bad_requests_start_nothing(house: SqlHouse, body: bytes, err_code: int) -> None:
    inbox = house.inbox()
    house.publish("$JS.API.STREAM.SQL.S", body, inbox.name)
    assert error_of(inbox)[0] == err_code
    assert house.processes.started == []


def test_a_stream_that_is_not_there_is_named_as_ever(house: SqlHouse) -> None:
    assert error_of(house.query(stream="NONE")) == (10059, "stream not found")
    assert house.processes.started == []


def test_nobody_to_answer_means_no_work(house: SqlHouse) -> None:
    house.publish("$JS.API.STREAM.SQL.S", b'{"query": "SELECT 1"}')
    house.publish("$JS.API.STREAM.SQL.S", b'{"query": "SELECT 1"}', "_INBOX.nobody")
    assert house.processes.started == []
    inbox = house.query()
    inbox.close()
    process = house.processes.last
    process.say(COLUMNS, ["n"])
    process.say(ROWS, b"[1]\n")
    assert process.killed
    assert len(house.jetstream.queries) == 0


def test_one_query_runs_the_others_wait_and_too_many_are_refused(house: SqlHouse) -> None:
    inboxes = [house.query(f"SELECT {number}") for number in range(sql_api.MOST_WAITING_OF_ACCOUNT + 1)]
    assert error_of(house.query()) == (19004, "too many queries are waiting")
    assert len(house.processes.started) == 1
    for number, inbox in enumerate(inboxes):
        process = house.processes.started[number]
        assert process.take()[0][1]["query"] == f"SELECT {number}"
        process.say(FAILED, ["invalid", "x"])
        assert error_of(inbox)[0] == 19001
    assert len(house.processes.started) == len(inboxes)
    assert len(house.jetstream.queries) == 0


def test_who_waited_longer_than_his_query_may_take_is_passed_over(house: SqlHouse) -> None:
    house.query("SELECT 1", timeout=60_000_000_000)
    for number in range(5):
        house.query(f"SELECT {number}", timeout=1_000_000_000)
    house.query("SELECT 'last'", timeout=60_000_000_000)
    house.move(2)
    house.processes.last.say(FAILED, ["invalid", "x"])
    assert [process.take()[0][1]["query"] for process in house.processes.started] == ["SELECT 1", "SELECT 'last'"]


def test_a_server_that_can_start_no_process_says_so(house: SqlHouse) -> None:
    house.processes.problem = OSError("the library apsw is not installed")
    assert error_of(house.query()) == (19005, "SQL is not available: the library apsw is not installed")
    house.jetstream.queries = sql_api.SqlQueue(None)
    assert error_of(house.query()) == (19005, "SQL is not available: this server starts no processes")


def test_a_process_that_ends_by_itself_is_an_error(house: SqlHouse) -> None:
    inbox = house.query()
    house.processes.last.on_end()
    assert error_of(inbox) == (19006, "the query failed: its process ended")
    assert "WRN An SQL query of account '$G' failed: its process ended" in house.log.lines


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"?", b""),
        (OPEN, b"nonsense"),
        (OPEN, b"[1]"),
        (OPEN, b"[1,[1,2,3,4,5,6,7,8,9,10,11]]"),
        (OPEN, json.dumps([1, [*Scan().as_list()[:4], "", "", False, False, False, False, 1.5]]).encode()),
        (NEXT, b'"1"'),
        (CLOSE, b"[]"),
        (COLUMNS, b"[1]"),
        (DONE, b"[]"),
        (FAILED, b"{}"),
        (ROWS, b"x" * (5 << 20)),
    ],
)
def test_a_process_is_believed_nothing(house: SqlHouse, kind: bytes, body: bytes) -> None:
    inbox = house.query()
    process = house.processes.last
    process.say(kind, body)
    err_code, description = error_of(inbox)
    assert err_code == 19006 and "its process said something strange" in description
    assert process.killed


def test_numbers_out_of_range_read_nothing_and_harm_nobody(house: SqlHouse) -> None:
    for wanted in (
        {"first": -(1 << 63), "last": 1 << 63},
        {"since_ns": -(1 << 80), "until_ns": 1 << 80, "first": 1 << 70},
        {"hint": -5, "first": 11},
    ):
        inbox = house.query()
        process = house.processes.last
        process.open(1, **wanted)
        frames = process.take()
        if not process.killed:
            assert frames
            process.say(DONE, [0, ""])
        assert inbox.take()
    assert house.ask("STREAM.INFO.S")["state"]["messages"] == 10


def test_too_many_scans_rows_or_a_lost_stream_end_it(house: SqlHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    house.fill(500)
    house.query()
    process = house.processes.last
    process.take()
    for number in range(sql_query.MOST_SCANS):
        process.open(number)
    process.say(CLOSE, 0)
    process.open(100)
    process.take()
    process.open(101)
    assert process.take() == [(LOST, "it reads the messages too many times at once")]
    process.say(FAILED, ["lost", "x"])

    inbox = house.query()
    process = house.processes.last
    process.take()
    process.open(1)
    process.take()
    assert house.ask("STREAM.DELETE.S")["success"]
    process.say(NEXT, 1)
    process.open(2)
    process.say(NEXT, 77)
    assert process.take() == [(LOST, "the stream is gone")] * 2
    process.say(COLUMNS, ["n"])
    monkeypatch.setattr(sql_query, "RESULT_BYTES", 10)
    process.say(ROWS, b"x" * 11)
    assert process.killed
    assert inbox.take()[-1][2] == (
        b"NATS/1.0 500 Failed\r\nNats-Error: its process said something strange: more than 10 bytes\r\n\r\n"
    )


def test_a_message_that_cannot_be_read_ends_it(house: SqlHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StoreError("message 1 of stream 1 cannot be read back")

    house.query()
    process = house.processes.last
    process.take()
    monkeypatch.setattr("natsd.jetstream.sql.sql_walk.Walk.take", fail)
    process.open(1)
    assert process.take() == [(LOST, "message 1 of stream 1 cannot be read back")]


def test_a_server_that_stops_tells_all_who_wait(house: SqlHouse) -> None:
    inboxes = [house.query() for _ in range(3)]
    process = house.processes.last
    house.jetstream.queries.close()
    assert [error_of(inbox)[0] for inbox in inboxes] == [19005] * 3
    assert process.killed
    process.say(COLUMNS, ["n"])
    process.on_end()
    assert len(house.jetstream.queries) == 0
