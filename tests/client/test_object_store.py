"""Objects in chunks, against a JetStream that keeps them in memory."""

from __future__ import annotations

import base64
import io
import json
from collections import deque
from typing import Any

import pytest

from natsd.client import object_store
from natsd.client.bucket import BadBucket, BucketNotFound
from natsd.client.jetstream import ApiError, Meta
from natsd.client.message import Message, Subscription
from natsd.client.object_store import BadObject, ObjectNotFound, ObjectStore, bucket_config


class Memory:
    """What an object store needs of JetStream."""

    prefix = "$JS.API"
    timeout_s = 0.1

    def __init__(self) -> None:
        self.kept: list[tuple[str, bytes]] = []
        self.connection = self
        self.fails_at = 0

    def chance(self, count: int) -> bytes:
        return bytes(range(len(self.kept) % 7, len(self.kept) % 7 + count))

    def stream_info(self, name: str) -> dict[str, Any]:
        if name != "OBJ_B":
            raise ApiError(404, 10059, "stream not found")
        return {"config": bucket_config("B")}

    def get_message(self, name: str, last_by_subj: str) -> dict[str, Any]:
        for subject, payload in reversed(self.kept):
            if subject == last_by_subj:
                return {"data": base64.b64encode(payload).decode(), "time": "2026-01-02T03:04:05Z"}
        raise ApiError(404, 10037, "no message found")

    def publish(self, subject: str, payload: bytes, headers: Any = None) -> None:
        self.fails_at -= 1
        if self.fails_at == 0:
            raise ApiError(503, 10077, "maximum bytes exceeded")
        self.kept.append((subject, payload))

    def window(self, most: int) -> Memory:
        return self

    def finish(self) -> None:
        """All acks have come."""

    def purge_stream(self, name: str, filter: str) -> int:
        self.kept = [one for one in self.kept if one[0] != filter]
        return 0

    def chunks(self) -> int:
        return sum(1 for subject, _ in self.kept if ".C." in subject)


class Reader:
    """Instead of an ordered consumer."""

    def __init__(self, js: Memory, stream: str, config: dict[str, Any], batch: int = 0) -> None:
        self._left = [payload for subject, payload in js.kept if subject == config["filter_subject"]]

    def next(self, timeout_s: float) -> tuple[Message, Meta] | None:
        if not self._left:
            return None
        owner: Any = None
        message = Message(b"s", None, None, self._left.pop(0), Subscription(owner, 1, "s", None, deque()))
        return message, Meta(["S", "C", "1", "1", "1", "1", "0"])

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    monkeypatch.setattr(object_store, "Ordered", Reader)
    return Memory()


def store(memory: Memory) -> ObjectStore:
    js: Any = memory
    return ObjectStore(js, "B")


class Drops(io.RawIOBase):
    """A pipe: gives a few bytes at a time."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int = -1) -> bytes:
        some, self._content = self._content[: min(size, 3)], self._content[min(size, 3) :]
        return some


def fetch(bucket: ObjectStore, name: str) -> bytes:
    parts: list[bytes] = []
    bucket.get(bucket.describe(name), parts.append)
    return b"".join(parts)


def test_chunks_are_full_also_from_a_pipe(memory: Memory) -> None:
    bucket = store(memory)
    seen: list[int] = []
    source: Any = Drops(b"0123456789")
    info = bucket.put(source, {"name": "a/b"}, 4, seen.append)
    assert (info["size"], info["chunks"], info["options"]) == (10, 3, {"max_chunk_size": 4}) and seen == [4, 8, 10]
    digest = bytes.fromhex("84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882")
    assert info["digest"] == f"SHA-256={base64.urlsafe_b64encode(digest).decode()}"
    assert fetch(bucket, "a/b") == b"0123456789" and memory.kept[-1][0] == "$O.B.M.YS9i"


def test_a_replaced_and_a_deleted_object_leave_no_chunks(memory: Memory) -> None:
    bucket = store(memory)
    bucket.put(io.BytesIO(b"x" * 10), {"name": "a"}, 4)
    bucket.put(io.BytesIO(b"y" * 5), {"name": "a"}, 4)
    assert memory.chunks() == 2 and fetch(bucket, "a") == b"yyyyy"
    bucket.delete("a")
    assert memory.chunks() == 0 and json.loads(memory.kept[-1][1])["deleted"]
    with pytest.raises(ObjectNotFound):
        bucket.describe("a")
    assert bucket.describe("a", deleted=True)["size"] == 0


def test_an_empty_object_has_no_chunks(memory: Memory) -> None:
    bucket = store(memory)
    assert bucket.put(io.BytesIO(b""), {"name": "a"})["chunks"] == 0 and fetch(bucket, "a") == b""


def test_a_put_that_fails_takes_its_chunks_away_and_keeps_the_object_before(memory: Memory) -> None:
    bucket = store(memory)
    bucket.put(io.BytesIO(b"old"), {"name": "a"}, 4)
    memory.fails_at = 3
    with pytest.raises(ApiError):
        bucket.put(io.BytesIO(b"y" * 50), {"name": "a"}, 4)
    assert memory.chunks() == 1 and fetch(bucket, "a") == b"old"


def test_what_was_changed_or_lost_is_noticed(memory: Memory) -> None:
    bucket = store(memory)
    bucket.put(io.BytesIO(b"0123456789"), {"name": "a"}, 4)
    whole = list(memory.kept)
    memory.kept[0] = (memory.kept[0][0], b"9999")
    with pytest.raises(BadObject, match="digest"):
        fetch(bucket, "a")
    memory.kept = whole[1:]
    with pytest.raises(BadObject, match="missing"):
        fetch(bucket, "a")
    memory.kept = [(whole[0][0], b"01234"), *whole[1:]]
    with pytest.raises(BadObject, match="11 bytes instead of 10"):
        fetch(bucket, "a")


def test_buckets_that_are_not_there_or_cannot_be(memory: Memory) -> None:
    js: Any = memory
    with pytest.raises(BucketNotFound):
        ObjectStore(js, "NONE")
    with pytest.raises(BadBucket):
        ObjectStore(js, "a.b")
    memory.kept.append(("$O.B.M.YQ==", b"nonsense"))
    with pytest.raises(BadObject, match="cannot be read"):
        store(memory).describe("a")
