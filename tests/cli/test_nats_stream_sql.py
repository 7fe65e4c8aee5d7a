"""`nats stream sql` against a server, and on the directory of one that does not run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import natsd
from natsd.client.connection import Connection
from natsd.client.jetstream import JetStream
from natsd.kernel import ClientScanner
from natsd.store.contract import Limits
from natsd.store.file import FileStore
from tests.cli.commands import Nats

if TYPE_CHECKING:
    from tests.cli.streams import Api, Inside
else:
    Inside = Api = Any

SLOW = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c"


@pytest.fixture
def orders(inside: Inside) -> Inside:
    """A server with a stream of nine orders."""
    with inside.connect() as connection:
        js = JetStream(connection)
        js.create_stream({"name": "ORDERS", "subjects": ["orders.>"]})
        for number in range(9):
            body = json.dumps({"total": number * 10}).encode() if number < 8 else b"\xff\0"
            js.publish(f"orders.{number % 3}", body, [("Number", str(number))] if number % 2 else None)
    return inside


def test_a_table_shows_what_was_asked_for(orders: Inside) -> None:
    out = orders.ok("stream", "sql", "ORDERS", "SELECT subject, count(*) AS n FROM messages GROUP BY 1")
    assert out == (
        "╭──────────┬───╮\n"
        "│ subject  │ n │\n"
        "├──────────┼───┤\n"
        "│ orders.0 │ 3 │\n"
        "│ orders.1 │ 3 │\n"
        "│ orders.2 │ 3 │\n"
        "╰──────────┴───╯\n\n"
    )


def test_json_is_one_object_a_row(orders: Inside) -> None:
    rows = orders.json(
        "stream",
        "sql",
        "ORDERS",
        "SELECT seq, payload ->> 'total' AS total, headers ->> 'Number' AS number, seq FROM messages "
        "WHERE subject MATCH 'orders.*' AND json_valid(payload) AND total > 50 ORDER BY seq DESC",
    )
    assert rows == [
        {"seq": 8, "total": 70, "number": "7", "seq_2": 8},
        {"seq": 7, "total": 60, "number": None, "seq_2": 7},
    ]
    assert orders.json("stream", "sql", "ORDERS", "SELECT payload FROM messages WHERE seq = 9") == [
        {"payload": {"base64": "/wA="}}
    ]
    assert orders.json("stream", "sql", "ORDERS", "SELECT 1 AS n WHERE 0") == []


def test_csv_has_a_head_and_a_line_a_row(orders: Inside) -> None:
    out = orders.ok(
        "stream", "sql", "ORDERS", "SELECT seq, headers, payload FROM messages WHERE seq IN (1, 2, 9)", "--csv"
    )
    assert out == 'seq,headers,payload\n1,,"{""total"": 0}"\n2,"{""Number"":""1""}","{""total"": 10}"\n9,,/wA=\n'


def test_times_are_compared_as_times(orders: Inside) -> None:
    for condition, count in (
        ("time > datetime('now', '-1 hour')", 9),
        ("time < datetime('now', '-1 hour')", 0),
        ("time BETWEEN '2001-01-01' AND '2201-01-01T00:00:00+02:00'", 9),
        ("time = (SELECT max(time) FROM messages) AND seq = 9", 1),
    ):
        rows = orders.json("stream", "sql", "ORDERS", f"SELECT count(*) AS n FROM messages WHERE {condition}")
        assert rows == [{"n": count}], condition


def test_rows_above_the_limit_are_missed_aloud(orders: Inside) -> None:
    result = orders.run("stream", "sql", "ORDERS", "SELECT seq FROM messages", "--limit", "2", "--csv")
    assert (result.code, result.out) == (0, "seq\n1\n2\n")
    assert result.err == "Only the first 2 rows are shown; raise --limit for more\n"
    result = orders.run("stream", "sql", "ORDERS", "SELECT seq FROM messages", "--limit", "9", "--csv")
    assert result.err == ""


def test_a_result_larger_than_a_message_comes_whole(orders: Inside) -> None:
    query = "SELECT m.seq, printf('%.*c', 300000, 'x') AS text FROM messages m"
    rows = orders.json("stream", "sql", "ORDERS", query)
    assert [row["seq"] for row in rows] == list(range(1, 10))
    assert all(row["text"] == "x" * 300_000 for row in rows)


def test_control_characters_do_nothing_to_a_terminal(orders: Inside) -> None:
    out = orders.ok("stream", "sql", "ORDERS", "SELECT char(27) || '[2J' || char(10) || 'ü' AS c")
    assert "│ \\x1b[2J\\nü │" in out


def test_the_query_may_come_from_a_file_or_stdin(orders: Inside, tmp_path: Path) -> None:
    path = tmp_path / "query.sql"
    path.write_text("-- how many\nSELECT count(*) AS n\nFROM messages;\n")
    assert orders.ok("stream", "sql", "ORDERS", "-f", str(path), "--csv") == "n\n9\n"
    nats = Nats(orders.url)
    for args in (("-",), ("-f", "-")):
        result = nats.run("stream", "sql", "ORDERS", *args, "--csv", stdin=path.read_bytes())
        assert (result.code, result.out) == (0, "n\n9\n"), result
    result = nats.run("stream", "sql", "ORDERS", "-", stdin=b"SELECT '\xff'")
    assert result.code == 2 and "not UTF-8" in result.err
    nats.close()


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (("ORDERS",), 2, "give a query"),
        (("ORDERS", "SELECT 1", "-f", "x"), 2, "give a query"),
        (("ORDERS", "SELECT 1", "-j", "--csv"), 2, "exclude each other"),
        (("ORDERS", "SELECT 1", "--limit", "0"), 2, "--limit"),
        (("ORDERS", "-f", "/no/such/file"), 1, "no such file"),
        (("ORDERS", "SELECT missing"), 1, "invalid query: no such column: missing (19001)"),
        (("ORDERS", "DELETE FROM messages"), 1, "(19001)"),
        (("ORDERS", "ATTACH 'other.db' AS other"), 1, "invalid query: not authorized (19001)"),
        (("NONE", "SELECT 1"), 1, "could not query Stream NONE: stream not found (10059)"),
        (("ORDERS", SLOW, "--timeout", "2s"), 4, "the query took longer than 2s (19002)"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_exit_code(
    orders: Inside, args: tuple[str, ...], code: int, text: str
) -> None:
    result = orders.run("stream", "sql", *args)
    assert result.code == code and text in result.err, result
    assert result.out == ""


def test_a_query_that_breaks_off_shows_nothing(orders: Inside) -> None:
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 60000) SELECT x FROM c"
    query = f"SELECT * FROM ({endless}) UNION ALL SELECT * FROM ({SLOW})"
    result = orders.run("stream", "sql", "ORDERS", query, "--limit", "100000", "--timeout", "3s")
    assert result.code == 4 and result.out == ""
    assert "the query took longer than it may" in result.err


def test_a_stream_that_changes_meanwhile_gives_a_whole_answer(orders: Inside) -> None:
    with orders.connect() as connection:
        window = JetStream(connection).window(500)
        for number in range(20_000):
            window.publish(f"orders.{number % 7}", b'{"total": 1}')
        window.finish()
    stop = threading.Event()

    def change() -> None:
        with orders.connect() as connection:
            js = JetStream(connection)
            number = 10
            while not stop.is_set():
                js.publish("orders.new", b"{}")
                js.delete_message("ORDERS", number)
                number += 1

    changer = threading.Thread(target=change)
    changer.start()
    try:
        (row,) = orders.json(
            "stream", "sql", "ORDERS", "SELECT count(*) AS n, min(seq) AS first, max(seq) AS last FROM messages"
        )
        found = orders.json(
            "stream", "sql", "ORDERS", "SELECT seq, payload FROM messages ORDER BY seq", "--limit", "100000"
        )
    finally:
        stop.set()
        changer.join()
    assert row["first"] == 1 and row["last"] >= 20_009
    assert 10_000 < row["n"] <= row["last"]
    seqs = [one["seq"] for one in found]
    assert seqs == sorted(set(seqs)) and seqs[-1] >= 20_009
    assert all(one["payload"] for one in found)


def test_two_queries_at_once_are_both_answered(orders: Inside) -> None:
    results: list[str] = []
    nats = Nats(orders.url)

    def ask() -> None:
        results.append(nats.run("stream", "sql", "ORDERS", "SELECT count(*) FROM messages a, messages b", "--csv").out)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    nats.close()
    assert results == ["count(*)\n81\n"] * 3


def test_a_server_that_does_not_know_it_is_guessed(nats: Nats) -> None:
    result = nats.run("stream", "sql", "ORDERS", "SELECT 1")
    assert result.code == 3 and "JetStream is not enabled" in result.err


def test_permissions_to_publish_say_who_may_ask(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.cli.streams import Inside

    allowed = ["$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.SQL.OPEN", "$JS.API.STREAM.NAMES", "s.>"]
    users = [{"user": "u", "password": "p", "permissions": {"publish": allowed}}]
    monkeypatch.setenv("XDG_CONFIG_HOME", os.devnull)
    with natsd.run_in_thread(jetstream=True, store_dir=str(tmp_path), users=users) as server:
        with Connection(f"nats://u:p@127.0.0.1:{server.port}", ClientScanner) as connection:
            connection.connect()
            for name in ("OPEN", "SHUT"):
                JetStream(connection).create_stream({"name": name, "subjects": [f"s.{name}"]})
        inside = Inside(f"nats://u:p@127.0.0.1:{server.port}", capfd)
        assert inside.json("stream", "sql", "OPEN", "SELECT count(*) AS n FROM messages") == [{"n": 0}]
        result = inside.run("stream", "sql", "SHUT", "SELECT 1")
    assert result.code == 5 and "ermissions" in result.err and "$JS.API.STREAM.SQL.SHUT" in result.err


def test_the_shell_completes_the_stream(orders: Inside) -> None:
    nats = Nats(orders.url)
    environment = {"_NATS_COMPLETE": "bash_complete", "COMP_WORDS": "nats stream sql OR", "COMP_CWORD": "3"}
    assert "plain,ORDERS" in nats.run(**environment).out
    nats.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A store directory as a server leaves it."""
    store = FileStore(tmp_path / "jetstream")
    stream = store.create("$G/ORDERS", b"{}", Limits())
    stream.append([(b"orders.%d" % (n % 2), None, None, b'{"n": %d}' % n) for n in range(100)], 10**18)
    store.create("OTHER/MORE", b"{}", Limits()).append([(b"more", None, None, b"\xff")], 10**18)
    store.wait()
    store.close()
    return tmp_path


