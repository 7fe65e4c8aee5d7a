"""`nats bench`: plans, results, files, and the older form."""

from __future__ import annotations

import csv
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from natsd.cli.nats.bench.bench_clients import Frames
from natsd.cli.nats.bench.bench_core import shares
from natsd.cli.nats.bench.bench_results import Sample, join, old_report, percentile, report
from tests.cli.commands import PATIENCE_S

if TYPE_CHECKING:
    from tests.cli.commands import Denying, Nats
else:
    Nats = Denying = Any

N = r"[\d,.]+"
RATE = rf"{N} msgs/sec ~ {N} [KMG]?i?B/sec"


def test_publishers_and_subscribers(nats: Nats) -> None:
    listener = nats.start("bench", "sub", "b.1", "--clients", "2", "--msgs", "5000", "--size", "16", "--no-progress")
    listener.wait_for("[2] Starting Core NATS subscriber, expecting 5,000 messages")
    result = nats.run("bench", "pub", "b.1", "--clients", "2", "--msgs", "5001", "--size", "16")
    # The subscribers may have come a moment late.
    for _ in range(20):
        if listener.process.poll() is not None:
            break
        nats.run("bench", "pub", "b.1", "--msgs", "2000", "--size", "16", "--no-progress")
    assert result.code == 0
    assert re.fullmatch(
        r"Starting Core NATS publisher benchmark \[clients=2, msg-size=16 B, msgs=5,001, multi-subject=false, "
        r"multi-subject-max=100,000, multi-subject-randomize=false, sleep=0s, subject=b\.1\]\n"
        r"\[1\] Starting Core NATS publisher, publishing 2,501 messages\n"
        r"\[2\] Starting Core NATS publisher, publishing 2,500 messages\n"
        r"(Finished {5,6}\d+s \[=+\] 100%\n){2}",
        result.err,
    )
    assert re.fullmatch(
        rf"\n  \[1\] {RATE} \(2,501 msgs\)\n  \[2\] {RATE} \(2,500 msgs\)\n"
        rf"\n NATS Core NATS publisher aggregated stats: {RATE}\n"
        rf" message rates min {N} \| avg {N} \| max {N} \| stddev {N} msgs\n\n",
        result.out,
    )
    heard = listener.finish()
    assert heard.code == 0 and "NATS Core NATS subscriber aggregated stats: " in heard.out
    assert "Finished" not in heard.err


def test_one_client_has_one_line(nats: Nats, tmp_path: Path) -> None:
    file = tmp_path / "result.csv"
    result = nats.run("bench", "pub", "b", "--msgs", "1000", "--csv", str(file), "--no-progress", "--size", "1KB")
    assert re.fullmatch(
        rf"\nNATS Core NATS publisher stats: {RATE}\n\nSaved metric data in csv file {re.escape(str(file))}\n",
        result.out,
    )
    head, row = csv.reader(file.open())
    assert head == ["#RunID", "ClientID", "MsgCount", "MsgBytes", "MsgsPerSec", "BytesPerSec", "DurationSecs"]
    assert row[1:4] == ["P0", "1000", "1024000"]


def test_many_subjects_are_numbered(nats: Nats) -> None:
    listener = nats.sub("multi.*", "--subjects-only", "--count", "5")
    result = nats.run("bench", "pub", "multi", "--multisubject", "--multisubjectmax", "10", "--msgs", "5", "-H", "A:b")
    assert "subject=multi.*" in result.err and "multi-subject=true" in result.err
    assert re.findall(r'"multi\.(\d+)"', listener.finish().out) == ["00", "01", "02", "03", "04"]


def test_a_payload_from_a_file(nats: Nats, tmp_path: Path) -> None:
    (tmp_path / "payload").write_text("from a file")
    listener = nats.sub("payload", "--count", "1")
    result = nats.run("bench", "pub", "payload", "--msgs", "1", "--payload", str(tmp_path / "payload"))
    assert "msg-size=11 B" in result.err and "from a file" in listener.finish().out
    missing = nats.run("bench", "pub", "payload", "--payload", str(tmp_path / "missing"))
    assert missing.code == 1 and missing.err == f"nats: error: {tmp_path / 'missing'}: no such file or directory\n"


