"""The same requests to natsd and to the Go server, and the same answers but for what belongs to one server.

Texts about broken JSON name our records, and Go's name its own; so only the code of these is compared.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.jetstream.asker import Asker, tidy
from tests.jetstream.conftest import WithJetStream
from tests.places import FORMS

API = "$JS.API."
Step = tuple[Any, ...]


def block(**headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"NATS/1.0\r\n{lines}\r\n".encode()


def ask(subject: str, body: object = None) -> Step:
    payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return ("ask", API + subject, payload)


def create(name: str, **config: object) -> Step:
    return ask(f"STREAM.CREATE.{name}", {"name": name, **config})


def update(name: str, **config: object) -> Step:
    return ask(f"STREAM.UPDATE.{name}", {"name": name, **config})


def put(subject: str, payload: bytes = b"", **headers: str) -> Step:
    return ("ask", subject, payload, block(**headers) if headers else None)


def many(subject: str, body: object) -> Step:
    return ("many", f"{API}DIRECT.GET.{subject}", json.dumps(body).encode())


S = 10**9
DIALOGUES: dict[str, list[Step]] = {
    "compression": [
        create("A", subjects=["a.>"], storage="file", compression="s2", max_bytes=3000),
        create("M", subjects=["m.>"], storage="memory", compression="s2"),
        create("X", subjects=["x.>"], compression="S2"),
        create("X", subjects=["x.>"], compression="zstd"),
        *[put(f"{name}.{n}", b"words " * 100, **{"Nats-Msg-Id": str(n)}) for n in range(7) for name in "am"],
        ask("STREAM.INFO.A"),
        ask("STREAM.INFO.M"),
        ask("STREAM.MSG.GET.A", {"last_by_subj": "a.5"}),
        update("A", subjects=["a.>"], storage="file", compression="none", max_bytes=3000),
        put("a.9", b"words " * 100),
        ask("STREAM.INFO.A"),
        ask("STREAM.MSG.GET.A", {"seq": 7}),
        ask("STREAM.MSG.GET.A", {"seq": 8}),
        update("A", subjects=["a.>"], storage="file", compression="s2", max_bytes=1500),
        ask("STREAM.INFO.A"),
        ask("STREAM.PURGE.A", {"keep": 1}),
        ask("STREAM.INFO.A"),
    ],
    "an empty account": [
        ask("INFO"),
        ask("STREAM.NAMES"),
        ask("STREAM.LIST"),
        ask("STREAM.INFO.X"),
        ask("STREAM.DELETE.X"),
        ask("STREAM.CREATE.A"),
        ask("STREAM.CREATE.A", b"[]"),
        ask("STREAM.CREATE.A", b"{"),
        ask("DIRECT.GET.X", {"seq": 1}),
        ask("STREAM.LEADER.STEPDOWN.C"),
        ask("STREAM.PEER.REMOVE.C", {"peer": "x"}),
        ask("CONSUMER.LEADER.STEPDOWN.A.B"),
    ],
    "configurations": [
        create("A", subjects=["a.>"]),
        create("A", subjects=["a.>"]),
        create("A", subjects=["a.>"], max_msgs=5),
        create("B", subjects=["a.x"]),
        create("C"),
        create("D", subjects=[">"]),
        create("D", subjects=["$JS.API.>"]),
        create("D", subjects=["$SYS.x"]),
        create("D", subjects=["a b"]),
        create("D", subjects=["d", "d"]),
        create("D", subjects=["d.*", "d.x"]),
        create("D", max_age=-1),
        create("D", max_age=10),
        create("D", duplicate_window=10),
        create("D", max_age=S, duplicate_window=2 * S),
        create("E", num_replicas=3),
        create("E", num_replicas=9),
        create("E", num_replicas=-1),
        create("E", retention="x"),
        create("E", sealed=True),
        create("E", mirror_direct=True),
        create("E", deny_purge=True, allow_rollup_hdrs=True),
        create("E", discard_new_per_subject=True),
        create("E", discard="new", discard_new_per_subject=True),
        create("E", subject_delete_marker_ttl=5),
        create("E", subject_delete_marker_ttl=S),
        create("F", pedantic=True, max_msgs=-5),
        create("F", description="x" * 5000),
        create("F", republish={"src": "F", "dest": "r"}),
        create("G", subject_transform={"src": "G", "dest": "g.t"}),
        create("M", mirror={"name": "A"}, subjects=["x"]),
        create("M", mirror={"name": "A"}, sources=[{"name": "A"}]),
        create("M", mirror={"name": ""}),
        create("M", mirror={"name": "A"}, first_seq=5),
        create("O", sources=[{"name": "A"}, {"name": "A"}]),
        create("P", placement={"preferred": "x"}),
        create("P", placement={"cluster": "x", "tags": ["a"]}),
        create("Q", first_seq=100),
        create("R", foo=1),
        ask("STREAM.CREATE.R", b'{"name":"R","max_msgs":null,"MAX_BYTES":1000}'),
        create("T", max_msgs="5"),
        create("T", max_msgs=1.5),
        create("T", max_msgs=10**20),
        create("n" * 300),
        create("V", persist_mode="async", storage="memory"),
        create("V", persist_mode="async"),
        update("V", subjects=["V"]),
    ],
    "publishing": [
        create("A", subjects=["a.>"]),
        put("a.1", b"hello"),
        put("a.2", b"hello", Nats_Msg_Id="x"),
        put("a.2", b"hello", Nats_Msg_Id="x"),
        put("a.2", Nats_Expected_Stream="B"),
        put("a.2", Nats_Expected_Last_Sequence="9"),
        put("a.2", Nats_Expected_Last_Sequence="2"),
        put("a.2", Nats_Expected_Last_Subject_Sequence="1"),
        put("a.9", Nats_Expected_Last_Subject_Sequence="0"),
        put("a.2", Nats_Expected_Last_Msg_Id="q"),
        put("a.2", Nats_Rollup="sub"),
        put("a.2", Nats_TTL="5"),
        put("a.2", Nats_Stream_Source="5"),
        put("a.2", Nats_Expected_Last_Subject_Sequence_Subject="a.1"),
        ask("STREAM.INFO.A", {"subjects_filter": ">"}),
        create("N", subjects=["n.*"], discard="new", max_msgs=1),
        put("n.1"),
        put("n.1"),
        create("P", subjects=["p.*"], discard="new", max_msgs_per_subject=1, discard_new_per_subject=True),
        put("p.1"),
        put("p.1"),
        put("p.2"),
        create("L", subjects=["l.*"], max_msg_size=10),
        put("l.1", b"x" * 10),
        put("l.1", b"x" * 11),
        create("I", subjects=["i.*"], retention="interest"),
        put("i.1"),
        ask("STREAM.INFO.I"),
        create("F", subjects=["f.*"], first_seq=50),
        ask("STREAM.INFO.F"),
        put("f.1"),
        ask("STREAM.INFO.F"),
        create("T", subjects=["t.*"], allow_msg_ttl=True),
        put("t.1", Nats_TTL="never"),
        put("t.1", Nats_TTL="0"),
        put("t.1", Nats_TTL="10ms"),
        put("t.1", Nats_TTL="x"),
    ],
    "messages": [
        create("A", subjects=["a.>"], allow_direct=True, allow_rollup_hdrs=True),
        put("a.1", b"one"),
        put("a.2", b"two", X="y"),
        put("a.3", b"3"),
        put("a.1", b"one2"),
        *(ask("STREAM.MSG.GET.A", body) for body in ({"seq": 1}, {"seq": 99}, {"last_by_subj": "a.*"}, {})),
        ask("STREAM.MSG.GET.A", {"batch": 1}),
        ask("STREAM.MSG.GET.A", {"seq": 2, "next_by_subj": "a.1"}),
        *(
            ask("DIRECT.GET.A", body)
            for body in ({"seq": 2}, {"last_by_subj": "a.2"}, {"next_by_subj": "a.1", "seq": 2}, b"x", {}, b"")
        ),
        ask("DIRECT.GET.A.a.1"),
        ask("DIRECT.GET.A.a.9"),
        ask("DIRECT.GET.A.a.1", {"seq": 1}),
        many("A", {"seq": 1, "batch": 2}),
        many("A", {"seq": 1, "batch": 20, "next_by_subj": "a.1"}),
        many("A", {"multi_last": ["a.*"]}),
        many("A", {"multi_last": ["a.1", "a.2"], "up_to_seq": 2}),
        many("A", {"seq": 1, "batch": 20, "max_bytes": 5}),
        ask("STREAM.MSG.DELETE.A", {"seq": 2}),
        ask("STREAM.MSG.DELETE.A", {"seq": 2}),
        ask("STREAM.MSG.DELETE.A", {"seq": 99}),
        ask("STREAM.MSG.DELETE.A"),
        ask("STREAM.INFO.A", {"deleted_details": True}),
        ask("STREAM.PURGE.A", {"seq": 1, "keep": 1}),
        ask("STREAM.PURGE.A", {"filter": "a.1", "keep": 1}),
        put("a.1", b"r", Nats_Rollup="all"),
        ask("STREAM.INFO.A", {"deleted_details": True, "subjects_filter": ">"}),
        ask("STREAM.PURGE.A", {"seq": 100}),
        ask("STREAM.INFO.A"),
        ask("STREAM.PURGE.A"),
        update("A", subjects=["a.>"], storage="memory"),
        update("A", subjects=["a.>"], retention="workqueue"),
        update("A", subjects=["a.>"], deny_delete=True),
        update("A", subjects=["a.>"]),
        update("A", subjects=["a.>"], deny_delete=True, sealed=True),
        put("a.1"),
        ask("STREAM.PURGE.A"),
        ask("STREAM.DELETE.A", b"x"),
        ask("STREAM.DELETE.A"),
    ],
    "mirrors and sources": [
        create("A", subjects=["a.*"]),
        put("a.1", b"m"),
        put("a.2", b"m"),
        create("M", mirror={"name": "A"}),
        create("O", sources=[{"name": "A", "subject_transforms": [{"src": "a.*", "dest": "o.$1"}]}]),
        ("until", "M", 2),
        ("until", "O", 2),
        ask("STREAM.INFO.M", {"subjects_filter": ">"}),
        ask("STREAM.MSG.GET.M", {"seq": 2}),
        update("M"),
        update("M", subjects=["m"]),
    ],
}


def play(asker: Asker, steps: list[Step]) -> list[Any]:
    answers = []
    for kind, *words in steps:
        if kind == "many":
            answers.append([tidy(reply) for reply in asker.ask_many(*words)])
        elif kind == "seen":
            name, seq = words
            ends = time.monotonic() + 10
            while time.monotonic() < ends:
                if b'"error"' not in asker.ask(f"{API}STREAM.MSG.GET.{name}", b'{"seq":%d}' % seq)[2]:
                    break
                time.sleep(0.05)
        elif kind == "until":
            name, messages = words
            ends = time.monotonic() + 10
            while time.monotonic() < ends:
                state = json.loads(asker.ask(f"{API}STREAM.INFO.{name}")[2])["state"]
                if state["messages"] == messages:
                    break
                time.sleep(0.05)
        else:
            answers.append(_without_texts(tidy(asker.ask(*words))))
    return answers


def _without_texts(answer: Any) -> Any:
    if isinstance(answer, dict):
        answer.get("cluster", {}).pop("leader", None)
        answer.pop("mirror", None)
        answer.pop("sources", None)
        if answer.get("error", {}).get("err_code") == 10025:
            answer["error"]["description"] = "*"
        answer.pop("api", None)
        if "did_create" in answer and not {"sources", "mirror"}.isdisjoint(answer["config"]):
            answer.pop("state")  # ours may have begun already
    return answer


GO = [form for form in FORMS if form != "natsd"]


@pytest.mark.parametrize("go", GO)
@pytest.mark.parametrize("name", DIALOGUES)
def test_both_answer_alike(jetstreams: WithJetStream, go: Any, name: str) -> None:
    answers = []
    for form in ("natsd", go):
        server = jetstreams.start(form)
        asker = Asker(server.host, server.port)
        answers.append(play(asker, DIALOGUES[name]))
        asker.close()
    ours, theirs = answers
    steps = [step for step in DIALOGUES[name] if step[0] != "until"]
    differences = [(step, mine, his) for step, mine, his in zip(steps, ours, theirs, strict=True) if mine != his]
    assert differences == []
