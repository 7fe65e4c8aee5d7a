"""`nats subscribe`: what it shows, when it stops."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from natsd.client.connection import Connection
from natsd.kernel import ClientScanner
from tests.cli.commands import ENTRY, PATIENCE_S
from tests.places import ServerProcess

if TYPE_CHECKING:
    from tests.cli.commands import Denying, Nats, Running
else:
    Nats = Denying = Running = Any


def listen(nats: Nats, server: ServerProcess, subject: str, *args: str) -> Running:
    """`nats sub` in a form that does not announce itself; its server tells of the subscription."""
    running = nats.start("sub", subject, *args, "--trace")
    running.wait_for("Connected to")
    ends = time.monotonic() + PATIENCE_S
    for wanted in (subject, "_INBOX.any") if "--match-replies" in args else (subject,):
        while not server.page(f"subsz?subs=1&test={wanted}")["total"]:
            assert time.monotonic() < ends, f"nobody subscribed to {wanted}"
            time.sleep(0.01)
    return running


def test_several_subjects_in_the_order_of_arrival(nats: Nats) -> None:
    listener = nats.sub("a.*", "b.>", "--count", "3")
    for subject in ("b.1.2", "a.1", "b.3"):
        nats.run("pub", subject, subject)
    result = listener.finish()
    assert result.code == 0
    assert result.err == "Subscribing on a.*, b.>\n"
    assert re.findall(r'\[#(\d)\] Received on "([^"]+)"', result.out) == [("1", "b.1.2"), ("2", "a.1"), ("3", "b.3")]


def test_a_queue_group_gets_each_message_once(nats: Nats) -> None:
    listeners = [nats.sub("jobs", "--queue", "workers") for _ in range(2)]
    nats.run("pub", "jobs", "job {{Count}}", "--count", "20")
    seen = sorted(re.findall(r"job (\d+)", "".join(listener.stop().out for listener in listeners)), key=int)
    assert seen == [str(number) for number in range(1, 21)]


def test_a_count_leaves_the_rest_of_a_queue_group_to_others(nats: Nats) -> None:
    greedy, other = nats.sub("few", "--queue", "g", "--count", "1"), nats.sub("few", "--queue", "g")
    nats.run("pub", "few", "x", "--count", "21")
    assert greedy.finish().out.count("Received") == 1
    assert other.stop().out.count("Received") == 20


def test_raw_prints_payloads_only(nats: Nats, nats_process: ServerProcess) -> None:
    listener = listen(nats, nats_process, "raw", "--raw", "--count", "3")
    nats.run("pub", "raw", "one", "-H", "a:b")
    nats.run("pub", "raw", "")
    nats.run("pub", "raw", "two")
    assert listener.finish().out == "one\n\ntwo\n"


def test_headers_only_and_subjects_only(nats: Nats) -> None:
    headers, subjects = (
        nats.sub("x", "--headers-only", "--count", "1"),
        nats.sub("x", "--subjects-only", "--count", "1"),
    )
    nats.run("pub", "x", "body", "-H", "Key:value")
    assert headers.finish().out == '[#1] Received on "x"\nKey: value\n\n'
    assert subjects.finish().out == '[#1] Received on "x"\n'


def test_times(nats: Nats) -> None:
    stamped, delta = nats.sub("t", "-t", "--count", "1"), nats.sub("t", "-d", "--count", "1")
    nats.run("pub", "t", "x")
    assert re.match(r'\[#1\] @ [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d\.\d{6} Received on "t"\n', stamped.finish().out)
    assert re.match(r'\[#1\] @ [\d.]+(ms|s) Received on "t"\n', delta.finish().out)


def test_dump_to_stdout(nats: Nats, nats_process: ServerProcess) -> None:
    listener = listen(nats, nats_process, "dump", "--dump", "-", "--count", "2")
    nats.run("pub", "dump", "\u4f60", "-H", "A:1", "-H", "A:2", "--reply", "r")
    nats.run("pub", "dump", b"\xff")
    first, second, rest = listener.finish().raw_out.split(b"\0")
    assert rest == b""
    assert json.loads(first) == {
        "Subject": "dump",
        "Reply": "r",
        "Header": {"A": ["1", "2"]},
        "Data": base64.b64encode("\u4f60".encode()).decode(),
        "Sub": None,
    }
    assert json.loads(second) == {"Subject": "dump", "Reply": "", "Header": None, "Data": "/w==", "Sub": None}


def test_dump_to_files(nats: Nats, nats_process: ServerProcess, tmp_path: Path) -> None:
    folder = tmp_path / "messages"
    listener = listen(nats, nats_process, "dump", "--dump", str(folder), "--count", "2", "--match-replies")
    replier = nats.reply("dump", "answer")
    nats.run("req", "dump", "question")
    nats.run("pub", "dump", "no question")
    assert listener.finish().out == ""
    replier.stop()
    assert sorted(path.name for path in folder.iterdir()) == ["1.json", "1_reply.json", "2.json"]
    assert json.loads((folder / "1_reply.json").read_text())["Data"] == base64.b64encode(b"answer").decode()
    assert folder.stat().st_mode & 0o777 == 0o700 and (folder / "2.json").stat().st_mode & 0o777 == 0o600


def test_wait_stops_after_silence(nats: Nats) -> None:
    # A process that publishes would take too long to start on a busy machine.
    with Connection(nats.url, ClientScanner) as connection:
        connection.connect()
        listener = nats.sub("w", "--wait", "2s")
        connection.publish("w", b"x")
        connection.flush()
        result = listener.finish()
    assert result.code == 0 and result.out.count("Received") == 1


def test_requests_are_shown_with_their_replies(nats: Nats) -> None:
    listener = nats.sub("ask", "--match-replies", "--count", "1")
    replier = nats.reply("ask", "yes")
    nats.run("req", "ask", "really?")
    replier.stop()
    result = listener.finish()
    assert result.err == "Matching replies with inbox prefix _INBOX.>\nSubscribing on ask\n"
    assert re.fullmatch(
        r'\[#1\] Received on "ask" with reply "(_INBOX\.\S+)"\nreally\?\n\n\[#1\] Matched reply on "\1"\nyes\n\n',
        result.out,
    )


def test_a_new_inbox(nats: Nats) -> None:
    listener = nats.start("sub", "--inbox", "--count", "1", "--inbox-prefix", "my.box")
    listener.wait_for("Subscribing on my.box.")
    (inbox,) = re.findall(rb"on (\S+)", listener._texts["err"])
    nats.run("pub", inbox, "x")
    assert listener.finish().out.startswith(f'[#1] Received on "{inbox.decode()}"')


def test_subjects_can_be_left_out(nats: Nats) -> None:
    listener = nats.sub("s.>", "-I", "s.noise.*,s.x", "--ignore-subject", "s.>.y", "--count", "2")
    for subject in ("s.noise.1", "s.a", "s.x", "s.noise"):
        nats.run("pub", subject, "m")
    result = listener.finish()
    assert result.err == "Subscribing on s.>\nIgnored subjects: s.noise.*, s.x, s.>.y\n"
    assert re.findall(r'on "(\S+)"', result.out) == ["s.a", "s.noise"]


def test_a_report_of_subjects(nats: Nats) -> None:
    listener = nats.sub("r.*", "--report-subjects", "--report-top", "2", "--count", "60")
    for number in (1, 2, 3):
        nats.run("pub", f"r.{number}", "x" * 100, "--count", str(number * 10))
    lines = [line for line in listener.finish().out.splitlines() if line.startswith("│")][-5:]
    assert [re.split(r"\s*│\s*", line)[1:-1] for line in lines] == [
        ["Top 2 Active Subjects Report"],
        ["Subject", "Message Count", "Bytes"],
        ["r.3", "30", "2.9 KiB"],
        ["r.2", "20", "2.0 KiB"],
        ["Totals", "60", "5.9 KiB"],
    ]


def test_a_report_of_subscriptions_counts_by_pattern(nats: Nats) -> None:
    listener = nats.sub("p.*", "--report-subscriptions", "--report-top", "1", "--count", "2")
    nats.run("pub", "p.1", "x")
    nats.run("pub", "p.2", "x")
    out = listener.finish().out
    assert "Top Subject Report" in out and re.search(r"│ p\.\*\s+│ 2\s+│ 2 B", out)


def test_subjects_in_any_script_are_shown(nats: Nats) -> None:
    listener = nats.sub("\u4e3b\u9898.*")
    nats.run("pub", "\u4e3b\u9898.\u4e00", "x")
    listener.wait_for('Received on "\u4e3b\u9898.\u4e00"', "out")
    assert listener.stop().code == 130


def test_an_interrupt_ends_it_quietly(nats: Nats) -> None:
    result = nats.sub("i").stop(signal.SIGINT)
    assert (result.code, result.out, result.err) == (130, "", "Subscribing on i\n")


def test_an_interrupt_counts_also_in_the_background_of_a_script(nats: Nats) -> None:
    script = f"'{sys.executable}' -c '{ENTRY}' sub back & read line; kill -INT $!; wait $!; echo \"code $?\""
    shell = subprocess.Popen(
        ["sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=nats.environment,
    )
    assert shell.stderr is not None
    assert b"Subscribing on back" in shell.stderr.readline()
    out, err = shell.communicate(b"\n", timeout=PATIENCE_S)
    assert (out, err) == (b"code 130\n", b"")


def test_nobody_reading_its_output_ends_it_quietly(nats: Nats) -> None:
    read_end, write_end = os.pipe()
    listener = subprocess.Popen(
        [sys.executable, "-c", ENTRY, "sub", "pipe"], stdout=write_end, stderr=subprocess.PIPE, env=nats.environment
    )
    os.close(write_end)
    assert listener.stderr is not None
    assert b"Subscribing on pipe" in listener.stderr.readline()
    os.close(read_end)
    nats.run("pub", "pipe", "x")
    assert listener.stderr.read() == b""
    assert listener.wait(PATIENCE_S) == 141
    listener.stderr.close()


def test_a_violation_is_an_error(nats: Nats, denying: Denying) -> None:
    result = nats.run("sub", "secret", "-s", denying.url)
    assert result.code == 5
    assert result.err == 'nats: error: nats: Permissions Violation for Subscription to "secret"\n'


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ([], "a subject is required"),
        (["a", "-t", "-d"], "exclude each other"),
        (["--inbox", "--dump", "-"], "--inbox does not go together"),
        (["a", "--report-subjects", "--report-top", "0"], "--report-top"),
        (["a", "--wait", "soon"], 'invalid duration "soon"'),
        (["a b"], "invalid subject"),
    ],
)
def test_wrong_usage(nats: Nats, args: list[str], text: str) -> None:
    result = nats.run("sub", *args)
    assert result.code == 2 and text in result.err and result.err.count("\n") == 1
