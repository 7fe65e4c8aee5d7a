"""Pulling and ordered reading against a connection that answers by a script."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import pytest

from natsd.client.errors import NoResponders
from natsd.client.jetstream import JetStream
from natsd.client.message import Message, Subscription
from natsd.client.pulling import ConsumerGone, Ordered, Puller


class Peer:
    """What pulling needs of a connection. `script` is what comes for each pull request, in turn."""

    def __init__(self, script: list[list[tuple[bytes | None, bytes | None, bytes]]]) -> None:
        self.script = script
        self.reconnects = 0
        self.pulls: list[dict[str, Any]] = []
        self.created: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self._subs: dict[str, Subscription] = {}
        self._inboxes = 0

    def new_inbox(self) -> str:
        self._inboxes += 1
        return f"_INBOX.{self._inboxes}"

    def subscribe(self, subject: str) -> Subscription:
        sub = Subscription(self, 1, subject, None, deque())  # type: ignore[arg-type]
        self._subs[subject] = sub
        return sub

    def unsubscribe(self, sub: Subscription, after: int = 0) -> None:
        del self._subs[sub.subject]

    def next(self, queue: deque[Message], timeout_s: float | None) -> Message | None:
        return queue.popleft() if queue else None

    def now(self) -> float:
        return 0.0

    def take_error(self) -> None:
        return None

    def publish(self, subject: str, payload: bytes, reply: str) -> None:
        self.pulls.append(json.loads(payload))
        sub = self._subs[reply]
        for ack, header, body in self.script.pop(0) if self.script else []:
            sub.queue.append(Message(b"s", ack, header, body, sub))

    def request(self, subject: str, payload: bytes, headers: Any = None, timeout_s: float = 0.0) -> Message:
        answer: dict[str, Any] = {"success": True}
        if ".CREATE." in subject:
            self.created.append(json.loads(payload)["config"])
            answer = {"name": f"c{len(self.created)}", "num_pending": 3}
        else:
            self.deleted.append(subject)
        owner: Any = None
        return Message(b"r", None, None, json.dumps(answer).encode(), Subscription(owner, 1, "r", None, deque()))


def item(consumer_seq: int, stream_seq: int, pending: int = 0) -> tuple[bytes, None, bytes]:
    return f"$JS.ACK.S.C.1.{stream_seq}.{consumer_seq}.5.{pending}".encode(), None, b"m%d" % stream_seq


def status(line: bytes) -> tuple[None, bytes, bytes]:
    return None, b"NATS/1.0 " + line + b"\r\n\r\n", b""


def puller(peer: Peer, **options: Any) -> Puller:
    return Puller(JetStream(peer), "S", "C", 2, **options)  # type: ignore[arg-type]


def test_a_new_request_follows_when_the_last_one_is_used_up() -> None:
    peer = Peer([[item(1, 1), item(2, 2)], [item(3, 3)]])
    reader = puller(peer)
    assert [message.payload for message in (reader.next(1), reader.next(1), reader.next(1)) if message] == [
        b"m1",
        b"m2",
        b"m3",
    ]
    assert len(peer.pulls) == 2 and peer.pulls[0]["batch"] == 2 and peer.pulls[0]["expires"] == 30 * 10**9
    assert reader.next(1) is None and len(peer.pulls) == 2


def test_a_request_that_expired_is_renewed() -> None:
    peer = Peer([[status(b"408 Request Timeout")], [status(b"100 Idle Heartbeat"), item(1, 1)]])
    message = puller(peer).next(1)
    assert message is not None and message.payload == b"m1" and len(peer.pulls) == 2


def test_a_request_that_does_not_wait_ends_with_nothing() -> None:
    peer = Peer([[status(b"404 No Messages")]])
    assert puller(peer, no_wait=True).next(1) is None
    assert peer.pulls[0]["no_wait"] and "expires" not in peer.pulls[0]


def test_a_lost_connection_makes_requests_void() -> None:
    peer = Peer([[], [item(1, 1)]])
    reader = puller(peer)
    assert reader.next(1) is None
    peer.reconnects += 1
    assert reader.next(1) is not None and len(peer.pulls) == 2


def test_a_deleted_consumer_and_nobody_at_all() -> None:
    with pytest.raises(ConsumerGone, match="consumer deleted"):
        puller(Peer([[status(b"409 Consumer Deleted")]])).next(1)
    with pytest.raises(NoResponders):
        puller(Peer([[status(b"503")]])).next(1)


def test_ordered_reading_makes_a_new_consumer_at_a_gap() -> None:
    peer = Peer([[item(1, 1, 2), item(3, 3)], [item(1, 2, 1), item(2, 3)]])
    reader = Ordered(JetStream(peer), "S", {"filter_subject": "s", "opt_start_time": "x"}, 2)  # type: ignore[arg-type]
    assert reader.pending == 3
    seen = [reader.next(1) for _ in range(3)]
    assert [found[1].stream_seq for found in seen if found] == [1, 2, 3]
    assert len(peer.created) == 2 and peer.created[0]["ack_policy"] == "none" and peer.created[0]["mem_storage"]
    assert peer.created[1]["opt_start_seq"] == 2 and peer.created[1]["deliver_policy"] == "by_start_sequence"
    assert "opt_start_time" not in peer.created[1] and peer.created[1]["filter_subject"] == "s"
    reader.close()
    assert peer.deleted == ["$JS.API.CONSUMER.DELETE.S.c2"]


def test_ordered_reading_outlives_its_consumer() -> None:
    resets: list[int] = []
    peer = Peer([[item(1, 1), status(b"409 Consumer Deleted")], [item(1, 2)]])
    reader = Ordered(JetStream(peer), "S", None, 2, on_reset=lambda: resets.append(1))  # type: ignore[arg-type]
    assert [found[1].stream_seq for found in (reader.next(1), reader.next(1)) if found] == [1, 2]
    assert resets == [1]
