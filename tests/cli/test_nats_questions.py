"""What `nats` asks for at a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.commands import ENTRY, PATIENCE_S, Nats

if TYPE_CHECKING:
    from tests.cli.streams import Inside
else:
    Inside = Any


def at_terminal(url: str, args: list[str], answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Run a command at a terminal and answer its questions, each when it is asked. (exit code, all that was shown)."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ENTRY, *args],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=Nats(url).environment,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    left = list(answers)
    at = 0
    try:
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:
                break
            if not data:
                break
            shown += data
            while left and (found := shown.find(left[0][0].encode(), at)) >= 0:
                at = found + len(left[0][0])
                os.write(ours, left.pop(0)[1].encode() + b"\n")
    finally:
        os.close(ours)
        code = process.wait(PATIENCE_S)
    assert not left, (left, shown)
    return code, shown.decode().replace("\r\n", "\n")


def test_a_stream_is_made_by_answers(inside: Inside) -> None:
    code, shown = at_terminal(
        inside.url,
        ["stream", "add"],
        [
            ("Stream Name: ", "A"),
            ("Subjects: ", "a.> b"),
            ("Storage [file]: ", "2"),
            ("Replication [1]: ", ""),
            ("Retention Policy [limits]: ", "work queue"),
            ("Discard Policy [old]: ", "new"),
            ("Stream Messages Limit [-1]: ", "many"),
            ("Stream Messages Limit [-1]: ", "7"),
            ("Per Subject Messages Limit [-1]: ", ""),
            ("Total Stream Size [-1]: ", "1MB"),
            ("Message TTL [-1]: ", "1h"),
            ("Max Message Size [-1]: ", ""),
            ("Duplicate tracking time window [2m0s]: ", "30s"),
            ("Allow message Roll-ups [y/N]: ", "y"),
            ("Allow message deletion [Y/n]: ", "n"),
            ("Allow purging subjects or the entire stream [Y/n]: ", ""),
        ],
    )
    assert code == 0 and "Stream A was created" in shown
    config = inside.json("stream", "info", "A")["config"]
    wanted = {
        "subjects": ["a.>", "b"],
        "storage": "memory",
        "retention": "workqueue",
        "discard": "new",
        "max_msgs": 7,
        "max_bytes": 1 << 20,
        "max_age": 3600 * 10**9,
        "duplicate_window": 30 * 10**9,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
        "deny_purge": False,
    }
    assert {key: config.get(key) for key in wanted} == wanted


def test_a_consumer_is_made_by_answers(inside: Inside) -> None:
    inside.ok("stream", "add", "A", "--subjects", "a.>", "--defaults")
    code, _ = at_terminal(
        inside.url,
        ["consumer", "add"],
        [
            ("Stream: ", "1"),
            ("Consumer name: ", "C"),
            ("Delivery target (empty for Pull Consumers): ", ""),
            ("Start policy (all, new, last, subject, 1h, msg sequence) [all]: ", "new"),
            ("Acknowledgment policy [explicit]: ", "all"),
            ("Replay policy [instant]: ", ""),
            ("Filter Stream by subjects (blank for all): ", "a.1 a.2"),
            ("Maximum Allowed Deliveries [-1]: ", ""),
            ("Maximum Acknowledgments Pending [0]: ", "9"),
            ("Deliver headers only without bodies [y/N]: ", ""),
            ("Add a Retry Backoff Policy [y/N]: ", "y"),
            ("Backoff policy [none]: ", "linear"),
            ("Minimum retry time [1m]: ", "1s"),
            ("Maximum retry time [10m]: ", "3s"),
            ("Number of steps to generate in the policy [20]: ", "3"),
        ],
    )
    assert code == 0
    config = inside.json("consumer", "info", "A", "C")["config"]
    wanted = {
        "deliver_policy": "new",
        "ack_policy": "all",
        "filter_subjects": ["a.1", "a.2"],
        "max_ack_pending": 9,
        "backoff": [10**9, 2 * 10**9, 3 * 10**9],
        "max_deliver": 4,
    }
    assert {key: config.get(key) for key in wanted} == wanted


@pytest.mark.parametrize(("answer", "left"), [("", 1), ("n", 1), ("y", 0)])
def test_nothing_is_removed_without_a_yes(inside: Inside, answer: str, left: int) -> None:
    inside.ok("stream", "add", "A", "--subjects", "a.>", "--defaults")
    code, _ = at_terminal(inside.url, ["stream", "rm", "A"], [("Really delete Stream A [y/N]: ", answer)])
    assert code == 0 and len(inside.json("stream", "ls")) == left


def test_a_view_goes_on_page_by_page(inside: Inside) -> None:
    inside.ok("stream", "add", "A", "--subjects", "a", "--defaults")
    for number in range(1, 6):
        inside.ok("pub", "a", f"message-{number}", "-q", "-J")
    code, shown = at_terminal(
        inside.url, ["stream", "view", "A", "2"], [("Next Page? [Y/n]: ", ""), ("Next Page? [Y/n]: ", "n")]
    )
    assert code == 0 and "message-4" in shown and "message-5" not in shown


@pytest.mark.parametrize(
    ("args", "question"),
    [
        (["stream", "add"], "Stream Name: "),
        (["stream", "add", "A", "--subjects", "a"], "Storage [file]: "),
        (["kv", "del", "B"], "Delete bucket B? [y/N]: "),
    ],
)
def test_the_end_of_input_ends_a_command_that_asks(inside: Inside, args: list[str], question: str) -> None:
    inside.ok("kv", "add", "B")
    code, shown = at_terminal(inside.url, args, [(question, "\x04")])
    assert code == 130 and shown.rstrip("\n").endswith(question)
    assert inside.json("stream", "ls", "-a") == ["KV_B"]