def test_a_directory_is_asked_without_a_server(inside: Inside, directory: Path) -> None:
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    query = "SELECT subject, count(*) AS n, max(time) AS t FROM messages WHERE seq > 10 GROUP BY subject"
    for where in (directory, directory / "jetstream"):
        assert inside.json("stream", "sql", "ORDERS", query, "--store-dir", str(where)) == [
            {"subject": "orders.0", "n": 45, "t": "2001-09-09T01:46:40.000000000Z"},
            {"subject": "orders.1", "n": 45, "t": "2001-09-09T01:46:40.000000000Z"},
        ]
    args = ("stream", "sql", "MORE", "SELECT payload FROM messages", "--store-dir", str(directory))
    assert inside.ok(*args, "--account", "OTHER", "--csv") == "payload\n/w==\n"
    result = inside.run(
        "stream", "sql", "ORDERS", "SELECT seq FROM messages", "--store-dir", str(directory), "--limit", "3"
    )
    assert result.err == "Only the first 3 rows are shown; raise --limit for more\n"
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("ORDERS", "SELECT missing"), "invalid query: no such column: missing"),
        (("NONE", "SELECT 1"), "account $G has no stream NONE in {directory}/jetstream; it has ORDERS"),
        (("NONE", "SELECT 1", "--account", "X"), "there are streams of $G, OTHER"),
        (
            ("ORDERS", "SELECT json_extract(payload, '$') FROM messages WHERE json(subject)"),
            "malformed JSON; json_valid(payload) AND",
        ),
    ],
)
def test_what_a_directory_cannot_answer_is_said(
    inside: Inside, directory: Path, args: tuple[str, ...], text: str
) -> None:
    result = inside.run("stream", "sql", *args, "--store-dir", str(directory))
    assert result.code == 1 and text.replace("{directory}", str(directory)) in result.err, result


