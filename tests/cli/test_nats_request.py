"""`nats request` and `nats reply` together."""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.commands import Denying, Nats
else:
    Nats = Denying = Any

RTT = r"Received with rtt [\d.]+(µs|ms|s)\n"


def test_headers_of_a_reply_are_log_lines(nats: Nats) -> None:
    replier = nats.reply("h", "body", "-H", "A:{{Count}}", "-H", "A:x")
    result = nats.run("req", "h", "q")
    replier.stop()
    assert re.fullmatch(f'Sending request on "h"\n{RTT}A: 0\nA: x\n', result.err)
    assert result.out == "\nbody\n\n"


def test_raw_prints_the_reply_only(nats: Nats) -> None:
    replier = nats.reply("raw", "body", "-H", "A:1")
    result = nats.run("req", "raw", "q", "--raw")
    replier.stop()
    assert (result.code, result.out, result.err) == (0, "body\n", "")


def test_a_reply_goes_through_a_command(nats: Nats) -> None:
    replier = nats.reply("orders.eu", "done")
    upper = ("--translate", "tr a-z A-Z")
    assert nats.run("request", "orders.eu", "x", "--raw", *upper).out == "DONE\n"
    assert nats.run("request", "orders.eu", "x", "--translate", "echo {{Subject}}").out.startswith("_INBOX.")
    failed = nats.run("request", "orders.eu", "x", "--raw", "--translate", "false")
    replier.stop()
    assert "Error while translating: false ended with exit code 1\n" in failed.err


def test_nobody_listening_is_exit_code_3(nats: Nats) -> None:
    result = nats.run("request", "nobody", "x")
    assert result.code == 3
    assert result.err == (
        'Sending request on "nobody"\n'
        'nats: error: No responders are available on "nobody" (is a service or nats reply running?)\n'
    )
    assert nats.run("req", "nobody", "x", "--raw").err.count("\n") == 1


def test_no_reply_in_time_is_exit_code_4(nats: Nats) -> None:
    listener = nats.sub("slow")
    result = nats.run("req", "slow", "x", "--timeout", "1s")
    listener.stop()
    assert result.code == 4
    assert result.err.splitlines()[-1] == 'nats: error: nats: timeout: no reply on "slow" within 1s'


def test_a_violation_is_exit_code_5(nats: Nats, denying: Denying) -> None:
    result = nats.run("req", "secret", "x", "-s", denying.url)
    assert result.code == 5
    assert result.err.splitlines()[-1] == 'nats: error: nats: Permissions Violation for Publish to "secret"'


def test_several_replies(nats: Nats) -> None:
    repliers = [nats.reply("many", name, "--queue", name) for name in ("one", "two")]
    both = nats.run("req", "many", "x", "--replies", "2")
    start = time.monotonic()
    more = nats.run("req", "many", "x", "--replies", "5", "--reply-timeout", "1500ms", "--timeout", "10m")
    all_in_time = nats.run("req", "many", "x", "--replies", "0", "--timeout", "1500ms", "--raw")
    assert time.monotonic() - start < 60
    for replier in repliers:
        replier.stop()
    for result in (both, more):
        assert result.code == 0 and sorted(result.out.split()) == ["one", "two"]
    assert all_in_time.code == 0 and sorted(all_in_time.out.split()) == ["one", "two"]


def test_replies_until_an_empty_one(nats: Nats) -> None:
    replier = nats.reply("e", "{{Request}}")
    assert nats.run("req", "e", "", "--wait-for-empty").code == 0
    start = time.monotonic()
    result = nats.run("req", "e", "text", "--wait-for-empty", "--timeout", "1500ms", "--raw")
    assert result.out == "text\n" and time.monotonic() - start > 1.5
    replier.stop()


def test_several_requests_and_templates(nats: Nats) -> None:
    replier = nats.reply("t.*", "--echo")
    result = nats.run("req", "t.{{Count}}", "{{Count}}", "--count", "3", "-H", "N:{{Count}}")
    listing = replier.stop()
    assert re.findall(r"^(\d)$", result.out, re.MULTILINE) == ["1", "2", "3"]
    assert re.findall(r'\[#(\d)\] Received on subject "t\.(\d)":\nN: (\d)\n', listing.err) == [
        ("0", "1", "1"),
        ("1", "2", "2"),
        ("2", "3", "3"),
    ]
    assert result.err.count("NATS-Reply-Counter: 2\n") == 1


