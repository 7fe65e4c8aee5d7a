"""The parts of the JetStream commands that need no server: expressions, times, questions, flags, sizes of backups."""

from __future__ import annotations

import time
from typing import Any

import click
import pytest

from natsd.cli import prompt
from natsd.cli.exit_codes import CommandFailed
from natsd.cli.expression import Expression, ExpressionError
from natsd.cli.nats.consumers.consumer_flags import apply as apply_consumer
from natsd.cli.nats.consumers.consumer_flags import backoff, start_of, until
from natsd.cli.nats.consumers.consumer_show import render_consumer
from natsd.cli.nats.limits import parse_metadata, size_limit
from natsd.cli.nats.messages.subscribe_js import Start
from natsd.cli.nats.servers.server_report_js import row_of
from natsd.cli.nats.streams.configuration import differences
from natsd.cli.nats.streams.stream_backup import S2Meter
from natsd.cli.nats.streams.stream_flags import apply as apply_stream
from natsd.cli.nats.streams.stream_show import compact_cluster, render_stream
from natsd.cli.times import NEVER_NS, parse_time_ns, render_time, since_ns

DOCUMENT = {"state": {"messages": 5}, "config": {"name": "A", "subjects": ["a.b", "c"], "sealed": False}}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("state.messages > 4", True),
        ("state.messages - 5 == 0 && config.name == 'A'", True),
        ("state.messages > 9 || !config.sealed", True),
        ('"c" in config.subjects', True),
        ('config.name in ["B", "C"]', False),
        ("not (config.name == 'A')", False),
        ("config['name'] != 'B'", True),
        ("config.subjects[0] startsWith 'a.'", True),
        ("config.subjects[9] == nil", True),
        ("config.name matches '^[AB]$' and config.name contains 'A'", True),
        ("config.name endsWith '&&'", False),
        ("state.nothing < 1", True),
        ("1 < state.messages < 6", True),
    ],
)
def test_an_expression_looks_into_a_document(text: str, holds: bool) -> None:
    assert Expression(text).holds(DOCUMENT) is holds


@pytest.mark.parametrize(
    "text",
    ["", "state.", "len(config)", "__import__('os')", "config.name", "[x for x in config]", "'a' < 1", "1 / 0 == 1"],
)
def test_what_is_no_question_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        Expression(text).holds(DOCUMENT)


def test_a_long_expression_is_refused_before_it_is_read() -> None:
    with pytest.raises(ExpressionError, match="longer"):
        Expression("(" * 5000)


def test_times_keep_their_nanoseconds() -> None:
    at = parse_time_ns("2026-01-02T03:04:05.123456789Z")
    assert at is not None and render_time(at) == "2026-01-02T03:04:05.123456789Z"
    assert parse_time_ns("2026-01-02T04:04:05+01:00") == at - 123456789
    assert parse_time_ns("0001-01-01T00:00:00Z") is None and parse_time_ns("soon") is None
    assert render_time(0) == "1970-01-01T00:00:00Z"
    assert since_ns("2026-01-02T03:04:05Z", "2026-01-02T03:05:05Z") == 60 * 10**9
    assert since_ns("") == NEVER_NS


def test_limits_and_metadata_as_people_write_them() -> None:
    assert size_limit("-1") == -1 and size_limit("1KB") == 1024
    assert parse_metadata(["a=b:c", "d:e=f"]) == {"a": "b:c", "d": "e=f"}
    with pytest.raises(click.UsageError):
        parse_metadata(["novalue"])


def test_differences_leave_out_what_means_the_same() -> None:
    old = {"subjects": ["a", "b"], "sealed": False, "max_age": 0, "name": "A", "metadata": {}}
    assert differences(old, {"subjects": ["b", "a"], "name": "A"}) == []
    assert differences(old, {**old, "name": "B", "tags": ["x"]}) == ['- name: "A"', '+ name: "B"', '+ tags: ["x"]']


def test_stream_flags_change_parts_of_a_configuration() -> None:
    config = {"name": "A", "placement": {"cluster": "c", "tags": ["t"]}, "mirror": {"name": "M"}, "republish": {}}
    values: dict[str, Any] = {"placement_cluster": "", "no_mirror": True, "retention": "workq", "storage": "m"}
    assert apply_stream(config, values) == {
        "name": "A",
        "placement": {"tags": ["t"]},
        "retention": "workqueue",
        "storage": "memory",
    }
    for word in ("transform", "republish"):
        with pytest.raises(click.UsageError, match="go together"):
            apply_stream({}, {f"{word}_source": "a"})


