"""What API level 2 has beyond level 1, asked of natsd and of the Go server alike."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from tests.jetstream.asker import Asker
from tests.jetstream.conftest import WithJetStream
from tests.jetstream.test_go import GO, Step, ask, create, play, put, update

S = 10**9
ALL = {"subjects_filter": ">"}


def counter(name: str, **config: object) -> Step:
    return create(name, allow_msg_counter=True, **config)


def incr(subject: str, by: str, payload: bytes = b"", **headers: str) -> Step:
    return put(subject, payload, Nats_Incr=by, **headers)


def messages(stream: str, *seqs: int) -> list[Step]:
    return [ask(f"STREAM.MSG.GET.{stream}", {"seq": seq}) for seq in seqs]


DIALOGUES: dict[str, list[Step]] = {
    "counters": [
        counter("A", subjects=["a.>"]),
        incr("a.1", "5"),
        incr("a.1", "+5"),
        incr("a.1", "-3"),
        incr("a.2", "9" * 30),
        incr("a.2", "1"),
        incr("a.2", "0"),
        *(incr("a.1", value) for value in ("", "x", "1.5", "0x1", "1_0", "- 1", "00012")),
        incr("a.1", "1", b"x"),
        put("a.1", b"x"),
        put("a.1", b"x", Other="y"),
        incr("a.1", "1", Nats_Expected_Stream="A"),
        incr("a.1", "1", Nats_Expected_Last_Sequence="6"),
        incr("a.1", "1", Nats_Expected_Last_Subject_Sequence="6"),
        incr("a.1", "1", Nats_Expected_Last_Subject_Sequence_Subject="a.1"),
        incr("a.1", "1", Nats_Expected_Last_Msg_Id="6"),
        incr("a.1", "1", Nats_Rollup="sub"),
        incr("a.1", "1", Nats_Msg_Id="i"),
        incr("a.1", "1", Nats_Msg_Id="i"),
        incr("a.1", "1", Nats_TTL="5"),
        incr("a.1", "1", Nats_Counter_Sources='{"x":{"y":"5"}}'),
        incr("a.1", "1"),
        *messages("A", *range(1, 12)),
        ask("STREAM.INFO.A", ALL),
        create("N", subjects=["n"]),
        incr("n", "1"),
        incr("n", "x"),
        counter("B", discard="new"),
        counter("B", allow_msg_ttl=True),
        counter("B", subject_delete_marker_ttl=S),
        counter("B", retention="workqueue"),
        counter("B", retention="interest"),
        counter("B", mirror={"name": "A"}),
        counter("B", pedantic=True, max_msgs_per_subject=1),
        incr("B", "4"),
        incr("B", "4"),
        ask("STREAM.INFO.B", ALL),
        update("A", subjects=["a.>"]),
        update("N", subjects=["n"], allow_msg_counter=True),
        update("A", subjects=["a.>"], allow_msg_counter=True, max_msgs=100),
    ],
    "sources of counters": [
        counter("A", subjects=["a.>"]),
        counter("B", subjects=["b.>"]),
        incr("a.1", "5"),
        incr("a.1", "6"),
        incr("b.1", "100"),
        counter("C", sources=[{"name": "A", "subject_transforms": [{"src": "a.>", "dest": "c.>"}]}], subjects=["c.>"]),
        ("until", "C", 2),
        incr("c.1", "1000"),
        *messages("C", 1, 2, 3),
        counter("D", sources=[{"name": "C"}]),
        ("until", "D", 3),
        *messages("D", 1, 2, 3),
        create("E", sources=[{"name": "A"}]),
        ("until", "E", 2),
        *messages("E", 1, 2),
        create("M", mirror={"name": "B"}),
        ("until", "M", 1),
        *messages("M", 1),
    ],
    "promotion of a mirror": [
        create("A", subjects=["a.*"]),
        put("a.1", b"m"),
        put("a.2", b"m", Nats_Msg_Id="x"),
        create("M", mirror={"name": "A"}),
        ("until", "M", 2),
        update("M", mirror={"name": "B"}),
        update("M", subjects=["m.*"]),
        put("m.1", b"n"),
        put("m.1", b"n", Nats_Msg_Id="x"),
        put("a.3"),
        ask("STREAM.INFO.M", ALL),
        update("M", subjects=["m.*"], mirror={"name": "A"}),
    ],
}


def readable(answer: Any) -> Any:
    """An answer with its message's header as text; the mark of a source has a sixth word since 2.15."""
    if isinstance(answer, dict) and "hdrs" in answer.get("message", {}):
        header = base64.b64decode(answer["message"]["hdrs"])
        answer["message"]["hdrs"] = re.sub(rb"(Nats-Stream-Source:( \S+){5}) \S+", rb"\1", header).decode()
    return answer


@pytest.mark.parametrize("go", GO)
@pytest.mark.parametrize("name", DIALOGUES)
def test_both_answer_alike(jetstreams: WithJetStream, go: Any, name: str) -> None:
    answers = []
    for form in ("natsd", go):
        server = jetstreams.start(form)
        asker = Asker(server.host, server.port)
        answers.append([readable(answer) for answer in play(asker, DIALOGUES[name])])
        asker.close()
    ours, theirs = answers
    steps = [step for step in DIALOGUES[name] if step[0] != "until"]
    differences = [(step, mine, his) for step, mine, his in zip(steps, ours, theirs, strict=True) if mine != his]
    assert differences == []
