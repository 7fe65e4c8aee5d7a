"""Object buckets: a stream that holds objects in chunks, and a message that describes each of them.

Chunks go to ``$O.bucket.C.id``, the description of an object to ``$O.bucket.M.name`` (the name in base64), where it
replaces the one before. An object is there when its description is: chunks come first, those of the object before go
last. Memory stays flat: chunks are read, hashed and sent one by one with a window of acks.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

from natsd.client.bucket import load_bucket, plain_config
from natsd.client.errors import ClientError
from natsd.client.jetstream import DEFAULT_PREFIX, MESSAGE_NOT_FOUND, ApiError
from natsd.client.nuid import new_nuid
from natsd.client.pulling import Ordered
from natsd.client.stored import payload_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, BinaryIO

    from natsd.client.jetstream import JetStream

    Answer = dict[str, Any]

PREFIX = "OBJ_"
CHUNK_BYTES = 128 * 1024
# Chunks on their way at most: 4 MiB.
WINDOW = 32
BATCH = 64


class ObjectNotFound(ClientError):
    """There is no such object, or it was deleted."""

    text = "nats: object not found"


class BadObject(ClientError):
    """What was stored is not what its description says, or cannot be stored."""


def bucket_config(name: str, **settings: Any) -> Answer:
    """The configuration of a stream for a new bucket; `settings` are keys of such a configuration."""
    subjects = [f"$O.{name}.C.>", f"$O.{name}.M.>"]
    return {**plain_config(PREFIX, name), "subjects": subjects, **settings}


class ObjectStore:
    """A bucket that exists."""

    def __init__(self, js: JetStream, name: str) -> None:
        """Raises BucketNotFound."""
        self._js = js
        self.name = name
        self.stream = PREFIX + name
        self.info = load_bucket(js, PREFIX, name)
        self._put_prefix = "" if js.prefix == DEFAULT_PREFIX else f"{js.prefix}."

    def _meta_subject(self, name: str) -> str:
        return f"$O.{self.name}.M.{urlsafe_b64encode(name.encode('utf-8', 'surrogateescape')).decode()}"

    # -- reading

    def describe(self, name: str, deleted: bool = False) -> Answer:
        """The description of an object. Raises ObjectNotFound, for a deleted one too unless it is wanted."""
        try:
            raw = self._js.get_message(self.stream, last_by_subj=self._meta_subject(name))
        except ApiError as problem:
            if problem.err_code == MESSAGE_NOT_FOUND:
                raise ObjectNotFound(f'nats: object "{name}" not found') from None
            raise
        info = _description(payload_of(raw)[0])
        info["mtime"] = raw.get("time", "")
        if info.get("deleted") and not deleted:
            raise ObjectNotFound(f'nats: object "{name}" not found')
        return info

    def objects(self, deleted: bool = False) -> list[Answer]:
        """The descriptions of all objects."""
        reader = Ordered(self._js, self.stream, self._meta_config())
        found = []
        left = reader.pending
        try:
            while left:
                arrived = reader.next(self._js.timeout_s)
                if arrived is None:
                    break
                message, meta = arrived
                left = min(left - 1, meta.pending)
                info = _description(message.payload) | {"mtime": meta.time_ns}
                if deleted or not info.get("deleted"):
                    found.append(info)
        finally:
            reader.close()
        return found

    def _meta_config(self) -> Answer:
        return {"filter_subject": f"$O.{self.name}.M.>", "deliver_policy": "last_per_subject"}

    def watch(self) -> Iterator[Answer]:
        """Descriptions there are and those to come, without end."""
        reader = Ordered(self._js, self.stream, self._meta_config())
        try:
            while True:
                arrived = reader.next()
                if arrived is not None:
                    yield _description(arrived[0].payload) | {"mtime": arrived[1].time_ns}
        finally:
            reader.close()

    def get(self, info: Answer, write: Callable[[bytes], object]) -> int:
        """Hand the chunks of an object to `write`; returns its size. Raises BadObject where they are not as stored."""
        from hashlib import sha256

        digest = sha256()
        size = 0
        chunks = int(info.get("chunks") or 0)
        if chunks:
            if not info.get("nuid"):
                raise BadObject(f"nats: the description of object {info['name']} names no chunks")
            subject = f"$O.{self.name}.C.{info['nuid']}"
            reader = Ordered(self._js, self.stream, {"filter_subject": subject}, BATCH)
            try:
                for _ in range(chunks):
                    arrived = reader.next(self._js.timeout_s)
                    if arrived is None:
                        raise BadObject(f"nats: timeout: chunks of object {info['name']} are missing")
                    payload = arrived[0].payload
                    size += len(payload)
                    digest.update(payload)
                    write(payload)
            finally:
                reader.close()
        if size != int(info.get("size") or 0):
            wanted = int(info.get("size") or 0)
            raise BadObject(f"nats: object {info['name']} has {size:,} bytes instead of {wanted:,}")
        if info.get("digest") and digest_text(digest.digest()) != info["digest"]:
            raise BadObject(f"nats: the digest of object {info['name']} is wrong: its bytes are not those stored")
        return size

    # -- writing

    def put(
        self,
        source: BinaryIO,
        meta: Answer,
        chunk_bytes: int = CHUNK_BYTES,
        progress: Callable[[int], object] | None = None,
    ) -> Answer:
        """Store what can be read from `source` under ``meta["name"]``; returns the description."""
        from hashlib import sha256

        connection = self._js.connection
        nuid = new_nuid(connection.chance)
        subject = f"{self._put_prefix}$O.{self.name}.C.{nuid}"
        digest = sha256()
        size = chunks = 0
        try:
            before: Answer | None = self.describe(str(meta["name"]), deleted=True)
        except ObjectNotFound:
            before = None
        window = self._js.window(WINDOW)
        try:
            while chunk := _read_full(source, chunk_bytes):
                digest.update(chunk)
                window.publish(subject, chunk)
                size += len(chunk)
                chunks += 1
                if progress is not None:
                    progress(size)
            window.finish()
        except BaseException:
            self._forget(nuid)
            raise
        info = {
            **meta,
            "options": {**(meta.get("options") or {}), "max_chunk_size": chunk_bytes},
            "bucket": self.name,
            "nuid": nuid,
            "size": size,
            "mtime": "0001-01-01T00:00:00Z",
            "chunks": chunks,
            "digest": digest_text(digest.digest()),
        }
        self._describe(info)
        if before is not None and before.get("nuid") and not before.get("deleted"):
            self._forget(str(before["nuid"]))
        return self.describe(str(meta["name"]))

    def _describe(self, info: Answer) -> None:
        raw = json.dumps(info, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")
        subject = self._put_prefix + self._meta_subject(str(info["name"]))
        self._js.publish(subject, raw, [("Nats-Rollup", "sub")])

    def _forget(self, nuid: str) -> None:
        """Remove the chunks of an object."""
        self._js.purge_stream(self.stream, filter=f"$O.{self.name}.C.{nuid}")

    def delete(self, name: str) -> None:
        """Mark an object as deleted and remove its chunks. Raises ObjectNotFound."""
        info = self.describe(name)
        nuid = str(info.get("nuid", ""))
        self._describe({**info, "deleted": True, "size": 0, "chunks": 0, "digest": "", "mtime": "0001-01-01T00:00:00Z"})
        if nuid:
            self._forget(nuid)


def digest_text(raw: bytes) -> str:
    """A digest as a description has it."""
    return "SHA-256=" + urlsafe_b64encode(raw).decode()


def _read_full(source: BinaryIO, size: int) -> bytes:
    """So many bytes, fewer only at the end: a pipe gives less than what is asked for."""
    chunk = source.read(size)
    while chunk and len(chunk) < size:
        more = source.read(size - len(chunk))
        if not more:
            break
        chunk += more
    return chunk


def _description(raw: bytes) -> Answer:
    try:
        info = json.loads(raw)
    except ValueError:
        info = None
    if not isinstance(info, dict) or not isinstance(info.get("name"), str):
        raise BadObject("nats: the description of an object cannot be read: it is no JSON object with a name")
    return info