def test_consumer_flags_change_parts_of_a_configuration() -> None:
    config = {"filter_subjects": ["a", "b"], "deliver_subject": "d", "opt_start_seq": 4}
    changed = apply_consumer(config, {"filters": ("x",), "pull": True, "deliver": "new"})
    assert changed == {"filter_subject": "x", "deliver_policy": "new"}
    with pytest.raises(click.UsageError, match="exclude each other"):
        apply_consumer({}, {"pinned_groups": ("a",), "overflow_groups": ("b",)})


def test_starts_of_a_consumer() -> None:
    assert start_of("all") == {"deliver_policy": "all"} and start_of("next") == {"deliver_policy": "new"}
    assert start_of("subject") == {"deliver_policy": "last_per_subject"}
    assert start_of("17") == {"deliver_policy": "by_start_sequence", "opt_start_seq": 17}
    started = parse_time_ns(start_of("1h")["opt_start_time"])
    assert started is not None and abs(time.time_ns() - started - 3600 * 10**9) < 60 * 10**9
    with pytest.raises(click.UsageError):
        start_of("soon")


def test_a_pause_ends_at_a_time_or_after_a_duration() -> None:
    assert until("2026-01-02 03:04:05") == until("2026-01-02T03:04:05Z") == parse_time_ns("2026-01-02T03:04:05Z")
    assert abs(until("1m") - time.time_ns() - 60 * 10**9) < 10 * 10**9
    with pytest.raises(click.UsageError):
        until("tomorrow")


def test_backoff_needs_room_to_grow() -> None:
    assert backoff("none", 3, 1, 2) == [] and backoff("linear", 1, 5, 9) == [5]
    assert backoff("linear", 4, 10, 40) == [10, 20, 30, 40]
    with pytest.raises(click.UsageError):
        backoff("linear", 3, 5, 5)


def test_only_one_start_can_be_wanted() -> None:
    assert Start().config == {"deliver_policy": "all"} and not Start().is_given
    with pytest.raises(click.UsageError):
        Start(everything=True, new=True)


def frame(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "little") + body


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_the_unpacked_size_is_read_from_the_heads_of_blocks(step: int) -> None:
    data = (
        frame(0xFF, b"S2sTwO")
        + frame(0, b"crc!" + b"\xac\x02" + b"packed")  # a varint of 300
        + frame(1, b"crc!" + b"plain")
        + frame(0xFE, b"\0" * 10)
        + frame(0, b"crc!" + b"\x07")
    )
    meter = S2Meter()
    for at in range(0, len(data), step):
        meter.feed(data[at : at + step])
    assert meter.total == 300 + 5 + 7


def test_what_is_not_packed_stands_for_itself() -> None:
    meter = S2Meter()
    meter.feed(b"")
    meter.feed(b"plain")
    meter.feed(b"\xff more")
    assert meter.total == 11


def test_questions_without_a_terminal_name_what_to_give() -> None:
    for ask in (
        lambda: prompt.confirm("Really"),
        lambda: prompt.ask("Name", "--force"),
        lambda: prompt.pick("Stream", ["a"], "--force"),
    ):
        with pytest.raises(CommandFailed, match="no terminal to ask, give --force") as refused:
            ask()
        assert refused.value.code == 2


def test_questions_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[str] = []
    monkeypatch.setattr(prompt, "may_ask", lambda: True)
    monkeypatch.setattr(click, "prompt", lambda *_, default=None, **__: answers.pop(0) or default or "")
    monkeypatch.setattr(click, "confirm", lambda *_, default=False, **__: default)
    answers[:] = ["x", "", "7"]
    assert prompt.ask("Number", "-n", "3", int) == "3"  # "x" is no number and the default is taken then
    assert prompt.ask("Number", "-n", "3", int) == "7"
    answers[:] = ["", "name"]
    assert prompt.ask("Name", "-n", required=True) == "name"
    answers[:] = ["9", "2", "b", ""]
    assert prompt.pick("Which", ["a", "b"], "-n") == "b"
    assert prompt.pick("Which", ["a", "b"], "-n") == "b"
    assert prompt.pick("Which", ["a", "b"], "-n", "a") == "a"
    assert prompt.confirm("Really", default=True) is True