def test_a_rate_is_kept(nats: Nats) -> None:
    rates: list[int] = []
    while not rates or rates[-1] <= 1500 and len(rates) < 20:  # a machine that is busy may not come to it
        result = nats.run("bench", "pub", "rate", "--throughput", "2000", "--duration", "400ms", "--no-progress")
        (rate,) = re.findall(r"stats: ([\d,]+) msgs", result.out)
        assert "msgs=800" in result.err
        rates.append(int(rate.replace(",", "")))
    assert rates[-1] > 1500 and max(rates) < 2700
    slow = nats.run("bench", "pub", "rate", "--sleep", "2ms", "--msgs", "20", "--no-progress")
    (rate,) = re.findall(r"stats: ([\d,]+) msgs", slow.out)
    assert int(rate.replace(",", "")) <= 500


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_requests_and_replies(nats: Nats, number: int) -> None:
    server = nats.start("bench", "service", "serve", "svc", "--clients", "2")
    server.wait_for("[2] Starting Core NATS service server, hit control-c to stop")
    for _ in range(50):
        if nats.run("req", "svc", "x", "--raw").code == 0:
            break
    result = nats.run("bench", "service", "request", "svc", "--msgs", "50", "--clients", "2", "--no-progress")
    assert result.code == 0
    latencies = " ~ ".join(rf"{name}: {N}us" for name in ("min", "avg", "max", "P50", "P90", "P99", "P99.9"))
    assert re.search(rf"^  \[2\] {RATE} ~ {latencies} \(25 msgs\)$", result.out, re.MULTILINE)
    assert re.search(
        rf"^ latencies per operation min {N}us \| avg {N}us \| max {N}us \| stddev {N}us \| P50 {N}us", result.out, re.M
    )
    ended = server.stop(number)
    assert ended.code == 0 and ended.out == ""


def test_a_service_that_is_not_there_is_exit_code_3(nats: Nats) -> None:
    result = nats.run("bench", "service", "request", "nobody", "--msgs", "10", "--no-progress")
    assert result.code == 3 and 'No responders are available on "nobody"' in result.err


def test_the_older_form(nats: Nats, tmp_path: Path) -> None:
    file = tmp_path / "old.csv"
    result = nats.run("bench", "old", "--pub", "2", "--sub", "1", "--msgs", "1000", "--size", "16", "--csv", str(file))
    assert result.code == 0
    assert result.err.splitlines()[:4] == [
        "Starting Core NATS pub/sub benchmark [subject=old, multisubject=false, multisubjectmax=100000, msgs=1,000, "
        "msgsize=16 B, pubs=2, subs=1, pubsleep=0s, subsleep=0s]",
        "Starting subscriber, expecting 1,000 messages",
        "Starting publisher, publishing 500 messages",
        "Starting publisher, publishing 500 messages",
    ]
    assert result.err.count("Finished") == 3
    old = rf"{N} msgs/sec ~ {N} [KMG]?B/sec"
    assert re.fullmatch(
        rf"\nNATS Pub/Sub stats: {old}\n Pub stats: {old}\n  \[1\] {old} \(500 msgs\)\n  \[2\] {old} \(500 msgs\)\n"
        rf"  min {N} \| avg {N} \| max {N} \| stddev {N} msgs\n Sub stats: {old}\n\nSaved metric data in csv file .*\n",
        result.out,
    )
    assert [row[1] for row in csv.reader(file.open())] == ["ClientID", "P0", "P1", "S0"]


def test_the_older_form_with_requests(nats: Nats) -> None:
    replier = nats.start("bench", "--sub", "1", "--reply", "oldreq", "--no-progress")
    replier.wait_for("Starting subscriber")
    for _ in range(50):
        if nats.run("req", "oldreq", "x", "--raw").code == 0:
            break
    result = nats.run("bench", "oldreq", "--pub=1", "--request", "--msgs", "20", "--no-progress")
    assert result.code == 0 and re.search(r"^Pub stats: ", result.out, re.MULTILINE)
    assert result.err.startswith("Benchmark in request-reply mode\nStarting request-reply benchmark [subject=oldreq, ")
    assert replier.stop().code == 0


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["bench", "subject"], "add --pub 1 or --sub 1"),
        (["bench", "subject", "--pub", "1", "--request", "--reply"], "exclude each other"),
        (["bench", "subject", "--pub", "1", "--reply"], "subscribers only"),
        (["bench", "pub", "a", "--duration", "1s"], "--duration needs --throughput"),
        (["bench", "pub", "a", "--size", "big"], 'invalid size "big"'),
        (["bench", "pub", "a", "--msgs", "0"], "--msgs"),
        (["bench", "pub", "a", "-H", "x"], "invalid header"),
    ],
)
def test_wrong_usage(nats: Nats, args: list[str], text: str) -> None:
    result = nats.run(*args)
    assert result.code == 2 and text in result.err.splitlines()[-1]


