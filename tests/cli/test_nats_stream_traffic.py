"""`nats pub` to and `nats sub` from streams, benchmarks of them, and health checks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.commands import Nats

if TYPE_CHECKING:
    from tests.cli.streams import Inside
else:
    Inside = Any


@pytest.fixture
def orders(inside: Inside) -> Inside:
    """A stream with four messages on two subjects."""
    inside.ok("stream", "add", "ORDERS", "--subjects", "orders.>", "--defaults")
    for number in range(1, 5):
        inside.ok("pub", f"orders.{number % 2}", f"m{number}", "-q", "-J")
    return inside


def test_a_publish_says_where_the_message_is(orders: Inside) -> None:
    result = orders.run("pub", "orders.x", "hello", "-J", "-H", "Nats-Msg-Id:1")
    assert result.err == 'Published 5 bytes to "orders.x"\nStored in Stream: ORDERS Sequence: 5\n'
    result = orders.run("pub", "orders.x", "hello", "--jetstream", "-H", "Nats-Msg-Id:1")
    assert result.err.endswith("Stored in Stream: ORDERS Sequence: 5 Duplicate: true\n")


def test_a_publish_that_no_stream_takes_fails(orders: Inside) -> None:
    result = orders.run("pub", "nobody", "hello", "-J")
    assert result.code == 3 and 'no stream takes "nobody"' in result.err
    assert orders.run("pub", "orders.x", "hello", "-J", "-H", "Nats-Expected-Last-Sequence:1").code == 1


def test_schedules_are_headers(orders: Inside) -> None:
    for flags in (("--schedule-every", "1m"), ("--schedule-dest", "d"), ("--schedule-dest", "d", "--schedule-at", "x")):
        assert orders.run("pub", "orders.x", "y", *flags).code == 2
    from natsd.cli.nats.messages.publish_js import schedule

    assert schedule("", 0, 90 * 10**9, "", "d", "s", 5 * 10**9) == [
        ("Nats-Schedule", "@every 1m30s"),
        ("Nats-Schedule-Target", "d"),
        ("Nats-Schedule-TTL", "5s"),
        ("Nats-Schedule-Source", "s"),
    ]
    assert schedule("2026-01-02T03:04:05+01:00", 0, 0, "", "d", "", 0)[0][1] == "@at 2026-01-02T02:04:05Z"
    assert orders.run("pub", "orders.x", "y", "--atomic").code == 2


def test_a_stream_is_read_from_its_first_message(orders: Inside) -> None:
    result = orders.run("sub", "--stream", "ORDERS", "--terminate-at-end")
    assert result.err == "Subscribing to subject > from first received message\n"
    where = r"stream: ORDERS seq: 1 / pending: 3 / subject: orders.1 / time: 20.*"
    assert (
        re.match(rf"\[#1\] Received JetStream message: {where}\nm1\n\n", result.out)
        and result.out.count("Received") == 4
    )
    assert orders.ok("sub", "orders.0", "--all", "-T", "--raw") == "m2\nm4\n"


@pytest.mark.parametrize("way", [(), ("--direct",)])
def test_where_to_start(orders: Inside, way: tuple[str, ...]) -> None:
    for flags, out in (
        (("--start-sequence", "3"), "m3\nm4\n"),
        (("--last",), "m4\n"),
        (("--last-per-subject",), "m3\nm4\n"),
        (("--since", "1h"), "m1\nm2\nm3\nm4\n"),
        (("--new", "--wait", "200ms"), ""),
        (("--all", "--count", "2"), "m1\nm2\n"),
        (("--all", "-I", "orders.1"), "m2\nm4\n"),
    ):
        end = () if "--new" in flags or "--count" in flags else ("-T",)
        assert orders.ok("sub", "--stream", "ORDERS", "--raw", *flags, *end, *way) == out, flags


def test_direct_reading_makes_no_consumer(inside: Inside, tmp_path: Path) -> None:
    inside.ok("stream", "add", "FULL", "--subjects", "full.*", "--max-consumers", "1", "--defaults")
    inside.ok("consumer", "add", "FULL", "C", "--pull", "--defaults")
    for subject, body in (("full.a", "1"), ("full.a", "2"), ("full.b", "3")):
        inside.ok("pub", subject, body, "-J", "-q", "-H", "K:v")
    assert "maximum consumers limit" in inside.run("sub", "--stream", "FULL", "-T").err
    direct = ("sub", "--stream", "FULL", "--direct", "-T")
    assert inside.ok(*direct, "--raw") == "1\n2\n3\n"
    assert inside.ok(*direct, "--raw", "full.a", "--last") == "2\n"
    assert inside.ok(*direct, "--raw", "full.c", "--last") == ""
    assert inside.ok(*direct, "--raw", "full.a", "--last-per-subject") == "2\n"
    head = r"\[#1\] Received JetStream message \(direct\): stream: FULL seq 3 / subject: full.b / time: .*\n"
    assert re.fullmatch(head + "K: v\n\n3\n\n", inside.ok(*direct, "full.b"))
    inside.ok(*direct, "full.b", "--dump", str(tmp_path))
    assert json.loads((tmp_path / "3.json").read_bytes())["Reply"] == ""


def test_a_work_queue_is_read_without_taking_from_it(orders: Inside) -> None:
    orders.ok("stream", "add", "JOBS", "--subjects", "jobs", "--retention", "work", "--defaults")
    orders.ok("pub", "jobs", "a", "-J", "-q")
    assert orders.ok("sub", "--stream", "JOBS", "-T", "--raw") == "a\n"
    assert orders.json("stream", "state", "JOBS")["state"]["messages"] == 1


def test_a_durable_consumer_goes_on_where_it_was(orders: Inside) -> None:
    orders.ok("consumer", "add", "ORDERS", "W", "--pull", "--defaults")
    first = orders.run("sub", "--stream", "ORDERS", "--durable", "W", "--count", "2", "--raw")
    assert first.out == "m1\nm2\n"
    assert 'Subscribing to JetStream Stream "ORDERS" using existing pull consumer "W"\n' in first.err
    assert orders.ok("sub", "--stream", "ORDERS", "--durable", "W", "-T", "--raw") == "m3\nm4\n"
    assert orders.json("consumer", "info", "ORDERS", "W")["num_ack_pending"] == 0


def test_what_does_not_go_together_is_refused(orders: Inside) -> None:
    for args in (
        ("a", "b", "--all"),
        ("a", "--all", "--new"),
        ("a", "--all", "--queue", "q"),
        ("--all",),
        ("a", "--stream", "ORDERS", "--durable", "W"),
        ("a", "-T"),
    ):
        assert orders.run("sub", *args).code == 2, args
    assert "no stream found with subject: none" in orders.run("sub", "none", "--all").err


def test_dumps_are_named_by_the_number_in_the_stream(orders: Inside, tmp_path: Path) -> None:
    orders.ok("sub", "--stream", "ORDERS", "--start-sequence", "3", "-T", "--dump", str(tmp_path / "d"))
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["3.json", "4.json"]


def test_payloads_go_through_a_command(orders: Inside) -> None:
    command = "sed s/$/-{{Subject}}-{{Stream}}/"
    out = orders.ok("sub", "--stream", "ORDERS", "--last", "-T", "--raw", "--translate", command)
    assert out == "m4-orders.0-ORDERS\n"
    assert "cannot run" in orders.run("stream", "get", "ORDERS", "1", "--translate", "/no/such").err


BENCHES = (
    ("js pub sync b --create --msgs 50", "JetStream synchronous publisher"),
    ("js pub async b --msgs 2000 --batch 100", "JetStream asynchronous publisher"),
    ("js ordered --msgs 2000", "JetStream ordered ephemeral consumer"),
    ("js consume --msgs 2000", "JetStream durable consumer (callback)"),
    ("js fetch --msgs 500 --batch 50", "JetStream durable consumer (fetch)"),
    ("js fetch --msgs 100 --doubleack", "JetStream durable consumer (fetch)"),
    ("js fetch --msgs 100 --acks none", "JetStream durable consumer (fetch)"),
    ("js get sync --msgs 50", "JetStream synchronous getter"),
    ("js get batch --msgs 500", "JetStream batched direct getter"),
    ("kv put --msgs 50", "JetStream KV putter"),
    ("kv get --msgs 50", "JetStream KV getter"),
)


def test_every_benchmark_of_streams_ends_with_its_figures(inside: Inside) -> None:
    nats = Nats(inside.url)
    for line, label in BENCHES:
        result = nats.run("bench", *line.split(), "--no-progress")
        assert result.code == 0, result
        assert re.search(rf"\nNATS {re.escape(label)} stats: [0-9,]+ msgs/sec ~ ", result.out), result
        assert f"Starting {label} benchmark [" in result.err
    assert inside.json("stream", "state", "benchstream")["state"]["messages"] == 2050


def test_several_clients_share_the_messages(inside: Inside) -> None:
    nats = Nats(inside.url)
    many = "--clients 2 --msgs 1001 --multisubject --dedup --no-progress".split()
    assert nats.run("bench", "js", "pub", "async", "b", "--create", *many).code == 0
    assert inside.json("stream", "state", "benchstream")["state"]["messages"] == 1001
    result = nats.run("bench", "js", "consume", "--clients", "2", "--msgs", "1001", "--no-progress")
    assert result.code == 0 and "(501 msgs)" in result.out and "(500 msgs)" in result.out


def test_benchmarks_say_what_is_missing(inside: Inside) -> None:
    assert "stream none not found" in inside.run("bench", "js", "ordered", "--stream", "none").err
    result = inside.run("bench", "js", "pub", "async", "b", "--msgs", "5", "--no-progress")
    assert result.code == 1 and "--create makes it" in result.err


def check(orders: Inside, *args: str) -> tuple[int, str]:
    result = orders.run("server", "check", *args)
    return result.code, result.out


def test_checks_of_streams(orders: Inside) -> None:
    assert check(orders, "stream", "--stream", "ORDERS") == (0, "OK ORDERS OK:0 sources | sources=0\n")
    code, out = check(orders, "stream", "--stream", "ORDERS", "--msgs-critical", "4")
    assert code == 2 and out.startswith("CRITICAL ORDERS Crit:4 messages OK:0 sources | sources=0 messages=4;;4")
    assert check(orders, "stream", "--stream", "ORDERS", "--msgs-warn", "10")[0] == 1
    assert check(orders, "stream", "--stream", "ORDERS", "--subjects-warn", "1", "--subjects-critical", "2")[0] == 2
    assert check(orders, "stream", "--stream", "ORDERS", "--peer-expect", "3")[0] == 2
    code, out = check(orders, "stream", "--stream", "NONE")
    assert code == 2 and "stream not found (10059)" in out


def test_checks_of_consumers_buckets_and_messages(orders: Inside) -> None:
    orders.ok("consumer", "add", "ORDERS", "W", "--pull", "--defaults")
    consumer = ("consumer", "--stream", "ORDERS", "--consumer", "W")
    assert check(orders, *consumer)[0] == 0
    code, out = check(orders, *consumer, "--unprocessed-critical", "4")
    assert code == 2 and "Crit:Unprocessed Messages: 4" in out and "pending=4;;4" in out
    assert "Crit:No acks" in check(orders, *consumer, "--last-ack-critical", "1s")[1]
    orders.ok("kv", "add", "B")
    orders.ok("kv", "put", "B", "k", "v")
    assert check(orders, "kv", "--bucket", "B", "--key", "k", "--values-critical", "5")[0] == 0
    assert check(orders, "kv", "--bucket", "B", "--key", "none")[0] == 2
    assert check(orders, "kv", "--bucket", "B", "--values-warn", "1")[0] == 1
    assert check(orders, "kv", "--bucket", "NONE")[0] == 2
    message = ("message", "--stream", "ORDERS", "--subject", "orders.1")
    assert check(orders, *message, "--content", "m3", "--age-critical", "1h")[0] == 0
    assert check(orders, *message, "--content", "other")[0] == 2
    assert check(orders, *message, "--age-critical", "1ns")[0] == 2


def test_the_check_of_jetstream_judges_what_is_used(orders: Inside) -> None:
    code, out = check(orders, "jetstream", "--format", "json")
    document = json.loads(out)
    assert code == 0 and document["status"] == "OK"
    figures = {one["name"]: one["value"] for one in document["perf_data"]}
    assert figures["streams"] == 1 and figures["replicas_ok"] == 1 and figures["storage"] > 0
    assert check(orders, "jetstream", "--mem-warn", "90", "--mem-critical", "80")[0] == 2


def test_account_info_shows_what_is_used(orders: Inside) -> None:
    out = orders.ok("account", "info")
    assert "JetStream Account Information:\n" in out and "Tier: Default:\n" in out
    assert re.search(r"\n +Streams: 1\n", out) and re.search(r"\n +Streams: 1 of Unlimited\n", out)


def test_the_shell_completes_streams_consumers_and_buckets(orders: Inside, nowhere: str) -> None:
    orders.ok("consumer", "add", "ORDERS", "WORKER", "--pull", "--defaults")
    orders.ok("kv", "add", "CONFIG")
    nats = Nats(orders.url)

    def complete(line: str) -> list[str]:
        words = line.split(" ")
        environment = {
            "_NATS_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
        }
        return [row.partition(",")[2] for row in nats.run(**environment).out.splitlines() if row]

    assert complete("nats stream info ") == ["KV_CONFIG", "ORDERS"]
    assert complete("nats stream info OR") == ["ORDERS"]
    assert complete("nats consumer info ORDERS W") == ["WORKER"]
    assert complete("nats kv get C") == ["CONFIG"]
    assert complete("nats sub --stream OR") == ["ORDERS"]
    assert complete("nats sub --stream ORDERS --durable W") == ["WORKER"]
    assert complete("nats stream add COPY --source OR") == ["ORDERS"]
    assert complete("nats kv add COPY --mirror C") == ["CONFIG"]
    assert complete("nats bench js consume --stream ORDERS --consumer W") == ["WORKER"]
    assert complete("nats bench kv get --bucket C") == ["CONFIG"]
    assert complete("nats schema info stream_p") == ["stream_purge_request"]
    assert complete(f"nats stream info -s {nowhere} O") == []