def test_a_directory_that_a_server_has_is_refused(inside: Inside, directory: Path, tmp_path: Path) -> None:
    store = FileStore(directory / "jetstream")
    try:
        result = inside.run("stream", "sql", "ORDERS", "SELECT 1", "--store-dir", str(directory))
    finally:
        store.close()
    assert result.code == 1 and "is in use by a server" in result.err
    result = inside.run("stream", "sql", "ORDERS", "SELECT 1", "--store-dir", str(tmp_path / "none"))
    assert result.code == 1 and "is not a directory" in result.err
    empty = FileStore(tmp_path / "empty")
    empty.close()
    result = inside.run("stream", "sql", "ORDERS", "SELECT 1", "--store-dir", str(tmp_path / "empty"))
    assert result.code == 1 and "there are no streams at all" in result.err


KILLED = """
import os, sys
from natsd.store.contract import Limits
from natsd.store.file import FileStore
store = FileStore(sys.argv[1])
stream = store.create("$G/S", b"{}", Limits())
for n in range(50):
    stream.append([(b"s", None, None, b"%d" % n)], 10**18 + n)
store.wait()
stream.append([(b"s", None, None, b"torn" * 1000)], 10**18)
os.kill(os.getpid(), 9)
"""


def test_a_directory_of_a_killed_server_is_read_as_it_is(inside: Inside, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    (segment,) = tmp_path.glob("0*.seg")
    with segment.open("ab") as file:
        file.write(b"half a record")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    args = ("stream", "sql", "S", "SELECT count(*) >= 50 AS whole, min(payload) AS first FROM messages")
    assert inside.json(*args, "--store-dir", str(tmp_path)) == [{"whole": 1, "first": "0"}]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_without_the_library_a_directory_cannot_be_asked(
    inside: Inside, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("natsd.sql")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "apsw", None)
    result = inside.run("stream", "sql", "ORDERS", "SELECT 1", "--store-dir", str(directory))
    assert result.code == 1 and "needs the library apsw" in result.err
    shutil.rmtree(directory / "jetstream")