def test_what_stops_a_client_stops_the_benchmark(nats: Nats, denying: Denying, nowhere: str) -> None:
    for args in (["pub", "a"], ["sub", "a"], ["service", "serve", "a"]):
        refused = nats.run("bench", *args, "--no-progress", "-s", nowhere)
        assert refused.code == 1 and "no servers available" in refused.err.splitlines()[-1]
        denied = nats.run("bench", *args, "--no-progress", "--clients", "2", "-s", denying.url)
        assert denied.code == 5 and denied.err.splitlines()[-1].startswith("nats: error: nats: Permissions Violation")


def test_an_interrupt_leaves_no_client_behind(nats: Nats) -> None:
    running = nats.start("bench", "sub", "never", "--clients", "3", "--no-progress")
    running.wait_for("[3] Starting")
    assert running.stop().code == 130


SIGNALLED_AT_BIRTH = """
import os, signal
from natsd.cli.nats.bench.bench_crew import Crew

signal.signal(signal.SIGTERM, signal.default_int_handler)
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))
wait = os.waitpid
os.waitpid = lambda pid, options: print(os.WTERMSIG(wait(pid, options)[1]))
with Crew(None) as crew:
    crew.start(None)
"""


def test_a_client_that_has_just_begun_ends_too() -> None:
    command = [sys.executable, "-c", SIGNALLED_AT_BIRTH]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.stdout, done.stderr) == (f"{int(signal.SIGTERM)}\n", "")


def test_messages_are_shared_out() -> None:
    assert shares(10, 3) == [4, 3, 3]
    assert shares(2, 3) == [1, 1, 0]


def test_frames_go_round_the_subjects_wherever_they_begin() -> None:
    frames = Frames(b"s", b"xy", None, 3, 2, False)
    assert [block for _, block in frames.blocks(5)] == [
        b"".join(b"PUB s.%d 2\r\nxy\r\n" % number for number in (2, 0, 1, 2, 0))
    ]
    some = Frames(b"s", b"", None, 50, 0, True).take(20)
    assert len(set(re.findall(rb"PUB s\.(\d\d) 0", some))) > 1


def test_blocks_add_up() -> None:
    for subjects in (0, 7):
        frames = Frames(b"s", bytes(1000), b"NATS/1.0\r\n\r\n", subjects, 0, False)
        blocks = list(frames.blocks(1000))
        assert sum(count for count, _ in blocks) == sum(block.count(b"HPUB") for _, block in blocks) == 1000
        assert len(blocks) > 3


def test_percentiles_are_nearest_ranks() -> None:
    assert [percentile(range(1, 101), share) for share in (0.5, 50, 90, 99, 99.9, 100)] == [1, 50, 90, 99, 100, 100]
    assert percentile([7], 50) == 7


def test_a_sample_without_time_has_a_rate() -> None:
    assert Sample(10, 100, 5, 5).rate == 10_000_000


def test_clients_together_last_from_the_first_begin_to_the_last_end() -> None:
    both = join([Sample(10, 20, 1_000_000_000, 3_000_000_000, [3]), Sample(30, 60, 2_000_000_000, 5_000_000_000, [1])])
    assert (both.messages, both.bytes, both.seconds, both.rate, both.latencies) == (40, 80, 4.0, 10, [1, 3])


def test_nothing_to_report() -> None:
    assert report("x", []) == old_report([], []) == "No publisher or subscribers. Nothing to report."


def test_a_report_without_surprise() -> None:
    sample = Sample(2000, 256000, 0, 1_000_000_000, [1000, 2500, 10_000_000])
    assert report("Core NATS service requester", [sample]) == (
        "NATS Core NATS service requester stats: 2,000 msgs/sec ~ 250 KiB/sec ~ min: 1us ~ avg: 3,334.5us ~ "
        "max: 10,000us ~ P50: 2.5us ~ P90: 10,000us ~ P99: 10,000us ~ P99.9: 10,000us\n"
    )
    assert old_report([sample], []) == "Pub stats: 2,000 msgs/sec ~ 250.00 KB/sec\n"
