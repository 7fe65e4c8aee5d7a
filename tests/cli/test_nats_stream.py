"""`nats stream` against a server with JetStream."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.streams import Inside
else:
    Inside = Any


def fill(inside: Inside, stream: str = "ORDERS", count: int = 5) -> None:
    inside.ok("stream", "add", stream, "--subjects", f"{stream.lower()}.>", "--defaults")
    for number in range(1, count + 1):
        inside.ok("pub", f"{stream.lower()}.{number % 2}", f"message {number}", "-H", f"Number:{number}", "-q", "-J")


def test_a_stream_is_made_with_defaults_and_shown(inside: Inside) -> None:
    out = inside.ok("stream", "add", "ORDERS", "--subjects", "orders.>,more", "--subjects", "other", "--defaults")
    assert out.startswith("Stream ORDERS was created\n\nInformation for Stream ORDERS created 20")
    for row in (
        "                     Subjects: orders.>, more, other\n",
        "                    Retention: Limits\n",
        "             Duplicate Window: 2m0s\n",
        "         Maximum Message Size: unlimited\n",
        "                     Messages: 0\n",
    ):
        assert row in out
    assert inside.ok("stream", "info", "ORDERS") == out.partition("\n\n")[2]


def test_every_flag_lands_in_the_configuration(inside: Inside) -> None:
    flags = (
        "--description d --storage m --retention work --discard new --max-age 1h --max-bytes 10MB --max-consumers 3 "
        "--max-msg-size 1KB --max-msgs 100 --max-msgs-per-subject 5 --dupe-window 30s --discard-per-subject "
        "--no-allow-rollup --deny-delete --deny-purge --no-allow-direct --metadata team:a --metadata k=v --no-ack "
        "--republish-source a.> --republish-destination b.> --republish-headers "
        "--limit-consumer-inactive 1m --limit-consumer-max-pending 7 --first-sequence 9 --replicas 1"
    ).split()
    config = inside.json("stream", "add", "A", "--subjects", "a.>", *flags)["config"]
    wanted = {
        "description": "d",
        "storage": "memory",
        "retention": "workqueue",
        "discard": "new",
        "max_age": 3600 * 10**9,
        "max_bytes": 10 << 20,
        "max_consumers": 3,
        "max_msg_size": 1024,
        "max_msgs": 100,
        "max_msgs_per_subject": 5,
        "duplicate_window": 30 * 10**9,
        "discard_new_per_subject": True,
        "deny_delete": True,
        "deny_purge": True,
        "no_ack": True,
        "republish": {"src": "a.>", "dest": "b.>", "headers_only": True},
        "consumer_limits": {"inactive_threshold": 60 * 10**9, "max_ack_pending": 7},
        "first_seq": 9,
    }
    assert {key: config.get(key) for key in wanted} == wanted
    assert config["metadata"]["team"] == "a" and config["metadata"]["k"] == "v"
    assert not config.get("allow_direct")


def test_without_a_terminal_the_missing_flag_is_named(inside: Inside) -> None:
    for args, flag in (
        ((), "the name of the stream"),
        (("A",), "--subjects"),
        (("A", "--subjects", "a"), "--storage, or --defaults"),
        (("A", "--subjects", "a", "--storage", "file"), "--replicas, or --defaults"),
    ):
        result = inside.run("stream", "add", *args)
        assert result.code == 2 and flag in result.err and "there is no terminal to ask" in result.err
    result = inside.run("stream", "info")
    assert result.code == 1 and "nats stream add makes one" in result.err


def test_names_that_cannot_be_are_refused_before_anything_is_sent(inside: Inside) -> None:
    for name in ("a.b", "a b", "a*", "a>", "a/b", "..\\x"):
        result = inside.run("stream", "add", name, "--subjects", "x", "--defaults")
        assert result.code == 2 and "invalid stream name" in result.err
    result = inside.run("stream", "add", "ALL", "--subjects", ">", "--defaults")
    assert result.code == 2 and "--no-ack" in result.err
    assert inside.json("stream", "ls", "-a") == []


@pytest.mark.parametrize("name", ["a.b", "a b", "*", ">", "a/b", "a\\b", "\x01", "é\n"])
def test_a_name_that_cannot_be_is_not_asked_for(inside: Inside, name: str) -> None:
    for args in (("stream", "info", name), ("stream", "get", name, "1"), ("consumer", "info", "A", name)):
        result = inside.run(*args)
        assert result.code == 2 and "invalid " in result.err and result.err.count("\n") == 1


def test_a_configuration_goes_through_a_file(inside: Inside, tmp_path: Path) -> None:
    path = str(tmp_path / "a.json")
    assert inside.ok("stream", "add", "A", "--subjects", "a", "--max-msgs", "7", "--defaults", "--output", path) == ""
    assert inside.json("stream", "ls") == []
    assert inside.json("stream", "add", "B", "--config", path, "--subjects", "b")["config"]["max_msgs"] == 7
    saved = tmp_path / "info.json"
    saved.write_text(json.dumps(inside.json("stream", "info", "B")))
    again = inside.json("stream", "add", "C", "--config", str(saved), "--subjects", "c", "--validate")
    assert again["max_msgs"] == 7 and again["name"] == "C" and "_nats.ver" not in again.get("metadata", {})


def test_list_and_report_are_sorted_by_size(inside: Inside) -> None:
    fill(inside, "BIG", 5)
    fill(inside, "SMALL", 1)
    lines = [line for line in inside.ok("stream", "ls").splitlines() if "SMALL" in line or "BIG" in line]
    assert "SMALL" in lines[0] and "BIG" in lines[1]
    assert inside.ok("stream", "ls", "-n") == "BIG\nSMALL\n"
    assert inside.ok("stream", "ls", "-n", "--subject", "big.1") == "BIG\n"
    report = inside.ok("stream", "report")
    assert "Stream Report" in report and "│ BIG    │ File" in report
    assert [row["config"]["name"] for row in inside.json("stream", "report", "-n")] == ["BIG", "SMALL"]


def test_streams_of_buckets_show_only_when_asked_for(inside: Inside) -> None:
    inside.ok("kv", "add", "B")
    assert inside.ok("stream", "ls") == "No Streams defined, pass -a to include system streams\n"
    assert "KV_B" in inside.ok("stream", "-a", "ls") and "KV_B" in inside.ok("stream", "ls", "-a")


def test_messages_are_got_by_number_and_by_subject(inside: Inside) -> None:
    fill(inside)
    out = inside.ok("stream", "get", "ORDERS", "2")
    assert out.startswith("Item: ORDERS#2 received 20") and out.endswith(
        "on Subject orders.0\n\nHeaders:\n  Number: 2\n\nmessage 2\n\n"
    )
    raw = inside.json("stream", "get", "ORDERS", "-S", "orders.1")
    assert raw["seq"] == 5 and base64.b64decode(raw["data"]) == b"message 5"
    assert inside.ok("stream", "get", "ORDERS", "1", "--translate", "tr a-z A-Z").endswith("\nMESSAGE 1\n\n")
    result = inside.run("stream", "get", "ORDERS", "99")
    assert result.code == 1
    assert result.err == "nats: error: could not load message 99 of Stream ORDERS: no message found (10037)\n"


@pytest.mark.parametrize("retention", ["limits", "interest", "work"])
def test_everything_is_viewed_where_there_is_no_terminal(inside: Inside, retention: str) -> None:
    inside.ok("stream", "add", "V", "--subjects", "v.*", "--retention", retention, "--defaults")
    if retention == "interest":
        inside.ok("consumer", "add", "V", "C", "--pull", "--defaults")
    for number in range(1, 5):
        inside.ok("pub", f"v.{number % 2}", f"m{number}", "-q", "-J")
    assert inside.ok("stream", "view", "V", "--raw") == "m1\nm2\nm3\nm4\n"
    assert inside.ok("stream", "view", "V", "--raw", "--id", "3") == "m3\nm4\n"
    assert inside.ok("stream", "view", "V", "--raw", "--subject", "v.0") == "m2\nm4\n"
    lines = [json.loads(line) for line in inside.ok("stream", "view", "V", "-j").splitlines()]
    assert [(line["seq"], line["subject"]) for line in lines] == [(1, "v.1"), (2, "v.0"), (3, "v.1"), (4, "v.0")]
    assert inside.run("stream", "view", "V").err.endswith("Reached apparent end of data\n")


def test_subjects_with_their_counts(inside: Inside) -> None:
    fill(inside)
    assert inside.json("stream", "subjects", "ORDERS") == {"orders.0": 2, "orders.1": 3}
    assert inside.json("stream", "subjects", "ORDERS", "orders.1") == {"orders.1": 3}
    assert inside.ok("stream", "subjects", "ORDERS", "--names", "--sort", "name", "-R") == "orders.1\norders.0\n"
    assert "│ orders.0 │ 2     │ orders.1 │ 3     │" in inside.ok("stream", "subjects", "ORDERS")
    assert inside.ok("stream", "subjects", "ORDERS", "x") == "No subjects found matching x\n"


def test_purge_by_subject_number_and_count(inside: Inside) -> None:
    fill(inside)
    out = inside.ok("stream", "purge", "ORDERS", "--subject", "orders.0", "-f")
    assert out.startswith("Purged 2 messages from ORDERS\n\nState for Stream ORDERS")
    assert inside.json("stream", "purge", "ORDERS", "--keep", "1", "-f")["purged"] == 2
    assert inside.run("stream", "purge", "ORDERS", "--seq", "1", "--keep", "1", "-f").code == 2
    refused = inside.run("stream", "purge", "ORDERS")
    assert refused.code == 2 and "--force" in refused.err
    assert inside.json("stream", "state", "ORDERS")["state"]["messages"] == 1


def test_one_message_is_removed(inside: Inside) -> None:
    fill(inside, count=3)
    assert inside.ok("stream", "rmm", "ORDERS", "2", "-f") == ""
    assert inside.run("stream", "rmm", "ORDERS", "2", "-f").code == 1
    assert "Deleted Messages: 1" in inside.ok("stream", "info", "ORDERS")


def test_an_edit_shows_what_changes_and_changes_it(inside: Inside) -> None:
    inside.ok("stream", "add", "A", "--subjects", "a", "--defaults", "--metadata", "k:v")
    dry = inside.run("stream", "edit", "A", "--max-msgs", "10", "--dry-run")
    assert dry.code == 1 and dry.out == "Differences (-old +new):\n  - max_msgs: -1\n  + max_msgs: 10\n"
    asked = inside.run("stream", "edit", "A", "--max-msgs", "10")
    assert asked.code == 2 and "--force" in asked.err
    assert "Stream A was updated\n" in inside.ok("stream", "edit", "A", "--max-msgs", "10", "--subjects", "b a", "-f")
    config = inside.json("stream", "info", "A")["config"]
    assert config["max_msgs"] == 10 and config["subjects"] == ["b", "a"] and config["metadata"]["k"] == "v"
    assert inside.ok("stream", "edit", "A", "--subjects", "a,b", "-f") == "No difference in configuration\n"


def test_an_editor_makes_the_new_configuration(inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside.ok("stream", "add", "A", "--subjects", "a", "--defaults")
    monkeypatch.setenv("EDITOR", 'sed -i \'s/"max_msgs": -1/"max_msgs": 3/\'')
    monkeypatch.delenv("VISUAL", raising=False)
    inside.ok("stream", "edit", "A", "-i", "-f")
    assert inside.json("stream", "info", "A")["config"]["max_msgs"] == 3
    monkeypatch.setenv("EDITOR", "false")
    assert "A is unchanged" in inside.run("stream", "edit", "A", "-i", "-f").err


def test_copies_mirrors_and_sources(inside: Inside) -> None:
    fill(inside, count=2)
    assert "Stream COPY was created" in inside.ok("stream", "copy", "ORDERS", "COPY", "--subjects", "copy")
    assert inside.run("stream", "copy", "COPY", "COPY").code == 2
    inside.ok("stream", "add", "M", "--mirror", "ORDERS", "--defaults")
    source = json.dumps({"name": "ORDERS", "filter_subject": "orders.1"})
    shown = inside.ok("stream", "add", "S", "--source", source, "--defaults")
    assert "Replication:\n\n" in shown and "Sources: ORDERS\n" in shown
    assert inside.run("stream", "edit", "M", "--mirror", "X", "-f").code == 2
    report = inside.ok("stream", "report")
    assert "Replication Report" in report and "orders.1 untransformed" in report


def test_find_by_what_streams_are_like(inside: Inside) -> None:
    fill(inside, "FULL", 2)
    inside.ok("stream", "add", "EMPTY", "--subjects", "e", "--storage", "m", "--defaults")
    for flags, names in (
        (("--empty",), "EMPTY\n"),
        (("--empty", "--invert"), "FULL\n"),
        (("--subject", "full.1"), "FULL\n"),
        (("--expression", 'state.messages > 1 && config.storage == "file"'), "FULL\n"),
        (("--expression", "!(config.name startsWith 'F')"), "EMPTY\n"),
        (("--created", "1h"), ""),
        (("--consumers", "0"), "EMPTY\nFULL\n"),
        (("--mirrored",), ""),
    ):
        assert inside.ok("stream", "find", "-n", *flags) == names, flags
    result = inside.run("stream", "find", "--expression", "__import__('os')")
    assert result.code == 2 and "not supported" in result.err


def test_a_sealed_stream_takes_nothing_more(inside: Inside) -> None:
    fill(inside, count=1)
    assert "Sealed: true\n" in inside.ok("stream", "seal", "ORDERS", "-f")
    assert inside.run("pub", "orders.1", "x", "-J").code == 1


def test_a_stream_comes_back_from_its_backup(inside: Inside, tmp_path: Path) -> None:
    fill(inside, count=3)
    inside.ok("consumer", "add", "ORDERS", "W", "--pull", "--defaults")
    saved = inside.json("stream", "backup", "ORDERS", str(tmp_path))
    assert saved["state"]["messages"] == 3 and (tmp_path / "stream.tar.s2").stat().st_size == saved["bytes"]
    assert "already exist" in inside.run("stream", "restore", str(tmp_path)).err
    inside.ok("stream", "rm", "ORDERS", "-f")
    assert 'Restored stream "ORDERS" in ' in inside.ok("stream", "restore", str(tmp_path))
    assert inside.ok("stream", "view", "ORDERS", "--raw") == "message 1\nmessage 2\nmessage 3\n"
    assert inside.json("consumer", "ls", "ORDERS") == ["W"]


def test_streams_are_removed(inside: Inside) -> None:
    fill(inside, count=1)
    assert inside.run("stream", "rm", "-f").code == 2
    assert inside.run("stream", "rm", "ORDERS").code == 2
    assert inside.ok("stream", "rm", "ORDERS", "-f") == ""
    result = inside.run("stream", "rm", "ORDERS", "-f")
    assert result.code == 1 and result.err == "nats: error: could not delete Stream ORDERS: stream not found (10059)\n"


def test_the_api_is_shown_with_trace_and_found_in_a_domain(inside: Inside) -> None:
    result = inside.run("stream", "ls", "-n", "--trace")
    assert ">>> $JS.API.STREAM.NAMES\n" in result.raw_err and "<<< $JS.API.STREAM.NAMES: {" in result.raw_err
    result = inside.run("stream", "ls", "--js-domain", "hub", "--timeout", "1s")
    assert result.code in (3, 4)


def test_a_server_without_jetstream_is_said_to_be_one(inside: Inside, nats_process: Any) -> None:
    inside.url = f"nats://{nats_process.host}:{nats_process.port}"
    try:
        result = inside.run("stream", "ls")
        assert result.code == 3 and "JetStream is not enabled" in result.err
    finally:
        inside.empty = lambda: None  # type: ignore[method-assign]


def test_gaps_are_ranges_of_what_is_deleted(inside: Inside) -> None:
    fill(inside, count=12)
    assert inside.ok("stream", "gaps", "ORDERS") == "No deleted messages in ORDERS\n"
    assert inside.json("stream", "gaps", "ORDERS") == []
    for seq in ("2", "3", "4", "7", "12"):
        inside.ok("stream", "rmm", "ORDERS", seq, "-f")
    assert inside.json("stream", "gaps", "ORDERS", "-f") == [[2, 4], [7, 7], [12, 12]]
    out = inside.ok("stream", "gaps", "ORDERS", "-f", "--no-progress")
    assert "3 gaps found in Stream ORDERS" in out
    assert "│ 2             │ 4             │" in out
    assert "--force" in inside.run("stream", "gaps", "ORDERS").err


def test_gaps_that_the_server_does_not_name_are_looked_for(inside: Inside) -> None:
    from natsd.cli.nats.streams.stream_gaps import find_gaps
    from natsd.client.jetstream import JetStream

    class Forgetful(JetStream):
        """Gets no more than two deleted messages named."""

        def stream_info(self, name: str, **body: object) -> dict[str, Any]:
            info = super().stream_info(name, **body)
            if "deleted" in info["state"]:
                info["state"]["deleted"] = info["state"]["deleted"][:2]
            return info

    fill(inside, count=12)
    for seq in ("2", "3", "4", "7", "10", "12"):
        inside.ok("stream", "rmm", "ORDERS", seq, "-f")
    with inside.connect() as connection:
        assert find_gaps(Forgetful(connection), "ORDERS", False) == [(2, 4), (7, 7), (10, 10), (12, 12)]
