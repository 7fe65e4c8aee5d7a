"""What API level 2 has beyond level 1, asked of natsd and of the Go server alike."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from tests.jetstream.asker import Asker
from tests.jetstream.conftest import WithJetStream
from tests.jetstream.test_go import GO, Step, ask, block, create, play, put, update

S = 10**9
ALL = {"subjects_filter": ">"}


def counter(name: str, **config: object) -> Step:
    return create(name, allow_msg_counter=True, **config)


def incr(subject: str, by: str, payload: bytes = b"", **headers: str) -> Step:
    return put(subject, payload, Nats_Incr=by, **headers)


def part(subject: str, batch: str, number: object, payload: bytes = b"", commit: str = "", **headers: str) -> Step:
    """A message of a batch."""
    last = {"Nats_Batch_Commit": commit} if commit else {}
    return put(subject, payload, Nats_Batch_Id=batch, Nats_Batch_Sequence=str(number), **last, **headers)


def whole(batch: str, *messages: tuple[str, bytes, dict[str, str]]) -> list[Step]:
    return [
        part(subject, batch, number, payload, "1" if number == len(messages) else "", **headers)
        for number, (subject, payload, headers) in enumerate(messages, 1)
    ]


def one(subject: str, payload: bytes = b"x", **headers: str) -> tuple[str, bytes, dict[str, str]]:
    return subject, payload, headers


def batched(name: str, **config: object) -> Step:
    return create(name, allow_atomic=True, **config)


def planned(name: str, **config: object) -> Step:
    return create(name, allow_msg_schedules=True, **config)


def plan(subject: str, text: str, target: str = "a.t", payload: bytes = b"x", **headers: str) -> Step:
    return put(subject, payload, Nats_Schedule=text, Nats_Schedule_Target=target, **headers)


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
    "batches": [
        batched("A", subjects=["a.>"], allow_msg_ttl=True, allow_rollup_hdrs=True),
        *whole("one", one("a.1")),
        *whole("two", one("a.1"), one("a.2", b"yy", X="y"), one("a.1", Nats_Msg_Id="i")),
        *whole("ids", one("a.1", Nats_Msg_Id="j"), one("a.1", Nats_Msg_Id="j")),
        *whole("ids", one("a.1"), one("a.1", Nats_Msg_Id="i")),
        put("a.1", b"x", Nats_Msg_Id="i"),
        *whole("x" * 64, one("a.1")),
        *whole("x" * 65, one("a.1")),
        part("a.1", "b", ""),
        part("a.1", "b", "x"),
        part("a.1", "b", 0),
        part("a.1", "b", 2),
        part("a.1", "b", 1001),
        part("a.1", "b", 1),
        part("a.1", "b", 3),
        part("a.1", "b", 2),
        part("a.1", "b", 1),
        part("a.1", "b", 1),
        part("a.1", "b", 1, commit="2"),
        part("a.1", "b", 1),
        part("a.1", "b", 2, commit="eob"),
        part("a.1", "b", 1, commit="eob"),
        *whole("level", one("a.1", Nats_Required_Api_Level="9")),
        *whole("level", one("a.1", Nats_Required_Api_Level="1")),
        *whole("id", one("a.1", Nats_Expected_Last_Msg_Id="i"), one("a.2")),
        *whole("stream", one("a.1", Nats_Expected_Stream="B")),
        *whole("ttl", one("a.1", Nats_TTL="x")),
        *whole("ttl", one("a.1", Nats_TTL="100s"), one("a.1", Nats_TTL="never")),
        *whole("source", one("a.1", Nats_Stream_Source="x")),
        *whole("incr", one("a.1", Nats_Incr="1")),
        ask("STREAM.INFO.A", ALL),
        *whole("seq", one("a.1", Nats_Expected_Last_Sequence="2")),
        *whole("seq", one("a.1", Nats_Expected_Last_Sequence="9"), one("a.1")),
        *whole("seq", one("a.1"), one("a.1", Nats_Expected_Last_Sequence="11")),
        *whole("seq", one("a.1"), one("a.1", Nats_Expected_Last_Sequence="12")),
        *whole("sub", one("a.3", Nats_Expected_Last_Subject_Sequence="0"), one("a.3")),
        *whole("sub", one("a.3", Nats_Expected_Last_Subject_Sequence="0"), one("a.3")),
        *whole("sub", one("a.3"), one("a.3", Nats_Expected_Last_Subject_Sequence="0")),
        *whole(
            "subs",
            one("a.5", Nats_Expected_Last_Subject_Sequence="0", Nats_Expected_Last_Subject_Sequence_Subject="a.9"),
            one("a.6", Nats_Expected_Last_Subject_Sequence="1", Nats_Expected_Last_Subject_Sequence_Subject="a.9"),
        ),
        *whole("subs", one("a.5", Nats_Expected_Last_Subject_Sequence_Subject="a.9")),
        *whole("roll", one("a.1"), one("a.1", Nats_Rollup="sub")),
        *whole("roll", one("a.1"), one("a.2", Nats_Rollup="all")),
        *whole("roll", one("a.1"), one("a.2", Nats_Rollup="x")),
        *whole("roll", one("a.1", Nats_Rollup="sub"), one("a.1", b"z"), one("a.2", Nats_Rollup="sub")),
        ask("STREAM.INFO.A", ALL),
        *messages("A", *range(1, 25)),
        *whole("roll", one("a.1", Nats_Rollup="all"), one("a.1", b"z")),
        ask("STREAM.INFO.A", ALL),
        create("N", subjects=["n"]),
        *whole("b", one("n")),
        batched("L", subjects=["l.*"], max_msgs=3, discard="new"),
        *whole("b", one("l.1"), one("l.1"), one("l.1"), one("l.1")),
        *whole("b", one("l.1"), one("l.1"), one("l.1")),
        *whole("b", one("l.1")),
        batched("P", subjects=["p.*"], max_msgs_per_subject=1, discard="new", discard_new_per_subject=True),
        *whole("b", one("p.1"), one("p.1")),
        *whole("b", one("p.1"), one("p.2")),
        *whole("b", one("p.3"), one("p.2")),
        batched("O", subjects=["o.*"], max_msgs=2),
        *whole("b", one("o.1"), one("o.2"), one("o.3")),
        ask("STREAM.INFO.O", ALL),
        batched("S", subjects=["s.*"], max_msg_size=100),
        *whole("b", one("s.1"), one("s.1", b"x" * 200)),
        batched("I", subjects=["i.*"], retention="interest"),
        *whole("b", one("i.1"), one("i.1")),
        ask("STREAM.INFO.I", ALL),
        batched("T", subjects=["t.*"], subject_transform={"src": "t.*", "dest": "u.$1"}),
        *whole("b", one("t.1"), one("t.1", Nats_Expected_Last_Subject_Sequence="0")),
        *whole("b", one("t.1"), one("t.2")),
        ask("STREAM.INFO.T", ALL),
        batched("C", subjects=["c.*"], allow_msg_counter=True),
        *whole("b", one("c.1", b"", Nats_Incr="1"), one("c.1", b"", Nats_Incr="2"), one("c.2", b"", Nats_Incr="5")),
        *whole("b", one("c.1", b"", Nats_Incr="1"), one("c.1", b"")),
        *whole("b", one("c.1", b"", Nats_Incr="1"), one("c.1", b"x", Nats_Incr="1")),
        *messages("C", 1, 2, 3),
        batched("X", persist_mode="async"),
        batched("X", mirror={"name": "A"}),
        batched("X", sources=[{"name": "O"}]),
        ("until", "X", 2),
        ask("STREAM.INFO.X", ALL),
        *messages("X", 1, 2),
        update("A", subjects=["a.>"], allow_msg_ttl=True),
        *whole("b", one("a.1")),
        update("A", subjects=["a.>"], allow_msg_ttl=True, allow_atomic=True),
        *whole("b", one("a.1")),
        update("A", subjects=["a.>"], allow_msg_ttl=True, allow_atomic=True, sealed=True),
        *whole("b", one("a.1")),
    ],
    "schedules": [
        planned("A", subjects=["a.>"], allow_msg_ttl=True),
        plan("a.s", "@at 2999-01-01T00:00:00Z"),
        put("a.s", b"no schedule"),
        *messages("A", 1, 2),
        *(
            plan("a.s", text)
            for text in (
                "@at",
                "@at 2999-13-01T00:00:00Z",
                "@at x",
                "@every",
                "@every 10",
                "@every 999ms",
                "@every 1000h",
                "@every -5s",
                "@hourly",
                "@Hourly",
                "@yearly",
                "@annually",
                "@monthly",
                "@weekly",
                "@daily",
                "@midnight",
                "* * * * *",
                "0 0 0 1 1 * *",
                "60 0 0 1 1 *",
                "0 60 0 1 1 *",
                "0 0 24 1 1 *",
                "0 0 0 32 1 *",
                "0 0 0 0 1 *",
                "0 0 0 1 13 *",
                "0 0 0 1 1 7",
                "0 0 0 30 2 *",
                "0 0 0 30 FEB *",
                "0 0 0 ? jan-MAR Mon",
                "0 0 0 ? jan-MAR Mon-x",
                "0 0-5-6 0 1 1 *",
                "0 0/5/6 0 1 1 *",
                "0 0/0 0 1 1 *",
                "0 5-1 0 1 1 *",
                "0 5/10,20-30/2,*/7 0 1 1 *",
                "0 -1 0 1 1 *",
                "0 , 0 1 1 *",
                "0 1, 0 1 1 *",
                "0 +1 0 1 1 *",
                "0 */1 0 1 1 *",
                "",
            )
        ),
        plan("a.s", "@hourly", Nats_Schedule_Time_Zone="Europe/Berlin"),
        plan("a.s", "@hourly", Nats_Schedule_Time_Zone="Nowhere/Land"),
        plan("a.s", "@hourly", Nats_Schedule_Time_Zone="UTC"),
        plan("a.s", "@hourly", Nats_Schedule_Time_Zone=""),
        plan("a.s", "@every 5s", Nats_Schedule_Time_Zone="UTC"),
        plan("a.s", "@at 2999-01-01T00:00:00Z", Nats_Schedule_Time_Zone="UTC"),
        *(plan("a.s", "@hourly", target) for target in ("", "a.s", "a.*", "b", "a..b", "a b", "a.>")),
        *(plan("a.s", "@hourly", Nats_Schedule_TTL=ttl) for ttl in ("", "5s", "5ms", "x", "never", "0")),
        *(plan("a.s", "@hourly", Nats_Schedule_Source=source) for source in ("", "a.s", "a.t", "a.x", "b", "a.*")),
        *(plan("a.s", "@hourly", Nats_Schedule_Rollup=rollup) for rollup in ("", "sub", "all")),
        *(plan("a.s", "@hourly", Nats_Rollup=rollup) for rollup in ("sub", "all", "x")),
        put("a.s", Nats_Scheduler="a.x"),
        put("a.s", Nats_Scheduler="a.x", Nats_Schedule_Next="x"),
        put("a.s", Nats_Schedule_Next="purge"),
        put("a.s", Nats_Schedule_Next="purge", Nats_Scheduler="a.s"),
        put("a.s", Nats_Schedule_Next="purge", Nats_Scheduler="a.*"),
        put("a.t", b"x"),
        put("a.s", Nats_Schedule_Next="purge", Nats_Scheduler="a.t"),
        put("a.t", Nats_Schedule_Next="purge", Nats_Scheduler="a.s"),
        put("a.t", Nats_Schedule_Next="purge", Nats_Scheduler="a.nobody"),
        ask("STREAM.INFO.A", ALL),
        create("N", subjects=["n.*"]),
        plan("n.s", "@hourly", "n.t"),
        plan("n.s", "x", "n.t"),
        plan("n.s", "", "n.t"),
        put("n.s", Nats_Schedule_Next="purge", Nats_Scheduler="n.t"),
        put("n.s", Nats_Scheduler="n.t"),
        planned("T", subjects=["t.*"]),
        plan("t.s", "@hourly", "t.t", Nats_Schedule_TTL="5s"),
        planned("X", discard="new"),
        planned("X", mirror={"name": "N"}),
        planned("X", sources=[{"name": "N"}]),
        planned("X", pedantic=True),
        planned("X", allow_msg_counter=True),
        planned("X", deny_purge=True),
        ask("STREAM.INFO.X"),
        update("N", subjects=["n.*"], allow_msg_schedules=True),
        update("N", subjects=["n.*"]),
    ],
    "schedules that come due": [
        planned("A", subjects=["a.>", "p.>"], allow_msg_ttl=True, allow_atomic=True),
        put("a.o", b"other", X="z", Nats_Msg_Id="o"),
        plan("p.1", "@at 2020-01-01T00:00:00Z", "a.1", b"one", Y="y", Nats_Msg_Id="i", Nats_Schedule_TTL="1h"),
        ("seen", "A", 3),
        plan("p.2", "@at 2020-01-01T00:00:00Z", "a.2", Nats_Schedule_Source="a.o", Nats_Schedule_Rollup="sub"),
        ("seen", "A", 5),
        *whole("b", one("p.3", Nats_Schedule="@at 2020-01-01T00:00:00Z", Nats_Schedule_Target="a.3"), one("p.3")),
        *whole("c", one("p.3", Nats_Schedule="@at 2020-01-01T00:00:00Z", Nats_Schedule_Target="a.3"), one("a.4")),
        ("seen", "A", 10),
        ask("STREAM.INFO.A", {"deleted_details": True, **ALL}),
        *messages("A", *range(1, 12)),
        plan("p.5", "@every 1s", "a.5", b"again"),
        ("seen", "A", 12),
        put("a.stop", Nats_Schedule_Next="purge", Nats_Scheduler="p.5"),
        ask("STREAM.INFO.A", {"deleted_details": True, **ALL}),
        *messages("A", *range(11, 14)),
    ],
    "a required level": [
        create("A", subjects=["a.*"], allow_direct=True),
        put("a.1", b"x"),
        ask("CONSUMER.CREATE.A.c", {"stream_name": "A", "config": {"durable_name": "c", "filter_subject": "a.2"}}),
        *(
            ("ask", f"$JS.API.{subject}", body, block(Nats_Required_Api_Level=level))
            for level in ("0", "2", "99", "-1", "x", "")
            for subject, body in (
                ("STREAM.INFO.A", b""),
                ("STREAM.NAMES", b""),
                ("STREAM.MSG.GET.A", b'{"seq":1}'),
                ("DIRECT.GET.A", b'{"seq":1}'),
                ("DIRECT.GET.A.a.1", b""),
                ("CONSUMER.MSG.NEXT.A.c", b'{"no_wait":true,"batch":1}'),
            )
        ),
    ],
    "roll-ups that nobody is interested in": [
        create("I", subjects=["i.*"], retention="interest", allow_rollup_hdrs=True),
        ask("CONSUMER.CREATE.I.c", {"stream_name": "I", "config": {"durable_name": "c", "filter_subject": "i.1"}}),
        put("i.1", b"x"),
        put("i.2", b"y", Nats_Rollup="sub"),
        ask("STREAM.INFO.I", ALL),
        put("i.2", b"y", Nats_Rollup="all"),
        ask("STREAM.INFO.I", ALL),
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
    """An answer with its message's header as text, without the time there.

    The mark of a source has a sixth word since 2.15.
    """
    if isinstance(answer, dict) and "hdrs" in answer.get("message", {}):
        header = base64.b64decode(answer["message"]["hdrs"])
        header = re.sub(rb"(Nats-Schedule-Next: )2\S+", rb"\1T", header)
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
    steps = [step for step in DIALOGUES[name] if step[0] not in ("until", "seen")]
    differences = [(step, mine, his) for step, mine, his in zip(steps, ours, theirs, strict=True) if mine != his]
    assert differences == []
