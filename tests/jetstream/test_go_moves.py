"""A stream that moves from a Go server to natsd by `nats stream backup` and `restore`, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.streams import Inside
from tests.jetstream.asker import Asker
from tests.jetstream.conftest import WithJetStream
from tests.jetstream.test_go import GO, block
from tests.places import ServerProcess

API = "$JS.API."
TAKES_OURS = (2, 15)
"""The first version of the Go server whose backups are laid out as ours are."""


def ask(asker: Asker, subject: str, body: object = None) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(asker.ask(API + subject, json.dumps(body).encode() if body else b"")[2])
    return answer


def fill(asker: Asker) -> None:
    """A stream with gaps, headers and a consumer amid its work."""
    ask(asker, "STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"], "storage": "file"})
    for number in range(300):
        header = block(Nats_Msg_Id=f"id{number}", Other="x" * (number % 7)) if number % 3 == 0 else None
        asker.ask(f"s.{number % 5}", b"%d " % number * (number % 20), header)
    for seq in (1, 2, 50, 51, 52, 100, 300):
        ask(asker, "STREAM.MSG.DELETE.S", {"seq": seq, "no_erase": seq % 2 == 0})
    config = {"durable_name": "C", "ack_policy": "explicit", "ack_wait": 600 * 10**9, "filter_subject": "s.1"}
    made = ask(asker, "CONSUMER.DURABLE.CREATE.S.C", {"stream_name": "S", "config": config})
    assert "error" not in made
    for number in range(20):
        subject, reply, _ = next_message(asker)
        assert subject == "s.1"
        if number not in (3, 4, 9):
            asker.ask(reply, b"+ACK")
    asker.flush()


def next_message(asker: Asker) -> tuple[str, str, bytes]:
    asker.publish(f"{API}CONSUMER.MSG.NEXT.S.C", b"", reply="_INBOX.next")
    return asker.next_with_reply()


def whole(server: ServerProcess) -> dict[str, Any]:
    """Everything of the stream that has to be the same elsewhere."""
    asker = Asker(server.host, server.port)
    state = ask(asker, "STREAM.INFO.S", {"deleted_details": True})["state"]
    consumer = ask(asker, "CONSUMER.INFO.S.C")
    found: dict[str, Any] = {
        key: state[key] for key in ("messages", "bytes", "first_seq", "first_ts", "last_seq", "deleted", "num_subjects")
    }
    for key in ("delivered", "ack_floor"):
        found[key] = [consumer[key]["consumer_seq"], consumer[key]["stream_seq"]]
    for key in ("num_ack_pending", "num_redelivered", "num_pending"):
        found[key] = consumer[key]
    found["read"] = [
        ask(asker, "STREAM.MSG.GET.S", {"seq": seq})["message"]
        for seq in range(state["first_seq"], state["last_seq"] + 1)
        if seq not in state["deleted"]
    ]
    asker.close()
    return found


@pytest.mark.parametrize("go", GO)
def test_a_stream_moves_to_natsd_and_back(
    jetstreams: WithJetStream, go: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    theirs, ours = jetstreams.start(go), jetstreams.start("natsd")
    asker = Asker(theirs.host, theirs.port)
    fill(asker)
    asker.close()
    there = Inside(f"nats://{theirs.host}:{theirs.port}", capfd)
    here = Inside(f"nats://{ours.host}:{ours.port}", capfd)
    there.ok("stream", "backup", "S", str(tmp_path / "to"), "--no-progress")
    here.ok("stream", "restore", str(tmp_path / "to"), "--no-progress")
    before = whole(theirs)
    assert whole(ours) == before
    here.ok("stream", "backup", "S", str(tmp_path / "back"), "--no-progress")
    there.ok("stream", "rm", "S", "--force")
    result = there.run("stream", "restore", str(tmp_path / "back"), "--no-progress")
    if theirs.version >= TAKES_OURS:
        assert result.code == 0
        assert whole(theirs) == before
    else:
        assert result.code != 0


def count_and_plan(asker: Asker) -> None:
    """A stream that counts; one that has a schedule and took a batch."""
    ask(asker, "STREAM.CREATE.N", {"name": "N", "subjects": ["n.>"], "allow_msg_counter": True, "allow_direct": True})
    for value in ("5", "-2", "10000000000000000000000"):
        asker.ask("n.a", b"", block(Nats_Incr=value))
    config = {"name": "P", "subjects": ["p.>"], "allow_msg_schedules": True, "allow_atomic": True}
    ask(asker, "STREAM.CREATE.P", {**config, "allow_direct": True})
    plan = block(Nats_Schedule="@at 2090-01-01T00:00:00Z", Nats_Schedule_Target="p.out")
    assert b"error" not in asker.ask("p.plan", b"later", plan)[2]
    for number, more in ((1, {}), (2, {"Nats_Batch_Commit": "1"})):
        asker.ask("p.a", b"%d" % number, block(Nats_Batch_Id="b", Nats_Batch_Sequence=str(number), **more))


def read_back(server: ServerProcess) -> list[dict[str, Any]]:
    """What both streams have, and that their rules hold where they are now."""
    asker = Asker(server.host, server.port)
    found = [ask(asker, "STREAM.MSG.GET.N", {"seq": seq})["message"] for seq in (1, 2, 3)]
    found += [ask(asker, "STREAM.MSG.GET.P", {"seq": seq})["message"] for seq in (1, 2, 3)]
    found.append(json.loads(asker.ask("n.a", b"", block(Nats_Incr="+1"))[2]))
    found.append(json.loads(asker.ask("n.a", b"x")[2])["error"])
    asker.ask("p.b", b"", block(Nats_Batch_Id="c", Nats_Batch_Sequence="1"))
    last = block(Nats_Batch_Id="c", Nats_Batch_Sequence="2", Nats_Batch_Commit="1")
    found.append(json.loads(asker.ask("p.b", b"", last)[2]))
    soon = block(Nats_Schedule="@at 2000-01-01T00:00:00Z", Nats_Schedule_Target="p.out")
    asker.subscribe("told")
    consumer = {"durable_name": "C", "deliver_subject": "told", "filter_subject": "p.out", "ack_policy": "none"}
    ask(asker, "CONSUMER.DURABLE.CREATE.P.C", {"stream_name": "P", "config": consumer})
    assert ask(asker, "STREAM.MSG.GET.P", {"last_by_subj": "p.plan"})["message"]["seq"] == 1
    asker.ask("p.plan", b"now", soon)
    assert asker.next_with_reply()[2] == b"now"
    asker.close()
    return found


@pytest.mark.parametrize("go", GO)
def test_counters_batches_and_schedules_move_to_natsd_and_back(
    jetstreams: WithJetStream, go: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    theirs, ours = jetstreams.start(go), jetstreams.start("natsd")
    asker = Asker(theirs.host, theirs.port)
    count_and_plan(asker)
    there = Inside(f"nats://{theirs.host}:{theirs.port}", capfd)
    here = Inside(f"nats://{ours.host}:{ours.port}", capfd)
    for name in ("N", "P"):
        there.ok("stream", "backup", name, str(tmp_path / "to" / name), "--no-progress")
        here.ok("stream", "restore", str(tmp_path / "to" / name), "--no-progress")
        here.ok("stream", "backup", name, str(tmp_path / "back" / name), "--no-progress")
        there.ok("stream", "rm", name, "--force")
        result = there.run("stream", "restore", str(tmp_path / "back" / name), "--no-progress")
        assert (result.code == 0) == (theirs.version >= TAKES_OURS)
        if result.code:
            there.ok("stream", "restore", str(tmp_path / "to" / name), "--no-progress")
    asker.close()
    assert read_back(ours) == read_back(theirs)