CLUSTER = {
    "name": "c1",
    "raft_group": "S-R3F-x",
    "leader": "n1",
    "leader_since": "2026-01-02T03:04:00Z",
    "replicas": [
        {"name": "n2", "current": True, "active": 5 * 10**8, "lag": 1},
        {"name": "n3", "current": False, "offline": True, "active": 0, "lag": 7},
    ],
}


def test_a_clustered_stream_shows_leader_replicas_and_origins() -> None:
    text = render_stream(
        {
            "config": {"name": "A", "sources": [{"name": "B", "opt_start_seq": 1000}], "compression": "s2"},
            "created": "2026-01-02T03:04:05Z",
            "ts": "2026-01-02T03:04:05Z",
            "state": {"messages": 1234567, "bytes": 2048, "lost": {"msgs": [1, 2], "bytes": 9}, "num_deleted": 4},
            "cluster": CLUSTER,
            "sources": [
                {"name": "B", "lag": 3, "active": NEVER_NS, "error": {"description": "gone"}},
                {"name": "C", "subject_transforms": [{"src": "a", "dest": "b"}, {"src": "c"}], "active": 2 * 10**9},
            ],
        }
    )
    for row in (
        "Compression: S2 Compression\n",
        "Leader: n1 (5.00s)\n",
        "Replica: n2, current, seen 500ms ago, 1 operation behind\n",
        "Replica: n3, outdated, OFFLINE, not seen, 7 operations behind\n",
        "Sources: B, Start Seq: 1,000\n",
        "Last Seen: never\n",
        "Error: gone\n",
        "Subject Filters and Transforms: a to b\n",
        "c untransformed\n",
        "Messages: 1,234,567\n",
        "Lost Messages: 2 (9 B)\n",
        "Deleted Messages: 4\n",
    ):
        assert row in text, row
    assert compact_cluster(CLUSTER) == "n1*, n2, n3!" and compact_cluster(None) == ""


def test_a_paused_and_pinned_consumer() -> None:
    text = render_consumer(
        {
            "stream_name": "S",
            "name": "C",
            "created": "2026-01-02T03:04:05Z",
            "ts": "2026-01-02T03:04:05Z",
            "config": {
                "name": "C",
                "ack_policy": "explicit",
                "ack_wait": 30 * 10**9,
                "priority_policy": "pinned_client",
                "priority_groups": ["g"],
                "priority_timeout": 10**9,
                "pause_until": "2026-01-02T04:04:05Z",
                "backoff": [10**9] * 20,
                "deliver_policy": "by_start_time",
                "opt_start_time": "2026-01-01T00:00:00Z",
            },
            "paused": True,
            "pause_remaining": 3600 * 10**9,
            "delivered": {"consumer_seq": 7, "stream_seq": 9, "last_active": "2026-01-02T03:04:04Z"},
            "priority_groups": [{"group": "g", "pinned_client_id": "id1", "pinned_ts": "2026-01-02T03:04:05Z"}],
        }
    )
    for row in (
        "Deliver Policy: Since 2026-01-01T00:00:00Z\n",
        "Backoff: 1s, 1s, 1s, 1s, 1s, ..., 1s, 1s, 1s, 1s, 1s (20 total)\n",
        "(1h0m0s remaining)\n",
        "Last Delivered Message: Consumer sequence: 7 Stream sequence: 9 Last delivery: 1.00s ago\n",
        "Priority Policy: Pinned Client\n",
        "g: pinned id1 at 2026-01-02",
    ):
        assert row in text, row


def test_figures_of_one_account_are_those_of_its_details() -> None:
    detail = {
        "memory": 1,
        "storage": 2,
        "api": {"total": 3, "errors": 4},
        "stream_detail": [{"state": {"messages": 5, "consumer_count": 6}}],
    }
    answer = {"server": {"name": "n1"}, "data": {"streams": 9, "account_details": [detail]}}
    row = row_of(answer, "APP")
    assert (row["streams"], row["messages"], row["consumers"], row["bytes"], row["api_total"]) == (1, 5, 6, 3, 3)
    assert row_of(answer)["streams"] == 9