def test_many_requests_show_a_bar(nats: Nats) -> None:
    replier = nats.reply("bar", "x", "--count", "25")
    result = nats.run("req", "bar", "q", "--count", "25")
    assert re.fullmatch(r"100% \[=+\] \[25 in \d+s; [\d,]+/s\]\n", result.err) and result.out == ""
    assert replier.finish().code == 0


def test_a_request_from_stdin(nats: Nats) -> None:
    replier = nats.reply("in", "--echo")
    payload = bytes(range(256))
    result = nats.run("req", "in", "--raw", stdin=payload)
    lines = nats.run("req", "in", "--raw", "--send-on", "newline", stdin=b"one\ntwo\n")
    replier.stop()
    assert result.raw_out == payload + b"\n" and result.err == ""
    assert lines.out == "one\ntwo\n"


def test_the_listing_of_a_replier(nats: Nats) -> None:
    replier = nats.start("reply", "list")
    replier.wait_for("Listening")
    nats.run("req", "list", "q", "-H", "K:v")
    result = replier.stop()
    assert result.code == 0
    assert result.err == (
        "No body or command supplied, enabling echo mode\n"
        'Listening on "list" in group "NATS-RPLY-22"\n'
        '[#0] Received on subject "list":\nK: v\n\nDraining...\nExiting\n'
    )
    assert result.out == "\nq\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_a_replier(nats: Nats, number: int) -> None:
    replier = nats.reply("drain", "x", "--sleep", "1ms")
    asked = nats.start("req", "drain", "q", "--count", "10")
    replier.wait_for("[#2]")
    result = replier.stop(number)
    # What was on its way is answered before it ends.
    assert result.code == 0 and "\nDraining...\n" in result.err and result.err.endswith("\nExiting\n")
    assert asked.finish().code in (0, 3)


def test_a_replier_stops_after_its_count(nats: Nats) -> None:
    replier = nats.reply("count", "{{Count}}", "--count", "2")
    assert [nats.run("req", "count", "q", "--raw").out for _ in range(2)] == ["0\n", "1\n"]
    assert replier.finish().code == 0
    assert nats.run("req", "count", "q").code == 3


def test_repliers_of_one_group_share_the_work(nats: Nats) -> None:
    repliers = [nats.reply("share", name) for name in ("one", "two")]
    answers: set[str] = set()
    for _ in range(60):  # who answers is chance
        answers.add(nats.run("req", "share", "q", "--raw").out.strip())
        if len(answers) > 1:
            break
    for replier in repliers:
        replier.stop()
    assert answers == {"one", "two"}


def test_the_output_of_a_command_is_the_reply(nats: Nats) -> None:
    program = 'sh -c \'printf "%s|%s|%s" {{1}} "$NATS_REQUEST_SUBJECT" "$NATS_REQUEST_BODY"; echo oops >&2; exit 3\''
    replier = nats.reply("run.*", "--command", program)
    result = nats.run("req", "run.me", "the body", "--raw")
    listing = replier.stop()
    assert result.out == "me|run.me|the bodyoops\n\n"
    assert "failed to run: exit status 3" in listing.err


@pytest.mark.parametrize(
    ("program", "text"), [("/no/such/program", "failed to run"), ("echo 'open", "Could not parse command")]
)
def test_a_command_that_cannot_run_is_logged(nats: Nats, program: str, text: str) -> None:
    replier = nats.reply("bad", "--command", program)
    assert nats.run("req", "bad", "q", "--raw").out == "\n"
    assert text in replier.stop().err


def test_a_message_without_reply_subject_is_logged(nats: Nats) -> None:
    replier = nats.reply("noreply", "x")
    nats.run("pub", "noreply", "q")
    replier.wait_for("Could not publish reply: nats: message does not have a reply")
    assert replier.stop().code == 0


def test_a_replier_that_may_not_listen_ends(nats: Nats, denying: Denying) -> None:
    result = nats.run("reply", "secret", "x", "-s", denying.url)
    assert result.code == 5 and result.err.count("\n") == 1
