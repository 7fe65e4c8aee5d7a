"""`nats stream backup` and `restore` against an API that answers by a script."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from natsd.client.connection import Connection
from natsd.client.message import Message
from tests.cli.streams import Api, Inside
from tests.cli.test_nats_stream_pieces import frame

if TYPE_CHECKING:
    from tests.places import ServerProcess
else:
    ServerProcess = Any

CONFIG = {"name": "A", "subjects": ["a"], "storage": "file"}
STATE = {"messages": 3, "bytes": 305}
CHUNKS = [frame(0xFF, b"S2sTwO") + frame(0, b"crc!" + b"\xac\x02" + b"packed"), frame(1, b"crc!" + b"plain")]
Answers = dict[str, Callable[[Connection, Message], None]]


def answer(document: dict[str, Any]) -> Callable[[Connection, Message], None]:
    return lambda connection, message: connection.respond(message, json.dumps(document).encode())


@pytest.fixture
def start(nats_process: ServerProcess, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[Answers], Any]]:
    url = f"nats://{nats_process.host}:{nats_process.port}"
    running = []

    def begin(answers: Answers) -> tuple[Inside, Api]:
        api = Api(url, answers)
        running.append(api)
        return Inside(url, capfd), api

    yield begin
    for api in running:
        api.close()


class Snapshot:
    """Sends its chunks one by one, each when the one before is acknowledged."""

    def __init__(self) -> None:
        self.left = list(CHUNKS)
        self.target = ""

    def begin(self, connection: Connection, message: Message) -> None:
        self.request = json.loads(message.payload)
        self.target = self.request["deliver_subject"]
        connection.respond(message, json.dumps({"config": CONFIG, "state": STATE}).encode())
        self.go_on(connection, message)

    def go_on(self, connection: Connection, message: Message) -> None:
        if self.left:
            connection.publish(self.target, self.left.pop(0), "snapshot.ack")
        else:
            connection.publish(self.target)
        connection.flush()


def test_a_backup_is_whole_and_counted(start: Callable[[Answers], Any], tmp_path: Path) -> None:
    snapshot = Snapshot()
    inside, api = start({"$JS.API.STREAM.SNAPSHOT.A": snapshot.begin, "snapshot.ack": snapshot.go_on})
    target = tmp_path / "backup"
    out = inside.ok("stream", "backup", "A", str(target), "--no-consumers", "--chunk-size", "64KiB")
    size = sum(map(len, CHUNKS))
    assert out.startswith('Starting backup of Stream "A" with 305 B\n\n')
    assert f'Received {size} B compressed data in 2 chunks for stream "A" in ' in out
    assert out.endswith(", 305 B uncompressed \n")
    assert (target / "stream.tar.s2").read_bytes() == b"".join(CHUNKS)
    assert json.loads((target / "backup.json").read_text()) == {"config": CONFIG, "state": STATE}
    assert snapshot.request["no_consumers"] and snapshot.request["chunk_size"] == 65536
    assert [subject for subject, _ in api.asked] == ["$JS.API.STREAM.SNAPSHOT.A", "snapshot.ack", "snapshot.ack"]
    assert sorted(path.name for path in target.iterdir()) == ["backup.json", "stream.tar.s2"]


def test_a_backup_that_stops_leaves_nothing_behind(start: Callable[[Answers], Any], tmp_path: Path) -> None:
    def refuse(connection: Connection, message: Message) -> None:
        body = json.loads(message.payload)
        connection.respond(message, json.dumps({"config": CONFIG, "state": STATE}).encode())
        connection._queue(_status(body["deliver_subject"], b"NATS/1.0 408 Request Timeout\r\n\r\n"))
        connection.flush()

    inside, _ = start({"$JS.API.STREAM.SNAPSHOT.A": refuse})
    result = inside.run("stream", "backup", "A", str(tmp_path))
    assert result.code == 1 and "the backup failed: Request Timeout" in result.err
    assert list(tmp_path.iterdir()) == []


def _status(subject: str, header: bytes) -> bytes:
    return b"HPUB %b %d %d\r\n%b\r\n" % (subject.encode(), len(header), len(header), header)


def test_what_the_server_objects_to_is_said(start: Callable[[Answers], Any], tmp_path: Path) -> None:
    error = {"error": {"code": 400, "err_code": 10064, "description": "snapshot failed: memory"}}
    inside, _ = start({"$JS.API.STREAM.SNAPSHOT.A": answer(error)})
    result = inside.run("stream", "backup", "A", str(tmp_path))
    assert (
        result.code == 1 and result.err == "nats: error: could not back up Stream A: snapshot failed: memory (10064)\n"
    )


def save(folder: Path, data: bytes = b"x" * 150_000) -> None:
    (folder / "backup.json").write_text(json.dumps({"config": CONFIG, "state": STATE}))
    (folder / "stream.tar.s2").write_bytes(data)


def restoring(received: list[bytes], at_end: dict[str, Any]) -> Answers:
    known = [False]

    def info(connection: Connection, message: Message) -> None:
        missing = {"error": {"code": 404, "err_code": 10059, "description": "stream not found"}}
        shown = {"config": CONFIG, "state": STATE, "created": "2026-01-02T03:04:05Z"}
        connection.respond(message, json.dumps(shown if known[0] else missing).encode())

    def chunk(connection: Connection, message: Message) -> None:
        if message.payload:
            received.append(message.payload)
            connection.respond(message)
        else:
            known[0] = True
            connection.respond(message, json.dumps(at_end).encode())

    return {
        "$JS.API.STREAM.INFO.A": info,
        "$JS.API.STREAM.RESTORE.A": answer({"deliver_subject": "restore.here"}),
        "restore.here": chunk,
    }


def test_a_restore_sends_everything_and_shows_the_stream(start: Callable[[Answers], Any], tmp_path: Path) -> None:
    received: list[bytes] = []
    save(tmp_path)
    inside, api = start(restoring(received, {"config": CONFIG, "state": STATE}))
    out = inside.ok("stream", "restore", str(tmp_path), "--replicas", "1", "--tag", "t")
    assert out.startswith(f'Starting restore of Stream "A" from file "{tmp_path}"\n\n')
    assert '\nRestored stream "A" in ' in out and "Information for Stream A created 2026-01-02" in out
    assert b"".join(received) == b"x" * 150_000 and max(map(len, received)) == 65536
    asked = json.loads(next(body for subject, body in api.asked if "RESTORE" in subject))
    assert asked["state"] == STATE and asked["config"]["placement"] == {"tags": ["t"]}


def test_a_restore_that_fails_says_why(start: Callable[[Answers], Any], tmp_path: Path) -> None:
    save(tmp_path)
    error = {"error": {"code": 500, "err_code": 10062, "description": "restore failed: broken"}}
    inside, _ = start(restoring([], error))
    result = inside.run("stream", "restore", str(tmp_path))
    assert result.code == 1 and "restore failed: broken (10062)" in result.err


def test_a_stream_that_exists_and_another_name_are_refused(start: Callable[[Answers], Any], tmp_path: Path) -> None:
    save(tmp_path)
    inside, _ = start({"$JS.API.STREAM.INFO.A": answer({"config": CONFIG, "state": STATE})})
    assert 'Stream "A" already exist' in inside.run("stream", "restore", str(tmp_path)).err
    other = tmp_path / "other.json"
    other.write_text('{"name": "B"}')
    assert "another name" in inside.run("stream", "restore", str(tmp_path), "--config", str(other)).err
    (tmp_path / "backup.json").write_text("[]")
    assert "has no configuration" in inside.run("stream", "restore", str(tmp_path)).err


def test_a_silent_backup_ends(start: Callable[[Answers], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from natsd.cli.nats.streams import stream_backup

    monkeypatch.setattr(stream_backup, "SHORTEST_SILENCE_S", 0.2)
    inside, _ = start({"$JS.API.STREAM.SNAPSHOT.A": answer({"config": CONFIG, "state": STATE})})
    begin = time.monotonic()
    result = inside.run("stream", "backup", "A", str(tmp_path), "--timeout", "200ms")
    assert result.code == 4 and "no data of the backup" in result.err and time.monotonic() - begin < 60
