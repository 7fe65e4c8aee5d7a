"""JetStream of one account used from others, by imports of its API, its acknowledgements and its deliveries."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.jetstream.asker import Asker, tidy
from tests.jetstream.conftest import WithJetStream
from tests.places import FORMS

CONFIG = """
jetstream { max_mem: 64M, max_file: 64M }
accounts {
  A {
    jetstream { max_store: 1M, max_streams: 2, max_bytes_required: false }
    users [ {user: a, password: x} ]
    exports [
      {service: "$JS.API.>", response: stream}
      {service: "$JS.ACK.>"}
      {service: "orders.>"}
      {stream: "deliver.>"}
    ]
  }
  B {
    users [ {user: b, password: x} ]
    imports [
      {service: {account: A, subject: "$JS.API.>"}, to: "FROM.A.>"}
      {service: {account: A, subject: "$JS.ACK.>"}}
      {service: {account: A, subject: "orders.>"}}
      {stream: {account: A, subject: "deliver.>"}}
    ]
  }
  C {
    users [ {user: c, password: x} ]
    imports [
      {service: {account: A, subject: "$JS.API.>"}}
      {service: {account: A, subject: "$JS.ACK.>"}}
    ]
  }
  D { users [ {user: d, password: x} ] }
}
"""
Step = tuple[Any, ...]


def ask(user: str, subject: str, body: object = None) -> Step:
    return ("ask", user, subject, b"" if body is None else json.dumps(body).encode())


def pull(user: str, subject: str, count: int, **body: object) -> Step:
    """Ask a pull consumer, take so many messages and statuses, acknowledge and wait for the confirmation."""
    return ("pull", user, subject, json.dumps(body).encode(), count)


def consumer(name: str, **config: object) -> dict[str, object]:
    return {"stream_name": "ORDERS", "config": {"durable_name": name, "ack_policy": "explicit", **config}}


ORDERS = ask("a", "$JS.API.STREAM.CREATE.ORDERS", {"name": "ORDERS", "subjects": ["orders.>"], "allow_direct": True})
FILLED = [ORDERS, *(ask("a", f"orders.{n}", n) for n in range(5))]
NEXT = "CONSUMER.MSG.NEXT.ORDERS.P"
DIALOGUES: dict[str, list[Step]] = {
    "who has JetStream": [
        *(ask(user, f"$JS.API.{what}") for user in "abcd" for what in ("INFO", "STREAM.LIST", "STREAM.NAMES")),
        *(ask(user, f"$JS.API.CONSUMER.{what}.ORDERS") for user in "abd" for what in ("NAMES", "LIST")),
        ask("b", "FROM.A.INFO"),
        ask("d", "FROM.A.INFO"),
    ],
    "limits of the account": [
        ask("a", "$JS.API.INFO"),
        ask("b", "FROM.A.STREAM.CREATE.S", {"name": "S"}),
        ask("c", "$JS.API.STREAM.CREATE.T", {"name": "T", "max_bytes": 2_000_000}),
        ask("c", "$JS.API.STREAM.CREATE.T", {"name": "T", "max_bytes": 1000}),
        ask("b", "FROM.A.STREAM.CREATE.U", {"name": "U"}),
        ask("b", "FROM.A.INFO"),
        ask("b", "FROM.A.STREAM.NAMES"),
    ],
    "publishing and asking": [
        ask("b", "FROM.A.STREAM.CREATE.ORDERS", {"name": "ORDERS", "subjects": ["orders.>"]}),
        ask("b", "orders.1", "x"),
        ask("b", "FROM.A.STREAM.MSG.GET.ORDERS", {"seq": 1}),
        ask("c", "$JS.API.STREAM.MSG.GET.ORDERS", {"seq": 1}),
        ask("b", "FROM.A.STREAM.PURGE.ORDERS"),
        ask("c", "$JS.API.STREAM.DELETE.ORDERS"),
    ],
    "pulling": [
        *FILLED,
        ask("b", "FROM.A.CONSUMER.DURABLE.CREATE.ORDERS.P", consumer("P")),
        pull("b", f"FROM.A.{NEXT}", 2, batch=2),
        pull("c", f"$JS.API.{NEXT}", 2, batch=2),
        pull("b", f"FROM.A.{NEXT}", 2, batch=5, no_wait=True),
        ask("c", f"$JS.API.{NEXT}", {"batch": 1, "no_wait": True}),
        ask("a", "$JS.API.CONSUMER.INFO.ORDERS.P"),
    ],
    "being pushed to": [
        *FILLED,
        ("subscribe", "b2", "deliver.x"),
        ask("b", "FROM.A.CONSUMER.DURABLE.CREATE.ORDERS.Q", consumer("Q", deliver_subject="deliver.x")),
        ("acks", "b2", 5),
        ask("a", "$JS.API.CONSUMER.INFO.ORDERS.Q"),
    ],
    "direct get": [
        *FILLED,
        ask("b", "FROM.A.DIRECT.GET.ORDERS", {"seq": 2}),
        ask("c", "$JS.API.DIRECT.GET.ORDERS", {"last_by_subj": "orders.3"}),
        ask("c", "$JS.API.DIRECT.GET.ORDERS.orders.4"),
        ask("d", "$JS.API.DIRECT.GET.ORDERS", {"seq": 2}),
    ],
}


def play(askers: dict[str, Asker], steps: list[Step]) -> list[Any]:
    answers: list[Any] = []
    for kind, user, *rest in steps:
        asker = askers[user]
        if kind == "ask":
            answers.append(tidy(asker.ask(*rest)))
        elif kind == "subscribe":
            asker.subscribe(*rest)
        else:
            if kind == "pull":
                subject, body, count = rest
                asker.publish(subject, body, reply=f"_INBOX.{user}.pull")
            else:
                (count,) = rest
            acks: list[str] = []
            while count:
                subject, reply, payload = asker.next_with_reply()
                count -= 1
                answers.append((subject, reply.split(".")[:7], payload))
                acks.append(reply)
            answers += [tidy(asker.ask(reply, b"+ACK")) for reply in acks if reply]
    return answers


GO = [form for form in FORMS if form != "natsd"]


@pytest.mark.parametrize("go", GO)
@pytest.mark.parametrize("name", DIALOGUES)
def test_both_answer_alike(jetstreams: WithJetStream, go: Any, name: str) -> None:
    answers = []
    for form in ("natsd", go):
        server = jetstreams.start(form, CONFIG)
        askers = {
            user: Asker(server.host, server.port, user[0], f"_INBOX.{user}") for user in ("a", "b", "b2", "c", "d")
        }
        answers.append(play(askers, DIALOGUES[name]))
        for asker in askers.values():
            asker.close()
    assert [(mine, his) for mine, his in zip(*answers, strict=True) if mine != his] == []
