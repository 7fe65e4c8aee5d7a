"""Values under keys, against a JetStream that keeps them in memory."""

from __future__ import annotations

import base64
from collections import deque
from typing import Any

import pytest

from natsd.client import key_value
from natsd.client.bucket import BucketNotFound
from natsd.client.headers import render_headers
from natsd.client.jetstream import ApiError, Meta
from natsd.client.key_value import Bucket, KeyNotFound, WrongRevision
from natsd.client.message import Message, Subscription

Pairs = list[tuple[str, str]]


class Memory:
    """What a bucket needs of JetStream. The number of a message is its place."""

    prefix = "$JS.API"
    timeout_s = 0.1

    def __init__(self, **config: Any) -> None:
        self.config = {"max_msgs_per_subject": 5, **config}
        self.kept: list[tuple[str, bytes, Pairs]] = []
        self.purged: list[dict[str, Any]] = []

    def stream_info(self, name: str) -> dict[str, Any]:
        if name != "KV_B":
            raise ApiError(404, 10059, "stream not found")
        return {"config": self.config}

    def publish(self, subject: str, payload: bytes, headers: Pairs | None = None) -> dict[str, Any]:
        expected = dict(headers or ()).get("Nats-Expected-Last-Subject-Sequence")
        last = max((at for at, one in enumerate(self.kept, 1) if one[0] == subject), default=0)
        if expected is not None and int(expected) != last:
            raise ApiError(400, 10071, f"wrong last sequence: {last}")
        self.kept.append((subject, payload, headers or []))
        return {"seq": len(self.kept)}

    def _find(self, seq: int = 0, last_by_subj: str = "") -> int:
        at = seq or max((at for at, one in enumerate(self.kept, 1) if one[0] == last_by_subj), default=0)
        if not 0 < at <= len(self.kept):
            raise ApiError(404, 10037, "no message found")
        return at

    def get_message(self, name: str, **body: Any) -> dict[str, Any]:
        at = self._find(**body)
        subject, payload, headers = self.kept[at - 1]
        raw = {
            "subject": subject,
            "seq": at,
            "data": base64.b64encode(payload).decode(),
            "time": "2026-01-02T03:04:05Z",
        }
        return raw | ({"hdrs": base64.b64encode(render_headers(headers)).decode()} if headers else {})

    def direct_get(self, name: str, **body: Any) -> Message:
        at = self._find(**body)
        subject, payload, headers = self.kept[at - 1]
        more = [("Nats-Subject", subject), ("Nats-Sequence", str(at)), ("Nats-Time-Stamp", "2026-01-02T03:04:05Z")]
        return message(subject, render_headers([*headers, *more]), payload)

    def purge_stream(self, name: str, **body: Any) -> int:
        self.purged.append(body)
        return 1


def message(subject: str, header: bytes | None, payload: bytes) -> Message:
    owner: Any = None
    return Message(subject.encode(), None, header, payload, Subscription(owner, 1, "s", None, deque()))


class Reader:
    """Instead of an ordered consumer: all messages of the keys asked for."""

    def __init__(self, js: Memory, stream: str, config: dict[str, Any]) -> None:
        last = {one[0]: at for at, one in enumerate(js.kept, 1)}
        pattern = config["filter_subject"].removesuffix(">")
        self._left = [
            (at, one)
            for at, one in enumerate(js.kept, 1)
            if one[0].startswith(pattern) and (config["deliver_policy"] != "last_per_subject" or last[one[0]] == at)
        ]
        self.pending = len(self._left)

    def next(self, timeout_s: float | None = None) -> tuple[Message, Meta] | None:
        if not self._left:
            return None
        at, (subject, payload, headers) = self._left.pop(0)
        meta = Meta(["S", "C", "1", str(at), "1", "1767323045000000000", str(len(self._left))])
        return message(subject, render_headers(headers) if headers else None, payload), meta

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture(autouse=True)
def readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_value, "Ordered", Reader)


def bucket(memory: Memory) -> Bucket:
    js: Any = memory
    return Bucket(js, "B")


@pytest.mark.parametrize("direct", [True, False])
def test_the_last_value_counts_and_a_deleted_one_is_none(direct: bool) -> None:
    memory = Memory(allow_direct=direct)
    store = bucket(memory)
    assert [store.put("k", b"1"), store.put("k", b"2"), store.put("other", b"3")] == [1, 2, 3]
    entry = store.get("k")
    assert (entry.key, entry.value, entry.revision, entry.created_ns) == ("k", b"2", 2, 1767323045000000000)
    assert store.get_revision("k", 1).value == b"1"
    store.delete("k")
    last = store.last("k")
    assert last is not None and last.operation == "DEL"
    for ask in (lambda: store.get("k"), lambda: store.get("none"), lambda: store.get_revision("k", 3)):
        with pytest.raises(KeyNotFound):
            ask()
    assert list(store.keys()) == ["other"]


def test_what_the_server_removed_by_itself_is_gone() -> None:
    memory = Memory()
    memory.kept = [("$KV.B.k", b"", [("Nats-Marker-Reason", "MaxAge")])]
    last = bucket(memory).last("k")
    assert last is not None and last.operation == "PURGE"


def test_create_and_update_look_at_revisions() -> None:
    memory = Memory()
    store = bucket(memory)
    assert store.create("k", b"1", 5 * 10**9) == 1 and ("Nats-TTL", "5s") in memory.kept[0][2]
    with pytest.raises(WrongRevision, match="exists already"):
        store.create("k", b"2")
    with pytest.raises(WrongRevision):
        store.update("k", b"2", 7)
    assert store.update("k", b"2", 1) == 2
    store.purge("k")
    assert ("Nats-Rollup", "sub") in memory.kept[-1][2] and store.create("k", b"again") == 4


def test_history_has_everything_in_order() -> None:
    store = bucket(Memory())
    for value in (b"1", b"2"):
        store.put("k", value)
    store.delete("k")
    assert [(entry.value, entry.operation) for entry in store.history("k")] == [
        (b"1", "PUT"),
        (b"2", "PUT"),
        (b"", "DEL"),
    ]
    with pytest.raises(KeyNotFound):
        store.history("none")


def test_compacting_keeps_young_markers() -> None:
    memory = Memory()
    store = bucket(memory)
    for key in ("a", "b"):
        store.put(key, b"x")
        store.delete(key)
    store.put("c", b"x")
    deleted_ns = 1767323045 * 10**9
    assert store.compact(60 * 10**9, deleted_ns + 10**9) == 2
    assert memory.purged == [{"filter": "$KV.B.a", "keep": 1}, {"filter": "$KV.B.b", "keep": 1}]
    memory.purged.clear()
    store.compact(60 * 10**9, deleted_ns + 61 * 10**9)
    assert memory.purged[0] == {"filter": "$KV.B.a"}


def test_a_mirror_is_written_through_its_origin() -> None:
    memory = Memory(mirror={"name": "KV_A", "external": {"api": "$JS.hub.API"}})
    store = bucket(memory)
    store.put("k", b"1")
    assert memory.kept[0][0] == "$JS.hub.API.$KV.A.k"
    memory = Memory()
    memory.prefix = "$JS.leaf.API"
    bucket(memory).put("k", b"1")
    assert memory.kept[0][0] == "$JS.leaf.API.$KV.B.k"


def test_buckets_that_are_not_there_or_are_none() -> None:
    js: Any = Memory()
    with pytest.raises(BucketNotFound):
        Bucket(js, "NONE")
    with pytest.raises(BucketNotFound, match="no key-value bucket"):
        bucket(Memory(max_msgs_per_subject=-1))
