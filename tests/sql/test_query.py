"""Queries on a stream: the same answers as from a plain table with the same messages, and nothing but SELECT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from natsd.jetstream.sql.sql_walk import StreamReader
from natsd.sql.query import INVALID, MEMORY_LIMIT, TIME_LIMIT, Query, SqlError, _match
from natsd.sql.table import MOST_CURSORS, TIMES
from natsd.sql.values import (
    SECOND_NS,
    compare_times,
    render_headers,
    render_payload,
    render_subject,
    render_times,
)
from natsd.store.contract import Limits
from natsd.store.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from natsd.sql.scan import Row, Scan
    from natsd.store.contract import StreamStore

START_NS = 1_764_311_600 * SECOND_NS
SUBJECTS = [b"a", b"a.b", b"a.b.c", b"a.B", b"A.b", b"b.a", b"orders.eu.1", b"orders.us.1", b"1.2", b"x.\xff", b"x.*"]
PAYLOADS = [b"", b"5", b'{"n":1,"s":"x"}', b'{"n":[2,3]}', b"text", b"\xff\xfe", b"a\0b", "é".encode()]
HEADERS = [None, b"NATS/1.0\r\nK: 1\r\n\r\n", b"NATS/1.0\r\nK: 1\r\nK: 2\r\n\r\n"]


def _text(time_ns: int) -> str:
    return render_times([time_ns])[0]


def make_stream(messages: list[tuple[bytes, bytes | None, bytes, int]], gone: list[int]) -> StreamStore:
    stream = MemoryStore().create("A/S", b"", Limits())
    time_ns = START_NS
    for subject, header, payload, later in messages:
        time_ns += later * SECOND_NS // 2
        stream.append([(subject, None, header, payload)], time_ns)
    stream.remove(gone)
    return stream


def plain_table(stream: StreamStore) -> apsw.Connection:
    database = apsw.Connection(":memory:")
    database.create_collation(TIMES, compare_times)
    database.create_scalar_function("match", _match, 2)
    database.execute(
        "CREATE TABLE messages (seq INTEGER PRIMARY KEY, time TEXT COLLATE moment, time_ns INTEGER, subject TEXT, "
        "headers TEXT, payload)"
    )
    for seq, subject, header, payload, time_ns in stream.load_many(range(stream.first_seq, stream.last_seq + 1)):
        values = seq, _text(time_ns), time_ns, render_subject(subject), render_headers(header)
        database.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)", (*values, render_payload(payload)))
    return database


class Noting(StreamReader):
    """Notes what is asked for."""

    def __init__(self, stream: StreamStore) -> None:
        super().__init__(stream)
        self.scans: list[Scan] = []

    def read(self, scan: Scan) -> Iterator[Sequence[Row]]:
        self.scans.append(scan)
        return super().read(scan)


def ask(stream: StreamStore, text: str) -> list[tuple[Any, ...]]:
    query = Query(StreamReader(stream), text)
    try:
        return list(query)
    finally:
        query.close()


MESSAGE = st.tuples(
    st.sampled_from(SUBJECTS), st.sampled_from(HEADERS), st.sampled_from(PAYLOADS), st.sampled_from([0, 0, 1, 3])
)
COMPARE = st.sampled_from(["=", "<", ">", "<=", ">=", "<>", "IS", "IS NOT"])
NUMBER = st.one_of(
    st.integers(-2, 30).map(str), st.sampled_from(["2.5", "NULL", "'3'", "'x'", "x'33'", "1e300", "-1e300"])
)
TIME = st.one_of(
    st.integers(0, 20).map(lambda n: f"'{_text(START_NS + n * SECOND_NS // 2)}'"),
    st.integers(0, 10).map(lambda n: f"'{_text(START_NS + n * SECOND_NS)[:19].replace('T', ' ')}'"),
    st.integers(0, 10).map(lambda n: f"datetime({START_NS // SECOND_NS + n}, 'unixepoch')"),
    st.sampled_from(["'2025-11-28'", "'2025-11-29T01:00+02:00'", "'later'", "NULL", "5"]),
)
NAME = st.sampled_from([subject.decode("utf-8", "replace") for subject in SUBJECTS])
PATTERN = st.sampled_from(["a.*", "a.>", "*.b", "orders.*.1", ">", "x.*", "a.b", "none"])
GLOBS = st.sampled_from(["a.*", "a*", "orders.[eu]*", "*", "A.?", "x.*", "a.b", "1.*"])
LIKES = st.sampled_from(["a.%", "A%", "ORDERS.__.1", "%", "a._", "1.%", "x.%", "A.B"])
ATOM = st.one_of(
    st.builds("seq {} {}".format, COMPARE, NUMBER),
    st.builds("rowid {} {}".format, COMPARE, NUMBER),
    st.builds("seq BETWEEN {} AND {}".format, NUMBER, NUMBER),
    st.builds("seq IN ({}, {}, {})".format, NUMBER, NUMBER, NUMBER),
    st.builds("time {} {}".format, COMPARE, TIME),
    st.builds("time {} {} COLLATE BINARY".format, COMPARE, TIME),
    st.builds("time_ns {} {} + {}".format, COMPARE, st.just(START_NS), NUMBER),
    st.builds("subject {} '{}'".format, COMPARE, NAME),
    st.builds("subject = '{}' COLLATE NOCASE".format, NAME),
    st.builds("subject IN ('{}', '{}')".format, NAME, NAME),
    st.builds("subject MATCH '{}'".format, PATTERN),
    st.builds("subject GLOB '{}'".format, GLOBS),
    st.builds("subject LIKE '{}'".format, LIKES),
    st.builds("subject {} 5".format, COMPARE),
    st.sampled_from(
        [
            "headers IS NULL",
            "headers ->> 'K' = '1'",
            "typeof(payload) = 'blob'",
            "CASE WHEN json_valid(payload) THEN payload ->> '$.n' = 1 END",
            "length(payload) > 2",
        ]
    ),
)
CONDITION = st.recursive(
    ATOM,
    lambda some: st.one_of(
        st.builds("({} AND {})".format, some, some),
        st.builds("({} AND {} AND {})".format, some, some, some),
        st.builds("({} OR {})".format, some, some),
        st.builds("NOT {}".format, some),
    ),
    max_leaves=5,
)
SELECT = st.sampled_from(
    [
        ("SELECT * FROM messages WHERE {}", False),
        ("SELECT seq, subject FROM messages WHERE {} ORDER BY seq", True),
        ("SELECT seq, payload FROM messages WHERE {} ORDER BY seq DESC", True),
        ("SELECT seq FROM messages WHERE {} ORDER BY seq LIMIT 3 OFFSET 1", True),
        ("SELECT seq, headers FROM messages WHERE {} ORDER BY rowid DESC LIMIT 2", True),
        ("SELECT seq FROM messages WHERE {} ORDER BY time DESC, seq LIMIT 4", True),
        ("SELECT max(seq) FROM messages WHERE {}", True),
        ("SELECT min(time), max(time), count(*) FROM messages WHERE {}", True),
        ("SELECT subject, count(*), max(time_ns) FROM messages WHERE {} GROUP BY subject", False),
        ("SELECT m.seq, n.seq FROM messages m JOIN messages n ON n.seq = m.seq + 1 WHERE m.{}", False),
        ("SELECT seq FROM messages WHERE seq IN (SELECT max(seq) FROM messages GROUP BY subject) AND {}", False),
    ]
)


@settings(max_examples=250, deadline=None)
@given(st.lists(MESSAGE, max_size=24), st.lists(st.integers(1, 24), max_size=6), SELECT, CONDITION, ATOM)
def test_a_stream_answers_as_a_table_does(
    messages: list[tuple[bytes, bytes | None, bytes, int]],
    gone: list[int],
    select: tuple[str, bool],
    condition: str,
    atom: str,
) -> None:
    stream = make_stream(messages, gone)
    form, ordered = select
    text = form.format(atom if "m.{}" in form else condition)
    try:
        expected = plain_table(stream).execute(text).fetchall()
    except apsw.Error:
        with pytest.raises(SqlError):
            ask(stream, text)
        return
    found = ask(stream, text)
    assert (found if ordered else sorted(found, key=repr)) == (expected if ordered else sorted(expected, key=repr))


@pytest.fixture
def stream() -> StreamStore:
    return make_stream([(b"orders.%d" % (i % 10), None, b'{"n":%d}' % i, 1) for i in range(1000)], [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT payload FROM messages WHERE seq = 7", {"first": 7, "last": 7, "headers": False}),
        ("SELECT seq FROM messages WHERE seq > 5 AND seq <= 9", {"first": 6, "last": 9, "payloads": False}),
        ("SELECT seq FROM messages WHERE subject = 'orders.1'", {"pattern": "orders.1"}),
        ("SELECT seq FROM messages WHERE subject MATCH 'orders.*'", {"pattern": "orders.*"}),
        ("SELECT seq FROM messages WHERE subject GLOB 'orders.1*'", {"pattern": "orders.>", "prefix": "orders.1"}),
        ("SELECT seq FROM messages WHERE subject LIKE 'Ord%'", {"prefix": "Ord", "caseless": True}),
        ("SELECT seq FROM messages ORDER BY seq DESC LIMIT 3", {"descending": True, "hint": 3}),
        ("SELECT max(seq) FROM messages", {"descending": True}),
        (f"SELECT seq FROM messages WHERE time_ns >= {START_NS}", {"since_ns": START_NS}),
        ("SELECT seq FROM messages WHERE time < '1970-01-01T00:00:01Z'", {"until_ns": SECOND_NS - 1}),
        ("SELECT headers FROM messages", {"headers": True, "payloads": False}),
        ("SELECT count(*) FROM messages", {"headers": False, "payloads": False}),
    ],
)
def test_conditions_reach_whoever_has_the_messages(stream: StreamStore, text: str, expected: dict[str, object]) -> None:
    reader = Noting(stream)
    query = Query(reader, text)
    list(query)
    query.close()
    (scan,) = reader.scans
    assert {name: getattr(scan, name) for name in expected} == expected


def test_a_limit_reads_no_more_than_it_needs(stream: StreamStore) -> None:
    seen = 0

    class Counting(StreamReader):
        def read(self, scan: Scan) -> Iterator[Sequence[Row]]:
            nonlocal seen
            for batch in super().read(scan):
                seen += len(batch)
                yield batch

    query = Query(Counting(stream), "SELECT seq FROM messages ORDER BY seq DESC LIMIT 2")
    assert list(query) == [(1000,), (999,)]
    query.close()
    assert seen == 2


ATTACKS = [
    "ATTACH '{path}' AS other",
    "DETACH main",
    "VACUUM INTO '{path}'",
    "VACUUM",
    "PRAGMA temp_store_directory = '{path}'",
    "PRAGMA writable_schema = 1",
    "PRAGMA table_info(messages)",
    "CREATE TABLE t (a)",
    "CREATE TEMP TABLE t (a)",
    "CREATE VIEW v AS SELECT 1",
    "CREATE VIRTUAL TABLE f USING fts5(a)",
    "CREATE VIRTUAL TABLE m USING messages",
    "CREATE TRIGGER t BEFORE INSERT ON messages BEGIN SELECT 1; END",
    "INSERT INTO messages (seq) VALUES (1)",
    "DELETE FROM messages",
    "UPDATE messages SET seq = 1",
    "INSERT INTO sqlite_schema VALUES (1, 2, 3, 4, 5)",
    "DROP TABLE messages",
    "BEGIN",
    "SAVEPOINT s",
    "REINDEX",
    "ANALYZE",
    "SELECT load_extension('{path}')",
    "SELECT writefile('{path}', 'x')",
    "SELECT readfile('/etc/passwd')",
    "SELECT edit('x')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT fts3_tokenizer('simple', x'0000')",
    "SELECT sqlite_log(1, 'x')",
    "SELECT rtreecheck('x')",
    "SELECT * FROM sqlite_schema",
    "SELECT count(*) FROM sqlite_schema",
    "SELECT * FROM temp.sqlite_schema",
    "SELECT * FROM dbstat",
    "SELECT count(*) FROM dbstat",
    "SELECT * FROM pragma_database_list",
    "SELECT count(*) FROM pragma_database_list",
    "SELECT * FROM pragma_function_list",
    "SELECT * FROM fts5vocab",
    "SELECT 1; DROP TABLE messages",
    "SELECT 1; SELECT 2",
    "SELECT 1; /* x */ ; SELECT 2",
    "EXPLAIN DELETE FROM messages",
    "WITH x AS (SELECT 1) INSERT INTO messages SELECT * FROM x",
    "SELECT (SELECT load_extension('{path}') FROM messages)",
    "SELECT ?",
    "SELECT zeroblob(1000000000)",
    'SELECT "typo" FROM messages',
    "",
    "-- nothing",
    ";;",
    "SELECT '\ud800'",
    "SELECT * FROM (" * 300,
    "SELECT " + "abs(" * 500 + "1" + ")" * 500,
    "SELECT 1 " + "UNION SELECT 1 " * 60,
    "SELECT '" + "x" * 70000 + "'",
    "SELECT 'x' LIKE '" + "%x" * 600 + "'",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_nothing_but_one_select_is_possible(stream: StreamStore, tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    with pytest.raises(SqlError) as raised:
        ask(stream, text.replace("{path}", str(path)))
    assert raised.value.kind == INVALID
    assert not path.exists()
    assert ask(stream, "SELECT count(*) FROM messages") == [(1000,)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1; -- and no more", [(1,)]),
        (";; /* first */ SELECT 1 ;;", [(1,)]),
        ("VALUES (1), (2)", [(1,), (2,)]),
        ("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 3) SELECT max(x) FROM c", [(3,)]),
        ("WITH dbs AS (SELECT 1) SELECT count(*) FROM dbs", [(1,)]),
        ("SELECT sum(value) FROM messages, json_each('[1,2]') WHERE seq = 1", [(3,)]),
        ("SELECT row_number() OVER (ORDER BY seq) FROM messages WHERE seq = 9", [(1,)]),
        ("SELECT seq FROM main.messages WHERE payload ->> 'n' = 41", [(42,)]),
        ("SELECT median(seq) FROM messages WHERE seq < 4", [(2.0,)]),
        ("SELECT format('%05d', 7), abs(-1), upper('a')", [("00007", 1, "A")]),
    ],
)
def test_what_a_select_may_have(stream: StreamStore, text: str, expected: list[tuple[object, ...]]) -> None:
    assert ask(stream, text) == expected


def test_columns_have_their_names_even_without_rows(stream: StreamStore) -> None:
    query = Query(StreamReader(stream), "SELECT seq AS number, count(*) OVER () FROM messages WHERE seq < 0")
    assert list(query) == []
    assert query.columns == ["number", "count(*) OVER ()"]
    query.close()


@pytest.mark.parametrize(
    "text",
    [
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c",
        "SELECT count(*) FROM messages a, messages b, messages c",
        "SELECT a.seq FROM messages a, messages b WHERE a.payload = b.payload || 'x'",
    ],
)
def test_time_ends_a_query_wherever_it_is(stream: StreamStore, text: str) -> None:
    asked = 0

    def is_late() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    query = Query(StreamReader(stream), text, is_late=is_late)
    with pytest.raises(SqlError) as raised:
        list(query)
    assert raised.value.kind == TIME_LIMIT
    query.close()


def test_memory_ends_a_query(stream: StreamStore) -> None:
    before = apsw.hard_heap_limit(8 << 20)
    try:
        query = Query(StreamReader(stream), "SELECT group_concat(hex(zeroblob(1000000))) FROM messages")
        with pytest.raises(SqlError) as raised:
            list(query)
        query.close()
    finally:
        apsw.hard_heap_limit(before)
    assert raised.value.kind == MEMORY_LIMIT


def test_a_query_reads_the_messages_a_limited_number_of_times(stream: StreamStore) -> None:
    many = MOST_CURSORS + 1
    tables = ", ".join(f"messages m{i}" for i in range(many))
    ones = " AND ".join(f"m{i}.seq = 1" for i in range(many))
    with pytest.raises(SqlError, match="at most"):
        ask(stream, f"SELECT 1 FROM {tables} WHERE {ones}")


def test_what_a_reader_raises_comes_out_of_the_query(stream: StreamStore) -> None:
    class Failing(StreamReader):
        def read(self, scan: Scan) -> Iterator[Sequence[Row]]:
            yield from ()
            raise OSError("the disk is gone")

    query = Query(Failing(stream), "SELECT * FROM messages")
    with pytest.raises(OSError, match="the disk is gone"):
        list(query)
    query.close()


def test_the_plan_can_be_looked_at(stream: StreamStore) -> None:
    ((_, _, _, detail),) = ask(stream, "EXPLAIN QUERY PLAN SELECT seq FROM messages WHERE seq > 5")
    assert detail == "SCAN messages VIRTUAL TABLE INDEX 0:0:4"
